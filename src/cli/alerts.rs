//! `alerts`, `ack` and `silence`.
//!
//! Owns: what they ask and print.
//! Must not know: when an alert is told.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::screen::safe;
use super::talk::{self, Request, Socket, show};
use super::watch::{Seen, follow};
use super::{Common, Exit, screen};
use crate::api::protocol::alerts::{
    AckRequest, AlertLine, AlertsAnswer, ChannelLine, SilenceLine, SilenceRequest, TestAnswer,
};

/// How long a test waits for what became of it, and how often it looks.
const TEST_LOOKS: u32 = 60;
const TEST_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// Most alerts that are over and are shown.
const RESOLVED_SHOWN: usize = 10;

/// Flags of `alerts`.
#[derive(Debug, Clone, Args)]
pub struct AlertsArgs {
    /// Keep printing alerts as they come; resumes by itself when the daemon was away
    #[arg(long)]
    pub follow: bool,
    /// What else.
    #[command(subcommand)]
    pub verb: Option<AlertsVerb>,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

/// What else `alerts` does.
#[derive(Debug, Clone, Subcommand)]
pub enum AlertsVerb {
    /// Send a test message over every channel and say what became of it
    Test,
}

/// Flags of `ack`.
#[derive(Debug, Clone, Args)]
pub struct AckArgs {
    /// The alert, as `alerts` shows it
    pub id: String,
    /// Who you are, for whoever reads it later
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of `silence`.
#[derive(Debug, Clone, Args)]
pub struct SilenceArgs {
    /// What to keep quiet about, such as rule=spill,symbol=BTC*; or, with --end, the silence
    pub matcher: String,
    /// For how long: 90s, 30m, 2h; at most 24h
    #[arg(long = "for", value_name = "TIME", required_unless_present = "end")]
    pub lasts: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present = "end")]
    pub reason: Option<String>,
    /// End this silence now
    #[arg(long, conflicts_with_all = ["lasts", "reason"])]
    pub end: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(args: &AlertsArgs) -> Exit {
    let common = &args.common;
    if matches!(args.verb, Some(AlertsVerb::Test)) {
        return test(common);
    }
    if args.follow {
        return follow(common, |seen| {
            let text = match seen {
                Seen::Line(line) if common.json => {
                    return screen::print_json(&serde_json::to_vec(line).unwrap_or_default());
                }
                Seen::Line(line) => entry(line),
                Seen::Note(note) => {
                    screen::remark(note);
                    return Ok(());
                }
                Seen::Message(_) | Seen::Missed(_) => return Ok(()),
            };
            screen::print(&text)
        });
    }
    show(common, Request::get("/v1/alerts"), page)
}

fn page(answer: &AlertsAnswer) -> String {
    let mut text = String::new();
    for line in &answer.alerts {
        text.push_str(&entry(line));
    }
    if answer.alerts.is_empty() {
        text.push_str("no alert is firing\n");
    }
    for line in answer.resolved.iter().take(RESOLVED_SHOWN) {
        text.push_str(&entry(line));
    }
    for silence in &answer.silences {
        text.push_str(&silence_words(silence));
    }
    for channel in &answer.channels {
        text.push_str(&channel_words(channel));
    }
    text
}

/// One alert in a few lines.
pub(super) fn entry(line: &AlertLine) -> String {
    let about = [line.pool.as_deref(), line.symbol.as_deref()];
    let about: Vec<String> = about.into_iter().flatten().map(safe).collect();
    let severity = safe(&line.severity).to_uppercase();
    let severity = match (line.state.as_str(), line.severity.as_str()) {
        ("resolved", _) => screen::dim("OVER"),
        (_, "critical") => screen::red(&severity),
        _ => screen::bold(&severity),
    };
    let mut notes = Vec::new();
    if let Some(by) = &line.acknowledged_by {
        notes.push(format!("acknowledged by {}", safe(by)));
    }
    if let Some(silence) = &line.silenced_by {
        notes.push(format!("silenced by {}", safe(silence)));
    }
    if let Some(other) = &line.inhibited_by {
        notes.push(format!("because of {}", safe(other)));
    }
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!(" ({})", notes.join(", "))
    };
    let mut text = format!(
        "{severity} {} {} {}{notes}\n",
        safe(&line.rule),
        about.join(" "),
        screen::dim(format!("{} since {}", safe(&line.id), local(line.since))),
    );
    text.push_str(&screen::wrapped(&line.what, "    "));
    if line.state == "resolved" {
        return text;
    }
    if !line.to_do.is_empty() {
        text.push_str(&screen::wrapped(&format!("→ {}", line.to_do), "    "));
    }
    if let Some(command) = &line.command {
        text.push_str(&screen::wrapped(&format!("$ {command}"), "    "));
    }
    text
}

fn silence_words(silence: &SilenceLine) -> String {
    format!(
        "silence {} of {} until {}: {}\n",
        safe(&silence.id),
        safe(&silence.matcher),
        local(silence.until),
        safe(&silence.reason)
    )
}

fn channel_words(channel: &ChannelLine) -> String {
    let error = channel.error.as_deref().map_or_else(String::new, |error| {
        format!(" · {}", screen::red(safe(error)))
    });
    format!(
        "channel {} ({}): {} delivered, {} failed, {} dropped, {} waiting{error}\n",
        safe(&channel.name),
        safe(&channel.kind),
        channel.delivered,
        channel.failed,
        channel.dropped,
        channel.queued
    )
}

/// A time in the zone of this machine, to the second.
fn local(ms: i64) -> String {
    let zone = jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC);
    jiff::Timestamp::from_millisecond(ms).map_or_else(
        |_| ms.to_string(),
        |at| {
            let at = at.to_zoned_datetime(zone);
            at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        },
    )
}

pub(super) fn acknowledge(args: &AckArgs) -> Exit {
    if args.id.is_empty() || !args.id.chars().all(|c| c.is_ascii_alphanumeric()) {
        screen::complain("the id of an alert is a letter and a number: see crossguard alerts");
        return Exit::Usage;
    }
    let by = args.by.clone();
    let request = Request {
        socket: Socket::Everyday,
        method: Method::POST,
        path: format!("/v1/alerts/{}/ack", args.id),
        body: serde_json::to_vec(&AckRequest { by }).unwrap_or_default(),
    };
    show(&args.common, request, |line: &AlertLine| entry(line))
}

pub(super) fn silence(args: &SilenceArgs) -> Exit {
    let request = if args.end {
        let id: String = url::form_urlencoded::byte_serialize(args.matcher.as_bytes()).collect();
        Request {
            socket: Socket::Admin,
            method: Method::DELETE,
            path: format!("/v1/silences?id={id}"),
            body: Vec::new(),
        }
    } else {
        let Some(seconds) = args.lasts.as_deref().and_then(seconds) else {
            screen::complain("--for: expected a time such as 90s, 30m or 2h, at most 24h");
            return Exit::Usage;
        };
        let body = SilenceRequest {
            matcher: args.matcher.clone(),
            reason: args.reason.clone().unwrap_or_default(),
            seconds,
        };
        Request {
            socket: Socket::Admin,
            method: Method::POST,
            path: "/v1/silences".to_owned(),
            body: serde_json::to_vec(&body).unwrap_or_default(),
        }
    };
    show(&args.common, request, |silence: &SilenceLine| {
        silence_words(silence)
    })
}

fn seconds(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    number
        .checked_mul(unit_s)
        .filter(|s| (1..=86_400).contains(s))
}

/// A test is over when every channel has said something about it.
fn test(common: &Common) -> Exit {
    match try_test(common) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_test(common: &Common) -> Result<Exit, Exit> {
    let states = || -> Result<Vec<ChannelLine>, Exit> {
        let bytes = talk::ask(common, Request::get("/v1/alerts"))?;
        Ok(talk::read::<AlertsAnswer>(&bytes)?.channels)
    };
    let before = states()?;
    let sent = Request {
        socket: Socket::Admin,
        method: Method::POST,
        path: "/v1/alerts/test".to_owned(),
        body: Vec::new(),
    };
    let bytes = talk::ask(common, sent)?;
    if talk::read::<TestAnswer>(&bytes)?.channels == 0 {
        screen::complain("no channel is configured: see [[alerts.channel]] in docs/alerts.md");
        return Ok(Exit::Other);
    }
    let mut after = states()?;
    for _ in 0..TEST_LOOKS {
        let is_told = |channel: &ChannelLine| {
            let count = |c: &ChannelLine| (c.delivered, c.failed, c.retried);
            let known = before.iter().find(|one| one.name == channel.name);
            known.is_none_or(|known| count(known) != count(channel))
        };
        if after.iter().all(is_told) {
            break;
        }
        std::thread::sleep(TEST_PAUSE);
        after = states()?;
    }
    let tested: Vec<Tested<'_>> = after
        .iter()
        .map(|channel| {
            let known = before.iter().find(|one| one.name == channel.name);
            Tested {
                arrived: known.is_none_or(|known| channel.delivered > known.delivered),
                channel,
            }
        })
        .collect();
    if common.json {
        screen::print_json(&serde_json::to_vec(&tested).unwrap_or_default())?;
    } else {
        let lines: String = tested.iter().map(tested_words).collect();
        screen::print(&lines)?;
    }
    let all = tested.iter().all(|one| one.arrived);
    Ok(if all { Exit::Allow } else { Exit::Other })
}

/// What became of a test on one channel.
#[derive(Debug, serde::Serialize)]
struct Tested<'a> {
    arrived: bool,
    #[serde(flatten)]
    channel: &'a ChannelLine,
}

fn tested_words(tested: &Tested<'_>) -> String {
    let word = if tested.arrived {
        "arrived"
    } else {
        "NOT DELIVERED"
    };
    format!("{word}: {}", channel_words(tested.channel))
}
