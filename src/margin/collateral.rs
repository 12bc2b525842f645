//! What an asset is worth in US dollars while all assets stand together.
//!
//! Owns: the two rates of an asset, which of them counts for what, and the debt at which the
//! exchange sells other assets for it.
//! Must not know: pools, positions, where rates come from.
//!
//! A product of money and a rate is rounded half-even at [`QUOTIENT_DECIMALS`]: prices, quantities,
//! maintenance rates and collateral rates together can need more than 28 digits.

use rust_decimal::Decimal;

use super::amount::{Amount, ArithmeticError, QUOTIENT_DECIMALS, Rate, exact_mul, quotient, round};

/// An asset's rates in USD: `0 < bid <= ask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollateralRate {
    bid: Rate,
    ask: Rate,
}

impl CollateralRate {
    /// The rates, if they can be rates at all: a bid of zero or above the ask is none.
    #[must_use]
    pub fn new(bid: Rate, ask: Rate) -> Option<Self> {
        (bid.is_positive() && bid <= ask).then_some(Self { bid, ask })
    }

    /// The rates that follow from an index and its buffers: index × (1 − bid buffer) and
    /// index × (1 + ask buffer), rounded half-even at [`QUOTIENT_DECIMALS`].
    ///
    /// Source: margin-math §15 (vectors C03, C05).
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn from_index(
        index: Rate,
        bid_buffer: Rate,
        ask_buffer: Rate,
    ) -> Result<Option<Self>, ArithmeticError> {
        let one = Rate::new(Decimal::ONE);
        let bid = converted(index.get(), one.minus(bid_buffer)?.get())?;
        let ask = converted(index.get(), one.plus(ask_buffer)?.get())?;
        Ok(Self::new(Rate::new(bid), Rate::new(ask)))
    }

    /// What a positive balance counts for.
    #[must_use]
    pub const fn bid(self) -> Rate {
        self.bid
    }

    /// What a debt and every requirement count for.
    #[must_use]
    pub const fn ask(self) -> Rate {
        self.ask
    }

    /// The rate a balance of this sign counts at.
    #[must_use]
    pub fn of(self, balance: Amount) -> Rate {
        if balance.is_negative() {
            self.ask
        } else {
            self.bid
        }
    }

    /// A balance in USD: what is owned at the bid rate, what is owed at the ask rate.
    ///
    /// Source: margin-math §15 (vectors C01, C02, C08).
    ///
    /// # Errors
    /// [`ArithmeticError`] when the figure does not fit 28 digits.
    pub fn value(self, balance: Amount) -> Result<Amount, ArithmeticError> {
        converted(balance.get(), self.of(balance).get()).map(Amount::new)
    }

    /// A requirement in USD: margins count at the ask rate.
    ///
    /// # Errors
    /// [`ArithmeticError`] when the figure does not fit 28 digits.
    pub fn charge(self, requirement: Amount) -> Result<Amount, ArithmeticError> {
        converted(requirement.get(), self.ask.get()).map(Amount::new)
    }

    /// What an amount of USD is in this asset for whoever has to pay with it: divided by the ask.
    ///
    /// Source: margin-math §15 (vector C02: 76.525 USD are 76.91 USDT at an ask of 0.99495).
    ///
    /// # Errors
    /// [`ArithmeticError`] when the figure does not fit 28 digits.
    pub fn from_usd(self, usd: Amount) -> Result<Amount, ArithmeticError> {
        let amount = quotient(usd.get(), self.ask.get())?;
        Ok(Amount::new(round(amount, QUOTIENT_DECIMALS)))
    }
}

/// A product rounded half-even at [`QUOTIENT_DECIMALS`].
///
/// # Errors
/// [`ArithmeticError::Overflow`].
pub fn converted(value: Decimal, rate: Decimal) -> Result<Decimal, ArithmeticError> {
    let product = value.checked_mul(rate).ok_or(ArithmeticError::Overflow)?;
    Ok(round(product, QUOTIENT_DECIMALS))
}

/// A slope: a product that keeps every digit while 28 are enough for it, else as many as money has.
///
/// # Errors
/// [`ArithmeticError::Overflow`].
pub fn weighted(quantity: Decimal, rate: Decimal) -> Result<Decimal, ArithmeticError> {
    match exact_mul(quantity, rate) {
        Err(ArithmeticError::Inexact) => converted(quantity, rate),
        result => result,
    }
}

/// What is known of an asset as collateral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collateral {
    /// Its rates; without them whatever counts in this asset is unknown.
    pub rate: Option<CollateralRate>,
    /// The balance below which the exchange sells other assets to pay the debt (negative).
    pub auto_exchange_below: Option<Amount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    #[test]
    fn rates_follow_from_the_index_and_its_buffers() {
        // Vectors C03 (exchange's worked example) and C05 (documented sample).
        let cases = [
            ("0.99", "0.01", "0.005", "0.9801", "0.99495"),
            ("1.92957370", "0.05", "0.05", "1.833095015", "2.026052385"),
        ];
        for (index, bid_buffer, ask_buffer, bid, ask) in cases {
            let rates = CollateralRate::from_index(rate(index), rate(bid_buffer), rate(ask_buffer))
                .unwrap()
                .unwrap();
            assert_eq!((rates.bid(), rates.ask()), (rate(bid), rate(ask)));
        }
    }

    #[test]
    fn what_cannot_be_a_rate_is_none() {
        assert_eq!(CollateralRate::new(rate("0"), rate("1")), None);
        assert_eq!(CollateralRate::new(rate("1.1"), rate("1")), None);
        assert_eq!(CollateralRate::new(rate("-1"), rate("1")), None);
    }

    #[test]
    fn debts_count_at_the_ask_and_what_is_owned_at_the_bid() {
        // The simulator's hand-worked account: −20 USDT at 1.01 and 200 USDC at 1.
        let usdt = CollateralRate::new(rate("0.99"), rate("1.01")).unwrap();
        let worth = |text: &str| usdt.value(Amount::parse(text).unwrap()).unwrap();
        assert_eq!(worth("-20").to_string(), "-20.2");
        assert_eq!(worth("20").to_string(), "19.8");
    }
}
