//! `/v1/stress`: the account under shocks.
//!
//! Owns: reading which scenarios are asked about, and the shape of the answer.
//! Must not know: how a scenario is run.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::request::{for_each_field, parameters, scalar, unknown};
use super::ways::Stress;
use crate::daemon::Fares;
use crate::guard::stress::Scenario;
use crate::margin::account::Symbol;
use crate::margin::amount::{self, Rate};
use crate::margin::shock::Shock;
use crate::mirror::view::NotReady;

/// The fields of the request.
const FIELDS: [&str; 3] = ["shocks", "all", "scenarios"];

/// The name of shocks that were given freely.
const FREE: &str = "asked";

/// `POST /v1/stress`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StressAnswer<'a> {
    /// Every pool in use.
    pub pools: Vec<PoolStress<'a>>,
    /// Contracts that were named and are not held: their moves change nothing.
    #[serde(rename = "notHeld")]
    pub not_held: Vec<Cow<'a, str>>,
    /// Why something cannot be said.
    pub missing: Vec<Cow<'a, str>>,
}

/// One pool under every scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolStress<'a> {
    /// The pool's asset.
    pub asset: Cow<'a, str>,
    /// Every scenario.
    pub stress: Vec<Stress<'a>>,
}

impl<'a> From<&'a Result<Fares, NotReady>> for StressAnswer<'a> {
    fn from(fares: &'a Result<Fares, NotReady>) -> Self {
        let mut answer = Self::default();
        match fares {
            Err(not_ready) => answer.missing.push(Cow::Owned(not_ready.to_string())),
            Ok(pools) => {
                for (asset, outcomes) in pools {
                    match outcomes {
                        Ok(outcomes) => answer.pools.push(PoolStress {
                            asset: Cow::Borrowed(asset.as_str()),
                            stress: outcomes.iter().map(Stress::from).collect(),
                        }),
                        Err(unknown) => answer.missing.push(Cow::Owned(unknown.to_string())),
                    }
                }
            }
        }
        answer
    }
}

/// What is asked about: free shocks, named scenarios, and without either every one of the policy.
///
/// # Errors
/// [`Refusal`] that names the field; for a scenario that is not known it lists the known ones.
pub fn scenarios(
    body: &[u8],
    known: &BTreeMap<String, Scenario>,
) -> Result<Vec<(String, Scenario)>, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut shock = Shock::default();
    let mut wanted: Vec<(String, Scenario)> = Vec::new();
    let mut named = false;
    for_each_field(body, |name, value| {
        match name {
            "all" => {
                let text = scalar(value).map_err(|message| Refusal::field("all", message))?;
                shock.all = Some(price_move("all", &text)?);
            }
            "shocks" => {
                for (symbol, text) in parameters("shocks", value)? {
                    let at = format!("shocks.{symbol}");
                    let by = price_move(&at, &text)?;
                    let symbol = Symbol::new(&symbol)
                        .ok_or_else(|| Refusal::field(&at, "expected a contract"))?;
                    shock.symbols.insert(symbol, by);
                }
            }
            "scenarios" => {
                named = true;
                let names: Vec<String> = serde_json::from_str(value.get())
                    .map_err(|_| Refusal::field("scenarios", "expected a list of names"))?;
                for name in names {
                    let Some(scenario) = known.get(&name) else {
                        let listed: Vec<&str> = known.keys().map(String::as_str).collect();
                        let message = format!(
                            "names no scenario of the policy: {name}; known: {}",
                            listed.join(", ")
                        );
                        return Err(Refusal::field("scenarios", &message));
                    };
                    wanted.push((name, scenario.clone()));
                }
            }
            other => return Err(unknown(other, &FIELDS)),
        }
        Ok(())
    })?;
    let free = shock.all.is_some() || !shock.symbols.is_empty();
    if free {
        let scenario = Scenario {
            shock,
            required: None,
        };
        wanted.insert(0, (FREE.to_owned(), scenario));
    } else if !named {
        wanted.extend(known.iter().map(|(name, one)| (name.clone(), one.clone())));
    }
    Ok(wanted)
}

/// The contracts that free shocks name.
pub fn free_shocks(scenarios: &[(String, Scenario)]) -> impl Iterator<Item = &Symbol> {
    let free = scenarios.iter().filter(|(name, _)| name == FREE);
    free.flat_map(|(_, scenario)| scenario.shock.symbols.keys())
}

/// A move of a price: `-10%` or `-0.1`; above −100 %, and at most ten times the price more.
fn price_move(at: &str, text: &str) -> Result<Rate, Refusal> {
    let wrong = || Refusal::field(at, "expected a move such as -10% or -0.1, above -100%");
    let value = match text.trim().strip_suffix('%') {
        Some(percent) => amount::parse(percent.trim_end())
            .ok()
            .and_then(|percent| amount::exact_mul(percent, Decimal::new(1, 2)).ok()),
        None => amount::parse(text.trim()).ok(),
    };
    let value = value.ok_or_else(wrong)?;
    if value > Decimal::NEGATIVE_ONE && value <= Decimal::TEN {
        Ok(Rate::new(value.normalize()))
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeMap<String, Scenario> {
        crate::guard::stress::shipped()
            .into_iter()
            .map(|(name, scenario)| (name.to_owned(), scenario))
            .collect()
    }

    #[test]
    fn free_shocks_are_read_as_fractions_or_percent() {
        let body = br#"{"shocks":{"BTCUSDT":"-10%"},"all":"-0.2"}"#;
        let read = scenarios(body, &known()).unwrap();
        assert_eq!(read.len(), 1);
        let shock = &read[0].1.shock;
        assert_eq!(shock.all, Some(Rate::parse("-0.2").unwrap()));
        let symbol = Symbol::new("BTCUSDT").unwrap();
        assert_eq!(shock.move_of(&symbol), Rate::parse("-0.1").unwrap());
        assert_eq!(scenarios(b"", &known()).unwrap().len(), 8);
    }

    #[test]
    fn an_unknown_scenario_lists_the_known_ones() {
        let refusal = scenarios(br#"{"scenarios":["doom"]}"#, &known()).unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some("scenarios"));
        assert!(refusal.message.contains("brackets_doubled"), "{refusal:?}");
        for all in ["\"-0.2\"", "-0.2", "\"-20%\""] {
            let body = format!("{{\"all\":{all}}}");
            let read = scenarios(body.as_bytes(), &known()).unwrap();
            assert_eq!(read[0].1.shock.all, Some(Rate::parse("-0.2").unwrap()));
        }
        let wrong = scenarios(br#"{"all":"-100%"}"#, &known()).unwrap_err();
        assert_eq!(wrong.field.as_deref(), Some("all"));
    }
}
