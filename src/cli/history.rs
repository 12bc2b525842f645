//! `history`: past decisions.
//!
//! Owns: its filters and its page.
//! Must not know: where decisions are kept.

use clap::Args;

use super::screen::safe;
use super::talk::{Request, show};
use super::{Common, Exit, screen};
use crate::api::protocol::decisions::{DecisionLine, DecisionsAnswer};

/// Shown below the flags.
pub(super) const HELP: &str = "\
Examples:
  crossguard history --since 2h --decision reject
  crossguard history --symbol BTCUSDT --client freqtrade --limit 100";

/// Flags of `history`.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// Not before: milliseconds since 1970, a time such as 2026-11-22T10:00:00Z, or an age such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Not after
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Of this symbol
    #[arg(long)]
    pub symbol: Option<String>,
    /// allow, warn or reject
    #[arg(long)]
    pub decision: Option<String>,
    /// Asked by this client
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
    /// Where the page before ended
    #[arg(long)]
    pub cursor: Option<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn run(args: &HistoryArgs) -> Exit {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let symbol = args
        .symbol
        .as_ref()
        .map(|symbol| symbol.to_ascii_uppercase());
    let wanted = [
        ("since", &args.since),
        ("until", &args.until),
        ("symbol", &symbol),
        ("decision", &args.decision),
        ("client", &args.client),
        ("cursor", &args.cursor),
    ];
    for (name, value) in wanted {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("limit", &args.limit.to_string());
    let path = format!("/v1/decisions?{}", query.finish());
    show(&args.common, Request::get(path), page)
}

fn page(answer: &DecisionsAnswer<'static>) -> String {
    let mut text = String::new();
    for line in &answer.decisions {
        text.push_str(&entry(line));
    }
    if answer.decisions.is_empty() {
        text.push_str("no decision\n");
    }
    if let Some(next) = &answer.next {
        text.push_str(&screen::dim(format!("older: --cursor {}", safe(next))));
        text.push('\n');
    }
    text
}

fn entry(line: &DecisionLine<'_>) -> String {
    let dry = if line.dry_run { " (dry run)" } else { "" };
    let who = line
        .client
        .as_deref()
        .map_or_else(String::new, |client| format!(" by {client}"));
    let about = line.symbol.as_deref().filter(|symbol| !symbol.is_empty());
    let word = safe(&line.decision).to_uppercase();
    let head = format!(
        "{}  {word} {}{who}{dry}  {}",
        time(line.time),
        about.unwrap_or("the account"),
        line.id
    );
    let head = screen::hanging(&head, "", "    ");
    let shown = head.replacen(&word, &screen::decision(&line.decision), 1);
    format!("{shown}{}", screen::wrapped(&line.why, "    "))
}

/// A time in UTC, to the second.
pub(super) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(
        |_| ms.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}
