//! What a contract's last price did: minute candles and prints since the exchange began, and a
//! seeded past of thirty days before it.
//!
//! The past is never stored: it is walked backward from the first price whenever somebody asks, and
//! the same seed walks the same way. Must not know how candles are asked for or worded.

use std::collections::VecDeque;
use std::sync::Arc;

use super::exact::Fixed;
use super::random::Random;

pub(crate) const MINUTE_MS: i64 = 60_000;
/// Minutes of the seeded past.
const PAST_MINUTES: i64 = 30 * 1_440;
/// Minutes since the start that are kept; the past is forgotten with the first of them.
const KEPT_MINUTES: usize = 7 * 1_440;
const PRINTS_MAX: usize = 50;
/// √60 with six decimals: a minute's standard move over a second's.
const MINUTE_OVER_SECOND: Fixed = Fixed::new(7_745_967, 6);

/// Length of a candle, as the exchange writes it: `1m`, `4h`, `1d`, `1w`, `1M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    count: i64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

impl Interval {
    /// Reads one of the exchange's intervals.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const ALL: [&str; 15] = [
            "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
            "1M",
        ];
        let known = ALL.contains(&text);
        let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            _ => Unit::Month,
        };
        let count = count.parse().ok().filter(|_| known)?;
        Some(Self { count, unit })
    }

    /// When the candle that holds a moment begins. Weeks begin on Mondays, months on their first.
    pub(crate) fn begin(self, time_ms: i64) -> i64 {
        const FIRST_MONDAY_MS: i64 = 4 * 1_440 * MINUTE_MS;
        let minutes = match self.unit {
            Unit::Minute => 1,
            Unit::Hour => 60,
            Unit::Day => 1_440,
            Unit::Week => 10_080,
            Unit::Month => return month_begin(time_ms),
        };
        let length_ms = self.count * minutes * MINUTE_MS;
        let shift = if self.unit == Unit::Week {
            FIRST_MONDAY_MS
        } else {
            0
        };
        (time_ms - shift).div_euclid(length_ms) * length_ms + shift
    }

    /// The last millisecond of the candle that begins at `open_ms`.
    pub(crate) fn end(self, open_ms: i64) -> i64 {
        let day_ms = 1_440 * MINUTE_MS;
        match self.unit {
            Unit::Minute => open_ms + self.count * MINUTE_MS - 1,
            Unit::Hour => open_ms + self.count * 60 * MINUTE_MS - 1,
            Unit::Day => open_ms + self.count * day_ms - 1,
            Unit::Week => open_ms + 7 * day_ms - 1,
            Unit::Month => month_begin(open_ms + 31 * day_ms) - 1,
        }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.unit {
            Unit::Minute => 'm',
            Unit::Hour => 'h',
            Unit::Day => 'd',
            Unit::Week => 'w',
            Unit::Month => 'M',
        };
        write!(formatter, "{}{unit}", self.count)
    }
}

fn month_begin(time_ms: i64) -> i64 {
    let Ok(time) = jiff::Timestamp::from_millisecond(time_ms) else {
        return time_ms;
    };
    let date = jiff::tz::Offset::UTC
        .to_datetime(time)
        .date()
        .first_of_month();
    jiff::tz::Offset::UTC
        .to_timestamp(date.at(0, 0, 0, 0))
        .map_or(time_ms, jiff::Timestamp::as_millisecond)
}

/// One candle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candle {
    pub(crate) open_ms: i64,
    pub(crate) open: Fixed,
    pub(crate) high: Fixed,
    pub(crate) low: Fixed,
    pub(crate) close: Fixed,
    /// In the base asset.
    pub(crate) volume: Fixed,
    pub(crate) trades: u32,
}

/// One trade of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print {
    pub(crate) id: i64,
    pub(crate) price: Fixed,
    pub(crate) quantity: Fixed,
    pub(crate) time_ms: i64,
    pub(crate) buyer_is_maker: bool,
}

/// What a contract's last price did.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    seed: u64,
    /// Standard move per second when it began; zero has no past.
    volatility: Fixed,
    tick: Fixed,
    step: Fixed,
    next_print: i64,
    closed: Arc<VecDeque<Candle>>,
    current: Option<Candle>,
    prints: VecDeque<Print>,
    forgot: bool,
}

impl Candle {
    fn flat(open_ms: i64, price: Fixed) -> Self {
        Self {
            open_ms,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Fixed::ZERO,
            trades: 0,
        }
    }

    /// Takes an older candle in, so that both are one that begins with it.
    fn preceded_by(self, older: &Self, open_ms: i64) -> Self {
        Self {
            open_ms,
            open: older.open,
            high: self.high.max(older.high),
            low: self.low.min(older.low),
            close: self.close,
            volume: self.volume + older.volume,
            trades: self.trades.saturating_add(older.trades),
        }
    }

    /// Quote volume, taken at the middle of the candle.
    pub(crate) fn turnover(&self) -> Fixed {
        self.volume.times(self.high.midpoint(self.low)).cut(8)
    }
}

impl History {
    /// A history that begins now; `volatility` makes the past before it.
    pub(crate) fn begin(&mut self, seed: u64, volatility: Fixed, tick: Fixed, step: Fixed) {
        self.seed = seed;
        self.volatility = volatility;
        self.tick = tick;
        self.step = step;
        self.next_print = i64::try_from(seed % 1_000_000_000).unwrap_or_default();
    }

    /// The last price was made again or moved; `quantity` if something was traded for it.
    pub(crate) fn record(&mut self, price: Fixed, quantity: Option<Fixed>, now_ms: i64) {
        self.advance(price, now_ms);
        let Some(candle) = &mut self.current else {
            return;
        };
        candle.high = candle.high.max(price);
        candle.low = candle.low.min(price);
        let buyer_is_maker = price < candle.close;
        candle.close = price;
        let Some(quantity) = quantity else { return };
        candle.volume += quantity;
        candle.trades = candle.trades.saturating_add(1);
        self.next_print += 1;
        self.prints.push_back(Print {
            id: self.next_print,
            price,
            quantity,
            time_ms: now_ms,
            buyer_is_maker,
        });
        if self.prints.len() > PRINTS_MAX {
            self.prints.pop_front();
        }
    }

    /// A quantity for a print nobody ordered: between one and a hundred steps.
    pub(crate) fn usual_quantity(&self) -> Fixed {
        let drawn = Random::new(self.seed ^ self.next_print.unsigned_abs()).next() % 100 + 1;
        self.step
            .times(Fixed::new(i64::try_from(drawn).unwrap_or(1), 0))
    }

    /// Closes the minutes that are over. What nobody traded in is flat.
    fn advance(&mut self, price: Fixed, now_ms: i64) {
        let minute = now_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let Some(current) = self.current else {
            self.current = Some(Candle::flat(minute, price));
            return;
        };
        if current.open_ms >= minute {
            return;
        }
        let closed = Arc::make_mut(&mut self.closed);
        closed.push_back(current);
        let kept = i64::try_from(KEPT_MINUTES).unwrap_or(i64::MAX) * MINUTE_MS;
        let mut open_ms = (current.open_ms + MINUTE_MS).max(minute - kept);
        while open_ms < minute {
            closed.push_back(Candle::flat(open_ms, current.close));
            open_ms += MINUTE_MS;
        }
        while closed.len() > KEPT_MINUTES {
            closed.pop_front();
            self.forgot = true;
        }
        self.current = Some(Candle::flat(minute, current.close));
    }

    /// The latest trades, oldest first.
    pub(crate) fn prints(&self) -> impl DoubleEndedIterator<Item = &Print> {
        self.prints.iter()
    }

    /// Minute candles backward from the running one, as of `now_ms`.
    fn backward(&self, now_ms: i64) -> impl Iterator<Item = Candle> {
        let minute = now_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let current = self.current;
        let idle = current.into_iter().flat_map(move |candle| {
            let idle = (minute - candle.open_ms).div_euclid(MINUTE_MS);
            let flat =
                move |back| Candle::flat(candle.open_ms + (idle - back) * MINUTE_MS, candle.close);
            (0..idle.max(0)).map(flat)
        });
        let first = self.closed.front().copied().or(current);
        let past = first
            .filter(|_| self.volatility.is_positive() && !self.forgot)
            .map(|first| self.past(first));
        idle.chain(current)
            .chain(self.closed.iter().rev().copied())
            .chain(past.into_iter().flatten())
    }

    /// The seeded past, backward from before the first candle.
    fn past(&self, first: Candle) -> impl Iterator<Item = Candle> {
        let mut random = Random::new(self.seed);
        let deviation = self.volatility.times(MINUTE_OVER_SECOND).cut(9);
        let (tick, step) = (self.tick, self.step);
        let mut close = first.open;
        (1..=PAST_MINUTES).map(move |back| {
            let moved = |random: &mut Random| deviation.times(random.normal().cut(6)).cut(9);
            let along = |price: Fixed, by: Fixed| {
                let moved = price.times(Fixed::ONE + by).floor_to(tick);
                moved.max(tick)
            };
            let open = along(close, moved(&mut random));
            let (top, bottom) = (open.max(close), open.min(close));
            let half = moved(&mut random).abs().times(Fixed::new(5, 1));
            let volume = Fixed::new(i64::try_from(random.next() % 900 + 100).unwrap_or(1), 0);
            let candle = Candle {
                open_ms: first.open_ms - back * MINUTE_MS,
                open,
                high: along(top, half).max(top),
                low: along(bottom, -half).min(bottom),
                close,
                volume: step.times(volume),
                trades: 60,
            };
            close = open;
            candle
        })
    }

    /// Candles of a length whose beginning `begin` finds, oldest first: the latest `count`, or the
    /// first `count` from `since_ms` on; none that begins after `until_ms`.
    pub(crate) fn candles(
        &self,
        begin: impl Fn(i64) -> i64,
        now_ms: i64,
        (since_ms, until_ms): (Option<i64>, i64),
        count: usize,
    ) -> Vec<Candle> {
        let mut found: Vec<Candle> = Vec::new();
        for minute in self.backward(now_ms) {
            let open_ms = begin(minute.open_ms);
            if open_ms > until_ms {
                continue;
            }
            let enough = match since_ms {
                Some(since_ms) => open_ms < since_ms,
                None => found.len() == count,
            };
            match found.last_mut() {
                Some(last) if last.open_ms == open_ms => {
                    *last = last.preceded_by(&minute, open_ms);
                }
                _ if enough => break,
                _ => found.push(Candle { open_ms, ..minute }),
            }
        }
        found.reverse();
        found.truncate(count);
        found
    }

    /// The last day as one candle; `None` before there was a price.
    pub(crate) fn day(&self, now_ms: i64) -> Option<Candle> {
        let mut minutes = self.backward(now_ms).take(1_440);
        let last = minutes.next()?;
        Some(minutes.fold(last, |day, minute| day.preceded_by(&minute, minute.open_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_790_000_040_000;

    fn price(value: i64) -> Fixed {
        Fixed::new(value, 0)
    }

    fn history(volatility: Fixed) -> History {
        let mut history = History::default();
        history.begin(5, volatility, Fixed::new(1, 1), Fixed::new(1, 3));
        history.record(price(60_000), None, START_MS);
        history
    }

    fn minutes(history: &History, count: usize) -> Vec<Candle> {
        let begin = |open_ms: i64| open_ms;
        history.candles(begin, START_MS, (None, i64::MAX), count)
    }

    #[test]
    fn the_past_leads_to_the_first_price_without_a_gap() {
        let history = history(Fixed::new(2, 4));
        let found = minutes(&history, 1_000);
        assert_eq!(found.len(), 1_000);
        for pair in found.windows(2) {
            assert_eq!(pair[0].open_ms + MINUTE_MS, pair[1].open_ms);
            assert_eq!(pair[0].close, pair[1].open);
        }
        for candle in &found {
            assert!(candle.low <= candle.open.min(candle.close));
            assert!(candle.high >= candle.open.max(candle.close));
        }
        assert_eq!(found.last().unwrap().close, price(60_000));
        assert_ne!(found[0].open, price(60_000));
        assert_eq!(minutes(&history, usize::MAX).len(), 30 * 1_440 + 1);
        assert_eq!(found, minutes(&history, 1_000));
    }

    #[test]
    fn intervals_begin_where_the_calendar_says() {
        // 2026-11-24 00:03:21 UTC, a Tuesday.
        let time_ms = 1_795_478_601_000;
        let begin = |text: &str| Interval::parse(text).unwrap().begin(time_ms);
        assert_eq!(begin("1m"), 1_795_478_580_000);
        assert_eq!(begin("1d"), 1_795_478_400_000);
        assert_eq!(begin("1w"), 1_795_392_000_000); // Monday the 23rd
        assert_eq!(begin("1M"), 1_793_491_200_000); // 1 November
        let month = Interval::parse("1M").unwrap();
        assert_eq!(month.end(begin("1M")), 1_796_083_199_999); // to the end of November
        assert_eq!(month.to_string(), "1M");
        for bad in ["", "7m", "1s", "m", "1分", "1y"] {
            assert_eq!(Interval::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn longer_candles_are_made_of_the_minutes() {
        let history = history(Fixed::new(2, 4));
        let quarter = |open_ms: i64| open_ms.div_euclid(15 * MINUTE_MS) * 15 * MINUTE_MS;
        let found = history.candles(quarter, START_MS, (None, i64::MAX), 3);
        let whole = found[1];
        let parts: Vec<Candle> = minutes(&history, 100)
            .into_iter()
            .filter(|candle| quarter(candle.open_ms) == whole.open_ms)
            .collect();
        assert_eq!(parts.len(), 15);
        assert_eq!((whole.open, whole.close), (parts[0].open, parts[14].close));
        assert_eq!(
            whole.high,
            parts.iter().map(|part| part.high).max().unwrap()
        );
        assert_eq!(whole.low, parts.iter().map(|part| part.low).min().unwrap());
        assert_eq!(whole.volume, parts.iter().map(|part| part.volume).sum());
    }

    #[test]
    fn what_happens_is_in_the_candles_and_quiet_minutes_are_flat() {
        let mut history = history(Fixed::ZERO);
        history.record(price(60_100), Some(price(1)), START_MS + 1_000);
        history.record(price(59_900), Some(price(2)), START_MS + 2_000);
        history.record(price(60_050), None, START_MS + 5 * MINUTE_MS);
        let begin = |open_ms: i64| open_ms;
        let now_ms = START_MS + 6 * MINUTE_MS;
        let found = history.candles(begin, now_ms, (None, i64::MAX), 10);
        assert_eq!(found.len(), 7, "nothing before the beginning");
        let first = found[0];
        assert_eq!((first.high, first.low), (price(60_100), price(59_900)));
        assert_eq!((first.volume, first.trades), (price(3), 2));
        assert_eq!(found[1], Candle::flat(START_MS + MINUTE_MS, price(59_900)));
        assert_eq!(found[6].close, price(60_050));
        assert_eq!(history.prints().count(), 2);
        let since = history.candles(begin, now_ms, (Some(START_MS + MINUTE_MS), now_ms), 2);
        assert_eq!(since[0].open_ms, START_MS + MINUTE_MS);
        assert_eq!(since.len(), 2);
    }
}
