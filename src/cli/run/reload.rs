//! Reading the policy anew while the daemon runs.
//!
//! Owns: what a reload changes (the policy) and what it does not (everything else needs a
//! restart), and telling a loosening apart.
//! Must not know: who asked for it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::RunArgs;
use super::listener::Said;
use super::load;
use crate::api::protocol::policy::ReloadAnswer;
use crate::api::record::{Peer, Recorder};
use crate::api::server::Reload;
use crate::clock::Clock;
use crate::daemon::GuardHandle;
use crate::daemon::core::PolicyInForce;
use crate::guard::policy::{Limit, LimitKey, Policy};

/// A reload that reads the configuration the daemon was started with.
pub(crate) fn from_file(args: RunArgs, handle: GuardHandle) -> Reload {
    Arc::new(move |_: Peer| Box::pin(reload(args.clone(), handle.clone())))
}

/// A reload where there is no file to read.
pub(crate) fn fixed(_: GuardHandle) -> Reload {
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

/// Reads, proves and puts into force; a configuration with mistakes changes nothing.
async fn reload(args: RunArgs, handle: GuardHandle) -> Result<ReloadAnswer, Vec<String>> {
    let read = tokio::task::spawn_blocking(move || load(&args)).await;
    let config = read.map_err(|error| vec![error.to_string()])??;
    let gone = |error: crate::daemon::GuardGone| vec![error.to_string()];
    let before = handle.policy().await.map_err(gone)?;
    let in_force = PolicyInForce {
        policy: config.policy,
        fingerprint: config.policy_fingerprint,
    };
    let answer = ReloadAnswer {
        fingerprint: in_force.fingerprint.clone(),
        changes: changes(&before.policy, &in_force.policy),
        loosened: before.policy.is_loosened_by(&in_force.policy),
    };
    handle.set_policy(in_force).await.map_err(gone)?;
    Ok(answer)
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
