//! Rules that judge the account as it would be.
//!
//! Owns: distance, wallet at risk, spill, margin ratio, effective leverage, the worst case and the
//! scenarios that must be survived.
//! Must not know: orders.

use rust_decimal::Decimal;

use super::Limits;
use crate::guard::policy::LimitKey;
use crate::guard::stress::StressOutcome;
use crate::guard::verdict::{Code, Executed, Finding, Level, WorstCase};
use crate::guard::words::{self, Careful};
use crate::margin::account::{Asset, MarginMode, Symbol};
use crate::margin::amount::{Rate, round};
use crate::margin::pool::{PoolAssessment, Survival};
use crate::margin::position::PositionAssessment;

/// When the account is as it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard) enum When {
    AfterOrder,
    AfterOrders,
    AfterChange,
    OnlyBuys,
    OnlySells,
    OnlyAdding,
    Now,
}

impl When {
    /// The beginning of a sentence.
    pub(in crate::guard) const fn words(self) -> &'static str {
        match self {
            Self::AfterOrder => "After this order",
            Self::AfterOrders => "After these orders",
            Self::AfterChange => "After this change",
            Self::OnlyBuys => "If only the buys that add fill,",
            Self::OnlySells => "If only the sells that add fill,",
            Self::OnlyAdding => "If only the orders that add fill,",
            Self::Now => "As the account stands,",
        }
    }
}

impl From<Executed> for When {
    fn from(of: Executed) -> Self {
        match of {
            Executed::OnlyBuys => Self::OnlyBuys,
            Executed::OnlySells => Self::OnlySells,
            Executed::OnlyAdding => Self::OnlyAdding,
        }
    }
}

/// A position of a contract that the question touches.
#[derive(Debug, Clone)]
pub(in crate::guard) struct Touched {
    pub symbol: Symbol,
    /// What it is margined in.
    pub asset: Asset,
    pub position: PositionAssessment,
    /// The question is about this leg; the other one of a hedge only stands beside it.
    pub in_question: bool,
    /// The question moves its end further away.
    pub is_relieved: bool,
}

/// Everything a rule about the account may look at.
pub(in crate::guard) struct AccountCase<'a> {
    pub limits: &'a Limits<'a>,
    pub when: When,
    pub after: &'a PoolAssessment,
    /// Positions of the contracts in question, afterwards.
    pub positions: &'a [Touched],
}

/// The rules that need nothing but the figures afterwards.
pub(in crate::guard) const AFTER_RULES: [fn(&AccountCase<'_>) -> Option<Finding>; 5] = [
    liquidation_distance,
    wallet_at_risk,
    spill,
    margin_ratio,
    effective_leverage,
];

/// The pool's distance (first killer and common move together), or the isolated position's own.
fn liquidation_distance(case: &AccountCase<'_>) -> Option<Finding> {
    let pool = pool_distance(case);
    let isolated = case
        .positions
        .iter()
        .filter_map(|touched| isolated_distance(case, touched));
    pool.into_iter().chain(isolated).max_by_key(|f| f.level)
}

fn pool_distance(case: &AccountCase<'_>) -> Option<Finding> {
    let distance = case.after.survival.distance()?.get();
    let broken = case.limits.judge(LimitKey::LiquidationDistance, distance)?;
    let positions = words::crossed_positions(case.after);
    let when = case.when.words();
    let message = match words::nearest_end(case.after) {
        None => format!("{when} {positions} would be liquidated at once."),
        Some(end) => format!(
            "{when} {end} liquidates {positions}; your limit is {}.",
            words::limit_percent(broken.limit)
        ),
    };
    Some(
        case.limits
            .finding(Code::LiquidationDistance, broken, distance, message),
    )
}

fn isolated_distance(case: &AccountCase<'_>, touched: &Touched) -> Option<Finding> {
    if touched.position.margin_mode != MarginMode::Isolated || !touched.in_question {
        return None;
    }
    let distance = touched.position.distance().ok()??.get();
    let broken = case.limits.judge(LimitKey::LiquidationDistance, distance)?;
    let when = match (case.when, touched.is_relieved) {
        (When::AfterChange, true) => "Even after this change",
        (when, _) => when.words(),
    };
    let message = format!(
        "{when} a move of {} against the isolated {} position liquidates it; your limit is {}.",
        words::percent(distance, Careful::Down),
        touched.symbol,
        words::limit_percent(broken.limit)
    );
    let mut finding = case
        .limits
        .finding(Code::LiquidationDistance, broken, distance, message);
    finding.symbol = Some(touched.symbol.clone());
    if touched.is_relieved {
        // What leads towards the limit is not refused for not reaching it.
        finding.level = Level::Warn;
    }
    Some(finding)
}

fn wallet_at_risk(case: &AccountCase<'_>) -> Option<Finding> {
    let risk = case.after.wallet_at_risk.as_ref()?;
    let fraction = risk.fraction.get();
    let broken = case.limits.judge(LimitKey::WalletAtRisk, fraction)?;
    let (when, asset) = (case.when.words(), &case.after.asset);
    let amount = words::money(risk.amount);
    let limit = words::limit_percent(broken.limit);
    let message = if case.after.survival != Survival::Liquidatable {
        format!(
            "{when} {} takes {amount} {asset} of the wallet that crossed positions share ({}); \
             your limit is {limit}.",
            words::adverse_move(&risk.cause, case.after),
            words::percent(fraction, Careful::Up),
        )
    } else if risk.amount.is_positive() {
        format!(
            "{when} all {amount} {asset} that crossed positions share are lost at once; your limit \
             is {limit}."
        )
    } else {
        format!(
            "{when} nothing is left of the wallet that crossed positions share; your limit is \
             {limit}."
        )
    };
    Some(
        case.limits
            .finding(Code::WalletAtRisk, broken, fraction, message),
    )
}

fn spill(case: &AccountCase<'_>) -> Option<Finding> {
    let worst = case
        .positions
        .iter()
        .max_by_key(|touched| touched.position.spill_of_pool)?;
    let position = &worst.position;
    if !position.spill.is_positive() {
        return None;
    }
    let balance = case.after.margin_balance;
    let fraction = if balance.is_positive() {
        position.spill_of_pool.over(balance).ok()?.get()
    } else {
        Decimal::ONE
    };
    let broken = case.limits.judge(LimitKey::Spill, fraction)?;
    let message = format!(
        "The ticket of this {} position is {} {}; a {} move against it costs {} {} more, paid by \
         the rest of the wallet ({} of it); your limit is {}.",
        worst.symbol,
        words::money(position.ticket),
        worst.asset,
        words::percent(case.limits.policy.horizon.get(), Careful::Down),
        words::money(position.spill),
        worst.asset,
        words::percent(fraction, Careful::Up),
        words::limit_percent(broken.limit)
    );
    let mut finding = case.limits.finding(Code::Spill, broken, fraction, message);
    finding.symbol = Some(worst.symbol.clone());
    Some(finding)
}

fn margin_ratio(case: &AccountCase<'_>) -> Option<Finding> {
    if case.after.held == 0 {
        return None;
    }
    let ratio = case.after.margin_ratio.map_or(Decimal::ONE, Rate::get);
    let broken = case.limits.judge(LimitKey::MarginRatio, ratio)?;
    let when = case.when.words();
    let limit = words::limit_percent(broken.limit);
    let message = if case.after.margin_ratio.is_some() {
        format!(
            "{when} maintenance margin takes {} of the margin balance (100 % is liquidation); your \
             limit is {limit}.",
            words::percent(ratio, Careful::Up)
        )
    } else {
        format!(
            "{when} no margin balance is left to cover the maintenance margin; your limit is \
             {limit}."
        )
    };
    Some(
        case.limits
            .finding(Code::MarginRatio, broken, ratio, message),
    )
}

fn effective_leverage(case: &AccountCase<'_>) -> Option<Finding> {
    if case.after.held == 0 {
        return None;
    }
    let Some(effective) = case.after.account_leverage else {
        // Whatever the threshold is, infinitely many times nothing is beyond it.
        let broken = case
            .limits
            .judge(LimitKey::EffectiveLeverage, Decimal::MAX)
            .filter(|broken| broken.level == Level::Reject)?;
        let message = format!(
            "{} nothing is left to carry the positions.",
            case.when.words()
        );
        let mut finding =
            case.limits
                .finding(Code::EffectiveLeverage, broken, Decimal::MAX, message);
        finding.value = None;
        return Some(finding);
    };
    let broken = case
        .limits
        .judge(LimitKey::EffectiveLeverage, effective.get())?;
    let message = format!(
        "{} all positions together are {} times the margin balance; your limit is {} times.",
        case.when.words(),
        round(effective.get(), 2).normalize(),
        broken.limit.normalize()
    );
    Some(
        case.limits
            .finding(Code::EffectiveLeverage, broken, effective.get(), message),
    )
}

/// The pool's distance with every resting and opening conditional order filled, or with a leg of a
/// hedge gone, whichever is worse.
pub(in crate::guard) fn worst_case(case: &AccountCase<'_>, worst: &WorstCase) -> Option<Finding> {
    if worst.orders == 0 && worst.leg_removed.is_none() {
        return None;
    }
    let distance = worst.pool.survival.distance()?.get();
    let broken = case.limits.judge(LimitKey::WorstCase, distance)?;
    let cause = match &worst.leg_removed {
        Some((symbol, side)) => words::leg_goes(symbol, *side),
        None => words::orders_fill(worst.orders),
    };
    let positions = words::crossed_positions(&worst.pool);
    let limit = words::limit_percent(broken.limit);
    let message = match words::nearest_end(&worst.pool) {
        None => format!("If {cause}, that liquidates {positions} at once."),
        Some(end) => format!("If {cause}, {end} liquidates {positions}; your limit is {limit}."),
    };
    Some(
        case.limits
            .finding(Code::WorstCase, broken, distance, message),
    )
}

/// A scenario that must be survived and is not.
pub(in crate::guard) fn stress(case: &AccountCase<'_>, outcome: &StressOutcome) -> Option<Finding> {
    let level = outcome.required?;
    if case.after.survival == Survival::Liquidatable {
        // It is lost already: no scenario is to blame.
        return None;
    }
    match outcome.margin_ratio {
        Some(ratio) => case.limits.strained_at(level, ratio.get()),
        None if outcome.survives => {}
        None => case.limits.broken(level),
    }
    if outcome.survives {
        return None;
    }
    let message = format!(
        "{} the scenario {} is not survived: {}.",
        case.when.words(),
        outcome.name,
        words::dying(&outcome.dies)
    );
    Some(Finding {
        code: Code::Stress,
        level,
        symbol: case.limits.symbols.first().map(|symbol| (*symbol).clone()),
        value: outcome.margin_ratio.map(Rate::get),
        limit: Some(Decimal::ONE),
        message,
    })
}
