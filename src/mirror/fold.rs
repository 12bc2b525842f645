//! Folding events into the mirror.
//!
//! Owns: what each event changes. Absolute values in, never sums of fills.
//! Must not know: freshness bounds (planes judge that when somebody asks).

use std::sync::Arc;

use super::event::{
    AccountConfig, AccountTruth, AccountUpdate, AlgoStatus, AlgoUpdate, BalanceUpdate,
    CollateralUpdate, Event, MarkUpdate, OrderOrigin, OrderStatus, OrderUpdate, OrdersTruth,
    PositionUpdate, Read, SymbolBrackets, SymbolRules, SymbolSettings, TruthBalance,
};
use super::fills::Fill;
use super::plane::Reading;
use super::truth::{Difference, Drift, EMPTY_READS_MAX, Entity, Row, Watermark, judge};
use super::{Change, Mirror, Notice};
use crate::clock::Now;
use crate::margin::account::{AssetMode, Leg, MarginMode, PositionMode, PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage, Price, Quantity};
use crate::margin::bracket::BracketTable;
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

    fn fold(&mut self, event: Event, now: Now, change: &mut Change) {
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
            Event::CollateralRates(rates) => self.collateral_rates(&rates),
            Event::AutoExchange(rows) => {
                for row in rows {
                    self.book.set_auto_exchange(&row.asset, row.below);
                }
            }
            Event::AccountConfig(read) => self.account_config(&read, change),
            Event::SymbolSettings(read) => self.symbol_settings(&read, change),
            Event::AccountTruth(read) => self.account_truth(&read, now, change),
            Event::OrdersTruth(read) => self.orders_truth(&read, now, change),
            Event::Brackets(read) => self.brackets(read, change),
            Event::Rules(read) => self.trading_rules(read, change),
            Event::ContractChanged { brackets, .. } => {
                change.wanted.rules = true;
                change.wanted.brackets = brackets;
            }
            Event::ClockOffset(offset) => self.clock_offset = Some(offset),
            Event::KeyAccepted { at } => {
                if self.key_refusal.take().is_some() {
                    change.notices.push(Notice::KeyAccepted);
                }
                self.readings.key = Some(Reading { asked: at });
            }
            Event::KeyRefused(refusal) => {
                if self.key_refusal.as_ref().map(|old| old.cause) != Some(refusal.cause) {
                    change.notices.push(Notice::KeyRefused(refusal.clone()));
                }
                self.key_refusal = Some(refusal);
            }
        }
    }

    fn account_update(&mut self, update: &AccountUpdate, now: Now, change: &mut Change) {
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

    fn position_event(
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

    const fn belongs_to_other_mode(&self, side: PositionSide) -> bool {
        match self.book.position_mode() {
            PositionMode::OneWay => !matches!(side, PositionSide::Both),
            PositionMode::Hedge => matches!(side, PositionSide::Both),
        }
    }

    fn margin_mode_event(&mut self, symbol: &Symbol, mode: MarginMode, change: &mut Change) {
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

    fn set_balance(&mut self, balance: &BalanceUpdate, watermark: Watermark) {
        self.book.set_balances(
            &balance.asset,
            balance.wallet_balance,
            balance.cross_wallet_balance,
        );
        self.balances.insert(balance.asset.clone(), watermark);
    }

    fn set_position(&mut self, position: &PositionUpdate, watermark: Watermark) {
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

    /// The symbol's place in the book, with what the rules say of its pool.
    fn intern(&mut self, symbol: &Symbol) -> SymbolId {
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
    fn place_mark(&mut self, id: SymbolId) {
        let pool = self.book.held_in(id);
        self.marks.place(id, pool);
    }

    fn order_update(&mut self, update: &OrderUpdate, now: Now, change: &mut Change) {
        let unheard = self.orders.get(update.order.id).is_none();
        let Some(newly_filled) = self.orders.apply(update, now) else {
            return;
        };
        change.account = true;
        self.note_fill(update, newly_filled, now);
        let quantity = update
            .order
            .remaining
            .plus(update.filled)
            .unwrap_or(update.order.remaining);
        let promised = self.reservations.settle(&update.order, quantity).is_some();
        self.sum_orders(&update.order.symbol);
        match update.origin {
            OrderOrigin::Client => {
                // One that filled at once is as unguarded as one that still works.
                let took_effect = update.status != OrderStatus::Gone;
                if unheard && took_effect && !promised && !update.order.only_reduces() {
                    change
                        .notices
                        .push(Notice::Unguarded(Box::new(update.order.clone())));
                }
            }
            origin => {
                change.wanted.account = true;
                change.wanted.orders = true;
                let symbol = update.order.symbol.clone();
                self.doubts
                    .note_forced(&symbol, origin, update.order.id, now);
                change.notices.push(Notice::Forced { symbol, origin });
            }
        }
    }

    /// What an order filled goes on counting until its position is told, which may be before or
    /// after: the exchange promises an order only among events of one type.
    ///
    /// Source: faults.md E04.
    fn note_fill(&mut self, update: &OrderUpdate, quantity: Quantity, now: Now) {
        let order = &update.order;
        let key = (order.symbol.clone(), order.position_side);
        let is_told = self
            .positions
            .get(&key)
            .is_some_and(|known| known.transaction_ms >= update.transaction_ms);
        if quantity.is_zero() || is_told {
            return;
        }
        let mark = self
            .book
            .state(order.symbol.as_str())
            .and_then(|state| state.mark);
        let limit = order.kind.limit_price();
        let price = limit.or(mark.map(|mark| mark.price()));
        let fill = Fill {
            symbol: order.symbol.clone(),
            side: order.side,
            position_side: order.position_side,
            only_reduces: order.only_reduces(),
            quantity,
            price: price.unwrap_or(Price::ZERO),
            transaction_ms: update.transaction_ms,
            told: now,
        };
        if self.orders.fills_mut().note(fill).is_err() {
            self.orders_unsummable = Some(order.symbol.clone());
        }
    }

    fn algo_update(&mut self, update: &AlgoUpdate, now: Now, change: &mut Change) {
        let unheard = self.orders.get(update.order.id).is_none();
        if !self.orders.apply_algo(update, now) {
            return;
        }
        change.account = true;
        let promised = self
            .reservations
            .settle(&update.order, update.order.remaining)
            .is_some();
        self.sum_orders(&update.order.symbol);
        match update.status {
            AlgoStatus::Waiting if unheard && !promised && !update.order.only_reduces() => {
                change
                    .notices
                    .push(Notice::Unguarded(Box::new(update.order.clone())));
            }
            AlgoStatus::Refused => {
                let refusal = update.refusal.clone().unwrap_or_default();
                let order = Box::new(update.order.clone());
                change
                    .notices
                    .push(Notice::ProtectionLost { order, refusal });
            }
            AlgoStatus::Waiting | AlgoStatus::Triggered | AlgoStatus::Gone => {}
        }
    }

    /// Sums what the orders of a symbol could open, and hands it to the book.
    fn sum_orders(&mut self, symbol: &Symbol) {
        let id = self.intern(symbol);
        match self
            .orders
            .resting(symbol.as_str(), self.book.position_mode())
        {
            Ok(resting) => {
                let known = self.book.state(symbol.as_str()).map(|state| state.resting);
                if known != Some(resting) {
                    self.book.change(id, |state| state.resting = resting);
                }
                if self.orders_unsummable.as_ref() == Some(symbol) {
                    self.orders_unsummable = None;
                }
            }
            Err(_) => self.orders_unsummable = Some(symbol.clone()),
        }
    }

    fn leverage_changed(
        &mut self,
        symbol: &Symbol,
        leverage: Leverage,
        now: Now,
        change: &mut Change,
    ) {
        let id = self.intern(symbol);
        self.leverage_events.insert(symbol.clone(), now);
        self.book.change(id, |state| {
            if let Some(settings) = &mut state.settings {
                settings.leverage = leverage;
                settings.notional_max = None;
            }
        });
        change.account = true;
        change.wanted.config = true;
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
    fn collateral_rates(&mut self, rates: &[CollateralUpdate]) {
        for update in rates {
            let known = self.rates.get(&update.asset);
            if known.is_some_and(|event_ms| *event_ms > update.event_ms) {
                self.counters.ignored = self.counters.ignored.saturating_add(1);
                continue;
            }
            self.rates.insert(update.asset.clone(), update.event_ms);
            self.book.set_rate(&update.asset, update.rate);
        }
    }

    fn account_config(&mut self, read: &Read<AccountConfig>, change: &mut Change) {
        let mut config = read.value;
        if self.mode_event.is_some_and(|event| event >= read.asked)
            && let Some(known) = self.config
        {
            // The event came after the question was sent.
            config.asset_mode = known.asset_mode;
        }
        if self.config.map(|known| known.position_mode) != Some(config.position_mode) {
            self.switch_position_mode(config.position_mode, change);
        }
        change.account |= self.config != Some(config);
        self.config = Some(config);
        self.book.set_modes(config.position_mode, config.asset_mode);
        self.readings.config = Some(Reading { asked: read.asked });
    }

    /// Legs of the other mode cannot exist any more; positions are read anew.
    fn switch_position_mode(&mut self, mode: PositionMode, change: &mut Change) {
        let asset_mode = self
            .config
            .map_or(AssetMode::Single, |config| config.asset_mode);
        self.book.set_modes(mode, asset_mode);
        let gone = |side: &PositionSide| match mode {
            PositionMode::OneWay => !matches!(side, PositionSide::Both),
            PositionMode::Hedge => matches!(side, PositionSide::Both),
        };
        let left: Vec<_> = self
            .positions
            .keys()
            .filter(|(_, side)| gone(side))
            .cloned()
            .collect();
        for (symbol, side) in left {
            let id = self.book.intern(&symbol);
            self.book
                .change(id, |state| *state.legs.get_mut(side) = Leg::default());
            self.place_mark(id);
            self.positions.remove(&(symbol, side));
        }
        let ordered: Vec<Symbol> = self
            .orders
            .iter()
            .map(|order| order.symbol.clone())
            .collect();
        for symbol in ordered {
            self.sum_orders(&symbol);
        }
        // What was read under the other mode was not taken: it does not count as read.
        self.readings.account = None;
        change.wanted.account = true;
        change.wanted.orders = true;
    }

    fn symbol_settings(&mut self, read: &Read<Vec<SymbolSettings>>, change: &mut Change) {
        for row in &read.value {
            let id = self.intern(&row.symbol);
            let mut settings = row.settings;
            let known = self
                .book
                .state(row.symbol.as_str())
                .and_then(|state| state.settings);
            let overtaken = self
                .leverage_events
                .get(&row.symbol)
                .is_some_and(|event| *event >= read.asked);
            if let (true, Some(known)) = (overtaken, known) {
                settings.leverage = known.leverage;
            }
            if known != Some(settings) {
                self.book
                    .change(id, |state| state.settings = Some(settings));
                self.place_mark(id);
                change.account = true;
            }
        }
        self.readings.settings = Some(Reading { asked: read.asked });
    }

    fn brackets(&mut self, read: Read<Vec<SymbolBrackets>>, change: &mut Change) {
        for row in read.value {
            let id = self.intern(&row.symbol);
            let known = self
                .book
                .state(row.symbol.as_str())
                .and_then(|s| s.brackets.clone());
            // A table that is not sound is no table: the symbol cannot be judged until it is.
            let told = row.table.ok();
            let table = match (&known, told) {
                (Some(known), Some(told)) => {
                    self.stricter_brackets(&row.symbol, known, told, change)
                }
                (_, told) => told,
            };
            let same = match (&known, &table) {
                (Some(known), Some(table)) => Arc::ptr_eq(known, table) || known == table,
                (None, None) => true,
                _ => false,
            };
            if !same {
                self.book.change(id, |state| state.brackets = table);
                change.account = true;
            }
        }
        self.readings.brackets = Some(Reading { asked: read.asked });
    }

    /// The exchange rolls new brackets out over an hour, under open positions: until it has told
    /// the same ones twice, each notional is held to the stricter of both.
    ///
    /// Source: faults.md C05.
    fn stricter_brackets(
        &mut self,
        symbol: &Symbol,
        in_force: &Arc<BracketTable>,
        told: Arc<BracketTable>,
        change: &mut Change,
    ) -> Option<Arc<BracketTable>> {
        let announced = self.announced_brackets.remove(symbol);
        if announced.as_ref() == Some(&told) || (announced.is_none() && *in_force == told) {
            return Some(told);
        }
        if announced.is_none() {
            change.notices.extend(self.requirement_rose(symbol, &told));
        }
        change.wanted.brackets = true;
        let stricter = in_force.stricter(&told).ok().map(Arc::new);
        self.announced_brackets.insert(symbol.clone(), told);
        stricter
    }

    fn requirement_rose(&self, symbol: &Symbol, told: &BracketTable) -> Option<Notice> {
        let state = self.book.state(symbol.as_str())?;
        let mark = state.mark?;
        let demanded = |table: &BracketTable| {
            state.legs.held().try_fold(Amount::ZERO, |sum, (_, leg)| {
                let notional = mark.price().times(leg.quantity.abs()).ok()?;
                sum.plus(table.maintenance_margin(notional).ok()?).ok()
            })
        };
        let before = demanded(state.brackets.as_deref()?)?;
        let after = demanded(told)?;
        (after > before).then(|| Notice::RequirementRose {
            symbol: symbol.clone(),
            before,
            after,
        })
    }

    fn trading_rules(&mut self, read: Read<Vec<SymbolRules>>, change: &mut Change) {
        self.rules = read
            .value
            .into_iter()
            .map(|row| (row.symbol, row.rules))
            .collect();
        let assets: Vec<_> = self
            .rules
            .iter()
            .map(|(symbol, rules)| (symbol.clone(), rules.margin_asset.clone()))
            .collect();
        for (symbol, asset) in assets {
            let known = self.book.state(symbol.as_str());
            let same = known.is_some_and(|state| state.margin_asset.as_ref() == Some(&asset));
            if !same {
                let id = self.book.intern(&symbol);
                self.book
                    .change(id, |state| state.margin_asset = Some(asset));
                self.place_mark(id);
                change.account = true;
            }
        }
        self.readings.rules = Some(Reading { asked: read.asked });
    }

    fn account_truth(&mut self, read: &Read<AccountTruth>, now: Now, change: &mut Change) {
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

    /// Balances at zero and every position gone, though no event told of it: a degraded backend
    /// answers like this. Not believed at once.
    fn is_suddenly_empty(&self, truth: &AccountTruth) -> bool {
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

    fn complete_since_us(&self) -> i64 {
        self.sync.needs_read_after_us().unwrap_or(i64::MAX)
    }

    fn truth_balance(
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
    fn note_contested(&mut self, verdict: Row, drift: &Drift) {
        if verdict == Row::Insists
            && let Some(difference) = drift.differences.last()
        {
            self.doubts.note_contested(difference.clone());
        }
    }

    /// Fills that a read of positions knows of need no position event any more.
    fn settle_fills(&mut self, read: &Read<AccountTruth>) {
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

    fn lagging_balance(&mut self, row: &TruthBalance, change: &mut Change) {
        self.counters.lagging_rows = self.counters.lagging_rows.saturating_add(1);
        if let Some(known) = self.balances.get_mut(&row.balance.asset) {
            known.lagging_reads = known.lagging_reads.saturating_add(1);
        }
        change.wanted.account = true;
    }

    /// Rows that are listed, then positions we hold that are not listed and so are flat. False when
    /// a row belongs to the other position mode: the mode must be read first.
    fn truth_positions(
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

    fn truth_position(
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

    fn orders_truth(&mut self, read: &Read<OrdersTruth>, now: Now, change: &mut Change) {
        let known_before = self.readings.orders.is_some();
        let difference = self.orders.replace(&read.value.orders, read.asked, now);
        for symbol in &difference.symbols {
            self.sum_orders(symbol);
        }
        for order in &difference.unheard {
            // An order that was read before its event came may be one that was promised room.
            self.reservations.settle(order, order.remaining);
        }
        change.account |= !difference.symbols.is_empty();
        if known_before && !difference.is_empty() && self.readings_follow_connection() {
            self.counters.drifts = self.counters.drifts.saturating_add(1);
            change.wanted.account = true;
            change.notices.push(Notice::OrdersDrifted {
                unheard: difference.unheard.len(),
                vanished: difference.vanished.len(),
            });
        }
        self.readings.orders = Some(Reading { asked: read.asked });
        self.after_whole_read(now, change);
    }

    /// The order books had been read on this connection before: events should have told the rest.
    fn readings_follow_connection(&self) -> bool {
        let since = self.complete_since_us();
        self.readings
            .orders
            .is_some_and(|reading| reading.asked.boot_us >= since)
    }

    /// Goes live when both whole reads belong to the connection, and closes a gap they cover.
    fn after_whole_read(&mut self, now: Now, change: &mut Change) {
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
