//! `[policy.stress.NAME]`: scenarios, from text to proof.
//!
//! Owns: which shocks make sense, and how a scenario is written in one fixed way.
//! Must not know: how a scenario is run.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::prover::{Prover, Section};
use super::raw::{Node, Value};
use crate::guard::stress::{Scenario, required_name};
use crate::guard::verdict::Level;
use crate::margin::account::{Asset, Symbol};
use crate::margin::amount::Rate;

const KEYS: [&str; 7] = [
    "required",
    "all",
    "symbols",
    "collateral",
    "maintenance",
    "funding_intervals",
    "funding_rate",
];

/// The largest rise of a scenario, as a fraction: eleven times the price.
const RISE_MAX: Decimal = Decimal::TEN;

/// The largest factor on maintenance margin.
const MAINTENANCE_MAX: Decimal = Decimal::TEN;

/// Most intervals of funding: a year of three a day.
const INTERVALS_MAX: u32 = 1_095;

/// Proves every scenario. One of a shipped name replaces what it gives and keeps the rest.
pub(super) fn prove(
    prover: &mut Prover<'_>,
    policy: &mut Section,
    scenarios: &mut BTreeMap<String, Scenario>,
) {
    let mut all = prover.section(policy, "stress");
    for (name, (place, node)) in all.take_all() {
        let path = all.key(&name);
        let good = !name.is_empty() && name.len() <= 64 && !name.contains(char::is_control);
        if !good {
            prover.mistake(place, &path, "a scenario's name has 1 to 64 bytes");
            continue;
        }
        let known = scenarios.get(&name).cloned();
        let mut section = prover.as_section(node, path);
        let scenario = prove_one(prover, &mut section, known);
        prover.finish(section, &KEYS);
        scenarios.insert(name, scenario);
    }
}

fn prove_one(prover: &mut Prover<'_>, section: &mut Section, known: Option<Scenario>) -> Scenario {
    let place = section.place;
    let is_new = known.is_none();
    let mut scenario = known.unwrap_or_else(|| Scenario {
        shock: crate::margin::shock::Shock {
            funding_rate: Rate::new(Decimal::new(1, 3)),
            ..crate::margin::shock::Shock::default()
        },
        required: Some(Level::Warn),
    });
    if let Some(required) = required(prover, section) {
        scenario.required = required;
    }
    let shock = &mut scenario.shock;
    if let Some(node) = section.take("all") {
        shock.all = price_move(prover, &section.key("all"), &node);
    }
    if let Some(node) = section.take("symbols") {
        let key = section.key("symbols");
        let mut symbols = prover.as_section(node, key);
        shock.symbols.clear();
        for (name, (place, node)) in symbols.take_all() {
            let key = symbols.key(&name);
            let symbol: Option<Symbol> = prover.symbol(&key, &name, place);
            if let (Some(symbol), Some(by)) = (symbol, price_move(prover, &key, &node)) {
                shock.symbols.insert(symbol, by);
            }
        }
    }
    if let Some(node) = section.take("collateral") {
        let key = section.key("collateral");
        let mut assets = prover.as_section(node, key);
        shock.collateral.clear();
        for (name, (_, node)) in assets.take_all() {
            let key = assets.key(&name);
            if let (Some(asset), Some(by)) = (Asset::new(&name), price_move(prover, &key, &node)) {
                shock.collateral.insert(asset, by);
            }
        }
    }
    if let Some(node) = section.take("maintenance") {
        let key = section.key("maintenance");
        shock.maintenance = bounded(prover, &key, &node, Decimal::ONE, MAINTENANCE_MAX);
    }
    if let Some(node) = section.take("funding_rate") {
        let key = section.key("funding_rate");
        if let Some(rate) = bounded(prover, &key, &node, Decimal::ZERO, Decimal::ONE) {
            shock.funding_rate = rate;
        }
    }
    if let Some(node) = section.take("funding_intervals") {
        shock.funding_intervals = intervals(prover, &section.key("funding_intervals"), &node);
    }
    let nothing = shock.all.is_none() && shock.symbols.is_empty() && shock.is_prices_only();
    if is_new && nothing {
        let message = "a scenario that shocks nothing; give all, symbols, collateral, \
                       maintenance or funding_intervals";
        let path = section.path.clone();
        prover.mistake(place, &path, message);
    }
    scenario
}

/// `Some(None)` is off.
#[expect(clippy::option_option, reason = "not given and off are two things")]
fn required(prover: &mut Prover<'_>, section: &mut Section) -> Option<Option<Level>> {
    let key = section.key("required");
    let (text, place) = prover.text(section, "required")?;
    match text.as_str() {
        "off" => Some(None),
        "warn" => Some(Some(Level::Warn)),
        "reject" => Some(Some(Level::Reject)),
        _ => {
            let message = format!("expected \"off\", \"warn\" or \"reject\", found {text:?}");
            prover.mistake(place, &key, message);
            None
        }
    }
}

/// A move of a price: above −100 %, and not beyond [`RISE_MAX`].
fn price_move(prover: &mut Prover<'_>, key: &str, node: &Node) -> Option<Rate> {
    let by = bounded(prover, key, node, Decimal::NEGATIVE_ONE, RISE_MAX)?;
    if by.get() == Decimal::NEGATIVE_ONE {
        prover.mistake(node.place, key, "a fall of 100 % leaves no price; use less");
        return None;
    }
    Some(by)
}

fn bounded(
    prover: &mut Prover<'_>,
    key: &str,
    node: &Node,
    least: Decimal,
    most: Decimal,
) -> Option<Rate> {
    let value = prover.decimal(key, node, true)?;
    if (least..=most).contains(&value) {
        return Some(Rate::new(value));
    }
    let message = format!("must lie between {least} and {most}, found {value}");
    prover.mistake(node.place, key, message);
    None
}

fn intervals(prover: &mut Prover<'_>, key: &str, node: &Node) -> u32 {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.clone(),
        _ => String::new(),
    };
    match text.parse::<u32>() {
        Ok(count) if count <= INTERVALS_MAX => {
            prover.came_from(key, node.place);
            count
        }
        _ => {
            let message = format!("expected a whole number of at most {INTERVALS_MAX}");
            prover.mistake(node.place, key, message);
            0
        }
    }
}

/// The scenario in one fixed way.
pub(super) fn canonical(scenario: &Scenario) -> String {
    let shock = &scenario.shock;
    let rate = |rate: Option<Rate>| rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string());
    let symbols: Vec<String> = shock
        .symbols
        .iter()
        .map(|(symbol, by)| format!("{symbol:?}={by}"))
        .collect();
    let collateral: Vec<String> = shock
        .collateral
        .iter()
        .map(|(asset, by)| format!("{asset:?}={by}"))
        .collect();
    format!(
        "{} all={} symbols={} collateral={} maintenance={} funding={}x{}",
        required_name(scenario.required),
        rate(shock.all),
        symbols.join(","),
        collateral.join(","),
        rate(shock.maintenance),
        shock.funding_intervals,
        shock.funding_rate
    )
}
