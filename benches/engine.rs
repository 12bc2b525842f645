//! The engine by itself: what a what-if costs as positions grow, and what a whole-market tick costs
//! against a bare scan of the same bytes.
//!
//! `cargo bench --bench engine [-- growth|margin|market|alarms|verdict]`. Ratios and exponents are taken in one run; absolute times drift.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "a bench measures wall time and divides it"
)]

#[path = "shared/alarms.rs"]
mod alarms;
#[path = "shared/account.rs"]
mod shared;
#[path = "shared/verdict.rs"]
mod verdict;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use crossguard::clock::Clock;
use crossguard::daemon::core::{Ask, Core, Input, PolicyInForce};
use crossguard::exchange::translate::{MarketNews, Names, market_frame};
use crossguard::guard::Detail;
use crossguard::guard::policy::Policy;
use crossguard::margin::account::{PositionSide, Quotes, Side, Symbol, SymbolState};
use crossguard::margin::amount::{MarkPrice, Price, Quantity, Rate};
use crossguard::margin::book::Book;
use crossguard::margin::cost::order_cost;
use crossguard::margin::order::{OrderIntent, OrderKind};
use crossguard::margin::position::assess_positions;
use crossguard::margin::project::{Assumptions, fill, isolated_twin};
use crossguard::mirror::event::{Event, MarkUpdate};
use rust_decimal::Decimal;
use shared::{name, usdt};

const ROUNDS: usize = 31;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.starts_with('-') || only == name;
    if wanted("growth") {
        growth();
    }
    if wanted("margin") {
        margin();
    }
    if wanted("verdict") {
        verdict::verdict();
    }
    if wanted("market") {
        whole_market();
    }
    if wanted("alarms") {
        alarms::run();
    }
}

/// The margin engine alone: every contribution and every sum made anew, without and with every
/// liquidation price; one mark moved; an order put into a what-if with all its figures; and the same
/// sums in 128-bit integers that are rescaled after each product. Ratios are medians of rounds that
/// measure both in turn.
fn margin() {
    println!("\nmargin engine by number of crossed positions (ns, median of {ROUNDS} rounds)");
    println!(
        "{:>10} {:>10} {:>10} {:>8} {:>12} {:>8} {:>10} {:>10}",
        "positions",
        "integers",
        "all sums",
        "ratio",
        "with prices",
        "ratio",
        "mark moved",
        "what-if"
    );
    let mut moved_by_size = Vec::new();
    for size in [1, 5, 20, 100, 600] {
        let mut book = account(size, size).core.mirror().book().clone();
        let rows: Vec<Row> = book
            .symbols()
            .filter_map(|(_, state)| Row::of(state))
            .collect();
        assert_eq!(rows.len(), size);
        let usdt = usdt();
        let wallet = eight(book.balances("USDT").unwrap().1.get());
        let horizon = Policy::default().horizon;
        let id = book.id(name(0).as_str()).unwrap();
        let marks = [60_000, 60_001].map(|mark| MarkPrice::new(Price::new(Decimal::from(mark))));
        let symbols: Vec<Symbol> = (0..size).map(name).collect();
        let mut turn = 0;
        let calls = if size > 100 { 20 } else { 200 };
        let mut rounds: [Vec<f64>; 5] = Default::default();
        for _ in 0..ROUNDS {
            let costs = [
                once(calls, || {
                    black_box(Row::balance_sheet(black_box(&rows), wallet));
                }),
                once(calls, || {
                    black_box(book.balance_sheet_anew(black_box(&usdt)).unwrap());
                }),
                once(calls, || {
                    book.rebuild();
                    black_box(book.assess(&usdt, horizon).unwrap());
                    for symbol in &symbols {
                        black_box(book.liquidation_prices(symbol).unwrap());
                    }
                }),
                once(calls, || {
                    turn += 1;
                    book.set_mark(id, marks[turn % 2]);
                    black_box(book.assess(&usdt, horizon).unwrap());
                }),
                once(calls, || what_if(&book, horizon)),
            ];
            for (column, cost) in rounds.iter_mut().zip(costs) {
                column.push(cost);
            }
        }
        let against = |column: &[f64]| {
            let pairs = column.iter().zip(&rounds[0]);
            median(pairs.map(|(cost, integers)| cost / integers).collect())
        };
        let (sums, prices) = (against(&rounds[1]), against(&rounds[2]));
        let [integers, all, all_prices, moved, asked] = rounds.map(median);
        println!(
            "{size:>10} {integers:>10.0} {all:>10.0} {sums:>7.1}x {all_prices:>12.0} {prices:>7.1}x \
             {moved:>10.0} {asked:>10.0}"
        );
        moved_by_size.push((size, moved));
    }
    println!(
        "{:>10} growth exponent of one mark moved: {:.2}",
        "",
        exponent(&moved_by_size)
    );
}

/// One order, filled: its cost, the pool with both searches, the positions, its isolated twin.
fn what_if(book: &Book, horizon: Rate) {
    let intent = limit_buy();
    let mut what_if = book.what_if(&intent.symbol).unwrap();
    let before = what_if.state(intent.symbol.as_str()).unwrap().clone();
    let assumptions = Assumptions {
        market_slippage: Rate::new(Decimal::new(5, 3)),
        taker_fee: Rate::new(Decimal::new(5, 4)),
    };
    let filled = fill(&mut what_if, &intent, assumptions).unwrap();
    black_box(
        order_cost(
            &before,
            book.position_mode(),
            &intent,
            &filled,
            Quotes::default(),
        )
        .unwrap(),
    );
    black_box(what_if.assess(horizon).unwrap());
    black_box(assess_positions(&what_if, &intent.symbol, horizon).unwrap());
    black_box(isolated_twin(&intent.symbol, &before, &filled).unwrap());
}

fn limit_buy() -> OrderIntent {
    OrderIntent {
        symbol: name(0),
        side: Side::Buy,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse("60010.1").unwrap(),
        },
        quantity: Some(Quantity::parse("0.001").unwrap()),
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    }
}

fn eight(value: Decimal) -> i128 {
    let scaled = value * Decimal::from(100_000_000);
    scaled.trunc().mantissa()
}

/// A position in integers that count 10⁻⁸.
struct Row {
    quantity: i128,
    entry: i128,
    mark: i128,
    leverage: i128,
    tiers: Vec<[i128; 3]>,
}

impl Row {
    const ONE: i128 = 100_000_000;

    fn of(state: &SymbolState) -> Option<Self> {
        let leg = &state.legs.both;
        let tiers = state.brackets.as_ref()?.brackets().iter();
        Some(Self {
            quantity: eight(leg.quantity.get().normalize()),
            entry: eight(leg.entry_price.get()),
            mark: eight(state.mark?.price().get()),
            leverage: i128::from(state.settings?.leverage.get()),
            tiers: tiers
                .map(|tier| {
                    [
                        eight(tier.cap.get()),
                        eight(tier.maintenance_margin_rate.get()),
                        eight(tier.maintenance_amount.get()),
                    ]
                })
                .collect(),
        })
    }

    /// Profit, maintenance margin, initial margin, gross and net notional.
    fn sums(rows: &[Self]) -> [i128; 5] {
        let mut sums = [0; 5];
        for row in rows {
            let net = row.quantity * row.mark / Self::ONE;
            let gross = net.abs();
            let tier = row.tiers.iter().find(|tier| gross <= tier[0]);
            let tier = tier.unwrap_or(&row.tiers[row.tiers.len() - 1]);
            sums[0] += net - row.quantity * row.entry / Self::ONE;
            sums[1] += gross * tier[1] / Self::ONE - tier[2];
            sums[2] += gross / row.leverage;
            sums[3] += gross;
            sums[4] += net;
        }
        sums
    }

    /// Margin balance, initial and maintenance margin, available, headroom, margin ratio, leverage.
    fn balance_sheet(rows: &[Self], wallet: i128) -> [i128; 7] {
        let [profit, maintenance, initial, gross, _] = Self::sums(rows);
        let balance = wallet + profit;
        [
            balance,
            initial,
            maintenance,
            (balance - initial).max(0),
            balance - maintenance,
            maintenance * Self::ONE / balance,
            gross * Self::ONE / balance,
        ]
    }
}

/// Median over rounds of the time of one call, in nanoseconds.
fn nanos(calls: usize, mut call: impl FnMut()) -> f64 {
    median((0..ROUNDS).map(|_| once(calls, &mut call)).collect())
}

/// The time of one call in one round, in nanoseconds.
fn once(calls: usize, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Least squares of log cost on log size.
fn exponent(points: &[(usize, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|(size, cost)| ((*size as f64).ln(), cost.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let top: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let bottom: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    top / bottom
}

fn growth() {
    println!("what-if by number of crossed positions (ns, median of {ROUNDS} rounds)");
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10}",
        "positions", "brief", "full", "tick", "assess"
    );
    let mut columns: [Vec<(usize, f64)>; 4] = Default::default();
    for size in [1, 5, 20, 100, 600] {
        let mut account = account(size, size);
        let calls = if size > 100 { 20 } else { 200 };
        let costs = [
            nanos(calls, || account.check(Detail::Brief)),
            nanos(calls, || account.check(Detail::Full)),
            nanos(calls, || account.tick(0)),
            nanos(calls, || account.assess()),
        ];
        println!(
            "{size:>10} {:>10.0} {:>10.0} {:>10.0} {:>10.0}",
            costs[0], costs[1], costs[2], costs[3]
        );
        for (column, cost) in columns.iter_mut().zip(costs) {
            column.push((size, cost));
        }
    }
    let exponents = columns.map(|column| exponent(&column));
    println!(
        "{:>10} {:>10.2} {:>10.2} {:>10.2} {:>10.2}   growth exponent",
        "", exponents[0], exponents[1], exponents[2], exponents[3]
    );
}

fn whole_market() {
    let (symbols, held) = (600, 40);
    let mut account = account(symbols, held);
    let frames: Vec<String> = (0_i64..64)
        .map(|second| array_frame(&account, symbols, second))
        .collect();
    let mut frames = frames.iter().cycle();
    let frame = &frames.next().unwrap();
    println!(
        "\nwhole-market array: {symbols} symbols, {held} held, {} bytes",
        frame.len()
    );
    let mut names = Names::default();
    let mut ratios: Vec<f64> = Vec::new();
    let (mut scans, mut passes, mut parses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 4 {
        let frame = frames.next().unwrap();
        let start = Instant::now();
        black_box(serde_json::from_str::<serde::de::IgnoredAny>(frame).unwrap());
        let scan = start.elapsed().as_nanos() as f64;
        let start = Instant::now();
        black_box(parse(frame, &mut names));
        parses.push(start.elapsed().as_nanos() as f64);
        let start = Instant::now();
        account.take_array(frame);
        let pass = start.elapsed().as_nanos() as f64;
        scans.push(scan);
        passes.push(pass);
        ratios.push(pass / scan);
    }
    for list in [&mut ratios, &mut scans, &mut passes, &mut parses] {
        list.sort_by(f64::total_cmp);
    }
    let middle = ratios.len() / 2;
    println!(
        "bare scan {:.0} us, parsed {:.0} us, parsed + applied + re-assessed {:.0} us: {:.2}x",
        scans[middle] / 1_000.0,
        parses[middle] / 1_000.0,
        passes[middle] / 1_000.0,
        ratios[middle]
    );
}

fn parse(frame: &str, names: &mut Names) -> Vec<MarkUpdate> {
    let mut marks = Vec::with_capacity(640);
    market_frame(frame, names, &mut |news| {
        if let MarketNews::Mark(mark) = news {
            marks.push(mark);
        }
    })
    .unwrap();
    marks
}

struct Account {
    core: Core,
    clock: Clock,
    cents: i64,
    names: Names,
}

fn account(symbols: usize, held: usize) -> Account {
    let in_force = PolicyInForce {
        policy: Policy::default(),
        fingerprint: String::new(),
    };
    let clock = Clock::manual(1_790_000_000_000);
    let mut account = Account {
        core: Core::new(in_force, 1),
        clock,
        cents: 0,
        names: Names::default(),
    };
    for event in shared::opening(account.clock.now(), symbols, held) {
        account.tell(event);
    }
    for index in 0..symbols {
        account.tick(index);
    }
    account
}

/// One second of the whole market, in the documented shape.
fn array_frame(account: &Account, symbols: usize, second: i64) -> String {
    let event_ms = account.clock.now().wall_ms;
    let mut frame = String::from("[");
    for index in 0..symbols {
        let cents = 6_000_000 + second * 7 + i64::try_from(index).unwrap();
        let price = format!("{}.{:02}345678", cents / 100, cents % 100);
        let comma = if index == 0 { "" } else { "," };
        write!(
            frame,
            "{comma}{{\"e\":\"markPriceUpdate\",\"E\":{event_ms},\"s\":\"{}\",\"p\":\"{price}\",\
             \"ap\":\"{price}\",\"P\":\"{price}\",\"i\":\"{price}\",\"r\":\"0.00010000\",\
             \"T\":1790006400000,\"st\":1}}",
            name(index)
        )
        .unwrap();
    }
    frame.push(']');
    frame
}

impl Account {
    fn tell(&mut self, event: Event) {
        let now = self.clock.now();
        black_box(self.core.step(Input::Event(event), now));
    }

    fn tick(&mut self, index: usize) {
        self.cents = (self.cents + 1) % 10_000;
        let mark = shared::mark(index, self.cents, self.clock.now().wall_ms);
        self.tell(Event::Mark(mark));
    }

    fn assess(&self) {
        black_box(self.core.pool_report(&usdt()));
    }

    fn check(&mut self, detail: Detail) {
        let ask = Ask {
            ticket: 1,
            proposal: limit_buy().into(),
            client: None,
            dry_run: true,
            detail,
        };
        let now = self.clock.now();
        black_box(self.core.step(Input::Check(Box::new(ask)), now));
    }

    fn take_array(&mut self, frame: &str) {
        let now = self.clock.now();
        let core = &mut self.core;
        market_frame(frame, &mut self.names, &mut |news| {
            if let MarketNews::Mark(mark) = news {
                black_box(core.step(Input::Event(Event::Mark(mark)), now));
            }
        })
        .unwrap();
        self.assess();
    }
}
