//! The rules, one function each, in their precedence.
//!
//! Owns: what each rule judges and the sentence it says.
//! Must not know: in which order they are asked (the parent orders them), whether the order is an
//! exit (the parent softens findings then).

use rust_decimal::Decimal;

use super::policy::{Limit, LimitKey, Policy};
use super::verdict::{Code, Finding, Ladder, Level};
use super::words::{self, Careful};
use crate::margin::account::{
    Lot, MarginMode, PositionMode, PositionSide, Rules, Settings, Side, SymbolState,
};
use crate::margin::amount::{
    Amount, MarkPrice, Notional, Price, Quantity, Rate, exact_mul, exact_sub, quotient,
};
use crate::margin::order::{OrderIntent, OrderKind};
use crate::margin::pool::PoolAssessment;
use crate::margin::position::PositionAssessment;
use crate::margin::project::{ExposureChange, Fill, OrderCost};

/// Everything a rule may look at.
pub(super) struct Case<'a> {
    pub intent: &'a OrderIntent,
    pub client: Option<&'a str>,
    pub policy: &'a Policy,
    pub rules: &'a Rules,
    pub mode: PositionMode,
    pub state: &'a SymbolState,
    pub settings: Settings,
    pub mark: MarkPrice,
    pub fill: Fill,
    pub cost: Option<OrderCost>,
    /// What new orders can use, promises counted.
    pub available: Amount,
    pub after: &'a PoolAssessment,
    /// The symbol's positions afterwards.
    pub positions: &'a [PositionAssessment],
}

/// The rules that judge figures, in precedence.
pub(super) const RULES: [fn(&Case<'_>) -> Option<Finding>; 12] = [
    symbol_not_permitted,
    isolated_required,
    exchange_would_refuse,
    liquidation_distance,
    wallet_at_risk,
    spill,
    margin_ratio,
    leverage,
    effective_leverage,
    order_notional,
    position_notional,
    price_collar,
];

/// The guard's own state against an order that is not an exit.
pub(super) fn ladder(state: Ladder, reason: &str, intent: &OrderIntent) -> Option<Finding> {
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    let (code, message) = match state {
        Ladder::Normal | Ladder::Caution => return None,
        Ladder::ReduceOnly => (
            Code::ReduceOnlyState,
            format!("The guard lets positions only be reduced{because}; exits still pass."),
        ),
        Ladder::Locked => (
            Code::Locked,
            format!("The guard is locked{because}; exits still pass."),
        ),
    };
    Some(plain(code, intent, message))
}

/// A finding without figures that rejects.
pub(super) fn plain(code: Code, intent: &OrderIntent, message: String) -> Finding {
    let symbol = Some(intent.symbol.clone());
    Finding {
        code,
        level: Level::Reject,
        symbol,
        value: None,
        limit: None,
        message,
    }
}

impl Case<'_> {
    fn limit(&self, key: LimitKey) -> Limit {
        self.policy.limit(key, &self.intent.symbol, self.client)
    }

    /// Compares a value with the limit of a key.
    fn judge(&self, key: LimitKey, value: Decimal) -> Option<(Level, Decimal)> {
        let limit = self.limit(key);
        let breaks = |threshold: Decimal| {
            if key.smaller_is_worse() {
                value < threshold
            } else {
                value > threshold
            }
        };
        let reject = limit.reject.filter(|threshold| breaks(*threshold));
        let warn = limit.warn.filter(|threshold| breaks(*threshold));
        reject
            .map(|threshold| (Level::Reject, threshold))
            .or_else(|| warn.map(|threshold| (Level::Warn, threshold)))
    }

    fn finding(
        &self,
        code: Code,
        (level, limit): (Level, Decimal),
        value: Decimal,
        message: String,
    ) -> Finding {
        let symbol = Some(self.intent.symbol.clone());
        Finding {
            code,
            level,
            symbol,
            value: Some(value),
            limit: Some(limit),
            message,
        }
    }

    fn increases(&self) -> bool {
        self.fill.exposure == ExposureChange::Increases
    }
}

fn symbol_not_permitted(case: &Case<'_>) -> Option<Finding> {
    let permitted = &case.policy.symbols;
    if permitted.is_empty() || permitted.contains(&case.intent.symbol) {
        return None;
    }
    let message = format!(
        "{} is not among the symbols your policy permits.",
        case.intent.symbol
    );
    Some(plain(Code::SymbolNotPermitted, case.intent, message))
}

fn isolated_required(case: &Case<'_>) -> Option<Finding> {
    let crossed = case.settings.risk_mode() == MarginMode::Crossed;
    if !crossed || !case.increases() || !case.policy.isolated_only.holds(&case.intent.symbol) {
        return None;
    }
    let symbol = &case.intent.symbol;
    let message = if case.settings.margin_mode == MarginMode::Isolated {
        format!(
            "Your policy wants {symbol} isolated; it is, but auto-add margin lets it draw on the \
             wallet. Switch auto-add off first."
        )
    } else {
        format!("Your policy wants {symbol} isolated, and it is crossed. Switch it first.")
    };
    Some(plain(Code::IsolatedRequired, case.intent, message))
}

/// What the exchange itself would answer with an error, checked in the order it is documented.
///
/// Source: binance-api §4.2 (filters), §8 (codes), §9.2 (modes), margin-math §14.
fn exchange_would_refuse(case: &Case<'_>) -> Option<Finding> {
    let refusal = status_refusal(case)
        .or_else(|| mode_refusal(case))
        .or_else(|| price_refusal(case))
        .or_else(|| quantity_refusal(case))
        .or_else(|| margin_refusal(case))?;
    let message = format!("The exchange would refuse this order: {refusal}.");
    Some(plain(Code::ExchangeWouldRefuse, case.intent, message))
}

fn status_refusal(case: &Case<'_>) -> Option<String> {
    (!case.rules.trading)
        .then(|| format!("{} is in status {}", case.intent.symbol, case.rules.status))
}

fn mode_refusal(case: &Case<'_>) -> Option<String> {
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

fn price_refusal(case: &Case<'_>) -> Option<String> {
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

fn quantity_refusal(case: &Case<'_>) -> Option<String> {
    let intent = case.intent;
    let quantity = intent.quantity?;
    if !quantity.is_positive() {
        return Some("the quantity must be above zero (-4003)".to_owned());
    }
    let at_market = matches!(
        intent.kind,
        OrderKind::Market
            | OrderKind::StopMarket { .. }
            | OrderKind::TakeProfitMarket { .. }
            | OrderKind::TrailingStopMarket { .. }
    );
    let lot: &Lot = if at_market {
        &case.rules.market_lot
    } else {
        &case.rules.lot
    };
    if lot.min.is_some_and(|min| quantity < min) {
        return Some(format!(
            "quantity {quantity} is below the smallest one (-4004)"
        ));
    }
    if lot.max.is_some_and(|max| quantity > max) {
        return Some(format!(
            "quantity {quantity} is above the largest one (-4005)"
        ));
    }
    let base = lot.min.unwrap_or(Quantity::ZERO);
    if let Some(step) = lot.step
        && !is_multiple(quantity.get(), base.get(), step.get())
    {
        return Some(format!(
            "quantity {quantity} is not on the step size {step} (-4023)"
        ));
    }
    if intent.only_reduces() {
        return None;
    }
    let price = intent
        .kind
        .limit_price()
        .unwrap_or_else(|| case.mark.price());
    let notional = price.times(quantity).ok()?;
    case.rules
        .notional_min
        .filter(|least| notional < *least)
        .map(|least| format!("its notional {notional} is below the smallest one, {least} (-4164)"))
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

/// Cost above what is available, or beyond the position cap. Conditional orders are not checked
/// by the exchange until they fire.
fn margin_refusal(case: &Case<'_>) -> Option<String> {
    let cost = case.cost?;
    if !case.intent.only_reduces()
        && let Some(most) = position_cap(case)
        && cost.present_notional > most
        && case.increases()
    {
        return Some(format!(
            "positions and orders would come to {}, and at {}x the exchange permits {most} (-2027)",
            cost.present_notional,
            case.settings.leverage.get()
        ));
    }
    let available = match case.settings.margin_mode {
        MarginMode::Crossed => case.available,
        MarginMode::Isolated => case.available.min(case.after.cross_wallet_balance),
    };
    (cost.cost > available).then(|| {
        format!(
            "it costs {} and {} is available (-2019)",
            words::money(cost.cost),
            words::money(available)
        )
    })
}

fn position_cap(case: &Case<'_>) -> Option<Notional> {
    let by_brackets = case
        .state
        .brackets
        .as_ref()?
        .notional_max_at(case.settings.leverage);
    match (by_brackets, case.settings.notional_max) {
        (Some(brackets), Some(told)) => Some(brackets.min(told)),
        (one, other) => one.or(other),
    }
}

/// The pool's distance (first killer and common move together), or the isolated position's own.
fn liquidation_distance(case: &Case<'_>) -> Option<Finding> {
    let isolated = isolated_distance(case);
    let pool = pool_distance(case);
    [pool, isolated]
        .into_iter()
        .flatten()
        .max_by_key(|finding| finding.level)
}

fn pool_distance(case: &Case<'_>) -> Option<Finding> {
    let distance = case.after.survival.distance()?.get();
    let broken = case.judge(LimitKey::LiquidationDistance, distance)?;
    let positions = words::crossed_positions(case.after);
    let message = match words::nearest_end(&case.after.survival) {
        None => format!("After this order {positions} would be liquidated at once."),
        Some(end) => format!(
            "After this order {end} liquidates {positions}; your limit is {}.",
            words::limit_percent(broken.1)
        ),
    };
    Some(case.finding(Code::LiquidationDistance, broken, distance, message))
}

fn isolated_distance(case: &Case<'_>) -> Option<Finding> {
    let position = case
        .positions
        .iter()
        .find(|position| position.position_side == case.fill.position_side)
        .filter(|position| position.margin_mode == MarginMode::Isolated)?;
    let distance = position.distance().ok()??.get();
    let broken = case.judge(LimitKey::LiquidationDistance, distance)?;
    let message = format!(
        "After this order a move of {} against the isolated {} position liquidates it; your limit \
         is {}.",
        words::percent(distance, Careful::Down),
        case.intent.symbol,
        words::limit_percent(broken.1)
    );
    Some(case.finding(Code::LiquidationDistance, broken, distance, message))
}

fn wallet_at_risk(case: &Case<'_>) -> Option<Finding> {
    let risk = case.after.wallet_at_risk.as_ref()?;
    let fraction = risk.fraction.get();
    let broken = case.judge(LimitKey::WalletAtRisk, fraction)?;
    let message = format!(
        "After this order {} takes {} {} of the wallet that crossed positions share ({}); your \
         limit is {}.",
        words::adverse_move(&risk.cause),
        words::money(risk.amount),
        case.after.asset,
        words::percent(fraction, Careful::Up),
        words::limit_percent(broken.1)
    );
    Some(case.finding(Code::WalletAtRisk, broken, fraction, message))
}

fn spill(case: &Case<'_>) -> Option<Finding> {
    let worst = case
        .positions
        .iter()
        .max_by_key(|position| position.spill_of_pool)?;
    if !worst.spill.is_positive() {
        return None;
    }
    let balance = case.after.margin_balance;
    let fraction = if balance.is_positive() {
        worst.spill_of_pool.over(balance).ok()?.get()
    } else {
        Decimal::ONE
    };
    let broken = case.judge(LimitKey::Spill, fraction)?;
    let message = format!(
        "The ticket of this {} position is {} {}; a {} move against it costs {} {} more, paid by \
         the rest of the wallet ({} of it); your limit is {}.",
        case.intent.symbol,
        words::money(worst.ticket),
        case.rules.margin_asset,
        words::percent(case.policy.horizon.get(), Careful::Down),
        words::money(worst.spill),
        case.rules.margin_asset,
        words::percent(fraction, Careful::Up),
        words::limit_percent(broken.1)
    );
    Some(case.finding(Code::Spill, broken, fraction, message))
}

fn margin_ratio(case: &Case<'_>) -> Option<Finding> {
    if case.after.held == 0 {
        return None;
    }
    let ratio = case.after.margin_ratio.map_or(Decimal::ONE, Rate::get);
    let broken = case.judge(LimitKey::MarginRatio, ratio)?;
    let message = format!(
        "After this order maintenance margin takes {} of the margin balance (100 % is \
         liquidation); your limit is {}.",
        words::percent(ratio, Careful::Up),
        words::limit_percent(broken.1)
    );
    Some(case.finding(Code::MarginRatio, broken, ratio, message))
}

fn leverage(case: &Case<'_>) -> Option<Finding> {
    if !case.increases() {
        return None;
    }
    let set = Decimal::from(case.settings.leverage.get());
    let broken = case.judge(LimitKey::Leverage, set)?;
    let message = format!(
        "{} is set to {set}x leverage; your limit is {}x.",
        case.intent.symbol,
        broken.1.normalize()
    );
    Some(case.finding(Code::Leverage, broken, set, message))
}

fn effective_leverage(case: &Case<'_>) -> Option<Finding> {
    if case.after.held == 0 {
        return None;
    }
    let Some(effective) = case.after.account_leverage else {
        let limit = case.limit(LimitKey::EffectiveLeverage).reject?;
        let message = "After this order nothing is left to carry the positions.".to_owned();
        let symbol = Some(case.intent.symbol.clone());
        let (code, level) = (Code::EffectiveLeverage, Level::Reject);
        return Some(Finding {
            code,
            level,
            symbol,
            value: None,
            limit: Some(limit),
            message,
        });
    };
    let broken = case.judge(LimitKey::EffectiveLeverage, effective.get())?;
    let message = format!(
        "After this order all positions together are {} times the margin balance; your limit is \
         {} times.",
        crate::margin::amount::round(effective.get(), 2).normalize(),
        broken.1.normalize()
    );
    Some(case.finding(Code::EffectiveLeverage, broken, effective.get(), message))
}

fn order_notional(case: &Case<'_>) -> Option<Finding> {
    let notional = case.fill.price.times(case.fill.quantity).ok()?.get();
    let broken = case.judge(LimitKey::OrderNotional, notional)?;
    let message = notional_message("This order", case, notional, broken.1);
    Some(case.finding(Code::OrderNotional, broken, notional, message))
}

fn position_notional(case: &Case<'_>) -> Option<Finding> {
    let largest = case
        .positions
        .iter()
        .map(|position| position.notional.abs())
        .max()?
        .get();
    let broken = case.judge(LimitKey::PositionNotional, largest)?;
    let message = notional_message("The position after this order", case, largest, broken.1);
    Some(case.finding(Code::PositionNotional, broken, largest, message))
}

fn notional_message(what: &str, case: &Case<'_>, notional: Decimal, limit: Decimal) -> String {
    let quote = &case.rules.quote_asset;
    format!(
        "{what} comes to {} {quote}; your limit is {} {quote}.",
        words::money(Amount::new(notional)),
        limit.normalize()
    )
}

/// How far the assumed price lies on the losing side of the mark. Conditional orders are measured
/// from their own trigger, where the mark will stand.
fn price_collar(case: &Case<'_>) -> Option<Finding> {
    let mark = case
        .intent
        .kind
        .trigger_price()
        .unwrap_or_else(|| case.mark.price());
    let adverse = match case.intent.side {
        Side::Buy => exact_sub(case.fill.price.get(), mark.get()),
        Side::Sell => exact_sub(mark.get(), case.fill.price.get()),
    };
    let away = quotient(adverse.ok()?, mark.get()).ok()?;
    let broken = case.judge(LimitKey::PriceCollar, away)?;
    let message = format!(
        "This order may fill {} on the losing side of the mark; your limit is {}.",
        words::percent(away, Careful::Up),
        words::limit_percent(broken.1)
    );
    Some(case.finding(Code::PriceCollar, broken, away, message))
}
