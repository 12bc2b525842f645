//! `lock`, `unlock` and `reload`: the guard by hand.
//!
//! Owns: what they ask and print.
//! Must not know: what a rung permits.

use clap::Args;
use reqwest::Method;
use serde::Serialize;

use super::talk::{Request, Socket, show};
use super::{Common, Exit, screen};
use crate::api::protocol::policy::ReloadAnswer;
use crate::api::protocol::status::LadderAnswer;
use crate::api::text::safe;

/// Flags of `lock`.
#[derive(Debug, Clone, Args)]
pub struct LockArgs {
    /// Why, for whoever reads `status` later
    pub reason: Option<String>,
    /// Let positions be reduced and nothing else, under the name reduce-only
    #[arg(long)]
    pub reduce_only: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Serialize)]
struct Lock<'a> {
    reason: &'a str,
    state: &'static str,
}

pub(super) fn lock(args: &LockArgs) -> Exit {
    let lock = Lock {
        reason: args.reason.as_deref().unwrap_or_default(),
        state: if args.reduce_only {
            "reduce-only"
        } else {
            "locked"
        },
    };
    let Ok(body) = serde_json::to_vec(&lock) else {
        return Exit::Other;
    };
    let request = Request {
        socket: Socket::Everyday,
        method: Method::POST,
        path: "/v1/lock".to_owned(),
        body,
    };
    show(&args.common, request, ladder)
}

pub(super) fn unlock(common: &Common) -> Exit {
    let request = Request {
        socket: Socket::Admin,
        method: Method::DELETE,
        path: "/v1/lock".to_owned(),
        body: Vec::new(),
    };
    show(common, request, ladder)
}

fn ladder(answer: &LadderAnswer<'static>) -> String {
    format!(
        "{}: {}\n",
        screen::bold(safe(&answer.state)),
        safe(&answer.reason)
    )
}

pub(super) fn reload(common: &Common) -> Exit {
    let request = Request {
        socket: Socket::Admin,
        method: Method::POST,
        path: "/v1/policy/reload".to_owned(),
        body: Vec::new(),
    };
    show(common, request, changes)
}

fn changes(answer: &ReloadAnswer) -> String {
    let mut text = format!("policy {}\n", safe(&answer.fingerprint));
    if answer.changes.is_empty() {
        text.push_str("  nothing changed\n");
    }
    for change in &answer.changes {
        text.push_str(&screen::wrapped(change, "  "));
    }
    if answer.loosened {
        text.push_str(&screen::bold(
            "  this permits what was not permitted before",
        ));
        text.push('\n');
    }
    text
}
