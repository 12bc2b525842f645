//! What goes back.
//!
//! Owns: bodies and headers of responses.
//! Must not know: what is in them.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Frame};
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::api::events::Subscription;
use crate::api::protocol::error::{ErrorCode, Refusal};

/// All at once, or events one by one.
pub(super) type Body = Either<Full<Bytes>, Events>;

pub(super) type Reply = Response<Body>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Room that most answers fit into, in bytes; the allocator has blocks of up to 1,032 at hand.
const ANSWER_BYTES: usize = 1_000;

/// A value as the bytes of its JSON.
pub(super) fn json_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(ANSWER_BYTES);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| Refusal::new(ErrorCode::Internal, &error.to_string()))?;
    Ok(bytes)
}

/// A JSON body that is an answer.
pub(super) fn ok_bytes(bytes: impl Into<Bytes>) -> Reply {
    with_type(StatusCode::OK, JSON, bytes.into())
}

/// A value as an answer.
pub(super) fn ok<T: Serialize>(value: &T) -> Result<Reply, Refusal> {
    json_bytes(value).map(ok_bytes)
}

/// A body of any kind.
pub(super) fn with_type(status: StatusCode, kind: HeaderValue, bytes: Bytes) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(bytes)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    finish(reply)
}

/// A subscriber's events, until shutdown.
pub(super) fn events(subscription: Subscription, shutdown: &CancellationToken) -> Reply {
    let body = Events {
        hello: Some(Bytes::from_static(b": crossguard\n\n")),
        subscription,
        stopped: Box::pin(shutdown.clone().cancelled_owned()),
    };
    let mut reply = Response::new(Either::Right(body));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    finish(reply)
}

/// The body of such a reply: frames as they come.
pub(super) struct Events {
    hello: Option<Bytes>,
    subscription: Subscription,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(hello) = self.hello.take() {
            return Poll::Ready(Some(Ok(Frame::data(hello))));
        }
        // What was there before the end is still told.
        if let Poll::Ready(frames) = self.subscription.poll_next(context) {
            return Poll::Ready(Some(Ok(Frame::data(frames))));
        }
        self.stopped.as_mut().poll(context).map(|()| None)
    }
}

/// A request that is not answered.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let status =
        StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = serde_json::to_vec(&refusal.body()).unwrap_or_default();
    let mut reply = with_type(status, JSON, bytes.into());
    let headers = reply.headers_mut();
    match refusal.code {
        ErrorCode::MethodNotAllowed => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
        }
        // What is left of the request would be taken for the next one.
        ErrorCode::TooLarge | ErrorCode::TooSlow => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    reply
}

fn finish(mut reply: Reply) -> Reply {
    const VERSION: HeaderName = HeaderName::from_static("crossguard-version");
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    reply.headers_mut().insert(VERSION, version);
    reply
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::api::events::{EventKind, Hub};

    #[tokio::test]
    async fn what_happened_before_the_end_is_still_told() {
        let hub = Hub::new(1);
        let shutdown = CancellationToken::new();
        let mut body = events(hub.subscribe(None), &shutdown).into_body();
        hub.publish(EventKind::State, || 7);
        shutdown.cancel();
        let mut told = Vec::new();
        while let Some(frame) = body.frame().await {
            told.extend(frame.unwrap().into_data().unwrap());
        }
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told, ": crossguard\n\nid: 1\nevent: state\ndata: 7\n\n");
    }
}
