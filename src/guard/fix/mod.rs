//! Ways back inside the limits, for the account as it stands.
//!
//! Owns: the shapes, and which limits the account breaks now.
//! Must not know: how a look is made, how a way is searched.

mod one;
mod scene;
mod ways;

use super::desk::Desk;
use super::look::Depth;
use super::policy::LimitKey;
use super::proposal::Proposal;
use super::terms::Terms;
use super::verdict::{Code, Finding, Level};
use super::{Context, Detail};
use crate::margin::account::{Asset, AssetMode, MarginMode};
use crate::margin::book::Unknown;
use crate::mirror::view::LiveView;
pub(super) use one::{About, fix_one};
use scene::{Scene, harm, only};
use ways::Search;

/// What kind of way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WayKind {
    /// Money is transferred into the futures wallet.
    TopUp,
    /// A position is reduced.
    Reduce,
    /// Margin is added to an isolated position.
    AddMargin,
    /// The leverage of a contract is lowered.
    LowerLeverage,
}

impl WayKind {
    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Reduce => "reduce",
            Self::AddMargin => "add_margin",
            Self::LowerLeverage => "lower_leverage",
        }
    }
}

/// One way back, run through the same rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What kind.
    pub kind: WayKind,
    /// What it consists of.
    pub terms: Terms,
    /// What is to be sent; a transfer is none of our requests.
    pub request: Option<Proposal>,
    /// One sentence for a person.
    pub message: String,
}

/// A limit that the account breaks as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLimit {
    /// The pool.
    pub asset: Asset,
    /// Which rule, at which level. A value beyond both thresholds is named once for each.
    pub finding: Finding,
    /// Ways back inside this threshold; empty when one step alone does not lead there.
    pub ways: Vec<Way>,
}

/// What is broken, and what could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fix {
    /// Every broken limit, those that reject first.
    pub broken: Vec<BrokenLimit>,
    /// Why something cannot be said.
    pub missing: Vec<String>,
}

/// The limits about an account rather than about one order; `None` are the scenarios.
const JUDGED: [Option<LimitKey>; 7] = [
    Some(LimitKey::LiquidationDistance),
    Some(LimitKey::WalletAtRisk),
    Some(LimitKey::Spill),
    Some(LimitKey::MarginRatio),
    Some(LimitKey::WorstCase),
    None,
    Some(LimitKey::EffectiveLeverage),
];

/// The ways back inside every limit that the account breaks as it stands, promised room counted.
#[must_use]
pub fn fix(view: &LiveView<'_>, context: &Context<'_>) -> Fix {
    let mut fix = Fix::default();
    if let Some(unsupported) = view.mirror().unsupported() {
        let message = format!("the account uses {unsupported}, which is not modelled");
        fix.missing.push(message);
        return fix;
    }
    let context = Context {
        client: None,
        detail: Detail::Brief,
        ..*context
    };
    let book = view.book();
    for pool in book.pools_in_use() {
        // The one pool of multi-assets mode is no margin asset itself: any of them leads to it.
        let asset = match book.asset_mode() {
            AssetMode::Single => Some(pool),
            AssetMode::Multi => book
                .symbols()
                .find(|(_, state)| !state.legs.is_flat())
                .and_then(|(_, state)| state.margin_asset.as_ref())
                .or_else(|| book.assets().next()),
        };
        let Some(asset) = asset else { continue };
        if let Err(unknown) = fix_pool(view, &context, asset, &mut fix.broken) {
            fix.missing.push(unknown.to_string());
        }
    }
    let order =
        |broken: &BrokenLimit| (std::cmp::Reverse(broken.finding.level), broken.finding.code);
    fix.broken.sort_by_key(order);
    fix
}

fn fix_pool(
    view: &LiveView<'_>,
    context: &Context<'_>,
    asset: &Asset,
    found: &mut Vec<BrokenLimit>,
) -> Result<(), Unknown> {
    let desk = Desk::new(view, context);
    let base = desk.stage(asset, &[])?;
    let (mut crossed, mut isolated) = (Vec::new(), Vec::new());
    for (symbol, state) in base.held() {
        let mode = state.settings.map(|settings| settings.risk_mode());
        if mode == Some(MarginMode::Isolated) {
            isolated.push(vec![symbol]);
        } else {
            crossed.push(symbol);
        }
    }
    let whole = Scene {
        asset,
        symbols: &crossed,
        fenced: false,
    };
    for level in [Level::Reject, Level::Warn] {
        for key in JUDGED {
            found.extend(fix_limit(&desk, whole, key, level)?);
        }
        for symbols in &isolated {
            let alone = Scene {
                symbols,
                fenced: true,
                ..whole
            };
            let key = Some(LimitKey::LiquidationDistance);
            found.extend(fix_limit(&desk, alone, key, level)?);
        }
    }
    Ok(())
}

fn fix_limit(
    desk: &Desk<'_>,
    scene: Scene<'_>,
    key: Option<LimitKey>,
    level: Level,
) -> Result<Option<BrokenLimit>, Unknown> {
    let policy = only(desk.policy(), key, level);
    let context = Context {
        policy: &policy,
        ..*desk.context
    };
    let narrow = Desk::new(desk.view, &context);
    let depth = match key {
        None | Some(LimitKey::WorstCase) => Depth::Verdict,
        Some(_) => Depth::Glance,
    };
    let seen = scene.look(&narrow, &[], depth)?;
    let Some(finding) = scene.broken(&seen) else {
        return Ok(None);
    };
    let of_one = scene.fenced || finding.code == Code::Spill;
    let finding = Finding {
        symbol: finding.symbol.clone().filter(|_| of_one),
        ..finding.clone()
    };
    let search = Search {
        desk,
        narrow: &narrow,
        scene,
        depth,
        level,
        strain: seen.strain.of(level),
        before: harm(&scene.look(desk, &[], Depth::Verdict)?),
    };
    Ok(Some(BrokenLimit {
        asset: scene.asset.clone(),
        ways: search.ways(&seen, finding.code),
        finding,
    }))
}
