//! The spine's bell: many ring it, one listens.
//!
//! Owns: that no ring is lost, and that many count as one.
//! Must not know: what for it is rung.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// A bell with one listener: it needs no list of who waits, which a mark would lock four times.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.listener.wake();
    }

    /// Until it was rung since this last came back.
    pub(super) async fn rung(&self) {
        poll_fn(|context| {
            if self.rung.swap(false, Ordering::Acquire) {
                return Poll::Ready(());
            }
            self.listener.register(context.waker());
            // It may have been rung before the listener was known.
            if self.rung.swap(false, Ordering::Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn rings_before_the_listener_looks_count_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.rung().await;
        let again = tokio::time::timeout(std::time::Duration::ZERO, bell.rung());
        assert!(again.await.is_err());
    }

    #[test]
    fn no_ring_of_another_thread_is_lost() {
        let (bell, heard) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (ours, theirs) = (Arc::clone(&bell), Arc::clone(&heard));
        let ringing = std::thread::spawn(move || {
            for _ in 0..2_000 {
                ours.ring();
                wait_for(theirs.rung());
            }
        });
        for _ in 0..2_000 {
            wait_for(bell.rung());
            heard.ring();
        }
        ringing.join().unwrap();
    }

    fn wait_for(future: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        { runtime }.build().unwrap().block_on(future);
    }
}
