//! How long answers wait for their records.
//!
//! Owns: one timer for all of them. A timer of its own for each would be earlier than whatever the
//! runtime sleeps for, and each would wake it once for nothing.
//! Must not know: what is waited for.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::RECORD_DEADLINE;

/// Who waits, the one that has waited longest first: all wait equally long.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waiting: Mutex<VecDeque<(Instant, oneshot::Sender<()>)>>,
    came: Notify,
}

impl Patience {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Instant, oneshot::Sender<()>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the future gives, or `None` after [`RECORD_DEADLINE`]. Needs [`Patience::keep`] beside.
    pub(super) async fn within<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let let_go = self.sit_down();
        tokio::select! {
            biased;
            outcome = future => Some(outcome),
            _ = let_go => None,
        }
    }

    /// Joins the end of the line; the other end is dropped when it is time.
    fn sit_down(&self) -> oneshot::Receiver<()> {
        let (held, let_go) = oneshot::channel();
        let due = now() + RECORD_DEADLINE;
        let mut waiting = self.waiting();
        waiting.push_back((due, held));
        if waiting.len() == 1 {
            self.came.notify_one();
        }
        let_go
    }

    /// Lets go of whoever has waited long enough, for ever.
    pub(super) async fn keep(&self) {
        loop {
            let first = self.waiting().front().map(|(due, _)| *due);
            match first {
                None => self.came.notified().await,
                Some(due) => {
                    tokio::time::sleep_until(due).await;
                    self.let_go(now());
                }
            }
        }
    }

    /// Whoever has been answered is forgotten on the way.
    fn let_go(&self, now: Instant) {
        let mut waiting = self.waiting();
        while waiting
            .front()
            .is_some_and(|(due, held)| *due <= now || held.is_closed())
        {
            waiting.pop_front();
        }
    }
}

/// The runtime's clock, which its timers follow.
#[expect(
    clippy::disallowed_methods,
    reason = "a deadline of the runtime's own timer"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_waits_exactly_as_long_as_it_may() {
        let patience = Patience::default();
        let before = now();
        let late = patience.within(std::future::pending::<()>());
        let later = async {
            tokio::time::sleep(Duration::from_millis(7)).await;
            patience.within(std::future::pending::<()>()).await;
            now() - before
        };
        let in_time = patience.within(tokio::time::sleep(Duration::from_millis(19)));
        let asked = async {
            let late = async { (late.await, now() - before) };
            tokio::join!(late, later, in_time)
        };
        let ((late, waited), later, in_time) = tokio::select! {
            found = asked => found,
            () = patience.keep() => panic!("ended"),
        };
        assert_eq!((late, in_time), (None, Some(())));
        // The runtime's timers are exact to the millisecond.
        assert!(
            waited - RECORD_DEADLINE <= Duration::from_millis(1),
            "{waited:?}"
        );
        let more = later - RECORD_DEADLINE - Duration::from_millis(7);
        assert!(more <= Duration::from_millis(2), "{later:?}");
    }
}
