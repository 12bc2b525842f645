//! `explain`: one past decision with everything it rested on.
//!
//! Owns: its page.
//! Must not know: where decisions are kept, any formula.

use std::fmt::Write as _;

use clap::Args;

use super::account::missing;
use super::card::card;
use super::history::time;
use super::screen::safe;
use super::status::{duration, planes};
use super::talk::{Request, ask, read};
use super::{Common, Exit, screen};
use crate::api::protocol::answer::CheckAnswer;
use crate::api::protocol::explain::ExplainedFigure;
use crate::api::protocol::explained::{Explanation, Waiting};

/// Shown below the flags.
pub(super) const HELP: &str = "\
Example:
  crossguard history --decision reject --limit 1
  crossguard explain 01M85V65K938MZA13RQ9HM3T5J";

/// Flags of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The decision, as `history` names it
    pub id: String,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(args: &ExplainArgs) -> Exit {
    told(args).map_or_else(|exit| exit, |()| Exit::Allow)
}

fn told(args: &ExplainArgs) -> Result<(), Exit> {
    let id: String = url::form_urlencoded::byte_serialize(args.id.as_bytes()).collect();
    let request = Request::get(format!("/v1/decisions/{id}/explain"));
    let bytes = ask(&args.common, request)?;
    if args.common.json {
        return screen::print_json(&bytes);
    }
    screen::print(&page(&read(&bytes)?, &read(&bytes)?))
}

fn page(answer: &CheckAnswer<'static>, explanation: &Explanation<'static>) -> String {
    let mut text = card(answer);
    let mut line = |words: &str| text.push_str(&screen::wrapped(words, ""));
    line("");
    if answer.time > 0 {
        let who = answer
            .client
            .as_deref()
            .map_or_else(String::new, |client| format!(", asked by {client}"));
        line(&format!("decided {}{who}", time(answer.time)));
    }
    if explanation.brief && answer.account.after.is_some() {
        line("A brief answer was given: of its figures those of the account afterwards were kept.");
    } else if explanation.brief || answer.time == 0 {
        line("A brief answer was given: its figures were neither asked for nor kept.");
    }
    if !answer.policy.is_empty() {
        line(&format!("policy {}", answer.policy));
    }
    if !answer.version.is_empty() {
        line(&format!("crossguard {}", answer.version));
    }
    let certainty = if answer.certainty.is_empty() {
        String::new()
    } else {
        format!(", certainty {}", answer.certainty)
    };
    line(&format!("state {}{certainty}", answer.state));
    text.push_str(&waiting(&explanation.waiting));
    chapter(&mut text, "what it rested on");
    text.push_str(&planes(&answer.inputs));
    if answer.inputs.drift_bps.is_known() {
        let drift = answer.inputs.drift_bps;
        let _ = writeln!(text, "drift {drift} bps at the last whole read");
    }
    text.push_str(&fee_rates(answer));
    text.push_str(&missing(&answer.inputs));
    text.push_str(&arithmetic(&explanation.arithmetic));
    text
}

/// The fee rates that were counted with, each with its age.
fn fee_rates(answer: &CheckAnswer<'_>) -> String {
    let mut text = String::new();
    let rates = answer.costs.iter().flat_map(|costs| &costs.fee_rates);
    for (symbol, rates) in rates {
        let own = match rates.age_ms {
            Some(age_ms) => format!(
                "the account's own are {} and, waiting in the book, {} ({} old)",
                rates.taker,
                rates.maker,
                duration(age_ms)
            ),
            None => "the policy's, the account's own were not read yet".to_owned(),
        };
        let line = format!("fee of {}: {}; {own}", safe(symbol), rates.taker_used);
        text.push_str(&screen::hanging(&line, "", "  "));
    }
    text
}

fn chapter(text: &mut String, title: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{}", screen::bold(title));
}

/// The codes in their precedence, and what waiting could change about each.
fn waiting(waiting: &[Waiting<'_>]) -> String {
    let mut text = String::new();
    if waiting.is_empty() {
        return text;
    }
    chapter(&mut text, "what waiting could change, in precedence");
    for (place, one) in waiting.iter().enumerate() {
        let decides = if one.decides { " (decides)" } else { "" };
        let line = format!("{}. {}{decides}: {}", place + 1, one.code, one.message);
        text.push_str(&screen::hanging(&line, "", "   "));
    }
    text
}

/// Every figure with its formula and the inputs it came from.
fn arithmetic(figures: &[ExplainedFigure<'_>]) -> String {
    let mut text = String::new();
    if figures.is_empty() {
        return text;
    }
    chapter(&mut text, "the arithmetic");
    let mut of = "";
    for figure in figures {
        if of != figure.of {
            of = &figure.of;
            let _ = writeln!(text, "{}", safe(of));
        }
        text.push_str(&figure_lines(figure));
    }
    text
}

/// One figure: its value, its formula, its inputs.
pub(super) fn figure_lines(figure: &ExplainedFigure<'_>) -> String {
    let value = format!("{} = {}", figure.figure, figure.value);
    let mut text = screen::hanging(&value, "  ", "    ");
    let formula = format!("= {}", figure.formula);
    text.push_str(&screen::hanging(&formula, "    ", "      "));
    for input in &figure.inputs {
        let input = format!("{} = {}", input.name, input.value);
        text.push_str(&screen::hanging(&input, "      ", "        "));
    }
    text
}
