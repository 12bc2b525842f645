//! The way between the built daemon and the exchange: an exchange that is stopped, silent and
//! started again, and a middleman that delays, cuts, slices and swallows.
//!
//! Throughout, somebody asks without pause, and every answer is held against what the daemon can
//! have known when it was asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crossguard::clock::Clock;
use rustix::process::Signal;
use serde_json::Value;

use crate::black_box::{EXIT, Exchange, Guard, SMALL, scene, until};
use crate::middleman::{Middleman, Mood};

/// A mark is too old after five seconds; the clocks may be half a second apart.
const MARK_AGE_MS_MAX: i64 = 5_500;

/// Since when nothing true can have arrived, in milliseconds of this machine; 0 while it can.
struct Severed(AtomicI64);

impl Severed {
    fn begins(&self) {
        self.0.store(wall_ms(), Ordering::SeqCst);
    }

    /// From here on new knowledge may arrive again.
    fn is_over(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

fn wall_ms() -> i64 {
    Clock::machine().now().wall_ms
}

/// Asks without pause while `story` runs: exits always pass, and what adds risk never does on
/// knowledge from before the line was severed, once that is too old. Gives how often it asked.
fn watched(guard: &Guard, story: impl FnOnce(&Severed)) -> usize {
    let severed = Severed(AtomicI64::new(0));
    let over = AtomicBool::new(false);
    let wrong = Mutex::new(Vec::new());
    let mut asked = 0;
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::SeqCst) {
                count += 1;
                let since = severed.0.load(Ordering::SeqCst);
                let begun = wall_ms();
                let small = guard.check(SMALL);
                let still = severed.0.load(Ordering::SeqCst) == since;
                let blind = since > 0 && still && begun - since > MARK_AGE_MS_MAX;
                if small["decision"] != "reject" && (blind || !every_plane_is_fresh(&small)) {
                    wrong.lock().unwrap().push(small);
                }
                let exit = guard.check(EXIT);
                if exit["decision"] == "reject" {
                    wrong.lock().unwrap().push(exit);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            count
        });
        // A story that fails must end the watcher too, or the test would hang.
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story(&severed)));
        over.store(true, Ordering::SeqCst);
        asked = watcher.join().unwrap();
        if let Err(failed) = told {
            std::panic::resume_unwind(failed);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    asked
}

fn every_plane_is_fresh(answer: &Value) -> bool {
    let planes = answer["inputs"]["planes"].as_object().unwrap();
    planes.len() == 8 && planes.values().all(|plane| plane["fresh"] == true)
}

#[test]
fn the_exchange_stopped_silenced_and_started_again() {
    let mut exchange = Exchange::start(&scene());
    let guard = Guard::ready_for(&exchange);
    guard.assert_in_step();
    let asked = watched(&guard, |severed| {
        // Silent: connections are accepted by the system, and nobody says a word.
        exchange.process.signal(Signal::STOP);
        severed.begins();
        guard.until_stale("marks");
        guard.assert_blind(&["marks"]);
        guard.until_stale("account");
        guard.assert_blind(&["marks", "account"]);
        severed.is_over();
        exchange.process.signal(Signal::CONT);
        guard.until_ready();
        guard.assert_in_step();

        // Stopped: nobody listens.
        exchange.process.kill_9();
        severed.begins();
        guard.until_stale("account");
        guard.until_stale("marks");
        guard.assert_blind(&["account", "marks"]);

        // Started again, where it was.
        severed.is_over();
        exchange.start_again();
        guard.until_ready();
        guard.assert_in_step();
    });
    println!("asked {asked} times");
}

/// A chain of exchange, middleman and daemon, in step.
fn with_middleman(mood: Mood) -> (Exchange, Middleman, Guard) {
    let exchange = Exchange::start(&scene());
    let middleman = Middleman::before(exchange.address());
    middleman.be(mood);
    let mut guard = Guard::configured(&exchange.announced, Some(middleman.address()), "");
    guard.start();
    guard.until_ready();
    (exchange, middleman, guard)
}

/// The daemon has the exchange's position.
fn until_equal(guard: &Guard, exchange: &Exchange) {
    until("mirror and truth are equal", || {
        let theirs = exchange.truth()["positions"][0]["positionAmt"].clone();
        let ours = guard.get("/v1/positions").json()["positions"][0]["positionAmt"].clone();
        let parse = |text: &Value| {
            text.as_str()
                .unwrap_or("0")
                .parse::<rust_decimal::Decimal>()
        };
        let equal = parse(&ours) == parse(&theirs);
        equal
            .then_some(())
            .ok_or_else(|| format!("{ours} {theirs}"))
    });
}

#[test]
fn a_middleman_that_slices_and_delays_changes_nothing_but_the_time() {
    let (exchange, middleman, guard) = with_middleman(Mood::Slices);
    watched(&guard, |_| {
        exchange.say("order BTCUSDT buy 0.01");
        until_equal(&guard, &exchange);
        guard.assert_in_step();
        middleman.be(Mood::Late(Duration::from_millis(150)));
        exchange.say("order BTCUSDT buy 0.01");
        until_equal(&guard, &exchange);
        guard.assert_in_step();
        // Later than a mark may be: it flows, and it is stale.
        middleman.be(Mood::Late(Duration::from_secs(8)));
        guard.until_stale("marks");
        guard.assert_blind(&["marks"]);
        middleman.be(Mood::Honest);
        guard.until_ready();
        guard.assert_in_step();
        until_equal(&guard, &exchange);
    });
}

#[test]
fn a_middleman_that_cuts_is_survived() {
    let (exchange, middleman, guard) = with_middleman(Mood::Honest);
    watched(&guard, |severed| {
        for _ in 0..3 {
            let before = guard.get("/v1/status").json()["userStreamEpoch"].as_u64();
            middleman.cut();
            until("another connection stands", || {
                let now = guard.get("/v1/status").json()["userStreamEpoch"].as_u64();
                let another = now > before && now != Some(0);
                another
                    .then_some(())
                    .ok_or_else(|| format!("{before:?} {now:?}"))
            });
            guard.until_ready();
        }
        exchange.say("order BTCUSDT buy 0.01");
        until_equal(&guard, &exchange);
        // Every connection ends in the middle of something.
        middleman.be(Mood::Until(700));
        middleman.cut();
        severed.begins();
        // A mark may fit before the cut and is then rightly fresh for a moment; a read of the
        // account never fits.
        guard.until_stale("account");
        guard.assert_blind(&["account"]);
        severed.is_over();
        middleman.be(Mood::Honest);
        guard.until_ready();
        guard.assert_in_step();
        until_equal(&guard, &exchange);
    });
}

#[test]
fn n01_a_middleman_that_swallows_everything_is_noticed_and_outlived() {
    let (exchange, middleman, guard) = with_middleman(Mood::Honest);
    watched(&guard, |severed| {
        middleman.be(Mood::BlackHole);
        severed.begins();
        // What happens meanwhile is not known, and nothing may be allowed as if it had not.
        exchange.say("order BTCUSDT buy 0.05");
        guard.until_stale("marks");
        guard.assert_blind(&["marks"]);
        guard.until_stale("account");
        guard.assert_blind(&["marks", "account"]);
        severed.is_over();
        middleman.be(Mood::Honest);
        guard.until_ready();
        until_equal(&guard, &exchange);
        guard.assert_in_step();
    });
}
