//! The mirror: our copy of the account, and how far it can be trusted.
//!
//! Owns: folding [`event::Event`]s into one [`Book`] of positions, balances, settings and marks,
//! the order books, reservations, and the freshness of every plane. A pure state machine: the
//! moment is an argument, nothing is read and nothing is sent.
//! Must not know: wire names, sockets, policy, who asks.
//!
//! A user stream that connects is not believed at once: events wait in a buffer until balances,
//! positions and both order books were read *after* it stood, then they are replayed and the
//! mirror is live ([`sync`]). Every value is absolute, the newest statement about each entity
//! wins, and whole reads go on checking what events told ([`truth`]).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod coefficient;
mod doubt;
pub mod event;
pub mod fills;
mod fold;
pub mod marks;
pub mod orders;
pub mod plane;
pub mod quotes;
pub mod reserve;
pub mod sync;
#[cfg(test)]
mod tests;
pub mod truth;
pub mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use coefficient::Coefficient;
use doubt::Doubts;
use event::{
    AccountConfig, ClockOffset, CommissionRates, ExchangeFigures, KeyPermissions, KeyRefusal,
    OrderOrigin, StreamLoss,
};
use marks::Marks;
use orders::Orders;
use plane::{Bounds, Reading};
use quotes::QuoteBook;
use reserve::Reservations;
use sync::Sync;
use truth::{Drift, Watermark};

use crate::clock::Now;
use crate::margin::account::{Asset, PositionSide, Quotes, Rules, Symbol};
use crate::margin::amount::{Amount, Price, Rate};
use crate::margin::book::Book;
use crate::margin::bracket::BracketTable;
use crate::margin::order::OpenOrder;
use crate::margin::pool::SymbolId;

/// What the spine should know of a change beyond the new state itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The mirror is live on this connection.
    Live {
        /// Generation of the connection.
        epoch: u64,
    },
    /// The user stream was lost.
    UserStreamLost(StreamLoss),
    /// Something of the user stream was not read.
    UserStreamGap(StreamLoss),
    /// A whole read found what no event had told, or contradicts an event.
    Drifted(Drift),
    /// A whole read found orders of which no event told.
    OrdersDrifted {
        /// How many were unheard of.
        unheard: usize,
        /// How many had vanished.
        vanished: usize,
    },
    /// A working order appeared that no check had been asked for.
    Unguarded(Box<OpenOrder>),
    /// The exchange itself trades on this account.
    Forced {
        /// Contract.
        symbol: Symbol,
        /// Why.
        origin: OrderOrigin,
    },
    /// A conditional order was refused at its trigger: a protection that is not there.
    ProtectionLost {
        /// The order.
        order: Box<OpenOrder>,
        /// The engine's words.
        refusal: String,
    },
    /// New brackets demand more maintenance margin of what is held.
    RequirementRose {
        /// Contract.
        symbol: Symbol,
        /// Under the brackets before, at the present mark.
        before: Amount,
        /// Under the new ones.
        after: Amount,
    },
    /// An asset that counts as collateral counts for less of its price.
    CollateralCut {
        /// Which.
        asset: Asset,
        /// The part that did not count before.
        before: Rate,
        /// The part that does not count now.
        after: Rate,
    },
    /// The exchange warned of liquidation.
    MarginCall(Vec<Symbol>),
    /// The whole account reads as empty without an event: not believed yet.
    SuddenlyEmpty {
        /// Reads in a row that say so.
        reads: u8,
    },
    /// The key is refused.
    KeyRefused(KeyRefusal),
    /// The key is accepted again.
    KeyAccepted,
}

/// Tables the mirror wants read anew now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Balances and positions.
    pub account: bool,
    /// Both order books.
    pub orders: bool,
    /// Settings.
    pub config: bool,
    /// Brackets.
    pub brackets: bool,
    /// Rules.
    pub rules: bool,
}

/// What one event did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Balances, positions, orders or settings changed.
    pub account: bool,
    /// A mark of this symbol changed.
    pub mark: Option<SymbolId>,
    /// What should be read anew.
    pub wanted: Wanted,
    /// What should be told.
    pub notices: Vec<Notice>,
}

/// Readings of the planes that are read as a whole.
#[derive(Debug, Clone, Copy, Default)]
struct Readings {
    account: Option<Reading>,
    orders: Option<Reading>,
    config: Option<Reading>,
    settings: Option<Reading>,
    brackets: Option<Reading>,
    rules: Option<Reading>,
    key: Option<Reading>,
}

/// Counters of what was seen, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Events that changed or confirmed something.
    pub applied: u64,
    /// Events older than what is known, or seen before.
    pub ignored: u64,
    /// Differences that whole reads found.
    pub drifts: u64,
    /// Rows of reads that were older than events.
    pub lagging_rows: u64,
}

/// The copy of the account.
#[derive(Debug, Clone)]
pub struct Mirror {
    bounds: Bounds,
    book: Book,
    config: Option<AccountConfig>,
    /// The account uses credits, which are not modelled.
    credits: bool,
    rules: BTreeMap<Symbol, Rules>,
    orders: Orders,
    /// A sum over orders once needed more than 28 digits: the order plane is not usable.
    orders_unsummable: Option<Symbol>,
    /// A position's cost needed more than 28 digits: the account plane is not usable.
    unrepresentable: Option<Symbol>,
    marks: Marks,
    quotes: QuoteBook,
    /// When each asset's collateral rate was last told.
    rates: BTreeMap<Asset, i64>,
    /// The part of each asset's price that does not count.
    haircuts: BTreeMap<Asset, Rate>,
    sync: Sync,
    market_epoch: u64,
    market_loss: Option<StreamLoss>,
    readings: Readings,
    balances: BTreeMap<Asset, Watermark>,
    positions: BTreeMap<(Symbol, PositionSide), Watermark>,
    leverage_events: BTreeMap<Symbol, Now>,
    mode_event: Option<Now>,
    clock_offset: Option<ClockOffset>,
    key_refusal: Option<KeyRefusal>,
    key_permissions: Option<KeyPermissions>,
    /// Fee rates as they were last read. No plane: nothing is refused for want of them.
    commissions: BTreeMap<Symbol, CommissionRates>,
    drift: Option<Drift>,
    doubts: Doubts,
    /// Symbols whose brackets are a multiple of the default ones.
    coefficients: BTreeMap<Symbol, Coefficient>,
    /// Brackets that were told once and differ from the ones before: in force are the stricter of
    /// both until they are told again.
    announced_brackets: BTreeMap<Symbol, Arc<BracketTable>>,
    /// Reads in a row that say the account is empty when nothing told so.
    empty_reads: u8,
    exchange_figures: BTreeMap<Asset, ExchangeFigures>,
    exchange_liquidation: BTreeMap<(Symbol, PositionSide), Price>,
    deleveraging: BTreeMap<(Symbol, PositionSide), u8>,
    reservations: Reservations,
    counters: Counters,
}

impl Mirror {
    /// A mirror that has seen nothing.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        use crate::margin::account::{AssetMode, PositionMode};
        Self {
            bounds,
            book: Book::new(PositionMode::OneWay, AssetMode::Single),
            config: None,
            credits: false,
            rules: BTreeMap::new(),
            orders: Orders::default(),
            orders_unsummable: None,
            unrepresentable: None,
            marks: Marks::default(),
            quotes: QuoteBook::default(),
            rates: BTreeMap::new(),
            haircuts: BTreeMap::new(),
            sync: Sync::default(),
            market_epoch: 0,
            market_loss: None,
            readings: Readings::default(),
            balances: BTreeMap::new(),
            positions: BTreeMap::new(),
            leverage_events: BTreeMap::new(),
            mode_event: None,
            clock_offset: None,
            key_refusal: None,
            key_permissions: None,
            commissions: BTreeMap::new(),
            drift: None,
            doubts: Doubts::default(),
            coefficients: BTreeMap::new(),
            announced_brackets: BTreeMap::new(),
            empty_reads: 0,
            exchange_figures: BTreeMap::new(),
            exchange_liquidation: BTreeMap::new(),
            deleveraging: BTreeMap::new(),
            reservations: Reservations::default(),
            counters: Counters::default(),
        }
    }

    /// The account as it is known, fresh or not: for display. Verdicts take a [`view::LiveView`].
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Working orders as they are known.
    #[must_use]
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Trading rules of a symbol.
    #[must_use]
    pub fn rules(&self, symbol: &str) -> Option<&Rules> {
        self.rules.get(symbol)
    }

    /// Every symbol the exchange lists, with its rules.
    pub fn listed(&self) -> impl ExactSizeIterator<Item = (&Symbol, &Rules)> {
        self.rules.iter()
    }

    /// Open promises.
    #[must_use]
    pub const fn reservations(&self) -> &Reservations {
        &self.reservations
    }

    /// Open promises, to make and release them.
    pub const fn reservations_mut(&mut self) -> &mut Reservations {
        &mut self.reservations
    }

    /// What came with the last mark of a symbol.
    #[must_use]
    pub fn mark_meta(&self, symbol: &str) -> Option<&marks::MarkMeta> {
        self.mark_meta_at(self.book.id(symbol)?)
    }

    /// The same at a place in the book.
    #[must_use]
    pub fn mark_meta_at(&self, id: SymbolId) -> Option<&marks::MarkMeta> {
        self.marks.meta(id)
    }

    /// What is known of a contract's market beside its mark and is not too old at this moment.
    #[must_use]
    pub fn quotes(&self, symbol: &Symbol, now: Now) -> Quotes {
        self.quotes.at(symbol, now)
    }

    /// What the last whole read found.
    #[must_use]
    pub const fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// The exchange's own figures at its own moment, for comparison.
    #[must_use]
    pub fn exchange_figures(&self, asset: &Asset) -> Option<&ExchangeFigures> {
        self.exchange_figures.get(asset)
    }

    /// The exchange's own liquidation price at its own moment, for comparison.
    #[must_use]
    pub fn exchange_liquidation_price(&self, symbol: &Symbol, side: PositionSide) -> Option<Price> {
        self.exchange_liquidation
            .get(&(symbol.clone(), side))
            .copied()
    }

    /// Where a position stands in the queue for auto-deleveraging, 4 first, as the last whole read told.
    #[must_use]
    pub fn deleveraging_quantile(&self, symbol: &Symbol, side: PositionSide) -> Option<u8> {
        self.deleveraging.get(&(symbol.clone(), side)).copied()
    }

    /// Why the key is refused, if it is.
    #[must_use]
    pub const fn key_refusal(&self) -> Option<&KeyRefusal> {
        self.key_refusal.as_ref()
    }

    /// What the key may do besides reading; `None` where the exchange did not tell.
    #[must_use]
    pub const fn key_permissions(&self) -> Option<KeyPermissions> {
        self.key_permissions
    }

    /// The account's fee rates of a contract, as they were last read.
    #[must_use]
    pub fn commission_rates(&self, symbol: &str) -> Option<&CommissionRates> {
        self.commissions.get(symbol)
    }

    /// The user stream's state.
    #[must_use]
    pub const fn sync(&self) -> &Sync {
        &self.sync
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let ignored = self.counters.ignored;
        let ignored = ignored
            .saturating_add(self.orders.ignored)
            .saturating_add(self.marks.ignored);
        Counters {
            ignored,
            ..self.counters
        }
    }

    /// The exchange's clock now, in milliseconds since 1970: the offset as it was measured, carried
    /// on by the boot clock, so that a step of the wall clock changes nothing.
    #[must_use]
    pub fn exchange_now_ms(&self, now: Now) -> Option<i64> {
        let offset = self.clock_offset?;
        let then = offset.at.wall_ms.saturating_add(offset.offset_ms);
        Some(then.saturating_add(now.since_ms(offset.at)))
    }

    /// The last measured clock offset.
    #[must_use]
    pub const fn clock_offset(&self) -> Option<ClockOffset> {
        self.clock_offset
    }

    /// True while anything is held, ordered or promised.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        !self.orders.is_empty()
            || !self.reservations.is_empty()
            || self.book.symbols().any(|(_, state)| !state.legs.is_flat())
    }

    /// Symbols that must be followed: held or ordered.
    pub fn symbols_in_use(&self) -> impl Iterator<Item = &Symbol> {
        let held = self
            .book
            .symbols()
            .filter(|(_, state)| !state.is_idle())
            .map(|(name, _)| name);
        let ordered = self.orders.iter().map(|order| &order.symbol);
        let promised = self.reservations.iter().map(|open| &open.intent.symbol);
        held.chain(ordered).chain(promised)
    }
}
