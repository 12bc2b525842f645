//! Taking values out of the tree, one proof at a time.
//!
//! Owns: how a wrong kind, an unknown key and a bad number are reported; where each value that
//! holds came from.
//! Must not know: which sections exist.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;

use super::Origin;
use super::mistake::Mistake;
use super::raw::{Author, Node, Place, Table, Value};
use crate::margin::account::Symbol;
use crate::margin::amount;

/// Most edits between a misspelt name and the one that was meant, in percent of the longer one.
const EDITS_PERCENT_MAX: usize = 34;

/// Collects mistakes and origins while sections are proved.
pub(super) struct Prover<'a> {
    pub(super) file: &'a str,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) origins: BTreeMap<String, Origin>,
}

/// A table whose keys are taken out until none is left.
pub(super) struct Section {
    pub(super) path: String,
    pub(super) place: Place,
    table: Table,
}

impl Section {
    pub(super) const fn root(table: Table) -> Self {
        Self {
            path: String::new(),
            place: Place {
                author: Author::File,
                line: 1,
                column: 1,
            },
            table,
        }
    }

    /// The full name of a key of this table.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        self.table.remove(name).map(|(_, node)| node)
    }

    /// The names of its keys that were not taken yet.
    pub(super) fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    pub(super) fn take_all(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }
}

impl Prover<'_> {
    pub(super) fn mistake(&mut self, place: Place, key: &str, message: impl Into<String>) {
        let source = match place.author {
            Author::File => self.file,
            Author::Override => "--set",
        };
        self.mistakes.push(Mistake {
            source: source.to_owned(),
            line: place.line,
            column: place.column,
            key: key.to_owned(),
            message: message.into(),
        });
    }

    fn wrong_kind(&mut self, node: &Node, key: &str, expected: &str) {
        let message = format!("expected {expected}, found {}", node.value.kind());
        self.mistake(node.place, key, message);
    }

    pub(super) fn came_from(&mut self, key: &str, place: Place) {
        let origin = match place.author {
            Author::File => Origin::File { line: place.line },
            Author::Override => Origin::Set,
        };
        self.origins.insert(key.to_owned(), origin);
    }

    pub(super) fn came_from_environment(&mut self, key: &str, variable: &'static str) {
        self.origins
            .insert(key.to_owned(), Origin::Environment(variable));
    }

    /// An environment variable; an empty one counts as absent.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    /// The table of this name; an empty one when it is absent.
    pub(super) fn section(&mut self, parent: &mut Section, name: &str) -> Section {
        let path = parent.key(name);
        match parent.take(name) {
            Some(node) => self.as_section(node, path),
            None => Section {
                path,
                place: parent.place,
                table: Table::new(),
            },
        }
    }

    pub(super) fn as_section(&mut self, node: Node, path: String) -> Section {
        let place = node.place;
        let table = match node.value {
            Value::Table(table) => table,
            _ => {
                self.wrong_kind(&node, &path, "a table");
                Table::new()
            }
        };
        Section { path, place, table }
    }

    /// Reports what is left in a section after its known keys were taken.
    pub(super) fn finish(&mut self, mut section: Section, known: &[&str]) {
        for (name, (place, _)) in section.take_all() {
            let what = if section.path.is_empty() {
                "there is no such table".to_owned()
            } else {
                format!("there is no such key in [{}]", section.path)
            };
            let hint = nearest(&name, known).map_or_else(
                || {
                    if known.is_empty() {
                        String::new()
                    } else {
                        format!("; known here: {}", known.join(", "))
                    }
                },
                |nearest| format!("; did you mean {nearest:?}?"),
            );
            self.mistake(place, &section.key(&name), format!("{what}{hint}"));
        }
    }

    /// A text with its place.
    pub(super) fn text(&mut self, section: &mut Section, name: &str) -> Option<(String, Place)> {
        let key = section.key(name);
        let node = section.take(name)?;
        self.as_text(&key, &node, "a quoted text")
    }

    pub(super) fn as_text(
        &mut self,
        key: &str,
        node: &Node,
        expected: &str,
    ) -> Option<(String, Place)> {
        if let Value::Text(text) = &node.value {
            self.came_from(key, node.place);
            Some((text.clone(), node.place))
        } else {
            self.wrong_kind(node, key, expected);
            None
        }
    }

    /// A number in quotes; `10%` where a fraction is wanted.
    pub(super) fn decimal(&mut self, key: &str, node: &Node, fraction: bool) -> Option<Decimal> {
        let example = if fraction {
            "a fraction in quotes such as \"0.10\" or \"10%\""
        } else {
            "a number in quotes such as \"20\""
        };
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Number(number) => {
                let message = format!("write it in quotes: \"{number}\"");
                self.mistake(node.place, key, message);
                return None;
            }
            _ => {
                self.wrong_kind(node, key, example);
                return None;
            }
        };
        match read_decimal(text, fraction) {
            Ok(value) => {
                self.came_from(key, node.place);
                Some(value)
            }
            Err(problem) => {
                let message = format!("{text:?} {problem}; expected {example}");
                self.mistake(node.place, key, message);
                None
            }
        }
    }

    /// An absolute path; `~/` is the home directory.
    pub(super) fn path(&mut self, section: &mut Section, name: &str) -> Option<(PathBuf, Place)> {
        let key = section.key(name);
        let (text, place) = self.text(section, name)?;
        let home = self.variable("HOME");
        let path = match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => PathBuf::from(&text),
        };
        if path.is_absolute() && !text.contains(char::is_control) {
            Some((path, place))
        } else {
            let message = format!("{text:?} is not an absolute path");
            self.mistake(place, &key, message);
            None
        }
    }

    /// An address of this machine with its port.
    pub(super) fn loopback(&mut self, section: &mut Section, name: &str) -> Option<SocketAddr> {
        let key = section.key(name);
        let (text, place) = self.text(section, name)?;
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Some(address),
            Ok(_) => {
                let message = format!(
                    "{text:?} can be reached from outside of this machine; use 127.0.0.1 or [::1]"
                );
                self.mistake(place, &key, message);
                None
            }
            Err(_) => {
                let message = format!(
                    "{text:?} is not an address with a port; expected one such as \
                     \"127.0.0.1:9180\""
                );
                self.mistake(place, &key, message);
                None
            }
        }
    }

    /// A list of symbols.
    pub(super) fn symbols(&mut self, key: &str, node: &Node) -> Vec<Symbol> {
        let Value::List(items) = &node.value else {
            self.wrong_kind(node, key, "a list of symbols such as [\"BTCUSDT\"]");
            return Vec::new();
        };
        self.came_from(key, node.place);
        items
            .iter()
            .filter_map(|item| {
                if let Value::Text(name) = &item.value {
                    self.symbol(key, name, item.place)
                } else {
                    self.wrong_kind(item, key, "a symbol in quotes");
                    None
                }
            })
            .collect()
    }

    /// A symbol as the exchange writes it: one that is not would never match, and say nothing.
    pub(super) fn symbol(&mut self, key: &str, name: &str, place: Place) -> Option<Symbol> {
        let odd = |c: char| c.is_ascii_lowercase() || c.is_whitespace() || c.is_control();
        let symbol = Symbol::new(name).filter(|_| !name.contains(odd));
        if symbol.is_none() {
            let upper = name.trim().to_uppercase();
            let message = if Symbol::new(&upper).is_some() && upper != name {
                format!(
                    "{name:?} is not a symbol as the exchange writes it; did you mean {upper:?}?"
                )
            } else {
                format!("{name:?} is not a symbol")
            };
            self.mistake(place, key, message);
        }
        symbol
    }
}

fn read_decimal(text: &str, fraction: bool) -> Result<Decimal, String> {
    let text = text.trim();
    let parse = |text: &str| amount::parse(text).map_err(|error| error.to_string());
    match text.strip_suffix('%') {
        None => parse(text),
        Some(_) if !fraction => Err("cannot be a percentage".to_owned()),
        Some(percent) => {
            let percent = parse(percent.trim_end())?;
            amount::exact_mul(percent, Decimal::new(1, 2))
                .map(|value| value.normalize())
                .map_err(|error| error.to_string())
        }
    }
}

/// The known name that was probably meant: few edits away, measured against its length.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(edits, candidate)| {
            let longest = name.chars().count().max(candidate.chars().count());
            edits.saturating_mul(100) <= longest.saturating_mul(EDITS_PERCENT_MAX)
        })
        .min()
        .map(|(_, candidate)| candidate)
}
