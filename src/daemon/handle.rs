//! How the doors reach the spine.
//!
//! Owns: the messages between a door and the spine, and what a door hears when the spine is gone.
//! Must not know: what a door does with an answer.

use tokio::sync::{mpsc, oneshot};

use super::core::{Ask, Input, PolicyInForce};
use super::report::{AccountReport, Answer, OrdersReport, PositionsReport, StatusReport};
use crate::guard::Detail;
use crate::guard::alarm::AlarmPolicy;
use crate::guard::fix::Fix;
use crate::guard::offer::Size;
use crate::guard::proposal::Proposal;
use crate::guard::stress::{Scenario, StressOutcome};
use crate::guard::verdict::Ladder;
use crate::margin::account::Asset;
use crate::margin::book::Unknown;
use crate::margin::explain::Sheet;
use crate::mirror::view::NotReady;

/// Most messages that wait for the spine; a door that finds the queue full answers "busy".
pub const QUEUE_MAX: usize = 1_024;

/// How every pool fares in the scenarios that were asked about.
pub type Fares = Vec<(Asset, Result<Vec<StressOutcome>, Unknown>)>;

/// A question as a door puts it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What somebody wants to send.
    pub proposal: Proposal,
    /// Who asks, for limits of single clients.
    pub client: Option<String>,
    /// Only asking: no room is promised.
    pub dry_run: bool,
    /// How much is wanted.
    pub detail: Detail,
}

/// The spine does not answer: it is shutting down, failed, or has too much to do. Whoever hears
/// this must not send the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardGone {
    /// The queue is full.
    #[error("the guard is busy: {QUEUE_MAX} requests are waiting")]
    Busy,
    /// The spine ended.
    #[error("the guard is shutting down")]
    Ended,
}

/// What reaches the spine from a door.
#[derive(Debug)]
pub(super) enum Message {
    Check {
        ask: Box<Ask>,
        reply: oneshot::Sender<Box<Answer>>,
    },
    Change {
        input: Input,
        done: oneshot::Sender<()>,
    },
    Account(oneshot::Sender<AccountReport>),
    /// Every figure with its formula.
    Explain(oneshot::Sender<Sheet>),
    Positions(oneshot::Sender<PositionsReport>),
    Orders(oneshot::Sender<OrdersReport>),
    Status(oneshot::Sender<StatusReport>),
    Policy(oneshot::Sender<PolicyInForce>),
    Stress {
        scenarios: Vec<(String, Scenario)>,
        reply: oneshot::Sender<Result<Fares, NotReady>>,
    },
    Fix(oneshot::Sender<Result<Fix, NotReady>>),
    Size {
        ask: Box<Ask>,
        reply: oneshot::Sender<Result<Size, NotReady>>,
    },
}

/// A door's end of the channel to the spine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GuardHandle {
    pub(super) messages: mpsc::Sender<Message>,
}

impl GuardHandle {
    /// May this order be sent?
    ///
    /// # Errors
    /// [`GuardGone`]: then it may not.
    pub async fn check(&self, asked: Asked) -> Result<Box<Answer>, GuardGone> {
        let Asked {
            proposal,
            client,
            dry_run,
            detail,
        } = asked;
        // The spine gives the question its ticket.
        let ask = Box::new(Ask {
            ticket: 0,
            proposal,
            client,
            dry_run,
            detail,
        });
        self.ask(|reply| Message::Check { ask, reply }).await
    }

    /// How the account fares in these scenarios, as it stands.
    ///
    /// # Errors
    /// [`GuardGone`]; inside, the planes that stand in the way.
    pub async fn stress(
        &self,
        scenarios: Vec<(String, Scenario)>,
    ) -> Result<Result<Fares, NotReady>, GuardGone> {
        self.ask(|reply| Message::Stress { scenarios, reply }).await
    }

    /// What the account breaks as it stands, and the ways back.
    ///
    /// # Errors
    /// [`GuardGone`]; inside, the planes that stand in the way.
    pub async fn fix(&self) -> Result<Result<Fix, NotReady>, GuardGone> {
        self.ask(Message::Fix).await
    }

    /// The largest quantities of an order.
    ///
    /// # Errors
    /// [`GuardGone`]; inside, the planes that stand in the way.
    pub async fn size(&self, asked: Asked) -> Result<Result<Size, NotReady>, GuardGone> {
        let ask = Box::new(Ask {
            ticket: 0,
            proposal: asked.proposal,
            client: asked.client,
            dry_run: true,
            detail: Detail::Brief,
        });
        self.ask(|reply| Message::Size { ask, reply }).await
    }

    /// The order of this decision will not be sent, or was refused: its room is free again.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn release(&self, decision_id: String) -> Result<(), GuardGone> {
        self.change(Input::Release { decision_id }).await
    }

    /// The order of this decision was sent and nobody knows whether it arrived: its room is kept.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn outcome_unknown(&self, decision_id: String) -> Result<(), GuardGone> {
        self.change(Input::OutcomeUnknown { decision_id }).await
    }

    /// Puts a new policy into force.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn set_policy(&self, in_force: PolicyInForce) -> Result<(), GuardGone> {
        self.change(Input::Policy(Box::new(in_force))).await
    }

    /// Puts other levels of alarms into force.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn set_alarm_levels(&self, levels: AlarmPolicy) -> Result<(), GuardGone> {
        self.change(Input::AlarmLevels(levels)).await
    }

    /// Puts the guard on a rung.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn set_ladder(&self, rung: Ladder, reason: String) -> Result<(), GuardGone> {
        self.change(Input::Ladder { rung, reason }).await
    }

    /// The account as it is.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn account(&self) -> Result<AccountReport, GuardGone> {
        self.ask(Message::Account).await
    }

    /// Every figure of the account with its formula and its inputs.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn explain(&self) -> Result<Sheet, GuardGone> {
        self.ask(Message::Explain).await
    }

    /// Positions as they are.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn positions(&self) -> Result<PositionsReport, GuardGone> {
        self.ask(Message::Positions).await
    }

    /// Working orders as they are.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn orders(&self) -> Result<OrdersReport, GuardGone> {
        self.ask(Message::Orders).await
    }

    /// How the guard itself is.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn status(&self) -> Result<StatusReport, GuardGone> {
        self.ask(Message::Status).await
    }

    /// The policy in force.
    ///
    /// # Errors
    /// [`GuardGone`].
    pub async fn policy(&self) -> Result<PolicyInForce, GuardGone> {
        self.ask(Message::Policy).await
    }

    async fn change(&self, input: Input) -> Result<(), GuardGone> {
        self.ask(|done| Message::Change { input, done }).await
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, GuardGone> {
        let (reply, answer) = oneshot::channel();
        self.messages
            .try_send(message(reply))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => GuardGone::Busy,
                mpsc::error::TrySendError::Closed(_) => GuardGone::Ended,
            })?;
        answer.await.map_err(|_| GuardGone::Ended)
    }
}
