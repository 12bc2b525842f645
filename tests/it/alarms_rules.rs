//! Every rule is raised by what it is about, through the simulated exchange and the whole chain; and
//! a day of noise around a level.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossguard::alerts::Timing;
use crossguard::alerts::manage::Manager;
use crossguard::alerts::model::Occasion;
use crossguard::daemon::core::{Input, Output, PolicyInForce};
use crossguard::exchange::Note;
use crossguard::guard::alarm::seen::{Depth, Floors, observe};
use crossguard::guard::alarm::{AlarmPolicy, Alarms, Rule, Severity, Transition};
use crossguard::guard::policy::{IsolatedOnly, Policy};
use crossguard::guard::verdict::Ladder;
use crossguard::guard::{Context, Detail};
use crossguard::margin::amount::{Leverage, parse};
use crossguard::margin::position::assess_positions;
use crossguard::mirror::view::Needs;
use rust_decimal::Decimal;

use crate::drawn::{self, Account};
use crate::live::{Dice, Live, SCENE};
use crate::random_accounts;
use crate::rig::{Rig, symbol};

const HELD: &str = "pos BTCUSDT crossed 20x +0.4 @ 60000\n";

/// What is raised within some seconds after these lines were said, with its severity.
async fn raised(more: &str, lines: &[&str], seconds: u64) -> Vec<(Rule, Severity)> {
    let live = Live::within(&format!("{SCENE}{HELD}{more}"), 7).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = live.alarms().len();
    for line in lines {
        live.say(line);
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let told = live.alarms().split_off(before);
    let raised = told.into_iter().filter_map(|(_, told)| match told {
        Transition::Raised(alarm) => Some((alarm.key.rule, alarm.severity)),
        Transition::Cleared { .. } => None,
    });
    let raised = raised.collect();
    live.end().await;
    raised
}

#[tokio::test(start_paused = true)]
async fn every_rule_is_raised_by_what_it_is_about() {
    let stop = "order BTCUSDT sell 0.4 stop 59000 on mark id stop_1";
    let tight = "brackets BTCUSDT 0 50000 0.01 50x | 50000 600000 0.02 25x";
    let stories: [(&[&str], u64, Rule, Severity); 18] = [
        (
            &["brackets BTCUSDT none"],
            700,
            Rule::FiguresUnknown,
            Severity::Warning,
        ),
        (
            &[
                "silent adl BTCUSDT 0.4",
                "silent transfer USDT -10000",
                "silent transfer USDC -2000",
            ],
            30,
            Rule::AccountEmpty,
            Severity::Warning,
        ),
        (
            &["mark BTCUSDT 38500"],
            5,
            Rule::Distance,
            Severity::Critical,
        ),
        (
            &["mark BTCUSDT 48000"],
            5,
            Rule::WalletAtRisk,
            Severity::Warning,
        ),
        (
            &["mark BTCUSDT 35400"],
            5,
            Rule::MarginRatio,
            Severity::Warning,
        ),
        (&["mark BTCUSDT 48000"], 5, Rule::Spill, Severity::Critical),
        (
            &["mark BTCUSDT 56000"],
            5,
            Rule::MarkJump,
            Severity::Warning,
        ),
        (
            &["liquidate BTCUSDT"],
            5,
            Rule::Liquidation,
            Severity::Critical,
        ),
        (
            &["adl BTCUSDT 0.1"],
            5,
            Rule::ForcedTrade,
            Severity::Warning,
        ),
        (
            &["margin-call BTCUSDT"],
            5,
            Rule::MarginCall,
            Severity::Critical,
        ),
        (
            &[stop, "reject-triggers", "mark BTCUSDT 58500"],
            5,
            Rule::ProtectionLost,
            Severity::Critical,
        ),
        (&[tight], 700, Rule::RequirementRose, Severity::Warning),
        (
            &["leverage BTCUSDT 50"],
            5,
            Rule::SettingsChanged,
            Severity::Warning,
        ),
        (
            &["order BTCUSDT buy 0.1 @ 50000"],
            5,
            Rule::UnguardedOrder,
            Severity::Warning,
        ),
        (
            &["order BTCUSDT buy 2 @ 59000"],
            5,
            Rule::OrderWouldBreak,
            Severity::Warning,
        ),
        (&["key revoked"], 90, Rule::KeyRefused, Severity::Critical),
        (
            &["silent transfer USDT -100"],
            30,
            Rule::Drift,
            Severity::Warning,
        ),
        (
            &["mute market", "rest-error /fapi/v1/premiumIndex 503 \"x\""],
            30,
            Rule::Stale,
            Severity::Warning,
        ),
    ];
    for (lines, seconds, rule, severity) in stories {
        let raised = raised("", lines, seconds).await;
        let found = raised
            .iter()
            .any(|(one, at)| *one == rule && *at >= severity);
        assert!(found, "{lines:?}: {raised:?}");
    }
}

/// A rate that costs 2 % of the pool, told when the next settlement is half an hour away.
#[tokio::test(start_paused = true)]
async fn a_funding_that_is_near_and_expensive_is_told_before_it_settles() {
    // 14:13:20 of the scene's first day: the next settlement is at 16:00.
    let until_then = 106 * 60 + 40;
    let live = Live::within(&format!("{SCENE}{HELD}"), 3).await;
    live.say("funding BTCUSDT 0.01");
    let began = live.clock.now();
    tokio::time::sleep(Duration::from_secs(until_then - 60)).await;
    let alarms = live.alarms();
    let told = alarms.iter().find_map(|(at, told)| match told {
        Transition::Raised(alarm) if alarm.key.rule == Rule::FundingCost => Some((at, alarm)),
        _ => None,
    });
    let (at, alarm) = told.unwrap_or_else(|| panic!("{alarms:?}"));
    let before_s = i64::try_from(until_then).unwrap() - at.since_ms(began) / 1_000;
    assert!((1_700..=1_800).contains(&before_s), "{before_s} s before");
    assert_eq!(alarm.severity, Severity::Critical);
    assert!(
        alarm
            .text
            .what
            .contains("min the funding of BTCUSDT costs 240.00 USDT"),
        "{alarm:?}"
    );
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_is_crossed_against_the_policy_is_told() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 3).await;
    let policy = Policy {
        isolated_only: IsolatedOnly::These(BTreeSet::from([symbol("BTCUSDT")])),
        ..Policy::default()
    };
    let in_force = PolicyInForce {
        policy,
        fingerprint: "sha256:test".to_owned(),
    };
    live.guard.set_policy(in_force).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = live.alarms().into_iter().any(|(_, told)| {
        matches!(told, Transition::Raised(alarm) if alarm.key.rule == Rule::IsolatedRequired)
    });
    assert!(told);
    live.end().await;
}

/// From marks to messages: a day of noise around a level is one alert and one resolution. Repeats
/// come at their interval and say that it still is so.
#[test]
fn a_day_of_noise_around_a_level_is_one_alert_and_one_resolution() {
    let (mut rig, _) = Rig::from_text(
        "symbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
         brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x\n\
         mark BTCUSDT 60000\nwallet USDT 4500\nleverage BTCUSDT 100\npos BTCUSDT crossed 100x +0.4 @ 60000\n",
    );
    let mut manager = Manager::new(Timing::DEFAULT, Vec::new(), Vec::new(), 0);
    let (mut dice, mut left, mut at_ms) = (Dice(11), Vec::new(), 0_i64);
    // Distance 0.185 at 60,000: the level is 0.20. The noise takes it over and back, within the band
    // that ends at 0.22; at last the price rises out of it.
    while at_ms < 86_400_000 {
        let price = if at_ms < 80_000_000 {
            59_500 + i64::try_from(dice.roll(1_900)).unwrap()
        } else {
            63_500 + i64::try_from(dice.roll(100)).unwrap()
        };
        rig.clock.advance_ms(20_000);
        at_ms += 20_000;
        rig.read_again("4500", "0.4");
        rig.mark("BTCUSDT", parse(&price.to_string()).unwrap());
        let now = rig.clock.now();
        for output in rig.core.step(Input::Tick, now) {
            if let Output::Alarm(transition) = output {
                let rule = match &transition {
                    Transition::Raised(alarm) => alarm.key.rule,
                    Transition::Cleared { key, .. } => key.rule,
                };
                if rule == Rule::Distance {
                    manager.take(&transition, at_ms);
                }
            }
        }
        left.extend(manager.tick(at_ms));
    }
    let count = |occasion| left.iter().filter(|one| one.occasion == occasion).count();
    let counts = [Occasion::Alert, Occasion::Resolved, Occasion::Repeat].map(count);
    assert_eq!(counts[..2], [1, 1], "{counts:?}");
    assert!(counts[2] <= 24, "{counts:?}");
}

/// What the text tells to do is what `fix` finds for that limit: an order that leads back inside it.
#[tokio::test(start_paused = true)]
async fn what_to_do_is_the_order_that_leads_back() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 5).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    live.say("mark BTCUSDT 43000");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let alarms = live.alarms();
    let told = alarms.iter().find_map(|(_, told)| match told {
        Transition::Raised(alarm) if alarm.key.rule == Rule::Distance => Some(alarm),
        _ => None,
    });
    let text = &told.unwrap().text;
    assert!(text.to_do.starts_with("Now: sell "), "{text:?}");
    assert!(
        text.to_do
            .contains(" BTCUSDT at market, reduce-only. Or transfer "),
        "{text:?}"
    );
    assert_eq!(text.command.as_deref(), Some("crossguard fix"));
    let quantity = text.to_do.split(' ').nth(2).unwrap();
    live.say(&format!("order BTCUSDT sell {quantity} reduce-only"));
    tokio::time::sleep(Duration::from_secs(70)).await;
    let over = live.alarms().into_iter().any(
        |(_, told)| matches!(told, Transition::Cleared { key, .. } if key.rule == Rule::Distance),
    );
    let fixed = live.guard.fix().await.unwrap().unwrap();
    let broken = fixed.broken.iter().filter(|broken| {
        broken.finding.code == crossguard::guard::verdict::Code::LiquidationDistance
    });
    assert_eq!(broken.count(), 0, "the limit is kept again (over: {over})");
    live.end().await;
}

/// The host that knows what keys may do has a budget of its own: that it is spent, or that it bans
/// us, says nothing about the futures API.
#[tokio::test(start_paused = true)]
async fn a_wallet_host_that_says_slow_down_slows_nobody() {
    for refusal in ["429 -1003 \"slow down\"", "418 -1003 \"banned\""] {
        let fault = format!("rest-error /sapi/v1/account/apiRestrictions {refusal}\n");
        let live = Live::within(&format!("{SCENE}{HELD}{fault}"), 3).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        let notes = live.notes();
        let asked = |note: &Note| matches!(note, Note::RestFailed { path, .. } if path.starts_with("/sapi/"));
        assert!(notes.iter().any(asked), "{refusal}");
        let paused = notes
            .iter()
            .find(|note| matches!(note, Note::RestPaused { .. }));
        assert!(paused.is_none(), "{refusal}: {paused:?}");
        assert!(live.stale().await.is_empty(), "{refusal}");
        live.end().await;
    }
}

/// Orders of every size on either side of the mark.
fn add_orders(account: &mut Account, dice: &mut random_accounts::Dice) {
    let hedge = account.hedge;
    for contract in &mut account.contracts {
        for _ in 0..3 {
            let buys = dice.once_in(2);
            let worth = dice.between(1, 90) * dice.one_of(&[10, 100, 1_000, 10_000]);
            let steps = (Decimal::from(worth) / contract.mark / contract.step).ceil();
            let away = Decimal::new(dice.between(900, 1_100), 3);
            let side = if buys { "buy" } else { "sell" };
            let leg = match (hedge, buys) {
                (false, _) => "",
                (true, true) => " long",
                (true, false) => " short",
            };
            let (name, quantity) = (contract.name, steps * contract.step);
            let price = (contract.mark * away).round_dp(2);
            let order = format!("{name} {side} {quantity} @ {price}{leg}");
            contract.orders.push(order);
        }
    }
}

/// A bound spares trying out orders that surely break nothing. On drawn accounts, with orders of every
/// size on either side of the mark, it never spares one whose fill uses up nine tenths of a limit.
#[test]
fn no_order_that_would_break_a_limit_is_left_untried() {
    let part = parse("0.9").unwrap();
    let floors = |part| Floors {
        part: Some(part),
        spill: Some(Decimal::ZERO),
        spill_is_up: false,
        spares: part > Decimal::ZERO,
    };
    let (mut tried, mut near, mut spared) = (0, 0, 0);
    for seed in 1..=600 {
        let mut dice = random_accounts::Dice::new(seed);
        let mut account = Account::drawn(&mut dice);
        add_orders(&mut account, &mut dice);
        let rig = account.rig();
        let policy = drawn::policy(account.policy);
        let now = rig.clock.now();
        let view = rig.core.mirror().view(now, Needs { symbol: None });
        let view = view.unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        // From the part 0 on, every order is tried out.
        let all = observe(&view, &policy, Depth::Orders, floors(Decimal::ZERO)).orders;
        let some = observe(&view, &policy, Depth::Orders, floors(part)).orders;
        for one in &all {
            let used = one.strain.map_or(Decimal::ZERO, |strain| strain.used);
            let is_tried = some.iter().any(|other| other.order.id == one.order.id);
            assert!(
                is_tried || used < part,
                "seed {seed}: {:?} uses {used} of {:?} and is not tried:\n{}",
                one.order,
                one.strain,
                account.text()
            );
            tried += 1;
            near += usize::from(used >= part);
            spared += usize::from(!is_tried);
        }
    }
    println!("{tried} orders: {near} near a limit or beyond, {spared} spared");
    assert!(near > 500 && spared > 200, "{tried}, {near}, {spared}");
}

/// Nor is a position left unassessed whose spill reaches the level.
#[test]
fn no_position_that_spills_as_much_as_its_level_is_left_unassessed() {
    let (mut assessed, mut spared) = (0, 0);
    for seed in 1..=1_500 {
        let mut dice = random_accounts::Dice::new(seed);
        let account = Account::drawn(&mut dice);
        let rig = account.rig();
        let policy = drawn::policy(account.policy);
        let view = rig
            .core
            .mirror()
            .view(rig.clock.now(), Needs { symbol: None });
        let view = view.unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        let level = Decimal::new(dice.between(1, 30), 2);
        let observed = |spill| {
            let floors = Floors {
                part: None,
                spill: Some(spill),
                spill_is_up: seed % 2 == 0,
                spares: spill > Decimal::ZERO,
            };
            observe(&view, &policy, Depth::Positions, floors)
        };
        let (all, some) = (observed(Decimal::ZERO), observed(level));
        assert_eq!(all.positions.len(), some.positions.len(), "seed {seed}");
        for (one, other) in all.positions.iter().zip(&some.positions) {
            assert_eq!(
                (one.symbol, one.position_side),
                (other.symbol, other.position_side)
            );
            // An isolated one draws nothing.
            let Some(spill) = one.spill else {
                assert!(one.isolated.is_some() && other.isolated.is_some());
                continue;
            };
            let balance = all.pool(one.pool).map(|pool| pool.margin_balance.get());
            let reaches = balance.is_some_and(|balance| {
                balance > Decimal::ZERO && spill.of_pool.get() >= level * balance
            });
            assert!(
                other.spill.is_some() || !reaches,
                "seed {seed}:\n{}",
                account.text()
            );
            // However it was found, it is what the position's own figures say.
            let what_if = view.book().what_if(one.symbol).unwrap();
            let figures = assess_positions(&what_if, one.symbol, policy.horizon).unwrap();
            let figures = figures
                .iter()
                .find(|figures| figures.position_side == one.position_side)
                .unwrap();
            for spill in [one.spill, other.spill].into_iter().flatten() {
                let found = (spill.ticket, spill.of_pool);
                assert_eq!(
                    found,
                    (figures.ticket, figures.spill_of_pool),
                    "seed {seed}"
                );
            }
            assessed += usize::from(reaches);
            spared += usize::from(other.spill.is_none());
        }
    }
    println!("{assessed} positions spill as much, {spared} are spared");
    assert!(assessed > 100 && spared > 200, "{assessed}, {spared}");
}

/// Alarms spare what surely changes nothing: positions and orders far from their levels, marks that stand
/// still, settings that nobody changed. On drawn accounts and random traffic they tell, look after look,
/// exactly what alarms tell that compute everything each time.
#[test]
fn what_is_spared_changes_no_transition() {
    let mut levels = AlarmPolicy::default();
    for rule in Rule::ALL {
        // Short enough that much ends while the account is fresh.
        let hold_ms = Some(700);
        levels.given.entry(rule).or_default().hold_ms = hold_ms;
    }
    let mut counts: BTreeMap<(Rule, bool), usize> = BTreeMap::new();
    for seed in 1..=120 {
        let mut dice = random_accounts::Dice::new(seed);
        let mut account = Account::drawn(&mut dice);
        add_orders(&mut account, &mut dice);
        let mut rig = account.rig();
        let policy = drawn::policy(account.policy);
        let mut alarms = [
            Alarms::new(levels.clone(), &policy),
            Alarms::thorough(levels.clone(), &policy),
        ];
        let mut marks: Vec<(&str, Decimal)> = Vec::new();
        marks.extend(account.contracts.iter().map(|one| (one.name, one.mark)));
        let wallet = account.wallets[0].1;
        // Some markets hardly move, some run.
        let step = dice.one_of(&[2, 20, 120]);
        for look in 0..120 {
            rig.clock.advance_ms(dice.between(80, 150));
            for (name, mark) in &mut marks {
                if dice.once_in(3) || look % 8 == 0 {
                    let by = Decimal::new(10_000 + dice.between(-step, step), 4);
                    *mark = (*mark * by).round_dp(2).max(Decimal::ONE);
                    let funding = Decimal::new(dice.between(-90, 90), 4);
                    let in_ms = dice.between(1, 40) * 60_000;
                    rig.mark_with_funding(name, *mark, funding, in_ms);
                }
            }
            let name = dice.one_of(&[marks[0].0, marks[1].0, marks[2].0, marks[3].0]);
            let changed = match dice.between(1, 24) {
                1 => {
                    let leverage = Leverage::new(dice.one_of(&[3, 5, 10, 20])).unwrap();
                    rig.settings(name, |settings| settings.leverage = leverage);
                    true
                }
                2 => {
                    let part = Decimal::new(dice.one_of(&[4, 10, 20, 50, 100, 300]), 2);
                    rig.balance("USDT", (wallet * part).round_dp(2));
                    true
                }
                3 => {
                    rig.orders_read_without(usize::try_from(dice.between(0, 3)).unwrap());
                    true
                }
                _ => false,
            };
            let now = rig.clock.now();
            let context = Context {
                policy: &policy,
                ladder: Ladder::Normal,
                ladder_reason: "",
                client: None,
                detail: Detail::Brief,
            };
            let [sparing, thorough] = alarms.each_mut().map(|alarms| {
                if changed {
                    alarms.note_change();
                }
                alarms.evaluate(rig.core.mirror(), &context, now)
            });
            assert_eq!(
                sparing,
                thorough,
                "seed {seed}, look {look}:\n{}",
                account.text()
            );
            for told in sparing {
                let (key, is_raised) = match told {
                    Transition::Raised(alarm) => (alarm.key, true),
                    Transition::Cleared { key, .. } => (key, false),
                };
                *counts.entry((key.rule, is_raised)).or_default() += 1;
            }
        }
    }
    println!("{counts:?}");
    for rule in [
        Rule::Distance,
        Rule::WalletAtRisk,
        Rule::MarginRatio,
        Rule::Spill,
        Rule::Stress,
        Rule::OrderWouldBreak,
        Rule::FundingCost,
        Rule::MarkJump,
        Rule::SettingsChanged,
    ] {
        let count = |is_raised| counts.get(&(rule, is_raised)).copied().unwrap_or_default();
        assert!(count(true) > 9 && count(false) > 4, "{rule:?}: {counts:?}");
    }
}
