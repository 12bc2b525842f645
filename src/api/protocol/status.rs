//! `/v1/status`, `/readyz` and the ladder: how the guard itself is.
//!
//! Owns: the shape of the status, and which lines of it are red, each with what to do.
//! Must not know: how freshness is judged, how figures are computed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::alerts::ChannelLine;
use super::inputs::{ClockView, Inputs};
use super::names;
use super::pool::PoolFigures;
use crate::daemon::report::StatusReport;
use crate::guard::policy::{LimitKey, Policy};
use crate::guard::verdict::Ladder;
use crate::guard::words::{self, Careful};
use crate::margin::pool::{PoolAssessment, Survival};
use crate::mirror::event::KeyRefusalCause;
use crate::mirror::plane::Plane;

/// `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusAnswer<'a> {
    /// Version of the daemon.
    pub version: Cow<'a, str>,
    /// The rung of the ladder.
    pub state: Cow<'a, str>,
    /// Why it stands there.
    pub reason: Cow<'a, str>,
    /// Every account-wide plane is fresh.
    pub ready: bool,
    /// What is wrong, worst first, each with what to do.
    pub attention: Vec<Attention<'a>>,
    /// Fingerprint of the policy in force.
    pub policy: Cow<'a, str>,
    /// An account kind that is not modelled.
    pub unsupported: Option<Cow<'a, str>>,
    /// Why the key is refused, if it is.
    pub key_refusal: Option<KeyRefusal<'a>>,
    /// The exchange's clock against ours.
    pub clock: Option<ClockView>,
    /// Generation of the user stream; 0 when it is not connected.
    pub user_stream_epoch: u64,
    /// Symbols that are followed.
    pub followed: Vec<Cow<'a, str>>,
    /// Sizes.
    pub counts: Counts,
    /// What the last whole read found.
    pub drift: Vec<Difference<'a>>,
    /// Event counters.
    pub counters: Counters,
    /// Pools as in `/v1/account`.
    pub pools: Vec<PoolFigures<'a>>,
    /// What it rests on.
    pub inputs: Inputs<'a>,
}

/// One red line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attention<'a> {
    /// What is wrong.
    pub what: Cow<'a, str>,
    /// What to do.
    pub to_do: Cow<'a, str>,
}

/// Why the key is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRefusal<'a> {
    /// A stable word.
    pub cause: Cow<'a, str>,
    /// The particulars.
    pub detail: Cow<'a, str>,
}

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Positions that hold something.
    pub positions: usize,
    /// Working orders of both books.
    pub orders: usize,
    /// Promises that are open.
    pub reservations: usize,
    /// Symbols the exchange lists.
    pub symbols: usize,
}

/// One difference that a whole read found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference<'a> {
    /// What differed.
    pub what: Cow<'a, str>,
    /// What the mirror had.
    pub ours: Cow<'a, str>,
    /// What the exchange says.
    pub theirs: Cow<'a, str>,
}

/// Event counters since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counters {
    /// Events that changed or confirmed something.
    pub applied: u64,
    /// Events older than what is known, or seen before.
    pub ignored: u64,
    /// Differences that whole reads found.
    pub drifts: u64,
    /// Rows of reads that were older than events.
    pub lagging_rows: u64,
}

/// `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadyAnswer<'a> {
    /// Every account-wide plane is fresh.
    pub ready: bool,
    /// Those that are not.
    pub planes: Vec<Cow<'a, str>>,
}

/// What `POST` and `DELETE /v1/lock` answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LadderAnswer<'a> {
    /// The rung the guard now stands on.
    pub state: Cow<'a, str>,
    /// Why.
    pub reason: Cow<'a, str>,
}

impl<'a> From<&'a StatusReport> for ReadyAnswer<'a> {
    fn from(report: &'a StatusReport) -> Self {
        let stale = report.inputs.planes.iter().filter(|status| !status.fresh);
        let planes: Vec<_> = stale
            .map(|status| Cow::Borrowed(status.plane.name()))
            .collect();
        Self {
            ready: planes.is_empty(),
            planes,
        }
    }
}

impl<'a> StatusAnswer<'a> {
    /// The status under this policy.
    #[must_use]
    pub fn of(report: &'a StatusReport, policy: &Policy) -> Self {
        let differences = report.drift.iter().flat_map(|drift| &drift.differences);
        Self {
            version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            state: Cow::Borrowed(report.ladder.name()),
            reason: Cow::Borrowed(&report.ladder_reason),
            ready: ReadyAnswer::from(report).ready,
            attention: attention(report, policy),
            policy: Cow::Borrowed(&report.policy_fingerprint),
            unsupported: report.unsupported.map(|kind| kind.to_string().into()),
            key_refusal: report.key_refusal.as_ref().map(|refusal| KeyRefusal {
                cause: Cow::Borrowed(names::key_refusal(refusal.cause)),
                detail: Cow::Borrowed(&refusal.detail),
            }),
            clock: report.clock_offset.map(ClockView::from),
            user_stream_epoch: report.user_stream_epoch,
            followed: report
                .followed
                .iter()
                .map(|symbol| Cow::Borrowed(symbol.as_str()))
                .collect(),
            counts: Counts {
                positions: report.counts.positions,
                orders: report.counts.orders,
                reservations: report.counts.reservations,
                symbols: report.counts.symbols,
            },
            drift: differences
                .map(|difference| Difference {
                    what: difference.what.to_string().into(),
                    ours: Cow::Borrowed(&difference.ours),
                    theirs: Cow::Borrowed(&difference.theirs),
                })
                .collect(),
            counters: Counters {
                applied: report.counters.applied,
                ignored: report.counters.ignored,
                drifts: report.counters.drifts,
                lagging_rows: report.counters.lagging_rows,
            },
            pools: report.pools.iter().map(PoolFigures::from).collect(),
            inputs: Inputs::from(&report.inputs),
        }
    }
}

fn attention<'a>(report: &'a StatusReport, policy: &Policy) -> Vec<Attention<'a>> {
    let mut lines = Vec::new();
    for pool in &report.pools {
        match &pool.figures {
            Ok(figures) => endangered(figures, policy, &mut lines),
            Err(unknown) => lines.push(Attention {
                what: format!("The {} pool cannot be judged: {unknown}.", pool.asset).into(),
                to_do: "Wait for the next read; if it stays, see the planes below.".into(),
            }),
        }
    }
    if let Some(unsupported) = &report.unsupported {
        lines.push(Attention {
            what: format!("This account uses {unsupported}, which is not modelled.").into(),
            to_do: "Every order but an exit is rejected; switch the account's mode.".into(),
        });
    }
    if let Some(refusal) = &report.key_refusal {
        lines.push(Attention {
            what: format!("The API key is refused: {}.", refusal.detail).into(),
            to_do: key_remedy(refusal.cause).into(),
        });
    }
    if let Some(to_do) = ladder_remedy(report.ladder) {
        let reason = &report.ladder_reason;
        let why = if reason.is_empty() {
            "no reason given"
        } else {
            reason
        };
        lines.push(Attention {
            what: format!("The guard is {}: {why}.", report.ladder.name()).into(),
            to_do: to_do.into(),
        });
    }
    let stale = report.inputs.planes.iter().filter(|status| !status.fresh);
    for status in stale {
        if status.plane == Plane::Key && report.key_refusal.is_some() {
            continue;
        }
        let reason = status.reason.as_deref().unwrap_or("not known yet");
        lines.push(Attention {
            what: format!("{} is not fresh: {reason}.", status.plane).into(),
            to_do: plane_remedy(status.plane).into(),
        });
    }
    lines
}

fn endangered(pool: &PoolAssessment, policy: &Policy, lines: &mut Vec<Attention<'_>>) {
    if pool.survival == Survival::Liquidatable {
        lines.push(Attention {
            what: format!("The {} pool is liquidatable now.", pool.asset).into(),
            to_do: "Reduce positions or transfer money in at once.".into(),
        });
        return;
    }
    let limit = policy.limits.get(LimitKey::LiquidationDistance).reject;
    let (Some(distance), Some(limit)) = (pool.survival.distance(), limit) else {
        return;
    };
    if distance.get() < limit {
        let end = words::nearest_end(pool).unwrap_or_default();
        let limit = words::limit_percent(limit);
        lines.push(Attention {
            what: format!(
                "{} pool: {end} liquidates {}; your limit is {limit}.",
                pool.asset,
                words::crossed_positions(pool)
            )
            .into(),
            to_do: "Reduce positions, transfer money in, or isolate.".into(),
        });
    }
    let limit = policy.limits.get(LimitKey::MarginRatio).reject;
    if let (Some(ratio), Some(limit)) = (pool.margin_ratio, limit)
        && ratio.get() > limit
    {
        let shown = words::percent(ratio.get(), Careful::Up);
        let limit = words::limit_percent(limit);
        lines.push(Attention {
            what: format!(
                "{} pool: margin ratio {shown}; your limit is {limit}.",
                pool.asset
            )
            .into(),
            to_do: "Reduce positions or transfer money in.".into(),
        });
    }
}

impl StatusAnswer<'_> {
    /// Alert channels that do not deliver are worth a line each.
    pub fn note_channels(&mut self, failing: &[ChannelLine]) {
        let lines = failing.iter().map(|channel| Attention {
            what: format!(
                "Alerts do not arrive over {} ({}): {}.",
                channel.name,
                channel.kind,
                channel.error.as_deref().unwrap_or("not known")
            )
            .into(),
            to_do: "Check it with: crossguard alerts test".into(),
        });
        self.attention.extend(lines);
    }
}

const fn key_remedy(cause: KeyRefusalCause) -> &'static str {
    match cause {
        KeyRefusalCause::Missing => "Name a read-only key in [key] of the configuration.",
        KeyRefusalCause::Malformed => "Check the key file: it holds something that is not a key.",
        KeyRefusalCause::PermissionOrAddress => {
            "Check the key's permission (reading, futures) and its list of addresses."
        }
        KeyRefusalCause::Clock => "Set this machine's clock (NTP).",
        KeyRefusalCause::Signature => "Check that the secret belongs to the key.",
        KeyRefusalCause::Environment => "Check [exchange] environment: the key is of another one.",
        KeyRefusalCause::Banned => "Wait: the exchange bans this address for sending too much.",
        KeyRefusalCause::Region => "The exchange does not serve this region.",
        KeyRefusalCause::Unsupported => "This kind of account is not modelled.",
    }
}

const fn ladder_remedy(ladder: Ladder) -> Option<&'static str> {
    match ladder {
        Ladder::Normal => None,
        Ladder::Caution => Some("Nothing is blocked; look at the alerts."),
        Ladder::ReduceOnly | Ladder::Locked => {
            Some("Only exits pass. When you are ready: crossguard unlock")
        }
    }
}

const fn plane_remedy(plane: Plane) -> &'static str {
    match plane {
        Plane::Account | Plane::Orders => {
            "Orders that add risk are rejected until it is read anew, which happens by itself."
        }
        Plane::Marks => "Waiting for mark prices; check the connection if it stays.",
        Plane::Config | Plane::Brackets | Plane::Rules => {
            "It is read anew by itself; check the connection if it stays."
        }
        Plane::Collateral => {
            "Waiting for collateral rates; an asset without one cannot count in multi-assets mode."
        }
        Plane::Time => "The exchange's clock is measured anew; check the connection if it stays.",
        Plane::Key => "No signed call has succeeded lately; check key and connection.",
    }
}

/// The body of `POST /v1/lock`; both fields are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LockRequest {
    /// Why, in the user's words.
    pub reason: String,
    /// `locked` (default) or `reduce-only`.
    pub state: Option<String>,
}
