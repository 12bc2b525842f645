//! Of the ways back.
//!
//! Owns: how an alternative becomes the order to send.
//! Must not know: how a way is found.

use super::FIX;
use crate::guard::fix::{Way, WayKind};
use crate::guard::proposal::Proposal;
use crate::margin::account::{PositionSide, Side};
use crate::margin::order::OrderIntent;

/// The order that does it, and the transfer that does it too; `None` when there is neither.
pub(in crate::guard::alarm) fn ways(ways: &[Way]) -> Option<(String, String)> {
    let of = |kind| ways.iter().find(|way| way.kind == kind);
    let reduce = of(WayKind::Reduce).and_then(order);
    let others = [WayKind::AddMargin, WayKind::TopUp].into_iter();
    let money = others.filter_map(of).map(|way| way.message.as_str()).next();
    let lever = of(WayKind::LowerLeverage).map(|way| way.message.as_str());
    let mut steps = reduce.into_iter().chain(money.or(lever).map(plain));
    let first = steps.next()?;
    let to_do = match steps.next() {
        Some(second) => format!("Now: {first}. Or {second}."),
        None => format!("Now: {first}."),
    };
    Some((to_do, FIX.to_owned()))
}

/// A sentence as a part of another one.
fn plain(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

fn order(way: &Way) -> Option<String> {
    let Some(Proposal::Order(OrderIntent {
        symbol,
        side,
        position_side,
        quantity: Some(quantity),
        ..
    })) = &way.request
    else {
        return None;
    };
    let side = match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    let leg = match position_side {
        PositionSide::Both => "reduce-only",
        PositionSide::Long => "position side LONG",
        PositionSide::Short => "position side SHORT",
    };
    let quantity = quantity.get().normalize();
    Some(format!("{side} {quantity} {symbol} at market, {leg}"))
}
