//! A small client of the simulated exchange, written for these tests from the documents.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on says where, as a test does"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crossguard::scenario::Scenario;
use crossguard::sim::{Announcement, Handle, Options, Sim};
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A running exchange and a client that holds its key.
pub(crate) struct Exchange {
    pub(crate) sim: Sim,
    pub(crate) handle: Handle,
    pub(crate) to: Announcement,
    pub(crate) http: reqwest::Client,
}

/// Two contracts, round prices, no fee unless said, nothing moving by itself.
pub(crate) const QUIET: &str = "\
symbol BTCUSDT tick 0.1 step 0.001 min-notional 100
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x
mark BTCUSDT 60000
symbol ETHUSDT tick 0.01 step 0.001 min-notional 20
brackets ETHUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x
mark ETHUSDT 3000
";

pub(crate) async fn start(scenario: &str) -> Exchange {
    let scenario = Scenario::parse(scenario).unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        listen,
        scenario: Some(scenario),
        seed: 7,
    };
    let sim = Sim::start(options).await.unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .build()
        .unwrap();
    Exchange {
        handle: sim.handle(),
        to: sim.announcement(),
        sim,
        http,
    }
}

pub(crate) fn sign(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

impl Exchange {
    pub(crate) async fn quiet(account: &str) -> Self {
        start(&format!("{QUIET}{account}")).await
    }

    pub(crate) fn command(&self, line: &str) {
        self.handle
            .command(line)
            .unwrap_or_else(|text| panic!("{line}: {text}"));
    }

    /// A signed call with everything in the query.
    pub(crate) async fn call(&self, method: &str, path: &str, params: &str) -> (u16, Value) {
        let query = self.signed(params);
        self.raw(method, &format!("{path}?{query}"), None).await
    }

    pub(crate) fn signed(&self, params: &str) -> String {
        let time = self.handle.truth().time_ms;
        let joint = if params.is_empty() { "" } else { "&" };
        let query = format!("{params}{joint}timestamp={time}");
        let signature = sign(&self.to.secret, &query);
        format!("{query}&signature={signature}")
    }

    pub(crate) async fn raw(
        &self,
        method: &str,
        target: &str,
        body: Option<String>,
    ) -> (u16, Value) {
        let method = method.parse().unwrap();
        let address = format!("{}{target}", self.to.rest);
        let mut request = self
            .http
            .request(method, address)
            .header("X-MBX-APIKEY", &self.to.api_key);
        if let Some(body) = body {
            let form = "application/x-www-form-urlencoded";
            request = request.header("content-type", form).body(body);
        }
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) async fn stream(&self, path: &str) -> Stream {
        let address = self.to.stream.strip_prefix("ws://").unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}{path}");
        let (socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
        Stream { socket }
    }

    /// A private stream with a fresh listenKey, once the exchange knows of it.
    pub(crate) async fn user_stream(&self) -> Stream {
        let (_, reply) = self.raw("POST", "/fapi/v1/listenKey", None).await;
        let key = reply["listenKey"].as_str().unwrap();
        let before = self.handle.truth().user_connections;
        let stream = self.stream(&format!("/private/ws/{key}")).await;
        self.until(|exchange| exchange.handle.truth().user_connections > before)
            .await;
        stream
    }

    /// Waits for a condition with a deadline.
    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting)
            .await
            .expect("condition in time");
    }
}

/// A WebSocket connection of a test.
pub(crate) struct Stream {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Stream {
    /// The next JSON frame.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.socket.next()).await;
            match message
                .expect("frame in time")
                .expect("open stream")
                .expect("sound frame")
            {
                Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame of which the condition is true.
    pub(crate) async fn next_where(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// Whether nothing arrives for so long.
    pub(crate) async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.next()).await.is_err()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket
            .send(Message::text(text.to_owned()))
            .await
            .unwrap();
    }

    /// Waits until the connection has ended; gives the close code if there was one.
    pub(crate) async fn ended(&mut self) -> Option<u16> {
        loop {
            match tokio::time::timeout(DEADLINE, self.socket.next())
                .await
                .expect("end in time")
            {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
