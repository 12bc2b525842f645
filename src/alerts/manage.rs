//! Which alerts there are, and when which of them are told.
//!
//! Owns: deduplication, grouping, repeats, ends, acknowledgement, escalation.
//! A pure state machine: the moment is an argument, messages come out.
//! Must not know: channels, clocks, files, what keeps an alert quiet.

use std::collections::BTreeMap;

use super::matcher::Names;
use super::model::{Ack, Alert, Fingerprint, Message, Occasion, Silence, fingerprint};
use super::quiet::{Refused, Silences, inhibits};
use crate::guard::alarm::{Change, Rule, Severity, Transition};

/// Most alerts of one message that are told line by line.
pub const LINES_MAX: usize = 12;

/// Most alerts that are kept after they are over.
pub const ENDED_MAX: usize = 200;

/// What fired before a restart and is not seen again within this time is over, in milliseconds.
const RESTORED_MS: i64 = 2 * 60_000;

/// How messages are timed. All in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a new or more urgent alert waits for others.
    pub group_wait_ms: i64,
    /// How long ends wait, and events that concern nothing at risk.
    pub group_wait_calm_ms: i64,
    /// How long they wait at least after the message before.
    pub group_interval_ms: i64,
    /// After how long a firing alert is told again, by severity; `None`: never.
    pub repeat_ms: [Option<i64>; 3],
    /// After how long a critical alert that nobody acknowledged is told louder; `None`: never.
    pub escalate_ms: Option<i64>,
    /// How long a restart is shown.
    pub restart_ms: i64,
}

impl Timing {
    /// As shipped: half a second to gather, critical every five minutes, warnings every hour. The half
    /// second is what the promise leaves: a mark is looked at within a second and told within two, an
    /// event of the account is looked at within a tenth of a second and told within one.
    pub const DEFAULT: Self = Self {
        group_wait_ms: 500,
        group_wait_calm_ms: 5_000,
        group_interval_ms: 10_000,
        repeat_ms: [None, Some(60 * 60_000), Some(5 * 60_000)],
        escalate_ms: Some(10 * 60_000),
        restart_ms: 10 * 60_000,
    };
}

/// What has to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Save {
    /// This alert, as it now is.
    Alert(Box<Alert>),
    /// This silence.
    Silence(Silence),
    /// Nothing under this id any more.
    Forget(String),
}

/// Everything that alert management remembers.
#[derive(Debug, Clone)]
pub struct Manager {
    timing: Timing,
    firing: BTreeMap<Fingerprint, Alert>,
    ended: Vec<Alert>,
    silences: Silences,
    /// What waits to be told, and since when.
    pending: BTreeMap<Fingerprint, i64>,
    /// Ends that wait, in the order in which they came.
    pending_ends: Vec<Alert>,
    /// When the last message left.
    left_ms: Option<i64>,
    started_ms: i64,
    next_id: u64,
    saves: Vec<Save>,
    /// Alerts that time ended, for those who follow.
    expired: Vec<Alert>,
}

impl Manager {
    /// Goes on from what was kept.
    #[must_use]
    pub fn new(timing: Timing, alerts: Vec<Alert>, silences: Vec<Silence>, at_ms: i64) -> Self {
        let mut manager = Self {
            timing,
            firing: BTreeMap::new(),
            ended: Vec::new(),
            silences: Silences::restored(silences),
            pending: BTreeMap::new(),
            pending_ends: Vec::new(),
            left_ms: None,
            started_ms: at_ms,
            next_id: u64::try_from(at_ms).unwrap_or(1),
            saves: Vec::new(),
            expired: Vec::new(),
        };
        for mut alert in alerts {
            if alert.is_firing() {
                alert.is_restored = true;
                manager.firing.insert(alert.fingerprint(), alert);
            } else {
                manager.ended.push(alert);
            }
        }
        manager.ended.sort_by_key(|alert| alert.ended_ms);
        manager
    }

    /// Alerts that fire, the most urgent first.
    #[must_use]
    pub fn firing(&self) -> Vec<&Alert> {
        let mut firing: Vec<&Alert> = self.firing.values().collect();
        firing.sort_by_key(|alert| alert.order());
        firing
    }

    /// Alerts that are over, the latest first.
    pub fn ended(&self) -> impl Iterator<Item = &Alert> {
        self.ended.iter().rev()
    }

    /// Silences in force.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.all()
    }

    /// The silence that keeps this alert quiet.
    #[must_use]
    pub fn silenced_by(&self, alert: &Alert) -> Option<&Silence> {
        self.silences.of(alert)
    }

    /// The firing alert that makes this one beside the point. One that fired before a restart and was
    /// not seen since is no reason to be quiet: perhaps it is long over.
    #[must_use]
    pub fn inhibited_by(&self, alert: &Alert) -> Option<&Alert> {
        let mut seen = self.firing.values().filter(|source| !source.is_restored);
        seen.find(|source| inhibits(source, alert))
    }

    /// How many alerts fire, by severity in the order of [`Severity::ALL`].
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        Severity::ALL.map(|severity| {
            let of_severity = |alert: &&Alert| alert.severity() == severity;
            self.firing.values().filter(of_severity).count()
        })
    }

    /// Alerts that time ended since the last time: nobody's transition told of them.
    pub fn take_expired(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.expired)
    }

    /// Something waits to be told.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty() || !self.pending_ends.is_empty()
    }

    /// What has to be kept since the last time.
    pub fn take_saves(&mut self) -> Vec<Save> {
        std::mem::take(&mut self.saves)
    }

    /// Takes what the guard says. Gives the alert as it now is, for those who follow.
    pub fn take(&mut self, transition: &Transition, at_ms: i64) -> Option<Alert> {
        match transition {
            Transition::Raised(alarm) => {
                let print = fingerprint(&alarm.key);
                let (tells, alert) = match self.firing.get_mut(&print) {
                    Some(known) => {
                        let before = known.severity();
                        // An event that came again after a restart is news; a state is not.
                        let tells = alarm.severity > before
                            || (alarm.is_event && alarm.change != Change::Worse);
                        known.update(alarm);
                        if alarm.severity > before {
                            known.ack = None;
                            known.first_told_ms = None;
                            known.is_escalated = false;
                        }
                        (tells, known.clone())
                    }
                    None => {
                        self.next_id = self.next_id.saturating_add(1);
                        let id = format!("a{}", self.next_id);
                        let alert = Alert::of(alarm, id, at_ms);
                        self.firing.insert(print.clone(), alert.clone());
                        (true, alert)
                    }
                };
                if tells {
                    self.pending.entry(print).or_insert(at_ms);
                }
                self.saves.push(Save::Alert(Box::new(alert.clone())));
                Some(alert)
            }
            Transition::Cleared { key, worst, .. } => {
                let worst = worst.map(|worst| worst.normalize().to_string());
                self.end(&fingerprint(key), worst, at_ms)
            }
        }
    }

    fn end(&mut self, print: &Fingerprint, worst: Option<String>, at_ms: i64) -> Option<Alert> {
        let mut alert = self.firing.remove(print)?;
        self.pending.remove(print);
        alert.ended_ms = Some(at_ms);
        alert.worst = worst.or(alert.worst);
        let was_told = alert.told_ms.is_some();
        if was_told && !alert.is_event && self.silenced_by(&alert).is_none() {
            self.pending_ends.push(alert.clone());
        }
        self.saves.push(Save::Alert(Box::new(alert.clone())));
        self.ended.push(alert.clone());
        while self.ended.len() > ENDED_MAX {
            let forgotten = self.ended.remove(0);
            self.saves.push(Save::Forget(forgotten.id));
        }
        Some(alert)
    }

    /// Time passed: what is to be told now.
    pub fn tick(&mut self, at_ms: i64) -> Vec<Message> {
        self.expire(at_ms);
        let mut messages = Vec::new();
        messages.extend(self.flush(at_ms));
        messages.extend(self.escalate(at_ms));
        messages.extend(self.repeat(at_ms));
        messages
    }

    fn expire(&mut self, at_ms: i64) {
        let over = self.silences.take_over(at_ms);
        self.saves.extend(over.into_iter().map(Save::Forget));
        let is_blind = self.firing.values().any(|alert| {
            matches!(alert.rule(), Some(Rule::Stale | Rule::KeyRefused)) && !alert.is_restored
        });
        let since_start = at_ms.saturating_sub(self.started_ms);
        let restart_ms = self.timing.restart_ms;
        let gone: Vec<Fingerprint> = self
            .firing
            .iter()
            .filter(|(_, alert)| {
                let not_seen = alert.is_restored && since_start >= RESTORED_MS && !is_blind;
                let shown = at_ms.saturating_sub(alert.since_ms) >= restart_ms;
                not_seen || (alert.rule() == Some(Rule::Restarted) && shown)
            })
            .map(|(print, _)| print.clone())
            .collect();
        for print in gone {
            let ended = self.end(&print, None, at_ms);
            self.expired.extend(ended);
        }
    }

    /// Everything that waits, as one message, once the first of it waited long enough.
    fn flush(&mut self, at_ms: i64) -> Option<Message> {
        if self.due().is_none_or(|due_ms| at_ms < due_ms) {
            return None;
        }
        let pending = std::mem::take(&mut self.pending);
        let mut alerts: Vec<Alert> = Vec::new();
        for print in pending.into_keys() {
            if self.is_quiet(&print) {
                continue;
            }
            if let Some(alert) = self.note_told(&print, at_ms) {
                alerts.push(alert);
            }
        }
        let occasion = if alerts.is_empty() {
            Occasion::Resolved
        } else {
            Occasion::Alert
        };
        alerts.append(&mut self.pending_ends);
        if alerts.is_empty() {
            return None;
        }
        self.left_ms = Some(at_ms);
        Some(Message::of(occasion, at_ms, alerts))
    }

    /// When the first of what waits is to be told. A breach never waits for an earlier message: how
    /// many messages there are at most is for each channel to hold down, not a reason to be late.
    fn due(&self) -> Option<i64> {
        let timing = &self.timing;
        let calm = |since_ms: i64| {
            let gathered_ms = since_ms.saturating_add(timing.group_wait_calm_ms);
            let left_ms = self.left_ms;
            let next_ms = left_ms.map(|left| left.saturating_add(timing.group_interval_ms));
            next_ms.map_or(gathered_ms, |next_ms| next_ms.max(gathered_ms))
        };
        let alerts = self.pending.iter().map(|(print, since_ms)| {
            if self.firing.get(print).is_some_and(is_breach) {
                since_ms.saturating_add(timing.group_wait_ms)
            } else {
                calm(*since_ms)
            }
        });
        let ends = self.pending_ends.iter().filter_map(|alert| alert.ended_ms);
        alerts.chain(ends.map(calm)).min()
    }

    fn is_quiet(&self, print: &Fingerprint) -> bool {
        self.firing.get(print).is_none_or(|alert| {
            self.silenced_by(alert).is_some() || self.inhibited_by(alert).is_some()
        })
    }

    fn note_told(&mut self, print: &Fingerprint, at_ms: i64) -> Option<Alert> {
        let alert = self.firing.get_mut(print)?;
        alert.messages = alert.messages.saturating_add(1);
        alert.told_ms = Some(at_ms);
        alert.first_told_ms.get_or_insert(at_ms);
        alert.note_loudest();
        let alert = alert.clone();
        self.saves.push(Save::Alert(Box::new(alert.clone())));
        Some(alert)
    }

    /// Firing alerts that nobody acknowledged and that may be told of.
    fn audible(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<Fingerprint> {
        let open = self.firing.iter().filter(|(_, alert)| alert.ack.is_none());
        open.filter(|(print, alert)| wanted(alert) && !self.is_quiet(print))
            .map(|(print, _)| print.clone())
            .collect()
    }

    fn escalate(&mut self, at_ms: i64) -> Option<Message> {
        let after = self.timing.escalate_ms?;
        let due = self.audible(|alert| {
            alert.severity() == Severity::Critical
                && !alert.is_escalated
                && alert
                    .first_told_ms
                    .is_some_and(|told| at_ms.saturating_sub(told) >= after)
        });
        let mut alerts = Vec::new();
        for print in due {
            if let Some(alert) = self.firing.get_mut(&print) {
                alert.is_escalated = true;
            }
            alerts.extend(self.note_told(&print, at_ms));
        }
        (!alerts.is_empty()).then(|| Message::of(Occasion::Escalation, at_ms, alerts))
    }

    /// A message repeats everything that is due; what was never told because it was kept quiet and
    /// is not any more, is told now.
    fn repeat(&mut self, at_ms: i64) -> Option<Message> {
        let repeat_ms = self.timing.repeat_ms;
        let pending = self.pending.clone();
        let due = self.audible(|alert| {
            if pending.contains_key(&alert.fingerprint()) {
                return false;
            }
            let every = repeat_ms.get(alert.severity() as usize).copied().flatten();
            match (alert.told_ms, every) {
                (None, _) => !alert.is_event,
                (Some(told), Some(every)) => !alert.is_event && at_ms.saturating_sub(told) >= every,
                (Some(_), None) => false,
            }
        });
        let mut alerts = Vec::new();
        for print in due {
            alerts.extend(self.note_told(&print, at_ms));
        }
        (!alerts.is_empty()).then(|| Message::of(Occasion::Repeat, at_ms, alerts))
    }

    /// Somebody saw an alert: it is not repeated and does not escalate.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn acknowledge(&mut self, id: &str, by: &str, at_ms: i64) -> Result<Alert, Refused> {
        let mut firing = self.firing.values_mut();
        let alert = firing
            .find(|alert| alert.id == id)
            .ok_or(Refused::Unknown)?;
        alert.ack.get_or_insert_with(|| Ack {
            at_ms,
            by: by.to_owned(),
        });
        let alert = alert.clone();
        self.saves.push(Save::Alert(Box::new(alert.clone())));
        Ok(alert)
    }

    /// Keeps quiet about what matches, until the end.
    ///
    /// # Errors
    /// [`Refused`] names what is wrong.
    pub fn silence(
        &mut self,
        matcher: &str,
        reason: &str,
        by: &str,
        until_ms: i64,
        at_ms: i64,
    ) -> Result<Silence, Refused> {
        let id = format!("s{}", self.next_id.saturating_add(1));
        let silence = Silence {
            id,
            matcher: matcher.to_owned(),
            reason: reason.to_owned(),
            by: by.to_owned(),
            since_ms: at_ms,
            until_ms,
        };
        self.silences.add(&silence)?;
        self.next_id = self.next_id.saturating_add(1);
        self.saves.push(Save::Silence(silence.clone()));
        Ok(silence)
    }

    /// Other times count from now on.
    pub const fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Takes the names that there are. Gives a sentence for each silence in force that can match
    /// nothing among them.
    pub fn learn_names(&mut self, names: Names) -> Vec<String> {
        self.silences.learn_names(names)
    }

    /// Ends a silence early.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn unsilence(&mut self, id: &str) -> Result<Silence, Refused> {
        let silence = self.silences.take(id).ok_or(Refused::Unknown)?;
        self.saves.push(Save::Forget(silence.id.clone()));
        Ok(silence)
    }
}

/// Anything but an event that concerns nothing at risk.
fn is_breach(alert: &Alert) -> bool {
    !alert.is_event || alert.severity() > Severity::Info
}
