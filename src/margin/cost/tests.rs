//! Costs and largest orders. Expectations: fractions worked by hand in the comments.

use super::*;
use crate::margin::account::{Leg, MarginMode, RestingTotals, Settings, Symbol};
use crate::margin::amount::MarkPrice;
use crate::margin::bracket::tests::bitcoin;
use crate::margin::order::OrderKind;
use std::sync::Arc;

/// BTC at 10,000, 10x, with this position and these resting notionals.
fn state(held: &str, buys: &str, sells: &str, leverage: u32) -> SymbolState {
    let price = |text: &str| Price::parse(text).unwrap();
    let mut state = SymbolState {
        settings: Some(Settings {
            leverage: Leverage::new(leverage).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: None,
        }),
        mark: MarkPrice::new(price("10000")),
        brackets: Some(Arc::new(bitcoin())),
        resting: RestingTotals {
            buy_notional: Notional::parse(buys).unwrap(),
            sell_notional: Notional::parse(sells).unwrap(),
            ..RestingTotals::default()
        },
        ..SymbolState::default()
    };
    let held = Quantity::parse(held).unwrap();
    state.legs.both = Leg::new(held, price("10000"), Amount::ZERO).unwrap();
    state
}

fn order(side: Side, limit: &str) -> OrderIntent {
    OrderIntent {
        symbol: Symbol::new("BTCUSDT").unwrap(),
        side,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse(limit).unwrap(),
        },
        quantity: None,
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    }
}

fn largest(state: &SymbolState, mode: PositionMode, intent: &OrderIntent, money: &str) -> String {
    let price = intent
        .kind
        .limit_price()
        .unwrap_or(state.mark.unwrap().price());
    let money = Amount::parse(money).unwrap();
    largest_order(state, mode, intent, price, money, Quotes::default())
        .unwrap()
        .to_string()
}

fn one_way(state: &SymbolState, side: Side, limit: &str, money: &str) -> String {
    largest(state, PositionMode::OneWay, &order(side, limit), money)
}

#[test]
fn a_flat_account_can_buy_what_its_margin_carries() {
    let flat = state("0", "0", "0", 10);
    // 1,000 ÷ (9,000 × 0.1).
    assert_eq!(one_way(&flat, Side::Buy, "9000", "1000"), "1.11111111");
    // A bid above the mark loses 100 per coin at once: 1,000 ÷ (10,100 × 0.1 + 100).
    assert_eq!(one_way(&flat, Side::Buy, "10100", "1000"), "0.9009009");
    // A sell counts 10,015 at least, and 200 of loss per coin: 1,000 ÷ (1,001.5 + 200).
    assert_eq!(one_way(&flat, Side::Sell, "9800", "1000"), "0.83229296");
    assert_eq!(one_way(&flat, Side::Sell, "11000", "1000"), "0.9090909");
    assert_eq!(one_way(&flat, Side::Buy, "9000", "0"), "0");
}

#[test]
fn the_other_side_is_free_up_to_twice_the_position() {
    // Short 1 with nothing available: present 10,000, own side −10,000: (0 + 1,000 + 1,000) ÷ 1,000.
    let short = state("-1", "0", "0", 10);
    assert_eq!(one_way(&short, Side::Buy, "10000", "0"), "2");
    // 100 above the mark: the coin that closes opens no loss: (2,000 + 1 × 100) ÷ (1,010 + 100).
    assert_eq!(one_way(&short, Side::Buy, "10100", "0"), "1.89189189");
    // More of the same side needs margin: 500 ÷ 1,001.5.
    assert_eq!(one_way(&short, Side::Sell, "10000", "500"), "0.49925112");
    // Resting buys of 15,000 used the free room up to 5,000 of it: (0 + 1,000 − 500) ÷ 1,000.
    let waiting = state("-1", "15000", "0", 10);
    assert_eq!(one_way(&waiting, Side::Buy, "10000", "0"), "0.5");
    // Long 2, sells of 30,000 rest: present 20,000, own 10,000: (100 + 2,000 − 1,000) ÷ 1,001.5.
    let long = state("2", "0", "30000", 10);
    assert_eq!(one_way(&long, Side::Sell, "10000", "100"), "1.09835247");
}

#[test]
fn the_position_cap_ends_it_before_the_margin_does() {
    // 125x holds 50,000 at most: of 1,000,000 of margin 4 more than the coin held at 10,000.
    let long = state("1", "0", "0", 125);
    assert_eq!(one_way(&long, Side::Buy, "10000", "1000000"), "4");
    // The other way 50,000 short: 6 at the assuming price would be 60,090.
    assert_eq!(one_way(&long, Side::Sell, "10000", "1000000"), "5.99101347");
    // What the other side could come to breaks the cap already.
    let full = state("1", "0", "70000", 125);
    assert_eq!(one_way(&full, Side::Buy, "10000", "1000000"), "0");
    // Told less than the table says, the exchange is believed.
    let mut told = long;
    told.settings.as_mut().unwrap().notional_max = Notional::parse("30000").ok();
    assert_eq!(one_way(&told, Side::Buy, "10000", "1000000"), "2");
}

#[test]
fn a_leverage_that_does_not_divide_evenly_is_counted_up() {
    // 1 ÷ 3 counts 0.3334: 1,000 ÷ 3,334.
    let flat = state("0", "0", "0", 3);
    assert_eq!(one_way(&flat, Side::Buy, "10000", "1000"), "0.29994001");
}

#[test]
fn hedge_legs_do_not_net() {
    let mut both = state("0", "20000", "0", 10);
    let price = Price::parse("10000").unwrap();
    let leg =
        |quantity: &str| Leg::new(Quantity::parse(quantity).unwrap(), price, Amount::ZERO).unwrap();
    both.legs.long = leg("1");
    both.legs.short = leg("-1");
    let mut intent = order(Side::Sell, "11000");
    intent.position_side = PositionSide::Short;
    // 1,100 ÷ 1,100, whatever the other leg is.
    assert_eq!(largest(&both, PositionMode::Hedge, &intent, "1100"), "1");
    // 100x holds 250,000; 40,000 are there: 210,000 ÷ 11,000.
    both.settings.as_mut().unwrap().leverage = Leverage::new(100).unwrap();
    let most = largest(&both, PositionMode::Hedge, &intent, "9999999");
    assert_eq!(most, "19.09090909");
}

#[test]
fn a_sell_whose_price_the_book_decides_counts_at_the_ask_and_loses_to_the_bid() {
    // The book stands at 9,900 to 10,100 about a mark of 10,000. Priced at the ask: 1,010 of margin at 10x, more than
    // 1,001.5; priced at the bid: 100 of loss. 1,110 pays for one.
    let flat = state("0", "0", "0", 10);
    let price = |text: &str| Price::parse(text).ok();
    let quotes = Quotes {
        last: None,
        best_bid: price("9900"),
        best_ask: price("10100"),
    };
    let mut intent = order(Side::Sell, "1");
    intent.kind = OrderKind::PriceMatched;
    let mark = flat.mark.unwrap().price();
    let money = Amount::parse("1110").unwrap();
    let matched = largest_order(&flat, PositionMode::OneWay, &intent, mark, money, quotes);
    assert_eq!(matched.unwrap().to_string(), "1");
    // A market sell fills at once and counts at max(bid, mark), here 1.0015 of the mark, without a loss.
    intent.kind = OrderKind::Market;
    let market = largest_order(&flat, PositionMode::OneWay, &intent, mark, money, quotes);
    assert_eq!(market.unwrap().to_string(), "1.10833749");
}
