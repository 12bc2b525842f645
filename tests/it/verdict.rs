//! What a person sees of a verdict, end to end: the built binary against a running daemon, the same
//! sentences on the socket and on the card, figures that follow by hand.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::api_rig::Daemon;

const CONTRACTS: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x | 250000 3000000 0.01 50x
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets ETHUSDT 0 50000 0.005 100x | 50000 500000 0.01 50x
mark BTCUSDT 60000
mark ETHUSDT 3000
";

/// Little Bitcoin, a short of Ether, one order that works.
const PAIR: &str = "
wallet USDT 10000
pos BTCUSDT crossed 20x +0.05 @ 60000
pos ETHUSDT crossed 10x -4 @ 3000
order ETHUSDT sell 1 @ 3100
";

fn pair() -> Daemon {
    Daemon::with(&format!("{CONTRACTS}{PAIR}"))
}

fn run(daemon: &Daemon, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossguard"))
        .args(words.split_whitespace())
        .arg("--socket")
        .arg(daemon.socket())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The words without their line ends.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
}

/// The newest decision of the daemon, and its name.
fn newest(daemon: &Daemon) -> (Value, String) {
    let list = daemon.get("/v1/decisions?limit=1").json();
    let id = list["decisions"][0]["id"].as_str().unwrap().to_owned();
    (daemon.get(&format!("/v1/decisions/{id}")).json(), id)
}

#[test]
fn the_card_and_the_socket_say_the_same_sentences() {
    let daemon = pair();
    let card = run(&daemon, "check BTCUSDT buy 1.2 --price 60000");
    let (answer, _) = newest(&daemon);
    let page = out(&card);
    fits(&page);
    let words = flat(&page);
    let mut sentences = vec![
        &answer["why"],
        &answer["isolatedTwin"]["message"],
        &answer["pool"]["message"],
    ];
    sentences.extend(
        answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| &f["message"]),
    );
    sentences.extend(
        answer["alternatives"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| &a["message"]),
    );
    for sentence in sentences {
        let sentence = sentence.as_str().unwrap();
        assert!(words.contains(sentence), "{sentence}\n{page}");
    }
    // 9,964 after the fee, less maintenance of 1.25 BTC in the second bracket and of the short.
    // 64,986 + 60 over 1.24375 of slope; with the ether's 60 of maintenance: 52,298.29.
    assert_eq!(
        answer["isolatedTwin"]["message"],
        "Crossed, this position can lose 9627.14 USDT (2.57 times its ticket) before the exchange \
         ends it at 52298.29; isolated with the same ticket, this order could lose 3600.00 USDT \
         and no more."
    );
    // 4.02 P = 22,000 − 12 before, 9,964 + 12,000 − 325 after; 86.8 of 3,000.
    assert_eq!(
        answer["pool"]["message"],
        "BTCUSDT and ETHUSDT are liquidated together. This order moves the liquidation price of \
         ETHUSDT from 5469.652 to 5382.836, 2.9 % of its mark nearer."
    );
    assert_eq!(
        answer["bindingLimit"],
        answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["level"] == "reject")
            .unwrap()["code"]
    );
}

#[test]
fn the_card_says_what_would_be_lost_first_and_the_ways_out_last() {
    let daemon = pair();
    let card = run(&daemon, "check ETHUSDT sell 12");
    let (answer, _) = newest(&daemon);
    assert_eq!(answer["bindingLimit"], "LIQUIDATION_DISTANCE", "{answer:#}");
    let words = flat(&out(&card));
    let loss = answer["loss"].as_str().unwrap();
    let parts = [
        "ETHUSDT sell 12 market, crossed 10x",
        loss,
        answer["why"].as_str().unwrap(),
        "Crossed, this position can lose",
        "LIQUIDATION_DISTANCE",
        "pool USDT before after",
        "worst case",
        "scenarios",
        "are liquidated together.",
        "ways out",
        "send order symbol=ETHUSDT side=SELL",
    ];
    let mut from = 0;
    for part in parts {
        let at = words[from..].find(part);
        from += at.unwrap_or_else(|| panic!("{part} is missing or too early: {words}"));
    }
}

#[test]
fn the_ways_out_of_a_batch_say_what_to_send_for_each_order() {
    let daemon = pair();
    let body = r#"{"dryRun":true,"orders":[
        {"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.6"},
        {"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.6"}]}"#;
    let answer = daemon.post("/v1/check", body).json();
    assert_eq!(answer["decision"], "reject", "{answer:#}");
    let id = answer["decisionId"].as_str().unwrap();
    let page = out(&run(&daemon, &format!("explain {id}")));
    fits(&page);
    let smaller = &answer["alternatives"][0];
    let share: rust_decimal::Decimal = smaller["params"]["share"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(share > rust_decimal::Decimal::ZERO && share < rust_decimal::Decimal::ONE);
    for (index, word) in ["send", "with"].into_iter().enumerate() {
        let quantity = smaller["request"]["orders"][index]["quantity"]
            .as_str()
            .unwrap();
        let line = format!(
            "{word} orders[{index}] symbol=BTCUSDT side=BUY positionSide=BOTH type=MARKET \
             quantity={quantity}"
        );
        assert!(flat(&page).contains(&line), "{line}: {page}");
    }
    // What the pool is then, in the same line of figures.
    let amount = smaller["after"]["walletAtRisk"]["amount"].as_str().unwrap();
    let whole = amount.split('.').next().unwrap();
    assert!(flat(&page).contains(&format!("at risk {whole}")), "{page}");
}

#[test]
fn an_isolated_order_leads_with_what_it_can_lose() {
    let isolated = format!(
        "{CONTRACTS}wallet USDT 10000\nmargin BTCUSDT isolated\npos BTCUSDT isolated 20x +0.1 @ 60000\n"
    );
    let daemon = Daemon::with(&isolated);
    let card = run(&daemon, "check BTCUSDT buy 0.1 --price 60000");
    let words = flat(&out(&card));
    let first = words.find("Isolated, this order can lose 300.00 USDT and no more");
    let why = words.find("against the isolated BTCUSDT position liquidates it");
    assert!(first.is_some() && first < why, "{words}");
    // 600 + x + 0.2 × (54,000 − 60,000) = 0.0008 × 54,000.
    assert!(words.contains("Add 643.20 USDT of margin to the isolated BTCUSDT position first"));
    assert!(words.contains("send change kind=positionMargin symbol=BTCUSDT"));
    assert!(words.contains("then order symbol=BTCUSDT side=BUY"));
    fits(&out(&card));
    let none = out(&run(&daemon, "size BTCUSDT buy"));
    assert!(
        flat(&none).contains(
            "Not even 0.001, the smallest quantity, passes. After this order a move of 4.6 %"
        ),
        "{none}"
    );
}

#[test]
fn an_isolated_order_and_one_that_opens_nothing_are_compared_as_they_are() {
    let isolated =
        format!("{CONTRACTS}wallet USDT 10000\nmargin BTCUSDT isolated\nleverage BTCUSDT 20\n");
    let daemon = Daemon::with(&isolated);
    run(&daemon, "check BTCUSDT buy 0.1 --price 60000");
    // A fee of 3; nothing else is held.
    assert_eq!(
        newest(&daemon).0["isolatedTwin"]["message"],
        "Isolated, this order can lose 300.00 USDT and no more; crossed, it would stand on all \
         9697.00 USDT that crossed positions share."
    );
    let daemon = pair();
    run(&daemon, "check BTCUSDT sell 0.05 --reduce-only");
    assert_eq!(newest(&daemon).0["isolatedTwin"], Value::Null);
    let page = out(&run(&daemon, "check BTCUSDT sell 0.05 --reduce-only"));
    assert!(!page.contains("isolated with the same ticket"), "{page}");
}

#[test]
fn long_names_huge_numbers_and_wide_letters_fit() {
    let wide = "币安人生币安人生币安人生USDT";
    let long = "1000000VERYLONGNAMEOFACOINUSDT";
    let text = format!(
        "mode hedge\nsymbol {wide} step 1 min-notional 5\nsymbol {long} step 1 min-notional 5\n\
         brackets {wide} 0 900000000000 0.005 100x\nbrackets {long} 0 900000000000 0.005 100x\n\
         mark {wide} 0.00012345\nmark {long} 98765.4321\nwallet USDT 123456789012.12345678\n\
         pos {wide} crossed 10x +987654321987654 @ 0.00012 long\n\
         pos {wide} crossed 10x -87654321987654 @ 0.00012 short\n\
         pos {long} crossed 10x +1234567 @ 98000 long\n"
    );
    let daemon = Daemon::with(&text);
    for words in [
        format!("check {wide} buy 98765432198765432 --position-side LONG"),
        format!("check {long} sell 9999999999 --position-side SHORT --price 98765.4321"),
        "positions".to_owned(),
        "account".to_owned(),
        "account --explain".to_owned(),
        "stress".to_owned(),
        "fix".to_owned(),
        "history".to_owned(),
        "status".to_owned(),
    ] {
        let output = run(&daemon, &words);
        assert_ne!(
            output.status.code(),
            Some(2),
            "{words}: {}",
            complaint(&output)
        );
        fits(&out(&output));
    }
    let (_, id) = newest(&daemon);
    fits(&out(&run(&daemon, &format!("explain {id}"))));
    let card = out(&run(
        &daemon,
        &format!("check {wide} buy 1000 --position-side LONG"),
    ));
    assert!(flat(&card).contains(wide), "{card}");
}

#[test]
fn size_is_told_on_both_ways_and_says_why_none() {
    let daemon = pair();
    let page = out(&run(&daemon, "size btcusdt buy"));
    let body = r#"{"order":{"symbol":"BTCUSDT","side":"BUY","type":"MARKET"}}"#;
    let answer = daemon.post("/v1/size", body).json();
    for figure in ["allowed", "warned"] {
        let quantity = answer[figure].as_str().unwrap();
        assert!(flat(&page).contains(quantity), "{page}");
        let check = run(&daemon, &format!("check BTCUSDT buy {quantity} --json"));
        let decision: Value = serde_json::from_slice(&check.stdout).unwrap();
        let expected = if figure == "allowed" { "allow" } else { "warn" };
        assert_eq!(decision["decision"], expected);
    }
    let unlisted = run(&daemon, "size NOPEUSDT buy");
    assert_eq!(unlisted.status.code(), Some(0));
    assert!(out(&unlisted).contains("The exchange does not list NOPEUSDT."));
    run(&daemon, "lock lunch");
    let locked = out(&run(&daemon, "size BTCUSDT buy"));
    assert!(locked.contains("The guard is locked (lunch)"), "{locked}");
    daemon.clock.advance_ms(30_000);
    let stale = run(&daemon, "size BTCUSDT buy");
    assert_eq!(stale.status.code(), Some(1));
    assert!(
        complaint(&stale).contains("not known"),
        "{}",
        complaint(&stale)
    );
}

#[test]
fn stress_is_told_with_losses_by_hand() {
    let daemon = pair();
    let answer = daemon
        .post(
            "/v1/stress",
            r#"{"all":"-20%","shocks":{"NOPEUSDT":"-50%"}}"#,
        )
        .json();
    let asked = &answer["pools"][0]["stress"][0];
    // 0.05 · 12,000 lost, 4 · 600 gained; 9.6 and 48 of maintenance on 11,800.
    assert_eq!(asked["loss"], "-1800");
    assert_eq!(asked["marginRatio"], "0.00488135");
    assert_eq!(answer["notHeld"], serde_json::json!(["NOPEUSDT"]));
    let page = out(&run(&daemon, "stress --all -20% --shock nopeusdt=-50%"));
    assert!(page.contains("1800.00 gained"), "{page}");
    assert!(page.contains("NOPEUSDT is not held"), "{page}");
    let rise = out(&run(&daemon, "stress --shock ETHUSDT=+90%"));
    // 4 · 2,700 lost of 10,000: gone.
    assert!(
        flat(&rise).contains("asked NO – 10000.00 lost BTCUSDT ETHUSDT"),
        "{rise}"
    );
    let unknown = run(&daemon, "stress --scenario doom");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        complaint(&unknown).contains("october_2025"),
        "{}",
        complaint(&unknown)
    );
    assert_eq!(
        run(&daemon, "stress --shock BTCUSDT").status.code(),
        Some(2)
    );
}

#[test]
fn fix_says_what_to_send_and_that_passes() {
    let broken = "wallet USDT 2000\npos BTCUSDT crossed 20x +0.3 @ 60000\n";
    let daemon = Daemon::with(&format!("{CONTRACTS}{broken}"));
    let answer = daemon.get("/v1/fix").json();
    let page = flat(&out(&run(&daemon, "fix")));
    let limits = answer["broken"].as_array().unwrap();
    assert!(!limits.is_empty());
    let mut sent = 0;
    for limit in limits {
        assert!(
            page.contains(limit["finding"]["message"].as_str().unwrap()),
            "{page}"
        );
        for way in limit["ways"].as_array().unwrap() {
            assert!(page.contains(way["message"].as_str().unwrap()), "{page}");
            if way["request"].is_null() {
                continue;
            }
            let mut request = way["request"].clone();
            request["dryRun"] = true.into();
            let decision = daemon.post("/v1/check", &request.to_string()).json();
            assert_ne!(decision["decision"], "reject", "{decision:#}");
            let quantity = way["request"]["order"]["quantity"].as_str();
            if let Some(quantity) = quantity {
                assert!(
                    page.contains(&format!("quantity={quantity} reduceOnly=true")),
                    "{page}"
                );
            }
            sent += 1;
        }
    }
    assert!(sent > 0);
    let sound = out(&run(&pair(), "fix"));
    assert_eq!(sound, "the account is within its limits\n");
}

#[test]
fn explain_shows_inputs_ages_policy_arithmetic_and_what_waiting_could_change() {
    let daemon = pair();
    run(&daemon, "check BTCUSDT buy 1.2 --price 60000 --client desk");
    let (answer, id) = newest(&daemon);
    let page = out(&run(&daemon, &format!("explain {id}")));
    fits(&page);
    let words = flat(&page);
    for part in [
        "policy sha256:0000",
        "asked by desk",
        "state normal, certainty exact",
        "what waiting could change, in precedence 1. LIQUIDATION_DISTANCE: waiting alone does not",
        "(decides)",
        "brackets fresh",
        "position BTCUSDT",
        "maintMargin = 325 = abs(positionAmt * markPrice) * bracket.maintMarginRatio - bracket.cum \
         positionAmt = 1.25 markPrice = 60000 bracket.maintMarginRatio = 0.005 bracket.cum = 50",
        "headroom = 9579 = marginBalance - maintMargin marginBalance = 9964 maintMargin = 385",
        "findings LIQUIDATION_DISTANCE",
    ] {
        assert!(words.contains(part), "{part}\n{page}");
    }
    let json = run(&daemon, &format!("explain {id} --json"));
    let told: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(told["findings"], answer["findings"]);
    let route = daemon.get(&format!("/v1/decisions/{id}/explain"));
    assert_eq!(out(&json).trim_end(), route.text());
    // Figures and inputs come from the answer: none is there that was not recorded.
    assert_eq!(
        told["arithmetic"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["value"].is_null())
            .count(),
        0
    );
}

#[test]
fn an_account_that_holds_nothing_has_no_red_lines() {
    let daemon = Daemon::with(&format!("{CONTRACTS}wallet USDT 10000\n"));
    let page = out(&run(&daemon, "status"));
    assert!(page.starts_with("ready"), "{page}");
    assert!(!page.contains("never"), "{page}");
    assert_eq!(out(&run(&daemon, "positions")), "nothing is held\n");
    let quiet = out(&run(&daemon, "fix"));
    assert_eq!(quiet, "the account is within its limits\n");
}
