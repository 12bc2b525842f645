//! The promises over the real socket: every counter-offer, size and way back is read from the answer's
//! bytes, carried out in an account of plain data, and sent back to a daemon that was told that account.
//! Each gets what it promised, and one step more (or one step less of what it asks for) does not.
//!
//! `tests/it/promises.rs` holds the same on far more accounts within the process.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crossguard::api::{read_change, read_order};
use crossguard::guard::fix::{Way, WayKind};
use crossguard::guard::offer::{Alternative, OfferKind};
use crossguard::guard::proposal::Proposal;
use crossguard::guard::terms::Terms;
use crossguard::guard::verdict::Decision;
use crossguard::margin::account::{AssetMode, MarginMode, PositionMode, PositionSide, Side};
use crossguard::margin::amount::{Amount, Leverage, Quantity};
use crossguard::margin::change::{Change, MarginMove};
use crossguard::margin::order::{OrderIntent, OrderKind};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::api_rig::Daemon;
use crate::drawn::{Account, Leg};
use crate::promises::{
    change, closes, mended, one_step_less, one_step_more, order, prepared, question_name,
};
use crate::random_accounts::Dice;
use crate::rig::{asset, symbol, wanted};

/// Accounts that are drawn for each kind of question.
const ACCOUNTS: u64 = 40;

/// An account under the shipped policy, which is what the daemon of these tests judges by.
fn drawn(dice: &mut Dice) -> Account {
    Account {
        policy: 0,
        ..Account::drawn(dice)
    }
}

fn decision(answer: &Value) -> Decision {
    let name = answer["decision"].as_str().unwrap();
    let mut all = Decision::ALL.into_iter();
    all.find(|decision| decision.name() == name).unwrap()
}

/// Asks a daemon that was told this account.
fn ask(account: &Account, mut body: Value) -> Value {
    let daemon = Daemon::with(&account.text());
    body["dryRun"] = true.into();
    daemon.post("/v1/check", &body.to_string()).json()
}

type Parameters = Vec<(Cow<'static, str>, Cow<'static, str>)>;

fn parameters(values: &Map<String, Value>) -> Parameters {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let pair = |(name, value): (&String, &Value)| (name.clone().into(), text(value).into());
    values.iter().map(pair).collect()
}

/// What a request asks for, read from its bytes.
fn proposal(request: &Value) -> Proposal {
    let one = |order: &Value| read_order(&parameters(order.as_object().unwrap())).unwrap();
    if let Some(order) = request.get("order") {
        return Proposal::Order(one(order));
    }
    if let Some(orders) = request.get("orders") {
        return Proposal::Orders(orders.as_array().unwrap().iter().map(one).collect());
    }
    let mut values = request["change"].as_object().unwrap().clone();
    let kind = values.remove("kind").unwrap();
    Proposal::Change(read_change(kind.as_str().unwrap(), &parameters(&values)).unwrap())
}

fn order_body(order: &OrderIntent) -> Value {
    let side = match order.side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    };
    let position_side = side_name(order.position_side);
    let mut body = json!({
        "symbol": order.symbol.as_str(), "side": side, "positionSide": position_side,
        "quantity": order.quantity.unwrap().to_string(),
    });
    match order.kind {
        OrderKind::Market => body["type"] = "MARKET".into(),
        OrderKind::Limit { price } => {
            body["type"] = "LIMIT".into();
            body["timeInForce"] = "GTC".into();
            body["price"] = price.to_string().into();
        }
        OrderKind::StopMarket { trigger } => {
            body["type"] = "STOP_MARKET".into();
            body["stopPrice"] = trigger.to_string().into();
        }
        other => panic!("{other:?}"),
    }
    if order.reduce_only {
        body["reduceOnly"] = true.into();
    }
    body
}

fn side_name(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

fn change_body(change: &Change) -> Value {
    match change {
        Change::Leverage { symbol, leverage } => {
            json!({"kind": "leverage", "symbol": symbol.as_str(), "leverage": leverage.get()})
        }
        Change::MarginType {
            symbol,
            margin_mode,
        } => {
            let name = match margin_mode {
                MarginMode::Crossed => "CROSSED",
                MarginMode::Isolated => "ISOLATED",
            };
            json!({"kind": "marginType", "symbol": symbol.as_str(), "marginType": name})
        }
        Change::PositionMargin {
            symbol,
            position_side,
            amount,
            direction,
        } => {
            let adds = *direction == MarginMove::Add;
            json!({
                "kind": "positionMargin", "symbol": symbol.as_str(), "amount": amount.to_string(),
                "positionSide": side_name(*position_side), "type": if adds { 1 } else { 2 },
            })
        }
        Change::PositionMode { mode } => {
            json!({"kind": "positionMode", "dualSidePosition": *mode == PositionMode::Hedge})
        }
        Change::MultiAssetsMargin { mode } => {
            json!({"kind": "multiAssetsMargin", "multiAssetsMargin": *mode == AssetMode::Multi})
        }
        Change::TransferOut { asset, amount } => {
            json!({"kind": "transferOut", "asset": asset.as_str(), "amount": amount.to_string()})
        }
    }
}

fn body(proposal: &Proposal) -> Value {
    match proposal {
        Proposal::Order(order) => json!({"order": order_body(order)}),
        Proposal::Orders(orders) => {
            json!({"orders": orders.iter().map(order_body).collect::<Vec<_>>()})
        }
        Proposal::Change(change) => json!({"change": change_body(change)}),
    }
}

fn terms(params: &Value) -> Terms {
    let text = |name: &str| params[name].as_str();
    let leverage = params["leverage"].as_u64();
    Terms {
        symbol: text("symbol").map(symbol),
        quantity: text("quantity").map(|text| Quantity::parse(text).unwrap()),
        amount: text("amount").map(|text| Amount::parse(text).unwrap()),
        asset: text("asset").map(asset),
        leverage: leverage.map(|leverage| Leverage::new(leverage.try_into().unwrap()).unwrap()),
        share: None,
    }
}

/// A counter-offer as its bytes tell it.
fn offer(told: &Value) -> Alternative {
    let kind = told["kind"].as_str().unwrap();
    let mut kinds = OfferKind::ALL.into_iter();
    let then = told["then"].as_array().unwrap();
    let requests = std::iter::once(&told["request"]).chain(then);
    Alternative {
        kind: kinds.find(|known| known.name() == kind).unwrap(),
        decision: decision(told),
        after: None,
        terms: terms(&told["params"]),
        requests: requests.map(proposal).collect(),
        message: told["message"].as_str().unwrap().to_owned(),
    }
}

/// Asks, and holds every counter-offer of the answer; what was held is noted.
fn hold_offers(account: &Account, asked: &Proposal, held: &mut BTreeSet<String>) {
    let answer = ask(account, body(asked));
    let kind = question_name(asked);
    for told in answer["alternatives"].as_array().unwrap() {
        let offer = offer(told);
        let words = || format!("{}\n{asked:?}\n{}", offer.message, account.text());
        // What is sent last is sent as it was told, byte for byte.
        let then = told["then"].as_array().unwrap();
        let last = then.last().unwrap_or(&told["request"]);
        let again = ask(&prepared(account, &offer), last.clone());
        assert_eq!(again["decision"], told["decision"], "{}", words());
        // What was left out of a batch may have been all that touched the first pool.
        let after = &again["account"]["after"];
        if after["asset"] == told["after"]["asset"] {
            assert_eq!(
                after["marginBalance"],
                told["after"]["marginBalance"],
                "{}",
                words()
            );
        }
        held.insert(format!("{kind} {}", offer.kind.name()));
        let Some(more) = one_step_more(account, asked, &offer) else {
            continue;
        };
        let last = body(more.requests.last().unwrap());
        let again = ask(&prepared(account, &more), last);
        assert!(
            decision(&again) > offer.decision,
            "one step more is {} too: {}",
            again["decision"],
            words()
        );
        let isolated = match (offer.kind, &offer.terms.symbol) {
            (OfferKind::TopUp, Some(_)) => " of an isolated position",
            _ => "",
        };
        held.insert(format!(
            "{kind} {}{isolated} one step more",
            offer.kind.name()
        ));
    }
}

/// 10,000 USDT, one-way, single-asset, with nothing in it but what the caller puts there.
fn empty() -> Account {
    let mut account = drawn(&mut Dice::new(1));
    account.hedge = false;
    account.multi = false;
    account.wallets = vec![("USDT", Decimal::from(10_000)), ("USDC", Decimal::ZERO)];
    for contract in &mut account.contracts {
        contract.isolated = false;
        contract.legs.clear();
        contract.orders.clear();
    }
    account
}

fn leg(quantity: i64, entry: i64, wallet: i64) -> Leg {
    Leg {
        side: PositionSide::Both,
        quantity: Decimal::from(quantity),
        entry: Decimal::from(entry),
        wallet: Decimal::from(wallet),
    }
}

/// Where isolation contains the damage: 63,000 of BTC on 10,000. At 7x it stands on 9,000 of its own.
fn hold_isolation(held: &mut BTreeSet<String>) {
    let mut account = empty();
    account.contracts[0].leverage = 7;
    let asked = wanted("BTCUSDT buy 1.05").into();
    hold_offers(&account, &asked, held);
}

/// Margin of an isolated position: 2 ETH at 3,000 stand on 3,000 (3x sets 2,000 of them
/// aside), and 1,500 are to be taken away.
fn hold_removal(held: &mut BTreeSet<String>) {
    let mut account = empty();
    let contract = &mut account.contracts[1];
    (contract.isolated, contract.leverage) = (true, 3);
    contract.legs.push(leg(2, 3_000, 3_000));
    let asked = Proposal::Change(Change::PositionMargin {
        symbol: symbol("ETHUSDT"),
        position_side: PositionSide::Both,
        amount: Amount::parse("1500").unwrap(),
        direction: MarginMove::Remove,
    });
    hold_offers(&account, &asked, held);
}

fn assert_held(held: &BTreeSet<String>, expected: &[&str]) {
    for name in expected {
        assert!(held.contains(*name), "{name} never came up: {held:?}");
    }
}

#[test]
fn every_counter_offer_to_an_order_keeps_its_promise_over_the_socket() {
    let mut held = BTreeSet::new();
    for seed in 1..=2 * ACCOUNTS {
        let mut dice = Dice::new(seed);
        let account = drawn(&mut dice);
        let asked = order(&mut dice, &account).into();
        hold_offers(&account, &asked, &mut held);
    }
    hold_isolation(&mut held);
    assert_held(
        &held,
        &[
            "order smaller one step more",
            "order isolate",
            "order top_up one step more",
            "order top_up of an isolated position one step more",
            "order reduce_other one step more",
            "order lower_leverage one step more",
        ],
    );
}

#[test]
fn every_counter_offer_to_a_batch_keeps_its_promise_over_the_socket() {
    let mut held = BTreeSet::new();
    for seed in 1..=ACCOUNTS {
        let mut dice = Dice::new(seed);
        let account = drawn(&mut dice);
        let orders = (0..dice.between(2, 5)).map(|_| order(&mut dice, &account));
        let asked = Proposal::Orders(orders.collect());
        hold_offers(&account, &asked, &mut held);
    }
    assert_held(
        &held,
        &["batch smaller one step more", "batch top_up one step more"],
    );
}

#[test]
fn every_counter_offer_to_a_change_keeps_its_promise_over_the_socket() {
    let mut held = BTreeSet::new();
    for seed in 1..=3 * ACCOUNTS {
        let mut dice = Dice::new(seed);
        let account = drawn(&mut dice);
        let asked = Proposal::Change(change(&mut dice, &account));
        hold_offers(&account, &asked, &mut held);
    }
    hold_removal(&mut held);
    assert_held(
        &held,
        &[
            "leverage lower_leverage one step more",
            "positionMargin smaller one step more",
            "transferOut smaller one step more",
        ],
    );
}

#[test]
fn every_size_over_the_socket_is_the_largest_that_gets_its_decision() {
    let mut held = BTreeMap::new();
    for seed in 1..=ACCOUNTS {
        let mut dice = Dice::new(seed);
        let account = drawn(&mut dice);
        let wanted = order(&mut dice, &account);
        let daemon = Daemon::with(&account.text());
        let with = |quantity: Decimal| {
            let order = OrderIntent {
                quantity: Some(Quantity::new(quantity)),
                ..wanted.clone()
            };
            json!({"order": order_body(&order), "dryRun": true}).to_string()
        };
        let mut unsized_body: Value = serde_json::from_str(&with(Decimal::ONE)).unwrap();
        let order = unsized_body["order"].as_object_mut().unwrap();
        order.remove("quantity");
        let size = daemon.post("/v1/size", &unsized_body.to_string()).json();
        let mut contracts = account.contracts.iter();
        let contract = contracts
            .find(|contract| contract.name == wanted.symbol.as_str())
            .unwrap();
        for (name, most) in [("allowed", Decision::Allow), ("warned", Decision::Warn)] {
            let Some(found) = size[name].as_str() else {
                continue;
            };
            let found: Decimal = found.parse().unwrap();
            let exactly = daemon.post("/v1/check", &with(found)).json();
            assert!(decision(&exactly) <= most, "{name} {found}: {exactly:#}");
            if account.hedge && closes(&wanted) {
                // Beyond what is held it reduces no more.
                continue;
            }
            if contract.isolated && wanted.kind.is_conditional() && most == Decision::Warn {
                // Nothing refuses it: what the exchange asks when it fires only warns.
                continue;
            }
            let more = daemon
                .post("/v1/check", &with(found + contract.step))
                .json();
            assert!(
                decision(&more) > most,
                "{name} {found} and one step: {more:#}\n{}",
                account.text()
            );
            *held.entry(name).or_insert(0) += 1;
        }
    }
    assert!(
        held.len() == 2 && held.values().all(|count| *count > 3),
        "{held:?}"
    );
}

/// A way back as its bytes tell it.
fn way(told: &Value) -> Way {
    let kind = told["kind"].as_str().unwrap();
    let kinds = [
        WayKind::TopUp,
        WayKind::Reduce,
        WayKind::AddMargin,
        WayKind::LowerLeverage,
    ];
    let mut kinds = kinds.into_iter();
    let request = &told["request"];
    Way {
        kind: kinds.find(|known| known.name() == kind).unwrap(),
        terms: terms(&told["params"]),
        request: (!request.is_null()).then(|| proposal(request)),
        message: told["message"].as_str().unwrap().to_owned(),
    }
}

/// The account breaks the same limit.
fn is_broken(account: &Account, limit: &Value) -> bool {
    let fix = Daemon::with(&account.text()).get("/v1/fix").json();
    let broken = fix["broken"].as_array().unwrap();
    broken.iter().any(|other| {
        let same = |name: &str| other["finding"][name] == limit["finding"][name];
        other["asset"] == limit["asset"] && same("code") && same("level") && same("symbol")
    })
}

#[test]
fn every_way_back_over_the_socket_leads_back_and_one_step_less_does_not() {
    let mut held = BTreeSet::new();
    for seed in 1..=ACCOUNTS {
        let account = drawn(&mut Dice::new(seed));
        let fix = Daemon::with(&account.text()).get("/v1/fix").json();
        assert_eq!(fix["missing"], json!([]));
        for limit in fix["broken"].as_array().unwrap() {
            for told in limit["ways"].as_array().unwrap() {
                let way = way(told);
                let words = || format!("{limit:#}\n{}\n{}", way.message, account.text());
                assert!(!is_broken(&mended(&account, &way), limit), "{}", words());
                if !told["request"].is_null() {
                    let answer = ask(&account, told["request"].clone());
                    assert_ne!(answer["decision"], "reject", "{}", words());
                }
                if let Some(less) = one_step_less(&account, &way) {
                    let less = mended(&account, &less);
                    assert!(is_broken(&less, limit), "less does too: {}", words());
                    held.insert(format!("{} one step less", way.kind.name()));
                }
            }
        }
    }
    assert_held(
        &held,
        &[
            "top_up one step less",
            "reduce one step less",
            "add_margin one step less",
            "lower_leverage one step less",
        ],
    );
}
