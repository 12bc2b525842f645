//! Who listens: the ring of recent events, and the spine's audience that fills it.
//!
//! Owns: event numbers, what a late or slow subscriber is told, and that nobody pays for events
//! that nobody wants.
//! Must not know: HTTP, how figures are computed.
//!
//! An event is serialised once, as the bytes of its server-sent-events frame. Subscribers read the
//! ring at their own pace; one that falls behind by more than the ring holds is told so and goes
//! on from the oldest that is there. Nothing ever waits for a subscriber.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::Notify;

use super::protocol::notice::{AlertEvent, LaggedEvent, StateEvent};
use super::protocol::pool::PoolFigures;
use super::protocol::pool_event::write_account_event;
use crate::clock::Clock;
use crate::daemon::core::Core;
use crate::daemon::report::PoolReport;
use crate::daemon::{Audience, BEAT_MS};
use crate::exchange::Note;
use crate::mirror::Notice;

/// Events that are kept for those who resume.
pub const RING_EVENTS_MAX: usize = 1_024;

/// For how long after the last subscriber left events are still kept for its return.
const LINGER_TICKS: u32 = ticks_in(Duration::from_secs(600));

/// How often a subscriber that hears nothing is shown that the line is alive.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// What it is shown: a comment.
const ALIVE: &[u8] = b": alive\n\n";

/// Time as the spine's ticks count it.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a constant of a few thousand"
)]
const fn ticks_in(time: Duration) -> u32 {
    (time.as_millis() / BEAT_MS as u128) as u32
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A decision was made.
    Verdict,
    /// The guard stands on another rung, or under another policy.
    State,
    /// Figures of pools changed.
    Account,
    /// Something a person should be told.
    Alert,
    /// A message that left for the alert channels.
    Message,
    /// This subscriber missed events.
    Lagged,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Verdict,
        Self::State,
        Self::Account,
        Self::Alert,
        Self::Message,
        Self::Lagged,
    ];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::State => "state",
            Self::Account => "account",
            Self::Alert => "alert",
            Self::Message => "message",
            Self::Lagged => "lagged",
        }
    }
}

#[derive(Debug)]
struct Ring {
    frames: VecDeque<(u64, Bytes)>,
    next_id: u64,
    /// The first number from which on nothing was left out.
    complete_from: u64,
    /// Subscribers that have heard everything there is.
    waiting: Vec<Waker>,
}

/// Lets everybody look who waits, once the ring is free: from another thread that is a system call.
fn wake(mut ring: MutexGuard<'_, Ring>) {
    // Nearly always there is one, and it needs no list of its own.
    let first = ring.waiting.pop();
    let others = if ring.waiting.is_empty() {
        Vec::new()
    } else {
        std::mem::take(&mut ring.waiting)
    };
    drop(ring);
    for waker in first.into_iter().chain(others) {
        waker.wake();
    }
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    subscribers: AtomicUsize,
    /// Ticks of the spine since the start.
    ticks: AtomicU32,
    second: Notify,
    /// Ticks left during which events are kept although nobody is there.
    linger: AtomicU32,
}

/// The ring of recent events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

impl Hub {
    /// An empty ring. Numbers begin at the time of the start, so that a number of an earlier life
    /// of the daemon is older than all of this one.
    #[must_use]
    pub fn new(started_ms: i64) -> Self {
        let first = u64::try_from(started_ms).unwrap_or(0).max(1);
        let ring = Ring {
            frames: VecDeque::new(),
            next_id: first,
            complete_from: first,
            waiting: Vec::new(),
        };
        Self(Arc::new(Shared {
            ring: Mutex::new(ring),
            subscribers: AtomicUsize::new(0),
            ticks: AtomicU32::new(0),
            second: Notify::new(),
            linger: AtomicU32::new(0),
        }))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody listens now.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.subscribers.load(Ordering::Relaxed) > 0
    }

    /// Somebody listens, or did until lately and may come back.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_heard() || self.0.linger.load(Ordering::Relaxed) > 0
    }

    /// Puts an event into the ring if anybody may want it. The data is made only then.
    pub fn publish<T: Serialize>(&self, kind: EventKind, data: impl FnOnce() -> T) {
        self.publish_json(kind, |out| serde_json::to_writer(out, &data()).ok());
    }

    /// The same with data that is written by hand.
    fn publish_json(&self, kind: EventKind, data: impl FnOnce(&mut Vec<u8>) -> Option<()>) {
        if !self.is_wanted() {
            self.skip();
            return;
        }
        // Made before the ring is held: an alert of many lines must not make a verdict wait.
        let Some(frame) = unnumbered(kind, data) else {
            return;
        };
        let mut ring = self.ring();
        let id = ring.next_id;
        let frame = numbered(frame, Some(id));
        ring.next_id = id.saturating_add(1);
        if ring.frames.len() == RING_EVENTS_MAX {
            ring.frames.pop_front();
        }
        ring.frames.push_back((id, frame));
        wake(ring);
    }

    /// Leaves an event out: whoever resumes from before it is told that something is missing.
    fn skip(&self) {
        let mut ring = self.ring();
        if ring.complete_from < ring.next_id {
            ring.frames.clear();
            ring.next_id = ring.next_id.saturating_add(1);
            ring.complete_from = ring.next_id;
        }
    }

    /// A tick of the spine passed. Nobody here has a timer of their own: the thread would arm it anew
    /// with everything it hears.
    fn tick(&self) {
        const SECOND: u32 = ticks_in(Duration::from_secs(1));
        let ticks = self.0.ticks.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if ticks.is_multiple_of(SECOND) {
            self.0.second.notify_one();
            wake(self.ring());
        }
        if self.is_heard() {
            self.0.linger.store(LINGER_TICKS, Ordering::Relaxed);
        } else {
            let left = self.0.linger.load(Ordering::Relaxed);
            self.0
                .linger
                .store(left.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// Until about a second has passed since this was last waited for. One may wait at a time.
    pub(super) async fn second(&self) {
        self.0.second.notified().await;
    }

    /// Listens from now on, or from after the event with this number.
    #[must_use]
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.0.subscribers.fetch_add(1, Ordering::Relaxed);
        let next = self.ring().next_id;
        Subscription {
            hub: self.clone(),
            heard: self.0.ticks.load(Ordering::Relaxed),
            // A number beyond ours is not ours: all that there is is then new.
            next: match after {
                None => next,
                Some(after) if after >= next => 0,
                Some(after) => after.saturating_add(1),
            },
        }
    }
}

/// One listener's place in the ring.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    /// The tick at which it last heard something.
    heard: u32,
    next: u64,
}

impl Subscription {
    /// The next frames, as many as are there at once.
    pub async fn next(&mut self) -> Bytes {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next frames, as many as are there at once, or a comment when there were none for
    /// [`HEARTBEAT`].
    pub(super) fn poll_next(&mut self, context: &Context<'_>) -> Poll<Bytes> {
        const SILENCE: u32 = ticks_in(HEARTBEAT);
        let mut ring = self.hub.ring();
        let ticks = self.hub.0.ticks.load(Ordering::Relaxed);
        if let Some(frames) = take(&ring, &mut self.next) {
            self.heard = ticks;
            return Poll::Ready(frames);
        }
        if ticks.wrapping_sub(self.heard) >= SILENCE {
            self.heard = ticks;
            return Poll::Ready(Bytes::from_static(ALIVE));
        }
        let waker = context.waker();
        if !ring.waiting.iter().any(|known| known.will_wake(waker)) {
            ring.waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.0.subscribers.fetch_sub(1, Ordering::Relaxed);
        self.hub.0.linger.store(LINGER_TICKS, Ordering::Relaxed);
    }
}

/// All frames from this number on, and the number after them.
fn take(ring: &Ring, next: &mut u64) -> Option<Bytes> {
    if *next >= ring.next_id {
        return None;
    }
    let oldest = ring.frames.front().map_or(ring.next_id, |(id, _)| *id);
    if *next < oldest {
        let missed = (ring.complete_from <= *next).then(|| oldest.saturating_sub(*next));
        *next = oldest;
        let lagged = unnumbered(EventKind::Lagged, |out| {
            serde_json::to_writer(out, &LaggedEvent { missed }).ok()
        })?;
        return Some(numbered(lagged, None));
    }
    let skip = usize::try_from(next.saturating_sub(oldest)).unwrap_or(usize::MAX);
    let mut fresh = ring.frames.iter().skip(skip);
    let first = fresh.next()?;
    *next = ring.next_id;
    let Some(second) = fresh.next() else {
        return Some(first.1.clone());
    };
    let mut together = Vec::from(first.1.as_ref());
    together.extend_from_slice(&second.1);
    for (_, frame) in fresh {
        together.extend_from_slice(frame);
    }
    Some(together.into())
}

/// Room that most events fit into, in bytes; the allocator has blocks of up to 1,032 at hand.
const FRAME_BYTES: usize = 1_000;

/// Room for the line with the number in front of a frame.
const NUMBER_BYTES: usize = 4 + 20 + 1;

/// One server-sent event that has no number yet: JSON on one line needs no further framing.
fn unnumbered(kind: EventKind, data: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES);
    bytes.resize(NUMBER_BYTES, b'\n');
    bytes.extend_from_slice(b"event: ");
    bytes.extend_from_slice(kind.name().as_bytes());
    bytes.extend_from_slice(b"\ndata: ");
    data(&mut bytes)?;
    bytes.extend_from_slice(b"\n\n");
    Some(bytes)
}

/// Puts the number in front, if there is one.
fn numbered(mut bytes: Vec<u8>, id: Option<u64>) -> Bytes {
    let mut start = NUMBER_BYTES;
    if let Some(id) = id {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(id).as_bytes();
        // Before the line end that stands there already.
        let line = b"id: ".iter().chain(digits).rev();
        start = start.saturating_sub(1);
        for byte in line {
            start = start.saturating_sub(1);
            if let Some(place) = bytes.get_mut(start) {
                *place = *byte;
            }
        }
    }
    Bytes::from(bytes).slice(start..)
}

/// The spine's audience at this door.
#[derive(Debug)]
pub struct Door(Hub);

impl Door {
    /// A door that fills this ring.
    #[must_use]
    pub const fn new(hub: Hub) -> Self {
        Self(hub)
    }
}

impl Audience for Door {
    fn wants_figures(&self) -> bool {
        self.0.is_heard()
    }

    fn figures(&mut self, pools: &[PoolReport]) {
        self.0.publish_json(EventKind::Account, |out| {
            write_account_event(pools.iter().map(PoolFigures::from), out)
        });
    }

    fn notice(&mut self, notice: &Notice) {
        self.0
            .publish(EventKind::Alert, || AlertEvent::from(notice));
    }

    fn state(&mut self, core: &Core) {
        let (ladder, reason) = core.ladder();
        self.0.publish(EventKind::State, || StateEvent {
            state: ladder.name().into(),
            reason: reason.into(),
            policy: core.in_force().fingerprint.as_str().into(),
        });
    }

    fn note(&mut self, _note: &Note) {}

    fn alarm(&mut self, _transition: crate::guard::alarm::Transition) {}

    fn tick(&mut self, _core: &Core, _clock: &Clock) {
        self.0.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn publish(hub: &Hub, value: u64) {
        hub.publish(EventKind::State, || value);
    }

    #[tokio::test]
    async fn who_listens_hears_every_event_once() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        publish(&hub, 7);
        let first = text(&listener.next().await);
        assert_eq!(first, "id: 1\nevent: state\ndata: 7\n\n");
        publish(&hub, 8);
        publish(&hub, 9);
        let both = text(&listener.next().await);
        assert_eq!(both.matches("event: state").count(), 2);
        assert!(take(&hub.ring(), &mut listener.next).is_none());
    }

    #[tokio::test]
    async fn who_comes_back_in_time_misses_nothing() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        publish(&hub, 1);
        listener.next().await;
        drop(listener);
        publish(&hub, 2);
        let mut again = hub.subscribe(Some(1));
        assert!(text(&again.next().await).starts_with("id: 2\n"));
    }

    #[tokio::test]
    async fn who_falls_behind_is_told() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        for value in 0..2_000 {
            publish(&hub, value);
        }
        let lagged = text(&listener.next().await);
        assert_eq!(lagged, "event: lagged\ndata: {\"missed\":976}\n\n");
        let rest = text(&listener.next().await);
        assert_eq!(rest.matches("event: state").count(), RING_EVENTS_MAX);
        assert!(rest.starts_with("id: 977\n"));
    }

    #[tokio::test]
    async fn who_comes_back_too_late_is_told() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        publish(&hub, 1);
        listener.next().await;
        drop(listener);
        for _ in 0..LINGER_TICKS {
            hub.tick();
        }
        assert!(!hub.is_wanted());
        publish(&hub, 2);
        let mut again = hub.subscribe(Some(1));
        let lagged = text(&again.next().await);
        assert_eq!(lagged, "event: lagged\ndata: {\"missed\":null}\n\n");
    }

    #[tokio::test]
    async fn who_hears_nothing_is_shown_that_the_line_is_alive() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        let silence = ticks_in(HEARTBEAT);
        let listening = tokio::spawn(async move {
            let alive = listener.next().await;
            (alive, listener.next().await)
        });
        tokio::task::yield_now().await;
        for _ in 0..silence {
            hub.tick();
        }
        tokio::task::yield_now().await;
        for _ in 1..silence {
            hub.tick();
            tokio::task::yield_now().await;
        }
        publish(&hub, 7);
        let (alive, event) = listening.await.unwrap();
        assert_eq!(text(&alive), ": alive\n\n");
        assert!(
            text(&event).starts_with("id: 1\n"),
            "and then nothing too early"
        );
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let hub = Hub::new(1);
        hub.publish(EventKind::State, || -> u64 { panic!("made for nobody") });
    }

    #[tokio::test]
    async fn a_number_of_another_life_brings_all_of_this_one() {
        let hub = Hub::new(1_000);
        let first = hub.subscribe(None);
        publish(&hub, 1);
        for other in [12, 5_000] {
            let mut late = hub.subscribe(Some(other));
            let lagged = text(&late.next().await);
            assert!(lagged.starts_with("event: lagged"), "{lagged}");
            assert!(text(&late.next().await).starts_with("id: 1000\n"));
        }
        drop(first);
    }
}
