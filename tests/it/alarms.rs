//! Alarms as a trader lives through them: stories in the scenario format on simulated time, through
//! the simulated exchange, the exchange client and the spine.
//!
//! `expect SECOND LINE` says which alarm is raised, changed or over, in order and completely: within
//! two seconds of that second. `end SECOND` ends the story. Seconds count from the moment the scene
//! stands.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crossguard::guard::alarm::{Change, Key, Transition};

use crate::live::Live;

/// How late an alarm may be, in milliseconds: the bound for marks.
const LATE_MS: i64 = 2_000;

struct Story {
    scene: String,
    expected: Vec<(i64, String)>,
    end_s: u64,
}

fn read(name: &str) -> Story {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stories/{name}.txt"));
    let mut story = Story {
        scene: String::new(),
        expected: Vec::new(),
        end_s: 0,
    };
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(expected) = line.strip_prefix("expect ") {
            let (second, words) = expected.split_once(' ').unwrap();
            story
                .expected
                .push((second.parse().unwrap(), words.to_owned()));
        } else if let Some(end) = line.strip_prefix("end ") {
            story.end_s = end.parse().unwrap();
        } else {
            writeln!(story.scene, "{line}").unwrap();
        }
    }
    story
}

/// An alarm as one line: `critical distance USDT`, `worse …`, `over …`.
fn line(transition: &Transition) -> String {
    let subject = |key: &Key| {
        let parts = [
            key.pool.as_ref().map(|pool| pool.as_str()),
            key.symbol.as_ref().map(|symbol| symbol.as_str()),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        format!("{} {}", key.rule.name(), parts.join(" "))
    };
    let line = match transition {
        Transition::Raised(alarm) => {
            let how = match alarm.change {
                Change::New | Change::Higher => alarm.severity.name().to_owned(),
                Change::Lower => format!("down to {}", alarm.severity.name()),
                Change::Worse => "worse".to_owned(),
            };
            format!("{how} {}", subject(&alarm.key))
        }
        Transition::Cleared { key, .. } => format!("over {}", subject(key)),
    };
    line.trim_end().to_owned()
}

/// Plays a story and compares every line with its time.
async fn play(name: &str) -> Live {
    let story = read(name);
    let live = Live::within_unready(&story.scene, 1);
    let began = live.clock.now();
    live.until_fresh().await;
    tokio::time::sleep(Duration::from_secs(story.end_s)).await;
    let mut told = String::new();
    let (mut found, mut texts) = (Vec::new(), Vec::new());
    for (at, transition) in live.alarms() {
        let at_ms = at.since_ms(began);
        if let Transition::Raised(alarm) = &transition {
            if alarm.change == Change::Worse && !alarm.is_event {
                continue;
            }
            texts.push(format!("{} {}", alarm.text.what, alarm.text.to_do));
        }
        writeln!(told, "expect {} {}", at_ms / 1_000, line(&transition)).unwrap();
        found.push((at_ms, line(&transition)));
    }
    println!("{name}\n{told}{}", texts.join("\n"));
    assert_eq!(found.len(), story.expected.len(), "{name}:\n{told}");
    for ((at_ms, line), (second, expected)) in found.iter().zip(&story.expected) {
        assert_eq!(line, expected, "{name}:\n{told}");
        let late_ms = at_ms - second * 1_000;
        assert!(
            (0..=LATE_MS).contains(&late_ms),
            "{name}: {line} at {at_ms} ms:\n{told}"
        );
    }
    live
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_slow_bleed() {
    play("slow_bleed").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn s09_alarms_of_a_flash_crash_with_recovery() {
    play("flash_crash").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_stablecoin_that_loses_its_peg() {
    play("peg").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_funding_drain() {
    play("funding_drain").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_an_order_placed_elsewhere() {
    play("placed_elsewhere").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn s08_alarms_of_a_stream_gone_silent() {
    play("gone_silent").await.end().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_of_a_market_neutral_book_in_a_rally() {
    play("rally").await.end().await;
}
