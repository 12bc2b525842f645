//! Price feeds: tickers, candles, trades and books as the streams carry them, each second and
//! whenever a mark moves off schedule.
//!
//! Owns what was told last, so that the next change begins there. Must not know how prices arise.

use std::collections::BTreeMap;

use serde_json::json as value;

use super::contract::{Contract, Levels};
use super::core::Core;
use super::exact::Fixed;
use super::session::Topic;
use super::venue::read_prices::{aggregate_trade_event, level_rows, trade_event};

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Last print per contract.
    prints: BTreeMap<String, i64>,
    books: BTreeMap<String, ToldBook>,
}

#[derive(Debug, Clone)]
struct ToldBook {
    update_id: i64,
    bids: Levels,
    asks: Levels,
}

impl Core {
    /// Notes the books whose changes a connection now follows.
    pub(super) fn begin_books(&mut self, id: u64, now_ms: i64) {
        let told_ms = self.told_ms(now_ms);
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        for topic in session.topics.values() {
            if let Topic::Depth(symbol) = topic
                && let Some(contract) = self.venue.contracts.get(symbol)
            {
                self.feed.begin(contract, told_ms);
            }
        }
    }

    /// Pushes what is heard: of one contract off schedule, or of all at a whole second.
    pub(super) fn push_prices(&mut self, only: Option<&str>, emitted: i64, now_ms: i64) {
        let heard: Vec<Topic> = self
            .sessions
            .values()
            .flat_map(|session| session.topics.values())
            .filter(|topic| is_price(topic))
            .cloned()
            .collect();
        if heard.is_empty() {
            return;
        }
        let mut told: Vec<(Topic, &'static str, String)> = Vec::new();
        let symbols: Vec<String> = self.venue.contracts.keys().cloned().collect();
        for symbol in symbols {
            if only.is_none_or(|only| only == symbol) {
                self.tell_contract_prices(&symbol, &heard, emitted, &mut told);
            }
        }
        if only.is_none() {
            self.tell_all_prices(&heard, emitted, &mut told);
        }
        for (topic, event, payload) in told {
            self.push_topic(&topic, event, &payload, now_ms);
        }
    }

    fn tell_contract_prices(
        &mut self,
        symbol: &str,
        heard: &[Topic],
        emitted: i64,
        told: &mut Vec<(Topic, &'static str, String)>,
    ) {
        let Some(contract) = self.venue.contracts.get(symbol) else {
            return;
        };
        let known = contract.mark.is_positive() && !contract.frozen;
        let mine: Vec<&Topic> = heard
            .iter()
            .filter(|topic| symbol_of(topic) == Some(symbol))
            .collect();
        if mine.is_empty() || !known {
            return;
        }
        let last_print = self.feed.prints.get(symbol).copied();
        let prints: Vec<_> = contract
            .history
            .prints()
            .filter(|print| last_print.is_none_or(|last| print.id > last))
            .collect();
        let mut seen: Vec<&Topic> = Vec::new();
        for topic in mine {
            if seen.contains(&topic) {
                continue;
            }
            seen.push(topic);
            let mut tell = |event, payload| told.push((topic.clone(), event, payload));
            match topic {
                Topic::Book(_) => {
                    tell("bookTicker", self.venue.book_ticker(contract, emitted));
                }
                Topic::Ticker(_) => {
                    tell("24hrTicker", self.venue.ticker_event(contract, emitted));
                }
                Topic::MiniTicker(_) => {
                    let event = self.venue.mini_ticker_event(contract, emitted);
                    tell("24hrMiniTicker", event);
                }
                Topic::Candles { interval, .. } => {
                    if let Some(event) = self.venue.candle_event(contract, *interval, emitted) {
                        tell("kline", event);
                    }
                }
                Topic::AggregateTrades(_) => {
                    for print in &prints {
                        tell("aggTrade", aggregate_trade_event(contract, print, emitted));
                    }
                }
                Topic::Trades(_) => {
                    for print in &prints {
                        tell("trade", trade_event(contract, print, emitted));
                    }
                }
                Topic::Depth(_) => tell("depthUpdate", self.feed.change(contract, emitted)),
                Topic::Levels { count, .. } => {
                    tell("depthUpdate", best_levels(contract, *count, emitted));
                }
                _ => {}
            }
        }
        if let Some(print) = contract.history.prints().next_back() {
            self.feed.prints.insert(symbol.to_owned(), print.id);
        }
    }

    fn tell_all_prices(
        &self,
        heard: &[Topic],
        emitted: i64,
        told: &mut Vec<(Topic, &'static str, String)>,
    ) {
        let known = || {
            let all = self.venue.contracts.values();
            all.filter(|contract| contract.mark.is_positive() && !contract.frozen)
        };
        let array = |row: &dyn Fn(&Contract) -> String| {
            let rows: Vec<String> = known().map(row).collect();
            format!("[{}]", rows.join(","))
        };
        if heard.contains(&Topic::AllTickers) {
            let rows = array(&|contract| self.venue.ticker_event(contract, emitted));
            told.push((Topic::AllTickers, "24hrTicker", rows));
        }
        if heard.contains(&Topic::AllMiniTickers) {
            let rows = array(&|contract| self.venue.mini_ticker_event(contract, emitted));
            told.push((Topic::AllMiniTickers, "24hrMiniTicker", rows));
        }
        // The book tickers of all contracts come every five seconds.
        if heard.contains(&Topic::AllBooks) && emitted % 5_000 == 0 {
            for contract in known() {
                let row = self.venue.book_ticker(contract, emitted);
                told.push((Topic::AllBooks, "bookTicker", row));
            }
        }
    }
}

impl Feed {
    /// Notes the book that a new follower of its changes will read.
    pub(super) fn begin(&mut self, contract: &Contract, told_ms: i64) {
        let (bids, asks) = contract.book();
        let book = ToldBook {
            update_id: told_ms - 1,
            bids,
            asks,
        };
        self.books.entry(contract.symbol.clone()).or_insert(book);
    }

    /// What changed in a book since it was told last: levels with their quantity, and with zero
    /// those that are gone. Whoever read the book in between finds his update id inside.
    fn change(&mut self, contract: &Contract, emitted: i64) -> String {
        let before = self.books.get(&contract.symbol).cloned();
        let before = before.unwrap_or_else(|| ToldBook {
            update_id: emitted - 1_000,
            bids: Levels::new(),
            asks: Levels::new(),
        });
        let (bids, asks) = contract.book();
        let update_id = emitted.max(before.update_id + 1);
        let rows = |levels: &Levels, old: &Levels| {
            let gone = old
                .iter()
                .filter(|(price, _)| levels.iter().all(|(kept, _)| kept != price))
                .map(|(price, _)| (*price, Fixed::ZERO));
            let changed = levels.iter().filter(|level| !old.contains(level)).copied();
            level_rows(contract, changed.chain(gone))
        };
        let event = value!({
            "e": "depthUpdate", "E": emitted, "T": emitted, "s": contract.symbol,
            "ps": contract.pair(), "U": before.update_id + 1, "u": update_id,
            "pu": before.update_id, "b": rows(&bids, &before.bids),
            "a": rows(&asks, &before.asks), "st": 1,
        });
        let told = ToldBook {
            update_id,
            bids,
            asks,
        };
        self.books.insert(contract.symbol.clone(), told);
        event.to_string()
    }
}

fn best_levels(contract: &Contract, count: usize, emitted: i64) -> String {
    let (bids, asks) = contract.book();
    value!({
        "e": "depthUpdate", "E": emitted, "T": emitted, "s": contract.symbol,
        "ps": contract.pair(), "U": emitted, "u": emitted, "pu": emitted - 1,
        "b": level_rows(contract, bids.into_iter().take(count)),
        "a": level_rows(contract, asks.into_iter().take(count)), "st": 1,
    })
    .to_string()
}

fn is_price(topic: &Topic) -> bool {
    symbol_of(topic).is_some()
        || matches!(
            topic,
            Topic::AllBooks | Topic::AllTickers | Topic::AllMiniTickers
        )
}

/// The contract whose prices a topic carries.
fn symbol_of(topic: &Topic) -> Option<&str> {
    match topic {
        Topic::Book(symbol)
        | Topic::Ticker(symbol)
        | Topic::MiniTicker(symbol)
        | Topic::Candles { symbol, .. }
        | Topic::AggregateTrades(symbol)
        | Topic::Trades(symbol)
        | Topic::Depth(symbol)
        | Topic::Levels { symbol, .. } => Some(symbol),
        _ => None,
    }
}
