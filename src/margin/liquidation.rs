//! Where a price would have to go for a position, or a whole pool, to be liquidated.
//!
//! Owns: the roots of `f(P) = margin balance − maintenance margin` along one symbol's price,
//! solved piecewise across the brackets.
//! Must not know: pools of several symbols (it is given their headroom), orders, policy.
//!
//! `f` is concave and piecewise linear in any one price (each tier has a higher rate than the one
//! below), so there is at most one root below the mark and one above it. On a concave function
//! Newton's method from the outside is exact: the tangent lies above the function, each step
//! stays on the outside of the root, and the step that lands in its own tier is the root itself.
//!
//! Source: margin-math §7 (the exchange's formula is this equation solved for one symbol).

use rust_decimal::Decimal;

use super::account::{Leg, Legs};
use super::amount::{
    Amount, ArithmeticError, MarkPrice, Notional, Price, Rate, exact_add, exact_mul, exact_sub,
    quotient, round,
};
use super::bracket::{BRACKETS_MAX, BracketTable};
use super::contribution::unrealized_pnl;

/// Which way a price moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// A fall.
    Down,
    /// A rise.
    Up,
}

/// The prices at which this symbol alone, all else frozen, liquidates what it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiquidationPrices {
    /// Margin balance is at or below maintenance margin now: a state, not a price.
    AlreadyLiquidatable,
    /// Alive at the mark.
    Alive {
        /// A fall to here liquidates; `None` when no fall does.
        below: Option<Price>,
        /// A rise to here liquidates; `None` when no rise does.
        above: Option<Price>,
        /// Where the danger lies by the slope at the mark: the one price the exchange prints.
        slope: Direction,
    },
}

impl LiquidationPrices {
    /// The one price the exchange prints: on the side where the slope puts it, else on the other;
    /// `None` (printed as "0") when this symbol alone cannot liquidate.
    #[must_use]
    pub const fn headline(&self) -> Option<Price> {
        match self {
            Self::AlreadyLiquidatable => None,
            Self::Alive {
                below,
                above,
                slope,
            } => {
                let (first, second) = match slope {
                    Direction::Down => (below, above),
                    Direction::Up => (above, below),
                };
                match first {
                    Some(price) => Some(*price),
                    None => *second,
                }
            }
        }
    }

    /// The price on one side.
    #[must_use]
    pub const fn on(&self, direction: Direction) -> Option<Price> {
        match (self, direction) {
            (Self::AlreadyLiquidatable, _) => None,
            (Self::Alive { below, .. }, Direction::Down) => *below,
            (Self::Alive { above, .. }, Direction::Up) => *above,
        }
    }
}

/// The legs that stand or fall together along one price, with what they stand on.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'a> {
    legs: [Option<&'a Leg>; 2],
    brackets: &'a BracketTable,
    mark: Decimal,
    /// `f(P)` without the parts that depend on P: headroom − net notional + maintenance at mark.
    base: Decimal,
    headroom: Amount,
}

/// `f` on one stretch without a change of tier: `constant + slope · P`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    constant: Decimal,
    slope: Decimal,
    tiers: [usize; 2],
}

impl Line {
    fn root(&self) -> Result<Decimal, ArithmeticError> {
        quotient(exact_sub(Decimal::ZERO, self.constant)?, self.slope)
    }
}

impl<'a> Exposure<'a> {
    /// Crossed legs of one symbol on the headroom of their pool.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn crossed(
        legs: &'a Legs,
        brackets: &'a BracketTable,
        mark: MarkPrice,
        headroom: Amount,
    ) -> Result<Self, ArithmeticError> {
        let mut held = legs.held().map(|(_, leg)| leg);
        Self::new([held.next(), held.next()], brackets, mark, headroom)
    }

    /// One isolated leg on its own wallet.
    ///
    /// Source: margin-math §7.1: the wallet is `isolatedWallet`, not `isolatedMargin`, which
    /// contains unrealised profit already (vector A13).
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn isolated(
        leg: &'a Leg,
        brackets: &'a BracketTable,
        mark: MarkPrice,
    ) -> Result<Self, ArithmeticError> {
        let net = mark.price().times(leg.quantity)?;
        let balance = leg.isolated_wallet.plus(unrealized_pnl(leg, net)?)?;
        let headroom = balance.minus(brackets.maintenance_margin(net)?)?;
        Self::new([Some(leg), None], brackets, mark, headroom)
    }

    fn new(
        legs: [Option<&'a Leg>; 2],
        brackets: &'a BracketTable,
        mark: MarkPrice,
        headroom: Amount,
    ) -> Result<Self, ArithmeticError> {
        let mut base = headroom.get();
        for leg in legs.into_iter().flatten() {
            let net = mark.price().times(leg.quantity)?;
            base = exact_sub(base, net.get())?;
            base = exact_add(base, brackets.maintenance_margin(net)?.get())?;
        }
        Ok(Self {
            legs,
            brackets,
            mark: mark.price().get(),
            base,
            headroom,
        })
    }

    /// Margin balance − maintenance margin at the mark.
    #[must_use]
    pub const fn headroom(&self) -> Amount {
        self.headroom
    }

    /// Both liquidation prices.
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn liquidation_prices(&self) -> Result<LiquidationPrices, ArithmeticError> {
        if !self.headroom.is_positive() {
            return Ok(LiquidationPrices::AlreadyLiquidatable);
        }
        let here = self.line_at(self.mark)?;
        let slope = if here.slope.is_sign_negative() {
            Direction::Up
        } else {
            Direction::Down
        };
        Ok(LiquidationPrices::Alive {
            below: self.root_below(here)?,
            above: self.root_above(here)?,
            slope,
        })
    }

    /// The price in one direction that liquidates, if there is one; for a state that is alive.
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn root(&self, direction: Direction) -> Result<Option<Price>, ArithmeticError> {
        let here = self.line_at(self.mark)?;
        match direction {
            Direction::Down => self.root_below(here),
            Direction::Up => self.root_above(here),
        }
    }

    /// A fall liquidates if and only if nothing is left at a price of zero.
    fn root_below(&self, here: Line) -> Result<Option<Price>, ArithmeticError> {
        if self.base >= Decimal::ZERO {
            return Ok(None);
        }
        let start = if here.slope > Decimal::ZERO {
            here.root()?
        } else {
            Decimal::ZERO
        };
        self.newton(start.max(Decimal::ZERO), here)
    }

    /// A rise liquidates if and only if the highest tiers take more than the position earns.
    fn root_above(&self, here: Line) -> Result<Option<Price>, ArithmeticError> {
        let last = self.brackets.brackets().len().saturating_sub(1);
        let far = self.line_in([last, last])?;
        if far.slope >= Decimal::ZERO {
            return Ok(None);
        }
        let start = if here.slope < Decimal::ZERO {
            here.root()?
        } else {
            far.root()?
        };
        self.newton(start, here)
    }

    /// Steps from the outside until a step lands in its own tier. Each step leaves at least one
    /// tier behind, so there are at most as many as tiers.
    fn newton(&self, start: Decimal, here: Line) -> Result<Option<Price>, ArithmeticError> {
        let mut price = start;
        let mut line = self.line_at(price)?;
        if line.tiers == here.tiers && start != Decimal::ZERO {
            return Ok(Some(rounded(price)));
        }
        for _ in 0..BRACKETS_MAX.saturating_mul(2) {
            if line.slope.is_zero() {
                return Ok(None);
            }
            price = line.root()?;
            let next = self.line_at(price)?;
            if next.tiers == line.tiers {
                return Ok(Some(rounded(price)));
            }
            line = next;
        }
        Ok(Some(rounded(price)))
    }

    fn line_at(&self, price: Decimal) -> Result<Line, ArithmeticError> {
        let mut tiers = [0; 2];
        for (tier, leg) in tiers.iter_mut().zip(self.legs) {
            if let Some(leg) = leg {
                // Only the tier is looked up with this product, and f is continuous where tiers
                // meet, so a digit beyond the 28th does not matter here.
                let size = leg.quantity.abs().get();
                let notional = size.checked_mul(price).ok_or(ArithmeticError::Overflow)?;
                *tier = self.brackets.index_of(Notional::new(notional));
            }
        }
        self.line_in(tiers)
    }

    fn line_in(&self, tiers: [usize; 2]) -> Result<Line, ArithmeticError> {
        let mut line = Line {
            constant: self.base,
            slope: Decimal::ZERO,
            tiers,
        };
        for (tier, leg) in tiers.into_iter().zip(self.legs) {
            let Some(leg) = leg else { continue };
            let Some(bracket) = self.brackets.brackets().get(tier) else {
                continue;
            };
            let quantity = leg.quantity.get();
            let held = exact_mul(quantity.abs(), bracket.maintenance_margin_rate.get())?;
            line.slope = exact_add(line.slope, exact_sub(quantity, held)?)?;
            line.constant = exact_add(line.constant, bracket.maintenance_amount.get())?;
        }
        Ok(line)
    }
}

/// Decimals of a root. Billions of coins at a ten-thousandth each are held, and what a price loses
/// behind its last decimal, the quantity multiplies.
const ROOT_DECIMALS: u32 = 20;

/// A root is a quotient: rounded half-even at [`ROOT_DECIMALS`].
fn rounded(price: Decimal) -> Price {
    Price::new(round(price, ROOT_DECIMALS))
}

/// The adverse move to a price as a fraction of the mark.
///
/// # Errors
/// [`ArithmeticError`] when figures do not fit 28 digits.
pub fn move_to(price: Price, mark: MarkPrice) -> Result<Rate, ArithmeticError> {
    price.distance_from(mark.price())
}

#[cfg(test)]
mod tests {
    use super::super::account::PositionSide;
    use super::super::amount::Quantity;
    use super::super::bracket::tests::{bitcoin, table};
    use super::*;

    fn leg(quantity: &str, entry: &str, isolated_wallet: &str) -> Leg {
        Leg::new(
            Quantity::parse(quantity).unwrap(),
            Price::parse(entry).unwrap(),
            Amount::parse(isolated_wallet).unwrap(),
        )
        .unwrap()
    }

    fn mark(text: &str) -> MarkPrice {
        MarkPrice::new(Price::parse(text).unwrap()).unwrap()
    }

    /// Headroom of a wallet with these legs, all else frozen: wallet + PnL − maintenance − others.
    fn prices(
        wallet: &str,
        (others_maintenance, others_pnl): (&str, &str),
        at: &str,
        legs: &[(PositionSide, &str, &str)],
        brackets: &BracketTable,
    ) -> LiquidationPrices {
        let mut held = Legs::default();
        let mut headroom = Amount::parse(wallet).unwrap();
        headroom = headroom
            .minus(Amount::parse(others_maintenance).unwrap())
            .unwrap();
        headroom = headroom.plus(Amount::parse(others_pnl).unwrap()).unwrap();
        for (side, quantity, entry) in legs {
            let leg = leg(quantity, entry, "0");
            let net = mark(at).price().times(leg.quantity).unwrap();
            headroom = headroom.plus(unrealized_pnl(&leg, net).unwrap()).unwrap();
            headroom = headroom
                .minus(brackets.maintenance_margin(net).unwrap())
                .unwrap();
            *held.get_mut(*side) = leg;
        }
        Exposure::crossed(&held, brackets, mark(at), headroom)
            .unwrap()
            .liquidation_prices()
            .unwrap()
    }

    fn printed(price: Option<Price>, decimals: u32) -> Option<String> {
        price.map(|p| round(p.get(), decimals).to_string())
    }

    const NO_OTHERS: (&str, &str) = ("0", "0");

    #[test]
    fn the_exchanges_worked_example_of_two_crossed_positions() {
        // Vector A02 (FAQ): BTCUSDT with ETHUSDT beside it liquidates at 26,316.89.
        let prices = prices(
            "1535443.01",
            ("356512.508", "-448192.89"),
            "31967.27",
            &[(PositionSide::Both, "109.488", "32481.98")],
            &bitcoin(),
        );
        assert_eq!(printed(prices.headline(), 2).as_deref(), Some("26316.89"));
        assert_eq!(prices.on(Direction::Up), None);
    }

    #[test]
    fn an_isolated_hedge_leg_of_the_api_sample() {
        // Vector A13: positionRisk sample, isolated LONG 20 at 6563.66500 prints 5930.78.
        let tiers = table(&[
            ("50000", "0.004", 125),
            ("250000", "0.005", 100),
            ("1000000", "0.01", 50),
        ]);
        let wallet = "13200.7072690800"; // isolatedMargin 15517.54150468 − unRealizedProfit 2316.8342356
        let leg = leg("20", "6563.66500", wallet);
        let at = mark("6679.50671178");
        let prices = Exposure::isolated(&leg, &tiers, at)
            .unwrap()
            .liquidation_prices()
            .unwrap();
        assert_eq!(printed(prices.headline(), 2).as_deref(), Some("5930.78"));
    }

    #[test]
    fn isolated_prices_of_a_third_partys_table() {
        // Vectors A05, A07, A09, A11: rate 0.01 and amount 0.01 with wallet = quantity·entry/leverage.
        // The amount is carried by a first tier that ends before the position begins.
        let tiers = table(&[("1", "0.000001", 125), ("100000", "0.010001", 20)]);
        let cases = [
            ("-1", "10", "2", "11.89108910891089"),
            ("-1", "8", "1.6", "9.514851485148514"),
            ("1", "10", "2", "8.070707070707071"),
            ("1", "10", "3.3333333333333333", "6.723905723905723"),
        ];
        for (quantity, entry, wallet, published) in cases {
            let leg = leg(quantity, entry, wallet);
            let prices = Exposure::isolated(&leg, &tiers, mark(entry)).unwrap();
            let price = prices
                .liquidation_prices()
                .unwrap()
                .headline()
                .unwrap()
                .get();
            let published = Decimal::from_str_radix(published, 10).unwrap();
            // The rate here is 0.010001, not 0.01, hence the tolerance of a thousandth.
            assert!(
                (price - published).abs() < Decimal::new(1, 3),
                "{price} {published}"
            );
        }
    }

    #[test]
    fn a_short_whose_tier_rises_on_the_way() {
        // Vector G01: the tier at the mark would give 86,958.52; the right one gives 86,917.08.
        let tiers = table(&[
            ("300000", "0.004", 125),
            ("800000", "0.005", 100),
            ("3000000", "0.0065", 75),
            ("12000000", "0.01", 50),
            ("70000000", "0.02", 25),
            ("100000000", "0.025", 20),
        ]);
        let at_70k = prices(
            "700000",
            NO_OTHERS,
            "70000",
            &[(PositionSide::Both, "-40", "70000")],
            &tiers,
        );
        assert_eq!(at_70k.on(Direction::Down), None);
        let above = at_70k.on(Direction::Up).unwrap();
        // f is zero there: balance = wallet + 40·(70000 − P), maintenance = 40·P·rate − amount.
        let notional = above.get() * Decimal::from(40);
        let balance = Decimal::from(700_000) + Decimal::from(40) * Decimal::from(70_000) - notional;
        let maintenance = tiers
            .maintenance_margin(Notional::new(amount_cut(notional)))
            .unwrap();
        assert!((balance - maintenance.get()).abs() < Decimal::new(1, 6));
    }

    fn amount_cut(value: Decimal) -> Decimal {
        super::super::amount::cut(value)
    }

    #[test]
    fn a_net_long_hedge_that_only_a_rise_kills() {
        // Vector G04 (margin-math §7.3) needs a 20 % tier to say 83,737; with these tiers the same
        // shape holds: long 100, short 99, slope 1 − 199·rate < 0.
        let prices = prices(
            "120000",
            NO_OTHERS,
            "60000",
            &[
                (PositionSide::Long, "100", "60000"),
                (PositionSide::Short, "-99", "60000"),
            ],
            &table(&[("10000000", "0.009", 50), ("900000000", "0.0091", 20)]),
        );
        assert_eq!(prices.on(Direction::Down), None);
        assert!(prices.on(Direction::Up).is_some());
        assert_eq!(prices.headline(), prices.on(Direction::Up));
    }

    #[test]
    fn a_small_ticket_in_a_big_wallet_has_no_price_at_all() {
        // Vector G09: 0.08333333 BTC at 60,000 in a wallet of 10,000.
        let prices = prices(
            "10000",
            NO_OTHERS,
            "60000",
            &[(PositionSide::Both, "0.08333333", "60000")],
            &bitcoin(),
        );
        assert_eq!(prices.headline(), None);
        assert_ne!(prices, LiquidationPrices::AlreadyLiquidatable);
    }

    #[test]
    fn equality_already_liquidates() {
        // Vector C19: margin balance 259.5 equals maintenance 259.5.
        let tiers = table(&[("50000", "0.004", 125), ("250000", "0.005", 100)]);
        let prices = prices(
            "759.5",
            ("12", "0"),
            "59500",
            &[(PositionSide::Both, "1", "60000")],
            &tiers,
        );
        assert_eq!(prices, LiquidationPrices::AlreadyLiquidatable);
    }

    #[test]
    fn the_second_position_counts() {
        // Vector A19 and the case of a distance that looks like 4.6 % alone and is 0.6 %: equity 5,
        // position 1 × 100 at 0.4 %, other positions' maintenance 4: liquidation at 99.3975903614.
        let tiers = table(&[("100000", "0.004", 125)]);
        let alone = prices(
            "5",
            NO_OTHERS,
            "100",
            &[(PositionSide::Both, "1", "100")],
            &tiers,
        );
        let beside = prices(
            "5",
            ("4", "0"),
            "100",
            &[(PositionSide::Both, "1", "100")],
            &tiers,
        );
        assert_eq!(printed(alone.headline(), 2).as_deref(), Some("95.38"));
        assert_eq!(
            printed(beside.headline(), 10).as_deref(),
            Some("99.3975903614")
        );
    }
}
