//! Parameters of a call, wherever they stood: query, form body, or a WebSocket request.
//!
//! Knows Binance's reading of them (query wins, booleans in any case); must not know any call.

use std::collections::BTreeMap;

use super::exact::Fixed;
use super::refusal::Refusal;

/// Named text values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads query and form body.
    ///
    /// # Errors
    /// A name that stands twice in the same place.
    pub(crate) fn parse(query: &str, body: &[u8]) -> Result<Self, Refusal> {
        let mut all = collect(body)?;
        all.extend(collect(query.as_bytes())?);
        Ok(Self(all))
    }

    pub(crate) fn from_map(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }

    pub(crate) fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// A value that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }

    pub(crate) fn decimal(&self, name: &str) -> Result<Option<Fixed>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match Fixed::parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Refusal::missing(name)),
        }
    }

    pub(crate) fn required_decimal(&self, name: &str) -> Result<Fixed, Refusal> {
        self.decimal(name)?.ok_or_else(|| Refusal::missing(name))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| Refusal::missing(name))
    }

    pub(crate) fn required_integer(&self, name: &str) -> Result<i64, Refusal> {
        self.integer(name)?.ok_or_else(|| Refusal::missing(name))
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(Refusal::malformed(name)),
        }
    }

    pub(crate) fn required_boolean(&self, name: &str) -> Result<bool, Refusal> {
        self.boolean(name)?.ok_or_else(|| Refusal::missing(name))
    }

    /// How many rows are wanted.
    pub(crate) fn limit(&self, default: usize) -> usize {
        self.limit_up_to(default, 1_000)
    }

    /// How many rows are wanted of a call that gives more.
    pub(crate) fn limit_up_to(&self, default: usize, most: usize) -> usize {
        let wanted = self.get("limit").and_then(|text| text.parse().ok());
        wanted.unwrap_or(default).min(most)
    }
}

fn collect(form: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut map = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(form) {
        if map.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Refusal::duplicate_parameter());
        }
    }
    Ok(map)
}
