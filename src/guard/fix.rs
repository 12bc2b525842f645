//! Ways back inside the limits, for the account as it stands.
//!
//! Owns: which limits the account breaks now, and the search for the least that mends each.
//! Must not know: how a look is made, how a boundary is found.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};

use super::desk::{Desk, Step};
use super::look::{Depth, Look, Question, look};
use super::offer::{Ladder, closing};
use super::policy::{Limit, LimitKey, Overrides, Policy};
use super::proposal::Proposal;
use super::rules::When;
use super::search::{End, Probe, boundary};
use super::verdict::{Code, Decision, Finding, Level};
use super::{Context, Detail, decide, words};
use crate::margin::account::{Asset, AssetMode, MarginMode, PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage, Notional, Quantity};
use crate::margin::book::Unknown;
use crate::margin::change::{Change, MarginMove, withdrawable};
use crate::margin::order::OrderIntent;
use crate::mirror::view::LiveView;

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
    /// The contract that is reduced or changed.
    pub symbol: Option<Symbol>,
    /// What its position is reduced by.
    pub quantity: Option<Quantity>,
    /// Money to transfer or to add.
    pub amount: Option<Amount>,
    /// The asset of that money.
    pub asset: Option<Asset>,
    /// The leverage to set.
    pub leverage: Option<Leverage>,
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

/// Most assessments of the search for the ways back inside one limit.
const ASSESSMENTS_MAX: u32 = 160;

/// Most positions that are tried for one limit, the largest first.
const POSITIONS_MAX: usize = 3;

/// How finely a transfer is searched, in parts of twice what all positions are worth.
const TRANSFER_PARTS: u64 = 1 << 16;

/// How finely added margin is searched, in parts of what can be added.
const MARGIN_PARTS: u64 = 1 << 10;

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

/// The policy with one limit at one level, and nothing else: what it finds and how hard it is
/// strained is about that limit alone.
fn only(policy: &Policy, key: Option<LimitKey>, level: Level) -> Policy {
    let at = |limit: Limit| match level {
        Level::Warn => Limit {
            reject: None,
            ..limit
        },
        Level::Reject => Limit {
            warn: None,
            ..limit
        },
    };
    let mut narrow = policy.clone();
    for other in LimitKey::ALL {
        let limit = if Some(other) == key {
            at(policy.limits.get(other))
        } else {
            Limit::OFF
        };
        narrow.limits.set(other, limit);
    }
    for overrides in narrow.of_symbol.values_mut() {
        let kept = overrides.iter().filter(|(other, _)| Some(**other) == key);
        let kept: Overrides = kept.map(|(key, limit)| (*key, at(*limit))).collect();
        *overrides = kept;
    }
    narrow.of_client = BTreeMap::new();
    for scenario in narrow.stress.values_mut() {
        scenario.required = scenario.required.filter(|at| key.is_none() && *at == level);
    }
    narrow
}

/// The hardest finding of each code.
fn harm(look: &Look<'_>) -> BTreeMap<Code, Level> {
    let mut harm = BTreeMap::new();
    for finding in &look.findings {
        let level = harm.entry(finding.code).or_insert(finding.level);
        *level = finding.level.max(*level);
    }
    harm
}

/// What is judged: a pool with its crossed positions, or one isolated position beside it.
#[derive(Debug, Clone, Copy)]
struct Scene<'s> {
    asset: &'s Asset,
    symbols: &'s [&'s Symbol],
    fenced: bool,
}

impl Scene<'_> {
    fn look<'a>(
        &self,
        desk: &Desk<'a>,
        steps: &[Step<'_>],
        depth: Depth,
    ) -> Result<Look<'a>, Unknown> {
        let question = Question {
            asset: self.asset,
            steps,
            orders: &[],
            change: None,
            symbols: self.symbols,
            when: When::Now,
        };
        look(desk, &question, depth)
    }

    /// What is broken in a look with one limit. Beside an isolated position the pool is not meant.
    fn broken<'l>(&self, look: &'l Look<'_>) -> Option<&'l Finding> {
        let of_pool = look
            .after
            .survival
            .distance()
            .map(|distance| distance.get());
        let meant = |finding: &&Finding| !self.fenced || finding.value != of_pool;
        look.findings.iter().find(meant)
    }
}

/// The search for the ways back inside one limit.
struct Search<'s, 'a> {
    /// With the whole policy.
    desk: &'s Desk<'a>,
    /// With the limit that is broken and nothing else.
    narrow: &'s Desk<'s>,
    scene: Scene<'s>,
    depth: Depth,
    level: Level,
    strain: Decimal,
    before: BTreeMap<Code, Level>,
}

impl Search<'_, '_> {
    fn ways(&self, seen: &Look<'_>, code: Code) -> Vec<Way> {
        let mut ways = Vec::new();
        if self.scene.fenced {
            ways.extend(self.add_margin());
        } else {
            ways.extend(self.top_up(seen));
        }
        let positions = self.positions();
        let reduced = positions.iter().take(POSITIONS_MAX);
        ways.extend(reduced.filter_map(|whole| self.reduce(whole)));
        if code == Code::Spill {
            // Only the ticket of a position depends on its leverage.
            let lowered = self.scene.symbols.iter().take(POSITIONS_MAX);
            ways.extend(lowered.filter_map(|symbol| self.lower_leverage(symbol)));
        }
        ways
    }

    fn probe(&self, step: Step<'_>) -> Option<Probe> {
        if self.narrow.assessments() >= ASSESSMENTS_MAX {
            return None;
        }
        let look = self.scene.look(self.narrow, &[step], self.depth).ok()?;
        Some(Probe {
            passes: self.scene.broken(&look).is_none(),
            strain: look.strain.of(self.level),
        })
    }

    /// The least number up to `most` that mends it.
    fn least(&self, most: u64, probe: impl Fn(u64) -> Option<Probe>) -> Option<u64> {
        let whole = probe(most).filter(|whole| whole.passes)?;
        let near = End {
            at: 0,
            strain: self.strain,
        };
        let far = End {
            at: most,
            strain: whole.strain,
        };
        boundary(near, far, false, probe)?.checked_add(1)
    }

    /// It mends the limit, breaks no other one, and the guard lets the request pass.
    fn holds(&self, step: Step<'_>, request: Option<&Proposal>) -> bool {
        let mended = self.scene.look(self.narrow, &[step], Depth::Verdict);
        let whole = self.scene.look(self.desk, &[step], Depth::Verdict);
        let (Ok(mended), Ok(whole)) = (mended, whole) else {
            return false;
        };
        let no_worse = |(code, level): (&Code, &Level)| {
            self.before.get(code).is_some_and(|before| level <= before)
        };
        let passes = |proposal: &Proposal| {
            let judgement = decide(self.desk.view, proposal, self.desk.context);
            let refused = |finding: &Finding| finding.code == Code::ExchangeWouldRefuse;
            judgement.decision != Decision::Reject && !judgement.findings.iter().any(refused)
        };
        self.scene.broken(&mended).is_none()
            && harm(&whole).iter().all(no_worse)
            && request.is_none_or(passes)
    }

    fn top_up(&self, seen: &Look<'_>) -> Option<Way> {
        let most = seen.after.notional_gross.get().checked_mul(Decimal::TWO)?;
        let unit = part_of(most, TRANSFER_PARTS)?;
        let amount = |parts: u64| Some(Amount::new(unit.checked_mul(Decimal::from(parts))?));
        let parts = self.least(TRANSFER_PARTS, |parts| {
            self.probe(Step::TopUp(amount(parts)?))
        })?;
        let money = amount(parts)?;
        let message = format!(
            "Transfer {} {} into the futures wallet.",
            words::money(money),
            self.scene.asset
        );
        self.holds(Step::TopUp(money), None).then(|| Way {
            amount: Some(money),
            asset: Some(self.scene.asset.clone()),
            ..way(WayKind::TopUp, None, message)
        })
    }

    /// Orders that close the positions in question, the largest first.
    fn positions(&self) -> Vec<OrderIntent> {
        let Ok(base) = self.desk.stage(self.scene.asset, &[]) else {
            return Vec::new();
        };
        let mut positions: Vec<(Notional, OrderIntent)> = Vec::new();
        for (symbol, _) in base
            .held()
            .filter(|held| self.scene.symbols.contains(&held.0))
        {
            // What can be reduced is what is held, not what is promised.
            let Some(state) = self.desk.view.book().state(symbol.as_str()) else {
                continue;
            };
            let Some(mark) = state.mark else { continue };
            positions.extend(state.legs.held().filter_map(|(side, leg)| {
                let notional = mark.price().times(leg.quantity).ok()?.abs();
                Some((notional, closing(symbol, side, leg.quantity)))
            }));
        }
        positions.sort_by(|(one, _), (other, _)| other.cmp(one));
        positions.into_iter().map(|(_, order)| order).collect()
    }

    fn reduce(&self, whole: &OrderIntent) -> Option<Way> {
        let state = self.desk.view.book().state(whole.symbol.as_str())?;
        let ladder = Ladder::of(self.desk, whole, state)?;
        let held = whole.quantity?;
        let with = |number: u64| {
            let quantity = ladder.quantity(number.checked_sub(1)?)?.min(held);
            Some(OrderIntent {
                quantity: Some(quantity),
                ..whole.clone()
            })
        };
        let all = ladder.first_not_below(held)?.checked_add(1)?;
        let number = self.least(all, |number| self.probe(Step::Order(&with(number)?)))?;
        let order = with(number)?;
        let quantity = order.quantity?;
        let request = Proposal::Order(order.clone());
        let message = format!("Reduce {} by {quantity}.", whole.symbol);
        self.holds(Step::Order(&order), Some(&request))
            .then(|| Way {
                symbol: Some(whole.symbol.clone()),
                quantity: Some(quantity),
                ..way(WayKind::Reduce, Some(request), message)
            })
    }

    /// Margin for the isolated position in question, one leg of it at a time.
    fn add_margin(&self) -> Option<Way> {
        let symbol: &Symbol = self.scene.symbols.first()?;
        let state = self.desk.view.book().state(symbol.as_str())?;
        let pool = self.desk.as_it_is(self.scene.asset).ok()?;
        let most = withdrawable(&pool).ok()?;
        // Rounded down: no more than there is.
        let unit = most.get().checked_div(Decimal::from(MARGIN_PARTS))?;
        let unit = unit.round_dp_with_strategy(6, RoundingStrategy::ToZero);
        if unit <= Decimal::ZERO {
            return None;
        }
        state
            .legs
            .held()
            .find_map(|(side, _)| self.add_to_leg(symbol, side, unit))
    }

    fn add_to_leg(&self, symbol: &Symbol, side: PositionSide, unit: Decimal) -> Option<Way> {
        let change = |parts: u64| {
            let amount = Amount::new(unit.checked_mul(Decimal::from(parts))?);
            Some(Change::PositionMargin {
                symbol: symbol.clone(),
                position_side: side,
                amount,
                direction: MarginMove::Add,
            })
        };
        let parts = self.least(MARGIN_PARTS, |parts| {
            self.probe(Step::Change(&change(parts)?))
        })?;
        let money = Amount::new(unit.checked_mul(Decimal::from(parts))?);
        let change = change(parts)?;
        let request = Proposal::Change(change.clone());
        let message = format!(
            "Add {} {} of margin to the isolated {symbol} position.",
            words::money(money),
            self.scene.asset
        );
        self.holds(Step::Change(&change), Some(&request))
            .then(|| Way {
                symbol: Some(symbol.clone()),
                amount: Some(money),
                asset: Some(self.scene.asset.clone()),
                ..way(WayKind::AddMargin, Some(request), message)
            })
    }

    /// The highest leverage that mends it.
    fn lower_leverage(&self, symbol: &Symbol) -> Option<Way> {
        let state = self.desk.view.book().state(symbol.as_str())?;
        let set = state.settings?.leverage.get();
        let lowered = |by: u64| Leverage::new(set.checked_sub(u32::try_from(by).ok()?)?);
        let change = |by: u64| {
            Some(Change::Leverage {
                symbol: symbol.clone(),
                leverage: lowered(by)?,
            })
        };
        let most = u64::from(set.checked_sub(1)?);
        let by = self.least(most, |by| self.probe(Step::Change(&change(by)?)))?;
        let change = change(by)?;
        let leverage = lowered(by)?;
        let request = Proposal::Change(change.clone());
        let message = format!("Set {symbol} to {}x.", leverage.get());
        self.holds(Step::Change(&change), Some(&request))
            .then(|| Way {
                symbol: Some(symbol.clone()),
                leverage: Some(leverage),
                ..way(WayKind::LowerLeverage, Some(request), message)
            })
    }
}

/// A part of an amount, rounded up to what is transferred.
fn part_of(most: Decimal, parts: u64) -> Option<Decimal> {
    let part = most.checked_div(Decimal::from(parts))?;
    let decimals = if part >= Decimal::new(1, 2) { 2 } else { 8 };
    let part = part.round_dp_with_strategy(decimals, RoundingStrategy::AwayFromZero);
    (part > Decimal::ZERO).then_some(part)
}

const fn way(kind: WayKind, request: Option<Proposal>, message: String) -> Way {
    Way {
        kind,
        symbol: None,
        quantity: None,
        amount: None,
        asset: None,
        leverage: None,
        request,
        message,
    }
}
