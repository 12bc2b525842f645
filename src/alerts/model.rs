//! What is known of an alert, and what a message says of it.
//!
//! Owns: the plain values of alert management, and the form in which they are kept.
//! Must not know: channels, how an alert is delivered.
//!
//! Every time is in milliseconds since 1970 as the wall clock stood when the daemon started, carried
//! on by the boot clock: it outlives a restart and no step of the wall clock moves it.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::guard::alarm::{Alarm, Key, Rule, Severity};

/// Somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// When.
    pub at_ms: i64,
    /// Who, as far as is known.
    pub by: String,
}

/// One alert. Also the form in which it is kept across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// By which it is acknowledged.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// The pool it is about.
    pub pool: Option<String>,
    /// The symbol it is about.
    pub symbol: Option<String>,
    /// What tells several of one symbol apart.
    pub part: Option<String>,
    /// The severity's name.
    pub severity: String,
    /// It tells of something that happened, not of a state that lasts.
    pub is_event: bool,
    /// Since when.
    pub since_ms: i64,
    /// When it was over; `None` while it fires.
    pub ended_ms: Option<i64>,
    /// The value that was judged.
    pub value: Option<String>,
    /// The worst value.
    pub worst: Option<String>,
    /// The level it crossed.
    pub limit: Option<String>,
    /// What is in danger.
    pub what: String,
    /// What to do now.
    pub to_do: String,
    /// The command or the order that does it.
    pub command: Option<String>,
    /// Who saw it.
    pub ack: Option<Ack>,
    /// How many messages told of it.
    pub messages: u32,
    /// When the last of them left the management.
    pub told_ms: Option<i64>,
    /// When the first of them did, at its present severity.
    pub first_told_ms: Option<i64>,
    /// It was told louder because nobody acknowledged it.
    pub is_escalated: bool,
    /// It fired before the last restart and was not seen since.
    #[serde(default)]
    pub is_restored: bool,
    /// The name of the most urgent severity at which it was told: whoever heard of that wants to hear
    /// of the end.
    #[serde(default)]
    pub told_severity: Option<String>,
}

/// What alarms and alerts are recognised by: rule, pool, symbol, part.
pub type Fingerprint = String;

/// The fingerprint of an alarm.
#[must_use]
pub fn fingerprint(key: &Key) -> Fingerprint {
    let part = |text: Option<&str>| text.unwrap_or_default().replace('|', "¦");
    format!(
        "{}|{}|{}|{}",
        key.rule.name(),
        part(key.pool.as_ref().map(|pool| pool.as_str())),
        part(key.symbol.as_ref().map(|symbol| symbol.as_str())),
        part(key.part.as_deref()),
    )
}

impl Alert {
    /// A new alert.
    #[must_use]
    pub fn of(alarm: &Alarm, id: String, at_ms: i64) -> Self {
        let mut alert = Self {
            id,
            rule: alarm.key.rule.name().to_owned(),
            pool: alarm.key.pool.as_ref().map(ToString::to_string),
            symbol: alarm.key.symbol.as_ref().map(ToString::to_string),
            part: alarm.key.part.clone().map(Cow::into_owned),
            severity: String::new(),
            is_event: alarm.is_event,
            since_ms: at_ms,
            ended_ms: None,
            value: None,
            worst: None,
            limit: None,
            what: String::new(),
            to_do: String::new(),
            command: None,
            ack: None,
            messages: 0,
            told_ms: None,
            first_told_ms: None,
            is_escalated: false,
            is_restored: false,
            told_severity: None,
        };
        alert.update(alarm);
        alert
    }

    /// Takes what changed about it.
    pub fn update(&mut self, alarm: &Alarm) {
        let words =
            |value: Option<rust_decimal::Decimal>| value.map(|value| value.normalize().to_string());
        alarm.severity.name().clone_into(&mut self.severity);
        self.value = words(alarm.value);
        self.worst = words(alarm.worst);
        self.limit = words(alarm.limit);
        self.what.clone_from(&alarm.text.what);
        self.to_do.clone_from(&alarm.text.to_do);
        self.command.clone_from(&alarm.text.command);
        self.is_restored = false;
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let part = |text: &Option<String>| text.as_deref().unwrap_or_default().replace('|', "¦");
        format!(
            "{}|{}|{}|{}",
            self.rule,
            part(&self.pool),
            part(&self.symbol),
            part(&self.part),
        )
    }

    /// How urgent.
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::from_name(&self.severity).unwrap_or(Severity::Warning)
    }

    /// It is told at its present severity.
    pub fn note_loudest(&mut self) {
        if self.told_severity.is_none() || self.severity() > self.loudest() {
            self.told_severity = Some(self.severity.clone());
        }
    }

    /// The most urgent severity at which it was told.
    #[must_use]
    pub fn loudest(&self) -> Severity {
        let told = self.told_severity.as_deref().and_then(Severity::from_name);
        told.unwrap_or_else(|| self.severity())
    }

    /// Critical first, then in the order of the rules.
    #[must_use]
    pub fn order(&self) -> impl Ord + use<> {
        (
            Reverse(self.severity()),
            self.rule(),
            self.since_ms,
            self.symbol.clone(),
        )
    }

    /// Which rule; `None` for one that an older version knew.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        Rule::from_name(&self.rule)
    }

    /// It is not over.
    #[must_use]
    pub const fn is_firing(&self) -> bool {
        self.ended_ms.is_none()
    }

    /// "distance USDT", "spill USDT BTCUSDT".
    #[must_use]
    pub fn name(&self) -> String {
        let parts = [
            Some(self.rule.as_str()),
            self.pool.as_deref(),
            self.symbol.as_deref(),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        parts.join(" ")
    }
}

/// Quiet about what it matches, until it ends. It never changes a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// By which it is ended early.
    pub id: String,
    /// What it matches, as it was written.
    pub matcher: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub by: String,
    /// Since when.
    pub since_ms: i64,
    /// Until when.
    pub until_ms: i64,
}

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// Alerts are new, or more urgent.
    Alert,
    /// They still fire.
    Repeat,
    /// All of them are over.
    Resolved,
    /// Nobody acknowledged.
    Escalation,
    /// Somebody wants to see whether messages arrive.
    Test,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 5] = [
        Self::Alert,
        Self::Repeat,
        Self::Resolved,
        Self::Escalation,
        Self::Test,
    ];

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Repeat => "repeat",
            Self::Resolved => "resolved",
            Self::Escalation => "escalation",
            Self::Test => "test",
        }
    }
}

/// One message, before it takes the shape of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Why.
    pub occasion: Occasion,
    /// When.
    pub at_ms: i64,
    /// The alerts it tells of, the most urgent first.
    pub alerts: Vec<Alert>,
}

impl Message {
    /// A message of these alerts, the most urgent first and what is over last.
    #[must_use]
    pub fn of(occasion: Occasion, at_ms: i64, mut alerts: Vec<Alert>) -> Self {
        alerts.sort_by_cached_key(|alert| (!alert.is_firing(), alert.order()));
        Self {
            occasion,
            at_ms,
            alerts,
        }
    }

    /// It tells of alerts as they are and may be told together with others. A test and an escalation
    /// are what they are by themselves.
    #[must_use]
    pub const fn can_join(&self) -> bool {
        matches!(
            self.occasion,
            Occasion::Alert | Occasion::Repeat | Occasion::Resolved
        )
    }

    /// Several messages, the oldest first, as one: of each alert what was said last. `None` without any.
    #[must_use]
    pub fn join(messages: Vec<Self>) -> Option<Self> {
        let at_ms = messages.last()?.at_ms;
        let occasions = messages.iter().map(|message| message.occasion);
        // In the order of the occasions: what is new comes before what goes on, and that before ends.
        let occasion = occasions.min()?;
        let mut latest: BTreeMap<String, Alert> = BTreeMap::new();
        for alert in messages.into_iter().flat_map(|message| message.alerts) {
            latest.insert(alert.id.clone(), alert);
        }
        let alerts: Vec<Alert> = latest.into_values().collect();
        let is_over = !alerts.iter().any(Alert::is_firing);
        let occasion = if is_over {
            Occasion::Resolved
        } else {
            occasion
        };
        Some(Self::of(occasion, at_ms, alerts))
    }

    /// The most urgent severity in it; what is over counts only where nothing else is told.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let firing = self.alerts.iter().filter(|alert| alert.is_firing());
        let firing = firing.map(Alert::severity).max();
        let most = firing.or_else(|| self.alerts.iter().map(Alert::severity).max());
        most.unwrap_or(Severity::Info)
    }
}
