//! `step(state, input, now) -> outputs`: synchronous, deterministic, without input or output of
//! its own. The same code runs in the daemon, in the replay and in the simulation tests.
//!
//! Owns: the mirror, the policy in force, the ladder, open questions that wait for a first mark,
//! what the exchange client should watch and read.
//! Must not know: channels, tasks, sockets, the clock.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Answer;
use crate::clock::Now;
use crate::guard::alarm::{AlarmPolicy, Alarms, Transition};
use crate::guard::fix::{Fix, fix};
use crate::guard::offer::{Size, size};
use crate::guard::policy::Policy;
use crate::guard::proposal::Proposal;
use crate::guard::stress::{self, Scenario};
use crate::guard::verdict::{Decision, Judgement, Ladder};
use crate::guard::{self, Context, Detail};
use crate::margin::account::{Asset, AssetMode, Symbol};
use crate::margin::order::OrderIntent;
use crate::mirror::event::Event;
use crate::mirror::plane::{Bounds, Plane};
use crate::mirror::reserve::Reservation;
use crate::mirror::view::{Needs, NotReady};
use crate::mirror::{Mirror, Notice, Wanted};

/// How long a question waits for the first mark of a symbol that was not followed, in ms.
pub const FIRST_MARK_MS: i64 = 2_000;

/// How long a symbol that was asked about stays followed, in milliseconds.
pub const ASKED_MS: i64 = 10 * 60_000;

/// Most symbols that are followed only because they were asked about.
pub const ASKED_MAX: usize = 50;

/// Most questions that wait at once.
pub const WAITING_MAX: usize = 256;

/// Everything that can wake the spine.
#[derive(Debug)]
pub enum Input {
    /// The exchange client learned something.
    Event(Event),
    /// Somebody asks whether an order may be sent.
    Check(Box<Ask>),
    /// Room that was promised is not needed: the order was refused or never sent.
    Release {
        /// The decision that promised it.
        decision_id: String,
    },
    /// The order of this decision was sent and nobody knows whether it arrived: its room is kept
    /// until the stream or a read shows it.
    OutcomeUnknown {
        /// The decision that promised it.
        decision_id: String,
    },
    /// A new policy is in force.
    Policy(Box<PolicyInForce>),
    /// Alarms are raised at these levels.
    AlarmLevels(AlarmPolicy),
    /// The guard is put on another rung by hand.
    Ladder {
        /// The rung.
        rung: Ladder,
        /// Why, in the user's words.
        reason: String,
    },
    /// Time passed.
    Tick,
}

/// A policy with the fingerprint it is recorded under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInForce {
    /// The limits.
    pub policy: Policy,
    /// `sha256:…` over its canonical text.
    pub fingerprint: String,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// By which the answer is found again.
    pub ticket: u64,
    /// What somebody wants to send.
    pub proposal: Proposal,
    /// Who asks, for limits of single clients.
    pub client: Option<String>,
    /// Only asking: no room is promised.
    pub dry_run: bool,
    /// How much is wanted.
    pub detail: Detail,
}

/// What a step brings about.
#[derive(Debug)]
pub enum Output {
    /// The answer to a question.
    Answer {
        /// The question's ticket.
        ticket: u64,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Balances, positions, orders or settings changed: figures of every pool may have.
    Changed,
    /// A mark of a held symbol changed the figures of this pool.
    Marked(Asset),
    /// Something a person should be told.
    Notice(Notice),
    /// An alarm was raised, changed or is over.
    Alarm(Transition),
    /// The guard stands on another rung, or under another policy.
    State,
}

/// What the exchange client should watch and read, in the spine's words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// Symbols whose marks matter.
    pub symbols: BTreeSet<Symbol>,
    /// Symbols whose last price and best bid and ask matter: held, ordered, promised or asked about.
    pub quoted: BTreeSet<Symbol>,
    /// Collateral rates matter.
    pub collateral: bool,
    /// Something is held, ordered or promised.
    pub exposed: bool,
    /// Reads asked for so far, by table: a rise asks for one more.
    pub reads: Reads,
}

/// Counters of reads asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Balances and positions.
    pub account: u64,
    /// Both order books.
    pub orders: u64,
    /// Settings.
    pub config: u64,
    /// Brackets.
    pub brackets: u64,
    /// Rules.
    pub rules: u64,
    /// Last prices and best bids and asks.
    pub quotes: u64,
}

impl Reads {
    fn ask_for(&mut self, wanted: Wanted) {
        let count = |counter: &mut u64, wanted: bool| {
            *counter = counter.saturating_add(u64::from(wanted));
        };
        count(&mut self.account, wanted.account);
        count(&mut self.orders, wanted.orders);
        count(&mut self.config, wanted.config);
        count(&mut self.brackets, wanted.brackets);
        count(&mut self.rules, wanted.rules);
    }

    /// A symbol whose quotes are not read yet came in.
    const fn ask_for_quotes(&mut self) {
        self.quotes = self.quotes.saturating_add(1);
    }
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    asked: Now,
}

/// The guard's whole state.
#[derive(Debug)]
pub struct Core {
    mirror: Mirror,
    in_force: PolicyInForce,
    ladder: Ladder,
    ladder_reason: String,
    waiting: Vec<Waiting>,
    asked: BTreeMap<Symbol, Now>,
    /// When a change into multi-assets mode was asked about last.
    rates_asked: Option<Now>,
    watch: Watch,
    ids: DecisionIds,
    last_slept_ms: Option<i64>,
    alarms: Alarms,
}

impl Core {
    /// A spine that has seen nothing. The seed decides the random part of decision ids.
    #[must_use]
    pub fn new(in_force: PolicyInForce, seed: u64) -> Self {
        Self {
            alarms: Alarms::new(AlarmPolicy::default(), &in_force.policy),
            mirror: Mirror::new(Bounds::DEFAULT),
            in_force,
            ladder: Ladder::Normal,
            ladder_reason: String::new(),
            waiting: Vec::new(),
            asked: BTreeMap::new(),
            rates_asked: None,
            watch: Watch::default(),
            ids: DecisionIds { state: seed },
            last_slept_ms: None,
        }
    }

    /// The mirror, to look at.
    #[must_use]
    pub const fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// The policy in force.
    #[must_use]
    pub const fn in_force(&self) -> &PolicyInForce {
        &self.in_force
    }

    /// The rung and why.
    #[must_use]
    pub fn ladder(&self) -> (Ladder, &str) {
        (self.ladder, &self.ladder_reason)
    }

    /// What the exchange client should watch and read.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Takes one input at this moment and says what it brought about.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.notice_sleep(now);
        match input {
            Input::Event(event) => self.take_event(event, now, &mut outputs),
            Input::Check(ask) => self.take_question(*ask, now, &mut outputs),
            Input::Release { decision_id } => {
                self.mirror.reservations_mut().release(&decision_id);
            }
            Input::OutcomeUnknown { decision_id } => {
                self.mirror.reservations_mut().keep(&decision_id);
            }
            Input::AlarmLevels(levels) => {
                self.alarms.set_levels(levels, &self.in_force.policy);
            }
            Input::Policy(in_force) => {
                self.in_force = *in_force;
                self.alarms.set_policy(&self.in_force.policy);
                self.update_watch(now);
                outputs.push(Output::State);
            }
            Input::Ladder { rung, reason } => {
                self.ladder = rung;
                self.ladder_reason = reason;
                outputs.push(Output::State);
            }
            Input::Tick => {
                self.mirror.reservations_mut().expire(now);
                self.answer_waiting(now, &mut outputs);
                self.update_watch(now);
                let context = Context {
                    policy: &self.in_force.policy,
                    ladder: self.ladder,
                    ladder_reason: &self.ladder_reason,
                    client: None,
                    detail: Detail::Brief,
                };
                let told = self.alarms.evaluate(&self.mirror, &context, now);
                outputs.extend(told.into_iter().map(Output::Alarm));
            }
        }
        outputs
    }

    /// After a sleep of the machine everything is read anew; until then no plane is fresh.
    fn notice_sleep(&mut self, now: Now) {
        let slept = now.slept_ms();
        let before = self.last_slept_ms.replace(slept).unwrap_or(slept);
        if slept.saturating_sub(before) > Bounds::DEFAULT.sleep_ms {
            let all = Wanted {
                account: true,
                orders: true,
                config: true,
                brackets: true,
                rules: true,
            };
            self.watch.reads.ask_for(all);
        }
    }

    fn take_event(&mut self, event: Event, now: Now, outputs: &mut Vec<Output>) {
        let change = self.mirror.apply(event, now);
        self.watch.reads.ask_for(change.wanted);
        let notices = change.notices;
        for notice in &notices {
            let told = self.alarms.notice(notice, &self.mirror, now);
            outputs.extend(told.into_iter().map(Output::Alarm));
        }
        outputs.extend(notices.into_iter().map(Output::Notice));
        if let Some(id) = change.mark {
            let book = self.mirror.book();
            let pool = book.held_in(id).map(|asset| book.pool_of(asset));
            outputs.extend(pool.cloned().map(Output::Marked));
            if !self.waiting.is_empty() {
                self.answer_waiting(now, outputs);
            }
        }
        if change.account {
            outputs.push(Output::Changed);
            self.alarms.note_change();
            self.update_watch(now);
        }
    }

    fn take_question(&mut self, ask: Ask, now: Now, outputs: &mut Vec<Output>) {
        for symbol in ask.proposal.symbols() {
            self.follow(symbol, now);
        }
        if ask.proposal.joins_assets() {
            self.rates_asked = Some(now);
            self.watch.collateral = true;
        }
        let judgement = match self.judge(&ask, now) {
            Ok(judgement) => judgement,
            Err(not_ready) if self.may_wait(&ask, &not_ready) => {
                self.waiting.push(Waiting { ask, asked: now });
                return;
            }
            Err(not_ready) => self.judge_blind(&ask, &not_ready),
        };
        let answer = Box::new(self.answer(&ask, judgement, now));
        let ticket = ask.ticket;
        outputs.push(Output::Answer { ticket, answer });
    }

    /// A question about a listed symbol that is not followed yet waits for its first mark, one about
    /// multi-assets mode for rates; exits never wait.
    fn may_wait(&self, ask: &Ask, not_ready: &NotReady) -> bool {
        let only = |plane| {
            let mut planes = not_ready.planes.iter();
            planes.all(|status| status.plane == plane)
        };
        if ask.proposal.joins_assets() {
            return only(Plane::Collateral) && self.waiting.len() < WAITING_MAX;
        }
        let symbols = ask.proposal.symbols();
        let unseen = symbols.iter().any(|symbol| {
            self.mirror.mark_meta(symbol.as_str()).is_none()
                && self.mirror.rules(symbol.as_str()).is_some()
        });
        only(Plane::Marks)
            && unseen
            && !ask.proposal.only_reduces()
            && self.waiting.len() < WAITING_MAX
    }

    fn answer_waiting(&mut self, now: Now, outputs: &mut Vec<Output>) {
        let waiting = std::mem::take(&mut self.waiting);
        for one in waiting {
            let judgement = match self.judge(&one.ask, now) {
                Ok(judgement) => judgement,
                Err(not_ready) if now.since_ms(one.asked) >= FIRST_MARK_MS => {
                    self.judge_blind(&one.ask, &not_ready)
                }
                Err(_) => {
                    self.waiting.push(one);
                    continue;
                }
            };
            let answer = Box::new(self.answer(&one.ask, judgement, now));
            let ticket = one.ask.ticket;
            outputs.push(Output::Answer { ticket, answer });
        }
    }

    fn answer(&mut self, ask: &Ask, judgement: Box<Judgement>, now: Now) -> Answer {
        let decision_id = self.ids.next(now);
        let promises = !ask.dry_run && judgement.decision != Decision::Reject;
        if promises && !judgement.is_exit {
            self.promise(&decision_id, ask.proposal.orders(), now);
        }
        Answer {
            decision_id,
            time_ms: now.wall_ms,
            judgement,
            policy_fingerprint: self.in_force.fingerprint.clone(),
            planes: self.mirror.planes(now, ask.proposal.symbol()),
            drift_basis_points: self.mirror.drift().map(|drift| drift.basis_points()),
            clock_offset: self.mirror.clock_offset(),
        }
    }

    /// Keeps room for every order of a decision. Exits of a batch need none.
    fn promise(&mut self, decision_id: &str, orders: &[OrderIntent], now: Now) {
        for intent in orders.iter().filter(|intent| !intent.only_reduces()) {
            if self.mirror.reservations().is_full() {
                return;
            }
            self.mirror.reservations_mut().make(Reservation {
                decision_id: decision_id.to_owned(),
                intent: intent.clone(),
                made: now,
                outcome_unknown: false,
            });
            // The exchange client reads more often while something is promised.
            self.watch.exposed = true;
        }
    }

    /// The account is fresh for every symbol of the question, or it is not judged.
    fn judge(&self, ask: &Ask, now: Now) -> Result<Box<Judgement>, NotReady> {
        let symbols = ask.proposal.symbols();
        for symbol in symbols.iter().skip(1) {
            self.mirror.view(
                now,
                Needs {
                    symbol: Some(symbol),
                },
            )?;
        }
        let symbol = symbols.first().copied();
        let view = self.mirror.view(now, Needs { symbol })?;
        if ask.proposal.joins_assets() {
            self.mirror.rates_ready(now)?;
        }
        Ok(guard::decide(&view, &ask.proposal, &self.context(ask)))
    }

    /// How the account fares in these scenarios, as it stands.
    ///
    /// # Errors
    /// [`NotReady`] names the planes that stand in the way.
    pub fn stress(
        &self,
        scenarios: &[(String, Scenario)],
        now: Now,
    ) -> Result<super::handle::Fares, NotReady> {
        let view = self.mirror.view(now, Needs { symbol: None })?;
        let horizon = self.in_force.policy.horizon;
        Ok(stress::fares(&view, horizon, scenarios))
    }

    /// What the account breaks as it stands, and the ways back.
    ///
    /// # Errors
    /// [`NotReady`] names the planes that stand in the way.
    pub fn fix(&self, now: Now) -> Result<Fix, NotReady> {
        let view = self.mirror.view(now, Needs { symbol: None })?;
        let context = Context {
            policy: &self.in_force.policy,
            ladder: self.ladder,
            ladder_reason: &self.ladder_reason,
            client: None,
            detail: Detail::Brief,
        };
        Ok(fix(&view, &context))
    }

    /// The largest quantities of the order that is asked about.
    ///
    /// # Errors
    /// [`NotReady`] names the planes that stand in the way; the symbol is followed from now on.
    pub fn size(&mut self, ask: &Ask, now: Now) -> Result<Size, NotReady> {
        for symbol in ask.proposal.symbols() {
            self.follow(symbol, now);
        }
        let symbol = ask.proposal.symbol();
        let view = self.mirror.view(now, Needs { symbol })?;
        let first = ask.proposal.orders().first();
        Ok(first.map_or_else(Size::default, |intent| {
            size(&view, intent, &self.context(ask))
        }))
    }

    fn judge_blind(&self, ask: &Ask, not_ready: &NotReady) -> Box<Judgement> {
        guard::decide_blind(not_ready, &ask.proposal, &self.context(ask))
    }

    fn context<'a>(&'a self, ask: &'a Ask) -> Context<'a> {
        Context {
            policy: &self.in_force.policy,
            ladder: self.ladder,
            ladder_reason: &self.ladder_reason,
            client: ask.client.as_deref(),
            detail: ask.detail,
        }
    }

    /// Follows a symbol from now on, for a while.
    fn follow(&mut self, symbol: &Symbol, now: Now) {
        let listed = self.mirror.rules(symbol.as_str()).is_some();
        let room = self.asked.len() < ASKED_MAX || self.asked.contains_key(symbol);
        if !listed || !room {
            return;
        }
        self.asked.insert(symbol.clone(), now);
        if !self.watch.symbols.contains(symbol) {
            self.watch.symbols.insert(symbol.clone());
        }
        if !self.watch.quoted.contains(symbol) {
            self.watch.quoted.insert(symbol.clone());
            self.watch.reads.ask_for_quotes();
        }
    }

    /// Says anew which symbols matter: held, ordered, promised, named in the policy, asked about.
    fn update_watch(&mut self, now: Now) {
        self.asked
            .retain(|_, asked| now.since_ms(*asked) < ASKED_MS);
        let policy = &self.in_force.policy;
        let mut symbols: BTreeSet<Symbol> = self.mirror.symbols_in_use().cloned().collect();
        symbols.extend(self.asked.keys().cloned());
        let listed = |symbol: &Symbol| self.mirror.rules(symbol.as_str()).is_some();
        let quoted: BTreeSet<Symbol> = symbols.iter().filter(|s| listed(s)).cloned().collect();
        if !quoted.is_subset(&self.watch.quoted) {
            self.watch.reads.ask_for_quotes();
        }
        self.watch.quoted = quoted;
        symbols.extend(policy.symbols.iter().cloned());
        symbols.extend(policy.of_symbol.keys().cloned());
        if let guard::policy::IsolatedOnly::These(named) = &policy.isolated_only {
            symbols.extend(named.iter().cloned());
        }
        symbols.retain(|symbol| self.mirror.rules(symbol.as_str()).is_some());
        self.watch.symbols = symbols;
        self.watch.exposed = self.mirror.is_exposed();
        let asked = |asked: Now| now.since_ms(asked) < ASKED_MS;
        self.rates_asked = self.rates_asked.filter(|at| asked(*at));
        let joint = self.mirror.book().asset_mode() == AssetMode::Multi;
        self.watch.collateral = joint || self.rates_asked.is_some();
    }
}

/// Decision ids: sortable by time, unique, and the same for the same seed.
#[derive(Debug)]
struct DecisionIds {
    state: u64,
}

impl DecisionIds {
    fn next(&mut self, now: Now) -> String {
        let random = (u128::from(self.draw()) << 64) | u128::from(self.draw());
        let time_ms = u64::try_from(now.wall_ms).unwrap_or(0);
        ulid::Ulid::from_parts(time_ms, random).to_string()
    }

    /// SplitMix64, a published generator: enough for ids, and it needs no entropy while running.
    const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
