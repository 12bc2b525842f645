//! Which alerts a silence or a channel is about.
//!
//! Owns: the matcher's grammar and its mistakes.
//! Must not know: silences, channels, times.
//!
//! `rule=spill,symbol=BTC*` matches when every part does; `*` at the end of a value stands for
//! anything. Names: `rule`, `pool`, `symbol`, `severity`.

use std::collections::BTreeSet;

use super::model::Alert;
use crate::guard::alarm::{Rule, Severity};

/// Longest matcher, in bytes.
pub const MATCHER_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Rule,
    Pool,
    Symbol,
    Severity,
}

/// What symbols and pools a matcher can name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Contracts that the exchange lists.
    pub symbols: BTreeSet<String>,
    /// Assets whose positions share a pool.
    pub pools: BTreeSet<String>,
}

/// A proved matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher(Vec<(Field, String)>);

impl Matcher {
    /// Reads a matcher.
    ///
    /// # Errors
    /// What is wrong with which part, also when it could never match anything.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MATCHER_BYTES_MAX {
            return Err(format!("is longer than {MATCHER_BYTES_MAX} bytes"));
        }
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts: Vec<(Field, String)> = parts.map(part).collect::<Result<_, _>>()?;
        if parts.is_empty() {
            return Err(
                "matches everything; name at least one of rule, pool, symbol, severity".into(),
            );
        }
        Ok(Self(parts))
    }

    /// True when every part matches.
    #[must_use]
    pub fn matches(&self, alert: &Alert) -> bool {
        self.0.iter().all(|(field, wanted)| {
            let value = match field {
                Field::Rule => Some(alert.rule.as_str()),
                Field::Pool => alert.pool.as_deref(),
                Field::Symbol => alert.symbol.as_deref(),
                Field::Severity => Some(alert.severity.as_str()),
            };
            value.is_some_and(|value| fits(wanted, value))
        })
    }
}

impl Matcher {
    /// True when an alert of this rule at this severity could match.
    #[must_use]
    pub fn could_match(&self, rule: Rule, severity: Severity) -> bool {
        self.0.iter().all(|(field, wanted)| match field {
            Field::Rule => fits(wanted, rule.name()),
            Field::Severity => fits(wanted, severity.name()),
            Field::Pool | Field::Symbol => true,
        })
    }

    /// Why it can never match anything among these names, if it cannot.
    #[must_use]
    pub fn misses(&self, names: &Names) -> Option<String> {
        self.0.iter().find_map(|(field, wanted)| {
            let (known, what) = match field {
                Field::Symbol => (&names.symbols, "contract that the exchange lists"),
                Field::Pool => (&names.pools, "pool"),
                Field::Rule | Field::Severity => return None,
            };
            let fits_one = known.iter().any(|name| fits(wanted, name));
            (!fits_one).then(|| format!("{wanted:?} matches no {what}"))
        })
    }
}

fn fits(wanted: &str, value: &str) -> bool {
    wanted
        .strip_suffix('*')
        .map_or(wanted == value, |start| value.starts_with(start))
}

fn part(text: &str) -> Result<(Field, String), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("{text:?} is not of the form name=value"));
    };
    let (name, value) = (name.trim(), value.trim());
    if value.is_empty() {
        return Err(format!("{name} has no value"));
    }
    let known = |names: &mut dyn Iterator<Item = &'static str>, what: &str| {
        let names: Vec<&str> = names.collect();
        if names.iter().any(|known| fits(value, known)) {
            return Ok(());
        }
        Err(format!(
            "{value:?} matches no {what}; there are: {}",
            names.join(", ")
        ))
    };
    let field = match name {
        "rule" => {
            known(&mut Rule::ALL.into_iter().map(Rule::name), "rule")?;
            Field::Rule
        }
        "severity" => {
            known(
                &mut Severity::ALL.into_iter().map(Severity::name),
                "severity",
            )?;
            Field::Severity
        }
        "pool" => Field::Pool,
        "symbol" => Field::Symbol,
        _ => {
            return Err(format!(
                "{name:?} is not a name; there are: rule, pool, symbol, severity"
            ));
        }
    };
    Ok((field, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_match_is_said() {
        for (text, expected) in [
            ("", "matches everything"),
            ("distance", "name=value"),
            ("rule=distanse", "matches no rule"),
            ("severity=loud", "matches no severity"),
            ("colour=red", "is not a name"),
            ("symbol=", "has no value"),
        ] {
            let error = Matcher::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(Matcher::parse("rule=spill, symbol=BTC*").is_ok());
        assert!(Matcher::parse("rule=*").is_ok());
    }

    #[test]
    fn a_name_that_does_not_exist_is_said() {
        let names = Names {
            symbols: BTreeSet::from(["BTCUSDT".to_owned()]),
            pools: BTreeSet::from(["USDT".to_owned()]),
        };
        let misses = |text: &str| Matcher::parse(text).unwrap().misses(&names);
        assert_eq!(misses("rule=spill"), None);
        assert_eq!(misses("symbol=BTC*,pool=USDT"), None);
        assert!(misses("symbol=BTCUSD").unwrap().contains("BTCUSD"));
        assert!(misses("symbol=BTC*,pool=USDC").unwrap().contains("pool"));
    }
}
