//! A scripted exchange for the tests of the exchange room: REST on one port, streams on another.
//! It answers what it was told to and remembers everything it was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crossguard::clock::Clock;
use crossguard::exchange::{
    Cadence, Credentials, Demand, Environment, Full, Note, Options, Sink, run_at,
};
use crossguard::margin::account::Symbol;
use crossguard::mirror::event::{Event, MarkUpdate};

pub(crate) const API_KEY: &str = "canary-api-key";
pub(crate) const SECRET: &str = "canary-secret";

/// Nothing in these tests takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a test looks at: everything that reached the sink, in order.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Event(Event),
    Mark(MarkUpdate),
    Note(Note),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    pub api_key: Option<String>,
}

/// A scripted answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

impl Reply {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A stream connection at the exchange's end.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Path and query it was opened with.
    pub path: String,
    /// Sends a text frame, or closes when dropped with the stand.
    pub send: mpsc::UnboundedSender<Message>,
    /// Control messages it received.
    pub received: Arc<Mutex<Vec<String>>>,
    /// The other side is still there.
    pub open: Arc<AtomicBool>,
}

#[derive(Default)]
struct Script {
    once: Mutex<BTreeMap<String, VecDeque<Reply>>>,
    always: Mutex<BTreeMap<String, Reply>>,
    asked: Mutex<Vec<Asked>>,
    lines: Mutex<Vec<Line>>,
    /// Paths that are answered with 404 instead of an upgrade.
    refused_paths: Mutex<Vec<&'static str>>,
    /// Market connections acknowledge and say nothing.
    muted: AtomicBool,
    listen_key: Mutex<String>,
    /// Calls that still make the sink panic.
    panics: AtomicUsize,
}

struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    script: Arc<Script>,
}

impl Sink for Recorder {
    fn event(&self, event: Event) -> Result<(), Full> {
        self.seen.send(Seen::Event(event)).map_err(|_| Full)
    }

    fn mark(&self, mark: MarkUpdate) {
        let wants_panic =
            self.script
                .panics
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                });
        assert!(wants_panic.is_err(), "told to");
        let _ = self.seen.send(Seen::Mark(mark));
    }

    fn note(&self, note: Note) {
        let _ = self.seen.send(Seen::Note(note));
    }
}

/// The scripted exchange.
pub(crate) struct Stand {
    script: Arc<Script>,
    rest: SocketAddr,
    stream: SocketAddr,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// A running exchange room that talks to a stand.
pub(crate) struct Running {
    seen: mpsc::UnboundedReceiver<Seen>,
    pub history: Vec<Seen>,
    pub demand: watch::Sender<Demand>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// How the room is run; every test changes what it is about.
pub(crate) struct Setup {
    pub cadence: Cadence,
    pub credentials: Option<Credentials>,
    pub demand: Demand,
    pub state_dir: Option<PathBuf>,
    pub extra_roots: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            cadence: Cadence {
                connect_gap: millis(10),
                backoff_min: millis(10),
                backoff_stream_max: millis(40),
                backoff_read_max: millis(40),
                mark_silence: millis(1_500),
                retry: millis(20),
                key_retry: millis(50),
                key_compare: millis(100),
                control: millis(5),
                table_gap: millis(50),
                read_gap: millis(20),
                restart: millis(20),
                ..Cadence::default()
            },
            credentials: Some(Credentials::hmac(API_KEY.into(), SECRET.into())),
            demand: Demand {
                symbols: BTreeSet::from([symbol("BTCUSDT")]),
                ..Demand::default()
            },
            state_dir: None,
            extra_roots: None,
        }
    }
}

pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

impl Stand {
    pub(crate) async fn start() -> Self {
        let script = Arc::new(Script::default());
        *script.listen_key.lock().unwrap() = "canary-listen-key-1".into();
        let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (rest_at, stream_at) = (rest.local_addr().unwrap(), stream.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(script.clone());
        let serving = tokio::spawn(async move { axum::serve(rest, app).await.unwrap() });
        let streaming = tokio::spawn(accept(stream, script.clone()));
        Self {
            script,
            rest: rest_at,
            stream: stream_at,
            _tasks: [serving, streaming].map(AbortOnDropHandle::new).into(),
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment::Custom {
            rest: format!("http://{}", self.rest),
            stream: format!("ws://{}", self.stream),
            ws_api: format!("ws://{}/ws-fapi/v1", self.stream),
        }
    }

    pub(crate) fn run(&self, setup: Setup) -> Running {
        self.run_in(self.environment(), setup)
    }

    pub(crate) fn run_in(&self, environment: Environment, setup: Setup) -> Running {
        let (sender, seen) = mpsc::unbounded_channel();
        let sink = Arc::new(Recorder {
            seen: sender,
            script: self.script.clone(),
        });
        let (demand, demanded) = watch::channel(setup.demand);
        let shutdown = CancellationToken::new();
        let options = Options {
            environment,
            credentials: setup.credentials,
            clock: Clock::machine(),
            seed: 1,
            state_dir: setup.state_dir,
            without_key: "no key is configured".to_owned(),
            extra_roots: setup.extra_roots,
        };
        let task = tokio::spawn(run_at(
            setup.cadence,
            options,
            sink,
            demanded,
            shutdown.clone(),
        ));
        Running {
            seen,
            history: Vec::new(),
            demand,
            shutdown,
            task,
        }
    }

    /// The next call of this kind (`"GET /fapi/v1/time"`) is answered so, and then as before.
    pub(crate) fn once(&self, call: &str, reply: Reply) {
        let mut once = self.script.once.lock().unwrap();
        once.entry(call.into()).or_default().push_back(reply);
    }

    pub(crate) fn always(&self, call: &str, reply: Reply) {
        let mut always = self.script.always.lock().unwrap();
        always.insert(call.into(), reply);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let is = |asked: &&Asked| asked.method == method && asked.path == path;
        self.asked().iter().filter(is).count()
    }

    pub(crate) fn lines(&self, category: &str) -> Vec<Line> {
        let lines = self.script.lines.lock().unwrap();
        let is = |line: &&Line| line.path.starts_with(category);
        lines.iter().filter(is).cloned().collect()
    }

    /// Sends a frame to the newest connection of a category.
    pub(crate) fn send(&self, category: &str, text: impl Into<String>) {
        let lines = self.lines(category);
        let line = lines.last().expect("a connection");
        line.send.send(Message::text(text.into())).unwrap();
    }

    pub(crate) fn mute(&self, muted: bool) {
        self.script.muted.store(muted, Ordering::SeqCst);
    }

    pub(crate) fn refuse_path(&self, path: &'static str) {
        self.script.refused_paths.lock().unwrap().push(path);
    }

    pub(crate) fn change_listen_key(&self, key: &str) {
        *self.script.listen_key.lock().unwrap() = key.into();
    }

    pub(crate) fn panic_on_next_mark(&self) {
        self.script.panics.store(1, Ordering::SeqCst);
    }

    /// Waits until the stand itself has seen something.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(waited.is_ok(), "the stand never saw {what}");
    }

    /// What must hold whatever happened: it only ever read, or asked for a listen key.
    pub(crate) fn assert_harmless(&self) {
        for asked in self.asked() {
            let is_key_call = asked.path == "/fapi/v1/listenKey"
                && matches!(asked.method.as_str(), "POST" | "PUT");
            assert!(asked.method == "GET" || is_key_call, "{asked:?}");
        }
    }
}

impl Running {
    /// Waits for the next thing for which `pick` answers.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Seen) -> Option<T>,
    ) -> T {
        let waiting = async {
            loop {
                let seen = self.seen.recv().await.expect("the room runs");
                let picked = pick(&seen);
                self.history.push(seen);
                if let Some(picked) = picked {
                    return picked;
                }
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(picked) => picked,
            Err(_) => panic!("never saw {what}; saw {:#?}", self.history),
        }
    }

    pub(crate) async fn event<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        self.wait(what, |seen| match seen {
            Seen::Event(event) => pick(event),
            Seen::Mark(_) | Seen::Note(_) => None,
        })
        .await
    }

    pub(crate) async fn user_opened(&mut self) -> u64 {
        self.event("the user stream", |event| match event {
            Event::UserStreamOpened(connection) => Some(connection.epoch),
            _ => None,
        })
        .await
    }

    pub(crate) async fn mark(&mut self, name: &str) -> MarkUpdate {
        self.wait("a mark", |seen| match seen {
            Seen::Mark(mark) if mark.symbol.as_str() == name => Some(mark.clone()),
            _ => None,
        })
        .await
    }

    /// Ends the room and returns everything it ever told.
    pub(crate) async fn stop(mut self) -> Vec<Seen> {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(DEADLINE, &mut self.task).await;
        ended.expect("shutdown is prompt").unwrap();
        while let Ok(seen) = self.seen.try_recv() {
            self.history.push(seen);
        }
        self.history
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request<Body>) -> Response<Body> {
    let asked = Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        api_key: request
            .headers()
            .get("x-mbx-apikey")
            .map(|key| key.to_str().unwrap().to_owned()),
    };
    let call = format!("{} {}", asked.method, asked.path);
    let query = asked.query.clone();
    script.asked.lock().unwrap().push(asked);
    let once = script
        .once
        .lock()
        .unwrap()
        .get_mut(&call)
        .and_then(VecDeque::pop_front);
    let scripted = once.or_else(|| script.always.lock().unwrap().get(&call).cloned());
    let reply = scripted.unwrap_or_else(|| usual(&script, &call, &query));
    let mut response = Response::builder()
        .status(reply.status)
        .header("X-MBX-USED-WEIGHT-1M", "7");
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    // A scripted body may echo what was asked, as some error texts do.
    let body = reply.body.replace("{query}", &query);
    response.body(Body::from(body)).unwrap()
}

fn usual(script: &Script, call: &str, query: &str) -> Reply {
    let wall_ms = Clock::machine().now().wall_ms;
    let body = match call {
        "GET /fapi/v1/time" => json!({ "serverTime": wall_ms }),
        "GET /fapi/v1/exchangeInfo" => json!({
            "rateLimits": [{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":2400}],
            "symbols": [{"symbol":"BTCUSDT","status":"TRADING","quoteAsset":"USDT","marginAsset":"USDT",
                "deliveryDate":4_133_404_800_000_i64,"filters":[]}],
        }),
        "GET /fapi/v1/leverageBracket" => json!([{"symbol":"BTCUSDT","brackets":[
            {"bracket":1,"initialLeverage":125,"notionalCap":50000,"notionalFloor":0,"maintMarginRatio":"0.004","cum":0}]}]),
        "GET /fapi/v1/premiumIndex" => {
            let name = query.strip_prefix("symbol=").unwrap_or("BTCUSDT");
            json!({"symbol":name,"markPrice":"60000.5","lastFundingRate":"0.0001",
                "nextFundingTime":wall_ms + 3_600_000,"time":1})
        }
        "POST /fapi/v1/listenKey" | "PUT /fapi/v1/listenKey" => {
            json!({ "listenKey": *script.listen_key.lock().unwrap() })
        }
        "GET /fapi/v1/accountConfig" => {
            json!({"canTrade":true,"dualSidePosition":false,"multiAssetsMargin":false})
        }
        "GET /fapi/v1/symbolConfig" => json!([{"symbol":"BTCUSDT","marginType":"CROSSED",
            "isAutoAddMargin":false,"leverage":20,"maxNotionalValue":"80000000"}]),
        "GET /fapi/v3/account" => json!({"assets":[{"asset":"USDT","walletBalance":"1000",
            "crossWalletBalance":"1000","maintMargin":"0","initialMargin":"0","openOrderInitialMargin":"0",
            "availableBalance":"1000","updateTime":1}],
            "positions":[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.5"}]}),
        "GET /fapi/v3/positionRisk" => {
            json!([{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.5",
            "entryPrice":"60000","liquidationPrice":"0","isolatedWallet":"0","marginAsset":"USDT","updateTime":1}])
        }
        "GET /fapi/v1/openOrders" | "GET /fapi/v1/openAlgoOrders" => json!([]),
        _ => return reply(404, r#"{"code":-1,"msg":"no such path"}"#),
    };
    reply(200, body.to_string())
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio::spawn(line(tcp, script.clone()));
    }
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
async fn line(tcp: TcpStream, script: Arc<Script>) {
    let mut path = String::new();
    let upgraded = tokio_tungstenite::accept_hdr_async(
        tcp,
        |request: &server::Request, response: server::Response| {
            path = request.uri().to_string();
            let refused = script.refused_paths.lock().unwrap();
            if refused.iter().any(|prefix| path.starts_with(prefix)) {
                let mut answer = server::ErrorResponse::new(None);
                *answer.status_mut() = axum::http::StatusCode::NOT_FOUND;
                return Err(answer);
            }
            Ok(response)
        },
    )
    .await;
    let Ok(mut socket) = upgraded else { return };
    let (send, mut to_send) = mpsc::unbounded_channel();
    let line = Line {
        path: path.clone(),
        send,
        received: Arc::default(),
        open: Arc::new(AtomicBool::new(true)),
    };
    script.lines.lock().unwrap().push(line.clone());
    let mut streams = BTreeSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    line.received.lock().unwrap().push(text.to_string());
                    let id = control(&text, &mut streams);
                    let ack = format!(r#"{{"result":null,"id":{id}}}"#);
                    if socket.send(Message::text(ack)).await.is_err() {
                        break;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            Some(message) = to_send.recv() => {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
            _ = tick.tick(), if !script.muted.load(Ordering::SeqCst) => {
                let wall_ms = Clock::machine().now().wall_ms;
                for name in &streams {
                    let frame = json!({"e":"markPriceUpdate","E":wall_ms,"s":name,"p":"60001.5","r":"","T":0,"st":1});
                    if socket.send(Message::text(frame.to_string())).await.is_err() {
                        break;
                    }
                }
            }
        }
    }
    line.open.store(false, Ordering::SeqCst);
}

/// Applies a control message and returns its id.
fn control(text: &str, streams: &mut BTreeSet<String>) -> u64 {
    let message: serde_json::Value = serde_json::from_str(text).unwrap();
    for name in message["params"].as_array().unwrap() {
        let Some(symbol) = name.as_str().unwrap().strip_suffix("@markPrice@1s") else {
            continue;
        };
        let symbol = symbol.to_ascii_uppercase();
        if message["method"] == "SUBSCRIBE" {
            streams.insert(symbol);
        } else {
            streams.remove(&symbol);
        }
    }
    message["id"].as_u64().unwrap()
}
