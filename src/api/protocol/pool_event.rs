//! A pool's figures as they go out with every mark.
//!
//! Owns: writing them without the detour through a serialiser: the names are constants, and a figure
//! has nothing to escape. A test holds the bytes against the serialiser's.
//! Must not know: what any of them means.

use super::figure::Figure;
use super::pool::{FirstKiller, PoolFigures, WalletAtRisk};

/// Appends `"name":` with the sign that belongs before it.
macro_rules! name {
    ($out:ident, $before:literal, $name:literal) => {
        $out.extend_from_slice(concat!($before, "\"", $name, "\":").as_bytes())
    };
}

/// Appends figures under their names, none of them the first of its object.
macro_rules! figures {
    ($out:ident, $($name:literal: $figure:expr),+ $(,)?) => {
        $(
            name!($out, ",", $name);
            Figure::write_to(*$figure, $out);
        )+
    };
}

/// Appends the data of an `account` event: these pools.
pub fn write_account_event<'a>(
    pools: impl Iterator<Item = PoolFigures<'a>>,
    out: &mut Vec<u8>,
) -> Option<()> {
    name!(out, "{", "pools");
    out.push(b'[');
    for (place, pool) in pools.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_pool(&pool, out)?;
    }
    out.extend_from_slice(b"]}");
    Some(())
}

/// Appends a pool.
pub(super) fn write_pool(pool: &PoolFigures<'_>, out: &mut Vec<u8>) -> Option<()> {
    // Taken apart whole: a figure that is added must be added here.
    let PoolFigures {
        asset,
        cross_wallet_balance,
        cross_unrealized_pnl,
        margin_balance,
        position_initial_margin,
        open_order_initial_margin,
        initial_margin,
        maintenance_margin,
        available_balance,
        max_withdraw_amount,
        margin_ratio,
        headroom,
        distance,
        wallet_at_risk,
        ring_fenced,
        first_killer,
        common_move,
        common_move_direction,
        notional_gross,
        notional_net,
        account_leverage,
        liquidatable,
    } = pool;
    name!(out, "{", "asset");
    write_text(asset, out)?;
    figures!(out,
        "crossWalletBalance": cross_wallet_balance,
        "crossUnPnl": cross_unrealized_pnl,
        "marginBalance": margin_balance,
        "positionInitialMargin": position_initial_margin,
        "openOrderInitialMargin": open_order_initial_margin,
        "initialMargin": initial_margin,
        "maintMargin": maintenance_margin,
        "availableBalance": available_balance,
        "maxWithdrawAmount": max_withdraw_amount,
        "marginRatio": margin_ratio,
        "headroom": headroom,
        "distance": distance,
    );
    name!(out, ",", "walletAtRisk");
    write_or_null(wallet_at_risk.as_ref(), out, write_wallet_at_risk)?;
    figures!(out, "ringFenced": ring_fenced);
    name!(out, ",", "firstKiller");
    write_or_null(first_killer.as_ref(), out, write_first_killer)?;
    figures!(out, "commonMove": common_move);
    name!(out, ",", "commonMoveDirection");
    write_or_null(common_move_direction.as_deref(), out, write_text)?;
    figures!(out,
        "notionalGross": notional_gross,
        "notionalNet": notional_net,
        "accountLeverage": account_leverage,
    );
    name!(out, ",", "liquidatable");
    let liquidatable = if *liquidatable { "true}" } else { "false}" };
    out.extend_from_slice(liquidatable.as_bytes());
    Some(())
}

fn write_wallet_at_risk(risk: &WalletAtRisk<'_>, out: &mut Vec<u8>) -> Option<()> {
    let WalletAtRisk {
        amount,
        fraction,
        share,
        by,
        direction,
        symbol,
    } = risk;
    name!(out, "{", "amount");
    amount.write_to(out);
    figures!(out, "fraction": fraction, "shareOfEverything": share, "move": by);
    name!(out, ",", "direction");
    write_or_null(direction.as_deref(), out, write_text)?;
    name!(out, ",", "symbol");
    write_or_null(symbol.as_deref(), out, write_text)?;
    out.push(b'}');
    Some(())
}

fn write_first_killer(killer: &FirstKiller<'_>, out: &mut Vec<u8>) -> Option<()> {
    let FirstKiller {
        symbol,
        direction,
        by,
        price,
    } = killer;
    name!(out, "{", "symbol");
    write_text(symbol, out)?;
    name!(out, ",", "direction");
    write_text(direction, out)?;
    figures!(out, "move": by, "price": price);
    out.push(b'}');
    Some(())
}

fn write_or_null<T: ?Sized>(
    value: Option<&T>,
    out: &mut Vec<u8>,
    write: impl FnOnce(&T, &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    match value {
        Some(value) => write(value, out),
        None => {
            out.extend_from_slice(b"null");
            Some(())
        }
    }
}

/// Names come from the exchange: whatever they contain is escaped.
fn write_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    serde_json::to_writer(out, text).ok()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::api::protocol::notice::AccountEvent;

    fn figure() -> impl Strategy<Value = Figure> {
        let known = (any::<i64>(), 0_u32..=18).prop_map(|(mantissa, scale)| {
            Figure::exact(Decimal::from_i128_with_scale(mantissa.into(), scale))
        });
        prop_oneof![4 => known, 1 => Just(Figure::NONE)]
    }

    fn text() -> impl Strategy<Value = Cow<'static, str>> {
        "[A-Z0-9\"\\\\\u{1}é]{0,8}".prop_map(Cow::Owned)
    }

    prop_compose! {
        fn risk()(
            figures in proptest::collection::vec(figure(), 4),
            direction in proptest::option::of(text()),
            symbol in proptest::option::of(text()),
        ) -> WalletAtRisk<'static> {
            WalletAtRisk {
                amount: figures[0],
                fraction: figures[1],
                share: figures[2],
                by: figures[3],
                direction,
                symbol,
            }
        }
    }

    prop_compose! {
        fn killer()(
            symbol in text(), direction in text(), by in figure(), price in figure(),
        ) -> FirstKiller<'static> {
            FirstKiller { symbol, direction, by, price }
        }
    }

    prop_compose! {
        fn pool()(
            asset in text(),
            figures in proptest::collection::vec(figure(), 17),
            wallet_at_risk in proptest::option::of(risk()),
            first_killer in proptest::option::of(killer()),
            common_move_direction in proptest::option::of(text()),
            liquidatable in any::<bool>(),
        ) -> PoolFigures<'static> {
            PoolFigures {
                asset,
                cross_wallet_balance: figures[0],
                cross_unrealized_pnl: figures[1],
                margin_balance: figures[2],
                position_initial_margin: figures[3],
                open_order_initial_margin: figures[4],
                initial_margin: figures[5],
                maintenance_margin: figures[6],
                available_balance: figures[7],
                max_withdraw_amount: figures[8],
                margin_ratio: figures[9],
                headroom: figures[10],
                distance: figures[11],
                wallet_at_risk,
                ring_fenced: figures[12],
                first_killer,
                common_move: figures[13],
                common_move_direction,
                notional_gross: figures[14],
                notional_net: figures[15],
                account_leverage: figures[16],
                liquidatable,
            }
        }
    }

    proptest! {
        #[test]
        fn it_writes_what_the_serialiser_writes(pools in proptest::collection::vec(pool(), 0..3)) {
            let mut written = Vec::new();
            write_account_event(pools.iter().cloned(), &mut written).unwrap();
            let by_serialiser = serde_json::to_string(&AccountEvent { pools }).unwrap();
            prop_assert_eq!(String::from_utf8(written).unwrap(), by_serialiser);
        }
    }
}
