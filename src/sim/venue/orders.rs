//! Cancelling, amending and looking up orders, and how an order is answered.

use crate::scenario::Side;

use super::super::account::{Order, OrderKind, Status, Terms, leg_name, side_name};
use super::super::contract::Contract;
use super::super::exact::Fixed;
use super::super::params::Params;
use super::super::refusal::Refusal;
use super::super::wire::json;
use super::super::wire::reply::OrderReply;
use super::Venue;
use super::notice::Execution;
use super::request::{named_price, terms};
use super::trade::matched_price;

/// Which fields an order answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Placement with `ACK`: the order as it was taken, whatever happened since.
    Acknowledged,
    /// Placement with `RESULT`, amend, cancel: without averages.
    Action,
    /// Queries and lists: with them.
    Query,
}

impl Venue {
    /// An order by the id or client id of a call.
    pub(super) fn named_order(&self, params: &Params) -> Result<&Order, Refusal> {
        let symbol = params.required("symbol")?;
        self.contract(symbol)?;
        let id = params.integer("orderId")?;
        let client_id = params.get("origClientOrderId");
        if id.is_none() && client_id.is_none() {
            return Err(Refusal::missing("orderId"));
        }
        let matches = |order: &&Order| {
            order.symbol == symbol
                && match id {
                    Some(id) => order.id == id,
                    None => Some(order.client_id.as_str()) == client_id,
                }
        };
        let open = self.account.orders.values().rev().find(matches);
        open.or_else(|| self.finished_orders.values().rev().find(matches))
            .ok_or_else(Refusal::no_such_order)
    }

    fn named_open_order(&self, params: &Params) -> Result<Order, Refusal> {
        let order = self
            .named_order(params)
            .map_err(|refusal| match refusal.code {
                -2013 => Refusal::unknown_order(),
                _ => refusal,
            })?;
        if self.account.orders.contains_key(&order.id) {
            Ok(order.clone())
        } else {
            Err(Refusal::unknown_order())
        }
    }

    pub(super) fn cancel_call(&mut self, params: &Params) -> Result<String, Refusal> {
        let id = self.named_open_order(params)?.id;
        self.cancel(id);
        self.order_json(id, Shape::Action)
    }

    pub(super) fn cancel(&mut self, id: i64) {
        self.end_order(id, Status::Canceled, "CANCELED", 0);
    }

    /// Cancels every order of a contract; conditional orders stay.
    pub(super) fn cancel_all(&mut self, symbol: &str) {
        let ids: Vec<i64> = self
            .account
            .orders_of(symbol)
            .map(|order| order.id)
            .collect();
        for id in ids {
            self.cancel(id);
        }
    }

    pub(super) fn query_call(&self, params: &Params) -> Result<String, Refusal> {
        let id = self.named_order(params)?.id;
        self.order_json(id, Shape::Query)
    }

    pub(super) fn open_order_call(&self, params: &Params) -> Result<String, Refusal> {
        let order = self.named_order(params)?;
        if self.account.orders.contains_key(&order.id) {
            self.order_json(order.id, Shape::Query)
        } else {
            Err(Refusal::no_such_order())
        }
    }

    pub(super) fn open_orders_call(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = params.get("symbol");
        if let Some(symbol) = symbol {
            self.contract(symbol)?;
        }
        let wanted = |order: &&Order| symbol.is_none_or(|symbol| order.symbol == symbol);
        let rows: Vec<OrderReply> = self
            .account
            .orders
            .values()
            .filter(wanted)
            .map(|order| self.order_reply(order, Shape::Query))
            .collect();
        Ok(json(&rows))
    }

    pub(super) fn all_orders_call(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = params.get("symbol");
        let limit = params.limit(500);
        let mut orders: Vec<&Order> = self
            .finished_orders
            .values()
            .chain(self.account.orders.values())
            .filter(|order| symbol.is_none_or(|symbol| order.symbol == symbol))
            .collect();
        orders.sort_by_key(|order| order.id);
        let first = orders.len().saturating_sub(limit);
        let rows: Vec<OrderReply> = orders
            .into_iter()
            .skip(first)
            .map(|order| self.order_reply(order, Shape::Query))
            .collect();
        Ok(json(&rows))
    }

    /// The orders by which the exchange itself closed positions, the latest last.
    pub(super) fn force_orders(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = self.named_symbol(params)?;
        let orders = self
            .finished_orders
            .values()
            .filter(|order| order.kind == OrderKind::Liquidation)
            .filter(|order| symbol.is_none_or(|symbol| order.symbol == symbol));
        let rows: Vec<OrderReply> = orders
            .map(|order| self.order_reply(order, Shape::Query))
            .collect();
        let first = rows.len().saturating_sub(params.limit(50));
        Ok(json(&rows.get(first..).unwrap_or_default()))
    }

    /// Amends price and quantity of a limit order; a refused amend leaves it as it was.
    pub(super) fn amend_call(&mut self, params: &Params) -> Result<String, Refusal> {
        let quantity = params.required_decimal("quantity")?;
        let terms = terms(params)?;
        let named = named_price(params, terms)?;
        let modify_id = params.integer("modifyId")?;
        let order = self.named_order(params)?.clone();
        if !self.account.orders.contains_key(&order.id) {
            return Err(Refusal::no_such_order());
        }
        if order.kind != OrderKind::Limit {
            return Err(Refusal::limit_only());
        }
        if params.boolean("reduceOnly")? == Some(true) && !order.reduce_only {
            return Err(Refusal::not_reduce_only());
        }
        let contract = self.contract(&order.symbol)?;
        let price = match terms.price_match {
            "NONE" => named,
            name => matched_price(contract, order.side, name)?,
        };
        if order.quantity == quantity && order.price == price {
            return Err(Refusal::no_change());
        }
        let used_up = quantity <= order.executed && order.executed.is_positive();
        if used_up || would_take(contract, &order, price) {
            self.cancel(order.id);
            return self.order_json(order.id, Shape::Action);
        }
        let least = contract.min_notional.plain();
        self.check_amended(&order, quantity, price)
            .map_err(|refusal| match refusal.code {
                -4164 => Refusal::amended_notional_below(&least),
                _ => refusal,
            })?;
        let mut amended = order;
        amended.terms.price_match = terms.price_match;
        amended.quantity = quantity;
        amended.price = price;
        amended.updated_ms = self.now_ms;
        let id = amended.id;
        self.account.orders.insert(id, amended.clone());
        let execution = Execution {
            modify_id,
            ..Execution::default()
        };
        self.tell_order(&amended, "AMENDMENT", &execution);
        self.match_taker(id);
        let found = self.find_order(id).ok_or_else(Refusal::no_such_order)?;
        let mut reply = self.order_reply(found, Shape::Action);
        reply.pair = Some(
            reply
                .symbol
                .split('_')
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
        reply.modify_id = modify_id;
        Ok(json(&reply))
    }

    fn check_amended(&self, order: &Order, quantity: Fixed, price: Fixed) -> Result<(), Refusal> {
        let mut without = self.clone();
        without.account.orders.remove(&order.id);
        without.check_order(&super::trade::NewOrder {
            symbol: order.symbol.clone(),
            side: order.side,
            leg: order.leg,
            kind: OrderKind::Limit,
            original_kind: order.original_kind.clone(),
            time_in_force: order.time_in_force.clone(),
            quantity: quantity - order.executed,
            price,
            stop_price: order.stop_price,
            reduce_only: order.reduce_only,
            close_position: order.close_position,
            working_type: order.working_type,
            good_till_ms: order.good_till_ms,
            terms: Terms::default(),
            client_id: None,
            algo: order.algo,
        })
    }

    pub(super) fn order_json(&self, id: i64, shape: Shape) -> Result<String, Refusal> {
        let order = self.find_order(id).ok_or_else(Refusal::no_such_order)?;
        Ok(json(&self.order_reply(order, shape)))
    }

    fn order_reply(&self, order: &Order, shape: Shape) -> OrderReply {
        let contract = self.contracts.get(&order.symbol);
        let price_decimals = contract.map_or(8, |contract| contract.price_decimals());
        let decimals = contract.map_or(8, |contract| contract.quantity_decimals());
        let query = shape == Shape::Query;
        let (status, executed) = match shape {
            Shape::Acknowledged => (Status::New, Fixed::ZERO),
            Shape::Action | Shape::Query => (order.status, order.executed),
        };
        OrderReply {
            order_id: order.id,
            symbol: order.symbol.clone(),
            status: status.name(),
            client_order_id: order.client_id.clone(),
            price: order.price.text(price_decimals),
            avg_price: query.then(|| order.average().text(5)),
            orig_qty: order.quantity.text(decimals),
            executed_qty: executed.text(decimals),
            cum_qty: (!query).then(|| executed.text(decimals)),
            cum_quote: query.then(|| order.turnover.eight()),
            time_in_force: order.time_in_force.clone(),
            kind: order.kind.name(),
            reduce_only: order.reduce_only,
            close_position: order.close_position,
            side: side_name(order.side),
            position_side: leg_name(order.leg),
            stop_price: order.stop_price.text(price_decimals),
            working_type: order.working_type,
            price_protect: false,
            orig_type: order.original_kind.clone(),
            price_match: order.terms.price_match,
            self_trade_prevention_mode: order.terms.self_trade_prevention,
            good_till_date: order.good_till_ms,
            time: query.then_some(order.created_ms),
            pair: None,
            modify_id: None,
            update_time: order.updated_ms,
        }
    }
}

/// Whether a post-only order would take at a price: such an amend cancels it.
fn would_take(contract: &Contract, order: &Order, price: Fixed) -> bool {
    let crosses = match order.side {
        Side::Buy => price >= contract.ask(),
        Side::Sell => price <= contract.bid(),
    };
    order.time_in_force == "GTX" && crosses
}
