//! The thread on which alerts live.
//!
//! Owns: the one [`Manager`], the channels' runtime, and what a reload changes about them.
//! Must not know: rules of alerting (the manager's), services (a channel's), files.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::channel::{Channel, ChannelOptions, Count};
use super::handle::{Ask, Event, Handle, Shown, View};
use super::heartbeat::{self, Heartbeat};
use super::manage::{Manager, Save, Timing};
use super::matcher::Names;
use super::model::{Alert, Message, Occasion, Silence};
use super::send::Target;
use crate::clock::{Clock, Now};
use crate::guard::alarm::{Alarm, Change, Key, Rule, Setting, Text, Transition};

/// Most transitions and requests that wait for the thread.
const INBOX_MAX: usize = 4_096;

/// How often time passes while something waits to be told, and while nothing does.
const BUSY_MS: u64 = 50;
const IDLE_MS: u64 = 1_000;

/// Most threads that may block: one for each program that hangs, and as many for names that nobody
/// resolves.
const BLOCKING_MAX: usize = 64;

/// How often the time of life is kept, in milliseconds.
const LIFE_MS: i64 = 60_000;

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

/// What a reload can change.
pub struct Setup {
    /// When messages are sent.
    pub timing: Timing,
    /// The channels.
    pub channels: Vec<(ChannelOptions, Target)>,
    /// The heartbeat.
    pub heartbeat: Option<Heartbeat>,
}

/// What the thread is made of.
pub struct Options {
    /// What a reload can change.
    pub setup: Setup,
    /// How urgent a restart is, by the seconds for which nobody watched.
    pub restarted: Setting,
    /// The clock.
    pub clock: Clock,
    /// The zone of times in messages.
    pub zone: TimeZone,
    /// What was kept.
    pub restored: Restored,
    /// Keeps what has to outlive a restart. Must not block.
    pub keep: Box<dyn Fn(Vec<Save>, Option<i64>) + Send>,
    /// Told of every change and every message. Must not block.
    pub follow: Box<dyn Fn(&Event) + Send>,
    /// Told how many alerts fire, by severity, when that changes. Must not block.
    pub active: Box<dyn Fn([usize; 3]) + Send>,
    /// Counts outcomes of deliveries.
    pub count: Count,
    /// Told of what cannot match anything. Must not block.
    pub say: Box<dyn Fn(String) + Send>,
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
        .max_blocking_threads(BLOCKING_MAX)
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    let stopped = stop.clone();
    let thread = std::thread::Builder::new()
        .name("alerts".to_owned())
        .spawn(move || {
            stand_back();
            runtime.block_on(serve(options, inbox, alive, stopped));
            // A hook that hangs does not hold up the end.
            runtime.shutdown_background();
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok((handle, Thread { stop, thread }))
}

/// How far this thread stands behind the others (see nice(2)): it still gets a quarter of a CPU that
/// another one wants for itself.
const NICE: i32 = 5;

/// Where there is only one CPU to spare, a storm of deliveries that fail must not stand before a check.
fn stand_back() {
    let this_thread = rustix::thread::gettid();
    // To be less urgent is always permitted; where it is not, nothing is lost.
    let _ = rustix::process::setpriority_process(Some(this_thread), NICE);
}

/// A channel and the work that serves it; without its owner the work ends.
struct Served {
    channel: Channel,
    target: Target,
    _work: AbortOnDropHandle<()>,
}

struct Desk {
    manager: Manager,
    channels: Vec<Served>,
    heartbeat: Option<AbortOnDropHandle<()>>,
    alive: Arc<AtomicI64>,
    started: Now,
    clock: Clock,
    zone: TimeZone,
    lived_ms: i64,
    keep: Box<dyn Fn(Vec<Save>, Option<i64>) + Send>,
    follow: Box<dyn Fn(&Event) + Send>,
    active: Box<dyn Fn([usize; 3]) + Send>,
    counted: Option<[usize; 3]>,
    names: Option<Names>,
    count: Count,
    say: Box<dyn Fn(String) + Send>,
}

async fn serve(
    options: Options,
    mut inbox: mpsc::Receiver<Ask>,
    alive: Arc<AtomicI64>,
    stop: CancellationToken,
) {
    let Options {
        setup,
        restarted,
        clock,
        zone,
        restored,
        keep,
        follow,
        active,
        count,
        say,
    } = options;
    let started = clock.now();
    let (alerts, silences) = (restored.alerts, restored.silences);
    let mut desk = Desk {
        manager: Manager::new(setup.timing, alerts, silences, started.wall_ms),
        channels: Vec::new(),
        heartbeat: None,
        alive,
        started,
        clock,
        zone,
        lived_ms: 0,
        keep,
        follow,
        active,
        counted: None,
        names: None,
        count,
        say,
    };
    desk.configure(setup);
    let again = restored
        .lived_ms
        .and_then(|lived_ms| started_again(lived_ms, started, &restarted));
    if let Some(again) = again {
        desk.take(&again);
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

/// The guard was started again; `None` where nobody wants to know.
fn started_again(lived_ms: i64, now: Now, setting: &Setting) -> Option<Transition> {
    let away_ms = now.wall_ms.saturating_sub(lived_ms).max(0);
    let seconds = Decimal::new(away_ms, 3);
    let (severity, limit) = setting.reached(seconds, Rule::Restarted.smaller_is_worse())?;
    let away = super::render::duration(away_ms);
    Some(Transition::Raised(Box::new(Alarm {
        key: Key::plain(Rule::Restarted),
        severity,
        change: Change::New,
        since: now,
        value: Some(seconds),
        worst: None,
        limit: Some(limit),
        is_event: true,
        text: Text {
            what: format!("The guard was started again; for about {away} nobody watched."),
            to_do: "If that was not you, look why it had stopped.".to_owned(),
            command: Some("crossguard status".to_owned()),
        },
    })))
}

impl Desk {
    /// The wall clock of the start, carried on by the boot clock.
    fn now_ms(&self) -> i64 {
        let passed = self.clock.now().since_ms(self.started);
        self.started.wall_ms.saturating_add(passed)
    }

    /// Takes over what is configured. A channel that stays as it is goes on undisturbed; of one that
    /// changes, what waits goes to the new one of its name.
    fn configure(&mut self, setup: Setup) {
        self.manager.set_timing(setup.timing);
        let mut before = std::mem::take(&mut self.channels);
        for (options, target) in setup.channels {
            let same = before.iter().position(|served| {
                *served.channel.options() == options && served.target.is_same(&target)
            });
            if let Some(index) = same {
                self.channels.push(before.swap_remove(index));
                continue;
            }
            let named = before
                .iter()
                .find(|served| served.channel.name() == options.name);
            let (channel, work) = Channel::new(
                options,
                target.clone(),
                self.clock.clone(),
                self.zone.clone(),
                Arc::clone(&self.count),
            );
            if let Some(named) = named {
                channel.take_over(&named.channel);
            }
            self.channels.push(Served {
                channel,
                target,
                _work: AbortOnDropHandle::new(tokio::spawn(work)),
            });
        }
        self.say_unmatched();
        self.heartbeat = setup.heartbeat.map(|heartbeat| {
            let alive = Arc::clone(&self.alive);
            let work = heartbeat::beat(heartbeat, self.clock.clone(), alive);
            AbortOnDropHandle::new(tokio::spawn(work))
        });
    }

    /// Channels that are about contracts or pools that do not exist.
    fn say_unmatched(&self) {
        let Some(names) = &self.names else { return };
        for served in &self.channels {
            let options = served.channel.options();
            let matching = options.matching.as_ref();
            if let Some(problem) = matching.and_then(|matcher| matcher.misses(names)) {
                (self.say)(format!(
                    "channel {} is told of nothing: {problem}",
                    options.name
                ));
            }
        }
    }

    fn take(&mut self, transition: &Transition) {
        let at_ms = self.now_ms();
        if let Some(alert) = self.manager.take(transition, at_ms) {
            self.follow_alert(alert);
        }
    }

    fn follow_alert(&self, alert: Alert) {
        (self.follow)(&Event::Changed(Box::new(self.shown(alert))));
    }

    fn shown(&self, alert: Alert) -> Shown {
        let silence = self.manager.silenced_by(&alert);
        let silenced_by = silence.map(|silence| silence.id.clone());
        let inhibitor = self.manager.inhibited_by(&alert);
        let inhibited_by = inhibitor.map(|source| source.id.clone());
        Shown {
            alert,
            silenced_by,
            inhibited_by,
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
                    self.follow_alert(alert.clone());
                }
                drop(reply.send(outcome.map(|alert| self.shown(alert))));
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
            Ask::Unsilence(id, reply) => drop(reply.send(self.manager.unsilence(&id))),
            Ask::Configure(setup, reply) => {
                self.configure(*setup);
                let _ = reply.send(());
            }
            Ask::Names(names) => {
                for sentence in self.manager.learn_names(names.clone()) {
                    (self.say)(sentence);
                }
                if self.names.as_ref() != Some(&names) {
                    self.names = Some(names);
                    self.say_unmatched();
                }
            }
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
        let firing = manager.firing().into_iter();
        let firing = firing.map(|alert| self.shown(alert.clone()));
        View {
            firing: firing.collect(),
            ended: manager.ended().cloned().collect(),
            silences: manager.silences().cloned().collect(),
            channels: self
                .channels
                .iter()
                .map(|served| served.channel.state())
                .collect(),
        }
    }

    fn tell(&self, message: &Message) {
        for served in &self.channels {
            served.channel.tell(message);
        }
        (self.follow)(&Event::Told(Box::new(message.clone())));
    }

    fn tick(&mut self) {
        let at_ms = self.now_ms();
        for message in self.manager.tick(at_ms) {
            self.tell(&message);
        }
        for ended in self.manager.take_expired() {
            self.follow_alert(ended);
        }
        let counts = self.manager.counts();
        if self.counted.replace(counts) != Some(counts) {
            (self.active)(counts);
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
