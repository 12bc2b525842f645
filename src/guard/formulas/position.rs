//! The figures of one position.
//!
//! Owns: the formulas of a position at one instant.
//! Must not know: values, sums over positions.

use super::{Formula, GROSS, LIQUIDATABLE_NOW, each, formula};

/// Of one position; `@end` is its liquidation price on its losing side.
pub const POSITION: [Formula; 11] = [
    formula(
        "lossAtStop",
        &["entryCost - positionAmt * stopFillPrice + stopFee"],
    ),
    formula("unrealizedProfit", &["positionAmt * markPrice - entryCost"]),
    formula("shift", &["before.distance - after.distance"]),
    formula(
        "maintMargin",
        &["abs(positionAmt * markPrice) * bracket.maintMarginRatio - bracket.cum"],
    ),
    formula("ticket", &["abs(positionAmt * markPrice) / leverage"]),
    formula(
        "untilNextBracket",
        &["(bracket.notionalCap - abs(positionAmt * markPrice)) / markPrice"],
    ),
    formula(
        "distance",
        &[
            "min(abs(liquidationBelow - markPrice), abs(liquidationAbove - markPrice)) / markPrice",
            "abs(liquidationBelow - markPrice) / markPrice",
            "abs(liquidationAbove - markPrice) / markPrice",
            LIQUIDATABLE_NOW,
        ],
    ),
    formula(
        "spill",
        &["max(0, entryCost - positionAmt * adversePrice - ticket)"],
    ),
    formula("spillNow", &["max(0, -unrealizedProfit - ticket)"]),
    formula(
        "spillAtLiquidation",
        &["max(0, entryCost - positionAmt * @end - ticket)"],
    ),
    formula(
        "lossMultiple",
        &[
            "max(0, entryCost - positionAmt * @end) / ticket",
            "entryCost / ticket",
        ],
    ),
];

/// What an isolated position draws from the rest of the wallet: what it was assigned is all it can
/// take.
pub const ISOLATED_SPILL: &str = "0";

/// Where an isolated position is liquidated: margin and profit meet maintenance margin there. `@` is
/// `Below` or `Above`.
pub const ISOLATED_END: &str = "(entryCost - isolatedWallet - bracket@.cum) \
     / (positionAmt - abs(positionAmt) * bracket@.maintMarginRatio)";

/// Where a crossed position of a pool of one asset is liquidated: the pool's headroom is zero there.
/// `legs` are those of the contract, `side` is `Below` or `Above`.
///
/// Source: margin-math §7.
#[must_use]
pub fn crossed_end_alone(legs: &[&str], side: &str) -> String {
    let constant = format!("@.positionAmt * @.markPrice - @.maintMargin - @.bracket{side}.cum");
    let slope = format!("@.positionAmt - abs(@.positionAmt) * @.bracket{side}.maintMarginRatio");
    let (constant, slope) = (each(&constant, legs), each(&slope, legs));
    format!("({constant} - headroom) / ({slope})")
}

/// The same in multi-assets mode, where the pool is worth what its asset counts for there: `rate` names
/// the rate of the sign that its equity has there.
#[must_use]
pub fn crossed_end_joint(legs: &[&str], side: &str, asset: &str, rate: &str) -> String {
    let (rate, ask) = (format!("{asset}.{rate}"), format!("{asset}.askRate"));
    let constant = format!(
        "{rate} * @.positionAmt * @.markPrice - {ask} * (@.maintMargin + @.bracket{side}.cum)"
    );
    let slope = format!(
        "{rate} * @.positionAmt - {ask} * abs(@.positionAmt) * @.bracket{side}.maintMarginRatio"
    );
    let (constant, slope) = (each(&constant, legs), each(&slope, legs));
    format!("({constant} - headroom + {asset}.equityUsd - {asset}.equity * {rate}) / ({slope})")
}

/// Its part in the maintenance margin of its pool; in multi-assets mode at the ask rate of its asset.
#[must_use]
pub fn maintenance_share(when: &str, asset: Option<&str>) -> String {
    let rate = asset.map_or_else(String::new, |asset| format!(" * {asset}.askRate"));
    format!("maintMargin{rate} / account.{when}.maintMargin")
}

/// What a position costs the rest of the wallet, as a fraction of it; in multi-assets mode at the ask
/// rate of its asset.
#[must_use]
pub fn spill(name: &str, asset: Option<&str>) -> String {
    let rate = asset.map_or_else(String::new, |asset| format!(" * {asset}.askRate"));
    format!("{name}.spill{rate} / marginBalance")
}

/// What a position comes to.
#[must_use]
pub fn position_size(name: &str) -> String {
    GROSS.replace('@', name)
}
