//! Planes: kinds of knowledge, each with its own freshness.
//!
//! Owns: when each plane was last known to be true, and the bounds within which it still counts.
//! Must not know: what the knowledge says.
//!
//! "Connected and acknowledged" is not "fresh": only data that was received is. Ages are counted
//! on the boot clock, and a reading from before the machine slept is never fresh (`Instant` and
//! tokio's timers would not notice the sleep).

use std::fmt;

use crate::clock::Now;

/// A kind of knowledge. Ordered as answers list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plane {
    /// Balances and positions.
    Account,
    /// Working orders of both books.
    Orders,
    /// Mark prices of held symbols and of the one asked about.
    Marks,
    /// Leverage, margin type, position mode, asset mode.
    Config,
    /// Maintenance brackets.
    Brackets,
    /// Trading rules.
    Rules,
    /// The exchange's clock against ours.
    Time,
    /// The key is accepted.
    Key,
    /// Collateral rates of the assets in use; only in multi-assets mode.
    Collateral,
}

impl Plane {
    /// Every plane, in the order answers list them. The last one counts in multi-assets mode only.
    pub const ALL: [Self; 9] = [
        Self::Account,
        Self::Orders,
        Self::Marks,
        Self::Config,
        Self::Brackets,
        Self::Rules,
        Self::Time,
        Self::Key,
        Self::Collateral,
    ];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Orders => "orders",
            Self::Marks => "marks",
            Self::Config => "config",
            Self::Brackets => "brackets",
            Self::Rules => "rules",
            Self::Time => "time",
            Self::Key => "key",
            Self::Collateral => "collateral",
        }
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How old knowledge may be, in milliseconds.
///
/// Source: faults.md §0.1 and X10; orders by design.md §5.2 (both books every 60 s, so 90 s with a missed
/// read).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Account, while anything is held or ordered.
    pub account_exposed_ms: i64,
    /// Account, while flat.
    pub account_flat_ms: i64,
    /// Order books.
    pub orders_ms: i64,
    /// A mark's event time against the exchange's clock.
    pub mark_ms: i64,
    /// A collateral rate's event time against the exchange's clock.
    pub rate_ms: i64,
    /// An account or order event's time against the exchange's clock.
    pub lag_ms: i64,
    /// Settings.
    pub config_ms: i64,
    /// Brackets.
    pub brackets_ms: i64,
    /// Trading rules.
    pub rules_ms: i64,
    /// Clock offset.
    pub time_ms: i64,
    /// Error bound of the clock offset.
    pub time_error_ms: i64,
    /// Last accepted signed call.
    pub key_ms: i64,
    /// Longest sleep of the machine that is not noticed.
    pub sleep_ms: i64,
}

impl Bounds {
    /// The bounds of the design.
    pub const DEFAULT: Self = Self {
        account_exposed_ms: 20_000,
        account_flat_ms: 60_000,
        orders_ms: 90_000,
        mark_ms: 5_000,
        rate_ms: 5_000,
        lag_ms: 5_000,
        config_ms: 60_000,
        brackets_ms: 15 * 60_000,
        rules_ms: 60 * 60_000,
        time_ms: 10 * 60_000,
        time_error_ms: 500,
        key_ms: 60_000,
        sleep_ms: 2_000,
    };
}

/// How fresh one plane is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneStatus {
    /// Which plane.
    pub plane: Plane,
    /// It may be relied on.
    pub fresh: bool,
    /// Since the knowledge was true, in milliseconds; `None` when it never was.
    pub age_ms: Option<i64>,
    /// The connection generation it belongs to; 0 where there is none.
    pub epoch: u64,
    /// Why it is not fresh.
    pub reason: Option<String>,
}

/// A moment at which a plane was known to be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When the question was sent: from then on, what the answer says may have changed.
    pub asked: Now,
}

impl Reading {
    /// Age in milliseconds.
    #[must_use]
    pub const fn age_ms(self, now: Now) -> i64 {
        now.since_ms(self.asked)
    }

    /// Why this reading no longer counts, if it does not.
    #[must_use]
    pub fn staleness(self, now: Now, bound_ms: i64, bounds: &Bounds) -> Option<String> {
        let slept = now.slept_ms().saturating_sub(self.asked.slept_ms());
        if slept > bounds.sleep_ms {
            return Some(format!(
                "the machine slept {} s since it was read",
                slept / 1_000
            ));
        }
        let age = self.age_ms(now);
        (age > bound_ms).then(|| format!("last read {} s ago", age / 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot_ms: i64, slept_ms: i64) -> Now {
        Now {
            boot_us: boot_ms * 1_000,
            monotonic_us: (boot_ms - slept_ms) * 1_000,
            wall_ms: 0,
        }
    }

    #[test]
    fn l07_a_reading_from_before_a_sleep_is_never_fresh() {
        let reading = Reading {
            asked: at(100_000, 0),
        };
        let bounds = Bounds::DEFAULT;
        assert_eq!(reading.staleness(at(101_000, 0), 20_000, &bounds), None);
        // Three seconds of sleep, only four seconds old: within the bound, yet from before it.
        assert!(
            reading
                .staleness(at(104_000, 3_000), 20_000, &bounds)
                .is_some()
        );
        assert!(
            reading
                .staleness(at(104_000, 1_000), 20_000, &bounds)
                .is_none()
        );
    }

    #[test]
    fn age_alone_makes_stale() {
        let reading = Reading { asked: at(0, 0) };
        assert_eq!(
            reading.staleness(at(20_000, 0), 20_000, &Bounds::DEFAULT),
            None
        );
        assert!(
            reading
                .staleness(at(20_001, 0), 20_000, &Bounds::DEFAULT)
                .is_some()
        );
    }
}
