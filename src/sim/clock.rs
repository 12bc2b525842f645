//! The simulator's wall clock: the wall time at its start plus the runtime's elapsed time, so that
//! a paused runtime clock moves the exchange's time with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall clock that follows the runtime's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start_ms: i64,
    start: Instant,
}

impl Clock {
    /// Starts now, at a wall time of its own.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's clock is the one the exchange lives by"
    )]
    pub(crate) fn starting_at(start_ms: i64) -> Self {
        Self {
            start_ms,
            start: Instant::now(),
        }
    }

    /// Starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the exchange has a clock of its own; it reads the machine's once, at its start"
    )]
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let start_ms = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Self::starting_at(start_ms)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = self.start.elapsed().as_millis();
        self.start_ms
            .saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }

    /// When a wall time comes on the runtime's clock.
    pub(crate) fn instant(&self, at_ms: i64) -> Instant {
        let after = u64::try_from(at_ms - self.start_ms).unwrap_or(0);
        self.start + Duration::from_millis(after)
    }
}
