//! The last minute of a figure.
//!
//! Owns: samples once a second, and what they say about speed.
//! Must not know: what the figure is.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::clock::Now;

/// How far back samples reach, in milliseconds.
const WINDOW_MS: i64 = 60_000;

/// Least time between two samples, in milliseconds.
const SPACING_MS: i64 = 1_000;

/// The parts of a minute in which a fall must go on before it counts as one: a single step, such as
/// a position that was opened or money that was moved, is no speed.
const PARTS: usize = 3;

/// Samples of one figure.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend {
    points: VecDeque<(Now, Decimal)>,
}

impl Trend {
    /// Takes a sample, unless the last one is younger than a second.
    pub(super) fn take(&mut self, value: Decimal, now: Now) {
        if let Some((last, _)) = self.points.back()
            && now.since_ms(*last) < SPACING_MS
        {
            return;
        }
        while let Some((second, _)) = self.points.get(1)
            && now.since_ms(*second) >= WINDOW_MS
        {
            self.points.pop_front();
        }
        self.points.push_back((now, value));
    }

    /// The oldest sample of the last minute, and how old it is in milliseconds.
    pub(super) fn oldest(&self, now: Now) -> Option<(Decimal, i64)> {
        let (at, value) = self.points.front()?;
        Some((*value, now.since_ms(*at)))
    }

    /// How much the figure fell in the last minute, if it fell in each of its parts: the slowest
    /// part, taken for the whole. `None` before a minute was seen.
    pub(super) fn steady_fall(&self, present: Decimal, now: Now) -> Option<Decimal> {
        let (oldest, age_ms) = self.oldest(now)?;
        if age_ms < WINDOW_MS {
            return None;
        }
        let mut before = oldest;
        let mut slowest: Option<Decimal> = None;
        for part in 1..=PARTS {
            let left = PARTS.saturating_sub(part);
            let after = if left == 0 {
                present
            } else {
                self.at(now, part_ms(left))?
            };
            let fell = before.checked_sub(after)?;
            slowest = Some(slowest.map_or(fell, |slowest| slowest.min(fell)));
            before = after;
        }
        let whole = slowest?.checked_mul(Decimal::from(PARTS))?;
        (whole > Decimal::ZERO).then_some(whole)
    }

    /// The newest sample that is at least so old.
    fn at(&self, now: Now, age_ms: i64) -> Option<Decimal> {
        let old_enough = |(at, _): &&(Now, Decimal)| now.since_ms(*at) >= age_ms;
        let found = self.points.iter().rev().find(old_enough)?;
        Some(found.1)
    }
}

fn part_ms(parts: usize) -> i64 {
    let each = WINDOW_MS.div_euclid(i64::try_from(PARTS).unwrap_or(1));
    each.saturating_mul(i64::try_from(parts).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn fall(value: impl Fn(i64) -> i64) -> Option<Decimal> {
        let clock = Clock::manual(0);
        let mut trend = Trend::default();
        for second in 0..=60 {
            trend.take(Decimal::from(value(second)), clock.now());
            clock.advance_ms(1_000);
        }
        trend.steady_fall(Decimal::from(value(61)), clock.now())
    }

    #[test]
    fn a_steady_fall_has_a_speed_and_a_step_has_none() {
        let steady = fall(|second| 1_000 - second).unwrap();
        assert!(
            (57..=63).contains(&i64::try_from(steady).unwrap()),
            "{steady}"
        );
        assert_eq!(fall(|second| if second < 30 { 1_000 } else { 500 }), None);
        assert_eq!(fall(|second| 1_000 + second), None);
    }

    #[test]
    fn half_a_minute_is_not_enough() {
        let clock = Clock::manual(0);
        let mut trend = Trend::default();
        for second in 0..30 {
            trend.take(Decimal::from(100 - second), clock.now());
            clock.advance_ms(1_000);
        }
        assert_eq!(trend.steady_fall(Decimal::ONE, clock.now()), None);
    }
}
