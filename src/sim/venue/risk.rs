//! Liquidation, insurance and deleveraging: what the exchange does to the account.
//!
//! Evaluated, never predicted: after every step each isolated position and each crossed pool is
//! compared with its maintenance margin at the marks.

use std::collections::BTreeSet;

use crate::scenario::{AssetMode, PositionSide};

use super::super::account::{
    BALANCE_DECIMALS, Leg, Order, OrderKind, Status, Terms, side_name, signed,
};
use super::super::exact::Fixed;
use super::super::figures::Standing;
use super::super::refusal::Refusal;
use super::super::wire::event::{ForceOrder, ForceOrderBody};
use super::super::wire::json;
use super::fill::EXPIRED_LIQUIDATED;
use super::notice::{Execution, closing_side};
use super::{MarketEvent, Venue};

impl Venue {
    /// Liquidates what has to be, until nothing has to.
    pub(super) fn settle_risk(&mut self) {
        if self.opening {
            return;
        }
        self.call_margins();
        // A round removes a position, or brings what it belongs to back: twice their number
        // bounds the rounds.
        for _ in 0..=2 * self.account.positions.len() {
            let Some(leg) = self.first_liquidated() else {
                break;
            };
            if !self.auto_add_margin(&leg) {
                self.liquidate(&leg);
            }
        }
        self.exchange_large_debts();
    }

    /// With automatic margin addition the cross balance is drawn on before an isolated position
    /// is liquidated. No formula is published: it gets its initial margin again, or all there is.
    fn auto_add_margin(&mut self, leg: &Leg) -> bool {
        let settings = self.account.settings(&leg.0);
        if !self.account.is_isolated(&leg.0) || !settings.auto_add {
            return false;
        }
        let Some(contract) = self.contracts.get(&leg.0) else {
            return false;
        };
        let leverage = Fixed::new(i64::from(settings.leverage), 0);
        let held = self.account.position(&leg.0, leg.1).amount;
        let initial = held.times(contract.mark).abs().over(leverage);
        let standing = self.figures().standing(leg);
        let wanted = standing.maintenance - standing.equity + initial.unwrap_or_default();
        let addable = self.addable(&contract.margin_asset);
        let amount = wanted.min(addable).cut(BALANCE_DECIMALS);
        standing.equity + amount > standing.maintenance && self.change_margin(leg, amount).is_ok()
    }

    fn first_liquidated(&self) -> Option<Leg> {
        let figures = self.figures();
        let mut sound: BTreeSet<&str> = BTreeSet::new();
        for (leg, _) in self.account.open_positions() {
            let contract = self.contracts.get(&leg.0)?;
            let crossed = !self.account.is_isolated(&leg.0);
            if crossed && sound.contains(contract.margin_asset.as_str()) {
                continue;
            }
            let marked = contract.mark.is_positive();
            if marked && figures.standing(leg).is_liquidated() {
                return Some(leg.clone());
            }
            if crossed {
                sound.insert(&contract.margin_asset);
            }
        }
        None
    }

    /// Liquidates an isolated leg, or the whole pool a crossed leg is in.
    pub(super) fn liquidate(&mut self, leg: &Leg) {
        if self.account.is_isolated(&leg.0) {
            self.expire_for_liquidation(|symbol, _| symbol == leg.0);
            if !self.liquidate_part(std::slice::from_ref(leg)) {
                self.liquidate_isolated(leg);
            }
            return;
        }
        let pool = self.margin_asset(&leg.0);
        let multi = self.account.assets == AssetMode::Multi;
        self.expire_for_liquidation(|_, asset| multi || asset == pool);
        let doomed = self.pool_legs(leg);
        if self.liquidate_part(&doomed) {
            return;
        }
        let standing = self.figures().standing(leg);
        let mut assets = BTreeSet::from([pool]);
        for (index, leg) in doomed.iter().enumerate() {
            let share = self.share_of(leg, standing, index + 1 == doomed.len());
            self.close_bankrupt(leg, share);
            assets.insert(self.margin_asset(&leg.0));
        }
        self.clear_deficit(&assets.into_iter().collect::<Vec<_>>());
    }

    /// The crossed legs that share a pool with a crossed leg.
    pub(super) fn pool_legs(&self, leg: &Leg) -> Vec<Leg> {
        let pool = self.margin_asset(&leg.0);
        let multi = self.account.assets == AssetMode::Multi;
        self.account
            .open_positions()
            .filter(|((symbol, _), _)| !self.account.is_isolated(symbol))
            .filter(|((symbol, _), _)| multi || self.margin_asset(symbol) == pool)
            .map(|(leg, _)| leg.clone())
            .collect()
    }

    /// Closes as much of the largest of some legs as brings what they belong to back over its
    /// maintenance margin. `false` when no part of it can: the fee on what is closed may cost more
    /// than its bracket saves.
    fn liquidate_part(&mut self, legs: &[Leg]) -> bool {
        if !self.policy.partial {
            return false;
        }
        let largest = legs.iter().max_by_key(|leg| self.own_maintenance(leg));
        let Some(leg) = largest.cloned() else {
            return false;
        };
        let Some(quantity) = self.relieving_part(&leg) else {
            return false;
        };
        let Some(contract) = self.contracts.get(&leg.0) else {
            return false;
        };
        let (mark, rate) = (contract.mark, contract.liquidation_fee);
        let asset = contract.margin_asset.clone();
        let fee = quantity.times(mark).times(rate).cut(BALANCE_DECIMALS);
        let position = self.account.position(&leg.0, leg.1);
        let order = self.exchange_order(&leg, quantity, mark, "autoclose-");
        self.tell_order(&order, "NEW", &Execution::default());
        let gain = signed(order.side, position.entry - mark).times(quantity);
        let realized = gain.cut(BALANCE_DECIMALS);
        let cross = self.account.cross_wallet(&asset);
        self.close_part(&leg, quantity, realized);
        self.account.post(&asset, -fee);
        if self.account.is_isolated(&leg.0) {
            // What is left of its margin stays with an isolated position.
            let moved = self.account.cross_wallet(&asset) - cross;
            self.account.lock(&asset, &leg, moved);
        }
        self.next_trade += 1;
        let execution = Execution {
            quantity,
            price: mark,
            fee,
            realized,
            trade: self.next_trade,
            ..Execution::default()
        };
        self.record_execution(&order, &execution, "CALCULATED");
        self.record_income(&order, "REALIZED_PNL", realized);
        self.record_income(&order, "COMMISSION", -fee);
        self.tell_liquidation(&order);
        true
    }

    fn own_maintenance(&self, leg: &Leg) -> Fixed {
        let position = self.account.position(&leg.0, leg.1);
        let contract = self.contracts.get(&leg.0);
        contract.map_or(Fixed::ZERO, |contract| {
            let ask = self.account.rates(&contract.margin_asset).1;
            self.figures().maintenance(contract, &position).times(ask)
        })
    }

    /// The smallest part of a position whose closing at mark, its fee paid, leaves more equity than
    /// maintenance margin. Between two bracket floors relief grows evenly with the part, so the
    /// first floor that is low enough is found, and the part by halving before it.
    fn relieving_part(&self, leg: &Leg) -> Option<Fixed> {
        let contract = self.contracts.get(&leg.0)?;
        let standing = self.figures().standing(leg);
        let held = self.account.position(&leg.0, leg.1).amount.abs();
        let ask = self.account.rates(&contract.margin_asset).1;
        let maintenance = |amount: Fixed| {
            let notional = amount.times(contract.mark);
            contract.brackets.maintenance(notional).times(ask)
        };
        let all = maintenance(held);
        let relieved = |part: Fixed| {
            let fee = part.times(contract.mark).times(contract.liquidation_fee);
            let equity = standing.equity - fee.times(ask);
            equity > standing.maintenance - all + maintenance(held - part)
        };
        let mut unrelieved = Fixed::ZERO;
        let floors = contract
            .brackets
            .0
            .iter()
            .rev()
            .map(|bracket| bracket.floor);
        for floor in floors {
            let kept = floor.over(contract.mark)?.floor_to(contract.step);
            if kept >= held || !kept.is_positive() {
                continue;
            }
            let mut enough = held - kept;
            if !relieved(enough) {
                unrelieved = enough;
                continue;
            }
            while enough - unrelieved > contract.step {
                let middle = enough.midpoint(unrelieved).floor_to(contract.step);
                if middle <= unrelieved {
                    break;
                }
                if relieved(middle) {
                    enough = middle;
                } else {
                    unrelieved = middle;
                }
            }
            return Some(enough);
        }
        None
    }

    /// An isolated position never takes more than its own wallet: a hole is the fund's.
    fn liquidate_isolated(&mut self, leg: &Leg) {
        let asset = self.margin_asset(&leg.0);
        let standing = self.figures().standing(leg);
        let mark = self
            .contracts
            .get(&leg.0)
            .map_or(Fixed::ZERO, |contract| contract.mark);
        let position = self.account.position(&leg.0, leg.1);
        let hole = position.isolated_wallet + position.unrealized(mark).cut(BALANCE_DECIMALS);
        self.close_bankrupt(leg, standing.equity);
        if hole.is_negative() {
            self.insure(&asset, -hole);
        }
    }

    /// The part of a pool's remaining equity that goes down with one of its positions: by its
    /// maintenance margin, and all that is left with the last one.
    fn share_of(&self, leg: &Leg, before: Standing, last: bool) -> Fixed {
        let now = self.figures().standing(leg);
        if last {
            return now.equity;
        }
        let Some(contract) = self.contracts.get(&leg.0) else {
            return Fixed::ZERO;
        };
        let position = self.account.position(&leg.0, leg.1);
        let own = self.figures().maintenance(contract, &position);
        let ask = self.account.rates(&contract.margin_asset).1;
        before
            .equity
            .times(own.times(ask))
            .over(before.maintenance)
            .unwrap_or_default()
            .min(now.equity)
    }

    fn expire_for_liquidation(&mut self, concerned: impl Fn(&str, &str) -> bool) {
        let touched = |symbol: &str| concerned(symbol, &self.margin_asset(symbol));
        let orders: Vec<i64> = self
            .account
            .orders
            .values()
            .filter(|order| touched(&order.symbol))
            .map(|order| order.id)
            .collect();
        let algos: Vec<i64> = self
            .account
            .algos
            .values()
            .filter(|algo| touched(&algo.symbol))
            .map(|algo| algo.id)
            .collect();
        for id in orders {
            self.expire(id, EXPIRED_LIQUIDATED);
        }
        for id in algos {
            self.end_algo(id, "EXPIRED", None);
        }
    }

    /// Takes a position over at the price where `equity` is used up, the liquidation fee included.
    /// With nothing left it is closed at mark, and the insurance fund covers the hole.
    fn close_bankrupt(&mut self, leg: &Leg, equity: Fixed) {
        let Some(contract) = self.contracts.get(&leg.0) else {
            return;
        };
        let (mark, rate) = (contract.mark, contract.liquidation_fee);
        let ask = self.account.rates(&contract.margin_asset).1;
        let position = self.account.position(&leg.0, leg.1);
        let quantity = position.amount.abs();
        let equity = equity.max(Fixed::ZERO).over(ask).unwrap_or_default();
        let fee = quantity
            .times(mark)
            .times(rate)
            .min(equity)
            .cut(BALANCE_DECIMALS);
        let unrealized = position.unrealized(mark);
        let realized = (unrealized - (equity - fee)).cut(BALANCE_DECIMALS);
        let side = closing_side(position.amount);
        let slip = (equity - fee).over(quantity).unwrap_or_default();
        let price = (mark - signed(side, Fixed::ONE).times(-slip)).cut(8);
        let order = self.exchange_order(leg, quantity, price, "autoclose-");
        self.tell_order(&order, "NEW", &Execution::default());
        self.close_part(leg, quantity, realized);
        let asset = self.margin_asset(&leg.0);
        self.account.post(&asset, -fee);
        self.next_trade += 1;
        let execution = Execution {
            quantity,
            price,
            fee,
            realized,
            trade: self.next_trade,
            ..Execution::default()
        };
        self.record_execution(&order, &execution, "CALCULATED");
        self.record_income(&order, "REALIZED_PNL", realized);
        self.record_income(&order, "COMMISSION", -fee);
        self.tell_liquidation(&order);
        self.after_position_change(leg);
    }

    /// An order the exchange itself places for a leg.
    fn exchange_order(&mut self, leg: &Leg, quantity: Fixed, price: Fixed, prefix: &str) -> Order {
        let id = self.new_id();
        let position = self.account.position(&leg.0, leg.1);
        let order = Order {
            id,
            client_id: format!("{prefix}{}", self.now_ms),
            symbol: leg.0.clone(),
            side: closing_side(position.amount),
            leg: leg.1,
            kind: OrderKind::Liquidation,
            original_kind: "LIQUIDATION".to_owned(),
            time_in_force: "IOC".to_owned(),
            quantity,
            price,
            stop_price: Fixed::ZERO,
            reduce_only: true,
            close_position: false,
            working_type: "CONTRACT_PRICE",
            good_till_ms: 0,
            terms: Terms::default(),
            executed: Fixed::ZERO,
            turnover: Fixed::ZERO,
            status: Status::New,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            algo: None,
        };
        self.account.orders.insert(id, order.clone());
        order
    }

    fn tell_liquidation(&mut self, order: &Order) {
        let event = ForceOrder {
            e: "forceOrder",
            emitted: self.now_ms,
            o: ForceOrderBody {
                s: order.symbol.clone(),
                side: side_name(order.side),
                o: "LIMIT",
                f: "IOC",
                q: order.quantity.plain(),
                p: order.price.plain(),
                ap: order.price.plain(),
                status: "FILLED",
                l: order.quantity.plain(),
                z: order.quantity.plain(),
                time: self.now_ms,
            },
            ps: order
                .symbol
                .split('_')
                .next()
                .unwrap_or_default()
                .to_owned(),
            st: 1,
        };
        let symbol = order.symbol.clone();
        self.tell_market(MarketEvent::Liquidation {
            symbol,
            json: json(&event),
        });
    }

    /// A negative balance without positions behind it is put back to zero, visibly; in
    /// multi-assets mode the other assets pay first.
    fn clear_deficit(&mut self, assets: &[String]) {
        for asset in assets {
            if self.account.assets == AssetMode::Multi {
                self.auto_exchange(asset);
            }
            let balance = self.account.cross_wallet(asset);
            if balance.is_negative() {
                self.insure(asset, -balance);
            }
        }
    }

    fn insure(&mut self, asset: &str, amount: Fixed) {
        self.account.post(asset, amount);
        self.tell_account("INSURANCE_CLEAR", asset, amount, &[], None);
        self.record_balance_income("", "INSURANCE_CLEAR", asset, amount);
    }

    /// Closes part of a position by the exchange's own order at a price, without a fee.
    pub(super) fn close_by_exchange(
        &mut self,
        leg: &Leg,
        quantity: Fixed,
        price: Fixed,
        prefix: &str,
    ) -> Result<(), Refusal> {
        let position = self.account.position(&leg.0, leg.1);
        if position.amount.is_zero() || quantity > position.amount.abs() {
            return Err(Refusal::no_position());
        }
        let order = self.exchange_order(leg, quantity, price, prefix);
        self.tell_order(&order, "NEW", &Execution::default());
        let gain = signed(order.side, position.entry - price).times(quantity);
        let realized = gain.cut(BALANCE_DECIMALS);
        self.close_part(leg, quantity, realized);
        self.next_trade += 1;
        let trade = self.next_trade;
        let execution = Execution {
            quantity,
            price,
            realized,
            trade,
            ..Execution::default()
        };
        self.record_execution(&order, &execution, "CALCULATED");
        self.record_income(&order, "REALIZED_PNL", realized);
        self.after_position_change(leg);
        Ok(())
    }

    /// Legs of a contract that hold something.
    pub(super) fn held_legs(&self, symbol: &str) -> Vec<Leg> {
        self.account
            .open_positions()
            .filter(|((held, _), _)| held == symbol)
            .map(|(leg, _)| leg.clone())
            .collect()
    }

    /// The leg a statement means: the named one, or the only one that holds something.
    pub(super) fn meant_leg(&self, symbol: &str, side: PositionSide) -> Result<Leg, Refusal> {
        let legs = self.held_legs(symbol);
        legs.into_iter()
            .find(|leg| side == PositionSide::Both || leg.1 == side)
            .ok_or_else(Refusal::no_position)
    }
}
