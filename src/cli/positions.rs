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
        (false, false) if position.liquidation_price.is_known() => "none alone".to_owned(),
        (false, false) => UNKNOWN.to_owned(),
    }
}
