//! What somebody wants to send.
//!
//! Owns: the three kinds of questions (an order, a batch, a change), and which of them the
//! exchange itself lets only reduce.
//! Must not know: the account, policy.

use crate::margin::account::{AssetMode, MarginMode, Symbol};
use crate::margin::change::Change;
use crate::margin::order::OrderIntent;

/// Most orders of a batch: the exchange takes no more (-4082).
///
/// Source: binance-api §4.5.
pub const BATCH_MAX: usize = 5;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// One order.
    Order(OrderIntent),
    /// Several orders that are sent together; the exchange works on them concurrently, so they may
    /// fill in any order and not all of them.
    Orders(Vec<OrderIntent>),
    /// A change of settings or of money.
    Change(Change),
}

impl From<OrderIntent> for Proposal {
    fn from(intent: OrderIntent) -> Self {
        Self::Order(intent)
    }
}

impl Proposal {
    /// True for a change into multi-assets mode.
    #[must_use]
    pub const fn joins_assets(&self) -> bool {
        matches!(
            self,
            Self::Change(Change::MultiAssetsMargin {
                mode: AssetMode::Multi
            })
        )
    }

    /// Its orders; none for a change.
    #[must_use]
    pub fn orders(&self) -> &[OrderIntent] {
        match self {
            Self::Order(intent) => std::slice::from_ref(intent),
            Self::Orders(intents) => intents,
            Self::Change(_) => &[],
        }
    }

    /// The change, if it is one.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::Change(change) => Some(change),
            Self::Order(_) | Self::Orders(_) => None,
        }
    }

    /// Every contract it is about, in its order, each once.
    #[must_use]
    pub fn symbols(&self) -> Vec<&Symbol> {
        let mut symbols: Vec<&Symbol> = Vec::with_capacity(self.orders().len().max(1));
        let of_orders = self.orders().iter().map(|intent| &intent.symbol);
        for symbol in of_orders.chain(self.change().and_then(Change::symbol)) {
            if !symbols.contains(&symbol) {
                symbols.push(symbol);
            }
        }
        symbols
    }

    /// The first contract it is about; none for changes of the whole account.
    #[must_use]
    pub fn symbol(&self) -> Option<&Symbol> {
        self.orders()
            .first()
            .map(|intent| &intent.symbol)
            .or_else(|| self.change().and_then(Change::symbol))
    }

    /// True when the exchange itself lets all of it only reduce: it is an exit whatever we know.
    ///
    /// Of the changes only the one to isolated margin is: the exchange makes it only while the
    /// symbol is flat and without orders, and from then on its positions cannot reach the pool.
    #[must_use]
    pub fn only_reduces(&self) -> bool {
        match self {
            Self::Order(intent) => intent.only_reduces(),
            Self::Orders(intents) => {
                !intents.is_empty() && intents.iter().all(OrderIntent::only_reduces)
            }
            Self::Change(change) => matches!(
                change,
                Change::MarginType {
                    margin_mode: MarginMode::Isolated,
                    ..
                }
            ),
        }
    }
}
