//! The lock around the exchange's state, and what follows it: open doors, silence, the timekeeper.
//!
//! Must not know what the state holds; the server's tasks only carry bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::scenario::Statement;

use super::clock::Clock;
use super::core::Core;

/// A flag whose followers are woken in the order in which they began to wait: with the runtime's
/// own `watch` that order is drawn by chance, and the same seed would not make the same story.
#[derive(Default)]
pub(crate) struct Flag {
    on: AtomicBool,
    moved: Notify,
}

impl Flag {
    fn set(&self, on: bool) {
        if self.on.swap(on, Ordering::SeqCst) != on {
            self.moved.notify_waiters();
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::SeqCst)
    }

    /// Waits until it is as asked.
    pub(crate) async fn becomes(&self, on: bool) {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            if self.is_on() == on {
                return;
            }
            moved.await;
        }
    }
}

/// Shared by the server's tasks and the handles. Its state holds keys, so it shows nothing.
pub(crate) struct Hub {
    core: Mutex<Core>,
    pub(crate) clock: Clock,
    /// Something was put on the timetable.
    pub(crate) wake: Notify,
    /// Whether connections are accepted.
    pub(crate) open: watch::Sender<bool>,
    /// Ends every connection of the time since the doors were last opened.
    era: Mutex<CancellationToken>,
    /// Whether no byte may move on any stream.
    pub(crate) silent: Flag,
    pub(crate) shutdown: CancellationToken,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Hub {
    pub(crate) fn new(core: Core, clock: Clock) -> Self {
        let shutdown = CancellationToken::new();
        Self {
            core: Mutex::new(core),
            clock,
            wake: Notify::new(),
            open: watch::Sender::new(true),
            era: Mutex::new(shutdown.child_token()),
            silent: Flag::default(),
            shutdown,
        }
    }

    /// The state. A panic of another task does not make it unusable: each step is complete or
    /// leaves only untold events behind.
    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement now.
    ///
    /// # Errors
    /// Why it could not be carried out.
    pub(crate) fn execute(&self, statement: &Statement) -> Result<(), String> {
        let now_ms = self.clock.now_ms();
        let outcome = self.core().execute(statement, now_ms);
        self.after_step();
        outcome
    }

    /// What ends a connection that is made now.
    pub(crate) fn era(&self) -> CancellationToken {
        self.era
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Brings the timetable up to now; gives the next time something is due.
    pub(crate) fn advance(&self) -> i64 {
        let due_ms = self.core().advance(self.clock.now_ms());
        self.follow();
        due_ms
    }

    /// Makes doors, silence and the timekeeper follow the state.
    pub(crate) fn after_step(&self) {
        self.follow();
        self.wake.notify_one();
    }

    /// Makes doors and silence follow the state. The timekeeper calls this itself, so it is not
    /// woken from here.
    fn follow(&self) {
        let (open, silent) = {
            let core = self.core();
            (core.open, core.faults.silent_until_ms > self.clock.now_ms())
        };
        let moved = self
            .open
            .send_if_modified(|was| std::mem::replace(was, open) != open);
        if moved && !open {
            let next = self.shutdown.child_token();
            let mut era = self.era.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *era, next).cancel();
        }
        self.silent.set(silent);
    }
}
