//! Scenarios.
//!
//! Owns: the formulas of positions and of a pool in a scenario.
//! Must not know: values, which scenarios there are.

use super::{Formula, each, formula, or_zero};

/// Of a pool in a scenario; names stand within the scenario, then within the whole answer.
#[must_use]
pub const fn stress(survives: bool) -> [Formula; 2] {
    let lost: &'static [&'static str] = if survives {
        &["account.after.marginBalance - marginBalance"]
    } else {
        &["max(0, account.after.marginBalance)"]
    };
    [STRESS, formula("loss", lost)]
}

/// Of a position in a scenario; names stand within it there, then within the position afterwards, and
/// `reasons` holds what the scenario sets.
///
/// Source: margin-math §3 (brackets at the shocked price), §12 (funding).
#[must_use]
pub const fn stressed(is_tightened: bool) -> [Formula; 3] {
    let kept: &'static [&'static str] = if is_tightened {
        &[
            "(abs(positionAmt * markPrice * (1 + move)) * bracket.maintMarginRatio - bracket.cum) \
           * reasons.maintenance",
        ]
    } else {
        &["abs(positionAmt * markPrice * (1 + move)) * bracket.maintMarginRatio - bracket.cum"]
    };
    [
        formula("gain", &["positionAmt * markPrice * move"]),
        formula(
            "funding",
            &[
                "abs(positionAmt * markPrice * (1 + move)) * reasons.funding",
                "0",
            ],
        ),
        formula("maintMargin", kept),
    ]
}

/// Balance and maintenance margin of a pool in a scenario, from its positions there. In multi-assets
/// mode an asset's gain counts at the bid rate and its loss at the ask rate, which `rate` names.
///
/// Source: margin-math §1.1, §15.
#[must_use]
pub fn stressed_pool(
    positions: &[(Option<&str>, Vec<&str>)],
    rate: &dyn Fn(&[&str]) -> &'static str,
) -> [(&'static str, String); 2] {
    let (mut balance, mut kept) = ("account.after.marginBalance".to_owned(), Vec::new());
    for (asset, names) in positions {
        let gained = each("@.stress.gain - @.stress.funding", names);
        let maintenance = each("@.stress.maintMargin", names);
        match asset {
            Some(asset) => {
                balance.push_str(&format!(" + ({gained}) * {asset}.{}", rate(names)));
                kept.push(format!("({maintenance}) * {asset}.askRate"));
            }
            None => {
                balance.push_str(&format!(" + {gained}"));
                kept.push(maintenance);
            }
        }
    }
    balance.push_str(" - reasons.collateralLost");
    [
        ("marginBalance", balance),
        ("maintMargin", or_zero(kept.join(" + "))),
    ]
}

/// The ratio that a scenario leaves.
pub const STRESS: Formula = formula("marginRatio", &["maintMargin / marginBalance"]);
