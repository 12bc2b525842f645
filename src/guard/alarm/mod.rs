//! Alarms: what becomes dangerous while nobody sends an order.
//!
//! Owns: which conditions and events raise an alarm, its levels, when it is over, and its words.
//! Pure: the mirror and the moment go in, [`Transition`]s come out.
//! Must not know: who is told, how often, and over which channel.
//!
//! Reading order: [`rule`] (the closed set), [`levels`] (where an alarm begins and ends), [`seen`]
//! (what is looked at), [`state`] (one look after the other), `figures` and `compare` (what is
//! judged), `surely` (what need not be looked at closely), `raised` (what is up), `words` (what a
//! person reads), `remedy` (what mends it).
//! An account can stand at a margin ratio of 0.3 and be 5 % from its end, so distance comes first.

mod compare;
mod figures;
pub mod levels;
mod notices;
mod raised;
mod remedy;
pub mod rule;
pub mod seen;
pub mod state;
mod surely;
mod trend;
mod words;

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::clock::Now;
use crate::margin::account::{Asset, Symbol};

pub use levels::{AlarmPolicy, Level, Setting};
pub use rule::Rule;
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
    pub part: Option<Cow<'static, str>>,
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
    pub fn with_part(mut self, part: impl Into<Cow<'static, str>>) -> Self {
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
    fn a_severity_is_found_by_its_name() {
        assert_eq!(Severity::from_name("warning"), Some(Severity::Warning));
        assert_eq!(Severity::from_name("loud"), None);
    }
}
