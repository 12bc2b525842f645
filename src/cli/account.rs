//! `account`: pools and wallets as they are.
//!
//! Owns: its page.
//! Must not know: how any figure is computed.

use std::path::PathBuf;

use clap::Args;

use super::card::{at_risk, common, distance, killer};
use super::demo::on_scenario;
use super::explain::figure_lines;
use super::screen::safe;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::account::{AccountAnswer, Collateral, Wallet};
use crate::api::protocol::explain::ExplainAnswer;
use crate::api::protocol::inputs::Inputs;
use crate::api::protocol::pool::PoolFigures;
use crate::api::shown::{money, percent_up, price};

/// Flags of `account`.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Each figure with its formula and the inputs it came from
    #[arg(long)]
    pub(super) explain: bool,
    /// The account of this scenario file instead of the daemon's: a simulated exchange plays it and
    /// a guard of its own is asked
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
}

pub(super) fn run(args: &AccountArgs) -> Exit {
    match &args.scenario {
        None => ask(args, &args.common),
        Some(file) => {
            let args = args.clone();
            on_scenario(file, move |socket| {
                let common = Common {
                    socket: Some(socket.to_owned()),
                    json: args.common.json,
                };
                ask(&args, &common)
            })
        }
    }
}

fn ask(args: &AccountArgs, common: &Common) -> Exit {
    if args.explain {
        show(common, Request::get("/v1/account/explain"), sheet)
    } else {
        show(common, Request::get("/v1/account"), page)
    }
}

/// One paragraph per figure: its value, its formula, its inputs.
fn sheet(answer: &ExplainAnswer<'static>) -> String {
    let mut text = String::new();
    let mut of = String::new();
    for figure in &answer.figures {
        if of != figure.of {
            of = figure.of.to_string();
            text.push_str(&format!("\n{}\n", safe(&of)));
        }
        text.push_str(&figure_lines(figure));
    }
    if answer.figures.is_empty() {
        text.push_str("nothing is held\n");
    }
    for entry in &answer.missing {
        let line = format!("not known: {} ({})", entry.path, entry.reason);
        text.push_str(&screen::wrapped(&line, "  "));
    }
    text
}

fn page(account: &AccountAnswer<'static>) -> String {
    let mut text = freshness(&account.inputs);
    text.push_str(&format!(
        "{}-asset, {}\n",
        safe(&account.asset_mode),
        safe(&account.position_mode)
    ));
    for pool in &account.pools {
        text.push('\n');
        text.push_str(&pool_table(pool));
    }
    if account.pools.is_empty() {
        text.push_str("no pool holds anything\n");
    }
    if !account.wallets.is_empty() {
        text.push('\n');
        text.push_str(&wallets(&account.wallets));
    }
    if !account.collateral.is_empty() {
        text.push('\n');
        text.push_str(&collateral(&account.collateral));
    }
    text.push_str(&missing(&account.inputs));
    text
}

fn pool_table(pool: &PoolFigures<'_>) -> String {
    let mut table = screen::table(&[&format!("pool {} (crossed)", safe(&pool.asset)), ""]);
    let mut row = |name: &str, value: String| {
        table.add_row(vec![format!("  {name}"), value]);
    };
    row("crossed wallet balance", money(pool.cross_wallet_balance));
    row("unrealised profit", money(pool.cross_unrealized_pnl));
    row("margin balance", money(pool.margin_balance));
    row("maintenance margin", money(pool.maintenance_margin));
    row("initial margin", money(pool.initial_margin));
    row("available", money(pool.available_balance));
    row("margin ratio", percent_up(pool.margin_ratio));
    row("headroom", money(pool.headroom));
    row("distance", distance(pool));
    row("first killer", killer(pool.first_killer.as_ref()));
    row("common move", common(pool));
    row("wallet at risk", at_risk(pool.wallet_at_risk.as_ref()));
    row("ring-fenced", money(pool.ring_fenced));
    screen::shown(table, 1)
}

fn wallets(wallets: &[Wallet<'_>]) -> String {
    let header = ["wallet", "balance", "crossed", "unrealised", "maintenance"];
    let mut table = screen::table(&header);
    for wallet in wallets {
        table.add_row(vec![
            safe(&wallet.asset),
            money(wallet.wallet_balance),
            money(wallet.cross_wallet_balance),
            money(wallet.unrealized_profit),
            money(wallet.maintenance_margin),
        ]);
    }
    screen::shown(table, 1)
}

/// What each asset counts for, and the balance below which the exchange sells others to pay its debt.
fn collateral(assets: &[Collateral<'_>]) -> String {
    let header = [
        "counts as",
        "equity",
        "at bid",
        "at ask",
        "in USD",
        "available",
        "paid by sales below",
    ];
    let mut table = screen::table(&header);
    for row in assets {
        let below = if row.auto_exchange_below.is_known() {
            money(row.auto_exchange_below)
        } else {
            "never".to_owned()
        };
        let now = if row.auto_exchange_due { " (now)" } else { "" };
        table.add_row(vec![
            safe(&row.asset),
            money(row.equity),
            price(row.bid_rate),
            price(row.ask_rate),
            money(row.equity_usd),
            money(row.available_balance),
            format!("{below}{now}"),
        ]);
    }
    screen::shown(table, 1)
}

/// Red lines for what is not fresh, before anything that rests on it.
pub(super) fn freshness(inputs: &Inputs<'_>) -> String {
    let mut text = String::new();
    for (name, plane) in inputs.planes.stale() {
        let reason = plane.reason.as_deref().unwrap_or("not known yet");
        let line = screen::wrapped(&format!("{name} is not fresh: {reason}"), "  ");
        text.push_str(&screen::red("!"));
        text.push_str(&line);
    }
    if !text.is_empty() {
        text.push_str("  → what follows may be old; orders that add risk are rejected\n\n");
    }
    text
}

/// Figures that are not there, with the reason.
pub(super) fn missing(inputs: &Inputs<'_>) -> String {
    let lines = inputs.missing.iter().map(|entry| {
        let line = format!("not known: {} ({})", entry.path, entry.reason);
        screen::wrapped(&line, "  ")
    });
    lines.collect()
}
