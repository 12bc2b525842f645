//! Alarms: what becomes dangerous while nobody sends an order.
//!
//! Owns: which conditions and events raise an alarm, its levels, when it is over, and its words.
//! Pure: the mirror and the moment go in, [`Transition`]s come out.
//! Must not know: who is told, how often, and over which channel.
//!
//! Reading order: [`Rule`] (the closed set), [`levels`] (where an alarm begins and ends),
//! [`seen`] (what is looked at), [`state`] (what is raised), `words` (what a person reads).
//! An account can stand at a margin ratio of 0.3 and be 5 % from its end, so distance comes first.

pub mod levels;
mod notices;
pub mod seen;
pub mod state;
mod trend;
mod words;

use rust_decimal::Decimal;

use crate::clock::Now;
use crate::margin::account::{Asset, Symbol};

pub use levels::{AlarmPolicy, Level, Setting};
pub use state::Alarms;

/// How urgent an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it today.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// Every severity, from the mildest.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The name in the configuration and on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What an alarm is about. The order is the order in which lines of one message are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The exchange liquidates positions of this account.
    Liquidation,
    /// The exchange warned of liquidation.
    MarginCall,
    /// The smallest move that liquidates a pool, or an isolated position.
    Distance,
    /// The exchange deleverages or settles a position.
    ForcedTrade,
    /// A conditional order was refused at its trigger.
    ProtectionLost,
    /// What the worst adverse move takes from a pool.
    WalletAtRisk,
    /// Headroom falls, and when it will be gone.
    HeadroomFalling,
    /// Maintenance margin against margin balance.
    MarginRatio,
    /// A working order would break the distance limit if it filled.
    OrderWouldBreak,
    /// What the rest of the wallet pays for one position.
    Spill,
    /// A symbol is crossed although the policy wants it isolated.
    IsolatedRequired,
    /// An order was placed that no check had been asked for.
    UnguardedOrder,
    /// Leverage, margin type or a mode of the account changed.
    SettingsChanged,
    /// New brackets demand more maintenance margin of what is held.
    RequirementRose,
    /// The next funding costs much.
    FundingCost,
    /// The mark of a held symbol moved far within a minute.
    MarkJump,
    /// The key is refused.
    KeyRefused,
    /// What the guard knows is too old.
    Stale,
    /// A pool's figures cannot be computed.
    FiguresUnknown,
    /// A whole read contradicted what events had told.
    Drift,
    /// The account reads as empty without an event.
    AccountEmpty,
    /// The guard was started again.
    Restarted,
}

impl Rule {
    /// Every rule, in the order of telling.
    pub const ALL: [Self; 22] = [
        Self::Liquidation,
        Self::MarginCall,
        Self::Distance,
        Self::ForcedTrade,
        Self::ProtectionLost,
        Self::WalletAtRisk,
        Self::HeadroomFalling,
        Self::MarginRatio,
        Self::OrderWouldBreak,
        Self::Spill,
        Self::IsolatedRequired,
        Self::UnguardedOrder,
        Self::SettingsChanged,
        Self::RequirementRose,
        Self::FundingCost,
        Self::MarkJump,
        Self::KeyRefused,
        Self::Stale,
        Self::FiguresUnknown,
        Self::Drift,
        Self::AccountEmpty,
        Self::Restarted,
    ];

    /// The name in the configuration and on the socket; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Liquidation => "liquidation",
            Self::MarginCall => "margin_call",
            Self::Distance => "distance",
            Self::ForcedTrade => "forced_trade",
            Self::ProtectionLost => "protection_lost",
            Self::WalletAtRisk => "wallet_at_risk",
            Self::HeadroomFalling => "headroom_falling",
            Self::MarginRatio => "margin_ratio",
            Self::OrderWouldBreak => "order_would_break",
            Self::Spill => "spill",
            Self::IsolatedRequired => "isolated_required",
            Self::UnguardedOrder => "unguarded_order",
            Self::SettingsChanged => "settings_changed",
            Self::RequirementRose => "requirement_rose",
            Self::FundingCost => "funding_cost",
            Self::MarkJump => "mark_jump",
            Self::KeyRefused => "key_refused",
            Self::Stale => "stale",
            Self::FiguresUnknown => "figures_unknown",
            Self::Drift => "drift",
            Self::AccountEmpty => "account_empty",
            Self::Restarted => "restarted",
        }
    }

    /// The rule of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// True when a smaller value is worse.
    #[must_use]
    pub const fn smaller_is_worse(self) -> bool {
        matches!(self, Self::Distance | Self::OrderWouldBreak)
    }

    /// True when it rests on figures that are only known while the guard sees the account.
    #[must_use]
    pub const fn rests_on_figures(self) -> bool {
        matches!(
            self,
            Self::Distance
                | Self::WalletAtRisk
                | Self::HeadroomFalling
                | Self::MarginRatio
                | Self::OrderWouldBreak
                | Self::Spill
                | Self::IsolatedRequired
                | Self::FundingCost
                | Self::MarkJump
                | Self::FiguresUnknown
        )
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What one alarm is recognised by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Which rule.
    pub rule: Rule,
    /// The pool it is about.
    pub pool: Option<Asset>,
    /// The symbol it is about.
    pub symbol: Option<Symbol>,
    /// What tells several of one symbol apart: a position side, an order.
    pub part: Option<String>,
}

impl Key {
    /// An alarm about the guard or the account as a whole.
    #[must_use]
    pub const fn plain(rule: Rule) -> Self {
        Self {
            rule,
            pool: None,
            symbol: None,
            part: None,
        }
    }

    /// An alarm about a pool.
    #[must_use]
    pub fn of_pool(rule: Rule, pool: &Asset) -> Self {
        Self {
            pool: Some(pool.clone()),
            ..Self::plain(rule)
        }
    }

    /// An alarm about a symbol.
    #[must_use]
    pub fn of_symbol(rule: Rule, pool: Option<&Asset>, symbol: &Symbol) -> Self {
        Self {
            pool: pool.cloned(),
            symbol: Some(symbol.clone()),
            ..Self::plain(rule)
        }
    }

    /// The same with a part.
    #[must_use]
    pub fn with_part(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
        self
    }
}

/// What a person reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// What is in danger, how far, how much money: one or two sentences.
    pub what: String,
    /// What to do now.
    pub to_do: String,
    /// The command or the order that does it.
    pub command: Option<String>,
}

/// How an alarm came to be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    New,
    /// It is more urgent than before.
    Higher,
    /// It is less urgent than before.
    Lower,
    /// It is worse, at the same severity; or an event came again.
    Worse,
}

/// A raised alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is recognised by.
    pub key: Key,
    /// How urgent.
    pub severity: Severity,
    /// How it came to be told now.
    pub change: Change,
    /// Since when it is raised.
    pub since: Now,
    /// The value that was judged.
    pub value: Option<Decimal>,
    /// The worst value since it was raised.
    pub worst: Option<Decimal>,
    /// The level it crossed.
    pub limit: Option<Decimal>,
    /// It tells of something that happened, not of a state that lasts.
    pub is_event: bool,
    /// What a person reads.
    pub text: Text,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// An alarm was raised, or changed.
    Raised(Box<Alarm>),
    /// An alarm is over.
    Cleared {
        /// Which.
        key: Key,
        /// Since when it had been raised.
        since: Now,
        /// The worst value.
        worst: Option<Decimal>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_listed_once_in_their_own_order_and_found_by_name() {
        assert!(Rule::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Rule::ALL.len(), Rule::Restarted as usize + 1);
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(rule));
        }
        assert_eq!(Severity::from_name("warning"), Some(Severity::Warning));
        assert_eq!(Severity::from_name("loud"), None);
    }
}
