//! One channel: its queue, its pace, its retries, and how it fares.
//!
//! Owns: what is told to it, what of that is told in one message, what is given up, and the state
//! that `status` shows.
//! Must not know: other channels. A dead one fills its own queue and nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::Notify;

use super::matcher::Matcher;
use super::model::{Message, Occasion};
use super::pace::{Backoff, Pace};
use super::render::for_channel;
use super::send::{Outcome, Target};
use crate::clock::Clock;
use crate::guard::alarm::Severity;

/// Most messages that wait; the oldest is given up for the newest.
pub const QUEUE_MAX: usize = 64;

/// A message that could not be delivered for so long is given up: a newer one says more.
const GIVE_UP_MS: i64 = 60 * 60_000;

/// How a channel is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Its name in the configuration.
    pub name: String,
    /// The least severity it is told of.
    pub severity: Severity,
    /// The alerts it is told of; `None`: all.
    pub matching: Option<Matcher>,
    /// It is told only what nobody acknowledged.
    pub only_escalations: bool,
    /// Most messages in a minute.
    pub per_minute: u32,
}

/// How a channel fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelState {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that were given up, or refused for what they are.
    pub failed: u64,
    /// Attempts that failed for now.
    pub retried: u64,
    /// Messages that found no room.
    pub dropped: u64,
    /// Messages that wait.
    pub queued: usize,
    /// When the last one arrived.
    pub delivered_ms: Option<i64>,
    /// What the last attempt said, if it failed.
    pub error: Option<String>,
}

/// What a channel and its owner share.
#[derive(Debug)]
struct Shared {
    /// What waits, and what is being delivered.
    queue: Mutex<Queue>,
    filled: Notify,
    state: Mutex<ChannelState>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Message>,
    /// It leaves when its fate is known: whoever takes the channel over takes it, too.
    current: Option<Message>,
}

impl Queue {
    /// How urgent the most urgent message is that waits.
    fn severity(&self) -> Option<Severity> {
        self.waiting.iter().map(Message::severity).max()
    }

    /// The most urgent message, which is being delivered from now on. What waits beside it and may be
    /// told together with it leaves in the same message: a channel that is slow, or was away, says
    /// everything at once and not one old thing after the other.
    fn begin(&mut self) -> Option<Message> {
        let severity = self.severity()?;
        let mut waiting = self.waiting.iter();
        let first = waiting.position(|message| message.severity() == severity)?;
        self.current = if self.waiting.get(first)?.can_join() {
            let waiting = std::mem::take(&mut self.waiting).into_iter();
            let (joined, rest): (Vec<_>, Vec<_>) = waiting.partition(Message::can_join);
            self.waiting = rest.into();
            Message::join(joined)
        } else {
            self.waiting.remove(first)
        };
        self.current.clone()
    }

    fn take_all(&mut self) -> VecDeque<Message> {
        let mut all = std::mem::take(&mut self.waiting);
        if let Some(current) = self.current.take() {
            all.push_front(current);
        }
        all
    }
}

/// The owner's end of a channel.
#[derive(Clone)]
pub struct Channel {
    options: ChannelOptions,
    shared: Arc<Shared>,
    count: Count,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", self.options.name)
    }
}

/// Told of every outcome, for metrics: channel, result.
pub type Count = Arc<dyn Fn(&str, &'static str) + Send + Sync>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Channel {
    /// A channel and the work that serves it; whoever owns the runtime spawns that.
    pub fn new(
        options: ChannelOptions,
        target: Target,
        clock: Clock,
        zone: TimeZone,
        count: Count,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let state = ChannelState {
            name: options.name.clone(),
            kind: target.address().kind(),
            ..ChannelState::default()
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Notify::new(),
            state: Mutex::new(state),
        });
        let worker = Worker {
            pace: Pace::new(options.per_minute),
            options: options.clone(),
            shared: Arc::clone(&shared),
            target,
            clock,
            zone,
            count: Arc::clone(&count),
        };
        let channel = Self {
            options,
            shared,
            count,
        };
        (channel, worker.run())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// How it is set up.
    #[must_use]
    pub const fn options(&self) -> &ChannelOptions {
        &self.options
    }

    /// Takes over what waits in another one, and how that fared.
    pub fn take_over(&self, other: &Self) {
        let waiting = locked(&other.shared.queue).take_all();
        locked(&self.shared.queue).waiting.extend(waiting);
        let fared = locked(&other.shared.state).clone();
        let mut state = locked(&self.shared.state);
        *state = ChannelState {
            kind: state.kind,
            error: None,
            ..fared
        };
        drop(state);
        self.shared.filled.notify_one();
    }

    /// How it fares.
    #[must_use]
    pub fn state(&self) -> ChannelState {
        let queue = locked(&self.shared.queue);
        let queued = queue
            .waiting
            .len()
            .saturating_add(usize::from(queue.current.is_some()));
        drop(queue);
        ChannelState {
            queued,
            ..locked(&self.shared.state).clone()
        }
    }

    /// Queues what of this message is for this channel. Never waits.
    pub fn tell(&self, message: &Message) {
        let is_loud = matches!(message.occasion, Occasion::Escalation | Occasion::Test);
        if self.options.only_escalations && !is_loud {
            return;
        }
        let matching = self.options.matching.as_ref();
        let Some(message) = for_channel(message, self.options.severity, matching) else {
            return;
        };
        let mut queue = locked(&self.shared.queue);
        if queue.waiting.len() >= QUEUE_MAX {
            queue.waiting.pop_front();
            let mut state = locked(&self.shared.state);
            state.dropped = state.dropped.saturating_add(1);
            (self.count)(&self.options.name, "dropped");
        }
        queue.waiting.push_back(message);
        drop(queue);
        self.shared.filled.notify_one();
    }
}

struct Worker {
    options: ChannelOptions,
    pace: Pace,
    shared: Arc<Shared>,
    target: Target,
    clock: Clock,
    zone: TimeZone,
    count: Count,
}

impl Worker {
    async fn run(mut self) {
        loop {
            self.until_one_may_go().await;
            let next = locked(&self.shared.queue).begin();
            if let Some(message) = next {
                self.deliver(message).await;
                locked(&self.shared.queue).current = None;
            }
        }
    }

    /// Waits until there is a message and the pace permits it; what comes meanwhile may be more urgent.
    async fn until_one_may_go(&mut self) {
        loop {
            let severity = locked(&self.shared.queue).severity();
            let Some(severity) = severity else {
                self.shared.filled.notified().await;
                continue;
            };
            let wait_ms = self.wait_ms(severity);
            if wait_ms == 0 {
                return;
            }
            tokio::select! {
                biased;
                () = self.shared.filled.notified() => {}
                () = tokio::time::sleep(millis(wait_ms)) => {}
            }
        }
    }

    fn wait_ms(&mut self, severity: Severity) -> i64 {
        let is_critical = severity == Severity::Critical;
        let now_ms = self.clock.now().boot_ms();
        self.pace.wait_ms(is_critical, now_ms)
    }

    async fn deliver(&mut self, message: Message) {
        let began = self.clock.now();
        let mut backoff = Backoff::new();
        loop {
            let wait_ms = self.wait_ms(message.severity());
            if wait_ms > 0 {
                tokio::time::sleep(millis(wait_ms)).await;
            }
            self.pace.take();
            match self.target.send(&message, &self.zone).await {
                Outcome::Delivered => return self.note(Ok(())),
                Outcome::Refused(why) => return self.note(Err(why)),
                Outcome::Later { why, after_ms } => {
                    let is_old = self.clock.now().since_ms(began) >= GIVE_UP_MS;
                    if is_old {
                        return self.note(Err(format!("given up: {why}")));
                    }
                    self.note_retry(why);
                    (self.count)(&self.options.name, "retried");
                    tokio::time::sleep(millis(backoff.next_ms(after_ms))).await;
                }
            }
        }
    }

    fn note_retry(&self, why: String) {
        let mut state = locked(&self.shared.state);
        state.retried = state.retried.saturating_add(1);
        state.error = Some(why);
    }

    fn note(&self, outcome: Result<(), String>) {
        let mut state = locked(&self.shared.state);
        match outcome {
            Ok(()) => {
                state.delivered = state.delivered.saturating_add(1);
                state.delivered_ms = Some(self.clock.now().wall_ms);
                state.error = None;
                (self.count)(&self.options.name, "delivered");
            }
            Err(why) => {
                state.failed = state.failed.saturating_add(1);
                state.error = Some(why);
                (self.count)(&self.options.name, "failed");
            }
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
