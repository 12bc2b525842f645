//! Figures that need care, seen from the outside: over the socket, on the terminal, and through the whole
//! chain from the exchange's tables.

use std::process::Command;
use std::time::Duration;

use crossguard::daemon::handle::Asked;
use crossguard::guard::Detail;
use crossguard::guard::proposal::Proposal;
use crossguard::guard::verdict::{Code, Decision, Judgement};
use crossguard::margin::account::AssetMode;
use crossguard::margin::change::Change;
use serde_json::Value;

use crate::api_rig::Daemon;
use crate::live::{Live, SCENE};

fn reason(judgement: &Judgement) -> String {
    let findings = judgement.findings.iter();
    let unknown = findings
        .filter(|finding| finding.code == Code::UnknownFigure)
        .map(|finding| finding.message.clone());
    unknown.collect()
}

/// ETHUSDT's table (the third by name) with one field changed; what is wrong with it then.
const BROKEN: [(&str, &str); 5] = [
    (
        "2.brackets.1.cum 7",
        "bracket 2 has a maintenance amount that does not follow",
    ),
    (
        "2.brackets.1.notionalFloor 6000",
        "bracket 2 does not begin where the one before it ends",
    ),
    (
        "2.brackets.2.maintMarginRatio 0.001",
        "bracket 3 has a maintenance rate out of order",
    ),
    ("2.brackets.0.notionalFloor 1", "does not begin at zero"),
    ("2.brackets []", "has no brackets"),
];

#[tokio::test(start_paused = true)]
async fn c06_a_broken_bracket_table_is_refused_by_row_and_everything_else_goes_on() {
    for (field, wrong) in BROKEN {
        let scene = format!("{SCENE}mutate /fapi/v1/leverageBracket {field} 9999x\n");
        let live = Live::within(&scene, 1).await;
        live.until_fresh().await;
        let refused = live.check("ETHUSDT buy 0.1").await;
        assert_eq!(refused.decision, Decision::Reject, "{field}");
        let said = reason(&refused);
        assert!(
            said.contains("ETHUSDT") && said.contains(wrong),
            "{field}: {said}"
        );
        for other in ["BTCUSDT buy 0.01", "BTCUSDC buy 0.001", "SOLUSDT sell 1"] {
            let judgement = live.check(other).await;
            assert_ne!(
                judgement.decision,
                Decision::Reject,
                "{field}, {other}: {}",
                judgement.why
            );
        }
        live.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c06_a_held_symbol_with_a_broken_table_stops_its_pool_and_no_exit() {
    let scene = format!(
        "{SCENE}pos ETHUSDT crossed 7x +1 @ 3000\n\
         mutate /fapi/v1/leverageBracket 2.brackets.1.cum 7 9999x\n"
    );
    let live = Live::within_unready(&scene, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    for risk in ["BTCUSDT buy 0.01", "ETHUSDT buy 0.1", "SOLUSDT sell 1"] {
        let refused = live.check(risk).await;
        assert_eq!(refused.decision, Decision::Reject, "{risk}");
        let said = format!("{} {}", refused.why, reason(&refused));
        assert!(
            said.contains("ETHUSDT") && said.contains("bracket 2"),
            "{risk}: {said}"
        );
    }
    let exit = live.check("ETHUSDT sell 0.5 reduce-only").await;
    assert_ne!(exit.decision, Decision::Reject, "{}", exit.why);
    let other_pool = live.check("BTCUSDC buy 0.001").await;
    assert_ne!(other_pool.decision, Decision::Reject, "{}", other_pool.why);
    let closing = live.check("ETHUSDT sell 1 reduce-only").await;
    assert_ne!(closing.decision, Decision::Reject);
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn brackets_that_are_a_multiple_are_read_as_the_exchange_means_them() {
    // 6,000 of ETH: 5,000 at 0.5 % and 1,000 at 0.65 % are 31.5; where caps are half as wide again, all of
    // it is in the first tier and 30. The exchange tells the default caps beside it, or the account's own.
    for told in ["", " default"] {
        let scene = format!(
            "{SCENE}brackets ETHUSDT 0 7500 0.005 100x | 7500 90000 0.0065 75x | 90000 4500000 0.01 50x\n\
             notional-coef ETHUSDT 1.5{told}\npos ETHUSDT crossed 7x +2 @ 3000\n"
        );
        let live = Live::within(&scene, 1).await;
        live.until_equal(told).await;
        let report = live.guard.account().await.unwrap();
        let pools = report.pools.iter();
        let usdt = pools
            .filter_map(|pool| pool.figures.as_ref().ok())
            .find(|pool| pool.asset.as_str() == "USDT");
        assert_eq!(usdt.unwrap().maintenance_margin.to_string(), "30");
        live.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_into_multi_assets_mode_waits_for_rates_and_is_projected() {
    let scene = format!(
        "{SCENE}index USDT 1 bid 0.0001 ask 0.0001\nindex USDC 1 bid 0.0001 ask 0.0001\n\
         pos BTCUSDT crossed 20x +0.1 @ 60000\n"
    );
    let live = Live::within(&scene, 1).await;
    live.until_fresh().await;
    let asked = Asked {
        proposal: Proposal::Change(Change::MultiAssetsMargin {
            mode: AssetMode::Multi,
        }),
        client: None,
        dry_run: true,
        detail: Detail::Full,
    };
    let judgement = live.guard.check(asked).await.unwrap().judgement;
    assert_eq!(judgement.decision, Decision::Allow, "{}", judgement.why);
    // 10,000 and 2,000 at a bid of 0.9999.
    let before = judgement.before.unwrap();
    let after = judgement.after.unwrap();
    assert_eq!(before.asset.as_str(), "USDT");
    assert_eq!(before.margin_balance.to_string(), "10000");
    assert_eq!(after.asset.as_str(), "USD");
    assert_eq!(after.margin_balance.to_string(), "11998.8");
    live.end().await;
}

#[test]
fn a_size_says_what_the_exchange_would_take() {
    let account = "symbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
                   brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x\n\
                   leverage BTCUSDT 20\nwallet USDT 1000\nmark BTCUSDT 10000\n";
    let daemon = Daemon::with(account);
    let size = |side: &str, price: &str| {
        let order = format!(
            r#"{{"symbol":"BTCUSDT","side":"{side}","type":"LIMIT","timeInForce":"GTC","price":"{price}"}}"#
        );
        let answer = daemon.post("/v1/size", &format!(r#"{{"order":{order}}}"#));
        answer.json()["exchangeMax"].clone()
    };
    // 1,000 ÷ (9,500 × 0.05) and 1,000 ÷ (10,015 × 0.05 + 100), down to the step.
    assert_eq!(size("BUY", "9500"), "2.105");
    assert_eq!(size("SELL", "9900"), "1.664");
}

/// 10,000 in the wallet, 5,000 of BTC at 50x: no price of BTC alone ends it.
const SMALL_TICKET: &str = "
symbol BTCUSDT tick 0.1 step 0.00001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x
wallet USDT 10000
pos BTCUSDT crossed 50x +0.08333 @ 60000
mark BTCUSDT 60000
";

fn positions(daemon: &Daemon) -> Value {
    daemon.get("/v1/positions").json()
}

fn printed(daemon: &Daemon) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_crossguard"))
        .args(["positions", "--socket"])
        .arg(daemon.socket())
        .output()
        .unwrap();
    assert!(output.status.success());
    // One line, so that where it is wrapped does not matter.
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_position_that_nothing_ends_alone_says_zero_and_what_can_be_lost() {
    let daemon = Daemon::with(SMALL_TICKET);
    let json = positions(&daemon);
    let position = &json["positions"][0];
    assert_eq!(position["liquidationPrice"], "0");
    assert_eq!(position["liquidationBelow"], Value::Null);
    assert_eq!(position["liquidationAbove"], Value::Null);
    // 0.08333 × 60,000: all that it was bought for, fifty times the ticket.
    assert_eq!(position["lossWithoutLiquidation"], "4999.8");
    assert_eq!(position["ticket"], "99.996");
    let text = printed(&daemon);
    assert!(text.contains("none alone"), "{text}");
    assert!(text.contains("it can lose 4999.80"), "{text}");
}

#[test]
fn the_short_leg_of_a_long_book_says_zero_and_that_its_loss_has_no_bound() {
    let daemon = Daemon::with(
        "mode hedge\nsymbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
         brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x\nwallet USDT 100000\n\
         pos BTCUSDT crossed 50x +1 @ 60000 long\npos BTCUSDT crossed 50x -0.5 @ 60000 short\n\
         mark BTCUSDT 60000\n",
    );
    let json = positions(&daemon);
    let rows = json["positions"].as_array().unwrap();
    let short = rows
        .iter()
        .find(|row| row["positionSide"] == "SHORT")
        .unwrap();
    assert_eq!(short["liquidationPrice"], "0");
    assert_eq!(short["lossWithoutLiquidation"], Value::Null);
    let missing = json["inputs"]["missing"].to_string();
    assert!(missing.contains("without bound"), "{missing}");
    assert!(printed(&daemon).contains("without bound"));
}

#[test]
fn a_liquidatable_account_is_a_state_and_never_a_price() {
    let dead = SMALL_TICKET.replace("wallet USDT 10000", "wallet USDT 420");
    let dead = dead.replace("mark BTCUSDT 60000", "mark BTCUSDT 55000");
    let daemon = Daemon::with(&dead);
    let json = positions(&daemon);
    let position = &json["positions"][0];
    for price in ["liquidationPrice", "liquidationBelow", "liquidationAbove"] {
        assert_eq!(position[price], Value::Null, "{price}");
    }
    let missing = json["inputs"]["missing"].to_string();
    assert!(missing.contains("liquidatable now"), "{missing}");
    let account = daemon.get("/v1/account").json();
    let pool = &account["pools"][0];
    assert_eq!(pool["liquidatable"], true);
    assert_eq!(pool["distance"], "0");
    let text = printed(&daemon);
    assert!(text.contains("liquidatable now, at any price"), "{text}");
    let exit = daemon.check(
        r#"{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.01","reduceOnly":true}"#,
        "",
    );
    assert_ne!(exit.json()["decision"], "reject");
}

fn row<'a>(json: &'a Value, list: &str, key: &str, wanted: &str) -> &'a Value {
    let rows = json[list].as_array().unwrap();
    let found = rows.iter().find(|row| row[key] == wanted);
    found.unwrap_or_else(|| panic!("{wanted}: {json:#}"))
}

/// 0.1 BTC bought at 59,000 and an isolated ETH short, of which one lacks something.
const HALF_KNOWN: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets ETHUSDT 0 50000 0.005 100x
wallet USDT 10000
pos BTCUSDT crossed 20x +0.1 @ 59000
pos ETHUSDT isolated 10x -1 @ 3000
mark BTCUSDT 60000
mark ETHUSDT 3000
";

#[test]
fn a_position_without_brackets_still_says_what_needs_none() {
    let daemon = Daemon::with(HALF_KNOWN);
    let json = positions(&daemon);
    let held = row(&json, "positions", "symbol", "BTCUSDT");
    // 0.1 × 60,000; 0.1 × 1,000; 6,000 ÷ 20.
    for (figure, value) in [
        ("positionSide", "BOTH"),
        ("marginType", "CROSSED"),
        ("positionAmt", "0.1"),
        ("entryPrice", "59000"),
        ("markPrice", "60000"),
        ("notional", "6000"),
        ("unrealizedProfit", "100"),
        ("initialMargin", "300"),
        ("ticket", "300"),
    ] {
        assert_eq!(held[figure], value, "{figure}");
    }
    for figure in [
        "maintMargin",
        "liquidationPrice",
        "liquidationBelow",
        "liquidationAbove",
        "spill",
    ] {
        assert_eq!(held[figure], Value::Null, "{figure}");
    }
    let other = row(&json, "positions", "symbol", "ETHUSDT");
    assert_eq!(other["maintMargin"], "15");
    assert_ne!(other["liquidationAbove"], Value::Null);
    let missing = json["inputs"]["missing"].to_string();
    assert!(
        missing.contains("positions.BTCUSDT") && missing.contains("brackets"),
        "{missing}"
    );
    assert!(!missing.contains("liquidatable now"), "{missing}");
    assert!(!printed(&daemon).contains("liquidatable now"));
    // Of the wallet only what needs the table is not known.
    let account = daemon.get("/v1/account").json();
    let wallet = row(&account, "wallets", "asset", "USDT");
    assert_eq!(wallet["unrealizedProfit"], "100");
    assert_eq!(wallet["marginBalance"], "10100");
    assert_eq!(wallet["positionInitialMargin"], "600");
    assert_eq!(wallet["maintMargin"], Value::Null);
    assert_eq!(wallet["availableBalance"], Value::Null);
}

#[test]
fn a_collateral_without_a_rate_hides_what_needs_it_and_nothing_else() {
    let rates = "assets multi\nindex USDT 1 bid 0.0001 ask 0.0001\nwallet USDC 500\n";
    let brackets = "brackets BTCUSDT 0 50000 0.004 125x\n";
    let crossed = HALF_KNOWN.replace("pos ETHUSDT isolated 10x -1 @ 3000\n", "");
    let daemon = Daemon::unready_with(&format!("{crossed}{brackets}{rates}"));
    let json = positions(&daemon);
    let held = row(&json, "positions", "symbol", "BTCUSDT");
    assert_eq!(held["unrealizedProfit"], "100");
    assert_eq!(held["maintMargin"], "24");
    assert_eq!(held["liquidationBelow"], Value::Null);
    let account = daemon.get("/v1/account").json();
    assert_eq!(
        row(&account, "wallets", "asset", "USDT")["maintMargin"],
        "24"
    );
    let missing = account["inputs"]["missing"].to_string();
    assert!(missing.contains("collateral rate of USDC"), "{missing}");
    let check = |order: &str| daemon.check(order, "").json();
    let opening = check(r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.01"}"#);
    assert_eq!(opening["decision"], "reject");
    assert!(
        opening["why"].as_str().unwrap().contains("USDC"),
        "{opening:#}"
    );
    let exit = check(
        r#"{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.1","reduceOnly":true}"#,
    );
    assert_ne!(exit["decision"], "reject");
}

/// `account --explain` on a scenario file: its exit code, what it prints and what it complains about.
fn on_file(text: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.txt");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_crossguard"))
        .args(["account", "--explain", "--scenario"])
        .arg(&file)
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left behind: {left:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn any_scenario_file_is_explained_figure_by_figure() {
    let brackets = "brackets BTCUSDT 0 50000 0.004 125x\n";
    let (code, text, complaint) = on_file(&format!("{HALF_KNOWN}{brackets}"));
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    for block in [
        "BTCUSDT\n  notional = 6000\n    = markPrice * positionAmt\n      markPrice = 60000\n",
        "maintMargin = 24\n    = abs(notional) * maintMarginRatio - cum\n",
        "pool USDT\n  crossUnPnl = 100\n",
        "wallet USDT\n  unrealizedProfit = 100\n",
    ] {
        assert!(text.contains(block), "{block}: {text}");
    }
}

#[test]
fn a_scenario_file_that_lacks_something_is_explained_as_far_as_it_goes() {
    let (code, text, complaint) = on_file(HALF_KNOWN);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(text.contains("ETHUSDT\n  notional = -3000"), "{text}");
    assert!(
        text.contains("BTCUSDT\n  notional = 6000\n    = markPrice * positionAmt"),
        "{text}"
    );
    assert!(text.contains("not known: BTCUSDT"), "{text}");
    let without_rate = "assets multi\nsymbol BTCUSDT\nbrackets BTCUSDT 0 50000 0.004 125x\n\
                        wallet USDC 10000\npos BTCUSDT crossed 20x +0.1 @ 60000\nmark BTCUSDT 60000\n";
    let (code, text, complaint) = on_file(without_rate);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(text.contains("collateral rate of USD"), "{text}");
}

#[test]
fn a_scenario_file_that_cannot_be_read_is_refused_with_every_line_that_is_wrong() {
    let (code, text, complaint) =
        on_file("wallet USDT abc\npos BTCUSDT crossed 0x +1 @ 5\nfrobnicate\n");
    assert_eq!((code, text.as_str()), (Some(1), ""));
    for place in ["line 1, column 13", "line 2, column 21", "line 3, column 1"] {
        assert!(complaint.contains(place), "{place}: {complaint}");
    }
    let gap = "symbol BTCUSDT\nbrackets BTCUSDT 0 50000 0.004 125x | 60000 600000 0.005 100x\n";
    let (code, _, complaint) = on_file(gap);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("line 2") && complaint.contains("tier 2"),
        "{complaint}"
    );
}

#[test]
fn the_terminal_tells_what_each_asset_counts_for_and_when_it_would_be_sold() {
    // 6,000 owed and 100 earned at an ask of 1.0001; a BTC at 0.95 × 60,000.
    let account = "assets multi\nsymbol BTCUSDT tick 0.1 step 0.001 min-notional 5\n\
                   brackets BTCUSDT 0 50000 0.004 125x\nindex USDT 1 bid 0.0001 ask 0.0001\n\
                   index BTC 60000 bid 0.05 ask 0.05\nwallet USDT -6000\nwallet BTC 1\n\
                   pos BTCUSDT crossed 20x -0.2 @ 60500\nmark BTCUSDT 60000\n";
    let daemon = Daemon::with(account);
    let output = Command::new(env!("CARGO_BIN_EXE_crossguard"))
        .args(["account", "--socket"])
        .arg(daemon.socket())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = text.lines().map(words).collect();
    let usdt = rows
        .iter()
        .rfind(|row| row.first().is_some_and(|name| name == "USDT"));
    let usdt = usdt.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(
        usdt[1..5],
        ["-5900.00", "0.9999", "1.0001", "-5900.59"],
        "{text}"
    );
    let bitcoin = rows
        .iter()
        .rfind(|row| row.first().is_some_and(|name| name == "BTC"));
    assert_eq!(
        bitcoin.unwrap()[2..5],
        ["57000", "63000", "57000.00"],
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}
