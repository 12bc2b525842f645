//! Balances and positions as events tell them.
//!
//! Owns: what an account event changes, and which of two statements about an entity is newer.
//! Must not know: whole reads, orders.

use super::super::event::{AccountUpdate, BalanceUpdate, PositionUpdate};
use super::super::truth::Watermark;
use super::super::{Change, Mirror};
use crate::clock::Now;
use crate::margin::account::{Leg, MarginMode, PositionMode, PositionSide, Symbol};

impl Mirror {
    pub(in crate::mirror) fn account_update(
        &mut self,
        update: &AccountUpdate,
        now: Now,
        change: &mut Change,
    ) {
        let watermark = Watermark {
            transaction_ms: update.transaction_ms,
            event_ms: update.event_ms,
            received: now,
            lagging_reads: 0,
        };
        for balance in &update.balances {
            let known = self.balances.get(&balance.asset);
            if known.is_some_and(|known| !known.admits(update.transaction_ms, update.event_ms)) {
                self.counters.ignored = self.counters.ignored.saturating_add(1);
                continue;
            }
            self.set_balance(balance, watermark);
            change.account = true;
        }
        for position in &update.positions {
            self.position_event(position, watermark, change);
        }
    }

    pub(in crate::mirror) fn position_event(
        &mut self,
        position: &PositionUpdate,
        watermark: Watermark,
        change: &mut Change,
    ) {
        if let Some(mode) = position.margin_mode {
            self.margin_mode_event(&position.symbol, mode, change);
        } else {
            change.wanted.config = true;
        }
        if self.belongs_to_other_mode(position.position_side) {
            // Hedge mode sends a BOTH row of zero along; in one-way mode a leg of a hedge means
            // that the mode was switched.
            if !position.quantity.is_zero() {
                self.readings.account = None;
                change.wanted.config = true;
                change.wanted.account = true;
            }
            return;
        }
        let key = (position.symbol.clone(), position.position_side);
        let known = self.positions.get(&key);
        let admitted =
            known.is_none_or(|known| known.admits(watermark.transaction_ms, watermark.event_ms));
        if !admitted {
            self.counters.ignored = self.counters.ignored.saturating_add(1);
            return;
        }
        self.set_position(position, watermark);
        let (symbol, side) = (&position.symbol, position.position_side);
        if self
            .orders
            .fills_mut()
            .settle(symbol, side, watermark.transaction_ms)
        {
            self.sum_orders(symbol);
        }
        change.account = true;
    }

    pub(in crate::mirror) const fn belongs_to_other_mode(&self, side: PositionSide) -> bool {
        match self.book.position_mode() {
            PositionMode::OneWay => !matches!(side, PositionSide::Both),
            PositionMode::Hedge => matches!(side, PositionSide::Both),
        }
    }

    pub(in crate::mirror) fn margin_mode_event(
        &mut self,
        symbol: &Symbol,
        mode: MarginMode,
        change: &mut Change,
    ) {
        let id = self.book.intern(symbol);
        let known = self
            .book
            .state(symbol.as_str())
            .and_then(|state| state.settings);
        match known {
            Some(settings) if settings.margin_mode == mode => {}
            Some(_) => {
                self.book.change(id, |state| {
                    if let Some(settings) = &mut state.settings {
                        settings.margin_mode = mode;
                    }
                });
                self.place_mark(id);
                change.account = true;
                change.wanted.config = true;
            }
            None => change.wanted.config = true,
        }
    }

    pub(in crate::mirror) fn set_balance(&mut self, balance: &BalanceUpdate, watermark: Watermark) {
        self.book.set_balances(
            &balance.asset,
            balance.wallet_balance,
            balance.cross_wallet_balance,
        );
        self.balances.insert(balance.asset.clone(), watermark);
    }

    pub(in crate::mirror) fn set_position(
        &mut self,
        position: &PositionUpdate,
        watermark: Watermark,
    ) {
        let id = self.intern(&position.symbol);
        let leg = if position.quantity.is_zero() {
            Ok(Leg::default())
        } else {
            Leg::new(
                position.quantity,
                position.entry_price,
                position.isolated_wallet,
            )
        };
        match leg {
            Ok(leg) => {
                self.book.change(id, |state| {
                    *state.legs.get_mut(position.position_side) = leg;
                });
                if self.unrepresentable.as_ref() == Some(&position.symbol) {
                    self.unrepresentable = None;
                }
            }
            Err(_) => self.unrepresentable = Some(position.symbol.clone()),
        }
        self.place_mark(id);
        self.positions
            .insert((position.symbol.clone(), position.position_side), watermark);
    }
}
