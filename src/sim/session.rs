//! One WebSocket connection as the exchange sees it: what it asked for, and what it may have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::mpsc;

use super::account::Contracts;
use super::history::Interval;

/// Frames that may wait for a slow client before it is cut.
pub(crate) const QUEUE_MAX: usize = 65_536;
/// Control messages of one connection in a second: ten are allowed, fifteen were answered when it
/// was measured.
const MESSAGES_MAX: usize = 15;
/// Streams of one connection.
pub(crate) const STREAMS_MAX: usize = 1_024;

/// Which door a connection came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/public`: books.
    Public,
    /// `/market`: everything else about prices.
    Market,
    /// `/private`: the account.
    Private,
    /// `/ws`, `/stream`: retired; still acknowledges, carries books only.
    Legacy,
    /// `/ws-fapi/v1`.
    Api,
}

/// A frame on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Ping,
    Close(u16, &'static str),
}

/// What a stream name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topic {
    Mark {
        symbol: String,
        seconds: i64,
    },
    AllMarks {
        seconds: i64,
    },
    ContractInfo,
    AssetIndexes,
    AssetIndex(String),
    Liquidations(String),
    AllLiquidations,
    Book(String),
    AllBooks,
    Ticker(String),
    AllTickers,
    MiniTicker(String),
    AllMiniTickers,
    Candles {
        symbol: String,
        interval: Interval,
    },
    AggregateTrades(String),
    Trades(String),
    /// Changes of a book.
    Depth(String),
    /// The best levels of a book.
    Levels {
        symbol: String,
        count: usize,
    },
    /// Acknowledged, and silent for ever.
    Nothing,
}

/// A connection.
pub(crate) struct Session {
    pub(crate) route: Route,
    /// Frames are wrapped as `{"stream","data"}`.
    pub(crate) combined: bool,
    pub(crate) topics: BTreeMap<String, Topic>,
    /// listenKeys, each with its filter of event names.
    pub(crate) keys: BTreeMap<String, BTreeSet<String>>,
    pub(crate) opened_ms: i64,
    /// When the last control messages came, for the limit on their rate.
    pub(crate) heard_ms: VecDeque<i64>,
    pub(crate) outbox: mpsc::Sender<Frame>,
}

/// What a connection's address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) route: Route,
    pub(crate) combined: bool,
    pub(crate) streams: Vec<String>,
    pub(crate) keys: BTreeMap<String, BTreeSet<String>>,
}

/// Reads a WebSocket address; `None` if there is no such door.
pub(crate) fn request(path: &str, query: &str) -> Option<Request> {
    if path == "/ws-fapi/v1" {
        let (streams, keys) = (Vec::new(), BTreeMap::new());
        return Some(Request {
            route: Route::Api,
            combined: false,
            streams,
            keys,
        });
    }
    let (route, rest) = [
        ("/public", Route::Public),
        ("/market", Route::Market),
        ("/private", Route::Private),
        ("", Route::Legacy),
    ]
    .into_iter()
    .find_map(|(prefix, route)| path.strip_prefix(prefix).map(|rest| (route, rest)))?;
    let (combined, named) = match rest {
        "/stream" => (true, ""),
        "/ws" | "" if route != Route::Legacy || rest == "/ws" => (false, ""),
        _ => (
            false,
            rest.strip_prefix("/ws/")
                .filter(|named| !named.is_empty())?,
        ),
    };
    let mut request = Request {
        route,
        combined,
        streams: Vec::new(),
        keys: BTreeMap::new(),
    };
    let decoded = percent_decoded(named);
    for name in decoded.split('/').filter(|name| !name.is_empty()) {
        request.add(name);
    }
    let mut last_key = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "streams" => value.split('/').for_each(|name| request.add(name)),
            "listenKey" => {
                request.keys.entry(value.to_string()).or_default();
                last_key = Some(value.to_string());
            }
            "events" => {
                let filter = last_key.as_ref().and_then(|key| request.keys.get_mut(key));
                if let Some(filter) = filter {
                    filter.extend(value.split('/').map(str::to_owned));
                }
            }
            _ => {}
        }
    }
    Some(request)
}

impl Request {
    fn add(&mut self, name: &str) {
        if is_listen_key(name) {
            self.keys.entry(name.to_owned()).or_default();
        } else {
            self.streams.push(name.to_owned());
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let pair = text.replace('+', "%2B");
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// listenKeys are 64 letters and digits; stream names never are.
pub(crate) fn is_listen_key(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What a stream name means on a connection of the given route.
pub(crate) fn topic(name: &str, route: Route, contracts: &Contracts) -> Topic {
    let topic = named_topic(name, contracts);
    let public = matches!(
        topic,
        Topic::Book(_)
            | Topic::AllBooks
            | Topic::Trades(_)
            | Topic::Depth(_)
            | Topic::Levels { .. }
    );
    let carried = match route {
        Route::Public | Route::Legacy => public,
        Route::Market => !public,
        Route::Private | Route::Api => false,
    };
    if carried { topic } else { Topic::Nothing }
}

fn named_topic(name: &str, contracts: &Contracts) -> Topic {
    match name {
        "!markPrice@arr@1s" => return Topic::AllMarks { seconds: 1 },
        "!markPrice@arr" => return Topic::AllMarks { seconds: 3 },
        "!contractInfo" => return Topic::ContractInfo,
        "!assetIndex@arr" => return Topic::AssetIndexes,
        "!forceOrder@arr" => return Topic::AllLiquidations,
        "!bookTicker" => return Topic::AllBooks,
        "!ticker@arr" => return Topic::AllTickers,
        "!miniTicker@arr" => return Topic::AllMiniTickers,
        _ => {}
    }
    let Some((lower, kind)) = name.split_once('@') else {
        return Topic::Nothing;
    };
    if kind == "assetIndex" {
        return Topic::AssetIndex(lower.to_ascii_uppercase());
    }
    // Only ASCII letters change case: symbols in other scripts stay as they are.
    let listed = contracts
        .keys()
        .find(|symbol| symbol.to_ascii_lowercase() == lower);
    let Some(symbol) = listed.cloned() else {
        return Topic::Nothing;
    };
    match kind {
        "markPrice@1s" => Topic::Mark { symbol, seconds: 1 },
        "markPrice" => Topic::Mark { symbol, seconds: 3 },
        "forceOrder" => Topic::Liquidations(symbol),
        "bookTicker" => Topic::Book(symbol),
        "ticker" => Topic::Ticker(symbol),
        "miniTicker" => Topic::MiniTicker(symbol),
        "aggTrade" => Topic::AggregateTrades(symbol),
        "trade" => Topic::Trades(symbol),
        _ => other_topic(symbol, kind),
    }
}

fn other_topic(symbol: String, kind: &str) -> Topic {
    if let Some(interval) = kind.strip_prefix("kline_") {
        return match Interval::parse(interval) {
            Some(interval) => Topic::Candles { symbol, interval },
            None => Topic::Nothing,
        };
    }
    // Without a speed it is 250 ms; written out, that one is acknowledged and silent.
    let (name, speed) = kind.split_once('@').unwrap_or((kind, "100ms"));
    match (name.strip_prefix("depth"), speed) {
        (Some(""), "100ms" | "500ms") => Topic::Depth(symbol),
        (Some(count @ ("5" | "10" | "20")), "100ms" | "500ms") => match count.parse() {
            Ok(count) => Topic::Levels { symbol, count },
            Err(_) => Topic::Nothing,
        },
        _ => Topic::Nothing,
    }
}

impl Session {
    /// Counts a control message; `false` when there were too many in a second.
    pub(crate) fn hears(&mut self, now_ms: i64) -> bool {
        while self
            .heard_ms
            .front()
            .is_some_and(|at| *at <= now_ms - 1_000)
        {
            self.heard_ms.pop_front();
        }
        self.heard_ms.push_back(now_ms);
        self.heard_ms.len() <= MESSAGES_MAX
    }

    /// Sends a stream's payload, wrapped or raw. `false` when the client is too slow or gone.
    pub(crate) fn push(&self, stream: &str, payload: &str) -> bool {
        let text = if self.combined {
            let name = serde_json::Value::from(stream);
            format!(r#"{{"stream":{name},"data":{payload}}}"#)
        } else {
            payload.to_owned()
        };
        self.send(Frame::Text(text))
    }

    pub(crate) fn send(&self, frame: Frame) -> bool {
        self.outbox.try_send(frame).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_private_stream_is_understood() {
        let key = "k".repeat(64);
        let all = [
            (format!("/private/ws/{key}"), String::new(), false),
            ("/private/ws".to_owned(), format!("listenKey={key}"), false),
            (
                "/private/stream".to_owned(),
                format!("listenKey={key}"),
                true,
            ),
            ("/private/stream".to_owned(), format!("streams={key}"), true),
        ];
        for (path, query, combined) in all {
            let request = request(&path, &query).unwrap();
            assert_eq!(
                (request.route, request.combined),
                (Route::Private, combined),
                "{path}"
            );
            assert!(request.keys.contains_key(&key), "{path}?{query}");
        }
        let filtered = format!("listenKey={key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE");
        let request = request("/private/ws", &filtered).unwrap();
        assert_eq!(request.keys.get(&key).unwrap().len(), 2);
    }

    #[test]
    fn a_trailing_slash_is_refused() {
        assert_eq!(request("/market/ws/", ""), None);
        assert_eq!(request("/ws/", ""), None);
        assert_eq!(request("/elsewhere", ""), None);
        assert_eq!(request("/ws", "").unwrap().route, Route::Legacy);
        assert_eq!(request("/market", "").unwrap().route, Route::Market);
    }
}
