//! The whole chain on loopback: simulated exchange, production client, mirror, engine. The
//! exchange's own ledger, kept with its own arithmetic, says what is true.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossguard::clock::{Clock, Now};
use crossguard::daemon::core::{Core, PolicyInForce};
use crossguard::daemon::report::{PoolReport, WalletReport};
use crossguard::daemon::{Asked, Audience, GuardHandle, spine};
use crossguard::exchange::{self, Bytes, Cadence, Credentials, Dial, Environment, Note};
use crossguard::guard::Detail;
use crossguard::guard::alarm::Transition;
use crossguard::guard::policy::Policy;
use crossguard::guard::verdict::{Code, Decision, Judgement};
use crossguard::margin::account::PositionSide;
use crossguard::margin::amount::{Amount, cut, cut_quotient};
use crossguard::margin::pool::PoolAssessment;
use crossguard::mirror::Notice;
use crossguard::mirror::plane::Plane;
use crossguard::scenario::{self, Scenario, Statement};
use crossguard::sim::{self, Sim, TrueAsset, TruePool, Truth};
use rust_decimal::Decimal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::rig;

/// Longest wait for anything that must happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// When simulated time begins.
pub(crate) const START_MS: i64 = 1_790_000_000_000;

/// A running chain.
pub(crate) struct Live {
    pub(crate) sim: Sim,
    pub(crate) exchange: sim::Handle,
    pub(crate) guard: GuardHandle,
    pub(crate) clock: Clock,
    told: Told,
    client: JoinHandle<()>,
    spine: JoinHandle<()>,
    stop: CancellationToken,
}

/// What the spine told its audience, with the moment on the guard's clock in milliseconds.
#[derive(Clone, Default)]
struct Told {
    notices: Arc<Mutex<Vec<(i64, Notice)>>>,
    notes: Arc<Mutex<Vec<Note>>>,
    alarms: Arc<Mutex<Vec<(Now, Transition)>>>,
}

struct Listener {
    told: Told,
    clock: Clock,
}

impl Audience for Listener {
    fn wants_figures(&self) -> bool {
        false
    }
    fn figures(&mut self, _: &[PoolReport]) {}
    fn notice(&mut self, notice: &Notice) {
        let at_ms = self.clock.now().wall_ms;
        let mut notices = self.told.notices.lock().unwrap();
        notices.push((at_ms, notice.clone()));
    }
    fn alarm(&mut self, transition: Transition) {
        let mut alarms = self.told.alarms.lock().unwrap();
        alarms.push((self.clock.now(), transition));
    }
    fn state(&mut self, _: &Core) {}
    fn note(&mut self, note: &Note) {
        self.told.notes.lock().unwrap().push(note.clone());
    }
    fn tick(&mut self, _: &Core, _: &Clock) {}
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

impl Live {
    /// Starts the chain on this scene and waits until every plane is fresh.
    pub(crate) async fn start(scene: &str) -> Self {
        let scenario = Scenario::parse(scene).unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = sim::Options {
            listen,
            scenario: Some(scenario),
            seed: 1,
        };
        let sim = Sim::start(options).await.unwrap();
        let live = Self::assemble(sim, None, Clock::machine(), 1, Cadence::default());
        live.until_fresh().await;
        live
    }

    /// The same chain in one process without a port, on the runtime's clock: for tests with
    /// `start_paused`, where an hour passes in a second and the seed decides everything.
    pub(crate) async fn within(scene: &str, seed: u64) -> Self {
        let live = Self::within_unready(scene, seed);
        live.until_fresh().await;
        live
    }

    /// [`Live::within`] without waiting.
    pub(crate) fn within_unready(scene: &str, seed: u64) -> Self {
        Self::over(scene, seed, |exchange| Arc::new(Pipes(exchange)))
    }

    /// [`Live::within`] over pipes of one's own, without waiting.
    pub(crate) fn over(
        scene: &str,
        seed: u64,
        dial: impl FnOnce(sim::Handle) -> Arc<dyn Dial>,
    ) -> Self {
        let scenario = Scenario::parse(scene).unwrap();
        let sim = Sim::within(scenario, seed, START_MS).unwrap();
        let dial = dial(sim.handle());
        let clock = Clock::simulated(START_MS);
        Self::assemble(sim, Some(dial), clock, seed, Cadence::default())
    }

    /// [`Live::within`] with intervals of one's own.
    pub(crate) async fn within_at(scene: &str, seed: u64, cadence: Cadence) -> Self {
        let scenario = Scenario::parse(scene).unwrap();
        let sim = Sim::within(scenario, seed, START_MS).unwrap();
        let dial = Arc::new(Pipes(sim.handle()));
        let clock = Clock::simulated(START_MS);
        let live = Self::assemble(sim, Some(dial), clock, seed, cadence);
        live.until_fresh().await;
        live
    }

    /// The process is killed and started anew: nothing of it is left but the exchange, which saw
    /// its connections break. Not yet fresh.
    pub(crate) async fn killed_and_started(self, seed: u64) -> Self {
        let Self {
            sim,
            exchange,
            clock,
            client,
            spine,
            ..
        } = self;
        client.abort();
        spine.abort();
        assert!(client.await.is_err() && spine.await.is_err());
        let dial = Arc::new(Pipes(exchange));
        Self::assemble(sim, Some(dial), clock, seed, Cadence::default())
    }

    /// Waits until the exchange client has ended by itself.
    pub(crate) async fn client_ended(&self) {
        while !self.client.is_finished() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn assemble(
        sim: Sim,
        dial: Option<Arc<dyn Dial>>,
        clock: Clock,
        seed: u64,
        cadence: Cadence,
    ) -> Self {
        let to = sim.announcement();
        let environment = Environment::Custom {
            rest: to.rest.clone(),
            stream: to.stream.clone(),
            ws_api: to.ws_api.clone(),
        };
        let credentials = Credentials::hmac(to.api_key.clone(), to.secret.clone());
        let in_force = PolicyInForce {
            policy: Policy::default(),
            fingerprint: "sha256:test".to_owned(),
        };
        let told = Told::default();
        let listener = Listener {
            told: told.clone(),
            clock: clock.clone(),
        };
        let (spine, ends) = spine(in_force, seed, false, clock.clone(), Box::new(listener));
        let stop = CancellationToken::new();
        let spine = tokio::spawn(spine.run(stop.clone()));
        tokio::spawn(ends.beat.keep(stop.clone()));
        let options = exchange::Options {
            environment,
            credentials: Some(credentials),
            clock: clock.clone(),
            seed,
            state_dir: None,
            without_key: String::new(),
            extra_roots: None,
        };
        let client = tokio::spawn(exchange::run_over(
            dial,
            cadence,
            options,
            ends.exchange,
            ends.demand,
            stop.clone(),
        ));
        let exchange = sim.handle();
        Self {
            sim,
            exchange,
            guard: ends.handle,
            clock,
            told,
            client,
            spine,
            stop,
        }
    }

    /// Everything the guard told people so far.
    pub(crate) fn notices(&self) -> Vec<(i64, Notice)> {
        self.told.notices.lock().unwrap().clone()
    }

    /// Every alarm that was raised, changed or ended so far.
    pub(crate) fn alarms(&self) -> Vec<(Now, Transition)> {
        self.told.alarms.lock().unwrap().clone()
    }

    /// Everything the exchange client noted so far.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.told.notes.lock().unwrap().clone()
    }

    /// The planes that are not fresh now.
    pub(crate) async fn stale(&self) -> Vec<Plane> {
        let status = self.guard.status().await.unwrap();
        let stale = status
            .inputs
            .planes
            .into_iter()
            .filter(|plane| !plane.fresh);
        stale.map(|status| status.plane).collect()
    }

    /// Waits until this holds of the guard's planes.
    pub(crate) async fn until_planes(&self, what: &str, holds: impl Fn(&[Plane]) -> bool) {
        let mut last = Vec::new();
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let status = self.guard.status().await.unwrap();
                last = status.inputs.planes;
                let stale: Vec<Plane> = last
                    .iter()
                    .filter(|status| !status.fresh)
                    .map(|status| status.plane)
                    .collect();
                if holds(&stale) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let waited = waited.await;
        assert!(waited.is_ok(), "{what}: {last:#?}");
    }

    pub(crate) async fn until_fresh(&self) {
        self.until_planes("every plane becomes fresh", <[Plane]>::is_empty)
            .await;
    }

    pub(crate) fn say(&self, line: &str) {
        self.exchange
            .command(line)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    /// Asks for an order written as an `order` line of a scenario.
    pub(crate) async fn check(&self, words: &str) -> Judgement {
        let statement = scenario::parse_line(&format!("order {words}"))
            .unwrap()
            .unwrap();
        let Statement::Order(line) = statement else {
            panic!("{words}")
        };
        let asked = Asked {
            proposal: rig::intent(&line).into(),
            client: None,
            dry_run: true,
            detail: Detail::Full,
        };
        *self.guard.check(asked).await.unwrap().judgement
    }

    /// Waits until mirror and truth are equal in every field.
    pub(crate) async fn until_equal(&self, what: &str) {
        let mut difference = String::new();
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                match self.difference().await {
                    Ok(()) => return,
                    Err(found) => difference = found,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let waited = waited.await;
        assert!(waited.is_ok(), "{what}: {difference}");
    }

    pub(crate) async fn difference(&self) -> Result<(), String> {
        let truth = self.exchange.truth();
        self.compare_pools(&truth).await?;
        self.compare_positions(&truth).await?;
        let orders = self.guard.orders().await.unwrap().orders;
        let (ours, theirs) = (orders.len(), truth.orders.len() + truth.algo_orders.len());
        same("orders", &ours.to_string(), &theirs.to_string())
    }

    async fn compare_pools(&self, truth: &Truth) -> Result<(), String> {
        let report = self.guard.account().await.unwrap();
        for wallet in &report.wallets {
            let name = wallet.asset.as_str();
            let Some(theirs) = truth.assets.get(name) else {
                continue;
            };
            compare_wallet(wallet, theirs)?;
        }
        for pool in &report.pools {
            let name = pool.asset.as_str();
            let figures = pool.figures.as_ref().map_err(ToString::to_string)?;
            if let Some(joint) = &truth.joint {
                compare_joint(figures, joint)?;
                continue;
            }
            let theirs = truth
                .assets
                .get(name)
                .ok_or("a pool the exchange does not know")?;
            let exact = |figure: Decimal| cut(figure).normalize().to_string();
            let rows = [
                (
                    "crossUnPnl",
                    exact(figures.cross_unrealized_pnl.get()),
                    &theirs.cross_unrealized_profit,
                ),
                (
                    "maintMargin",
                    exact(figures.maintenance_margin.get()),
                    &theirs.cross_maint_margin,
                ),
                (
                    "availableBalance",
                    exact(figures.available_balance.get()),
                    &theirs.available_balance,
                ),
            ];
            for (figure, ours, theirs) in rows {
                same_figure(name, figure, &ours, theirs)?;
            }
        }
        Ok(())
    }

    async fn compare_positions(&self, truth: &Truth) -> Result<(), String> {
        let report = self.guard.positions().await.unwrap();
        let mut held = 0;
        for of_symbol in &report.symbols {
            let name = of_symbol.symbol.as_str();
            for position in of_symbol.positions.as_ref().map_err(ToString::to_string)? {
                held += 1;
                let side = match position.position_side {
                    PositionSide::Both => "BOTH",
                    PositionSide::Long => "LONG",
                    PositionSide::Short => "SHORT",
                };
                let theirs = truth
                    .positions
                    .iter()
                    .find(|row| row.symbol == name && row.position_side == side)
                    .ok_or_else(|| format!("{name} {side} is not held"))?;
                let rows = [
                    (
                        "amount",
                        position.leg.quantity.to_string(),
                        &theirs.position_amt,
                    ),
                    (
                        "mark",
                        position.mark.price().to_string(),
                        &theirs.mark_price,
                    ),
                    (
                        "uPnL",
                        plain(cut(position.unrealized_pnl.get())),
                        &theirs.unrealized_profit,
                    ),
                    (
                        "maint",
                        plain(cut(position.maintenance_margin.get())),
                        &theirs.maint_margin,
                    ),
                    (
                        "isolated",
                        plain(cut(position.leg.isolated_wallet.get())),
                        &theirs.isolated_wallet,
                    ),
                ];
                for (figure, ours, theirs) in rows {
                    same_figure(name, figure, &ours, theirs)?;
                }
                let ours = position.liquidation.headline().map(|price| price.get());
                same_end(name, ours, &theirs.liquidation_price)?;
            }
        }
        let theirs = truth
            .positions
            .iter()
            .filter(|row| {
                row.position_amt
                    .parse::<Decimal>()
                    .is_ok_and(|amount| !amount.is_zero())
            })
            .count();
        same("positions", &held.to_string(), &theirs.to_string())
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.sim.shutdown().await;
    }
}

fn plain(figure: Decimal) -> String {
    figure.normalize().to_string()
}

/// Quotients of margin and of average entry prices are carried on with different digits by the two
/// ledgers, and one may stand on the other side of a cut at the eighth decimal.
fn is_a_unit_apart(ours: &str, theirs: &str) -> bool {
    match (ours.parse::<Decimal>(), theirs.parse::<Decimal>()) {
        (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= Decimal::new(1, 8),
        _ => false,
    }
}

/// A liquidation price found by halving (theirs) and by a root (ours). Where they found none on
/// the side of the slope they tell zero.
fn same_end(of: &str, ours: Option<Decimal>, theirs: &str) -> Result<(), String> {
    let price: Decimal = theirs.parse().map_err(|error| format!("{error}"))?;
    let is_near = ours.is_none_or(|ours| (ours - price).abs() <= Decimal::new(1, 7));
    if price.is_zero() || (ours.is_some() && is_near) {
        return Ok(());
    }
    Err(format!(
        "{of} liquidation price: ours {ours:?}, theirs {theirs}"
    ))
}

fn same_figure(of: &str, figure: &str, ours: &str, theirs: &str) -> Result<(), String> {
    let theirs = plain(
        theirs
            .parse::<Decimal>()
            .map_err(|error| format!("{theirs}: {error}"))?,
    );
    same(&format!("{of} {figure}"), ours, &theirs)
}

fn same(what: &str, ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{what}: ours {ours}, theirs {theirs}"))
    }
}

pub(crate) const SCENE: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
symbol SOLUSDT tick 0.01 step 1 min-notional 5
symbol BTCUSDC tick 0.1 step 0.001 min-notional 5 quote USDC margin USDC
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x
brackets ETHUSDT 0 5000 0.005 100x | 5000 60000 0.0065 75x | 60000 3000000 0.01 50x
brackets SOLUSDT 0 2000 0.01 50x | 2000 90000 0.025 20x | 90000 3000000 0.05 10x
brackets BTCUSDC 0 50000 0.004 125x | 50000 600000 0.005 100x
mark BTCUSDT 60000
mark ETHUSDT 3000
mark SOLUSDT 150
mark BTCUSDC 60000
wallet USDT 10000
wallet USDC 2000
leverage BTCUSDT 20
leverage ETHUSDT 7
leverage SOLUSDT 10
leverage BTCUSDC 3
";

#[tokio::test]
async fn a_fresh_guard_answers_from_the_exchanges_own_frames() {
    let live = Live::start(&format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n")).await;
    live.until_equal("after the snapshot").await;
    assert_eq!(
        live.check("BTCUSDT buy 0.01").await.decision,
        Decision::Allow
    );
    // 1.5 more comes to 96,000 of 10,000.
    let greedy = live.check("BTCUSDT buy 1.5").await;
    assert_eq!(greedy.decision, Decision::Reject);
    assert_eq!(
        greedy.findings[0].code,
        Code::LiquidationDistance,
        "{}",
        greedy.why
    );
    // A symbol that is not followed waits for its first mark and is then judged.
    assert_eq!(
        live.check("ETHUSDT buy 0.1").await.decision,
        Decision::Allow
    );
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_within_the_process() {
    let live = Live::within(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
    )
    .await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(live.stale().await, []);
    live.until_equal("after an hour").await;
    assert_eq!(
        live.clock.now().wall_ms / 60_000,
        live.exchange.truth().time_ms / 60_000
    );
    live.end().await;
}

#[tokio::test]
async fn the_guard_sends_nothing_but_reads() {
    let live = Live::start(SCENE).await;
    let usage = live.exchange.truth().usage;
    assert!(
        !usage.trading_called && !usage.listen_key_deleted,
        "{:?}",
        usage.calls
    );
    let changing: Vec<_> = usage
        .calls
        .iter()
        .filter(|(method, path)| method != "GET" && path != "/fapi/v1/listenKey")
        .collect();
    assert!(changing.is_empty(), "{changing:?}");
    live.end().await;
}

/// A published generator (xorshift64*): the seed is all there is to remember.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    pub(crate) fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[usize::try_from(self.roll(among.len() as u64)).unwrap()]
    }
}

/// One thing that happens to the account; lines the exchange refuses (no margin, nothing to
/// cancel) are part of life.
pub(crate) fn something(dice: &mut Dice, hedge: bool) -> String {
    let (symbol, unit, price) = match dice.roll(4) {
        0 => ("BTCUSDT", 1, 60_000),
        1 => ("ETHUSDT", 20, 3_000),
        2 => ("SOLUSDT", 1_000, 150),
        _ => ("BTCUSDC", 1, 60_000),
    };
    let side = dice.pick(&["buy", "sell"]);
    let leg = if hedge {
        dice.pick(&[" long", " short"])
    } else {
        ""
    };
    let thousandths = unit * (1 + dice.roll(30));
    let quantity = Decimal::new(i64::try_from(thousandths).unwrap(), 3)
        .round_dp(if unit == 1_000 { 0 } else { 3 });
    let away = Decimal::new(i64::try_from(980 + dice.roll(41)).unwrap(), 3);
    let near = (Decimal::from(price) * away).round_dp(1);
    match dice.roll(12) {
        0..=3 => format!("order {symbol} {side} {quantity}{leg}"),
        4..=6 => format!("order {symbol} {side} {quantity} @ {near}{leg}"),
        7 => format!("cancel {symbol}"),
        8 | 9 => format!("mark {symbol} {near}"),
        10 => format!("transfer USDT {}", dice.roll(200)),
        _ => format!("funding {symbol} 0.000{}", 1 + dice.roll(9)),
    }
}

/// An asset's totals against the exchange's own ledger, figure by figure.
fn compare_wallet(ours: &WalletReport, theirs: &TrueAsset) -> Result<(), String> {
    let name = ours.asset.as_str();
    let known = |figure: Option<Amount>| figure.ok_or(format!("{name}: a figure is not known"));
    let money = |figure: Amount| cut(figure.get()).normalize().to_string();
    let margin = |figure: Amount| cut_quotient(figure.get()).normalize().to_string();
    let rows = [
        ("wallet", money(ours.wallet_balance), &theirs.wallet_balance),
        (
            "cross wallet",
            money(ours.cross_wallet_balance),
            &theirs.cross_wallet_balance,
        ),
        (
            "unrealizedProfit",
            money(known(ours.totals.unrealized_pnl)?),
            &theirs.unrealized_profit,
        ),
        (
            "crossUnPnl",
            money(known(ours.totals.cross_unrealized_pnl)?),
            &theirs.cross_unrealized_profit,
        ),
        (
            "maintMargin",
            money(known(ours.totals.maintenance_margin)?),
            &theirs.maint_margin,
        ),
        (
            "positionInitialMargin",
            margin(known(ours.totals.position_initial_margin)?),
            &theirs.position_initial_margin,
        ),
        (
            "openOrderInitialMargin",
            margin(known(ours.totals.open_order_initial_margin)?),
            &theirs.open_order_initial_margin,
        ),
        (
            "availableBalance",
            margin(known(ours.available_balance)?),
            &theirs.available_balance,
        ),
    ];
    for (figure, ours, theirs) in rows {
        same_figure(name, figure, &ours, theirs)?;
    }
    Ok(())
}

/// The one pool of multi-assets mode. The exchange cuts each product with a rate at its eighteenth
/// decimal, so a unit in the eighth may lie between.
fn compare_joint(figures: &PoolAssessment, joint: &TruePool) -> Result<(), String> {
    let rows = [
        (
            "marginBalance",
            figures.margin_balance,
            &joint.margin_balance,
        ),
        (
            "maintMargin",
            figures.maintenance_margin,
            &joint.maint_margin,
        ),
        (
            "availableBalance",
            figures.available_balance,
            &joint.available_balance,
        ),
    ];
    for (figure, ours, theirs) in rows {
        let ours = cut_quotient(ours.get()).normalize().to_string();
        if !is_a_unit_apart(&ours, theirs) {
            same_figure("USD", figure, &ours, theirs)?;
        }
    }
    Ok(())
}

async fn random_traffic(seed: u64, hedge: bool, more: &str) {
    println!("seed {seed} hedge {hedge} {more}");
    let mode = if hedge { "mode hedge\n" } else { "" };
    let live = Live::start(&format!("{mode}{SCENE}{more}")).await;
    let mut dice = Dice(seed);
    let mut refused = 0;
    for step in 0..120 {
        let line = something(&mut dice, hedge);
        refused += u32::from(live.exchange.command(&line).is_err());
        if step % 10 == 9 {
            live.until_equal(&format!("seed {seed}, step {step}, {line}"))
                .await;
        }
    }
    let status = live.guard.status().await.unwrap();
    let truth = live.exchange.truth();
    println!(
        "{refused} refused; {:?}; {} orders; {:?}",
        status.counts,
        truth.orders.len(),
        truth.assets.get("USDT")
    );
    assert_eq!(
        status.counters.drifts, 0,
        "events alone told everything: {:?}",
        status.drift
    );
    live.end().await;
}

#[tokio::test]
async fn i2_mirror_and_truth_agree_to_the_last_digit_after_random_traffic() {
    random_traffic(0x5EED_0001, false, "").await;
    random_traffic(0x5EED_0002, false, "margin ETHUSDT isolated\n").await;
    random_traffic(0x5EED_0003, true, "").await;
    random_traffic(0x5EED_0004, true, "margin SOLUSDT isolated\n").await;
}

/// Three assets as collateral, one of them with a wide margin between its rates.
const COLLATERAL: &str = "
index USDT 1 bid 0.0001 ask 0.0001
index USDC 0.99987 bid 0.0002 ask 0.0001
index BTC 60000 bid 0.05 ask 0.05
wallet BTC 0.05
assets multi
";

#[tokio::test]
async fn i2_mirror_and_truth_agree_in_multi_assets_mode() {
    random_traffic(0x5EED_0005, false, COLLATERAL).await;
    random_traffic(0x5EED_0006, true, COLLATERAL).await;
}
