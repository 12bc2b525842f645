//! The daemon from outside, as ratios to what the wire alone costs.
//!
//! `cargo bench --bench daemon [-- check|channels|tick|idle|all]`; without an argument `check` and `tick`.
//! Every lane of a race takes its turn in every round; what is printed is the median of the rounds'
//! ratios with its quartiles. Absolute times drift from run to run. A missed target is printed and
//! never fails the run. `CROSSGUARD_BENCH_LANES="brief dry run"` leaves all lanes out but the first and
//! those it names.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "a bench measures wall time and divides it"
)]

#[path = "../shared/account.rs"]
mod account;
mod channels;
mod check;
mod guard;
mod idle;
mod race;
mod tick;

use std::fmt;

/// One line of the table at the end.
pub(crate) struct Row {
    pub(crate) what: String,
    /// The most it may be; `None` is only stated.
    pub(crate) target: Option<f64>,
    pub(crate) result: f64,
    pub(crate) unit: &'static str,
    pub(crate) more: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, verdict) = match self.target {
            None => ("-".to_owned(), "stated"),
            Some(most) if self.result <= most => (format!("{most}{}", self.unit), "met"),
            Some(most) => (format!("{most}{}", self.unit), "MISSED"),
        };
        let result = format!("{:.2}{}", self.result, self.unit);
        let Self { what, more, .. } = self;
        write!(
            f,
            "{what:<44} {target:>9} {result:>11}  {verdict:<7} {more}"
        )
    }
}

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |part: &str, by_default: bool| {
        let all = asked.iter().any(|word| word == "all");
        all || asked.iter().any(|word| word == part) || (asked.is_empty() && by_default)
    };
    let mut rows = Vec::new();
    if wanted("check", true) {
        rows.extend(check::rows());
    }
    if wanted("channels", false) {
        rows.extend(channels::rows());
    }
    if wanted("tick", true) {
        rows.extend(tick::rows());
    }
    if wanted("idle", false) {
        rows.extend(idle::rows());
    }
    println!("{:<44} {:>9} {:>11}", "", "target", "result");
    for row in rows {
        println!("{row}");
    }
}
