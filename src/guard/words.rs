//! The sentences a trader reads.
//!
//! Owns: how fractions, money and findings are put into plain words. The same words go to the
//! terminal, to the socket and into alerts.
//! Must not know: where they are shown.

use rust_decimal::{Decimal, RoundingStrategy};

use super::proposal::Proposal;
use super::verdict::{Judgement, PositionChange, PositionFigures, Retry};
use crate::margin::account::{MarginMode, Symbol};
use crate::margin::amount::{Amount, Leverage, Price, Rate, round};
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

/// What the worst adverse move would take from a pool, in one sentence. `None` when it takes nothing.
#[must_use]
pub fn loss(pool: &PoolAssessment) -> Option<String> {
    let whole = format!(
        "{} {} that crossed positions share",
        money(pool.margin_balance),
        pool.asset
    );
    if matches!(pool.survival, Survival::Liquidatable) {
        return Some(format!("Liquidated at once: all {whole} are lost."));
    }
    let risk = pool.wallet_at_risk.as_ref()?;
    if !risk.amount.is_positive() {
        return None;
    }
    let cause = capitalised(&adverse_move(&risk.cause, pool));
    Some(if risk.amount >= pool.margin_balance {
        format!("{cause} takes all {whole}.")
    } else {
        let part = percent(risk.fraction.get(), Careful::Up);
        format!(
            "{cause} takes {} of the {whole} ({part}).",
            money(risk.amount)
        )
    })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// What the opening part of an order could cost crossed, beside what it could cost isolated with
/// the same ticket. `None` when it opens nothing.
#[must_use]
pub fn crossed_or_isolated(proposal: &Proposal, judgement: &Judgement) -> Option<String> {
    let twin = judgement.isolated_twin.as_ref()?;
    let (symbol, fill, pool) = (
        proposal.symbol()?,
        judgement.fill()?,
        judgement.after.as_ref()?,
    );
    let of_order = |change: &&PositionChange| {
        change.symbol == *symbol && change.position_side == fill.position_side
    };
    let position = judgement.positions.iter().find(of_order)?;
    let asset = &position.asset;
    let limited = format!("{} {asset} and no more", money(twin.loss_max));
    if position.margin_mode == MarginMode::Isolated {
        return Some(format!(
            "Isolated, this order can lose {limited}; crossed, it would stand on all {} {} that \
             crossed positions share.",
            money(pool.margin_balance),
            pool.asset
        ));
    }
    let figures = position.after.as_ref()?;
    let other_leg = |change: &PositionChange| {
        change.symbol == *symbol
            && change.position_side != fill.position_side
            && change.after.is_some()
    };
    // What one leg of a hedge loses the other earns.
    let end = if judgement.positions.iter().any(other_leg) {
        Some((Amount::ZERO, None))
    } else {
        loss_at_its_end(figures)
    };
    let crossed = match end {
        Some((loss, end)) if loss.is_positive() => {
            let overrun = position.overrun.and_then(|overrun| overrun.loss_multiple);
            let multiple = overrun.map_or_else(String::new, |multiple| {
                format!(" ({} times its ticket)", self::multiple(multiple.get()))
            });
            let end = end.map_or_else(
                || format!("and no fall of {symbol} alone ends it"),
                |end| format!("before the exchange ends it at {}", price(end)),
            );
            format!(
                "Crossed, this position can lose {} {asset}{multiple} {end}",
                money(loss)
            )
        }
        None => {
            format!("Crossed, no rise of {symbol} alone ends this position: its loss has no bound")
        }
        Some(_) => format!(
            "Crossed, this position stands on all {} {} that crossed positions share",
            money(pool.margin_balance),
            pool.asset
        ),
    };
    Some(format!(
        "{crossed}; isolated with the same ticket, this order could lose {limited}."
    ))
}

/// What a crossed position loses until its liquidation price on its losing side, and that price; of
/// a long without one, all that it is worth. `None` for a short without one.
fn loss_at_its_end(figures: &PositionFigures) -> Option<(Amount, Option<Price>)> {
    let leg = &figures.leg;
    let short = leg.quantity.is_negative();
    let against = if short {
        Direction::Up
    } else {
        Direction::Down
    };
    let end = figures.liquidation.on(against);
    if end.is_none() && short {
        return None;
    }
    let worth = end.map_or(Some(Decimal::ZERO), |end| {
        end.get().checked_mul(leg.quantity.get())
    })?;
    let loss = leg.entry_cost.get().checked_sub(worth)?;
    Some((Amount::new(round(loss, 8)), end))
}

/// What a question does to the crossed positions that it is not about: which end together, and
/// whose liquidation price it moves most. `None` when there are no others.
#[must_use]
pub fn contagion(proposal: &Proposal, judgement: &Judgement) -> Option<String> {
    let doomed = &judgement.dies_together;
    if doomed.len() < 2 {
        return None;
    }
    let asked = proposal.symbols();
    let other = |change: &&PositionChange| {
        change.margin_mode == MarginMode::Crossed && !asked.contains(&&change.symbol)
    };
    let moved = judgement.positions.iter().filter(other);
    let moved = moved.filter_map(|change| Some((shift_of(change)?, change)));
    let moved = moved.max_by_key(|(shift, _)| *shift);
    let together = format!("{} are liquidated together.", listed(doomed));
    let Some((shift, change)) = moved.filter(|(shift, _)| !shift.is_zero()) else {
        return Some(together);
    };
    let what = match proposal {
        Proposal::Order(_) => "This order",
        Proposal::Orders(_) => "These orders",
        Proposal::Change(_) => "This change",
    };
    let end = |figures: Option<PositionFigures>| {
        figures
            .and_then(|figures| nearest_price(&figures))
            .map(price)
    };
    let symbol = &change.symbol;
    let told = match (end(change.before), end(change.after)) {
        (Some(before), Some(after)) => {
            let far = if shift.is_sign_negative() {
                "further away"
            } else {
                "nearer"
            };
            format!(
                "{what} moves the liquidation price of {symbol} from {before} to {after}, {} of \
                 its mark {far}.",
                percent(shift.abs(), Careful::Up)
            )
        }
        (None, Some(after)) => {
            format!("{what} gives {symbol} a liquidation price it did not have: {after}.")
        }
        (Some(before), None) => {
            format!("{what} takes the liquidation price of {symbol} away: it was {before}.")
        }
        (None, None) => return Some(together),
    };
    Some(format!("{together} {told}"))
}

/// How much nearer its liquidation price comes, as a fraction of the mark; a new one comes from
/// beyond the mark's whole height, and one that vanishes goes there.
fn shift_of(change: &PositionChange) -> Option<Decimal> {
    let distance = |figures: Option<PositionFigures>| figures.and_then(|figures| figures.distance);
    match (distance(change.before), distance(change.after)) {
        (None, Some(_)) => Some(Decimal::ONE),
        (Some(_), None) => Some(Decimal::NEGATIVE_ONE),
        _ => change.shift.map(Rate::get),
    }
}

/// The liquidation price that the mark is nearer to.
fn nearest_price(figures: &PositionFigures) -> Option<Price> {
    let below = figures.liquidation.on(Direction::Down);
    let above = figures.liquidation.on(Direction::Up);
    match (below, above) {
        (Some(below), Some(above)) => {
            let mark = figures.mark.price();
            let down = mark.get().checked_sub(below.get())?;
            let up = above.get().checked_sub(mark.get())?;
            Some(if up < down { above } else { below })
        }
        (below, above) => below.or(above),
    }
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

/// "a 10 % fall of BTCUSDT" for any adverse move.
#[must_use]
pub fn adverse_move(adverse: &AdverseMove, pool: &PoolAssessment) -> String {
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

fn article(number: &str) -> &'static str {
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
