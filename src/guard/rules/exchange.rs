//! What the exchange itself would refuse of an order.
//!
//! Owns: the exchange's filters, modes, position cap and margin check, with its codes.
//! Must not know: the trader's own limits.

use rust_decimal::Decimal;

use super::OrderCase;
use crate::guard::verdict::{Code, Finding, Level};
use crate::guard::words;
use crate::margin::account::{Lot, MarginMode, PositionMode, PositionSide, Rules, Side};
use crate::margin::amount::{Price, Quantity, Rate, exact_mul, exact_sub};
use crate::margin::cost::position_cap;
use crate::margin::order::OrderKind;

/// What the exchange itself would answer with an error, checked in the order it is documented. What it
/// says only when a conditional order fires is a warning: the order can be placed, and the account
/// may be another one until then.
///
/// Source: binance-api §4.2 (filters), §8 (codes), §9.2 (modes), margin-math §4.7, §14.
pub(super) fn exchange_would_refuse(case: &OrderCase<'_>) -> Option<Finding> {
    let refusal = status_refusal(case)
        .or_else(|| mode_refusal(case))
        .or_else(|| price_refusal(case))
        .map(Refusal::from)
        .or_else(|| quantity_refusal(case));
    let (level, refusal) = match refusal {
        Some(refusal) => (Level::Reject, refusal),
        None if case.intent.kind.is_conditional() => (Level::Warn, refusal_when_it_fires(case)?),
        None => (Level::Reject, margin_refusal(case)?),
    };
    let message = match level {
        Level::Reject => format!("The exchange would refuse this order: {}.", refusal.words),
        Level::Warn => format!(
            "The exchange takes this order now and would refuse it {}: {}.",
            when_it_fires(case),
            refusal.words
        ),
    };
    let (value, limit) = refusal.measured.unzip();
    Some(Finding {
        level,
        value,
        limit,
        ..case.plain(Code::ExchangeWouldRefuse, message)
    })
}

/// Why the exchange would refuse. What is measured against a bound, another quantity or more money may
/// cure; everything else is wrong with the order itself.
struct Refusal {
    words: String,
    measured: Option<(Decimal, Decimal)>,
}

impl From<String> for Refusal {
    fn from(words: String) -> Self {
        Self {
            words,
            measured: None,
        }
    }
}

impl Refusal {
    const fn measured(words: String, value: Decimal, bound: Decimal) -> Self {
        Self {
            words,
            measured: Some((value, bound)),
        }
    }
}

fn status_refusal(case: &OrderCase<'_>) -> Option<String> {
    (!case.rules.trading)
        .then(|| format!("{} is in status {}", case.intent.symbol, case.rules.status))
}

fn mode_refusal(case: &OrderCase<'_>) -> Option<String> {
    let intent = case.intent;
    match (case.mode, intent.position_side) {
        (PositionMode::OneWay, PositionSide::Long | PositionSide::Short) => Some(
            "positionSide LONG or SHORT needs hedge mode, and the account is in one-way mode \
             (-4061)"
                .to_owned(),
        ),
        (PositionMode::Hedge, PositionSide::Both) => Some(
            "the account is in hedge mode, so positionSide must be LONG or SHORT (-4061)"
                .to_owned(),
        ),
        (PositionMode::Hedge, _) if intent.reduce_only => {
            Some("reduceOnly may not be sent in hedge mode (-4062)".to_owned())
        }
        _ if intent.only_reduces() && case.fill.quantity.is_zero() => {
            Some("there is no position for it to reduce (-2022)".to_owned())
        }
        _ => None,
    }
}

fn price_refusal(case: &OrderCase<'_>) -> Option<String> {
    let rules = case.rules;
    let mark = case.mark.price();
    for price in [
        case.intent.kind.limit_price(),
        case.intent.kind.trigger_price(),
    ] {
        let Some(price) = price else { continue };
        if !price.is_positive() {
            return Some("the price must be above zero (-4013)".to_owned());
        }
        if rules.price_min.is_some_and(|min| price < min) {
            return Some(format!("price {price} is below the smallest price (-4013)"));
        }
        if rules.price_max.is_some_and(|max| price > max) {
            return Some(format!("price {price} is above the largest price (-4016)"));
        }
        let base = rules.price_min.unwrap_or(Price::ZERO);
        if let Some(tick) = rules.tick
            && !is_multiple(price.get(), base.get(), tick.get())
        {
            return Some(format!(
                "price {price} is not on the tick size {tick} (-4014)"
            ));
        }
    }
    let price = match case.intent.kind {
        OrderKind::Limit { price } => price,
        _ => return None,
    };
    let bound =
        |multiplier: Option<Rate>| multiplier.and_then(|by| exact_mul(mark.get(), by.get()).ok());
    match case.intent.side {
        Side::Buy => bound(rules.price_multiplier_up)
            .filter(|most| price.get() > *most)
            .map(|most| format!("a buy may be priced at most {} (-4016)", most.normalize())),
        Side::Sell => bound(rules.price_multiplier_down)
            .filter(|least| price.get() < *least)
            .map(|least| {
                format!(
                    "a sell must be priced at least {} (-4024)",
                    least.normalize()
                )
            }),
    }
}

fn quantity_refusal(case: &OrderCase<'_>) -> Option<Refusal> {
    let intent = case.intent;
    let quantity = intent.quantity?;
    if !quantity.is_positive() {
        return Some("the quantity must be above zero (-4003)".to_owned().into());
    }
    let lot = lot_of(case.rules, intent.kind);
    if lot.min.is_some_and(|min| quantity < min) {
        return Some(format!("quantity {quantity} is below the smallest one (-4004)").into());
    }
    if let Some(max) = lot.max.filter(|max| quantity > *max) {
        case.limits
            .strained_by(Level::Reject, quantity.get(), max.get());
        let words = format!("quantity {quantity} is above the largest one (-4005)");
        return Some(Refusal::measured(words, quantity.get(), max.get()));
    }
    let base = lot.min.unwrap_or(Quantity::ZERO);
    if let Some(step) = lot.step
        && !is_multiple(quantity.get(), base.get(), step.get())
    {
        let words = format!("quantity {quantity} is not on the step size {step} (-4023)");
        return Some(Refusal::measured(words, quantity.get(), step.get()));
    }
    if intent.only_reduces() {
        return None;
    }
    let price = intent
        .kind
        .limit_price()
        .unwrap_or_else(|| case.mark.price());
    let notional = price.times(quantity).ok()?;
    let least = case.rules.notional_min.filter(|least| notional < *least)?;
    let words = format!("its notional {notional} is below the smallest one, {least} (-4164)");
    Some(words.into())
}

/// The step and bounds that hold for a kind of order.
#[must_use]
pub(in crate::guard) const fn lot_of(rules: &Rules, kind: OrderKind) -> &Lot {
    match kind {
        OrderKind::Market
        | OrderKind::StopMarket { .. }
        | OrderKind::TakeProfitMarket { .. }
        | OrderKind::TrailingStopMarket { .. } => &rules.market_lot,
        OrderKind::Limit { .. }
        | OrderKind::PriceMatched
        | OrderKind::Stop { .. }
        | OrderKind::TakeProfit { .. } => &rules.lot,
    }
}

/// True when `value` lies a whole number of `step`s from `base`; a zero step switches that off.
fn is_multiple(value: Decimal, base: Decimal, step: Decimal) -> bool {
    if step.is_zero() {
        return true;
    }
    exact_sub(value, base)
        .ok()
        .and_then(|above| above.checked_rem(step))
        .is_some_and(|rest| rest.is_zero())
}

/// Cost above what is available, or beyond the position cap, when a conditional order fires. What
/// adds nothing then is not asked.
fn refusal_when_it_fires(case: &OrderCase<'_>) -> Option<Refusal> {
    case.increases().then(|| margin_refusal(case))?
}

fn when_it_fires(case: &OrderCase<'_>) -> String {
    match case.intent.kind.trigger_price() {
        Some(trigger) => format!("when it fires at {trigger}"),
        None => "when it fires".to_owned(),
    }
}

/// Cost above what is available, or beyond the position cap.
fn margin_refusal(case: &OrderCase<'_>) -> Option<Refusal> {
    let cost = case.cost?;
    let is_conditional = case.intent.kind.is_conditional();
    let level = if is_conditional {
        Level::Warn
    } else {
        Level::Reject
    };
    if !case.intent.only_reduces()
        && let Some(most) = position_cap(case.state)
        && case.increases()
    {
        case.limits
            .strained_by(level, cost.present_notional.get(), most.get());
        if cost.present_notional > most {
            let words = format!(
                "positions and orders would come to {}, and at {}x the exchange permits {most} \
                 (-2027)",
                cost.present_notional,
                case.settings.leverage.get()
            );
            let value = cost.present_notional.get();
            return Some(Refusal::measured(words, value, most.get()));
        }
    }
    let available = match case.settings.margin_mode {
        MarginMode::Crossed => case.available,
        MarginMode::Isolated => case.available.min(case.cross_wallet_balance).floored(),
    };
    case.limits
        .strained_by(level, cost.cost.get(), available.get());
    (cost.cost > available).then(|| {
        let (cost_words, available_words) = (words::money(cost.cost), words::money(available));
        let counted = format!(
            "counted at {} ({})",
            cost.assumed.price.get().normalize(),
            words::assumed_from(cost.assumed.from)
        );
        let words = if is_conditional {
            format!(
                "it costs {cost_words} there, {counted}, and {available_words} would be available (-2019)"
            )
        } else {
            format!("it costs {cost_words}, {counted}, and {available_words} is available (-2019)")
        };
        Refusal::measured(words, cost.cost.get(), available.get())
    })
}
