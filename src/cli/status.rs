//! `status`: how the guard is, red lines first.
//!
//! Owns: its page.
//! Must not know: how freshness is judged.

use std::fmt::Write as _;

use super::check::killer;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::inputs::{Inputs, PlaneView};
use crate::api::protocol::pool::PoolFigures;
use crate::api::protocol::status::StatusAnswer;
use crate::api::shown::{money, percent_down, percent_up};
use crate::api::text::safe;

pub(super) fn run(common: &Common) -> Exit {
    show(common, Request::get("/v1/status"), page)
}

fn page(status: &StatusAnswer<'static>) -> String {
    let mut text = String::new();
    for line in &status.attention {
        let first = screen::wrapped(&line.what, "  ");
        let _ = write!(text, "{}{first}", screen::red("!"));
        text.push_str(&screen::wrapped(&format!("→ {}", line.to_do), "     "));
    }
    if !status.attention.is_empty() {
        text.push('\n');
    }
    let ready = if status.ready { "ready" } else { "NOT READY" };
    let state = safe(&status.state);
    let _ = writeln!(
        text,
        "{} · state {state} · crossguard {}",
        screen::bold(ready),
        safe(&status.version)
    );
    let counts = status.counts;
    let _ = writeln!(
        text,
        "{} positions · {} orders · {} promises · {} symbols listed, {} followed",
        counts.positions,
        counts.orders,
        counts.reservations,
        counts.symbols,
        status.followed.len()
    );
    if let Some(clock) = status.clock {
        let _ = writeln!(
            text,
            "exchange clock {:+} ms (± {} ms) · policy {}",
            clock.offset_ms,
            clock.error_ms,
            short_fingerprint(&status.policy)
        );
    }
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

/// The beginning of a fingerprint: enough to tell two policies apart by eye.
pub(super) fn short_fingerprint(fingerprint: &str) -> String {
    safe(&fingerprint.chars().take(19).collect::<String>())
}

/// Every plane with its age.
pub(super) fn planes(inputs: &Inputs<'_>) -> String {
    let mut table = screen::table(&["plane", "", "age", "why"]);
    for (name, plane) in &inputs.planes.0 {
        let fresh = if plane.fresh { "fresh" } else { "STALE" };
        let reason = plane.reason.as_deref().unwrap_or_default();
        table.add_row(vec![safe(name), fresh.to_owned(), age(plane), safe(reason)]);
    }
    screen::shown(table, usize::MAX)
}

/// An age for reading.
pub(super) fn age(plane: &PlaneView<'_>) -> String {
    match plane.age_ms {
        None => "never".to_owned(),
        Some(ms) if ms < 10_000 => format!("{ms} ms"),
        Some(ms) => format!("{} s", ms / 1_000),
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
        let distance = if pool.liquidatable {
            "NOW".to_owned()
        } else {
            percent_down(pool.distance)
        };
        table.add_row(vec![
            safe(&pool.asset),
            money(pool.margin_balance),
            money(pool.available_balance),
            percent_up(pool.margin_ratio),
            distance,
            killer(pool.first_killer.as_ref()),
        ]);
    }
    screen::shown(table, 1)
}
