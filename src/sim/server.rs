//! Carries bytes: accepts connections, reads HTTP and WebSocket frames, hands them to the hub.
//!
//! Decides nothing about the exchange. Every task ends with the hub's shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    UPGRADE,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes as FrameBytes, Message};
use tokio_util::sync::CancellationToken;

use crate::scenario::{RestFaultKind, Scenario};

use super::hub::Hub;
use super::refusal::Refusal;
use super::rest::{Answer, Call};
use super::session::{self, Frame, QUEUE_MAX, Route, Session};
use super::{truth, ws_api};

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// What fits into a connection within this process before the other side must read.
const PIPE_BYTES: usize = 256 * 1024;
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Time a client has to send a request's body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

type Reply = Response<Full<Bytes>>;

/// Accepts connections while the doors are open; closing them also ends what is connected.
pub(crate) async fn accept(hub: Arc<Hub>, first: TcpListener, address: SocketAddr) {
    let mut open = hub.open.subscribe();
    let mut listener = Some(first);
    loop {
        while !*open.borrow_and_update() {
            listener = None;
            tokio::select! {
                biased;
                () = hub.shutdown.cancelled() => return,
                changed = open.changed() => if changed.is_err() { return },
            }
        }
        let bound = match listener.take() {
            Some(listener) => listener,
            None => match TcpListener::bind(address).await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::warn!(%error, "the simulated exchange cannot listen again yet");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        serve_era(&hub, &bound, &mut open).await;
        if hub.shutdown.is_cancelled() {
            return;
        }
    }
}

async fn serve_era(
    hub: &Arc<Hub>,
    listener: &TcpListener,
    open: &mut tokio::sync::watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            biased;
            () = hub.shutdown.cancelled() => return,
            changed = open.changed() => {
                if changed.is_err() || !*open.borrow() {
                    return;
                }
            }
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _best_effort = stream.set_nodelay(true);
                    tokio::spawn(connection(Arc::clone(hub), stream, hub.era()));
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

/// A connection within this process: the client's end. `None` while the doors are closed.
pub(crate) fn dial(hub: &Arc<Hub>) -> Option<DuplexStream> {
    if !*hub.open.borrow() || hub.shutdown.is_cancelled() {
        return None;
    }
    let (theirs, ours) = tokio::io::duplex(PIPE_BYTES);
    tokio::spawn(connection(Arc::clone(hub), ours, hub.era()));
    Some(theirs)
}

async fn connection<S>(hub: Arc<Hub>, stream: S, era: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cut = era.child_token();
    let service = hyper::service::service_fn(|request| {
        let (hub, era, cut) = (Arc::clone(&hub), era.clone(), cut.clone());
        async move { Ok::<_, Infallible>(handle(hub, request, era, cut).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        biased;
        () = cut.cancelled() => {}
        _ended = serving => {}
    }
}

async fn handle(
    hub: Arc<Hub>,
    mut request: Request<Incoming>,
    era: CancellationToken,
    cut: CancellationToken,
) -> Reply {
    hub.advance();
    if request.headers().contains_key(UPGRADE) {
        return upgrade(&hub, &mut request, era);
    }
    let (parts, body) = request.into_parts();
    let limited = Limited::new(body, BODY_BYTES_MAX).collect();
    let Ok(Ok(body)) = tokio::time::timeout(BODY_DEADLINE, limited).await else {
        return plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body too large or too slow".into(),
        );
    };
    let body = body.to_bytes();
    let path = parts.uri.path();
    match (parts.method.as_str(), path) {
        ("POST", "/sim/command") => return command(&hub, &body),
        ("GET", "/sim/truth") => {
            let truth = truth::of(&hub);
            return json_reply(StatusCode::OK, super::wire::json(&truth));
        }
        _ => {}
    }
    let key = parts
        .headers
        .get("x-mbx-apikey")
        .map(|value| value.to_str().unwrap_or_default());
    let call = Call {
        method: parts.method.as_str(),
        path,
        query: parts.uri.query().unwrap_or_default(),
        body: &body,
        key,
    };
    answer(&hub, &call, &cut).await
}

/// Answers a REST call, with the mishaps that are in force for it.
async fn answer(hub: &Hub, call: &Call<'_>, cut: &CancellationToken) -> Reply {
    let faults = hub.core().faults.take_rest(call.method, call.path);
    let carry_out = || {
        let answer = hub.core().rest(call, hub.clock.now_ms());
        hub.after_step();
        answer
    };
    let mut broken = None;
    for fault in faults {
        match fault {
            RestFaultKind::Delay(delay) => tokio::time::sleep(delay).await,
            RestFaultKind::Hang { after } => {
                if after {
                    let _lost = carry_out();
                }
                cut.cancel();
                std::future::pending::<()>().await;
            }
            RestFaultKind::Redirect(address) => broken = Some(redirect(&address)),
            RestFaultKind::Error {
                status,
                code,
                text,
                after,
            } => {
                if after {
                    let _lost = carry_out();
                }
                broken = Some(error_reply(status, code, &text));
            }
            RestFaultKind::Ok => {}
        }
    }
    broken.unwrap_or_else(|| {
        let Answer {
            status,
            headers,
            body,
        } = carry_out();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut reply = json_reply(status, body);
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                reply.headers_mut().insert(name, value);
            }
        }
        reply
    })
}

fn error_reply(status: u16, code: Option<i64>, text: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = match code {
        Some(code) => {
            let refusal = Refusal {
                status: status.as_u16(),
                code,
                message: text.to_owned(),
            };
            json_reply(status, refusal.body())
        }
        None => plain(status, text.to_owned()),
    };
    let wait = match status.as_u16() {
        429 => Some("60"),
        418 => Some("120"),
        _ => None,
    };
    if let Some(seconds) = wait {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    reply
}

fn redirect(address: &str) -> Reply {
    let mut reply = plain(StatusCode::FOUND, String::new());
    if let Ok(address) = HeaderValue::from_str(address) {
        reply.headers_mut().insert(LOCATION, address);
    }
    reply
}

fn command(hub: &Hub, body: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(body);
    let scenario = match Scenario::parse(&text) {
        Ok(scenario) => scenario,
        Err(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            return plain(StatusCode::BAD_REQUEST, lines.join("\n"));
        }
    };
    for line in &scenario.lines {
        if let Err(text) = hub.execute(&line.statement) {
            let text = format!("line {}: `{}`: {text}", line.number, line.text);
            return plain(StatusCode::BAD_REQUEST, text);
        }
    }
    plain(StatusCode::OK, String::new())
}

fn plain(status: StatusCode, text: String) -> Reply {
    let mut reply = Response::new(Full::from(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    reply
}

fn json_reply(status: StatusCode, body: String) -> Reply {
    let mut reply = plain(status, body);
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Answers a WebSocket handshake and lets the connection in.
fn upgrade(hub: &Arc<Hub>, request: &mut Request<Incoming>, era: CancellationToken) -> Reply {
    let uri = request.uri().clone();
    let asked = session::request(uri.path(), uri.query().unwrap_or_default());
    let key = request.headers().get(SEC_WEBSOCKET_KEY).cloned();
    let (Some(asked), Some(key)) = (asked, key) else {
        return plain(StatusCode::NOT_FOUND, "no such stream".into());
    };
    if asked.route == Route::Api {
        let now_ms = hub.clock.now_ms();
        let mut core = hub.core();
        let told_ms = core.told_ms(now_ms);
        core.usage.weigh(told_ms, ws_api::HANDSHAKE_WEIGHT);
    }
    let upgraded = hyper::upgrade::on(request);
    let hub = Arc::clone(hub);
    tokio::spawn(async move {
        let Ok(stream) = upgraded.await else { return };
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream =
            WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(config));
        let stream = stream.await;
        let (outbox, inbox) = mpsc::channel(QUEUE_MAX);
        let session = Session {
            route: asked.route,
            combined: asked.combined,
            topics: std::collections::BTreeMap::new(),
            keys: asked.keys.clone(),
            opened_ms: hub.clock.now_ms(),
            heard_ms: std::collections::VecDeque::new(),
            outbox,
        };
        let id = hub.core().connect(asked, session);
        converse(&hub, id, stream, inbox, &era).await;
        hub.core().disconnect(id);
    });
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        hyper::header::CONNECTION,
        HeaderValue::from_static("Upgrade"),
    );
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    reply
}

/// Carries frames of one connection both ways until either side ends it. While the exchange is
/// silent not a byte is read or written.
async fn converse<S>(
    hub: &Hub,
    id: u64,
    mut stream: WebSocketStream<S>,
    mut inbox: mpsc::Receiver<Frame>,
    era: &CancellationToken,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        while hub.silent.is_on() {
            tokio::select! {
                biased;
                () = era.cancelled() => return,
                () = hub.silent.becomes(false) => {}
            }
        }
        tokio::select! {
            // Silence goes before frames that are already waiting.
            biased;
            () = era.cancelled() => return,
            () = hub.silent.becomes(true) => {}
            frame = inbox.recv() => {
                let message = match frame {
                    Some(Frame::Text(text)) => Message::text(text),
                    Some(Frame::Ping) => Message::Ping(FrameBytes::from_static(b"ping")),
                    Some(Frame::Close(code, reason)) => {
                        let frame = CloseFrame { code: code.into(), reason: reason.into() };
                        let _closing = stream.close(Some(frame)).await;
                        return;
                    }
                    None => return,
                };
                if stream.send(message).await.is_err() {
                    return;
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => ws_api::text(hub, id, text.as_str()),
                Some(Ok(Message::Close(_))) => {
                    // The answer to a close is already written; clients call its absence a loss.
                    let _answered = stream.flush().await;
                    return;
                }
                Some(Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    }
}
