//! Pauses between attempts.
//!
//! Owns: exponential backoff with jitter that never gives up.
//! Must not know: what is attempted.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// Pauses that double up to a cap, each stretched by chance to at most twice itself.
#[derive(Debug)]
pub(super) struct Backoff {
    builder: ExponentialBuilder,
    pauses: ExponentialBackoff,
    attempt: u32,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        let builder = ExponentialBuilder::new()
            .with_min_delay(min)
            .with_max_delay(max)
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(seed);
        Self {
            builder,
            pauses: builder.build(),
            attempt: 0,
        }
    }

    /// The attempt that the last pause leads to, from 1.
    pub(super) const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        self.attempt = self.attempt.saturating_add(1);
        // Without a limit of times the iterator never ends; the second pause is for the types.
        self.pauses.next().unwrap_or(Duration::from_secs(30))
    }

    /// A healthy connection: the next pause is the shortest again.
    pub(super) fn reset(&mut self) {
        self.pauses = self.builder.build();
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(200);
    const MAX: Duration = Duration::from_secs(15);

    #[test]
    fn n06_pauses_grow_to_the_cap_and_never_end() {
        let mut backoff = Backoff::new(MIN, MAX, 7);
        let first = backoff.next();
        assert_eq!(backoff.attempt(), 1);
        assert!(first >= Duration::from_millis(200) && first <= Duration::from_millis(400));
        for _ in 0..2_000 {
            assert!(backoff.next() <= Duration::from_secs(30));
        }
        assert!(backoff.next() >= Duration::from_secs(15));
        assert_eq!(backoff.attempt(), 2_002);
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(400));
        assert_eq!(backoff.attempt(), 1);
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(MIN, MAX, seed);
            std::iter::repeat_with(|| backoff.next())
                .take(8)
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
