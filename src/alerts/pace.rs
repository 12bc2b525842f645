//! How fast one channel may send, and when it tries again.
//!
//! Owns: the bucket behind `per_minute`, the part of it that is kept for what is critical, and the
//! pauses between attempts.
//! Must not know: messages, services, clocks.

/// Pauses between attempts: doubling from the first to the last.
const BACKOFF_MS: (i64, i64) = (1_000, 60_000);

/// The longest pause a service may ask for.
const RETRY_AFTER_MS_MAX: i64 = 5 * 60_000;

/// How long to wait before the next attempt.
#[derive(Debug)]
pub(super) struct Backoff {
    pause_ms: i64,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self {
            pause_ms: BACKOFF_MS.0,
        }
    }

    /// The next pause: twice the last one, or longer if the service asks for it.
    pub(super) fn next_ms(&mut self, asked_ms: Option<i64>) -> i64 {
        let asked_ms = asked_ms.unwrap_or(0).clamp(0, RETRY_AFTER_MS_MAX);
        let pause_ms = self.pause_ms.max(asked_ms);
        self.pause_ms = self.pause_ms.saturating_mul(2).min(BACKOFF_MS.1);
        pause_ms
    }
}

/// A bucket that holds a quarter of a minute's messages and fills evenly. Half of what it holds is kept
/// for what is critical: a flood of warnings must not make it wait.
#[derive(Debug)]
pub(super) struct Pace {
    every_ms: i64,
    most_ms: i64,
    kept_ms: i64,
    /// The time that is saved up, in milliseconds of the pace.
    saved_ms: i64,
    last_ms: Option<i64>,
}

impl Pace {
    pub(super) fn new(per_minute: u32) -> Self {
        let per_minute = i64::from(per_minute.max(1));
        let every_ms = 60_000_i64.div_euclid(per_minute);
        let burst = per_minute.div_euclid(4).max(1);
        let most_ms = every_ms.saturating_mul(burst);
        Self {
            every_ms,
            most_ms,
            kept_ms: every_ms.saturating_mul(burst.div_euclid(2)),
            saved_ms: most_ms,
            last_ms: None,
        }
    }

    /// How long a message has to wait from now on; 0: it may go.
    pub(super) fn wait_ms(&mut self, is_critical: bool, now_ms: i64) -> i64 {
        let last_ms = self.last_ms.replace(now_ms).unwrap_or(now_ms);
        let passed_ms = now_ms.saturating_sub(last_ms).max(0);
        self.saved_ms = self.saved_ms.saturating_add(passed_ms).min(self.most_ms);
        let kept_ms = if is_critical { 0 } else { self.kept_ms };
        let needed_ms = self.every_ms.saturating_add(kept_ms);
        needed_ms.saturating_sub(self.saved_ms).max(0)
    }

    /// A message goes.
    pub(super) const fn take(&mut self) {
        self.saved_ms = self.saved_ms.saturating_sub(self.every_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_a_service_is_heeded_for_five() {
        let mut backoff = Backoff::new();
        let pauses: Vec<i64> = (0..8).map(|_| backoff.next_ms(None)).collect();
        assert_eq!(
            pauses,
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next_ms(Some(7_000)), 7_000);
        assert_eq!(backoff.next_ms(Some(500)), 2_000);
        assert_eq!(backoff.next_ms(Some(86_400_000)), 300_000);
    }

    /// When each of so many messages may go, all of them asked for at once.
    fn times(pace: &mut Pace, is_critical: bool, count: usize, from_ms: i64) -> Vec<i64> {
        let mut now_ms = from_ms;
        let next = |_| {
            now_ms += pace.wait_ms(is_critical, now_ms);
            assert_eq!(pace.wait_ms(is_critical, now_ms), 0);
            pace.take();
            now_ms
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_burst_goes_at_once_and_then_the_pace_holds() {
        let mut pace = Pace::new(20);
        assert_eq!(times(&mut pace, true, 7, 0), [0, 0, 0, 0, 0, 3_000, 6_000]);
        assert_eq!(pace.wait_ms(true, 600_000), 0);
    }

    #[test]
    fn what_is_critical_finds_room_after_a_flood_of_the_rest() {
        let mut pace = Pace::new(20);
        assert_eq!(times(&mut pace, false, 5, 0), [0, 0, 0, 3_000, 6_000]);
        assert_eq!(times(&mut pace, true, 3, 6_000), [6_000, 6_000, 9_000]);
        // What was taken of the kept part is paid back before anything else goes.
        assert_eq!(times(&mut pace, false, 1, 9_000), [18_000]);
        // One a minute holds one, and nothing is kept of it.
        let mut slow = Pace::new(1);
        assert_eq!(times(&mut slow, false, 2, 0), [0, 60_000]);
    }
}
