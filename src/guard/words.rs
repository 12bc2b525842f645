//! The sentences a trader reads.
//!
//! Owns: how fractions, money and findings are put into plain words. The same words go to the
//! terminal, to the socket and into alerts.
//! Must not know: where they are shown.

mod compared;

use rust_decimal::{Decimal, RoundingStrategy};

pub use self::compared::{contagion, crossed_or_isolated, loss};
use super::verdict::Retry;
use crate::margin::account::{MarginMode, PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage, Price, Rate};
use crate::margin::cost::AssumedFrom;
use crate::margin::liquidation::Direction;
use crate::margin::pool::{AdverseMove, CommonMove, FirstKiller, PoolAssessment, Survival};

/// Towards which side a shown figure may be off in its last digit: never to the comfortable one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Careful {
    /// More is worse: show rather more.
    Up,
    /// Less is worse: show rather less.
    Down,
}

/// A fraction as percent with one decimal, two below 1 %.
#[must_use]
pub fn percent(fraction: Decimal, careful: Careful) -> String {
    let strategy = match careful {
        Careful::Up => RoundingStrategy::AwayFromZero,
        Careful::Down => RoundingStrategy::ToZero,
    };
    let hundred = Decimal::ONE_HUNDRED;
    let percent = fraction.checked_mul(hundred).unwrap_or(fraction);
    let decimals = if percent.abs() < Decimal::ONE { 2 } else { 1 };
    format!(
        "{} %",
        percent
            .round_dp_with_strategy(decimals, strategy)
            .normalize()
    )
}

/// What decided the price at which the exchange counts an order.
#[must_use]
pub const fn assumed_from(from: AssumedFrom) -> &'static str {
    match from {
        AssumedFrom::Order => "its own price",
        AssumedFrom::Fill => "what it is taken to fill at",
        AssumedFrom::Mark => "by the mark",
        AssumedFrom::Last => "by the last price",
        AssumedFrom::Bid => "the best bid",
        AssumedFrom::Ask => "by the best ask",
    }
}

/// Money with two decimals (more for small amounts), rounded half-even.
#[must_use]
pub fn money(amount: Amount) -> String {
    let amount = amount.get();
    let decimals = if amount.abs() >= Decimal::ONE || amount.is_zero() {
        2
    } else {
        6
    };
    let shown = amount.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven);
    if decimals == 2 {
        format!("{shown:.2}")
    } else {
        shown.normalize().to_string()
    }
}

/// Significant digits of a price that was computed.
const PRICE_DIGITS: u32 = 7;

/// A computed price with as many digits as tell it from its neighbours.
#[must_use]
pub fn price(price: Price) -> String {
    let price = price.get();
    price
        .round_sf_with_strategy(PRICE_DIGITS, RoundingStrategy::MidpointNearestEven)
        .unwrap_or(price)
        .normalize()
        .to_string()
}

/// A multiple of which more is worse: never shown smaller than it is.
#[must_use]
pub fn multiple(multiple: Decimal) -> String {
    let decimals = if multiple.abs() < Decimal::TEN { 2 } else { 1 };
    let shown = multiple.round_dp_with_strategy(decimals, RoundingStrategy::AwayFromZero);
    shown.normalize().to_string()
}

/// What waiting could change, for whoever reads a finding.
#[must_use]
pub const fn waiting(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => "waiting changes nothing: change the order, the settings or the policy",
        Retry::AfterResync => "waiting helps: it lifts when the guard knows again what it needs",
        Retry::WhenMarginRecovers => {
            "waiting alone does not lift it: the account has to recover, by the market, by more \
             margin or by less risk"
        }
    }
}

/// "fall" or "rise".
#[must_use]
pub const fn movement(direction: Direction) -> &'static str {
    match direction {
        Direction::Down => "fall",
        Direction::Up => "rise",
    }
}

/// "a 4.1 % fall of BTCUSDT".
#[must_use]
pub fn killer(killer: &FirstKiller) -> String {
    let by = percent(killer.by.get(), Careful::Down);
    format!(
        "{} {by} {} of {}",
        article(&by),
        movement(killer.direction),
        killer.symbol
    )
}

/// What moves when all held symbols of a pool move: the one symbol when it is the only one.
fn together(pool: &PoolAssessment) -> &str {
    let alone = match &pool.survival {
        Survival::Alive { first_killer, .. } => first_killer.as_ref(),
        Survival::Liquidatable => None,
    };
    match (pool.held, alone) {
        (1, Some(killer)) => killer.symbol.as_str(),
        (1, None) => "the held symbol",
        _ => "all held symbols together",
    }
}

/// "a 4.1 % fall of all held symbols together".
#[must_use]
pub fn common(common: CommonMove, pool: &PoolAssessment) -> String {
    let by = percent(common.by.get(), Careful::Down);
    format!(
        "{} {by} {} of {}",
        article(&by),
        movement(common.direction),
        together(pool)
    )
}

/// "a 10 % fall of BTCUSDT" for any adverse move; none is needed where the pool is liquidatable already.
#[must_use]
pub fn adverse_move(adverse: &AdverseMove, pool: &PoolAssessment) -> String {
    if pool.survival == Survival::Liquidatable {
        return "liquidation, due at once,".to_owned();
    }
    let by = percent(adverse.by.get(), Careful::Down);
    let what = adverse
        .symbol
        .as_ref()
        .map_or_else(|| together(pool), |s| s.as_str());
    format!(
        "{} {by} {} of {what}",
        article(&by),
        movement(adverse.direction)
    )
}

/// The move behind a pool's distance.
#[must_use]
pub fn nearest_end(pool: &PoolAssessment) -> Option<String> {
    match &pool.survival {
        Survival::Liquidatable => None,
        Survival::Alive {
            first_killer,
            common_move,
        } => match (first_killer, common_move) {
            (Some(alone), Some(together)) if together.by < alone.by => {
                Some(common(*together, pool))
            }
            (Some(alone), _) => Some(killer(alone)),
            (None, Some(together)) => Some(common(*together, pool)),
            (None, None) => None,
        },
    }
}

/// "the working order" or "all 7 working orders".
#[must_use]
pub fn orders(count: usize) -> String {
    match count {
        1 => "the working order".to_owned(),
        2 => "both working orders".to_owned(),
        count => format!("all {count} working orders"),
    }
}

/// "an order works" or "7 orders work".
#[must_use]
pub fn orders_work(count: usize) -> String {
    match count {
        1 => "an order works".to_owned(),
        count => format!("{count} orders work"),
    }
}

/// "the working order fills on its bad side" or "all 7 working orders fill on their bad side".
#[must_use]
pub fn orders_fill(count: usize) -> String {
    let (verb, whose) = if count == 1 {
        ("fills", "its")
    } else {
        ("fill", "their")
    };
    format!("{} {verb} on {whose} bad side", orders(count))
}

/// Which leg of a hedge is gone: closed, deleveraged or liquidated.
#[must_use]
pub fn leg_goes(symbol: &Symbol, side: PositionSide) -> String {
    let leg = match side {
        PositionSide::Both => return format!("the position of {symbol} is gone"),
        PositionSide::Long => "long",
        PositionSide::Short => "short",
    };
    format!("the {leg} leg of {symbol} is closed or deleveraged and the other stays")
}

/// "crossed" or "isolated".
#[must_use]
pub const fn margin_mode(mode: MarginMode) -> &'static str {
    match mode {
        MarginMode::Crossed => "crossed",
        MarginMode::Isolated => "isolated",
    }
}

/// A leverage beyond its limit.
#[must_use]
pub fn leverage(symbol: &Symbol, set: Leverage, limit: Decimal) -> String {
    format!(
        "{symbol} is set to {}x leverage; your limit is {}x.",
        set.get(),
        limit.normalize()
    )
}

/// "BTCUSDT and ETHUSDT are liquidated", at most five by name.
#[must_use]
pub fn dying(symbols: &[Symbol]) -> String {
    match symbols {
        [] => "the pool is liquidated".to_owned(),
        [one] => format!("{one} is liquidated"),
        several => format!("{} are liquidated", listed(several)),
    }
}

/// "A, B and C", at most five by name.
#[must_use]
pub fn listed(symbols: &[Symbol]) -> String {
    let named: Vec<&str> = symbols.iter().take(5).map(Symbol::as_str).collect();
    let more = symbols.len().saturating_sub(named.len());
    match (named.as_slice(), more) {
        ([], _) => "nothing".to_owned(),
        ([one], 0) => (*one).to_owned(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// "all 3 crossed positions" or "the crossed position".
#[must_use]
pub fn crossed_positions(pool: &PoolAssessment) -> String {
    match pool.held {
        0 | 1 => "the crossed position".to_owned(),
        2 => "both crossed positions".to_owned(),
        held => format!("all {held} crossed positions"),
    }
}

/// A limit as it is shown beside its value.
#[must_use]
pub fn limit_percent(limit: Decimal) -> String {
    let percent = limit.checked_mul(Decimal::ONE_HUNDRED).unwrap_or(limit);
    format!("{} %", percent.normalize())
}

/// What an allowed order comes to, in one sentence.
#[must_use]
pub fn allowed(pool: &PoolAssessment, when: &str) -> String {
    match nearest_end(pool) {
        Some(end) => format!(
            "Within your limits: {} {end} would liquidate {}.",
            when.to_lowercase(),
            crossed_positions(pool)
        ),
        None if pool.held == 0 => {
            "Within your limits: no crossed position draws on the wallet.".to_owned()
        }
        None => "Within your limits: no move of the held symbols liquidates the pool.".to_owned(),
    }
}

/// "A", or "An" before a number that is spoken with a vowel first; in small letters.
pub fn article(number: &str) -> &'static str {
    // "an 8 %", "an 11 %", "an 18 %".
    let whole = number.split(['.', ' ']).next().unwrap_or_default();
    if whole.starts_with('8') || whole == "11" || whole == "18" {
        "an"
    } else {
        "a"
    }
}

/// A ratio that may be beyond words.
#[must_use]
pub fn ratio(rate: Option<Rate>) -> String {
    rate.map_or_else(
        || "beyond 100 %".to_owned(),
        |rate| percent(rate.get(), Careful::Up),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        crate::margin::amount::parse(text).unwrap()
    }

    #[test]
    fn a_figure_is_never_off_to_the_comfortable_side() {
        assert_eq!(percent(dec("0.0999"), Careful::Down), "9.9 %");
        assert_eq!(percent(dec("0.6001"), Careful::Up), "60.1 %");
        assert_eq!(percent(dec("0.00605"), Careful::Down), "0.6 %");
        assert_eq!(percent(dec("0.1"), Careful::Down), "10 %");
    }

    #[test]
    fn small_words_fit_their_numbers() {
        assert_eq!(article("8.2 %"), "an");
        assert_eq!(article("11 %"), "an");
        assert_eq!(article("1.1 %"), "a");
        assert_eq!(article("80.5 %"), "an");
        assert_eq!(money(Amount::parse("1234.5").unwrap()), "1234.50");
        assert_eq!(money(Amount::parse("0.0012").unwrap()), "0.0012");
    }
}
