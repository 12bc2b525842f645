//! What reaches the terminal.
//!
//! Owns: standard output and standard error, colours that mean nothing by themselves, tables that
//! fit, and foreign text made harmless.
//! Must not know: what is shown.

use std::fmt::Display;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Exit;
use crate::api::shown::Decision;
use crate::telemetry::{Safe, safe_json};

/// Columns that everything fits into.
pub(super) const WIDTH: u16 = 80;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Prints to standard output. A reader that left early is success: it has what it wanted.
pub(super) fn print(text: &str) -> Result<(), Exit> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    settle(written)
}

/// Prints JSON with a line end: as it is, but for characters that would act on a terminal, which come
/// out as JSON's own escapes.
pub(super) fn print_json(json: &[u8]) -> Result<(), Exit> {
    let json = String::from_utf8_lossy(json);
    let mut out = io::stdout().lock();
    let written = out
        .write_all(safe_json(&json).as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    settle(written)
}

fn settle(written: io::Result<()>) -> Result<(), Exit> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output: {error}"));
            Err(Exit::Other)
        }
        _ => Ok(()),
    }
}

/// Says on standard error what went wrong.
pub(super) fn complain(message: &str) {
    // Nobody reads standard error either: then there is nobody to tell.
    drop(writeln!(
        anstream::stderr(),
        "{RED}error:{RED:#} {}",
        safe_lines(message)
    ));
}

/// Says on standard error something that is no failure.
pub(super) fn remark(message: &str) {
    drop(writeln!(anstream::stderr(), "{}", dim(safe_lines(message))));
}

/// Foreign text made harmless.
pub(super) fn safe(text: &str) -> String {
    Safe(text).to_string()
}

/// Foreign text made harmless, its line ends kept.
fn safe_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(safe).collect();
    lines.join("\n")
}

pub(super) fn bold(text: impl Display) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

pub(super) fn red(text: impl Display) -> String {
    format!("{RED}{text}{RED:#}")
}

pub(super) fn dim(text: impl Display) -> String {
    format!("{DIM}{text}{DIM:#}")
}

/// The decision as a word in capitals; the colour only repeats it.
pub(super) fn decision(name: &str) -> String {
    let style = if name == Decision::Allow.name() {
        GREEN
    } else if name == Decision::Warn.name() {
        YELLOW
    } else {
        RED
    };
    format!("{style}{}{style:#}", safe(name).to_uppercase())
}

/// Columns a text takes on a terminal: letters of some scripts take two.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Foreign text broken into lines that fit, each begun with `indent`.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    hanging(text, indent, indent)
}

/// The same with an indent of its own for the first line.
pub(super) fn hanging(text: &str, first: &str, rest: &str) -> String {
    // A number and its percent sign stay on one line.
    let text = safe(text).replace(" %", "\u{a0}%");
    let room = |line: usize| {
        let indent = if line == 0 { first } else { rest };
        usize::from(WIDTH).saturating_sub(width(indent)).max(2)
    };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let taken = lines.last().map_or(0, |line| width(line));
        let fits = taken == 0 || taken + 1 + width(word) <= room(lines.len() - 1);
        if !fits {
            lines.push(String::new());
        } else if taken > 0
            && let Some(line) = lines.last_mut()
        {
            line.push(' ');
        }
        put_word(word, &mut lines, room);
    }
    let mut told = String::new();
    for (place, line) in lines.iter().enumerate() {
        told.push_str(if place == 0 { first } else { rest });
        told.push_str(line.replace('\u{a0}', " ").trim_end());
        told.push('\n');
    }
    told
}

/// Puts a word at the end of the last line; one that no line can hold is cut.
fn put_word(word: &str, lines: &mut Vec<String>, room: impl Fn(usize) -> usize) {
    for letter in word.chars() {
        let columns = letter.width().unwrap_or(0);
        let taken = lines.last().map_or(0, |line| width(line));
        if taken + columns > room(lines.len() - 1) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
    }
}

/// A table whose first column is text and whose others are figures.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header.to_vec());
    table
}

/// The same table with its columns close together, for those that have many.
pub(super) fn narrow(mut table: Table) -> Table {
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

/// The table as text, columns from `from` on to the right, ends of lines trimmed.
pub(super) fn shown(mut table: Table, from: usize) -> String {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_words_stay_whole() {
        let text = wrapped(&"word ".repeat(40), "  ");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(text.split_whitespace().count(), 40);
    }

    #[test]
    fn a_percent_sign_stays_beside_its_number() {
        let text = wrapped(&"words 9.5 %, ".repeat(20), "  ");
        assert!(text.lines().all(|line| !line.trim_start().starts_with('%')));
        assert!(text.contains("9.5 %,"));
    }

    #[test]
    fn what_no_line_can_hold_is_cut_by_columns_not_letters() {
        let text = wrapped(&format!("a {} b", "币".repeat(100)), "    ");
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        assert_eq!(text.matches('币').count(), 100);
        let mut table = table(&["position", "amount"]);
        table.add_row(vec!["币安人生".repeat(30), "9".repeat(60)]);
        let text = shown(table, 1);
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert!(!wrapped("a\u{1b}[2J", "").contains('\u{1b}'));
        assert!(!decision("\u{1b}[2J").contains("\u{1b}[2J"));
    }
}
