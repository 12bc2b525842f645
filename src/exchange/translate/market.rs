//! Mark prices and contract changes.
//!
//! Owns: reading market frames, and `premiumIndex`, which tells the same over REST.
//! Must not know: who wanted them.

use super::collateral::of_frame;
use super::{WireError, integer, price, rate, symbol, time_if_any};
use crate::exchange::text::{clean_text, clean_text_to};
use crate::exchange::wire::market::{Frame, Tick};
use crate::exchange::wire::{Scalar, Text, rest as wire};
use crate::margin::account::Symbol;
use crate::margin::amount::{MarkPrice, Price, Rate};
use crate::mirror::event::{CollateralUpdate, MarkUpdate};

/// Most names that are kept: more contracts than are listed.
const NAMES_MAX: usize = 2_048;

/// Names that were read before: a mark that comes every second needs no new memory for its own, which
/// another thread would have to give back. Looked up, never iterated.
#[derive(Debug, Default)]
pub struct Names(std::collections::HashSet<Symbol, foldhash::fast::FixedState>);

impl Names {
    fn symbol(&mut self, name: &str) -> Option<Symbol> {
        if let Some(known) = self.0.get(name) {
            return Some(known.clone());
        }
        let symbol = Symbol::new(name)?;
        if self.0.len() < NAMES_MAX {
            self.0.insert(symbol.clone());
        }
        Some(symbol)
    }
}

/// What a market frame brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarketNews {
    /// A mark price.
    Mark(MarkUpdate),
    /// A contract was listed, settled or given other brackets.
    Contract {
        /// Contract.
        symbol: Symbol,
        /// Its brackets changed.
        brackets: bool,
    },
    /// What an asset counts for in multi-assets mode.
    Rate(CollateralUpdate),
    /// One row could not be read; its symbol goes stale by itself and no other.
    Unreadable(String),
    /// A row of another market, or an event whose type is known and not needed.
    Nothing,
    /// An answer to a control message.
    Acknowledged,
    /// A control message was refused.
    Refused(String),
    /// An event of a type that is not known.
    Unknown(String),
}

/// Reads a frame: a single event, or an array of them (a tick of the whole market comes in several
/// frames). `news` is called once per event.
///
/// # Errors
/// [`WireError`] when the frame is not what it should be. A row in it that cannot be read is told
/// as [`MarketNews::Unreadable`]: one symbol's odd figure must not blind the others.
pub fn market_frame(
    text: &str,
    names: &mut Names,
    news: &mut impl FnMut(MarketNews),
) -> Result<(), WireError> {
    if plain_marks(text, names, news) {
        return Ok(());
    }
    if text.trim_start().starts_with('[') {
        for frame in serde_json::from_str::<Vec<Frame<'_>>>(text)? {
            news(event(&frame));
        }
        return Ok(());
    }
    let frame: Frame<'_> = serde_json::from_str(text)?;
    match frame.data {
        // One wrapper, never two.
        Some(data) if frame.e.is_none() => unwrapped(data.get(), names, news),
        _ => {
            news(event(&frame));
            Ok(())
        }
    }
}

/// Reads marks that are spelled exactly as the exchange spells them, and tells each as it is read:
/// these frames come by the thousand. False sends the frame through the reader that trusts no type,
/// which also finds the words for what is wrong; that a mark is then told twice changes nothing.
fn plain_marks(text: &str, names: &mut Names, news: &mut impl FnMut(MarketNews)) -> bool {
    let Some(mut rest) = text.strip_prefix('[') else {
        let tick = Tick::scan(text).filter(|(_, rest)| rest.is_empty());
        let mark = tick.and_then(|(tick, _)| plain_mark(&tick, names));
        return mark.map(news).is_some();
    };
    loop {
        let Some((tick, after)) = Tick::scan(rest) else {
            return false;
        };
        let Some(mark) = plain_mark(&tick, names) else {
            return false;
        };
        news(mark);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after == "]",
        }
    }
}

fn plain_mark(tick: &Tick<'_>, names: &mut Names) -> Option<MarketNews> {
    if tick.e != "markPriceUpdate" {
        return None;
    }
    if tick.st == 2 {
        return Some(MarketNews::Nothing);
    }
    let funding_rate = match tick.r {
        "" => None,
        text => Some(Rate::parse(text).ok()?),
    };
    Some(MarketNews::Mark(MarkUpdate {
        symbol: names.symbol(tick.s)?,
        mark: MarkPrice::new(Price::parse(tick.p).ok()?),
        funding_rate,
        next_funding_ms: (tick.T > 0).then_some(tick.T),
        event_ms: tick.E,
    }))
}

fn unwrapped(
    text: &str,
    names: &mut Names,
    news: &mut impl FnMut(MarketNews),
) -> Result<(), WireError> {
    if plain_marks(text, names, news) {
        return Ok(());
    }
    if text.starts_with('[') {
        for frame in serde_json::from_str::<Vec<Frame<'_>>>(text)? {
            news(event(&frame));
        }
    } else {
        news(event(&serde_json::from_str(text)?));
    }
    Ok(())
}

fn event(frame: &Frame<'_>) -> MarketNews {
    let Some(name) = &frame.e else {
        return control(frame);
    };
    row(name.as_str(), frame).unwrap_or_else(|error| {
        let symbol = frame.s.as_ref().map_or("", Text::as_str);
        MarketNews::Unreadable(clean_text_to(&format!("{symbol}: {error}"), 200))
    })
}

fn row(name: &str, frame: &Frame<'_>) -> Result<MarketNews, WireError> {
    let is_coin_margined = frame.st.is_some_and(|market| market.text() == "2");
    match name {
        "markPriceUpdate" if !is_coin_margined => mark(frame).map(MarketNews::Mark),
        "contractInfo" if !is_coin_margined => Ok(MarketNews::Contract {
            symbol: symbol(required(frame.s.as_ref(), "s")?)?,
            brackets: frame.bks.is_some(),
        }),
        "assetIndexUpdate" if !is_coin_margined => of_frame(frame).map(MarketNews::Rate),
        "markPriceUpdate" | "contractInfo" | "assetIndexUpdate" => Ok(MarketNews::Nothing),
        other => Ok(MarketNews::Unknown(clean_text_to(other, 64))),
    }
}

fn control(frame: &Frame<'_>) -> MarketNews {
    if let Some(error) = &frame.error {
        let words = error.msg.as_ref().map_or("", Text::as_str);
        let code = error.code().unwrap_or(0);
        return MarketNews::Refused(clean_text(&format!("{code}: {words}")));
    }
    if frame.code.is_some() || frame.msg.is_some() {
        let words = frame.msg.as_ref().map_or("", Text::as_str);
        let code = frame.code.map_or("", Scalar::text);
        return MarketNews::Refused(clean_text(&format!("{code}: {words}")));
    }
    MarketNews::Acknowledged
}

fn mark(frame: &Frame<'_>) -> Result<MarkUpdate, WireError> {
    update(
        required(frame.s.as_ref(), "s")?,
        *required(frame.p.as_ref(), "p")?,
        frame.r,
        frame.T,
        *required(frame.E.as_ref(), "E")?,
    )
}

fn update(
    name: &Text<'_>,
    mark: Scalar<'_>,
    funding: Option<Scalar<'_>>,
    next_funding: Option<Scalar<'_>>,
    time: Scalar<'_>,
) -> Result<MarkUpdate, WireError> {
    let funding: Option<Rate> = funding
        .filter(|funding| !funding.text().is_empty())
        .map(|funding| rate(funding, "funding rate"))
        .transpose()?;
    Ok(MarkUpdate {
        symbol: symbol(name)?,
        mark: MarkPrice::new(price(mark, "mark price")?),
        funding_rate: funding,
        next_funding_ms: time_if_any(next_funding, "next funding time")?,
        event_ms: integer(time, "event time")?,
    })
}

fn required<'a, T>(field: Option<&'a T>, name: &'static str) -> Result<&'a T, WireError> {
    field.ok_or(WireError::Missing(name))
}

/// `GET /fapi/v1/premiumIndex`: one object with a symbol, an array without. Rows that cannot be
/// read are left out: the stream will tell.
pub(in crate::exchange) fn premium_index(body: &[u8]) -> Result<Vec<MarkUpdate>, WireError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let rows: Vec<wire::PremiumIndex<'_>> = if is_array {
        serde_json::from_slice(body)?
    } else {
        vec![serde_json::from_slice(body)?]
    };
    Ok(rows
        .iter()
        .filter_map(|row| {
            update(
                &row.symbol,
                row.mark_price,
                row.last_funding_rate,
                row.next_funding_time,
                row.time,
            )
            .ok()
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::amount::Price;

    const MARK: &str = r#"{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","ap":"11794.1","p":"11794.15000000",
        "P":"11784.62659091","i":"11784.62659091","r":"0.00038167","T":1562306400000,"st":1}"#;

    fn read(text: &str) -> Vec<MarketNews> {
        let mut all = Vec::new();
        market_frame(text, &mut Names::default(), &mut |news| all.push(news)).unwrap();
        all
    }

    fn only_mark(text: &str) -> MarkUpdate {
        match read(text).as_slice() {
            [MarketNews::Mark(mark)] => mark.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mark_price_in_every_wrapping() {
        let wrapped = format!(r#"{{"stream":"btcusdt@markPrice@1s","data":{MARK}}}"#);
        let array = format!("[{MARK}]");
        let wrapped_array = format!(r#"{{"stream":"!markPrice@arr@1s","data":[{MARK}]}}"#);
        for text in [MARK, &wrapped, &array, &wrapped_array] {
            let mark = only_mark(text);
            assert_eq!(mark.symbol.as_str(), "BTCUSDT");
            assert_eq!(mark.mark, MarkPrice::new(Price::parse("11794.15").unwrap()));
            assert_eq!(mark.funding_rate, Some(Rate::parse("0.00038167").unwrap()));
            assert_eq!(mark.next_funding_ms, Some(1_562_306_400_000));
            assert_eq!(mark.event_ms, 1_562_305_380_000);
        }
    }

    #[test]
    fn numbers_of_either_type_and_dated_contracts() {
        let mark = only_mark(
            r#"{"e":"markPriceUpdate","E":"1562305380000","s":"测试USDT_260925","p":1e1,"r":"","T":0}"#,
        );
        assert_eq!(mark.mark, MarkPrice::new(Price::parse("10").unwrap()));
        assert_eq!((mark.funding_rate, mark.next_funding_ms), (None, None));
    }

    #[test]
    fn a_mark_of_zero_is_unknown() {
        assert_eq!(only_mark(&MARK.replace("11794.15000000", "0")).mark, None);
    }

    #[test]
    fn rows_of_the_coin_margined_market_are_left_out() {
        let coin = MARK.replace(r#""st":1"#, r#""st":2"#);
        assert_eq!(read(&coin), [MarketNews::Nothing]);
        let both = format!("[{MARK},{coin}]");
        assert_eq!(read(&both).len(), 2);
    }

    #[test]
    fn contract_changes_tell_whether_brackets_changed() {
        let listed = r#"{"e":"contractInfo","E":1669356423908,"s":"IOTAUSDT","ps":"IOTAUSDT","ct":"PERPETUAL",
            "dt":4133404800000,"ot":1569398400000,"cs":"TRADING"}"#;
        let change = |brackets| {
            let symbol = Symbol::new("IOTAUSDT").unwrap();
            [MarketNews::Contract { symbol, brackets }]
        };
        assert_eq!(read(listed), change(false));
        let with = listed.replace(
            r#""cs":"TRADING""#,
            r#""cs":"TRADING","bks":[{"bs":1,"bnf":0,"bnc":5000,"mmr":0.01,"cf":0,"mi":21,"ma":50}]"#,
        );
        assert_eq!(read(&with), change(true));
    }

    #[test]
    fn n13_answers_and_refusals_are_told_apart() {
        assert_eq!(
            read(r#"{"result":null,"id":1}"#),
            [MarketNews::Acknowledged]
        );
        for refusal in [
            r#"{"error":{"code":2,"msg":"Invalid request"},"id":3}"#,
            r#"{"code":2,"msg":"Invalid request"}"#,
        ] {
            assert_eq!(
                read(refusal),
                [MarketNews::Refused("2: Invalid request".into())]
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_what_is_new_is_not() {
        let mut sink = |_| {};
        for text in ["", "nonsense", "[{]", "1", r#"{"e":5}"#] {
            assert!(
                market_frame(text, &mut Names::default(), &mut sink).is_err(),
                "{text}"
            );
        }
        for text in [
            r#"{"e":"markPriceUpdate","E":1,"s":"BTCUSDT"}"#,
            r#"{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"NaN"}"#,
            r#"{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":""}"#,
            r#"{"e":"markPriceUpdate","E":1,"s":"","p":"1"}"#,
        ] {
            assert!(
                matches!(read(text).as_slice(), [MarketNews::Unreadable(_)]),
                "{text}"
            );
        }
        let one_odd = format!(r#"[{{"e":"markPriceUpdate","E":1,"s":"ODD","p":""}},{MARK}]"#);
        assert!(matches!(
            read(&one_odd).as_slice(),
            [MarketNews::Unreadable(words), MarketNews::Mark(_)] if words == "ODD: mark price is empty"
        ));
        assert_eq!(
            read(r#"{"e":"newThing","x":1}"#),
            [MarketNews::Unknown("newThing".into())]
        );
    }

    #[test]
    fn premium_index_tells_the_same_over_rest() {
        let row = r#"{"symbol":"BTCUSDT","markPrice":"11793.63104562","indexPrice":"11781.80495970",
            "estimatedSettlePrice":"11781.16138815","lastFundingRate":"0.00038246","interestRate":"0.00010000",
            "nextFundingTime":1597392000000,"time":1597370495002}"#;
        assert_eq!(premium_index(row.as_bytes()).unwrap().len(), 1);
        let two = format!(r#"[{row},{{"symbol":"X","markPrice":"","time":1}}]"#);
        let marks = premium_index(two.as_bytes()).unwrap();
        assert_eq!(marks.len(), 1);
        assert_eq!(marks[0].event_ms, 1_597_370_495_002);
    }
}
