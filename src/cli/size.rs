//! `size`: how much of this may I send?
//!
//! Owns: its flags and its page.
//! Must not know: how it is solved.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use super::check::Way;
use super::screen::safe;
use super::talk::{Request, Socket, show};
use super::{Common, Exit};
use crate::api::protocol::ways::SizeAnswer;

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
    put("symbol", Some(&args.symbol));
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
    show(&args.common, request, page)
}

fn page(answer: &SizeAnswer<'static>) -> String {
    if !answer.missing.is_empty() {
        let reasons: Vec<String> = answer.missing.iter().map(|reason| safe(reason)).collect();
        return format!("not known: {}\n", reasons.join("; "));
    }
    let shown = |figure: crate::api::protocol::figure::Figure| {
        if figure.is_known() {
            figure.to_string()
        } else {
            "none".to_owned()
        }
    };
    format!(
        "{}\n  largest that is allowed     {}\n  largest that is not refused {}\n",
        safe(&answer.symbol),
        shown(answer.allowed),
        shown(answer.warned)
    )
}
