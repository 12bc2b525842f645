//! Rules that judge one order by itself.
//!
//! Owns: the permitted symbols, required isolation, set leverage, notionals and the price collar.
//! Must not know: what the account would be worth.

use rust_decimal::Decimal;

use super::exchange::exchange_would_refuse;
use super::{Limits, plain};
use crate::guard::policy::LimitKey;
use crate::guard::verdict::{Code, Finding, Level, OrderDanger};
use crate::guard::words::{self, Careful};
use crate::margin::account::{MarginMode, PositionMode, Rules, Settings, Side, SymbolState};
use crate::margin::amount::{Amount, MarkPrice, Notional, Price, exact_sub, quotient};
use crate::margin::cost::OrderCost;
use crate::margin::order::OrderIntent;
use crate::margin::project::{ExposureChange, Fill};

/// Everything a rule about one order may look at.
pub(in crate::guard) struct OrderCase<'a> {
    pub limits: &'a Limits<'a>,
    pub intent: &'a OrderIntent,
    pub rules: &'a Rules,
    pub mode: PositionMode,
    /// The symbol as it is before the order.
    pub state: &'a SymbolState,
    pub settings: Settings,
    pub mark: MarkPrice,
    pub fill: Fill,
    /// What the exchange asks for it: at once, or when it fires; `None` for conditional exits.
    pub cost: Option<OrderCost>,
    /// What new orders can use when that is asked, promises and earlier orders of the batch counted.
    pub available: Amount,
    pub cross_wallet_balance: Amount,
    /// The symbol's largest leg afterwards, absolute.
    pub notional_after: Notional,
}

/// The rules about one order.
pub(in crate::guard) const ORDER_RULES: [fn(&OrderCase<'_>) -> Option<Finding>; 7] = [
    symbol_not_permitted,
    isolated_required,
    exchange_would_refuse,
    leverage,
    order_notional,
    position_notional,
    price_collar,
];

impl OrderCase<'_> {
    /// A finding without figures that rejects.
    pub(super) fn plain(&self, code: Code, message: String) -> Finding {
        plain(code, Some(&self.intent.symbol), message)
    }

    pub(super) fn increases(&self) -> bool {
        self.fill.exposure == ExposureChange::Increases
    }
}

/// A stop that comes too late for the position it closes: the worst case is what becomes of that. It is
/// no more than a warning, and the level of an exit.
///
/// Source: margin-math §13 (a stop beyond the liquidation price never fires).
pub(in crate::guard) fn stop_too_late(
    intent: &OrderIntent,
    (danger, end): (OrderDanger, Price),
) -> Finding {
    let at = intent
        .kind
        .trigger_price()
        .map_or_else(String::new, |trigger| format!(" at {trigger}"));
    let end = words::price(end);
    let symbol = &intent.symbol;
    let message = match danger {
        OrderDanger::NearLiquidation => format!(
            "This order fires{at}, within fee and slippage of {end}, where the exchange liquidates \
             the {symbol} position it closes: it may fill too late."
        ),
        OrderDanger::BeyondLiquidation | OrderDanger::MayBeOvertaken => format!(
            "This order fires{at}, beyond {end}, where the exchange has liquidated the {symbol} \
             position it closes: it saves nothing."
        ),
    };
    Finding {
        level: Level::Warn,
        ..plain(Code::WorstCase, Some(symbol), message)
    }
}

fn symbol_not_permitted(case: &OrderCase<'_>) -> Option<Finding> {
    let permitted = &case.limits.policy.symbols;
    if permitted.is_empty() || permitted.contains(&case.intent.symbol) {
        return None;
    }
    let message = format!(
        "{} is not among the symbols your policy permits.",
        case.intent.symbol
    );
    Some(case.plain(Code::SymbolNotPermitted, message))
}

fn isolated_required(case: &OrderCase<'_>) -> Option<Finding> {
    let crossed = case.settings.risk_mode() == MarginMode::Crossed;
    let symbol = &case.intent.symbol;
    if !crossed || !case.increases() || !case.limits.policy.isolated_only.holds(symbol) {
        return None;
    }
    let message = if case.settings.margin_mode == MarginMode::Isolated {
        format!(
            "Your policy wants {symbol} isolated; it is, but auto-add margin lets it draw on the \
             wallet. Switch auto-add off first."
        )
    } else {
        format!("Your policy wants {symbol} isolated, and it is crossed. Switch it first.")
    };
    Some(case.plain(Code::IsolatedRequired, message))
}

fn leverage(case: &OrderCase<'_>) -> Option<Finding> {
    if !case.increases() {
        return None;
    }
    let set = Decimal::from(case.settings.leverage.get());
    let broken = case.limits.judge(LimitKey::Leverage, set)?;
    let message = words::leverage(&case.intent.symbol, case.settings.leverage, broken.limit);
    Some(case.limits.finding(Code::Leverage, broken, set, message))
}

fn order_notional(case: &OrderCase<'_>) -> Option<Finding> {
    let notional = case.fill.price.times(case.fill.quantity).ok()?.get();
    let broken = case.limits.judge(LimitKey::OrderNotional, notional)?;
    let message = notional_message("This order", case, notional, broken.limit);
    Some(
        case.limits
            .finding(Code::OrderNotional, broken, notional, message),
    )
}

fn position_notional(case: &OrderCase<'_>) -> Option<Finding> {
    let largest = case.notional_after.get();
    if largest.is_zero() {
        return None;
    }
    let broken = case.limits.judge(LimitKey::PositionNotional, largest)?;
    let message = notional_message("The position after this order", case, largest, broken.limit);
    Some(
        case.limits
            .finding(Code::PositionNotional, broken, largest, message),
    )
}

fn notional_message(what: &str, case: &OrderCase<'_>, notional: Decimal, limit: Decimal) -> String {
    let quote = &case.rules.quote_asset;
    format!(
        "{what} comes to {} {quote}; your limit is {} {quote}.",
        words::money(Amount::new(notional)),
        limit.normalize()
    )
}

/// How far the assumed price lies on the losing side of the mark. Conditional orders are measured
/// from their own trigger, where the mark will stand.
fn price_collar(case: &OrderCase<'_>) -> Option<Finding> {
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
    let broken = case.limits.judge(LimitKey::PriceCollar, away)?;
    let message = format!(
        "This order may fill {} on the losing side of the mark; your limit is {}.",
        words::percent(away, Careful::Up),
        words::limit_percent(broken.limit)
    );
    Some(
        case.limits
            .finding(Code::PriceCollar, broken, away, message),
    )
}
