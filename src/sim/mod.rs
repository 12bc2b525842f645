//! A small Binance: the simulated exchange, the second opinion the real engine is compared with.
//!
//! Owns a venue (a pure state machine with its own ledger and its own exact arithmetic), its JSON
//! (types of its own, made from the documents), the doors (REST, streams and WebSocket API on one
//! port) and the mishaps, which change what is told and never what is true. It must not know
//! anything of ours but the scenario text format, so that a misread field or formula shows up as a
//! disagreement instead of agreeing with itself.

mod account;
mod clock;
mod contract;
mod core;
mod deliver;
mod edge;
mod exact;
mod faults;
mod feed;
mod figures;
mod history;
mod hub;
mod ledger;
mod params;
mod random;
mod refusal;
mod rest;
mod server;
mod session;
mod truth;
mod venue;
mod wire;
mod world;
mod ws_api;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::scenario::{self, Scenario};

use self::core::Core;
use clock::Clock;
use hub::Hub;

pub use ledger::{Ledger, LedgerCost, LedgerKiller, LedgerPool, LedgerPosition};
pub use truth::{
    TrueAlgoOrder, TrueAsset, TrueOrder, TruePool, TruePosition, TrueSettings, TrueUsage, Truth,
};

/// What a simulated exchange is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The scene and what happens in it; `None` for the default world.
    pub scenario: Option<Scenario>,
    /// Seed of everything random. A `seed` line of the scenario goes before it.
    pub seed: u64,
}

/// What a client needs in order to connect, as one line of JSON.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// REST base address.
    pub rest: String,
    /// Base address of the streams; `/market/…` and `/private/…` are appended.
    pub stream: String,
    /// Address of the WebSocket API.
    pub ws_api: String,
    /// API key the exchange knows.
    pub api_key: String,
    /// HMAC secret that belongs to it.
    pub secret: String,
}

/// A running simulated exchange. Dropping it stops it.
#[derive(Debug)]
pub struct Sim {
    hub: Arc<Hub>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

/// A way to command and ask a running exchange; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    hub: Arc<Hub>,
}

impl Sim {
    /// Sets the scene and listens, on the caller's runtime.
    ///
    /// # Errors
    /// The address cannot be listened on, or (as invalid input) a scenario line cannot be carried
    /// out.
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options {
            listen,
            scenario,
            seed,
        } = options;
        let hub = hub(scenario, seed, Clock::start())?;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let tasks = vec![
            tokio::spawn(server::accept(Arc::clone(&hub), listener, address)),
            tokio::spawn(keep_time(Arc::clone(&hub))),
        ];
        Ok(Self {
            hub,
            address,
            tasks,
        })
    }

    /// Sets the scene and opens no port: connections are made within this process
    /// ([`Handle::dial`]) and time is the runtime's, which begins at `start_ms`. On a
    /// current-thread runtime with a paused clock the same seed gives the same story.
    ///
    /// # Errors
    /// A scenario line cannot be carried out.
    pub fn within(scenario: Scenario, seed: u64, start_ms: i64) -> io::Result<Self> {
        let hub = hub(Some(scenario), seed, Clock::starting_at(start_ms))?;
        let tasks = vec![tokio::spawn(keep_time(Arc::clone(&hub)))];
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        Ok(Self {
            hub,
            address,
            tasks,
        })
    }

    /// How to connect.
    pub fn announcement(&self) -> Announcement {
        let core = self.hub.core();
        let address = self.address;
        Announcement {
            rest: format!("http://{address}"),
            stream: format!("ws://{address}"),
            ws_api: format!("ws://{address}/ws-fapi/v1"),
            api_key: core.api_key.clone(),
            secret: core.secret.clone(),
        }
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> Handle {
        Handle {
            hub: Arc::clone(&self.hub),
        }
    }

    /// Ends every connection and waits until nothing runs any more.
    pub async fn shutdown(mut self) {
        self.hub.shutdown.cancel();
        for task in self.tasks.drain(..) {
            // A task that panicked has ended too, which is all that matters here.
            let _ended = task.await;
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.hub.shutdown.cancel();
    }
}

impl Handle {
    /// Carries out one scenario line now.
    ///
    /// # Errors
    /// What is wrong with the line, or why the exchange refuses it.
    pub fn command(&self, line: &str) -> Result<(), String> {
        match scenario::parse_line(line) {
            Ok(Some(statement)) => self.hub.execute(&statement),
            Ok(None) => Ok(()),
            Err(mistake) => Err(mistake.to_string()),
        }
    }

    /// A new connection within this process, as if it had come over the network; `None` while the
    /// exchange accepts none.
    pub fn dial(&self) -> Option<DuplexStream> {
        self.hub.advance();
        server::dial(&self.hub)
    }

    /// What is really so.
    pub fn truth(&self) -> Truth {
        truth::of(&self.hub)
    }
}

fn hub(scenario: Option<Scenario>, seed: u64, clock: Clock) -> io::Result<Arc<Hub>> {
    let scenario = scenario.unwrap_or_else(world::default_world);
    let core = Core::new(&scenario, seed, clock.now_ms())
        .map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))?;
    Ok(Arc::new(Hub::new(core, clock)))
}

/// Plays the timetable: walks, pushes, scripted lines, expiries.
async fn keep_time(hub: Arc<Hub>) {
    loop {
        let due_ms = hub.advance();
        tokio::select! {
            biased;
            () = hub.shutdown.cancelled() => return,
            () = tokio::time::sleep_until(hub.clock.instant(due_ms)) => {}
            () = hub.wake.notified() => {}
        }
    }
}

/// Text of a JSON scalar as a parameter.
fn wire_value_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
