//! Request weight: how much may still be asked in this minute.
//!
//! Owns: the ledger of one address' REST budget, pauses and bans.
//! Must not know: sockets, clocks, files. Time comes in as milliseconds of exchange time.
//!
//! The limit is per address and shared with every bot behind it, so we never use more than half
//! of it ourselves, and stop short of the limit whoever used it. Source: binance-api §7.1.

/// Limit assumed until the exchange states its own.
pub const LIMIT_DEFAULT: u32 = 2_400;

/// Pause after a 418 that names no end.
pub const BAN_DEFAULT_MS: i64 = 120_000;

/// The longest pause that is believed (a ban lasts at most three days).
pub const PAUSE_MAX_MS: i64 = 4 * 86_400_000;

/// What is kept for the reads that decisions rest on: a minute of them while exposed comes to 60 for
/// account and positions, 80 for both order books and 30 for settings, and as much again for what is
/// asked for after an anomaly.
pub const RESERVE: u32 = 340;

const MINUTE_MS: i64 = 60_000;

/// A pause after which the minute is surely over for the exchange too.
const MINUTE_MARGIN_MS: i64 = 250;

/// May a request go out?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes, and it is counted.
    Go,
    /// The budget of this minute is spent: ask again then.
    NextMinute {
        /// When, in exchange milliseconds.
        at_ms: i64,
    },
    /// The exchange told us to be quiet.
    Paused(Pause),
}

/// No request goes out before this is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Its end, in exchange milliseconds.
    pub until_ms: i64,
    /// True for a ban of the address.
    pub banned: bool,
}

/// The ledger of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    limit: u32,
    minute: i64,
    ours: u32,
    address: u32,
    pause: Option<Pause>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            limit: LIMIT_DEFAULT,
            minute: i64::MIN,
            ours: 0,
            address: 0,
            pause: None,
        }
    }
}

impl Ledger {
    /// Counts a request in, or says when to ask again. A request that alone exceeds the budget
    /// goes out in an unused minute.
    pub fn admit(&mut self, weight: u32, now_ms: i64) -> Admission {
        if let Some(pause) = self.pause_at(now_ms) {
            return Admission::Paused(pause);
        }
        self.turn_to(now_ms);
        let ours = self.ours.saturating_add(weight);
        let address = self.address.saturating_add(weight);
        let within = ours <= self.limit / 2 && address <= self.ceiling();
        if within || (self.ours == 0 && self.address == 0) {
            self.ours = ours;
            self.address = address;
            return Admission::Go;
        }
        let next = self.minute.saturating_add(1).saturating_mul(MINUTE_MS);
        Admission::NextMinute {
            at_ms: next.saturating_add(MINUTE_MARGIN_MS),
        }
    }

    /// True when a request that can as well be left out would leave [`RESERVE`] to the others of this
    /// minute. It counts nothing in.
    pub fn has_spare(&mut self, weight: u32, now_ms: i64) -> bool {
        self.turn_to(now_ms);
        let wanted = weight.saturating_add(RESERVE);
        self.pause_at(now_ms).is_none()
            && self.ours.saturating_add(wanted) <= self.limit / 2
            && self.address.saturating_add(wanted) <= self.ceiling()
    }

    /// What the exchange counted for the address after a request of this minute.
    pub fn learn_used(&mut self, used: u32, now_ms: i64) {
        self.turn_to(now_ms);
        self.address = used.max(self.ours);
    }

    /// The limit the exchange states.
    pub fn learn_limit(&mut self, limit: u32) {
        if limit > 0 {
            self.limit = limit;
        }
    }

    /// The exchange refused with 429 or 418: everything stops until `retry_after_ms` has passed,
    /// without it until the next minute, or for two minutes when banned.
    pub fn refused(&mut self, banned: bool, retry_after_ms: Option<i64>, now_ms: i64) -> Pause {
        let next_minute = now_ms
            .div_euclid(MINUTE_MS)
            .saturating_add(1)
            .saturating_mul(MINUTE_MS)
            .saturating_add(MINUTE_MARGIN_MS);
        let until_ms = match retry_after_ms {
            Some(wait) => now_ms.saturating_add(wait.clamp(1_000, PAUSE_MAX_MS)),
            None if banned => now_ms.saturating_add(BAN_DEFAULT_MS),
            None => next_minute,
        };
        self.restore(Pause { until_ms, banned }, now_ms);
        self.pause.unwrap_or(Pause { until_ms, banned })
    }

    /// Takes over a pause that was remembered; the longer one counts, and one beyond
    /// [`PAUSE_MAX_MS`] is not believed.
    pub fn restore(&mut self, pause: Pause, now_ms: i64) {
        if pause.until_ms.saturating_sub(now_ms) > PAUSE_MAX_MS {
            return;
        }
        let current = self.pause_at(now_ms);
        self.pause = match current {
            Some(current) if current.until_ms >= pause.until_ms => Some(Pause {
                banned: current.banned || pause.banned,
                ..current
            }),
            _ => Some(pause),
        };
    }

    /// The pause in force.
    #[must_use]
    pub fn pause_at(&self, now_ms: i64) -> Option<Pause> {
        self.pause.filter(|pause| pause.until_ms > now_ms)
    }

    /// What we used in this minute.
    #[must_use]
    pub const fn ours(&self) -> u32 {
        self.ours
    }

    /// What the address used in this minute, as far as we know.
    #[must_use]
    pub const fn address(&self) -> u32 {
        self.address
    }

    /// The limit of the address.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Nine tenths of the limit: what the address may reach through us.
    const fn ceiling(&self) -> u32 {
        self.limit.saturating_sub(self.limit / 10)
    }

    fn turn_to(&mut self, now_ms: i64) {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute != self.minute {
            self.minute = minute;
            self.ours = 0;
            self.address = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full UTC minute.
    const START: i64 = 1_790_000_040_000;

    #[test]
    fn half_of_the_limit_is_ours() {
        let mut ledger = Ledger::default();
        for _ in 0..30 {
            assert_eq!(ledger.admit(40, START), Admission::Go);
        }
        let next = Admission::NextMinute {
            at_ms: START + 60_250,
        };
        assert_eq!(ledger.admit(1, START + 59_999), next);
        assert_eq!(ledger.admit(1, START + 60_250), Admission::Go);
        assert_eq!(ledger.ours(), 1);
    }

    #[test]
    fn what_other_programs_use_counts_too() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.admit(5, START), Admission::Go);
        ledger.learn_used(2_150, START + 10);
        assert_eq!(ledger.admit(10, START + 20), Admission::Go);
        assert!(matches!(
            ledger.admit(1, START + 30),
            Admission::NextMinute { .. }
        ));
        assert_eq!(ledger.address(), 2_160);
    }

    #[test]
    fn the_stated_limit_replaces_the_assumed_one() {
        let mut ledger = Ledger::default();
        ledger.learn_limit(0);
        assert_eq!(ledger.limit(), 2_400);
        ledger.learn_limit(100);
        assert_eq!(ledger.admit(50, START), Admission::Go);
        assert!(matches!(
            ledger.admit(1, START),
            Admission::NextMinute { .. }
        ));
    }

    #[test]
    fn a_heavy_request_goes_out_alone() {
        let mut ledger = Ledger::default();
        ledger.learn_limit(10);
        assert_eq!(ledger.admit(40, START), Admission::Go);
        assert!(matches!(
            ledger.admit(40, START + 1),
            Admission::NextMinute { .. }
        ));
    }

    #[test]
    fn r10_a_refusal_stops_everything() {
        let mut ledger = Ledger::default();
        let pause = ledger.refused(false, None, START + 15_000);
        assert_eq!(pause.until_ms, START + 60_250);
        assert_eq!(
            ledger.admit(1, START + 60_249),
            Admission::Paused(Pause {
                until_ms: START + 60_250,
                banned: false
            })
        );
        assert_eq!(ledger.admit(1, START + 60_250), Admission::Go);

        let ban = ledger.refused(true, None, START + 61_000);
        assert_eq!(ban.until_ms, START + 181_000);
        let longer = ledger.refused(true, Some(300_000), START + 62_000);
        assert_eq!(longer.until_ms, START + 362_000);
        let shorter = ledger.refused(false, Some(1_000), START + 63_000);
        assert_eq!(
            shorter,
            Pause {
                until_ms: START + 362_000,
                banned: true
            }
        );
    }

    #[test]
    fn what_can_be_left_out_leaves_room_for_the_rest() {
        let mut ledger = Ledger::default();
        assert!(ledger.has_spare(1_200 - RESERVE, START));
        assert!(!ledger.has_spare(1_201 - RESERVE, START));
        // Asking counts nothing, using does.
        assert_eq!(ledger.ours(), 0);
        assert_eq!(ledger.admit(10, START), Admission::Go);
        assert!(!ledger.has_spare(1_200 - RESERVE, START));
        // Other programs behind the same address count too: 2,160 is the most.
        ledger.learn_used(2_160 - RESERVE - 7, START);
        assert!(ledger.has_spare(7, START));
        assert!(!ledger.has_spare(8, START));
        assert!(ledger.has_spare(8, START + 60_000));
        ledger.refused(false, Some(5_000), START + 60_000);
        assert!(!ledger.has_spare(1, START + 64_999));
    }

    #[test]
    fn a_remembered_ban_is_honoured_and_nonsense_is_not() {
        let mut ledger = Ledger::default();
        let pause = Pause {
            until_ms: START + 1_000,
            banned: true,
        };
        ledger.restore(pause, START);
        assert_eq!(ledger.admit(1, START), Admission::Paused(pause));
        let mut ledger = Ledger::default();
        ledger.restore(
            Pause {
                until_ms: START + PAUSE_MAX_MS + 1,
                banned: true,
            },
            START,
        );
        assert_eq!(ledger.admit(1, START), Admission::Go);
    }
}
