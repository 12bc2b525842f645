//! Placing an order: the exchange's checks in order, then acceptance and the first match.

use crate::scenario::{PositionMode, PositionSide, Side};

use super::super::account::{Order, OrderKind, Status, Terms, closes_leg, signed};
use super::super::contract::Contract;
use super::super::exact::Fixed;
use super::super::refusal::Refusal;
use super::Venue;
use super::notice::Execution;

/// Open orders allowed per contract.
const OPEN_ORDERS_MAX: usize = 200;

/// How far ahead an order's last moment must lie, and before when.
const GOOD_TILL_MS_MIN: i64 = 600_000;
const GOOD_TILL_MS_MAX: i64 = 253_402_300_799_000;

/// An order somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct NewOrder {
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) leg: PositionSide,
    pub(crate) kind: OrderKind,
    pub(crate) original_kind: String,
    pub(crate) time_in_force: String,
    pub(crate) quantity: Fixed,
    pub(crate) price: Fixed,
    pub(crate) stop_price: Fixed,
    pub(crate) reduce_only: bool,
    pub(crate) close_position: bool,
    pub(crate) working_type: &'static str,
    pub(crate) good_till_ms: i64,
    pub(crate) terms: Terms,
    pub(crate) client_id: Option<String>,
    pub(crate) algo: Option<i64>,
}

/// What the exchange asks for an order that opens.
#[derive(Debug)]
pub(crate) struct Cost {
    /// The price its margin is reckoned at.
    pub(crate) price: Fixed,
    pub(crate) margin: super::super::exact::Shares,
    pub(crate) open_loss: Fixed,
}

impl Venue {
    /// Checks, accepts and matches an order; gives its id.
    pub(crate) fn place(&mut self, new: &NewOrder) -> Result<i64, Refusal> {
        let new = &self.priced(new)?;
        self.check_order(new)?;
        let order = self.build_order(new);
        let id = order.id;
        self.account.orders.insert(id, order.clone());
        self.tell_order(&order, "NEW", &Execution::default());
        self.match_taker(id);
        Ok(id)
    }

    /// The order with the price that the book sets for it, if it left that to the book.
    pub(super) fn priced(&self, new: &NewOrder) -> Result<NewOrder, Refusal> {
        let mut new = new.clone();
        if new.terms.matches_price() && new.kind == OrderKind::Limit {
            let contract = self.contract(&new.symbol)?;
            new.price = matched_price(contract, new.side, new.terms.price_match)?;
        }
        Ok(new)
    }

    /// Every check of a new order, without placing it.
    pub(crate) fn check_order(&self, new: &NewOrder) -> Result<(), Refusal> {
        let contract = self.contract(&new.symbol)?;
        self.check_leg(new)?;
        self.check_client_id(new.client_id.as_deref())?;
        check_filters(contract, new)?;
        if self.account.orders_of(&new.symbol).count() >= OPEN_ORDERS_MAX {
            return Err(Refusal::too_many_open_orders());
        }
        if contract.dark {
            return Err(Refusal::symbol_closed());
        }
        if new.reduce_only || closes_leg(new.side, new.leg) {
            self.check_reduces(new)?;
        } else {
            if !contract.is_trading() {
                return Err(Refusal::not_open());
            }
            self.check_margin(contract, new)?;
        }
        check_time_in_force(contract, new, self.now_ms)
    }

    fn check_leg(&self, new: &NewOrder) -> Result<(), Refusal> {
        let one_way = self.account.mode == PositionMode::OneWay;
        if one_way != (new.leg == PositionSide::Both) {
            return Err(Refusal::position_side_mismatch());
        }
        if !one_way && new.reduce_only {
            return Err(Refusal::not_required("reduceonly"));
        }
        Ok(())
    }

    fn check_client_id(&self, id: Option<&str>) -> Result<(), Refusal> {
        let Some(id) = id else { return Ok(()) };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
        if id.is_empty() || id.len() > 36 || !id.bytes().all(legal) {
            return Err(Refusal::bad_client_id());
        }
        if self
            .account
            .orders
            .values()
            .any(|order| order.client_id == id)
        {
            return Err(Refusal::duplicate_client_id());
        }
        Ok(())
    }

    /// A reducing order needs something to reduce, and closing orders never exceed their leg.
    fn check_reduces(&self, new: &NewOrder) -> Result<(), Refusal> {
        let held = self.account.position(&new.symbol, new.leg).amount;
        let opposite = signed(new.side, Fixed::ONE).is_negative() != held.is_negative();
        if held.is_zero() || !opposite {
            return Err(Refusal::reduce_only_rejected());
        }
        if new.leg == PositionSide::Both {
            return self.check_flip(new, held);
        }
        let resting: Fixed = self
            .account
            .orders_of(&new.symbol)
            .filter(|order| order.leg == new.leg && order.side == new.side)
            .map(Order::remaining)
            .sum();
        if resting + new.quantity > held.abs() {
            return Err(Refusal::reduce_only_rejected());
        }
        Ok(())
    }

    /// A reducing order takes away the position that resting orders of its side would have reduced:
    /// they may then flip it, and that must be paid for.
    fn check_flip(&self, new: &NewOrder, held: Fixed) -> Result<(), Refusal> {
        let contract = self.contract(&new.symbol)?;
        let resting: Fixed = self
            .account
            .orders_of(&new.symbol)
            .filter(|order| order.side == new.side && !order.only_reduces())
            .map(Order::remaining)
            .sum();
        let reducing = new.quantity.min(held.abs());
        if resting.is_zero() || resting + reducing <= held.abs() {
            return Ok(());
        }
        let mut reduced = self.account.clone();
        let leg = (new.symbol.clone(), new.leg);
        reduced.positions.entry(leg).or_default().amount = held + signed(new.side, reducing);
        let after = super::super::figures::Figures::new(&reduced, &self.contracts);
        let more = after.exposure(contract).present - self.figures().exposure(contract).present;
        let mut needed = super::super::exact::Shares::default();
        let leverage = self.account.settings(&new.symbol).leverage;
        needed.add(more.max(Fixed::ZERO), leverage);
        if needed.ceil() > self.figures().available(&contract.margin_asset) {
            return Err(Refusal::reduce_only_flips());
        }
        Ok(())
    }

    /// Initial margin of what the order adds, plus its open loss, must be available; the position
    /// it could reach must be allowed at the leverage.
    fn check_margin(&self, contract: &Contract, new: &NewOrder) -> Result<(), Refusal> {
        let leverage = self.account.settings(&new.symbol).leverage;
        let figures = self.figures();
        let price = assumed_price(contract, new);
        let before = figures.exposure(contract).present;
        let after = self.present_with(contract, new, price);
        if after > before && after > contract.brackets.notional_max(leverage) {
            return Err(Refusal::position_cap());
        }
        let cost = self.cost(contract, new);
        if cost.margin.ceil() + cost.open_loss > figures.available(&contract.margin_asset) {
            return Err(Refusal::margin_insufficient());
        }
        Ok(())
    }

    /// What a new order costs.
    pub(crate) fn cost(&self, contract: &Contract, new: &NewOrder) -> Cost {
        let price = assumed_price(contract, new);
        let before = self.figures().exposure(contract).present;
        let added = self.present_with(contract, new, price) - before;
        let mut margin = super::super::exact::Shares::default();
        let leverage = self.account.settings(&new.symbol).leverage;
        margin.add(added.max(Fixed::ZERO), leverage);
        let ordered = if new.kind == OrderKind::Limit {
            new.price
        } else {
            price
        };
        let gain = signed(new.side, contract.mark - ordered).min(Fixed::ZERO);
        Cost {
            price,
            margin,
            open_loss: gain.abs().times(new.quantity),
        }
    }

    /// What the contract comes to, its orders counted, with one more at a price.
    fn present_with(&self, contract: &Contract, new: &NewOrder, price: Fixed) -> Fixed {
        let extra = (new.side, new.leg, price.times(new.quantity));
        let after = self.figures().exposure_with(contract, Some(extra));
        after.present
    }

    fn build_order(&mut self, new: &NewOrder) -> Order {
        let id = self.new_id();
        let random = self.random.text(22);
        Order {
            id,
            client_id: new.client_id.clone().unwrap_or(random),
            symbol: new.symbol.clone(),
            side: new.side,
            leg: new.leg,
            kind: new.kind,
            original_kind: new.original_kind.clone(),
            time_in_force: new.time_in_force.clone(),
            quantity: new.quantity,
            price: if new.kind == OrderKind::Limit {
                new.price
            } else {
                Fixed::ZERO
            },
            stop_price: new.stop_price,
            reduce_only: new.reduce_only,
            close_position: new.close_position,
            working_type: new.working_type,
            good_till_ms: new.good_till_ms,
            terms: new.terms,
            executed: Fixed::ZERO,
            turnover: Fixed::ZERO,
            status: Status::New,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            algo: new.algo,
        }
    }
}

/// Price at which the exchange reckons the cost, in the rules of January 2026 for limit sells.
fn assumed_price(contract: &Contract, new: &NewOrder) -> Fixed {
    let mark = contract.mark;
    match (new.kind, new.side) {
        (OrderKind::Limit, Side::Buy) => new.price,
        (OrderKind::Limit, Side::Sell) => new
            .price
            .max(mark)
            .max(contract.last.times(Fixed::new(10_015, 4))),
        (_, Side::Buy) => contract.ask().times(Fixed::new(10_005, 4)),
        (_, Side::Sell) => contract.bid().max(mark),
    }
}

fn check_filters(contract: &Contract, new: &NewOrder) -> Result<(), Refusal> {
    contract.check_quantity(new.quantity)?;
    let price = if new.kind == OrderKind::Limit {
        new.price
    } else {
        contract.mark
    };
    if new.kind == OrderKind::Limit {
        contract.check_price(new.price)?;
        let (highest, lowest) = contract.price_band();
        if new.side == Side::Buy && new.price > highest {
            return Err(Refusal::price_above(&highest.plain()));
        }
        if new.side == Side::Sell && new.price < lowest {
            return Err(Refusal::price_below(&lowest.plain()));
        }
    }
    let reduces = new.reduce_only || new.close_position || closes_leg(new.side, new.leg);
    if !reduces && price.times(new.quantity) < contract.min_notional {
        return Err(Refusal::notional_below(&contract.min_notional.plain()));
    }
    Ok(())
}

/// The price a `priceMatch` order gets: of so many levels into the other side's book, or its own.
pub(super) fn matched_price(contract: &Contract, side: Side, name: &str) -> Result<Fixed, Refusal> {
    let (bids, asks) = contract.book();
    let (own, other) = match side {
        Side::Buy => (bids, asks),
        Side::Sell => (asks, bids),
    };
    let (levels, index) = match name {
        "OPPONENT" => (other, 0),
        "OPPONENT_5" => (other, 4),
        "QUEUE" => (own, 0),
        "QUEUE_5" => (own, 4),
        "QUEUE_10" => (own, 9),
        "QUEUE_20" => (own, 19),
        _ => return Err(Refusal::bad_price_match()),
    };
    levels
        .get(index)
        .map(|level| level.0)
        .ok_or_else(Refusal::no_depth)
}

fn check_time_in_force(contract: &Contract, new: &NewOrder, now_ms: i64) -> Result<(), Refusal> {
    let crosses = new.kind == OrderKind::Market
        || match new.side {
            Side::Buy => new.price >= contract.ask(),
            Side::Sell => new.price <= contract.bid(),
        };
    let enough = contract.depth.is_zero() || contract.depth >= new.quantity;
    let earliest_ms = now_ms + GOOD_TILL_MS_MIN;
    match new.time_in_force.as_str() {
        "GTD" if !(earliest_ms..GOOD_TILL_MS_MAX).contains(&new.good_till_ms) => {
            Err(Refusal::bad_good_till())
        }
        "GTX" | "RPI" if crosses => Err(Refusal::post_only()),
        "FOK" if !crosses || !enough => Err(Refusal::fill_or_kill()),
        "GTC" | "IOC" | "FOK" | "GTX" | "GTD" | "RPI" | "GTE_GTC" => Ok(()),
        _ => Err(Refusal::bad_time_in_force()),
    }
}
