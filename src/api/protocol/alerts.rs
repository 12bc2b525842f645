//! `/v1/alerts`, `/v1/silences`, and the alerts in events.
//!
//! Owns: how alerts, silences and channels are shown and asked for.
//! Must not know: when an alert is told, how it is delivered.

use serde::{Deserialize, Serialize};

/// `GET /v1/alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlertsAnswer {
    /// Alerts that fire, the most urgent first.
    pub alerts: Vec<AlertLine>,
    /// Alerts that are over, the latest first.
    pub resolved: Vec<AlertLine>,
    /// Silences in force.
    pub silences: Vec<SilenceLine>,
    /// How the channels fare.
    pub channels: Vec<ChannelLine>,
}

/// One alert. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlertLine {
    /// By which it is acknowledged.
    pub id: String,
    /// `firing` or `resolved`.
    pub state: String,
    /// The rule's name.
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The pool it is about.
    pub pool: Option<String>,
    /// The symbol it is about.
    pub symbol: Option<String>,
    /// What is in danger.
    pub what: String,
    /// What to do now.
    pub to_do: String,
    /// The command that does it or shows more.
    pub command: Option<String>,
    /// The value that was judged.
    pub value: Option<String>,
    /// The worst value.
    pub worst: Option<String>,
    /// The level it crossed.
    pub limit: Option<String>,
    /// Since when.
    pub since: i64,
    /// When it was over.
    pub ended: Option<i64>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// When it was acknowledged.
    pub acknowledged: Option<i64>,
    /// The silence that keeps it quiet.
    pub silenced_by: Option<String>,
    /// The alert that makes it beside the point.
    pub inhibited_by: Option<String>,
    /// How many messages told of it.
    pub messages: u32,
}

/// One silence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SilenceLine {
    /// By which it is ended early.
    pub id: String,
    /// What it matches.
    pub matcher: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub by: String,
    /// Since when.
    pub since: i64,
    /// Until when.
    pub until: i64,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelLine {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that were given up or refused.
    pub failed: u64,
    /// Attempts that failed for now.
    pub retried: u64,
    /// Messages that found no room.
    pub dropped: u64,
    /// Messages that wait.
    pub queued: usize,
    /// When the last one arrived.
    pub last_delivered: Option<i64>,
    /// What the last attempt said, if it failed.
    pub error: Option<String>,
}

/// The body of `POST /v1/alerts/{id}/ack`; it may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AckRequest {
    /// Who, in their own words.
    pub by: Option<String>,
}

/// The body of `POST /v1/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// What to keep quiet about: `rule=spill,symbol=BTC*`.
    pub matcher: String,
    /// Why.
    pub reason: String,
    /// For how long, in seconds; at most a day.
    pub seconds: u32,
}

/// `POST /v1/alerts/test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TestAnswer {
    /// Channels that were given a test message; `/v1/alerts` shows what became of it.
    pub channels: usize,
}
