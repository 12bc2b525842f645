//! What was written, with the place of every key and value.
//!
//! Owns: reading TOML text and `--set` overrides into one tree.
//! Must not know: which keys exist, what a value means.
//!
//! The tree is made by hand instead of deserialised, because a deserialiser stops at the first
//! mistake and forgets where a good value stood.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;

/// Largest configuration, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Who wrote a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    File,
    Override,
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) author: Author,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A quoted text.
    Text(String),
    /// A number without quotes, digit for digit.
    Number(String),
    /// Something that no key wants: its kind.
    Other(&'static str),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

impl Value {
    /// What it is, in words.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Other(kind) => kind,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// The keys of a table, each with its own place.
pub(super) type Table = BTreeMap<String, (Place, Node)>;

/// Reads the file's text.
pub(super) fn read_file(name: &str, text: &str) -> Result<Table, Vec<Mistake>> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(vec![Mistake {
            source: name.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            message: format!("is larger than {TEXT_BYTES_MAX} bytes"),
        }]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let places = Places::of_file(text);
        return Ok(places.table(table.get_ref()));
    }
    let places = Places::of_file(text);
    Err(errors
        .into_iter()
        .map(|error| {
            let place = places.at(&error.span().unwrap_or(0..0));
            Mistake {
                source: name.to_owned(),
                line: place.line,
                column: place.column,
                key: String::new(),
                message: error.message().to_owned(),
            }
        })
        .collect())
}

/// Reads one `--set key=value`. A value that does not begin like a TOML list, table or quoted text
/// is taken as text, so that nobody has to quote twice in a shell.
pub(super) fn read_override(set: &str) -> Result<Table, Mistake> {
    let mistake = |key: &str, message: String| Mistake {
        source: "--set".to_owned(),
        line: 0,
        column: 0,
        key: key.to_owned(),
        message,
    };
    let Some((key, value)) = set.split_once('=') else {
        let message = format!("expected section.key=value, found {set:?}");
        return Err(mistake("", message));
    };
    let (key, value) = (key.trim(), value.trim());
    let value = if value.starts_with(['{', '[', '"', '\'']) {
        value.to_owned()
    } else {
        toml::Value::String(value.to_owned()).to_string()
    };
    if key.contains(['\n', '=']) || value.contains('\n') {
        return Err(mistake(key, "must be one line".to_owned()));
    }
    let text = format!("{key} = {value}");
    DeTable::parse(&text)
        .map(|table| Places::of_override().table(table.get_ref()))
        .map_err(|error| mistake(key, error.message().to_owned()))
}

/// Lays `over` on `base`: tables are merged, everything else is replaced.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, (place, node)) in over {
        match (base.get_mut(&key), node.value) {
            (Some((_, old)), Value::Table(new)) => match &mut old.value {
                Value::Table(old) => merge(old, new),
                other => {
                    *other = Value::Table(new);
                    old.place = node.place;
                }
            },
            (_, value) => {
                let place_of_value = node.place;
                let node = Node {
                    value,
                    place: place_of_value,
                };
                base.insert(key, (place, node));
            }
        }
    }
}

/// Turns byte offsets into lines and columns.
struct Places<'a> {
    text: Option<&'a str>,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of_file(text: &'a str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
            .collect();
        Self {
            text: Some(text),
            line_starts,
        }
    }

    const fn of_override() -> Self {
        Self {
            text: None,
            line_starts: Vec::new(),
        }
    }

    fn at(&self, span: &Range<usize>) -> Place {
        let Some(text) = self.text else {
            return Place {
                author: Author::Override,
                line: 0,
                column: 0,
            };
        };
        let line = self
            .line_starts
            .partition_point(|start| *start <= span.start);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = text.get(start..span.start).unwrap_or_default();
        Place {
            author: Author::File,
            line,
            column: before.chars().count().saturating_add(1),
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        table
            .iter()
            .map(|(key, value)| {
                let place = self.at(&key.span());
                let node = Node {
                    value: self.value(value.get_ref()),
                    place: self.at(&value.span()),
                };
                (key.get_ref().to_string(), (place, node))
            })
            .collect()
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Boolean(_) => Value::Other("a boolean"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Node {
                        value: self.value(item.get_ref()),
                        place: self.at(&item.span()),
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}
