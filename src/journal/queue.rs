//! What waits for the disk thread.
//!
//! Owns: the bounded queue between those who append and the thread that writes, and its wake-ups.
//! Must not know: tables, hashes.
//!
//! The library's channel spins before it sleeps, which is wasted on the CPU that the answer waits
//! for, and wakes a thread that is awake. This queue sleeps at once and wakes only a sleeper.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::JournalError;
use super::writer::Command;

/// The queue itself; see [`Entrance`] and [`Exit`].
#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    commands_max: usize,
}

#[derive(Debug, Default)]
struct State {
    commands: VecDeque<Command>,
    /// The thread sleeps until it is told.
    asleep: bool,
    /// The thread is to look up although nothing waits.
    nudged: bool,
    /// Nobody can put anything in any more.
    entrance_gone: bool,
    /// Nobody takes anything out any more.
    exit_gone: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let asleep = state.asleep;
        drop(state);
        if asleep {
            self.filled.notify_one();
        }
    }
}

/// Makes a queue for at most so many commands.
pub(super) fn queue(commands_max: usize) -> (Entrance, Exit) {
    let queue = Arc::new(Queue {
        state: Mutex::default(),
        filled: Condvar::new(),
        commands_max,
    });
    (Entrance(Arc::clone(&queue)), Exit(queue))
}

/// Where commands go in. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Entrance(Arc<Queue>);

impl Entrance {
    /// Puts a command in, unless as many wait as may. Never waits for the disk.
    pub(super) fn put(&self, command: Command) -> Result<(), JournalError> {
        self.put_within(command, self.0.commands_max)
    }

    /// Puts a command in however many wait: only for what is bounded by what waits already.
    pub(super) fn put_anyway(&self, command: Command) -> Result<(), JournalError> {
        self.put_within(command, usize::MAX)
    }

    fn put_within(&self, command: Command, most: usize) -> Result<(), JournalError> {
        let mut state = self.0.state();
        if state.exit_gone {
            return Err(JournalError::Closed);
        }
        if state.commands.len() >= most {
            return Err(JournalError::Full);
        }
        state.commands.push_back(command);
        self.0.wake(state);
        Ok(())
    }

    /// Makes the thread look up.
    pub(super) fn nudge(&self) {
        let mut state = self.0.state();
        state.nudged = true;
        self.0.wake(state);
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.entrance_gone = true;
        self.0.wake(state);
    }
}

/// What the thread finds when it looks.
#[derive(Debug)]
pub(super) enum Found {
    /// Something to do.
    Command(Command),
    /// Nothing for as long as it waited, or it was told to look up.
    Nothing,
    /// Nothing, and nothing will come.
    End,
}

/// Where the thread takes commands out. Whatever waits when it is dropped is told so.
#[derive(Debug)]
pub(super) struct Exit(Arc<Queue>);

impl Exit {
    /// The next command; waits for it at most so long.
    pub(super) fn take_within(&self, patience: Duration) -> Found {
        let mut state = self.0.state();
        if state.commands.is_empty() && !state.nudged && !state.entrance_gone {
            state.asleep = true;
            let waited = self.0.filled.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.asleep = false;
        }
        state.nudged = false;
        match state.commands.pop_front() {
            Some(command) => Found::Command(command),
            None if state.entrance_gone => Found::End,
            None => Found::Nothing,
        }
    }

    /// The next command, if it is there.
    pub(super) fn take(&self) -> Option<Command> {
        self.0.state().commands.pop_front()
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.exit_gone = true;
        let waiting = std::mem::take(&mut state.commands);
        drop(state);
        // Outside of the lock: whoever waits hears of it here.
        drop(waiting);
    }
}
