//! Scenario statements: what each makes of the exchange's truth.

use crate::scenario::{
    AssetMode, Fault, MarginType, OrderLine, PositionLine, PositionMode, PositionSide, Statement,
    SymbolLine,
};

use super::super::account::{Collateral, Leg, Order, OrderKind, Settings, Status, Terms};
use super::super::contract::{Brackets, Contract};
use super::super::exact::Fixed;
use super::super::refusal::Refusal;
use super::algo::NewAlgo;
use super::trade::NewOrder;
use super::{MarketEvent, Venue};

type Outcome = Result<(), Refusal>;

impl Venue {
    /// Plays one statement. Timing and mishaps of the wire are not the exchange's business: those
    /// that name no truth are accepted and do nothing here.
    pub(super) fn script(&mut self, statement: &Statement) -> Outcome {
        match statement {
            Statement::Silent(inner) => {
                self.silent = true;
                let outcome = self.script(inner);
                self.silent = false;
                outcome
            }
            Statement::Symbol(line) => self.list(line),
            Statement::Status { symbol, status } => self.set_status(symbol, status),
            Statement::Brackets { symbol, tiers } => {
                let table = Brackets::new(tiers).map_err(|text| Refusal::script(&text))?;
                self.contract_mut(symbol)?.brackets = table;
                self.tell_contract(symbol, true);
                Ok(())
            }
            Statement::NotionalCoef {
                symbol,
                coefficient,
                tells_default,
            } => {
                let coefficient = fixed(*coefficient)?;
                self.contract_mut(symbol)?.coefficient = Some((coefficient, *tells_default));
                self.tell_contract(symbol, true);
                Ok(())
            }
            Statement::Mark { symbol, price } => {
                self.set_mark(symbol, fixed(*price)?)?;
                self.tell_market(MarketEvent::Mark(symbol.clone()));
                self.after_marks(std::slice::from_ref(symbol));
                Ok(())
            }
            Statement::Last { symbol, price } => {
                let now_ms = self.now_ms;
                self.contract_mut(symbol)?.print(fixed(*price)?, now_ms);
                self.match_algos(symbol);
                Ok(())
            }
            Statement::Book { symbol, best } => {
                let best = match best {
                    Some((bid, ask)) => Some((fixed(*bid)?, fixed(*ask)?)),
                    None => None,
                };
                self.contract_mut(symbol)?.best = best;
                Ok(())
            }
            Statement::Walk { symbol, volatility } => {
                self.contract_mut(symbol)?.volatility = fixed(*volatility)?;
                Ok(())
            }
            Statement::Jumps {
                symbol,
                chance,
                size,
            } => {
                self.contract_mut(symbol)?.jumps = (fixed(*chance)?, fixed(*size)?);
                Ok(())
            }
            Statement::Funding { symbol, rate } => {
                let rate = fixed(*rate)?;
                self.contract_mut(symbol)?.funding_rate = rate;
                self.settle_funding(symbol, rate);
                Ok(())
            }
            Statement::Seed(seed) => {
                self.seed = *seed;
                self.random = super::super::random::Random::new(*seed);
                Ok(())
            }
            Statement::Fault(fault) => self.script_fault(fault),
            Statement::At { .. } | Statement::Expect(_) => Ok(()),
            _ => self.script_account(statement),
        }
    }

    /// Takes a statement as written: nothing is matched, refused for want of margin, liquidated or
    /// told. Lines that only make sense on a running exchange do nothing.
    pub(crate) fn lay(&mut self, statement: &Statement) -> Result<(), String> {
        self.opening = true;
        let outcome = match statement {
            Statement::Order(line) if line.conditional.is_none() => self.lay_order(line),
            Statement::Order(_) => Ok(()),
            Statement::Mark { symbol, price } => {
                fixed(*price).and_then(|price| self.set_mark(symbol, price))
            }
            other => self.script(other),
        };
        self.user.clear();
        self.market.clear();
        outcome.map_err(|refusal| format!("{statement:?}: {}", refusal.message))
    }

    fn lay_order(&mut self, line: &OrderLine) -> Outcome {
        let id = self.new_id();
        let number = |value: Option<rust_decimal::Decimal>| fixed(value.unwrap_or_default());
        let order = Order {
            id,
            client_id: line.id.clone().unwrap_or_default(),
            symbol: line.symbol.clone(),
            side: line.side,
            leg: line.position_side,
            kind: OrderKind::Limit,
            original_kind: OrderKind::Limit.name().to_owned(),
            time_in_force: line.time_in_force.clone(),
            quantity: number(line.quantity)?,
            price: number(line.price)?,
            stop_price: Fixed::ZERO,
            reduce_only: line.reduce_only,
            close_position: line.close_position,
            working_type: "CONTRACT_PRICE",
            good_till_ms: 0,
            terms: Terms::default(),
            executed: Fixed::ZERO,
            turnover: Fixed::ZERO,
            status: Status::New,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            algo: None,
        };
        self.account.orders.insert(id, order);
        Ok(())
    }

    fn script_account(&mut self, statement: &Statement) -> Outcome {
        match statement {
            Statement::PositionMode(mode) => self.script_position_mode(*mode),
            Statement::AssetMode(mode) => self.script_asset_mode(*mode),
            Statement::Wallet { asset, amount } => self.set_wallet(asset, fixed(*amount)?),
            Statement::Index {
                asset,
                price,
                bid_buffer,
                ask_buffer,
            } => {
                let rate = Collateral {
                    index: fixed(*price)?,
                    bid_buffer: fixed(*bid_buffer)?,
                    ask_buffer: fixed(*ask_buffer)?,
                };
                self.account.collateral.insert(asset.clone(), rate);
                Ok(())
            }
            Statement::Leverage { symbol, leverage } => self.set_leverage(symbol, *leverage),
            Statement::MarginType {
                symbol,
                margin_type,
            } => match self.set_margin_type(symbol, *margin_type) {
                Err(refusal) if refusal.code == -4046 => Ok(()),
                outcome => outcome,
            },
            Statement::AutoAddMargin { symbol, on } => {
                self.contract(symbol)?;
                self.account
                    .settings
                    .entry(symbol.clone())
                    .or_default()
                    .auto_add = *on;
                Ok(())
            }
            Statement::Position(line) => self.set_position(line),
            Statement::Transfer { asset, amount } => self.transfer(asset, fixed(*amount)?),
            Statement::Adjust {
                asset,
                amount,
                reason,
            } => {
                let amount = fixed(*amount)?;
                self.account.post(asset, amount);
                self.tell_account(reason, asset, amount, &[], None);
                Ok(())
            }
            Statement::AddMargin {
                symbol,
                amount,
                position_side,
            } => {
                let leg = self.meant_leg(symbol, *position_side)?;
                self.change_margin(&leg, fixed(*amount)?)
            }
            _ => self.script_trade(statement),
        }
    }

    fn script_trade(&mut self, statement: &Statement) -> Outcome {
        match statement {
            Statement::Order(line) => self.script_order(line),
            Statement::Cancel { symbol, id } => self.script_cancel(symbol, id.as_deref()),
            Statement::Fill {
                symbol,
                id,
                quantity,
            } => {
                let order = self
                    .account
                    .orders_of(symbol)
                    .find(|order| order.client_id == *id);
                let (id, price) = order
                    .map(|order| (order.id, order.price))
                    .ok_or_else(Refusal::no_such_order)?;
                self.fill(id, fixed(*quantity)?, price, true);
                Ok(())
            }
            Statement::Liquidate { symbol } => {
                let leg = self.meant_leg(symbol, PositionSide::Both)?;
                self.liquidate(&leg);
                Ok(())
            }
            Statement::Adl {
                symbol,
                quantity,
                position_side,
            } => {
                let leg = self.meant_leg(symbol, *position_side)?;
                let mark = self.contract(symbol)?.mark;
                self.close_by_exchange(&leg, fixed(*quantity)?, mark, "adl_autoclose-")
            }
            Statement::Settle { symbol, price } => self.settle(symbol, fixed(*price)?),
            Statement::MarginCall { symbol } => self.margin_call(symbol),
            Statement::MarginCalls { ratio } => {
                self.policy.margin_call_ratio = ratio.map(fixed).transpose()?;
                self.policy.called.clear();
                Ok(())
            }
            Statement::Liquidations { partial } => {
                self.policy.partial = *partial;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn script_fault(&mut self, fault: &Fault) -> Outcome {
        match fault {
            Fault::RejectTriggers(on) => self.reject_triggers = *on,
            Fault::Depth { symbol, quantity } => {
                self.contract_mut(symbol)?.depth = fixed(*quantity)?;
            }
            Fault::Freeze { symbol, on } => self.contract_mut(symbol)?.frozen = *on,
            _ => {}
        }
        Ok(())
    }

    fn list(&mut self, line: &SymbolLine) -> Outcome {
        let mut contract = Contract::new(line).map_err(|text| Refusal::script(&text))?;
        match self.contracts.get(&line.symbol) {
            Some(known) => contract.inherit(known),
            None => contract.begin_history(self.seed, self.now_ms),
        }
        self.account
            .cross
            .entry(contract.margin_asset.clone())
            .or_default();
        self.contracts.insert(line.symbol.clone(), contract);
        self.tell_contract(&line.symbol, false);
        Ok(())
    }

    fn set_status(&mut self, symbol: &str, status: &str) -> Outcome {
        status.clone_into(&mut self.contract_mut(symbol)?.status);
        self.tell_contract(symbol, false);
        Ok(())
    }

    /// The mode is part of the scene: with nothing open it is simply set.
    fn script_position_mode(&mut self, mode: PositionMode) -> Outcome {
        match self.set_position_mode(mode) {
            Err(refusal) if refusal.code == -4059 => Ok(()),
            outcome => outcome,
        }
    }

    fn script_asset_mode(&mut self, mode: AssetMode) -> Outcome {
        match self.set_asset_mode(mode) {
            Err(refusal) if refusal.code == -4171 => Ok(()),
            outcome => outcome,
        }
    }

    fn set_wallet(&mut self, asset: &str, amount: Fixed) -> Outcome {
        let change = amount - self.account.wallet(asset, &self.contracts);
        self.account.post(asset, change);
        self.tell_account("ADJUSTMENT", asset, change, &[], None);
        Ok(())
    }

    /// Puts a position there, with its settings; an isolated wallet comes out of the cross wallet.
    fn set_position(&mut self, line: &PositionLine) -> Outcome {
        let contract = self.contract(&line.symbol)?;
        let (asset, mark) = (contract.margin_asset.clone(), contract.mark);
        let one_way = self.account.mode == PositionMode::OneWay;
        if one_way != (line.position_side == PositionSide::Both) {
            return Err(Refusal::position_side_mismatch());
        }
        let (amount, entry) = (fixed(line.amount)?, fixed(line.entry)?);
        let auto_add = self.account.settings(&line.symbol).auto_add;
        let settings = Settings {
            leverage: line.leverage,
            margin_type: line.margin_type,
            auto_add,
        };
        self.account.settings.insert(line.symbol.clone(), settings);
        let leg: Leg = (line.symbol.clone(), line.position_side);
        let returned = self.account.position(&leg.0, leg.1).isolated_wallet;
        self.account.post(&asset, returned);
        let position = self.account.positions.entry(leg.clone()).or_default();
        position.amount = amount;
        position.entry = entry;
        position.isolated_wallet = Fixed::ZERO;
        position.updated_ms = self.now_ms;
        if line.margin_type == MarginType::Isolated {
            let leverage = Fixed::new(i64::from(line.leverage), 0);
            let wallet = match line.isolated_wallet {
                Some(wallet) => fixed(wallet)?,
                None => amount.abs().times(entry).over(leverage).unwrap_or_default(),
            };
            self.account.lock(&asset, &leg, wallet);
        }
        if mark.is_zero() {
            self.set_mark(&line.symbol, entry)?;
        }
        self.tell_account("ORDER", &asset, Fixed::ZERO, &[leg], None);
        Ok(())
    }

    /// The order that a line without a condition writes.
    pub(crate) fn scripted(line: &OrderLine) -> Result<NewOrder, Refusal> {
        let quantity = line.quantity.map(fixed).transpose()?;
        let price = line.price.map(fixed).transpose()?;
        let kind = if price.is_some() {
            OrderKind::Limit
        } else {
            OrderKind::Market
        };
        Ok(NewOrder {
            symbol: line.symbol.clone(),
            side: line.side,
            leg: line.position_side,
            kind,
            original_kind: kind.name().to_owned(),
            time_in_force: line.time_in_force.clone(),
            quantity: quantity.unwrap_or_default(),
            price: price.unwrap_or_default(),
            stop_price: Fixed::ZERO,
            reduce_only: line.reduce_only,
            close_position: false,
            working_type: "CONTRACT_PRICE",
            good_till_ms: 0,
            terms: Terms::default(),
            client_id: line.id.clone(),
            algo: None,
        })
    }

    fn script_order(&mut self, line: &OrderLine) -> Outcome {
        let Some(conditional) = &line.conditional else {
            return self.place(&Self::scripted(line)?).map(|_| ());
        };
        let quantity = line.quantity.map(fixed).transpose()?;
        let price = line.price.map(fixed).transpose()?;
        let placed = self.place_algo(&NewAlgo {
            symbol: line.symbol.clone(),
            side: line.side,
            leg: line.position_side,
            condition: conditional.kind,
            working_price: conditional.working_price,
            quantity,
            price: price.unwrap_or_default(),
            time_in_force: line.time_in_force.clone(),
            reduce_only: line.reduce_only,
            close_position: line.close_position,
            price_protect: false,
            good_till_ms: 0,
            terms: Terms::default(),
            client_id: line.id.clone(),
        });
        placed.map(|_| ())
    }

    fn script_cancel(&mut self, symbol: &str, id: Option<&str>) -> Outcome {
        self.contract(symbol)?;
        let wanted = |client_id: &str| id.is_none_or(|id| id == client_id);
        let orders: Vec<i64> = self
            .account
            .orders_of(symbol)
            .filter(|order| wanted(&order.client_id))
            .map(|order| order.id)
            .collect();
        let algos: Vec<i64> = self
            .account
            .algos_of(symbol)
            .filter(|algo| wanted(&algo.client_id))
            .map(|algo| algo.id)
            .collect();
        if id.is_some() && orders.is_empty() && algos.is_empty() {
            return Err(Refusal::unknown_order());
        }
        for id in orders {
            self.cancel(id);
        }
        for id in algos {
            self.end_algo(id, "CANCELED", None);
        }
        Ok(())
    }

    /// Delivery or delisting: orders lapse, positions are closed at the settlement price.
    fn settle(&mut self, symbol: &str, price: Fixed) -> Outcome {
        self.set_status(symbol, "SETTLING")?;
        let orders: Vec<i64> = self
            .account
            .orders_of(symbol)
            .map(|order| order.id)
            .collect();
        for id in orders {
            self.expire(id, super::fill::EXPIRED_DELISTED);
        }
        let algos: Vec<i64> = self.account.algos_of(symbol).map(|algo| algo.id).collect();
        for id in algos {
            self.end_algo(id, "EXPIRED", None);
        }
        for leg in self.held_legs(symbol) {
            let quantity = self.account.position(&leg.0, leg.1).amount.abs();
            self.close_by_exchange(&leg, quantity, price, "settlement_autoclose-")?;
        }
        self.contract_mut(symbol)?.dark = true;
        self.tell_market(MarketEvent::Mark(symbol.to_owned()));
        Ok(())
    }
}

fn fixed(value: rust_decimal::Decimal) -> Result<Fixed, Refusal> {
    Fixed::from_decimal(value).ok_or_else(|| Refusal::script("a number has too many decimals"))
}
