//! What must hold of every account, whatever is in it: each property is a test of its own, on random
//! accounts of one to forty positions over real bracket tables, in both position modes and both asset
//! modes. `property_cases` makes them.

use crossguard::margin::account::{MarginMode, PositionMode, PositionSide, Quotes, Side, Symbol};
use crossguard::margin::amount::{Amount, Notional, Price, Quantity, Rate, round};
use crossguard::margin::book::Book;
use crossguard::margin::cost::{largest_order, order_cost, position_cap};
use crossguard::margin::liquidation::Direction;
use crossguard::margin::order::{OrderIntent, OrderKind};
use crossguard::margin::position::assess_positions;
use crossguard::margin::project::{Assumptions, fill};
use crossguard::scenario::{MarginType, Statement};
use rust_decimal::Decimal;

use crate::property_cases::{
    assess, assess_if_it_fits, ensure, for_all, horizon, moved, near, quantity_of,
};
use crate::rig::{Rig, asset};

#[test]
fn property_at_either_liquidation_price_the_margin_balance_is_the_maintenance_margin() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Crossed) {
            let prices = case.book.liquidation_prices(&symbol).unwrap().unwrap();
            let mark = case.book.state(symbol.as_str()).unwrap().mark.unwrap();
            for direction in [Direction::Down, Direction::Up] {
                // Beyond a billion times the mark more digits are needed than there are.
                let Some(price) = prices.on(direction).map(|price| round(price.get(), 12)) else {
                    continue;
                };
                if price > Decimal::from(100_000_000) {
                    continue;
                }
                let pool = case.pool_of(&symbol);
                let Some(there) = assess_if_it_fits(&moved(&case.book, &symbol, price), &pool)
                else {
                    continue;
                };
                // In USD a coin of the quote asset is worth many.
                let weight = if case.is_multi {
                    Decimal::from(10_000)
                } else {
                    Decimal::ONE
                };
                let quantity = quantity_of(&case.book, &symbol) * weight;
                ensure(near(there.headroom.get(), Decimal::ZERO, quantity), || {
                    format!("{symbol} at {price}: headroom {}", there.headroom)
                })?;
                let middle = round((price + mark.price().get()) / Decimal::TWO, 10);
                let Some(between) = assess_if_it_fits(&moved(&case.book, &symbol, middle), &pool)
                else {
                    continue;
                };
                ensure(between.headroom.is_positive(), || {
                    format!(
                        "{symbol} at {middle}, between: headroom {}",
                        between.headroom
                    )
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_an_isolated_leg_has_its_maintenance_margin_left_at_its_price() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Isolated) {
            let what_if = case.book.what_if(&symbol).unwrap();
            for position in assess_positions(&what_if, &symbol, horizon()).unwrap() {
                for direction in [Direction::Down, Direction::Up] {
                    let Some(price) = position.liquidation.on(direction) else {
                        continue;
                    };
                    let price = round(price.get(), 12);
                    let there = moved(&case.book, &symbol, price);
                    let there = there.what_if(&symbol).unwrap();
                    let there = assess_positions(&there, &symbol, horizon()).unwrap();
                    let side = position.position_side;
                    let leg = there.iter().find(|one| one.position_side == side).unwrap();
                    let equity = leg.leg.isolated_wallet.plus(leg.unrealized_pnl).unwrap();
                    let left = equity.minus(leg.maintenance_margin).unwrap();
                    let quantity = position.leg.quantity.abs().get();
                    ensure(near(left.get(), Decimal::ZERO, quantity), || {
                        format!("{symbol} {side:?} at {price}: {left} left")
                    })?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn property_maintenance_margin_is_continuous_across_every_edge() {
    for_all(|case| {
        let step = Decimal::new(1, 8);
        for (symbol, state) in case.book.symbols() {
            let table = state.brackets.as_ref().unwrap();
            for bracket in table.brackets() {
                let at = |notional: Decimal| {
                    let margin = table.maintenance_margin(Notional::new(notional));
                    margin.unwrap().get()
                };
                let cap = bracket.cap.get();
                let (below, edge, above) = (at(cap - step), at(cap), at(cap + step));
                ensure(edge > below && edge - below <= step, || {
                    format!("{symbol} below {cap}")
                })?;
                ensure(above > edge && above - edge <= step, || {
                    format!("{symbol} above {cap}")
                })?;
            }
        }
        Ok(())
    });
}

fn order(symbol: &Symbol, side: Side, leg: PositionSide, quantity: Decimal) -> OrderIntent {
    OrderIntent {
        symbol: symbol.clone(),
        side,
        position_side: leg,
        kind: OrderKind::Market,
        quantity: Some(Quantity::new(quantity)),
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    }
}

/// Filled at the mark, with a taker fee of 5 bp.
const AT_MARK: Assumptions = Assumptions {
    market_slippage: Rate::ZERO,
    taker_fee: Rate::new(Decimal::from_parts(5, 0, 0, false, 4)),
};

#[test]
fn property_a_reducing_order_never_lowers_headroom_by_more_than_its_fee() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Crossed) {
            let legs = case.book.state(symbol.as_str()).unwrap().legs;
            for (side, leg) in legs.held() {
                let closing = if leg.quantity.is_negative() {
                    Side::Buy
                } else {
                    Side::Sell
                };
                let part = Decimal::new(case.dice.between(1, 100), 2);
                let quantity = round(leg.quantity.abs().get() * part, 6);
                let mut intent = order(&symbol, closing, side, quantity);
                intent.reduce_only = side == PositionSide::Both;
                let mut what_if = case.book.what_if(&symbol).unwrap();
                let filled = fill(&mut what_if, &intent, AT_MARK).unwrap();
                let pool = case.pool_of(&symbol);
                let before = assess(&case.book, &pool).headroom;
                let after = what_if.assess(horizon()).unwrap().headroom;
                // In USD the fee counts at the ask at most, and a loss that was not realised yet
                // changes neither its asset nor its sign.
                let state = case.book.state(symbol.as_str()).unwrap();
                let quote = state.margin_asset.as_ref().unwrap();
                let fee = match case.book.collateral(quote.as_str()).rate {
                    Some(rate) if case.is_multi => rate.charge(filled.fee).unwrap(),
                    _ => filled.fee,
                };
                let noise = Amount::new(Decimal::new(1, 12));
                let floor = before.minus(fee).unwrap().minus(noise).unwrap();
                ensure(after >= floor, || {
                    format!("{symbol} {intent:?}: {before} {after} {fee}")
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_a_transfer_in_never_lowers_headroom() {
    for_all(|case| {
        for name in ["USDT", "USDC", "BTC"] {
            let Some((wallet, cross)) = case.book.balances(name) else {
                continue;
            };
            let amount = Amount::new(Decimal::new(case.dice.between(1, 1_000_000_000), 4));
            let mut richer = case.book.clone();
            let more = |money: Amount| money.plus(amount).unwrap();
            richer.set_balances(&asset(name), more(wallet), more(cross));
            for pool in case.pools() {
                let (before, after) = (assess(&case.book, pool), assess(&richer, pool));
                ensure(after.headroom >= before.headroom, || {
                    format!("{name} into {pool}")
                })?;
                ensure(after.available_balance >= before.available_balance, || {
                    format!("{name} into {pool}: available")
                })?;
                if pool == name {
                    let raised = after.headroom.minus(before.headroom).unwrap();
                    ensure(raised == amount, || format!("{pool} rose by {raised}"))?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn property_margin_added_to_an_isolated_position_is_taken_from_the_pool() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Isolated) {
            let name = case.pool_of(&symbol);
            let amount = Amount::new(Decimal::new(case.dice.between(1, 100_000_000), 8));
            let mut after = case.book.clone();
            let (wallet, cross) = after.balances(&name).unwrap();
            after.set_balances(&asset(&name), wallet, cross.minus(amount).unwrap());
            let id = after.id(symbol.as_str()).unwrap();
            let side = after
                .state(symbol.as_str())
                .unwrap()
                .legs
                .held()
                .next()
                .unwrap()
                .0;
            after.change(id, |state| {
                let leg = state.legs.get_mut(side);
                leg.isolated_wallet = leg.isolated_wallet.plus(amount).unwrap();
            });
            let left = |book: &Book| {
                let what_if = book.what_if(&symbol).unwrap();
                let positions = assess_positions(&what_if, &symbol, horizon()).unwrap();
                let leg = positions
                    .iter()
                    .find(|one| one.position_side == side)
                    .unwrap();
                let equity = leg.leg.isolated_wallet.plus(leg.unrealized_pnl).unwrap();
                equity.minus(leg.maintenance_margin).unwrap()
            };
            let raised = left(&after).minus(left(&case.book)).unwrap();
            let (before, then) = (assess(&case.book, &name), assess(&after, &name));
            let fell = before.headroom.minus(then.headroom).unwrap();
            let fenced = then.ring_fenced.minus(before.ring_fenced).unwrap();
            ensure(
                raised == amount && fell == amount && fenced == amount,
                || {
                    format!(
                        "{symbol}: {amount} added, {raised} raised, {fell} fell, {fenced} fenced"
                    )
                },
            )?;
        }
        Ok(())
    });
}

#[test]
fn property_splitting_an_order_in_two_gives_the_same_end() {
    for_all(|case| {
        let symbols: Vec<Symbol> = case.book.symbols().map(|(name, _)| name.clone()).collect();
        for symbol in symbols {
            let hedge = case.book.position_mode() == PositionMode::Hedge;
            let leg = match (hedge, case.dice.once_in(2)) {
                (false, _) => PositionSide::Both,
                (true, true) => PositionSide::Long,
                (true, false) => PositionSide::Short,
            };
            let side = if case.dice.once_in(2) {
                Side::Buy
            } else {
                Side::Sell
            };
            let held = case
                .book
                .state(symbol.as_str())
                .unwrap()
                .legs
                .get(leg)
                .quantity
                .abs();
            let first = round(held.get() * Decimal::new(case.dice.between(1, 150), 2), 2);
            let first = first.max(Decimal::ONE);
            let second = first * Decimal::from(case.dice.between(1, 3));
            let mut whole = case.book.what_if(&symbol).unwrap();
            let at_once = fill(
                &mut whole,
                &order(&symbol, side, leg, first + second),
                AT_MARK,
            );
            let mut split = case.book.what_if(&symbol).unwrap();
            let halves = fill(&mut split, &order(&symbol, side, leg, first), AT_MARK)
                .and_then(|_| fill(&mut split, &order(&symbol, side, leg, second), AT_MARK));
            if at_once.is_err() || halves.is_err() {
                return Err(format!("{symbol}: {at_once:?} {halves:?}"));
            }
            let (whole, split) = (
                whole.assess(horizon()).unwrap(),
                split.assess(horizon()).unwrap(),
            );
            let rows = [
                ("margin balance", whole.margin_balance, split.margin_balance),
                (
                    "maintenance",
                    whole.maintenance_margin,
                    split.maintenance_margin,
                ),
                ("initial margin", whole.initial_margin, split.initial_margin),
                (
                    "available",
                    whole.available_balance,
                    split.available_balance,
                ),
                ("ring-fenced", whole.ring_fenced, split.ring_fenced),
            ];
            for (name, whole, split) in rows {
                let apart = whole.minus(split).unwrap().abs().get();
                ensure(apart <= Decimal::new(1, 8), || {
                    format!("{symbol} {side:?} {leg:?} {first} + {second}: {name} {whole} {split}")
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_an_isolated_mark_never_moves_crossed_figures() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Isolated) {
            let state = case.book.state(symbol.as_str()).unwrap();
            if !state.resting.is_empty() {
                // What its orders reserve in the pool follows its mark by the netting rule.
                continue;
            }
            let mark = state.mark.unwrap().price().get();
            let price = round(mark * Decimal::new(case.dice.between(10, 300), 2), 8);
            let after = moved(&case.book, &symbol, price);
            for pool in case.pools() {
                let (before, after) = (assess(&case.book, pool), assess(&after, pool));
                ensure(before == after, || {
                    format!("{symbol} to {price}: {before:?} {after:?}")
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_scaling_all_money_scales_all_money() {
    for_all(|case| {
        let tenth = Decimal::new(1, 1);
        let mut scaled = case.scenario.clone();
        for line in &mut scaled.lines {
            match &mut line.statement {
                Statement::Wallet { amount, .. } => *amount *= tenth,
                Statement::Position(position) => {
                    position.amount *= tenth;
                    position.isolated_wallet =
                        position.isolated_wallet.map(|wallet| wallet * tenth);
                }
                Statement::Order(order) => order.quantity = order.quantity.map(|all| all * tenth),
                Statement::Brackets { tiers, .. } => {
                    for tier in tiers {
                        tier.floor *= tenth;
                        tier.cap *= tenth;
                    }
                }
                _ => {}
            }
        }
        let (rig, _) = Rig::from_scenario(&scaled);
        let scaled = rig.core.mirror().book();
        for pool in case.pools() {
            let (one, all) = (assess(&case.book, pool), assess(scaled, pool));
            let money = [
                ("margin balance", one.margin_balance, all.margin_balance),
                (
                    "maintenance",
                    one.maintenance_margin,
                    all.maintenance_margin,
                ),
                ("initial margin", one.initial_margin, all.initial_margin),
                ("available", one.available_balance, all.available_balance),
                ("headroom", one.headroom, all.headroom),
                ("ring-fenced", one.ring_fenced, all.ring_fenced),
            ];
            for (name, one, all) in money {
                let apart = (one.get() * tenth - all.get()).abs();
                ensure(apart <= Decimal::new(1, 10), || {
                    format!("{pool} {name}: {one} {all}")
                })?;
            }
            let rates = [
                (one.margin_ratio, all.margin_ratio),
                (one.account_leverage, all.account_leverage),
                (one.survival.distance(), all.survival.distance()),
            ];
            for (one, all) in rates {
                let same = match (one, all) {
                    (Some(one), Some(all)) => {
                        (one.get() - all.get()).abs()
                            <= Decimal::new(1, 10) * one.get().max(Decimal::ONE)
                    }
                    (one, all) => one == all,
                };
                ensure(same, || format!("{pool}: {one:?} {all:?}"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_running_sums_are_the_sums_made_anew() {
    for_all(|case| {
        for pool in case.pools() {
            let running = case.book.balance_sheet(&asset(pool)).unwrap();
            let anew = case.book.balance_sheet_anew(&asset(pool)).unwrap();
            ensure(running == anew, || format!("{pool}: {running:?} {anew:?}"))?;
        }
        ensure(case.book.prove().is_empty(), || "proved wrong".to_owned())
    });
}

#[test]
fn property_the_sums_of_plain_pools_made_anew_are_the_running_sums() {
    for_all(|case| {
        // Without orders and without isolated positions the sums anew go a shorter way.
        let mut plain = case.scenario.clone();
        plain.lines.retain_mut(|line| match &mut line.statement {
            Statement::Position(position) => {
                position.margin_type = MarginType::Crossed;
                position.isolated_wallet = None;
                true
            }
            Statement::MarginType { .. } | Statement::Order(_) => false,
            _ => true,
        });
        let (rig, _) = Rig::from_scenario(&plain);
        let book = rig.core.mirror().book();
        for pool in case.pools() {
            let running = book.balance_sheet(&asset(pool)).unwrap();
            let anew = book.balance_sheet_anew(&asset(pool)).unwrap();
            ensure(running == anew, || format!("{pool}: {running:?} {anew:?}"))?;
        }
        Ok(())
    });
}

/// A last price and a book a little off the mark, on the side that makes orders dearer.
fn quotes_about(mark: Decimal) -> Quotes {
    let at = |percent: i64| Some(Price::new(round(mark * Decimal::new(percent, 2), 8)));
    Quotes {
        last: at(102),
        best_bid: at(100),
        best_ask: at(103),
    }
}

#[test]
fn property_the_largest_order_is_paid_for_and_within_the_cap() {
    for_all(|case| {
        let mode = case.book.position_mode();
        for (symbol, state) in case.book.symbols() {
            let what_if = case.book.what_if(symbol).unwrap();
            let mut available = what_if.available_balance().unwrap();
            if state.settings.unwrap().margin_mode == MarginMode::Isolated {
                available = available.min(what_if.cross_wallet_balance().unwrap());
            }
            let available = available.floored();
            let mark = state.mark.unwrap().price().get();
            for (side, leg, factor) in [
                (Side::Buy, PositionSide::Long, 99),
                (Side::Sell, PositionSide::Short, 101),
            ] {
                // On the good side of the mark, so that nothing is lost by opening.
                let price = Price::new(round(mark * Decimal::new(factor, 2), 8));
                let leg = match mode {
                    PositionMode::OneWay => PositionSide::Both,
                    PositionMode::Hedge => leg,
                };
                let mut intent = order(symbol, side, leg, Decimal::ONE);
                intent.kind = OrderKind::Limit { price };
                let quotes = quotes_about(mark);
                let largest =
                    largest_order(state, mode, &intent, price, available, quotes).unwrap();
                if largest.is_zero() {
                    continue;
                }
                intent.quantity = Some(largest);
                let filled = fill(&mut what_if.clone(), &intent, AT_MARK).unwrap();
                let cost = order_cost(state, mode, &intent, &filled, quotes).unwrap();
                ensure(cost.cost <= available, || {
                    format!(
                        "{symbol} {side:?} {largest}: costs {} of {available}",
                        cost.cost
                    )
                })?;
                let cap = position_cap(state).unwrap();
                ensure(cost.present_notional <= cap, || {
                    format!(
                        "{symbol} {side:?} {largest}: {} of {cap}",
                        cost.present_notional
                    )
                })?;
            }
        }
        Ok(())
    });
}
