//! The thin shell around the core: one loop, one thread.
//!
//! Owns: the queues into the core, their bounds, and the order in which they are served.
//! Must not know: any rule. Every decision is the core's.
//!
//! What the exchange told is applied before a question is answered, so that an answer never rests
//! on less than what had already arrived.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::beat::{Beat, Due};
use super::bell::Bell;
use super::core::{Core, Input, Output, PolicyInForce, Reads};
use super::handle::{GuardHandle, Message, QUEUE_MAX};
use super::report::{Answer, PoolReport};
use super::systemd::Watchdog;
use crate::clock::{Clock, Now};
use crate::exchange::{Demand, Full, Note, Resync, Sink};
use crate::guard::alarm::Transition;
use crate::margin::account::{Asset, Symbol};
use crate::mirror::Notice;
use crate::mirror::event::{Event, MarkUpdate};

/// Most account, order and table events that wait for the core; more is a gap and is read anew.
const EVENTS_MAX: usize = 8_192;

/// Most marks that wait before only the latest of each symbol is kept.
const MARKS_MAX: usize = 8_192;

/// Most events that are applied before a question is looked at again.
const EVENTS_AT_ONCE: usize = 512;

/// Most facts for the metrics that are taken in one turn.
const NOTES_AT_ONCE: usize = 64;

/// Who listens to the spine. Called on the spine's thread: it must not block.
pub trait Audience: Send {
    /// True when somebody wants to hear of changed figures.
    fn wants_figures(&self) -> bool;

    /// Figures of pools changed.
    fn figures(&mut self, pools: &[PoolReport]);

    /// Something a person should be told.
    fn notice(&mut self, notice: &Notice);

    /// An alarm was raised, changed or is over.
    fn alarm(&mut self, transition: Transition);

    /// The guard stands on another rung, or under another policy.
    fn state(&mut self, core: &Core);

    /// A fact about the exchange client.
    fn note(&mut self, note: &Note);

    /// About ten times a second: for gauges.
    fn tick(&mut self, core: &Core, clock: &Clock);
}

/// What the exchange client writes into. One bell for all of it, and for the passing of time: the spine
/// looks at every queue when it rings.
#[derive(Debug)]
pub struct Exchange {
    events: mpsc::Sender<Event>,
    notes: mpsc::Sender<Note>,
    marks: Marks,
    bell: Arc<Bell>,
}

/// Marks that the core has not seen yet, in the order they came. While the core keeps up they are
/// taken as they are; when they pile up, only the latest of each symbol is kept.
#[derive(Debug, Clone, Default)]
struct Marks {
    waiting: Arc<Mutex<Vec<MarkUpdate>>>,
}

impl Marks {
    fn put(&self, mark: MarkUpdate) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MARKS_MAX {
            keep_latest(&mut waiting);
        }
        waiting.push(mark);
    }

    /// Swaps what waits with an empty list, so that both lists are used again and again.
    fn swap(&self, empty: &mut Vec<MarkUpdate>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *waiting, empty);
    }
}

fn keep_latest(waiting: &mut Vec<MarkUpdate>) {
    let mut latest: BTreeMap<Symbol, MarkUpdate> = BTreeMap::new();
    for mark in waiting.drain(..) {
        let newer = latest
            .get(&mark.symbol)
            .is_none_or(|known| known.event_ms <= mark.event_ms);
        if newer {
            latest.insert(mark.symbol.clone(), mark);
        }
    }
    waiting.extend(latest.into_values());
}

impl Sink for Exchange {
    fn event(&self, event: Event) -> Result<(), Full> {
        let sent = self.events.try_send(event).map_err(|_| Full);
        self.bell.ring();
        sent
    }

    fn mark(&self, mark: MarkUpdate) {
        self.marks.put(mark);
        self.bell.ring();
    }

    fn note(&self, note: Note) {
        // A note that finds no room is only a fact less in the metrics.
        drop(self.notes.try_send(note));
        self.bell.ring();
    }
}

/// The running spine.
pub struct Spine {
    core: Core,
    clock: Clock,
    messages: mpsc::Receiver<Message>,
    events: mpsc::Receiver<Event>,
    notes: mpsc::Receiver<Note>,
    marks: Marks,
    /// Marks on their way from the queue to the core; empty between two steps.
    marks_in_hand: Vec<MarkUpdate>,
    bell: Arc<Bell>,
    due: Due,
    watchdog: Watchdog,
    demand: watch::Sender<Demand>,
    audience: Box<dyn Audience>,
    replies: BTreeMap<u64, oneshot::Sender<Box<Answer>>>,
    next_ticket: u64,
}

/// The ends that others hold.
pub struct Ends {
    /// For the doors.
    pub handle: GuardHandle,
    /// For the exchange client to write into.
    pub exchange: Arc<Exchange>,
    /// For the exchange client to read what is wanted.
    pub demand: watch::Receiver<Demand>,
    /// Without it no time passes for the spine.
    pub beat: Beat,
}

/// Builds a spine and the ends that others hold.
#[must_use]
pub fn spine(
    in_force: PolicyInForce,
    seed: u64,
    all_marks: bool,
    clock: Clock,
    audience: Box<dyn Audience>,
) -> (Spine, Ends) {
    let (message_sender, messages) = mpsc::channel(QUEUE_MAX);
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (note_sender, notes) = mpsc::channel(QUEUE_MAX);
    let (demand_sender, demand) = watch::channel(Demand {
        all_marks,
        ..Demand::default()
    });
    let marks = Marks::default();
    let bell = Arc::new(Bell::default());
    let exchange = Arc::new(Exchange {
        events: event_sender,
        notes: note_sender,
        marks: marks.clone(),
        bell: Arc::clone(&bell),
    });
    let (beat, due) = Beat::new(Arc::clone(&bell));
    let spine = Spine {
        core: Core::new(in_force, seed),
        clock,
        messages,
        events,
        notes,
        marks,
        marks_in_hand: Vec::new(),
        bell,
        due,
        watchdog: Watchdog::from_environment(),
        demand: demand_sender,
        audience,
        replies: BTreeMap::new(),
        next_ticket: 1,
    };
    let handle = GuardHandle {
        messages: message_sender,
    };
    (
        spine,
        Ends {
            handle,
            exchange,
            demand,
            beat,
        },
    )
}

impl Spine {
    /// Puts the guard on a rung before it runs: the one it stood on when it last ended.
    pub fn begin_on(&mut self, input: Input) {
        self.step(input, self.clock.now());
    }

    /// Serves until shutdown or until no door is left.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut stopped = std::pin::pin!(shutdown.cancelled());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                () = self.bell.rung() => self.listen(),
                message = self.messages.recv() => match message {
                    Some(message) => self.serve(message),
                    None => return,
                },
            }
        }
    }

    /// What the exchange told: account and orders, then marks, then facts for the metrics; and that time
    /// passed. What is too much for one turn rings the bell again.
    fn listen(&mut self) {
        let more = self.take_events();
        self.take_marks();
        let more = self.take_notes() || more;
        if more {
            self.bell.ring();
        }
        if self.due.take() {
            self.step(Input::Tick, self.clock.now());
            self.audience.tick(&self.core, &self.clock);
            self.watchdog.feed(&self.clock);
        }
    }

    /// True when there may be more.
    fn take_notes(&mut self) -> bool {
        for _ in 0..NOTES_AT_ONCE {
            // Nearly always there are none, and to look costs less than to try.
            if self.notes.is_empty() {
                return false;
            }
            match self.notes.try_recv() {
                Ok(note) => self.audience.note(&note),
                Err(_) => return false,
            }
        }
        true
    }

    /// True when there may be more.
    fn take_events(&mut self) -> bool {
        if self.events.is_empty() {
            return false;
        }
        for _ in 0..EVENTS_AT_ONCE {
            match self.events.try_recv() {
                Ok(event) => self.step(Input::Event(event), self.clock.now()),
                Err(_) => return false,
            }
        }
        true
    }

    fn take_marks(&mut self) {
        let mut changed: Vec<Asset> = Vec::new();
        let mut marks = std::mem::take(&mut self.marks_in_hand);
        self.marks.swap(&mut marks);
        for mark in marks.drain(..) {
            let now = self.clock.now();
            for output in self.core.step(Input::Event(Event::Mark(mark)), now) {
                match output {
                    Output::Marked(pool) if changed.contains(&pool) => {}
                    Output::Marked(pool) => changed.push(pool),
                    other => self.carry_out(other),
                }
            }
        }
        self.marks_in_hand = marks;
        for pool in changed {
            self.carry_out(Output::Marked(pool));
        }
    }

    fn serve(&mut self, message: Message) {
        let now = self.clock.now();
        // A door that went away does not wait for its answer any more.
        match message {
            Message::Check { mut ask, reply } => {
                ask.ticket = self.next_ticket;
                self.next_ticket = self.next_ticket.wrapping_add(1);
                self.replies.insert(ask.ticket, reply);
                self.step(Input::Check(ask), now);
            }
            Message::Change { input, done } => {
                self.step(input, now);
                let _ = done.send(());
            }
            Message::Account(reply) => drop(reply.send(self.core.account_report(now))),
            Message::Explain(reply) => drop(reply.send(self.core.sheet())),
            Message::Positions(reply) => drop(reply.send(self.core.positions_report(now))),
            Message::Orders(reply) => drop(reply.send(self.core.orders_report(now))),
            Message::Status(reply) => drop(reply.send(self.core.status_report(now))),
            Message::Stress { scenarios, reply } => {
                drop(reply.send(self.core.stress(&scenarios, now)));
            }
            Message::Fix(reply) => drop(reply.send(self.core.fix(now))),
            Message::Size { ask, reply } => drop(reply.send(self.core.size(&ask, now))),
            Message::Policy(reply) => drop(reply.send(self.core.in_force().clone())),
        }
    }

    fn step(&mut self, input: Input, now: Now) {
        let outputs = self.core.step(input, now);
        for output in outputs {
            self.carry_out(output);
        }
        self.publish_demand();
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Answer { ticket, answer } => {
                if let Some(reply) = self.replies.remove(&ticket) {
                    drop(reply.send(answer));
                }
            }
            Output::Changed => {
                if self.audience.wants_figures() {
                    self.audience.figures(&self.core.pool_reports());
                }
            }
            Output::Marked(pool) => {
                if self.audience.wants_figures() {
                    self.audience.figures(&[self.core.pool_report(&pool)]);
                }
            }
            Output::Notice(notice) => self.audience.notice(&notice),
            Output::Alarm(transition) => self.audience.alarm(transition),
            Output::State => self.audience.state(&self.core),
        }
    }

    fn publish_demand(&self) {
        let watch = self.core.watch();
        self.demand.send_if_modified(|known| {
            let Reads {
                account,
                orders,
                config,
                brackets,
                rules,
                quotes,
            } = watch.reads;
            let resync = Resync {
                account,
                orders,
                config,
                brackets,
                rules,
                quotes,
            };
            let same = known.resync == resync
                && known.exposed == watch.exposed
                && known.collateral == watch.collateral
                && known.quoted == watch.quoted
                && known.symbols == watch.symbols;
            if !same {
                known.resync = resync;
                known.exposed = watch.exposed;
                known.collateral = watch.collateral;
                known.symbols.clone_from(&watch.symbols);
                known.quoted.clone_from(&watch.quoted);
            }
            !same
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::amount::{MarkPrice, Price};

    fn mark(symbol: &str, event_ms: i64) -> MarkUpdate {
        MarkUpdate {
            symbol: Symbol::new(symbol).unwrap(),
            mark: MarkPrice::new(Price::parse("1").unwrap()),
            funding_rate: None,
            next_funding_ms: None,
            event_ms,
        }
    }

    #[test]
    fn marks_that_pile_up_keep_the_latest_of_each_symbol() {
        let marks = Marks::default();
        for event_ms in 0..i64::try_from(MARKS_MAX).unwrap() {
            marks.put(mark("AUSDT", event_ms));
        }
        marks.put(mark("BUSDT", 7));
        let mut waiting = Vec::new();
        marks.swap(&mut waiting);
        let left: Vec<_> = waiting
            .iter()
            .map(|m| (m.symbol.as_str(), m.event_ms))
            .collect();
        assert_eq!(left, [("AUSDT", 8_191), ("BUSDT", 7)]);
    }
}
