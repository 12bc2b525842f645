//! Accounts drawn at random as plain data, so that what an answer proposes can be carried out in them
//! by arithmetic of their own: a fill, a transfer, a change. Then they are written down as scenario
//! text and asked again.

use std::fmt::Write as _;

use crossguard::guard::policy::{Limit, LimitKey, Policy};
use crossguard::guard::verdict::Level;
use crossguard::margin::account::{MarginMode, PositionSide, Side};
use crossguard::margin::change::{Change, MarginMove};
use crossguard::margin::order::OrderIntent;
use rust_decimal::Decimal;

use crate::random_accounts::Dice;
use crate::rig::Rig;

/// A leg of a position.
#[derive(Debug, Clone)]
pub(crate) struct Leg {
    pub(crate) side: PositionSide,
    pub(crate) quantity: Decimal,
    pub(crate) entry: Decimal,
    /// Of an isolated position.
    pub(crate) wallet: Decimal,
}

/// A contract with what is held and what works in it.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) name: &'static str,
    pub(crate) asset: &'static str,
    pub(crate) step: Decimal,
    pub(crate) mark: Decimal,
    pub(crate) leverage: u32,
    pub(crate) isolated: bool,
    pub(crate) legs: Vec<Leg>,
    pub(crate) orders: Vec<String>,
}

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) hedge: bool,
    pub(crate) multi: bool,
    pub(crate) wallets: Vec<(&'static str, Decimal)>,
    pub(crate) contracts: Vec<Contract>,
    /// Which of the policies of [`policy`].
    pub(crate) policy: i64,
}

const CONTRACTS: [(&str, &str, i64, u32, u32); 4] = [
    ("BTCUSDT", "USDT", 60_000, 0, 3),
    ("ETHUSDT", "USDT", 3_000, 0, 3),
    ("SOLUSDT", "USDT", 150, 0, 1),
    ("BTCUSDC", "USDC", 60_000, 0, 3),
];

const BRACKETS: [&str; 4] = [
    "0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.01 50x | 3000000 9000000 0.02 20x",
    "0 50000 0.005 100x | 50000 500000 0.01 50x | 500000 2000000 0.02 20x",
    "0 50000 0.01 50x | 50000 500000 0.02 25x",
    "0 50000 0.005 100x | 50000 900000 0.01 50x",
];

impl Account {
    /// An account by its seed: some within every limit, some beyond them, few beyond their end.
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let hedge = dice.once_in(3);
        let multi = dice.once_in(5);
        let contracts = CONTRACTS
            .iter()
            .map(|row| Contract::drawn(dice, row, hedge, multi))
            .collect();
        let mut account = Self {
            hedge,
            multi,
            wallets: Vec::new(),
            contracts,
            policy: dice.between(0, 4),
        };
        for asset in ["USDT", "USDC"] {
            let margins = account.contracts.iter().filter(|c| c.asset == asset);
            let held: Decimal = margins
                .flat_map(|contract| {
                    contract
                        .legs
                        .iter()
                        .map(|leg| (leg.quantity * contract.mark).abs())
                })
                .sum();
            // From a seventh of what is held to twice it, and something beside it.
            let wallet = held * Decimal::new(dice.between(14, 200), 2);
            let wallet = wallet.round_dp(2) + Decimal::from(dice.between(500, 5_000));
            account.wallets.push((asset, wallet));
        }
        account
    }

    /// The account as scenario text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        text.push_str(if self.hedge { "mode hedge\n" } else { "" });
        text.push_str(if self.multi { "assets multi\n" } else { "" });
        text.push_str("index USDT 1 bid 0.0001 ask 0.0001\nindex USDC 1 bid 0.0002 ask 0.0002\n");
        for (contract, brackets) in self.contracts.iter().zip(BRACKETS) {
            let (name, asset) = (contract.name, contract.asset);
            writeln!(
                text,
                "symbol {name} tick 0.01 step {} min-notional 5 quote {asset} margin {asset}\n\
                 brackets {name} {brackets}\nleverage {name} {}",
                contract.step, contract.leverage
            )
            .unwrap();
            if contract.isolated {
                writeln!(text, "margin {name} isolated").unwrap();
            }
        }
        for (asset, amount) in &self.wallets {
            writeln!(text, "wallet {asset} {}", amount.normalize()).unwrap();
        }
        for contract in &self.contracts {
            contract.write(&mut text);
        }
        text
    }

    /// The spine with this account under its policy.
    pub(crate) fn rig(&self) -> Rig {
        let mut rig = Rig::from_text(&self.text()).0;
        rig.under(policy(self.policy));
        rig
    }

    fn contract(&mut self, name: &str) -> &mut Contract {
        let mut contracts = self.contracts.iter_mut();
        contracts.find(|contract| contract.name == name).unwrap()
    }

    /// Money comes into a wallet.
    pub(crate) fn top_up(&mut self, asset: &str, amount: Decimal) {
        let mut wallets = self.wallets.iter_mut();
        wallets.find(|(name, _)| *name == asset).unwrap().1 += amount;
    }

    /// A market order that only reduces fills at mark ± slippage and pays its fee, as the policy has it.
    pub(crate) fn reduce(&mut self, order: &OrderIntent) {
        let assumed = Policy::default();
        // A leg that is closed has none any more.
        let entry = self.entry_of(order);
        let contract = self.contract(order.symbol.as_str());
        let (asset, mark, isolated) = (contract.asset, contract.mark, contract.isolated);
        let quantity = order.quantity.unwrap().get();
        let mut legs = contract.legs.iter_mut();
        let leg = legs
            .find(|leg| leg.side == order.position_side)
            .expect("what is reduced is held");
        let (sign, slipped) = match order.side {
            Side::Sell => (Decimal::ONE, Decimal::ONE - assumed.market_slippage.get()),
            Side::Buy => (-Decimal::ONE, Decimal::ONE + assumed.market_slippage.get()),
        };
        let price = mark * slipped;
        assert!(leg.quantity * sign >= quantity, "no more than is held");
        let returned = if isolated {
            (leg.wallet * quantity / leg.quantity.abs()).round_dp(12)
        } else {
            Decimal::ZERO
        };
        leg.quantity -= sign * quantity;
        leg.wallet -= returned;
        contract.legs.retain(|leg| !leg.quantity.is_zero());
        let realised = (price - entry) * quantity * sign;
        let fee = price * quantity * assumed.taker_fee.get();
        self.top_up(asset, realised - fee);
    }

    fn entry_of(&self, order: &OrderIntent) -> Decimal {
        let contract = self
            .contracts
            .iter()
            .find(|c| c.name == order.symbol.as_str());
        contract.unwrap().entry(order.position_side)
    }

    /// A change is made.
    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Leverage { symbol, leverage } => {
                self.contract(symbol.as_str()).leverage = leverage.get();
            }
            Change::MarginType {
                symbol,
                margin_mode,
            } => {
                self.contract(symbol.as_str()).isolated = *margin_mode == MarginMode::Isolated;
            }
            Change::PositionMargin {
                symbol,
                position_side,
                amount,
                direction,
            } => {
                let by = match direction {
                    MarginMove::Add => amount.get(),
                    MarginMove::Remove => -amount.get(),
                };
                let mut legs = self.contract(symbol.as_str()).legs.iter_mut();
                legs.find(|leg| leg.side == *position_side).unwrap().wallet += by;
            }
            other => panic!("{other:?} prepares nothing"),
        }
    }
}

impl Contract {
    fn drawn(
        dice: &mut Dice,
        (name, asset, mark, _, decimals): &(&'static str, &'static str, i64, u32, u32),
        hedge: bool,
        multi: bool,
    ) -> Self {
        let mark = Decimal::from(*mark);
        let step = Decimal::new(1, *decimals);
        let leverage = dice.one_of(&[3, 5, 7, 10, 15, 20, 25, 50]);
        let isolated = !multi && dice.once_in(4);
        let mut contract = Self {
            name,
            asset,
            step,
            mark,
            leverage,
            isolated,
            legs: Vec::new(),
            orders: Vec::new(),
        };
        let sides: &[PositionSide] = if hedge {
            &[PositionSide::Long, PositionSide::Short]
        } else {
            &[PositionSide::Both]
        };
        for side in sides {
            if dice.once_in(2) {
                contract.legs.push(contract.leg(dice, *side));
            }
        }
        if dice.once_in(3) {
            contract.orders.push(contract.order(dice, hedge));
        }
        contract
    }

    fn leg(&self, dice: &mut Dice, side: PositionSide) -> Leg {
        // Worth a hundred to forty thousand.
        let worth = Decimal::from(dice.between(1, 400) * 100);
        let steps = (worth / self.mark / self.step).ceil();
        let down = match side {
            PositionSide::Long => false,
            PositionSide::Short => true,
            PositionSide::Both => dice.once_in(2),
        };
        let quantity = if down {
            -steps * self.step
        } else {
            steps * self.step
        };
        let entry = (self.mark * Decimal::new(dice.between(970, 1_030), 3)).round_dp(2);
        let wallet = if self.isolated {
            (quantity.abs() * entry / Decimal::from(self.leverage)).round_dp(2)
                + Decimal::from(dice.between(0, 300))
        } else {
            Decimal::ZERO
        };
        Leg {
            side,
            quantity,
            entry,
            wallet,
        }
    }

    fn order(&self, dice: &mut Dice, hedge: bool) -> String {
        let buys = dice.once_in(2);
        let steps = (Decimal::from(dice.between(1, 60) * 100) / self.mark / self.step).ceil();
        let quantity = steps * self.step;
        let away = dice.between(5, 60);
        let percent = if buys { 1_000 - away } else { 1_000 + away };
        let price = (self.mark * Decimal::new(percent, 3)).round_dp(2);
        let side = if buys { "buy" } else { "sell" };
        let leg = match (hedge, buys) {
            (false, _) => "",
            (true, true) => " long",
            (true, false) => " short",
        };
        format!("{} {side} {quantity} @ {price}{leg}", self.name)
    }

    fn entry(&self, side: PositionSide) -> Decimal {
        let leg = self.legs.iter().find(|leg| leg.side == side);
        leg.map_or(Decimal::ZERO, |leg| leg.entry)
    }

    fn write(&self, text: &mut String) {
        let (name, mark) = (self.name, self.mark);
        writeln!(text, "mark {name} {mark}").unwrap();
        for leg in &self.legs {
            let side = match leg.side {
                PositionSide::Both => "",
                PositionSide::Long => " long",
                PositionSide::Short => " short",
            };
            let mode = if self.isolated { "isolated" } else { "crossed" };
            let wallet = if self.isolated {
                format!(" wallet {}", leg.wallet.normalize())
            } else {
                String::new()
            };
            let sign = if leg.quantity.is_sign_positive() {
                "+"
            } else {
                ""
            };
            writeln!(
                text,
                "pos {name} {mode} {}x {sign}{} @ {}{side}{wallet}",
                self.leverage, leg.quantity, leg.entry
            )
            .unwrap();
        }
        for order in &self.orders {
            writeln!(text, "order {order}").unwrap();
        }
    }
}

/// Policies that make different rules bind: the shipped one, scenarios that must be survived, limits
/// of notionals and leverage, the worst case alone, and one without any limit.
pub(crate) fn policy(number: i64) -> Policy {
    let mut policy = Policy::default();
    let limit = |warn: i64, reject: i64| Limit {
        warn: Some(Decimal::from(warn)),
        reject: Some(Decimal::from(reject)),
    };
    match number {
        1 => {
            for (name, required) in [
                ("market_falls_20", Level::Reject),
                ("market_rises_20", Level::Warn),
                ("brackets_doubled", Level::Reject),
            ] {
                policy.stress.get_mut(name).unwrap().required = Some(required);
            }
        }
        2 => {
            policy
                .limits
                .set(LimitKey::OrderNotional, limit(4_000, 9_000));
            policy
                .limits
                .set(LimitKey::PositionNotional, limit(9_000, 30_000));
            policy.limits.set(LimitKey::Leverage, limit(5, 15));
        }
        3 | 4 => {
            for key in LimitKey::ALL {
                if number == 4 || key != LimitKey::WorstCase {
                    policy.limits.set(key, Limit::OFF);
                }
            }
        }
        _ => {}
    }
    policy
}
