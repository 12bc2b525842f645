//! Settings, brackets and trading rules.
//!
//! Owns: what a read or an event of them changes, and which brackets are in force.
//! Must not know: balances, working orders' details.

use std::sync::Arc;

use super::super::coefficient::Coefficient;
use super::super::event::{AccountConfig, Read, SymbolBrackets, SymbolRules, SymbolSettings};
use super::super::plane::Reading;
use super::super::{Change, Mirror, Notice};
use crate::clock::Now;
use crate::margin::account::{AssetMode, Leg, PositionMode, PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage, Rate};
use crate::margin::bracket::BracketTable;

impl Mirror {
    pub(in crate::mirror) fn leverage_changed(
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

    pub(in crate::mirror) fn account_config(
        &mut self,
        read: &Read<AccountConfig>,
        change: &mut Change,
    ) {
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
    pub(in crate::mirror) fn switch_position_mode(
        &mut self,
        mode: PositionMode,
        change: &mut Change,
    ) {
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

    pub(in crate::mirror) fn symbol_settings(
        &mut self,
        read: &Read<Vec<SymbolSettings>>,
        change: &mut Change,
    ) {
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
                self.reread(&row.symbol);
                change.account = true;
            }
        }
        self.readings.settings = Some(Reading { asked: read.asked });
    }

    pub(in crate::mirror) fn brackets(
        &mut self,
        read: Read<Vec<SymbolBrackets>>,
        change: &mut Change,
    ) {
        for row in read.value {
            let id = self.intern(&row.symbol);
            let known = self
                .book
                .state(row.symbol.as_str())
                .and_then(|s| s.brackets.clone());
            // A table that is not sound is no table: the symbol cannot be judged until it is.
            let refused = row.table.as_ref().err().copied();
            let told = row.table.ok();
            let told = self.reading_of(&row.symbol, told);
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
            let reason = self.book.state(row.symbol.as_str());
            let reason = reason.and_then(|state| state.brackets_refused);
            if !same || reason != refused {
                self.book.change(id, |state| {
                    state.brackets = table;
                    state.brackets_refused = refused;
                });
                change.account = true;
            }
        }
        self.readings.brackets = Some(Reading { asked: read.asked });
    }

    /// Takes which symbols' brackets are a multiple of the default ones.
    pub(in crate::mirror) fn bracket_coefficients(&mut self, rows: Vec<(Symbol, Rate)>) {
        let known = std::mem::take(&mut self.coefficients);
        let retold = rows.into_iter().map(|(symbol, coefficient)| {
            let known = known.get(&symbol);
            (symbol, Coefficient::retold(known, coefficient))
        });
        self.coefficients = retold.collect();
    }

    /// A table as it is told, read by the symbol's coefficient if it has one.
    fn reading_of(
        &mut self,
        symbol: &Symbol,
        told: Option<Arc<BracketTable>>,
    ) -> Option<Arc<BracketTable>> {
        let settings = self.book.state(symbol.as_str()).and_then(|s| s.settings);
        match self.coefficients.get_mut(symbol) {
            None => told,
            Some(coefficient) => {
                coefficient.tell(told);
                coefficient.table(settings)
            }
        }
    }

    /// New settings may tell what a coefficient means.
    fn reread(&mut self, symbol: &Symbol) {
        let state = self.book.state(symbol.as_str());
        let settings = state.and_then(|state| state.settings);
        let in_force = state.and_then(|state| state.brackets.clone());
        let Some(coefficient) = self.coefficients.get_mut(symbol) else {
            return;
        };
        let table = coefficient.table(settings);
        let decides = table.is_none() || in_force.is_none();
        if decides && table != in_force {
            let id = self.book.intern(symbol);
            self.book.change(id, |state| state.brackets = table);
        }
    }

    /// The exchange rolls new brackets out over an hour, under open positions: until it has told
    /// the same ones twice, each notional is held to the stricter of both.
    ///
    /// Source: faults.md C05.
    pub(in crate::mirror) fn stricter_brackets(
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

    pub(in crate::mirror) fn requirement_rose(
        &self,
        symbol: &Symbol,
        told: &BracketTable,
    ) -> Option<Notice> {
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

    pub(in crate::mirror) fn trading_rules(
        &mut self,
        read: Read<Vec<SymbolRules>>,
        change: &mut Change,
    ) {
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
}
