//! `stress`: the account under shocks.
//!
//! Owns: its flags and its page.
//! Must not know: how a shock is computed.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use super::card::lost;
use super::screen::safe;
use super::talk::{Request, Socket, show_known};
use super::{Common, Exit, screen};
use crate::api::protocol::stress::StressAnswer;
use crate::api::shown::percent_up;

/// Shown below the flags.
pub(super) const HELP: &str = "\
Examples:
  crossguard stress                                  every scenario of the policy
  crossguard stress --all -20%                       everything falls
  crossguard stress --shock SOLUSDT=+40% --all +5%   a short squeeze
  crossguard stress --scenario october_2025          one of the policy";

/// Flags of `stress`.
#[derive(Debug, Clone, Args)]
pub struct StressArgs {
    /// How one contract moves, such as BTCUSDT=-10%; may be repeated
    #[arg(long, value_name = "SYMBOL=MOVE")]
    pub shock: Vec<String>,
    /// How every other contract moves, such as -20%
    #[arg(long, value_name = "MOVE", allow_hyphen_values = true)]
    pub all: Option<String>,
    /// A scenario of the policy by name; may be repeated. Without anything: all of them
    #[arg(long, value_name = "NAME")]
    pub scenario: Vec<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(args: &StressArgs) -> Exit {
    let mut body = Map::new();
    let mut shocks = Map::new();
    for shock in &args.shock {
        let Some((symbol, by)) = shock.split_once('=') else {
            screen::complain(&format!(
                "--shock {shock}: expected SYMBOL=MOVE, such as BTCUSDT=-10%"
            ));
            return Exit::Usage;
        };
        shocks.insert(symbol.to_ascii_uppercase(), Value::from(by));
    }
    if !shocks.is_empty() {
        body.insert("shocks".to_owned(), Value::Object(shocks));
    }
    if let Some(all) = &args.all {
        body.insert("all".to_owned(), Value::from(all.as_str()));
    }
    if !args.scenario.is_empty() {
        body.insert("scenarios".to_owned(), Value::from(args.scenario.clone()));
    }
    let request = Request {
        socket: Socket::Everyday,
        method: Method::POST,
        path: "/v1/stress".to_owned(),
        body: Value::Object(body).to_string().into_bytes(),
    };
    show_known(&args.common, request, |answer| &answer.missing, page)
}

fn page(answer: &StressAnswer<'static>) -> String {
    let mut text = String::new();
    for pool in &answer.pools {
        let name = format!("pool {}", safe(&pool.asset));
        let mut table =
            screen::table(&[&name, "survives", "margin ratio", "outcome", "liquidated"]);
        for scenario in &pool.stress {
            let survives = if scenario.survives { "yes" } else { "NO" };
            table.add_row(vec![
                safe(&scenario.name),
                survives.to_owned(),
                percent_up(scenario.margin_ratio),
                lost(scenario.loss),
                dying(&scenario.dies),
            ]);
        }
        text.push_str(&screen::shown(table, 1));
        for scenario in &pool.stress {
            if let Some(asset) = &scenario.depegged {
                let line = format!(
                    "{}: this pool is counted in {asset} and does not feel that {asset} itself \
                     loses worth",
                    scenario.name
                );
                text.push_str(&screen::wrapped(&line, "  "));
            }
        }
    }
    for symbol in &answer.not_held {
        let line = format!("{symbol} is not held: its move changes nothing");
        text.push_str(&screen::wrapped(&line, "  "));
    }
    if answer.pools.is_empty() && answer.missing.is_empty() {
        text.push_str("nothing is held\n");
    }
    text
}

/// Whose positions are liquidated, at most three by name.
fn dying(symbols: &[std::borrow::Cow<'_, str>]) -> String {
    let named: Vec<String> = symbols.iter().take(3).map(|symbol| safe(symbol)).collect();
    match symbols.len().saturating_sub(named.len()) {
        _ if named.is_empty() => "nothing".to_owned(),
        0 => named.join(" "),
        more => format!("{} and {more} more", named.join(" ")),
    }
}
