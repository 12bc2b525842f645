//! What mends it: the alternative that `fix` finds, put into the words of an alarm.
//!
//! Owns: which limit an alarm is about, and how many searches one evaluation may make.
//! Must not know: how a way back is searched.

use super::{Alarm, Change, Rule, Severity, Transition, words};
use crate::guard::Context;
use crate::guard::fix::{About, fix_one};
use crate::guard::policy::LimitKey;
use crate::guard::verdict::Level;
use crate::margin::account::Asset;
use crate::mirror::view::LiveView;

/// Most searches of one evaluation, the most urgent alarms first: a search costs as much as some
/// checks do, and a crash raises many alarms at once. The others name the command that searches.
const SEARCHES_MAX: usize = 2;

/// Names the least that mends it wherever a limit is broken.
pub(super) fn name(told: &mut [Transition], view: &LiveView<'_>, context: &Context<'_>) {
    let mut alarms: Vec<&mut Alarm> = told.iter_mut().filter_map(mendable).collect();
    alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.severity), alarm.key.rule));
    for alarm in alarms.into_iter().take(SEARCHES_MAX) {
        if let Some((to_do, command)) = search(alarm, view, context) {
            alarm.text.to_do = to_do;
            alarm.text.command = Some(command);
        }
    }
}

fn mendable(transition: &mut Transition) -> Option<&mut Alarm> {
    let Transition::Raised(alarm) = transition else {
        return None;
    };
    let is_told = matches!(alarm.change, Change::New | Change::Higher);
    (is_told && limits(alarm.key.rule).is_some()).then_some(alarm)
}

/// The limits that a rule is about; `None` in the list are the scenarios. The first that is broken
/// is mended.
const fn limits(rule: Rule) -> Option<&'static [Option<LimitKey>]> {
    match rule {
        Rule::Distance => Some(&[Some(LimitKey::LiquidationDistance)]),
        Rule::WalletAtRisk => Some(&[Some(LimitKey::WalletAtRisk)]),
        Rule::MarginRatio => Some(&[Some(LimitKey::MarginRatio)]),
        Rule::Spill => Some(&[Some(LimitKey::Spill)]),
        Rule::Stress => Some(&[None]),
        // It has no limit of its own: the ones it falls towards.
        Rule::HeadroomFalling => Some(&[
            Some(LimitKey::LiquidationDistance),
            Some(LimitKey::WalletAtRisk),
        ]),
        _ => None,
    }
}

fn search(alarm: &Alarm, view: &LiveView<'_>, context: &Context<'_>) -> Option<(String, String)> {
    let asset = margin_asset(alarm, view)?;
    let about = match (&alarm.key.symbol, alarm.key.rule) {
        (None, _) => About::Pool,
        (Some(symbol), Rule::Distance) => About::Isolated(symbol),
        (Some(symbol), _) => About::Crossed(symbol),
    };
    let level = match alarm.severity {
        Severity::Critical => Level::Reject,
        Severity::Info | Severity::Warning => Level::Warn,
    };
    limits(alarm.key.rule)?.iter().find_map(|key| {
        let broken = fix_one(view, context, asset, *key, level, about)?;
        words::ways(&broken.ways)
    })
}

/// An asset that leads to the alarm's pool.
fn margin_asset<'a>(alarm: &Alarm, view: &LiveView<'a>) -> Option<&'a Asset> {
    let book = view.book();
    let pool = alarm.key.pool.as_ref()?;
    match &alarm.key.symbol {
        Some(symbol) => book.state(symbol.as_str())?.margin_asset.as_ref(),
        None => {
            let held = book.symbols().filter(|(_, state)| !state.legs.is_flat());
            let assets = held.filter_map(|(_, state)| state.margin_asset.as_ref());
            assets.into_iter().find(|asset| book.pool_of(asset) == pool)
        }
    }
}
