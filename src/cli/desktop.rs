//! Notifications on the desktop.
//!
//! Owns: their words and their limits, and the program that shows them. It runs as the user whose
//! desktop it is: a system service cannot reach a session.
//! Must not know: what is followed, when an alert is told.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::screen;
use super::screen::safe;
use crate::api::protocol::alerts::AlertLine;
use crate::api::protocol::notice::MessageEvent;

/// Longest text of a notification, in characters, and most alerts that are told line by line.
const TEXT_CHARS_MAX: usize = 1_200;
const LINES_MAX: usize = 12;

/// How long the program may take, and how often it is looked at.
const DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// One notification, its texts harmless for a terminal and not yet for markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notification {
    title: String,
    body: String,
    urgency: &'static str,
}

impl Notification {
    /// A message as the channels are told it.
    pub(super) fn of_message(message: &MessageEvent) -> Self {
        Self::new(&message.title, &message.text, urgency(&message.severity))
    }

    /// What was told while nobody listened.
    pub(super) fn of_missed(first: &AlertLine, rest: &[&AlertLine]) -> Self {
        let all: Vec<&AlertLine> = std::iter::once(first).chain(rest.iter().copied()).collect();
        let firing = all.iter().filter(|line| line.state != "resolved").count();
        let more = match all.len() {
            0 | 1 => String::new(),
            all => format!(" (+{})", all.saturating_sub(1)),
        };
        let word = if firing == 0 {
            "over".to_owned()
        } else {
            first.severity.to_uppercase()
        };
        let title = format!("crossguard: {word}: {}{more}", name(first));
        let mut body: Vec<String> = all.iter().take(LINES_MAX).map(|line| words(line)).collect();
        let left = all.len().saturating_sub(LINES_MAX);
        if left > 0 {
            body.push(format!("… and {left} more: crossguard alerts"));
        }
        Self::new(&title, &body.join("\n"), urgency(&first.severity))
    }

    /// Something about the following itself.
    pub(super) fn of_note(note: &str) -> Self {
        Self::new("crossguard", note, "critical")
    }

    fn new(title: &str, body: &str, urgency: &'static str) -> Self {
        let body: String = body.chars().take(TEXT_CHARS_MAX).collect();
        Self {
            title: safe(title),
            body: body.lines().map(safe).collect::<Vec<_>>().join("\n"),
            urgency,
        }
    }
}

fn urgency(severity: &str) -> &'static str {
    match severity {
        "critical" => "critical",
        "warning" => "normal",
        _ => "low",
    }
}

fn name(line: &AlertLine) -> String {
    let about = line.symbol.as_deref().or(line.pool.as_deref());
    let rule = line.rule.replace('_', " ");
    about.map_or_else(|| rule.clone(), |about| format!("{rule}, {about}"))
}

fn words(line: &AlertLine) -> String {
    if line.state == "resolved" {
        return format!("OVER: {}", name(line));
    }
    let mut text = format!("{}: {}", line.severity.to_uppercase(), line.what);
    if !line.to_do.is_empty() {
        text.push_str("\n  → ");
        text.push_str(&line.to_do);
    }
    text
}

/// Runs `notify-send` without a shell. Its body is read as markup by some desktops.
pub(super) fn notify(notification: &Notification) {
    let entities = notification
        .body
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let started = Command::new("notify-send")
        .args(["--app-name=crossguard", "--urgency", notification.urgency])
        .args(["--", notification.title.as_str(), entities.as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let problem = match started {
        Ok(child) => wait(child, DEADLINE),
        Err(error) => Some(format!("cannot be run: {error}")),
    };
    if let Some(problem) = problem {
        screen::complain(&format!("notify-send {problem}"));
    }
}

/// What went wrong, if anything did. A desktop that does not answer holds up no further alert.
fn wait(mut child: Child, deadline: Duration) -> Option<String> {
    let mut waited = Duration::ZERO;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return None,
            Ok(Some(status)) => return Some(format!("failed: {status}")),
            Err(error) => return Some(format!("is lost: {error}")),
            Ok(None) if waited >= deadline => {
                drop(child.kill());
                drop(child.wait());
                return Some(format!("took longer than {} s", deadline.as_secs()));
            }
            Ok(None) => {
                std::thread::sleep(POLL);
                waited = waited.saturating_add(POLL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_that_does_not_answer_is_left_and_one_that_fails_is_told() {
        let run = |words: &[&str]| Command::new(words[0]).args(&words[1..]).spawn().unwrap();
        let problem = wait(run(&["sleep", "600"]), Duration::ZERO);
        assert_eq!(problem.as_deref(), Some("took longer than 0 s"));
        let problem = wait(run(&["false"]), DEADLINE).unwrap();
        assert!(problem.starts_with("failed: "), "{problem}");
        assert_eq!(wait(run(&["true"]), DEADLINE), None);
    }

    #[test]
    fn what_was_missed_is_one_notification_without_markup_or_escapes() {
        let line = |index: usize, state: &str| AlertLine {
            id: format!("a{index}"),
            state: state.to_owned(),
            rule: "unguarded_order".to_owned(),
            severity: "critical".to_owned(),
            symbol: Some(format!("S{index}USDT")),
            what: "\u{1b}[2J<b>x</b>".to_owned(),
            ..AlertLine::default()
        };
        let lines: Vec<AlertLine> = (0..40).map(|index| line(index, "firing")).collect();
        let rest: Vec<&AlertLine> = lines.iter().skip(1).collect();
        let one = Notification::of_missed(&lines[0], &rest);
        assert_eq!(
            one.title,
            "crossguard: CRITICAL: unguarded order, S0USDT (+39)"
        );
        assert_eq!(one.body.lines().count(), LINES_MAX + 1, "{}", one.body);
        assert!(
            one.body.ends_with("… and 28 more: crossguard alerts"),
            "{}",
            one.body
        );
        assert!(!one.body.contains('\u{1b}'), "{}", one.body);
        let over = Notification::of_missed(&line(1, "resolved"), &[]);
        assert_eq!(over.title, "crossguard: over: unguarded order, S1USDT");
    }
}
