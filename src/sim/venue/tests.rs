//! The exchange without sockets: figures from margin-math.md's worked examples and from arithmetic
//! that is written beside each expectation.

mod account;
mod figures;
mod liquidation;
mod orders;
mod random;
mod terms;

use serde_json::Value;

use crate::scenario::{PositionSide, Scenario};

use super::super::params::Params;
use super::{Input, Output, Venue};

const NOW_MS: i64 = 1_790_000_000_000;

const RULES: &str = "\
symbol BTCUSDT tick 0.1 step 0.001 min-notional 50 taker 0.0005 maker 0.0002
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x | 3000000 12000000 0.01 50x | 12000000 70000000 0.02 25x
mark BTCUSDT 60000
symbol ETHUSDT tick 0.01 step 0.001 min-notional 20
brackets ETHUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
mark ETHUSDT 3000
";

fn venue(scene: &str) -> Venue {
    let mut venue = Venue::new(7, NOW_MS);
    let scenario = Scenario::parse(&format!("{RULES}{scene}")).unwrap();
    venue
        .open(scenario.lines.iter().map(|line| &line.statement))
        .unwrap();
    venue
}

fn try_play(venue: &mut Venue, line: &str) -> Output {
    let statement = crate::scenario::parse_line(line).unwrap().unwrap();
    venue.step(&Input::Script(&statement), NOW_MS)
}

fn play(venue: &mut Venue, line: &str) -> Vec<Value> {
    let output = try_play(venue, line);
    assert_eq!(output.reply, Ok(String::new()), "{line}");
    output
        .user
        .iter()
        .map(|event| serde_json::from_str(&event.json).unwrap())
        .collect()
}

fn call(venue: &mut Venue, method: &str, path: &str, query: &str) -> Result<Value, i64> {
    let params = Params::parse(query, b"").unwrap();
    let output = venue.step(
        &Input::Call {
            method,
            path,
            params: &params,
        },
        NOW_MS,
    );
    output
        .reply
        .map(|body| serde_json::from_str(&body).unwrap())
        .map_err(|refusal| refusal.code)
}

fn names(events: &[Value]) -> Vec<String> {
    let name = |event: &Value| match event["e"].as_str().unwrap() {
        "ORDER_TRADE_UPDATE" => {
            format!(
                "{} {}",
                event["o"]["x"].as_str().unwrap(),
                event["o"]["X"].as_str().unwrap()
            )
        }
        "ALGO_UPDATE" => format!("ALGO {}", event["o"]["X"].as_str().unwrap()),
        "ACCOUNT_UPDATE" => event["a"]["m"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    };
    events.iter().map(name).collect()
}

fn available(venue: &Venue) -> String {
    venue.figures().available("USDT").eight()
}

fn wallet(venue: &Venue) -> String {
    venue.account.wallet("USDT", &venue.contracts).eight()
}
