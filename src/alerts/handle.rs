//! The way to the thread on which alerts live.
//!
//! Owns: what can be asked of it.
//! Must not know: how it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::channel::ChannelState;
use super::matcher::Names;
use super::model::{Alert, Message, Silence};
use super::quiet::Refused;
use super::run::Setup;
use crate::clock::Now;
use crate::guard::alarm::Transition;

/// What followers are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An alert was raised, changed, acknowledged, or is over.
    Changed(Box<Shown>),
    /// A message left for the channels.
    Told(Box<Message>),
}

/// An alert, and what keeps it quiet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The alert.
    pub alert: Alert,
    /// The silence that matches it.
    pub silenced_by: Option<String>,
    /// The alert that makes it beside the point.
    pub inhibited_by: Option<String>,
}

/// Everything there is to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Alerts that fire, the most urgent first.
    pub firing: Vec<Shown>,
    /// Alerts that are over, the latest first.
    pub ended: Vec<Alert>,
    /// Silences in force.
    pub silences: Vec<Silence>,
    /// How the channels fare.
    pub channels: Vec<ChannelState>,
}

pub(super) enum Ask {
    Take(Transition),
    View(oneshot::Sender<View>),
    Acknowledge(String, String, oneshot::Sender<Result<Shown, Refused>>),
    Silence {
        matcher: String,
        reason: String,
        by: String,
        lasts_ms: i64,
        reply: oneshot::Sender<Result<Silence, Refused>>,
    },
    Unsilence(String, oneshot::Sender<Result<Silence, Refused>>),
    Test(oneshot::Sender<usize>),
    Configure(Box<Setup>, oneshot::Sender<()>),
    Names(Names),
}

/// The thread does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("alerts are not served: the thread is busy or ended")]
pub struct Gone;

/// The way to the thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) inbox: mpsc::Sender<Ask>,
    pub(super) alive: Arc<AtomicI64>,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

impl Handle {
    /// Hands a transition over without waiting.
    ///
    /// # Errors
    /// [`Gone`] when there is no room: the caller keeps it for later.
    pub fn take(&self, transition: Transition) -> Result<(), Gone> {
        self.inbox.try_send(Ask::Take(transition)).map_err(|_| Gone)
    }

    /// The spine lives.
    pub fn note_alive(&self, now: Now) {
        self.alive.store(now.boot_ms(), Ordering::Relaxed);
    }

    /// Everything there is to see.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn view(&self) -> Result<View, Gone> {
        self.ask(Ask::View).await
    }

    /// Somebody saw an alert.
    ///
    /// # Errors
    /// [`Gone`], or why not.
    pub async fn acknowledge(
        &self,
        id: String,
        by: String,
    ) -> Result<Result<Shown, Refused>, Gone> {
        self.ask(|reply| Ask::Acknowledge(id, by, reply)).await
    }

    /// Keeps quiet about what matches for so many milliseconds.
    ///
    /// # Errors
    /// [`Gone`], or why not.
    pub async fn silence(
        &self,
        matcher: String,
        reason: String,
        by: String,
        lasts_ms: i64,
    ) -> Result<Result<Silence, Refused>, Gone> {
        self.ask(|reply| Ask::Silence {
            matcher,
            reason,
            by,
            lasts_ms,
            reply,
        })
        .await
    }

    /// Ends a silence early.
    ///
    /// # Errors
    /// [`Gone`], or why not.
    pub async fn unsilence(&self, id: String) -> Result<Result<Silence, Refused>, Gone> {
        self.ask(|reply| Ask::Unsilence(id, reply)).await
    }

    /// Sends a test message over every channel; gives how many there are.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn test(&self) -> Result<usize, Gone> {
        self.ask(Ask::Test).await
    }

    /// Other channels, times and heartbeat count from now on. A channel that stays as it is keeps
    /// what waits in it.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn configure(&self, setup: Setup) -> Result<(), Gone> {
        self.ask(|reply| Ask::Configure(Box::new(setup), reply))
            .await
    }

    /// Says which names there are, so that a silence that matches none is noticed.
    ///
    /// # Errors
    /// [`Gone`] when there is no room.
    pub fn learn_names(&self, names: Names) -> Result<(), Gone> {
        self.inbox.try_send(Ask::Names(names)).map_err(|_| Gone)
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.inbox.try_send(ask(reply)).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}
