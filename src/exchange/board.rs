//! A value that several tasks follow.
//!
//! Owns: the latest value, and waking everybody who follows it in the order in which they began to
//! wait. (The runtime's own `watch` wakes them in an order drawn by chance, and then the same seed
//! would not make the same story.)
//! Must not know: what the value says.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

struct Latest<T> {
    version: u64,
    value: T,
}

/// The value.
pub(super) struct Board<T> {
    latest: Mutex<Latest<T>>,
    changed: Notify,
}

impl<T> Board<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            latest: Mutex::new(Latest { version: 0, value }),
            changed: Notify::new(),
        }
    }

    /// Changes the value and wakes all who follow it.
    pub(super) fn modify(&self, change: impl FnOnce(&mut T)) {
        let mut latest = self.latest();
        change(&mut latest.value);
        latest.version = latest.version.wrapping_add(1);
        drop(latest);
        self.changed.notify_waiters();
    }

    /// Follows the value from now on.
    pub(super) fn follow(&self) -> Follower<'_, T> {
        let seen = self.latest().version;
        Follower { board: self, seen }
    }

    fn latest(&self) -> MutexGuard<'_, Latest<T>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who follows a value.
pub(super) struct Follower<'a, T> {
    board: &'a Board<T>,
    seen: u64,
}

impl<T> Follower<'_, T> {
    /// Looks at the value; it counts as seen.
    pub(super) fn look<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        let latest = self.board.latest();
        self.seen = latest.version;
        look(&latest.value)
    }

    /// Waits until the value is another than the one last seen.
    pub(super) async fn changed(&mut self) {
        loop {
            let mut woken = pin!(self.board.changed.notified());
            // From here on nothing is missed.
            woken.as_mut().enable();
            let version = self.board.latest().version;
            if version != self.seen {
                self.seen = version;
                return;
            }
            woken.await;
        }
    }

    /// Waits until this holds of the value.
    pub(super) async fn until(&mut self, holds: impl Fn(&T) -> bool) {
        while !self.look(&holds) {
            self.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn all_who_follow_are_woken_in_the_order_they_came() {
        let board = Arc::new(Board::new(0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|index| {
                let (board, order) = (board.clone(), order.clone());
                tokio::spawn(async move {
                    board.follow().until(|value| *value == 2).await;
                    order.lock().unwrap().push(index);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        board.modify(|value| *value = 1);
        tokio::task::yield_now().await;
        board.modify(|value| *value = 2);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
