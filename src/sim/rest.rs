//! The REST door: key, signature, time window, weights, and the mishaps of calls.

use std::collections::{BTreeMap, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::core::Core;
use super::params::Params;
use super::refusal::Refusal;
use super::venue::Input;

/// Tells what the caller's key may do.
pub(crate) const KEY_PERMISSIONS: &str = "/sapi/v1/account/apiRestrictions";

/// Request weight per minute.
pub(crate) const WEIGHT_MAX: u32 = 2_400;
const ORDERS_MINUTE_MAX: u32 = 1_200;
const ORDERS_TEN_SECONDS_MAX: u32 = 300;
const MINUTE_MS: i64 = 60_000;
const TEN_SECONDS_MS: i64 = 10_000;
/// Calls that are remembered for the truth.
const CALLS_MAX: usize = 100_000;

/// What clients have used up.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Weight per clock minute, keyed by the minute's first millisecond.
    pub(crate) weights: BTreeMap<i64, u32>,
    orders: VecDeque<i64>,
    /// Method and path of each call.
    pub(crate) calls: VecDeque<(String, String)>,
}

impl Usage {
    /// Adds weight; gives the minute's sum.
    pub(crate) fn weigh(&mut self, now_ms: i64, weight: u32) -> u32 {
        let minute = now_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let used = self.weights.entry(minute).or_default();
        *used += weight;
        *used
    }

    pub(crate) fn record(&mut self, method: &str, path: &str) {
        self.calls.push_back((method.to_owned(), path.to_owned()));
        if self.calls.len() > CALLS_MAX {
            self.calls.pop_front();
        }
    }

    /// Counts orders; gives how many there were in ten seconds and in a minute.
    pub(crate) fn count_orders(&mut self, now_ms: i64, count: usize) -> (u32, u32) {
        self.orders.extend(std::iter::repeat_n(now_ms, count));
        while self
            .orders
            .front()
            .is_some_and(|at| *at <= now_ms - MINUTE_MS)
        {
            self.orders.pop_front();
        }
        let since = |start: i64| self.orders.iter().filter(|at| **at > start).count();
        let shown = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (
            shown(since(now_ms - TEN_SECONDS_MS)),
            shown(self.orders.len()),
        )
    }
}

/// A call as it came.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) key: Option<&'a str>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    Anybody,
    Key,
    Signed,
}

impl Core {
    /// Answers a call.
    pub(crate) fn rest(&mut self, call: &Call<'_>, now_ms: i64) -> Answer {
        let told_ms = self.told_ms(now_ms);
        self.usage.record(call.method, call.path);
        let params = Params::parse(call.query, call.body);
        let empty = Params::default();
        let weight = weight(call.method, call.path, params.as_ref().unwrap_or(&empty));
        let used = self.usage.weigh(told_ms, weight);
        let mut headers = vec![("x-mbx-used-weight-1m", used.to_string())];
        if used > WEIGHT_MAX {
            headers.push(("retry-after", "60".to_owned()));
            return refused(&Refusal::too_many_requests(WEIGHT_MAX), headers);
        }
        let outcome = params.and_then(|params| {
            self.admit(call, &params, told_ms)?;
            self.carry_out(call.method, call.path, &params, now_ms, &mut headers)
        });
        match outcome {
            Ok(body) => {
                let body = self.faults.mutate(call.path, body);
                Answer {
                    status: 200,
                    headers,
                    body,
                }
            }
            Err(refusal) => refused(&refusal, headers),
        }
    }

    /// Carries out a call that has been let in; counts orders.
    pub(crate) fn carry_out(
        &mut self,
        method: &str,
        path: &str,
        params: &Params,
        now_ms: i64,
        headers: &mut Vec<(&'static str, String)>,
    ) -> Result<String, Refusal> {
        let orders = orders_counted(method, path);
        if orders > 0 {
            let (ten, minute) = self.usage.count_orders(self.told_ms(now_ms), orders);
            if ten > ORDERS_TEN_SECONDS_MAX || minute > ORDERS_MINUTE_MAX {
                return Err(Refusal::too_many_orders());
            }
            headers.push(("x-mbx-order-count-10s", ten.to_string()));
            headers.push(("x-mbx-order-count-1m", minute.to_string()));
        }
        let input = Input::Call {
            method,
            path,
            params,
        };
        let told_ms = self.told_ms(now_ms);
        if method == "GET"
            && security(path) == Security::Signed
            && let Some(past) = self.readable(now_ms)
        {
            return past.step(&input, told_ms).reply;
        }
        self.step(&input, now_ms)
    }

    /// Key, mandatory parameters, time window, signature: in this order.
    fn admit(&self, call: &Call<'_>, params: &Params, told_ms: i64) -> Result<(), Refusal> {
        let security = security(call.path);
        if security == Security::Anybody {
            return Ok(());
        }
        self.check_key(call.key)?;
        if security == Security::Key {
            return Ok(());
        }
        let timestamp = params.required_integer("timestamp")?;
        let signature = params.required("signature")?;
        check_window(params, timestamp, told_ms)?;
        let mut signed = unsigned(call.query.as_bytes());
        signed.extend(unsigned(call.body));
        if self.signature_fits(&signed, signature) {
            Ok(())
        } else {
            Err(Refusal::bad_signature())
        }
    }

    pub(crate) fn check_key(&self, key: Option<&str>) -> Result<(), Refusal> {
        match key {
            None => Err(Refusal::bad_key_format()),
            Some(key)
                if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                Err(Refusal::bad_key_format())
            }
            Some(key) if key != self.api_key || self.faults.key_revoked => Err(Refusal::bad_key()),
            Some(_) => Ok(()),
        }
    }

    /// Whether a hexadecimal signature belongs to exactly these bytes.
    pub(crate) fn signature_fits(&self, signed: &[u8], signature: &str) -> bool {
        let expected = sign(self.secret.as_bytes(), signed);
        expected.eq_ignore_ascii_case(signature)
    }
}

/// HMAC-SHA256 in hexadecimal.
pub(crate) fn sign(secret: &[u8], message: &[u8]) -> String {
    use std::fmt::Write as _;
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(message);
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

/// `timestamp < server + 1000 && server - timestamp <= recvWindow`.
pub(crate) fn check_window(params: &Params, timestamp: i64, told_ms: i64) -> Result<(), Refusal> {
    let window = params.integer("recvWindow")?.unwrap_or(5_000);
    if window > 60_000 {
        return Err(Refusal::window_too_long());
    }
    if timestamp >= told_ms.saturating_add(1_000) {
        return Err(Refusal::ahead());
    }
    if told_ms.saturating_sub(timestamp) > window {
        return Err(Refusal::outside_window());
    }
    Ok(())
}

/// The bytes that were signed: everything but the `signature` pair.
fn unsigned(form: &[u8]) -> Vec<u8> {
    let pairs = form.split(|byte| *byte == b'&');
    pairs
        .filter(|pair| !pair.starts_with(b"signature="))
        .collect::<Vec<_>>()
        .join(&b'&')
}

fn refused(refusal: &Refusal, headers: Vec<(&'static str, String)>) -> Answer {
    let body = refusal.body();
    Answer {
        status: refusal.status,
        headers,
        body,
    }
}

fn security(path: &str) -> Security {
    const OPEN: [&str; 22] = [
        "ping",
        "time",
        "exchangeInfo",
        "premiumIndex",
        "ticker/price",
        "ticker/bookTicker",
        "ticker/24hr",
        "depth",
        "klines",
        "markPriceKlines",
        "indexPriceKlines",
        "continuousKlines",
        "trades",
        "aggTrades",
        "fundingRate",
        "fundingInfo",
        "assetIndex",
        "symbolAdlRisk",
        "indexInfo",
        "constituents",
        "openInterest",
        "historicalTrades",
    ];
    if path == KEY_PERMISSIONS {
        return Security::Signed;
    }
    let name = path.splitn(4, '/').nth(3).unwrap_or_default();
    let elsewhere = ["/api/", "/sapi/", "/dapi/"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    if OPEN.contains(&name) || elsewhere {
        Security::Anybody
    } else if name == "listenKey" {
        Security::Key
    } else {
        Security::Signed
    }
}

fn orders_counted(method: &str, path: &str) -> usize {
    match (method, path) {
        ("POST", "/fapi/v1/order" | "/fapi/v1/order/test" | "/fapi/v1/algoOrder") => 1,
        ("PUT", "/fapi/v1/order") => 1,
        ("POST" | "PUT", "/fapi/v1/batchOrders") => 5,
        _ => 0,
    }
}

/// Weight of a call (binance-api.md 4.1).
fn weight(method: &str, path: &str, params: &Params) -> u32 {
    let with_symbol = params.get("symbol").is_some();
    match (method, path) {
        ("GET", "/fapi/v1/premiumIndex" | "/fapi/v1/assetIndex" | "/fapi/v1/apiTradingStatus") => {
            if with_symbol {
                1
            } else {
                10
            }
        }
        ("GET", "/fapi/v1/openOrders" | "/fapi/v1/openAlgoOrders" | "/fapi/v1/ticker/24hr") => {
            if with_symbol {
                1
            } else {
                40
            }
        }
        ("GET", "/fapi/v1/ticker/bookTicker") => {
            if with_symbol {
                2
            } else {
                5
            }
        }
        ("GET", "/fapi/v2/ticker/price") => {
            if with_symbol {
                1
            } else {
                2
            }
        }
        ("GET", "/fapi/v1/forceOrders") => {
            if with_symbol {
                20
            } else {
                50
            }
        }
        ("GET", "/fapi/v1/fundingInfo" | "/fapi/v1/fundingRate") => 0,
        ("GET", "/fapi/v1/depth") => match params.limit(500) {
            0..=50 => 2,
            51..=100 => 5,
            101..=500 => 10,
            _ => 20,
        },
        ("GET", "/fapi/v2/account" | "/fapi/v2/balance" | "/fapi/v2/positionRisk") => 10,
        ("GET", "/fapi/v3/account" | "/fapi/v3/balance" | "/fapi/v3/positionRisk") => 5,
        (
            "GET",
            "/fapi/v1/accountConfig"
            | "/fapi/v1/symbolConfig"
            | "/fapi/v1/allOrders"
            | "/fapi/v1/allAlgoOrders"
            | "/fapi/v1/userTrades"
            | "/fapi/v1/adlQuantile",
        ) => 5,
        (
            "GET",
            "/fapi/v1/positionSide/dual"
            | "/fapi/v1/multiAssetsMargin"
            | "/fapi/v1/feeBurn"
            | "/fapi/v1/income",
        ) => 30,
        ("GET", "/fapi/v1/commissionRate") => 20,
        ("POST" | "PUT", "/fapi/v1/order")
        | ("POST", "/fapi/v1/algoOrder" | "/fapi/v1/order/test") => 0,
        ("POST" | "PUT", "/fapi/v1/batchOrders") => 5,
        ("POST", "/fapi/v1/countdownCancelAll") => 10,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";

    #[test]
    fn published_vectors_are_signed_as_printed() {
        let vectors = [
            (
                "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943",
                "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
            ),
            (
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
                "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
            ),
            (
                "symbol=%E6%B5%8B%E8%AF%95USDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943",
                "9d2e8dacddb11414536b156b22a1a127349c031df551f3b643416d252891aad3",
            ),
        ];
        for (payload, signature) in vectors {
            assert_eq!(sign(SECRET, payload.as_bytes()), signature);
        }
    }

    #[test]
    fn the_signature_pair_alone_is_taken_out() {
        assert_eq!(unsigned(b"a=1&signature=ff"), b"a=1");
        assert_eq!(unsigned(b"signature=ff"), b"");
        assert_eq!(unsigned(b"a=1&b=%20"), b"a=1&b=%20");
    }

    #[test]
    fn time_window_is_the_published_formula() {
        let params = Params::default();
        assert_eq!(check_window(&params, 10_999, 10_000), Ok(()));
        assert_eq!(check_window(&params, 11_000, 10_000), Err(Refusal::ahead()));
        assert_eq!(check_window(&params, 5_000, 10_000), Ok(()));
        assert_eq!(
            check_window(&params, 4_999, 10_000),
            Err(Refusal::outside_window())
        );
    }
}
