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

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::protocol::notice::{AccountEvent, AlertEvent, LaggedEvent, StateEvent};
use super::protocol::pool::PoolFigures;
use crate::clock::Clock;
use crate::daemon::Audience;
use crate::daemon::core::Core;
use crate::daemon::report::PoolReport;
use crate::exchange::Note;
use crate::mirror::Notice;

/// Events that are kept for those who resume.
pub const RING_EVENTS_MAX: usize = 1_024;

/// For how many spine ticks (about 100 ms each) after the last subscriber left events are still
/// kept for its return: ten minutes.
const LINGER_TICKS: u32 = 6_000;

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
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    subscribers: AtomicUsize,
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
        };
        Self(Arc::new(Shared {
            ring: Mutex::new(ring),
            newest: watch::Sender::new(0),
            subscribers: AtomicUsize::new(0),
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
        if !self.is_wanted() {
            self.skip();
            return;
        }
        // Made before the ring is held: an alert of many lines must not make a verdict wait.
        let Some(frame) = unnumbered(kind, &data()) else {
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
        drop(ring);
        self.0.newest.send_replace(id);
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

    /// A tick of the spine passed.
    fn tick(&self) {
        if self.is_heard() {
            self.0.linger.store(LINGER_TICKS, Ordering::Relaxed);
        } else {
            let left = self.0.linger.load(Ordering::Relaxed);
            self.0
                .linger
                .store(left.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// Listens from now on, or from after the event with this number.
    #[must_use]
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.0.subscribers.fetch_add(1, Ordering::Relaxed);
        let next = self.ring().next_id;
        Subscription {
            hub: self.clone(),
            newest: self.0.newest.subscribe(),
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
    newest: watch::Receiver<u64>,
    next: u64,
}

impl Subscription {
    /// The next frames, as many as are there at once; `None` when the hub is gone.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frames) = self.take() {
                return Some(frames);
            }
            self.newest.changed().await.ok()?;
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        self.newest.mark_unchanged();
        let ring = self.hub.ring();
        if self.next >= ring.next_id {
            return None;
        }
        let oldest = ring.frames.front().map_or(ring.next_id, |(id, _)| *id);
        if self.next < oldest {
            let missed =
                (ring.complete_from <= self.next).then(|| oldest.saturating_sub(self.next));
            self.next = oldest;
            let lagged = unnumbered(EventKind::Lagged, &LaggedEvent { missed })?;
            return Some(numbered(lagged, None));
        }
        let skip = usize::try_from(self.next.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let mut fresh = ring.frames.iter().skip(skip);
        let first = fresh.next()?;
        self.next = ring.next_id;
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
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.0.subscribers.fetch_sub(1, Ordering::Relaxed);
        self.hub.0.linger.store(LINGER_TICKS, Ordering::Relaxed);
    }
}

/// Room that most events fit into, in bytes.
const FRAME_BYTES: usize = 1_024;

/// Room for the line with the number in front of a frame.
const NUMBER_BYTES: usize = 4 + 20 + 1;

/// One server-sent event that has no number yet: JSON on one line needs no further framing.
fn unnumbered<T: Serialize>(kind: EventKind, data: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES);
    bytes.resize(NUMBER_BYTES, b'\n');
    bytes.extend_from_slice(b"event: ");
    bytes.extend_from_slice(kind.name().as_bytes());
    bytes.extend_from_slice(b"\ndata: ");
    serde_json::to_writer(&mut bytes, data).ok()?;
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
        self.0.publish(EventKind::Account, || AccountEvent {
            pools: pools.iter().map(PoolFigures::from).collect(),
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
        let first = text(&listener.next().await.unwrap());
        assert_eq!(first, "id: 1\nevent: state\ndata: 7\n\n");
        publish(&hub, 8);
        publish(&hub, 9);
        let both = text(&listener.next().await.unwrap());
        assert_eq!(both.matches("event: state").count(), 2);
        assert!(listener.take().is_none());
    }

    #[tokio::test]
    async fn who_comes_back_in_time_misses_nothing() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        publish(&hub, 1);
        listener.next().await.unwrap();
        drop(listener);
        publish(&hub, 2);
        let mut again = hub.subscribe(Some(1));
        assert!(text(&again.next().await.unwrap()).starts_with("id: 2\n"));
    }

    #[tokio::test]
    async fn who_falls_behind_is_told() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        for value in 0..2_000 {
            publish(&hub, value);
        }
        let lagged = text(&listener.next().await.unwrap());
        assert_eq!(lagged, "event: lagged\ndata: {\"missed\":976}\n\n");
        let rest = text(&listener.next().await.unwrap());
        assert_eq!(rest.matches("event: state").count(), RING_EVENTS_MAX);
        assert!(rest.starts_with("id: 977\n"));
    }

    #[tokio::test]
    async fn who_comes_back_too_late_is_told() {
        let hub = Hub::new(1);
        let mut listener = hub.subscribe(None);
        publish(&hub, 1);
        listener.next().await.unwrap();
        drop(listener);
        for _ in 0..LINGER_TICKS {
            hub.tick();
        }
        assert!(!hub.is_wanted());
        publish(&hub, 2);
        let mut again = hub.subscribe(Some(1));
        let lagged = text(&again.next().await.unwrap());
        assert_eq!(lagged, "event: lagged\ndata: {\"missed\":null}\n\n");
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
            let lagged = text(&late.next().await.unwrap());
            assert!(lagged.starts_with("event: lagged"), "{lagged}");
            assert!(text(&late.next().await.unwrap()).starts_with("id: 1000\n"));
        }
        drop(first);
    }
}
