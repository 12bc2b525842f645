//! `watch`: following alerts, and putting them on the desktop.
//!
//! Owns: listening with resume, and the notification command.
//! Must not know: when an alert is told. It runs as the user whose desktop it is: a system service cannot reach a session.

use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use super::screen::safe;
use super::{Common, Exit, screen};
use crate::api::client::{Client, ClientError, SOCKET_NAME, places};
use crate::api::events::EventKind;
use crate::api::protocol::alerts::{AlertLine, AlertsAnswer};
use crate::api::protocol::notice::AlertEvent;

/// How long to wait before the daemon is looked for again.
const AGAIN: Duration = Duration::from_secs(2);

/// Longest text of a notification, in characters.
const TEXT_CHARS_MAX: usize = 600;

/// Flags of `watch`.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Put alerts on the desktop, through notify-send
    #[arg(long)]
    pub notify: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

/// What a follower sees.
pub(super) enum Seen<'a> {
    /// An alert that was raised, changed or is over.
    Line(&'a AlertLine),
    /// Something about the following itself.
    Note(&'a str),
}

pub(super) fn run(args: &WatchArgs) -> Exit {
    let common = &args.common;
    follow(common, |seen| match seen {
        Seen::Line(line) => {
            if args.notify {
                notify(&title(line), &body(line), &line.severity);
            }
            screen::print(&super::alerts::entry(line))
        }
        Seen::Note(note) => {
            if args.notify {
                notify("crossguard", note, "critical");
            }
            screen::print(&format!("{}\n", screen::dim(safe(note))))
        }
    })
}

/// Follows alerts until the reader of our output leaves: what fires now first, then what comes. An
/// interruption is told once, and what was missed is read from the list.
pub(super) fn follow(common: &Common, mut see: impl FnMut(Seen<'_>) -> Result<(), Exit>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Exit::Other;
    };
    let mut follower = Follower {
        known: Vec::new(),
        after: None,
        was_there: false,
        is_away: false,
    };
    runtime.block_on(async {
        loop {
            let ended = follower.listen(common, &mut see).await;
            match ended {
                Err(Ended::Exit(exit)) => return exit,
                Err(Ended::Client(error)) if !follower.was_there => {
                    screen::complain(&error.to_string());
                    return Exit::Unreachable;
                }
                Ok(()) | Err(Ended::Client(_)) => {}
            }
            if !follower.is_away {
                follower.is_away = true;
                let note = "The guard does not answer: alerts are not seen until it is back.";
                if let Err(exit) = see(Seen::Note(note)) {
                    return exit;
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
}

enum Ended {
    Exit(Exit),
    Client(ClientError),
}

impl From<ClientError> for Ended {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

struct Follower {
    /// Firing alerts that were shown: id and severity.
    known: Vec<(String, String)>,
    after: Option<String>,
    /// The guard answered once: from then on it is waited for.
    was_there: bool,
    is_away: bool,
}

impl Follower {
    async fn listen(
        &mut self,
        common: &Common,
        see: &mut impl FnMut(Seen<'_>) -> Result<(), Exit>,
    ) -> Result<(), Ended> {
        let client = Client::connect(&places(common.socket.as_deref(), SOCKET_NAME))?;
        // Listening begins before the list is read, so that nothing falls in between.
        let mut events = client.events(self.after.as_deref()).await?;
        self.was_there = true;
        if std::mem::take(&mut self.is_away) {
            see(Seen::Note("The guard is back.")).map_err(Ended::Exit)?;
        }
        self.catch_up(&client, see).await?;
        while let Some(event) = events.next().await? {
            if !event.id.is_empty() {
                self.after = Some(event.id.clone());
            }
            if event.kind == EventKind::Lagged.name() {
                self.catch_up(&client, see).await?;
                continue;
            }
            if event.kind != EventKind::Alert.name() {
                continue;
            }
            let alert = serde_json::from_str::<AlertEvent<'_>>(&event.data);
            if let Some(line) = alert.ok().and_then(|event| event.alert) {
                self.show(&line, see)?;
            }
        }
        Ok(())
    }

    async fn catch_up(
        &mut self,
        client: &Client,
        see: &mut impl FnMut(Seen<'_>) -> Result<(), Exit>,
    ) -> Result<(), Ended> {
        let bytes = client.get("/v1/alerts").await?;
        let answer: AlertsAnswer = serde_json::from_slice(&bytes)
            .map_err(|error| Ended::Client(ClientError::Broken(error.to_string())))?;
        for line in &answer.alerts {
            self.show(line, see)?;
        }
        for line in &answer.resolved {
            if self.known.iter().any(|(id, _)| *id == line.id) {
                self.show(line, see)?;
            }
        }
        Ok(())
    }

    /// Shows what is new: an alert at a severity it did not have, or its end.
    fn show(
        &mut self,
        line: &AlertLine,
        see: &mut impl FnMut(Seen<'_>) -> Result<(), Exit>,
    ) -> Result<(), Ended> {
        let shown = (line.id.clone(), line.severity.clone());
        if line.state == "resolved" {
            let before = self.known.len();
            self.known.retain(|(id, _)| *id != line.id);
            if self.known.len() == before {
                return Ok(());
            }
        } else {
            if self.known.contains(&shown) {
                return Ok(());
            }
            self.known.retain(|(id, _)| *id != line.id);
            self.known.push(shown);
            if line.silenced_by.is_some() {
                return Ok(());
            }
        }
        see(Seen::Line(line)).map_err(Ended::Exit)
    }
}

fn title(line: &AlertLine) -> String {
    let about = line.symbol.as_deref().or(line.pool.as_deref());
    let word = if line.state == "resolved" {
        "over".to_owned()
    } else {
        line.severity.to_uppercase()
    };
    let about = about.unwrap_or_default();
    safe(&format!("crossguard {word}: {} {about}", line.rule))
}

fn body(line: &AlertLine) -> String {
    if line.state == "resolved" {
        return String::new();
    }
    let text: String = format!("{}\n{}", line.what, line.to_do)
        .chars()
        .take(TEXT_CHARS_MAX)
        .collect();
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

/// Runs `notify-send` without a shell. Its texts are read as markup by some desktops.
fn notify(title: &str, body: &str, severity: &str) {
    let entities = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let urgency = match severity {
        "critical" => "critical",
        "warning" => "normal",
        _ => "low",
    };
    let sent = Command::new("notify-send")
        .args(["--app-name=crossguard", "--urgency", urgency, "--"])
        .args([title, entities(body).as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = sent {
        screen::complain(&format!("notify-send cannot be run: {error}"));
    }
}
