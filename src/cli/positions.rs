//! `positions`: what is held.
//!
//! Owns: its page.
//! Must not know: how any figure is computed.

use super::account::{freshness, missing};
use super::screen::safe;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::account::{Position, PositionsAnswer};
use crate::api::shown::{UNKNOWN, money, price};

pub(super) fn run(common: &Common) -> Exit {
    show(common, Request::get("/v1/positions"), page)
}

fn page(answer: &PositionsAnswer<'static>) -> String {
    let mut text = freshness(&answer.inputs);
    if answer.positions.is_empty() {
        text.push_str("nothing is held\n");
        return text;
    }
    let header = [
        "position",
        "mode",
        "amount",
        "mark",
        "profit",
        "liquidation",
        "ticket",
        "spill",
    ];
    let mut table = screen::table(&header);
    for position in &answer.positions {
        table.add_row(vec![
            name(position),
            mode(position),
            position.position_amt.to_string(),
            position.mark_price.to_string(),
            money(position.unrealized_profit),
            liquidation(position),
            money(position.ticket),
            money(position.spill),
        ]);
    }
    text.push_str(&screen::shown(screen::narrow(table), 2));
    for position in &answer.positions {
        if let Some(note) = note(position) {
            text.push_str(&screen::wrapped(&note, "  "));
        }
    }
    text.push_str(&missing(&answer.inputs));
    text
}

fn name(position: &Position<'_>) -> String {
    match position.position_side.as_deref() {
        None | Some("BOTH") => safe(&position.symbol),
        Some(side) => format!("{} {}", safe(&position.symbol), safe(side).to_lowercase()),
    }
}

fn mode(position: &Position<'_>) -> String {
    let mode = position.margin_type.as_deref().unwrap_or(UNKNOWN);
    let leverage = position
        .leverage
        .map_or_else(String::new, |leverage| format!(" {leverage}x"));
    format!("{}{leverage}", safe(mode).to_lowercase())
}

fn liquidation(position: &Position<'_>) -> String {
    let (below, above) = (position.liquidation_below, position.liquidation_above);
    match (below.is_known(), above.is_known()) {
        (true, true) => format!("{} / {}", price(below), price(above)),
        (true, false) => price(below),
        (false, true) => price(above),
        (false, false) => match end(position) {
            End::NoneAlone => "none alone".to_owned(),
            End::Now => "now".to_owned(),
            End::Other => UNKNOWN.to_owned(),
        },
    }
}

/// Where no price is told.
enum End {
    /// This symbol alone cannot liquidate what it stands on.
    NoneAlone,
    /// Liquidatable already.
    Now,
    /// A price liquidates, or nothing is known.
    Other,
}

fn end(position: &Position<'_>) -> End {
    if position.liquidation_below.is_known() || position.liquidation_above.is_known() {
        End::Other
    } else if position.liquidation_price.is_known() {
        End::NoneAlone
    } else if position.spill.is_known() {
        End::Now
    } else {
        End::Other
    }
}

/// What a missing liquidation price means in money.
fn note(position: &Position<'_>) -> Option<String> {
    let name = name(position);
    match end(position) {
        End::NoneAlone if position.loss_without_liquidation.is_known() => Some(format!(
            "{name}: no price of its own liquidates it; it can lose {}, all that it was bought for.",
            money(position.loss_without_liquidation)
        )),
        End::NoneAlone => Some(format!(
            "{name}: no price of its own liquidates it; it can lose without bound."
        )),
        End::Now => Some(format!("{name}: liquidatable now, at any price.")),
        End::Other => None,
    }
}
