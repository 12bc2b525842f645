//! One listed contract: its rules, its bracket table and where its price stands.
//!
//! Knows filters and tiers; must not know accounts or orders.

use crate::scenario::{SymbolLine, Tier};

use super::exact::Fixed;
use super::history::History;
use super::refusal::Refusal;

/// Largest quantity of one order.
pub(crate) const QUANTITY_MAX: Fixed = Fixed::new(1_000_000_000, 0);

/// A tier of a bracket table, with the deduction that makes maintenance margin continuous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bracket {
    pub(crate) floor: Fixed,
    pub(crate) cap: Fixed,
    pub(crate) rate: Fixed,
    pub(crate) cum: Fixed,
    pub(crate) leverage_max: u32,
}

/// A bracket table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Brackets(pub(crate) Vec<Bracket>);

impl Brackets {
    /// Builds a table from its tiers.
    ///
    /// # Errors
    /// A sentence when the tiers do not begin at zero, do not touch, or do not grow steeper.
    pub(crate) fn new(tiers: &[Tier]) -> Result<Self, String> {
        let mut table: Vec<Bracket> = Vec::new();
        for (index, tier) in tiers.iter().enumerate() {
            let number = |value| Fixed::from_decimal(value).ok_or("a number is too long");
            let (floor, cap, rate) = (number(tier.floor)?, number(tier.cap)?, number(tier.rate)?);
            let previous = table.last();
            if floor != previous.map_or(Fixed::ZERO, |bracket| bracket.cap) || cap <= floor {
                return Err(format!(
                    "tier {} does not continue the one before it",
                    index + 1
                ));
            }
            if previous.is_some_and(|bracket| {
                bracket.rate > rate || bracket.leverage_max < tier.leverage_max
            }) {
                return Err(format!(
                    "tier {} is milder than the one before it",
                    index + 1
                ));
            }
            // cum(n) = floor(n) × (rate(n) − rate(n−1)) + cum(n−1)
            let cum = previous.map_or(Fixed::ZERO, |bracket| {
                floor.times(rate - bracket.rate) + bracket.cum
            });
            table.push(Bracket {
                floor,
                cap,
                rate,
                cum,
                leverage_max: tier.leverage_max,
            });
        }
        Ok(Self(table))
    }

    /// Maintenance margin of a notional; above the last cap the last tier goes on.
    pub(crate) fn maintenance(&self, notional: Fixed) -> Fixed {
        let bracket = self
            .0
            .iter()
            .find(|bracket| notional <= bracket.cap)
            .or(self.0.last());
        bracket.map_or(Fixed::ZERO, |bracket| {
            notional.times(bracket.rate) - bracket.cum
        })
    }

    /// Largest notional at a leverage.
    pub(crate) fn notional_max(&self, leverage: u32) -> Fixed {
        let allowed = self
            .0
            .iter()
            .rev()
            .find(|bracket| bracket.leverage_max >= leverage);
        allowed.map_or(Fixed::ZERO, |bracket| bracket.cap)
    }

    pub(crate) fn leverage_max(&self) -> u32 {
        self.0.first().map_or(125, |bracket| bracket.leverage_max)
    }
}

/// Levels of each side of a book.
pub(crate) const LEVELS: usize = 50;

/// Prices and quantities of one side of a book, best first.
pub(crate) type Levels = Vec<(Fixed, Fixed)>;

/// A listed contract.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) symbol: String,
    pub(crate) tick: Fixed,
    pub(crate) step: Fixed,
    pub(crate) min_notional: Fixed,
    pub(crate) base: String,
    pub(crate) quote: String,
    pub(crate) margin_asset: String,
    pub(crate) taker: Fixed,
    pub(crate) maker: Fixed,
    pub(crate) status: String,
    pub(crate) kind: String,
    pub(crate) liquidation_fee: Fixed,
    pub(crate) percent_price: Fixed,
    pub(crate) funding_hours: u32,
    pub(crate) brackets: Brackets,
    /// `notionalCoef`, and whether the brackets that are told are the default ones beside it.
    pub(crate) coefficient: Option<(Fixed, bool)>,
    pub(crate) mark: Fixed,
    pub(crate) last: Fixed,
    pub(crate) funding_rate: Fixed,
    pub(crate) volatility: Fixed,
    /// Chance per second and standard size of a jump.
    pub(crate) jumps: (Fixed, Fixed),
    /// Best bid and ask where they are put away from the mark.
    pub(crate) best: Option<(Fixed, Fixed)>,
    /// Quantity at the touch; zero is unlimited.
    pub(crate) depth: Fixed,
    /// The mark moves but is not told.
    pub(crate) frozen: bool,
    /// The contract reports a mark of zero, as settled ones do; the last good one stays true.
    pub(crate) dark: bool,
    pub(crate) history: History,
}

impl Contract {
    /// Lists a contract; its mark is unknown (zero) until one is set.
    ///
    /// # Errors
    /// A sentence naming the option that is too long.
    pub(crate) fn new(line: &SymbolLine) -> Result<Self, String> {
        let number = |name: &str, value| {
            Fixed::from_decimal(value).ok_or_else(|| format!("`{name}` has too many decimals"))
        };
        Ok(Self {
            symbol: line.symbol.clone(),
            tick: number("tick", line.tick)?,
            step: number("step", line.step)?,
            min_notional: number("min-notional", line.min_notional)?,
            base: line.base.clone(),
            quote: line.quote.clone(),
            margin_asset: line.margin.clone(),
            taker: number("taker", line.taker)?,
            maker: number("maker", line.maker)?,
            status: line.status.clone(),
            kind: line.contract.clone(),
            liquidation_fee: number("liquidation-fee", line.liquidation_fee)?,
            percent_price: number("percent-price", line.percent_price)?,
            funding_hours: line.funding_hours,
            brackets: Brackets::default(),
            coefficient: None,
            mark: Fixed::ZERO,
            last: Fixed::ZERO,
            funding_rate: Fixed::ZERO,
            volatility: Fixed::ZERO,
            jumps: (Fixed::ZERO, Fixed::ZERO),
            best: None,
            depth: Fixed::ZERO,
            frozen: false,
            dark: false,
            history: History::default(),
        })
    }

    /// Takes over brackets and prices of the contract whose rules it replaces.
    pub(crate) fn inherit(&mut self, known: &Self) {
        self.brackets = known.brackets.clone();
        self.mark = known.mark;
        self.last = known.last;
        self.funding_rate = known.funding_rate;
        self.volatility = known.volatility;
        self.jumps = known.jumps;
        self.best = known.best;
        self.depth = known.depth;
        self.history = known.history.clone();
    }

    /// Begins its history with the present price. What a walk will do it is taken to have done
    /// before; each contract in its own way.
    pub(crate) fn begin_history(&mut self, seed: u64, now_ms: i64) {
        let own = self.symbol.bytes().fold(seed, |seed, byte| {
            seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte)
        });
        self.history = History::default();
        self.history
            .begin(own, self.volatility, self.tick, self.step);
        if self.last.is_positive() {
            self.history.record(self.last, None, now_ms);
        }
    }

    /// Prints a trade nobody of ours made: the last price is that price.
    pub(crate) fn print(&mut self, price: Fixed, now_ms: i64) {
        let quantity = self.history.usual_quantity();
        self.traded(price, quantity, now_ms);
    }

    /// A trade was made at a price.
    pub(crate) fn traded(&mut self, price: Fixed, quantity: Fixed, now_ms: i64) {
        self.last = price;
        self.history.record(price, Some(quantity), now_ms);
    }

    pub(crate) fn price_decimals(&self) -> u32 {
        self.tick.decimals()
    }

    pub(crate) fn quantity_decimals(&self) -> u32 {
        self.step.decimals()
    }

    pub(crate) fn is_dated(&self) -> bool {
        self.funding_hours == 0
    }

    /// Traditional markets have sessions of their own and frames of their own.
    pub(crate) fn is_traditional(&self) -> bool {
        self.kind == "TRADIFI_PERPETUAL"
    }

    /// The mark as clients hear it.
    pub(crate) fn told_mark(&self) -> Fixed {
        if self.dark { Fixed::ZERO } else { self.mark }
    }

    /// The pair a dated contract belongs to; a perpetual's own name.
    pub(crate) fn pair(&self) -> &str {
        self.symbol.split('_').next().unwrap_or_default()
    }

    /// Delivery time: read from the name of a dated contract, far away for a perpetual.
    pub(crate) fn delivery_ms(&self) -> i64 {
        const NEVER_MS: i64 = 4_133_404_800_000;
        self.delivery_date().unwrap_or(NEVER_MS)
    }

    fn delivery_date(&self) -> Option<i64> {
        let (year, rest) = self.symbol.split_once('_')?.1.split_at_checked(2)?;
        let (month, day) = rest.split_at_checked(2)?;
        let date = jiff::civil::Date::new(
            2000 + year.parse::<i16>().ok()?,
            month.parse().ok()?,
            day.parse().ok()?,
        );
        let time = jiff::tz::Offset::UTC
            .to_timestamp(date.ok()?.at(8, 0, 0, 0))
            .ok()?;
        Some(time.as_millisecond())
    }

    pub(crate) fn is_trading(&self) -> bool {
        self.status == "TRADING"
    }

    /// Best bid: the mark, cut down to the tick, unless it is put elsewhere.
    pub(crate) fn bid(&self) -> Fixed {
        self.best
            .map_or_else(|| self.mark.floor_to(self.tick), |best| best.0)
    }

    /// Best ask: one tick above the bid, unless it is put elsewhere.
    pub(crate) fn ask(&self) -> Fixed {
        self.best
            .map_or_else(|| self.bid() + self.tick, |best| best.1)
    }

    /// Quantity at each level of the book; with unlimited depth a round figure is shown.
    pub(crate) fn touch_quantity(&self) -> Fixed {
        if self.depth.is_zero() {
            Fixed::new(100, 0)
        } else {
            self.depth
        }
    }

    /// The book around the mark: bids and asks, best first, a level per tick.
    pub(crate) fn book(&self) -> (Levels, Levels) {
        let quantity = self.touch_quantity();
        let side = |best: Fixed, step: Fixed| -> Levels {
            let mut price = best;
            let levels = (0..LEVELS).map(|_| {
                let level = (price, quantity);
                price += step;
                level
            });
            levels.filter(|(price, _)| price.is_positive()).collect()
        };
        (side(self.bid(), -self.tick), side(self.ask(), self.tick))
    }

    /// Checks a quantity against the lot filter.
    pub(crate) fn check_quantity(&self, quantity: Fixed) -> Result<(), Refusal> {
        if !quantity.is_positive() {
            return Err(Refusal::quantity_zero());
        }
        if quantity.decimals() > self.quantity_decimals() {
            return Err(Refusal::too_precise());
        }
        if quantity < self.step {
            return Err(Refusal::quantity_small());
        }
        if quantity > QUANTITY_MAX {
            return Err(Refusal::quantity_large());
        }
        if !quantity.is_multiple_of(self.step) {
            return Err(Refusal::step());
        }
        Ok(())
    }

    /// Checks a price against the price filter.
    pub(crate) fn check_price(&self, price: Fixed) -> Result<(), Refusal> {
        if price.decimals() > self.price_decimals() {
            return Err(Refusal::too_precise());
        }
        if price < self.tick {
            return Err(Refusal::price_small());
        }
        if !price.is_multiple_of(self.tick) {
            return Err(Refusal::tick());
        }
        Ok(())
    }

    /// Largest price of a buy and smallest of a sell.
    pub(crate) fn price_band(&self) -> (Fixed, Fixed) {
        let up = self.mark.times(Fixed::ONE + self.percent_price);
        let down = self.mark.times(Fixed::ONE - self.percent_price);
        (up.floor_to(self.tick), down.floor_to(self.tick))
    }
}
