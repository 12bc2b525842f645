//! What the guard answers with.
//!
//! Owns: the closed sets of decisions, codes and ladder states; the judgement with every figure it rests on; [`Cleared`], which only the guard mints.
//! Must not know: how any of it is printed on the socket.

mod code;

use rust_decimal::Decimal;

pub use self::code::{Code, Retry};
use super::offer::Alternative;
use super::proposal::Proposal;
use super::stress::StressOutcome;
use crate::margin::account::{Asset, Leg, MarginMode, PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage, MarkPrice, Price, Quantity, Rate};
use crate::margin::bracket::Bracket;
use crate::margin::cost::OrderCost;
use crate::margin::liquidation::LiquidationPrices;
use crate::margin::order::OrderId;
use crate::margin::pool::PoolAssessment;
use crate::margin::position::Overrun;
use crate::margin::project::{Fill, IsolatedTwin};
use crate::margin::reserved::Reserved;
use crate::mirror::plane::Plane;

/// May the order be sent?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Nothing speaks against it.
    Allow,
    /// It may be sent; the findings say what to know.
    Warn,
    /// It must not be sent.
    Reject,
}

impl Decision {
    /// Every decision, from the mildest.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Warn, Self::Reject];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }
}

/// How hard a rule speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Passes, with a warning.
    Warn,
    /// Does not pass.
    Reject,
}

impl Level {
    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }
}

/// One rule's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub code: Code,
    /// How hard.
    pub level: Level,
    /// The symbol it is about, if it is about one.
    pub symbol: Option<Symbol>,
    /// The value that was judged.
    pub value: Option<Decimal>,
    /// The limit it broke.
    pub limit: Option<Decimal>,
    /// One sentence for a person.
    pub message: String,
}

/// How sure the figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Computed exactly from fresh values; the fill price is the order's own.
    Exact,
    /// The fill price had to be assumed.
    Estimate,
    /// Something is not known.
    Unknown,
}

impl Certainty {
    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Estimate => "estimate",
            Self::Unknown => "unknown",
        }
    }
}

/// The guard's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Ladder {
    /// Rules decide.
    #[default]
    Normal,
    /// Rules decide; something deserves attention.
    Caution,
    /// Positions may only be reduced.
    ReduceOnly,
    /// Nothing but exits passes.
    Locked,
}

impl Ladder {
    /// Every state, from the mildest.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Caution, Self::ReduceOnly, Self::Locked];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Caution => "caution",
            Self::ReduceOnly => "reduce-only",
            Self::Locked => "locked",
        }
    }
}

/// A figure that could not be supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFigure {
    /// Where it would stand in the answer.
    pub path: &'static str,
    /// The plane that lacks it, where one does.
    pub plane: Option<Plane>,
    /// Why.
    pub reason: String,
}

/// One position before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionChange {
    /// Contract.
    pub symbol: Symbol,
    /// What it is margined in.
    pub asset: Asset,
    /// Which leg.
    pub position_side: PositionSide,
    /// The mode that counts for risk.
    pub margin_mode: MarginMode,
    /// Leverage afterwards.
    pub leverage: Leverage,
    /// As it is; `None` when it would be new.
    pub before: Option<PositionFigures>,
    /// As it would be; `None` when it would be gone.
    pub after: Option<PositionFigures>,
    /// How far the liquidation price would move, as a fraction of the mark: the smaller distance
    /// before less the one after, so that positive is nearer. `None` when either side has none.
    pub shift: Option<Rate>,
    /// Capital put on it.
    pub ticket: Option<Amount>,
    /// What the rest of the wallet pays for it.
    pub spill: Option<Amount>,
    /// Where that is counted: the nearer of its liquidation price and the horizon.
    pub adverse: Option<Price>,
    /// What it draws from the rest of the wallet, now and at its end.
    pub overrun: Option<Overrun>,
    /// Where it stands in the queue for auto-deleveraging, 4 first; `None` when not told.
    pub deleveraging_quantile: Option<u8>,
    /// The trigger of the stop that comes first on its losing side.
    pub stop: Option<Price>,
    /// What it has lost once that stop has filled, slippage and fee taken; `None` without a stop, and
    /// where it is liquidated first.
    pub loss_at_stop: Option<Amount>,
    /// The price and the fee of that fill.
    pub stop_fill: Option<(Price, Amount)>,
    /// A stop of this position lies beyond its liquidation price and would never fire.
    pub stop_beyond_liquidation: bool,
    /// A stop of this position lies within fee and slippage of its liquidation price: it fires and
    /// may still fill too late.
    pub stop_near_liquidation: bool,
}

/// A working order that may come too late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndangeredOrder {
    /// Contract.
    pub symbol: Symbol,
    /// The order, by its number.
    pub id: OrderId,
    /// What is wrong with it.
    pub danger: OrderDanger,
}

/// Why a protective order may not protect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderDanger {
    /// Its trigger lies beyond the liquidation price.
    BeyondLiquidation,
    /// Its trigger lies within fee and slippage of the liquidation price.
    NearLiquidation,
    /// Other orders of its side may fill first and leave it nothing to reduce (-2022).
    MayBeOvertaken,
}

impl OrderDanger {
    /// Every danger.
    pub const ALL: [Self; 3] = [
        Self::BeyondLiquidation,
        Self::NearLiquidation,
        Self::MayBeOvertaken,
    ];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeyondLiquidation => "beyond_liquidation",
            Self::NearLiquidation => "near_liquidation",
            Self::MayBeOvertaken => "may_be_overtaken",
        }
    }
}

/// The pool if everything that works fills on its bad side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorstCase {
    /// The pool in the worst of the looks.
    pub pool: PoolAssessment,
    /// How many working orders could open.
    pub orders: usize,
    /// The leg whose loss makes the worst look, if that is it.
    pub leg_removed: Option<(Symbol, PositionSide)>,
    /// Orders that may not protect; only in a full judgement.
    pub endangered: Vec<EndangeredOrder>,
}

/// Figures of one position at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionFigures {
    /// Quantity, entry, and what it was assigned if it is isolated.
    pub leg: Leg,
    /// The mark.
    pub mark: MarkPrice,
    /// Liquidation prices.
    pub liquidation: LiquidationPrices,
    /// Smallest move to either, as a fraction of the mark.
    pub distance: Option<Rate>,
    /// Unrealised profit.
    pub unrealized_pnl: Amount,
    /// Maintenance margin.
    pub maintenance_margin: Amount,
    /// The same as a fraction of its pool's; `None` when isolated or when the pool keeps none.
    pub maintenance_share: Option<Rate>,
    /// The bracket of its notional at the mark.
    pub bracket: Bracket,
    /// How much more of the contract reaches the next bracket; `None` in the last one.
    pub until_next_bracket: Option<Quantity>,
    /// The bracket at the price below that liquidates, and at the one above.
    pub bracket_at_end: [Option<Bracket>; 2],
    /// The bracket where the common move of its pool ends; `None` when it is isolated or there is none.
    pub bracket_at_common_end: Option<Bracket>,
}

/// The rates that hold for a contract, as fractions of the notional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeRates {
    /// Contract.
    pub symbol: Symbol,
    /// The account's own, of an order that waits in the book; `None` while it was not read.
    pub maker: Option<Rate>,
    /// The account's own, of an order that takes; `None` while it was not read.
    pub taker: Option<Rate>,
    /// What is counted: the higher of the account's and the policy's.
    pub taker_used: Rate,
    /// What an order without a price of its own is taken to lose against the mark: the policy's.
    pub slippage_used: Rate,
    /// What a long pays at the next funding, as a fraction; `None` while it is not known.
    pub funding: Option<Rate>,
    /// How long ago they were asked for.
    pub age_ms: Option<i64>,
}

/// What the order costs besides margin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// The orders are margined in different assets: what they cost has no sum.
    pub is_mixed: bool,
    /// Taker fee of the assumed fill; `None` when mixed, as everything else in money.
    pub fee: Option<Amount>,
    /// The fee if it filled as an order that waited in the book, at the account's own rate; `None`
    /// while that was not read.
    pub maker_fee: Option<Amount>,
    /// The rates behind both, contract by contract.
    pub rates: Vec<FeeRates>,
    /// What the assumed fill loses against the mark, negative when it gains; `None` when it does
    /// not fit 28 digits.
    pub slippage: Option<Amount>,
    /// What the position after the order pays (positive) or receives at the next funding, at its
    /// present rate; `None` when the rate is not known.
    pub funding_next: Option<Amount>,
    /// When the first of them settles, in milliseconds since 1970.
    pub funding_time_ms: Option<i64>,
}

/// Which orders of a batch fill while the others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Executed {
    /// The buys that add.
    OnlyBuys,
    /// The sells that add.
    OnlySells,
    /// All that add.
    OnlyAdding,
}

impl Executed {
    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnlyBuys => "only_buys",
            Self::OnlySells => "only_sells",
            Self::OnlyAdding => "only_adding",
        }
    }
}

/// A batch of which only a part executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Which part.
    pub of: Executed,
    /// The pool then.
    pub after: PoolAssessment,
}

/// Everything a decision consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// May the order be sent?
    pub decision: Decision,
    /// The one sentence.
    pub why: String,
    /// All findings, in precedence.
    pub findings: Vec<Finding>,
    /// How sure the figures are.
    pub certainty: Certainty,
    /// The guard's own state.
    pub ladder: Ladder,
    /// It is an exit: it cannot add risk.
    pub is_exit: bool,
    /// Its orders one by one, in the order they were given; none for a change.
    pub orders: Vec<OrderJudgement>,
    /// The pool as it is.
    pub before: Option<Box<PoolAssessment>>,
    /// The pool as it would be, reservations included.
    pub after: Option<Box<PoolAssessment>>,
    /// The other executions that a batch was judged in; only in a full judgement.
    pub executions: Vec<Execution>,
    /// Positions before and after; only in a full judgement.
    pub positions: Vec<PositionChange>,
    /// What working orders reserve afterwards; only in a full judgement.
    pub reserved: Vec<Reserved>,
    /// Contracts whose crossed positions are liquidated together; only in a full judgement.
    pub dies_together: Vec<Symbol>,
    /// The pool if everything that works fills on its bad side.
    pub worst_case: Option<Box<WorstCase>>,
    /// The same of the pool as it is; only in a full judgement, and where orders or a hedge could make
    /// it worse.
    pub worst_before: Option<Box<PoolAssessment>>,
    /// The scenarios: all in a full judgement, else the ones that had to be computed.
    pub stress: Vec<StressOutcome>,
    /// The same order in isolated mode.
    pub isolated_twin: Option<IsolatedTwin>,
    /// Fee and funding.
    pub costs: Option<Costs>,
    /// Figures that could not be supported.
    pub missing: Vec<MissingFigure>,
    /// What would pass instead.
    pub alternatives: Vec<Alternative>,
    /// How often a pool was assessed for all of this.
    pub assessments: u32,
    /// The permission to send exactly this; `None` when it is rejected.
    pub cleared: Option<Cleared>,
}

impl Judgement {
    /// How its first order was taken to fill.
    #[must_use]
    pub fn fill(&self) -> Option<Fill> {
        self.orders.first().and_then(|order| order.fill)
    }

    /// The finding that decides: the one whose sentence is the `why`.
    #[must_use]
    pub fn binding(&self) -> Option<&Finding> {
        let level = match self.decision {
            Decision::Allow => return None,
            Decision::Warn => Level::Warn,
            Decision::Reject => Level::Reject,
        };
        self.findings.iter().find(|finding| finding.level == level)
    }

    /// Margin mode and leverage in force for its first order.
    #[must_use]
    pub fn settings(&self) -> Option<(MarginMode, Leverage)> {
        self.orders.first().and_then(|order| order.settings)
    }
}

/// What was found of one order by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderJudgement {
    /// It cannot add risk, and may be sent whatever becomes of the rest of its batch.
    pub is_exit: bool,
    /// The mark of its contract as it stands.
    pub mark: Option<MarkPrice>,
    /// How it was taken to fill.
    pub fill: Option<Fill>,
    /// What the exchange asks for it; `None` of a conditional order, which costs nothing until it fires.
    pub cost: Option<OrderCost>,
    /// Margin mode and leverage in force.
    pub settings: Option<(MarginMode, Leverage)>,
    /// The hardest finding that is about this order.
    pub level: Option<Level>,
    /// The exchange would refuse it, whoever lets it pass.
    pub is_refused: bool,
}

/// Proof that a verdict let something pass. Only [`super::decide()`] and [`super::decide_blind`]
/// make one; whoever forwards an order asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    proposal: Proposal,
}

impl Cleared {
    pub(super) const fn mint(proposal: Proposal) -> Self {
        Self { proposal }
    }

    /// What was let pass: what is sent must still mean this.
    #[must_use]
    pub const fn proposal(&self) -> &Proposal {
        &self.proposal
    }
}
