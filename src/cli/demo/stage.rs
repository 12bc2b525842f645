//! The stage of the demo: two simulated exchanges with the same market, two daemons, real ports
//! and sockets.
//!
//! Owns: setting everything up in a private folder and taking it down again.
//! Must not know: the story.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hook::Hooks;
use super::trader::Trader;
use crate::api::client::Client;
use crate::api::protocol::status::StatusAnswer;
use crate::cli::run::{Passed, Plan, Running, fixed_policy};
use crate::clock::Clock;
use crate::config;
use crate::daemon::core::PolicyInForce;
use crate::exchange::{self, Credentials, Environment};
use crate::guard::policy::Policy;
use crate::scenario::Scenario;
use crate::sim::{self, Sim};

/// Both accounts begin like this; the brackets are those of October 2024.
const SCENE: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 50
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x
symbol ETHUSDT tick 0.01 step 0.001 min-notional 20
brackets ETHUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x
mark BTCUSDT 60000
mark ETHUSDT 3000
wallet USDT 1000
leverage BTCUSDT 50
leverage ETHUSDT 5
";

/// Longest wait for a daemon to be in step with its exchange.
const READY_DEADLINE: Duration = Duration::from_secs(15);

/// Longest wait for what ticks and may never do so.
const TICKS_DEADLINE: Duration = Duration::from_secs(3);

/// Planes that may lack something for good.
const TICKING: [&str; 2] = ["marks", "collateral"];

/// One account: its exchange, its guard, its trader.
pub(super) struct Account {
    pub(super) exchange: sim::Handle,
    pub(super) trader: Trader,
    pub(super) socket: PathBuf,
    /// Where its alerts arrive.
    pub(super) hooks: Hooks,
    sim: Sim,
    daemon: Running,
}

/// A folder that nobody else can enter, removed at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn make(clock: &Clock) -> Result<Self, String> {
        let below = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|folder| folder.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let name = format!(
            "crossguard-demo-{}-{}",
            std::process::id(),
            clock.now().boot_us
        );
        let folder = below.join(name);
        // Fails when somebody else laid something in this place.
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is only the demo's own journal.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Account {
    /// Starts an exchange, a daemon on it, and waits until the guard is in step.
    pub(super) async fn start(name: &str, folder: &Folder, seed: u64) -> Result<Self, String> {
        let account = Self::set_up(name, folder, seed, SCENE).await?;
        within(READY_DEADLINE, until(&account.trader.guard, &[])).await?;
        Ok(account)
    }

    /// The same on the account and market of this text, of which something may never be known: a
    /// contract without a mark, an asset without a rate. The answers say so.
    pub(super) async fn start_on(
        name: &str,
        folder: &Folder,
        seed: u64,
        scene: &str,
    ) -> Result<Self, String> {
        let account = Self::set_up(name, folder, seed, scene).await?;
        let guard = &account.trader.guard;
        within(READY_DEADLINE, until(guard, &TICKING)).await?;
        // In time or not: what is missing then is told with every answer.
        drop(tokio::time::timeout(TICKS_DEADLINE, until(guard, &[])).await);
        Ok(account)
    }

    async fn set_up(name: &str, folder: &Folder, seed: u64, scene: &str) -> Result<Self, String> {
        let scenario = Scenario::parse(scene).map_err(|mistakes| {
            mistakes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        })?;
        let options = sim::Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            scenario: Some(scenario),
            seed,
        };
        let sim = Sim::start(options)
            .await
            .map_err(|error| error.to_string())?;
        let to = sim.announcement();
        let place = folder.path().join(name);
        let socket = place.join("crossguard.sock");
        let (hooks, alerts) = Hooks::start(&place)?;
        let plan = plan(&to, &place, &socket, seed, alerts);
        let daemon = tokio::task::spawn_blocking(move || Running::start(plan)).await;
        let daemon = daemon.map_err(|error| error.to_string())??;
        let guard = Client::connect(std::slice::from_ref(&socket)).map_err(|e| e.to_string())?;
        Ok(Self {
            exchange: sim.handle(),
            trader: Trader::new(guard, &to)?,
            socket,
            hooks,
            sim,
            daemon,
        })
    }

    /// Ends the daemon, then its exchange.
    pub(super) async fn end(self) {
        let daemon = self.daemon;
        drop(tokio::task::spawn_blocking(move || daemon.stop()).await);
        self.sim.shutdown().await;
    }
}

fn plan(
    to: &sim::Announcement,
    place: &Path,
    socket: &Path,
    seed: u64,
    alerts: config::Alerts,
) -> Plan {
    let policy = Policy::default();
    let clock = Clock::machine();
    Plan {
        exchange: exchange::Options {
            environment: Environment::Custom {
                rest: to.rest.clone(),
                stream: to.stream.clone(),
                ws_api: to.ws_api.clone(),
            },
            credentials: Some(Credentials::hmac(to.api_key.clone(), to.secret.clone())),
            without_key: String::new(),
            clock: clock.clone(),
            seed,
            state_dir: None,
            extra_roots: None,
        },
        all_marks: false,
        socket: socket.to_owned(),
        admin: socket.with_file_name("admin.sock"),
        passed: Passed::default(),
        state_dir: place.join("state"),
        in_force: PolicyInForce {
            fingerprint: config::fingerprint(&policy),
            policy,
        },
        metrics_listen: None,
        alerts,
        clock,
        seed,
        reload: Box::new(fixed_policy),
    }
}

/// Waits until no plane but these stands in the way.
async fn until(guard: &Client, but: &[&str]) {
    while !is_ready(guard, but).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_ready(guard: &Client, but: &[&str]) -> bool {
    let Ok(body) = guard.get("/v1/status").await else {
        return false;
    };
    serde_json::from_slice::<StatusAnswer<'_>>(&body).is_ok_and(|status| {
        let mut stale = status.inputs.planes.stale();
        stale.all(|(name, _)| but.contains(&name.as_ref()))
    })
}

async fn within(deadline: Duration, ready: impl Future<Output = ()>) -> Result<(), String> {
    let in_time = tokio::time::timeout(deadline, ready).await;
    in_time.map_err(|_| "the guard did not get in step with the simulated exchange".to_owned())
}
