//! Of pools.
//!
//! Owns: the words about what all crossed positions share.
//! Must not know: levels.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{FIX, LOOK, capital, text};
use crate::guard::alarm::Text;
use crate::guard::alarm::seen::SeenStress;
use crate::guard::words::{
    Careful, adverse_move, crossed_positions, dying, killer, money, nearest_end, percent,
};
use crate::margin::account::{Asset, Symbol};
use crate::margin::amount::{Amount, Price};
use crate::margin::book::Unknown;
use crate::margin::pool::{PoolAssessment, Survival};
use crate::mirror::Mirror;

/// What to do where no way was searched, or none was found.
fn relieve(asset: &Asset) -> (String, Option<String>) {
    (
        format!("Now: reduce the largest position, or move {asset} into the futures wallet."),
        Some(FIX.to_owned()),
    )
}

/// The symbol whose move is nearest to killing, else the one behind the worst loss.
fn culprit(pool: &PoolAssessment) -> Option<&Symbol> {
    let killer = match &pool.survival {
        Survival::Alive { first_killer, .. } => first_killer.as_ref().map(|k| &k.symbol),
        Survival::Liquidatable => None,
    };
    killer.or_else(|| pool.wallet_at_risk.as_ref()?.cause.symbol.as_ref())
}

/// The move behind a pool's distance; of a pool with one symbol that symbol's.
fn end_of(pool: &PoolAssessment) -> Option<String> {
    match &pool.survival {
        Survival::Alive {
            first_killer: Some(alone),
            ..
        } if pool.held == 1 => Some(killer(alone)),
        _ => nearest_end(pool),
    }
}

/// A price with as many decimals as the contract's tick has.
fn price_words(symbol: &Symbol, price: Price, mirror: &Mirror) -> String {
    let tick = mirror.rules(symbol.as_str()).and_then(|rules| rules.tick);
    let decimals = tick.map_or(8, |tick| tick.get().normalize().scale());
    price.get().round_dp(decimals).normalize().to_string()
}

pub(in crate::guard::alarm) fn distance(pool: &PoolAssessment, mirror: &Mirror) -> Text {
    let (asset, balance) = (&pool.asset, money(pool.margin_balance));
    let what = match end_of(pool) {
        None => format!(
            "The {asset} pool can be liquidated now: it holds {balance} {asset} and its positions \
             need {}.",
            money(pool.maintenance_margin)
        ),
        Some(end) => {
            let price = match &pool.survival {
                Survival::Alive {
                    first_killer: Some(killer),
                    ..
                } => {
                    let price = price_words(&killer.symbol, killer.price, mirror);
                    format!(" ({} alone at {price})", killer.symbol)
                }
                _ => String::new(),
            };
            format!(
                "{} liquidates {}{price}; {balance} {asset} would be gone.",
                capital(&end),
                crossed_positions(pool)
            )
        }
    };
    let (to_do, command) = relieve(asset);
    text(what, to_do, command)
}

pub(in crate::guard::alarm) fn wallet_at_risk(pool: &PoolAssessment) -> Text {
    let asset = &pool.asset;
    let what = pool
        .wallet_at_risk
        .as_ref()
        .map_or_else(String::new, |risk| {
            let mut cause = risk.cause.clone();
            if pool.held == 1 {
                cause.symbol = culprit(pool).cloned();
            }
            format!(
                "{} takes {} {asset}, {} of the pool.",
                capital(&adverse_move(&cause, pool)),
                money(risk.amount),
                percent(risk.fraction.get(), Careful::Up)
            )
        });
    let (to_do, command) = relieve(asset);
    text(what, to_do, command)
}

pub(in crate::guard::alarm) fn margin_ratio(pool: &PoolAssessment) -> Text {
    let asset = &pool.asset;
    let ratio = crate::guard::words::ratio(pool.margin_ratio);
    let what = format!(
        "The {asset} pool's margin ratio is {ratio} (100 % is liquidation); {} {asset} are left.",
        money(pool.headroom)
    );
    let (to_do, command) = relieve(asset);
    text(what, to_do, command)
}

pub(in crate::guard::alarm) fn headroom_falling(
    pool: &PoolAssessment,
    fall: Decimal,
    per_minute: Decimal,
) -> Text {
    let asset = &pool.asset;
    let left = Decimal::ONE.checked_div(per_minute).unwrap_or(Decimal::ONE);
    let left = left.round_dp_with_strategy(0, RoundingStrategy::ToZero);
    let soon = if left < Decimal::ONE {
        "in less than a minute".to_owned()
    } else {
        format!("in about {left} min")
    };
    let what = format!(
        "The {asset} pool loses {} {asset} a minute; {} {asset} are left until its liquidation, and at \
         this speed they are gone {soon}.",
        money(Amount::new(fall)),
        money(pool.headroom)
    );
    let (to_do, command) = relieve(asset);
    text(what, to_do, command)
}

pub(in crate::guard::alarm) fn figures_unknown(asset: &Asset, unknown: &Unknown) -> Text {
    let what = format!(
        "The {asset} pool's figures cannot be computed: {unknown}. Its danger is not known."
    );
    text(
        what,
        "Watch the pool at the exchange until this is over.",
        Some(LOOK.to_owned()),
    )
}

pub(in crate::guard::alarm) fn stress(seen: &SeenStress<'_>) -> Text {
    let (asset, outcome) = (seen.pool, &seen.outcome);
    let name = outcome.name.replace('_', " ");
    let what = if outcome.survives {
        let ratio = percent(seen.margin_ratio, Careful::Up);
        format!(
            "The scenario \"{name}\" would take the {asset} pool's margin ratio to {ratio} (100 % is \
             liquidation)."
        )
    } else {
        let loss = outcome.loss.map_or_else(String::new, |loss| {
            format!(" {} {asset} would be gone.", money(loss))
        });
        format!(
            "The {asset} pool does not survive the scenario \"{name}\" any more: {}.{loss}",
            dying(&outcome.dies)
        )
    };
    let (to_do, command) = relieve(asset);
    text(what, to_do, command)
}
