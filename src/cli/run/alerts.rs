//! Alerts put together: the thread, its channels, its file, and the door's view of it.
//!
//! Owns: which configuration becomes which channel, and which alert becomes which line.
//! Must not know: when an alert is told, how a message is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret as _, SecretString};

use crate::alerts::channel::ChannelOptions;
use crate::alerts::heartbeat::Heartbeat;
use crate::alerts::quiet::Refused;
use crate::alerts::send::{self, Credentials, Target};
use crate::alerts::{
    self, Alert, Event, Handle, Message, Options, Restored, Save, Setup, Shown, Silence, Timing,
    render,
};
use crate::api::alerts::{AlertDesk, AlertRefusal};
use crate::api::events::{EventKind, Hub};
use crate::api::protocol::alerts::{AlertLine, AlertsAnswer, ChannelLine, SilenceLine};
use crate::api::protocol::notice::{AlertEvent, MessageEvent, ToldAlert};
use crate::api::record::Pending;
use crate::clock::Clock;
use crate::config::{self, secret};
use crate::exchange;
use crate::guard::alarm::levels::Table;
use crate::guard::alarm::{Rule, Severity};
use crate::guard::policy::Policy;
use crate::journal::{AlertStore, AlertThread, Keep, Kept};
use crate::telemetry::Metrics;

/// Running alerts, and the thread that keeps them.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    thread: alerts::Thread,
    disk: Option<AlertThread>,
}

impl Running {
    /// Ends both threads; what was kept is written. False when one had failed.
    pub(crate) fn stop(self) -> bool {
        // The thread holds the store: the disk's thread ends after it.
        let thread = self.thread.stop().is_ok();
        thread && self.disk.is_none_or(|disk| disk.join().is_ok())
    }
}

/// Starts the alerts. Gives sentences for the log: what cannot be used and why. None of that keeps
/// the guard from starting.
pub(crate) fn start(
    config: &config::Alerts,
    policy: &Policy,
    state_dir: &std::path::Path,
    clock: &Clock,
    surroundings: Surroundings<'_>,
) -> Result<(Running, Vec<String>), String> {
    let mut said = Vec::new();
    let (store, disk, restored) = match AlertStore::open(state_dir) {
        Ok((store, disk, kept)) => (Some(store), Some(disk), restore(&kept)),
        Err(error) => {
            said.push(format!("alerts will not outlive a restart: {error}"));
            (None, None, Restored::default())
        }
    };
    let Surroundings { hub, metrics, say } = surroundings;
    let restarted = config.levels.setting(Rule::Restarted, policy);
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let options = Options {
        setup: setup(config, policy, &mut said)?,
        restarted,
        clock: clock.clone(),
        zone: zone.clone(),
        restored,
        keep: Box::new(move |saves, lived_ms| {
            if let Some(store) = &store {
                // What finds no room is lost to the next life, and to nothing else.
                let _ = store.keep(keeps(&saves, lived_ms));
            }
        }),
        follow: follower(hub.clone(), zone.clone()),
        active: {
            let metrics = Arc::clone(metrics);
            Box::new(move |counts| {
                for (severity, count) in Severity::ALL.into_iter().zip(counts) {
                    metrics.set_alerts_active(severity.name(), count);
                }
            })
        },
        count: {
            let metrics = Arc::clone(metrics);
            Arc::new(move |channel, result| metrics.count_notification(channel, result))
        },
        say,
    };
    let (handle, thread) = alerts::start(options)?;
    let running = Running {
        handle,
        thread,
        disk,
    };
    Ok((running, said))
}

/// Whom the alerts tell of themselves.
pub(crate) struct Surroundings<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) metrics: &'a Arc<Metrics>,
    pub(crate) say: Box<dyn Fn(String) + Send>,
}

/// Channels, times and heartbeat as they are configured. Says what cannot be used and why.
pub(super) fn setup(
    config: &config::Alerts,
    policy: &Policy,
    said: &mut Vec<String>,
) -> Result<Setup, String> {
    let credentials = credentials(config, said);
    let http = send::client(&*exchange::tls_config()?)?;
    let channels = config.channels.iter().map(|channel| {
        let options = ChannelOptions {
            name: channel.name.clone(),
            severity: channel.severity,
            matching: channel.matching.clone(),
            only_escalations: channel.only_escalations,
            per_minute: channel.per_minute,
        };
        let target = Target::new(
            channel.address.clone(),
            Arc::clone(&credentials),
            http.clone(),
        );
        (options, target)
    });
    let timing = timing(config, policy);
    if config.channels.is_empty() {
        said.push("no alert channel is configured: alerts are on the socket alone".to_owned());
    }
    let table = config.levels.table(policy);
    for channel in &config.channels {
        if !is_told_of_anything(channel, &table) {
            said.push(format!(
                "channel {} is told of nothing: no rule that it matches is ever {} or worse",
                channel.name,
                channel.severity.name()
            ));
        }
        if channel.only_escalations && timing.escalate_ms.is_none() {
            said.push(format!(
                "channel {} is told of nothing: it is for escalations, and escalate is off",
                channel.name
            ));
        }
    }
    Ok(Setup {
        timing,
        channels: channels.collect(),
        heartbeat: heartbeat(config, &credentials, &http, said),
    })
}

/// Some rule that the channel matches has a level of a severity that it is told of.
fn is_told_of_anything(channel: &config::Channel, table: &Table) -> bool {
    let matching = channel.matching.as_ref();
    Rule::ALL.into_iter().any(|rule| {
        let levels = table.get(rule).levels;
        let mut heard = (Severity::ALL.into_iter().enumerate())
            .filter(|(_, severity)| *severity >= channel.severity);
        heard.any(|(index, severity)| {
            // An event that concerns nothing at risk is milder than its level.
            let can_be = levels.iter().skip(index).any(Option::is_some);
            can_be && matching.is_none_or(|matcher| matcher.could_match(rule, severity))
        })
    })
}

/// The contents of every credential that is named; a missing one leaves its channel unusable.
fn credentials(config: &config::Alerts, said: &mut Vec<String>) -> Credentials {
    let mut found: BTreeMap<String, SecretString> = BTreeMap::new();
    for (name, files) in &config.credentials {
        match secret::read(files) {
            Ok(Some(content)) => drop(found.insert(name.clone(), content)),
            Ok(None) => said.push(format!(
                "alert credential {name:?} does not exist: name its file in [alerts.credentials]"
            )),
            Err(error) => said.push(format!("alert credential {name:?}: {error}")),
        }
    }
    Arc::new(found)
}

fn timing(config: &config::Alerts, policy: &Policy) -> Timing {
    let mut timing = Timing {
        restart_ms: config.levels.setting(Rule::Restarted, policy).hold_ms,
        ..Timing::DEFAULT
    };
    let ms = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(1_000));
    for (slot, given) in timing.repeat_ms.iter_mut().zip(config.repeat_s) {
        if let Some(given) = given {
            *slot = ms(given);
        }
    }
    if let Some(given) = config.escalate_s {
        timing.escalate_ms = ms(given);
    }
    timing
}

/// The heartbeat. One that cannot be sent is said: whoever listens for it would take the guard for
/// dead.
fn heartbeat(
    config: &config::Alerts,
    credentials: &Credentials,
    http: &reqwest::Client,
    said: &mut Vec<String>,
) -> Option<Heartbeat> {
    let written = config.heartbeat_url.as_ref()?;
    let url = match config::heartbeat_credential(config) {
        None => written.clone(),
        Some(name) => {
            let url = credentials
                .get(name)
                .map(|url| url.expose_secret().to_owned());
            let Some(url) = url else {
                said.push(format!(
                    "no heartbeat is sent: its address is in credential {name:?}, which cannot be read"
                ));
                return None;
            };
            if !config::is_heartbeat_url(&url) {
                said.push(format!(
                    "no heartbeat is sent: credential {name:?} does not hold an https address"
                ));
                return None;
            }
            url
        }
    };
    let every = Duration::from_secs(u64::try_from(config.heartbeat_s).unwrap_or(60));
    Some(Heartbeat {
        url,
        every,
        http: http.clone(),
    })
}

fn restore(kept: &[(String, String)]) -> Restored {
    let mut restored = Restored::default();
    for (kind, document) in kept {
        // What an older version wrote otherwise is left behind.
        match kind.as_str() {
            "alert" => restored
                .alerts
                .extend(serde_json::from_str::<Alert>(document)),
            "silence" => restored
                .silences
                .extend(serde_json::from_str::<Silence>(document)),
            _ => restored.lived_ms = document.parse().ok(),
        }
    }
    restored
}

fn keeps(saves: &[Save], lived_ms: Option<i64>) -> Vec<Keep> {
    let put = |id: &str, kind, document: Result<String, _>| {
        let document: Result<String, serde_json::Error> = document;
        document.ok().map(|document| {
            Keep::Put(Kept {
                id: id.to_owned(),
                kind,
                document,
            })
        })
    };
    let mut keeps: Vec<Keep> = saves
        .iter()
        .filter_map(|save| match save {
            Save::Alert(alert) => put(&alert.id, "alert", serde_json::to_string(alert)),
            Save::Silence(silence) => put(&silence.id, "silence", serde_json::to_string(silence)),
            Save::Forget(id) => Some(Keep::Forget(id.clone())),
        })
        .collect();
    keeps.extend(lived_ms.map(|lived_ms| {
        Keep::Put(Kept {
            id: "life".to_owned(),
            kind: "life",
            document: lived_ms.to_string(),
        })
    }));
    keeps
}

/// Tells followers on the socket.
fn follower(hub: Hub, zone: TimeZone) -> Box<dyn Fn(&Event) + Send> {
    Box::new(move |event| match event {
        Event::Changed(shown) => {
            hub.publish(EventKind::Alert, || AlertEvent::of_alert(shown_line(shown)));
        }
        Event::Told(message) => {
            hub.publish(EventKind::Message, || message_event(message, &zone));
        }
    })
}

fn message_event(message: &Message, zone: &TimeZone) -> MessageEvent {
    let words = render::words(message, zone);
    MessageEvent {
        occasion: message.occasion.name().to_owned(),
        severity: message.severity().name().to_owned(),
        time: message.at_ms,
        title: words.title,
        text: words.body,
        alerts: message.alerts.iter().map(told_line).collect(),
    }
}

fn told_line(alert: &Alert) -> ToldAlert {
    ToldAlert {
        id: alert.id.clone(),
        severity: alert.severity.clone(),
        state: state(alert).to_owned(),
    }
}

fn shown_line(shown: &Shown) -> AlertLine {
    let (silence, cause) = (shown.silenced_by.clone(), shown.inhibited_by.clone());
    line(&shown.alert, silence, cause)
}

const fn state(alert: &Alert) -> &'static str {
    if alert.is_firing() {
        "firing"
    } else {
        "resolved"
    }
}

fn line(alert: &Alert, silenced_by: Option<String>, inhibited_by: Option<String>) -> AlertLine {
    AlertLine {
        id: alert.id.clone(),
        state: state(alert).to_owned(),
        rule: alert.rule.clone(),
        severity: alert.severity.clone(),
        pool: alert.pool.clone(),
        symbol: alert.symbol.clone(),
        what: alert.what.clone(),
        to_do: alert.to_do.clone(),
        command: alert.command.clone(),
        value: alert.value.clone(),
        worst: alert.worst.clone(),
        limit: alert.limit.clone(),
        since: alert.since_ms,
        ended: alert.ended_ms,
        acknowledged_by: alert.ack.as_ref().map(|ack| ack.by.clone()),
        acknowledged: alert.ack.as_ref().map(|ack| ack.at_ms),
        silenced_by,
        inhibited_by,
        messages: alert.messages,
    }
}

fn silence_line(silence: &Silence) -> SilenceLine {
    SilenceLine {
        id: silence.id.clone(),
        matcher: silence.matcher.clone(),
        reason: silence.reason.clone(),
        by: silence.by.clone(),
        since: silence.since_ms,
        until: silence.until_ms,
    }
}

/// The door's way to the alerts.
#[derive(Debug, Clone)]
pub(crate) struct Desk(pub(crate) Handle);

fn gone(error: alerts::Gone) -> AlertRefusal {
    AlertRefusal::Unavailable(error.to_string())
}

fn refused(refused: Refused) -> AlertRefusal {
    let words = refused.to_string();
    match refused {
        Refused::Unknown => AlertRefusal::Unknown,
        Refused::Matcher(problem) => AlertRefusal::Field("matcher", problem),
        Refused::End => AlertRefusal::Field("seconds", words),
        Refused::Reason => AlertRefusal::Field("reason", words),
        Refused::TooMany => AlertRefusal::Unavailable(words),
    }
}

impl AlertDesk for Desk {
    fn list(&self) -> Pending<Result<AlertsAnswer, AlertRefusal>> {
        let handle = self.0.clone();
        Box::pin(async move {
            let view = handle.view().await.map_err(gone)?;
            Ok(AlertsAnswer {
                alerts: view.firing.iter().map(shown_line).collect(),
                resolved: view.ended.iter().map(|one| line(one, None, None)).collect(),
                silences: view.silences.iter().map(silence_line).collect(),
                channels: view
                    .channels
                    .into_iter()
                    .map(|channel| ChannelLine {
                        name: channel.name,
                        kind: channel.kind.to_owned(),
                        delivered: channel.delivered,
                        failed: channel.failed,
                        retried: channel.retried,
                        dropped: channel.dropped,
                        queued: channel.queued,
                        last_delivered: channel.delivered_ms,
                        error: channel.error,
                    })
                    .collect(),
            })
        })
    }

    fn acknowledge(&self, id: String, by: String) -> Pending<Result<AlertLine, AlertRefusal>> {
        let handle = self.0.clone();
        Box::pin(async move {
            let alert = handle.acknowledge(id, by).await.map_err(gone)?;
            alert.map(|shown| shown_line(&shown)).map_err(refused)
        })
    }

    fn silence(
        &self,
        matcher: String,
        reason: String,
        by: String,
        seconds: u32,
    ) -> Pending<Result<SilenceLine, AlertRefusal>> {
        let handle = self.0.clone();
        let lasts_ms = i64::from(seconds).saturating_mul(1_000);
        Box::pin(async move {
            let silence = handle.silence(matcher, reason, by, lasts_ms).await;
            let silence = silence.map_err(gone)?;
            silence.map(|one| silence_line(&one)).map_err(refused)
        })
    }

    fn unsilence(&self, id: String) -> Pending<Result<SilenceLine, AlertRefusal>> {
        let handle = self.0.clone();
        Box::pin(async move {
            let silence = handle.unsilence(id).await.map_err(gone)?;
            silence.map(|one| silence_line(&one)).map_err(refused)
        })
    }

    fn test(&self) -> Pending<Result<usize, AlertRefusal>> {
        let handle = self.0.clone();
        Box::pin(async move { handle.test().await.map_err(gone) })
    }
}
