//! Whole reads of balances and positions.
//!
//! Owns: what a read confirms, corrects or leaves to the events after it, and when the mirror goes
//! live.
//! Must not know: settings, how an order is matched.

use super::super::event::{AccountTruth, PositionUpdate, Read, TruthBalance};
use super::super::plane::Reading;
use super::super::truth::{Difference, Drift, EMPTY_READS_MAX, Entity, Row, Watermark, judge};
use super::super::{Change, Mirror, Notice};
use crate::clock::Now;
use crate::margin::account::{PositionSide, Symbol};
use crate::margin::amount::{Amount, Price, Quantity};

impl Mirror {
    pub(in crate::mirror) fn account_truth(
        &mut self,
        read: &Read<AccountTruth>,
        now: Now,
        change: &mut Change,
    ) {
        self.credits = read.value.credits;
        if self.is_suddenly_empty(&read.value) {
            self.empty_reads = self.empty_reads.saturating_add(1);
            if self.empty_reads < EMPTY_READS_MAX {
                change.wanted.account = true;
                change.notices.push(Notice::SuddenlyEmpty {
                    reads: self.empty_reads,
                });
                return;
            }
        }
        self.empty_reads = 0;
        let known_before = self.readings.account.is_some();
        let mut drift = Drift::default();
        let lagging_before = self.counters.lagging_rows;
        for row in &read.value.balances {
            self.truth_balance(row, read.asked, &mut drift, change);
        }
        let all_taken = self.truth_positions(&read.value, read.asked, &mut drift, change);
        self.settle_fills(read);
        self.prove_sums(&mut drift);
        if drift.differences.is_empty() && self.counters.lagging_rows == lagging_before {
            self.doubts.agreed();
        } else if self.doubts.account_reason().is_some() {
            change.wanted.account = true;
        }
        if known_before && !drift.differences.is_empty() {
            self.counters.drifts = self.counters.drifts.saturating_add(1);
            change.wanted.orders = true;
            change.notices.push(Notice::Drifted(drift.clone()));
        }
        self.drift = Some(if known_before {
            drift
        } else {
            Drift::default()
        });
        self.readings.account = all_taken.then_some(Reading { asked: read.asked });
        self.after_whole_read(now, change);
    }

    /// The book's running sums are held against sums made from nothing, and made anew where they
    /// differ: a mistake of ours is shown as drift like any other.
    fn prove_sums(&mut self, drift: &mut Drift) {
        for (asset, running, anew) in self.book.prove() {
            drift.differences.push(Difference {
                what: Entity::Balance(asset),
                ours: running.margin_balance.to_string(),
                theirs: anew.margin_balance.to_string(),
            });
        }
    }

    /// Balances at zero and every position gone, though no event told of it: a degraded backend
    /// answers like this. Not believed at once.
    pub(in crate::mirror) fn is_suddenly_empty(&self, truth: &AccountTruth) -> bool {
        let empty = truth.positions.is_empty()
            && truth
                .balances
                .iter()
                .all(|row| row.balance.wallet_balance.is_zero());
        let had = self.book.assets().any(|asset| {
            self.book
                .balances(asset.as_str())
                .is_some_and(|(wallet, _)| wallet.is_positive())
        });
        empty && had
    }

    pub(in crate::mirror) fn complete_since_us(&self) -> i64 {
        self.sync.needs_read_after_us().unwrap_or(i64::MAX)
    }

    pub(in crate::mirror) fn truth_balance(
        &mut self,
        row: &TruthBalance,
        asked: Now,
        drift: &mut Drift,
        change: &mut Change,
    ) {
        let asset = &row.balance.asset;
        self.exchange_figures.insert(asset.clone(), row.figures);
        let told = (row.balance.wallet_balance, row.balance.cross_wallet_balance);
        let ours = self.book.balances(asset.as_str());
        let differs = ours != Some(told);
        let known = self.balances.get(asset).copied();
        let since = self.complete_since_us();
        match judge(known.as_ref(), Some(row.updated_ms), asked, since, differs) {
            Row::Overtaken => {}
            Row::Lagging => self.lagging_balance(row, change),
            verdict @ (Row::Take | Row::Insists) => {
                if let (true, Some(ours)) = (differs, ours) {
                    drift.note_balance(asset, ours.1, told.1);
                    self.note_contested(verdict, drift);
                }
                change.account |= differs;
                let transaction_ms = known.map_or(row.updated_ms, |known| {
                    known.transaction_ms.max(row.updated_ms)
                });
                let watermark = Watermark {
                    transaction_ms,
                    event_ms: 0,
                    received: asked,
                    lagging_reads: 0,
                };
                self.set_balance(&row.balance, watermark);
            }
        }
    }

    /// A read that had to insist leaves doubt until the next one agrees with it.
    pub(in crate::mirror) fn note_contested(&mut self, verdict: Row, drift: &Drift) {
        if verdict == Row::Insists
            && let Some(difference) = drift.differences.last()
        {
            self.doubts.note_contested(difference.clone());
        }
    }

    /// Fills that a read of positions knows of need no position event any more.
    pub(in crate::mirror) fn settle_fills(&mut self, read: &Read<AccountTruth>) {
        let updated_ms = |symbol: &Symbol, side: PositionSide| {
            let mut rows = read.value.positions.iter();
            let row = rows
                .find(|row| row.position.symbol == *symbol && row.position.position_side == side)?;
            Some(row.updated_ms)
        };
        let settled = self
            .orders
            .fills_mut()
            .settle_by_read(read.asked, updated_ms);
        for symbol in &settled {
            self.sum_orders(symbol);
        }
    }

    pub(in crate::mirror) fn lagging_balance(&mut self, row: &TruthBalance, change: &mut Change) {
        self.counters.lagging_rows = self.counters.lagging_rows.saturating_add(1);
        if let Some(known) = self.balances.get_mut(&row.balance.asset) {
            known.lagging_reads = known.lagging_reads.saturating_add(1);
        }
        change.wanted.account = true;
    }

    /// Rows that are listed, then positions we hold that are not listed and so are flat. False when
    /// a row belongs to the other position mode: the mode must be read first.
    pub(in crate::mirror) fn truth_positions(
        &mut self,
        truth: &AccountTruth,
        asked: Now,
        drift: &mut Drift,
        change: &mut Change,
    ) -> bool {
        let mut all_taken = true;
        let mut listed = std::collections::BTreeSet::new();
        for row in &truth.positions {
            let position = &row.position;
            if self.belongs_to_other_mode(position.position_side) {
                if !position.quantity.is_zero() {
                    change.wanted.config = true;
                    all_taken = false;
                }
                continue;
            }
            let key = (position.symbol.clone(), position.position_side);
            match row.liquidation_price {
                Some(price) => self.exchange_liquidation.insert(key.clone(), price),
                None => self.exchange_liquidation.remove(&key),
            };
            match row.deleveraging_quantile {
                Some(quantile) => self.deleveraging.insert(key.clone(), quantile),
                None => self.deleveraging.remove(&key),
            };
            let id = self.intern(&position.symbol);
            let asset = &row.margin_asset;
            let unplaced = self
                .book
                .state(position.symbol.as_str())
                .is_some_and(|s| s.margin_asset.is_none());
            if unplaced {
                self.book
                    .change(id, |state| state.margin_asset = Some(asset.clone()));
            }
            listed.insert(key);
            self.truth_position(position, Some(row.updated_ms), asked, drift, change);
        }
        let held: Vec<(Symbol, PositionSide)> = self
            .book
            .symbols()
            .flat_map(|(symbol, state)| {
                state
                    .legs
                    .held()
                    .map(|(side, _)| (symbol.clone(), side))
                    .collect::<Vec<_>>()
            })
            .filter(|key| !listed.contains(key))
            .collect();
        for (symbol, position_side) in held {
            let flat = PositionUpdate {
                symbol,
                position_side,
                quantity: Quantity::ZERO,
                entry_price: Price::ZERO,
                isolated_wallet: Amount::ZERO,
                margin_mode: None,
            };
            self.truth_position(&flat, None, asked, drift, change);
        }
        all_taken
    }

    pub(in crate::mirror) fn truth_position(
        &mut self,
        position: &PositionUpdate,
        updated_ms: Option<i64>,
        asked: Now,
        drift: &mut Drift,
        change: &mut Change,
    ) {
        let key = (position.symbol.clone(), position.position_side);
        let ours = self
            .book
            .state(position.symbol.as_str())
            .map(|state| *state.legs.get(position.position_side))
            .unwrap_or_default();
        let differs = ours.quantity != position.quantity
            || (!position.quantity.is_zero()
                && (ours.entry_price != position.entry_price
                    || ours.isolated_wallet != position.isolated_wallet));
        let known = self.positions.get(&key).copied();
        let since = self.complete_since_us();
        match judge(known.as_ref(), updated_ms, asked, since, differs) {
            Row::Overtaken => {}
            Row::Lagging => {
                self.counters.lagging_rows = self.counters.lagging_rows.saturating_add(1);
                if let Some(known) = self.positions.get_mut(&key) {
                    known.lagging_reads = known.lagging_reads.saturating_add(1);
                }
                change.wanted.account = true;
            }
            verdict @ (Row::Take | Row::Insists) => {
                if differs {
                    drift.differences.push(Difference {
                        what: Entity::Position(position.symbol.clone(), position.position_side),
                        ours: ours.quantity.to_string(),
                        theirs: position.quantity.to_string(),
                    });
                    self.note_contested(verdict, drift);
                }
                change.account |= differs;
                let told_ms = updated_ms.unwrap_or(i64::MIN);
                let transaction_ms =
                    known.map_or(told_ms, |known| known.transaction_ms.max(told_ms));
                let watermark = Watermark {
                    transaction_ms,
                    event_ms: 0,
                    received: asked,
                    lagging_reads: 0,
                };
                self.set_position(position, watermark);
            }
        }
    }

    /// Goes live when both whole reads belong to the connection, and closes a gap they cover.
    pub(in crate::mirror) fn after_whole_read(&mut self, now: Now, change: &mut Change) {
        let (account, orders) = (self.readings.account, self.readings.orders);
        if let Some(waiting) = self.sync.go_live(account, orders) {
            if let Some(connection) = self.sync.connection() {
                change.notices.push(Notice::Live {
                    epoch: connection.epoch,
                });
            }
            for event in waiting {
                self.fold(event, now, change);
            }
        }
        let orders_known = &self.orders;
        let works = |id| orders_known.get(id).is_some();
        if self.doubts.settle(account, orders, works, now) {
            change.wanted.account = true;
            change.wanted.orders = true;
        }
        let closes = |gap: i64| {
            let after = |reading: Option<Reading>| {
                reading.is_some_and(|reading| reading.asked.boot_us > gap)
            };
            after(account) && after(orders)
        };
        if self
            .sync
            .gap
            .as_ref()
            .is_some_and(|gap| closes(gap.at.boot_us))
        {
            self.sync.gap = None;
        }
    }
}
