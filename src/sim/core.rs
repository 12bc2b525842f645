//! Where the exchange meets its clients: the venue, the mishaps, the connections and the timetable.
//!
//! Synchronous throughout: each step is complete before the next. Must not know tasks or sockets.

use std::collections::{BTreeMap, VecDeque};

use crate::scenario::{Channel, Fault, Scenario, Statement};

use super::faults::Faults;
use super::feed::Feed;
use super::random::Random;
use super::rest::Usage;
use super::session::{Frame, Request, Route, STREAMS_MAX, Session, Topic, topic};
use super::venue::{Input, Output, UserEvent, Venue};
use super::wire::event::ListenKeyExpired;
use super::wire::json;

const SECOND_MS: i64 = 1_000;
const PING_MS: i64 = 180 * SECOND_MS;
const DAY_MS: i64 = 86_400 * SECOND_MS;
/// Past states that are kept while account reads lag behind.
const PAST_MAX: usize = 4_096;

/// Something that is on its way, late.
#[derive(Debug)]
pub(super) enum Late {
    User(UserEvent),
    Market { topic: Topic, payload: String },
}

/// The state under the lock.
pub(crate) struct Core {
    pub(crate) venue: Venue,
    pub(crate) faults: Faults,
    pub(crate) usage: Usage,
    pub(crate) api_key: String,
    pub(crate) secret: String,
    pub(crate) open: bool,
    pub(super) sessions: BTreeMap<u64, Session>,
    timetable: BTreeMap<(i64, u64), Statement>,
    pub(super) late: BTreeMap<(i64, u64), Late>,
    past: VecDeque<(i64, Venue)>,
    next_second_ms: i64,
    sequence: u64,
    pub(super) feed: Feed,
}

impl Core {
    /// Sets the opening scene and the timetable.
    ///
    /// # Errors
    /// The line that could not be carried out, and why.
    pub(crate) fn new(scenario: &Scenario, seed: u64, now_ms: i64) -> Result<Self, String> {
        let mut keys = Random::new(seed ^ 0x5EED_0F4E_7000_0001);
        let mut core = Self {
            venue: Venue::new(seed, now_ms),
            faults: Faults::default(),
            usage: Usage::default(),
            api_key: keys.text(64),
            secret: keys.text(64),
            open: true,
            sessions: BTreeMap::new(),
            timetable: BTreeMap::new(),
            late: BTreeMap::new(),
            past: VecDeque::new(),
            next_second_ms: (now_ms.div_euclid(SECOND_MS) + 1) * SECOND_MS,
            sequence: 0,
            feed: Feed::default(),
        };
        let scene: Vec<_> = scenario
            .lines
            .iter()
            .filter(|line| !matches!(line.statement, Statement::At { .. } | Statement::Fault(_)))
            .collect();
        core.venue
            .open(scene.iter().map(|line| &line.statement))
            .map_err(|(index, refusal)| {
                let line = scene.get(index);
                let (number, text) = line.map_or((0, ""), |line| (line.number, line.text.as_str()));
                format!("line {number}: `{text}`: {}", refusal.message)
            })?;
        for line in &scenario.lines {
            if matches!(line.statement, Statement::At { .. } | Statement::Fault(_)) {
                core.execute(&line.statement, now_ms)
                    .map_err(|text| format!("line {}: `{}`: {text}", line.number, line.text))?;
            }
        }
        Ok(core)
    }

    /// The exchange's time, as it believes.
    pub(crate) fn told_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.faults.skew_ms)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Carries out a statement.
    ///
    /// # Errors
    /// Why it could not.
    pub(crate) fn execute(&mut self, statement: &Statement, now_ms: i64) -> Result<(), String> {
        match statement {
            Statement::At { after, statement } => {
                let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
                let number = self.number();
                let due_ms = now_ms.saturating_add(after);
                self.timetable
                    .insert((due_ms, number), (**statement).clone());
                Ok(())
            }
            Statement::Fault(fault) => {
                self.faults.apply(fault, now_ms)?;
                self.act(fault, now_ms);
                self.play(statement, now_ms)
            }
            _ => self.play(statement, now_ms),
        }
    }

    fn play(&mut self, statement: &Statement, now_ms: i64) -> Result<(), String> {
        let output = self.step(&Input::Script(statement), now_ms);
        output.map(|_| ()).map_err(|refusal| match refusal.code {
            0 => refusal.message,
            code => format!("{code} {}", refusal.message),
        })
    }

    /// Makes a step of the venue and delivers what it tells.
    pub(crate) fn step(
        &mut self,
        input: &Input<'_>,
        now_ms: i64,
    ) -> Result<String, super::refusal::Refusal> {
        if !self.faults.rest_lag.is_zero() {
            self.past.push_back((now_ms, self.venue.clone()));
            if self.past.len() > PAST_MAX {
                self.past.pop_front();
            }
        }
        let told_ms = self.told_ms(now_ms);
        let Output {
            reply,
            user,
            market,
        } = self.venue.step(input, told_ms);
        self.deliver_user(user, now_ms);
        for event in market {
            self.deliver_market(&event, now_ms);
        }
        reply
    }

    /// The venue that account reads answer from: the present, or the past while they lag.
    pub(crate) fn readable(&mut self, now_ms: i64) -> Option<&mut Venue> {
        let lag = i64::try_from(self.faults.rest_lag.as_millis()).unwrap_or(i64::MAX);
        if lag == 0 {
            return None;
        }
        let until = now_ms.saturating_sub(lag);
        let index = self
            .past
            .iter()
            .rposition(|(at, _)| *at <= until)
            .unwrap_or(0);
        self.past.get_mut(index).map(|(_, venue)| venue)
    }

    /// The part of a mishap that happens once.
    fn act(&mut self, fault: &Fault, now_ms: i64) {
        match fault {
            Fault::Drop { channel, code } => {
                let code = *code;
                self.sessions.retain(|_, session| {
                    let meant = carries(session.route, *channel);
                    if let (true, Some(code)) = (meant, code) {
                        let _queued = session.send(Frame::Close(code, ""));
                    }
                    !meant
                });
            }
            Fault::Send { channel, text } => {
                for session in self.sessions.values() {
                    if carries(session.route, *channel) {
                        let _queued = session.send(Frame::Text(text.clone()));
                    }
                }
            }
            Fault::ExpireListenKey { silent } => self.expire_listen_key(!silent, now_ms),
            Fault::DeleteListenKey => self.venue.listen_key = None,
            Fault::Stop => {
                self.open = false;
                self.sessions.clear();
            }
            Fault::Start => self.open = true,
            _ => {}
        }
    }

    fn expire_listen_key(&mut self, tell: bool, now_ms: i64) {
        let Some(key) = self.venue.listen_key.clone() else {
            return;
        };
        if tell {
            let event = ListenKeyExpired {
                e: "listenKeyExpired",
                emitted: self.told_ms(now_ms),
                listen_key: &key.text,
            };
            let event = UserEvent {
                name: "listenKeyExpired",
                json: json(&event),
            };
            self.deliver_user(vec![event], now_ms);
        }
        self.venue.listen_key = None;
    }

    /// Plays everything that is due, each at its own time; gives when the next is.
    pub(crate) fn advance(&mut self, now_ms: i64) -> i64 {
        loop {
            let scripted = self
                .timetable
                .first_key_value()
                .map_or(i64::MAX, |(key, _)| key.0);
            let late = self
                .late
                .first_key_value()
                .map_or(i64::MAX, |(key, _)| key.0);
            let due_ms = scripted.min(late).min(self.next_second_ms);
            if due_ms > now_ms {
                let silent = self.faults.silent_until_ms;
                return if silent > now_ms {
                    due_ms.min(silent)
                } else {
                    due_ms
                };
            }
            if scripted == due_ms {
                if let Some((_, statement)) = self.timetable.pop_first()
                    && let Err(text) = self.execute(&statement, due_ms)
                {
                    tracing::warn!(?statement, text, "scenario line could not be carried out");
                }
            } else if late == due_ms {
                match self.late.pop_first() {
                    Some((_, Late::User(event))) => self.send_user(&event),
                    Some((_, Late::Market { topic, payload })) => self.send_topic(&topic, &payload),
                    None => {}
                }
            } else {
                self.second(due_ms);
                self.next_second_ms += SECOND_MS;
            }
        }
    }

    fn second(&mut self, now_ms: i64) {
        let _told = self.step(&Input::Second, now_ms);
        let emitted = self.told_ms(now_ms).div_euclid(SECOND_MS) * SECOND_MS;
        self.push_marks(None, emitted, now_ms);
        self.push_prices(None, emitted, now_ms);
        self.push_indexes(emitted, now_ms);
        let told_ms = self.told_ms(now_ms);
        if self
            .venue
            .listen_key
            .as_ref()
            .is_some_and(|key| key.expires_ms <= told_ms)
        {
            self.expire_listen_key(true, now_ms);
        }
        self.sessions.retain(|_, session| {
            let age_ms = now_ms - session.opened_ms;
            if age_ms >= DAY_MS {
                let _queued = session.send(Frame::Close(1001, "24 hours"));
                return false;
            }
            let ping = age_ms >= PING_MS && age_ms % PING_MS < SECOND_MS;
            !ping || session.send(Frame::Ping)
        });
    }

    /// Lets a connection in.
    pub(crate) fn connect(&mut self, request: Request, session: Session) -> u64 {
        let id = self.number();
        let mut session = session;
        for name in request.streams {
            let meaning = topic(&name, session.route, &self.venue.contracts);
            session.topics.insert(name, meaning);
        }
        let opened_ms = session.opened_ms;
        self.sessions.insert(id, session);
        self.begin_books(id, opened_ms);
        id
    }

    pub(crate) fn disconnect(&mut self, id: u64) {
        self.sessions.remove(&id);
    }

    pub(crate) fn session(&mut self, id: u64) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// How many connections of a channel are open.
    pub(crate) fn connections(&self, channel: Channel) -> usize {
        self.sessions
            .values()
            .filter(|session| carries(session.route, channel))
            .count()
    }

    /// Adds streams to a connection; `false` when there are too many.
    pub(crate) fn subscribe(&mut self, id: u64, names: Vec<String>, now_ms: i64) -> bool {
        let contracts = &self.venue.contracts;
        let Some(session) = self.sessions.get_mut(&id) else {
            return true;
        };
        for name in names {
            if super::session::is_listen_key(&name) {
                session.keys.entry(name).or_default();
            } else {
                let meaning = topic(&name, session.route, contracts);
                session.topics.insert(name, meaning);
            }
        }
        let few = session.topics.len() <= STREAMS_MAX;
        self.begin_books(id, now_ms);
        few
    }
}

fn carries(route: Route, channel: Channel) -> bool {
    match channel {
        Channel::User => route == Route::Private,
        Channel::Market => matches!(route, Route::Market | Route::Public | Route::Legacy),
        Channel::Api => route == Route::Api,
    }
}

#[cfg(test)]
mod tests {
    use super::super::session;
    use super::*;

    const START_MS: i64 = 1_790_000_000_000;

    /// Every frame of ten minutes of the default world with trading and mishaps in it.
    fn run(seed: u64) -> Vec<Frame> {
        let world = super::super::world::default_world();
        let mut core = Core::new(&world, seed, START_MS).unwrap();
        let (outbox, mut inbox) = tokio::sync::mpsc::channel(session::QUEUE_MAX);
        for path in [
            "/market/ws/!markPrice@arr@1s/btcusdt@markPrice@1s",
            "/private/ws",
        ] {
            let request = session::request(path, "").unwrap();
            let session = Session {
                route: request.route,
                combined: false,
                topics: BTreeMap::new(),
                keys: BTreeMap::new(),
                opened_ms: START_MS,
                heard_ms: VecDeque::new(),
                outbox: outbox.clone(),
            };
            core.connect(request, session);
        }
        for line in [
            "pos BTCUSDT crossed 50x +2 @ 60000",
            "at 3s order ETHUSDT buy 1",
            "at 5s delay market 2s",
            "at 9s mute market 20s",
            "at 40s mark BTCUSDT 54000",
        ] {
            let statement = crate::scenario::parse_line(line).unwrap().unwrap();
            core.execute(&statement, START_MS).unwrap();
        }
        for second in 1..=600 {
            core.advance(START_MS + second * 1_000);
        }
        assert!(!core.venue.account.holds("BTCUSDT"), "the fall liquidates");
        std::iter::from_fn(|| inbox.try_recv().ok()).collect()
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let first = run(11);
        assert!(first.len() > 1_000);
        assert_eq!(first, run(11));
        assert_ne!(first, run(12));
    }

    #[test]
    fn connections_are_pinged_and_end_after_a_day() {
        let world = Scenario::parse("wallet USDT 1").unwrap();
        let mut core = Core::new(&world, 7, START_MS).unwrap();
        let (outbox, mut inbox) = tokio::sync::mpsc::channel(session::QUEUE_MAX);
        let request = session::request("/market/ws", "").unwrap();
        let session = Session {
            route: request.route,
            combined: false,
            topics: BTreeMap::new(),
            keys: BTreeMap::new(),
            opened_ms: START_MS,
            heard_ms: VecDeque::new(),
            outbox,
        };
        core.connect(request, session);
        core.advance(START_MS + 179_000);
        assert!(inbox.try_recv().is_err());
        core.advance(START_MS + 540_000);
        let pings: Vec<Frame> = std::iter::from_fn(|| inbox.try_recv().ok()).collect();
        assert_eq!(pings, [Frame::Ping, Frame::Ping, Frame::Ping]);
        core.advance(START_MS + DAY_MS);
        let last = std::iter::from_fn(|| inbox.try_recv().ok()).last();
        assert!(matches!(last, Some(Frame::Close(1001, _))), "{last:?}");
    }
}
