//! `fix`: which limits are broken, and what leads back?
//!
//! Owns: its page.
//! Must not know: how a way is found.

use std::fmt::Write as _;

use super::card::requests;
use super::screen::{bold, red, safe, wrapped};
use super::talk::{Request, show_known};
use super::{Common, Exit};
use crate::api::protocol::fix::FixAnswer;
use crate::api::shown::Level;

pub(super) fn run(common: &Common) -> Exit {
    let request = Request::get("/v1/fix");
    show_known(common, request, |answer| &answer.missing, page)
}

fn page(answer: &FixAnswer<'static>) -> String {
    let mut text = String::new();
    if answer.missing.is_empty() && answer.broken.is_empty() {
        text.push_str("the account is within its limits\n");
    }
    for broken in &answer.broken {
        let finding = &broken.finding;
        let level = if finding.level == Level::Reject.name() {
            red("reject")
        } else {
            bold("warn  ")
        };
        let _ = writeln!(text, "{level} {}", safe(&finding.code));
        text.push_str(&wrapped(&finding.message, "  "));
        if broken.ways.is_empty() {
            text.push_str("    no single step leads back\n");
        }
        for way in &broken.ways {
            text.push_str(&wrapped(&way.message, "    "));
            text.push_str(&requests(std::iter::once(&way.request)));
        }
    }
    text
}
