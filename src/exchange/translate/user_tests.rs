//! Frames of the user stream as documents and captures show them (binance-api §6).

use super::*;
use crate::margin::account::{MarginMode, PositionSide};
use crate::margin::amount::{Amount, Leverage, Price, Rate};
use crate::margin::order::{OrderKind, TriggerBy};

const ACCOUNT: &str = r#"{"e":"ACCOUNT_UPDATE","E":1564745798939,"T":1564745798938,"a":{"m":"ORDER",
    "B":[{"a":"USDT","wb":"122624.12345678","cw":"100.12345678","bc":"50.12345678"},
         {"a":"BUSD","wb":"1.00000000","cw":"0.00000000","bc":"-49.12345678"}],
    "P":[{"s":"BTCUSDT","pa":"0","ep":"0.00000","bep":"0","cr":"200","up":"0","mt":"isolated","iw":"0.00000000","ps":"BOTH"},
         {"s":"BTCUSDT","pa":"20","ep":"6563.66500","bep":"6563.6","cr":"0","up":"2850.21200","mt":"isolated","iw":"13200.70726908","ps":"LONG","ma":"USDT"},
         {"s":"BTCUSDT","pa":"-10","ep":"6563.86000","bep":"6563.6","cr":"-45.04000000","up":"-1423.15600","mt":"cross","iw":"0","ps":"SHORT"}]}}"#;

const ORDER: &str = r#"{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST",
    "S":"SELL","o":"LIMIT","f":"GTC","q":"0.004","p":"9910","ap":"0","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED",
    "i":8886774,"l":"0.001","z":"0.001","L":"9910","N":"USDT","n":"0","T":1568879465650,"t":1,"b":"0","a":"9.91",
    "m":false,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"pP":false,"si":0,"ss":0,
    "rp":"0","V":"EXPIRE_TAKER","pm":"OPPONENT","gtd":0,"er":"0"}}"#;

const ALGO: &str = r#"{"e":"ALGO_UPDATE","T":1750515742297,"E":1750515742303,"o":{"caid":"Q5xaq5EGKgXXa0fD7fs0Ip",
    "aid":2148719,"at":"CONDITIONAL","o":"TAKE_PROFIT","s":"BNBUSDT","S":"SELL","ps":"BOTH","f":"GTC","q":"0.01",
    "X":"CANCELED","ai":"","ap":"0.00000","aq":"0.00000","act":"0","tp":"750","p":"750","V":"EXPIRE_MAKER",
    "wt":"MARK_PRICE","pm":"NONE","cp":false,"pP":false,"R":false,"tt":0,"gtd":0,"rm":"Reduce Only reject"}}"#;

fn one(text: &str) -> Event {
    match user_frame(text) {
        Ok(UserNews::Event(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn order(text: &str) -> OrderUpdate {
    match one(text) {
        Event::OrderUpdate(update) => update,
        other => panic!("{other:?}"),
    }
}

fn algo(text: &str) -> AlgoUpdate {
    match one(text) {
        Event::AlgoUpdate(update) => update,
        other => panic!("{other:?}"),
    }
}

fn account(text: &str) -> AccountUpdate {
    match one(text) {
        Event::AccountUpdate(update) => update,
        other => panic!("{other:?}"),
    }
}

#[test]
fn e08_an_account_update_keeps_every_leg_apart() {
    let update = account(ACCOUNT);
    assert_eq!(update.event_ms, 1_564_745_798_939);
    assert_eq!(update.transaction_ms, 1_564_745_798_938);
    assert_eq!(update.reason, "ORDER");
    assert_eq!(update.balances.len(), 2);
    assert_eq!(
        update.balances[0].cross_wallet_balance,
        Amount::parse("100.12345678").unwrap()
    );
    let sides: Vec<_> = update.positions.iter().map(|p| p.position_side).collect();
    assert_eq!(
        sides,
        [PositionSide::Both, PositionSide::Long, PositionSide::Short]
    );
    assert_eq!(update.positions[1].margin_mode, Some(MarginMode::Isolated));
    assert_eq!(update.positions[2].margin_mode, Some(MarginMode::Crossed));
    assert!(update.positions[2].quantity.is_negative());
}

#[test]
fn p01_account_figures_as_json_numbers() {
    let text = ACCOUNT
        .replace(r#""wb":"122624.12345678""#, r#""wb":122624.12345678"#)
        .replace(r#""pa":"20""#, r#""pa":2e1"#)
        .replace(r#""E":1564745798939"#, r#""E":"1564745798939""#);
    assert_eq!(account(&text), account(ACCOUNT));
}

#[test]
fn e02_funding_changes_a_balance_and_no_position() {
    let update = account(
        r#"{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{"m":"FUNDING_FEE","S":"BTCUSDT","B":[{"a":"USDT","wb":"-113.29","cw":"-113.29","bc":"-0.5"}],"P":[]}}"#,
    );
    assert!(update.positions.is_empty());
    assert!(update.balances[0].wallet_balance.is_negative());
    let without = account(r#"{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{"m":"SOMETHING_NEW","B":[]}}"#);
    assert_eq!(without.reason, "SOMETHING_NEW");
}

#[test]
fn e12_a_margin_type_that_is_not_known_is_said_to_be_so() {
    let update = account(&ACCOUNT.replace(r#""mt":"cross""#, r#""mt":"shared""#));
    assert_eq!(update.positions[2].margin_mode, None);
    let update = account(&ACCOUNT.replace(r#""mt":"cross""#, r#""mt":"CROSSED""#));
    assert_eq!(update.positions[2].margin_mode, Some(MarginMode::Crossed));
}

#[test]
fn p02_p03_p07_each_required_figure_is_missed() {
    for field in ["wb", "cw", "pa", "ep", "iw", "ps", "s", "E", "T"] {
        let renamed = ACCOUNT.replace(&format!("\"{field}\":"), "\"zz\":");
        assert!(user_frame(&renamed).is_err(), "{field} absent");
    }
    for bad in [r#""""#, "null", r#""NaN""#, r#""Infinity""#, "[]"] {
        let text = ACCOUNT.replace(r#""wb":"122624.12345678""#, &format!(r#""wb":{bad}"#));
        assert!(user_frame(&text).is_err(), "{bad}");
    }
}

#[test]
fn an_order_update_tells_what_is_left() {
    let update = order(ORDER);
    assert_eq!(update.order.id, OrderId::Order(8_886_774));
    assert_eq!(update.order.remaining, Quantity::parse("0.003").unwrap());
    assert_eq!(update.filled, Quantity::parse("0.001").unwrap());
    assert_eq!(update.status, OrderStatus::Working);
    assert_eq!(update.origin, OrderOrigin::Client);
    assert_eq!(update.expiry_reason, None);
    let price = Price::parse("9910").unwrap();
    assert_eq!(update.order.kind, OrderKind::Limit { price });
}

#[test]
fn p02_what_an_order_may_leave_out() {
    let text = ORDER
        .replace(r#""N":"USDT","n":"0","#, "")
        .replace(r#""cp":false,"#, "")
        .replace(r#","er":"0""#, "")
        .replace(r#""wt":"CONTRACT_PRICE","#, "")
        .replace(r#""pm":"OPPONENT","#, r#""pm":null,"#);
    assert_eq!(order(&text), order(ORDER));
}

#[test]
fn p11_every_status_and_one_that_is_new() {
    for (word, status) in [
        ("NEW", OrderStatus::Working),
        ("FILLED", OrderStatus::Filled),
        ("CANCELED", OrderStatus::Gone),
        ("EXPIRED", OrderStatus::Gone),
        ("EXPIRED_IN_MATCH", OrderStatus::Gone),
        ("NEW_ADL", OrderStatus::Working),
        ("SOMETHING", OrderStatus::Working),
    ] {
        assert_eq!(
            order(&ORDER.replace("PARTIALLY_FILLED", word)).status,
            status,
            "{word}"
        );
    }
}

#[test]
fn the_name_of_an_order_tells_who_caused_it() {
    for (name, cause) in [
        ("autoclose-1", OrderOrigin::Liquidation),
        ("adl_autoclose", OrderOrigin::AutoDeleveraging),
        ("settlement_autoclose-1", OrderOrigin::Settlement),
        ("delivery_autoclose-1", OrderOrigin::Settlement),
        ("my-autoclose-1", OrderOrigin::Client),
    ] {
        assert_eq!(order(&ORDER.replace("TEST", name)).origin, cause, "{name}");
    }
    let expired = order(&ORDER.replace(r#""er":"0""#, r#""er":"5""#));
    assert_eq!(expired.expiry_reason, Some(5));
}

#[test]
fn a_conditional_order_is_read_with_its_refusal() {
    let update = algo(ALGO);
    assert_eq!(update.order.id, OrderId::Algo(2_148_719));
    let price = Price::parse("750").unwrap();
    let trigger = price;
    assert_eq!(update.order.kind, OrderKind::TakeProfit { trigger, price });
    assert_eq!(update.order.trigger_by, TriggerBy::Mark);
    assert_eq!(update.status, AlgoStatus::Gone);
    assert_eq!(update.became, None);
    assert_eq!(update.refusal.as_deref(), Some("Reduce Only reject"));
}

#[test]
fn e14_every_status_of_a_conditional_order() {
    for (word, status) in [
        ("NEW", AlgoStatus::Waiting),
        ("TRIGGERING", AlgoStatus::Triggered),
        ("TRIGGERED", AlgoStatus::Triggered),
        ("FINISHED", AlgoStatus::Gone),
        ("EXPIRED", AlgoStatus::Gone),
        ("REJECTED", AlgoStatus::Refused),
        ("SOMETHING", AlgoStatus::Waiting),
    ] {
        assert_eq!(algo(&ALGO.replace("CANCELED", word)).status, status);
    }
    for id in [r#""8389765739703625592""#, "8389765739703625592"] {
        let text = ALGO.replace(r#""ai":"""#, &format!(r#""ai":{id}"#));
        assert_eq!(algo(&text).became, Some(8_389_765_739_703_625_592));
    }
    let evil = algo(&ALGO.replace("Reduce Only", "\\u001b[31mno"));
    assert_eq!(evil.refusal.as_deref(), Some("\\u{1b}[31mno reject"));
}

#[test]
fn a_trailing_order_without_its_callback_is_still_an_order() {
    let text = ALGO.replace("TAKE_PROFIT", "TRAILING_STOP_MARKET");
    assert_eq!(
        algo(&text).order.kind,
        OrderKind::TrailingStopMarket {
            activation: None,
            callback: Rate::ZERO
        }
    );
}

#[test]
fn e10_a_settings_change_is_read_by_the_object_that_is_there() {
    let leverage = one(
        r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1611646737479,"T":1611646737476,"ac":{"s":"BTCUSDT","l":25}}"#,
    );
    assert!(matches!(
        leverage,
        Event::LeverageChanged { leverage, event_ms: 1_611_646_737_479, .. }
            if leverage == Leverage::new(25).unwrap()
    ));
    let mode =
        one(r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1611646737479,"T":1611646737476,"ai":{"j":true}}"#);
    assert!(matches!(
        mode,
        Event::AssetModeChanged {
            mode: AssetMode::Multi,
            ..
        }
    ));
    assert!(user_frame(r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1}"#).is_err());
}

#[test]
fn a_margin_call_names_positions() {
    let event = one(
        r#"{"e":"MARGIN_CALL","E":1587727187525,"cw":"3.16812045","p":[{"s":"ETHUSDT","ps":"LONG","pa":"1.327",
           "mt":"CROSSED","iw":"0","mp":"187.17127","up":"-1.166074","mm":"1.614445"}]}"#,
    );
    assert!(matches!(event, Event::MarginCall { symbols, .. } if symbols[0].as_str() == "ETHUSDT"));
}

#[test]
fn u05_the_end_of_the_key_is_read_however_it_is_written() {
    for text in [
        r#"{"e":"listenKeyExpired","E":1699596037418,"listenKey":"OfYGbUzi3PraNagEkdKuFwUHn48brFsItTdsuiIXrucvioD7rXRbY2C3Jo1F"}"#,
        r#"{"e":"listenKeyExpired","E":"1699596037418"}"#,
        r#"{"e":"listenKeyExpired"}"#,
        r#"{"stream":"abc","data":{"e":"listenKeyExpired","E":{}}}"#,
    ] {
        assert!(
            matches!(user_frame(text), Ok(UserNews::KeyExpired)),
            "{text}"
        );
    }
}

#[test]
fn p12_wrapped_frames_and_error_frames() {
    let wrapped = format!(r#"{{"stream":"key","data":{ORDER}}}"#);
    assert_eq!(order(&wrapped), order(ORDER));
    for text in [
        r#"{"error":{"code":3,"msg":"Invalid JSON"}}"#,
        r#"{"code":3,"msg":"Invalid JSON"}"#,
    ] {
        assert!(matches!(
            user_frame(text),
            Ok(UserNews::Refused(words)) if words == "3: Invalid JSON"
        ));
    }
    assert!(matches!(
        user_frame(r#"{"result":null,"id":1}"#),
        Ok(UserNews::Nothing)
    ));
}

#[test]
fn e09_events_that_are_not_needed_and_events_that_are_new() {
    let light = r#"{"e":"TRADE_LITE","E":1,"T":1,"s":"BTCUSDT","q":"0.001","p":"0","m":false,"c":"x","S":"BUY","L":"1","l":"1","t":1,"i":1}"#;
    assert!(matches!(user_frame(light), Ok(UserNews::Nothing)));
    assert!(matches!(
        user_frame(r#"{"e":"NEWS","E":1}"#),
        Ok(UserNews::Unknown(name)) if name == "NEWS"
    ));
    for text in ["", "x", "[]", "1", r#"{"e":1}"#] {
        assert!(user_frame(text).is_err(), "{text}");
    }
}
