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

/// There is a distance and nothing that it leads to.
const LIQUIDATABLE_NOW: &str = "0";

const DISTANCE: [&str; 4] = [
    "min(firstKiller.move, commonMove)",
    "firstKiller.move",
    "commonMove",
    LIQUIDATABLE_NOW,
];

/// What a symbol, or all that is held, weighs: signed and not.
const NET: &str = "@.positionAmt * @.markPrice";
const GROSS: &str = "abs(@.positionAmt * @.markPrice)";

/// What a position adds to a pool's figure, in its margin asset; its name stands for `@`.
pub const SUMS: [(&str, &str); 5] = [
    ("crossUnPnl", UNREALIZED),
    ("maintMargin", "@.maintMargin"),
    ("positionInitialMargin", TICKET),
    ("notionalGross", GROSS),
    ("notionalNet", NET),
];

const UNREALIZED: &str = "@.unrealizedProfit";
const TICKET: &str = "abs(@.positionAmt * @.markPrice) / @.leverage";
/// What the working orders of a contract add to initial margin.
const RESERVED: &str = "@.openOrders.initialMargin";

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

/// One term for each name, which stands for `@`; `0` without any.
fn each(term: &str, names: &[&str]) -> String {
    let terms = names.iter().map(|name| term.replace('@', name));
    or_zero(terms.collect::<Vec<_>>().join(" + "))
}

fn or_zero(text: String) -> String {
    if text.is_empty() {
        "0".to_owned()
    } else {
        text
    }
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

fn with_wallets(drawing: &[&str]) -> String {
    let wallets = drawing
        .iter()
        .map(|name| format!(" + {name}.isolatedWallet"));
    wallets.collect()
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

/// An asset of the one pool of multi-assets mode, with what is margined in it.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Asset.
    pub asset: &'a str,
    /// Its crossed positions.
    pub legs: Vec<&'a str>,
    /// Those of them that are isolated and draw on the pool by themselves.
    pub drawing: Vec<&'a str>,
    /// Its isolated positions.
    pub isolated: Vec<&'a str>,
    /// Contracts with working orders that count as crossed.
    pub crossed_orders: Vec<&'a str>,
    /// Contracts with working orders that count as isolated.
    pub isolated_orders: Vec<&'a str>,
}

/// The rate that money of an asset counts at: what is owned at the bid, what is owed at the ask.
#[must_use]
pub const fn rate_of(owed: bool) -> &'static str {
    if owed { "askRate" } else { "bidRate" }
}

/// Of one asset in multi-assets mode; names of the asset's own figures stand alone.
///
/// Source: margin-math §15.
#[must_use]
pub fn of_asset(part: &Part<'_>) -> [(&'static str, String); 5] {
    let mut initial = each(TICKET, &part.legs);
    for orders in [&part.crossed_orders, &part.isolated_orders] {
        if !orders.is_empty() {
            initial = format!("{initial} + {}", each(RESERVED, orders));
        }
    }
    [
        (
            "equity",
            format!(
                "crossWalletBalance + {}{}",
                each(UNREALIZED, &part.legs),
                with_wallets(&part.drawing)
            ),
        ),
        (
            "equityUsd",
            "min(equity * bidRate, equity * askRate)".to_owned(),
        ),
        ("initialMargin", initial),
        ("maintMargin", each("@.maintMargin", &part.legs)),
        (
            "availableBalance",
            "account.after.availableBalance / askRate".to_owned(),
        ),
    ]
}

/// Of the one pool of multi-assets mode, beside its sums; names stand within the pool's figures and
/// after an asset's name. `rate` names the rate that an asset's amount of a kind counts at.
///
/// Source: margin-math §15.
#[must_use]
pub fn of_joint_pool(
    parts: &[Part<'_>],
    rate: &dyn Fn(&Part<'_>, Held) -> &'static str,
) -> Vec<(&'static str, String)> {
    let assets: Vec<&str> = parts.iter().map(|part| part.asset).collect();
    let wallets = parts.iter().map(|part| {
        let (asset, rate) = (part.asset, rate(part, Held::Wallet));
        format!("{asset}.crossWalletBalance * {asset}.{rate}")
    });
    let profits = parts.iter().filter(|part| !part.legs.is_empty());
    let profits = profits.map(|part| {
        let (asset, rate) = (part.asset, rate(part, Held::Profit));
        format!("({}) * {asset}.{rate}", each(UNREALIZED, &part.legs))
    });
    let isolated = charged(parts, |part| (RESERVED, part.isolated_orders.as_slice()));
    vec![
        (
            "crossWalletBalance",
            or_zero(wallets.collect::<Vec<_>>().join(" + ")),
        ),
        (
            "crossUnPnl",
            or_zero(profits.collect::<Vec<_>>().join(" + ")),
        ),
        ("marginBalance", each("@.equityUsd", &assets)),
        (
            "openOrderInitialMargin",
            charged(parts, |part| (RESERVED, part.crossed_orders.as_slice())),
        ),
        (
            "availableBalance",
            format!("max(0, marginBalance - initialMargin - ({isolated}))"),
        ),
        ("ringFenced", ring_fenced(parts)),
    ]
}

/// Nothing is isolated in multi-assets mode; what an account brought along all the same counts at the
/// bid rate.
fn ring_fenced(parts: &[Part<'_>]) -> String {
    let isolated = parts.iter().filter(|part| !part.isolated.is_empty());
    let terms = isolated.map(|part| {
        let wallets = each("@.isolatedWallet", &part.isolated);
        format!("({wallets}) * {}.bidRate", part.asset)
    });
    or_zero(terms.collect::<Vec<_>>().join(" + "))
}

/// What of an asset is owned or owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its crossed wallet balance.
    Wallet,
    /// Unrealised profit of the positions margined in it.
    Profit,
}

/// The pool's figure as the sum over its positions, each at the ask rate of its asset.
#[must_use]
pub fn sum_joint(term: &'static str, parts: &[Part<'_>]) -> String {
    charged(parts, |part| (term, part.legs.as_slice()))
}

fn charged<'p>(
    parts: &'p [Part<'_>],
    of: impl Fn(&'p Part<'_>) -> (&'static str, &'p [&'p str]),
) -> String {
    let mut terms = Vec::new();
    for part in parts {
        let (term, names) = of(part);
        if !names.is_empty() {
            terms.push(format!("({}) * {}.askRate", each(term, names), part.asset));
        }
    }
    or_zero(terms.join(" + "))
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

const COMMON_AMOUNT: &str = "@.bracketAtCommonMove.cum";
const COMMON_KEPT: &str =
    "abs(@.positionAmt * @.markPrice) * @.bracketAtCommonMove.maintMarginRatio";

/// The same of the one pool of multi-assets mode: each asset's equity at the rate of the sign that it
/// has there, its requirement at the ask.
#[must_use]
pub fn common_move_joint(parts: &[Part<'_>], rate: &dyn Fn(&Part<'_>) -> &'static str) -> String {
    let (mut fixed, mut growing) = (Vec::new(), Vec::new());
    for part in parts {
        let (asset, rate) = (part.asset, rate(part));
        if part.legs.is_empty() {
            fixed.push(format!("{asset}.{rate} * {asset}.equity"));
            continue;
        }
        let net = each(NET, &part.legs);
        let (amounts, kept) = (
            each(COMMON_AMOUNT, &part.legs),
            each(COMMON_KEPT, &part.legs),
        );
        fixed.push(format!(
            "{asset}.{rate} * ({asset}.equity - ({net})) + {asset}.askRate * ({amounts})"
        ));
        growing.push(format!(
            "{asset}.{rate} * ({net}) - {asset}.askRate * ({kept})"
        ));
    }
    let (fixed, growing) = (or_zero(fixed.join(" + ")), or_zero(growing.join(" + ")));
    format!("abs(({fixed}) / ({growing}) + 1)")
}

/// What the worst move takes that does not liquidate, of a pool of one asset. `moved` are the
/// positions that move; without any all of them do.
#[must_use]
pub fn at_risk_alone(moved: Option<&[&str]>) -> String {
    let net = moved.map_or_else(|| "notionalNet".to_owned(), |moved| each(NET, moved));
    format!("abs({net}) * walletAtRisk.move")
}

/// The same of the one pool of multi-assets mode; `falls` says which way prices move.
#[must_use]
pub fn at_risk_joint(moved: &[Part<'_>], falls: bool) -> String {
    let sign = if falls { "-" } else { "+" };
    let parts = moved.iter().filter(|part| !part.legs.is_empty());
    let terms = parts.map(|part| {
        let (asset, net) = (part.asset, each(NET, &part.legs));
        let there = format!("({asset}.equity {sign} ({net}) * walletAtRisk.move)");
        format!("{asset}.equityUsd - min({there} * {asset}.bidRate, {there} * {asset}.askRate)")
    });
    or_zero(terms.collect::<Vec<_>>().join(" + "))
}

/// What the worst move takes when it liquidates.
pub const AT_RISK_WHOLE: &str = "max(0, marginBalance)";

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
    let constant = "@.positionAmt * @.markPrice - @.maintMargin - @.bracket#.cum";
    let slope = "@.positionAmt - abs(@.positionAmt) * @.bracket#.maintMarginRatio";
    let (constant, slope) = (each(constant, legs), each(slope, legs));
    format!("({constant} - headroom) / ({slope})").replace('#', side)
}

/// The same in multi-assets mode, where the pool is worth what its asset counts for there: `rate` names
/// the rate of the sign that its equity has there.
#[must_use]
pub fn crossed_end_joint(legs: &[&str], side: &str, asset: &str, rate: &str) -> String {
    let constant =
        "$.! * @.positionAmt * @.markPrice - $.askRate * (@.maintMargin + @.bracket#.cum)";
    let slope =
        "$.! * @.positionAmt - $.askRate * abs(@.positionAmt) * @.bracket#.maintMarginRatio";
    let (constant, slope) = (each(constant, legs), each(slope, legs));
    format!("({constant} - headroom + $.equityUsd - $.equity * $.!) / ({slope})")
        .replace('#', side)
        .replace('!', rate)
        .replace('$', asset)
}

/// Its part in the maintenance margin of its pool; in multi-assets mode at the ask rate of its asset.
#[must_use]
pub fn maintenance_share(when: &str, asset: Option<&str>) -> String {
    let rate = asset.map_or_else(String::new, |asset| format!(" * {asset}.askRate"));
    format!("maintMargin{rate} / account.{when}.maintMargin")
}

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

/// The isolated twin; names stand within the whole answer.
///
/// Source: margin-math §7.1 (where it ends), §18.
#[must_use]
pub fn twin(buys: bool) -> [(&'static str, String); 3] {
    let quantity = if buys {
        "isolatedTwin.quantity"
    } else {
        "-isolatedTwin.quantity"
    };
    [
        (
            "isolatedTwin.margin",
            "order.priceUsed * isolatedTwin.quantity / order.leverage".to_owned(),
        ),
        (
            "isolatedTwin.liquidationPrice",
            format!(
                "({quantity} * order.priceUsed - isolatedTwin.margin - isolatedTwin.bracket.cum) \
                 / ({quantity} - isolatedTwin.quantity * isolatedTwin.bracket.maintMarginRatio)"
            ),
        ),
        ("isolatedTwin.maxLoss", "isolatedTwin.margin".to_owned()),
    ]
}

/// An order that was asked about.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Where it stands in the answer.
    pub path: String,
    /// Contract.
    pub symbol: &'a str,
    /// It buys.
    pub buys: bool,
}

/// What orders cost beside margin; names stand within the whole answer, positions by their names.
/// `held` has for every contract asked about its positions.
///
/// Source: margin-math §12 (fees, funding).
#[must_use]
pub fn costs(orders: &[Asked<'_>], held: &[(&str, Vec<&str>)]) -> [(&'static str, String); 4] {
    let each_order = |of: &dyn Fn(&Asked<'_>) -> String| {
        or_zero(orders.iter().map(of).collect::<Vec<_>>().join(" + "))
    };
    let of_rate = |rate: &str| {
        each_order(&|Asked { path, symbol, .. }| {
            format!("{path}.priceUsed * {path}.quantityUsed * costs.feeRates.{symbol}.{rate}")
        })
    };
    let slippage = each_order(&|Asked { path, buys, .. }| {
        let (price, mark) = (format!("{path}.priceUsed"), format!("{path}.markPrice"));
        let (dearer, cheaper) = if *buys { (price, mark) } else { (mark, price) };
        format!("({dearer} - {cheaper}) * {path}.quantityUsed")
    });
    let funding = held.iter().filter(|(_, names)| !names.is_empty());
    let funding = funding
        .map(|(symbol, names)| format!("({}) * costs.feeRates.{symbol}.funding", each(NET, names)));
    [
        ("costs.fee", of_rate("takerUsed")),
        ("costs.makerFee", of_rate("maker")),
        ("costs.slippage", slippage),
        (
            "costs.fundingNext",
            or_zero(funding.collect::<Vec<_>>().join(" + ")),
        ),
    ]
}

/// The price an order is taken to fill at, by where it comes from; names stand within the order.
///
/// Source: margin-math §4.5 (a market order has no price of its own).
#[must_use]
pub fn price_used(source: &str, buys: bool) -> Option<Formula> {
    let text: &'static [&'static str] = match (source, buys) {
        ("limit", _) => &["price"],
        ("mark", _) => &["markPrice"],
        ("mark_with_slippage", true) => &["markPrice * (1 + slippageUsed)"],
        ("mark_with_slippage", false) => &["markPrice * (1 - slippageUsed)"],
        ("trigger_with_slippage", true) => &["triggerPrice * (1 + slippageUsed)"],
        ("trigger_with_slippage", false) => &["triggerPrice * (1 - slippageUsed)"],
        _ => return None,
    };
    Some(formula("priceUsed", text))
}

/// The margin that an order adds by the netting rule; names stand within the order and its
/// `exchangeCost`.
///
/// Source: margin-math §4.3, §4.4.
#[must_use]
pub const fn margin_required(buys: bool, hedge: bool) -> Formula {
    let text: &'static [&'static str] = match (hedge, buys) {
        (true, _) => &["assumedPrice * quantityUsed / leverage"],
        (false, true) => &[
            "max(0, max(abs(notional + buyNotional + assumedPrice * quantityUsed), \
             abs(notional - sellNotional)) - max(abs(notional + buyNotional), \
             abs(notional - sellNotional))) / leverage",
        ],
        (false, false) => &["max(0, max(abs(notional + buyNotional), \
             abs(notional - sellNotional - assumedPrice * quantityUsed)) \
             - max(abs(notional + buyNotional), abs(notional - sellNotional))) / leverage"],
    };
    formula("marginRequired", text)
}

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

/// What is different afterwards.
#[must_use]
pub fn change(figure: &str) -> String {
    let path = if figure == "walletAtRisk" {
        "walletAtRisk.amount"
    } else {
        figure
    };
    format!("account.after.{path} - account.before.{path}")
}

/// What a position costs the rest of the wallet, as a fraction of it; in multi-assets mode at the ask
/// rate of its asset.
#[must_use]
pub fn spill(name: &str, asset: Option<&str>) -> String {
    let rate = asset.map_or_else(String::new, |asset| format!(" * {asset}.askRate"));
    format!("{name}.spill{rate} / marginBalance")
}

/// What an order comes to; names stand within the order.
pub const ORDER_SIZE: &str = "priceUsed * quantityUsed";

/// How far an order's price lies on the losing side of the mark; names stand within the order.
#[must_use]
pub fn price_collar(mark: &str, buys: bool) -> String {
    if buys {
        format!("(priceUsed - {mark}) / {mark}")
    } else {
        format!("({mark} - priceUsed) / {mark}")
    }
}

/// What a position comes to.
#[must_use]
pub fn position_size(name: &str) -> String {
    GROSS.replace('@', name)
}

/// The figure of a pool that a rule judged: of the account afterwards, for the worst case of that.
/// `None` where the rule judges no figure of a pool.
#[must_use]
pub const fn of_code(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::LiquidationDistance | Code::WorstCase => "distance",
        Code::WalletAtRisk => "walletAtRisk.fraction",
        Code::MarginRatio => "marginRatio",
        Code::EffectiveLeverage => "accountLeverage",
        _ => return None,
    })
}
