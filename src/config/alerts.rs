//! `[alerts]`: levels, channels, credentials, from text to proof.
//!
//! Owns: which keys exist, their defaults and bounds.
//! Must not know: how an alarm is raised, how a message is sent.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::prover::{Prover, Section};
use super::raw::{Node, Value};
use crate::alerts::address::{Address, is_credential_name};
use crate::alerts::matcher::Matcher;
use crate::guard::alarm::levels::Given;
use crate::guard::alarm::{AlarmPolicy, Rule, Severity};

/// Most channels.
const CHANNELS_MAX: usize = 20;

/// Most messages a channel may be given in a minute.
const PER_MINUTE_MAX: u32 = 600;
const PER_MINUTE: u32 = 20;

/// Longest name of a channel, in bytes.
const NAME_BYTES_MAX: usize = 64;

const DAY_S: i64 = 24 * 60 * 60;

/// One `[[alerts.channel]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub address: Address,
    /// The least severity it is told of.
    pub severity: Severity,
    /// The alerts it is told of; `None`: all.
    pub matching: Option<Matcher>,
    /// It is told only what nobody acknowledged.
    pub only_escalations: bool,
    /// Most messages in a minute.
    pub per_minute: u32,
}

/// `[alerts]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alerts {
    /// Levels and hold times.
    pub levels: AlarmPolicy,
    /// After how many seconds a firing alert is told again, by severity: `Some(None)` is off.
    pub repeat_s: [Option<Option<i64>>; 3],
    /// After how many seconds an unacknowledged critical alert is told louder: `Some(None)` is off.
    pub escalate_s: Option<Option<i64>>,
    /// The channels.
    pub channels: Vec<Channel>,
    /// A URL to be asked for, or the credential it lies in.
    pub heartbeat_url: Option<String>,
    /// How often, in seconds.
    pub heartbeat_s: i64,
    /// Where credentials may lie, best first, by name.
    pub credentials: BTreeMap<String, Vec<PathBuf>>,
}

pub(super) fn prove(prover: &mut Prover<'_>, root: &mut Section) -> Alerts {
    let mut section = prover.section(root, "alerts");
    let mut alerts = Alerts {
        heartbeat_s: 60,
        ..Alerts::default()
    };
    let files = credential_files(prover, &mut section);
    alerts.levels = levels(prover, &mut section);
    let mut repeat = prover.section(&mut section, "repeat");
    for (severity, slot) in Severity::ALL.into_iter().zip(&mut alerts.repeat_s) {
        *slot = seconds_or_off(prover, &mut repeat, severity.name(), 60);
    }
    prover.finish(repeat, &Severity::ALL.map(Severity::name));
    alerts.escalate_s = seconds_or_off(prover, &mut section, "escalate", 60);
    heartbeat(prover, &mut section, &mut alerts);
    alerts.channels = channels(prover, &mut section);
    let known = [
        "credentials",
        "levels",
        "repeat",
        "escalate",
        "heartbeat_url",
        "heartbeat_every",
        "channel",
    ];
    prover.finish(section, &known);
    let directory = prover.variable("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let mut named: Vec<String> = alerts
        .channels
        .iter()
        .flat_map(|channel| channel.address.credentials())
        .map(str::to_owned)
        .collect();
    named.extend(heartbeat_credential(&alerts).map(str::to_owned));
    for name in named {
        let first = directory.as_ref().map(|folder| folder.join(&name));
        let then = files.get(&name).cloned();
        alerts
            .credentials
            .insert(name, first.into_iter().chain(then).collect());
    }
    alerts
}

/// The credential that holds the heartbeat's URL, if it lies in one.
#[must_use]
pub fn heartbeat_credential(alerts: &Alerts) -> Option<&str> {
    let url = alerts.heartbeat_url.as_deref()?;
    url.strip_prefix("${cred:")?.strip_suffix('}')
}

/// Encrypted, or to this machine.
#[must_use]
pub fn is_heartbeat_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        let is_near = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        url.scheme() == "https" || (url.scheme() == "http" && is_near)
    })
}

fn credential_files(prover: &mut Prover<'_>, section: &mut Section) -> BTreeMap<String, PathBuf> {
    let mut table = prover.section(section, "credentials");
    let mut files = BTreeMap::new();
    for name in table.names() {
        let key = table.key(&name);
        let place = table.place;
        if !is_credential_name(&name) {
            prover.mistake(place, &key, "a name holds letters, digits, - and _");
        }
        if let Some((path, _)) = prover.path(&mut table, &name) {
            files.insert(name, path);
        }
    }
    files
}

/// `[alerts.levels]`: `distance = { warning = "0.2", critical = "0.1", clear = "0.1", hold = "60s" }`.
fn levels(prover: &mut Prover<'_>, section: &mut Section) -> AlarmPolicy {
    let mut table = prover.section(section, "levels");
    let mut levels = AlarmPolicy::default();
    for rule in Rule::ALL {
        let Some(node) = table.take(rule.name()) else {
            continue;
        };
        let path = table.key(rule.name());
        let mut one = prover.as_section(node, path);
        let mut given = Given::default();
        for (severity, slot) in Severity::ALL.into_iter().zip(&mut given.raise) {
            if let Some(node) = one.take(severity.name()) {
                let key = one.key(severity.name());
                *slot = number_or_off(prover, &key, &node);
            }
        }
        if let Some(node) = one.take("clear") {
            let key = one.key("clear");
            given.clear_margin = prover
                .decimal(&key, &node, true)
                .filter(|margin| in_range(prover, &key, &node, *margin));
        }
        given.hold_ms = seconds(prover, &mut one, "hold", 0).map(|s| s.saturating_mul(1_000));
        prover.finish(one, &["info", "warning", "critical", "clear", "hold"]);
        levels.given.insert(rule, given);
    }
    prover.finish(table, &Rule::ALL.map(Rule::name));
    levels
}

fn in_range(prover: &mut Prover<'_>, key: &str, node: &Node, margin: Decimal) -> bool {
    let fits = margin >= Decimal::ZERO && margin <= Decimal::ONE;
    if !fits {
        prover.mistake(node.place, key, "must be from 0 to 1");
    }
    fits
}

fn number_or_off(prover: &mut Prover<'_>, key: &str, node: &Node) -> Option<Option<Decimal>> {
    if matches!(&node.value, Value::Text(text) if text == "off") {
        prover.came_from(key, node.place);
        return Some(None);
    }
    prover.decimal(key, node, true).map(Some)
}

fn seconds_or_off(
    prover: &mut Prover<'_>,
    section: &mut Section,
    name: &str,
    least_s: i64,
) -> Option<Option<i64>> {
    let node = section.take(name)?;
    let key = section.key(name);
    if matches!(&node.value, Value::Text(text) if text == "off") {
        prover.came_from(&key, node.place);
        return Some(None);
    }
    as_seconds(prover, &key, &node, least_s).map(Some)
}

fn seconds(
    prover: &mut Prover<'_>,
    section: &mut Section,
    name: &str,
    least_s: i64,
) -> Option<i64> {
    let node = section.take(name)?;
    let key = section.key(name);
    as_seconds(prover, &key, &node, least_s)
}

/// `"90s"`, `"5m"`, `"1h"`.
fn as_seconds(prover: &mut Prover<'_>, key: &str, node: &Node, least_s: i64) -> Option<i64> {
    let (text, place) = prover.as_text(key, node, "a time in quotes such as \"5m\"")?;
    let read = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit_s = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        };
        let number: u32 = number.parse().ok()?;
        i64::from(number).checked_mul(unit_s)
    };
    let found = read().filter(|found| (least_s..=DAY_S).contains(found));
    if found.is_none() {
        let message = format!(
            "{text:?} is not a time from {least_s}s to 24h such as \"90s\", \"5m\", \"1h\""
        );
        prover.mistake(place, key, message);
    }
    found
}

fn heartbeat(prover: &mut Prover<'_>, section: &mut Section, alerts: &mut Alerts) {
    let key = section.key("heartbeat_url");
    if let Some((text, place)) = prover.text(section, "heartbeat_url") {
        let credential = text
            .strip_prefix("${cred:")
            .and_then(|rest| rest.strip_suffix('}'));
        let fits = match credential {
            Some(name) => is_credential_name(name),
            None => is_heartbeat_url(&text),
        };
        if fits {
            alerts.heartbeat_url = Some(text);
        } else {
            prover.mistake(
                place,
                &key,
                "expected an https address, or ${cred:NAME} of one",
            );
        }
    }
    if let Some(every) = seconds(prover, section, "heartbeat_every", 10) {
        alerts.heartbeat_s = every;
    }
}

fn channels(prover: &mut Prover<'_>, section: &mut Section) -> Vec<Channel> {
    let Some(node) = section.take("channel") else {
        return Vec::new();
    };
    let Value::List(items) = node.value else {
        let message = "expected a list of tables: write [[alerts.channel]] with two brackets";
        prover.mistake(node.place, "alerts.channel", message);
        return Vec::new();
    };
    let mut channels: Vec<Channel> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let place = item.place;
        let path = format!("alerts.channel[{index}]");
        let one = prover.as_section(item, path.clone());
        let Some(channel) = channel(prover, one) else {
            continue;
        };
        if channels.iter().any(|other| other.name == channel.name) {
            let message = format!("another channel is called {:?} already", channel.name);
            prover.mistake(place, &format!("{path}.name"), message);
        }
        if channels.len() >= CHANNELS_MAX {
            prover.mistake(
                place,
                &path,
                format!("there may be {CHANNELS_MAX} channels at most"),
            );
            break;
        }
        channels.push(channel);
    }
    channels
}

fn channel(prover: &mut Prover<'_>, mut section: Section) -> Option<Channel> {
    let place = section.place;
    let url_key = section.key("url");
    let before = prover.mistakes.len();
    let given = prover.text(&mut section, "url");
    if given.is_none() && prover.mistakes.len() == before {
        let example = "is needed, such as \"ntfys://ntfy.sh/my-topic\"";
        prover.mistake(place, &url_key, example);
    }
    let address = given.and_then(|(text, place)| match Address::parse(&text) {
        Ok(address) => Some(address),
        Err(error) => {
            // The text itself is not repeated: it may carry a secret.
            prover.mistake(place, &url_key, error.to_string());
            None
        }
    });
    let name_key = section.key("name");
    let name = prover.text(&mut section, "name").map(|(name, place)| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            prover.mistake(place, &name_key, "may hold letters, digits, - and _");
        }
        name
    });
    let severity_key = section.key("severity");
    let severity = prover
        .text(&mut section, "severity")
        .map(|(text, place)| match Severity::from_name(&text) {
            Some(severity) => severity,
            None => {
                let names = Severity::ALL.map(Severity::name).join(", ");
                let message = format!("{text:?} matches no severity; there are: {names}");
                prover.mistake(place, &severity_key, message);
                Severity::Warning
            }
        })
        .unwrap_or(Severity::Warning);
    let match_key = section.key("match");
    let given = prover.text(&mut section, "match");
    let matching = given.and_then(|(text, place)| match Matcher::parse(&text) {
        Ok(matcher) => Some(matcher),
        Err(problem) => {
            prover.mistake(place, &match_key, problem);
            None
        }
    });
    let only_key = section.key("only");
    let only_escalations = prover
        .text(&mut section, "only")
        .is_some_and(|(text, place)| {
            if text != "escalations" {
                let message = format!("{text:?} is not a choice; there is: escalations");
                prover.mistake(place, &only_key, message);
            }
            true
        });
    let per_minute = per_minute(prover, &mut section).unwrap_or(PER_MINUTE);
    prover.finish(
        section,
        &["name", "url", "severity", "match", "only", "per_minute"],
    );
    let address = address?;
    Some(Channel {
        name: name.unwrap_or_else(|| address.kind().to_owned()),
        address,
        severity,
        matching,
        only_escalations,
        per_minute,
    })
}

fn per_minute(prover: &mut Prover<'_>, section: &mut Section) -> Option<u32> {
    let node = section.take("per_minute")?;
    let key = section.key("per_minute");
    let number = prover.decimal(&key, &node, false)?;
    let fits = number
        .to_u32()
        .filter(|n| number.is_integer() && (1..=PER_MINUTE_MAX).contains(n));
    if fits.is_none() {
        let message = format!("must be a whole number from 1 to {PER_MINUTE_MAX}");
        prover.mistake(node.place, &key, message);
    }
    fits
}
