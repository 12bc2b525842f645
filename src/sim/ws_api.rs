//! What clients say over WebSockets: subscriptions on streams, calls on the WebSocket API.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json as value};

use super::core::Core;
use super::hub::Hub;
use super::params::Params;
use super::refusal::Refusal;
use super::rest::check_window;
use super::session::{Frame, Route};
use super::wire_value_text;

/// Weight of a WebSocket-API handshake.
pub(crate) const HANDSHAKE_WEIGHT: u32 = 5;

/// Handles one text frame of a client.
pub(crate) fn text(hub: &Hub, id: u64, text: &str) {
    let now_ms = hub.clock.now_ms();
    let reply = {
        let mut core = hub.core();
        match core.session(id).map(|session| session.route) {
            Some(Route::Api) => core.api_call(text, now_ms),
            Some(_)
                if core
                    .session(id)
                    .is_some_and(|session| !session.hears(now_ms)) =>
            {
                None
            }
            Some(_) => core.control(id, text, now_ms),
            None => return,
        }
    };
    hub.after_step();
    let mut core = hub.core();
    let Some(session) = core.session(id) else {
        return;
    };
    match reply {
        Some(reply) => {
            let _queued = session.send(Frame::Text(reply));
        }
        None => {
            let _queued = session.send(Frame::Close(1008, "Too many requests"));
        }
    }
}

impl Core {
    /// Answers SUBSCRIBE and its kin; `None` when the connection is to be closed for it.
    fn control(&mut self, id: u64, text: &str, now_ms: i64) -> Option<String> {
        let Ok(Value::Object(request)) = serde_json::from_str(text) else {
            return Some(value!({"error": {"code": 3, "msg": "Invalid JSON"}}).to_string());
        };
        let number = request.get("id").cloned().unwrap_or(Value::Null);
        let method = request
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let params = request.get("params").and_then(Value::as_array);
        let names = || -> Vec<String> {
            let all = params.into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let result = match method {
            "SUBSCRIBE" => {
                if !self.subscribe(id, names(), now_ms) {
                    return None;
                }
                Value::Null
            }
            "UNSUBSCRIBE" => {
                let session = self.session(id)?;
                for name in names() {
                    session.topics.remove(&name);
                    session.keys.remove(&name);
                }
                Value::Null
            }
            "LIST_SUBSCRIPTIONS" => {
                let session = self.session(id)?;
                session
                    .topics
                    .keys()
                    .chain(session.keys.keys())
                    .cloned()
                    .collect()
            }
            "SET_PROPERTY" => {
                let wanted = params
                    .and_then(|params| params.get(1))
                    .and_then(Value::as_bool);
                self.session(id)?.combined = wanted.unwrap_or(false);
                Value::Null
            }
            "GET_PROPERTY" => Value::from(self.session(id)?.combined),
            _ => {
                let error = value!({"code": 2, "msg": "Invalid request: unknown method"});
                return Some(value!({"error": error, "id": number}).to_string());
            }
        };
        Some(value!({"result": result, "id": number}).to_string())
    }

    /// Answers a call of the WebSocket API.
    fn api_call(&mut self, text: &str, now_ms: i64) -> Option<String> {
        let Ok(Value::Object(request)) = serde_json::from_str(text) else {
            let refusal = Refusal::malformed("request");
            return Some(self.api_reply(&Value::Null, Err(refusal), now_ms));
        };
        // Ids are echoed exactly as they came, numbers as numbers and text as text.
        let number = request.get("id").cloned().unwrap_or(Value::Null);
        let method = request
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let params = request
            .get("params")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let outcome = self.api_outcome(method, &params, now_ms);
        Some(self.api_reply(&number, outcome, now_ms))
    }

    fn api_outcome(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
        now_ms: i64,
    ) -> Result<String, Refusal> {
        let (verb, path, weight, signed) = route(method)?;
        self.usage.record(verb, path);
        let told_ms = self.told_ms(now_ms);
        self.usage.weigh(told_ms, weight);
        let texts: BTreeMap<String, String> = params
            .iter()
            .filter_map(|(name, value)| wire_value_text(value).map(|text| (name.clone(), text)))
            .collect();
        if signed != Signed::Open {
            self.check_key(texts.get("apiKey").map(String::as_str))?;
        }
        if signed == Signed::Yes {
            self.check_api_signature(&texts, told_ms)?;
        }
        let mut params = texts;
        for name in ["apiKey", "signature", "timestamp", "recvWindow"] {
            params.remove(name);
        }
        self.carry_out(
            verb,
            path,
            &Params::from_map(params),
            now_ms,
            &mut Vec::new(),
        )
    }

    /// The signature covers every parameter but itself, sorted by name, values raw or encoded.
    fn check_api_signature(
        &self,
        texts: &BTreeMap<String, String>,
        told_ms: i64,
    ) -> Result<(), Refusal> {
        let params = Params::from_map(texts.clone());
        let timestamp = params.required_integer("timestamp")?;
        let signature = params.required("signature")?;
        check_window(&params, timestamp, told_ms)?;
        let pairs = || texts.iter().filter(|(name, _)| *name != "signature");
        let raw: Vec<String> = pairs()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let encoded = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs())
            .finish()
            .replace('+', "%20");
        let fits = self.signature_fits(raw.join("&").as_bytes(), signature)
            || self.signature_fits(encoded.as_bytes(), signature);
        if fits {
            Ok(())
        } else {
            Err(Refusal::bad_signature())
        }
    }

    fn api_reply(
        &mut self,
        number: &Value,
        outcome: Result<String, Refusal>,
        now_ms: i64,
    ) -> String {
        let told_ms = self.told_ms(now_ms);
        let used = self.usage.weigh(told_ms, 0);
        let limits = value!([{
            "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
            "limit": super::rest::WEIGHT_MAX, "count": used,
        }]);
        match outcome {
            Ok(body) => {
                format!(r#"{{"id":{number},"status":200,"result":{body},"rateLimits":{limits}}}"#)
            }
            Err(refusal) => format!(
                r#"{{"id":{number},"status":{},"error":{},"rateLimits":{limits}}}"#,
                refusal.status,
                refusal.body()
            ),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signed {
    Yes,
    KeyOnly,
    Open,
}

/// The REST call a method stands for, its weight, and what it must carry.
fn route(method: &str) -> Result<(&'static str, &'static str, u32, Signed), Refusal> {
    use Signed::{KeyOnly, Open, Yes};
    Ok(match method {
        "order.place" => ("POST", "/fapi/v1/order", 0, Yes),
        "order.modify" => ("PUT", "/fapi/v1/order", 0, Yes),
        "order.cancel" => ("DELETE", "/fapi/v1/order", 1, Yes),
        "order.status" => ("GET", "/fapi/v1/order", 1, Yes),
        "algoOrder.place" => ("POST", "/fapi/v1/algoOrder", 0, Yes),
        "algoOrder.cancel" => ("DELETE", "/fapi/v1/algoOrder", 1, Yes),
        "account.status" => ("GET", "/fapi/v2/account", 5, Yes),
        "v2/account.status" => ("GET", "/fapi/v3/account", 5, Yes),
        "account.balance" => ("GET", "/fapi/v2/balance", 5, Yes),
        "v2/account.balance" => ("GET", "/fapi/v3/balance", 5, Yes),
        "account.position" => ("GET", "/fapi/v2/positionRisk", 5, Yes),
        "v2/account.position" => ("GET", "/fapi/v3/positionRisk", 5, Yes),
        "userDataStream.start" => ("POST", "/fapi/v1/listenKey", 1, KeyOnly),
        "userDataStream.ping" => ("PUT", "/fapi/v1/listenKey", 1, KeyOnly),
        "userDataStream.stop" => ("DELETE", "/fapi/v1/listenKey", 1, KeyOnly),
        "depth" => ("GET", "/fapi/v1/depth", 2, Open),
        "ticker.price" => ("GET", "/fapi/v2/ticker/price", 1, Open),
        "ticker.book" => ("GET", "/fapi/v1/ticker/bookTicker", 2, Open),
        "ping" => ("GET", "/fapi/v1/ping", 1, Open),
        "time" => ("GET", "/fapi/v1/time", 1, Open),
        // Sessions need an Ed25519 key; this exchange knows an HMAC secret only.
        "session.logon" | "session.status" | "session.logout" => return Err(Refusal::bad_key()),
        _ => return Err(Refusal::malformed("method")),
    })
}
