//! `/v1/policy`: the policy in force, and what a reload changed.
//!
//! Owns: how a policy is shown: under the names of the configuration.
//! Must not know: how a policy is read from a file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use crate::daemon::core::PolicyInForce;
use crate::guard::policy::{IsolatedOnly, Limit, LimitKey, Overrides, Policy};
use crate::guard::stress::{Scenario, required_name};
use crate::margin::amount::Rate;

/// `GET /v1/policy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PolicyAnswer<'a> {
    /// Fingerprint under which decisions are recorded.
    pub fingerprint: Cow<'a, str>,
    /// The limits, under the names of the configuration.
    pub policy: PolicyView<'a>,
}

/// A policy under the names of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PolicyView<'a> {
    /// The adverse move the guard thinks in.
    pub horizon: Figure,
    /// How far from the mark a market order fills.
    pub market_slippage: Figure,
    /// Taker fee.
    pub taker_fee: Figure,
    /// Symbols that may be traded; empty permits all.
    pub symbols: Vec<Cow<'a, str>>,
    /// Symbols that may not be opened crossed; `["*"]` is all of them.
    pub isolated_only: Vec<Cow<'a, str>>,
    /// Every limit by its key.
    #[serde(flatten)]
    pub limits: BTreeMap<Cow<'a, str>, LimitView<'a>>,
    /// The scenarios, by name.
    pub stress: BTreeMap<Cow<'a, str>, ScenarioView<'a>>,
    /// Limits of single symbols.
    pub symbol: BTreeMap<Cow<'a, str>, BTreeMap<Cow<'a, str>, LimitView<'a>>>,
    /// Limits of single clients.
    pub client: BTreeMap<Cow<'a, str>, BTreeMap<Cow<'a, str>, LimitView<'a>>>,
}

/// A scenario under the names of the configuration; moves are fractions of the mark.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ScenarioView<'a> {
    /// `off`, `warn` or `reject`.
    pub required: Cow<'a, str>,
    /// How every contract moves that is not named.
    pub all: Figure,
    /// How single contracts move.
    pub symbols: BTreeMap<Cow<'a, str>, Figure>,
    /// How collateral loses its worth.
    pub collateral: BTreeMap<Cow<'a, str>, Figure>,
    /// Maintenance margin is multiplied by this.
    pub maintenance: Figure,
    /// How often funding is paid.
    pub funding_intervals: u32,
    /// Funding of one interval.
    pub funding_rate: Figure,
}

impl<'a> From<&'a Scenario> for ScenarioView<'a> {
    fn from(scenario: &'a Scenario) -> Self {
        let shock = &scenario.shock;
        let figure = |rate: Rate| Figure::exact(rate.get());
        Self {
            required: Cow::Borrowed(required_name(scenario.required)),
            all: shock.all.map_or(Figure::NONE, figure),
            symbols: shock
                .symbols
                .iter()
                .map(|(symbol, by)| (Cow::Borrowed(symbol.as_str()), figure(*by)))
                .collect(),
            collateral: shock
                .collateral
                .iter()
                .map(|(asset, by)| (Cow::Borrowed(asset.as_str()), figure(*by)))
                .collect(),
            maintenance: shock.maintenance.map_or(Figure::NONE, figure),
            funding_intervals: shock.funding_intervals,
            funding_rate: figure(shock.funding_rate),
        }
    }
}

/// Two thresholds; either may be `"off"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LimitView<'a> {
    /// From here on it warns.
    pub warn: Cow<'a, str>,
    /// From here on it rejects.
    pub reject: Cow<'a, str>,
}

impl From<Limit> for LimitView<'_> {
    fn from(limit: Limit) -> Self {
        let threshold = |value: Option<_>| match value {
            Some(value) => Cow::Owned(Figure::exact(value).to_string()),
            None => Cow::Borrowed("off"),
        };
        Self {
            warn: threshold(limit.warn),
            reject: threshold(limit.reject),
        }
    }
}

impl<'a> From<&'a PolicyInForce> for PolicyAnswer<'a> {
    fn from(in_force: &'a PolicyInForce) -> Self {
        Self {
            fingerprint: Cow::Borrowed(&in_force.fingerprint),
            policy: PolicyView::from(&in_force.policy),
        }
    }
}

impl<'a> From<&'a Policy> for PolicyView<'a> {
    fn from(policy: &'a Policy) -> Self {
        let limit = |key: LimitKey| (Cow::Borrowed(key.name()), policy.limits.get(key).into());
        Self {
            horizon: Figure::exact(policy.horizon.get()),
            market_slippage: Figure::exact(policy.market_slippage.get()),
            taker_fee: Figure::exact(policy.taker_fee.get()),
            symbols: names(policy.symbols.iter()),
            isolated_only: match &policy.isolated_only {
                IsolatedOnly::All => vec![Cow::Borrowed("*")],
                IsolatedOnly::These(symbols) => names(symbols.iter()),
            },
            limits: LimitKey::ALL.into_iter().map(limit).collect(),
            stress: policy
                .stress
                .iter()
                .map(|(name, scenario)| (Cow::Borrowed(name.as_str()), scenario.into()))
                .collect(),
            symbol: policy
                .of_symbol
                .iter()
                .map(|(symbol, limits)| (Cow::Borrowed(symbol.as_str()), overrides(limits)))
                .collect(),
            client: policy
                .of_client
                .iter()
                .map(|(client, limits)| (Cow::Borrowed(client.as_str()), overrides(limits)))
                .collect(),
        }
    }
}

fn names<'a>(
    symbols: impl Iterator<Item = &'a crate::margin::account::Symbol>,
) -> Vec<Cow<'a, str>> {
    symbols
        .map(|symbol| Cow::Borrowed(symbol.as_str()))
        .collect()
}

fn overrides<'a>(limits: &Overrides) -> BTreeMap<Cow<'a, str>, LimitView<'a>> {
    limits
        .iter()
        .map(|(key, limit)| (Cow::Borrowed(key.name()), (*limit).into()))
        .collect()
}

/// `POST /v1/policy/reload`: what changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadAnswer {
    /// Fingerprint of the policy that is now in force.
    pub fingerprint: String,
    /// Every difference to the one before, in words.
    pub changes: Vec<String>,
    /// Something is now permitted that was not.
    pub loosened: bool,
}
