//! Which fees a judgement counts.
//!
//! Owns: the choice between the policy's fee and the one the account is charged, what orders cost at
//! either side of the book, and the rate of the next funding.
//! Must not know: how rates are read, what a fill does.

use super::policy::Policy;
use super::verdict::FeeRates;
use crate::margin::account::Symbol;
use crate::margin::amount::{Amount, Rate};
use crate::margin::project::{Assumptions, Fill};
use crate::mirror::view::LiveView;

/// What a fill of a contract is taken for: the policy's slippage, and the higher of its fee and the
/// account's own taker rate, where that was read. The higher one is the careful one; every fill is
/// judged as one that takes, because whoever waits in the book may be left there.
///
/// Source: design.md §7 (`taker_fee`), binance-api §4.3 (`commissionRate`).
pub(super) fn assumptions(view: &LiveView<'_>, policy: &Policy, symbol: &Symbol) -> Assumptions {
    Assumptions {
        market_slippage: policy.market_slippage,
        taker_fee: taker_used(view, policy, symbol),
    }
}

fn taker_used(view: &LiveView<'_>, policy: &Policy, symbol: &Symbol) -> Rate {
    let rates = view.mirror().commission_rates(symbol.as_str());
    rates.map_or(policy.taker_fee, |rates| rates.taker.max(policy.taker_fee))
}

/// The rates that hold for a contract.
pub(super) fn rates(view: &LiveView<'_>, policy: &Policy, symbol: &Symbol) -> FeeRates {
    let read = view.mirror().commission_rates(symbol.as_str());
    FeeRates {
        symbol: symbol.clone(),
        maker: read.map(|rates| rates.maker),
        taker: read.map(|rates| rates.taker),
        taker_used: taker_used(view, policy, symbol),
        slippage_used: policy.market_slippage,
        funding: funding_rate(view, symbol),
        age_ms: read.map(|rates| view.now().since_ms(rates.at)),
    }
}

/// What a long pays at the next funding.
pub(super) fn funding_rate(view: &LiveView<'_>, symbol: &Symbol) -> Option<Rate> {
    view.mirror().mark_meta(symbol.as_str())?.funding_rate
}

/// What the fills would cost as orders that waited in the book: notional × maker rate; `None` while a
/// rate was not read.
///
/// Source: binance-api §4.3 (`makerCommissionRate`).
pub(super) fn as_maker<'f>(
    view: &LiveView<'_>,
    fills: impl Iterator<Item = (&'f Symbol, Fill)>,
) -> Option<Amount> {
    let mut sum = Amount::ZERO;
    for (symbol, fill) in fills {
        let rates = view.mirror().commission_rates(symbol.as_str())?;
        let notional = fill.price.times(fill.quantity).ok()?;
        sum = sum.plus(notional.times(rates.maker).ok()?).ok()?;
    }
    Some(sum)
}
