//! The thread on which alerts live.
//!
//! Owns: the one [`Manager`], the channels' runtime, the heartbeat, and the handle that others hold.
//! Must not know: rules of alerting (the manager's), services (a channel's), files.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::channel::{Channel, ChannelOptions, ChannelState, Count};
use super::manage::{Manager, Refused, Save, Timing};
use super::model::{Alert, Message, Occasion, Silence};
use super::send::Target;
use crate::clock::{Clock, Now};
use crate::guard::alarm::{Alarm, Change, Key, Rule, Severity, Text, Transition};

/// Most transitions and requests that wait for the thread.
const INBOX_MAX: usize = 4_096;

/// How often time passes while something waits to be told, and while nothing does.
const BUSY_MS: u64 = 50;
const IDLE_MS: u64 = 1_000;

/// The heartbeat is sent only while the spine was heard within this time, in milliseconds.
const ALIVE_MS: i64 = 10_000;

/// Longer without the guard is worth a warning, in milliseconds.
const AWAY_MS: i64 = 5 * 60_000;

/// How often the time of life is kept, in milliseconds.
const LIFE_MS: i64 = 60_000;

/// A change that followers are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An alert was raised or changed.
    Firing(Box<Alert>),
    /// An alert is over.
    Ended(Box<Alert>),
    /// Somebody acknowledged it.
    Acknowledged(Box<Alert>),
}

/// What was kept from the last life.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// Alerts.
    pub alerts: Vec<Alert>,
    /// Silences.
    pub silences: Vec<Silence>,
    /// When the daemon was last known to live.
    pub lived_ms: Option<i64>,
}

/// A URL that is asked for now and then, so that silence can be noticed from outside.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Where.
    pub url: String,
    /// How often.
    pub every: Duration,
}

/// What the thread is made of.
pub struct Options {
    /// When messages are sent.
    pub timing: Timing,
    /// The channels.
    pub channels: Vec<(ChannelOptions, Target)>,
    /// The heartbeat, with the client that sends it.
    pub heartbeat: Option<(Heartbeat, reqwest::Client)>,
    /// The clock.
    pub clock: Clock,
    /// The zone of times in messages.
    pub zone: TimeZone,
    /// What was kept.
    pub restored: Restored,
    /// Keeps what has to outlive a restart. Must not block.
    pub keep: Box<dyn Fn(Vec<Save>, Option<i64>) + Send>,
    /// Told of every change. Must not block.
    pub follow: Box<dyn Fn(&Event) + Send>,
    /// Counts outcomes of deliveries.
    pub count: Count,
}

/// Everything there is to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Alerts that fire, the most urgent first, with the silence and the alert that keep each quiet.
    pub firing: Vec<(Alert, Option<String>, Option<String>)>,
    /// Alerts that are over, the latest first.
    pub ended: Vec<Alert>,
    /// Silences in force.
    pub silences: Vec<Silence>,
    /// How the channels fare.
    pub channels: Vec<ChannelState>,
}

enum Ask {
    Take(Transition),
    View(oneshot::Sender<View>),
    Acknowledge(String, String, oneshot::Sender<Result<Alert, Refused>>),
    Silence {
        matcher: String,
        reason: String,
        by: String,
        lasts_ms: i64,
        reply: oneshot::Sender<Result<Silence, Refused>>,
    },
    Unsilence(String, oneshot::Sender<Result<Silence, Refused>>),
    Test(oneshot::Sender<usize>),
}

/// The thread does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("alerts are not served: the thread is busy or ended")]
pub struct Gone;

/// The way to the thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    inbox: mpsc::Sender<Ask>,
    alive: Arc<AtomicI64>,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

impl Handle {
    /// Hands a transition over without waiting.
    ///
    /// # Errors
    /// [`Gone`] when there is no room: the caller keeps it for later.
    pub fn take(&self, transition: Transition) -> Result<(), Gone> {
        self.inbox.try_send(Ask::Take(transition)).map_err(|_| Gone)
    }

    /// The spine lives.
    pub fn note_alive(&self, now: Now) {
        self.alive.store(now.boot_ms(), Ordering::Relaxed);
    }

    /// Everything there is to see.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn view(&self) -> Result<View, Gone> {
        self.ask(Ask::View).await
    }

    /// Somebody saw an alert.
    ///
    /// # Errors
    /// [`Gone`], or why not.
    pub async fn acknowledge(
        &self,
        id: String,
        by: String,
    ) -> Result<Result<Alert, Refused>, Gone> {
        self.ask(|reply| Ask::Acknowledge(id, by, reply)).await
    }

    /// Keeps quiet about what matches for so many milliseconds.
    ///
    /// # Errors
    /// [`Gone`], or why not.
    pub async fn silence(
        &self,
        matcher: String,
        reason: String,
        by: String,
        lasts_ms: i64,
    ) -> Result<Result<Silence, Refused>, Gone> {
        self.ask(|reply| Ask::Silence {
            matcher,
            reason,
            by,
            lasts_ms,
            reply,
        })
        .await
    }

    /// Ends a silence early.
    ///
    /// # Errors
    /// [`Gone`], or why not.
    pub async fn unsilence(&self, id: String) -> Result<Result<Silence, Refused>, Gone> {
        self.ask(|reply| Ask::Unsilence(id, reply)).await
    }

    /// Sends a test message over every channel; gives how many there are.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn test(&self) -> Result<usize, Gone> {
        self.ask(Ask::Test).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.inbox.try_send(ask(reply)).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

/// The running thread.
#[derive(Debug)]
pub struct Thread {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Thread {
    /// Ends the thread; messages that wait are not sent any more, alerts are kept.
    ///
    /// # Errors
    /// When it had panicked.
    pub fn stop(self) -> std::thread::Result<()> {
        self.stop.cancel();
        self.thread.join()
    }
}

/// Starts the thread.
///
/// # Errors
/// What keeps it from starting, in words.
pub fn start(options: Options) -> Result<(Handle, Thread), String> {
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let alive = Arc::new(AtomicI64::new(options.clock.now().boot_ms()));
    let handle = Handle {
        inbox: sender,
        alive: Arc::clone(&alive),
    };
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    let stopped = stop.clone();
    let thread = std::thread::Builder::new()
        .name("alerts".to_owned())
        .spawn(move || {
            runtime.block_on(serve(options, inbox, alive, stopped));
            // A hook that hangs does not hold up the end.
            runtime.shutdown_background();
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok((handle, Thread { stop, thread }))
}

struct Desk {
    manager: Manager,
    channels: Vec<Channel>,
    started: Now,
    clock: Clock,
    lived_ms: i64,
    keep: Box<dyn Fn(Vec<Save>, Option<i64>) + Send>,
    follow: Box<dyn Fn(&Event) + Send>,
}

async fn serve(
    options: Options,
    mut inbox: mpsc::Receiver<Ask>,
    alive: Arc<AtomicI64>,
    stop: CancellationToken,
) {
    let Options {
        timing,
        channels,
        heartbeat,
        clock,
        zone,
        restored,
        keep,
        follow,
        count,
    } = options;
    let workers = channels.into_iter().map(|(options, target)| {
        let (channel, work) = Channel::new(
            options,
            target,
            clock.clone(),
            zone.clone(),
            Arc::clone(&count),
        );
        tokio::spawn(work);
        channel
    });
    let channels = workers.collect();
    if let Some((heartbeat, http)) = heartbeat {
        tokio::spawn(beat(heartbeat, http, clock.clone(), alive));
    }
    let started = clock.now();
    let manager = Manager::new(timing, restored.alerts, restored.silences, started.wall_ms);
    let mut desk = Desk {
        manager,
        channels,
        started,
        clock,
        lived_ms: 0,
        keep,
        follow,
    };
    if let Some(lived_ms) = restored.lived_ms {
        desk.take(&restarted(lived_ms, started));
    }
    loop {
        let pause = if desk.manager.is_waiting() {
            BUSY_MS
        } else {
            IDLE_MS
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return desk.tick(),
            ask = inbox.recv() => match ask {
                Some(ask) => desk.answer(ask),
                None => return,
            },
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
        desk.tick();
    }
}

/// The guard was started again.
fn restarted(lived_ms: i64, now: Now) -> Transition {
    let away_ms = now.wall_ms.saturating_sub(lived_ms).max(0);
    let away = super::render::duration(away_ms);
    let severity = if away_ms > AWAY_MS {
        Severity::Warning
    } else {
        Severity::Info
    };
    Transition::Raised(Box::new(Alarm {
        key: Key::plain(Rule::Restarted),
        severity,
        change: Change::New,
        since: now,
        value: None,
        worst: None,
        limit: None,
        is_event: true,
        text: Text {
            what: format!("The guard was started again; for about {away} nobody watched."),
            to_do: "If that was not you, look why it had stopped.".to_owned(),
            command: Some("crossguard status".to_owned()),
        },
    }))
}

impl Desk {
    /// The wall clock of the start, carried on by the boot clock.
    fn now_ms(&self) -> i64 {
        let passed = self.clock.now().since_ms(self.started);
        self.started.wall_ms.saturating_add(passed)
    }

    fn take(&mut self, transition: &Transition) {
        let at_ms = self.now_ms();
        if let Some(alert) = self.manager.take(transition, at_ms) {
            let event = if alert.is_firing() {
                Event::Firing(Box::new(alert))
            } else {
                Event::Ended(Box::new(alert))
            };
            (self.follow)(&event);
        }
    }

    fn answer(&mut self, ask: Ask) {
        let at_ms = self.now_ms();
        // Whoever asked and left does not wait any more.
        match ask {
            Ask::Take(transition) => self.take(&transition),
            Ask::View(reply) => drop(reply.send(self.view())),
            Ask::Acknowledge(id, by, reply) => {
                let outcome = self.manager.acknowledge(&id, &by, at_ms);
                if let Ok(alert) = &outcome {
                    (self.follow)(&Event::Acknowledged(Box::new(alert.clone())));
                }
                drop(reply.send(outcome));
            }
            Ask::Silence {
                matcher,
                reason,
                by,
                lasts_ms,
                reply,
            } => {
                let until_ms = at_ms.saturating_add(lasts_ms);
                let outcome = self
                    .manager
                    .silence(&matcher, &reason, &by, until_ms, at_ms);
                drop(reply.send(outcome));
            }
            Ask::Unsilence(id, reply) => drop(reply.send(self.manager.unsilence(&id, at_ms))),
            Ask::Test(reply) => {
                let message = Message {
                    occasion: Occasion::Test,
                    at_ms,
                    alerts: Vec::new(),
                };
                self.tell(&message);
                let _ = reply.send(self.channels.len());
            }
        }
    }

    fn view(&self) -> View {
        let manager = &self.manager;
        let firing = manager.firing().into_iter().map(|alert| {
            let silence = manager.silenced_by(alert).map(|silence| silence.id.clone());
            let inhibitor = manager.inhibited_by(alert).map(|source| source.id.clone());
            (alert.clone(), silence, inhibitor)
        });
        View {
            firing: firing.collect(),
            ended: manager.ended().cloned().collect(),
            silences: manager.silences().cloned().collect(),
            channels: self.channels.iter().map(Channel::state).collect(),
        }
    }

    fn tell(&self, message: &Message) {
        for channel in &self.channels {
            channel.tell(message);
        }
    }

    fn tick(&mut self) {
        let at_ms = self.now_ms();
        for message in self.manager.tick(at_ms) {
            self.tell(&message);
        }
        let saves = self.manager.take_saves();
        let is_due = at_ms.saturating_sub(self.lived_ms) >= LIFE_MS;
        if is_due {
            self.lived_ms = at_ms;
        }
        if is_due || !saves.is_empty() {
            (self.keep)(saves, is_due.then_some(at_ms));
        }
    }
}

/// Asks for the heartbeat's URL while the spine lives. What it answers does not matter: whoever
/// listens there notices when nothing comes.
async fn beat(heartbeat: Heartbeat, http: reqwest::Client, clock: Clock, alive: Arc<AtomicI64>) {
    loop {
        let silent_ms = clock
            .now()
            .boot_ms()
            .saturating_sub(alive.load(Ordering::Relaxed));
        if silent_ms < ALIVE_MS {
            let request = http.get(&heartbeat.url).timeout(super::send::DEADLINE);
            drop(request.send().await);
        }
        tokio::time::sleep(heartbeat.every).await;
    }
}
