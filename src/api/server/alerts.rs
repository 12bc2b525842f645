//! Requests about alerts and silences.
//!
//! Owns: one short function per route, and who did what for the records.
//! Must not know: how alerts are managed.

use std::time::Duration;

use hyper::body::Bytes;

use super::Parts;
use super::reply::{Reply, ok};
use crate::api::alerts::AlertRefusal;
use crate::api::protocol::alerts::{AckRequest, ChannelLine, SilenceRequest, TestAnswer};
use crate::api::protocol::error::{ErrorCode, Refusal};
use crate::api::record::Peer;

/// Longest name of whoever acknowledges, and longest reason, in characters.
const WORDS_LENGTH_MAX: usize = 256;

/// How long `status` waits for how the channels fare: it answers without that if need be.
const STATUS_PATIENCE: Duration = Duration::from_millis(200);

pub(super) async fn list(parts: &Parts) -> Result<Reply, Refusal> {
    ok(&parts
        .alerts
        .list()
        .await
        .map_err(|refusal| refused(&refusal))?)
}

pub(super) async fn acknowledge(
    parts: &Parts,
    peer: Peer,
    id: &str,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let request: AckRequest = if body.is_empty() {
        AckRequest::default()
    } else {
        read(body)?
    };
    let by = who(request.by.as_deref(), peer);
    let alert = parts.alerts.acknowledge(id.to_owned(), by.clone()).await;
    let alert = alert.map_err(|refusal| refused(&refusal))?;
    let text = format!("alert {} ({}) acknowledged by {by}", alert.id, alert.rule);
    note(parts, peer, text);
    ok(&alert)
}

pub(super) async fn silence(parts: &Parts, peer: Peer, body: &Bytes) -> Result<Reply, Refusal> {
    let request: SilenceRequest = read(body)?;
    let reason = short(&request.reason);
    let by = who(None, peer);
    let silence = parts
        .alerts
        .silence(request.matcher, reason, by, request.seconds)
        .await
        .map_err(|refusal| refused(&refusal))?;
    let text = format!(
        "silence {} of {} for {} s: {}",
        silence.id, silence.matcher, request.seconds, silence.reason
    );
    note(parts, peer, text);
    ok(&silence)
}

pub(super) async fn unsilence(parts: &Parts, peer: Peer, query: &str) -> Result<Reply, Refusal> {
    let mut id = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "id" || id.is_some() {
            return Err(Refusal::field(&name, "expected one id"));
        }
        id = Some(value.into_owned());
    }
    let Some(id) = id else {
        return Err(Refusal::field("id", "is needed: the id of the silence"));
    };
    let silence = parts
        .alerts
        .unsilence(id)
        .await
        .map_err(|refusal| refused(&refusal))?;
    note(parts, peer, format!("silence {} ended", silence.id));
    ok(&silence)
}

pub(super) async fn test(parts: &Parts) -> Result<Reply, Refusal> {
    let channels = parts
        .alerts
        .test()
        .await
        .map_err(|refusal| refused(&refusal))?;
    ok(&TestAnswer { channels })
}

/// Channels whose last attempt failed.
pub(super) async fn failing(parts: &Parts) -> Vec<ChannelLine> {
    let listed = tokio::time::timeout(STATUS_PATIENCE, parts.alerts.list()).await;
    match listed {
        Ok(Ok(answer)) => answer
            .channels
            .into_iter()
            .filter(|channel| channel.error.is_some())
            .collect(),
        _ => Vec::new(),
    }
}

fn read<'b, T: serde::Deserialize<'b>>(body: &'b Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(ErrorCode::BadRequest, &format!("{error}.")))
}

fn short(text: &str) -> String {
    text.chars().take(WORDS_LENGTH_MAX).collect()
}

fn who(named: Option<&str>, peer: Peer) -> String {
    named
        .filter(|name| !name.trim().is_empty())
        .map_or_else(|| format!("user {}", peer.uid), short)
}

fn note(parts: &Parts, peer: Peer, text: String) {
    parts.recorder.note(parts.clock.now().wall_ms, text, peer);
}

fn refused(refusal: &AlertRefusal) -> Refusal {
    match refusal {
        AlertRefusal::Unknown => Refusal::new(ErrorCode::NotFound, &refusal.to_string()),
        AlertRefusal::Field(field, message) => Refusal::field(field, message),
        AlertRefusal::Unavailable(_) => Refusal::new(ErrorCode::Busy, &refusal.to_string()),
    }
}
