//! What a question does to the positions of its pool: the `pool` and `positions` of an answer.
//!
//! Owns: their shapes.
//! Must not know: how any figure is computed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::account::{Collateral, liquidation};
use super::answer::Account;
use super::figure::Figure;
use super::names;
use super::pool::PoolSafety;
use crate::guard::proposal::Proposal;
use crate::guard::verdict::{self, Judgement, PositionFigures};
use crate::guard::words;
use crate::margin::amount::cut;
use crate::margin::bracket;
use crate::margin::contribution;
use crate::margin::reserved::Reserved;

/// The pool's safety before and after.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolChange<'a> {
    /// The pool's asset; `null` when not known.
    pub asset: Option<Cow<'a, str>>,
    /// As it is; `null` when not known.
    pub before: Option<PoolSafety<'a>>,
    /// As it would be; `null` when not known.
    pub after: Option<PoolSafety<'a>>,
    /// In multi-assets mode what every asset counts for afterwards; else empty.
    pub collateral: Vec<Collateral<'a>>,
    /// What working orders reserve afterwards, contract by contract.
    pub open_orders: Vec<OpenOrders<'a>>,
    /// Isolated positions that draw on the pool by themselves, afterwards; `null` when there are none.
    pub auto_added: Option<AutoAdded>,
    /// Contracts whose crossed positions are liquidated together, afterwards.
    pub dies_together: Vec<Cow<'a, str>>,
    /// What happens to the positions that were not asked about, in one sentence; `null` when there
    /// are none.
    pub message: Option<Cow<'a, str>>,
}

/// What the working orders of one contract reserve.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenOrders<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// The mode that counts for risk.
    pub margin_type: Cow<'a, str>,
    /// What it is margined in.
    pub margin_asset: Cow<'a, str>,
    /// Leverage afterwards.
    pub leverage: Option<u32>,
    /// Signed notional of the position; `"0"` in hedge mode, where positions do not count.
    pub notional: Figure,
    /// Price × remaining quantity of the buys that could open.
    pub buy_notional: Figure,
    /// Price × remaining quantity of the sells that could open.
    pub sell_notional: Figure,
    /// What they add to initial margin.
    pub initial_margin: Figure,
}

/// Isolated positions that draw on the pool by themselves: they count as crossed, and what orders can
/// use leaves them out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoAdded {
    /// Money assigned to them.
    pub isolated_wallet: Figure,
    /// Their unrealised profit.
    pub unrealized_profit: Figure,
    /// Their initial margin.
    pub initial_margin: Figure,
}

/// One position before and after.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PositionChange<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: Cow<'a, str>,
    /// The mode that counts for risk.
    pub margin_type: Cow<'a, str>,
    /// What it is margined in.
    pub margin_asset: Cow<'a, str>,
    /// Leverage afterwards.
    pub leverage: Option<u32>,
    /// Signed quantity afterwards.
    pub position_amt: Figure,
    /// The mark.
    pub mark_price: Figure,
    /// As it is; `null` when it would be new.
    pub before: Option<PositionState>,
    /// As it would be; `null` when it would be gone.
    pub after: Option<PositionState>,
    /// How much nearer the liquidation price would come, as a fraction of the mark; `null` when
    /// there is none before or after.
    pub shift: Figure,
    /// Capital put on it; `null` when it would be gone.
    pub ticket: Figure,
    /// What the rest of the wallet pays for it; `null` when it would be gone.
    pub spill: Figure,
    /// Where `spill` is counted: the nearer of its liquidation price and the horizon.
    pub adverse_price: Figure,
    /// Loss beyond the ticket that the rest of the wallet pays already; `null` when isolated.
    pub spill_now: Figure,
    /// The same at the liquidation price on its losing side; `null` when there is none.
    pub spill_at_liquidation: Figure,
    /// The loss there as a multiple of the ticket; of a long without such a price the loss at zero;
    /// `null` when isolated or unbounded.
    pub loss_multiple: Figure,
    /// Where the exchange has it in the queue for auto-deleveraging, 4 first; `null` when not told.
    pub adl_quantile: Option<u8>,
    /// Trigger of the working stop that comes first on its losing side; `null` without one.
    pub stop_price: Figure,
    /// What the position has lost once that stop has filled, at its trigger less market slippage and
    /// with the taker fee; negative when it has gained; `null` without a stop, and where the position
    /// is liquidated first.
    pub loss_at_stop: Figure,
    /// The price that stop is taken to fill at.
    pub stop_fill_price: Figure,
    /// Taker fee of that fill.
    pub stop_fee: Figure,
    /// The next change of its brackets that the exchange has announced: always `null`, there is no
    /// announcement that a program could read.
    pub next_limit_change: Figure,
    /// A stop of this position lies beyond its liquidation price and would never fire.
    pub stop_beyond_liquidation: bool,
    /// A stop of this position lies within fee and slippage of its liquidation price.
    pub stop_near_liquidation: bool,
}

/// Figures of one position at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PositionState {
    /// Signed quantity.
    pub position_amt: Figure,
    /// Average entry price.
    pub entry_price: Figure,
    /// Signed quantity × entry price before the average was rounded: what profit is counted from.
    pub entry_cost: Figure,
    /// The mark it is counted at: a conditional order is judged at its trigger.
    pub mark_price: Figure,
    /// Unrealised profit.
    pub unrealized_profit: Figure,
    /// Money assigned to it; `"0"` when crossed.
    pub isolated_wallet: Figure,
    /// Binance's one price; `"0"` when this symbol alone cannot liquidate.
    pub liquidation_price: Figure,
    /// A fall to here liquidates; `null` when no fall does.
    pub liquidation_below: Figure,
    /// A rise to here liquidates; `null` when no rise does.
    pub liquidation_above: Figure,
    /// Smallest move to either, as a fraction of the mark; `null` when there is none.
    pub distance: Figure,
    /// Maintenance margin.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// The same as a fraction of its pool's; `null` when isolated.
    #[serde(rename = "maintMarginShare")]
    pub maintenance_share: Figure,
    /// The bracket of its notional.
    pub bracket: Option<Bracket>,
    /// How much more of the contract reaches the next bracket; `null` in the last one.
    pub until_next_bracket: Figure,
    /// The bracket at `liquidationBelow`.
    pub bracket_below: Option<Bracket>,
    /// The bracket at `liquidationAbove`.
    pub bracket_above: Option<Bracket>,
    /// The bracket where the common move of the pool ends; `null` when it is isolated or there is none.
    pub bracket_at_common_move: Option<Bracket>,
}

/// A maintenance bracket, as the exchange spells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bracket {
    /// Its lower edge of the notional, exclusive.
    pub notional_floor: Figure,
    /// Its upper edge of the notional, inclusive.
    pub notional_cap: Figure,
    /// Maintenance margin rate.
    #[serde(rename = "maintMarginRatio")]
    pub maintenance_margin_rate: Figure,
    /// What is taken off: maintenance margin = notional × rate − cum.
    pub cum: Figure,
}

impl<'a> PoolChange<'a> {
    pub(super) fn of(account: &Account<'a>, proposal: &Proposal, judgement: &'a Judgement) -> Self {
        let known = account.after.as_ref().or(account.before.as_ref());
        Self {
            asset: known.map(|figures| figures.asset.clone()),
            before: account.before.as_ref().map(PoolSafety::from),
            after: account.after.as_ref().map(PoolSafety::from),
            collateral: judgement
                .after
                .iter()
                .flat_map(|after| after.collateral.iter().map(Collateral::from))
                .collect(),
            open_orders: judgement.reserved.iter().map(OpenOrders::from).collect(),
            auto_added: judgement
                .after
                .as_ref()
                .map(|after| after.auto_added)
                .filter(|own| *own != contribution::AutoAdded::default())
                .map(AutoAdded::from),
            dies_together: judgement
                .dies_together
                .iter()
                .map(|symbol| Cow::Borrowed(symbol.as_str()))
                .collect(),
            message: words::contagion(proposal, judgement).map(Cow::Owned),
        }
    }
}

impl<'a> From<&'a Reserved> for OpenOrders<'a> {
    fn from(reserved: &'a Reserved) -> Self {
        Self {
            symbol: Cow::Borrowed(reserved.symbol.as_str()),
            margin_type: Cow::Borrowed(names::margin_type(reserved.margin_mode)),
            margin_asset: Cow::Borrowed(reserved.asset.as_str()),
            leverage: Some(reserved.leverage.get()),
            notional: Figure::notional(reserved.notional),
            buy_notional: Figure::notional(reserved.resting.buy_notional),
            sell_notional: Figure::notional(reserved.resting.sell_notional),
            initial_margin: Figure::margin(reserved.initial_margin),
        }
    }
}

impl From<contribution::AutoAdded> for AutoAdded {
    fn from(own: contribution::AutoAdded) -> Self {
        Self {
            isolated_wallet: Figure::money(own.wallet),
            unrealized_profit: Figure::money(own.unrealized_pnl),
            initial_margin: Figure::margin(own.initial_margin),
        }
    }
}

impl<'a> From<&'a verdict::PositionChange> for PositionChange<'a> {
    fn from(change: &'a verdict::PositionChange) -> Self {
        let margin = |amount: Option<_>| amount.map_or(Figure::NONE, Figure::margin);
        let overrun = change.overrun;
        let quantity = change.after.map(|after| after.leg.quantity);
        let mark = change.after.or(change.before).map(|figures| figures.mark);
        Self {
            symbol: Cow::Borrowed(change.symbol.as_str()),
            position_side: Cow::Borrowed(names::position_side(change.position_side)),
            margin_type: Cow::Borrowed(names::margin_type(change.margin_mode)),
            margin_asset: Cow::Borrowed(change.asset.as_str()),
            leverage: Some(change.leverage.get()),
            position_amt: Figure::quantity(quantity.unwrap_or_default()),
            mark_price: mark.map_or(Figure::NONE, |mark| Figure::price(mark.price())),
            before: change.before.map(PositionState::from),
            after: change.after.map(PositionState::from),
            shift: change.shift.map_or(Figure::NONE, Figure::fraction),
            ticket: margin(change.ticket),
            spill: margin(change.spill),
            adverse_price: change.adverse.map_or(Figure::NONE, Figure::price),
            spill_now: margin(overrun.map(|overrun| overrun.spill_now)),
            spill_at_liquidation: overrun
                .and_then(|overrun| overrun.spill_at_liquidation)
                .map_or(Figure::NONE, |spill| Figure::exact(cut(spill.get()))),
            loss_multiple: overrun
                .and_then(|overrun| overrun.loss_multiple)
                .map_or(Figure::NONE, Figure::fraction),
            adl_quantile: change.deleveraging_quantile,
            stop_price: change.stop.map_or(Figure::NONE, Figure::price),
            loss_at_stop: change.loss_at_stop.map_or(Figure::NONE, Figure::margin),
            stop_fill_price: change
                .stop_fill
                .map_or(Figure::NONE, |(price, _)| Figure::exact(price.get())),
            stop_fee: change
                .stop_fill
                .map_or(Figure::NONE, |(_, fee)| Figure::money(fee)),
            next_limit_change: Figure::NONE,
            stop_beyond_liquidation: change.stop_beyond_liquidation,
            stop_near_liquidation: change.stop_near_liquidation,
        }
    }
}

impl From<PositionFigures> for PositionState {
    fn from(figures: PositionFigures) -> Self {
        let [liquidation_price, liquidation_below, liquidation_above] =
            liquidation(&figures.liquidation);
        let [bracket_below, bracket_above] = figures.bracket_at_end;
        let fraction = |rate: Option<_>| rate.map_or(Figure::NONE, Figure::fraction);
        Self {
            position_amt: Figure::quantity(figures.leg.quantity),
            entry_price: Figure::price(figures.leg.entry_price),
            entry_cost: Figure::notional(figures.leg.entry_cost),
            mark_price: Figure::price(figures.mark.price()),
            unrealized_profit: Figure::money(figures.unrealized_pnl),
            isolated_wallet: Figure::money(figures.leg.isolated_wallet),
            liquidation_price,
            liquidation_below,
            liquidation_above,
            distance: fraction(figures.distance),
            maintenance_margin: Figure::money(figures.maintenance_margin),
            maintenance_share: fraction(figures.maintenance_share),
            bracket: Some(Bracket::from(&figures.bracket)),
            until_next_bracket: figures
                .until_next_bracket
                .map_or(Figure::NONE, Figure::quantity),
            bracket_below: bracket_below.as_ref().map(Bracket::from),
            bracket_above: bracket_above.as_ref().map(Bracket::from),
            bracket_at_common_move: figures.bracket_at_common_end.as_ref().map(Bracket::from),
        }
    }
}

impl From<&bracket::Bracket> for Bracket {
    fn from(bracket: &bracket::Bracket) -> Self {
        Self {
            notional_floor: Figure::notional(bracket.floor),
            notional_cap: Figure::notional(bracket.cap),
            maintenance_margin_rate: Figure::exact(bracket.maintenance_margin_rate.get()),
            cum: Figure::exact(bracket.maintenance_amount.get()),
        }
    }
}
