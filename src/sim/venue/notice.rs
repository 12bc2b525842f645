//! What the exchange tells: builds the events of the account stream from the present state.

use crate::scenario::{ConditionalKind, PositionMode, PositionSide, Side};

use super::super::account::{Algo, Leg, Order, Settings, leg_name, side_name};
use super::super::exact::Fixed;
use super::super::wire::event::{
    AccountBody, AccountUpdate, AlgoBody, AlgoUpdate, BalanceRow, OrderBody, OrderUpdate,
    PositionRow,
};
use super::super::wire::json;
use super::{MarketEvent, Venue};

/// What happened to an order.
#[derive(Debug, Clone, Default)]
pub(super) struct Execution {
    pub(super) quantity: Fixed,
    pub(super) price: Fixed,
    pub(super) fee: Fixed,
    pub(super) realized: Fixed,
    pub(super) trade: i64,
    pub(super) maker: bool,
    pub(super) modify_id: Option<i64>,
    /// Expiry reason, `er`.
    pub(super) expiry: u8,
}

impl Venue {
    /// Tells a balance or position change. `positions` are the legs that changed.
    pub(super) fn tell_account(
        &mut self,
        reason: &str,
        asset: &str,
        change: Fixed,
        legs: &[Leg],
        symbol: Option<&str>,
    ) {
        let balances = vec![self.balance_row(asset, change)];
        let mut positions = Vec::new();
        for leg in legs {
            self.add_position_rows(leg, &mut positions);
        }
        self.tell_account_rows(reason, balances, positions, symbol);
    }

    pub(super) fn balance_row(&self, asset: &str, change: Fixed) -> BalanceRow {
        BalanceRow {
            a: asset.to_owned(),
            wb: self.account.wallet(asset, &self.contracts).eight(),
            cw: self.account.cross_wallet(asset).eight(),
            bc: change.eight(),
        }
    }

    pub(super) fn tell_account_rows(
        &mut self,
        reason: &str,
        balances: Vec<BalanceRow>,
        positions: Vec<PositionRow>,
        symbol: Option<&str>,
    ) {
        let event = AccountUpdate {
            e: "ACCOUNT_UPDATE",
            emitted: self.now_ms,
            time: self.now_ms,
            a: AccountBody {
                m: reason.to_owned(),
                symbol: symbol.map(str::to_owned),
                balances,
                positions,
            },
        };
        self.emit("ACCOUNT_UPDATE", json(&event));
    }

    /// One-way mode tells the net row; hedge mode the empty net row and the leg.
    fn add_position_rows(&self, leg: &Leg, rows: &mut Vec<PositionRow>) {
        let both = (leg.0.clone(), PositionSide::Both);
        if self.account.mode == PositionMode::Hedge && leg.1 != PositionSide::Both {
            rows.push(self.position_row(&both));
        }
        rows.push(self.position_row(leg));
    }

    fn position_row(&self, leg: &Leg) -> PositionRow {
        let position = self.account.position(&leg.0, leg.1);
        let isolated = self.account.is_isolated(&leg.0);
        let contract = self.contracts.get(&leg.0);
        let (decimals, mark, asset) =
            contract.map_or((0, Fixed::ZERO, String::new()), |contract| {
                (
                    contract.quantity_decimals(),
                    contract.mark,
                    contract.margin_asset.clone(),
                )
            });
        PositionRow {
            s: leg.0.clone(),
            pa: position.amount.text(decimals),
            ep: position.entry.plain(),
            cr: position.realized.eight(),
            up: position.unrealized(mark).eight(),
            mt: if isolated { "isolated" } else { "cross" },
            iw: position.isolated_wallet.eight(),
            ps: leg_name(leg.1),
            ma: asset,
            bep: position.break_even().plain(),
        }
    }

    /// Tells what happened to an order; `x` is the exchange's word for it.
    pub(super) fn tell_order(&mut self, order: &Order, x: &'static str, execution: &Execution) {
        let event = OrderUpdate {
            e: "ORDER_TRADE_UPDATE",
            time: self.now_ms,
            emitted: self.now_ms,
            o: self.order_body(order, x, execution),
        };
        self.emit("ORDER_TRADE_UPDATE", json(&event));
    }

    fn order_body(&self, order: &Order, x: &'static str, execution: &Execution) -> OrderBody {
        let contract = self.contracts.get(&order.symbol);
        let exposure = contract
            .map(|contract| self.figures().exposure(contract))
            .unwrap_or_default();
        let asset = contract
            .map(|contract| contract.margin_asset.clone())
            .unwrap_or_default();
        let price_decimals = contract.map_or(8, |contract| contract.price_decimals());
        let decimals = contract.map_or(8, |contract| contract.quantity_decimals());
        let filled = execution.quantity.is_positive();
        OrderBody {
            s: order.symbol.clone(),
            c: order.client_id.clone(),
            side: side_name(order.side),
            o: order.kind.name(),
            f: order.time_in_force.clone(),
            q: order.quantity.text(decimals),
            p: order.price.text(price_decimals),
            ap: order.average().plain(),
            sp: order.stop_price.text(price_decimals),
            x,
            status: order.status.name(),
            i: order.id,
            modify_id: execution.modify_id,
            l: execution.quantity.text(decimals),
            z: order.executed.text(decimals),
            last_price: execution.price.plain(),
            n: filled.then(|| execution.fee.eight()),
            commission_asset: filled.then_some(asset),
            trade_time: self.now_ms,
            t: execution.trade,
            b: exposure.buys.eight(),
            a: exposure.sells.eight(),
            m: execution.maker,
            reduce_only: order.only_reduces(),
            wt: order.working_type,
            ot: order.original_kind.clone(),
            ps: leg_name(order.leg),
            cp: order.close_position,
            rp: execution.realized.eight(),
            price_protect: false,
            si: 0,
            ss: 0,
            self_trade_prevention: order.terms.self_trade_prevention,
            pm: order.terms.price_match,
            gtd: order.good_till_ms,
            er: execution.expiry.to_string(),
        }
    }

    /// Tells where a conditional order stands.
    pub(super) fn tell_algo(&mut self, algo: &Algo, reason: Option<String>) {
        let contract = self.contracts.get(&algo.symbol);
        let price_decimals = contract.map_or(8, |contract| contract.price_decimals());
        let decimals = contract.map_or(8, |contract| contract.quantity_decimals());
        let order = algo.order_id.and_then(|id| self.find_order(id));
        let event = AlgoUpdate {
            e: "ALGO_UPDATE",
            time: self.now_ms,
            emitted: self.now_ms,
            o: AlgoBody {
                caid: algo.client_id.clone(),
                aid: algo.id,
                at: "CONDITIONAL",
                o: algo.kind_name(),
                s: algo.symbol.clone(),
                side: side_name(algo.side),
                ps: leg_name(algo.leg),
                f: algo.time_in_force.clone(),
                q: algo.quantity.text(decimals),
                status: algo.status,
                ai: algo.order_id.map(|id| id.to_string()).unwrap_or_default(),
                ap: order.map(|order| order.average().plain()),
                aq: order.map(|order| order.executed.text(decimals)),
                act: order.map(|order| order.kind.name().to_owned()),
                tp: algo.trigger().text(price_decimals),
                p: algo.price.text(price_decimals),
                self_trade_prevention: algo.terms.self_trade_prevention,
                wt: algo.working_type(),
                pm: algo.terms.price_match,
                cp: algo.close_position,
                price_protect: algo.price_protect,
                reduce_only: algo.reduce_only,
                tt: algo.triggered_ms,
                gtd: algo.good_till_ms,
                rm: reason,
                ia: trailing_active(algo),
            },
        };
        self.emit("ALGO_UPDATE", json(&event));
    }

    /// Remembers that market streams have something to say.
    pub(super) fn tell_market(&mut self, event: MarketEvent) {
        self.market.push(event);
    }
}

fn trailing_active(algo: &Algo) -> Option<bool> {
    match algo.condition {
        ConditionalKind::Trailing { .. } => Some(algo.extreme.is_some()),
        ConditionalKind::Stop(_) | ConditionalKind::TakeProfit(_) => None,
    }
}

/// The side that closes an amount.
pub(super) fn closing_side(amount: Fixed) -> Side {
    if amount.is_negative() {
        Side::Buy
    } else {
        Side::Sell
    }
}

/// The exchange's word for a contract's margin type.
pub(super) fn margin_type_name(settings: Settings) -> &'static str {
    match settings.margin_type {
        crate::scenario::MarginType::Crossed => "CROSSED",
        crate::scenario::MarginType::Isolated => "ISOLATED",
    }
}
