//! Every printed formula, computed anew from its printed inputs by an arithmetic of this file's own,
//! gives the printed value.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use crossguard::margin::amount::Rate;
use crossguard::margin::explain::{Explained, explain};
use rust_decimal::Decimal;

use serde_json::Value;

use crate::api_rig::Daemon;
use crate::random_accounts::{Dice, Shape, account};
use crate::rig::Rig;

/// Names, numbers and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Name(String),
    Number(Decimal),
    Sign(char),
}

fn words(formula: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = formula.chars().peekable();
    while let Some(first) = rest.next() {
        if first.is_whitespace() {
            continue;
        }
        if !first.is_alphanumeric() {
            words.push(Word::Sign(first));
            continue;
        }
        let mut word = String::from(first);
        while let Some(next) =
            rest.next_if(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '[' | ']'))
        {
            word.push(next);
        }
        words.push(match word.parse() {
            Ok(number) => Word::Number(number),
            Err(_) => Word::Name(word),
        });
    }
    words
}

struct Reader<'a> {
    words: Peekable<IntoIter<Word>>,
    inputs: &'a BTreeMap<&'a str, Decimal>,
}

impl Reader<'_> {
    fn sign(&mut self, sign: char) -> bool {
        self.words.next_if_eq(&Word::Sign(sign)).is_some()
    }

    fn sum(&mut self) -> Decimal {
        let mut value = self.product();
        loop {
            if self.sign('+') {
                value += self.product();
            } else if self.sign('-') {
                value -= self.product();
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> Decimal {
        let mut value = self.factor();
        loop {
            if self.sign('*') {
                value *= self.factor();
            } else if self.sign('/') {
                // By nothing, as after a cut input was moved: no figure is that.
                value = value.checked_div(self.factor()).unwrap_or(Decimal::ZERO);
            } else {
                return value;
            }
        }
    }

    fn factor(&mut self) -> Decimal {
        match self.words.next().expect("a factor") {
            Word::Number(number) => number,
            Word::Sign('(') => {
                let value = self.sum();
                assert!(self.sign(')'));
                value
            }
            Word::Sign('-') => -self.factor(),
            Word::Name(name) if self.sign('(') => {
                let mut values = vec![self.sum()];
                while self.sign(',') {
                    values.push(self.sum());
                }
                assert!(self.sign(')'));
                let values = values.into_iter();
                match name.as_str() {
                    "abs" => values.last().unwrap().abs(),
                    "min" => values.min().unwrap(),
                    "max" => values.max().unwrap(),
                    other => panic!("{other} is no function of a formula"),
                }
            }
            Word::Name(name) => *self
                .inputs
                .get(name.as_str())
                .unwrap_or_else(|| panic!("{name} is not among the inputs")),
            other => panic!("{other:?}"),
        }
    }
}

fn computed(figure: &Explained) -> Decimal {
    let inputs = figure.inputs.iter();
    let inputs = inputs
        .map(|input| (input.name.as_str(), input.value))
        .collect();
    by_formula(&figure.formula, &inputs)
}

fn by_formula(formula: &str, inputs: &BTreeMap<&str, Decimal>) -> Decimal {
    let mut reader = Reader {
        words: words(formula).into_iter().peekable(),
        inputs,
    };
    let value = reader.sum();
    assert_eq!(reader.words.next(), None, "{formula}");
    value
}

const CONTRACTS: &str = "
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
wallet USDC 20000
";

const HELD: &str = "
pos BTCUSDT crossed 20x +0.8 @ 61000
pos ETHUSDT crossed 7x -3 @ 2900
pos BTCUSDC crossed 3x -0.5 @ 58000
order BTCUSDT buy 0.1 @ 59000
order ETHUSDT sell 1 @ 3100
mark BTCUSDT 60123.4
mark SOLUSDT 151.5
";

const HEDGED: &str = "
pos BTCUSDT crossed 20x +1.8 @ 61000 long
pos BTCUSDT crossed 20x -1.8 @ 60500 short
pos SOLUSDT crossed 10x -100 @ 149 short
order BTCUSDT buy 0.1 @ 59000 long
order SOLUSDT sell 5 @ 155 short
mark BTCUSDT 60123.4
";

const RATES: &str = "
index USDT 1 bid 0.0001 ask 0.0001
index USDC 0.9998 bid 0.0002 ask 0.0001
index BTC 60000 bid 0.05 ask 0.05
wallet BTC 0.05
assets multi
";

/// Explains the account of this text and computes every formula anew; gives back the figures' names.
fn checked(text: &str) -> Vec<String> {
    let (rig, _) = Rig::from_text(text);
    let sheet = explain(rig.core.mirror().book(), Rate::parse("0.10").unwrap());
    assert_eq!(sheet.unknown, []);
    for figure in &sheet.figures {
        let ours = computed(figure);
        let scale = figure.value.abs().max(Decimal::ONE);
        let apart = (ours - figure.value).abs();
        assert!(
            apart <= Decimal::new(1, 8) * scale,
            "{} {}: {} by {}, computed {ours}, from {:#?}",
            figure.of,
            figure.figure,
            figure.value,
            figure.formula,
            figure.inputs
        );
    }
    let names = sheet.figures.iter();
    names
        .map(|figure| format!("{} {}", figure.of, figure.figure))
        .collect()
}

/// What of an answer is read from the exchange or set by the user, and explains the rest.
const GIVEN: [&str; 9] = [
    "positionAmt",
    "entryPrice",
    "markPrice",
    "isolatedWallet",
    "walletBalance",
    "walletAtRisk.move",
    "bidRate",
    "askRate",
    "autoExchangeBelow",
];

/// Every figure of a row, nested ones with their path.
fn figures_of(prefix: &str, row: &Value, into: &mut Vec<(String, Decimal)>) {
    for (name, value) in row.as_object().unwrap() {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(_) => figures_of(&format!("{path}."), value, into),
            Value::String(text) => into.extend(text.parse().map(|value| (path, value))),
            _ => {}
        }
    }
}

/// Each figure of the account and of its positions, as the socket tells it, stands on the sheet with
/// the same value, or is given; gives back how many there are.
fn every_figure_is_on_the_sheet(text: &str) -> usize {
    let daemon = Daemon::with(text);
    let sheet = daemon.get("/v1/account/explain").json();
    let sheet: BTreeMap<(&str, &str), Decimal> = sheet["figures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let name = |key: &str| row[key].as_str().unwrap();
            ((name("of"), name("figure")), decimal(&row["value"]))
        })
        .collect();
    let account = daemon.get("/v1/account").json();
    let joint = account["assetMode"] == "multi";
    let positions = daemon.get("/v1/positions").json();
    let rows = |answer: &Value, key: &str| answer[key].as_array().unwrap().clone();
    let mut told = Vec::new();
    for (list, kind) in [
        ("pools", "pool"),
        ("wallets", "wallet"),
        ("collateral", "collateral"),
    ] {
        for row in rows(&account, list) {
            told.push((format!("{kind} {}", row["asset"].as_str().unwrap()), row));
        }
    }
    for row in rows(&positions, "positions") {
        let side = row["positionSide"].as_str().unwrap();
        let symbol = row["symbol"].as_str().unwrap();
        let of = if side == "BOTH" {
            symbol.to_owned()
        } else {
            format!("{symbol} {side}")
        };
        told.push((of, row));
    }
    let mut count = 0;
    for (of, row) in &told {
        let mut figures = Vec::new();
        figures_of("", row, &mut figures);
        for (name, value) in figures {
            let figure = name.strip_suffix(".amount").unwrap_or(&name);
            // A wallet of an asset is given; what several come to in USD is not.
            let given =
                GIVEN.contains(&figure) || (figure == "crossWalletBalance" && of != "pool USD");
            // What orders can use is the pool's figure, or the collateral's.
            let of = match (figure, of.strip_prefix("wallet ")) {
                ("availableBalance", Some(asset)) if joint => format!("collateral {asset}"),
                ("availableBalance", Some(asset)) => format!("pool {asset}"),
                _ => of.clone(),
            };
            count += 1;
            match sheet.get(&(of.as_str(), figure)) {
                Some(ours) => assert!(
                    (ours - value).abs() < Decimal::new(1, 8),
                    "{of} {name}: {value}, {ours}"
                ),
                None => assert!(given, "{of} {name} is not explained: {sheet:#?}"),
            }
        }
    }
    count
}

#[test]
fn every_figure_of_the_account_is_explained() {
    let isolated =
        "margin SOLUSDT isolated\npos SOLUSDT isolated 10x +40 @ 150\norder SOLUSDT buy 3 @ 140\n";
    let drawing = "margin SOLUSDT isolated\npos SOLUSDT isolated 10x +40 @ 150 wallet 900\nauto-add SOLUSDT on\n";
    let alone = "pos ETHUSDT crossed 5x +1 @ 2900\npos BTCUSDC crossed 5x -0.1 @ 60000\n";
    let accounts = [
        format!("{CONTRACTS}{isolated}{HELD}"),
        format!("{CONTRACTS}{drawing}{HELD}"),
        format!("mode hedge\n{CONTRACTS}{HEDGED}"),
        format!("{CONTRACTS}{HELD}{RATES}"),
        format!("mode hedge\n{CONTRACTS}{HEDGED}{RATES}"),
        // A "0" of the exchange.
        format!("{CONTRACTS}{alone}"),
        // Nothing is held at all.
        CONTRACTS.to_owned(),
    ];
    for account in accounts {
        assert!(every_figure_is_on_the_sheet(&account) > 20);
    }
}

#[test]
fn every_formula_of_random_accounts_gives_its_figure() {
    for seed in 1..=40 {
        for is_multi in [false, true] {
            let shape = Shape {
                contracts_max: 12,
                assets: &["USDT", "USDC", "BTC"],
                is_multi,
            };
            checked(&account(seed, shape));
        }
    }
}

fn all_in(names: &[String], wanted: &[&str]) {
    for name in wanted {
        assert!(
            names.iter().any(|known| known == name),
            "{name}: {names:#?}"
        );
    }
}

#[test]
fn every_formula_of_a_one_way_account_gives_its_figure() {
    let isolated = "margin SOLUSDT isolated\npos SOLUSDT isolated 10x +40 @ 150\n";
    let names = checked(&format!("{CONTRACTS}{isolated}{HELD}"));
    all_in(
        &names,
        &[
            "BTCUSDT maintMargin",
            "BTCUSDT liquidationBelow",
            "BTCUSDT openOrderInitialMargin",
            "BTCUSDT spill",
            "SOLUSDT liquidationBelow",
            "BTCUSDC liquidationAbove",
            "pool USDT marginBalance",
            "pool USDT firstKiller.move",
            "pool USDT distance",
            "pool USDT walletAtRisk",
            "pool USDC availableBalance",
        ],
    );
}

#[test]
fn every_formula_of_a_hedged_account_gives_its_figure() {
    let names = checked(&format!("mode hedge\n{CONTRACTS}{HEDGED}"));
    all_in(
        &names,
        &[
            "BTCUSDT LONG maintMargin",
            "BTCUSDT SHORT spill",
            "BTCUSDT LONG liquidationAbove",
            "SOLUSDT openOrderInitialMargin",
        ],
    );
}

#[test]
fn every_formula_of_a_multi_assets_account_gives_its_figure() {
    let names = checked(&format!("{CONTRACTS}{HELD}{RATES}"));
    all_in(
        &names,
        &[
            "collateral BTC equityUsd",
            "collateral USDT availableBalance",
            "pool USD marginBalance",
            "pool USD maintMargin",
            "BTCUSDT liquidationBelow",
            "pool USD walletAtRisk",
            "pool USD distance",
        ],
    );
    // Longs only, on less: a common fall ends it, through a tier and where USDT is owed.
    let longs = HELD.replace("-3 @", "+3 @").replace("-0.5 @", "+0.5 @");
    let poor = "wallet USDT 9000\nwallet USDC 5000\n";
    let names = checked(&format!("{CONTRACTS}{longs}{RATES}{poor}"));
    all_in(&names, &["pool USD commonMove", "pool USD distance"]);
    // Shorts only: a common rise does.
    let shorts = HELD.replace("+0.8 @", "-0.8 @");
    let names = checked(&format!("{CONTRACTS}{shorts}{RATES}"));
    all_in(&names, &["pool USD commonMove"]);
    checked(&format!("mode hedge\n{CONTRACTS}{HEDGED}{RATES}"));
}

#[test]
fn every_formula_of_an_isolated_position_that_draws_on_the_pool_gives_its_figure() {
    let drawing = "margin SOLUSDT isolated\npos SOLUSDT isolated 10x +40 @ 150 wallet 900\n\
                   auto-add SOLUSDT on\n";
    let names = checked(&format!("{CONTRACTS}{drawing}{HELD}"));
    all_in(
        &names,
        &[
            "BTCUSDT liquidationBelow",
            "pool USDT marginBalance",
            "pool USDT availableBalance",
            "pool USDT commonMove",
        ],
    );
}

#[test]
fn what_is_not_known_is_named_and_the_rest_is_explained() {
    let (rig, _) = Rig::from_text(&format!("{CONTRACTS}{HELD}brackets ETHUSDT none\n"));
    let sheet = explain(rig.core.mirror().book(), Rate::parse("0.10").unwrap());
    let unknown: Vec<&str> = sheet.unknown.iter().map(|(of, _)| of.as_str()).collect();
    assert_eq!(unknown, ["BTCUSDT", "ETHUSDT", "USDT"]);
    assert!(sheet.figures.iter().any(|figure| figure.of == "pool USDC"));
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// What cutting the inputs at their last digit, and the figure itself at the eighth decimal, can come
/// to.
fn by_cutting(formula: &str, inputs: &BTreeMap<&str, Decimal>, value: Decimal) -> Decimal {
    let mut most = Decimal::new(1, 8) + value.abs() * Decimal::new(1, 12);
    for (name, input) in inputs {
        let away = Decimal::new(1, input.scale().max(8))
            * if input.is_sign_negative() {
                -Decimal::ONE
            } else {
                Decimal::ONE
            };
        let mut moved = inputs.clone();
        moved.insert(name, input + away);
        most += (by_formula(formula, &moved) - value).abs();
    }
    most
}

/// Asks, has the decision explained, and computes every formula anew from what is printed, cut at
/// eight decimals as it is; gives back the explanation.
fn explained(daemon: &Daemon, body: &str) -> Value {
    let answer = daemon.post("/v1/check", body);
    let id = answer.json()["decisionId"].as_str().unwrap().to_owned();
    let told = daemon.get(&format!("/v1/decisions/{id}/explain"));
    let recorded = answer.text().strip_suffix('}').unwrap();
    assert!(told.text().starts_with(recorded), "{}", told.text());
    let again = daemon.get(&format!("/v1/decisions/{id}"));
    assert_eq!(again.text(), answer.text(), "byte for byte");
    let told = told.json();
    for figure in told["arithmetic"].as_array().unwrap() {
        let inputs = figure["inputs"].as_array().unwrap().iter();
        let inputs: BTreeMap<&str, Decimal> = inputs
            .map(|input| (input["name"].as_str().unwrap(), decimal(&input["value"])))
            .collect();
        let value = decimal(&figure["value"]);
        let ours = by_formula(figure["formula"].as_str().unwrap(), &inputs);
        let apart = (ours - value).abs();
        let most = by_cutting(figure["formula"].as_str().unwrap(), &inputs, ours);
        assert!(apart <= most, "{ours}, {most}: {figure:#}");
    }
    told
}

fn explained_names(told: &Value) -> Vec<String> {
    let figures = told["arithmetic"].as_array().unwrap().iter();
    let name = |figure: &Value| {
        let part = |name: &str| figure[name].as_str().unwrap().to_owned();
        format!("{} {}", part("of"), part("figure"))
    };
    figures.map(name).collect()
}

#[test]
fn a_decision_is_computed_anew_from_what_explain_prints() {
    let isolated = "margin SOLUSDT isolated\npos SOLUSDT isolated 10x +40 @ 150\n";
    let daemon = Daemon::with(&format!("{CONTRACTS}{isolated}{HELD}"));
    let order = r#"{"order":{"symbol":"ETHUSDT","side":"SELL","type":"MARKET","quantity":"20"}}"#;
    let told = explained(&daemon, order);
    let names = explained_names(&told);
    all_in(
        &names,
        &[
            "position BTCUSDT maintMargin",
            "position BTCUSDT liquidationBelow",
            "position ETHUSDT liquidationAbove",
            "position ETHUSDT spillAtLiquidation",
            "position ETHUSDT lossMultiple",
            "position ETHUSDT shift",
            "position SOLUSDT liquidationBelow",
            "account.before headroom",
            "account.after crossUnPnl",
            "account.after maintMargin",
            "account.after notionalGross",
            "account.after walletAtRisk.fraction",
            "account.after distance",
            "account.after availableBalance",
            "account.after openOrderInitialMargin",
            "account.after firstKiller.price",
            "account.after firstKiller.move",
            "account.before marginBalance",
            "account.change headroom",
            "isolatedTwin isolatedTwin.margin",
            "isolatedTwin isolatedTwin.liquidationPrice",
            "openOrders BTCUSDT initialMargin",
            "order priceUsed",
            "order marginRequired",
            "costs costs.fee",
            "stress market_falls_20 marginRatio",
            "findings EFFECTIVE_LEVERAGE",
        ],
    );
    // More than half of the balance is maintenance margin: doubled brackets take the rest.
    let order = r#"{"order":{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"12"}}"#;
    let names = explained_names(&explained(&daemon, order));
    all_in(
        &names,
        &["stress brackets_doubled marginRatio", "findings STRESS"],
    );
    // At 20x the ticket is less than a 10 % fall: what goes beyond it is a figure of the rule.
    let order = r#"{"order":{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1.2"}}"#;
    let names = explained_names(&explained(&daemon, order));
    all_in(
        &names,
        &[
            "findings SPILL",
            "findings WALLET_AT_RISK",
            "account.after commonMove",
        ],
    );
    // An isolated position is judged by its own distance: 10x leave less than 10 %.
    let order = r#"{"order":{"symbol":"SOLUSDT","side":"BUY","type":"MARKET","quantity":"1"}}"#;
    let names = explained_names(&explained(&daemon, order));
    all_in(&names, &["findings LIQUIDATION_DISTANCE"]);
    let codes = |name: &str| -> Vec<Value> {
        let list = told[name].as_array().unwrap().iter();
        list.map(|entry| entry["code"].clone()).collect()
    };
    assert_eq!(codes("waiting"), codes("findings"));
    let decides = told["waiting"].as_array().unwrap().iter();
    let decides: Vec<&Value> = decides.filter(|entry| entry["decides"] == true).collect();
    assert_eq!(decides.len(), 1);
    assert_eq!(decides[0]["code"], told["bindingLimit"]);
}

#[test]
fn what_the_exchange_asks_for_an_order_is_computed_anew_with_quotes_and_without() {
    let quoted = "last BTCUSDT 60300\nbook BTCUSDT 60500 60900\n";
    let wanted = [
        (
            r#""side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"60200""#,
            "order",
            "order",
        ),
        (
            r#""side":"SELL","type":"LIMIT","timeInForce":"GTC","price":"60000""#,
            "last",
            "mark",
        ),
        (
            r#""side":"SELL","type":"LIMIT","timeInForce":"GTC","price":"60400""#,
            "order",
            "order",
        ),
        (r#""side":"BUY","type":"MARKET""#, "ask", "price_used"),
        (r#""side":"SELL","type":"MARKET""#, "bid", "mark"),
        (
            r#""side":"SELL","type":"LIMIT","timeInForce":"GTC","priceMatch":"QUEUE""#,
            "ask",
            "mark",
        ),
    ];
    for (quotes, with_quotes) in [(quoted, true), ("", false)] {
        let daemon = Daemon::with(&format!("{CONTRACTS}{HELD}{quotes}"));
        for (order, from_quotes, from_mark) in wanted {
            let body = format!(r#"{{"order":{{"symbol":"BTCUSDT","quantity":"1",{order}}}}}"#);
            let told = explained(&daemon, &body);
            let from = if with_quotes { from_quotes } else { from_mark };
            assert_eq!(
                told["order"]["exchangeCost"]["assumedFrom"], from,
                "{order}"
            );
            all_in(
                &explained_names(&told),
                &["order assumedPrice", "order cost"],
            );
            let of_quotes = |entry: &&Value| {
                let path = entry["path"].as_str().unwrap();
                path.starts_with("order.exchangeCost.")
            };
            let missing = told["inputs"]["missing"].as_array().unwrap().iter();
            let expected = match (with_quotes, order) {
                (true, _) => 0,
                (_, order) if order.contains("priceMatch") => 3,
                (_, order) if order.contains("SELL") && order.contains("MARKET") => 2,
                (_, order) => usize::from(order.contains("SELL") || order.contains("MARKET")),
            };
            assert_eq!(missing.filter(of_quotes).count(), expected, "{order}");
        }
    }
    // A batch: each order by itself. A conditional order costs nothing until it fires.
    let daemon = Daemon::with(&format!("{CONTRACTS}{quoted}"));
    let batch = r#"{"orders":[{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.01"},{"symbol":"BTCUSDT","side":"BUY","type":"STOP_MARKET","stopPrice":"61000","quantity":"0.01"}]}"#;
    let told = explained(&daemon, batch);
    let names = explained_names(&told);
    all_in(
        &names,
        &[
            "orders[0] assumedPrice",
            "orders[0] openLoss",
            "orders[0] cost",
        ],
    );
    assert!(!names.contains(&"orders[1] cost".to_owned()));
    assert_eq!(told["orders"][1]["exchangeCost"], Value::Null);
}

/// A fee in USDT and one in USDC are no sum: 60,300 x 0.1 x 0.0005 is 3.015 of each.
#[test]
fn what_orders_cost_in_different_assets_is_not_added_up() {
    let daemon = Daemon::with(CONTRACTS);
    let order = |symbol: &str| {
        format!(r#"{{"symbol":"{symbol}","side":"BUY","type":"MARKET","quantity":"0.1"}}"#)
    };
    let (one, other) = (order("BTCUSDT"), order("BTCUSDC"));
    let told = explained(&daemon, &format!(r#"{{"orders":[{one},{one}]}}"#));
    assert_eq!(told["costs"]["fee"], "6.03");
    all_in(
        &explained_names(&told),
        &["costs costs.fee", "costs costs.slippage"],
    );
    let told = explained(&daemon, &format!(r#"{{"orders":[{one},{other},{one}]}}"#));
    let missing = told["inputs"]["missing"].as_array().unwrap().iter();
    let missing: Vec<&str> = missing
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    for name in ["fee", "makerFee", "slippage", "fundingNext"] {
        assert_eq!(told["costs"][name], Value::Null, "{name}");
        assert!(
            missing.contains(&format!("costs.{name}").as_str()),
            "{name}: {missing:?}"
        );
    }
}

/// A batch that is flat when all of it fills is judged by its buy alone, and that is computed too.
#[test]
fn what_was_judged_of_a_part_of_a_batch_is_computed_anew() {
    let daemon = Daemon::with(CONTRACTS);
    let order = |side: &str| {
        format!(
            r#"{{"symbol":"BTCUSDT","side":"{side}","type":"LIMIT","timeInForce":"GTC","price":"60000","quantity":"0.9"}}"#
        )
    };
    let (buy, sell) = (order("BUY"), order("SELL"));
    let told = explained(&daemon, &format!(r#"{{"orders":[{buy},{sell}]}}"#));
    let executions = told["executions"].as_array().unwrap().iter();
    // 54,000 on 10,000 less 27 of fee, both ways.
    let found: Vec<(&str, &str)> = executions
        .map(|row| {
            let account = &row["account"];
            (
                row["of"].as_str().unwrap(),
                account["accountLeverage"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("only_buys", "5.41461947"), ("only_sells", "5.41461947")]
    );
    all_in(
        &explained_names(&told),
        &[
            "findings EFFECTIVE_LEVERAGE",
            "findings WALLET_AT_RISK",
            "executions only_buys headroom",
            "executions only_sells accountLeverage",
        ],
    );
    let alone = explained(&daemon, &format!(r#"{{"order":{buy}}}"#));
    assert_eq!(alone["executions"], Value::Array(Vec::new()));
}

/// 150 positions, of which many scenarios end all: four times that is every contract there is.
#[test]
fn a_full_answer_about_every_contract_there_is_fits_into_a_record() {
    use std::fmt::Write as _;

    let mut text = "wallet USDT 220000\n".to_owned();
    for place in 0..150 {
        let name = format!("S{place}USDT");
        writeln!(
            text,
            "symbol {name} tick 0.01 step 0.001 min-notional 5\n\
             brackets {name} 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x\n\
             mark {name} 3000\npos {name} crossed 20x +3 @ 3000.12345"
        )
        .unwrap();
    }
    let daemon = Daemon::with(&text);
    let order = r#"{"order":{"symbol":"S0USDT","side":"BUY","type":"MARKET","quantity":"1"},"alternatives":false}"#;
    let answer = daemon.post("/v1/check", order);
    let scenarios = answer.json()["stress"].as_array().unwrap().clone();
    let ended = scenarios
        .iter()
        .filter(|row| row["reasons"]["positions"][149].is_object());
    assert!(ended.count() >= 2, "{scenarios:#?}");
    let bytes = 4 * answer.body.len();
    assert!(bytes < crossguard::journal::RECORD_BYTES_MAX / 2, "{bytes}");
}

#[test]
fn a_decision_on_a_hedge_a_batch_and_a_change_is_computed_anew() {
    let daemon = Daemon::with(&format!("mode hedge\n{CONTRACTS}{HEDGED}"));
    let order = r#"{"order":{"symbol":"BTCUSDT","side":"BUY","positionSide":"LONG","type":"LIMIT","timeInForce":"GTC","price":"60100","quantity":"0.5"}}"#;
    let names = explained_names(&explained(&daemon, order));
    all_in(
        &names,
        &[
            "position BTCUSDT_LONG liquidationBelow",
            "position BTCUSDT_SHORT spill",
            "account.after notionalNet",
        ],
    );
    let batch = r#"{"orders":[{"symbol":"BTCUSDT","side":"BUY","positionSide":"LONG","type":"MARKET","quantity":"0.5"},{"symbol":"SOLUSDT","side":"SELL","positionSide":"SHORT","type":"MARKET","quantity":"50"}]}"#;
    explained(&daemon, batch);
    let change = r#"{"change":{"kind":"transferOut","asset":"USDT","amount":"3000"}}"#;
    let names = explained_names(&explained(&daemon, change));
    all_in(&names, &["account.after headroom"]);
    let multi = Daemon::with(&format!("{CONTRACTS}{HELD}{RATES}"));
    let order = r#"{"order":{"symbol":"ETHUSDT","side":"SELL","type":"MARKET","quantity":"20"}}"#;
    all_in(
        &explained_names(&explained(&multi, order)),
        &[
            "account.after headroom",
            "account.after availableBalance",
            "account.after firstKiller.move",
            "position ETHUSDT ticket",
            "position ETHUSDT liquidationAbove",
            "collateral USDT equityUsd",
        ],
    );
}

/// What of an answer is read from the exchange, set by the user, asked for, or the sum of fills.
fn is_given(of: &str, figure: &str) -> bool {
    let last = figure.rsplit('.').next().unwrap();
    match of {
        "position" => {
            figure.starts_with("bracket")
                || matches!(
                    last,
                    "positionAmt"
                        | "entryPrice"
                        | "entryCost"
                        | "markPrice"
                        | "isolatedWallet"
                        | "adversePrice"
                        | "stopPrice"
                        | "stopFillPrice"
                        | "stopFee"
                )
        }
        // What a fill leaves of the wallet, and how far the worst move goes.
        "account" => matches!(figure, "crossWalletBalance" | "walletAtRisk.move"),
        "order" => matches!(
            last,
            "quantity"
                | "quantityUsed"
                | "price"
                | "triggerPrice"
                | "markPrice"
                | "lastPrice"
                | "bidPrice"
                | "askPrice"
                | "notional"
                | "buyNotional"
                | "sellNotional"
        ),
        "openOrders" => figure != "initialMargin",
        "costs" => figure.contains("feeRates"),
        // Sums over orders that were taken to fill one after another.
        "worstCase" => {
            figure.starts_with("before")
                || matches!(
                    figure,
                    "marginBalance"
                        | "maintMargin"
                        | "ringFenced"
                        | "walletAtRisk.amount"
                        | "walletAtRisk.move"
                        | "firstKiller.move"
                        | "firstKiller.price"
                        | "commonMove"
                )
        }
        "stressed" => figure == "move" || figure.starts_with("bracket"),
        "survived" => matches!(figure, "marginBalance" | "maintMargin"),
        "stress" => figure.starts_with("reasons"),
        "isolatedTwin" => figure.starts_with("bracket") || last == "quantity",
        _ => false,
    }
}

/// A position's name in formulas.
fn position_name(row: &Value) -> String {
    let symbol = row["symbol"].as_str().unwrap();
    match row["positionSide"].as_str().unwrap() {
        "BOTH" => symbol.to_owned(),
        side => format!("{symbol}_{side}"),
    }
}

/// Each figure of the account, of its positions, of the order and of its twin is computed from others,
/// or given; gives back how many there are.
fn every_figure_is_explained(told: &Value) -> usize {
    let known: BTreeMap<(String, String), Decimal> = told["arithmetic"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let name = |key: &str| row[key].as_str().unwrap().to_owned();
            ((name("of"), name("figure")), decimal(&row["value"]))
        })
        .collect();
    let mut wanted: Vec<(&str, String, &Value)> = vec![
        (
            "account",
            "account.after".to_owned(),
            &told["account"]["after"],
        ),
        (
            "change",
            "account.change".to_owned(),
            &told["account"]["change"],
        ),
        ("order", "order".to_owned(), &told["order"]),
        (
            "isolatedTwin",
            "isolatedTwin".to_owned(),
            &told["isolatedTwin"],
        ),
        ("costs", "costs".to_owned(), &told["costs"]),
        ("worstCase", "worstCase".to_owned(), &told["worstCase"]),
    ];
    for (place, order) in told["orders"].as_array().unwrap().iter().enumerate() {
        wanted.push(("order", format!("orders[{place}]"), order));
    }
    for row in told["pool"]["openOrders"].as_array().unwrap() {
        let of = format!("openOrders {}", row["symbol"].as_str().unwrap());
        wanted.push(("openOrders", of, row));
    }
    for row in told["stress"].as_array().unwrap() {
        let of = format!("stress {}", row["name"].as_str().unwrap());
        for position in row["reasons"]["positions"].as_array().into_iter().flatten() {
            let name = position_name(position);
            wanted.push(("stressed", format!("{of} {name}"), position));
        }
        let kind = if row["reasons"].is_null() {
            "survived"
        } else {
            "stress"
        };
        wanted.push((kind, of, row));
    }
    wanted.retain(|(_, _, row)| !row.is_null());
    for row in told["positions"].as_array().unwrap() {
        if row["after"].is_null() {
            continue;
        }
        let name = position_name(row);
        wanted.push(("position", format!("position {name}"), &row["after"]));
        wanted.push(("position", format!("position {name}"), row));
    }
    let mut count = 0;
    for (kind, of, row) in wanted {
        let mut figures = Vec::new();
        figures_of("", row, &mut figures);
        for (name, value) in figures {
            let name = { name.strip_prefix("exchangeCost.") }.unwrap_or(&name);
            if name.starts_with("before.") || name.starts_with("after.") || is_given(kind, name) {
                continue;
            }
            let name = match kind {
                "isolatedTwin" | "costs" => format!("{kind}.{name}"),
                _ => name.to_owned(),
            };
            let ours = known.get(&(of.clone(), name.clone()));
            let reduces_or_zero = value.is_zero();
            assert!(
                ours == Some(&value) || reduces_or_zero && ours.is_none(),
                "{of} {name}: {value}, {ours:?} of {:#?}",
                known.keys()
            );
            count += 1;
        }
    }
    count
}

/// A question about one of the contracts of an account: an order of any kind, a batch or a change.
fn question(dice: &mut Dice, text: &str) -> String {
    let marks: Vec<(&str, Decimal)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("mark ")?.split_once(' '))
        .map(|(symbol, mark)| (symbol, mark.parse().unwrap()))
        .collect();
    let hedge = text.starts_with("mode hedge");
    let order = |dice: &mut Dice| {
        let (symbol, mark) = dice.one_of(&marks);
        let (side, other) = dice.one_of(&[("BUY", "SELL"), ("SELL", "BUY")]);
        let quantity = (Decimal::from(dice.between(10, 100_000)) / mark).round_dp(3);
        let quantity = quantity.max(Decimal::new(1, 3));
        let price = mark * Decimal::new(dice.between(95, 105), 2);
        let closes = dice.once_in(5);
        let opens = if closes { other } else { side };
        let leg = match (hedge, closes) {
            (true, _) if opens == "BUY" => r#","positionSide":"LONG""#,
            (true, _) => r#","positionSide":"SHORT""#,
            (false, true) => r#","reduceOnly":true"#,
            (false, false) => "",
        };
        let kind = match dice.between(0, 3) {
            0 => format!(r#""type":"LIMIT","timeInForce":"GTC","price":"{price}""#),
            1 => format!(r#""type":"STOP_MARKET","stopPrice":"{price}""#),
            _ => r#""type":"MARKET""#.to_owned(),
        };
        format!(r#"{{"symbol":"{symbol}","side":"{side}",{kind},"quantity":"{quantity}"{leg}}}"#)
    };
    let asked = match dice.between(0, 9) {
        0 => format!(r#""orders":[{},{}]"#, order(dice), order(dice)),
        1 => {
            let leverage = dice.between(1, 50);
            let symbol = dice.one_of(&marks).0;
            format!(r#""change":{{"kind":"leverage","symbol":"{symbol}","leverage":{leverage}}}"#)
        }
        2 => {
            let (asset, amount) = (
                dice.one_of(&["USDT", "USDC", "BTC"]),
                dice.between(1, 10_000),
            );
            format!(r#""change":{{"kind":"transferOut","asset":"{asset}","amount":"{amount}"}}"#)
        }
        3 => {
            let multi = dice.once_in(2);
            format!(r#""change":{{"kind":"multiAssetsMargin","multiAssetsMargin":{multi}}}"#)
        }
        _ => format!(r#""order":{}"#, order(dice)),
    };
    format!(r#"{{{asked},"alternatives":false}}"#)
}

/// Every asset has a rate, and half of the isolated contracts draw on the wallet by themselves.
fn completed(dice: &mut Dice, text: &str) -> String {
    let mut lines = text.to_owned();
    if !text.contains("index ") {
        // A change into multi-assets mode asks for them.
        lines.push_str("index USDT 1\nindex USDC 0.9998\nindex BTC 60000 bid 0.05 ask 0.05\n");
    }
    for line in text.lines() {
        let isolated = line
            .strip_prefix("margin ")
            .and_then(|rest| rest.strip_suffix(" isolated"));
        if let Some(symbol) = isolated.filter(|_| dice.once_in(2)) {
            lines.push_str(&format!("auto-add {symbol} on\n"));
        }
    }
    lines
}

/// Random accounts, and a random question about each.
#[test]
fn every_figure_of_a_decision_on_a_random_account_is_computed_anew() {
    let first: u64 = std::env::var("CROSSGUARD_SEED").map_or(1, |seed| seed.parse().unwrap());
    let accounts = std::env::var("CROSSGUARD_ACCOUNTS").map_or(30, |many| many.parse().unwrap());
    let mut explained_figures = 0;
    for seed in first..first + accounts {
        for is_multi in [false, true] {
            let shape = Shape {
                contracts_max: 8,
                assets: &["USDT", "USDC", "BTC"],
                is_multi,
            };
            let mut dice = Dice::new(seed ^ 0xABCD);
            let text = completed(&mut dice, &account(seed, shape));
            let daemon = Daemon::with(&text);
            let body = question(&mut dice, &text);
            println!("seed {seed}, multi {is_multi}: {body}");
            let told = explained(&daemon, &body);
            if !told["account"]["after"].is_null() {
                explained_figures += every_figure_is_explained(&told);
            }
        }
    }
    assert!(explained_figures > 1_000, "{explained_figures}");
}

#[test]
fn a_brief_or_blind_decision_says_what_waiting_could_change() {
    let daemon = Daemon::with(&format!("{CONTRACTS}{HELD}"));
    let order = r#"{"order":{"symbol":"ETHUSDT","side":"SELL","type":"MARKET","quantity":"20"},"brief":true}"#;
    let told = explained(&daemon, order);
    // What was answered is what was answered; beside it lies what it rested on.
    let id = told["decisionId"].as_str().unwrap();
    let answered = daemon.get(&format!("/v1/decisions/{id}")).json();
    assert_eq!(answered.get("policy"), None);
    assert!(told["policy"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(told["order"]["quantity"], "20");
    // 20 at 2,985 and what was held there, as the full answer has it.
    let full = daemon
        .post("/v1/check", &order.replace(r#","brief":true"#, ""))
        .json();
    assert_eq!(told["account"]["after"], full["account"]["after"]);
    let names = explained_names(&told);
    all_in(
        &names,
        &[
            "account.after headroom",
            "account.after walletAtRisk.fraction",
            "order cost",
            "findings EFFECTIVE_LEVERAGE",
        ],
    );
    assert!(
        !names.contains(&"account.after maintMargin".to_owned()),
        "its positions are not told"
    );
    let kinds = |told: &Value| -> Vec<String> {
        let waiting = told["waiting"].as_array().unwrap().iter();
        waiting
            .map(|entry| entry["retry"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(kinds(&told).contains(&"when_margin_recovers".to_owned()));
    daemon.post("/v1/lock", r#"{"reason":"holiday"}"#);
    daemon.clock.advance_ms(30_000);
    let told = explained(&daemon, order);
    assert_eq!(kinds(&told), ["after_resync", "after_resync", "never"]);
    assert!(
        told["waiting"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("waiting helps")
    );
    let unknown = daemon.get("/v1/decisions/01NOTHING/explain");
    assert_eq!(unknown.status, 404);
}
