//! Alert management by itself: which message leaves when. Times are milliseconds of a story.

use crossguard::alerts::manage::{LINES_MAX, Manager, Timing};
use crossguard::alerts::model::{Message, Occasion};
use crossguard::alerts::quiet::{Refused, SILENCE_MS_MAX};
use crossguard::alerts::render::for_channel;
use crossguard::clock::Clock;
use crossguard::guard::alarm::{Alarm, Change, Key, Rule, Severity, Text, Transition};
use proptest::prelude::*;

use crate::rig::{asset, symbol};

const MINUTE: i64 = 60_000;

fn raised(key: Key, severity: Severity) -> Transition {
    Transition::Raised(Box::new(Alarm {
        is_event: matches!(key.rule, Rule::UnguardedOrder | Rule::MarginCall),
        key,
        severity,
        change: Change::New,
        since: Clock::manual(0).now(),
        value: None,
        worst: None,
        limit: None,
        text: Text {
            what: "A 4.1 % fall of BTCUSDT liquidates it.".to_owned(),
            to_do: "Now: sell.".to_owned(),
            command: Some("crossguard status".to_owned()),
        },
    }))
}

fn cleared(key: Key) -> Transition {
    Transition::Cleared {
        key,
        since: Clock::manual(0).now(),
        worst: Some(rust_decimal::Decimal::new(41, 3)),
    }
}

fn pool(rule: Rule) -> Key {
    Key::of_pool(rule, &asset("USDT"))
}

fn spill(index: usize) -> Key {
    Key::of_symbol(
        Rule::Spill,
        Some(&asset("USDT")),
        &symbol(&format!("SYM{index}USDT")),
    )
}

fn manager() -> Manager {
    Manager::new(Timing::DEFAULT, vec![], vec![], 0)
}

/// Lets time pass in steps and gives every message with the moment it left.
fn pass(manager: &mut Manager, from_ms: i64, to_ms: i64) -> Vec<(i64, Message)> {
    let mut left = Vec::new();
    let mut at_ms = from_ms;
    while at_ms <= to_ms {
        left.extend(manager.tick(at_ms).into_iter().map(|m| (at_ms, m)));
        at_ms += 50;
    }
    left
}

fn lines(left: &[(i64, Message)]) -> Vec<String> {
    left.iter()
        .map(|(at_ms, message)| {
            format!(
                "{at_ms} {} {}",
                message.occasion.name(),
                message.alerts.len()
            )
        })
        .collect()
}

#[test]
fn a_crash_of_forty_positions_is_one_message_with_twelve_lines() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    for index in 0..40 {
        // All of them within a second of marks.
        let at_ms = i64::try_from(index).unwrap() * 10;
        manager.take(&raised(spill(index), Severity::Critical), at_ms);
    }
    let left = pass(&mut manager, 0, 4 * MINUTE);
    assert_eq!(lines(&left), ["500 alert 41"]);
    let words = crossguard::alerts::render::words(&left[0].1, &jiff::tz::TimeZone::UTC);
    assert_eq!(words.body.matches("CRITICAL since").count(), LINES_MAX);
    assert!(
        words.body.ends_with("… and 29 more: crossguard alerts"),
        "{}",
        words.body
    );
    assert!(words.body.starts_with("CRITICAL since"));
    assert!(
        words.title.contains("near liquidation, USDT pool"),
        "{}",
        words.title
    );
}

#[test]
fn a_breach_waits_for_others_and_never_for_an_earlier_message() {
    let mut manager = manager();
    manager.take(&raised(spill(1), Severity::Warning), 0);
    assert_eq!(lines(&pass(&mut manager, 0, 600)), ["500 alert 1"]);
    // Of the same rule, as urgent as what was just told.
    manager.take(&raised(spill(2), Severity::Warning), 1_000);
    manager.take(&raised(spill(3), Severity::Warning), 1_400);
    assert_eq!(lines(&pass(&mut manager, 1_000, 3_000)), ["1500 alert 2"]);
    manager.take(&raised(spill(2), Severity::Critical), 3_100);
    assert_eq!(lines(&pass(&mut manager, 3_100, 4_000)), ["3600 alert 1"]);
}

/// Ends, and events that concern nothing at risk, are gathered, and go with a breach if one comes.
#[test]
fn what_is_no_breach_waits_until_ten_seconds_after_the_message_before() {
    let mut manager = manager();
    let order = |index: usize| {
        let name = format!("SYM{index}USDT");
        Key::of_symbol(Rule::UnguardedOrder, Some(&asset("USDT")), &symbol(&name))
    };
    manager.take(&raised(order(1), Severity::Info), 0);
    assert_eq!(lines(&pass(&mut manager, 0, 5_900)), ["5000 alert 1"]);
    manager.take(&raised(order(2), Severity::Info), 6_000);
    manager.take(&raised(spill(1), Severity::Warning), 7_000);
    assert_eq!(lines(&pass(&mut manager, 6_000, 7_900)), ["7500 alert 2"]);
    manager.take(&cleared(spill(1)), 8_000);
    manager.take(&raised(order(3), Severity::Info), 9_000);
    let left = pass(&mut manager, 8_000, 30_000);
    assert_eq!(lines(&left), ["17500 alert 2"]);
    // A level that somebody set for a figure is a breach, however mild.
    manager.take(&raised(spill(2), Severity::Info), 31_000);
    assert_eq!(
        lines(&pass(&mut manager, 31_000, 32_000)),
        ["31500 alert 1"]
    );
}

/// What happens to one alert: when, which, and how urgent it is from then on; `None` is its end.
type Happening = (i64, usize, Option<Severity>);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let severity = prop_oneof![
        1 => Just(None),
        3 => prop::sample::select(Severity::ALL.to_vec()).prop_map(Some),
    ];
    prop::collection::vec((0..60_000_i64, 0..12_usize, severity), 1..80)
}

proptest! {
    // Each lets eighty seconds pass in steps of a twentieth.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No alert that is new, or more urgent than before, waits longer than the gathering takes, and
    /// there are no more messages than gatherings.
    #[test]
    fn no_breach_waits_longer_than_the_gathering(mut happenings in happenings()) {
        happenings.sort_by_key(|(at_ms, _, _)| *at_ms);
        let mut manager = manager();
        let mut left: Vec<(i64, Message)> = Vec::new();
        let mut firing: std::collections::BTreeMap<usize, Severity> = Default::default();
        // Which has to be told, at which severity, and between which moments.
        let mut owed: Vec<(i64, i64, usize, Severity)> = Vec::new();
        let mut happenings = happenings.into_iter().peekable();
        for at_ms in (0..80_000).step_by(50) {
            while let Some((_, index, severity)) = happenings.next_if(|(when, _, _)| *when <= at_ms) {
                match severity {
                    Some(severity) => {
                        manager.take(&raised(spill(index), severity), at_ms);
                        let before = firing.insert(index, severity);
                        if before.is_none_or(|before| severity > before) {
                            owed.push((at_ms, i64::MAX, index, severity));
                        }
                    }
                    None => {
                        manager.take(&cleared(spill(index)), at_ms);
                        firing.remove(&index);
                    }
                }
                // What got milder or is over needs no telling any more.
                for one in owed.iter_mut().filter(|one| one.2 == index) {
                    if firing.get(&index).is_none_or(|now| *now < one.3) {
                        one.1 = one.1.min(at_ms);
                    }
                }
            }
            left.extend(manager.tick(at_ms).into_iter().map(|told| (at_ms, told)));
        }
        let wait_ms = Timing::DEFAULT.group_wait_ms;
        for (since_ms, until_ms, index, severity) in owed {
            let symbol = format!("SYM{index}USDT");
            let within = since_ms..=since_ms + wait_ms;
            let told = left.iter().filter(|(at_ms, _)| within.contains(at_ms)).any(|(_, message)| {
                message.alerts.iter().any(|alert| {
                    alert.symbol.as_ref() == Some(&symbol) && alert.severity() >= severity
                })
            });
            prop_assert!(
                told || until_ms <= since_ms + wait_ms,
                "{symbol} at {since_ms} as {severity:?}: {:?}",
                lines(&left)
            );
        }
        let alerts = left.iter().filter(|(_, message)| message.occasion == Occasion::Alert);
        let times: Vec<i64> = alerts.map(|(at_ms, _)| *at_ms).collect();
        for pair in times.windows(2) {
            prop_assert!(pair[1] - pair[0] >= wait_ms, "{times:?}");
        }
    }
}

#[test]
fn the_same_alarm_is_told_once_and_repeated_at_its_interval() {
    let mut manager = manager();
    let alarm = raised(pool(Rule::Distance), Severity::Critical);
    for second in 0..60 {
        manager.take(&alarm, second * 1_000);
        manager.tick(second * 1_000 + 999);
    }
    let left = pass(&mut manager, MINUTE, 9 * MINUTE);
    assert_eq!(lines(&left), ["301000 repeat 1"]);
    assert_eq!(manager.firing().len(), 1);
}

#[test]
fn higher_is_told_at_once_lower_is_not_told() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Warning), 0);
    pass(&mut manager, 0, 1_000);
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 2_000);
    assert_eq!(lines(&pass(&mut manager, 2_000, 3_000)), ["2500 alert 1"]);
    manager.take(&raised(pool(Rule::Distance), Severity::Warning), 4_000);
    assert_eq!(
        lines(&pass(&mut manager, 4_000, 20_000)),
        Vec::<String>::new()
    );
}

#[test]
fn an_end_is_told_with_its_duration_and_its_worst_value() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    pass(&mut manager, 0, 1_000);
    manager.take(&cleared(pool(Rule::Distance)), 250_000);
    let left = pass(&mut manager, 250_000, 260_000);
    assert_eq!(lines(&left), ["255000 resolved 1"]);
    let words = crossguard::alerts::render::words(&left[0].1, &jiff::tz::TimeZone::UTC);
    assert_eq!(
        words.body,
        "OVER: near liquidation, USDT pool after 4 min 10 s, at worst 4.1 % \
         (since 1970-01-01 00:00:00 UTC)"
    );
    // What was never told needs no end.
    manager.take(&raised(pool(Rule::MarginRatio), Severity::Warning), 300_000);
    manager.take(&cleared(pool(Rule::MarginRatio)), 300_100);
    assert_eq!(
        lines(&pass(&mut manager, 300_000, 310_000)),
        Vec::<String>::new()
    );
}

#[test]
fn an_acknowledged_alert_is_quiet_until_it_gets_worse() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Warning), 0);
    pass(&mut manager, 0, 1_000);
    let id = manager.firing()[0].id.clone();
    assert_eq!(
        manager.acknowledge("a0", "me", 2_000),
        Err(Refused::Unknown)
    );
    manager.acknowledge(&id, "me", 2_000).unwrap();
    assert_eq!(
        lines(&pass(&mut manager, 2_000, 130 * MINUTE)),
        Vec::<String>::new()
    );
    let at_ms = 131 * MINUTE;
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), at_ms);
    let left = pass(&mut manager, at_ms, at_ms + 1_000);
    assert_eq!(left.len(), 1);
    assert_eq!(manager.firing()[0].ack, None);
}

#[test]
fn what_nobody_acknowledges_is_told_louder_once() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    let left = pass(&mut manager, 0, 16 * MINUTE);
    let louder: Vec<_> = left
        .iter()
        .filter(|(_, message)| message.occasion == Occasion::Escalation)
        .map(|(at_ms, _)| *at_ms)
        .collect();
    assert_eq!(louder, [10 * MINUTE + 500]);
}

#[test]
fn a_silence_keeps_quiet_until_its_end_and_forgets_nothing() {
    let mut manager = manager();
    let until = 10 * MINUTE;
    let silence = manager
        .silence("rule=distance,pool=USDT", "I know", "me", until, 0)
        .unwrap();
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 1_000);
    manager.take(&raised(spill(1), Severity::Critical), 1_000);
    let left = pass(&mut manager, 1_000, 2_000);
    assert_eq!(lines(&left), ["1500 alert 1"]);
    assert_eq!(left[0].1.alerts[0].rule, "spill");
    let firing = manager.firing();
    assert_eq!(manager.silenced_by(firing[0]).unwrap().id, silence.id);
    // Its end: what still fires is told.
    let left = pass(&mut manager, until, until + 100);
    assert!(
        left.iter()
            .any(|(_, m)| m.alerts.iter().any(|a| a.rule == "distance"))
    );
}

#[test]
fn a_silence_needs_an_end_a_reason_and_something_to_match() {
    let mut manager = manager();
    let mut silence = |matcher: &str, reason: &str, until: i64| {
        manager
            .silence(matcher, reason, "me", until, 0)
            .unwrap_err()
    };
    assert!(matches!(
        silence("rule=distanse", "x", 1),
        Refused::Matcher(_)
    ));
    assert_eq!(silence("rule=distance", " ", 1), Refused::Reason);
    assert_eq!(silence("rule=distance", "x", 0), Refused::End);
    assert_eq!(
        silence("rule=distance", "x", SILENCE_MS_MAX + 1),
        Refused::End
    );
}

#[test]
fn blindness_silences_what_rests_on_figures_and_an_end_that_is_near_what_is_merely_worse() {
    let mut manager = manager();
    manager.take(&raised(Key::plain(Rule::Stale), Severity::Warning), 0);
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    manager.take(&raised(Key::plain(Rule::MarginCall), Severity::Critical), 0);
    let left = pass(&mut manager, 0, 20_000);
    let rules: Vec<_> = left[0].1.alerts.iter().map(|a| a.rule.as_str()).collect();
    assert_eq!(rules, ["margin_call", "stale"]);
    assert_eq!(left.len(), 1);
    manager.take(&cleared(Key::plain(Rule::Stale)), 30_000);
    manager.take(&raised(pool(Rule::MarginRatio), Severity::Warning), 30_000);
    let left = pass(&mut manager, 30_000, 40_000);
    let told: Vec<_> = left
        .iter()
        .flat_map(|(_, m)| &m.alerts)
        .map(|a| a.rule.as_str())
        .collect();
    assert!(told.contains(&"distance"), "{told:?}");
    assert!(!told.contains(&"margin_ratio"), "{told:?}");
    let ratio = manager
        .firing()
        .into_iter()
        .find(|a| a.rule == "margin_ratio")
        .unwrap();
    assert_eq!(manager.inhibited_by(ratio).unwrap().rule, "distance");
}

#[test]
fn a_restart_forgets_no_alert_no_silence_and_tells_nothing_twice() {
    let mut before = manager();
    before.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    before.take(&raised(spill(1), Severity::Warning), 0);
    pass(&mut before, 0, 1_000);
    let id = before.firing()[0].id.clone();
    before.acknowledge(&id, "me", 1_500).unwrap();
    before
        .silence("symbol=SYM1USDT", "known", "me", 60 * MINUTE, 1_500)
        .unwrap();
    let alerts = before.firing().into_iter().cloned().collect();
    let silences = before.silences().cloned().collect();

    let start = 5_000;
    let mut after = Manager::new(Timing::DEFAULT, alerts, silences, start);
    after.take(
        &raised(pool(Rule::Distance), Severity::Critical),
        start + 500,
    );
    assert_eq!(
        lines(&pass(&mut after, start, start + 100_000)),
        Vec::<String>::new()
    );
    assert_eq!(after.firing()[0].id, id);
    assert_eq!(after.firing()[0].ack.as_ref().unwrap().by, "me");
    assert_eq!(after.silences().count(), 1);
    // The other one is not seen again: it is over after two minutes.
    pass(&mut after, start + 100_000, start + 130_000);
    let firing: Vec<_> = after.firing().iter().map(|a| a.rule.clone()).collect();
    assert_eq!(firing, ["distance"]);
}

/// The guard was killed while it was blind: that old blindness covers nothing that is seen now.
#[test]
fn what_fired_before_a_restart_covers_nothing_until_it_is_seen_again() {
    let mut before = manager();
    before.take(&raised(Key::plain(Rule::Stale), Severity::Critical), 0);
    pass(&mut before, 0, 1_000);
    let alerts = before.firing().into_iter().cloned().collect();

    let mut after = Manager::new(Timing::DEFAULT, alerts, vec![], 5_000);
    assert_eq!(after.counts(), [0, 0, 1], "it is listed as firing");
    after.take(&raised(pool(Rule::Distance), Severity::Critical), 6_000);
    assert_eq!(lines(&pass(&mut after, 6_000, 7_000)), ["6500 alert 1"]);
    // Once it is seen again, it covers figures again.
    after.take(&raised(Key::plain(Rule::Stale), Severity::Warning), 8_000);
    after.take(&raised(spill(1), Severity::Critical), 8_000);
    assert_eq!(
        lines(&pass(&mut after, 8_000, 20_000)),
        Vec::<String>::new()
    );
}

/// Whoever follows is told of every end, also of those that no transition brings.
#[test]
fn what_time_ends_is_handed_to_followers() {
    let mut before = manager();
    before.take(&raised(spill(1), Severity::Warning), 0);
    pass(&mut before, 0, 1_000);
    let alerts = before.firing().into_iter().cloned().collect();

    let mut after = Manager::new(Timing::DEFAULT, alerts, vec![], 5_000);
    after.take(&raised(Key::plain(Rule::Restarted), Severity::Info), 5_000);
    assert_eq!(after.counts(), [1, 1, 0]);
    pass(&mut after, 5_000, 5_000 + 2 * MINUTE);
    let ended: Vec<_> = after
        .take_expired()
        .into_iter()
        .map(|one| one.rule)
        .collect();
    assert_eq!(ended, ["spill"]);
    pass(&mut after, 5_000 + 2 * MINUTE, 5_000 + 11 * MINUTE);
    let ended: Vec<_> = after
        .take_expired()
        .into_iter()
        .map(|one| one.rule)
        .collect();
    assert_eq!(ended, ["restarted"]);
    assert_eq!(after.counts(), [0, 0, 0]);
}

/// It was critical, got milder, and is over: a channel that is told of nothing but critical ones heard
/// of it, and hears of its end.
#[test]
fn whoever_was_told_that_it_is_critical_is_told_of_its_end() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    pass(&mut manager, 0, 1_000);
    manager.take(&raised(pool(Rule::Distance), Severity::Warning), 100_000);
    manager.take(&raised(spill(1), Severity::Warning), 150_000);
    pass(&mut manager, 150_000, 151_000);
    manager.take(&cleared(pool(Rule::Distance)), 200_000);
    manager.take(&cleared(spill(1)), 200_000);
    let left = pass(&mut manager, 200_000, 210_000);
    assert_eq!(lines(&left), ["205000 resolved 2"]);
    let told = for_channel(&left[0].1, Severity::Critical, None).unwrap();
    assert_eq!(told.alerts.len(), 1);
    assert_eq!(told.alerts[0].rule, "distance");
}

/// An end makes a message no louder than what it tells of.
#[test]
fn a_warning_beside_the_end_of_something_critical_is_a_warning() {
    let mut manager = manager();
    manager.take(&raised(pool(Rule::Distance), Severity::Critical), 0);
    pass(&mut manager, 0, 1_000);
    manager.take(&cleared(pool(Rule::Distance)), 100_000);
    manager.take(&raised(spill(1), Severity::Warning), 100_100);
    let left = pass(&mut manager, 100_000, 110_000);
    assert_eq!(lines(&left), ["100600 alert 2"]);
    assert_eq!(left[0].1.severity(), Severity::Warning);
}
