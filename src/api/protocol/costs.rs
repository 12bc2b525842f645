//! What an order costs besides margin.
//!
//! Owns: fees, slippage and funding as an answer tells them, and why one of them is `null`.
//! Must not know: how any of them is computed, what the exchange asks before it takes an order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use super::inputs::MissingEntry;
use crate::guard::verdict;
use crate::margin::amount::Rate;

/// What the order costs besides margin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Costs<'a> {
    /// Taker fee of the assumed fill; `null`, as every figure in money here, when the orders of a batch
    /// are margined in different assets.
    pub fee: Figure,
    /// The fee if it filled as an order that waited in the book, at the account's own rate.
    pub maker_fee: Figure,
    /// The rates behind these figures, by contract.
    pub fee_rates: BTreeMap<Cow<'a, str>, FeeRates>,
    /// What the assumed fill loses against the mark; negative when it gains.
    pub slippage: Figure,
    /// What of the order book the assumed fill takes: always `null`, no book is followed.
    pub depth_used: Figure,
    /// What the position pays (positive) or receives at the next funding.
    pub funding_next: Figure,
    /// When that is, in milliseconds since 1970; `null` when it is not known.
    pub funding_time: Option<i64>,
}

/// The rates that hold for a contract, as fractions of the notional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeeRates {
    /// The account's own, of an order that waits in the book.
    pub maker: Figure,
    /// The account's own, of an order that takes.
    pub taker: Figure,
    /// What `fee` is counted with: the higher of `taker` and the policy's `taker_fee`.
    pub taker_used: Figure,
    /// What an order without a price of its own is taken to lose against the mark: the policy's
    /// `market_slippage`.
    pub slippage_used: Figure,
    /// What a long pays at the next funding; `null` while it is not known.
    pub funding: Figure,
    /// How long ago `maker` and `taker` were asked for; `null` while they were not.
    pub age_ms: Option<i64>,
}

impl<'a> From<&'a verdict::Costs> for Costs<'a> {
    fn from(costs: &'a verdict::Costs) -> Self {
        let rates = costs.rates.iter();
        Self {
            fee: costs.fee.map_or(Figure::NONE, Figure::money),
            maker_fee: costs.maker_fee.map_or(Figure::NONE, Figure::money),
            fee_rates: rates
                .map(|rates| (Cow::Borrowed(rates.symbol.as_str()), FeeRates::from(rates)))
                .collect(),
            depth_used: Figure::NONE,
            slippage: costs.slippage.map_or(Figure::NONE, Figure::money),
            funding_time: costs.funding_time_ms,
            funding_next: costs.funding_next.map_or(Figure::NONE, Figure::money),
        }
    }
}

impl From<&verdict::FeeRates> for FeeRates {
    fn from(rates: &verdict::FeeRates) -> Self {
        let rate = |rate: Rate| Figure::exact(rate.get());
        Self {
            maker: rates.maker.map_or(Figure::NONE, rate),
            taker: rates.taker.map_or(Figure::NONE, rate),
            taker_used: rate(rates.taker_used),
            slippage_used: rate(rates.slippage_used),
            funding: rates.funding.map_or(Figure::NONE, rate),
            age_ms: rates.age_ms,
        }
    }
}

/// What of them is not known, with the reason.
pub(super) fn missing_costs(costs: &verdict::Costs) -> Vec<MissingEntry<'static>> {
    const NO_BOOK: &str = "no order book is followed: a market order is taken to fill at the mark \
                           and the policy's market_slippage";
    const MIXED: &str = "the orders are margined in different assets: ask about them one by one";
    let mut missing = Vec::new();
    if costs.is_mixed {
        for path in [
            "costs.fee",
            "costs.makerFee",
            "costs.slippage",
            "costs.fundingNext",
        ] {
            missing.push(MissingEntry::plain(Cow::Borrowed(path), MIXED));
        }
    } else if costs.maker_fee.is_none() {
        let unread = costs.rates.iter().filter(|rates| rates.maker.is_none());
        let names: Vec<&str> = unread.map(|rates| rates.symbol.as_str()).collect();
        let reason = format!(
            "the account's fee rates of {} were not read yet",
            names.join(", ")
        );
        missing.push(MissingEntry {
            path: Cow::Borrowed("costs.makerFee"),
            plane: None,
            reason: Cow::Owned(reason),
        });
    }
    missing.push(MissingEntry::plain(
        Cow::Borrowed("costs.depthUsed"),
        NO_BOOK,
    ));
    if costs.funding_next.is_none() && !costs.is_mixed {
        missing.push(MissingEntry {
            path: Cow::Borrowed("costs.fundingNext"),
            plane: Some(Cow::Borrowed("marks")),
            reason: Cow::Borrowed("the funding rate is not known"),
        });
    }
    missing
}
