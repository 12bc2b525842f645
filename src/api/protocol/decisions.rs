//! `/v1/decisions`: what was decided.
//!
//! Owns: the query of a list, and its lines.
//! Must not know: where decisions are kept.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::request::unknown;
use crate::api::record::{Filter, Line};
use crate::guard::verdict::Decision;

/// Lines of a list when the client does not say.
pub const LIMIT_DEFAULT: usize = 50;

/// Most lines of one list.
pub const LIMIT_MAX: usize = 1_000;

/// Parameters of the list.
pub const QUERY_FIELDS: [&str; 7] = [
    "since", "until", "symbol", "decision", "client", "limit", "cursor",
];

/// `GET /v1/decisions`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DecisionsAnswer<'a> {
    /// The lines.
    pub decisions: Vec<DecisionLine<'a>>,
    /// Where the next page begins; `null` when there is none.
    pub next: Option<Cow<'a, str>>,
}

/// One decision in a list, and the data of a `verdict` event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionLine<'a> {
    /// Under which it is recorded.
    pub id: Cow<'a, str>,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// `allow`, `warn` or `reject`.
    pub decision: Cow<'a, str>,
    /// The one sentence.
    pub why: Cow<'a, str>,
    /// The symbol it is about.
    pub symbol: Option<Cow<'a, str>>,
    /// Who asked, by the name they gave.
    pub client: Option<Cow<'a, str>>,
    /// No room was promised.
    pub dry_run: bool,
    /// User id of the asking process.
    pub uid: Option<u32>,
    /// Process id of the asking process.
    pub pid: Option<u32>,
}

impl<'a> From<&'a Line> for DecisionLine<'a> {
    fn from(line: &'a Line) -> Self {
        Self {
            id: Cow::Borrowed(&line.id),
            time: line.time_ms,
            decision: Cow::Borrowed(&line.decision),
            why: Cow::Borrowed(&line.why),
            symbol: line.symbol.as_deref().map(Cow::Borrowed),
            client: line.client.as_deref().map(Cow::Borrowed),
            dry_run: line.dry_run,
            uid: line.uid,
            pid: line.pid,
        }
    }
}

/// Reads the query of a list.
///
/// # Errors
/// [`Refusal`] that names the parameter.
pub fn filter(query: &str, now_ms: i64) -> Result<Filter, Refusal> {
    let mut filter = Filter {
        limit: LIMIT_DEFAULT,
        ..Filter::default()
    };
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if seen.contains(&name) {
            return Err(Refusal::field(&name, "is given twice"));
        }
        match name.as_ref() {
            "since" => filter.since_ms = Some(moment("since", &value, now_ms)?),
            "until" => filter.until_ms = Some(moment("until", &value, now_ms)?),
            "symbol" => filter.symbol = Some(value.into_owned()),
            "decision" => filter.decision = Some(decision(&value)?),
            "client" => filter.client = Some(value.into_owned()),
            "limit" => filter.limit = limit(&value)?,
            "cursor" => filter.cursor = Some(value.into_owned()),
            _ => return Err(unknown(&name, &QUERY_FIELDS)),
        }
        seen.push(name);
    }
    Ok(filter)
}

fn decision(text: &str) -> Result<Decision, Refusal> {
    Decision::ALL
        .into_iter()
        .find(|decision| decision.name() == text)
        .ok_or_else(|| Refusal::field("decision", "expected allow, warn or reject"))
}

fn limit(text: &str) -> Result<usize, Refusal> {
    let wrong = || Refusal::field("limit", "expected a number from 1 to 1000");
    let limit: usize = text.parse().map_err(|_| wrong())?;
    if (1..=LIMIT_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(wrong())
    }
}

/// Milliseconds since 1970, an RFC 3339 time, or an age such as `90s`, `30m`, `2h`, `7d`.
fn moment(name: &str, text: &str, now_ms: i64) -> Result<i64, Refusal> {
    let wrong = || {
        let expected = "expected milliseconds since 1970, a time such as 2026-11-22T10:00:00Z, \
                        or an age such as 2h";
        Refusal::field(name, expected)
    };
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(ms);
    }
    if let Some(age_ms) = age_ms(text) {
        return Ok(now_ms.saturating_sub(age_ms));
    }
    // A plus sign that was not encoded arrives as a space.
    let text = text.replace(' ', "+");
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(time.as_millisecond())
}

fn age_ms(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    i64::from(number).checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;

    #[test]
    fn times_are_read_in_three_ways() {
        let since = |text: &str| filter(&format!("since={text}"), NOW_MS).unwrap().since_ms;
        assert_eq!(since("1789999999000"), Some(1_789_999_999_000));
        assert_eq!(since("2h"), Some(NOW_MS - 7_200_000));
        assert_eq!(since("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!(since("1970-01-01T01:00:01+01:00"), Some(1_000));
        assert_eq!(since("1970-01-01T01:00:01%2B01:00"), Some(1_000));
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let field = |query: &str| filter(query, NOW_MS).unwrap_err().field.unwrap();
        assert_eq!(field("since=yesterday"), "since");
        assert_eq!(field("limit=0"), "limit");
        assert_eq!(field("limit=1001"), "limit");
        assert_eq!(field("decision=maybe"), "decision");
        assert_eq!(field("symbl=BTCUSDT"), "symbl");
        assert_eq!(field("limit=1&limit=2"), "limit");
    }

    #[test]
    fn nothing_asked_is_the_newest_page() {
        let all = filter("", NOW_MS).unwrap();
        assert_eq!(all.limit, LIMIT_DEFAULT);
        assert_eq!(all.decision, None);
    }
}
