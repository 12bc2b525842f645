//! The spine's pulse: how it hears that time passes.
//!
//! Owns: how often that is, and ringing the spine's bell for it.
//! Must not know: what time brings about. The core decides.
//!
//! It beats on another thread than the spine's. A thread that waits for its next timer arms one and
//! takes it back with every frame and every question; one that only listens does not. And when the
//! thread that talks to the exchange hangs, time stands still for the spine too: nothing feeds the
//! watchdog any more, and the service manager notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::bell::Bell;

/// How often time passes for the core, in milliseconds.
pub const BEAT_MS: u64 = 100;

/// What beats. Whoever starts a spine keeps it, on another thread where there is one.
#[derive(Debug)]
pub struct Beat {
    due: Due,
    bell: Arc<Bell>,
}

/// The spine's side of it: time has passed and was not looked at yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Due(Arc<AtomicBool>);

impl Due {
    /// True once for however many beats came since the last look.
    pub(super) fn take(&self) -> bool {
        // Nearly always nothing is due, and looking costs less than exchanging.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

impl Beat {
    pub(super) fn new(bell: Arc<Bell>) -> (Self, Due) {
        let due = Due::default();
        let beat = Self {
            due: due.clone(),
            bell,
        };
        (beat, due)
    }

    /// Beats until shutdown.
    pub async fn keep(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_millis(BEAT_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopped = std::pin::pin!(shutdown.cancelled());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                _ = ticks.tick() => {
                    self.due.0.store(true, Ordering::Relaxed);
                    self.bell.ring();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beats_that_nobody_looked_at_count_once() {
        let bell = Arc::new(Bell::default());
        let (beat, due) = Beat::new(Arc::clone(&bell));
        let shutdown = CancellationToken::new();
        let beating = tokio::spawn(beat.keep(shutdown.clone()));
        bell.rung().await;
        assert!(due.take());
        assert!(!due.take());
        tokio::time::sleep(Duration::from_millis(BEAT_MS * 5 + 1)).await;
        bell.rung().await;
        assert!(due.take());
        assert!(!due.take());
        shutdown.cancel();
        beating.await.unwrap();
    }
}
