//! Who is connected, and who has had long enough.
//!
//! Owns: the limits on connections and their deadlines.
//! Must not know: requests. Connections tell it what they are doing; once a second it looks, so
//! that no request pays for a timer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::{CONNECTIONS_MAX, CONNECTIONS_PER_USER_MAX, IDLE_DEADLINE, READ_DEADLINE};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing: the next request has not begun.
    Idle,
    /// A request has begun to arrive.
    Reading,
    /// A request is being answered, or events are being sent.
    Serving,
}

impl Phase {
    const fn code(self) -> u64 {
        match self {
            Self::Idle => 0,
            Self::Reading => 1,
            Self::Serving => 2,
        }
    }
}

/// What one connection does, and since which second.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Second × 4 + phase.
    word: AtomicU64,
    seconds: Arc<AtomicU32>,
}

impl Activity {
    pub(super) fn enter(&self, phase: Phase) {
        let second = u64::from(self.seconds.load(Ordering::Relaxed));
        self.word
            .store(second * 4 + phase.code(), Ordering::Relaxed);
    }

    /// A byte arrived: if nothing had begun, a request has now.
    pub(super) fn heard(&self) {
        if self.word.load(Ordering::Relaxed) % 4 == Phase::Idle.code() {
            self.enter(Phase::Reading);
        }
    }

    fn is_overdue(&self, second: u64) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let passed = Duration::from_secs(second.saturating_sub(word / 4));
        match word % 4 {
            0 => passed > IDLE_DEADLINE,
            1 => passed > READ_DEADLINE,
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Entry {
    user: u32,
    activity: Arc<Activity>,
    task: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

/// Everybody who is connected.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: Arc<Mutex<Table>>,
    seconds: Arc<AtomicU32>,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    table: Arc<Mutex<Table>>,
    number: u64,
    pub(super) activity: Arc<Activity>,
}

fn open(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    /// A seat for this user, unless there are too many already.
    pub(super) fn seat(&self, user: u32) -> Option<Seat> {
        let mut table = open(&self.table);
        let of_user = table
            .entries
            .values()
            .filter(|entry| entry.user == user)
            .count();
        if table.entries.len() >= CONNECTIONS_MAX || of_user >= CONNECTIONS_PER_USER_MAX {
            return None;
        }
        let activity = Arc::new(Activity {
            word: AtomicU64::new(0),
            seconds: Arc::clone(&self.seconds),
        });
        activity.enter(Phase::Idle);
        let number = table.next;
        table.next = number.wrapping_add(1);
        let entry = Entry {
            user,
            activity: Arc::clone(&activity),
            task: None,
        };
        table.entries.insert(number, entry);
        Some(Seat {
            table: Arc::clone(&self.table),
            number,
            activity,
        })
    }

    /// Tells which task holds the seat, so that it can be ended.
    pub(super) fn held_by(&self, number: u64, task: AbortHandle) {
        if let Some(entry) = open(&self.table).entries.get_mut(&number) {
            entry.task = Some(task);
        }
    }

    /// Another second passed: ends whoever is overdue.
    pub(super) fn sweep(&self) {
        let second = self.seconds.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.end_where(|entry| entry.activity.is_overdue(u64::from(second)));
    }

    /// Ends everybody.
    pub(super) fn end_all(&self) {
        self.end_where(|_| true);
    }

    fn end_where(&self, overdue: impl Fn(&Entry) -> bool) {
        let ended: Vec<AbortHandle> = open(&self.table)
            .entries
            .values()
            .filter(|entry| overdue(entry))
            .filter_map(|entry| entry.task.clone())
            .collect();
        // Outside of the lock: ending a task gives its seat back.
        for task in ended {
            task.abort();
        }
    }
}

impl Seat {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        open(&self.table).entries.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_take_all_seats() {
        let connections = Connections::default();
        let seats: Vec<Seat> = (0..CONNECTIONS_PER_USER_MAX)
            .map(|_| connections.seat(1_000).unwrap())
            .collect();
        assert!(connections.seat(1_000).is_none());
        assert!(connections.seat(1_001).is_some());
        drop(seats);
        assert!(connections.seat(1_000).is_some());
    }

    #[test]
    fn half_a_request_has_less_time_than_silence() {
        let connections = Connections::default();
        let seat = connections.seat(1).unwrap();
        assert!(!seat.activity.is_overdue(60));
        assert!(seat.activity.is_overdue(61));
        seat.activity.heard();
        assert!(!seat.activity.is_overdue(5));
        assert!(seat.activity.is_overdue(6));
        seat.activity.enter(Phase::Serving);
        assert!(!seat.activity.is_overdue(1_000_000));
        seat.activity.heard();
        assert!(!seat.activity.is_overdue(1_000_000), "still being answered");
    }
}
