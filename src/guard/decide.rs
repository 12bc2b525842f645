//! The decision: before, after, rules in precedence, one sentence.
//!
//! Owns: how findings become a decision, and what a full judgement is made of.
//! Must not know: how any figure is computed, in which states a question is judged.

use std::cmp::Reverse;

use super::contagion::position_changes;
use super::desk::Desk;
use super::exit::passes_as_exit;
use super::fees;
use super::look::{Depth, Look, Question, look};
use super::offer;
use super::policy::Policy;
use super::proposal::Proposal;
use super::rules::{self, When};
use super::verdict::{
    Certainty, Cleared, Code, Costs, Decision, Finding, Judgement, Ladder, Level, MissingFigure,
    OrderJudgement,
};
use super::words;
use super::worst::{self, dies_together};
use crate::margin::account::{Asset, AssetMode, Side, Symbol};
use crate::margin::amount::Amount;
use crate::margin::book::{Book, Unknown};
use crate::margin::change::Change;
use crate::margin::contribution::Missing;
use crate::margin::order::OrderIntent;
use crate::margin::project::{PriceSource, isolated_twin};
use crate::margin::reserved::reserved;
use crate::mirror::plane::Plane;
use crate::mirror::view::{LiveView, NotReady};

/// How much of a judgement is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Decision, sentence and findings.
    Brief,
    /// Every figure, and no counter-offers.
    Figures,
    /// Every figure, and what would pass instead.
    Full,
}

/// What surrounds a question.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Limits.
    pub policy: &'a Policy,
    /// The guard's own state.
    pub ladder: Ladder,
    /// Why it stands there, in the user's words.
    pub ladder_reason: &'a str,
    /// Who asks, for limits of single clients.
    pub client: Option<&'a str>,
    /// How much is wanted.
    pub detail: Detail,
}

/// Judges a proposal when the planes it needs are fresh.
#[must_use]
pub fn decide(view: &LiveView<'_>, proposal: &Proposal, context: &Context<'_>) -> Box<Judgement> {
    let desk = Desk::new(view, context);
    let mut judgement = judge(&desk, proposal);
    let wanted = context.detail == Detail::Full && !judgement.is_exit;
    if wanted && judgement.decision != Decision::Allow {
        let offers = offer::alternatives(&desk, proposal, &judgement);
        judgement
            .missing
            .extend(offers.unfinished_words().map(|reason| MissingFigure {
                path: "alternatives",
                plane: None,
                reason,
            }));
        judgement.alternatives = offers.alternatives;
    }
    judgement.assessments = desk.assessments();
    judgement
}

fn judge(desk: &Desk<'_>, proposal: &Proposal) -> Box<Judgement> {
    let (view, context) = (desk.view, desk.context);
    let mut judgement = Box::new(empty(context.ladder));
    judgement.findings.extend(
        unsupported(view)
            .map(|message| rules::plain(Code::UnsupportedAccount, proposal.symbol(), message)),
    );
    if let Err(error) = look_at_pools(desk, proposal, &mut judgement) {
        judgement.findings.push(unknown_figure(proposal, &error));
        judgement.missing.push(MissingFigure {
            path: "account.after",
            plane: lacking_plane(&error),
            reason: error.to_string(),
        });
        judgement.certainty = Certainty::Unknown;
    }
    judgement.is_exit = passes_as_exit(view, proposal, &judgement.findings);
    if !judgement.is_exit {
        let state = rules::ladder(context.ladder, context.ladder_reason, proposal.symbol());
        judgement.findings.extend(state);
    }
    conclude(judgement, proposal)
}

/// An account of a kind whose figures would be wrong.
fn unsupported(view: &LiveView<'_>) -> Option<String> {
    view.mirror().unsupported().map(|unsupported| {
        format!(
            "This account uses {unsupported}, which crossguard does not model yet: its figures \
             would be wrong."
        )
    })
}

/// Judges a proposal when a plane it needs is not fresh: an exit passes with a warning, everything
/// else is rejected, and every stale plane is named.
#[must_use]
pub fn decide_blind(
    not_ready: &NotReady,
    proposal: &Proposal,
    context: &Context<'_>,
) -> Box<Judgement> {
    let mut judgement = Box::new(Judgement {
        is_exit: proposal.only_reduces(),
        certainty: Certainty::Unknown,
        orders: proposal.orders().iter().map(blind_order).collect(),
        ..empty(context.ladder)
    });
    for status in &not_ready.planes {
        let reason = status.reason.clone().unwrap_or_default();
        let message = format!(
            "The guard cannot vouch for {}: {reason}.",
            plane_words(status.plane)
        );
        judgement
            .findings
            .push(rules::plain(Code::NotReady, proposal.symbol(), message));
        judgement.missing.push(MissingFigure {
            path: "account.after",
            plane: Some(status.plane),
            reason,
        });
    }
    if !judgement.is_exit {
        let state = rules::ladder(context.ladder, context.ladder_reason, proposal.symbol());
        judgement.findings.extend(state);
    }
    conclude(judgement, proposal)
}

const fn blind_order(intent: &OrderIntent) -> OrderJudgement {
    OrderJudgement {
        is_exit: intent.only_reduces(),
        mark: None,
        fill: None,
        cost: None,
        settings: None,
        level: None,
        is_refused: false,
    }
}

const fn plane_words(plane: Plane) -> &'static str {
    match plane {
        Plane::Account => "balances and positions",
        Plane::Orders => "working orders",
        Plane::Marks => "mark prices",
        Plane::Config => "leverage and margin types",
        Plane::Brackets => "maintenance brackets",
        Plane::Rules => "trading rules",
        Plane::Time => "the exchange's clock",
        Plane::Key => "the API key",
        Plane::Collateral => "collateral rates",
    }
}

const fn empty(ladder: Ladder) -> Judgement {
    Judgement {
        decision: Decision::Reject,
        why: String::new(),
        findings: Vec::new(),
        certainty: Certainty::Exact,
        ladder,
        is_exit: false,
        orders: Vec::new(),
        before: None,
        after: None,
        executions: Vec::new(),
        positions: Vec::new(),
        reserved: Vec::new(),
        dies_together: Vec::new(),
        worst_case: None,
        worst_before: None,
        stress: Vec::new(),
        isolated_twin: None,
        costs: None,
        missing: Vec::new(),
        alternatives: Vec::new(),
        assessments: 0,
        cleared: None,
    }
}

/// Softens the findings of an exit, orders them by precedence, and draws the conclusion.
fn conclude(mut judgement: Box<Judgement>, proposal: &Proposal) -> Box<Judgement> {
    if judgement.is_exit {
        for finding in &mut judgement.findings {
            finding.level = Level::Warn;
        }
    }
    judgement.findings.sort_by_key(|finding| finding.code);
    let first = |level: Level| {
        judgement
            .findings
            .iter()
            .find(|finding| finding.level == level)
    };
    let (decision, why) = if let Some(finding) = first(Level::Reject) {
        (Decision::Reject, finding.message.clone())
    } else if let Some(finding) = first(Level::Warn) {
        let why = if judgement.is_exit {
            format!("An exit always passes. {}", finding.message)
        } else {
            finding.message.clone()
        };
        (Decision::Warn, why)
    } else {
        (Decision::Allow, allowed_why(&judgement, proposal))
    };
    let why = if decision == Decision::Reject {
        with_exits(why, &judgement.orders)
    } else {
        why
    };
    judgement.decision = decision;
    judgement.why = why;
    judgement.cleared = (decision != Decision::Reject).then(|| Cleared::mint(proposal.clone()));
    judgement
}

/// Of a batch that is refused, the exits in it still pass by themselves; those that the exchange
/// would not take are not recommended.
fn with_exits(why: String, orders: &[OrderJudgement]) -> String {
    let exits: Vec<String> = orders
        .iter()
        .enumerate()
        .filter(|(_, order)| order.is_exit && !order.is_refused)
        .map(|(index, _)| format!("orders[{index}]"))
        .collect();
    if exits.is_empty() {
        why
    } else {
        format!(
            "{why} Its exits pass when they are sent alone: {}.",
            exits.join(", ")
        )
    }
}

fn allowed_why(judgement: &Judgement, proposal: &Proposal) -> String {
    let when = when(proposal);
    match &judgement.after {
        _ if judgement.is_exit => match proposal {
            Proposal::Change(_) => "This change takes nothing from anybody.".to_owned(),
            Proposal::Order(_) => "An exit: it can only take risk away.".to_owned(),
            Proposal::Orders(_) => "Exits: they can only take risk away.".to_owned(),
        },
        Some(after) => words::allowed(after, when.words()),
        None => "Within your limits.".to_owned(),
    }
}

pub(super) const fn when(proposal: &Proposal) -> When {
    match proposal {
        Proposal::Order(_) => When::AfterOrder,
        Proposal::Orders(_) => When::AfterOrders,
        Proposal::Change(_) => When::AfterChange,
    }
}

fn unknown_figure(proposal: &Proposal, error: &Unknown) -> Finding {
    if let Unknown::Symbol(symbol, Missing::MarginAsset) = error
        && proposal.symbols().contains(&symbol)
    {
        let element = element_of(proposal, symbol);
        let message = format!("{element}The exchange does not list {symbol}.");
        return rules::plain(Code::UnknownSymbol, Some(symbol), message);
    }
    let element = match error {
        Unknown::Symbol(symbol, _) => element_of(proposal, symbol),
        _ => String::new(),
    };
    let message = format!("{element}A figure this decision needs is not known ({error}).");
    rules::plain(Code::UnknownFigure, proposal.symbol(), message)
}

/// Of a batch, the first element that is about this contract.
fn element_of(proposal: &Proposal, symbol: &Symbol) -> String {
    let Proposal::Orders(orders) = proposal else {
        return String::new();
    };
    let place = orders.iter().position(|order| order.symbol == *symbol);
    place.map_or_else(String::new, |place| format!("orders[{place}]: "))
}

const fn lacking_plane(error: &Unknown) -> Option<Plane> {
    match error {
        Unknown::Balance(_) => Some(Plane::Account),
        Unknown::Symbol(_, Missing::MarginAsset) => Some(Plane::Rules),
        Unknown::Symbol(_, Missing::Settings) => Some(Plane::Config),
        Unknown::Symbol(_, Missing::Mark) => Some(Plane::Marks),
        Unknown::Symbol(_, Missing::Brackets(_)) => Some(Plane::Brackets),
        Unknown::Symbol(_, Missing::Arithmetic(_)) | Unknown::Arithmetic(_) => None,
        Unknown::Rate(_) => Some(Plane::Collateral),
    }
}

/// Every pool that the proposal touches, the one of its first symbol first: that one's figures are
/// told.
fn look_at_pools(
    desk: &Desk<'_>,
    proposal: &Proposal,
    judgement: &mut Judgement,
) -> Result<(), Unknown> {
    let pools = pools_of(desk, proposal)?;
    let symbols = proposal.symbols();
    let mut orders: Vec<Option<OrderJudgement>> = vec![None; proposal.orders().len()];
    let told = pools.first().copied();
    desk.in_pools(&pools, |asset| {
        let is_told = told == Some(asset);
        let (places, here) = orders_in(desk, proposal, asset)?;
        let question = Question {
            asset,
            steps: &[],
            orders: &here,
            places: &places,
            change: proposal.change(),
            symbols: &symbols,
            when: when(proposal),
            measured: false,
        };
        if is_told && desk.context.detail != Detail::Brief {
            judgement.before = Some(Box::new(desk.as_it_is(asset)?));
        }
        let depth = match desk.context.detail {
            Detail::Figures | Detail::Full if is_told => Depth::Full,
            Detail::Brief | Detail::Figures | Detail::Full => Depth::Verdict,
        };
        let mut look = look(desk, &question, depth)?;
        judgement.findings.append(&mut look.findings);
        for (place, order) in places.iter().zip(&look.orders) {
            orders[*place] = Some(order.clone());
        }
        if is_told {
            tell(desk, proposal, look, judgement)?;
        }
        Ok(())
    })?;
    judgement.orders = orders.into_iter().flatten().collect();
    judgement.certainty = certainty(&judgement.orders);
    Ok(())
}

/// The orders of a proposal that belong to a pool, with their places.
pub(super) fn orders_in<'p>(
    desk: &Desk<'_>,
    proposal: &'p Proposal,
    asset: &Asset,
) -> Result<(Vec<usize>, Vec<&'p OrderIntent>), Unknown> {
    let book = desk.view.book();
    let most = proposal.orders().len();
    let (mut places, mut here) = (Vec::with_capacity(most), Vec::with_capacity(most));
    for (place, intent) in proposal.orders().iter().enumerate() {
        if book.pool_of(desk.pool_of(&intent.symbol)?) == book.pool_of(asset) {
            places.push(place);
            here.push(intent);
        }
    }
    Ok((places, here))
}

/// The pools a proposal touches. A change of the whole account shows the pool that holds most; one
/// into single-asset mode touches every pool that it makes.
pub(super) fn pools_of<'p, 'a: 'p>(
    desk: &Desk<'a>,
    proposal: &'p Proposal,
) -> Result<Vec<&'p Asset>, Unknown> {
    let mut pools: Vec<&Asset> = Vec::with_capacity(1);
    let book = desk.view.book();
    for symbol in proposal.symbols() {
        let asset = desk.pool_of(symbol)?;
        if !pools
            .iter()
            .any(|known| book.pool_of(known) == book.pool_of(asset))
        {
            pools.push(asset);
        }
    }
    match proposal.change() {
        Some(Change::TransferOut { asset, .. }) => pools.push(asset),
        Some(Change::MultiAssetsMargin {
            mode: AssetMode::Single,
        }) => {
            pools.extend(book.collateral_in_use());
            pools.sort_by_key(|asset| Reverse((holds(book, asset), wallet_of(book, asset))));
        }
        Some(Change::PositionMode { .. } | Change::MultiAssetsMargin { .. }) => {
            pools.extend(book.assets().max_by_key(|asset| wallet_of(book, asset)));
        }
        _ => {}
    }
    Ok(pools)
}

fn wallet_of(book: &Book, asset: &Asset) -> Option<Amount> {
    book.balances(asset.as_str()).map(|(wallet, _)| wallet)
}

fn holds(book: &Book, asset: &Asset) -> bool {
    book.symbols()
        .any(|(_, state)| !state.legs.is_flat() && state.margin_asset.as_ref() == Some(asset))
}

/// Puts the figures of a look into the judgement.
fn tell(
    desk: &Desk<'_>,
    proposal: &Proposal,
    mut look: Look<'_>,
    judgement: &mut Judgement,
) -> Result<(), Unknown> {
    if desk.context.detail != Detail::Brief {
        if let ([intent], [order]) = (proposal.orders(), look.orders.as_slice())
            && let (Some(fill), Some(state)) =
                (order.fill, desk.view.book().state(intent.symbol.as_str()))
        {
            judgement.isolated_twin = isolated_twin(&intent.symbol, state, &fill)?;
        }
        judgement.costs = costs(desk, proposal, &look);
        let ends = [judgement.before.as_deref(), Some(&look.after)];
        let (positions, endangered) =
            position_changes(desk, &look.what_if, ends, proposal.orders())?;
        judgement.positions = positions;
        judgement.reserved = reserved(&look.what_if)?;
        judgement.executions = look.executions;
        if let Some(worst) = &mut look.worst {
            worst.endangered = endangered;
        }
        judgement.dies_together = dies_together(&look.what_if);
        if let Some(before) = &judgement.before {
            let as_it_is = desk.view.book().what_if_in(look.what_if.asset())?;
            judgement.worst_before =
                worst::before(desk, &as_it_is, before, &look.what_if)?.map(Box::new);
        }
    }
    judgement.worst_case = look.worst.map(Box::new);
    judgement.stress = look.stress;
    judgement.after = Some(Box::new(look.after));
    Ok(())
}

fn certainty(orders: &[OrderJudgement]) -> Certainty {
    let assumed = |order: &OrderJudgement| {
        order
            .fill
            .is_some_and(|fill| fill.price_source != PriceSource::Limit)
    };
    if orders.iter().any(assumed) {
        Certainty::Estimate
    } else {
        Certainty::Exact
    }
}

/// Fees of the fills, and what their positions pay at the next funding: positive rate, longs pay.
///
/// Source: margin-math §12 (vector F07).
fn costs(desk: &Desk<'_>, proposal: &Proposal, look: &Look<'_>) -> Option<Costs> {
    let view = desk.view;
    if look.orders.is_empty() {
        return None;
    }
    let symbols = proposal.symbols();
    let mut assets = symbols.iter().map(|symbol| desk.pool_of(symbol).ok());
    let first = assets.next()?;
    let is_mixed = assets.any(|asset| asset != first);
    let fee = look
        .orders
        .iter()
        .filter_map(|order| order.fill)
        .try_fold(Amount::ZERO, |sum, fill| sum.plus(fill.fee).ok())?;
    let rate = |symbol: &Symbol| fees::funding_rate(view, symbol);
    let known = proposal
        .orders()
        .iter()
        .all(|order| rate(&order.symbol).is_some());
    let paid = look
        .positions
        .iter()
        .try_fold(Amount::ZERO, |sum, touched| {
            let paid = touched.position.notional.times(rate(&touched.symbol)?);
            sum.plus(paid.ok()?).ok()
        });
    let next = |order: &OrderIntent| {
        view.mirror()
            .mark_meta(order.symbol.as_str())?
            .next_funding_ms
    };
    let fills = proposal.orders().iter().zip(&look.orders);
    let fills = fills.filter_map(|(intent, order)| Some((&intent.symbol, order.fill?)));
    let alike = |figure: Option<Amount>| figure.filter(|_| !is_mixed);
    let rates = { symbols.iter() }.map(|symbol| fees::rates(view, desk.policy(), symbol));
    Some(Costs {
        is_mixed,
        fee: alike(Some(fee)),
        maker_fee: alike(fees::as_maker(view, fills)),
        rates: rates.collect(),
        slippage: alike(slippage(view, proposal, look)),
        funding_next: alike(paid.filter(|_| known)),
        funding_time_ms: proposal.orders().iter().filter_map(next).min(),
    })
}

/// What the fills lose against the marks.
fn slippage(view: &LiveView<'_>, proposal: &Proposal, look: &Look<'_>) -> Option<Amount> {
    let orders = proposal.orders().iter().zip(&look.orders);
    orders
        .into_iter()
        .try_fold(Amount::ZERO, |sum, (intent, order)| {
            let fill = order.fill?;
            let mark = view.book().state(intent.symbol.as_str())?.mark?;
            let worse = match fill.side {
                Side::Buy => fill.price.minus(mark.price()),
                Side::Sell => mark.price().minus(fill.price),
            };
            let lost = worse.ok()?.times(fill.quantity).ok()?.as_amount();
            sum.plus(lost).ok()
        })
}
