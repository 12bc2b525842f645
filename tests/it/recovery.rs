//! How soon a fault is noticed and how soon everything is fresh again, on simulated time, with the
//! daemon's own intervals: the table of `faults.md` 4.3.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossguard::exchange::Cadence;
use crossguard::guard::verdict::{Code, Decision};
use crossguard::mirror::Notice;
use crossguard::mirror::event::{KeyRefusalCause, LossCause};
use crossguard::mirror::plane::Plane;

use crate::faults_l::Trap;
use crate::live::{Live, SCENE};

const HELD: &str = "\npos BTCUSDT crossed 20x +0.1 @ 60000\n";

/// How finely time is looked at.
const STEP: Duration = Duration::from_millis(20);

/// A chain that has been up for a while, so that nothing still rests on its start.
async fn settled(seed: u64) -> Live {
    let live = Live::within(&format!("{SCENE}{HELD}"), seed).await;
    tokio::time::sleep(Duration::from_millis(45_137 + seed * 61)).await;
    assert_eq!(live.stale().await, []);
    live
}

/// Milliseconds until this holds of the stale planes; at most a day.
async fn until(live: &Live, what: &str, holds: impl Fn(&[Plane]) -> bool) -> i64 {
    let began = live.clock.now();
    loop {
        if holds(&live.stale().await) {
            return live.clock.now().since_ms(began);
        }
        assert!(live.clock.now().since_ms(began) < 3_600_000, "never {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// Plays the lines, waits until a plane is stale and then, after `lasting`, heals with the other
/// lines. Gives when it was noticed and how long it took to be fresh again.
async fn measure(
    live: &Live,
    begins: &[&str],
    plane: Plane,
    lasting: Duration,
    ends: &[&str],
) -> (i64, i64) {
    begins.iter().for_each(|line| live.say(line));
    let noticed = until(live, "stale", |stale| stale.contains(&plane)).await;
    assert_eq!(
        live.check("BTCUSDT buy 0.001").await.decision,
        Decision::Reject
    );
    assert_eq!(
        live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
        Decision::Warn
    );
    tokio::time::sleep(lasting).await;
    ends.iter().for_each(|line| live.say(line));
    let fresh = until(live, "fresh", <[Plane]>::is_empty).await;
    live.until_equal("after it").await;
    (noticed, fresh)
}

#[track_caller]
fn at_most(what: &str, found: (i64, i64), noticed_max: i64, fresh_max: i64) {
    println!(
        "{what}: noticed after {} ms, fresh after {} ms",
        found.0, found.1
    );
    assert!(
        found.0 <= noticed_max,
        "{what}: noticed after {} ms",
        found.0
    );
    assert!(found.1 <= fresh_max, "{what}: fresh after {} ms", found.1);
}

/// The 95th of a hundred, of as many as there are.
fn p95(mut found: Vec<(i64, i64)>) -> ((i64, i64), (i64, i64)) {
    found.sort_by_key(|(_, fresh)| *fresh);
    let index = (found.len() * 95).div_ceil(100).saturating_sub(1);
    let noticed = found.iter().map(|(noticed, _)| *noticed).max().unwrap();
    let (_, usual) = found[index];
    let (_, worst) = *found.last().unwrap();
    ((noticed, usual), (noticed, worst))
}

const SEEDS: std::ops::Range<u64> = 1..9;
const MOMENT: Duration = Duration::from_millis(10);
const NO_SEEDS: &str = "rest-error /fapi/v1/premiumIndex 503 \"down\"";

#[tokio::test(start_paused = true)]
async fn a_silent_market_stream_is_noticed_in_five_seconds_and_forgiven_in_three() {
    for begins in ["mute market", "ack-only"] {
        let live = settled(1).await;
        let ends = match begins {
            "ack-only" => "ack-only off",
            _ => "unmute market",
        };
        let found = measure(
            &live,
            &[NO_SEEDS, begins],
            Plane::Marks,
            MOMENT,
            &[ends, "rest-ok /fapi/"],
        )
        .await;
        // Marks come every second, so the last good one may be one second younger than the fault.
        at_most(begins, found, 5_000 + 1_100, 3_000);
        live.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_noticed_in_twenty_seconds() {
    let mut all = Vec::new();
    for seed in SEEDS {
        let live = settled(seed).await;
        let lasting = Duration::from_secs(10 * seed);
        all.push(
            measure(
                &live,
                &["silence"],
                Plane::Account,
                lasting,
                &["silence off"],
            )
            .await,
        );
        live.end().await;
    }
    let (usual, worst) = p95(all);
    at_most("black hole", usual, 20_000, 5_000);
    at_most("black hole, worst", worst, 20_000, 15_000);
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_noticed_at_once_and_replaced_in_three_seconds() {
    let mut all = Vec::new();
    for seed in SEEDS {
        let live = settled(seed).await;
        for line in ["drop user", "drop user code 1001", "drop user code 1000"] {
            all.push(measure(&live, &[line], Plane::Account, MOMENT, &[]).await);
            tokio::time::sleep(Duration::from_secs(31)).await;
        }
        live.end().await;
    }
    let (usual, worst) = p95(all);
    at_most("close", usual, 200, 3_000);
    at_most("close, worst", worst, 200, 10_000);
}

#[tokio::test(start_paused = true)]
async fn an_expired_listen_key_is_noticed_at_once_and_replaced_in_five_seconds() {
    let live = settled(1).await;
    let found = measure(&live, &["expire-listen-key"], Plane::Account, MOMENT, &[]).await;
    at_most("listenKeyExpired", found, 100, 5_000);
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_listen_key_is_noticed_by_comparing_within_a_minute() {
    let live = settled(1).await;
    let found = measure(&live, &["delete-listen-key"], Plane::Account, MOMENT, &[]).await;
    at_most("deleted listen key", found, 60_000 + 500, 5_000);
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_noticed_by_the_next_signed_call() {
    let live = settled(1).await;
    let found = measure(
        &live,
        &["key revoked"],
        Plane::Key,
        Duration::from_secs(60),
        &["key ok"],
    )
    .await;
    // Exposed, the account is read every ten seconds; a refused key is tried every thirty.
    at_most("revoked key", found, 10_500, 35_000);
    live.end().await;
}

/// One attempt that fails is not yet an outage.
#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_made_good_in_five_seconds() {
    let live = settled(1).await;
    let begins = [
        "rest-error POST /fapi/v1/listenKey 500 \"oops\" 1x",
        "drop user",
    ];
    let found = measure(&live, &begins, Plane::Account, MOMENT, &[]).await;
    at_most("one failed attempt", found, 1_000, 5_000);
    live.end().await;
}

/// The task of the account stream panics on its way back to the exchange.
#[tokio::test(start_paused = true)]
async fn l17_a_panic_of_a_task_is_noticed_in_a_second_and_forgiven_in_three() {
    let left = Arc::new(AtomicUsize::new(0));
    let trap = left.clone();
    let live = Live::over(&format!("{SCENE}{HELD}"), 1, |exchange| {
        let left = trap;
        Arc::new(Trap { exchange, left })
    });
    live.until_fresh().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(61_137)).await;
        left.store(1, Ordering::SeqCst);
        let found = measure(&live, &["drop user"], Plane::Account, MOMENT, &[]).await;
        at_most("panic", found, 1_000, 3_000);
        assert_eq!(left.load(Ordering::SeqCst), 0, "the trap was sprung");
    }
    live.end().await;
}

/// The address is banned in the middle of a day: quiet at once until the end that the exchange
/// named, and fresh with the first signed calls after it.
#[tokio::test(start_paused = true)]
async fn r10_a_ban_is_obeyed_at_once_and_over_when_it_ends() {
    for seed in SEEDS {
        let live = settled(seed).await;
        live.say("rest-error /fapi/ 418 -1003 \"Way too many requests; IP banned.\"");
        let noticed = until(&live, "stale", |stale| stale.contains(&Plane::Key)).await;
        // The simulated exchange sends `Retry-After: 120` with it.
        let banned = live.clock.now();
        live.say("rest-ok /fapi/");
        let status = live.guard.status().await.unwrap();
        let cause = status.key_refusal.map(|refusal| refusal.cause);
        assert_eq!(cause, Some(KeyRefusalCause::Banned));
        let calls = live.exchange.truth().usage.calls.len();
        tokio::time::sleep(Duration::from_secs(119)).await;
        let during = live.exchange.truth().usage.calls.len() - calls;
        assert_eq!(during, 0, "not one call while it lasts");
        assert_eq!(
            live.check("BTCUSDT buy 0.001").await.decision,
            Decision::Reject
        );
        assert_eq!(
            live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
            Decision::Warn
        );
        until(&live, "fresh", <[Plane]>::is_empty).await;
        let fresh = live.clock.now().since_ms(banned) - 120_000;
        live.until_equal("after the ban").await;
        // Exposed, the account is read every ten seconds: the next signed call finds it.
        at_most("ban", (noticed, fresh), 10_500, 5_000);
        live.end().await;
    }
}

/// A laptop sleeps: its timers stand still, the exchange goes on. Nothing from before is fresh at
/// the first question, and everything is read anew within ten seconds of waking.
#[tokio::test(start_paused = true)]
async fn l07_a_sleep_of_any_length_is_noticed_before_the_first_answer_and_over_in_ten_seconds() {
    for (seed, slept_s) in [3, 11, 30, 70, 600, 8 * 3_600, 3 * 86_400]
        .into_iter()
        .enumerate()
    {
        for are_cut in [false, true] {
            let live = settled(seed as u64 + 1).await;
            let slept_ms = slept_s * 1_000;
            live.clock.suspend_ms(slept_ms);
            live.say(&format!("skew {slept_ms}ms"));
            if are_cut {
                live.say("drop user");
                live.say("drop market");
            }
            let first = live.check("BTCUSDT buy 0.001").await;
            assert_eq!(first.decision, Decision::Reject);
            assert_eq!(first.findings[0].code, Code::NotReady, "{}", first.why);
            assert_eq!(
                live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
                Decision::Warn
            );
            live.say("silent transfer USDT 100");
            let fresh = until(&live, "fresh", <[Plane]>::is_empty).await;
            at_most(&format!("sleep of {slept_s} s"), (0, fresh), 0, 10_000);
            live.until_equal("after the sleep").await;
            live.end().await;
        }
    }
}

/// Killed and started again by the service manager: it answers at once, rejects until it is in
/// step, and is soon.
#[tokio::test(start_paused = true)]
async fn l01_killed_and_started_again_it_answers_within_a_second_and_is_fresh_in_five() {
    let mut all = Vec::new();
    for seed in SEEDS {
        let live = settled(seed).await;
        live.say("silent transfer USDT -50");
        let began = live.clock.now();
        let live = live.killed_and_started(seed + 100).await;
        let small = live.check("BTCUSDT buy 0.001").await;
        assert_eq!(small.decision, Decision::Reject, "{}", small.why);
        assert_eq!(
            live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
            Decision::Warn
        );
        let answered = live.clock.now().since_ms(began);
        until(&live, "fresh", <[Plane]>::is_empty).await;
        all.push((answered, live.clock.now().since_ms(began)));
        live.until_equal("after the start").await;
        live.end().await;
    }
    let (usual, worst) = p95(all);
    at_most("kill -9", usual, 1_000, 5_000);
    at_most("kill -9, worst", worst, 1_000, 5_000);
}

#[tokio::test(start_paused = true)]
async fn maintenance_of_two_hours_is_over_ten_seconds_after_its_end() {
    for begins in [
        "rest-error /fapi/ 503 -1016 \"This service is no longer available.\"",
        "stop",
    ] {
        let live = settled(1).await;
        let ends = if begins == "stop" {
            "start"
        } else {
            "rest-ok /fapi/"
        };
        let lasting = Duration::from_secs(2 * 3_600);
        let mut lines = vec![begins];
        if begins != "stop" {
            lines.push("drop user");
            lines.push("drop market");
        }
        let found = measure(&live, &lines, Plane::Account, lasting, &[ends]).await;
        at_most(begins, found, 5_000, 10_000);
        live.end().await;
    }
}

/// Overlapping connections: the planned change is drawn near, and over six of them there is not
/// one stale moment.
#[tokio::test(start_paused = true)]
async fn u14_a_planned_rotation_costs_no_stale_second() {
    let cadence = Cadence {
        rotation: Duration::from_secs(300),
        rotation_spread: Duration::from_secs(30),
        ..Cadence::default()
    };
    let live = Live::within_at(&format!("{SCENE}{HELD}"), 3, cadence).await;
    let before = live.notices().len();
    for index in 0..6_000 {
        assert_eq!(live.stale().await, []);
        if index % 100 == 0 {
            live.say("order BTCUSDT buy 0.001");
        }
        tokio::time::sleep(Duration::from_millis(307)).await;
    }
    let status = live.guard.status().await.unwrap();
    let epoch = |plane: Plane| {
        let mut planes = status.inputs.planes.iter();
        planes.find(|status| status.plane == plane).unwrap().epoch
    };
    assert!(epoch(Plane::Account) >= 6 && epoch(Plane::Marks) >= 6);
    let told = live.notices();
    let bad = told[before..].iter().find(|(_, notice)| {
        matches!(
            notice,
            Notice::UserStreamGap(_) | Notice::Drifted(_) | Notice::OrdersDrifted { .. }
        ) || matches!(notice, Notice::UserStreamLost(loss) if loss.cause != LossCause::Rotation)
    });
    assert_eq!(bad, None);
    live.until_equal("after the changes").await;
    live.end().await;
}
