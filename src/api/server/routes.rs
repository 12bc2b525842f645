//! Every request but the check.
//!
//! Owns: one short function per route.
//! Must not know: anything but where the answer comes from.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};

use super::alerts;
use super::check::{self, gone};
use super::reply::{Reply, events, json_bytes, ok, ok_bytes, with_type};
use super::route::Route;
use super::{Parts, Scope, Server, intake};
use crate::api::openapi;
use crate::api::protocol::account::{AccountAnswer, OrdersAnswer, PositionsAnswer};
use crate::api::protocol::decisions::{DecisionLine, DecisionsAnswer, filter};
use crate::api::protocol::error::{ErrorCode, Refusal};
use crate::api::protocol::explain::ExplainAnswer;
use crate::api::protocol::explained::explained;
use crate::api::protocol::fix::FixAnswer;
use crate::api::protocol::policy::PolicyAnswer;
use crate::api::protocol::recorded;
use crate::api::protocol::status::{LadderAnswer, LockRequest, ReadyAnswer, StatusAnswer};
use crate::api::protocol::stress::{StressAnswer, free_shocks, scenarios};
use crate::api::record::{Peer, ReadError};
use crate::guard::verdict::Ladder;
use crate::margin::account::Symbol;

/// Longest reason of a lock, in characters.
const REASON_LENGTH_MAX: usize = 256;

/// When a response is over.
pub(super) enum Ends {
    /// With its body.
    WithBody,
    /// When one side leaves.
    Never,
}

pub(super) async fn answer(
    server: &Arc<Server>,
    scope: Scope,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<(Reply, Ends), Refusal> {
    let (head, body) = request.into_parts();
    intake::admit(&head.headers)?;
    let (route, id) = Route::find(&head.method, head.uri.path(), scope)?;
    let parts = &server.parts;
    let reply = match route {
        Route::Check => {
            let body = intake::body(&head.headers, body).await?;
            check::answer(server, peer, &body).await?
        }
        Route::Size => {
            let body = intake::body(&head.headers, body).await?;
            check::size(parts, &body).await?
        }
        Route::Stress => {
            let body = intake::body(&head.headers, body).await?;
            stress(parts, &body).await?
        }
        Route::Fix => {
            let fix = parts.handle.fix().await.map_err(gone)?;
            ok(&FixAnswer::from(&fix))?
        }
        Route::Status => status(parts).await?,
        Route::Account => {
            let report = parts.handle.account().await.map_err(gone)?;
            ok(&AccountAnswer::from(&report))?
        }
        Route::ExplainAccount => {
            let sheet = parts.handle.explain().await.map_err(gone)?;
            ok(&ExplainAnswer::from(&sheet))?
        }
        Route::Positions => {
            let report = parts.handle.positions().await.map_err(gone)?;
            ok(&PositionsAnswer::from(&report))?
        }
        Route::Orders => {
            let report = parts.handle.orders().await.map_err(gone)?;
            ok(&OrdersAnswer::from(&report))?
        }
        Route::Policy => {
            let in_force = parts.handle.policy().await.map_err(gone)?;
            ok(&PolicyAnswer::from(&in_force))?
        }
        Route::Decisions => decisions(parts, head.uri.query().unwrap_or_default()).await?,
        Route::Decision => ok_bytes(decision(parts, id).await?),
        Route::ExplainDecision => explain(parts, id).await?,
        Route::Alerts => alerts::list(parts).await?,
        Route::Acknowledge => {
            let body = intake::body(&head.headers, body).await?;
            alerts::acknowledge(parts, peer, id, &body).await?
        }
        Route::TestAlerts => alerts::test(parts).await?,
        Route::Silence => {
            let body = intake::body(&head.headers, body).await?;
            alerts::silence(parts, peer, &body).await?
        }
        Route::Unsilence => {
            let query = head.uri.query().unwrap_or_default();
            alerts::unsilence(parts, peer, query).await?
        }
        Route::Events => return Ok((subscribe(server, &head.headers)?, Ends::Never)),
        Route::Lock => {
            let body = intake::body(&head.headers, body).await?;
            lock(parts, scope, peer, &body).await?
        }
        Route::Unlock => set_ladder(parts, peer, Ladder::Normal, "unlocked by hand").await?,
        Route::Reload => reload(parts, peer).await?,
        Route::OpenApi => ok_bytes(openapi::DOCUMENT.as_bytes()),
        Route::Metrics => metrics(parts),
        Route::Health => ok_bytes(&b"{\"ok\":true}"[..]),
        Route::Ready => ready(parts).await?,
    };
    Ok((reply, Ends::WithBody))
}

/// The account as it stands under the policy's scenarios, the named ones, or free shocks.
async fn stress(parts: &Parts, body: &Bytes) -> Result<Reply, Refusal> {
    let in_force = parts.handle.policy().await.map_err(gone)?;
    let scenarios = scenarios(body, &in_force.policy.stress)?;
    let report = parts.handle.positions().await.map_err(gone)?;
    let held = |symbol: &Symbol| report.symbols.iter().any(|of| of.symbol == *symbol);
    let not_held = free_shocks(&scenarios)
        .filter(|symbol| !held(symbol))
        .map(|symbol| Cow::Owned(symbol.to_string()))
        .collect();
    let fares = parts.handle.stress(scenarios).await.map_err(gone)?;
    ok(&StressAnswer {
        not_held,
        ..StressAnswer::from(&fares)
    })
}

async fn status(parts: &Parts) -> Result<Reply, Refusal> {
    let report = parts.handle.status().await.map_err(gone)?;
    let in_force = parts.handle.policy().await.map_err(gone)?;
    let failing = alerts::failing(parts).await;
    let mut answer = StatusAnswer::of(&report, &in_force.policy);
    answer.note_channels(&failing);
    ok(&answer)
}

async fn ready(parts: &Parts) -> Result<Reply, Refusal> {
    let report = parts.handle.status().await.map_err(gone)?;
    let answer = ReadyAnswer::from(&report);
    let status = if answer.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let json = HeaderValue::from_static("application/json");
    Ok(with_type(status, json, json_bytes(&answer)?.into()))
}

async fn decisions(parts: &Parts, query: &str) -> Result<Reply, Refusal> {
    let filter = filter(query, parts.clock.now().wall_ms)?;
    let page = parts.recorder.decisions(filter).await.map_err(unreadable)?;
    ok(&DecisionsAnswer {
        decisions: page.lines.iter().map(DecisionLine::from).collect(),
        next: page.next.as_deref().map(Into::into),
    })
}

/// A recorded decision with its arithmetic, and what waiting could change.
async fn explain(parts: &Parts, id: &str) -> Result<Reply, Refusal> {
    let document = document(parts, id).await?;
    let wrong = || {
        Refusal::new(
            ErrorCode::Internal,
            "The record of this decision is not readable.",
        )
    };
    explained(&document).map(ok_bytes).ok_or_else(wrong)
}

/// A decision as it was answered.
async fn decision(parts: &Parts, id: &str) -> Result<Vec<u8>, Refusal> {
    let mut document = document(parts, id).await?;
    let answer = recorded::parts(&document).0.len();
    document.truncate(answer);
    Ok(document)
}

async fn document(parts: &Parts, id: &str) -> Result<Vec<u8>, Refusal> {
    let document = parts
        .recorder
        .get(id.to_owned())
        .await
        .map_err(unreadable)?;
    document.ok_or_else(|| Refusal::new(ErrorCode::NotFound, "There is no decision of this id."))
}

fn unreadable(error: ReadError) -> Refusal {
    match error {
        ReadError::Cursor => Refusal::field("cursor", "is not one of ours"),
        ReadError::Unavailable(why) => {
            let message = format!("The records cannot be read: {why}.");
            Refusal::new(ErrorCode::RecordsUnavailable, &message)
        }
    }
}

fn metrics(parts: &Parts) -> Reply {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0");
    with_type(StatusCode::OK, kind, (parts.metrics)().into())
}

async fn reload(parts: &Parts, peer: Peer) -> Result<Reply, Refusal> {
    match (parts.reload)(peer).await {
        Ok(changed) => ok(&changed),
        Err(mistakes) => Err(Refusal::new(
            ErrorCode::PolicyMistakes,
            &mistakes.join("\n"),
        )),
    }
}

/// Puts the guard on a lower rung. On the check socket it may only be made stricter.
async fn lock(parts: &Parts, scope: Scope, peer: Peer, body: &Bytes) -> Result<Reply, Refusal> {
    let request = if body.is_empty() {
        LockRequest::default()
    } else {
        serde_json::from_slice(body)
            .map_err(|error| Refusal::new(ErrorCode::BadRequest, &format!("{error}.")))?
    };
    let rung = match request.state.as_deref() {
        None | Some("locked") => Ladder::Locked,
        Some("reduce-only") => Ladder::ReduceOnly,
        Some(_) => return Err(Refusal::field("state", "expected locked or reduce-only")),
    };
    if scope != Scope::Admin {
        let now = parts.handle.status().await.map_err(gone)?.ladder;
        if rung < now {
            let message = "This would loosen the lock: ask on admin.sock.";
            return Err(Refusal::new(ErrorCode::Forbidden, message));
        }
    }
    let reason: String = request.reason.chars().take(REASON_LENGTH_MAX).collect();
    let reason = if reason.is_empty() {
        "locked by hand".to_owned()
    } else {
        reason
    };
    set_ladder(parts, peer, rung, &reason).await
}

async fn set_ladder(
    parts: &Parts,
    peer: Peer,
    rung: Ladder,
    reason: &str,
) -> Result<Reply, Refusal> {
    parts
        .handle
        .set_ladder(rung, reason.to_owned())
        .await
        .map_err(gone)?;
    let text = format!("state {}: {reason}", rung.name());
    let now_ms = parts.clock.now().wall_ms;
    parts.recorder.note(now_ms, text, peer);
    ok(&LadderAnswer {
        state: rung.name().into(),
        reason: reason.into(),
    })
}

fn subscribe(server: &Arc<Server>, headers: &HeaderMap) -> Result<Reply, Refusal> {
    let after = match headers.get("last-event-id") {
        None => None,
        Some(id) => {
            let number = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            let wrong = || Refusal::field("Last-Event-ID", "expected the number of an event");
            Some(number.ok_or_else(wrong)?)
        }
    };
    let subscription = server.parts.hub.subscribe(after);
    Ok(events(subscription, &server.shutdown))
}
