//! A message as text and as JSON.
//!
//! Owns: titles, lines, local times, limits of length, and making foreign text harmless for
//! whatever reads it: terminals, markup, JSON.
//! Must not know: how anything is sent.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::manage::LINES_MAX;
use super::matcher::Matcher;
use super::model::{Alert, Message, Occasion};
use crate::guard::alarm::{Rule, Severity};
use crate::telemetry::{Safe, safe_json};

/// Longest piece of foreign text in a line, in characters: a symbol has at most 64 bytes, a reason
/// of the exchange may be longer.
const PIECE_CHARS_MAX: usize = 600;

/// Largest JSON, in bytes, unless a single alert is larger.
const JSON_BYTES_MAX: usize = 56 * 1024;

/// A message in words, before any markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub title: String,
    /// The rest; lines are separated by line ends and hold nothing that acts on a terminal.
    pub body: String,
}

/// Puts a message into words. Times are those of the zone.
#[must_use]
pub fn words(message: &Message, zone: &TimeZone) -> Words {
    words_of(message, zone, LINES_MAX)
}

/// The same for a service that takes only so much: with fewer alerts told line by line until it
/// fits, so that the rest is counted and not cut off. What a single alert still has too much is the
/// caller's to cut.
#[must_use]
pub fn words_within(message: &Message, zone: &TimeZone, fits: impl Fn(&Words) -> bool) -> Words {
    let listed = message.alerts.len().clamp(1, LINES_MAX);
    let tried = (1..=listed)
        .rev()
        .map(|lines| words_of(message, zone, lines));
    let mut last = None;
    for words in tried {
        if fits(&words) {
            return words;
        }
        last = Some(words);
    }
    last.unwrap_or_else(|| words_of(message, zone, 1))
}

fn words_of(message: &Message, zone: &TimeZone, lines_max: usize) -> Words {
    let firing = message
        .alerts
        .iter()
        .filter(|alert| alert.is_firing())
        .count();
    let severity = message.severity().name().to_uppercase();
    let first = message.alerts.first().map_or_else(String::new, headline);
    let title = match message.occasion {
        Occasion::Test => "crossguard: test message".to_owned(),
        Occasion::Resolved => format!("crossguard: over: {first}"),
        Occasion::Repeat => format!("crossguard: still {severity}: {first}"),
        Occasion::Escalation => format!("crossguard: NOBODY ANSWERED: {severity}: {first}"),
        Occasion::Alert => format!("crossguard: {severity}: {first}"),
    };
    let title = match firing {
        0 | 1 => title,
        more => format!("{title} (+{})", more.saturating_sub(1)),
    };
    let mut lines: Vec<String> = message
        .alerts
        .iter()
        .take(lines_max)
        .map(|alert| line(alert, zone))
        .collect();
    let more = message.alerts.len().saturating_sub(lines_max);
    if more > 0 {
        lines.push(format!("… and {more} more: crossguard alerts"));
    }
    Words {
        title: cut(&title, 200),
        body: lines.join("\n"),
    }
}

/// What an alert is about, in few words.
#[must_use]
pub fn headline(alert: &Alert) -> String {
    let about = match (&alert.symbol, &alert.pool) {
        (Some(symbol), _) => safe(symbol),
        (None, Some(pool)) => format!("{} pool", safe(pool)),
        (None, None) => String::new(),
    };
    let what = alert.rule().map_or("alert", rule_words);
    if about.is_empty() {
        what.to_owned()
    } else {
        format!("{what}, {about}")
    }
}

const fn rule_words(rule: Rule) -> &'static str {
    match rule {
        Rule::Liquidation => "the exchange liquidates",
        Rule::MarginCall => "margin call",
        Rule::Distance => "near liquidation",
        Rule::ForcedTrade => "the exchange trades by itself",
        Rule::ProtectionLost => "protective order lost",
        Rule::WalletAtRisk => "wallet at risk",
        Rule::HeadroomFalling => "headroom falls",
        Rule::MarginRatio => "margin ratio",
        Rule::Stress => "a scenario is not survived",
        Rule::OrderWouldBreak => "a working order is too large",
        Rule::Spill => "one position reaches into the wallet",
        Rule::IsolatedRequired => "crossed against your policy",
        Rule::UnguardedOrder => "order that never asked the guard",
        Rule::SettingsChanged => "settings changed",
        Rule::RequirementRose => "margin requirement rose",
        Rule::CollateralCut => "collateral counts for less",
        Rule::FundingCost => "funding is expensive",
        Rule::MarkJump => "price jumps",
        Rule::KeyRefused => "API key refused",
        Rule::KeyPrivileged => "API key may do too much",
        Rule::Stale => "the guard is blind",
        Rule::FiguresUnknown => "figures not known",
        Rule::Drift => "the account differed",
        Rule::AccountEmpty => "account reads as empty",
        Rule::Restarted => "restarted",
    }
}

fn line(alert: &Alert, zone: &TimeZone) -> String {
    let since = local(alert.since_ms, zone);
    if let Some(ended_ms) = alert.ended_ms {
        let lasted = duration(ended_ms.saturating_sub(alert.since_ms));
        let worst = worst(alert).map_or_else(String::new, |worst| format!(", at worst {worst}"));
        return format!(
            "OVER: {} after {lasted}{worst} (since {since})",
            headline(alert)
        );
    }
    let mut text = format!(
        "{} since {since} [{}]: {}",
        alert.severity().name().to_uppercase(),
        safe(&alert.id),
        safe(&alert.what)
    );
    if !alert.to_do.is_empty() {
        text.push_str("\n  → ");
        text.push_str(&safe(&alert.to_do));
    }
    if let Some(command) = &alert.command {
        text.push_str("\n  $ ");
        text.push_str(&safe(command));
    }
    text
}

/// The worst value, in the unit of its rule.
fn worst(alert: &Alert) -> Option<String> {
    let value = crate::margin::amount::parse(alert.worst.as_deref()?).ok()?;
    Some(match alert.rule()? {
        Rule::Stale => format!("{} s", value.round_dp(0).normalize()),
        Rule::IsolatedRequired | Rule::FiguresUnknown | Rule::KeyRefused | Rule::KeyPrivileged => {
            return None;
        }
        _ => {
            let percent = value.checked_mul(rust_decimal::Decimal::ONE_HUNDRED)?;
            format!("{} %", percent.round_dp(1).normalize())
        }
    })
}

/// "4 min 10 s".
#[must_use]
pub fn duration(ms: i64) -> String {
    let seconds = ms.max(0).div_euclid(1_000);
    let (minutes, hours) = (seconds.div_euclid(60), seconds.div_euclid(3_600));
    if minutes == 0 {
        format!("{seconds} s")
    } else if hours == 0 {
        format!("{minutes} min {} s", seconds.rem_euclid(60))
    } else {
        format!("{hours} h {} min", minutes.rem_euclid(60))
    }
}

/// A moment in the zone, as people write it.
#[must_use]
pub fn local(ms: i64, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "?".to_owned(),
        |at| {
            let at = at.to_zoned_datetime(zone.clone());
            at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        },
    )
}

/// Foreign text: harmless for a terminal, and not endless.
fn safe(text: &str) -> String {
    Safe(&cut(text, PIECE_CHARS_MAX)).to_string()
}

/// At most so many characters, with a mark where something was cut.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept = chars_max.saturating_sub(1);
    text.chars().take(kept).chain(['…']).collect()
}

/// At most so many bytes, with a mark where something was cut.
#[must_use]
pub fn cut_bytes(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub('…'.len_utf8());
    let mut kept = String::with_capacity(bytes_max);
    for c in text.chars() {
        if kept.len().saturating_add(c.len_utf8()) > room {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// For readers of Markdown: every character that could be markup stands for itself.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|>[]()#<@:!{}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// For readers of HTML-like markup, which is what desktop notifications and Slack read.
#[must_use]
pub fn escape_entities(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What hooks and webhooks are given.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    version: u32,
    occasion: &'static str,
    severity: &'static str,
    time: String,
    title: &'a str,
    text: &'a str,
    /// Alerts that are not listed.
    more: usize,
    alerts: Vec<PayloadAlert<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadAlert<'a> {
    id: &'a str,
    state: &'static str,
    rule: &'a str,
    severity: &'static str,
    pool: Option<String>,
    symbol: Option<String>,
    what: String,
    to_do: String,
    command: Option<String>,
    value: Option<&'a str>,
    worst: Option<&'a str>,
    limit: Option<&'a str>,
    since: String,
    ended: Option<String>,
}

/// The JSON of a message: as many of its alerts as find room, at least the most urgent one.
#[must_use]
pub fn json(message: &Message, zone: &TimeZone) -> Vec<u8> {
    let words = words(message, zone);
    let mut listed = LINES_MAX;
    loop {
        let bytes = payload(message, &words, listed);
        if bytes.len() <= JSON_BYTES_MAX || listed <= 1 {
            return bytes;
        }
        listed = listed.div_euclid(2);
    }
}

fn payload(message: &Message, words: &Words, listed: usize) -> Vec<u8> {
    let utc = |ms: i64| {
        Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| at.to_string())
    };
    let piece = |text: &str| cut(text, PIECE_CHARS_MAX);
    let alerts = message
        .alerts
        .iter()
        .take(listed)
        .map(|alert| PayloadAlert {
            id: &alert.id,
            state: if alert.is_firing() {
                "firing"
            } else {
                "resolved"
            },
            rule: &alert.rule,
            severity: alert.severity().name(),
            pool: alert.pool.as_deref().map(piece),
            symbol: alert.symbol.as_deref().map(piece),
            what: piece(&alert.what),
            to_do: piece(&alert.to_do),
            command: alert.command.as_deref().map(piece),
            value: alert.value.as_deref(),
            worst: alert.worst.as_deref(),
            limit: alert.limit.as_deref(),
            since: utc(alert.since_ms),
            ended: alert.ended_ms.map(utc),
        });
    let payload = Payload {
        version: 1,
        occasion: message.occasion.name(),
        severity: message.severity().name(),
        time: utc(message.at_ms),
        title: &words.title,
        text: &words.body,
        more: message.alerts.len().saturating_sub(listed),
        alerts: alerts.collect(),
    };
    // Plain values always serialise. What a program prints of it must not act on its terminal.
    let json = serde_json::to_string(&payload).unwrap_or_default();
    safe_json(&json).into_owned().into_bytes()
}

/// The part of a message that a channel of this severity and this matcher is told; `None` when nothing
/// is left.
#[must_use]
pub fn for_channel(
    message: &Message,
    least: Severity,
    matching: Option<&Matcher>,
) -> Option<Message> {
    if message.occasion == Occasion::Test {
        return Some(message.clone());
    }
    let alerts: Vec<Alert> = message
        .alerts
        .iter()
        .filter(|alert| {
            // Who was told of it when it was more urgent is told of its end.
            let severity = if alert.is_firing() {
                alert.severity()
            } else {
                alert.loudest()
            };
            severity >= least
        })
        .filter(|alert| matching.is_none_or(|matcher| matcher.matches(alert)))
        .cloned()
        .collect();
    if alerts.is_empty() {
        return None;
    }
    let none_firing = !alerts.iter().any(Alert::is_firing);
    let occasion = if none_firing {
        Occasion::Resolved
    } else {
        message.occasion
    };
    Some(Message {
        occasion,
        at_ms: message.at_ms,
        alerts,
    })
}
