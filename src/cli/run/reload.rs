//! Reading the configuration anew while the daemon runs.
//!
//! Owns: what a reload changes (the policy, and everything about alerts) and what it does not
//! (everything else needs a restart), and telling a loosening apart.
//! Must not know: who asked for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::super::RunArgs;
use super::listener::Said;
use super::load;
use crate::alerts::{self, Setup};
use crate::api::protocol::policy::ReloadAnswer;
use crate::api::record::{Peer, Recorder};
use crate::api::server::Reload;
use crate::clock::Clock;
use crate::config;
use crate::daemon::GuardHandle;
use crate::daemon::core::PolicyInForce;
use crate::guard::policy::{Limit, LimitKey, Policy};

/// The ways to what a reload changes.
#[derive(Clone)]
pub(crate) struct Reloadable {
    pub(crate) guard: GuardHandle,
    pub(crate) alerts: alerts::Handle,
    /// What is configured about alerts at present.
    pub(crate) in_force: Arc<Mutex<config::Alerts>>,
    pub(crate) log: mpsc::Sender<Said>,
}

/// A reload that reads the configuration the daemon was started with.
pub(crate) fn from_file(args: RunArgs, parts: Reloadable) -> Reload {
    Arc::new(move |_: Peer| Box::pin(reload(args.clone(), parts.clone())))
}

/// A reload where there is no file to read.
pub(crate) fn fixed(_: Reloadable) -> Reload {
    Arc::new(|_: Peer| {
        Box::pin(async {
            Err(vec![
                "this policy was built in; there is no file".to_owned(),
            ])
        })
    })
}

/// The same reload, written down and announced, whoever asks for it: a policy that permits more
/// than before must not come into force in silence.
pub(super) fn told(
    reload: Reload,
    recorder: Arc<dyn Recorder>,
    log: mpsc::Sender<Said>,
    clock: Clock,
) -> Reload {
    Arc::new(move |peer: Peer| {
        let (reload, recorder) = (reload.clone(), recorder.clone());
        let (log, clock) = (log.clone(), clock.clone());
        Box::pin(async move {
            let answer = reload(peer).await?;
            let line = words(&answer);
            recorder.note(clock.now().wall_ms, line.clone(), peer);
            let line = if answer.loosened {
                Said::Warning(line)
            } else {
                Said::Info(line)
            };
            // A log that does not keep up loses lines; the record is kept all the same.
            drop(log.try_send(line));
            Ok(answer)
        })
    })
}

fn words(answer: &ReloadAnswer) -> String {
    let what = if answer.loosened {
        "policy loosened"
    } else {
        "policy reloaded"
    };
    if answer.changes.is_empty() {
        return format!("{what}: nothing changed");
    }
    format!("{what}: {}", answer.changes.join("; "))
}

/// What was read and can be put into force.
struct Fresh {
    in_force: PolicyInForce,
    alerts: config::Alerts,
    setup: Setup,
    said: Vec<String>,
}

/// Files, credentials and certificates.
fn fresh(args: &RunArgs) -> Result<Fresh, Vec<String>> {
    let config = load(args)?;
    let mut said = Vec::new();
    let setup = super::alerts::setup(&config.alerts, &config.policy, &mut said)
        .map_err(|problem| vec![problem])?;
    Ok(Fresh {
        in_force: PolicyInForce {
            policy: config.policy,
            fingerprint: config.policy_fingerprint,
        },
        alerts: config.alerts,
        setup,
        said,
    })
}

/// Reads, proves and puts into force; a configuration with mistakes changes nothing.
async fn reload(args: RunArgs, parts: Reloadable) -> Result<ReloadAnswer, Vec<String>> {
    let read = tokio::task::spawn_blocking(move || fresh(&args)).await;
    let fresh = read.map_err(|error| vec![error.to_string()])??;
    let gone = |error: crate::daemon::GuardGone| vec![error.to_string()];
    let before = parts.guard.policy().await.map_err(gone)?;
    let after = &fresh.in_force;
    let mut changes = changes(&before.policy, &after.policy);
    let alerts_before = {
        let mut known = parts
            .in_force
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, fresh.alerts.clone())
    };
    changes.extend(alert_changes(&alerts_before, &fresh.alerts));
    let answer = ReloadAnswer {
        fingerprint: after.fingerprint.clone(),
        changes,
        loosened: before.policy.is_loosened_by(&after.policy),
    };
    parts.guard.set_policy(fresh.in_force).await.map_err(gone)?;
    let levels = fresh.alerts.levels;
    parts.guard.set_alarm_levels(levels).await.map_err(gone)?;
    let configured = parts.alerts.configure(fresh.setup).await;
    configured.map_err(|error| vec![error.to_string()])?;
    for sentence in fresh.said {
        drop(parts.log.try_send(Said::Warning(sentence)));
    }
    Ok(answer)
}

/// What changed about alerts. Credentials are read anew each time; what is in them is not told.
fn alert_changes(before: &config::Alerts, after: &config::Alerts) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |changed: bool, what: &str| {
        if changed {
            changes.push(format!("{what} changed"));
        }
    };
    note(before.levels != after.levels, "alert levels");
    note(before.repeat_s != after.repeat_s, "alert repeats");
    note(before.escalate_s != after.escalate_s, "alert escalation");
    note(before.channels != after.channels, "alert channels");
    note(before.credentials != after.credentials, "alert credentials");
    let beat = |alerts: &config::Alerts| (alerts.heartbeat_url.clone(), alerts.heartbeat_s);
    note(beat(before) != beat(after), "heartbeat");
    changes
}

/// Every difference in words.
fn changes(before: &Policy, after: &Policy) -> Vec<String> {
    let mut changes = Vec::new();
    for key in LimitKey::ALL {
        let (old, new) = (before.limits.get(key), after.limits.get(key));
        if old != new {
            changes.push(format!("{}: {} -> {}", key.name(), limit(old), limit(new)));
        }
    }
    let mut note = |changed: bool, what: &str| {
        if changed {
            changes.push(format!("{what} changed"));
        }
    };
    note(before.horizon != after.horizon, "horizon");
    note(
        before.market_slippage != after.market_slippage,
        "market_slippage",
    );
    note(before.taker_fee != after.taker_fee, "taker_fee");
    note(before.symbols != after.symbols, "symbols");
    note(before.isolated_only != after.isolated_only, "isolated_only");
    note(before.stress != after.stress, "stress scenarios");
    note(
        before.of_symbol != after.of_symbol,
        "limits of single symbols",
    );
    note(
        before.of_client != after.of_client,
        "limits of single clients",
    );
    changes
}

fn limit(limit: Limit) -> String {
    let side = |value: Option<rust_decimal::Decimal>| {
        value.map_or_else(|| "off".to_owned(), |value| value.normalize().to_string())
    };
    format!("warn {} reject {}", side(limit.warn), side(limit.reject))
}
