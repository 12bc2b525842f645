//! Alarms as a trader lives through them: stories in the scenario format on simulated time, through
//! the simulated exchange, the exchange client and the spine.
//!
//! `expect SECOND LINE` says which alarm is raised, changed or over, in order and completely: within
//! two seconds of that second. `message SECOND OCCASION COUNT` says the same of the messages that
//! leave, and how many alerts each tells of. `late MILLISECONDS` holds the story to another bound, `end
//! SECOND` ends it. Seconds count from the moment the scene stands.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crossguard::alerts::Timing;
use crossguard::alerts::manage::Manager;
use crossguard::alerts::model::Message;
use crossguard::clock::Now;
use crossguard::guard::alarm::{Change, Key, Rule, Severity, Transition};

use crate::live::{Dice, Live};

/// How late an alarm may be, in milliseconds: the bound for marks.
const LATE_MS: i64 = 2_000;

struct Story {
    scene: String,
    expected: Vec<(i64, String)>,
    messages: Vec<(i64, String)>,
    late_ms: i64,
    end_s: u64,
}

fn at_second(text: &str) -> (i64, String) {
    let (second, words) = text.split_once(' ').unwrap();
    (second.parse().unwrap(), words.to_owned())
}

fn read(name: &str) -> Story {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stories/{name}.txt"));
    let mut story = Story {
        scene: String::new(),
        expected: Vec::new(),
        messages: Vec::new(),
        late_ms: LATE_MS,
        end_s: 0,
    };
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(expected) = line.strip_prefix("expect ") {
            story.expected.push(at_second(expected));
        } else if let Some(message) = line.strip_prefix("message ") {
            story.messages.push(at_second(message));
        } else if let Some(late) = line.strip_prefix("late ") {
            story.late_ms = late.parse().unwrap();
        } else if let Some(end) = line.strip_prefix("end ") {
            story.end_s = end.parse().unwrap();
        } else {
            writeln!(story.scene, "{line}").unwrap();
        }
    }
    story
}

/// An alarm as one line: `critical distance USDT`, `worse …`, `over …`.
fn line(transition: &Transition) -> String {
    let subject = |key: &Key| {
        let parts = [
            key.pool.as_ref().map(|pool| pool.as_str()),
            key.symbol.as_ref().map(|symbol| symbol.as_str()),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        format!("{} {}", key.rule.name(), parts.join(" "))
    };
    let line = match transition {
        Transition::Raised(alarm) => {
            let how = match alarm.change {
                Change::New | Change::Higher => alarm.severity.name().to_owned(),
                Change::Lower => format!("down to {}", alarm.severity.name()),
                Change::Worse => "worse".to_owned(),
            };
            format!("{how} {}", subject(&alarm.key))
        }
        Transition::Cleared { key, .. } => format!("over {}", subject(key)),
    };
    line.trim_end().to_owned()
}

/// Plays a story and compares every line with its time.
async fn play(name: &str) -> Live {
    let story = read(name);
    let live = Live::within_unready(&story.scene, 1);
    let began = live.clock.now();
    live.until_fresh().await;
    tokio::time::sleep(Duration::from_secs(story.end_s)).await;
    let mut told = String::new();
    let (mut found, mut texts) = (Vec::new(), Vec::new());
    for (at, transition) in live.alarms() {
        let at_ms = at.since_ms(began);
        if let Transition::Raised(alarm) = &transition {
            if alarm.change == Change::Worse && !alarm.is_event {
                continue;
            }
            texts.push(format!("{} {}", alarm.text.what, alarm.text.to_do));
        }
        writeln!(told, "expect {} {}", at_ms / 1_000, line(&transition)).unwrap();
        found.push((at_ms, line(&transition)));
    }
    let mut left = Vec::new();
    for (at_ms, message) in messages(&live.alarms(), began, story.end_s) {
        let line = format!("{} {}", message.occasion.name(), message.alerts.len());
        writeln!(told, "message {} {line}", at_ms / 1_000).unwrap();
        left.push((at_ms, line));
    }
    println!("{name}\n{told}{}", texts.join("\n"));
    assert_in_time(name, story.late_ms, &told, &found, &story.expected);
    assert_in_time(name, story.late_ms, &told, &left, &story.messages);
    live
}

fn assert_in_time(
    name: &str,
    most_ms: i64,
    told: &str,
    found: &[(i64, String)],
    expected: &[(i64, String)],
) {
    assert_eq!(found.len(), expected.len(), "{name}:\n{told}");
    for ((at_ms, line), (second, expected)) in found.iter().zip(expected) {
        assert_eq!(line, expected, "{name}:\n{told}");
        let late_ms = at_ms - second * 1_000;
        assert!(
            (0..=most_ms).contains(&late_ms),
            "{name}: {line} at {at_ms} ms:\n{told}"
        );
    }
}

/// The messages that leave, in milliseconds of the story: alert management at its own pace.
fn messages(alarms: &[(Now, Transition)], began: Now, end_s: u64) -> Vec<(i64, Message)> {
    let mut manager = Manager::new(Timing::DEFAULT, Vec::new(), Vec::new(), 0);
    let mut alarms = alarms.iter().peekable();
    let mut left = Vec::new();
    let mut at_ms = 0;
    while at_ms <= i64::try_from(end_s).unwrap() * 1_000 {
        while let Some((at, transition)) = alarms.next_if(|(at, _)| at.since_ms(began) <= at_ms) {
            manager.take(transition, at.since_ms(began));
        }
        left.extend(manager.tick(at_ms).into_iter().map(|told| (at_ms, told)));
        at_ms += 50;
    }
    left
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_scenario_that_is_not_survived_any_more() {
    play("stress").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_collateral_that_counts_for_less() {
    play("collateral").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_slow_bleed() {
    play("slow_bleed").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn s09_alarms_of_a_flash_crash_with_recovery() {
    play("flash_crash").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_stablecoin_that_loses_its_peg() {
    play("peg").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_collateral_that_loses_its_peg() {
    play("peg_collateral").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_funding_drain() {
    play("funding_drain").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_an_order_placed_elsewhere() {
    play("placed_elsewhere").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn s08_alarms_of_a_stream_gone_silent() {
    play("gone_silent").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_market_neutral_book_in_a_rally() {
    play("rally").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn i15_a_second_symbol_does_not_wait_for_the_first() {
    play("second_symbol").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn i15_forty_symbols_within_the_short_wait_are_one_message() {
    play("forty").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn i15_forty_symbols_over_a_second_are_two_messages() {
    play("forty_over_a_second").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn i15_a_symbol_every_second_is_told_every_second() {
    play("one_every_second").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn i15_what_account_events_break_is_told_within_a_second() {
    play("account_events").await.end().await;
}

/// Forty positions, and a fall that takes all of them over a level within a second.
#[tokio::test(start_paused = true)]
async fn a_crash_of_forty_positions_is_one_message() {
    let mut scene = String::from("wallet USDT 40000\n");
    for index in 0..40 {
        writeln!(
            scene,
            "symbol S{index}USDT tick 0.1 step 0.001 min-notional 5"
        )
        .unwrap();
        writeln!(
            scene,
            "brackets S{index}USDT 0 50000 0.01 50x | 50000 600000 0.02 25x"
        )
        .unwrap();
        writeln!(scene, "mark S{index}USDT 100").unwrap();
        writeln!(scene, "leverage S{index}USDT 20").unwrap();
        writeln!(scene, "pos S{index}USDT crossed 20x +10 @ 100").unwrap();
    }
    let live = Live::within(&scene, 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(live.alarms().len(), 0, "{:?}", live.alarms());
    let began = live.clock.now();
    for index in 0..40 {
        live.say(&format!("mark S{index}USDT 85"));
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let alarms = live.alarms();
    let jumped = alarms.iter().filter(
        |(_, told)| matches!(told, Transition::Raised(alarm) if alarm.key.rule == Rule::MarkJump),
    );
    assert_eq!(jumped.count(), 40);
    let messages = messages(&alarms, began, 30);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let (at_ms, message) = &messages[0];
    assert!(*at_ms <= 3_000, "{at_ms}");
    assert_eq!(message.alerts.len(), alarms.len());
    let words = crossguard::alerts::render::words(message, &jiff::tz::TimeZone::UTC);
    assert!(
        words.body.contains("more: crossguard alerts"),
        "{}",
        words.body
    );
    assert!(words.body.lines().count() <= 3 * 12 + 1, "{}", words.body);
    live.end().await;
}

/// The first message after a moment that tells of a rule, at no less than this severity, in
/// milliseconds from then.
fn told_after(live: &Live, since: Now, rule: Rule, severity: Severity) -> Option<i64> {
    let of_rule = |message: &Message| {
        let mut alerts = message.alerts.iter();
        alerts.any(|alert| alert.rule() == Some(rule) && alert.severity() >= severity)
    };
    let mut alarms = live.alarms();
    alarms.retain(|(at, _)| *at >= since);
    let mut messages = messages(&alarms, since, 10).into_iter();
    Some(messages.find(|(_, message)| of_rule(message))?.0)
}

/// From the exchange's own mark to the message: two seconds.
#[tokio::test(start_paused = true)]
async fn i15_a_breach_by_a_mark_is_announced_within_two_seconds() {
    let scene = "symbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
        brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x\n\
        mark BTCUSDT 60000\nwallet USDT 10000\nleverage BTCUSDT 20\npos BTCUSDT crossed 20x +0.4 @ 60000\n";
    let mut latest_ms = 0;
    for seed in 1..=40 {
        let live = Live::within(scene, seed).await;
        let mut dice = Dice(seed);
        tokio::time::sleep(Duration::from_millis(1_000 + dice.roll(3_000))).await;
        let said = live.clock.now();
        live.say("mark BTCUSDT 40000");
        tokio::time::sleep(Duration::from_secs(10)).await;
        for rule in [Rule::Distance, Rule::WalletAtRisk, Rule::Spill] {
            let told = told_after(&live, said, rule, Severity::Warning);
            let told_ms = told.unwrap_or_else(|| panic!("seed {seed}: {rule:?} is not told"));
            assert!(told_ms <= 2_000, "seed {seed}: {rule:?} after {told_ms} ms");
            latest_ms = latest_ms.max(told_ms);
        }
        live.end().await;
    }
    println!("at the latest {latest_ms} ms after the exchange decided");
}

/// Nor does an order that rests wait longer, which a mark brings over a limit.
#[tokio::test(start_paused = true)]
async fn i15_an_order_that_a_mark_makes_too_large_is_announced_within_two_seconds() {
    // Sold at the mark, it is worth 52,000 of 10,000 and then 65,000: a tenth of that is at risk.
    let scene = "symbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
        brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x\n\
        mark BTCUSDT 52000\nwallet USDT 10000\nleverage BTCUSDT 10\norder BTCUSDT sell 1 @ 70000\n";
    let mut latest_ms = 0;
    for seed in 1..=20 {
        let live = Live::within(scene, seed).await;
        let mut dice = Dice(seed);
        tokio::time::sleep(Duration::from_millis(6_000 + dice.roll(6_000))).await;
        let said = live.clock.now();
        let began = live.alarms().len();
        assert_eq!(began, 0, "{:?}", live.alarms());
        live.say("mark BTCUSDT 65000");
        tokio::time::sleep(Duration::from_secs(10)).await;
        let told = told_after(&live, said, Rule::OrderWouldBreak, Severity::Warning);
        let told_ms = told.unwrap_or_else(|| panic!("seed {seed}: it is not told"));
        assert!(told_ms <= 2_000, "seed {seed}: after {told_ms} ms");
        latest_ms = latest_ms.max(told_ms);
        live.end().await;
    }
    println!("at the latest {latest_ms} ms after the exchange decided");
}

/// The same of every breach, whenever it comes: each of twenty symbols at its own random moment.
#[tokio::test(start_paused = true)]
async fn i15_no_breach_waits_for_another() {
    let name = |index: usize| format!("S{index}USDT");
    let mut scene = String::from("wallet USDT 100000\n");
    for symbol in (0..20).map(name) {
        writeln!(scene, "symbol {symbol} tick 0.1 step 0.001 min-notional 5").unwrap();
        writeln!(
            scene,
            "brackets {symbol} 0 50000 0.01 50x | 50000 600000 0.02 25x"
        )
        .unwrap();
        writeln!(scene, "mark {symbol} 100\nleverage {symbol} 20").unwrap();
        writeln!(scene, "pos {symbol} crossed 20x +10 @ 100").unwrap();
        // Filled, it takes more of the wallet than the limit permits once the mark is low enough.
        writeln!(scene, "order {symbol} buy 150 @ 60").unwrap();
    }
    let (mut latest_ms, mut told_of) = (0, 0);
    for seed in 1..=12 {
        let live = Live::within(&scene, seed).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (mut dice, began) = (Dice(seed), live.clock.now());
        let mut fell: Vec<(u64, String)> = (0..20)
            .map(|index| (dice.roll(30_000), name(index)))
            .collect();
        fell.sort();
        let mut at_ms = 0;
        for (fall_ms, symbol) in &fell {
            tokio::time::sleep(Duration::from_millis(fall_ms - at_ms)).await;
            at_ms = *fall_ms;
            live.say(&format!("mark {symbol} 91"));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let messages = messages(&live.alarms(), began, 40);
        for (fall_ms, symbol) in fell {
            let of_jump = |message: &Message| {
                let mut alerts = message.alerts.iter();
                alerts.any(|alert| {
                    alert.rule() == Some(Rule::MarkJump) && alert.symbol.as_ref() == Some(&symbol)
                })
            };
            let told = messages.iter().find(|(_, message)| of_jump(message));
            let (told_ms, _) = told.unwrap_or_else(|| panic!("seed {seed}: {symbol} is not told"));
            let late_ms = told_ms - i64::try_from(fall_ms).unwrap();
            assert!(late_ms <= 2_000, "seed {seed}: {symbol} after {late_ms} ms");
            latest_ms = latest_ms.max(late_ms);
            told_of += 1;
        }
        live.end().await;
    }
    println!("{told_of} breaches, at the latest {latest_ms} ms after the exchange decided");
}

/// From the account's event to the message: one second.
#[tokio::test(start_paused = true)]
async fn i15_a_breach_by_an_account_event_is_announced_within_a_second() {
    let scene = "symbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
        brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x\n\
        mark BTCUSDT 60000\nwallet USDT 100000\nleverage BTCUSDT 20\npos BTCUSDT crossed 20x +0.4 @ 60000\n";
    let stories = [
        ("transfer USDT -95500", Rule::Distance),
        ("transfer USDT -95500", Rule::Spill),
        ("order BTCUSDT buy 6", Rule::WalletAtRisk),
        (
            "order BTCUSDT buy 20 @ 59000 id app_1",
            Rule::OrderWouldBreak,
        ),
        ("order BTCUSDT buy 1 @ 59000 id app_1", Rule::UnguardedOrder),
        ("leverage BTCUSDT 50", Rule::SettingsChanged),
        ("margin-call BTCUSDT", Rule::MarginCall),
    ];
    let mut latest_ms = 0;
    for seed in 1..=42 {
        let live = Live::within(scene, seed).await;
        let mut dice = Dice(seed);
        tokio::time::sleep(Duration::from_millis(1_000 + dice.roll(3_000))).await;
        let (line, rule) = stories[usize::try_from(seed).unwrap() % stories.len()];
        let said = live.clock.now();
        live.say(line);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let told = told_after(&live, said, rule, Severity::Warning);
        let told_ms = told.unwrap_or_else(|| panic!("seed {seed}: {line}: {rule:?} is not told"));
        assert!(
            told_ms <= 1_000,
            "seed {seed}: {line}: {rule:?} after {told_ms} ms"
        );
        latest_ms = latest_ms.max(told_ms);
        live.end().await;
    }
    println!("at the latest {latest_ms} ms after the event");
}
