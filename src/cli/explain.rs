//! `explain`: one past decision with everything it rested on.
//!
//! Owns: its page.
//! Must not know: where decisions are kept.

use clap::Args;

use super::account::missing;
use super::check::card;
use super::history::time;
use super::status::planes;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::answer::CheckAnswer;
use crate::api::text::safe;

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
    let id: String = url::form_urlencoded::byte_serialize(args.id.as_bytes()).collect();
    let request = Request::get(format!("/v1/decisions/{id}"));
    show(&args.common, request, page)
}

fn page(answer: &CheckAnswer<'static>) -> String {
    let mut text = card(answer);
    if answer.time > 0 {
        let who = answer
            .client
            .as_deref()
            .map_or_else(String::new, |client| format!(", asked by {}", safe(client)));
        text.push_str(&format!("\ndecided {}{who}\n", time(answer.time)));
    } else {
        text.push_str("\na brief answer was given: its figures were not asked for\n");
    }
    if !answer.policy.is_empty() {
        text.push_str(&format!("policy {}\n", safe(&answer.policy)));
    }
    text.push_str(&format!(
        "state {}, certainty {}\n\n",
        safe(&answer.state),
        safe(&answer.certainty)
    ));
    text.push_str(&screen::bold("what it rested on"));
    text.push('\n');
    text.push_str(&planes(&answer.inputs));
    if answer.inputs.drift_bps.is_known() {
        text.push_str(&format!(
            "drift {} bps at the last whole read\n",
            answer.inputs.drift_bps
        ));
    }
    text.push_str(&missing(&answer.inputs));
    text
}
