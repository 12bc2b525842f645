//! Folding events into the mirror.
//!
//! Owns: which part of the mirror an event changes. Absolute values in, never sums of fills.
//! Must not know: freshness bounds (planes judge that when somebody asks).

mod account;
mod orders;
mod tables;
mod truth;

use super::event::{CollateralUpdate, Event, MarkUpdate};
use super::plane::Reading;
use super::view::Unsupported;
use super::{Change, Mirror, Notice};
use crate::clock::Now;
use crate::margin::account::{AssetMode, Symbol};
use crate::margin::pool::SymbolId;

impl Mirror {
    /// Takes one event at this moment.
    pub fn apply(&mut self, event: Event, now: Now) -> Change {
        let mut change = Change::default();
        self.note_lag(&event, now, &mut change);
        let event = match event {
            held @ (Event::AccountUpdate(_) | Event::OrderUpdate(_) | Event::AlgoUpdate(_)) => {
                match self.sync.hold(held, now) {
                    Some(event) => event,
                    None => return change,
                }
            }
            other => other,
        };
        self.fold(event, now, &mut change);
        change
    }

    /// Compares when an event of the user stream happened with when it came.
    fn note_lag(&mut self, event: &Event, now: Now, change: &mut Change) {
        let event_ms = match event {
            Event::AccountUpdate(update) => update.event_ms,
            Event::OrderUpdate(update) => update.event_ms,
            Event::AlgoUpdate(update) => update.event_ms,
            _ => return,
        };
        let Some(exchange_now) = self.exchange_now_ms(now) else {
            return;
        };
        let lag_ms = exchange_now.saturating_sub(event_ms);
        if self.doubts.note_lag(lag_ms, self.bounds.lag_ms, now) {
            change.wanted.account = true;
            change.wanted.orders = true;
        }
    }

    pub(in crate::mirror) fn fold(&mut self, event: Event, now: Now, change: &mut Change) {
        self.counters.applied = self.counters.applied.saturating_add(1);
        match event {
            Event::UserStreamOpened(connection) => {
                self.sync.opened(connection);
                change.wanted.account = true;
                change.wanted.orders = true;
                change.wanted.config = true;
            }
            Event::UserStreamLost(loss) => {
                let epoch = self
                    .sync
                    .connection()
                    .map_or(0, |connection| connection.epoch);
                self.sync.lost(loss.clone());
                if loss.epoch >= epoch {
                    change.notices.push(Notice::UserStreamLost(loss));
                }
            }
            Event::UserStreamGap(gap) => {
                self.sync.gap = Some(gap.clone());
                change.wanted.account = true;
                change.wanted.orders = true;
                change.notices.push(Notice::UserStreamGap(gap));
            }
            Event::MarketStreamOpened(connection) => {
                self.market_epoch = connection.epoch;
                self.market_loss = None;
            }
            Event::MarketStreamLost(loss) => self.market_loss = Some(loss),
            Event::AccountUpdate(update) => self.account_update(&update, now, change),
            Event::OrderUpdate(update) => self.order_update(&update, now, change),
            Event::AlgoUpdate(update) => self.algo_update(&update, now, change),
            Event::LeverageChanged {
                symbol, leverage, ..
            } => {
                self.leverage_changed(&symbol, leverage, now, change);
            }
            Event::AssetModeChanged { mode, .. } => {
                self.mode_event = Some(now);
                if let Some(config) = &mut self.config {
                    config.asset_mode = mode;
                    self.book.set_modes(config.position_mode, mode);
                }
                change.account = true;
                change.wanted.config = true;
            }
            Event::MarginCall { symbols, .. } => change.notices.push(Notice::MarginCall(symbols)),
            Event::Mark(update) => self.mark(&update, now, change),
            Event::Quotes(read) => self.quotes.take(read, now),
            Event::CollateralRates(rates) => self.collateral_rates(&rates, change),
            Event::AutoExchange(rows) => {
                for row in rows {
                    self.book.set_auto_exchange(&row.asset, row.below);
                }
            }
            Event::AccountConfig(read) => self.account_config(&read, change),
            Event::SymbolSettings(read) => self.symbol_settings(&read, change),
            Event::AccountTruth(read) => {
                if self.unsupported() == Some(Unsupported::PortfolioMargin) {
                    self.lift_refusal(change);
                }
                self.account_truth(&read, now, change);
            }
            Event::OrdersTruth(read) => self.orders_truth(&read, now, change),
            Event::BracketCoefficients(rows) => self.bracket_coefficients(rows),
            Event::Brackets(read) => self.brackets(read, change),
            Event::Rules(read) => self.trading_rules(read, change),
            Event::ContractChanged { brackets, .. } => {
                change.wanted.rules = true;
                change.wanted.brackets = brackets;
            }
            Event::ClockOffset(offset) => self.clock_offset = Some(offset),
            Event::KeyAccepted { at } => {
                // That some call was answered does not make the account one that is modelled: only
                // that it is read does.
                if self.unsupported() != Some(Unsupported::PortfolioMargin) {
                    self.lift_refusal(change);
                }
                self.readings.key = Some(Reading { asked: at });
            }
            Event::KeyRefused(refusal) => {
                if self.key_refusal.as_ref().map(|old| old.cause) != Some(refusal.cause) {
                    change.notices.push(Notice::KeyRefused(refusal.clone()));
                }
                self.key_refusal = Some(refusal);
            }
            Event::KeyPermissions(permissions) => self.key_permissions = Some(permissions),
            Event::CommissionRates(rates) => {
                self.commissions.insert(rates.symbol.clone(), rates);
            }
        }
    }

    fn lift_refusal(&mut self, change: &mut Change) {
        if self.key_refusal.take().is_some() {
            change.notices.push(Notice::KeyAccepted);
        }
    }

    /// The symbol's place in the book, with what the rules say of its pool.
    pub(in crate::mirror) fn intern(&mut self, symbol: &Symbol) -> SymbolId {
        let id = self.book.intern(symbol);
        let known = self
            .book
            .state(symbol.as_str())
            .is_some_and(|s| s.margin_asset.is_some());
        if !known && let Some(rules) = self.rules.get(symbol) {
            let asset = rules.margin_asset.clone();
            self.book
                .change(id, |state| state.margin_asset = Some(asset));
        }
        id
    }

    /// Keeps the symbol where its age is looked up: among the held ones of its pool or not at all.
    pub(in crate::mirror) fn place_mark(&mut self, id: SymbolId) {
        let pool = self.book.held_in(id);
        self.marks.place(id, pool);
    }

    fn mark(&mut self, update: &MarkUpdate, now: Now, change: &mut Change) {
        let id = match self.book.id(update.symbol.as_str()) {
            Some(id) => id,
            None => self.intern(&update.symbol),
        };
        if !self.marks.take(id, update, now) {
            return;
        }
        self.book.set_mark(id, update.mark);
        self.place_mark(id);
        change.mark = Some(id);
    }

    /// What an asset counts for; an older statement than the one known changes nothing.
    fn collateral_rates(&mut self, rates: &[CollateralUpdate], change: &mut Change) {
        for update in rates {
            let known = self.rates.get(&update.asset);
            if known.is_some_and(|event_ms| *event_ms > update.event_ms) {
                self.counters.ignored = self.counters.ignored.saturating_add(1);
                continue;
            }
            self.rates.insert(update.asset.clone(), update.event_ms);
            self.book.set_rate(&update.asset, update.rate);
            change.notices.extend(self.haircut(update));
        }
    }

    /// Told when what is owned counts for less of its price; that its price falls is no cut.
    fn haircut(&mut self, update: &CollateralUpdate) -> Option<Notice> {
        let after = update.haircut?;
        let before = match self.haircuts.get_mut(&update.asset) {
            Some(known) => std::mem::replace(known, after),
            None => {
                self.haircuts.insert(update.asset.clone(), after);
                return None;
            }
        };
        let counts = self.book.asset_mode() == AssetMode::Multi
            && self
                .book
                .collateral_in_use()
                .any(|asset| *asset == update.asset);
        (after > before && counts).then(|| Notice::CollateralCut {
            asset: update.asset.clone(),
            before,
            after,
        })
    }
}
