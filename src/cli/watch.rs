//! `watch`: following alerts, and putting them on the desktop.
//!
//! Owns: listening with resume, and what of it is news to this follower.
//! Must not know: when an alert is told, how a notification is shown.

use std::time::Duration;

use clap::Args;

use super::desktop::{self, Notification};
use super::{Common, Exit, screen};
use crate::api::client::{Client, ClientError, SOCKET_NAME, places};
use crate::api::events::EventKind;
use crate::api::protocol::alerts::{AlertLine, AlertsAnswer};
use crate::api::protocol::notice::{AlertEvent, MessageEvent};

/// How long to wait before the daemon is looked for again.
const AGAIN: Duration = Duration::from_secs(2);

/// Most alerts that are remembered as told.
const TOLD_MAX: usize = 1_000;

/// From the mildest.
const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

/// Flags of `watch`.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Put messages on the desktop, through notify-send
    #[arg(long)]
    pub notify: bool,
    /// The least severity that is put there
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = SEVERITIES)]
    pub severity: String,
    /// Where the daemon is.
    #[command(flatten)]
    pub common: Common,
}

/// What a follower sees.
pub(super) enum Seen<'a> {
    /// An alert that was raised, changed or is over.
    Line(&'a AlertLine),
    /// A message as the channels are told it, unless all of it is known.
    Message(&'a MessageEvent),
    /// What had been told while nobody listened: what still fires, and what is over.
    Missed(&'a [&'a AlertLine]),
    /// Something about the following itself.
    Note(&'a str),
}

pub(super) fn run(args: &WatchArgs) -> Exit {
    let least = rank(&args.severity);
    follow(&args.common, |seen| {
        if args.notify
            && let Some(notification) = notification(&seen, least)
        {
            desktop::notify(&notification);
        }
        match seen {
            Seen::Line(line) => screen::print(&super::alerts::entry(line)),
            Seen::Note(note) => {
                screen::remark(note);
                Ok(())
            }
            Seen::Message(_) | Seen::Missed(_) => Ok(()),
        }
    })
}

/// What of it belongs on the desktop.
fn notification(seen: &Seen<'_>, least: usize) -> Option<Notification> {
    match seen {
        Seen::Line(_) => None,
        Seen::Message(message) => {
            let is_urgent = rank(&message.severity) >= least || message.occasion == "test";
            is_urgent.then(|| Notification::of_message(message))
        }
        Seen::Missed(lines) => {
            let mut urgent = lines.iter().filter(|line| rank(&line.severity) >= least);
            let first = urgent.next()?;
            let rest: Vec<&AlertLine> = urgent.copied().collect();
            Some(Notification::of_missed(first, &rest))
        }
        Seen::Note(note) => Some(Notification::of_note(note)),
    }
}

/// How urgent; what this version does not know is.
fn rank(severity: &str) -> usize {
    let known = SEVERITIES.iter().position(|one| *one == severity);
    known.unwrap_or(SEVERITIES.len())
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
        told: Vec::new(),
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
    /// Firing alerts that messages told of: id and severity.
    told: Vec<(String, String)>,
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
            } else if event.kind == EventKind::Alert.name() {
                let alert = serde_json::from_str::<AlertEvent<'_>>(&event.data);
                if let Some(line) = alert.ok().and_then(|event| event.alert) {
                    self.show(&line, see)?;
                }
            } else if event.kind == EventKind::Message.name()
                && let Ok(message) = serde_json::from_str::<MessageEvent>(&event.data)
                && self.is_news(&message)
            {
                see(Seen::Message(&message)).map_err(Ended::Exit)?;
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
        let missed = self.missed(&answer);
        if missed.is_empty() {
            return Ok(());
        }
        see(Seen::Missed(&missed)).map_err(Ended::Exit)
    }

    /// What messages told of while this follower was away: what fires and is not quiet, and the ends
    /// of what it had been told.
    fn missed<'a>(&mut self, answer: &'a AlertsAnswer) -> Vec<&'a AlertLine> {
        let mut missed: Vec<&AlertLine> = Vec::new();
        for line in &answer.alerts {
            let is_quiet = line.silenced_by.is_some()
                || line.inhibited_by.is_some()
                || line.acknowledged.is_some();
            // What no message told of yet will be told.
            if line.messages > 0 && !is_quiet && self.learn(&line.id, &line.severity) {
                missed.push(line);
            }
        }
        for line in &answer.resolved {
            if self.forget(&line.id) {
                missed.push(line);
            }
        }
        missed
    }

    /// Takes what a message tells of. False when all of it is known: it was told between listening
    /// and reading the list.
    fn is_news(&mut self, message: &MessageEvent) -> bool {
        let mut is_news = false;
        for alert in &message.alerts {
            is_news |= if alert.state == "resolved" {
                self.forget(&alert.id)
            } else {
                self.learn(&alert.id, &alert.severity)
            };
        }
        is_news || !matches!(message.occasion.as_str(), "alert" | "resolved")
    }

    fn learn(&mut self, id: &str, severity: &str) -> bool {
        let told = (id.to_owned(), severity.to_owned());
        if self.told.contains(&told) {
            return false;
        }
        self.forget(id);
        // Ends of events are not told: what is oldest is over.
        if self.told.len() >= TOLD_MAX {
            self.told.remove(0);
        }
        self.told.push(told);
        true
    }

    fn forget(&mut self, id: &str) -> bool {
        let before = self.told.len();
        self.told.retain(|(known, _)| known != id);
        self.told.len() < before
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
        }
        see(Seen::Line(line)).map_err(Ended::Exit)
    }
}
