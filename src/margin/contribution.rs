//! What one symbol contributes to the pool it belongs to.
//!
//! Owns: the figures of one symbol at its mark, in a form that adds up: a pool is the sum of its
//! contributions, so a tick costs one subtraction and one addition however many symbols are held.
//! Must not know: pools, other symbols, orders that somebody wants to send.

use super::account::{Leg, MarginMode, PositionMode, PositionSide, SymbolState};
use super::amount::{Amount, ArithmeticError, Leverage, MarkPrice, Notional, Rate, quotient};
use super::bracket::{BracketError, BracketTable};
use super::pool::Totals;

/// Why a symbol's figures cannot be computed. Whatever depends on them is unknown too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Missing {
    /// It is not known which asset the symbol is margined in.
    #[error("its trading rules are not known")]
    MarginAsset,
    /// Leverage and margin mode are not known.
    #[error("its leverage and margin type are not known")]
    Settings,
    /// No mark price (the exchange sends 0 for some symbols, which means the same).
    #[error("no mark price")]
    Mark,
    /// No sound bracket table: none was told, or what was told is refused.
    #[error("{}", no_table(.0.as_ref()))]
    Brackets(Option<BracketError>),
    /// The figure does not fit 28 digits.
    #[error("{0}")]
    Arithmetic(#[from] ArithmeticError),
}

fn no_table(refused: Option<&BracketError>) -> String {
    match refused {
        None => "no maintenance brackets".to_owned(),
        Some(error) => format!("no maintenance brackets: its table is refused: {error}"),
    }
}

/// Isolated positions with automatic margin addition: near their liquidation they take what the pool
/// has available, so for risk they count as crossed, each with its own wallet beside the shared one.
/// What the exchange lets orders use counts them as isolated.
///
/// Source: margin-math §10 (the amount that flows in is not published; crossed is the careful end).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AutoAdded {
    /// Their isolated wallets: money that stands with the pool without being shared.
    pub wallet: Amount,
    /// Their part of the unrealised profit.
    pub unrealized_pnl: Amount,
    /// Their part of the initial margin of positions: their wallets carry it, not the pool.
    pub initial_margin: Amount,
}

/// One symbol's share in the sums of its pool. All money is in the pool's asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contribution {
    /// Signed notional of crossed legs.
    pub notional_net: Notional,
    /// Sum of the absolute notionals of crossed legs.
    pub notional_gross: Notional,
    /// Unrealised profit of crossed legs.
    pub unrealized_pnl: Amount,
    /// Maintenance margin of crossed legs.
    pub maintenance_margin: Amount,
    /// Initial margin of crossed positions.
    pub position_initial_margin: Amount,
    /// What working orders of a crossed symbol add to its initial margin.
    pub open_order_initial_margin: Amount,
    /// What working orders of an isolated symbol reserve in the pool.
    pub isolated_open_order_initial_margin: Amount,
    /// Money assigned to isolated positions: this pool cannot take it.
    pub isolated_wallet: Amount,
    /// What stands behind isolated positions that draw on the pool by themselves, and counts for
    /// risk; see [`AutoAdded`].
    pub auto_added: AutoAdded,
    /// How headroom changes when the price rises by its own size, in the tiers of the mark.
    pub slope: Amount,
    /// The same in the lowest tiers: the steepest loss of a fall.
    pub slope_lowest: Amount,
    /// The same in the highest tiers: the steepest loss of a rise.
    pub slope_highest: Amount,
    /// Maintenance amounts of the tiers of the mark, summed over the legs.
    pub maintenance_amount: Amount,
    /// Maintenance amounts of the highest tiers, summed over the legs.
    pub maintenance_amount_highest: Amount,
    /// The nearest price below the mark at which a leg changes tier, as a multiple of the mark.
    pub edge_below: Option<Rate>,
    /// The nearest price above the mark at which a leg changes tier, as a multiple of the mark.
    pub edge_above: Option<Rate>,
}

impl From<&Totals> for Contribution {
    fn from(totals: &Totals) -> Self {
        Self {
            notional_gross: totals.notional_gross,
            unrealized_pnl: totals.unrealized_pnl,
            maintenance_margin: totals.maintenance_margin,
            position_initial_margin: totals.position_initial_margin,
            open_order_initial_margin: totals.open_order_initial_margin,
            isolated_open_order_initial_margin: totals.isolated_open_order_initial_margin,
            auto_added: totals.auto_added,
            ..Self::default()
        }
    }
}

impl Contribution {
    /// True when crossed legs are held.
    #[must_use]
    pub const fn holds_crossed(&self) -> bool {
        !self.notional_gross.is_zero()
    }

    /// True when neither a position nor a working order is behind it.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        !self.holds_crossed()
            && self.open_order_initial_margin.is_zero()
            && self.isolated_open_order_initial_margin.is_zero()
            && self.isolated_wallet.is_zero()
    }

    /// The figures of a symbol, or what is missing for them. An idle symbol contributes nothing
    /// and needs nothing.
    ///
    /// # Errors
    /// The first thing that is not known.
    pub fn of(state: &SymbolState, mode: PositionMode) -> Result<Self, Missing> {
        if state.is_idle() {
            return Ok(Self::default());
        }
        let settings = state.settings.ok_or(Missing::Settings)?;
        let mut sum = Self::default();
        let mut open_order_margin = Amount::ZERO;
        if !state.resting.is_empty() {
            open_order_margin = open_order_initial_margin(state, mode, settings.leverage)?;
        }
        match settings.risk_mode() {
            MarginMode::Isolated => {
                for (_, leg) in state.legs.held() {
                    sum.isolated_wallet = sum.isolated_wallet.plus(leg.isolated_wallet)?;
                }
                sum.isolated_open_order_initial_margin = open_order_margin;
            }
            MarginMode::Crossed => {
                sum.open_order_initial_margin = open_order_margin;
                let draws = settings.margin_mode == MarginMode::Isolated;
                if !state.legs.is_flat() {
                    let mark = state.mark.ok_or(Missing::Mark)?;
                    let brackets = state.brackets.as_ref().ok_or_else(|| state.no_brackets())?;
                    for (_, leg) in state.legs.held() {
                        sum.add_crossed_leg(leg, mark, brackets, settings.leverage)?;
                        if draws {
                            sum.auto_added.wallet =
                                sum.auto_added.wallet.plus(leg.isolated_wallet)?;
                        }
                    }
                    if draws {
                        sum.auto_added.unrealized_pnl = sum.unrealized_pnl;
                        sum.auto_added.initial_margin = sum.position_initial_margin;
                    }
                }
            }
        }
        Ok(sum)
    }

    fn add_crossed_leg(
        &mut self,
        leg: &Leg,
        mark: MarkPrice,
        brackets: &BracketTable,
        leverage: Leverage,
    ) -> Result<(), ArithmeticError> {
        let net = mark.price().times(leg.quantity)?;
        let gross = net.abs();
        let bracket = brackets.at(gross);
        let (lowest, highest) = (brackets.first(), brackets.last());
        let slope_at = |rate: Rate| net.as_amount().minus(gross.times(rate)?);
        let held = gross.times(bracket.maintenance_margin_rate)?;

        self.notional_net = self.notional_net.plus(net)?;
        self.notional_gross = self.notional_gross.plus(gross)?;
        self.unrealized_pnl = self.unrealized_pnl.plus(unrealized_pnl(leg, net)?)?;
        self.maintenance_margin = self
            .maintenance_margin
            .plus(held.minus(bracket.maintenance_amount)?)?;
        self.position_initial_margin = self.position_initial_margin.plus(gross.over(leverage)?)?;
        self.slope = self.slope.plus(net.as_amount().minus(held)?)?;
        self.slope_lowest = self
            .slope_lowest
            .plus(slope_at(lowest.maintenance_margin_rate)?)?;
        self.slope_highest = self
            .slope_highest
            .plus(slope_at(highest.maintenance_margin_rate)?)?;
        self.maintenance_amount = self.maintenance_amount.plus(bracket.maintenance_amount)?;
        self.maintenance_amount_highest = self
            .maintenance_amount_highest
            .plus(highest.maintenance_amount)?;

        if !bracket.floor.is_zero() {
            let edge = Rate::new(quotient(bracket.floor.get(), gross.get())?);
            self.edge_below = Some(self.edge_below.map_or(edge, |other| other.max(edge)));
        }
        if bracket.cap != highest.cap && !brackets.is_beyond_last(gross) {
            let edge = Rate::new(quotient(bracket.cap.get(), gross.get())?);
            self.edge_above = Some(self.edge_above.map_or(edge, |other| other.min(edge)));
        }
        Ok(())
    }

    /// Adds another symbol's figures; the edges are the pool's affair and stay as they are. After a
    /// failure the figures are worth nothing.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn add(&mut self, other: &Self) -> Result<(), ArithmeticError> {
        self.combine(other, Notional::plus, Amount::plus)
    }

    /// Takes another symbol's figures out again. After a failure the figures are worth nothing.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn subtract(&mut self, other: &Self) -> Result<(), ArithmeticError> {
        self.combine(other, Notional::minus, Amount::minus)
    }

    /// Both together; see [`Self::add`].
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn plus(mut self, other: &Self) -> Result<Self, ArithmeticError> {
        self.add(other)?;
        Ok(self)
    }

    /// The one without the other; see [`Self::subtract`].
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn minus(mut self, other: &Self) -> Result<Self, ArithmeticError> {
        self.subtract(other)?;
        Ok(self)
    }

    fn combine(
        &mut self,
        other: &Self,
        notional: impl Fn(Notional, Notional) -> Result<Notional, ArithmeticError>,
        money: impl Fn(Amount, Amount) -> Result<Amount, ArithmeticError>,
    ) -> Result<(), ArithmeticError> {
        let Self {
            notional_net,
            notional_gross,
            unrealized_pnl,
            maintenance_margin,
            position_initial_margin,
            open_order_initial_margin,
            isolated_open_order_initial_margin,
            isolated_wallet,
            auto_added,
            slope,
            slope_lowest,
            slope_highest,
            maintenance_amount,
            maintenance_amount_highest,
            edge_below: _,
            edge_above: _,
        } = other;
        for (sum, part) in [
            (&mut self.notional_net, notional_net),
            (&mut self.notional_gross, notional_gross),
        ] {
            *sum = notional(*sum, *part)?;
        }
        for (sum, part) in [
            (&mut self.unrealized_pnl, unrealized_pnl),
            (&mut self.maintenance_margin, maintenance_margin),
            (&mut self.position_initial_margin, position_initial_margin),
            (
                &mut self.open_order_initial_margin,
                open_order_initial_margin,
            ),
            (
                &mut self.isolated_open_order_initial_margin,
                isolated_open_order_initial_margin,
            ),
            (&mut self.isolated_wallet, isolated_wallet),
            (&mut self.auto_added.wallet, &auto_added.wallet),
            (
                &mut self.auto_added.unrealized_pnl,
                &auto_added.unrealized_pnl,
            ),
            (
                &mut self.auto_added.initial_margin,
                &auto_added.initial_margin,
            ),
            (&mut self.slope, slope),
            (&mut self.slope_lowest, slope_lowest),
            (&mut self.slope_highest, slope_highest),
            (&mut self.maintenance_amount, maintenance_amount),
            (
                &mut self.maintenance_amount_highest,
                maintenance_amount_highest,
            ),
        ] {
            *sum = money(*sum, *part)?;
        }
        Ok(())
    }
}

/// Signed quantity × mark − signed quantity × entry.
///
/// Source: margin-math §2 (vectors B05, B23: both directions).
///
/// # Errors
/// [`ArithmeticError`] when digits would be lost.
pub fn unrealized_pnl(leg: &Leg, net: Notional) -> Result<Amount, ArithmeticError> {
    net.minus(leg.entry_cost).map(Notional::as_amount)
}

/// The notional that positions and working orders could come to together, by the exchange's
/// netting rule: one-way `max(|N + buys|, |N − sells|)`; hedge mode the sum of both legs, each
/// with its own opening orders.
///
/// Source: margin-math §4.2 and §4.3 (vector D11: short 10,000 with 15,000 of buys stays 10,000).
///
/// # Errors
/// [`Missing::Mark`] when a position is held and its mark is not known.
pub fn present_notional(state: &SymbolState, mode: PositionMode) -> Result<Notional, Missing> {
    let resting = &state.resting;
    match mode {
        PositionMode::OneWay => {
            let net = signed_notional(state, PositionSide::Both)?;
            let bought = net.plus(resting.buy_notional)?.abs();
            let sold = net.minus(resting.sell_notional)?.abs();
            Ok(bought.max(sold))
        }
        PositionMode::Hedge => {
            let long = signed_notional(state, PositionSide::Long)?.abs();
            let short = signed_notional(state, PositionSide::Short)?.abs();
            let orders = resting.buy_notional.plus(resting.sell_notional)?;
            Ok(long.plus(short)?.plus(orders)?)
        }
    }
}

/// The signed notional of one leg at the mark; zero when flat, whether a mark is known or not.
///
/// # Errors
/// [`Missing::Mark`] when the leg holds something and the mark is not known.
pub fn signed_notional(state: &SymbolState, side: PositionSide) -> Result<Notional, Missing> {
    let leg = state.legs.get(side);
    if leg.is_flat() {
        return Ok(Notional::ZERO);
    }
    let mark = state.mark.ok_or(Missing::Mark)?;
    Ok(mark.price().times(leg.quantity)?)
}

/// What working orders add to the initial margin of the positions: `(present − |N|) / leverage`.
///
/// Source: margin-math §4.2, §4.3.
pub(super) fn open_order_initial_margin(
    state: &SymbolState,
    mode: PositionMode,
    leverage: Leverage,
) -> Result<Amount, Missing> {
    let present = present_notional(state, mode)?;
    let mut held = Notional::ZERO;
    for (side, _) in state.legs.held() {
        held = held.plus(signed_notional(state, side)?.abs())?;
    }
    Ok(present.minus(held)?.over(leverage)?)
}
