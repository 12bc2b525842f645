//! What is not as it was, and what the key may do.
//!
//! Owns: leverage, margin types and modes as they were last seen; the key's standing.
//! Must not know: levels, figures.

use rust_decimal::Decimal;

use super::raised::Reading;
use super::state::Alarms;
use super::{Key, Rule, words};
use crate::clock::Now;
use crate::mirror::Mirror;

impl Alarms {
    /// Tells of leverage, margin types and modes that are not what they were.
    pub(super) fn compare_settings(&mut self, mirror: &Mirror, now: Now) {
        let book = mirror.book();
        let changes = Some(book.settings_changes());
        if self.spares && self.known.changes == changes {
            return;
        }
        self.known.changes = changes;
        let modes = (book.position_mode(), book.asset_mode());
        let before = self.known.modes.replace(modes);
        if before.is_some_and(|before| before != modes) {
            let key = Key::plain(Rule::SettingsChanged);
            let text = words::modes_changed(modes);
            self.board.happened(key, text, true, now);
        }
        for (index, (symbol, state)) in book.symbols().enumerate() {
            if index >= self.known.settings.len() {
                self.known.settings.push(None);
            }
            let (Some(settings), Some(known)) =
                (state.settings, self.known.settings.get_mut(index))
            else {
                continue;
            };
            if *known == Some(settings) {
                continue;
            }
            let Some(before) = known.replace(settings) else {
                continue;
            };
            let Some(text) = words::settings_changed(symbol, before, settings) else {
                continue;
            };
            let key = Key::of_symbol(Rule::SettingsChanged, state.margin_asset.as_ref(), symbol);
            self.board.happened(key, text, !state.is_idle(), now);
        }
    }

    /// A key that is refused, and one that may do more than read.
    pub(super) fn judge_key(&mut self, mirror: &Mirror, now: Now) {
        if let Some(refusal) = mirror.key_refusal() {
            let reading = Reading {
                rule: Rule::KeyRefused,
                value: Decimal::ONE,
                key: || Key::plain(Rule::KeyRefused),
                text: || words::key_refused(refusal),
            };
            self.board.take(reading, now);
        }
        if let Some(permissions) = mirror.key_permissions()
            && permissions.is_more_than_reading()
        {
            let value = if permissions.withdraws {
                Decimal::TWO
            } else {
                Decimal::ONE
            };
            let reading = Reading {
                rule: Rule::KeyPrivileged,
                value,
                key: || Key::plain(Rule::KeyPrivileged),
                text: || words::key_privileged(&permissions),
            };
            self.board.take(reading, now);
        }
    }
}
