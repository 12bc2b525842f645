//! Whole reads against what events had told.
//!
//! Owns: which of two statements about one balance or position is newer, and what a difference
//! between them means (an event that was missed, a slow read, or a broken answer).
//! Must not know: orders, marks, settings.
//!
//! The exchange's values are absolute, so the newest statement about each entity wins and nothing
//! is ever added up. A read may be older than events (the exchange warns that it lags in volatile
//! minutes): then the event stays, and only after [`LAGGING_READS_MAX`] reads that go on
//! contradicting it does the exchange's word win.

use crate::clock::Now;
use crate::margin::account::{Asset, PositionSide, Symbol};
use crate::margin::amount::{Amount, Rate};

/// Reads in a row that may contradict a newer event before they win.
pub const LAGGING_READS_MAX: u8 = 3;

/// Reads in a row that may claim the account is suddenly empty before that is believed.
pub const EMPTY_READS_MAX: u8 = 3;

/// When an entity was last told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Transaction time.
    pub transaction_ms: i64,
    /// Event time; 0 for a read.
    pub event_ms: i64,
    /// When it was received.
    pub received: Now,
    /// Reads since then that said something older and different.
    pub lagging_reads: u8,
}

impl Watermark {
    /// True when an event with these times is not older.
    #[must_use]
    pub const fn admits(&self, transaction_ms: i64, event_ms: i64) -> bool {
        transaction_ms > self.transaction_ms
            || (transaction_ms == self.transaction_ms && event_ms >= self.event_ms)
    }
}

/// What to do with a row of a whole read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The row is as new as, or newer than, what is known: take it.
    Take,
    /// An event came after the question was sent: the row is simply older.
    Overtaken,
    /// The row is older than an event from before the question: a slow read. Keep the event.
    Lagging,
    /// It went on contradicting: take it.
    Insists,
}

/// Judges a row of a read that was asked for at `asked`. Events are complete only from
/// `complete_since_us` (boot clock) on: what was told before a reconnect or a gap is not held
/// against a read that came after it.
#[must_use]
pub fn judge(
    known: Option<&Watermark>,
    updated_ms: Option<i64>,
    asked: Now,
    complete_since_us: i64,
    differs: bool,
) -> Row {
    let Some(known) = known else { return Row::Take };
    if updated_ms.is_some_and(|updated_ms| updated_ms >= known.transaction_ms) || !differs {
        return Row::Take;
    }
    if known.received.boot_us >= asked.boot_us {
        return Row::Overtaken;
    }
    if known.received.boot_us < complete_since_us {
        return Row::Take;
    }
    if known.lagging_reads.saturating_add(1) >= LAGGING_READS_MAX {
        return Row::Insists;
    }
    Row::Lagging
}

/// What the last whole read found, compared with what events had told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drift {
    /// Largest difference of a balance, as a fraction of that pool's balance, before it was
    /// corrected.
    pub fraction: Rate,
    /// The differences.
    pub differences: Vec<Difference>,
}

/// One difference between the mirror and a whole read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differed.
    pub what: Entity,
    /// What the mirror had.
    pub ours: String,
    /// What the exchange says.
    pub theirs: String,
}

/// What a difference is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// A balance.
    Balance(Asset),
    /// A position.
    Position(Symbol, PositionSide),
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Balance(asset) => write!(f, "{asset} balance"),
            Self::Position(symbol, PositionSide::Both) => write!(f, "{symbol} position"),
            Self::Position(symbol, PositionSide::Long) => write!(f, "{symbol} long position"),
            Self::Position(symbol, PositionSide::Short) => write!(f, "{symbol} short position"),
        }
    }
}

impl Drift {
    /// The largest difference in basis points of the balance, for display.
    #[must_use]
    pub fn basis_points(&self) -> rust_decimal::Decimal {
        let fraction = self.fraction.get();
        let points = fraction.checked_mul(rust_decimal::Decimal::from(10_000));
        crate::margin::amount::round(points.unwrap_or(rust_decimal::Decimal::MAX), 1)
    }

    /// Notes a difference of balances.
    pub fn note_balance(&mut self, asset: &Asset, ours: Amount, theirs: Amount) {
        let apart = ours.minus(theirs).map(Amount::abs);
        let scale = ours.abs().max(theirs.abs());
        let fraction = apart
            .and_then(|apart| apart.over(scale))
            .unwrap_or(Rate::ZERO);
        self.fraction = self.fraction.max(fraction);
        self.differences.push(Difference {
            what: Entity::Balance(asset.clone()),
            ours: ours.to_string(),
            theirs: theirs.to_string(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(ms: i64) -> Now {
        Now {
            boot_us: ms * 1_000,
            monotonic_us: ms * 1_000,
            wall_ms: ms,
        }
    }

    fn known(transaction_ms: i64, received_ms: i64, lagging_reads: u8) -> Watermark {
        Watermark {
            transaction_ms,
            event_ms: transaction_ms,
            received: now(received_ms),
            lagging_reads,
        }
    }

    fn judged(known: Watermark, updated_ms: i64, asked_ms: i64, differs: bool) -> Row {
        judge(Some(&known), Some(updated_ms), now(asked_ms), 0, differs)
    }

    #[test]
    fn r02_a_slow_read_never_overwrites_a_newer_event() {
        // Event of T=200 received at 1000; a read asked at 2000 still says T=100.
        assert_eq!(judged(known(200, 1_000, 0), 100, 2_000, true), Row::Lagging);
        assert_eq!(judged(known(200, 1_000, 1), 100, 2_000, true), Row::Lagging);
        assert_eq!(judged(known(200, 1_000, 2), 100, 2_000, true), Row::Insists);
        assert_eq!(judged(known(200, 1_000, 0), 200, 2_000, true), Row::Take);
        assert_eq!(judged(known(200, 1_000, 0), 100, 2_000, false), Row::Take);
        // A position that is not listed at all is as old as a row can be.
        assert_eq!(
            judge(Some(&known(200, 1_000, 0)), None, now(2_000), 0, true),
            Row::Lagging
        );
    }

    #[test]
    fn r01_an_event_after_the_question_wins() {
        assert_eq!(
            judged(known(200, 2_000, 0), 100, 2_000, true),
            Row::Overtaken
        );
        assert_eq!(judged(known(200, 2_000, 0), 300, 2_000, true), Row::Take);
        assert_eq!(judge(None, Some(0), now(2_000), 0, true), Row::Take);
    }

    #[test]
    fn what_was_told_before_a_reconnect_is_not_held_against_a_read_after_it() {
        let before = known(200, 1_000, 0);
        assert_eq!(
            judge(Some(&before), None, now(2_000), 1_500_000, true),
            Row::Take
        );
    }

    #[test]
    fn e06_an_older_event_is_not_admitted() {
        let mark = known(200, 0, 0);
        assert!(!mark.admits(199, 999));
        assert!(!mark.admits(200, 199));
        assert!(mark.admits(200, 200));
        assert!(mark.admits(201, 0));
    }
}
