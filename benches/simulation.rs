//! Exchange, exchange client and spine in one process on a clock that jumps: what a day of them
//! costs, and what a burst and a planned change of connections do to them.
//!
//! `cargo bench --bench simulation [-- day|burst|rotation]`; without an argument all three. A claim
//! that does not hold (a gap, a stale moment, a figure that differs) ends the run with an error;
//! times are only stated.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "a bench measures wall time and divides it"
)]

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossguard::clock::Clock;
use crossguard::daemon::core::{Core, PolicyInForce};
use crossguard::daemon::report::PoolReport;
use crossguard::daemon::{Asked, Audience, GuardHandle, spine};
use crossguard::exchange::translate::order_intent;
use crossguard::exchange::{self, Bytes, Cadence, Credentials, Dial, Environment, Note};
use crossguard::guard::Detail;
use crossguard::guard::alarm::Transition;
use crossguard::guard::policy::Policy;
use crossguard::guard::verdict::Decision;
use crossguard::mirror::Notice;
use crossguard::mirror::event::LossCause;
use crossguard::scenario::Scenario;
use crossguard::sim::{self, Sim};
use rust_decimal::Decimal;
use tokio_util::sync::CancellationToken;

const START_MS: i64 = 1_790_000_000_000;
const SYMBOLS: usize = 20;
const DAY_S: u64 = 86_400;
const ORDERS: u64 = 1_000;
const FAULTS: u64 = 200;
const BURST: u32 = 5_000;

/// Mishaps in turn, each with what ends it after twenty seconds.
const MISHAPS: [(&str, &str); 10] = [
    ("drop user", ""),
    ("drop market code 1001", ""),
    ("mute market", "unmute market"),
    ("silence", "silence off"),
    ("rest-error /fapi/v3/ 503 \"down\"", "rest-ok /fapi/v3/"),
    ("expire-listen-key", ""),
    ("delay user 3s", "delay user 0s"),
    ("lose user 3", "lose user 0"),
    ("send user \"not JSON\"", ""),
    ("stop", "start"),
];

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    if wanted("day") {
        on_simulated_time(day());
    }
    if wanted("burst") {
        on_simulated_time(burst());
    }
    if wanted("rotation") {
        on_simulated_time(rotation());
    }
}

fn on_simulated_time(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(story);
}

/// Twenty symbols at one mark a second, a thousand orders, two hundred faults, and a check a second.
async fn day() {
    let chain = Chain::start(Cadence::default()).await;
    let began = Instant::now();
    let (mut ends, mut checks, mut allowed) = (None, 0_u64, 0_u64);
    let (mut orders, mut faults) = (0, 0);
    for second in 0..DAY_S {
        if second % (DAY_S / ORDERS) == 7 {
            let number = second / (DAY_S / ORDERS);
            // Every second one goes the other way, so that nothing piles up.
            let side = if number.is_multiple_of(2) {
                "buy"
            } else {
                "sell"
            };
            let symbol = symbol(usize::try_from(number / 2).unwrap() % SYMBOLS);
            chain.say(&format!("order {symbol} {side} 0.01"));
            orders += 1;
        }
        if second % (DAY_S / FAULTS) == 31 {
            let number = usize::try_from(second / (DAY_S / FAULTS)).unwrap();
            let (begins, end) = MISHAPS[number % MISHAPS.len()];
            chain.say(begins);
            faults += 1;
            ends = Some((second + 20, end));
        }
        if let Some((at, line)) = ends
            && at == second
        {
            ends = None;
            if !line.is_empty() {
                chain.say(line);
            }
        }
        checks += 1;
        allowed += u64::from(chain.check().await == Decision::Allow);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    chain.until_fresh().await;
    chain.until_equal().await;
    let took = began.elapsed();
    let times = DAY_S as f64 / took.as_secs_f64();
    println!(
        "a simulated day: {took:.1?}, {times:.0} times as fast as life \
         ({SYMBOLS} symbols at 1 Hz, {orders} orders, {faults} faults, {checks} checks of which \
         {allowed} allowed); mirror and truth are equal at its end"
    );
    chain.end().await;
}

/// Five thousand account events in one instant.
async fn burst() {
    let chain = Chain::start(Cadence::default()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = chain.applied().await;
    let told = chain.told.lock().unwrap().len();
    for index in 0..BURST {
        chain.say(&format!(
            "adjust USDT {}",
            if index.is_multiple_of(2) { 2 } else { -1 }
        ));
    }
    let began = Instant::now();
    while chain.applied().await - before < u64::from(BURST) {
        tokio::task::yield_now().await;
    }
    let took = began.elapsed();
    chain.until_equal().await;
    chain.assert_fresh().await;
    let told = chain.told.lock().unwrap()[told..].to_vec();
    let lost = |notice: &Notice| {
        use Notice::{Drifted, OrdersDrifted, UserStreamGap, UserStreamLost};
        matches!(
            notice,
            UserStreamGap(_) | UserStreamLost(_) | Drifted(_) | OrdersDrifted { .. }
        )
    };
    assert!(!told.iter().any(lost), "{told:?}");
    let each = took.as_secs_f64() * 1e6 / f64::from(BURST);
    println!(
        "a burst of {BURST} account events: applied in {took:.1?} ({each:.1} us each, the \
         simulated exchange's own work included), no gap, no drift, never stale"
    );
    chain.end().await;
}

/// Planned changes of both connections, with a question every 100 ms.
async fn rotation() {
    let cadence = Cadence {
        rotation: Duration::from_secs(300),
        rotation_spread: Duration::from_secs(30),
        ..Cadence::default()
    };
    let chain = Chain::start(cadence).await;
    let told = chain.told.lock().unwrap().len();
    let epoch = chain.epoch().await;
    let (mut asked, mut changes) = (0, 0);
    while changes < 12 {
        chain.assert_fresh().await;
        assert_eq!(chain.check().await, Decision::Allow);
        asked += 1;
        changes = chain.epoch().await - epoch;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = chain.told.lock().unwrap()[told..].to_vec();
    let lost = told.iter().find(|notice| {
        matches!(notice, Notice::UserStreamGap(_) | Notice::Drifted(_))
            || matches!(notice, Notice::UserStreamLost(loss) if loss.cause != LossCause::Rotation)
    });
    assert_eq!(lost, None);
    println!(
        "planned changes of the account's connection: {changes}, {asked} checks meanwhile, one \
         every 100 ms, none of them rejected, no plane stale at any of them"
    );
    chain.end().await;
}

fn symbol(index: usize) -> String {
    format!("S{index:02}USDT")
}

fn scene() -> String {
    let mut scene = String::from("wallet USDT 100000\n");
    for index in 0..SYMBOLS {
        let symbol = symbol(index);
        scene.push_str(&format!(
            "symbol {symbol} tick 0.1 step 0.001 min-notional 5\n\
             brackets {symbol} 0 50000 0.004 125x | 50000 600000 0.005 100x\n\
             pos {symbol} crossed 10x +0.1 @ 6000\n\
             mark {symbol} 6000\nwalk {symbol} 0.00002\n"
        ));
    }
    scene
}

/// Connections to an exchange in the same process.
struct Pipes(sim::Handle);

impl Dial for Pipes {
    fn dial(&self) -> io::Result<Box<dyn Bytes>> {
        match self.0.dial() {
            Some(pipe) => Ok(Box::new(pipe)),
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// Keeps what people would be told.
struct Listener(Arc<Mutex<Vec<Notice>>>);

impl Audience for Listener {
    fn wants_figures(&self) -> bool {
        false
    }
    fn figures(&mut self, _: &[PoolReport]) {}
    fn notice(&mut self, notice: &Notice) {
        self.0.lock().unwrap().push(notice.clone());
    }
    fn state(&mut self, _: &Core) {}
    fn alarm(&mut self, _: Transition) {}
    fn note(&mut self, _: &Note) {}
    fn tick(&mut self, _: &Core, _: &Clock) {}
}

/// A running chain.
struct Chain {
    sim: Sim,
    exchange: sim::Handle,
    guard: GuardHandle,
    told: Arc<Mutex<Vec<Notice>>>,
    stop: CancellationToken,
}

impl Chain {
    async fn start(cadence: Cadence) -> Self {
        let sim = Sim::within(Scenario::parse(&scene()).unwrap(), 1, START_MS).unwrap();
        let clock = Clock::simulated(START_MS);
        let to = sim.announcement();
        let in_force = PolicyInForce {
            policy: Policy::default(),
            fingerprint: "sha256:bench".to_owned(),
        };
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Box::new(Listener(told.clone()));
        let (spine, ends) = spine(in_force, 1, false, clock.clone(), listener);
        let stop = CancellationToken::new();
        tokio::spawn(spine.run(stop.clone()));
        tokio::spawn(ends.beat.keep(stop.clone()));
        let options = exchange::Options {
            environment: Environment::Custom {
                rest: to.rest,
                stream: to.stream,
                ws_api: to.ws_api,
            },
            credentials: Some(Credentials::hmac(to.api_key, to.secret)),
            clock,
            seed: 1,
            state_dir: None,
            without_key: String::new(),
            extra_roots: None,
        };
        let dial: Arc<dyn Dial> = Arc::new(Pipes(sim.handle()));
        let (sink, demand) = (ends.exchange, ends.demand);
        let client = exchange::run_over(Some(dial), cadence, options, sink, demand, stop.clone());
        tokio::spawn(client);
        let exchange = sim.handle();
        let guard = ends.handle;
        let chain = Self {
            sim,
            exchange,
            guard,
            told,
            stop,
        };
        chain.until_fresh().await;
        chain
    }

    fn say(&self, line: &str) {
        let said = self.exchange.command(line);
        said.unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    async fn check(&self) -> Decision {
        let symbol = symbol(3);
        let order = [
            ("symbol", symbol.as_str()),
            ("side", "BUY"),
            ("type", "MARKET"),
            ("quantity", "0.01"),
        ];
        let order = order.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        let intent = order_intent(&order).unwrap();
        let asked = Asked {
            proposal: intent.into(),
            client: None,
            dry_run: true,
            detail: Detail::Brief,
        };
        self.guard.check(asked).await.unwrap().judgement.decision
    }

    async fn stale(&self) -> Vec<String> {
        let status = self.guard.status().await.unwrap();
        let planes = status.inputs.planes.iter().filter(|plane| !plane.fresh);
        planes.map(|plane| plane.plane.to_string()).collect()
    }

    async fn assert_fresh(&self) {
        assert_eq!(self.stale().await, Vec::<String>::new());
    }

    async fn until_fresh(&self) {
        while !self.stale().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn applied(&self) -> u64 {
        self.guard.status().await.unwrap().counters.applied
    }

    async fn epoch(&self) -> u64 {
        self.guard.status().await.unwrap().user_stream_epoch
    }

    /// Wallet, positions and orders are what the exchange has, within a minute at the most.
    async fn until_equal(&self) {
        for _ in 0..6_500 {
            if self.is_equal().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("mirror and truth differ");
    }

    async fn is_equal(&self) -> bool {
        let truth = self.exchange.truth();
        let parse = |text: &str| text.parse::<Decimal>().unwrap();
        let account = self.guard.account().await.unwrap();
        let wallets = account.wallets.iter().all(|wallet| {
            let theirs = truth.assets.get(wallet.asset.as_str());
            theirs.is_none_or(|asset| parse(&asset.wallet_balance) == wallet.wallet_balance.get())
        });
        let report = self.guard.positions().await.unwrap();
        let mut ours = Vec::new();
        for of_symbol in &report.symbols {
            for position in of_symbol.positions.as_ref().into_iter().flatten() {
                let symbol = of_symbol.symbol.to_string();
                ours.push((symbol, parse(&position.leg.quantity.to_string())));
            }
        }
        let theirs = truth.positions.iter();
        let theirs = theirs.map(|row| (row.symbol.clone(), parse(&row.position_amt)));
        let mut theirs: Vec<_> = theirs.filter(|(_, amount)| !amount.is_zero()).collect();
        ours.sort();
        theirs.sort();
        let orders = self.guard.orders().await.unwrap().orders.len();
        wallets && ours == theirs && orders == truth.orders.len() + truth.algo_orders.len()
    }

    async fn end(self) {
        self.stop.cancel();
        self.sim.shutdown().await;
    }
}
