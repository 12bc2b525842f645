//! Faults L: this machine and this process (`faults.md` 1.10), the rows that no other test holds.
//! Journal and sockets have theirs in their own rooms.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossguard::exchange::{Bytes, Dial, Note};
use crossguard::guard::verdict::Decision;
use crossguard::mirror::plane::Plane;
use crossguard::sim;

use crate::live::{Live, SCENE};
use crate::rig::Rig;

const LONG: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
leverage BTCUSDT 10
wallet USDT 10000
pos BTCUSDT crossed 10x +0.1 @ 60000
";

/// The process stood still for half a minute; what had queued up meanwhile looks alive and is not.
#[test]
fn l08_a_backlog_of_old_frames_stays_stale_until_it_is_drained() {
    let mut rig = Rig::from_text(LONG).0;
    let stopped = rig.exchange_ms();
    rig.clock.advance_ms(30_000);
    for second in 0..=30 {
        let event_ms = stopped + second * 1_000;
        rig.mark_at("BTCUSDT", 60_000.into(), event_ms);
        rig.tell_position("0.1", event_ms);
        let decision = rig.check("BTCUSDT buy 0.001").judgement.decision;
        assert_eq!(decision == Decision::Reject, second < 26, "{second}");
        if second == 26 {
            // The age of the last read is a matter of its own: 30 s is too old while exposed.
            break;
        }
        if second == 24 {
            let read = rig.account_read("10000", Some(("0.1", event_ms)));
            rig.tell(read);
        }
    }
}

/// Pipes whose next use panics, in whatever task it happens.
pub(crate) struct Trap {
    pub(crate) exchange: sim::Handle,
    pub(crate) left: Arc<AtomicUsize>,
}

impl Dial for Trap {
    fn dial(&self) -> io::Result<Box<dyn Bytes>> {
        let sprung = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        assert!(sprung.is_err(), "told to");
        let pipe = self
            .exchange
            .dial()
            .ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(Box::new(pipe))
    }
}

fn failures(live: &Live) -> Vec<&'static str> {
    let notes = live.notes().into_iter();
    notes
        .filter_map(|note| match note {
            Note::TaskFailed { task } => Some(task),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn l17_a_task_that_panics_starts_again_and_everything_is_fresh_soon_after() {
    let left = Arc::new(AtomicUsize::new(0));
    let trap = left.clone();
    let live = Live::over(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
        |exchange| {
            Arc::new(Trap {
                exchange,
                left: trap,
            })
        },
    );
    live.until_fresh().await;
    // Whichever task dials next: a read, the clock, the key.
    for _ in 0..10 {
        left.store(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(37)).await;
    }
    let failed = failures(&live);
    assert_eq!(failed.len(), 10, "{failed:?}");
    // And the streams themselves: cut, and the way back springs the trap.
    for channel in ["user", "market"] {
        live.say(&format!("drop {channel}"));
        left.store(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(live.stale().await, [], "{channel}");
    }
    live.until_equal("after all of it").await;
    live.end().await;
}

/// Five failures within a minute are no accident: the client ends, so that the daemon does and is
/// started anew by the service manager. Until then nothing is fresh.
#[tokio::test(start_paused = true)]
async fn l17_a_task_that_keeps_panicking_ends_the_client() {
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let trap = left.clone();
    let live = Live::over(SCENE, 1, |exchange| {
        Arc::new(Trap {
            exchange,
            left: trap,
        })
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), live.client_ended()).await;
    assert!(ended.is_ok(), "{:?}", failures(&live));
    let stale = live.stale().await;
    assert!(stale.contains(&Plane::Account) && stale.contains(&Plane::Orders));
    live.end().await;
}
