//! The built binary against a running daemon: what is printed, where, and with which exit code.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::api_rig::{ACCOUNT, Daemon};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossguard"));
    command
        .env_remove("CROSSGUARD_SOCKET")
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn run(daemon: &Daemon, words: &str) -> Output {
    command()
        .args(words.split_whitespace())
        .arg("--socket")
        .arg(daemon.socket())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Columns a text takes, its colours not counted.
fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn the_card_says_what_an_order_costs_and_explain_how_old_the_rates_are() {
    let daemon = Daemon::with(ACCOUNT);
    // 1.2 × 60,300 = 72,360: 0.05 % and 0.02 % of it, 1.2 × 300 of slippage.
    let card = out(&run(&daemon, "check BTCUSDT buy 1.2"));
    let costs = "costs: fee 36.18 (14.47 had it waited in the book), slippage 360.00,";
    assert!(card.contains(costs), "{card}");
    assert!(widest(&card) <= 80, "{card}");
    let id = &daemon.records.entries()[0].id;
    let page = out(&run(&daemon, &format!("explain {id}")));
    let flat: Vec<&str> = page.split_whitespace().collect();
    let flat = flat.join(" ");
    let rates =
        "fee of BTCUSDT: 0.0005; the account's own are 0.0005 and, waiting in the book, 0.0002 (";
    assert!(flat.contains(rates), "{page}");
    let fee = "costs.fee = 36.18 = order.priceUsed * order.quantityUsed * \
               costs.feeRates.BTCUSDT.takerUsed";
    assert!(flat.contains(fee), "{page}");
    assert!(widest(&page) <= 80, "{page}");
}

#[test]
fn an_order_that_costs_more_than_there_is_says_what_is_owed() {
    let daemon = Daemon::with(ACCOUNT);
    // 400 × 60,000 × 0.05 % is a fee of 12,000, and 10,000 are there.
    let text = out(&run(&daemon, "check BTCUSDT buy 400 --price 60000"));
    let flat: Vec<&str> = text.split_whitespace().collect();
    let owed = "nothing is left of what crossed positions share, and 2000.00 USDT are owed";
    let flat = flat.join(" ");
    assert!(flat.contains(owed), "{text}");
    // A state, not a position that nothing ends.
    let state = "Crossed, this position is liquidated at once and takes with it all";
    assert!(flat.contains(state), "{text}");
    let cause = "After this order nothing is left of the wallet that crossed positions share";
    assert!(flat.contains(cause), "{text}");
    assert!(!flat.contains("alone ends"), "{text}");
}

#[test]
fn a_check_ends_with_the_code_of_its_verdict() {
    let daemon = Daemon::with(ACCOUNT);
    let allow = run(&daemon, "check BTCUSDT buy 0.01 --price 60000");
    assert_eq!(code(&allow), 0, "{}", complaint(&allow));
    let warn = run(&daemon, "check BTCUSDT buy 0.5 --price 60000");
    assert_eq!(code(&warn), 0, "{}", out(&warn));
    let strict = run(&daemon, "check BTCUSDT BUY 0.5 --price 60000 --strict");
    assert_eq!(code(&strict), 10);
    let reject = run(&daemon, "check BTCUSDT buy 2");
    assert_eq!(code(&reject), 20);
    let text = out(&reject);
    assert!(
        text.starts_with("REJECT  BTCUSDT buy 2 market, crossed 20x"),
        "{text}"
    );
    assert!(text.contains("LIQUIDATION_DISTANCE"), "{text}");
    let flat: Vec<&str> = text.split_whitespace().collect();
    let flat = flat.join(" ");
    assert!(
        flat.contains("isolated with the same ticket, this order could lose"),
        "{text}"
    );
    for output in [&allow, &warn, &reject] {
        assert!(widest(&out(output)) <= 80, "{}", out(output));
        assert!(!out(output).contains('\u{1b}'), "no colours into a pipe");
        assert!(output.stderr.is_empty());
    }
    let exit = run(&daemon, "check BTCUSDT sell 0.05 --reduce-only");
    assert_eq!(code(&exit), 0);
    let close = run(
        &daemon,
        "check BTCUSDT sell --close-position --stop-price 55000",
    );
    assert_eq!(code(&close), 0, "{}", complaint(&close));
}

#[test]
fn wrong_arguments_are_usage_whoever_notices() {
    let daemon = Daemon::with(ACCOUNT);
    assert_eq!(code(&run(&daemon, "check BTCUSDT")), 2);
    assert_eq!(code(&run(&daemon, "check BTCUSDT hold 1")), 2);
    assert_eq!(code(&run(&daemon, "frobnicate")), 2);
    let told = run(&daemon, "check BTCUSDT buy lots");
    assert_eq!(code(&told), 2);
    assert!(
        complaint(&told).contains("order.quantity"),
        "{}",
        complaint(&told)
    );
    assert!(
        told.stdout.is_empty(),
        "data on standard output, all else on standard error"
    );
    let history = run(&daemon, "history --since yesterday");
    assert_eq!(code(&history), 2);
    let help = run(&daemon, "check --help");
    assert_eq!(code(&help), 0);
    for code in ["0", "1", "2", "3", "10", "20"] {
        let line = format!("\n{code:>4}  ");
        assert!(out(&help).contains(&line), "{}", out(&help));
    }
}

#[test]
fn without_a_daemon_it_says_where_it_looked() {
    let output = command()
        .args([
            "check",
            "BTCUSDT",
            "buy",
            "1",
            "--socket",
            "/nonexistent/x.sock",
        ])
        .output()
        .unwrap();
    assert_eq!(code(&output), 3);
    assert!(complaint(&output).contains("/nonexistent/x.sock"));
    let by_environment = command()
        .arg("status")
        .env("CROSSGUARD_SOCKET", "/nonexistent/y.sock")
        .output()
        .unwrap();
    assert_eq!(code(&by_environment), 3);
    assert!(complaint(&by_environment).contains("/nonexistent/y.sock"));
}

#[test]
fn json_is_what_the_socket_says() {
    let daemon = Daemon::with(ACCOUNT);
    for (words, path) in [
        ("account --json", "/v1/account"),
        ("positions --json", "/v1/positions"),
        ("orders --json", "/v1/orders"),
        ("status --json", "/v1/status"),
    ] {
        let printed = run(&daemon, words);
        assert_eq!(code(&printed), 0);
        let mut expected = daemon.get(path).text().to_owned();
        expected.push('\n');
        assert_eq!(out(&printed), expected);
    }
    let check = run(&daemon, "check BTCUSDT buy 2 --json");
    assert_eq!(code(&check), 20);
    let json: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(json["decision"], "reject");
    assert_eq!(json["dryRun"], true);
    let refused = run(&daemon, "check BTCUSDT buy lots --json");
    let json: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(json["error"]["field"], "order.quantity");
}

#[test]
fn pages_fit_and_say_what_is() {
    let daemon = Daemon::with(ACCOUNT);
    let status = out(&run(&daemon, "status"));
    assert!(status.starts_with("ready · state normal"), "{status}");
    let account = out(&run(&daemon, "account"));
    assert!(account.contains("pool USDT (crossed)"), "{account}");
    assert!(account.contains("10000.00"), "{account}");
    let positions = out(&run(&daemon, "positions"));
    assert!(positions.contains("BTCUSDT"), "{positions}");
    assert!(positions.contains("none alone"), "{positions}");
    let orders = out(&run(&daemon, "orders"));
    assert_eq!(orders, "no order works\n");
    for page in [status, account, positions] {
        assert!(widest(&page) <= 80, "{page}");
    }
}

#[test]
fn a_stale_status_begins_with_red_lines_and_what_to_do() {
    let daemon = Daemon::with(ACCOUNT);
    daemon.clock.advance_ms(30_000);
    let page = out(&run(&daemon, "status"));
    assert!(page.starts_with("!  account is not fresh"), "{page}");
    assert!(
        page.lines().nth(1).unwrap().trim_start().starts_with('→'),
        "{page}"
    );
    assert!(page.contains("NOT READY"), "{page}");
    assert!(out(&run(&daemon, "positions")).starts_with('!'));
}

#[test]
fn a_decision_is_found_and_explained() {
    let daemon = Daemon::with(ACCOUNT);
    run(&daemon, "check BTCUSDT buy 2 --client desk");
    let history = out(&run(&daemon, "history"));
    assert!(
        history.contains("REJECT BTCUSDT by desk (dry run)"),
        "{history}"
    );
    let list = daemon.get("/v1/decisions").json();
    let id = list["decisions"][0]["id"].as_str().unwrap();
    let explained = run(&daemon, &format!("explain {id}"));
    assert_eq!(code(&explained), 0);
    let page = out(&explained);
    assert!(page.starts_with("REJECT"), "{page}");
    assert!(page.contains("policy sha256:0000"), "{page}");
    assert!(page.contains("brackets"), "{page}");
    assert!(page.contains("asked by desk"), "{page}");
    assert!(widest(&page) <= 80, "{page}");
    assert_eq!(code(&run(&daemon, "explain 01NOTHING")), 1);
}

#[test]
fn the_guard_is_locked_and_unlocked_by_hand() {
    let daemon = Daemon::with(ACCOUNT);
    let locked = run(&daemon, "lock holiday");
    assert_eq!(out(&locked), "locked: holiday\n");
    assert_eq!(
        code(&run(&daemon, "check BTCUSDT buy 0.01 --price 60000")),
        20
    );
    assert_eq!(
        code(&run(&daemon, "check BTCUSDT sell 0.05 --reduce-only")),
        0
    );
    let status = out(&run(&daemon, "status"));
    assert!(status.contains("The guard is locked: holiday."), "{status}");
    let looser = run(&daemon, "lock --reduce-only");
    assert_eq!(code(&looser), 1);
    assert_eq!(out(&run(&daemon, "unlock")), "normal: unlocked by hand\n");
    assert_eq!(
        code(&run(&daemon, "check BTCUSDT buy 0.01 --price 60000")),
        0
    );
    let reloaded = out(&run(&daemon, "reload"));
    assert!(reloaded.contains("leverage.reject 50 -> 20"), "{reloaded}");
    assert_eq!(daemon.records.notes().len(), 2);
}

#[test]
fn a_reader_that_leaves_early_is_success() {
    let daemon = Daemon::with(ACCOUNT);
    let mut child = command()
        .args(["account", "--json", "--socket"])
        .arg(daemon.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    let status = child.wait().unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn foreign_text_cannot_move_the_cursor() {
    let daemon = Daemon::with(ACCOUNT);
    run(&daemon, "check BTCUSDT buy 0.01 --price 60000");
    let body = r#"{"order":{"symbol":"BTC\u001b[2JUSDT","side":"BUY","type":"MARKET","quantity":"1"},"client":"\u001b]0;x\u0007"}"#;
    daemon.post("/v1/check", body);
    let history = out(&run(&daemon, "history"));
    assert!(!history.contains('\u{1b}'), "{history:?}");
    let list = daemon.get("/v1/decisions").json();
    let id = list["decisions"][0]["id"].as_str().unwrap().to_owned();
    let page = out(&run(&daemon, &format!("explain {id}")));
    assert!(!page.contains('\u{1b}'), "{page:?}");
}
