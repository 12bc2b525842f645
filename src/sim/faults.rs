//! What the exchange tells, apart from what is true: the mishaps that are in force.
//!
//! Owns their state and answers questions about it; must not know sockets or the account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::scenario::{Channel, Fault, Muted, RestFault, RestFaultKind};

/// The mishaps in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// What is withheld, until when (milliseconds; the end of time without a duration).
    muted: BTreeMap<Muted, i64>,
    pub(crate) ack_only: bool,
    /// Until when no byte moves.
    pub(crate) silent_until_ms: i64,
    lateness: BTreeMap<Channel, Duration>,
    lose: BTreeMap<Channel, u32>,
    duplicate: BTreeSet<Channel>,
    pub(crate) swap: bool,
    mutations: Vec<Mutation>,
    rest: Vec<RestFault>,
    pub(crate) rest_lag: Duration,
    pub(crate) skew_ms: i64,
    pub(crate) key_revoked: bool,
}

#[derive(Debug)]
struct Mutation {
    target: String,
    field: String,
    value: Option<Value>,
    times: u32,
}

fn end_ms(now_ms: i64, duration: Option<Duration>) -> i64 {
    let length = duration.and_then(|duration| i64::try_from(duration.as_millis()).ok());
    length.map_or(i64::MAX, |length| now_ms.saturating_add(length))
}

impl Faults {
    /// Puts a mishap in force. Those that act once are left to the caller.
    ///
    /// # Errors
    /// A mutation whose value is not JSON.
    pub(crate) fn apply(&mut self, fault: &Fault, now_ms: i64) -> Result<(), String> {
        match fault {
            Fault::Mute { what, duration } => {
                self.muted.insert(what.clone(), end_ms(now_ms, *duration));
            }
            Fault::Unmute(what) => {
                self.muted.remove(what);
            }
            Fault::AckOnly(on) => self.ack_only = *on,
            Fault::Silence { on, duration } => {
                self.silent_until_ms = if *on { end_ms(now_ms, *duration) } else { 0 };
            }
            Fault::Delay { channel, lateness } => {
                self.lateness.insert(*channel, *lateness);
            }
            Fault::Lose { channel, count } => {
                self.lose.insert(*channel, *count);
            }
            Fault::Duplicate { channel, on: true } => {
                self.duplicate.insert(*channel);
            }
            Fault::Duplicate { channel, on: false } => {
                self.duplicate.remove(channel);
            }
            Fault::Swap { on } => self.swap = *on,
            Fault::Mutate {
                target,
                field,
                value,
                times,
            } => {
                let value = match value.as_str() {
                    "absent" => None,
                    text => Some(serde_json::from_str(text).map_err(|error| {
                        format!("`{text}` is neither `absent` nor JSON: {error}")
                    })?),
                };
                let (target, field, times) = (target.clone(), field.clone(), *times);
                self.mutations.push(Mutation {
                    target,
                    field,
                    value,
                    times,
                });
            }
            Fault::Rest(RestFault {
                path,
                kind: RestFaultKind::Ok,
                ..
            }) => {
                self.rest
                    .retain(|fault| !fault.path.starts_with(path.as_str()));
            }
            Fault::Rest(fault) => self.rest.push(fault.clone()),
            Fault::RestLag(lag) => self.rest_lag = *lag,
            Fault::Skew { milliseconds } => self.skew_ms = *milliseconds,
            Fault::KeyRevoked(revoked) => self.key_revoked = *revoked,
            _ => {}
        }
        Ok(())
    }

    /// Whether an event is withheld now.
    pub(crate) fn is_muted(&self, channel: Channel, event: &str, now_ms: i64) -> bool {
        let until = |what: &Muted| self.muted.get(what).copied().unwrap_or(i64::MIN);
        now_ms < until(&Muted::Channel(channel)) || now_ms < until(&Muted::Event(event.to_owned()))
    }

    /// Whether the next event of a channel is one of those that get lost.
    pub(crate) fn loses(&mut self, channel: Channel) -> bool {
        match self.lose.get_mut(&channel) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn duplicates(&self, channel: Channel) -> bool {
        self.duplicate.contains(&channel)
    }

    pub(crate) fn lateness_ms(&self, channel: Channel) -> i64 {
        let lateness = self.lateness.get(&channel).copied().unwrap_or_default();
        i64::try_from(lateness.as_millis()).unwrap_or(i64::MAX)
    }

    /// Applies the mutations aimed at an event name or a path.
    pub(crate) fn mutate(&mut self, target: &str, json: String) -> String {
        let aimed = |mutation: &Mutation| target.starts_with(mutation.target.as_str());
        if !self.mutations.iter().any(aimed) {
            return json;
        }
        let Ok(mut document) = serde_json::from_str::<Value>(&json) else {
            return json;
        };
        for mutation in self.mutations.iter_mut().filter(|mutation| aimed(mutation)) {
            let steps: Vec<&str> = mutation.field.split('.').collect();
            set(&mut document, &steps, mutation.value.as_ref());
            mutation.times = mutation.times.saturating_sub(1);
        }
        self.mutations.retain(|mutation| mutation.times > 0);
        document.to_string()
    }

    /// The mishaps of a call, each used up once.
    pub(crate) fn take_rest(&mut self, method: &str, path: &str) -> Vec<RestFaultKind> {
        let mut taken = Vec::new();
        for fault in &mut self.rest {
            let named = fault.method.as_deref().is_none_or(|named| named == method);
            if named && path.starts_with(fault.path.as_str()) && fault.times != Some(0) {
                taken.push(fault.kind.clone());
                fault.times = fault.times.map(|times| times - 1);
            }
        }
        self.rest.retain(|fault| fault.times != Some(0));
        taken
    }
}

/// Replaces or removes what a dotted path leads to; `*` leads to every element.
fn set(document: &mut Value, steps: &[&str], value: Option<&Value>) {
    let Some((step, rest)) = steps.split_first() else {
        return;
    };
    if *step == "*" {
        match document {
            Value::Array(rows) => rows.iter_mut().for_each(|row| set_in(row, rest, value)),
            Value::Object(fields) => fields.values_mut().for_each(|row| set_in(row, rest, value)),
            _ => {}
        }
        return;
    }
    match (document, rest.is_empty()) {
        (Value::Object(fields), true) => match value {
            Some(value) => drop(fields.insert((*step).to_owned(), value.clone())),
            None => drop(fields.remove(*step)),
        },
        (Value::Object(fields), false) => {
            if let Some(inner) = fields.get_mut(*step) {
                set(inner, rest, value);
            }
        }
        (Value::Array(rows), _) => {
            if let Some(row) = step
                .parse()
                .ok()
                .and_then(|index: usize| rows.get_mut(index))
            {
                set_in(row, rest, value);
            }
        }
        _ => {}
    }
}

fn set_in(row: &mut Value, rest: &[&str], value: Option<&Value>) {
    match (rest.is_empty(), value) {
        (true, Some(value)) => *row = value.clone(),
        (true, None) => *row = Value::Null,
        (false, _) => set(row, rest, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutation_reaches_into_lists_and_is_used_up() {
        let mut faults = Faults::default();
        let fault = Fault::Mutate {
            target: "ACCOUNT_UPDATE".into(),
            field: "a.B.*.wb".into(),
            value: "\"\"".into(),
            times: 1,
        };
        faults.apply(&fault, 0).unwrap();
        let json = r#"{"a":{"B":[{"a":"USDT","wb":"1"}]}}"#.to_owned();
        let told = faults.mutate("ACCOUNT_UPDATE", json.clone());
        assert_eq!(told, r#"{"a":{"B":[{"a":"USDT","wb":""}]}}"#);
        assert_eq!(faults.mutate("ACCOUNT_UPDATE", json.clone()), json);
    }

    #[test]
    fn mute_ends_by_itself() {
        let mut faults = Faults::default();
        let what = Muted::Event("TRADE_LITE".into());
        let duration = Some(Duration::from_secs(30));
        faults
            .apply(&Fault::Mute { what, duration }, 1_000)
            .unwrap();
        assert!(faults.is_muted(Channel::User, "TRADE_LITE", 30_999));
        assert!(!faults.is_muted(Channel::User, "TRADE_LITE", 31_000));
        assert!(!faults.is_muted(Channel::User, "ACCOUNT_UPDATE", 2_000));
    }
}
