//! Delivery: which connection hears what, and what the mishaps make of it on the way.

use std::collections::BTreeSet;

use crate::scenario::Channel;

use super::core::{Core, Late};
use super::session::{Session, Topic};
use super::venue::{MarketEvent, UserEvent};
use super::wire::json;

const SECOND_MS: i64 = 1_000;

impl Core {
    pub(super) fn deliver_user(&mut self, mut events: Vec<UserEvent>, now_ms: i64) {
        if self.faults.swap {
            events.reverse();
        }
        for event in events {
            if self.faults.is_muted(Channel::User, event.name, now_ms)
                || self.faults.loses(Channel::User)
            {
                continue;
            }
            let json = self.faults.mutate(event.name, event.json);
            let event = UserEvent {
                name: event.name,
                json,
            };
            let lateness = self.faults.lateness_ms(Channel::User);
            for _ in 0..=u8::from(self.faults.duplicates(Channel::User)) {
                if lateness > 0 {
                    let number = self.number();
                    self.late
                        .insert((now_ms + lateness, number), Late::User(event.clone()));
                } else {
                    self.send_user(&event);
                }
            }
        }
    }

    pub(super) fn send_user(&mut self, event: &UserEvent) {
        let Some(key) = self.venue.listen_key.as_ref().map(|key| key.text.clone()) else {
            return;
        };
        self.sessions.retain(|_, session| {
            let wanted = session
                .keys
                .get(&key)
                .is_some_and(|filter| filter.is_empty() || filter.contains(event.name));
            !wanted || session.push(&key, &event.json)
        });
    }

    pub(super) fn deliver_market(&mut self, event: &MarketEvent, now_ms: i64) {
        let emitted = self.told_ms(now_ms);
        match event {
            MarketEvent::Mark(symbol) => {
                self.push_marks(Some(symbol), emitted, now_ms);
                self.push_prices(Some(symbol), emitted, now_ms);
            }
            MarketEvent::Contract(json) => {
                self.push_topic(&Topic::ContractInfo, "contractInfo", json, now_ms);
            }
            MarketEvent::Liquidation { symbol, json } => {
                self.push_topic(&Topic::AllLiquidations, "forceOrder", json, now_ms);
                let topic = Topic::Liquidations(symbol.clone());
                self.push_topic(&topic, "forceOrder", json, now_ms);
            }
        }
    }

    /// Pushes marks: of one contract off schedule, or of all at a whole second.
    pub(super) fn push_marks(&mut self, only: Option<&str>, emitted: i64, now_ms: i64) {
        let three = only.is_some() || emitted.div_euclid(SECOND_MS) % 3 == 0;
        let topics = || {
            self.sessions
                .values()
                .flat_map(|session| session.topics.values())
        };
        let all = topics().any(|topic| matches!(topic, Topic::AllMarks { .. }));
        let wanted: BTreeSet<String> = topics()
            .filter_map(|topic| match topic {
                Topic::Mark { symbol, .. } => Some(symbol.clone()),
                _ => None,
            })
            .collect();
        let mut usual = Vec::new();
        let mut traditional = Vec::new();
        let mut rows = Vec::new();
        for contract in self.venue.contracts.values() {
            let meant = only.is_none_or(|only| only == contract.symbol);
            let known = contract.mark.is_positive() || contract.dark;
            let heard = all || wanted.contains(&contract.symbol);
            if !meant || !heard || contract.frozen || !known {
                continue;
            }
            let update = self.venue.mark_update(contract, emitted);
            let row = json(&update);
            if contract.symbol == "BTCUSDT" {
                // Since the merge the array also carries coin-margined rows, marked `st` 2.
                let coin = super::wire::event::MarkUpdate {
                    s: "BTCUSD_PERP".to_owned(),
                    st: 2,
                    ..update
                };
                usual.push(json(&coin));
            }
            if contract.is_traditional() {
                &mut traditional
            } else {
                &mut usual
            }
            .push(row.clone());
            rows.push((contract.symbol.clone(), row));
        }
        for seconds in if three { &[1, 3][..] } else { &[1][..] } {
            for (symbol, row) in &rows {
                let topic = Topic::Mark {
                    symbol: symbol.clone(),
                    seconds: *seconds,
                };
                self.push_topic(&topic, "markPriceUpdate", row, now_ms);
            }
            for frame in [&usual, &traditional] {
                if !frame.is_empty() {
                    let array = format!("[{}]", frame.join(","));
                    let topic = Topic::AllMarks { seconds: *seconds };
                    self.push_topic(&topic, "markPriceUpdate", &array, now_ms);
                }
            }
        }
    }

    pub(super) fn push_indexes(&mut self, emitted: i64, now_ms: i64) {
        let heard = |topic: &Topic| matches!(topic, Topic::AssetIndexes | Topic::AssetIndex(_));
        if !self
            .sessions
            .values()
            .any(|session| session.topics.values().any(heard))
        {
            return;
        }
        let rows = self.venue.asset_indexes(emitted);
        self.push_topic(
            &Topic::AssetIndexes,
            "assetIndexUpdate",
            &json(&rows),
            now_ms,
        );
        for row in rows {
            let topic = Topic::AssetIndex(row.s.clone());
            self.push_topic(&topic, "assetIndexUpdate", &json(&row), now_ms);
        }
    }

    pub(super) fn push_topic(&mut self, topic: &Topic, event: &str, payload: &str, now_ms: i64) {
        let asked = |session: &Session| session.topics.values().any(|asked| asked == topic);
        if !self.sessions.values().any(asked)
            || self.faults.ack_only
            || self.faults.is_muted(Channel::Market, event, now_ms)
            || self.faults.loses(Channel::Market)
        {
            return;
        }
        let payload = self.faults.mutate(event, payload.to_owned());
        let lateness = self.faults.lateness_ms(Channel::Market);
        for _ in 0..=u8::from(self.faults.duplicates(Channel::Market)) {
            if lateness > 0 {
                let late = Late::Market {
                    topic: topic.clone(),
                    payload: payload.clone(),
                };
                let number = self.number();
                self.late.insert((now_ms + lateness, number), late);
            } else {
                self.send_topic(topic, &payload);
            }
        }
    }

    pub(super) fn send_topic(&mut self, topic: &Topic, payload: &str) {
        self.sessions.retain(|_, session| {
            let mut asked = session.topics.iter().filter(|(_, asked)| *asked == topic);
            asked.all(|(stream, _)| session.push(stream, payload))
        });
    }
}
