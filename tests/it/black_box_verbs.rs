//! Exchange, daemon and verbs as three processes, the way a first user has them in three terminals.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossguard::clock::Clock;
use crossguard::journal::{Reader, Verification};
use serde_json::Value;

use crate::black_box::{
    EXIT, Exchange, GREEDY, Guard, SMALL, binary, complaint, out, scene, until,
};
use crate::live::Dice;

#[test]
fn three_terminals() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);

    let fine = guard.verb("check BTCUSDT buy 0.01");
    assert_eq!(fine.status.code(), Some(0), "{}", complaint(&fine));
    let greedy = guard.verb("check BTCUSDT buy 1.5");
    assert_eq!(greedy.status.code(), Some(20));
    let page = out(&greedy);
    let page: Vec<&str> = page.split_whitespace().collect();
    let page = page.join(" ");
    // 1.6 BTC: 9,504.78 of equity, 430.00 of maintenance margin, 95,520 lost per whole fall.
    let sentence = "a 9.5 % fall of BTCUSDT liquidates the crossed position; your limit is 10 %.";
    assert!(page.contains(sentence), "{page}");
    assert!(
        page.contains("reject LIQUIDATION_DISTANCE 0.095 against 0.1"),
        "{page}"
    );

    let body = r#"{"order":{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.1","reduceOnyl":true}}"#;
    let misspelt = guard.ask("POST", "/v1/check", body).unwrap();
    assert_eq!(misspelt.status, 400);
    assert_eq!(misspelt.json()["error"]["field"], "order.reduceOnyl");
    let usage = guard.verb("check BTCUSDT buy lots");
    assert_eq!(usage.status.code(), Some(2));
    assert!(
        complaint(&usage).contains("order.quantity"),
        "{}",
        complaint(&usage)
    );

    // 0.4 more: 30,000 of notional on 10,000, three times the margin balance.
    let warned = guard.verb("check BTCUSDT buy 0.5 --strict");
    assert_eq!(warned.status.code(), Some(10), "{}", out(&warned));
    assert_eq!(guard.verb("check BTCUSDT buy 0.5").status.code(), Some(0));

    guard.process().kill_9();
    let gone = guard.verb("check BTCUSDT buy 0.01");
    assert_eq!(gone.status.code(), Some(3));
    assert!(
        complaint(&gone).contains("crossguard.sock"),
        "{}",
        complaint(&gone)
    );
}

#[test]
fn several_mistakes_of_a_configuration_are_told_at_once() {
    let exchange = Exchange::start(&scene());
    let guard = Guard::configured(
        &exchange.announced,
        None,
        "[policy]\nhorizn = \"0.10\"\nleverage = { warn = \"20\", reject = \"lots\" }\n",
    );
    let ended = guard.command().output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let told = complaint(&ended);
    assert!(told.contains("horizn") && told.contains("lots"), "{told}");
    let lines = std::fs::read_to_string(guard.config()).unwrap();
    for word in ["horizn", "lots"] {
        let line = lines.lines().position(|line| line.contains(word)).unwrap() + 1;
        assert!(told.contains(&format!(":{line}:")), "line {line}: {told}");
    }
    let checked = binary()
        .args(["config", "check", "--config"])
        .arg(guard.config())
        .output();
    assert_ne!(checked.unwrap().status.code(), Some(0));
}

/// Ids of every decision that is in the history, newest first.
fn history(guard: &Guard) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = guard
            .get(&format!("/v1/decisions?limit=1000{cursor}"))
            .json();
        let lines = page["decisions"].as_array().unwrap().iter();
        ids.extend(lines.map(|line| line["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[test]
fn l01_a_decision_outlives_kill_9() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);
    let decided = guard.check_to_send(GREEDY);
    assert_eq!(
        (&decided["decision"], &decided["recorded"]),
        (&"reject".into(), &true.into())
    );
    let id = decided["decisionId"].as_str().unwrap();
    guard.process().kill_9();
    assert!(guard.socket().exists(), "killed, it left its socket behind");
    guard.start();
    let listed = guard.verb("history");
    assert!(out(&listed).contains(id), "{}", out(&listed));
    let kept = guard.get(&format!("/v1/decisions/{id}")).json();
    assert_eq!(kept, decided);
    // Until it is in step again, nothing that adds risk passes; then it does.
    guard.until_ready();
    guard.assert_in_step();
}

/// What a client was told, while the daemon lived.
struct Load<'a> {
    guard: &'a Guard,
    told: &'a Mutex<BTreeSet<String>>,
    answers: &'a AtomicUsize,
    over: &'a AtomicBool,
}

impl Load<'_> {
    /// Asks until the daemon is gone. Everything whose record was promised is kept.
    fn run(&self, client: usize) {
        let orders = [SMALL, GREEDY, EXIT];
        for round in 0.. {
            let order = orders[(client + round) % orders.len()];
            let body = format!("{{\"order\":{order},\"brief\":true,\"client\":\"c{client}\"}}");
            let Ok(answer) = self.guard.ask("POST", "/v1/check", &body) else {
                if self.over.load(Ordering::SeqCst) {
                    return;
                }
                continue;
            };
            assert_eq!(answer.status, 200, "{answer:?}");
            let decided: Value = answer.json();
            if decided["recorded"] == true {
                let id = decided["decisionId"].as_str().unwrap().to_owned();
                self.told.lock().unwrap().insert(id);
            }
            self.answers.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn l01_kill_9_at_random_instants_under_load_loses_no_delivered_decision() {
    let now = Clock::machine().now();
    let seed = match std::env::var("CROSSGUARD_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => now.wall_ms.unsigned_abs() | 1,
    };
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);
    let told = Mutex::new(BTreeSet::new());
    for round in 0..12 {
        let (answers, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        // Random in the number of answers and, beyond that, wherever the daemon happens to be.
        let wanted = 1 + usize::try_from(dice.roll(60)).unwrap();
        let mut process = guard.process.take().unwrap();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let load = Load {
                    guard: &guard,
                    told: &told,
                    answers: &answers,
                    over: &over,
                };
                scope.spawn(move || load.run(client));
            }
            until("enough was answered", || {
                let answered = answers.load(Ordering::SeqCst);
                (answered >= wanted)
                    .then_some(())
                    .ok_or(format!("{answered} of {wanted}"))
            });
            over.store(true, Ordering::SeqCst);
            process.kill_9();
        });
        let begun = Clock::machine().now();
        guard.start();
        println!(
            "round {round}: answering {} ms later",
            Clock::machine().now().since_ms(begun)
        );
        let kept: BTreeSet<String> = history(&guard).into_iter().collect();
        let lost: Vec<String> = told.lock().unwrap().difference(&kept).cloned().collect();
        assert_eq!(lost, Vec::<String>::new(), "seed {seed}, round {round}");
    }
    assert!(told.lock().unwrap().len() >= 12);
    guard.until_ready();
    guard.process().kill_9();
    let chain = Reader::open(&guard.state()).unwrap().verify().unwrap();
    assert!(
        matches!(chain, Verification::Whole { .. }),
        "seed {seed}: {chain:?}"
    );
}
