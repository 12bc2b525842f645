//! A question asked for less.
//!
//! Owns: how an order, a batch or a change is cut down, numbered from the least to what was asked.
//! Must not know: which of them passes.

use rust_decimal::Decimal;

use crate::guard::desk::Desk;
use crate::guard::exit::order_is_exit;
use crate::guard::proposal::Proposal;
use crate::guard::quantities::{Quantities, money_unit};
use crate::guard::search::{Straighten, as_it_is, reciprocal};
use crate::margin::account::{PositionMode, Symbol};
use crate::margin::amount::{Amount, Leverage, Quantity, Rate, quotient};
use crate::margin::change::Change;
use crate::margin::order::OrderIntent;

/// A question, and how it is cut down.
pub(super) enum Less<'p> {
    /// An order with the quantities that the exchange takes of it.
    Order {
        intent: &'p OrderIntent,
        quantities: Quantities,
        most: u64,
    },
    /// A batch whose orders that add are all cut to the same share, each on its own step.
    Batch {
        orders: &'p [OrderIntent],
        /// Of each order its quantities; none for what only takes risk away and is left whole.
        quantities: Vec<Option<Quantities>>,
        /// Shares there are: as many as the finest order has steps.
        parts: u64,
        least: u64,
    },
    /// Money that is moved, in hundredths or in the smallest unit there is.
    Money {
        change: &'p Change,
        unit: Decimal,
        most: u64,
    },
    /// A leverage between the one that is set and the one that was asked for.
    Leverage {
        symbol: &'p Symbol,
        set: u32,
        asked: u32,
    },
}

impl<'p> Less<'p> {
    pub(super) fn of(desk: &Desk<'_>, proposal: &'p Proposal) -> Option<Self> {
        match proposal {
            Proposal::Order(intent) => {
                let quantities = Quantities::of(desk, intent)?;
                let most = quantities.first_not_below(intent.quantity?)?;
                Some(Self::Order {
                    intent,
                    quantities,
                    most,
                })
            }
            Proposal::Orders(orders) => Self::of_batch(desk, orders),
            Proposal::Change(change) => Self::of_change(desk, change),
        }
    }

    fn of_batch(desk: &Desk<'_>, orders: &'p [OrderIntent]) -> Option<Self> {
        let mut quantities = Vec::with_capacity(orders.len());
        let mut parts = 0_u64;
        for intent in orders {
            let cut = match intent.quantity {
                Some(quantity) if !order_is_exit(desk.view, intent, orders) => {
                    let steps = Quantities::of(desk, intent)?;
                    parts = parts.max(steps.steps_in(quantity)?);
                    Some(steps)
                }
                _ => None,
            };
            quantities.push(cut);
        }
        let mut least: Option<u64> = None;
        for (intent, cut) in orders.iter().zip(&quantities) {
            let (Some(steps), Some(quantity)) = (cut, intent.quantity) else {
                continue;
            };
            let smallest = steps.quantity(steps.least())?.get();
            let share = smallest.checked_mul(Decimal::from(parts))?;
            let number = share.checked_div(quantity.get())?.ceil().try_into().ok()?;
            least = Some(least.map_or(number, |least: u64| least.min(number)));
        }
        Some(Self::Batch {
            orders,
            quantities,
            parts,
            least: least?,
        })
    }

    fn of_change(desk: &Desk<'_>, change: &'p Change) -> Option<Self> {
        match change {
            Change::Leverage { symbol, leverage } => {
                let state = desk.view.book().state(symbol.as_str())?;
                Some(Self::Leverage {
                    symbol,
                    set: state.settings?.leverage.get(),
                    asked: leverage.get(),
                })
            }
            Change::PositionMargin { amount, .. } | Change::TransferOut { amount, .. } => {
                let unit = money_unit(amount.get());
                let most = amount.get().checked_div(unit)?.ceil().try_into().ok()?;
                Some(Self::Money { change, unit, most })
            }
            Change::MarginType { .. }
            | Change::PositionMode { .. }
            | Change::MultiAssetsMargin { .. } => None,
        }
    }

    /// The number of what was asked.
    pub(super) const fn most(&self) -> u64 {
        match self {
            Self::Order { most, .. } | Self::Money { most, .. } => *most,
            Self::Batch { parts, .. } => *parts,
            Self::Leverage { set, asked, .. } => set.abs_diff(*asked) as u64,
        }
    }

    /// The number of the least there is.
    pub(super) const fn least(&self) -> u64 {
        match self {
            Self::Order { quantities, .. } => quantities.least(),
            Self::Batch { least, .. } => *least,
            Self::Money { .. } | Self::Leverage { .. } => 1,
        }
    }

    /// Where something may pass that neither less nor more does: what closes, or offsets, the
    /// position on the other side.
    pub(super) fn guesses(&self, desk: &Desk<'_>) -> Vec<u64> {
        let Self::Order {
            intent,
            quantities,
            most,
        } = self
        else {
            return Vec::new();
        };
        let book = desk.view.book();
        let Some(state) = book.state(intent.symbol.as_str()) else {
            return Vec::new();
        };
        let legs = match book.position_mode() {
            PositionMode::OneWay => [state.legs.both.quantity, Quantity::ZERO],
            PositionMode::Hedge => [state.legs.long.quantity, state.legs.short.quantity],
        };
        let held = legs.into_iter().filter(|held| !held.is_zero());
        held.filter_map(|held| quantities.last_not_above(held.abs()))
            .filter(|number| *number > quantities.least() && *number < *most)
            .collect()
    }

    pub(super) fn with(&self, number: u64) -> Option<Proposal> {
        match self {
            Self::Order {
                intent, quantities, ..
            } => Some(Proposal::Order(OrderIntent {
                quantity: Some(quantities.quantity(number)?),
                ..(*intent).clone()
            })),
            Self::Batch {
                orders,
                quantities,
                parts,
                ..
            } => batch_of(orders, quantities, number, *parts),
            Self::Money { change, unit, .. } => {
                let amount = Amount::new(unit.checked_mul(Decimal::from(number))?.normalize());
                Some(Proposal::Change(with_amount(change, amount)))
            }
            Self::Leverage { symbol, set, asked } => {
                let by = u32::try_from(number).ok()?;
                let leverage = if asked > set {
                    set.checked_add(by)?
                } else {
                    set.checked_sub(by)?
                };
                Some(Proposal::Change(Change::Leverage {
                    symbol: (*symbol).clone(),
                    leverage: Leverage::new(leverage)?,
                }))
            }
        }
    }

    /// How strain follows the number: what is bought strains in a straight line, what the balance loses
    /// or a lower leverage asks for by its reciprocal.
    pub(super) fn straighten(&self) -> Straighten {
        match self {
            Self::Order { .. } | Self::Batch { .. } => as_it_is,
            Self::Leverage { set, asked, .. } if asked > set => as_it_is,
            Self::Leverage { .. } | Self::Money { .. } => reciprocal,
        }
    }

    /// The share of what was asked; only of a batch.
    pub(super) fn share(&self, number: u64) -> Option<Rate> {
        let Self::Batch { parts, .. } = self else {
            return None;
        };
        let share = quotient(Decimal::from(number), Decimal::from((*parts).max(1)));
        share.ok().map(Rate::new)
    }
}

/// The batch with every order that adds cut to `number` of `parts`; what falls below the smallest
/// order is left out.
fn batch_of(
    orders: &[OrderIntent],
    quantities: &[Option<Quantities>],
    number: u64,
    parts: u64,
) -> Option<Proposal> {
    let mut cut = Vec::with_capacity(orders.len());
    for (intent, steps) in orders.iter().zip(quantities) {
        let Some(steps) = steps else {
            cut.push(intent.clone());
            continue;
        };
        let share = intent.quantity?.get().checked_mul(Decimal::from(number))?;
        let share = Quantity::new(share.checked_div(Decimal::from(parts))?);
        if let Some(step) = steps.last_not_above(share)
            && step >= steps.least()
        {
            cut.push(OrderIntent {
                quantity: Some(steps.quantity(step)?),
                ..intent.clone()
            });
        }
    }
    (!cut.is_empty()).then_some(Proposal::Orders(cut))
}

fn with_amount(change: &Change, amount: Amount) -> Change {
    match change {
        Change::PositionMargin {
            symbol,
            position_side,
            direction,
            ..
        } => Change::PositionMargin {
            symbol: symbol.clone(),
            position_side: *position_side,
            amount,
            direction: *direction,
        },
        Change::TransferOut { asset, .. } => Change::TransferOut {
            asset: asset.clone(),
            amount,
        },
        other => other.clone(),
    }
}
