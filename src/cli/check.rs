//! `check`: may I send this order?
//!
//! Owns: the order's flags, and the exit code of a verdict.
//! Must not know: how it is judged, how a verdict looks.

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde::Serialize;

use super::card::card;
use super::talk::{Request, Socket};
use super::{Common, Exit, screen, talk};
use crate::api::protocol::answer::CheckAnswer;
use crate::api::shown::Decision;

/// Which way the order trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Adds to a long, takes from a short.
    Buy,
    /// Adds to a short, takes from a long.
    Sell,
}

/// Shown below the flags.
pub(super) const HELP: &str = "\
Examples:
  crossguard check BTCUSDT buy 0.1                      a market order
  crossguard check BTCUSDT sell 0.1 --price 61000       a limit order
  crossguard check BTCUSDT sell --close-position --stop-price 58000
  crossguard check BTCUSDT buy 0.1 --reserve --strict && send-my-order
";

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The contract, such as BTCUSDT
    pub symbol: String,
    /// Which way
    #[arg(ignore_case = true)]
    pub side: Way,
    /// How many of the base asset; left out with --close-position
    #[arg(required_unless_present = "close_position")]
    pub quantity: Option<String>,
    /// Limit price; without it a market order
    #[arg(long, value_name = "PRICE")]
    pub price: Option<String>,
    /// The exchange's order type, such as STOP_MARKET
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Price that sets a conditional order off
    #[arg(long, value_name = "PRICE")]
    pub stop_price: Option<String>,
    /// BOTH, LONG or SHORT
    #[arg(long, value_name = "SIDE")]
    pub position_side: Option<String>,
    /// The exchange lets it only reduce
    #[arg(long)]
    pub reduce_only: bool,
    /// It closes the whole position
    #[arg(long, conflicts_with = "quantity")]
    pub close_position: bool,
    /// Promise the room to this order: it is about to be sent
    #[arg(long)]
    pub reserve: bool,
    /// A warning is a refusal too (exit code 10)
    #[arg(long)]
    pub strict: bool,
    /// Who asks, for limits of single clients
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

/// The request as it is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    order: Order<'a>,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order<'a> {
    symbol: String,
    side: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_in_force: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_price: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_side: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reduce_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_position: Option<bool>,
}

impl CheckArgs {
    fn body(&self) -> Body<'_> {
        let kind = self.kind.as_deref().unwrap_or(self.likely_kind());
        Body {
            order: Order {
                symbol: self.symbol.to_ascii_uppercase(),
                side: match self.side {
                    Way::Buy => "BUY",
                    Way::Sell => "SELL",
                },
                kind,
                time_in_force: self.price.is_some().then_some("GTC"),
                quantity: self.quantity.as_deref(),
                price: self.price.as_deref(),
                stop_price: self.stop_price.as_deref(),
                position_side: self.position_side.as_deref(),
                reduce_only: self.reduce_only.then_some(true),
                close_position: self.close_position.then_some(true),
            },
            dry_run: !self.reserve,
            client: self.client.as_deref(),
        }
    }

    /// The type that the prices speak of.
    const fn likely_kind(&self) -> &'static str {
        match (&self.price, &self.stop_price) {
            (None, None) => "MARKET",
            (Some(_), None) => "LIMIT",
            (None, Some(_)) => "STOP_MARKET",
            (Some(_), Some(_)) => "STOP",
        }
    }
}

pub(super) fn run(args: &CheckArgs) -> Exit {
    judged(args).unwrap_or_else(|exit| exit)
}

fn judged(args: &CheckArgs) -> Result<Exit, Exit> {
    let body = serde_json::to_vec(&args.body()).map_err(|error| {
        screen::complain(&error.to_string());
        Exit::Other
    })?;
    let request = Request {
        socket: Socket::Everyday,
        method: Method::POST,
        path: "/v1/check".to_owned(),
        body,
    };
    let bytes = talk::ask(&args.common, request)?;
    let answer: CheckAnswer<'static> = talk::read(&bytes)?;
    if args.common.json {
        screen::print_json(&bytes)?;
    } else {
        screen::print(&card(&answer))?;
    }
    Ok(exit_of(&answer.decision, args.strict))
}

/// Only the three words that are known let an order pass.
fn exit_of(decision: &str, strict: bool) -> Exit {
    let known = Decision::ALL.into_iter().find(|d| d.name() == decision);
    match known {
        Some(Decision::Allow) => Exit::Allow,
        Some(Decision::Warn) if strict => Exit::Warn,
        Some(Decision::Warn) => Exit::Allow,
        Some(Decision::Reject) => Exit::Reject,
        None => Exit::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_that_is_not_known_is_no_permission() {
        assert_eq!(exit_of("allow", true), Exit::Allow);
        assert_eq!(exit_of("warn", false), Exit::Allow);
        assert_eq!(exit_of("warn", true), Exit::Warn);
        assert_eq!(exit_of("reject", false), Exit::Reject);
        assert_eq!(exit_of("", false), Exit::Other);
        assert_eq!(exit_of("ALLOW", false), Exit::Other);
    }
}
