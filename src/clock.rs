//! The one clock, and the moment it hands out.
//!
//! Owns: reading the three clocks of the machine. Everything else is *given* a [`Now`]: `margin`,
//! `mirror` and `guard` as an argument, the shells through the [`Clock`] they were handed.
//! Must not know: accounts, the exchange, any room.
//!
//! Ages are counted on CLOCK_BOOTTIME because `Instant` and tokio's timers stop while a laptop
//! sleeps: a guard that measured age with them would wake after eight hours believing its data
//! was a second old.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// One moment on all three clocks, in milliseconds (and the micros of the boot clock).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// CLOCK_BOOTTIME in microseconds: goes on while the machine sleeps, never steps.
    pub boot_us: i64,
    /// CLOCK_MONOTONIC in microseconds: stops while the machine sleeps.
    pub monotonic_us: i64,
    /// Wall time in milliseconds since 1970, as the machine believes it: may step.
    pub wall_ms: i64,
}

impl Now {
    /// CLOCK_BOOTTIME in whole milliseconds: what every age is counted on.
    #[must_use]
    pub const fn boot_ms(self) -> i64 {
        self.boot_us.div_euclid(1_000)
    }

    /// Milliseconds that passed since `earlier` on the boot clock, sleep included; never negative.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> i64 {
        let passed = self.boot_ms().saturating_sub(earlier.boot_ms());
        if passed < 0 { 0 } else { passed }
    }

    /// How long the machine has slept since boot, in milliseconds: a jump means it just woke.
    #[must_use]
    pub const fn slept_ms(self) -> i64 {
        self.boot_us
            .saturating_sub(self.monotonic_us)
            .div_euclid(1_000)
    }
}

/// Where the time comes from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    Machine,
    Manual(Arc<AtomicI64>),
    Runtime {
        wall_ms: i64,
        start: tokio::time::Instant,
        /// The last moment that was handed out, in microseconds, sleep not counted.
        last_us: Arc<AtomicI64>,
        /// How long the machine was made to sleep, in microseconds.
        slept_us: Arc<AtomicI64>,
    },
}

impl Clock {
    /// The clocks of this machine.
    #[must_use]
    pub const fn machine() -> Self {
        Self(Source::Machine)
    }

    /// A clock that stands still at `wall_ms` until [`Clock::advance_ms`] moves it: for replay,
    /// simulation and tests.
    #[must_use]
    pub fn manual(wall_ms: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(wall_ms))))
    }

    /// A clock that stands at `wall_ms` now and then follows the runtime's: with a paused runtime a
    /// simulated day passes in seconds, and every timer and every age agree about it. Not for the
    /// daemon: the runtime's clock stops while a laptop sleeps.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulation's time is the runtime's"
    )]
    pub fn simulated(wall_ms: i64) -> Self {
        Self(Source::Runtime {
            wall_ms,
            start: tokio::time::Instant::now(),
            last_us: Arc::default(),
            slept_us: Arc::default(),
        })
    }

    /// Puts the machine of a simulated clock to sleep for so long: boot and wall clock go on, the
    /// monotonic clock and every timer stand still. Every other clock is left alone.
    pub fn suspend_ms(&self, by_ms: i64) {
        if let Source::Runtime { slept_us, .. } = &self.0 {
            slept_us.fetch_add(by_ms.saturating_mul(1_000), Ordering::Relaxed);
        }
    }

    /// Moves a manual clock forward, all three readings alike. The machine's clock is left alone.
    pub fn advance_ms(&self, by_ms: i64) {
        if let Source::Manual(wall_ms) = &self.0 {
            wall_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// Reads the clock.
    #[must_use]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::Machine => machine_now(),
            Source::Manual(wall_ms) => {
                awake_at(wall_ms.load(Ordering::Relaxed).saturating_mul(1_000))
            }
            Source::Runtime {
                wall_ms,
                start,
                last_us,
                slept_us,
            } => {
                let passed_us = i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX);
                let now_us = wall_ms.saturating_mul(1_000).saturating_add(passed_us);
                // Paused time stands still between two readings; real time never does.
                let before_us = last_us.fetch_max(now_us, Ordering::Relaxed);
                let boot_us = now_us.max(before_us.saturating_add(1));
                last_us.fetch_max(boot_us, Ordering::Relaxed);
                let slept_us = slept_us.load(Ordering::Relaxed);
                let woken = awake_at(boot_us.saturating_add(slept_us));
                Now {
                    monotonic_us: boot_us,
                    ..woken
                }
            }
        }
    }
}

/// A moment of a machine that never slept and whose wall clock never stepped.
const fn awake_at(boot_us: i64) -> Now {
    Now {
        boot_us,
        monotonic_us: boot_us,
        wall_ms: boot_us.div_euclid(1_000),
    }
}

fn machine_now() -> Now {
    use rustix::time::{ClockId, Timespec, clock_gettime};
    const fn micros(time: Timespec) -> i64 {
        time.tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(time.tv_nsec / 1_000)
    }
    Now {
        boot_us: micros(clock_gettime(ClockId::Boottime)),
        monotonic_us: micros(clock_gettime(ClockId::Monotonic)),
        wall_ms: micros(clock_gettime(ClockId::Realtime)).div_euclid(1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(1_790_000_000_000);
        let before = clock.now();
        assert_eq!(before, clock.now());
        clock.advance_ms(1_500);
        assert_eq!(clock.now().since_ms(before), 1_500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulated_machine_sleeps_as_a_real_one_does() {
        let clock = Clock::simulated(1_790_000_000_000);
        let before = clock.now();
        clock.suspend_ms(60_000);
        let woken = clock.now();
        assert_eq!(woken.since_ms(before), 60_000);
        assert_eq!(woken.slept_ms() - before.slept_ms(), 60_000);
        assert_eq!(woken.wall_ms - before.wall_ms, 60_000);
        assert!(woken.monotonic_us - before.monotonic_us < 1_000);
    }

    #[test]
    fn an_age_is_never_negative_and_counts_sleep() {
        let awake = Now {
            boot_us: 5_000_000,
            monotonic_us: 5_000_000,
            wall_ms: 0,
        };
        let woken = Now {
            boot_us: 65_000_000,
            monotonic_us: 6_000_000,
            wall_ms: 0,
        };
        assert_eq!(woken.since_ms(awake), 60_000);
        assert_eq!(awake.since_ms(woken), 0);
        assert_eq!(woken.slept_ms() - awake.slept_ms(), 59_000);
    }

    #[test]
    fn the_machine_clock_runs_forward() {
        let clock = Clock::machine();
        let before = clock.now();
        assert!(clock.now().boot_us >= before.boot_us);
        assert!(before.wall_ms > 1_600_000_000_000);
    }
}
