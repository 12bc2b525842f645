//! What text scenarios expect of the guard: a verdict's figures, sizes, ways back, and the policy under
//! which they are asked. `docs/scenario.md` lists the words.

use crossguard::daemon::core::Ask;
use crossguard::guard::Detail;
use crossguard::guard::policy::{Limit, LimitKey, Policy};
use crossguard::guard::proposal::Proposal;
use crossguard::guard::stress::Scenario;
use crossguard::guard::verdict::{Judgement, Level, PositionChange, PositionFigures};
use crossguard::margin::account::{PositionSide, Symbol};
use crossguard::margin::amount::{Amount, Rate, parse};
use crossguard::margin::liquidation::{Direction, LiquidationPrices};
use crossguard::margin::shock::Shock;
use rust_decimal::Decimal;

use crate::rig::{Rig, asset, symbol, wanted};
use crate::scenario_figures::pool_figure;
use crate::scenarios::{same, same_text, wanted_change};

type Found = Result<Option<Decimal>, String>;

/// `policy KEY WARN REJECT`: a limit of the policy in force; `off` switches a threshold off.
pub(crate) fn set_limit(rig: &mut Rig, policy: &mut Policy, rest: &str) -> Result<(), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [name, warn, reject] = words[..] else {
        return Err("policy KEY WARN REJECT".into());
    };
    let mut keys = LimitKey::ALL.into_iter();
    let key = keys.find(|key| key.name() == name).ok_or("no such limit")?;
    let limit = Limit {
        warn: threshold(warn)?,
        reject: threshold(reject)?,
    };
    policy.limits.set(key, limit);
    rig.under(policy.clone());
    Ok(())
}

fn threshold(word: &str) -> Result<Option<Decimal>, String> {
    match word {
        "off" => Ok(None),
        number => parse(number).map(Some).map_err(|error| error.to_string()),
    }
}

/// `scenario NAME off|warn|reject [WHAT=VALUE …]`: a scenario of the policy in force. WHAT is a contract,
/// `all`, `collateral.ASSET`, `maintenance`, `funding` (intervals) or `rate` (of one).
pub(crate) fn set_scenario(rig: &mut Rig, policy: &mut Policy, rest: &str) -> Result<(), String> {
    let mut words = rest.split_whitespace();
    let name = words.next().ok_or("scenario NAME REQUIRED …")?;
    let required = match words.next() {
        Some("off") => None,
        Some("warn") => Some(Level::Warn),
        Some("reject") => Some(Level::Reject),
        _ => return Err("off, warn or reject".into()),
    };
    let mut shock = policy
        .stress
        .get(name)
        .map(|known| known.shock.clone())
        .unwrap_or_default();
    for word in words {
        shake(&mut shock, word)?;
    }
    let scenario = Scenario { shock, required };
    policy.stress.insert(name.to_owned(), scenario);
    rig.under(policy.clone());
    Ok(())
}

fn shake(shock: &mut Shock, word: &str) -> Result<(), String> {
    let (what, value) = word.split_once('=').ok_or("WHAT=VALUE")?;
    let number = parse(value).map_err(|error| error.to_string())?;
    let rate = Rate::new(number);
    match what.split_once('.') {
        Some(("collateral", name)) => drop(shock.collateral.insert(asset(name), rate)),
        _ => match what {
            "all" => shock.all = Some(rate),
            "maintenance" => shock.maintenance = Some(rate),
            "funding" => shock.funding_intervals = value.parse().map_err(|_| "a whole number")?,
            "rate" => shock.funding_rate = rate,
            name => drop(shock.symbols.insert(symbol(name), rate)),
        },
    }
    Ok(())
}

/// An order, `batch ORDER ; ORDER …`, or `change LINE`.
fn question(words: &str) -> Result<Proposal, String> {
    if let Some(orders) = words.strip_prefix("batch ") {
        let orders = orders.split(';').map(|order| wanted(order.trim()));
        return Ok(Proposal::Orders(orders.collect()));
    }
    match words.strip_prefix("change ") {
        Some(change) => Ok(Proposal::Change(wanted_change(change)?)),
        None => Ok(wanted(words).into()),
    }
}

/// `verdict QUESTION -> FIGURE VALUE …`.
pub(crate) fn hold_verdict(rig: &mut Rig, rest: &str) -> Result<(), String> {
    let (asked, expected) = rest.split_once("->").ok_or("verdict QUESTION -> …")?;
    let judgement = rig.ask(question(asked.trim())?, true).judgement;
    let words: Vec<&str> = expected.split_whitespace().collect();
    for pair in words.chunks(2) {
        let [figure, value] = pair else {
            return Err("each figure needs a value".into());
        };
        let held = match text_figure(&judgement, figure)? {
            Some(text) => same_text(&text, value),
            None => same(number_figure(&judgement, figure)?, value),
        };
        held.map_err(|found| format!("{figure}: {found} ({})", judgement.why))?;
    }
    Ok(())
}

fn joined<'t>(items: impl Iterator<Item = &'t str>) -> String {
    let items: Vec<&str> = items.collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(",")
    }
}

fn names(symbols: &[Symbol]) -> impl Iterator<Item = &str> {
    symbols.iter().map(Symbol::as_str)
}

/// Figures that are words.
fn text_figure(judgement: &Judgement, figure: &str) -> Result<Option<String>, String> {
    let worst = judgement.worst_case.as_ref();
    Ok(Some(match figure {
        "decision" => judgement.decision.name().to_owned(),
        "codes" => joined(judgement.findings.iter().map(|finding| finding.code.name())),
        "diesTogether" => joined(names(&judgement.dies_together)),
        "offers" => joined(judgement.alternatives.iter().map(|offer| offer.kind.name())),
        "worst.legRemoved" => match worst.and_then(|worst| worst.leg_removed.as_ref()) {
            Some((symbol, side)) => format!("{symbol}.{side:?}").to_uppercase(),
            None => "none".to_owned(),
        },
        "worst.endangered" => {
            let orders = worst
                .map(|worst| worst.endangered.as_slice())
                .unwrap_or_default();
            joined(orders.iter().map(|order| order.danger.name()))
        }
        "offer.smaller.decision" => {
            let mut offers = judgement.alternatives.iter();
            let first = offers.find(|offer| offer.kind.name() == "smaller");
            first
                .map_or("none", |offer| offer.decision.name())
                .to_owned()
        }
        _ => match stress(judgement, figure) {
            Some((outcome, "dies")) => joined(names(&outcome.dies)),
            _ => return Ok(None),
        },
    }))
}

fn stress<'j, 'f>(
    judgement: &'j Judgement,
    figure: &'f str,
) -> Option<(&'j crossguard::guard::stress::StressOutcome, &'f str)> {
    let (name, figure) = figure.strip_prefix("stress.")?.rsplit_once('.')?;
    let mut outcomes = judgement.stress.iter();
    Some((outcomes.find(|outcome| outcome.name == name)?, figure))
}

/// Figures that are numbers.
fn number_figure(judgement: &Judgement, figure: &str) -> Found {
    let pool = |pool: &Option<Box<_>>, figure| match pool {
        Some(pool) => pool_figure(pool, figure),
        None => Err("no such pool".to_owned()),
    };
    if let Some(figure) = figure.strip_prefix("before.") {
        return pool(&judgement.before, figure);
    }
    if let Some(figure) = figure.strip_prefix("after.") {
        return pool(&judgement.after, figure);
    }
    if let Some(figure) = figure.strip_prefix("worst.") {
        let worst = judgement.worst_case.as_ref().ok_or("no worst case")?;
        if let Some(figure) = figure.strip_prefix("before.") {
            return pool(&judgement.worst_before, figure);
        }
        return match figure {
            "orders" => Ok(Some(Decimal::from(worst.orders))),
            figure => pool_figure(&worst.pool, figure),
        };
    }
    if let Some((outcome, figure)) = stress(judgement, figure) {
        return match figure {
            "marginRatio" => Ok(outcome.margin_ratio.map(Rate::get)),
            "loss" => Ok(outcome.loss.map(Amount::get)),
            "survives" => Ok(Some(yes(outcome.survives))),
            other => Err(format!("unknown figure {other}")),
        };
    }
    if let Some(figure) = figure.strip_prefix("twin.") {
        let twin = judgement.isolated_twin.as_ref();
        return Ok(twin.and_then(|twin| match figure {
            "margin" => Some(twin.margin.get()),
            "maxLoss" => Some(twin.loss_max.get()),
            _ => twin.liquidation_price.map(|price| price.get()),
        }));
    }
    if let Some(rest) = figure.strip_prefix("offer.") {
        return offer_figure(judgement, rest);
    }
    if let Some(rest) = figure.strip_prefix("position.") {
        return position_figure(judgement, rest);
    }
    match figure {
        "exit" => Ok(Some(yes(judgement.is_exit))),
        "fee" => Ok(judgement
            .costs
            .as_ref()
            .and_then(|costs| Some(costs.fee?.get()))),
        other => Err(format!("unknown figure {other}")),
    }
}

fn yes(truth: bool) -> Decimal {
    Decimal::from(u8::from(truth))
}

fn offer_figure(judgement: &Judgement, rest: &str) -> Found {
    let (kind, figure) = rest.split_once('.').ok_or("offer.KIND.FIGURE")?;
    let mut offers = judgement.alternatives.iter();
    let Some(offer) = offers.find(|offer| offer.kind.name() == kind) else {
        return Ok(None);
    };
    terms_figure(&offer.terms, figure)
}

fn terms_figure(terms: &crossguard::guard::terms::Terms, figure: &str) -> Found {
    Ok(match figure {
        "quantity" => terms.quantity.map(|quantity| quantity.get()),
        "amount" => terms.amount.map(Amount::get),
        "share" => terms.share.map(Rate::get),
        "leverage" => terms.leverage.map(|leverage| Decimal::from(leverage.get())),
        other => return Err(format!("unknown figure {other}")),
    })
}

/// `SYMBOL[.long|.short].FIGURE`.
fn position_figure(judgement: &Judgement, rest: &str) -> Found {
    let words: Vec<&str> = rest.splitn(3, '.').collect();
    let (name, side, figure) = match words[..] {
        [name, "long", figure] => (name, PositionSide::Long, figure.to_owned()),
        [name, "short", figure] => (name, PositionSide::Short, figure.to_owned()),
        [name, ..] => (name, PositionSide::Both, words[1..].join(".")),
        [] => return Err("position.SYMBOL.FIGURE".into()),
    };
    let mut changes = judgement.positions.iter();
    let change = changes
        .find(|change| change.symbol.as_str() == name && change.position_side == side)
        .ok_or("no such position")?;
    change_figure(change, &figure)
}

fn change_figure(change: &PositionChange, figure: &str) -> Found {
    let of = |figures: &Option<PositionFigures>, figure: &str| {
        let Some(figures) = figures else {
            return Ok(None);
        };
        let on = |direction| figures.liquidation.on(direction).map(|price| price.get());
        Ok(match figure {
            "liquidationBelow" => on(Direction::Down),
            "liquidationAbove" => on(Direction::Up),
            "liquidatable" => Some(yes(
                figures.liquidation == LiquidationPrices::AlreadyLiquidatable
            )),
            "maintMargin" => Some(figures.maintenance_margin.get()),
            "untilNextBracket" => figures.until_next_bracket.map(|more| more.get()),
            other => return Err(format!("unknown figure {other}")),
        })
    };
    if let Some(figure) = figure.strip_prefix("before.") {
        return of(&change.before, figure);
    }
    if let Some(figure) = figure.strip_prefix("after.") {
        return of(&change.after, figure);
    }
    let overrun = change.overrun.as_ref();
    Ok(match figure {
        "shift" => change.shift.map(Rate::get),
        "ticket" => change.ticket.map(Amount::get),
        "spill" => change.spill.map(Amount::get),
        "spillNow" => overrun.map(|overrun| overrun.spill_now.get()),
        "spillAtLiquidation" => {
            overrun.and_then(|overrun| overrun.spill_at_liquidation.map(Amount::get))
        }
        "lossMultiple" => overrun.and_then(|overrun| overrun.loss_multiple.map(Rate::get)),
        "lossAtStop" => change.loss_at_stop.map(Amount::get),
        "stopBeyondLiquidation" => Some(yes(change.stop_beyond_liquidation)),
        "stopNearLiquidation" => Some(yes(change.stop_near_liquidation)),
        other => return Err(format!("unknown figure {other}")),
    })
}

/// `size ORDER -> allowed VALUE warned VALUE`.
pub(crate) fn hold_size(rig: &mut Rig, rest: &str) -> Result<(), String> {
    let (order, expected) = rest.split_once("->").ok_or("size ORDER -> …")?;
    let ask = Ask {
        ticket: 1,
        proposal: wanted(order.trim()).into(),
        client: None,
        dry_run: true,
        detail: Detail::Brief,
    };
    let now = rig.clock.now();
    let size = rig.core.size(&ask, now).map_err(|_| "not ready")?;
    let words: Vec<&str> = expected.split_whitespace().collect();
    for pair in words.chunks(2) {
        let found = match pair {
            ["allowed", _] => size.allowed,
            ["warned", _] => size.warned,
            _ => return Err("allowed VALUE warned VALUE".into()),
        };
        same(found.map(|quantity| quantity.get()), pair[1])
            .map_err(|found| format!("{}: {found}", pair[0]))?;
    }
    Ok(())
}

/// `fix CODE LEVEL KIND [SYMBOL] VALUE`: the way back of this kind inside this limit, or `none`.
pub(crate) fn hold_fix(rig: &Rig, rest: &str) -> Result<(), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (code, level, kind, name, value) = match words[..] {
        [code, level, kind, value] => (code, level, kind, None, value),
        [code, level, kind, name, value] => (code, level, kind, Some(name), value),
        _ => return Err("fix CODE LEVEL KIND [SYMBOL] VALUE".into()),
    };
    let fix = rig.core.fix(rig.clock.now()).map_err(|_| "not ready")?;
    let limits = fix
        .broken
        .iter()
        .filter(|limit| limit.finding.code.name() == code && limit.finding.level.name() == level);
    let mut ways = limits.flat_map(|limit| &limit.ways);
    let way = ways.find(|way| {
        let of = way.terms.symbol.as_ref().map(Symbol::as_str);
        way.kind.name() == kind && (name.is_none() || of == name)
    });
    let found = way.and_then(|way| {
        let terms = &way.terms;
        let leverage = terms.leverage.map(|leverage| Decimal::from(leverage.get()));
        let quantity = terms.quantity.map(|quantity| quantity.get());
        quantity.or(leverage).or(terms.amount.map(Amount::get))
    });
    same(found, value)
}
