//! The card that shows a verdict, 80 columns wide at most.
//!
//! Owns: what is said first: what would be lost and why; then the account before and after, the worst
//! case, the scenarios, the other positions, and the ways out with what to send.
//! Must not know: how anything was judged. Its sentences are the answer's own.

use std::fmt::Write as _;

use serde_json::Value;

use super::screen::{self, safe};
use crate::api::protocol::answer::{CheckAnswer, Finding, OrderEcho};
use crate::api::protocol::contagion::{PositionChange, PositionState};
use crate::api::protocol::costs::Costs;
use crate::api::protocol::figure::Figure;
use crate::api::protocol::pool::{FirstKiller, PoolFigures, WalletAtRisk};
use crate::api::protocol::ways::{Alternative, Stress, WorstCase};
use crate::api::shown::{self, Level, UNKNOWN, money, percent_down, percent_up};

/// Most positions that are listed; those that are moved nearest to their end.
const POSITIONS_MAX: usize = 8;

/// What stands before a paragraph.
const INDENT: &str = "  ";

/// A verdict for reading.
pub(super) fn card(answer: &CheckAnswer<'_>) -> String {
    let mut text = summary(answer);
    text.push_str(&findings(answer));
    let paragraphs = [
        figures(answer),
        answer.costs.as_ref().and_then(costs),
        answer.worst_case.as_ref().and_then(worst_case),
        scenarios(&answer.stress),
        contagion(answer),
        ways_out(&answer.alternatives),
    ];
    for paragraph in paragraphs.into_iter().flatten() {
        text.push('\n');
        text.push_str(&paragraph);
    }
    let kept = match (answer.recorded, answer.dry_run) {
        (true, true) => "dry run, recorded",
        (false, true) => "dry run, not recorded",
        (true, false) => "recorded",
        (false, false) => "NOT recorded",
    };
    let id = safe(&answer.decision_id);
    let took = if answer.micros > 0 {
        format!(" · {} µs", answer.micros)
    } else {
        String::new()
    };
    let line = format!("{INDENT}{id} · {kept}{took}");
    text.push('\n');
    text.push_str(&screen::dim(line));
    text.push('\n');
    text
}

/// The decision, what would be lost, why, and crossed against isolated.
pub(super) fn summary(answer: &CheckAnswer<'_>) -> String {
    let mut text = headline(answer);
    text.push('\n');
    let told_by_why = answer.binding_limit.as_deref() == Some("WALLET_AT_RISK");
    let loss = answer.loss.as_deref().filter(|_| !told_by_why);
    let twin = answer.isolated_twin.as_ref();
    let compared = twin.and_then(|twin| twin.message.as_deref());
    let why = Some(answer.why.as_ref());
    // What an isolated order can lose is its margin, not what the pool beside it can.
    let sentences = if compared.is_some() && is_isolated(answer) {
        [compared, why, None]
    } else {
        [loss, why, compared]
    };
    for sentence in sentences.into_iter().flatten() {
        text.push_str(&screen::wrapped(sentence, INDENT));
    }
    text
}

fn is_isolated(answer: &CheckAnswer<'_>) -> bool {
    let order = answer.order.as_ref();
    order.is_some_and(|order| order.margin_type.as_deref() == Some("ISOLATED"))
}

fn headline(answer: &CheckAnswer<'_>) -> String {
    let what = match (&answer.order, &answer.change) {
        (Some(order), _) => ordered(order),
        (None, Some(change)) => parameters(change),
        // A brief answer does not repeat the question.
        (None, None) if answer.orders.is_empty() => String::new(),
        (None, None) => format!("a batch of {} orders", answer.orders.len()),
    };
    let word = safe(&answer.decision).to_uppercase();
    let line = screen::hanging(&format!("{word}  {what}"), "", "        ");
    let mut text = line.replacen(&word, &screen::decision(&answer.decision), 1);
    for order in &answer.orders {
        text.push_str(&screen::hanging(&ordered(order), "        ", "          "));
    }
    text
}

/// An order in a few words.
fn ordered(order: &OrderEcho<'_>) -> String {
    let mut words = vec![safe(&order.symbol), safe(&order.side).to_lowercase()];
    if order.position_side != "BOTH" && !order.position_side.is_empty() {
        words.push(safe(&order.position_side).to_lowercase());
    }
    words.push(match order.quantity.0 {
        Some(_) => order.quantity.to_string(),
        None => "the whole position".to_owned(),
    });
    if order.price.is_known() {
        words.push(format!("at {}", order.price));
    } else {
        words.push(safe(&order.kind).to_lowercase().replace('_', " "));
    }
    if order.trigger_price.is_known() {
        words.push(format!("from {}", order.trigger_price));
    }
    let setting = match (&order.margin_type, order.leverage) {
        (Some(kind), Some(leverage)) => format!(", {} {leverage}x", safe(kind).to_lowercase()),
        _ => String::new(),
    };
    format!("{}{setting}", words.join(" "))
}

/// The parameters that are told first; the others follow by their names.
const FIRST: [&str; 8] = [
    "kind",
    "symbol",
    "side",
    "positionSide",
    "type",
    "quantity",
    "price",
    "triggerPrice",
];

/// Parameters as they are sent, one after the other.
fn parameters(values: &Value) -> String {
    let mut values: Vec<(&String, &Value)> = values.as_object().into_iter().flatten().collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name);
    values.sort_by_key(|(name, _)| place(name).unwrap_or(FIRST.len()));
    let words: Vec<String> = values
        .into_iter()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}={value}")
        })
        .collect();
    words.join(" ")
}

fn findings(answer: &CheckAnswer<'_>) -> String {
    let mut text = String::new();
    if !answer.findings.is_empty() {
        text.push('\n');
    }
    for finding in &answer.findings {
        text.push_str(&finding_lines(finding, &answer.why));
    }
    text
}

fn finding_lines(finding: &Finding<'_>, why: &str) -> String {
    let level = if finding.level == Level::Reject.name() {
        screen::red("reject")
    } else {
        screen::bold("warn  ")
    };
    let compared = match (finding.value.is_known(), finding.limit.is_known()) {
        (true, true) => format!(
            "  {} against {}",
            shown::rounded(finding.value, 4),
            shown::rounded(finding.limit, 4)
        ),
        _ => String::new(),
    };
    let mut text = format!("{INDENT}{level} {}{compared}\n", safe(&finding.code));
    // The sentence at the top is not said twice.
    if !why.contains(finding.message.as_ref()) {
        text.push_str(&screen::wrapped(&finding.message, "         "));
    }
    text
}

/// The pool before and after, side by side.
fn figures(answer: &CheckAnswer<'_>) -> Option<String> {
    let after = answer.account.after.as_ref();
    let before = answer.account.before.as_ref();
    let asset = safe(&after.or(before)?.asset);
    let mut table = screen::table(&[&format!("{INDENT}pool {asset}"), "before", "after"]);
    let amount = |figure: fn(&PoolFigures<'_>) -> Figure| {
        [before, after].map(|pool| pool.map_or_else(unknown, |pool| money(figure(pool))))
    };
    let other = |show: fn(&PoolFigures<'_>) -> String| {
        [before, after].map(|pool| pool.map_or_else(unknown, show))
    };
    let rows: [(&str, [String; 2]); 11] = [
        ("margin balance", amount(|pool| pool.margin_balance)),
        ("maintenance margin", amount(|pool| pool.maintenance_margin)),
        ("available", amount(|pool| pool.available_balance)),
        ("headroom", amount(|pool| pool.headroom)),
        ("margin ratio", other(|pool| percent_up(pool.margin_ratio))),
        ("leverage", other(|pool| times(pool.account_leverage))),
        ("distance", other(distance)),
        (
            "first killer",
            other(|pool| killer(pool.first_killer.as_ref())),
        ),
        ("common move", other(common)),
        (
            "wallet at risk",
            other(|pool| at_risk(pool.wallet_at_risk.as_ref())),
        ),
        ("ring-fenced", amount(|pool| pool.ring_fenced)),
    ];
    for (name, [before, after]) in rows {
        table.add_row(vec![format!("{INDENT}{name}"), before, after]);
    }
    Some(screen::shown(table, 1))
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

/// What it costs besides margin; what is not known is left to `explain`.
fn costs(costs: &Costs<'_>) -> Option<String> {
    let mut parts = Vec::new();
    if costs.fee.is_known() {
        let maker = if costs.maker_fee.is_known() {
            format!(" ({} had it waited in the book)", money(costs.maker_fee))
        } else {
            String::new()
        };
        parts.push(format!("fee {}{maker}", money(costs.fee)));
    }
    if costs.slippage.is_known() {
        parts.push(format!("slippage {}", money(costs.slippage)));
    }
    if let Some(paid) = costs.funding_next.0 {
        let funding = money(Figure::exact(paid.abs()));
        let received = if paid.is_sign_negative() && !paid.is_zero() {
            " received"
        } else {
            ""
        };
        parts.push(format!("next funding {funding}{received}"));
    }
    let line = format!("costs: {}", parts.join(", "));
    (!parts.is_empty()).then(|| screen::hanging(&line, INDENT, "    "))
}

fn times(figure: Figure) -> String {
    if figure.is_known() {
        format!("{}x", shown::rounded(figure, 2))
    } else {
        unknown()
    }
}

pub(super) fn distance(pool: &PoolFigures<'_>) -> String {
    match pool.distance.0 {
        _ if pool.liquidatable => "liquidatable NOW".to_owned(),
        None if pool.margin_balance.is_known() => "no move kills".to_owned(),
        None => unknown(),
        Some(_) => percent_down(pool.distance),
    }
}

pub(super) fn killer(killer: Option<&FirstKiller<'_>>) -> String {
    killer.map_or_else(
        || "none alone".to_owned(),
        |killer| {
            let by = signed(killer.by, &killer.direction);
            format!("{} {by}", safe(&killer.symbol))
        },
    )
}

pub(super) fn common(pool: &PoolFigures<'_>) -> String {
    match pool.common_move_direction.as_deref() {
        Some(direction) => signed(pool.common_move, direction),
        None if pool.liquidatable => "liquidatable NOW".to_owned(),
        None => "none".to_owned(),
    }
}

/// A move with its sign.
fn signed(by: Figure, direction: &str) -> String {
    let sign = if direction == "down" { "−" } else { "+" };
    format!("{sign}{}", percent_down(by))
}

pub(super) fn at_risk(risk: Option<&WalletAtRisk<'_>>) -> String {
    risk.map_or_else(unknown, |risk| {
        let fraction = percent_up(risk.fraction);
        format!("{} ({fraction})", money(risk.amount))
    })
}

/// The pool once every working order has filled on its bad side; nothing works, nothing is said.
fn worst_case(worst: &WorstCase<'_>) -> Option<String> {
    let leg = worst.leg_removed.as_ref();
    if worst.orders == 0 && leg.is_none() && worst.endangered_orders.is_empty() {
        return None;
    }
    let mut text = format!("{INDENT}{}\n", screen::bold("worst case"));
    let mut cause = Vec::new();
    if worst.orders > 0 {
        cause.push(match worst.orders {
            1 => "the working order filled on its bad side".to_owned(),
            2 => "both working orders filled on their bad side".to_owned(),
            many => format!("all {many} working orders filled on their bad side"),
        });
    }
    if let Some(leg) = leg {
        let side = leg.position_side.to_lowercase();
        cause.push(format!("the {side} leg of {} gone", leg.symbol));
    }
    if !cause.is_empty() {
        let end = match worst.distance.0 {
            _ if worst.liquidatable => "liquidated at once".to_owned(),
            Some(_) => format!("distance {}", percent_down(worst.distance)),
            None => "no move kills".to_owned(),
        };
        let before = worst.before.as_ref().map_or_else(String::new, |before| {
            let distance = match before.distance.0 {
                Some(_) => percent_down(before.distance),
                None => "no move kills".to_owned(),
            };
            format!(" (before: {distance})")
        });
        let line = format!(
            "{}: {end}{before}, margin ratio {}, at risk {}",
            cause.join(", "),
            percent_up(worst.margin_ratio),
            at_risk(worst.wallet_at_risk.as_ref())
        );
        text.push_str(&screen::wrapped(&line, "    "));
    }
    for order in &worst.endangered_orders {
        let id = order.order_id.or(order.algo_id).unwrap_or_default();
        let danger = match order.danger.as_ref() {
            "beyond_liquidation" => "fires only beyond the liquidation price: it saves nothing",
            "near_liquidation" => {
                "fires within fee and slippage of liquidation: it may be too late"
            }
            "may_be_overtaken" => "may find nothing left to reduce when it fires",
            other => other,
        };
        let line = format!("order {id} of {} {danger}", order.symbol);
        text.push_str(&screen::wrapped(&line, "    "));
    }
    Some(text)
}

/// The scenarios: what is not survived one by one, the rest by name.
fn scenarios(stress: &[Stress<'_>]) -> Option<String> {
    if stress.is_empty() {
        return None;
    }
    let mut text = format!("{INDENT}{}\n", screen::bold("scenarios"));
    let survived: Vec<&str> = stress
        .iter()
        .filter(|one| one.survives && one.dies.is_empty())
        .map(|one| one.name.as_ref())
        .collect();
    for one in stress
        .iter()
        .filter(|one| !one.survives || !one.dies.is_empty())
    {
        let required = match one.required.as_deref() {
            Some(level) if !one.survives => format!(" ({level})"),
            _ => String::new(),
        };
        let what = if one.survives {
            "the pool survives"
        } else {
            "NOT survived"
        };
        let line = format!(
            "{}{required}: {what}, {}, liquidated: {}",
            one.name,
            lost(one.loss),
            one.dies.join(" ")
        );
        text.push_str(&screen::hanging(&line, "    ", "      "));
    }
    if !survived.is_empty() {
        let line = format!("survived: {}", survived.join(", "));
        text.push_str(&screen::hanging(&line, "    ", "      "));
    }
    Some(text)
}

/// A loss in words; a negative one is a gain.
pub(super) fn lost(loss: Figure) -> String {
    match loss.0 {
        Some(value) if value.is_sign_negative() && !value.is_zero() => {
            format!("{} gained", money(Figure::exact(value.abs())))
        }
        _ => format!("{} lost", money(loss)),
    }
}

/// What the question does to every position of the pool, those that end first before the others.
fn contagion(answer: &CheckAnswer<'_>) -> Option<String> {
    if answer.positions.is_empty() {
        return None;
    }
    let mut text = String::new();
    if let Some(message) = &answer.pool.message {
        text.push_str(&screen::wrapped(message, INDENT));
        text.push('\n');
    }
    let mut positions: Vec<&PositionChange<'_>> = answer.positions.iter().collect();
    positions.sort_by_key(|change| {
        let state = change.after.as_ref().and_then(|after| after.distance.0);
        (state.is_none(), state)
    });
    let header = [
        &format!("{INDENT}position"),
        "ends at",
        "then at",
        "nearer",
        "ticket",
        "spill",
        "at end",
        "× ticket",
    ];
    let mut table = screen::table(&header);
    for change in positions.iter().take(POSITIONS_MAX) {
        table.add_row(position_row(change));
    }
    text.push_str(&screen::shown(screen::narrow(table), 1));
    let more = positions.len().saturating_sub(POSITIONS_MAX);
    if more > 0 {
        let _ = writeln!(text, "{INDENT}and {more} more: --json shows all");
    }
    Some(text)
}

fn position_row(change: &PositionChange<'_>) -> Vec<String> {
    let side = match change.position_side.as_ref() {
        "BOTH" | "" => String::new(),
        side => format!(" {}", safe(side).to_lowercase()),
    };
    let isolated = if change.margin_type == "ISOLATED" {
        " (iso)"
    } else {
        ""
    };
    let nearer = if change.shift.is_known() {
        percent_up(change.shift)
    } else {
        UNKNOWN.to_owned()
    };
    vec![
        format!("{INDENT}{}{side}{isolated}", safe(&change.symbol)),
        end(change.before.as_ref()),
        end(change.after.as_ref()),
        nearer,
        money(change.ticket),
        money(change.spill_now),
        money(change.spill_at_liquidation),
        shown::multiple(change.loss_multiple),
    ]
}

/// The liquidation price that the mark is nearer to.
fn end(state: Option<&PositionState>) -> String {
    let Some(state) = state else {
        return UNKNOWN.to_owned();
    };
    let (below, above) = (state.liquidation_below, state.liquidation_above);
    let apart = |end: Figure| {
        let pair = end.0.zip(state.mark_price.0);
        pair.and_then(|(end, mark)| end.checked_sub(mark))
            .map(|apart| apart.abs())
    };
    match (below.is_known(), above.is_known()) {
        (true, true) if apart(above) < apart(below) => shown::price(above),
        (true, _) => shown::price(below),
        (false, true) => shown::price(above),
        (false, false) if state.liquidation_price.is_known() => "none".to_owned(),
        (false, false) => "NOW".to_owned(),
    }
}

/// What would pass instead: each with the decision it gets and what to send.
fn ways_out(ways: &[Alternative<'_>]) -> Option<String> {
    if ways.is_empty() {
        return None;
    }
    let mut text = format!("{INDENT}{}\n", screen::bold("ways out"));
    for way in ways {
        text.push_str(&way_lines(way));
    }
    Some(text)
}

/// One way out, and what to send for it.
fn way_lines(way: &Alternative<'_>) -> String {
    let mut text = screen::wrapped(&way.message, "    ");
    if let Some(after) = &way.after {
        let distance = match after.distance.0 {
            Some(_) => format!("distance {}", percent_down(after.distance)),
            None => "no move kills".to_owned(),
        };
        let line = format!(
            "leaves the pool: {distance}, at risk {}",
            at_risk(after.wallet_at_risk.as_ref())
        );
        text.push_str(&screen::wrapped(&line, "      "));
    }
    text.push_str(&requests(std::iter::once(&way.request).chain(&way.then)));
    text
}

/// Requests of `/v1/check`, one after the other, as the parameters that go to the exchange; the orders
/// of a batch each on a line of its own.
pub(super) fn requests<'r>(requests: impl Iterator<Item = &'r Value>) -> String {
    let mut text = String::new();
    for (place, request) in requests.filter(|request| !request.is_null()).enumerate() {
        let mut word = if place == 0 { "send" } else { "then" };
        for (kind, values) in request.as_object().into_iter().flatten() {
            for (kind, values) in elements(kind, values) {
                let line = format!("{word} {kind} {}", parameters(values));
                text.push_str(&screen::hanging(&line, "      ", "           "));
                word = "with";
            }
        }
    }
    text
}

/// What is sent under a name: itself, or each element of a list.
fn elements<'r>(kind: &str, values: &'r Value) -> Vec<(String, &'r Value)> {
    match values.as_array() {
        Some(list) => {
            let named = list.iter().enumerate();
            named
                .map(|(index, value)| (format!("{kind}[{index}]"), value))
                .collect()
        }
        None => vec![(kind.to_owned(), values)],
    }
}
