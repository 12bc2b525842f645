//! Promises, on random accounts: every counter-offer carried out and sent back gets the decision it
//! promised, and one step more does not; the same for sizes and for the ways back inside a limit.
//!
//! `CROSSGUARD_SEED=1 CROSSGUARD_ACCOUNTS=5000 cargo test --release --test it promises -- --nocapture`
//! draws other accounts and more of them; what fails names its seed, and seeds that failed once are
//! kept below. `promises_socket.rs` holds the same over the real socket, on fewer accounts.

use crossguard::daemon::core::Ask;
use crossguard::guard::Detail;
use crossguard::guard::fix::{BrokenLimit, Way, WayKind};
use crossguard::guard::offer::{ASSESSMENTS_MAX, Alternative, OfferKind};
use crossguard::guard::proposal::Proposal;
use crossguard::guard::verdict::{Decision, Judgement};
use crossguard::margin::account::{AssetMode, MarginMode, PositionMode, PositionSide};
use crossguard::margin::amount::{Amount, Leverage, Quantity};
use crossguard::margin::change::{Change, MarginMove};
use crossguard::margin::order::OrderIntent;
use crossguard::margin::pool::PoolAssessment;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

use crate::drawn::Account;
use crate::random_accounts::Dice;
use crate::rig::{asset, symbol, wanted};

/// Accounts without being asked for more.
const SLICE: u64 = 120;

/// Seeds that failed once. 2, 6, 228: sizes of what only reduces and of conditional orders have no end of their own. 59: a scenario
/// of a joint pool was skipped as surely survived. 166, 268: the difference of a far and a near distance
/// needed more than 28 digits. 5518, 20268: a size that passes only in the middle. 21348: what was left out of a batch was all
/// that touched a pool. 33693: a conditional order whose margin at its trigger nobody asked about.
const FAILED_ONCE: [u64; 10] = [2, 6, 59, 166, 228, 268, 5_518, 20_268, 21_348, 33_693];

/// Most assessments of an answer that allows.
const ALLOW_MAX: u32 = 12;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Every kept seed, then a slice of new ones.
fn each_seed(what: &str, hold: impl Fn(u64, &mut BTreeMap<String, u64>) -> Result<(), String>) {
    let first = number("CROSSGUARD_SEED", 1);
    let accounts = number("CROSSGUARD_ACCOUNTS", SLICE);
    println!("{what}: {accounts} accounts from seed {first}");
    let mut counts = BTreeMap::new();
    for seed in FAILED_ONCE.into_iter().chain(first..first + accounts) {
        if let Err(broken) = hold(seed, &mut counts) {
            panic!("{what}, seed {seed}: {broken}");
        }
    }
    for (name, count) in &counts {
        println!("{name:>40} {count:>8}");
    }
}

fn ask(account: &Account, proposal: &Proposal) -> Judgement {
    *account.rig().ask(proposal.clone(), true).judgement
}

/// The account after everything but the last request was carried out.
pub(crate) fn prepared(account: &Account, offer: &Alternative) -> Account {
    let mut after = account.clone();
    if offer.kind == OfferKind::TopUp && offer.terms.symbol.is_none() {
        let asset = offer.terms.asset.as_ref().unwrap();
        after.top_up(asset.as_str(), offer.terms.amount.unwrap().get());
    }
    let (_, before) = offer.requests.split_last().unwrap();
    for request in before {
        match request {
            Proposal::Order(order) => after.reduce(order),
            Proposal::Change(change) => after.change(change),
            Proposal::Orders(_) => panic!("{offer:?}"),
        }
    }
    after
}

/// The same offer with one step more of what it makes less of, or one step less of what it asks for;
/// `None` where it has no degrees or that step is nothing at all.
pub(crate) fn one_step_more(
    account: &Account,
    asked: &Proposal,
    offer: &Alternative,
) -> Option<Alternative> {
    let mut more = offer.clone();
    let step = |name: &str| {
        let contract = account.contracts.iter().find(|c| c.name == name);
        contract.unwrap().step
    };
    match offer.kind {
        OfferKind::Isolate => return None,
        OfferKind::TopUp => {
            let amount = offer.terms.amount.unwrap();
            let less = amount.minus(unit_of(amount)).unwrap();
            more.terms.amount = Some(less);
            // Into an isolated position it goes by a request.
            if offer.terms.symbol.is_some() {
                match more.requests.first_mut() {
                    Some(Proposal::Change(Change::PositionMargin { amount, .. })) => *amount = less,
                    _ => panic!("{offer:?}"),
                }
                if less.is_zero() {
                    more.requests.remove(0);
                }
            }
        }
        OfferKind::ReduceOther => {
            let Some(Proposal::Order(order)) = more.requests.first_mut() else {
                panic!("{offer:?}")
            };
            let less = order.quantity.unwrap().get() - step(order.symbol.as_str());
            if less.is_zero() {
                more.requests.remove(0);
            } else {
                order.quantity = Some(Quantity::new(less));
            }
        }
        OfferKind::LowerLeverage | OfferKind::Smaller => {
            let last = match offer.kind {
                OfferKind::LowerLeverage => more.requests.first_mut(),
                _ => more.requests.last_mut(),
            };
            *last.unwrap() = nearer(account, asked, last_of(offer)?, &step)?;
        }
    }
    Some(more)
}

fn last_of(offer: &Alternative) -> Option<&Proposal> {
    match offer.kind {
        OfferKind::LowerLeverage => offer.requests.first(),
        _ => offer.requests.last(),
    }
}

/// What was found, one step nearer to what was asked.
fn nearer(
    account: &Account,
    asked: &Proposal,
    found: &Proposal,
    step: &dyn Fn(&str) -> Decimal,
) -> Option<Proposal> {
    Some(match found {
        Proposal::Order(order) => {
            let step = Quantity::new(step(order.symbol.as_str()));
            Proposal::Order(OrderIntent {
                quantity: Some(order.quantity.unwrap().plus(step).unwrap()),
                ..order.clone()
            })
        }
        Proposal::Orders(found) => Proposal::Orders(next_share(account, asked.orders(), found)?),
        Proposal::Change(Change::Leverage { symbol, leverage }) => {
            let goal = match asked {
                Proposal::Change(Change::Leverage { leverage, .. }) => leverage.get(),
                _ => u32::MAX,
            };
            let nearer = if goal > leverage.get() {
                leverage.get() + 1
            } else {
                leverage.get() - 1
            };
            Proposal::Change(Change::Leverage {
                symbol: symbol.clone(),
                leverage: Leverage::new(nearer)?,
            })
        }
        Proposal::Change(Change::TransferOut { asset, amount }) => {
            Proposal::Change(Change::TransferOut {
                asset: asset.clone(),
                amount: cent_more(*amount),
            })
        }
        Proposal::Change(Change::PositionMargin {
            symbol,
            position_side,
            amount,
            direction,
        }) => Proposal::Change(Change::PositionMargin {
            symbol: symbol.clone(),
            position_side: *position_side,
            amount: cent_more(*amount),
            direction: *direction,
        }),
        other => panic!("{other:?}"),
    })
}

/// The step in which a money amount was searched: it shows in its decimals, but for the rare one that
/// is a whole number of hundredths by chance.
fn unit_of(amount: Amount) -> Amount {
    let hundredths = amount.get() == amount.get().round_dp(2);
    Amount::new(Decimal::new(1, if hundredths { 2 } else { 8 }))
}

fn cent_more(amount: Amount) -> Amount {
    amount.plus(unit_of(amount)).unwrap()
}

/// The next share of a batch at which any of its orders is larger.
fn next_share(
    account: &Account,
    asked: &[OrderIntent],
    found: &[OrderIntent],
) -> Option<Vec<OrderIntent>> {
    // Elements that were left out make the share hard to tell: they are held by the decision alone.
    if asked.len() != found.len() {
        return None;
    }
    let step = |order: &OrderIntent| {
        let mut contracts = account.contracts.iter();
        contracts
            .find(|c| c.name == order.symbol.as_str())
            .unwrap()
            .step
    };
    let steps = |order: &OrderIntent| order.quantity.unwrap().get() / step(order);
    let cut = asked
        .iter()
        .zip(found)
        .filter(|(asked, found)| asked != found);
    let (finest, finest_found) = cut.max_by_key(|(asked, _)| steps(asked))?;
    let (parts, share) = (steps(finest), steps(finest_found) + Decimal::ONE);
    let larger = asked.iter().zip(found).map(|(asked, found)| {
        if asked == found {
            return asked.clone();
        }
        let quantity = (steps(asked) * share / parts).floor() * step(asked);
        OrderIntent {
            quantity: Some(Quantity::new(quantity)),
            ..asked.clone()
        }
    });
    Some(larger.collect())
}

fn hold_offers(
    account: &Account,
    asked: &Proposal,
    judgement: &Judgement,
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), String> {
    let told = |offer: &Alternative| format!("{}\n{asked:?}\n{}", offer.message, account.text());
    for offer in &judgement.alternatives {
        if offer.decision >= judgement.decision {
            return Err(format!("no milder: {}", told(offer)));
        }
        let again = ask(&prepared(account, offer), offer.requests.last().unwrap());
        if again.decision != offer.decision {
            return Err(format!(
                "promised {}, got {} ({}): {}",
                offer.decision.name(),
                again.decision.name(),
                again.why,
                told(offer)
            ));
        }
        let kind = question_name(asked);
        *counts
            .entry(format!("{kind} {}", offer.kind.name()))
            .or_default() += 1;
        let isolated = offer.kind == OfferKind::TopUp && offer.terms.symbol.is_some();
        *counts
            .entry(format!("{kind} top_up of an isolated position"))
            .or_default() += u64::from(isolated);
        hold_outcome(offer, &again).map_err(|wrong| format!("{wrong}: {}", told(offer)))?;
        if let Some(more) = one_step_more(account, asked, offer) {
            let again = ask(&prepared(account, &more), more.requests.last().unwrap());
            if again.decision <= offer.decision {
                return Err(format!(
                    "one step more is {} too: {}",
                    again.decision.name(),
                    told(offer)
                ));
            }
            *counts
                .entry(format!("{kind} {} one step more", offer.kind.name()))
                .or_default() += 1;
        }
    }
    let both = judgement.alternatives.windows(2);
    for pair in both {
        if (pair[0].decision, pair[0].kind) > (pair[1].decision, pair[1].kind) {
            return Err(format!("out of order: {}", told(&pair[1])));
        }
    }
    Ok(())
}

/// The figures that an offer shows are those of the answer it gets, unless what was left out of a batch
/// makes that answer tell of another pool.
fn hold_outcome(offer: &Alternative, again: &Judgement) -> Result<(), String> {
    let (Some(told), Some(got)) = (offer.after.as_deref(), again.after.as_ref()) else {
        return Err("no figures afterwards".to_owned());
    };
    let figures = |pool: &PoolAssessment| {
        (
            pool.margin_balance,
            pool.margin_ratio,
            pool.survival.distance(),
            pool.wallet_at_risk.as_ref().map(|risk| risk.amount),
        )
    };
    if told.asset != got.asset || figures(told) == figures(got) {
        Ok(())
    } else {
        Err(format!("told {:?}, got {:?}", figures(told), figures(got)))
    }
}

pub(crate) fn question_name(proposal: &Proposal) -> &'static str {
    match proposal {
        Proposal::Order(_) => "order",
        Proposal::Orders(_) => "batch",
        Proposal::Change(Change::Leverage { .. }) => "leverage",
        Proposal::Change(Change::MarginType { .. }) => "marginType",
        Proposal::Change(Change::PositionMargin { .. }) => "positionMargin",
        Proposal::Change(Change::PositionMode { .. }) => "positionMode",
        Proposal::Change(Change::MultiAssetsMargin { .. }) => "multiAssetsMargin",
        Proposal::Change(Change::TransferOut { .. }) => "transferOut",
    }
}

fn hold_budget(judgement: &Judgement, asked: &Proposal) -> Result<(), String> {
    let most = match judgement.decision {
        Decision::Allow => ALLOW_MAX,
        Decision::Warn | Decision::Reject => ASSESSMENTS_MAX,
    };
    if judgement.assessments > most {
        let took = judgement.assessments;
        return Err(format!(
            "{} took {took} assessments: {asked:?}",
            judgement.decision.name()
        ));
    }
    Ok(())
}

/// An order of any kind.
pub(crate) fn order(dice: &mut Dice, account: &Account) -> OrderIntent {
    let index = usize::try_from(dice.between(0, 3)).unwrap();
    let contract = &account.contracts[index];
    let worth =
        Decimal::from(dice.one_of(&[1, 3, 10, 30, 100, 300, 1_000]) * dice.between(50, 400));
    let quantity = (worth / contract.mark / contract.step).ceil() * contract.step;
    let side = dice.one_of(&["buy", "sell"]);
    let off = |dice: &mut Dice| contract.mark * Decimal::new(dice.between(985, 1_015), 3);
    let kind = match dice.between(0, 4) {
        0..=2 => String::new(),
        3 => format!(" @ {}", off(dice).round_dp(2)),
        _ => format!(" stop {}", off(dice).round_dp(2)),
    };
    let leg = match account.hedge {
        true => dice.one_of(&[" long", " short"]),
        false => "",
    };
    wanted(&format!("{} {side} {quantity}{kind}{leg}", contract.name))
}

pub(crate) fn change(dice: &mut Dice, account: &Account) -> Change {
    let index = usize::try_from(dice.between(0, 3)).unwrap();
    let contract = &account.contracts[index];
    let name = symbol(contract.name);
    let money = |dice: &mut Dice| Amount::new(Decimal::new(dice.between(1_000, 900_000), 2));
    match dice.between(0, 7) {
        0 | 1 => Change::Leverage {
            symbol: name,
            leverage: Leverage::new(dice.one_of(&[1, 2, 4, 8, 18, 30, 60, 120])).unwrap(),
        },
        2 => Change::MarginType {
            symbol: name,
            margin_mode: dice.one_of(&[MarginMode::Crossed, MarginMode::Isolated]),
        },
        3 | 4 => Change::PositionMargin {
            position_side: contract
                .legs
                .first()
                .map_or(PositionSide::Both, |leg| leg.side),
            symbol: name,
            amount: money(dice),
            direction: dice.one_of(&[MarginMove::Add, MarginMove::Remove]),
        },
        5 => Change::PositionMode {
            mode: dice.one_of(&[PositionMode::OneWay, PositionMode::Hedge]),
        },
        6 => Change::MultiAssetsMargin {
            mode: dice.one_of(&[AssetMode::Single, AssetMode::Multi]),
        },
        _ => Change::TransferOut {
            asset: asset(dice.one_of(&["USDT", "USDC"])),
            amount: money(dice),
        },
    }
}

fn hold(
    seed: u64,
    counts: &mut BTreeMap<String, u64>,
    question: impl Fn(&mut Dice, &Account) -> Proposal,
) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let account = Account::drawn(&mut dice);
    let asked = question(&mut dice, &account);
    let judgement = ask(&account, &asked);
    let kind = question_name(&asked);
    *counts
        .entry(format!("{kind} {}", judgement.decision.name()))
        .or_default() += 1;
    let unfinished = judgement
        .missing
        .iter()
        .any(|row| row.path == "alternatives");
    let without = unfinished && judgement.alternatives.is_empty();
    for (what, is) in [
        ("unfinished", unfinished),
        ("unfinished, no offer", without),
    ] {
        *counts.entry(format!("{kind} {what}")).or_default() += u64::from(is);
    }
    hold_budget(&judgement, &asked)?;
    let brief = account.rig().ask_with(Ask {
        ticket: 1,
        proposal: asked.clone(),
        client: None,
        dry_run: true,
        detail: Detail::Brief,
    });
    if brief.judgement.decision != judgement.decision {
        let brief = brief.judgement.why;
        return Err(format!(
            "briefly: {brief}\nin full: {}\n{}",
            judgement.why,
            account.text()
        ));
    }
    hold_offers(&account, &asked, &judgement, counts)
}

#[test]
fn every_counter_offer_to_an_order_keeps_its_promise_and_one_step_more_does_not() {
    each_seed("orders", |seed, counts| {
        hold(seed, counts, |dice, account| order(dice, account).into())
    });
}

#[test]
fn every_counter_offer_to_a_batch_keeps_its_promise_and_one_step_more_does_not() {
    each_seed("batches", |seed, counts| {
        hold(seed, counts, |dice, account| {
            let orders = (0..dice.between(2, 5)).map(|_| order(dice, account));
            Proposal::Orders(orders.collect())
        })
    });
}

#[test]
fn every_counter_offer_to_a_change_keeps_its_promise_and_one_step_more_does_not() {
    each_seed("changes", |seed, counts| {
        hold(seed, counts, |dice, account| {
            Proposal::Change(change(dice, account))
        })
    });
}

/// Sizes: no larger quantity gets the decision, and one step more does not.
fn hold_size(seed: u64, counts: &mut BTreeMap<String, u64>) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let account = Account::drawn(&mut dice);
    let wanted = order(&mut dice, &account);
    let mut rig = account.rig();
    let ask = Ask {
        ticket: 1,
        proposal: wanted.clone().into(),
        client: None,
        dry_run: true,
        detail: Detail::Brief,
    };
    let size = rig.core.size(&ask, rig.clock.now()).unwrap();
    if size.unfinished {
        return Err("not searched to the end".to_owned());
    }
    let mut decides = |quantity: Decimal| {
        let order = OrderIntent {
            quantity: Some(Quantity::new(quantity)),
            ..wanted.clone()
        };
        rig.ask(order, true).judgement
    };
    let mut contracts = account.contracts.iter();
    let contract = contracts
        .find(|c| c.name == wanted.symbol.as_str())
        .unwrap();
    let smallest = (Decimal::from(5) / contract.mark / contract.step).ceil() * contract.step;
    for (name, found, most) in [
        ("allowed", size.allowed, Decision::Allow),
        ("warned", size.warned, Decision::Warn),
    ] {
        let told = |what: &str| format!("{name} {found:?} {what} {wanted:?}\n{}", account.text());
        let next = match found {
            Some(quantity) => {
                *counts.entry(name.to_owned()).or_default() += 1;
                let judgement = decides(quantity.get());
                if judgement.decision > most {
                    return Err(told(&judgement.why));
                }
                quantity.get() + contract.step
            }
            None => {
                *counts.entry(format!("none {name}")).or_default() += 1;
                smallest
            }
        };
        if wanted.only_reduces() || account.hedge && closes(&wanted) {
            // Beyond what is held it reduces no more and no less.
            continue;
        }
        let unbounded = account.policy >= 3 || contract.isolated;
        if unbounded && wanted.kind.is_conditional() && most == Decision::Warn {
            // What the exchange asks of it when it fires only warns, and neither these policies nor
            // the pool's own limits of what is isolated refuse anything.
            continue;
        }
        for beyond in [next, next * Decimal::TWO, next * Decimal::from(50)] {
            let beyond = (beyond / contract.step).ceil() * contract.step;
            if decides(beyond).decision <= most {
                return Err(told(&format!("{beyond} passes too")));
            }
        }
    }
    Ok(())
}

pub(crate) fn closes(order: &OrderIntent) -> bool {
    use crossguard::margin::account::Side;
    matches!(
        (order.side, order.position_side),
        (Side::Sell, PositionSide::Long) | (Side::Buy, PositionSide::Short)
    )
}

#[test]
fn every_size_is_the_largest_that_gets_its_decision() {
    each_seed("sizes", hold_size);
}

/// The account in which a way back was carried out.
pub(crate) fn mended(account: &Account, way: &Way) -> Account {
    let mut after = account.clone();
    match &way.request {
        None => {
            let asset = way.terms.asset.as_ref().unwrap();
            after.top_up(asset.as_str(), way.terms.amount.unwrap().get());
        }
        Some(Proposal::Order(order)) => after.reduce(order),
        Some(Proposal::Change(change)) => after.change(change),
        Some(other) => panic!("{other:?}"),
    }
    after
}

fn is_broken(account: &Account, limit: &BrokenLimit) -> bool {
    let rig = account.rig();
    let fix = rig.core.fix(rig.clock.now()).unwrap();
    assert!(fix.missing.is_empty(), "{:?}", fix.missing);
    let same = |other: &&BrokenLimit| {
        let (one, other) = (&limit.finding, &other.finding);
        one.code == other.code && one.level == other.level && one.symbol == other.symbol
    };
    fix.broken
        .iter()
        .filter(|other| other.asset == limit.asset)
        .any(|other| same(&other))
}

fn hold_fix(seed: u64, counts: &mut BTreeMap<String, u64>) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let account = Account::drawn(&mut dice);
    let rig = account.rig();
    let fix = rig.core.fix(rig.clock.now()).unwrap();
    if !fix.missing.is_empty() {
        return Err(format!("{:?}", fix.missing));
    }
    for limit in &fix.broken {
        let mode = match (account.multi, account.hedge) {
            (true, _) => "multi",
            (false, true) => "hedge",
            (false, false) => "one-way",
        };
        if limit.ways.is_empty() {
            *counts.entry(format!("{mode} no way")).or_default() += 1;
        }
        for way in &limit.ways {
            let told = || format!("{:?} {}\n{}", limit.finding, way.message, account.text());
            if is_broken(&mended(&account, way), limit) {
                return Err(format!("does not lead back: {}", told()));
            }
            if let Some(request) = &way.request
                && ask(&account, request).decision == Decision::Reject
            {
                return Err(format!("refused: {}", told()));
            }
            *counts
                .entry(format!("{mode} {}", way.kind.name()))
                .or_default() += 1;
            if let Some(less) = one_step_less(&account, way)
                && !is_broken(&mended(&account, &less), limit)
            {
                return Err(format!("less leads back too: {}", told()));
            }
        }
    }
    Ok(())
}

/// The same way with the next smaller step; `None` where that is nothing.
pub(crate) fn one_step_less(account: &Account, way: &Way) -> Option<Way> {
    let mut less = way.clone();
    match (way.kind, less.request.as_mut()) {
        (WayKind::Reduce, Some(Proposal::Order(order))) => {
            let mut contracts = account.contracts.iter();
            let contract = contracts.find(|c| c.name == order.symbol.as_str())?;
            let quantity = order.quantity?.get() - contract.step;
            order.quantity = Some(Quantity::new(quantity)).filter(|q| q.is_positive());
            order.quantity?;
        }
        (WayKind::LowerLeverage, Some(Proposal::Change(Change::Leverage { leverage, .. }))) => {
            *leverage = Leverage::new(leverage.get() + 1)?;
        }
        (WayKind::AddMargin, Some(Proposal::Change(Change::PositionMargin { amount, .. }))) => {
            let by = Amount::new(Decimal::new(1, 2));
            *amount = amount
                .minus(by)
                .ok()
                .filter(|amount| amount.is_positive())?;
        }
        (WayKind::TopUp, None) => {
            let amount = way.terms.amount?;
            less.terms.amount = amount.minus(unit_of(amount)).ok();
        }
        other => panic!("{other:?}"),
    }
    Some(less)
}

#[test]
fn every_way_back_leads_back_and_one_step_less_does_not() {
    each_seed("fix", hold_fix);
}
