//! The story of `crossguard demo`, told fast: it ends by itself, and the figures it shows are those
//! that follow by hand from its accounts.

use std::process::{Command, Output, Stdio};

use unicode_width::UnicodeWidthStr as _;

fn told() -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossguard"))
        .args(["demo", "--speed", "50"])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The words without their line ends.
fn flat(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_demo_tells_what_follows_by_hand() {
    let output = told();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    let readme = include_str!("../../README.md");
    let sample = readme
        .split("```\n")
        .find(|block| block.starts_with("REJECT"));
    assert!(
        text.contains(sample.unwrap()),
        "the README shows this card: {text}"
    );
    let flat = flat(&output);
    let facts = [
        // 0.07 BTC at 60,300 and 50x: 84.42 of margin.
        "isolated with the same ticket, this order could lose 84.42 USDT and no more.",
        // 36,569 AKE at 0.0003008: a ticket of 10.9999552 / 5. Equity 600 − 0.0055 of fee meets 1.5 %
        // of maintenance at (599.9945 + 10.9999552) / (36,569 · 1.015) = 0.01646107: 590.97 lost.
        "Crossed, this position can lose 590.97 USDT (268.7 times its ticket) before the exchange \
         ends it at 0.01646107; isolated with the same ticket, this order could lose 2.20 USDT and \
         no more.",
        // 36,569 · (0.0154652 − 0.0003008) = 554.5469436, margin-math §18; 252.07 tickets.
        "Her ticket was 2.20 USDT; it cost 554.55 USDT, 252.1 times as much.",
        "Dave's cost 2.20 USDT: that was all it could reach.",
        // Gross 29,995.776 on 3,200 − 7.498944 of fee.
        "After this order all positions together are 9.4 times the margin balance; your limit is 6 \
         times.",
        // 2 · (0.05 · 49,860,000 · P − 675) = 3,192.501056: P = 2,271.250528 / 2,493,000.
        "A rise alone ends both legs, at 0.0009110512 (AKEUSDT +202.8 %)",
        // At 0.0008: 2 · (39,888 · 0.05 − 675) = 2,638.8 of 3,200.
        "0.0008 18.26 8.3 times 2.20 0.00 82.5 %",
        "0.00092 22.64 10.3 times 2.20 liquidated –",
        "the exchange took her 3200.00 USDT",
        "Bob is liquidated by the exchange.",
        "Bob, who did not 1000.00 → 0.00 USDT lost 1000.00",
        "refused 1 order that broke his limits",
    ];
    for fact in facts {
        assert!(flat.contains(fact), "{fact}\n{text}");
    }
}

#[test]
fn a_speed_that_is_none_is_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_crossguard"))
        .args(["demo", "--speed", "never"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
