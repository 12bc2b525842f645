//! Of single positions and working orders.
//!
//! Owns: the words about them.
//! Must not know: levels.

use rust_decimal::Decimal;

use super::{FIX, ORDERS, POSITIONS, order_number, order_words, text};
use crate::guard::alarm::Text;
use crate::guard::alarm::seen::{Funding, SeenOrder, SeenPosition, Strain};
use crate::guard::policy::LimitKey;
use crate::guard::words::{Careful, money, percent};
use crate::margin::account::Symbol;
use crate::margin::amount::Rate;

pub(in crate::guard::alarm) fn isolated_distance(
    position: &SeenPosition<'_>,
    distance: Rate,
) -> Text {
    let figures = &position.figures;
    let what = format!(
        "The isolated {} position is {} from liquidation; {} would be gone.",
        position.symbol,
        percent(distance.get(), Careful::Down),
        money(figures.leg.isolated_wallet)
    );
    text(
        what,
        "Now: reduce it or add margin to it; nothing else of the wallet is at stake.",
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn spill(position: &SeenPosition<'_>, fraction: Rate) -> Text {
    let figures = &position.figures;
    let asset = position.pool.map_or("", |asset| asset.as_str());
    let what = format!(
        "{}: beyond its {} {asset} the rest of the wallet pays {} {asset} ({} of the pool) before it \
         ends.",
        position.symbol,
        money(figures.ticket),
        money(figures.spill_of_pool),
        percent(fraction.get(), Careful::Up)
    );
    text(
        what,
        format!("Reduce {} or set it to isolated.", position.symbol),
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn isolated_required(symbol: &Symbol) -> Text {
    text(
        format!("{symbol} is crossed although your policy wants it isolated."),
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
        position.figures.mark.price().get().normalize()
    );
    text(
        what,
        "Look at your positions; the exchange liquidates on this price.",
        Some(POSITIONS.to_owned()),
    )
}

pub(in crate::guard::alarm) fn order_would_break(order: &SeenOrder<'_>, strain: &Strain) -> Text {
    let (pool, value) = (order.pool, strain.value);
    let then = match strain.limit {
        LimitKey::LiquidationDistance => {
            let left = percent(value, Careful::Down);
            format!("{left} would be left to the liquidation of the {pool} pool")
        }
        LimitKey::WalletAtRisk => {
            let part = percent(value, Careful::Up);
            format!("the worst move would take {part} of the {pool} pool")
        }
        LimitKey::Spill => {
            let part = percent(value, Careful::Up);
            format!(
                "the rest of the wallet would pay {part} of the {pool} pool for {}",
                order.order.symbol
            )
        }
        _ => {
            let ratio = percent(value, Careful::Up);
            format!("the {pool} pool's margin ratio would be {ratio} (100 % is liquidation)")
        }
    };
    let what = format!(
        "If the working order {} filled, {then}: beyond your limit.",
        order_words(order.order)
    );
    text(
        what,
        format!(
            "Cancel it or make it smaller (order {}).",
            order_number(order.order)
        ),
        Some(ORDERS.to_owned()),
    )
}
