//! Exact or refused, never rounded in silence.

use super::*;
use proptest::prelude::*;

fn dec(text: &str) -> Decimal {
    parse(text).unwrap()
}

#[test]
fn p04_exponents_are_read_exactly() {
    assert_eq!(dec("1e-7").to_string(), "0.0000001");
    assert_eq!(dec("0E-8"), Decimal::ZERO);
    assert_eq!(dec("1E+3"), Decimal::from(1000));
    assert_eq!(dec("12.5e1"), Decimal::from(125));
}

#[test]
fn p05_a_number_that_would_lose_digits_is_refused() {
    assert_eq!(
        parse("0.00000000000000000000000000001"),
        Err(NumberError::TooPrecise)
    );
    assert_eq!(
        parse("0.12345678901234567890123456789"),
        Err(NumberError::TooPrecise)
    );
    assert_eq!(dec("0.10000000000000000000000000000000000"), dec("0.1"));
    assert_eq!(parse("1e40"), Err(NumberError::TooPrecise));
    assert_eq!(parse("1e999999999"), Err(NumberError::TooPrecise));
    assert_eq!(
        parse("99999999999999999999999999999"),
        Err(NumberError::TooPrecise)
    );
}

#[test]
fn p15_odd_but_legal_text_is_read_and_tricks_are_not() {
    assert_eq!(dec("-0.00000000"), Decimal::ZERO);
    assert_eq!(dec(".5"), dec("0.5"));
    assert_eq!(dec("+1"), Decimal::ONE);
    for bad in [
        "1_000", " 1", "1 ", "NaN", "Infinity", "0x10", "1.2.3", "--1", "-", ".", "e5", "1e",
    ] {
        assert_eq!(parse(bad), Err(NumberError::Malformed), "{bad}");
    }
    assert_eq!(parse(""), Err(NumberError::Empty));
    assert_eq!(parse(&"1".repeat(65)), Err(NumberError::TooLong));
}

#[test]
fn p06_overflow_and_lost_digits_are_errors() {
    assert_eq!(
        exact_mul(dec("1e14"), dec("1e15")),
        Err(ArithmeticError::Overflow)
    );
    assert_eq!(
        exact_mul(dec("1e-14"), dec("1e-15")),
        Err(ArithmeticError::Inexact)
    );
    assert_eq!(
        exact_add(dec("1e20"), dec("1e-20")),
        Err(ArithmeticError::Inexact)
    );
    assert_eq!(
        exact_add(Decimal::MAX, Decimal::ONE),
        Err(ArithmeticError::Overflow)
    );
    assert_eq!(
        quotient(Decimal::ONE, Decimal::ZERO),
        Err(ArithmeticError::DivisionByZero)
    );
}

#[test]
fn prices_below_one_keep_twelve_significant_digits() {
    for (price, printed) in [
        // As the exchange prints them.
        ("53022.054271356783919", "53022.05427135"),
        ("1.123456789123", "1.12345678"),
        ("0.5", "0.5"),
        ("0.00000001", "0.00000001"),
        // 1,596,230,499 of them cost a thousand USDT: eight decimals would leave out ten.
        ("0.000000626475938561", "0.000000626475938561"),
        ("0.000000626475938561789", "0.000000626475938561"),
        ("0.123456789123456", "0.123456789123"),
        ("0.00091105115463", "0.00091105115463"),
        ("-0.123456789123456", "-0.123456789123"),
        (
            "0.0000000000000000000000000001",
            "0.0000000000000000000000000001",
        ),
        ("0", "0"),
    ] {
        assert_eq!(cut_price(dec(price)), dec(printed), "{price}");
    }
}

#[test]
fn figures_are_cut_like_the_exchange_cuts_them() {
    // Captured positionRisk: 0.009 × (67502.68519858 − 67445.9) printed 0.51106678.
    let pnl = exact_mul(
        dec("0.009"),
        exact_sub(dec("67502.68519858"), dec("67445.9")).unwrap(),
    );
    assert_eq!(cut(pnl.unwrap()), dec("0.51106678"));
    let third = Notional::parse("1")
        .unwrap()
        .over(Leverage::new(3).unwrap())
        .unwrap();
    let whole = third.plus(third).unwrap().plus(third).unwrap();
    assert_eq!(whole.cut_quotient().get(), Decimal::ONE);
    // Vector B17: 607.52416678 at 80x prints 7.59405208.
    let margin = Notional::parse("607.52416678")
        .unwrap()
        .over(Leverage::new(80).unwrap());
    assert_eq!(margin.unwrap().cut_quotient().to_string(), "7.59405208");
    assert_eq!(cut(dec("-0.123456789")), dec("-0.12345678"));
}

proptest! {
    #[test]
    fn a_printed_number_reads_back(mantissa in -(1_i128 << 90)..(1_i128 << 90), scale in 0_u32..=28) {
        let value = Decimal::from_i128_with_scale(mantissa, scale);
        prop_assert_eq!(parse(&value.to_string()), Ok(value));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,70}") {
        let _ = parse(&text);
    }

    #[test]
    fn sums_are_those_of_the_library_whatever_way_they_take(
        a in any::<i64>(), b in any::<i64>(), short in 0_u32..64, s in 0_u32..=28, t in 0_u32..=28,
    ) {
        let (x, y) = (Decimal::new(a >> short, s), Decimal::new(b, t));
        let sum = x.checked_add(y).filter(|sum| sum.scale() == s.max(t));
        if let (Some(sum), false) = (sum, x.is_zero() || y.is_zero()) {
            let ours = exact_add(x, y).unwrap();
            prop_assert_eq!((ours, ours.scale()), (sum, sum.scale()));
        }
    }

    #[test]
    fn exact_products_and_sums_agree_with_whole_numbers(
        a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000,
        s in 0_u32..9, t in 0_u32..9,
    ) {
        let (x, y) = (Decimal::new(a, s), Decimal::new(b, t));
        let product = exact_mul(x, y).unwrap();
        prop_assert_eq!(product, Decimal::from_i128_with_scale(i128::from(a) * i128::from(b), s + t));
        prop_assert_eq!(exact_sub(exact_add(x, y).unwrap(), y).unwrap(), x);
    }
}
