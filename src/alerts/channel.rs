//! One channel: its queue, its pace, its retries, and how it fares.
//!
//! Owns: what is told to it, when it is tried again, what is given up, and the state that `status`
//! shows.
//! Must not know: other channels. A dead one fills its own queue and nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::Notify;

use super::matcher::Matcher;
use super::model::{Message, Occasion};
use super::render::for_channel;
use super::send::{Outcome, Target};
use crate::clock::Clock;
use crate::guard::alarm::Severity;

/// Most messages that wait; the oldest is given up for the newest.
pub const QUEUE_MAX: usize = 64;

/// Pauses between attempts: doubling from the first to the last.
const BACKOFF_MS: (i64, i64) = (1_000, 60_000);

/// The longest pause a service may ask for.
const RETRY_AFTER_MS_MAX: i64 = 5 * 60_000;

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
    /// The next message, which is being delivered from now on.
    fn begin(&mut self) -> Option<Message> {
        self.current = self.waiting.pop_front();
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
            let next = locked(&self.shared.queue).begin();
            match next {
                Some(message) => {
                    self.deliver(message).await;
                    locked(&self.shared.queue).current = None;
                }
                None => self.shared.filled.notified().await,
            }
        }
    }

    async fn deliver(&mut self, message: Message) {
        let began = self.clock.now();
        let mut backoff = Backoff::new();
        loop {
            let wait_ms = self.pace.wait_ms(self.clock.now().boot_ms());
            tokio::time::sleep(millis(wait_ms)).await;
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

/// How long to wait before the next attempt.
#[derive(Debug)]
struct Backoff {
    pause_ms: i64,
}

impl Backoff {
    const fn new() -> Self {
        Self {
            pause_ms: BACKOFF_MS.0,
        }
    }

    /// The next pause: twice the last one, or longer if the service asks for it.
    fn next_ms(&mut self, asked_ms: Option<i64>) -> i64 {
        let asked_ms = asked_ms.unwrap_or(0).clamp(0, RETRY_AFTER_MS_MAX);
        let pause_ms = self.pause_ms.max(asked_ms);
        self.pause_ms = self.pause_ms.saturating_mul(2).min(BACKOFF_MS.1);
        pause_ms
    }
}

/// A bucket that holds a quarter of a minute's messages and fills evenly.
#[derive(Debug)]
struct Pace {
    every_ms: i64,
    most_ms: i64,
    /// The time that is saved up, in milliseconds of the pace.
    saved_ms: i64,
    last_ms: Option<i64>,
}

impl Pace {
    fn new(per_minute: u32) -> Self {
        let every_ms = 60_000_i64.div_euclid(i64::from(per_minute.max(1)));
        let burst = i64::from(per_minute.max(1)).div_euclid(4).max(1);
        let most_ms = every_ms.saturating_mul(burst);
        Self {
            every_ms,
            most_ms,
            saved_ms: most_ms,
            last_ms: None,
        }
    }

    /// How long the next message has to wait; it is counted as sent after that.
    fn wait_ms(&mut self, now_ms: i64) -> i64 {
        let passed = self
            .last_ms
            .map_or(0, |last| now_ms.saturating_sub(last).max(0));
        self.last_ms = Some(now_ms);
        self.saved_ms = self.saved_ms.saturating_add(passed).min(self.most_ms);
        self.saved_ms = self.saved_ms.saturating_sub(self.every_ms);
        self.saved_ms.min(0).saturating_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_a_service_is_heeded_for_five() {
        let mut backoff = Backoff::new();
        let pauses: Vec<i64> = (0..8).map(|_| backoff.next_ms(None)).collect();
        assert_eq!(
            pauses,
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next_ms(Some(7_000)), 7_000);
        assert_eq!(backoff.next_ms(Some(500)), 2_000);
        assert_eq!(backoff.next_ms(Some(86_400_000)), 300_000);
    }

    #[test]
    fn a_burst_goes_at_once_and_then_the_pace_holds() {
        let mut pace = Pace::new(20);
        let waits: Vec<i64> = (0..7).map(|_| pace.wait_ms(0)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 3_000, 6_000]);
        assert_eq!(pace.wait_ms(600_000), 0);
    }
}
