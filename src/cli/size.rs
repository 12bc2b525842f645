//! `size`: how much of this may I send?
//!
//! Owns: its flags and its page.
//! Must not know: how it is solved.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use super::check::Way;
use super::talk::{Request, Socket, show_known};
use super::{Common, Exit, screen};
use crate::api::protocol::figure::Figure;
use crate::api::protocol::ways::SizeAnswer;

/// Shown below the flags.
pub(super) const HELP: &str = "\
Examples:
  crossguard size BTCUSDT buy                 at the market
  crossguard size BTCUSDT sell --price 61000  a limit order
  crossguard size BTCUSDT buy --position-side LONG   in hedge mode";

/// Flags of `size`.
#[derive(Debug, Clone, Args)]
pub struct SizeArgs {
    /// The contract, such as BTCUSDT
    pub symbol: String,
    /// Which way
    #[arg(ignore_case = true)]
    pub side: Way,
    /// Limit price; without it a market order
    #[arg(long, value_name = "PRICE")]
    pub price: Option<String>,
    /// BOTH, LONG or SHORT
    #[arg(long, value_name = "SIDE")]
    pub position_side: Option<String>,
    /// Who asks, for limits of single clients
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(args: &SizeArgs) -> Exit {
    let mut order = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            order.insert(name.to_owned(), Value::from(value));
        }
    };
    let side = match args.side {
        Way::Buy => "BUY",
        Way::Sell => "SELL",
    };
    let limit = args.price.is_some();
    put("symbol", Some(&args.symbol.to_ascii_uppercase()));
    put("side", Some(side));
    put("type", Some(if limit { "LIMIT" } else { "MARKET" }));
    put("timeInForce", limit.then_some("GTC"));
    put("price", args.price.as_deref());
    put("positionSide", args.position_side.as_deref());
    let mut body = Map::new();
    body.insert("order".to_owned(), Value::Object(order));
    if let Some(client) = &args.client {
        body.insert("client".to_owned(), Value::from(client.as_str()));
    }
    let request = Request {
        socket: Socket::Everyday,
        method: Method::POST,
        path: "/v1/size".to_owned(),
        body: Value::Object(body).to_string().into_bytes(),
    };
    show_known(&args.common, request, |answer| &answer.missing, page)
}

fn page(answer: &SizeAnswer<'static>) -> String {
    if !answer.missing.is_empty() {
        return String::new();
    }
    let shown = |figure: Figure| {
        if figure.is_known() {
            figure.to_string()
        } else {
            "none".to_owned()
        }
    };
    let mut text = screen::wrapped(&answer.symbol, "");
    for (name, figure) in [
        ("largest that is allowed", answer.allowed),
        ("largest that is not refused", answer.warned),
        ("largest the exchange takes", answer.exchange),
    ] {
        text.push_str(&format!("  {name:<27} {}\n", shown(figure)));
    }
    if let Some(why) = &answer.why {
        text.push_str(&screen::wrapped(why, "  "));
    }
    text
}
