//! Last prices and the best of the book: read when they matter, counted with like the exchange counts,
//! and missed by nobody when they fail.

use std::collections::BTreeSet;
use std::time::Duration;

use crossguard::exchange::{Cadence, Demand, Note};
use crossguard::guard::verdict::{Code, Judgement};
use crossguard::margin::amount::Price;
use crossguard::margin::cost::{AssumedFrom, AssumedPrice, OrderCost};
use crossguard::mirror::event::{Event, Quote, QuoteUpdate};

use crate::exchange_stand::{Seen, Setup, Stand, reply, symbol};
use crate::live::{Live, SCENE};

const LAST: &str = "/fapi/v2/ticker/price";
const BEST: &str = "/fapi/v1/ticker/bookTicker";

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn cost(judgement: &Judgement) -> OrderCost {
    judgement.orders[0].cost.expect("the order costs something")
}

fn refused(judgement: &Judgement) -> bool {
    let mut findings = judgement.findings.iter();
    findings.any(|finding| finding.code == Code::ExchangeWouldRefuse)
}

fn reads(live: &Live, wanted: &str) -> usize {
    let notes = live.notes();
    let of = |note: &&Note| matches!(note, Note::RestAnswered { path, .. } if *path == wanted);
    notes.iter().filter(of).count()
}

/// Asks until the cost rests on what was read, which follows the first question within a few seconds.
async fn quoted(live: &Live, order: &str) -> Judgement {
    live.check(order).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    live.check(order).await
}

#[tokio::test(start_paused = true)]
async fn guard_and_exchange_refuse_the_same_limit_sell_at_the_boundary_of_the_last_price() {
    // 10,000 at 20x: by the mark (60,090) 3.328 could be sold, by the last price (60,190.15) 3.322.
    let live = Live::within(&format!("{SCENE}last BTCUSDT 60100\n"), 1).await;
    let most = quoted(&live, "BTCUSDT sell 3.322 @ 60010").await;
    let assumed = AssumedPrice {
        price: price("60190.15"),
        from: AssumedFrom::Last,
    };
    assert_eq!(cost(&most).assumed, assumed);
    assert!(!refused(&most), "{}", most.why);
    let more = live.check("BTCUSDT sell 3.323 @ 60010").await;
    assert!(refused(&more), "{}", more.why);
    let error = live.exchange.command("order BTCUSDT sell 3.323 @ 60010");
    let error = error.expect_err("the exchange takes no more");
    assert!(error.contains("Margin is insufficient"), "{error}");
    live.say("order BTCUSDT sell 3.322 @ 60010");
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn guard_and_exchange_refuse_the_same_market_orders_in_a_wide_book() {
    let live = Live::within(&format!("{SCENE}book BTCUSDT 60250 60400\n"), 1).await;
    // 60,430.2 ÷ 20 and 430.2 of loss: 2.897 of them.
    let most = quoted(&live, "BTCUSDT buy 2.897").await;
    assert_eq!(cost(&most).assumed.from, AssumedFrom::Ask);
    assert!(!refused(&most), "{}", most.why);
    assert!(refused(&live.check("BTCUSDT buy 2.898").await));
    // 60,250 ÷ 20: 3.319 of them.
    let most = live.check("BTCUSDT sell 3.319").await;
    assert_eq!(cost(&most).assumed.from, AssumedFrom::Bid);
    assert!(!refused(&most), "{}", most.why);
    assert!(refused(&live.check("BTCUSDT sell 3.320").await));
    for order in ["order BTCUSDT buy 2.898", "order BTCUSDT sell 3.320"] {
        assert!(live.exchange.command(order).is_err(), "{order}");
    }
    live.say("order BTCUSDT buy 2.897");
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn quotes_that_cannot_be_read_are_missed_by_nobody() {
    let live = Live::within(&format!("{SCENE}last BTCUSDT 60100\n"), 1).await;
    let order = "BTCUSDT sell 0.01 @ 60010";
    assert_eq!(
        cost(&quoted(&live, order).await).assumed.from,
        AssumedFrom::Last
    );
    // Refused for the region, cut off, nonsense: the account has nothing to do with it.
    for trouble in [
        "rest-error /fapi/v2/ticker/price 451\nrest-error /fapi/v1/ticker/bookTicker 451",
        "rest-hang /fapi/v2/ticker/price\nrest-hang /fapi/v1/ticker/bookTicker",
        "mutate /fapi/v2/ticker/price price \"NaN\" 9999x\nmutate /fapi/v1/ticker/bookTicker bidPrice absent 9999x",
    ] {
        trouble.lines().for_each(|line| live.say(line));
        for second in 0..60 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(live.stale().await, [], "{trouble}, after {second} s");
        }
        let judged = live.check(order).await;
        // Half a minute old: the mark stands in.
        assert_eq!(cost(&judged).assumed.price, price("60090"), "{trouble}");
        assert!(!refused(&judged));
        live.say("rest-ok /fapi/");
    }
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_nothing_matters_and_everything_every_ten_seconds_after() {
    let live = Live::within(SCENE, 1).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((reads(&live, LAST), reads(&live, BEST)), (0, 0));
    // Asked about once, it is read for ten minutes.
    live.check("BTCUSDT buy 0.01").await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    for path in [LAST, BEST] {
        assert!(
            (9..=12).contains(&reads(&live, path)),
            "{}",
            reads(&live, path)
        );
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    let before = reads(&live, LAST);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(reads(&live, LAST), before);
    // What is held is read without being asked about.
    live.say("order ETHUSDT buy 0.1");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(reads(&live, LAST) > before);
    live.end().await;
}

/// The symbols of the next quotes, and which read they are of.
fn read_of(event: &Event) -> Option<(bool, Vec<String>)> {
    match event {
        Event::Quotes(read) => {
            let name = |row: &QuoteUpdate| row.symbol.to_string();
            let is_last = |row: &QuoteUpdate| matches!(row.quote, Quote::Last(_));
            let names = read.value.iter().map(name).collect();
            Some((read.value.iter().all(is_last), names))
        }
        _ => None,
    }
}

#[tokio::test]
async fn few_symbols_are_asked_for_one_by_one_and_many_in_one_call() {
    let stand = Stand::start().await;
    let row = |n: usize| {
        format!(r#"{{"symbol":"S{n}USDT","price":"10.5","bidPrice":"10","askPrice":"11"}}"#)
    };
    let call = |path: &str| format!("GET {path}");
    for path in [LAST, BEST] {
        // A wrong weight header, as these routes have it: it must not stop anything.
        let all = (0..20).map(row).collect::<Vec<_>>().join(",");
        let all = reply(200, format!("[{all}]")).with("X-MBX-USED-WEIGHT-1M", "2399");
        stand.always(&call(path), all);
        for n in 0..2 {
            stand.once(&call(path), reply(200, row(n)));
        }
    }
    let quoted = |count: usize| -> BTreeSet<_> {
        let name = |n: usize| symbol(&format!("S{n}USDT"));
        (0..count).map(name).collect()
    };
    let mut setup = Setup {
        demand: Demand {
            quoted: quoted(2),
            ..Demand::default()
        },
        ..Setup::default()
    };
    setup.cadence = Cadence {
        quotes_gap: Duration::from_millis(20),
        ..setup.cadence
    };
    let mut room = stand.run(setup);
    let mut names = BTreeSet::new();
    for _ in 0..4 {
        let (_, read) = room.event("quotes of one", read_of).await;
        assert_eq!(read.len(), 1);
        names.extend(read);
    }
    assert_eq!(names.len(), 2);
    let queries = |path: &str| -> BTreeSet<String> {
        let asked = stand.asked().into_iter().filter(|asked| asked.path == path);
        asked.map(|asked| asked.query).collect()
    };
    let single: BTreeSet<String> = ["symbol=S0USDT", "symbol=S1USDT"].map(str::to_owned).into();
    assert_eq!((queries(LAST), queries(BEST)), (single.clone(), single));
    // Nine of twenty: one call each, without a key, and only what is wanted is handed on.
    room.demand.send_modify(|demand| {
        demand.quoted = quoted(9);
        demand.resync.quotes += 1;
    });
    for _ in 0..2 {
        let (_, read) = room.event("quotes of all", read_of).await;
        assert_eq!(read.len(), 9);
    }
    let mut asked = stand.asked().into_iter().filter(|asked| asked.path == LAST);
    let last = asked.next_back().unwrap();
    assert_eq!((last.query.as_str(), last.api_key), ("", None));
    let history = room.stop().await;
    let is_wrong =
        |seen: &Seen| matches!(seen, Seen::Note(Note::WeightUsed { address: 2_399, .. }));
    assert!(!history.iter().any(is_wrong));
    stand.assert_harmless();
}
