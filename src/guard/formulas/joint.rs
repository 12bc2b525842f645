//! The one pool of multi-assets mode.
//!
//! Owns: the formulas of its assets and of what they come to together.
//! Must not know: values, pools of one asset.

use super::{
    COMMON_AMOUNT, COMMON_KEPT, NET, RESERVED, TICKET, UNREALIZED, each, or_zero, with_wallets,
};

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
