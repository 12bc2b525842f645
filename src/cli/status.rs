//! `status`: how the guard is, red lines first.
//!
//! Owns: its page.
//! Must not know: how freshness is judged.

use super::card::{distance, killer};
use super::screen::safe;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::inputs::{Inputs, PlaneView};
use crate::api::protocol::pool::PoolFigures;
use crate::api::protocol::status::StatusAnswer;
use crate::api::shown::{money, percent_up};

pub(super) fn run(common: &Common) -> Exit {
    show(common, Request::get("/v1/status"), page)
}

fn page(status: &StatusAnswer<'static>) -> String {
    let mut text = red_lines(status);
    text.push_str(&summary(status));
    text.push('\n');
    text.push_str(&planes(&status.inputs));
    if !status.pools.is_empty() {
        text.push('\n');
        text.push_str(&pools(&status.pools));
    }
    for difference in &status.drift {
        let line = format!(
            "corrected: {} was {}, is {}",
            difference.what, difference.ours, difference.theirs
        );
        text.push_str(&screen::wrapped(&line, "  "));
    }
    text
}

fn red_lines(status: &StatusAnswer<'_>) -> String {
    let mut text = String::new();
    for line in &status.attention {
        text.push_str(&screen::red("!"));
        text.push_str(&screen::wrapped(&line.what, "  "));
        text.push_str(&screen::wrapped(&format!("→ {}", line.to_do), "     "));
    }
    if !status.attention.is_empty() {
        text.push('\n');
    }
    text
}

fn summary(status: &StatusAnswer<'_>) -> String {
    let ready = if status.ready { "ready" } else { "NOT READY" };
    let counts = status.counts;
    let clock = status.clock.map_or_else(
        || "exchange clock not known".to_owned(),
        |clock| {
            let (offset, error) = (clock.offset_ms, clock.error_ms);
            format!("exchange clock {offset:+} ms (± {error} ms)")
        },
    );
    format!(
        "{} · state {} · crossguard {}\n\
         positions {} · orders {} · promises {} · symbols listed {}, followed {}\n\
         {clock} · policy {}\n",
        screen::bold(ready),
        safe(&status.state),
        safe(&status.version),
        counts.positions,
        counts.orders,
        counts.reservations,
        counts.symbols,
        status.followed.len(),
        short_fingerprint(&status.policy),
    )
}

/// The beginning of a fingerprint: enough to tell two policies apart by eye.
fn short_fingerprint(fingerprint: &str) -> String {
    safe(&fingerprint.chars().take(19).collect::<String>())
}

/// Every plane with its age.
pub(super) fn planes(inputs: &Inputs<'_>) -> String {
    let mut table = screen::table(&["plane", "", "age", "why"]);
    for (name, plane) in &inputs.planes.0 {
        let fresh = if plane.fresh { "fresh" } else { "STALE" };
        let unused = plane.fresh && plane.age_ms.is_none();
        let reason = plane.reason.as_deref();
        let reason = reason.unwrap_or(if unused { "nothing needs it yet" } else { "" });
        table.add_row(vec![safe(name), fresh.to_owned(), age(plane), safe(reason)]);
    }
    screen::shown(table, usize::MAX)
}

/// An age for reading.
fn age(plane: &PlaneView<'_>) -> String {
    match plane.age_ms {
        None if plane.fresh => "–".to_owned(),
        None => "never".to_owned(),
        Some(ms) => duration(ms),
    }
}

/// Milliseconds for reading.
pub(super) fn duration(ms: i64) -> String {
    if ms < 10_000 {
        format!("{ms} ms")
    } else {
        format!("{} s", ms / 1_000)
    }
}

/// One line per pool.
fn pools(pools: &[PoolFigures<'_>]) -> String {
    let header = [
        "pool",
        "margin balance",
        "available",
        "ratio",
        "distance",
        "first killer",
    ];
    let mut table = screen::table(&header);
    for pool in pools {
        table.add_row(vec![
            safe(&pool.asset),
            money(pool.margin_balance),
            money(pool.available_balance),
            percent_up(pool.margin_ratio),
            distance(pool),
            killer(pool.first_killer.as_ref()),
        ]);
    }
    screen::shown(table, 1)
}
