//! Every text scenario under `tests/scenarios`: an account, then what is expected of it.
//!
//! `docs/scenario.md` lists the expectations. A value is compared to as many decimals as it is written
//! with, rounded half-even or cut (sources do either); `none` means there is none. The source of each
//! figure stands in the scenario: no expectation was ever made by the code under test. Figures of
//! pools and positions are held against the simulator's own ledger as well.

use std::fs;
use std::path::Path;

use crossguard::guard::policy::Policy;
use crossguard::guard::proposal::Proposal;
use crossguard::guard::verdict::Code;
use crossguard::margin::account::{AssetMode, MarginMode, PositionMode, PositionSide};
use crossguard::margin::amount::{Amount, Leverage, Notional, Rate, parse, round};
use crossguard::margin::change::{self, Change, MarginMove};
use crossguard::margin::cost::{largest_order, order_cost};
use crossguard::margin::position::assess_positions;
use crossguard::margin::project::{Assumptions, fill, isolated_twin};
use crossguard::mirror::quotes::AGE_MAX_MS;
use crossguard::scenario::{self, MarginType, Scenario, Statement};
use crossguard::sim::Ledger;
use rust_decimal::Decimal;

use crate::real_brackets::table_lines;
use crate::rig::{Rig, asset, side_of, symbol, wanted};
use crate::scenario_figures::{first_killer, leg_figure, pool_figure};
use crate::scenario_verdicts::{hold_fix, hold_size, hold_verdict, set_limit, set_scenario};
use crate::second_ledger::{pool_by_ledger, position_by_ledger};

/// What an account is made of: the engine's copy and the simulator's.
struct Both {
    rig: Rig,
    /// What `expect policy` and `expect scenario` lines have made of the shipped one.
    policy: Policy,
    /// None where the simulator means something else: what is missing, what the guard alone treats
    /// as crossed.
    ledger: Option<Ledger>,
}

#[test]
fn every_scenario_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let tables = table_lines();
    let (mut cases, mut expectations, mut by_ledger) = (0, 0, 0);
    let mut failures = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut first_line = 0;
        for account in text.split("\n---\n") {
            if !names_its_source(account) {
                failures.push(format!("{name}:{}: no source", first_line + 1));
            }
            let (mut both, expected) = stage(&format!("{tables}{account}"));
            cases += 1;
            expectations += expected.len();
            for (line, expectation) in expected {
                let line = first_line + line - tables.lines().count();
                match hold(&mut both, &expectation) {
                    Ok(twice) => by_ledger += usize::from(twice),
                    Err(found) => {
                        failures.push(format!("{name}:{line}: {expectation}\n   {found}"));
                    }
                }
            }
            first_line += account.lines().count() + 1;
        }
    }
    println!("{cases} cases, {expectations} expectations, {by_ledger} of them by both ledgers");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases > CASES_MIN, "only {cases} cases were found");
}

/// Whether a comment of the account says where its figures come from: a section of a document, a published
/// vector by its id, a trap by its number, or an address.
fn names_its_source(account: &str) -> bool {
    let mut comments = account.lines().filter(|line| line.starts_with('#'));
    comments.any(|comment| {
        let mut words = comment.split(|letter: char| !letter.is_alphanumeric());
        let by_name = comment.contains('§') || comment.contains("http");
        by_name || comment.to_lowercase().contains("trap ") || words.any(is_vector)
    })
}

/// `A01` to `G99`, as the published vectors are named.
fn is_vector(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 3
        && (b'A'..=b'G').contains(&bytes[0])
        && bytes[1..].iter().all(u8::is_ascii_digit)
}

/// So that a file that is not read any more is noticed.
const CASES_MIN: usize = 450;

fn stage(text: &str) -> (Both, Vec<(usize, String)>) {
    let (rig, expected) = Rig::from_text(text);
    let scenario = Scenario::parse(text).unwrap();
    let statements = || scenario.lines.iter().map(|line| &line.statement);
    let apart = statements().any(|statement| match statement {
        Statement::AutoAddMargin { on, .. } => *on,
        Statement::Mark { price, .. } => price.is_zero(),
        _ => false,
    });
    let unknown = expected.iter().any(|(_, text)| text.contains(" unknown "));
    let ledger = if apart || unknown {
        None
    } else {
        Ledger::of(statements()).ok()
    };
    (
        Both {
            rig,
            policy: Policy::default(),
            ledger,
        },
        expected,
    )
}

/// Whether an expectation holds; true when the simulator's ledger was asked too.
fn hold(both: &mut Both, expectation: &str) -> Result<bool, String> {
    let (subject, rest) = expectation
        .split_once(' ')
        .ok_or("an expectation needs a subject")?;
    match subject {
        "pool" => hold_pool(both, rest),
        "position" => hold_position(both, rest),
        "bracket" => hold_bracket(&both.rig, rest).map(|()| false),
        "order" => hold_order(both, rest),
        "check" => hold_check(&mut both.rig, rest).map(|()| false),
        "change" => hold_change(&mut both.rig, rest).map(|()| false),
        "verdict" => hold_verdict(&mut both.rig, rest).map(|()| false),
        "size" => hold_size(&mut both.rig, rest).map(|()| false),
        "fix" => hold_fix(&both.rig, rest).map(|()| false),
        "policy" => set_limit(&mut both.rig, &mut both.policy, rest).map(|()| false),
        "scenario" => set_scenario(&mut both.rig, &mut both.policy, rest).map(|()| false),
        other => Err(format!("unknown subject {other}")),
    }
}

fn hold_pool(both: &Both, rest: &str) -> Result<bool, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [pool, figure, value] = words[..] else {
        return Err("pool ASSET FIGURE VALUE".into());
    };
    let report = both.rig.core.pool_report(&asset(pool));
    let figures = match (report.figures, figure) {
        (Err(unknown), "unknown") => {
            return same_text(&unknown.to_string().replace(' ', "_"), value).map(|()| false);
        }
        (Err(unknown), _) => return Err(unknown.to_string()),
        (Ok(figures), _) => figures,
    };
    if figure == "firstKillerSymbol" {
        let killer = first_killer(&figures).map(|killer| killer.symbol.to_string());
        return same_text(&killer.unwrap_or("none".into()), value).map(|()| false);
    }
    same(pool_figure(&figures, figure)?, value)?;
    let Some(ledger) = &both.ledger else {
        return Ok(false);
    };
    match pool_by_ledger(ledger, pool, figure)? {
        Some(found) => same(found, value)
            .map(|()| true)
            .map_err(|found| by_the_ledger(&found)),
        None => Ok(false),
    }
}

fn by_the_ledger(found: &str) -> String {
    format!("by the simulator's ledger: {found}")
}

fn hold_position(both: &Both, rest: &str) -> Result<bool, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (name, side, figure, value) = match words[..] {
        [name, "long", figure, value] => (name, PositionSide::Long, figure, value),
        [name, "short", figure, value] => (name, PositionSide::Short, figure, value),
        [name, figure, value] => (name, PositionSide::Both, figure, value),
        _ => return Err("position SYMBOL [long|short] FIGURE VALUE".into()),
    };
    let rig = &both.rig;
    let report = rig.core.positions_report(rig.clock.now());
    let of_symbol = report
        .symbols
        .iter()
        .find(|row| row.symbol.as_str() == name);
    let of_symbol = of_symbol.ok_or("no such position")?;
    let positions = of_symbol.positions.as_ref().map_err(ToString::to_string)?;
    same(leg_figure(positions, side, figure)?, value)?;
    let Some(ledger) = &both.ledger else {
        return Ok(false);
    };
    match position_by_ledger(ledger, name, side, figure)? {
        Some(found) => same(found, value)
            .map(|()| true)
            .map_err(|found| by_the_ledger(&found)),
        None => Ok(false),
    }
}

/// `bracket SYMBOL NOTIONAL maintMargin|cum|rate VALUE`, and `bracket SYMBOL 20x cap VALUE`.
fn hold_bracket(rig: &Rig, rest: &str) -> Result<(), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [name, at, figure, value] = words[..] else {
        return Err("bracket SYMBOL NOTIONAL FIGURE VALUE".into());
    };
    let state = rig.core.mirror().book().state(name).ok_or("not listed")?;
    let table = state.brackets.as_ref().ok_or("no brackets")?;
    if figure == "cap" {
        let leverage = at
            .trim_end_matches('x')
            .parse()
            .ok()
            .and_then(Leverage::new);
        let cap = table.notional_max_at(leverage.ok_or("no leverage")?);
        return same(cap.map(|cap| cap.get()), value);
    }
    let notional = Notional::parse(at).map_err(|error| error.to_string())?;
    let bracket = table.at(notional);
    let found = match figure {
        "maintMargin" => {
            let margin = table.maintenance_margin(notional);
            margin.map_err(|error| error.to_string())?.get()
        }
        "cum" => bracket.maintenance_amount.get(),
        "rate" => bracket.maintenance_margin_rate.get(),
        other => return Err(format!("unknown figure {other}")),
    };
    same(Some(found), value)
}

/// `order ORDER -> FIGURE VALUE …`: how the order is taken to fill, what the exchange asks for it, and
/// the account afterwards (`after.…` its pool, `position.…` the leg it belongs to).
fn hold_order(both: &Both, rest: &str) -> Result<bool, String> {
    let (order, expected) = rest
        .split_once("->")
        .ok_or("order ORDER -> FIGURE VALUE …")?;
    let words: Vec<&str> = expected.split_whitespace().collect();
    let mut by_ledger = false;
    for pair in words.chunks(2) {
        let [figure, value] = pair else {
            return Err("each figure needs a value".into());
        };
        if let Some(figure) = figure.strip_prefix("ledger.") {
            let found = cost_by_ledger(both, order.trim(), figure)?;
            same(Some(found), value).map_err(|found| by_the_ledger(&found))?;
            by_ledger = true;
            continue;
        }
        let found = order_figure(&both.rig, order.trim(), figure)?;
        same(found, value).map_err(|found| format!("{figure}: {found}"))?;
    }
    Ok(by_ledger)
}

/// What the simulator's ledger says the order costs, by the exchange's rule alone.
fn cost_by_ledger(both: &Both, order: &str, figure: &str) -> Result<Decimal, String> {
    let ledger = both.ledger.as_ref().ok_or("there is no ledger here")?;
    let statement = scenario::parse_line(&format!("order {order}"));
    let Ok(Some(Statement::Order(line))) = statement else {
        return Err("no order".into());
    };
    let cost = ledger.cost(&line)?.ok_or("it costs nothing")?;
    let text = match figure {
        "cost" => cost.cost,
        "openLoss" => cost.open_loss,
        "assumed" => cost.assumed_price,
        other => return Err(format!("the ledger knows no {other}")),
    };
    parse(&text).map_err(|error| error.to_string())
}

fn order_figure(rig: &Rig, order: &str, figure: &str) -> Result<Option<Decimal>, String> {
    // `later.` is half a minute later, when nothing that was read before is used any more.
    let (figure, later) = match figure.strip_prefix("later.") {
        Some(figure) => (figure, AGE_MAX_MS + 1),
        None => (figure, 0),
    };
    let intent = wanted(order);
    let book = rig.core.mirror().book();
    let text = |unknown: crossguard::margin::book::Unknown| unknown.to_string();
    let mut what_if = book.what_if(&intent.symbol).map_err(text)?;
    let before = what_if
        .state(intent.symbol.as_str())
        .ok_or("not listed")?
        .clone();
    // The shipped policy's slippage and fee.
    let assumptions = Assumptions {
        market_slippage: Rate::new(Decimal::new(5, 3)),
        taker_fee: Rate::new(Decimal::new(5, 4)),
    };
    let filled = fill(&mut what_if, &intent, assumptions).map_err(text)?;
    let horizon = Rate::new(Decimal::new(1, 1));
    if let Some(figure) = figure.strip_prefix("after.") {
        return pool_figure(&what_if.assess(horizon).map_err(text)?, figure);
    }
    if let Some(figure) = figure.strip_prefix("position.") {
        let positions = assess_positions(&what_if, &symbol(intent.symbol.as_str()), horizon);
        return leg_figure(&positions.map_err(text)?, filled.position_side, figure);
    }
    if let Some(figure) = figure.strip_prefix("twin.") {
        let twin = isolated_twin(&intent.symbol, &before, &filled).map_err(text)?;
        return Ok(twin.and_then(|twin| match figure {
            "margin" => Some(twin.margin.get()),
            "maxLoss" => Some(twin.loss_max.get()),
            _ => twin.liquidation_price.map(|price| price.get()),
        }));
    }
    let mut now = rig.clock.now();
    now.boot_us += later * 1_000;
    let quotes = rig.core.mirror().quotes(&intent.symbol, now);
    if figure == "largest" {
        let start = book.what_if(&intent.symbol).map_err(text)?;
        let mut available = start.available_balance().map_err(text)?;
        if before.settings.unwrap().margin_mode == MarginMode::Isolated {
            available = available.min(start.cross_wallet_balance().map_err(text)?);
        }
        let mode = book.position_mode();
        let largest = largest_order(&before, mode, &intent, filled.price, available, quotes);
        return Ok(Some(largest.map_err(|missing| missing.to_string())?.get()));
    }
    let cost = order_cost(&before, book.position_mode(), &intent, &filled, quotes);
    let cost = cost.map_err(|missing| missing.to_string())?;
    Ok(Some(match figure {
        "cost" => cost.cost.get(),
        "presentNotional" => cost.present_notional.get(),
        "openLoss" => cost.open_loss.get(),
        "assumed" => cost.assumed.price.get(),
        "price" => filled.price.get(),
        "quantity" => filled.quantity.get(),
        "opens" => filled.opens.get(),
        "fee" => filled.fee.get(),
        other => return Err(format!("unknown figure {other}")),
    }))
}

/// `change LINE -> FIGURE VALUE …`: the account after a change, and what the exchange would answer.
fn hold_change(rig: &mut Rig, rest: &str) -> Result<(), String> {
    let (line, expected) = rest
        .split_once("->")
        .ok_or("change LINE -> FIGURE VALUE …")?;
    let change = wanted_change(line.trim())?;
    let words: Vec<&str> = expected.split_whitespace().collect();
    for pair in words.chunks(2) {
        let [figure, value] = pair else {
            return Err("each figure needs a value".into());
        };
        if *figure == "refused" {
            let found = refusal_of(rig, &change);
            same_text(&found, value).map_err(|found| format!("{figure}: {found}"))?;
            continue;
        }
        let found = changed_figure(rig, &change, figure)?;
        same(found, value).map_err(|found| format!("{figure}: {found}"))?;
    }
    Ok(())
}

/// The exchange's code in the finding of a change it would refuse; `none` without one.
fn refusal_of(rig: &mut Rig, change: &Change) -> String {
    let answer = rig.ask(Proposal::Change(change.clone()), true);
    let findings = &answer.judgement.findings;
    let refusal = findings
        .iter()
        .find(|finding| finding.code == Code::ExchangeWouldRefuse);
    let Some(refusal) = refusal else {
        return "none".into();
    };
    let code = refusal.message.split('(').nth(1);
    let code = code.and_then(|rest| rest.split(')').next());
    code.unwrap_or("without_code").to_owned()
}

fn changed_figure(rig: &Rig, change: &Change, figure: &str) -> Result<Option<Decimal>, String> {
    let text = |unknown: crossguard::margin::book::Unknown| unknown.to_string();
    let book = rig.core.mirror().book();
    // A change of the whole account is seen in one of its assets: `after.of.USDT.…` names it.
    let (in_asset, figure) = match figure.strip_prefix("in.") {
        Some(rest) => rest.split_once('.').ok_or("in.ASSET.FIGURE")?,
        None => ("USDT", figure),
    };
    let mut what_if = match change.symbol() {
        Some(symbol) => book.what_if(symbol),
        None => book.what_if_in(&asset(in_asset)),
    }
    .map_err(text)?;
    change::apply(&mut what_if, change).map_err(text)?;
    let horizon = Rate::new(Decimal::new(1, 1));
    if let Some(figure) = figure.strip_prefix("after.") {
        return pool_figure(&what_if.assess(horizon).map_err(text)?, figure);
    }
    let (of, figure) = figure
        .split_once('.')
        .ok_or("after., position., long., short.")?;
    let side = match of {
        "long" => PositionSide::Long,
        "short" => PositionSide::Short,
        _ => PositionSide::Both,
    };
    // Of a change of the whole account the position is named: `BTCUSDT.liquidationPrice`.
    let named = change.symbol().cloned().unwrap_or_else(|| symbol(of));
    let positions = assess_positions(&what_if, &named, horizon).map_err(text)?;
    leg_figure(&positions, side, figure)
}

/// A change, written as the line of a scenario that makes it.
pub(crate) fn wanted_change(line: &str) -> Result<Change, String> {
    let statement = scenario::parse_line(line).map_err(|mistakes| format!("{mistakes:?}"))?;
    Ok(match statement.ok_or("a change is missing")? {
        Statement::Leverage {
            symbol: name,
            leverage,
        } => Change::Leverage {
            symbol: symbol(&name),
            leverage: Leverage::new(leverage).ok_or("no leverage")?,
        },
        Statement::MarginType {
            symbol: name,
            margin_type,
        } => Change::MarginType {
            symbol: symbol(&name),
            margin_mode: match margin_type {
                MarginType::Crossed => MarginMode::Crossed,
                MarginType::Isolated => MarginMode::Isolated,
            },
        },
        Statement::AddMargin {
            symbol: name,
            amount,
            position_side,
        } => Change::PositionMargin {
            symbol: symbol(&name),
            position_side: side_of(position_side),
            amount: Amount::new(amount.abs()),
            direction: if amount.is_sign_negative() {
                MarginMove::Remove
            } else {
                MarginMove::Add
            },
        },
        Statement::PositionMode(mode) => Change::PositionMode {
            mode: match mode {
                scenario::PositionMode::OneWay => PositionMode::OneWay,
                scenario::PositionMode::Hedge => PositionMode::Hedge,
            },
        },
        Statement::AssetMode(mode) => Change::MultiAssetsMargin {
            mode: match mode {
                scenario::AssetMode::Single => AssetMode::Single,
                scenario::AssetMode::Multi => AssetMode::Multi,
            },
        },
        Statement::Transfer {
            asset: name,
            amount,
        } => Change::TransferOut {
            asset: asset(&name),
            amount: Amount::new(-amount),
        },
        other => return Err(format!("no change: {other:?}")),
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

pub(crate) fn same(found: Option<Decimal>, value: &str) -> Result<(), String> {
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

pub(crate) fn same_text(found: &str, value: &str) -> Result<(), String> {
    if found == value {
        Ok(())
    } else {
        Err(format!("found {found}"))
    }
}
