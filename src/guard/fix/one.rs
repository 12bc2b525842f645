//! The ways back inside one limit, for whoever names it.
//!
//! Owns: what one limit is asked about.
//! Must not know: which other limits are broken, how a way is searched.

use super::scene::Scene;
use super::{BrokenLimit, fix_limit};
use crate::guard::desk::Desk;
use crate::guard::policy::LimitKey;
use crate::guard::verdict::Level;
use crate::guard::{Context, Detail};
use crate::margin::account::{Asset, MarginMode, Symbol};
use crate::mirror::view::LiveView;

/// What one limit is asked about.
#[derive(Debug, Clone, Copy)]
pub(in crate::guard) enum About<'s> {
    /// The pool with all its crossed positions.
    Pool,
    /// One of them.
    Crossed(&'s Symbol),
    /// An isolated position beside the pool.
    Isolated(&'s Symbol),
}

/// The ways back inside one limit at one level (without a key: the scenarios) of the pool to which
/// this asset leads; `None` when it is not broken, or not known.
pub(in crate::guard) fn fix_one(
    view: &LiveView<'_>,
    context: &Context<'_>,
    asset: &Asset,
    key: Option<LimitKey>,
    level: Level,
    about: About<'_>,
) -> Option<BrokenLimit> {
    let context = Context {
        client: None,
        detail: Detail::Brief,
        ..*context
    };
    let desk = Desk::new(view, &context);
    let base = desk.stage(asset, &[]).ok()?;
    let symbols: Vec<&Symbol> = match about {
        About::Crossed(symbol) | About::Isolated(symbol) => vec![symbol],
        About::Pool => {
            let crossed = base.held().filter(|(_, state)| {
                let mode = state.settings.map(|settings| settings.risk_mode());
                mode != Some(MarginMode::Isolated)
            });
            crossed.map(|(symbol, _)| symbol).collect()
        }
    };
    let scene = Scene {
        asset,
        symbols: &symbols,
        fenced: matches!(about, About::Isolated(_)),
    };
    fix_limit(&desk, scene, key, level).ok()?
}
