//! Conditional orders: held without margin apart from the book, checked only when they fire.

use crate::scenario::{ConditionalKind, PositionMode, PositionSide, Side, WorkingPrice};

use super::super::account::{Algo, OrderKind, Terms, closes_leg, leg_name, side_name, signed};
use super::super::exact::Fixed;
use super::super::refusal::Refusal;
use super::super::wire::reply::AlgoReply;
use super::trade::NewOrder;
use super::{Venue, forget_oldest};

/// Conditional orders allowed per account.
const ALGOS_MAX: usize = 200;
/// Distance of last from mark beyond which a protected trigger does not fire, a fraction.
const TRIGGER_PROTECT: Fixed = Fixed::new(5, 2);

/// A conditional order somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct NewAlgo {
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) leg: PositionSide,
    pub(crate) condition: ConditionalKind,
    pub(crate) working_price: WorkingPrice,
    pub(crate) quantity: Option<Fixed>,
    pub(crate) price: Fixed,
    pub(crate) time_in_force: String,
    pub(crate) reduce_only: bool,
    pub(crate) close_position: bool,
    pub(crate) price_protect: bool,
    pub(crate) good_till_ms: i64,
    pub(crate) terms: Terms,
    pub(crate) client_id: Option<String>,
}

impl Venue {
    /// Takes a conditional order; there is no margin check.
    pub(crate) fn place_algo(&mut self, new: &NewAlgo) -> Result<i64, Refusal> {
        self.check_algo(new)?;
        let id = self.new_id();
        let client_id = new
            .client_id
            .clone()
            .unwrap_or_else(|| self.random.text(22));
        let algo = Algo {
            id,
            client_id,
            symbol: new.symbol.clone(),
            side: new.side,
            leg: new.leg,
            condition: new.condition,
            working_price: new.working_price,
            quantity: new.quantity.unwrap_or_default(),
            price: new.price,
            time_in_force: new.time_in_force.clone(),
            reduce_only: new.reduce_only,
            close_position: new.close_position,
            price_protect: new.price_protect,
            good_till_ms: new.good_till_ms,
            terms: new.terms,
            status: "NEW",
            order_id: None,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            triggered_ms: 0,
            extreme: None,
        };
        self.account.algos.insert(id, algo.clone());
        self.tell_algo(&algo, None);
        Ok(id)
    }

    fn check_algo(&self, new: &NewAlgo) -> Result<(), Refusal> {
        let contract = self.contract(&new.symbol)?;
        let one_way = self.account.mode == PositionMode::OneWay;
        if one_way != (new.leg == PositionSide::Both) {
            return Err(Refusal::position_side_mismatch());
        }
        if !one_way && new.reduce_only {
            return Err(Refusal::not_required("reduceonly"));
        }
        if new.close_position && new.quantity.is_some() {
            return Err(Refusal::quantity_with_close());
        }
        if new.close_position && new.reduce_only {
            return Err(Refusal::reduce_with_close());
        }
        match new.quantity {
            Some(quantity) => contract.check_quantity(quantity)?,
            None if !new.close_position => return Err(Refusal::missing("quantity")),
            None => {}
        }
        if new.price.is_positive() {
            contract.check_price(new.price)?;
        }
        if let ConditionalKind::Stop(trigger) | ConditionalKind::TakeProfit(trigger) = new.condition
        {
            contract.check_price(Fixed::from_decimal(trigger).unwrap_or_default())?;
        }
        let id = new.client_id.as_deref();
        if self
            .account
            .algos
            .values()
            .any(|algo| Some(algo.client_id.as_str()) == id)
        {
            return Err(Refusal::duplicate_client_id());
        }
        if self.account.algos.len() >= ALGOS_MAX {
            return Err(Refusal::too_many_conditionals());
        }
        let price = self.working_price(&new.symbol, new.working_price);
        let would_fire = condition_met(new.condition, new.side, price, None);
        if would_fire || activates_at_once(new, price) {
            Err(Refusal::would_trigger())
        } else {
            Ok(())
        }
    }

    fn working_price(&self, symbol: &str, which: WorkingPrice) -> Fixed {
        let Some(contract) = self.contracts.get(symbol) else {
            return Fixed::ZERO;
        };
        match which {
            WorkingPrice::Mark => contract.mark.floor_to(contract.tick),
            WorkingPrice::Last => contract.last,
        }
    }

    /// Fires every conditional order of a contract whose price has come.
    pub(super) fn match_algos(&mut self, symbol: &str) {
        let ids: Vec<i64> = self.account.algos_of(symbol).map(|algo| algo.id).collect();
        for id in ids {
            self.follow_trailing(id);
            let Some(algo) = self.account.algos.get(&id) else {
                continue;
            };
            let price = self.working_price(symbol, algo.working_price);
            let met = condition_met(algo.condition, algo.side, price, algo.extreme);
            if met && !self.is_protected(algo) {
                self.fire(id);
            }
        }
    }

    fn is_protected(&self, algo: &Algo) -> bool {
        let Some(contract) = self.contracts.get(&algo.symbol) else {
            return false;
        };
        let apart = (contract.last - contract.mark).abs();
        algo.price_protect && apart > contract.mark.times(TRIGGER_PROTECT)
    }

    /// A trailing order becomes active at its activation price and then follows the extreme.
    fn follow_trailing(&mut self, id: i64) {
        let Some(algo) = self.account.algos.get(&id).cloned() else {
            return;
        };
        let ConditionalKind::Trailing { activate, .. } = algo.condition else {
            return;
        };
        let price = self.working_price(&algo.symbol, algo.working_price);
        let activate = activate.and_then(Fixed::from_decimal);
        let reached = activate.is_none_or(|activate| match algo.side {
            Side::Buy => price <= activate,
            Side::Sell => price >= activate,
        });
        let better = |extreme: Fixed| match algo.side {
            Side::Buy => price < extreme,
            Side::Sell => price > extreme,
        };
        if algo.extreme.is_none_or(better) && (algo.extreme.is_some() || reached) {
            let became_active = algo.extreme.is_none();
            let followed = Algo {
                extreme: Some(price),
                ..algo
            };
            self.account.algos.insert(id, followed.clone());
            if became_active {
                self.tell_algo(&followed, None);
            }
        }
    }

    fn fire(&mut self, id: i64) {
        let Some(mut algo) = self.account.algos.remove(&id) else {
            return;
        };
        algo.status = "TRIGGERING";
        algo.triggered_ms = self.now_ms;
        algo.updated_ms = self.now_ms;
        self.tell_algo(&algo, None);
        let order = match self.fired_order(&algo) {
            Some(order) => order,
            None => return self.put_away(algo, "EXPIRED", None),
        };
        let refused = if self.reject_triggers {
            Err(Refusal::reduce_only_rejected())
        } else {
            self.priced(&order)
                .and_then(|order| self.check_order(&order))
        };
        if let Err(refusal) = refused {
            return self.put_away(algo, "REJECTED", Some(refusal.message));
        }
        // The order's id must be known before its first event refers back to this one.
        algo.status = "TRIGGERED";
        algo.order_id = Some(self.next_id + 1);
        self.finished_algos.insert(id, algo.clone());
        self.tell_algo(&algo, None);
        let _placed = self.place(&order);
    }

    /// The order a conditional turns into; `None` if there is no position left to close.
    fn fired_order(&self, algo: &Algo) -> Option<NewOrder> {
        let held = self.account.position(&algo.symbol, algo.leg).amount;
        let reduces = signed(algo.side, Fixed::ONE).is_negative() != held.is_negative();
        let quantity = if algo.close_position {
            if held.is_zero() || !reduces {
                return None;
            }
            held.abs()
        } else {
            algo.quantity
        };
        let limit = algo.becomes_limit();
        Some(NewOrder {
            symbol: algo.symbol.clone(),
            side: algo.side,
            leg: algo.leg,
            kind: if limit {
                OrderKind::Limit
            } else {
                OrderKind::Market
            },
            original_kind: algo.kind_name().to_owned(),
            time_in_force: algo.time_in_force.clone(),
            quantity,
            price: algo.price,
            stop_price: algo.trigger(),
            reduce_only: algo.reduce_only
                || algo.close_position && !closes_leg(algo.side, algo.leg),
            close_position: algo.close_position,
            working_type: algo.working_type(),
            good_till_ms: algo.good_till_ms,
            terms: algo.terms,
            client_id: Some(algo.client_id.clone()),
            algo: Some(algo.id),
        })
    }

    fn put_away(&mut self, mut algo: Algo, status: &'static str, reason: Option<String>) {
        algo.status = status;
        algo.updated_ms = self.now_ms;
        self.finished_algos.insert(algo.id, algo.clone());
        forget_oldest(&mut self.finished_algos);
        self.tell_algo(&algo, reason);
    }

    /// Ends a waiting conditional order.
    pub(super) fn end_algo(&mut self, id: i64, status: &'static str, reason: Option<String>) {
        if let Some(algo) = self.account.algos.remove(&id) {
            self.put_away(algo, status, reason);
        }
    }

    /// The order a conditional became is done.
    pub(super) fn finish_algo(&mut self, id: Option<i64>) {
        let Some(algo) = id.and_then(|id| self.finished_algos.get(&id)).cloned() else {
            return;
        };
        if algo.status == "TRIGGERED" {
            self.put_away(algo, "FINISHED", None);
        }
    }

    pub(super) fn find_algo(&self, id: Option<i64>, client_id: Option<&str>) -> Option<&Algo> {
        let matches = |algo: &&Algo| match id {
            Some(id) => algo.id == id,
            None => Some(algo.client_id.as_str()) == client_id,
        };
        let open = self.account.algos.values().rev().find(matches);
        open.or_else(|| self.finished_algos.values().rev().find(matches))
    }

    pub(super) fn finished_algos_of<'a>(
        &'a self,
        symbol: &'a str,
    ) -> impl Iterator<Item = &'a Algo> {
        self.finished_algos
            .values()
            .filter(move |algo| algo.symbol == symbol)
    }

    pub(super) fn algo_reply(&self, algo: &Algo) -> AlgoReply {
        let contract = self.contracts.get(&algo.symbol);
        let price_decimals = contract.map_or(8, |contract| contract.price_decimals());
        let decimals = contract.map_or(8, |contract| contract.quantity_decimals());
        let (activate_price, callback_rate) = match algo.condition {
            ConditionalKind::Trailing { callback, activate } => (
                activate.map(|price| price.to_string()),
                Some(callback.to_string()),
            ),
            ConditionalKind::Stop(_) | ConditionalKind::TakeProfit(_) => (None, None),
        };
        let order = algo.order_id.and_then(|id| self.find_order(id));
        AlgoReply {
            algo_id: algo.id,
            client_algo_id: algo.client_id.clone(),
            algo_type: "CONDITIONAL",
            order_type: algo.kind_name(),
            symbol: algo.symbol.clone(),
            side: side_name(algo.side),
            position_side: leg_name(algo.leg),
            time_in_force: algo.time_in_force.clone(),
            quantity: algo.quantity.text(decimals),
            algo_status: algo.status,
            trigger_price: algo.trigger().text(price_decimals),
            price: algo.price.text(price_decimals),
            iceberg_quantity: None,
            self_trade_prevention_mode: algo.terms.self_trade_prevention,
            working_type: algo.working_type(),
            price_match: algo.terms.price_match,
            close_position: algo.close_position,
            price_protect: algo.price_protect,
            reduce_only: algo.reduce_only,
            activate_price,
            callback_rate,
            actual_order_id: order.map(|order| order.id.to_string()),
            actual_price: order.map(|order| order.average().plain()),
            create_time: algo.created_ms,
            update_time: algo.updated_ms,
            trigger_time: algo.triggered_ms,
            good_till_date: algo.good_till_ms,
        }
    }
}

/// Whether the price a trailing order waits for is already there.
fn activates_at_once(new: &NewAlgo, price: Fixed) -> bool {
    let ConditionalKind::Trailing {
        activate: Some(activate),
        ..
    } = new.condition
    else {
        return false;
    };
    let activate = Fixed::from_decimal(activate).unwrap_or_default();
    match new.side {
        Side::Buy => activate >= price,
        Side::Sell => activate <= price,
    }
}

/// Whether a price makes a condition true. Trailing orders compare with the extreme so far.
fn condition_met(
    condition: ConditionalKind,
    side: Side,
    price: Fixed,
    extreme: Option<Fixed>,
) -> bool {
    match condition {
        ConditionalKind::Stop(trigger) => {
            let trigger = Fixed::from_decimal(trigger).unwrap_or_default();
            match side {
                Side::Buy => price >= trigger,
                Side::Sell => price <= trigger,
            }
        }
        ConditionalKind::TakeProfit(trigger) => {
            let trigger = Fixed::from_decimal(trigger).unwrap_or_default();
            match side {
                Side::Buy => price <= trigger,
                Side::Sell => price >= trigger,
            }
        }
        ConditionalKind::Trailing { callback, .. } => {
            let Some(extreme) = extreme else { return false };
            let hundredth = Fixed::new(1, 2);
            let rate = Fixed::from_decimal(callback)
                .unwrap_or_default()
                .times(hundredth);
            match side {
                Side::Buy => price >= extreme.times(Fixed::ONE + rate),
                Side::Sell => price <= extreme.times(Fixed::ONE - rate),
            }
        }
    }
}
