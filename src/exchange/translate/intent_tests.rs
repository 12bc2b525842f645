//! Orders as bots spell them (binance-api §4.5, §4.6, §9).

use super::*;
use crate::margin::amount::Rate;

fn read(text: &str) -> Result<OrderIntent, ParamError> {
    let parameters: Vec<_> = text
        .split_whitespace()
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (Cow::Borrowed(name), Cow::Borrowed(value))
        })
        .collect();
    order_intent(&parameters)
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn refused(text: &str) -> (String, String) {
    let error = read(text).unwrap_err();
    (error.field, error.message)
}

const BUY: &str = "symbol=BTCUSDT side=BUY quantity=0.5";

#[test]
fn every_kind_is_read() {
    let (trigger, limit) = (price("57000"), price("56900.5"));
    let table = [
        ("type=MARKET", OrderKind::Market),
        (
            "type=LIMIT price=56900.5 timeInForce=GTC",
            OrderKind::Limit { price: limit },
        ),
        ("type=LIMIT priceMatch=QUEUE_5", OrderKind::PriceMatched),
        (
            "type=STOP price=56900.5 stopPrice=57000",
            OrderKind::Stop {
                trigger,
                price: limit,
            },
        ),
        (
            "algoType=CONDITIONAL type=STOP_MARKET triggerPrice=57000 workingType=MARK_PRICE",
            OrderKind::StopMarket { trigger },
        ),
        (
            "type=TAKE_PROFIT price=56900.5 triggerPrice=57000 priceProtect=TRUE",
            OrderKind::TakeProfit {
                trigger,
                price: limit,
            },
        ),
        (
            "type=TAKE_PROFIT_MARKET stopPrice=57000",
            OrderKind::TakeProfitMarket { trigger },
        ),
        (
            "type=STOP priceMatch=OPPONENT triggerPrice=57000",
            OrderKind::StopMarket { trigger },
        ),
        (
            "type=TRAILING_STOP_MARKET callbackRate=0.5 activationPrice=57000",
            OrderKind::TrailingStopMarket {
                activation: Some(trigger),
                callback: Rate::parse("0.005").unwrap(),
            },
        ),
        (
            "type=TRAILING_STOP_MARKET callbackRate=1",
            OrderKind::TrailingStopMarket {
                activation: None,
                callback: Rate::parse("0.01").unwrap(),
            },
        ),
        ("type=market price=0 priceMatch=NONE", OrderKind::Market),
    ];
    for (text, kind) in table {
        let intent = read(&format!("{BUY} {text}")).unwrap();
        assert_eq!(intent.kind, kind, "{text}");
        assert_eq!(intent.quantity, Some(Quantity::parse("0.5").unwrap()));
        assert_eq!(intent.position_side, PositionSide::Both);
        assert!(!intent.reduce_only && !intent.close_position);
    }
}

#[test]
fn signature_fields_are_ignored_and_names_are_kept() {
    let intent = read(&format!(
        "{BUY} type=MARKET newClientOrderId=mine timestamp=1 recvWindow=5000 signature=abc \
         newOrderRespType=RESULT selfTradePreventionMode=NONE"
    ))
    .unwrap();
    assert_eq!(intent.client_order_id.as_deref(), Some("mine"));
    let intent = read(&format!(
        "{BUY} type=STOP_MARKET triggerPrice=1 clientAlgoId=theirs goodTillDate=1790000000000"
    ))
    .unwrap();
    assert_eq!(intent.client_order_id.as_deref(), Some("theirs"));
    let other = read("symbol=测试USDT side=sell quantity=1e-3 type=MARKET positionSide=SHORT");
    let other = other.unwrap();
    assert_eq!(other.symbol.as_str(), "测试USDT");
    assert_eq!(other.quantity, Some(Quantity::parse("0.001").unwrap()));
    assert_eq!(other.position_side, PositionSide::Short);
}

#[test]
fn exits_are_read_in_any_case() {
    for text in ["reduceOnly=true", "reduceOnly=True", "reduceOnly=TRUE"] {
        let intent = read(&format!("{BUY} type=MARKET {text}")).unwrap();
        assert!(intent.reduce_only && intent.only_reduces());
    }
    let close =
        read("symbol=BTCUSDT side=SELL type=STOP_MARKET stopPrice=57000 closePosition=true")
            .unwrap();
    assert!(close.close_position);
    assert_eq!(close.quantity, None);
}

#[test]
fn a_misspelt_field_is_named() {
    let (field, message) = refused(&format!("{BUY} type=MARKET reduceOnyl=true"));
    assert_eq!(field, "reduceOnyl");
    assert!(message.ends_with("did you mean reduceOnly?"), "{message}");
    assert_eq!(
        refused(&format!("{BUY} type=MARKET icebergQty=1")).0,
        "icebergQty"
    );
    assert_eq!(refused(&format!("{BUY} type=MARKET Price=1")).0, "Price");
}

#[test]
fn an_exit_passes_despite_what_is_not_known() {
    assert!(read(&format!("{BUY} type=MARKET reduceOnly=true brand=new")).is_ok());
    assert!(read(&format!("{BUY} type=MARKET reduceOnly=true price=5")).is_ok());
    // Not exactly one, or not true: no exit.
    for text in [
        "reduceOnly=false brand=new",
        "reduceOnly=true reduceOnly=true brand=new",
        "reduceOnly=true closePosition=false brand=new",
    ] {
        assert!(
            read(&format!("{BUY} type=MARKET {text}")).is_err(),
            "{text}"
        );
    }
}

#[test]
fn p09_the_same_thing_twice_is_refused() {
    for (text, field) in [
        ("quantity=1 type=MARKET", "quantity"),
        ("type=MARKET type=MARKET", "type"),
        (
            "type=STOP_MARKET stopPrice=1 triggerPrice=1",
            "triggerPrice",
        ),
        (
            "type=TRAILING_STOP_MARKET callbackRate=1 activatePrice=1 activationPrice=1",
            "activationPrice",
        ),
        (
            "type=MARKET newClientOrderId=a clientAlgoId=a",
            "clientAlgoId",
        ),
        ("type=MARKET reduceOnly=true reduceOnly=false", "reduceOnly"),
        ("type=MARKET signature=a signature=b", "signature"),
    ] {
        assert_eq!(refused(&format!("{BUY} {text}")).0, field, "{text}");
    }
}

#[test]
fn what_is_missing_or_nonsense_is_named() {
    for (text, field) in [
        ("side=BUY type=MARKET quantity=1", "symbol"),
        ("symbol=A type=MARKET quantity=1", "side"),
        ("symbol=A side=LONG type=MARKET quantity=1", "side"),
        ("symbol=A side=BUY quantity=1", "type"),
        ("symbol=A side=BUY type=ICEBERG quantity=1", "type"),
        ("symbol=A side=BUY type=MARKET", "quantity"),
        ("symbol=A side=BUY type=MARKET quantity=0", "quantity"),
        ("symbol=A side=BUY type=MARKET quantity=-1", "quantity"),
        ("symbol=A side=BUY type=MARKET quantity=1_000", "quantity"),
        ("symbol=A side=BUY type=MARKET quantity=NaN", "quantity"),
        ("symbol=A side=BUY type=MARKET quantity=", "quantity"),
        ("symbol=A side=BUY type=LIMIT quantity=1", "price"),
        ("symbol=A side=BUY type=LIMIT quantity=1 price=-1", "price"),
        ("symbol=A side=BUY type=LIMIT quantity=1 price=0", "price"),
        (
            "symbol=A side=BUY type=LIMIT quantity=1 price=1 priceMatch=QUEUE",
            "priceMatch",
        ),
        (
            "symbol=A side=BUY type=LIMIT quantity=1 priceMatch=MAGIC",
            "priceMatch",
        ),
        (
            "symbol=A side=BUY type=LIMIT quantity=1 price=1 stopPrice=1",
            "stopPrice",
        ),
        ("symbol=A side=BUY type=MARKET quantity=1 price=1", "price"),
        (
            "symbol=A side=BUY type=STOP quantity=1 stopPrice=1",
            "price",
        ),
        (
            "symbol=A side=BUY type=STOP quantity=1 price=1",
            "triggerPrice",
        ),
        (
            "symbol=A side=BUY type=STOP_MARKET quantity=1",
            "triggerPrice",
        ),
        (
            "symbol=A side=BUY type=TAKE_PROFIT_MARKET quantity=1",
            "triggerPrice",
        ),
        (
            "symbol=A side=BUY type=TRAILING_STOP_MARKET quantity=1",
            "callbackRate",
        ),
        (
            "symbol=A side=BUY type=TRAILING_STOP_MARKET quantity=1 callbackRate=0",
            "callbackRate",
        ),
        (
            "symbol=A side=BUY type=TRAILING_STOP_MARKET quantity=1 callbackRate=1 triggerPrice=1",
            "triggerPrice",
        ),
        (
            "symbol=A side=BUY type=MARKET quantity=1 positionSide=UP",
            "positionSide",
        ),
        (
            "symbol=A side=BUY type=MARKET quantity=1 reduceOnly=yes",
            "reduceOnly",
        ),
        (
            "symbol=A side=BUY type=MARKET quantity=1 timeInForce=SOON",
            "timeInForce",
        ),
        (
            "symbol=A side=BUY type=MARKET quantity=1 workingType=INDEX",
            "workingType",
        ),
        (
            "symbol=A side=BUY type=MARKET quantity=1 algoType=TWAP",
            "algoType",
        ),
        (
            "symbol=A side=BUY type=MARKET quantity=1 newClientOrderId=",
            "newClientOrderId",
        ),
    ] {
        assert_eq!(refused(text).0, field, "{text}");
    }
}

#[test]
fn close_position_is_no_word_that_opens_every_door() {
    for text in [
        "symbol=A side=BUY type=MARKET closePosition=true",
        "symbol=A side=BUY type=LIMIT price=1 closePosition=true",
        "symbol=A side=BUY type=TRAILING_STOP_MARKET callbackRate=1 closePosition=true",
        "symbol=A side=BUY positionSide=LONG type=STOP_MARKET stopPrice=1 closePosition=true",
    ] {
        assert_eq!(refused(text).0, "closePosition", "{text}");
    }
    let both = "symbol=A side=BUY type=STOP_MARKET stopPrice=1 closePosition=true quantity=1";
    assert_eq!(refused(both).0, "quantity");
}

#[test]
fn limits_and_harmful_names() {
    let many: Vec<_> = (0..65)
        .map(|n| (Cow::Owned(format!("x{n}")), Cow::Borrowed("1")))
        .collect();
    assert_eq!(order_intent(&many).unwrap_err().field, "order");
    let long = "9".repeat(257);
    assert_eq!(
        refused(&format!("symbol=A side=BUY type=MARKET quantity={long}")).0,
        "quantity"
    );
    let evil = [(Cow::Borrowed("a\u{1b}[2J"), Cow::Borrowed("1"))];
    assert_eq!(order_intent(&evil).unwrap_err().field, "a\\u{1b}[2J");
}
