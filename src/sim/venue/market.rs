//! Prices and time: marks, the seeded walk, funding, expiries, and what a mark sets off.

use std::collections::BTreeMap;

use crate::scenario::PositionMode;

use super::super::account::{BALANCE_DECIMALS, Leg, Order};
use super::super::contract::Contract;
use super::super::exact::Fixed;
use super::super::refusal::Refusal;
use super::super::wire::event::{
    AssetIndexUpdate, BookTicker, BracketRow, ContractInfo, MarkUpdate,
};
use super::super::wire::reply::Income;
use super::super::wire::{json, number};
use super::{MarketEvent, Venue, forget_first};

/// When every contract was listed.
pub(super) const ONBOARD_MS: i64 = 1_569_398_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Share of the common factor in a walk's move, and of the contract's own: 0.6² + 0.8² = 1.
const COMMON: Fixed = Fixed::new(6, 1);
const OWN: Fixed = Fixed::new(8, 1);

impl Venue {
    /// Moves a mark and plays what follows: liquidations first, then resting and conditional orders.
    pub(super) fn set_mark(&mut self, symbol: &str, mark: Fixed) -> Result<(), Refusal> {
        let now_ms = self.now_ms;
        let contract = self.contract_mut(symbol)?;
        contract.dark = mark.is_zero();
        if !contract.dark {
            contract.mark = mark;
            contract.print(mark.floor_to(contract.tick), now_ms);
        }
        Ok(())
    }

    pub(super) fn after_marks(&mut self, symbols: &[String]) {
        if self.opening {
            return;
        }
        self.settle_risk();
        for symbol in symbols {
            if self
                .contracts
                .get(symbol)
                .is_some_and(|contract| !contract.dark)
            {
                self.match_resting(symbol);
                self.match_algos(symbol);
            }
        }
    }

    /// A whole second: the walk moves, orders lapse, funding is settled.
    pub(super) fn second(&mut self) {
        let moved = self.walk();
        self.after_marks(&moved);
        self.lapse_orders();
        self.lapse_countdowns();
        let before = self.second_ms;
        self.second_ms = self.now_ms;
        let due: Vec<(String, Fixed)> = self
            .contracts
            .values()
            .filter(|contract| !contract.is_dated())
            .filter(|contract| {
                let interval = i64::from(contract.funding_hours) * HOUR_MS;
                before.div_euclid(interval) < self.now_ms.div_euclid(interval)
            })
            .map(|contract| (contract.symbol.clone(), contract.funding_rate))
            .collect();
        for (symbol, rate) in due {
            self.settle_funding(&symbol, rate);
        }
    }

    fn walk(&mut self) -> Vec<String> {
        let common = self.random.normal();
        let mut moves: BTreeMap<String, Fixed> = BTreeMap::new();
        for contract in self.contracts.values() {
            if contract.volatility.is_positive() && contract.mark.is_positive() {
                let own = self.random.normal();
                // Cut where it does not matter, so that every product stays in plain integers.
                let step = (common.times(COMMON) + own.times(OWN)).cut(6);
                let mut factor = Fixed::ONE + contract.volatility.times(step).cut(9);
                let (chance, size) = contract.jumps;
                // Markets without jumps draw nothing for them, so that their seeds stay theirs.
                if chance.is_positive() && self.random.happens(chance) {
                    factor += size.times(self.random.normal().cut(6)).cut(9);
                }
                let mark = contract.mark.times(factor).cut(8).max(contract.tick);
                moves.insert(contract.symbol.clone(), mark);
            }
        }
        for (symbol, mark) in &moves {
            if let Some(contract) = self.contracts.get_mut(symbol) {
                contract.mark = *mark;
                contract.print(mark.floor_to(contract.tick), self.now_ms);
            }
        }
        moves.into_keys().collect()
    }

    fn lapse_orders(&mut self) {
        let now_ms = self.now_ms;
        let lapsed = |order: &&Order| order.time_in_force == "GTD" && order.good_till_ms <= now_ms;
        let ids: Vec<i64> = self
            .account
            .orders
            .values()
            .filter(lapsed)
            .map(|order| order.id)
            .collect();
        for id in ids {
            self.expire(id, 0);
        }
    }

    fn lapse_countdowns(&mut self) {
        let now_ms = self.now_ms;
        let due: Vec<String> = self
            .countdowns
            .iter()
            .filter(|(_, at)| **at <= now_ms)
            .map(|(symbol, _)| symbol.clone())
            .collect();
        for symbol in due {
            self.countdowns.remove(&symbol);
            self.cancel_all(&symbol);
        }
    }

    /// Settles funding of a contract: longs pay a positive rate. A crossed account is told its
    /// balance only; an isolated position pays out of its own wallet and is told with it.
    pub(super) fn settle_funding(&mut self, symbol: &str, rate: Fixed) {
        let Some(contract) = self.contracts.get(symbol) else {
            return;
        };
        let (mark, asset) = (contract.mark, contract.margin_asset.clone());
        let isolated = self.account.is_isolated(symbol);
        let mut total = Fixed::ZERO;
        let legs = self.held_legs(symbol);
        for leg in &legs {
            let position = self.account.positions.entry(leg.clone()).or_default();
            let payment = -position
                .amount
                .times(mark)
                .times(rate)
                .cut(BALANCE_DECIMALS);
            total += payment;
            if isolated {
                position.isolated_wallet += payment;
                position.updated_ms = self.now_ms;
            } else {
                self.account.post(&asset, payment);
            }
        }
        if legs.is_empty() || total.is_zero() {
            return;
        }
        let told: &[Leg] = if isolated { &legs } else { &[] };
        self.tell_account("FUNDING_FEE", &asset, total, told, Some(symbol));
        self.record_balance_income(symbol, "FUNDING_FEE", &asset, total);
    }

    pub(super) fn record_income(&mut self, order: &Order, kind: &'static str, amount: Fixed) {
        if !amount.is_zero() {
            let asset = self.margin_asset(&order.symbol);
            self.record_balance_income(&order.symbol, kind, &asset, amount);
        }
    }

    pub(super) fn record_balance_income(
        &mut self,
        symbol: &str,
        kind: &'static str,
        asset: &str,
        amount: Fixed,
    ) {
        let tran_id = self.new_id();
        self.incomes.push_back(Income {
            symbol: symbol.to_owned(),
            income_type: kind,
            income: amount.eight(),
            asset: asset.to_owned(),
            time: self.now_ms,
            info: kind.to_owned(),
            tran_id,
            trade_id: self.next_trade.to_string(),
        });
        forget_first(&mut self.incomes);
    }

    /// When a contract is funded next; zero for dated contracts.
    pub(crate) fn next_funding_ms(&self, contract: &Contract) -> i64 {
        if contract.is_dated() {
            return 0;
        }
        let interval = i64::from(contract.funding_hours) * HOUR_MS;
        (self.now_ms.div_euclid(interval) + 1) * interval
    }

    /// The row of the mark-price streams.
    pub(crate) fn mark_update(&self, contract: &Contract, emitted: i64) -> MarkUpdate {
        let mark = contract.told_mark().eight();
        let dated = contract.is_dated();
        MarkUpdate {
            e: "markPriceUpdate",
            emitted,
            s: contract.symbol.clone(),
            p: mark.clone(),
            ap: mark.clone(),
            estimated_settle: mark.clone(),
            i: mark,
            r: if dated {
                String::new()
            } else {
                contract.funding_rate.eight()
            },
            next_funding: self.next_funding_ms(contract),
            st: 1,
        }
    }

    pub(crate) fn book_ticker(&self, contract: &Contract, emitted: i64) -> String {
        let decimals = contract.price_decimals();
        json(&BookTicker {
            e: "bookTicker",
            u: self.next_trade,
            s: contract.symbol.clone(),
            ps: contract.pair().to_owned(),
            b: contract.bid().text(decimals),
            bid_quantity: "100",
            a: contract.ask().text(decimals),
            ask_quantity: "100",
            time: emitted,
            emitted,
            st: 1,
        })
    }

    /// Tells that a contract was listed, changed state, or got new brackets.
    pub(super) fn tell_contract(&mut self, symbol: &str, with_brackets: bool) {
        let Some(contract) = self.contracts.get(symbol) else {
            return;
        };
        let event = ContractInfo {
            e: "contractInfo",
            emitted: self.now_ms,
            s: contract.symbol.clone(),
            ps: contract.pair().to_owned(),
            ct: contract.kind.clone(),
            dt: contract.delivery_ms(),
            ot: ONBOARD_MS,
            cs: contract.status.clone(),
            st: 1,
            bks: with_brackets.then(|| bracket_rows(contract)),
        };
        let event = json(&event);
        self.tell_market(MarketEvent::Contract(event));
    }

    /// Rows of the asset-index stream.
    pub(crate) fn asset_indexes(&self, emitted: i64) -> Vec<AssetIndexUpdate> {
        let rows = self.account.collateral.iter();
        rows.map(|(asset, rate)| AssetIndexUpdate {
            e: "assetIndexUpdate",
            emitted,
            s: format!("{asset}USD"),
            i: rate.index.eight(),
            b: rate.bid_buffer.eight(),
            a: rate.ask_buffer.eight(),
            bid_rate: rate.bid().eight(),
            ask_rate: rate.ask().eight(),
            q: rate.bid_buffer.eight(),
            g: rate.ask_buffer.eight(),
            auto_bid_rate: rate.bid().eight(),
            auto_ask_rate: rate.ask().eight(),
        })
        .collect()
    }

    pub(super) fn is_hedge(&self) -> bool {
        self.account.mode == PositionMode::Hedge
    }
}

fn bracket_rows(contract: &Contract) -> Vec<BracketRow> {
    let table = &contract.brackets.0;
    let rows = table.iter().enumerate();
    rows.map(|(index, bracket)| BracketRow {
        bs: index + 1,
        bnf: number(bracket.floor),
        bnc: number(bracket.cap),
        mmr: number(bracket.rate),
        cf: number(bracket.cum),
        mi: table.get(index + 1).map_or(1, |next| next.leverage_max + 1),
        ma: bracket.leverage_max,
    })
    .collect()
}
