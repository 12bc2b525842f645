//! What a person half asleep reads: what is in danger, how much money, how far, what to do now.
//!
//! Owns: the words of every alarm.
//! Must not know: levels, where the words are shown. Text of the exchange stays as it came; whoever
//! shows it makes it harmless.

use rust_decimal::{Decimal, RoundingStrategy};

use super::Text;
use super::seen::{SeenOrder, SeenPosition};
use crate::guard::words::{
    Careful, adverse_move, crossed_positions, killer, money, nearest_end, percent,
};
use crate::margin::account::{
    Asset, AssetMode, MarginMode, PositionMode, PositionSide, Settings, Side, Symbol,
};
use crate::margin::amount::{Amount, Price, Rate};
use crate::margin::book::Unknown;
use crate::margin::order::{OpenOrder, OrderId};
use crate::margin::pool::{PoolAssessment, Survival};
use crate::mirror::Mirror;
use crate::mirror::event::{KeyRefusal, OrderOrigin};
use crate::mirror::truth::Drift;
use crate::mirror::view::NotReady;

/// The command that shows the whole picture.
const LOOK: &str = "crossguard status";
const POSITIONS: &str = "crossguard positions";
const ORDERS: &str = "crossguard orders";

fn text(what: String, to_do: impl Into<String>, command: Option<String>) -> Text {
    Text {
        what,
        to_do: to_do.into(),
        command,
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

pub(super) const fn leg(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Both => "both",
        PositionSide::Long => "long",
        PositionSide::Short => "short",
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

pub(super) fn order_number(order: &OpenOrder) -> String {
    match order.id {
        OrderId::Order(number) => number.to_string(),
        OrderId::Algo(number) => format!("algo {number}"),
    }
}

fn order_words(order: &OpenOrder) -> String {
    let quantity = if order.close_position {
        "close-position".to_owned()
    } else {
        order.remaining.get().normalize().to_string()
    };
    let price = order
        .kind
        .limit_price()
        .or(order.kind.trigger_price())
        .map_or_else(String::new, |price| {
            format!(" @ {}", price.get().normalize())
        });
    format!("{} {} {quantity}{price}", order.symbol, side(order.side))
}

/// Half of the position that hurts most, as an order that only reduces; the guard itself says what
/// it changes.
fn reduce(symbol: &Symbol, mirror: &Mirror) -> Option<(String, String)> {
    let state = mirror.book().state(symbol.as_str())?;
    let (position_side, leg) = state.legs.held().next()?;
    let step = mirror
        .rules(symbol.as_str())
        .and_then(|rules| rules.lot.step)
        .map(|step| step.get());
    let half = leg.quantity.get().abs().checked_div(Decimal::TWO)?;
    let half = match step.filter(|step| *step > Decimal::ZERO) {
        Some(step) => half
            .checked_div(step)?
            .round_dp_with_strategy(0, RoundingStrategy::ToZero)
            .checked_mul(step)?,
        None => half,
    };
    if half.is_zero() {
        return None;
    }
    let half = half.normalize();
    let way = if leg.quantity.is_negative() {
        "buy"
    } else {
        "sell"
    };
    let (of_leg, side_flag) = match position_side {
        PositionSide::Both => (", reduce-only", "--reduce-only".to_owned()),
        PositionSide::Long => (", position side LONG", "--position-side LONG".to_owned()),
        PositionSide::Short => (", position side SHORT", "--position-side SHORT".to_owned()),
    };
    Some((
        format!("{way} {half} {symbol}{of_leg} (half of the position)"),
        format!("crossguard check {symbol} {way} {half} {side_flag}"),
    ))
}

/// The symbol whose move is nearest to killing, else the one behind the worst loss.
fn culprit(pool: &PoolAssessment) -> Option<&Symbol> {
    let killer = match &pool.survival {
        Survival::Alive { first_killer, .. } => first_killer.as_ref().map(|k| &k.symbol),
        Survival::Liquidatable => None,
    };
    killer.or_else(|| pool.wallet_at_risk.as_ref()?.cause.symbol.as_ref())
}

fn relieve(pool: &PoolAssessment, mirror: &Mirror) -> (String, Option<String>) {
    let asset = &pool.asset;
    let order = culprit(pool).and_then(|symbol| reduce(symbol, mirror));
    match order {
        Some((order, command)) => (
            format!("Now: {order}, or move {asset} into the futures wallet."),
            Some(command),
        ),
        None => (
            format!("Now: reduce the largest position, or move {asset} into the futures wallet."),
            Some(POSITIONS.to_owned()),
        ),
    }
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

pub(super) fn distance(pool: &PoolAssessment, mirror: &Mirror) -> Text {
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
    let (to_do, command) = relieve(pool, mirror);
    text(what, to_do, command)
}

pub(super) fn wallet_at_risk(pool: &PoolAssessment, mirror: &Mirror) -> Text {
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
    let (to_do, command) = relieve(pool, mirror);
    text(what, to_do, command)
}

pub(super) fn margin_ratio(pool: &PoolAssessment, mirror: &Mirror) -> Text {
    let asset = &pool.asset;
    let ratio = crate::guard::words::ratio(pool.margin_ratio);
    let what = format!(
        "The {asset} pool's margin ratio is {ratio} (100 % is liquidation); {} {asset} are left.",
        money(pool.headroom)
    );
    let (to_do, command) = relieve(pool, mirror);
    text(what, to_do, command)
}

pub(super) fn headroom_falling(
    pool: &PoolAssessment,
    fall: Decimal,
    per_minute: Decimal,
    mirror: &Mirror,
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
        "The {asset} pool loses {} {asset} a minute; {} are left, and at this speed they are gone \
         {soon}.",
        money(Amount::new(fall)),
        money(pool.headroom)
    );
    let (to_do, command) = relieve(pool, mirror);
    text(what, to_do, command)
}

pub(super) fn figures_unknown(asset: &Asset, unknown: &Unknown) -> Text {
    let what = format!(
        "The {asset} pool's figures cannot be computed: {unknown}. Its danger is not known."
    );
    text(
        what,
        "Watch the pool at the exchange until this is over.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn isolated_distance(position: &SeenPosition<'_>, distance: Rate) -> Text {
    let figures = &position.figures;
    let what = format!(
        "The isolated {} position is {} from liquidation; {} would be gone.",
        position.symbol,
        percent(distance.get(), Careful::Down),
        money(figures.leg.isolated_wallet)
    );
    text(
        what,
        "Now: reduce it or add margin to it; nothing else of the wallet is at stake.",
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn spill(position: &SeenPosition<'_>, fraction: Rate) -> Text {
    let figures = &position.figures;
    let asset = position.pool.map_or("", |asset| asset.as_str());
    let what = format!(
        "{}: beyond its {} {asset} the rest of the wallet pays {} {asset} ({} of the pool) before it \
         ends.",
        position.symbol,
        money(figures.ticket),
        money(figures.spill),
        percent(fraction.get(), Careful::Up)
    );
    text(
        what,
        format!("Reduce {} or set it to isolated.", position.symbol),
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn isolated_required(symbol: &Symbol) -> Text {
    text(
        format!("{symbol} is crossed although your policy wants it isolated."),
        format!("Close its orders and position, then set {symbol} to isolated."),
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn funding(
    position: &SeenPosition<'_>,
    cost: Amount,
    in_ms: i64,
    fraction: Rate,
) -> Text {
    let asset = position.pool.map_or("", |asset| asset.as_str());
    let minutes = in_ms.div_euclid(60_000);
    let what = format!(
        "In {minutes} min the funding of {} costs {} {asset}, {} of the pool.",
        position.symbol,
        money(cost),
        percent(fraction.get(), Careful::Up)
    );
    text(
        what,
        format!("Reduce {} before then, or accept it.", position.symbol),
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn mark_jump(position: &SeenPosition<'_>, before: Decimal, moved: Decimal) -> Text {
    let way = if moved.is_sign_negative() {
        "fell"
    } else {
        "rose"
    };
    let what = format!(
        "The mark of {} {way} {} within a minute, from {} to {}.",
        position.symbol,
        percent(moved.abs(), Careful::Up),
        before.normalize(),
        position.figures.mark.price().get().normalize()
    );
    text(
        what,
        "Look at your positions; the exchange liquidates on this price.",
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn order_would_break(order: &SeenOrder<'_>, after: Rate) -> Text {
    let what = format!(
        "If the working order {} filled, {} would be left to the liquidation of the {} pool.",
        order_words(order.order),
        percent(after.get(), Careful::Down),
        order.pool
    );
    text(
        what,
        format!(
            "Cancel it or make it smaller (order {}).",
            order_number(order.order)
        ),
        Some(ORDERS.to_owned()),
    )
}

pub(super) fn modes_changed((position, asset): (PositionMode, AssetMode)) -> Text {
    let position = match position {
        PositionMode::OneWay => "one-way",
        PositionMode::Hedge => "hedge",
    };
    let asset = match asset {
        AssetMode::Single => "single-asset",
        AssetMode::Multi => "multi-assets",
    };
    text(
        format!("The account was switched: it is now in {position} and {asset} mode."),
        "If that was not you, look who has access to the account.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn settings_changed(symbol: &Symbol, before: Settings, after: Settings) -> Option<Text> {
    let mode = |mode| match mode {
        MarginMode::Crossed => "crossed",
        MarginMode::Isolated => "isolated",
    };
    let mut changes = Vec::new();
    if before.leverage != after.leverage {
        let (before, after) = (before.leverage.get(), after.leverage.get());
        changes.push(format!("leverage {before}x is now {after}x"));
    }
    if before.margin_mode != after.margin_mode {
        let (before, after) = (mode(before.margin_mode), mode(after.margin_mode));
        changes.push(format!("{before} is now {after}"));
    }
    if before.auto_add_margin != after.auto_add_margin {
        let now = if after.auto_add_margin { "on" } else { "off" };
        changes.push(format!("automatic margin addition is now {now}"));
    }
    if changes.is_empty() {
        return None;
    }
    Some(text(
        format!("{symbol}: {}.", changes.join(", ")),
        "If that was not you, look who has access to the account.",
        Some(POSITIONS.to_owned()),
    ))
}

pub(super) fn key_refused(refusal: &KeyRefusal) -> Text {
    text(
        format!(
            "The exchange refuses the API key ({}). The guard is blind and rejects new risk.",
            refusal.detail
        ),
        "Check the key, its permissions and the addresses it may be used from.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn stale(not_ready: &NotReady, exposed: bool) -> Text {
    let held = if exposed {
        " Positions or orders are open."
    } else {
        ""
    };
    text(
        format!("The guard does not see the account: {not_ready}.{held}"),
        "Watch the account at the exchange until this is over; new risk is rejected, exits pass.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn unguarded(order: &OpenOrder) -> Text {
    text(
        format!(
            "An order was placed that never asked the guard: {} (order {}, {:?}).",
            order_words(order),
            order_number(order),
            order.client_order_id
        ),
        "If that was not you, cancel it and look who has access to the account.",
        Some(ORDERS.to_owned()),
    )
}

pub(super) fn forced(symbol: &Symbol, origin: OrderOrigin) -> Text {
    let what = match origin {
        OrderOrigin::Liquidation => "liquidates",
        OrderOrigin::AutoDeleveraging => "deleverages",
        OrderOrigin::Settlement => "settles",
        OrderOrigin::Client => "trades",
    };
    text(
        format!("The exchange {what} {symbol} by itself."),
        "Look at what is left and whether a hedge is gone; new risk is rejected until it is over.",
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn protection_lost(order: &OpenOrder, refusal: &str) -> Text {
    text(
        format!(
            "A protective order was refused when it should have fired ({refusal}): {}. The position \
             stands without it.",
            order_words(order)
        ),
        format!("Close or protect {} now.", order.symbol),
        Some(POSITIONS.to_owned()),
    )
}

pub(super) fn requirement_rose(symbol: &Symbol, before: Amount, after: Amount) -> Text {
    text(
        format!(
            "New brackets of {symbol}: what is held now needs {} of maintenance margin instead of {}.",
            money(after),
            money(before)
        ),
        "Look at the distance; every price of liquidation came nearer.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn margin_call(symbols: &[Symbol]) -> Text {
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    text(
        format!("The exchange warns of liquidation: {}.", names.join(", ")),
        "Reduce or add margin now.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn drifted(drift: &Drift) -> Text {
    let first = drift.differences.first().map_or_else(String::new, |first| {
        format!(": {} was {}, is {}", first.what, first.ours, first.theirs)
    });
    text(
        format!("A read of the whole account found what no event had told{first}."),
        "The guard corrected itself. If it happens again, tell us.",
        Some(LOOK.to_owned()),
    )
}

pub(super) fn orders_drifted(unheard: usize, vanished: usize) -> Text {
    text(
        format!(
            "A read of the order books found {unheard} orders that no event had told of; {vanished} \
             had vanished."
        ),
        "Look whether you know these orders.",
        Some(ORDERS.to_owned()),
    )
}

pub(super) fn account_empty() -> Text {
    text(
        "The exchange suddenly reports an empty account without an event. It is not believed yet."
            .to_owned(),
        "Look at the account at the exchange.",
        Some(LOOK.to_owned()),
    )
}
