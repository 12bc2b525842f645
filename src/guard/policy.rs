//! The trader's limits, already proved.
//!
//! Owns: what may be limited, the shipped defaults, and which limit holds for a symbol and a
//! client.
//! Must not know: how a policy is written down (the configuration proves it).

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::stress::Scenario;
use crate::margin::account::Symbol;
use crate::margin::amount::Rate;

/// Two thresholds of one value; either may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// From here on it warns.
    pub warn: Option<Decimal>,
    /// From here on it rejects.
    pub reject: Option<Decimal>,
}

impl Limit {
    /// Switched off.
    pub const OFF: Self = Self {
        warn: None,
        reject: None,
    };

    const fn of(warn: Decimal, reject: Decimal) -> Self {
        Self {
            warn: Some(warn),
            reject: Some(reject),
        }
    }
}

/// A limit that exists under this name, and which way its value gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKey {
    /// Distance of the pool, or of an isolated position; smaller is worse.
    LiquidationDistance,
    /// Fraction of the pool lost under the worst adverse move.
    WalletAtRisk,
    /// Spill of a position as a fraction of the pool's margin balance.
    Spill,
    /// Maintenance ÷ margin balance.
    MarginRatio,
    /// Distance with all resting and opening conditional orders filled; smaller is worse.
    WorstCase,
    /// Set leverage of the symbol.
    Leverage,
    /// Gross notional ÷ margin balance.
    EffectiveLeverage,
    /// Notional of one order, in the quote asset.
    OrderNotional,
    /// Notional of one position, in the quote asset.
    PositionNotional,
    /// Price away from the mark on the losing side.
    PriceCollar,
}

impl LimitKey {
    /// Every key, in the order of the rules.
    pub const ALL: [Self; 10] = [
        Self::LiquidationDistance,
        Self::WalletAtRisk,
        Self::Spill,
        Self::MarginRatio,
        Self::WorstCase,
        Self::Leverage,
        Self::EffectiveLeverage,
        Self::OrderNotional,
        Self::PositionNotional,
        Self::PriceCollar,
    ];

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LiquidationDistance => "liquidation_distance",
            Self::WalletAtRisk => "wallet_at_risk",
            Self::Spill => "spill",
            Self::MarginRatio => "margin_ratio",
            Self::WorstCase => "worst_case",
            Self::Leverage => "leverage",
            Self::EffectiveLeverage => "effective_leverage",
            Self::OrderNotional => "order_notional",
            Self::PositionNotional => "position_notional",
            Self::PriceCollar => "price_collar",
        }
    }

    /// True when a smaller value is worse.
    #[must_use]
    pub const fn smaller_is_worse(self) -> bool {
        matches!(self, Self::LiquidationDistance | Self::WorstCase)
    }

    /// True when the value is a fraction of something (0.1 is 10 %).
    #[must_use]
    pub const fn is_fraction(self) -> bool {
        match self {
            Self::LiquidationDistance
            | Self::WalletAtRisk
            | Self::Spill
            | Self::MarginRatio
            | Self::WorstCase
            | Self::PriceCollar => true,
            Self::Leverage
            | Self::EffectiveLeverage
            | Self::OrderNotional
            | Self::PositionNotional => false,
        }
    }

    /// The shipped default.
    ///
    /// Source: design.md §7.
    #[must_use]
    pub fn default_limit(self) -> Limit {
        let hundredths = |value| Decimal::new(value, 2);
        match self {
            Self::LiquidationDistance => Limit::of(hundredths(20), hundredths(10)),
            Self::WalletAtRisk => Limit::of(hundredths(35), hundredths(60)),
            Self::Spill => Limit::of(hundredths(10), hundredths(40)),
            Self::MarginRatio => Limit::of(hundredths(30), hundredths(50)),
            Self::WorstCase => Limit::of(hundredths(10), hundredths(5)),
            Self::Leverage => Limit::of(Decimal::from(20), Decimal::from(50)),
            Self::EffectiveLeverage => Limit::of(Decimal::from(3), Decimal::from(6)),
            Self::OrderNotional | Self::PositionNotional => Limit::OFF,
            Self::PriceCollar => Limit::of(hundredths(2), hundredths(5)),
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// A limit for every key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits([Limit; LimitKey::ALL.len()]);

impl Default for Limits {
    fn default() -> Self {
        Self(LimitKey::ALL.map(LimitKey::default_limit))
    }
}

impl Limits {
    /// The limit of a key.
    #[must_use]
    pub const fn get(&self, key: LimitKey) -> Limit {
        self.0[key.index()]
    }

    /// Sets the limit of a key.
    pub const fn set(&mut self, key: LimitKey, limit: Limit) {
        self.0[key.index()] = limit;
    }
}

/// Limits that replace the general ones for a symbol or a client.
pub type Overrides = BTreeMap<LimitKey, Limit>;

/// Symbols that may not be opened crossed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsolatedOnly {
    /// All of them (`"*"`).
    All,
    /// These.
    These(BTreeSet<Symbol>),
}

impl IsolatedOnly {
    /// True when this symbol may not be opened crossed.
    #[must_use]
    pub fn holds(&self, symbol: &Symbol) -> bool {
        match self {
            Self::All => true,
            Self::These(symbols) => symbols.contains(symbol),
        }
    }
}

/// The trader's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The adverse move the guard thinks in, as a fraction of the mark.
    pub horizon: Rate,
    /// How far from the mark a market order fills.
    pub market_slippage: Rate,
    /// Taker fee, as a fraction of the notional.
    pub taker_fee: Rate,
    /// Symbols that may be traded; empty permits all that are listed.
    pub symbols: BTreeSet<Symbol>,
    /// Symbols that may not be opened crossed.
    pub isolated_only: IsolatedOnly,
    /// The general limits.
    pub limits: Limits,
    /// Scenarios by name; some of them must be survived.
    pub stress: BTreeMap<String, Scenario>,
    /// Limits of single symbols.
    pub of_symbol: BTreeMap<Symbol, Overrides>,
    /// Limits of single clients; they win over those of the symbol.
    pub of_client: BTreeMap<String, Overrides>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            horizon: Rate::new(Decimal::new(10, 2)),
            market_slippage: Rate::new(Decimal::new(5, 3)),
            taker_fee: Rate::new(Decimal::new(5, 4)),
            symbols: BTreeSet::new(),
            isolated_only: IsolatedOnly::These(BTreeSet::new()),
            limits: Limits::default(),
            stress: super::stress::shipped()
                .into_iter()
                .map(|(name, scenario)| (name.to_owned(), scenario))
                .collect(),
            of_symbol: BTreeMap::new(),
            of_client: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// The limit that holds for this symbol and client.
    #[must_use]
    pub fn limit(&self, key: LimitKey, symbol: &Symbol, client: Option<&str>) -> Limit {
        self.limit_for(key, Some(symbol), client)
    }

    /// The limit that holds for this client, and this symbol if it is about one.
    #[must_use]
    pub fn limit_for(&self, key: LimitKey, symbol: Option<&Symbol>, client: Option<&str>) -> Limit {
        let of_client = client
            .and_then(|client| self.of_client.get(client))
            .and_then(|overrides| overrides.get(&key));
        let of_symbol = symbol
            .and_then(|symbol| self.of_symbol.get(symbol))
            .and_then(|overrides| overrides.get(&key));
        of_client
            .or(of_symbol)
            .copied()
            .unwrap_or_else(|| self.limits.get(key))
    }

    /// True when `other` permits something this policy does not: a loosening is announced.
    #[must_use]
    pub fn is_loosened_by(&self, other: &Self) -> bool {
        let looser = |key: LimitKey, old: Option<Decimal>, new: Option<Decimal>| match (old, new) {
            (Some(_), None) => true,
            (None, _) => false,
            (Some(old), Some(new)) if key.smaller_is_worse() => new < old,
            (Some(old), Some(new)) => new > old,
        };
        let limits = LimitKey::ALL.into_iter().any(|key| {
            let (old, new) = (self.limits.get(key), other.limits.get(key));
            looser(key, old.warn, new.warn) || looser(key, old.reject, new.reject)
        });
        // A scenario that is gone or asks for less is looser; one that shocks differently may be.
        let stress = self.stress.iter().any(|(name, old)| {
            old.required.is_some()
                && other
                    .stress
                    .get(name)
                    .is_none_or(|new| new.required < old.required || new.shock != old.shock)
        });
        limits
            || stress
            || self.of_symbol != other.of_symbol
            || self.of_client != other.of_client
            || (!self.symbols.is_empty() && !other.symbols.is_subset(&self.symbols))
            || (!self.symbols.is_empty() && other.symbols.is_empty())
            || (self.isolated_only != other.isolated_only
                && other.isolated_only != IsolatedOnly::All)
            || other.horizon < self.horizon
            || other.market_slippage < self.market_slippage
            || other.taker_fee < self.taker_fee
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_limit_wins_over_the_symbols_and_that_over_the_general_one() {
        let btc = Symbol::new("BTCUSDT").unwrap();
        let eth = Symbol::new("ETHUSDT").unwrap();
        let key = LimitKey::Leverage;
        let reject = |value: i64| Limit {
            warn: None,
            reject: Some(Decimal::from(value)),
        };
        let mut policy = Policy::default();
        policy
            .of_symbol
            .insert(btc.clone(), Overrides::from([(key, reject(10))]));
        policy
            .of_client
            .insert("bot".to_owned(), Overrides::from([(key, reject(5))]));
        assert_eq!(policy.limit(key, &btc, Some("bot")), reject(5));
        assert_eq!(policy.limit(key, &btc, Some("other")), reject(10));
        assert_eq!(policy.limit(key, &eth, None), key.default_limit());
    }

    #[test]
    fn a_loosening_is_seen_in_either_direction_of_worse() {
        let base = Policy::default();
        let mut nearer = base.clone();
        let distance = Limit {
            warn: Some(Decimal::new(20, 2)),
            reject: Some(Decimal::new(5, 2)),
        };
        nearer.limits.set(LimitKey::LiquidationDistance, distance);
        assert!(base.is_loosened_by(&nearer));
        assert!(!nearer.is_loosened_by(&base));
        let mut higher = base.clone();
        higher.limits.set(LimitKey::Leverage, Limit::OFF);
        assert!(base.is_loosened_by(&higher));
        assert!(!base.is_loosened_by(&base.clone()));
    }
}
