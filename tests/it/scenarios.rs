//! Every text scenario under `tests/scenarios`: an account, then what is expected of it.
//!
//! `expect pool USDT FIGURE VALUE`, `expect position SYMBOL [long|short] FIGURE VALUE` and
//! `expect check ORDER -> DECISION [CODE[=VALUE] …]`, where ORDER is written as an `order` line and
//! the codes are all findings in precedence. A value is compared to as many
//! decimals as it is written with, rounded half-even or cut (sources do either); `none` means there is none. The source of each figure
//! stands in the scenario.

use std::fs;
use std::path::Path;

use crossguard::margin::account::PositionSide;
use crossguard::margin::amount::{parse, round};
use crossguard::margin::liquidation::{Direction, LiquidationPrices};
use crossguard::margin::pool::PoolAssessment;
use crossguard::margin::position::PositionAssessment;
use rust_decimal::Decimal;

use crate::real_brackets::table_lines;
use crate::rig::{Rig, asset};

#[test]
fn every_scenario_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let tables = table_lines();
    let mut expectations = 0;
    let mut failures = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for account in text.split("\n---\n") {
            let (mut rig, expected) = Rig::from_text(&format!("{tables}{account}"));
            expectations += expected.len();
            for (line, expectation) in expected {
                let line = line - tables.lines().count();
                if let Err(found) = hold(&mut rig, &expectation) {
                    failures.push(format!(
                        "{name}, account line {line}: {expectation}\n   {found}"
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        expectations > 60,
        "only {expectations} expectations were found"
    );
}

fn hold(rig: &mut Rig, expectation: &str) -> Result<(), String> {
    let (subject, rest) = expectation
        .split_once(' ')
        .ok_or("an expectation needs a subject")?;
    match subject {
        "pool" => hold_pool(rig, rest),
        "position" => hold_position(rig, rest),
        "check" => hold_check(rig, rest),
        other => Err(format!("unknown subject {other}")),
    }
}

fn hold_pool(rig: &Rig, rest: &str) -> Result<(), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [pool, figure, value] = words[..] else {
        return Err("pool ASSET FIGURE VALUE".into());
    };
    let report = rig.core.pool_report(&asset(pool));
    let found = match (report.figures, figure) {
        (Err(unknown), "unknown") => {
            return same_text(&unknown.to_string().replace(' ', "_"), value);
        }
        (Err(unknown), _) => return Err(unknown.to_string()),
        (Ok(figures), figure) => pool_figure(&figures, figure)?,
    };
    same(found, value)
}

fn pool_figure(pool: &PoolAssessment, figure: &str) -> Result<Option<Decimal>, String> {
    let killer = || match &pool.survival {
        crossguard::margin::pool::Survival::Alive { first_killer, .. } => first_killer.clone(),
        crossguard::margin::pool::Survival::Liquidatable => None,
    };
    let common = || match &pool.survival {
        crossguard::margin::pool::Survival::Alive { common_move, .. } => *common_move,
        crossguard::margin::pool::Survival::Liquidatable => None,
    };
    Ok(match figure {
        "marginBalance" => Some(pool.margin_balance.get()),
        "crossUnPnl" => Some(pool.cross_unrealized_pnl.get()),
        "maintMargin" => Some(pool.maintenance_margin.get()),
        "initialMargin" => Some(pool.initial_margin.get()),
        "positionInitialMargin" => Some(pool.position_initial_margin.get()),
        "openOrderInitialMargin" => Some(pool.open_order_initial_margin.get()),
        "availableBalance" => Some(pool.available_balance.get()),
        "headroom" => Some(pool.headroom.get()),
        "marginRatio" => pool.margin_ratio.map(|rate| rate.get()),
        "ringFenced" => Some(pool.ring_fenced.get()),
        "distance" => pool.survival.distance().map(|rate| rate.get()),
        "firstKiller" => killer().map(|killer| killer.by.get()),
        "commonMove" => common().map(|common| common.by.get()),
        "walletAtRisk" => pool.wallet_at_risk.as_ref().map(|risk| risk.amount.get()),
        "walletAtRiskFraction" => pool.wallet_at_risk.as_ref().map(|risk| risk.fraction.get()),
        "accountLeverage" => pool.account_leverage.map(|rate| rate.get()),
        other => return Err(format!("unknown figure {other}")),
    })
}

fn hold_position(rig: &Rig, rest: &str) -> Result<(), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (name, side, figure, value) = match words[..] {
        [name, "long", figure, value] => (name, PositionSide::Long, figure, value),
        [name, "short", figure, value] => (name, PositionSide::Short, figure, value),
        [name, figure, value] => (name, PositionSide::Both, figure, value),
        _ => return Err("position SYMBOL [long|short] FIGURE VALUE".into()),
    };
    let report = rig.core.positions_report(rig.clock.now());
    let of_symbol = report
        .symbols
        .iter()
        .find(|row| row.symbol.as_str() == name);
    let of_symbol = of_symbol.ok_or("no such position")?;
    let positions = of_symbol.positions.as_ref().map_err(ToString::to_string)?;
    let position = positions
        .iter()
        .find(|position| position.position_side == side)
        .ok_or("no such leg")?;
    same(position_figure(position, figure)?, value)
}

fn position_figure(position: &PositionAssessment, figure: &str) -> Result<Option<Decimal>, String> {
    let on = |direction| position.liquidation.on(direction).map(|price| price.get());
    Ok(match figure {
        "liquidationPrice" => position.liquidation.headline().map(|price| price.get()),
        "liquidationBelow" => on(Direction::Down),
        "liquidationAbove" => on(Direction::Up),
        "liquidatable" => {
            let now = position.liquidation == LiquidationPrices::AlreadyLiquidatable;
            Some(Decimal::from(u8::from(now)))
        }
        "unRealizedProfit" => Some(position.unrealized_pnl.get()),
        "maintMargin" => Some(position.maintenance_margin.get()),
        "initialMargin" => Some(position.initial_margin.get()),
        "notional" => Some(position.notional.get()),
        "ticket" => Some(position.ticket.get()),
        "spill" => Some(position.spill.get()),
        other => return Err(format!("unknown figure {other}")),
    })
}

fn hold_check(rig: &mut Rig, rest: &str) -> Result<(), String> {
    let (order, expected) = rest.split_once("->").ok_or("check ORDER -> DECISION …")?;
    let answer = rig.check(order.trim());
    let judgement = &answer.judgement;
    let mut words = expected.split_whitespace();
    let decision = words.next().ok_or("a decision is missing")?;
    let found = judgement.decision.name();
    let listed: Vec<String> = judgement
        .findings
        .iter()
        .map(|finding| match finding.value {
            Some(value) => format!("{}={}", finding.code.name(), round(value, 6).normalize()),
            None => finding.code.name().to_owned(),
        })
        .collect();
    let report = format!("found {found} {}: {}", listed.join(" "), judgement.why);
    let wanted: Vec<&str> = words.collect();
    if found != decision || wanted.len() != judgement.findings.len() {
        return Err(report);
    }
    for (wanted, finding) in wanted.iter().zip(&judgement.findings) {
        let (code, value) = wanted
            .split_once('=')
            .map_or((*wanted, None), |(c, v)| (c, Some(v)));
        if code != finding.code.name() {
            return Err(report);
        }
        if let Some(value) = value
            && same(finding.value, value).is_err()
        {
            return Err(report);
        }
    }
    Ok(())
}

fn same(found: Option<Decimal>, value: &str) -> Result<(), String> {
    let Some(found) = found else {
        return same_text("none", value);
    };
    if value == "none" {
        return Err(format!("found {found}"));
    }
    let decimals = value
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let wanted = parse(value).map_err(|error| format!("{value} {error}"))?;
    let decimals = u32::try_from(decimals).unwrap();
    if round(found, decimals) == wanted || found.trunc_with_scale(decimals) == wanted {
        Ok(())
    } else {
        Err(format!("found {found}"))
    }
}

fn same_text(found: &str, value: &str) -> Result<(), String> {
    if found == value {
        Ok(())
    } else {
        Err(format!("found {found}"))
    }
}
