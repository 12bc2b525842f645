//! What the exchange asks for an order before it accepts it, and the largest order it would take.
//!
//! Owns: assuming prices and what they are taken from, the cost of an order, the position cap in
//! force, the largest order.
//! Must not know: policy, what the account is worth after a fill, the exchange's filters, how old a
//! quote is (what is too old is not handed in).
//!
//! Where the sources differ the more careful reading counts: it asks for more margin and takes a
//! smaller order.

use rust_decimal::{Decimal, RoundingStrategy};

use super::account::{PositionMode, PositionSide, Quotes, RestingTotals, Side, SymbolState};
use super::amount::{
    Amount, ArithmeticError, Leverage, Notional, PRINTED_DECIMALS, Price, Quantity, Rate,
    exact_add, exact_mul, quotient,
};
use super::contribution::{Missing, present_notional, signed_notional};
use super::order::{OrderIntent, OrderKind};
use super::project::Fill;

/// A market buy is assumed at the best ask and this much of it.
///
/// Source: margin-math §4.5 (vector D09).
const MARKET_BUY_ABOVE: Rate = Rate::new(Decimal::from_parts(5, 0, 0, false, 4));

/// A sell is assumed at the last price and this much of it at least.
///
/// Source: margin-math §4.5 (vectors D03, D04: the text in force from January 2026).
const SELL_ABOVE: Rate = Rate::new(Decimal::from_parts(15, 0, 0, false, 4));

/// What decided the price an order is counted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AssumedFrom {
    /// The order's own price.
    Order,
    /// The price this guard takes a market order to fill at.
    Fill,
    /// The mark with the exchange's addition.
    Mark,
    /// The last price with the exchange's addition.
    Last,
    /// The best bid.
    Bid,
    /// The best ask, for a buy with the exchange's addition.
    Ask,
}

impl AssumedFrom {
    /// Every source.
    pub const ALL: [Self; 6] = [
        Self::Order,
        Self::Fill,
        Self::Mark,
        Self::Last,
        Self::Bid,
        Self::Ask,
    ];
}

/// The price an order is counted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssumedPrice {
    /// The price.
    pub price: Price,
    /// What decided it.
    pub from: AssumedFrom,
}

/// What the exchange asks for a new order before it accepts it, in the pool's asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderCost {
    /// Initial margin that the order adds by the netting rule, and the loss it opens with.
    pub cost: Amount,
    /// The margin in it.
    pub margin_required: Amount,
    /// The loss in it.
    pub open_loss: Amount,
    /// The price the margin was counted at.
    pub assumed: AssumedPrice,
    /// The mark it was counted with.
    pub mark: Price,
    /// What was known of the market beside the mark.
    pub quotes: Quotes,
    /// Notional of the position, signed; in hedge mode of both legs together.
    pub held: Notional,
    /// The working orders that were there before.
    pub resting: RestingTotals,
    /// Positions and orders together afterwards, which the position cap counts.
    pub present_notional: Notional,
}

/// Cost = added initial margin + open loss.
///
/// Source: margin-math §4.4 (vectors D01, D05, D07, D11) with the assuming prices of §4.5.
/// Conditional orders cost nothing until they fire (§4.7) and are not asked here.
///
/// # Errors
/// What is not known of the symbol.
pub fn order_cost(
    state: &SymbolState,
    mode: PositionMode,
    intent: &OrderIntent,
    fill: &Fill,
    quotes: Quotes,
) -> Result<OrderCost, Missing> {
    let settings = state.settings.ok_or(Missing::Settings)?;
    let mark = state.mark.ok_or(Missing::Mark)?.price();
    let before = present_notional(state, mode)?;
    let assumed = assuming_price(intent, mark, fill.price, quotes)?;
    let added = assumed.price.times(fill.quantity)?;
    let mut with_order = state.clone();
    if !intent.only_reduces() {
        let resting = &mut with_order.resting;
        let (notional, quantity) = match intent.side {
            Side::Buy => (&mut resting.buy_notional, &mut resting.buy_quantity),
            Side::Sell => (&mut resting.sell_notional, &mut resting.sell_quantity),
        };
        *notional = notional.plus(added)?;
        *quantity = quantity.plus(fill.quantity)?;
    }
    let after = present_notional(&with_order, mode)?;
    let added_margin = after
        .minus(before)?
        .over(settings.leverage)?
        .max(Amount::ZERO);
    let open_loss = if intent.only_reduces() {
        Amount::ZERO
    } else {
        let unit = open_loss(intent, mark, quotes)?;
        unit.times(fill.quantity)?.as_amount()
    };
    Ok(OrderCost {
        cost: added_margin.plus(open_loss)?,
        margin_required: added_margin,
        open_loss,
        assumed,
        mark,
        quotes,
        held: held(state, mode)?,
        resting: state.resting,
        present_notional: after,
    })
}

/// What the netting rule counts of the positions.
///
/// Source: margin-math §4.2, §4.3.
fn held(state: &SymbolState, mode: PositionMode) -> Result<Notional, Missing> {
    match mode {
        PositionMode::OneWay => signed_notional(state, PositionSide::Both),
        PositionMode::Hedge => {
            let long = signed_notional(state, PositionSide::Long)?.abs();
            let short = signed_notional(state, PositionSide::Short)?.abs();
            Ok(long.plus(short)?)
        }
    }
}

/// The price an order is counted at: the dearest of what any of the rules says.
///
/// A limit buy counts at its own price. A sell counts at `max(1.0015 × last, 1.0015 × mark, own
/// price)`, a market sell at the best bid if that is more, and one whose price the book decides at the
/// best ask, where it may come to rest. A market buy counts at the price
/// this guard takes it to fill at, `1.0005 × ask` or `1.0005 × mark`. The mark's terms are there
/// whether or not the others are: a quote makes an order dearer and never cheaper, so that what is
/// not known or too old can only be missed on the side that is as careful as the mark.
///
/// Source: margin-math §4.5 (both tables of it, D03, D04, D09, D10; the larger counts).
fn assuming_price(
    intent: &OrderIntent,
    mark: Price,
    fill_price: Price,
    quotes: Quotes,
) -> Result<AssumedPrice, ArithmeticError> {
    let at = |price, from| AssumedPrice { price, from };
    let limit = intent.kind.limit_price();
    let mut dearest = match (intent.side, limit) {
        (Side::Buy, Some(limit)) => return Ok(at(limit, AssumedFrom::Order)),
        (Side::Buy, None) => at(mark.moved(MARKET_BUY_ABOVE)?, AssumedFrom::Mark),
        (Side::Sell, _) => at(mark.moved(SELL_ABOVE)?, AssumedFrom::Mark),
    };
    let others = match intent.side {
        Side::Buy => [
            Some(at(fill_price, AssumedFrom::Fill)),
            raised(quotes.best_ask, MARKET_BUY_ABOVE)?.map(|ask| at(ask, AssumedFrom::Ask)),
        ],
        Side::Sell => [
            match (limit, intent.kind) {
                (Some(limit), _) => Some(at(limit, AssumedFrom::Order)),
                (None, OrderKind::PriceMatched) => {
                    quotes.best_ask.map(|ask| at(ask, AssumedFrom::Ask))
                }
                (None, _) => quotes.best_bid.map(|bid| at(bid, AssumedFrom::Bid)),
            },
            raised(quotes.last, SELL_ABOVE)?.map(|last| at(last, AssumedFrom::Last)),
        ],
    };
    for other in others.into_iter().flatten() {
        if other.price > dearest.price {
            dearest = other;
        }
    }
    Ok(dearest)
}

fn raised(price: Option<Price>, by: Rate) -> Result<Option<Price>, ArithmeticError> {
    price.map(|price| price.moved(by)).transpose()
}

/// The loss an order opens with, per unit: how far its price is on the losing side of the mark. An
/// order without a price has the exchange's assuming price for its own: a market buy
/// `1.0005 × max(ask, mark)`, which a market sell never has below the mark. A sell whose price the book
/// decides may be priced at the best bid.
///
/// Source: margin-math §4.4; that a market buy opens with a loss follows from §4.5 with D09.
fn open_loss(intent: &OrderIntent, mark: Price, quotes: Quotes) -> Result<Price, ArithmeticError> {
    let adverse = match (intent.side, intent.kind.limit_price()) {
        (Side::Buy, Some(price)) => price.minus(mark)?,
        (Side::Sell, Some(price)) => mark.minus(price)?,
        (Side::Buy, None) => {
            let ask = quotes.best_ask.map_or(mark, |ask| ask.max(mark));
            ask.moved(MARKET_BUY_ABOVE)?.minus(mark)?
        }
        (Side::Sell, None) => match (intent.kind, quotes.best_bid) {
            (OrderKind::PriceMatched, Some(bid)) => mark.minus(bid)?,
            _ => Price::ZERO,
        },
    };
    Ok(adverse.max(Price::ZERO))
}

/// The largest notional that positions and orders of a symbol may come to: by its brackets at the
/// leverage in force and by what the exchange states, whichever is less. `None` when neither says.
///
/// Source: margin-math §14 (vector B32).
#[must_use]
pub fn position_cap(state: &SymbolState) -> Option<Notional> {
    let settings = state.settings?;
    let by_brackets = state.brackets.as_ref()?.notional_max_at(settings.leverage);
    match (by_brackets, settings.notional_max) {
        (Some(brackets), Some(told)) => Some(brackets.min(told)),
        (one, other) => one.or(other),
    }
}

/// The largest quantity of an order (its own does not matter) that margin and position cap permit,
/// cut at the eighth decimal; `available` is what such an order may cost. Filters are not asked.
///
/// One-way, with `N` the signed notional, `B` and `A` the resting buys and sells, `L` the open loss
/// per unit and `AP` the assuming price:
/// `buy = (available + IM − (N + B)·IMR [+ |q|·L when short]) / (AP·IMR + L)`,
/// `sell = (available + IM + (N − A)·IMR [+ |q|·L when long]) / (AP·IMR + L)`,
/// so that positions and orders afterwards stay within the cap. In hedge mode every leg adds, and
/// `available / (AP·IMR + L)` is left. `IMR` is rounded up at the fourth decimal.
///
/// Source: margin-math §4.6 (the vendor's formulas), §4.3 for hedge mode, §14 for the cap, §19 for
/// the rounding.
///
/// # Errors
/// What is not known of the symbol.
pub fn largest_order(
    state: &SymbolState,
    mode: PositionMode,
    intent: &OrderIntent,
    fill_price: Price,
    available: Amount,
    quotes: Quotes,
) -> Result<Quantity, Missing> {
    let settings = state.settings.ok_or(Missing::Settings)?;
    let mark = state.mark.ok_or(Missing::Mark)?.price();
    let cap = position_cap(state).ok_or_else(|| state.no_brackets())?;
    let price = assuming_price(intent, mark, fill_price, quotes)?.price;
    let loss = open_loss(intent, mark, quotes)?;
    let rate = initial_margin_rate(settings.leverage)?;
    let side = Netted::of(state, mode, intent.side)?;

    let mut money = available.floored();
    if let Some(own) = side.own {
        // What is asked for is rounded up, what is given back is not.
        let asked = if own.is_positive() {
            own.times(rate)?
        } else {
            own.over(settings.leverage)?
        };
        let present = present_notional(state, mode)?.over(settings.leverage)?;
        money = money.plus(present)?.minus(asked)?;
        money = money.plus(loss.times(side.closes)?.as_amount())?;
    }
    let unit = exact_add(exact_mul(price.get(), rate.get())?, loss.get())?;
    let by_margin = quotient(money.get(), unit)?;

    if side.other > cap {
        return Ok(Quantity::ZERO);
    }
    let taken = side.own.unwrap_or(side.gross);
    let by_cap = quotient(cap.minus(taken)?.get(), price.get())?;
    let most = by_margin.min(by_cap).max(Decimal::ZERO);
    Ok(Quantity::new(most.trunc_with_scale(PRINTED_DECIMALS)))
}

/// What an order of one side meets.
struct Netted {
    /// One-way: the position and this side's orders, signed so that this side adds.
    own: Option<Notional>,
    /// One-way: what the other side could come to, which the cap counts as well.
    other: Notional,
    /// Hedge: both legs with all their opening orders.
    gross: Notional,
    /// The position an order of this side closes first.
    closes: Quantity,
}

impl Netted {
    fn of(state: &SymbolState, mode: PositionMode, side: Side) -> Result<Self, Missing> {
        if mode == PositionMode::Hedge {
            return Ok(Self {
                own: None,
                other: Notional::ZERO,
                gross: present_notional(state, mode)?,
                closes: Quantity::ZERO,
            });
        }
        let net = signed_notional(state, PositionSide::Both)?;
        let held = state.legs.both.quantity;
        let (buys, sells) = (state.resting.buy_notional, state.resting.sell_notional);
        let bought = net.plus(buys)?;
        let sold = net.minus(sells)?;
        let (own, other, closes) = match side {
            Side::Buy => (bought, sold.abs(), held.negated()),
            Side::Sell => (sold.negated(), bought.abs(), held),
        };
        Ok(Self {
            own: Some(own),
            other,
            gross: Notional::ZERO,
            closes: closes.max(Quantity::ZERO),
        })
    }
}

/// 1 ÷ leverage, rounded up at the fourth decimal.
fn initial_margin_rate(leverage: Leverage) -> Result<Rate, ArithmeticError> {
    let rate = quotient(Decimal::ONE, Decimal::from(leverage.get()))?;
    let rate = rate.round_dp_with_strategy(4, RoundingStrategy::ToPositiveInfinity);
    Ok(Rate::new(rate))
}

#[cfg(test)]
mod tests;
