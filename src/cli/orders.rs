//! `orders`: what works at the exchange.
//!
//! Owns: its page.
//! Must not know: how orders are followed.

use super::account::freshness;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::account::{Order, OrdersAnswer};
use crate::api::text::safe;

pub(super) fn run(common: &Common) -> Exit {
    show(common, Request::get("/v1/orders"), page)
}

fn page(answer: &OrdersAnswer<'static>) -> String {
    let mut text = freshness(&answer.inputs);
    if answer.orders.is_empty() {
        text.push_str("no order works\n");
        return text;
    }
    let header = ["order", "side", "type", "left", "price", "from", ""];
    let mut table = screen::table(&header);
    for order in &answer.orders {
        table.add_row(vec![
            safe(&order.symbol),
            safe(&order.side).to_lowercase(),
            safe(&order.kind).to_lowercase().replace('_', " "),
            left(order),
            order.price.to_string(),
            order.trigger_price.to_string(),
            nature(order).to_owned(),
        ]);
    }
    text.push_str(&screen::shown(table, usize::MAX));
    text
}

fn left(order: &Order<'_>) -> String {
    if order.close_position {
        "all".to_owned()
    } else {
        order.remaining_qty.to_string()
    }
}

const fn nature(order: &Order<'_>) -> &'static str {
    match (order.close_position, order.reduce_only) {
        (true, _) => "closes",
        (false, true) => "reduces",
        (false, false) => "",
    }
}
