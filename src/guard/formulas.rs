//! How the figures of an answer follow from one another.
//!
//! Owns: the formulas as text over names as the socket spells them, so that a recorded decision can
//! be computed anew by hand.
//! Must not know: values, how an answer is read.
//!
//! A text is plain arithmetic: `+ - * /`, parentheses, `abs`, `min`, `max` and names. Of several
//! texts the first holds whose names all have a value.

use super::verdict::Code;

/// A figure and how it follows.
#[derive(Debug, Clone, Copy)]
pub struct Formula {
    /// Where the figure stands.
    pub figure: &'static str,
    /// How it follows.
    pub texts: &'static [&'static str],
}

const fn formula(figure: &'static str, texts: &'static [&'static str]) -> Formula {
    Formula { figure, texts }
}

/// Of a pool in single-asset mode; names stand within the pool's figures.
pub const POOL_ALONE: [Formula; 1] = [formula(
    "marginBalance",
    &["crossWalletBalance + crossUnPnl"],
)];

/// Of any pool.
pub const POOL: [Formula; 6] = [
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
    formula("distance", &DISTANCE),
];

const DISTANCE: [&str; 3] = [
    "min(firstKiller.move, commonMove)",
    "firstKiller.move",
    "commonMove",
];

/// Of a pool in single-asset mode: one term for each crossed position, whose name stands for `@`.
pub const SUMS: [(&str, &str); 5] = [
    ("crossUnPnl", "@.positionAmt * (@.markPrice - @.entryPrice)"),
    ("maintMargin", "@.maintMargin"),
    (
        "positionInitialMargin",
        "abs(@.positionAmt * @.markPrice) / @.leverage",
    ),
    ("notionalGross", "abs(@.positionAmt * @.markPrice)"),
    ("notionalNet", "@.positionAmt * @.markPrice"),
];

/// Of one position; `@end` is its liquidation price on its losing side.
pub const POSITION: [Formula; 8] = [
    formula("shift", &["before.distance - after.distance"]),
    formula(
        "maintMargin",
        &["abs(positionAmt * markPrice) * bracket.maintMarginRatio - bracket.cum"],
    ),
    formula("ticket", &["abs(positionAmt * markPrice) / leverage"]),
    formula(
        "distance",
        &[
            "min(abs(liquidationBelow - markPrice), abs(liquidationAbove - markPrice)) / markPrice",
            "abs(liquidationBelow - markPrice) / markPrice",
            "abs(liquidationAbove - markPrice) / markPrice",
        ],
    ),
    formula(
        "spill",
        &["max(0, positionAmt * (entryPrice - adversePrice) - ticket)"],
    ),
    formula(
        "spillNow",
        &["max(0, positionAmt * (entryPrice - markPrice) - ticket)"],
    ),
    formula(
        "spillAtLiquidation",
        &["max(0, positionAmt * (entryPrice - @end) - ticket)"],
    ),
    formula(
        "lossMultiple",
        &[
            "max(0, positionAmt * (entryPrice - @end)) / ticket",
            "positionAmt * entryPrice / ticket",
        ],
    ),
];

/// Where an isolated position is liquidated: margin and profit meet maintenance margin there. `@` is
/// `Below` or `Above`.
pub const ISOLATED_END: &str = "(positionAmt * entryPrice - isolatedWallet - bracket@.cum) \
     / (positionAmt - abs(positionAmt) * bracket@.maintMarginRatio)";

/// Where a crossed position is liquidated: the pool's headroom is zero there. The parts of every leg
/// of the contract, whose name stands for `@`; `#` is `Below` or `Above`.
pub const CROSSED_END: [&str; 2] = [
    "@.positionAmt * @.markPrice - @.maintMargin - @.bracket#.cum",
    "@.positionAmt - abs(@.positionAmt) * @.bracket#.maintMarginRatio",
];

/// Whose price an order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnPrice {
    /// Its own.
    Limit,
    /// None.
    Market,
    /// One that the book decides on arrival.
    Matched,
}

/// What the exchange asks for an order; names stand within the order and its `exchangeCost`. By side,
/// and by whose price the order has.
///
/// Source: margin-math §4.4, §4.5.
#[must_use]
pub const fn order_cost(buys: bool, own: OwnPrice) -> [Formula; 3] {
    let cost = formula("cost", &["marginRequired + openLoss"]);
    let (assumed, loss) = match (buys, own) {
        (true, OwnPrice::Limit) => (
            &["price"] as &'static [_],
            &["max(0, price - markPrice) * quantityUsed"] as &'static [_],
        ),
        (true, OwnPrice::Market | OwnPrice::Matched) => (
            &[
                "max(priceUsed, markPrice * 1.0005, askPrice * 1.0005)",
                "max(priceUsed, markPrice * 1.0005)",
            ] as &'static [_],
            &[
                "(max(markPrice, askPrice) * 1.0005 - markPrice) * quantityUsed",
                "(markPrice * 1.0005 - markPrice) * quantityUsed",
            ] as &'static [_],
        ),
        (false, OwnPrice::Limit) => (
            &[
                "max(price, markPrice * 1.0015, lastPrice * 1.0015)",
                "max(price, markPrice * 1.0015)",
            ] as &'static [_],
            &["max(0, markPrice - price) * quantityUsed"] as &'static [_],
        ),
        (false, OwnPrice::Matched) => (
            &[
                "max(markPrice * 1.0015, lastPrice * 1.0015, askPrice)",
                "max(markPrice * 1.0015, lastPrice * 1.0015)",
                "max(markPrice * 1.0015, askPrice)",
                "markPrice * 1.0015",
            ] as &'static [_],
            &["max(0, markPrice - bidPrice) * quantityUsed", "0"] as &'static [_],
        ),
        (false, OwnPrice::Market) => (
            &[
                "max(markPrice * 1.0015, lastPrice * 1.0015, bidPrice)",
                "max(markPrice * 1.0015, lastPrice * 1.0015)",
                "max(markPrice * 1.0015, bidPrice)",
                "markPrice * 1.0015",
            ] as &'static [_],
            &["0"] as &'static [_],
        ),
    };
    [
        formula("assumedPrice", assumed),
        formula("openLoss", loss),
        cost,
    ]
}

/// What all held symbols together lose by a move that does not liquidate, and by one that does.
pub const AT_RISK: [&str; 2] = ["abs(notionalNet) * walletAtRisk.move", "marginBalance"];

/// The isolated twin's margin; names stand within the whole answer.
pub const TWIN: Formula = formula(
    "isolatedTwin.margin",
    &["order.priceUsed * isolatedTwin.quantity / order.leverage"],
);

/// What one order costs at either side of the book; names stand within the whole answer, and `@` is
/// its contract.
pub const COSTS: [Formula; 2] = [
    formula(
        "costs.fee",
        &["order.priceUsed * order.quantityUsed * costs.feeRates.@.takerUsed"],
    ),
    formula(
        "costs.makerFee",
        &["order.priceUsed * order.quantityUsed * costs.feeRates.@.maker"],
    ),
];

/// Of a pool in a scenario; names stand within the scenario.
pub const STRESS: Formula = formula("marginRatio", &["maintMargin / marginBalance"]);

/// What a position costs the rest of the wallet, as a fraction of it, in single-asset mode: the
/// position's name stands for `@`.
pub const SPILL: &str = "@.spill / marginBalance";

/// How the value that a rule judged follows, and the figure of the answer that it is; names stand
/// within `account.after`, of the worst case within `worstCase`. `None` where the rule judges no
/// figure of the account.
#[must_use]
pub const fn of_code(code: Code) -> Option<Formula> {
    Some(match code {
        Code::LiquidationDistance | Code::WorstCase => formula("distance", &DISTANCE),
        Code::WalletAtRisk => formula(
            "walletAtRisk.fraction",
            &["walletAtRisk.amount / marginBalance"],
        ),
        Code::MarginRatio => formula("marginRatio", &["maintMargin / marginBalance"]),
        Code::EffectiveLeverage => formula("accountLeverage", &["notionalGross / marginBalance"]),
        _ => return None,
    })
}
