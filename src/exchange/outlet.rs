//! The way inward: hands events to the sink and owns up when one did not fit.
//!
//! Owns: the promise that no event is lost in silence.
//! Must not know: what an event means, except that a lost one leaves a gap.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Full, Note, Sink};
use crate::clock::Clock;
use crate::mirror::event::{Event, LossCause, MarkUpdate, StreamLoss};

/// How soon a full queue is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// The sink with a memory for what it could not take.
pub(super) struct Outlet {
    sink: Arc<dyn Sink>,
    clock: Clock,
    /// The life number of the user stream.
    user_epoch: AtomicU64,
    /// A gap that could not be reported yet.
    owed: Mutex<Option<StreamLoss>>,
    owing: Notify,
}

impl Outlet {
    pub(super) fn new(sink: Arc<dyn Sink>, clock: Clock) -> Self {
        Self {
            sink,
            clock,
            user_epoch: AtomicU64::new(0),
            owed: Mutex::new(None),
            owing: Notify::new(),
        }
    }

    /// The user stream's present life number; 0 before the first.
    pub(super) fn user_epoch(&self) -> u64 {
        self.user_epoch.load(Ordering::Relaxed)
    }

    /// The number for the next life of the user stream.
    pub(super) fn next_user_epoch(&self) -> u64 {
        self.user_epoch
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// From a reader task: never waits. What does not fit becomes a gap.
    pub(super) fn push(&self, event: Event) {
        if self.is_owing() || self.sink.event(event).is_err() {
            self.gap(
                LossCause::Overflow,
                "more events than the queue holds".into(),
            );
        }
    }

    /// Account and orders must be read anew: the user stream could not be followed.
    pub(super) fn gap(&self, cause: LossCause, detail: String) {
        let loss = StreamLoss {
            epoch: self.user_epoch(),
            at: self.clock.now(),
            cause,
            detail,
        };
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        if owed.is_some() {
            return;
        }
        if self.sink.event(Event::UserStreamGap(loss.clone())).is_err() {
            *owed = Some(loss);
            self.owing.notify_one();
        }
    }

    /// From a task that may wait: tries until the event is taken.
    pub(super) async fn deliver(&self, event: Event) {
        while let Err(Full) = self.sink.event(event.clone()) {
            tokio::time::sleep(RETRY).await;
        }
    }

    pub(super) fn mark(&self, mark: MarkUpdate) {
        self.sink.mark(mark);
    }

    pub(super) fn note(&self, note: Note) {
        self.sink.note(note);
    }

    fn is_owing(&self) -> bool {
        self.owed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Reports owed gaps as soon as the queue has room; runs beside the readers.
    pub(super) async fn settle(&self) {
        loop {
            self.owing.notified().await;
            while self.is_owing() {
                tokio::time::sleep(RETRY).await;
                let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(loss) = owed.clone()
                    && self.sink.event(Event::UserStreamGap(loss)).is_ok()
                {
                    *owed = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::event::Connection;
    use std::sync::atomic::AtomicUsize;

    struct Small {
        room: AtomicUsize,
        taken: Mutex<Vec<Event>>,
    }

    impl Sink for Small {
        fn event(&self, event: Event) -> Result<(), Full> {
            self.room
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                    room.checked_sub(1)
                })
                .map_err(|_| Full)?;
            self.taken.lock().unwrap().push(event);
            Ok(())
        }
        fn mark(&self, _: MarkUpdate) {}
        fn note(&self, _: Note) {}
    }

    fn opened(clock: &Clock) -> Event {
        Event::UserStreamOpened(Connection {
            epoch: 1,
            at: clock.now(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn n12_what_does_not_fit_becomes_one_gap() {
        let clock = Clock::manual(0);
        let sink = Arc::new(Small {
            room: AtomicUsize::new(1),
            taken: Mutex::default(),
        });
        let outlet = Arc::new(Outlet::new(sink.clone(), clock.clone()));
        let settling = tokio::spawn({
            let outlet = outlet.clone();
            async move { outlet.settle().await }
        });
        for _ in 0..5 {
            outlet.push(opened(&clock));
        }
        assert_eq!(sink.taken.lock().unwrap().len(), 1);
        sink.room.store(10, Ordering::Relaxed);
        while outlet.is_owing() {
            tokio::time::sleep(RETRY).await;
        }
        outlet.push(opened(&clock));
        let taken = sink.taken.lock().unwrap();
        assert_eq!(taken.len(), 3);
        assert!(matches!(
            &taken[1],
            Event::UserStreamGap(loss) if loss.cause == LossCause::Overflow
        ));
        settling.abort();
    }
}
