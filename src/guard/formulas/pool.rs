//! The figures of a pool, those of one asset above all.
//!
//! Owns: the formulas of a pool and of what stands in it beside its positions.
//! Must not know: values, the one pool of multi-assets mode, single positions.

use super::{
    COMMON_AMOUNT, COMMON_KEPT, Formula, GROSS, LIQUIDATABLE_NOW, NET, RESERVED, TICKET,
    UNREALIZED, each, formula, with_wallets,
};

/// Of any pool.
pub const POOL: [Formula; 7] = [
    formula(
        "initialMargin",
        &["positionInitialMargin + openOrderInitialMargin"],
    ),
    formula("headroom", &["marginBalance - maintMargin"]),
    formula("marginRatio", &["maintMargin / marginBalance"]),
    formula("accountLeverage", &["notionalGross / marginBalance"]),
    formula(
        "walletAtRisk.fraction",
        &["walletAtRisk.amount / marginBalance"],
    ),
    formula(
        "walletAtRisk.shareOfEverything",
        &["walletAtRisk.amount / (marginBalance + ringFenced)"],
    ),
    formula("distance", &DISTANCE),
];

/// The part of a wallet that is at risk where nothing is left of it: all, if anything is held.
#[must_use]
pub const fn nothing_left(held: bool) -> &'static str {
    if held { "1" } else { "0" }
}

const DISTANCE: [&str; 4] = [
    "min(firstKiller.move, commonMove)",
    "firstKiller.move",
    "commonMove",
    LIQUIDATABLE_NOW,
];

/// What a position adds to a pool's figure, in its margin asset; its name stands for `@`.
pub const SUMS: [(&str, &str); 5] = [
    ("crossUnPnl", UNREALIZED),
    ("maintMargin", "@.maintMargin"),
    ("positionInitialMargin", TICKET),
    ("notionalGross", GROSS),
    ("notionalNet", NET),
];

/// What working orders of a contract add, by the exchange's netting rule; names stand within them.
///
/// Source: margin-math §4.2, and §4.3 for hedge mode.
#[must_use]
pub const fn reserved(hedge: bool) -> Formula {
    formula(
        "initialMargin",
        if hedge {
            &["(buyNotional + sellNotional) / leverage"]
        } else {
            &[
                "(max(abs(notional + buyNotional), abs(notional - sellNotional)) - abs(notional)) \
               / leverage",
            ]
        },
    )
}

/// What stands in a pool beside its crossed positions.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Contracts with working orders that count as crossed.
    pub crossed_orders: &'a [&'a str],
    /// Contracts with working orders that count as isolated.
    pub isolated_orders: &'a [&'a str],
    /// Isolated positions.
    pub isolated: &'a [&'a str],
    /// Isolated positions that draw on the pool are among the crossed ones.
    pub auto_added: bool,
}

/// What crossed positions of one asset share; isolated positions that draw on it bring their wallets.
///
/// Source: margin-math §2, §10.
#[must_use]
pub fn balance_alone(drawing: &[&str]) -> String {
    format!("crossWalletBalance + crossUnPnl{}", with_wallets(drawing))
}

/// Of a pool in single-asset mode; names stand within the pool's figures.
///
/// Source: margin-math §5 (what may be used and taken out), §10 (isolated positions that
/// draw on the pool).
#[must_use]
pub fn of_pool_alone(beside: &Beside<'_>) -> Vec<(&'static str, String)> {
    let isolated: String = { beside.isolated_orders }
        .iter()
        .map(|name| format!(" - {}", RESERVED.replace('@', name)))
        .collect();
    let mut left = format!("marginBalance - initialMargin{isolated}");
    if beside.auto_added {
        left.push_str(
            " - autoAdded.isolatedWallet - autoAdded.unrealizedProfit + autoAdded.initialMargin",
        );
    }
    vec![
        (
            "openOrderInitialMargin",
            each(RESERVED, beside.crossed_orders),
        ),
        ("ringFenced", each("@.isolatedWallet", beside.isolated)),
        ("availableBalance", format!("max(0, {left})")),
        (
            "maxWithdrawAmount",
            format!("max(0, min(crossWalletBalance{isolated} - maintMargin, availableBalance))"),
        ),
    ]
}

/// A pool's figure in single-asset mode as the sum over its crossed positions.
#[must_use]
pub fn sum_alone(term: &str, crossed: &[&str]) -> String {
    each(term, crossed)
}

/// What kills first: its liquidation price, and how far that is.
#[must_use]
pub fn first_killer(name: &str, end: &str) -> [(&'static str, String); 2] {
    [
        ("firstKiller.price", format!("{name}.{end}")),
        (
            "firstKiller.move",
            format!("abs(firstKiller.price / {name}.markPrice - 1)"),
        ),
    ]
}

/// The move of all marks together that ends a pool of one asset: what is constant over what grows.
/// The bracket of every position is the one where the move ends.
///
/// Source: margin-math §7.1 (headroom is zero there) with the tiers of §7.2, for all marks at once (§18).
#[must_use]
pub fn common_move_alone(crossed: &[&str]) -> String {
    let (amounts, kept) = (each(COMMON_AMOUNT, crossed), each(COMMON_KEPT, crossed));
    format!("abs((marginBalance - notionalNet + {amounts}) / (notionalNet - ({kept})) + 1)")
}

/// What the worst move takes that does not liquidate, of a pool of one asset. `moved` are the
/// positions that move; without any all of them do.
#[must_use]
pub fn at_risk_alone(moved: Option<&[&str]>) -> String {
    let net = moved.map_or_else(|| "notionalNet".to_owned(), |moved| each(NET, moved));
    format!("abs({net}) * walletAtRisk.move")
}

/// What the worst move takes when it liquidates.
pub const AT_RISK_WHOLE: &str = "max(0, marginBalance)";
