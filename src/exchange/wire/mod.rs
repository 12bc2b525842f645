//! What goes over the wire, as the exchange spells it.
//!
//! Owns: serde types of answers and frames. Numbers stay text until `translate` reads them, so that
//! none passes through a float and a number may come as a JSON string or as a JSON number.
//! Must not know: what anything means. Nothing in here leaves the exchange room.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) mod market;
pub(super) mod rest;
pub(super) mod user;

/// A scalar whose JSON type is not trusted: a number, a boolean, or either as a string.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct Scalar<'a>(#[serde(borrow)] &'a RawValue);

impl<'a> Scalar<'a> {
    /// Its text without quotes. Escapes are not resolved: no number or boolean needs one.
    pub(super) fn text(self) -> &'a str {
        let raw = self.0.get();
        raw.strip_prefix('"')
            .and_then(|raw| raw.strip_suffix('"'))
            .unwrap_or(raw)
    }
}

impl fmt::Debug for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

/// A string, borrowed from the frame unless it holds escapes.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An error body of REST, or an error frame of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refusal<'a> {
    #[serde(borrow)]
    pub code: Option<Scalar<'a>>,
    #[serde(borrow, alias = "message")]
    pub msg: Option<Text<'a>>,
}

impl Refusal<'_> {
    pub(super) fn code(&self) -> Option<i64> {
        self.code.and_then(|code| code.text().parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        a: Option<Scalar<'a>>,
        #[serde(borrow)]
        t: Option<Text<'a>>,
    }

    #[test]
    fn p01_a_number_may_be_a_string_and_keeps_every_digit() {
        for json in [
            r#"{"a":12345678901234567.12345678}"#,
            r#"{"a":"12345678901234567.12345678"}"#,
        ] {
            let row: Row<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(row.a.unwrap().text(), "12345678901234567.12345678");
        }
    }

    #[test]
    fn p02_null_and_absent_are_the_same() {
        let row: Row<'_> = serde_json::from_str(r#"{"a":null,"t":null}"#).unwrap();
        assert!(row.a.is_none() && row.t.is_none());
        let row: Row<'_> = serde_json::from_str("{}").unwrap();
        assert!(row.a.is_none() && row.t.is_none());
    }

    #[test]
    fn escapes_in_text_are_resolved() {
        let row: Row<'_> = serde_json::from_str(r#"{"t":"a\u0041\n"}"#).unwrap();
        assert_eq!(row.t.unwrap().as_str(), "aA\n");
    }

    #[test]
    fn an_error_body_is_read_whatever_the_type_of_its_code() {
        for json in [
            r#"{"code":-1121,"msg":"Invalid symbol."}"#,
            r#"{"code":"-1121","message":"Invalid symbol."}"#,
        ] {
            let refusal: Refusal<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(refusal.code(), Some(-1121));
            assert_eq!(refusal.msg.unwrap().as_str(), "Invalid symbol.");
        }
    }
}
