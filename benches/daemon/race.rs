//! Lanes that take turns, and what their times say.

use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Row;

/// One kind of round trip.
pub(crate) struct Lane<'a> {
    pub(crate) name: &'a str,
    /// The most that its p50 may be, as a multiple of the first lane's.
    pub(crate) target: Option<f64>,
    /// Does it once and says what it took.
    pub(crate) once: Box<dyn FnMut() -> Duration + 'a>,
}

/// How a race is run.
pub(crate) struct Course<'a> {
    pub(crate) name: &'a str,
    pub(crate) rounds: usize,
    pub(crate) calls: usize,
    /// Pause before every call.
    pub(crate) gap: Duration,
}

/// p50 and p99 of one lane in one round, in nanoseconds.
pub(crate) type Percentiles = [f64; 2];

/// Runs the lanes in turn; the first is the yardstick. `between` is done before every round.
pub(crate) fn race(
    course: &Course<'_>,
    lanes: &mut [Lane<'_>],
    mut between: impl FnMut(),
) -> Vec<Row> {
    let mut lanes = entered(lanes);
    let mut rounds: Vec<Vec<Percentiles>> = Vec::new();
    for round in 0..=course.rounds {
        between();
        let times = lanes.iter_mut().map(|lane| lap(course, lane)).collect();
        // The first round only warms up.
        if round > 0 {
            rounds.push(times);
        }
    }
    let name = course.name;
    let mut rows = vec![Row {
        what: format!("{name}: {}", lanes[0].name),
        target: None,
        result: 1.0,
        unit: "x",
        more: absolute(&rounds, 0),
    }];
    for (index, lane) in lanes.iter().enumerate().skip(1) {
        rows.extend(lane_rows(name, index, lane, &rounds));
    }
    rows
}

/// The lanes that take part: all, or the yardstick and those that are named, parted by commas, in
/// `CROSSGUARD_BENCH_LANES` (for a profiler, which should see one of them alone).
fn entered<'l, 'a>(lanes: &'l mut [Lane<'a>]) -> Vec<&'l mut Lane<'a>> {
    let named = std::env::var("CROSSGUARD_BENCH_LANES").unwrap_or_default();
    let is_named = |lane: &str| named.is_empty() || named.split(',').any(|name| name == lane);
    let lanes = lanes.iter_mut().enumerate();
    lanes
        .filter(|(place, lane)| *place == 0 || is_named(lane.name))
        .map(|(_, lane)| lane)
        .collect()
}

fn lap(course: &Course<'_>, lane: &mut Lane<'_>) -> Percentiles {
    percentiles(times_of(course, lane))
}

/// What each call of one lane took, in nanoseconds.
pub(crate) fn times_of(course: &Course<'_>, lane: &mut Lane<'_>) -> Vec<f64> {
    let once = |_| {
        if !course.gap.is_zero() {
            std::thread::sleep(course.gap);
        }
        (lane.once)().as_nanos() as f64
    };
    (0..course.calls).map(once).collect()
}

pub(crate) fn percentiles(mut times: Vec<f64>) -> Percentiles {
    times.sort_by(f64::total_cmp);
    [at(&times, 50), at(&times, 99)]
}

fn lane_rows(course: &str, index: usize, lane: &Lane<'_>, rounds: &[Vec<Percentiles>]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (place, percentile) in ["p50", "p99"].into_iter().enumerate() {
        let ratios = rounds
            .iter()
            .map(|times| times[index][place] / times[0][place]);
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let quartiles = format!("{:.2}-{:.2}", at(&ratios, 25), at(&ratios, 75));
        let more = if place == 0 {
            format!("{quartiles}  {}", absolute(rounds, index))
        } else {
            quartiles
        };
        rows.push(Row {
            what: format!("{course}: {} {percentile}", lane.name),
            target: lane.target.filter(|_| place == 0),
            result: at(&ratios, 50),
            unit: "x",
            more,
        });
    }
    rows
}

/// Medians over the rounds, to see what the ratios are made of.
fn absolute(rounds: &[Vec<Percentiles>], lane: usize) -> String {
    let median = |place: usize| {
        let mut times: Vec<f64> = rounds.iter().map(|round| round[lane][place]).collect();
        times.sort_by(f64::total_cmp);
        at(&times, 50) / 1_000.0
    };
    format!("p50 {:.1} us, p99 {:.1} us", median(0), median(1))
}

/// The value below which this percentage of a sorted list lies.
pub(crate) fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// Times one call.
pub(crate) fn timed(call: impl FnOnce()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}

/// Puts this thread, and every thread it starts from now on, on one CPU until dropped: the wake-up
/// of an idle CPU costs more than everything that is measured here.
pub(crate) struct OneCpu(CpuSet);

impl OneCpu {
    pub(crate) fn take() -> Self {
        let before = sched_getaffinity(None).unwrap();
        let cpu = (0..CpuSet::MAX_CPU)
            .rfind(|cpu| before.is_set(*cpu))
            .unwrap();
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one).unwrap();
        Self(before)
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        sched_setaffinity(None, &self.0).unwrap();
    }
}
