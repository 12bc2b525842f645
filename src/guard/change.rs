//! Rules that judge a change by itself.
//!
//! Owns: what the exchange itself would refuse of a change, with its codes, and the trader's limits
//! that are about settings.
//! Must not know: what the account would be worth.

use std::cell::Cell;

use rust_decimal::Decimal;

use super::desk::Desk;
use super::policy::LimitKey;
use super::rules::{Limits, plain};
use super::verdict::{Code, Finding, Level};
use super::words;
use crate::margin::account::{
    AssetMode, MarginMode, PositionMode, PositionSide, Symbol, SymbolState,
};
use crate::margin::amount::{Amount, Leverage};
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::change::{Change, MarginMove, removable, withdrawable};
use crate::margin::contribution::Missing;
use crate::margin::pool::PoolAssessment;

/// A change with the account before and after it.
pub(super) struct ChangeCase<'a, 'd> {
    pub desk: &'a Desk<'d>,
    pub limits: &'a Limits<'a>,
    pub change: &'a Change,
    /// The account before the change, promises counted.
    pub base: &'a WhatIf<'a>,
    /// Its pool before the change, promises counted; `None` for changes of the whole account.
    pub before: Option<&'a PoolAssessment>,
    pub after: Option<&'a PoolAssessment>,
    /// What breaks a bound of the exchange, and the bound: another figure or more money may cure it.
    pub measured: Cell<Option<(Decimal, Decimal)>>,
}

impl ChangeCase<'_, '_> {
    /// Holds money that is taken away against the most that may be. It strains as everything does that
    /// what is left carries: by the reciprocal of what is left.
    fn measure_taken(&self, amount: Amount, most: Amount) -> Result<(), Unknown> {
        let beyond = amount.minus(most)?;
        let left = most.minus(beyond)?.max(Amount::ZERO);
        self.limits
            .strained_by(Level::Reject, most.get(), left.get());
        if beyond.is_positive() {
            self.measured.set(Some((amount.get(), most.get())));
        }
        Ok(())
    }

    /// Holds a figure against a bound of the exchange.
    fn measure(&self, value: Decimal, bound: Decimal) {
        self.limits.strained_by(Level::Reject, value, bound);
        if value > bound {
            self.measured.set(Some((value, bound)));
        }
    }
}

/// Everything that is to be said of the change by itself.
pub(super) fn findings(case: &ChangeCase<'_, '_>) -> Result<Vec<Finding>, Unknown> {
    let mut findings: Vec<Finding> = Vec::new();
    let symbol = case.change.symbol();
    if let Some(refusal) = refusal(case)? {
        let message = format!("The exchange would refuse this change: {refusal}.");
        let (value, limit) = case.measured.get().unzip();
        findings.push(Finding {
            value,
            limit,
            ..plain(Code::ExchangeWouldRefuse, symbol, message)
        });
    }
    findings.extend(isolated_required(case));
    findings.extend(leverage(case)?);
    Ok(findings)
}

fn isolated_required(case: &ChangeCase<'_, '_>) -> Option<Finding> {
    let Change::MarginType {
        symbol,
        margin_mode: MarginMode::Crossed,
    } = case.change
    else {
        return None;
    };
    case.limits.policy.isolated_only.holds(symbol).then(|| {
        let message = format!("Your policy wants {symbol} isolated, and this makes it crossed.");
        plain(Code::IsolatedRequired, Some(symbol), message)
    })
}

fn leverage(case: &ChangeCase<'_, '_>) -> Result<Option<Finding>, Unknown> {
    let Change::Leverage { symbol, leverage } = case.change else {
        return Ok(None);
    };
    let set = settings_of(case, symbol)?.0;
    if leverage.get() <= set.get() {
        return Ok(None);
    }
    let value = Decimal::from(leverage.get());
    Ok(case.limits.judge(LimitKey::Leverage, value).map(|broken| {
        let message = words::leverage(symbol, *leverage, broken.limit);
        case.limits.finding(Code::Leverage, broken, value, message)
    }))
}

fn state_of<'a>(case: &'a ChangeCase<'_, '_>, symbol: &Symbol) -> Result<&'a SymbolState, Unknown> {
    case.base
        .state(symbol.as_str())
        .ok_or_else(|| Unknown::Symbol(symbol.clone(), Missing::Settings))
}

fn settings_of(
    case: &ChangeCase<'_, '_>,
    symbol: &Symbol,
) -> Result<(Leverage, MarginMode), Unknown> {
    let settings = state_of(case, symbol)?
        .settings
        .ok_or_else(|| Unknown::Symbol(symbol.clone(), Missing::Settings))?;
    Ok((settings.leverage, settings.margin_mode))
}

/// What the exchange would answer with an error.
///
/// Source: margin-math §10 and §11, binance-api §4.4 and §8.
fn refusal(case: &ChangeCase<'_, '_>) -> Result<Option<String>, Unknown> {
    match case.change {
        Change::Leverage { symbol, leverage } => leverage_refusal(case, symbol, *leverage),
        Change::MarginType {
            symbol,
            margin_mode,
        } => margin_type_refusal(case, symbol, *margin_mode),
        Change::PositionMargin {
            symbol,
            position_side,
            amount,
            direction,
        } => position_margin_refusal(case, symbol, *position_side, *amount, *direction),
        Change::PositionMode { mode } => Ok(position_mode_refusal(case, *mode)),
        Change::MultiAssetsMargin { mode } => asset_mode_refusal(case, *mode),
        Change::TransferOut { asset, amount } => transfer_refusal(case, asset.as_str(), *amount),
    }
}

fn leverage_refusal(
    case: &ChangeCase<'_, '_>,
    symbol: &Symbol,
    leverage: Leverage,
) -> Result<Option<String>, Unknown> {
    let state = state_of(case, symbol)?;
    let (set, mode) = settings_of(case, symbol)?;
    let most = state
        .brackets
        .as_deref()
        .map(|brackets| brackets.first().leverage_max);
    if let Some(most) = most {
        case.measure(leverage.get().into(), most.get().into());
    }
    if let Some(most) = most
        && leverage.get() > most.get()
    {
        return Ok(Some(format!("{symbol} goes up to {}x (-4028)", most.get())));
    }
    let held = !state.legs.is_flat();
    if mode == MarginMode::Isolated && held && leverage.get() < set.get() {
        return Ok(Some(format!(
            "the leverage of an isolated position cannot be reduced while it is open (-4161): \
             {symbol} stands at {}x",
            set.get()
        )));
    }
    let Some(after) = case.after.filter(|_| leverage.get() < set.get()) else {
        return Ok(None);
    };
    let (needed, there) = (after.initial_margin, after.margin_balance);
    case.measure(needed.get(), there.get());
    Ok((needed > there).then(|| {
        format!(
            "at {}x positions and orders need more initial margin than there is (-2028)",
            leverage.get()
        )
    }))
}

fn margin_type_refusal(
    case: &ChangeCase<'_, '_>,
    symbol: &Symbol,
    margin_mode: MarginMode,
) -> Result<Option<String>, Unknown> {
    let (_, set) = settings_of(case, symbol)?;
    if set == margin_mode {
        return Ok(Some(format!(
            "{symbol} is {} already (-4046)",
            words::margin_mode(set)
        )));
    }
    if margin_mode == MarginMode::Isolated && case.desk.view.book().asset_mode() == AssetMode::Multi
    {
        return Ok(Some(
            "there is no isolated margin in multi-assets mode (-4168)".to_owned(),
        ));
    }
    let orders = case.desk.view.mirror().orders().of(symbol.as_str()).count();
    if orders > 0 {
        return Ok(Some(format!(
            "the margin type cannot change while {} on {symbol} (-4047)",
            words::orders_work(orders)
        )));
    }
    let held = !state_of(case, symbol)?.legs.is_flat();
    Ok(held.then(|| {
        format!("the margin type cannot change while a {symbol} position is open (-4048)")
    }))
}

fn position_margin_refusal(
    case: &ChangeCase<'_, '_>,
    symbol: &Symbol,
    side: PositionSide,
    amount: Amount,
    direction: MarginMove,
) -> Result<Option<String>, Unknown> {
    let (_, mode) = settings_of(case, symbol)?;
    if mode == MarginMode::Crossed {
        return Ok(Some(format!(
            "{symbol} is crossed, and margin is moved only for isolated positions (-4049)"
        )));
    }
    if state_of(case, symbol)?.legs.get(side).is_flat() {
        return Ok(Some(format!("there is no such {symbol} position (-4054)")));
    }
    if !amount.is_positive() {
        return Ok(Some("the amount must be above zero (-4055)".to_owned()));
    }
    Ok(match direction {
        MarginMove::Add => {
            let most = movable(case, amount)?;
            most.filter(|most| amount > *most).map(|most| {
                format!(
                    "at most {} of the shared balance can be moved (-4050)",
                    words::money(most)
                )
            })
        }
        MarginMove::Remove => {
            let most = removable(case.base, symbol, side)?;
            case.measure_taken(amount, most)?;
            (amount > most).then(|| {
                format!(
                    "at most {} can be taken out of the position (-4051)",
                    words::money(most)
                )
            })
        }
    })
}

/// What may leave the shared balance; notes how hard the amount strains it.
fn movable(case: &ChangeCase<'_, '_>, amount: Amount) -> Result<Option<Amount>, Unknown> {
    let most = case.before.map(withdrawable).transpose()?;
    if let Some(most) = most {
        case.measure_taken(amount, most)?;
    }
    Ok(most)
}

fn position_mode_refusal(case: &ChangeCase<'_, '_>, mode: PositionMode) -> Option<String> {
    let book = case.desk.view.book();
    if book.position_mode() == mode {
        return Some("the account is in this position mode already (-4059)".to_owned());
    }
    let orders = case.desk.view.mirror().orders().len();
    if orders > 0 {
        return Some(format!(
            "the position mode cannot change while {} (-4067)",
            words::orders_work(orders)
        ));
    }
    book.symbols()
        .find(|(_, state)| !state.legs.is_flat())
        .map(|(symbol, _)| {
            format!("the position mode cannot change while {symbol} is open (-4068)")
        })
}

fn asset_mode_refusal(
    case: &ChangeCase<'_, '_>,
    mode: AssetMode,
) -> Result<Option<String>, Unknown> {
    let book = case.desk.view.book();
    if book.asset_mode() == mode {
        let message = "the account is in this asset mode already (-4171)";
        return Ok(Some(message.to_owned()));
    }
    let isolated = book.symbols().find(|(_, state)| {
        !state.legs.is_flat()
            && state
                .settings
                .is_some_and(|settings| settings.margin_mode == MarginMode::Isolated)
    });
    if let (AssetMode::Multi, Some((symbol, _))) = (mode, isolated) {
        return Ok(Some(format!(
            "multi-assets mode has no isolated positions, and {symbol} is one (-4167)"
        )));
    }
    let mirror = case.desk.view.mirror();
    let orders = mirror
        .orders()
        .len()
        .saturating_add(mirror.reservations().len());
    if orders > 0 {
        return Ok(Some(format!(
            "the asset mode cannot change while {} (-4170)",
            words::orders_work(orders)
        )));
    }
    let owed = book.assets().find(|asset| {
        let balances = book.balances(asset.as_str());
        balances.is_some_and(|(wallet, _)| wallet.is_negative())
    });
    if let (AssetMode::Single, Some(asset)) = (mode, owed) {
        return Ok(Some(format!(
            "single-asset mode has no debts, and the {asset} balance is below zero (-4172)"
        )));
    }
    Ok(case
        .after
        .filter(|after| after.initial_margin > after.margin_balance)
        .map(|after| {
            format!(
                "the {} pool would need {} of initial margin and have {} (-4169)",
                after.asset,
                words::money(after.initial_margin),
                words::money(after.margin_balance)
            )
        }))
}

fn transfer_refusal(
    case: &ChangeCase<'_, '_>,
    asset: &str,
    amount: Amount,
) -> Result<Option<String>, Unknown> {
    if !amount.is_positive() {
        return Ok(Some("the amount must be above zero".to_owned()));
    }
    let most = movable(case, amount)?;
    Ok(most.filter(|most| amount > *most).map(|most| {
        format!(
            "at most {} {asset} can leave the futures wallet",
            words::money(most)
        )
    }))
}
