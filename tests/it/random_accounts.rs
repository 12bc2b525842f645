//! Random accounts, written down as scenario text: what fails can be read, replayed and reported.
//!
//! One to forty positions over the shapes of real bracket tables, in both position modes, crossed and
//! isolated, in up to three pools, with resting orders on both sides. Half of the accounts stand close
//! to their end, some beyond it.

use std::fmt::Write;

use crate::real_brackets::REAL;

/// A small generator of its own, so that a seed means the same account on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_5EED)
    }

    /// The next 64 bits (splitmix).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).unwrap();
        low + i64::try_from(self.next() % span).unwrap()
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: i64) -> bool {
        self.between(1, times) == 1
    }

    /// One of several.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.between(0, choices.len() as i64 - 1)).unwrap()]
    }

    /// A whole number with its size spread evenly over the powers of ten up to `digits_max`.
    fn of_any_size(&mut self, digits_max: u32) -> i64 {
        let digits = u32::try_from(self.between(1, i64::from(digits_max))).unwrap();
        self.between(10_i64.pow(digits - 1), 10_i64.pow(digits) - 1)
    }
}

/// `mantissa` with so many decimals.
pub(crate) fn decimal(mantissa: i64, decimals: usize) -> String {
    let sign = if mantissa < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// What an account is drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Most contracts.
    pub(crate) contracts_max: i64,
    /// Margin assets that contracts are drawn from.
    pub(crate) assets: &'static [&'static str],
    /// Whether all assets are one pool.
    pub(crate) is_multi: bool,
}

/// One contract while it is drawn.
struct Contract {
    name: String,
    leverage: i64,
    is_isolated: bool,
    /// Mark with eight decimals.
    mark: i64,
    quantity_decimals: usize,
    /// Typical quantity, in its last decimal.
    quantity: i64,
}

/// An account by its seed.
pub(crate) fn account(seed: u64, shape: Shape) -> String {
    let mut dice = Dice::new(seed);
    let hedge = dice.once_in(2);
    let mut text = String::new();
    text.push_str(if hedge { "mode hedge\n" } else { "" });
    text.push_str(if shape.is_multi { "assets multi\n" } else { "" });
    let contracts = match dice.between(0, 3) {
        0 => dice.between(1, 3),
        _ => dice.between(1, shape.contracts_max),
    };
    let mut needed = vec![0_i128; shape.assets.len()];
    let mut lines = String::new();
    for index in 0..contracts {
        let place = usize::try_from(dice.between(0, shape.assets.len() as i64 - 1)).unwrap();
        let contract = contract(
            &mut dice,
            index,
            shape.assets[place],
            shape.is_multi,
            &mut lines,
        );
        needed[place] += positions(&mut dice, &contract, hedge, &mut lines);
        orders(&mut dice, &contract, hedge, &mut lines);
    }
    for (asset, needed) in shape.assets.iter().zip(needed) {
        // From a sixtieth of what the positions come to up to six times as much.
        let percent = i128::from(dice.between(1, 25)) * i128::from(dice.between(2, 25));
        let wallet = i64::try_from(needed * percent / 100).unwrap() + dice.of_any_size(12);
        let wallet = if dice.once_in(40) {
            -wallet / 10
        } else {
            wallet
        };
        writeln!(text, "wallet {asset} {}", decimal(wallet, 8)).unwrap();
        if shape.is_multi {
            let index = if *asset == "BTC" {
                dice.between(5_000_000, 9_000_000)
            } else {
                dice.between(9_900, 10_100)
            };
            let (bid, ask) = (dice.between(0, 100), dice.between(0, 100));
            let (bid, ask) = (decimal(bid, 3), decimal(ask, 4));
            writeln!(
                text,
                "index {asset} {} bid {bid} ask {ask}",
                decimal(index, 4)
            )
            .unwrap();
        }
    }
    text + &lines
}

fn contract(
    dice: &mut Dice,
    index: i64,
    asset: &str,
    is_multi: bool,
    lines: &mut String,
) -> Contract {
    let (_, tiers) = dice.one_of(&REAL);
    let name = format!("S{index:02}{asset}");
    let leverage_max = tiers
        .split_whitespace()
        .nth(3)
        .unwrap()
        .trim_end_matches('x');
    let leverage = dice.between(1, leverage_max.parse().unwrap());
    let is_isolated = !is_multi && dice.once_in(4);
    // From 0.0001 to 99,999.99999999, with the mark's eight decimals used or not.
    let mut mark = dice.of_any_size(13).max(10_000);
    if dice.once_in(2) {
        mark = mark / 10_000 * 10_000;
    }
    let quantity_decimals = usize::try_from(dice.between(0, 3)).unwrap();
    let quantity_decimals = if mark > 100_000_000_000 {
        3
    } else {
        quantity_decimals
    };
    // Notionals of ten to ten million.
    let notional = i128::from(dice.of_any_size(7).max(10));
    let scale = 10_i128.pow(8 + u32::try_from(quantity_decimals).unwrap());
    // No order may exceed a billion pieces, and no position here does by much.
    let pieces_max = 10_i128.pow(9 + u32::try_from(quantity_decimals).unwrap());
    let quantity = (notional * scale / i128::from(mark)).clamp(1, pieces_max);
    let quantity = i64::try_from(quantity).unwrap();
    let margin = if is_isolated { "isolated" } else { "crossed" };
    writeln!(
        lines,
        "symbol {name} tick 0.00000001 step {} quote {asset} margin {asset}\nbrackets {name} {tiers}\n\
         leverage {name} {leverage}\nmargin {name} {margin}\nmark {name} {}",
        decimal(1, quantity_decimals),
        decimal(mark, 8),
    )
    .unwrap();
    Contract {
        name,
        leverage,
        is_isolated,
        mark,
        quantity_decimals,
        quantity,
    }
}

/// Draws the legs; gives what they come to at their leverage, in 10⁻⁸ of the asset.
fn positions(dice: &mut Dice, contract: &Contract, hedge: bool, lines: &mut String) -> i128 {
    let legs: &[(&str, i64)] = match (hedge, dice.between(0, 7)) {
        (_, 0) => &[],
        (false, 1..=3) => &[("", -1)],
        (false, _) => &[("", 1)],
        (true, 1 | 2) => &[(" long", 1)],
        (true, 3) => &[(" short", -1)],
        (true, _) => &[(" long", 1), (" short", -1)],
    };
    let mut needed = 0;
    for (side, sign) in legs {
        let quantity = (contract.quantity * dice.between(20, 300) / 100).max(1);
        // Entries with up to eight decimals, within a fifth of the mark.
        let entry = (i128::from(contract.mark) * i128::from(dice.between(80_000, 120_000))
            / 100_000)
            .max(1);
        let entry = i64::try_from(entry).unwrap();
        let scale = 10_i128.pow(u32::try_from(contract.quantity_decimals).unwrap());
        let margin =
            i128::from(quantity) * i128::from(entry) / scale / i128::from(contract.leverage);
        let (kind, wallet) = if contract.is_isolated {
            let wallet = i64::try_from(margin * i128::from(dice.between(60, 200)) / 100).unwrap();
            ("isolated", format!(" wallet {}", decimal(wallet, 8)))
        } else {
            needed += margin;
            ("crossed", String::new())
        };
        writeln!(
            lines,
            "pos {} {kind} {}x {} @ {}{side}{wallet}",
            contract.name,
            contract.leverage,
            decimal(sign * quantity, contract.quantity_decimals),
            decimal(entry, 8),
        )
        .unwrap();
    }
    needed
}

fn orders(dice: &mut Dice, contract: &Contract, hedge: bool, lines: &mut String) {
    for _ in 0..dice.between(-2, 3) {
        let quantity = (contract.quantity * dice.between(5, 400) / 100).max(1);
        let price = i64::try_from(
            (i128::from(contract.mark) * i128::from(dice.between(70, 130)) / 100).max(1),
        )
        .unwrap();
        let side = dice.one_of(&["buy", "sell"]);
        let leg = if hedge {
            dice.one_of(&[" long", " short"])
        } else {
            ""
        };
        let exit = if !hedge && dice.once_in(5) {
            " reduce-only"
        } else {
            ""
        };
        writeln!(
            lines,
            "order {} {side} {} @ {}{leg}{exit}",
            contract.name,
            decimal(quantity, contract.quantity_decimals),
            decimal(price, 8),
        )
        .unwrap();
    }
}
