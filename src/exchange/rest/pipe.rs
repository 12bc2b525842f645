//! REST over a connection within the process, for the simulation.
//!
//! Owns: one request over one pipe, with the same deadline as over the network.
//! Must not know: what is asked.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::RestError;
use crate::exchange::connect::Dial;
use crate::exchange::text::clean_text;

/// Sends a request that has no body and reads the whole answer.
pub(super) async fn send(
    dial: &dyn Dial,
    request: reqwest::RequestBuilder,
    deadline: Duration,
) -> Result<reqwest::Response, RestError> {
    let request = request.build().map_err(RestError::transport)?;
    let answered = timeout(deadline, answer(dial, &request)).await;
    answered
        .map_err(|_| RestError::Transport("no answer in time".into()))?
        .map(reqwest::Response::from)
        .map_err(|error| RestError::Transport(clean_text(&error.to_string())))
}

async fn answer(
    dial: &dyn Dial,
    request: &reqwest::Request,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let bytes = dial.dial()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(bytes)).await?;
    let mut asked = Request::builder()
        .method(request.method())
        .uri(&request.url()[url::Position::BeforePath..])
        .header(hyper::header::HOST, "within");
    for (name, value) in request.headers() {
        asked = asked.header(name, value);
    }
    let asked = asked.body(Empty::<Bytes>::new())?;
    let exchange = async {
        let (parts, body) = sender.send_request(asked).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        // Whatever ended it: what it had already brought still counts.
        _ended = &mut connection => {}
    }
    exchange.await
}
