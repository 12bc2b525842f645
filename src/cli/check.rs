//! `check`: may I send this order?
//!
//! Owns: the order's flags, and the card that shows a verdict.
//! Must not know: how it is judged.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde::Serialize;

use super::screen::safe;
use super::talk::{Request, Socket};
use super::{Common, Exit, screen, talk};
use crate::api::protocol::answer::{CheckAnswer, Finding};
use crate::api::protocol::figure::Figure;
use crate::api::protocol::pool::{FirstKiller, PoolFigures, WalletAtRisk};
use crate::api::shown::{self, Decision, Level, UNKNOWN, money, percent_down, percent_up};

/// Which way the order trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Adds to a long, takes from a short.
    Buy,
    /// Adds to a short, takes from a long.
    Sell,
}

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
    symbol: &'a str,
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
                symbol: &self.symbol,
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
        screen::print_bytes(&bytes)?;
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

/// A verdict as a card of 80 columns: the word, the sentence, before and after, crossed and
/// isolated in money, every finding.
pub(super) fn card(answer: &CheckAnswer<'_>) -> String {
    let mut text = String::new();
    headline(answer, &mut text);
    text.push_str(&screen::wrapped(&answer.why, "  "));
    if let Some(table) = figures(answer) {
        text.push('\n');
        text.push_str(&table);
    }
    comparison(answer, &mut text);
    findings(answer, &mut text);
    ways_out(answer, &mut text);
    let kept = match (answer.recorded, answer.dry_run) {
        (true, true) => "dry run, recorded",
        (false, true) => "dry run, not recorded",
        (true, false) => "recorded",
        (false, false) => "NOT recorded",
    };
    let id = safe(&answer.decision_id);
    let line = format!("  {id} · {kept} · {} µs\n", answer.micros);
    text.push('\n');
    text.push_str(&screen::dim(line.trim_end()));
    text.push('\n');
    text
}

fn headline(answer: &CheckAnswer<'_>, text: &mut String) {
    let Some(order) = &answer.order else {
        let what = match (&answer.change, answer.orders.len()) {
            (Some(change), _) => changed(change),
            (None, count) => format!("a batch of {count} orders"),
        };
        let decision = screen::decision(&answer.decision);
        let _ = writeln!(text, "{decision}  {what}\n");
        return;
    };
    let mut words = vec![safe(&order.symbol), safe(&order.side).to_lowercase()];
    words.push(match order.quantity.0 {
        Some(_) => order.quantity.to_string(),
        None => "the whole position".to_owned(),
    });
    if order.price.is_known() {
        words.push(format!("at {}", order.price));
    } else {
        words.push(safe(&order.kind).to_lowercase().replace('_', " "));
    }
    if order.trigger_price.is_known() {
        words.push(format!("from {}", order.trigger_price));
    }
    let setting = match (&order.margin_type, order.leverage) {
        (Some(kind), Some(leverage)) => format!(", {} {leverage}x", safe(kind).to_lowercase()),
        _ => String::new(),
    };
    let decision = screen::decision(&answer.decision);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{decision}  {}{setting}\n", words.join(" "));
}

/// A change in its own words: its kind and its values.
fn changed(change: &serde_json::Value) -> String {
    let values = change.as_object().into_iter().flatten();
    let words: Vec<String> = values
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            match name.as_str() {
                "kind" | "symbol" => safe(&value),
                name => format!("{} {}", safe(name), safe(&value)),
            }
        })
        .collect();
    words.join(" ")
}

fn figures(answer: &CheckAnswer<'_>) -> Option<String> {
    let after = answer.account.after.as_ref();
    let before = answer.account.before.as_ref();
    let asset = safe(&after.or(before)?.asset);
    let mut table = screen::table(&[&format!("  pool {asset}"), "before", "after"]);
    let amount = |figure: fn(&PoolFigures<'_>) -> Figure| {
        [before, after].map(|pool| pool.map_or_else(unknown, |pool| money(figure(pool))))
    };
    let other = |show: fn(&PoolFigures<'_>) -> String| {
        [before, after].map(|pool| pool.map_or_else(unknown, show))
    };
    let rows: [(&str, [String; 2]); 9] = [
        ("margin balance", amount(|pool| pool.margin_balance)),
        ("maintenance margin", amount(|pool| pool.maintenance_margin)),
        ("available", amount(|pool| pool.available_balance)),
        ("headroom", amount(|pool| pool.headroom)),
        ("margin ratio", other(|pool| percent_up(pool.margin_ratio))),
        ("leverage", other(|pool| times(pool.account_leverage))),
        ("distance", other(distance)),
        (
            "first killer",
            other(|pool| killer(pool.first_killer.as_ref())),
        ),
        (
            "wallet at risk",
            other(|pool| at_risk(pool.wallet_at_risk.as_ref())),
        ),
    ];
    for (name, [before, after]) in rows {
        table.add_row(vec![format!("  {name}"), before, after]);
    }
    Some(screen::shown(table, 1))
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn times(figure: Figure) -> String {
    if figure.is_known() {
        format!("{}x", shown::rounded(figure, 2))
    } else {
        unknown()
    }
}

pub(super) fn distance(pool: &PoolFigures<'_>) -> String {
    match pool.distance.0 {
        _ if pool.liquidatable => "liquidatable NOW".to_owned(),
        None if pool.margin_balance.is_known() => "no move kills".to_owned(),
        None => unknown(),
        Some(_) => percent_down(pool.distance),
    }
}

pub(super) fn killer(killer: Option<&FirstKiller<'_>>) -> String {
    killer.map_or_else(
        || "none alone".to_owned(),
        |killer| {
            let sign = if killer.direction == "down" {
                "−"
            } else {
                "+"
            };
            let by = percent_down(killer.by);
            format!("{} {sign}{by}", safe(&killer.symbol))
        },
    )
}

pub(super) fn at_risk(risk: Option<&WalletAtRisk<'_>>) -> String {
    risk.map_or_else(unknown, |risk| {
        let fraction = percent_up(risk.fraction);
        format!("{} ({fraction})", money(risk.amount))
    })
}

/// What crossed mode could lose beside what isolated mode would limit it to.
fn comparison(answer: &CheckAnswer<'_>, text: &mut String) {
    let after = answer.account.after.as_ref();
    let (Some(twin), Some(after)) = (&answer.isolated_twin, after) else {
        return;
    };
    let asset = safe(&after.asset);
    let mode = answer
        .order
        .as_ref()
        .and_then(|order| order.margin_type.as_deref());
    let is_isolated = mode == Some("ISOLATED");
    if let (Some(risk), false) = (&after.wallet_at_risk, is_isolated) {
        let line = format!(
            "crossed, this can take {} {asset} ({} of the pool)",
            money(risk.amount),
            percent_up(risk.fraction)
        );
        text.push('\n');
        text.push_str(&screen::wrapped(&line, "  "));
    }
    let price = twin.liquidation_price;
    let end = match price.0 {
        Some(value) if !value.is_zero() => {
            format!(", liquidated at {}", shown::rounded(price, 4))
        }
        _ => String::new(),
    };
    let line = format!(
        "isolated, no more than {} {asset}{end}",
        money(twin.max_loss)
    );
    text.push_str(&screen::wrapped(&line, "  "));
}

/// What would pass instead, each with the decision it gets.
fn ways_out(answer: &CheckAnswer<'_>, text: &mut String) {
    if answer.alternatives.is_empty() {
        return;
    }
    text.push('\n');
    let _ = writeln!(text, "  {}", screen::bold("ways out"));
    for way in &answer.alternatives {
        let lines = screen::wrapped(&way.message, "    ");
        text.push_str(&lines);
    }
}

fn findings(answer: &CheckAnswer<'_>, text: &mut String) {
    if answer.findings.is_empty() {
        return;
    }
    text.push('\n');
    for finding in &answer.findings {
        finding_lines(finding, &answer.why, text);
    }
}

fn finding_lines(finding: &Finding<'_>, why: &str, text: &mut String) {
    let code = safe(&finding.code);
    let level = if finding.level == Level::Reject.name() {
        screen::red("reject")
    } else {
        screen::bold("warn  ")
    };
    let compared = match (finding.value.is_known(), finding.limit.is_known()) {
        (true, true) => format!(
            "  {} against {}",
            shown::rounded(finding.value, 4),
            shown::rounded(finding.limit, 4)
        ),
        _ => String::new(),
    };
    let _ = writeln!(text, "  {level} {code}{compared}");
    // The sentence at the top is not said twice.
    if finding.message.is_empty() || finding.message == why {
        return;
    }
    text.push_str(&screen::wrapped(&finding.message, "         "));
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
