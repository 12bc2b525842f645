//! Of single positions and working orders.
//!
//! Owns: the words about them.
//! Must not know: levels.

use rust_decimal::Decimal;

use super::{FIX, ORDERS, POSITIONS, capital, order_number, order_words, text};
use crate::guard::alarm::Text;
use crate::guard::alarm::seen::{Funding, SeenOrder, SeenPosition, SeenSpill, Strain};
use crate::guard::policy::LimitKey;
use crate::guard::words::{Careful, article, money, percent, price};
use crate::margin::account::Symbol;
use crate::margin::amount::Rate;
use crate::margin::position::PositionAssessment;

pub(in crate::guard::alarm) fn isolated_distance(
    position: &SeenPosition<'_>,
    figures: &PositionAssessment,
    distance: Rate,
) -> Text {
    let asset = position.state.margin_asset.as_ref();
    let asset = asset.map_or("", |asset| asset.as_str());
    let by = percent(distance.get(), Careful::Down);
    let way = if figures.leg.quantity.is_negative() {
        "rise"
    } else {
        "fall"
    };
    let at = figures
        .liquidation
        .headline()
        .map_or_else(String::new, |at| format!(" (at {})", price(at)));
    let what = format!(
        "{} {by} {way} of {} liquidates the isolated position{at}; its {} {asset} would be gone.",
        capital(article(&by)),
        position.symbol,
        money(figures.leg.isolated_wallet)
    );
    text(
        what,
        "Now: reduce it or add margin to it; nothing else of the wallet is at stake.",
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn spill(
    position: &SeenPosition<'_>,
    spill: &SeenSpill,
    fraction: Rate,
) -> Text {
    let asset = position.pool.map_or("", |asset| asset.as_str());
    let part = if fraction.get() < Decimal::ONE {
        format!("{} of the pool", percent(fraction.get(), Careful::Up))
    } else {
        "the whole pool is not enough".to_owned()
    };
    let what = format!(
        "In a bad move {} loses {} {asset} more than the {} {asset} put on it; the rest of the wallet \
         pays that: {part}.",
        position.symbol,
        money(spill.of_pool),
        money(spill.ticket)
    );
    text(
        what,
        format!("Reduce {} or set it to isolated.", position.symbol),
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn isolated_required(symbol: &Symbol) -> Text {
    text(
        format!(
            "{symbol} is crossed although your policy wants it isolated: a loss in it can take the \
             whole pool."
        ),
        format!("Close its orders and position, then set {symbol} to isolated."),
        Some(POSITIONS.to_owned()),
    )
}

pub(in crate::guard::alarm) fn funding(
    position: &SeenPosition<'_>,
    funding: &Funding,
    fraction: Rate,
) -> Text {
    let asset = position.state.margin_asset.as_ref();
    let asset = asset.map_or("", |asset| asset.as_str());
    let minutes = funding.in_ms.div_euclid(60_000);
    let what = format!(
        "In {minutes} min the funding of {} costs {} {asset}, {} of the pool.",
        position.symbol,
        money(funding.cost),
        percent(fraction.get(), Careful::Up)
    );
    text(
        what,
        format!("Reduce {} before then, or accept it.", position.symbol),
        Some(POSITIONS.to_owned()),
    )
}

pub(in crate::guard::alarm) fn mark_jump(
    position: &SeenPosition<'_>,
    before: Decimal,
    moved: Decimal,
) -> Text {
    let way = if moved.is_sign_negative() {
        "fell"
    } else {
        "rose"
    };
    let what = format!(
        "The mark of {} {way} {} within a minute, from {} to {}.",
        position.symbol,
        percent(moved.abs(), Careful::Up),
        before.normalize(),
        position.mark.price().get().normalize()
    );
    text(
        what,
        "Look at your positions; the exchange liquidates on this price.",
        Some(POSITIONS.to_owned()),
    )
}

pub(in crate::guard::alarm) fn order_would_break(order: &SeenOrder<'_>, strain: &Strain) -> Text {
    let (pool, value) = (order.pool, strain.value);
    let whole = strain.balance.map_or_else(String::new, |balance| {
        format!(", which then holds {} {pool}", money(balance))
    });
    let then = match strain.limit {
        LimitKey::LiquidationDistance => {
            let left = percent(value, Careful::Down);
            format!("{left} would be left to the liquidation of the {pool} pool{whole}")
        }
        LimitKey::WalletAtRisk => {
            let part = percent(value, Careful::Up);
            format!("the worst move would take {part} of the {pool} pool{whole}")
        }
        LimitKey::Spill => {
            let part = percent(value, Careful::Up);
            format!(
                "a bad move of {} would take {part} of the {pool} pool beyond what is put on it{whole}",
                order.order.symbol
            )
        }
        _ => {
            let ratio = percent(value, Careful::Up);
            format!("the {pool} pool's margin ratio would be {ratio} (100 % is liquidation){whole}")
        }
    };
    let what = format!(
        "If the working order {} filled, {then}. That is beyond your limit.",
        order_words(order.order)
    );
    text(
        what,
        format!(
            "Now: cancel order {} of {}, or make it smaller.",
            order_number(order.order),
            order.order.symbol
        ),
        Some(ORDERS.to_owned()),
    )
}
