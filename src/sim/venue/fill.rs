//! Matching and filling: what a fill does to the position and the balances, and how it is told.

use crate::scenario::{PositionSide, Side};

use super::super::account::{
    BALANCE_DECIMALS, ENTRY_DECIMALS, Leg, Order, OrderKind, Status, closes_leg, leg_name,
    side_name, signed,
};
use super::super::exact::Fixed;
use super::super::wire::event::TradeLite;
use super::super::wire::json;
use super::super::wire::reply::Trade;
use super::notice::Execution;
use super::{Venue, forget_first, forget_oldest};

/// Expiry reasons, `er` of the order event.
pub(super) const EXPIRED_IOC: u8 = 2;
pub(super) const EXPIRED_REDUCE_ONLY: u8 = 4;
pub(super) const EXPIRED_LIQUIDATED: u8 = 5;
pub(super) const EXPIRED_DELISTED: u8 = 7;
const EXPIRED_MARKET: u8 = 9;

impl Venue {
    /// An order that is still open or was finished lately.
    pub(crate) fn find_order(&self, id: i64) -> Option<&Order> {
        self.account
            .orders
            .get(&id)
            .or_else(|| self.finished_orders.get(&id))
    }

    /// Lets a new order take what the book offers; what cannot rest expires.
    pub(super) fn match_taker(&mut self, id: i64) {
        let Some(order) = self.account.orders.get(&id).cloned() else {
            return;
        };
        let Some(contract) = self.contracts.get(&order.symbol) else {
            return;
        };
        let (touch, depth) = match order.side {
            Side::Buy => (contract.ask(), contract.depth),
            Side::Sell => (contract.bid(), contract.depth),
        };
        let crosses = order.kind != OrderKind::Limit
            || match order.side {
                Side::Buy => order.price >= touch,
                Side::Sell => order.price <= touch,
            };
        if crosses {
            let quantity = if depth.is_zero() {
                order.remaining()
            } else {
                depth.min(order.remaining())
            };
            self.fill(id, quantity, touch, false);
        }
        if order.kind == OrderKind::Market {
            self.expire(id, EXPIRED_MARKET);
        } else if matches!(order.time_in_force.as_str(), "IOC" | "FOK") {
            self.expire(id, EXPIRED_IOC);
        }
    }

    /// Fills resting orders that the mark has reached, at their own price.
    pub(super) fn match_resting(&mut self, symbol: &str) {
        let Some(contract) = self.contracts.get(symbol) else {
            return;
        };
        let mark = contract.mark;
        let reached: Vec<(i64, Fixed, Fixed)> = self
            .account
            .orders_of(symbol)
            .filter(|order| match order.side {
                Side::Buy => order.price >= mark,
                Side::Sell => order.price <= mark,
            })
            .map(|order| (order.id, order.remaining(), order.price))
            .collect();
        for (id, quantity, price) in reached {
            self.fill(id, quantity, price, true);
        }
    }

    /// Fills an order by so much at a price; a reducing order at most by what is there to reduce.
    pub(super) fn fill(&mut self, id: i64, quantity: Fixed, price: Fixed, maker: bool) {
        let Some(order) = self.account.orders.get(&id).cloned() else {
            return;
        };
        let Some(contract) = self.contracts.get(&order.symbol) else {
            return;
        };
        let rate = if maker {
            contract.maker
        } else {
            contract.taker
        };
        let quantity = quantity.min(order.remaining()).min(self.fillable(&order));
        if !quantity.is_positive() {
            return self.expire(id, EXPIRED_REDUCE_ONLY);
        }
        let fee = quantity.times(price).times(rate).cut(BALANCE_DECIMALS);
        let realized = self.apply_fill(&order, quantity, price, fee);
        self.next_trade += 1;
        let execution = Execution {
            quantity,
            price,
            fee,
            realized,
            trade: self.next_trade,
            maker,
            ..Execution::default()
        };
        if let Some(contract) = self.contracts.get_mut(&order.symbol) {
            contract.traded(price, quantity, self.now_ms);
        }
        self.record_execution(&order, &execution, "TRADE");
        self.after_position_change(&(order.symbol, order.leg));
    }

    /// How much of an order its flags allow to be filled now.
    fn fillable(&self, order: &Order) -> Fixed {
        let held = self.account.position(&order.symbol, order.leg).amount;
        let reduces = held.is_negative() == (order.side == Side::Buy);
        match (order.only_reduces(), reduces) {
            (false, _) => order.quantity,
            (true, true) => held.abs(),
            (true, false) => Fixed::ZERO,
        }
    }

    /// Moves position and balances; gives the realised profit.
    fn apply_fill(&mut self, order: &Order, quantity: Fixed, price: Fixed, fee: Fixed) -> Fixed {
        let leg = (order.symbol.clone(), order.leg);
        let held = self.account.position(&leg.0, leg.1).amount;
        let change = signed(order.side, quantity);
        let closing = if held.is_zero() || held.is_negative() == change.is_negative() {
            Fixed::ZERO
        } else {
            quantity.min(held.abs())
        };
        let mut realized = Fixed::ZERO;
        if closing.is_positive() {
            let entry = self.account.position(&leg.0, leg.1).entry;
            let gain = signed(order.side, entry - price).times(closing);
            realized = gain.cut(BALANCE_DECIMALS);
            self.close_part(&leg, closing, realized);
        }
        if quantity > closing {
            self.open_part(&leg, signed(order.side, quantity - closing), price);
        }
        let asset = self.margin_asset(&leg.0);
        self.account.post(&asset, -fee);
        let position = self.account.positions.entry(leg).or_default();
        if !position.amount.is_zero() {
            position.fees += fee;
        }
        position.updated_ms = self.now_ms;
        self.record_income(order, "REALIZED_PNL", realized);
        self.record_income(order, "COMMISSION", -fee);
        realized
    }

    /// Takes an amount off a position: its profit goes to the wallet, and so does the share of
    /// isolated margin that the closed part had.
    pub(super) fn close_part(&mut self, leg: &Leg, closing: Fixed, realized: Fixed) {
        let asset = self.margin_asset(&leg.0);
        let now_ms = self.now_ms;
        let position = self.account.positions.entry(leg.clone()).or_default();
        let held = position.amount.abs();
        let released = if closing >= held {
            position.isolated_wallet
        } else {
            let share = position
                .isolated_wallet
                .times(closing)
                .over(held)
                .unwrap_or_default();
            share.cut(BALANCE_DECIMALS)
        };
        let left = held - closing;
        position.amount = if position.amount.is_negative() {
            -left
        } else {
            left
        };
        position.isolated_wallet -= released;
        position.realized += realized;
        position.updated_ms = now_ms;
        if left.is_zero() {
            position.entry = Fixed::ZERO;
            position.fees = Fixed::ZERO;
        }
        self.account.post(&asset, released + realized);
    }

    fn open_part(&mut self, leg: &Leg, change: Fixed, price: Fixed) {
        let asset = self.margin_asset(&leg.0);
        let position = self.account.positions.entry(leg.clone()).or_default();
        let cost = position.amount.times(position.entry) + change.times(price);
        position.amount += change;
        position.entry = cost
            .over(position.amount)
            .unwrap_or_default()
            .cut(ENTRY_DECIMALS);
        if self.account.is_isolated(&leg.0) {
            let leverage = Fixed::new(i64::from(self.account.settings(&leg.0).leverage), 0);
            let locked = change.abs().times(price).over(leverage).unwrap_or_default();
            self.account.lock(&asset, leg, locked);
        }
    }

    pub(super) fn margin_asset(&self, symbol: &str) -> String {
        self.contracts
            .get(symbol)
            .map(|contract| contract.margin_asset.clone())
            .unwrap_or_default()
    }

    /// Books an execution on its order and tells it: `TRADE_LITE`, the account, the order.
    pub(super) fn record_execution(
        &mut self,
        order: &Order,
        execution: &Execution,
        x: &'static str,
    ) {
        let mut order = order.clone();
        order.executed += execution.quantity;
        order.turnover += execution.quantity.times(execution.price);
        order.updated_ms = self.now_ms;
        let done = order.remaining().is_zero();
        order.status = if done {
            Status::Filled
        } else {
            Status::PartiallyFilled
        };
        if done {
            self.account.orders.remove(&order.id);
            self.remember(order.clone());
        } else {
            self.account.orders.insert(order.id, order.clone());
        }
        if x == "TRADE" {
            self.tell_trade_lite(&order, execution);
        }
        let asset = self.margin_asset(&order.symbol);
        let leg = (order.symbol.clone(), order.leg);
        self.tell_account("ORDER", &asset, Fixed::ZERO, &[leg], None);
        self.tell_order(&order, x, execution);
        self.record_trade(&order, execution, &asset);
        if done {
            self.finish_algo(order.algo);
        }
    }

    fn tell_trade_lite(&mut self, order: &Order, execution: &Execution) {
        let contract = self.contracts.get(&order.symbol);
        let price_decimals = contract.map_or(8, |contract| contract.price_decimals());
        let decimals = contract.map_or(8, |contract| contract.quantity_decimals());
        let event = TradeLite {
            e: "TRADE_LITE",
            emitted: self.now_ms,
            time: self.now_ms,
            s: order.symbol.clone(),
            q: order.quantity.text(decimals),
            p: order.price.text(price_decimals),
            m: execution.maker,
            c: order.client_id.clone(),
            side: side_name(order.side),
            last_price: execution.price.plain(),
            l: execution.quantity.text(decimals),
            t: execution.trade,
            i: order.id,
        };
        self.emit("TRADE_LITE", json(&event));
    }

    fn record_trade(&mut self, order: &Order, execution: &Execution, asset: &str) {
        self.trades.push_back(Trade {
            symbol: order.symbol.clone(),
            id: execution.trade,
            order_id: order.id,
            side: side_name(order.side),
            price: execution.price.plain(),
            qty: execution.quantity.plain(),
            realized_pnl: execution.realized.eight(),
            quote_qty: execution.quantity.times(execution.price).eight(),
            commission: execution.fee.eight(),
            commission_asset: asset.to_owned(),
            margin_asset: asset.to_owned(),
            time: self.now_ms,
            position_side: leg_name(order.leg),
            buyer: order.side == Side::Buy,
            maker: execution.maker,
            pair: order
                .symbol
                .split('_')
                .next()
                .unwrap_or_default()
                .to_owned(),
        });
        forget_first(&mut self.trades);
    }

    /// Ends an open order without a fill.
    pub(super) fn end_order(&mut self, id: i64, status: Status, x: &'static str, reason: u8) {
        let Some(mut order) = self.account.orders.remove(&id) else {
            return;
        };
        order.status = status;
        order.updated_ms = self.now_ms;
        self.remember(order.clone());
        self.tell_order(
            &order,
            x,
            &Execution {
                expiry: reason,
                ..Execution::default()
            },
        );
        self.finish_algo(order.algo);
    }

    pub(super) fn expire(&mut self, id: i64, reason: u8) {
        self.end_order(id, Status::Expired, "EXPIRED", reason);
    }

    fn remember(&mut self, order: Order) {
        self.finished_orders.insert(order.id, order);
        forget_oldest(&mut self.finished_orders);
    }

    /// With a leg gone flat, nothing is left that its reducing orders could reduce.
    pub(super) fn after_position_change(&mut self, leg: &Leg) {
        if !self.account.position(&leg.0, leg.1).amount.is_zero() {
            return;
        }
        let orphans: Vec<i64> = self
            .account
            .orders_of(&leg.0)
            .filter(|order| order.leg == leg.1)
            .filter(|order| order.reduce_only || closes_leg(order.side, order.leg))
            .map(|order| order.id)
            .collect();
        for id in orphans {
            self.expire(id, EXPIRED_REDUCE_ONLY);
        }
        let tied: Vec<i64> = self
            .account
            .algos_of(&leg.0)
            .filter(|algo| algo.leg == leg.1 && algo.time_in_force == "GTE_GTC")
            .map(|algo| algo.id)
            .collect();
        for id in tied {
            self.end_algo(id, "EXPIRED", None);
        }
    }
}

/// The net leg of a contract.
pub(super) fn net(symbol: &str) -> Leg {
    (symbol.to_owned(), PositionSide::Both)
}
