//! Alerts, as the doors see them.
//!
//! Owns: what a door asks of whoever manages alerts.
//! Must not know: how alerts are managed. Whoever puts the daemon together gives an [`AlertDesk`].

use super::protocol::alerts::{AlertLine, AlertsAnswer, SilenceLine};
use super::record::Pending;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertRefusal {
    /// There is nothing under this id.
    #[error("There is no firing alert and no silence of this id; `crossguard alerts` lists them.")]
    Unknown,
    /// A field is wrong.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// Nobody answers.
    #[error("Alerts are not served: {0}.")]
    Unavailable(String),
}

/// Whoever manages alerts. Called on the check path: no call may block.
pub trait AlertDesk: Send + Sync {
    /// Everything there is to see.
    fn list(&self) -> Pending<Result<AlertsAnswer, AlertRefusal>>;

    /// Somebody saw an alert.
    fn acknowledge(&self, id: String, by: String) -> Pending<Result<AlertLine, AlertRefusal>>;

    /// Keeps quiet about what matches.
    fn silence(
        &self,
        matcher: String,
        reason: String,
        by: String,
        seconds: u32,
    ) -> Pending<Result<SilenceLine, AlertRefusal>>;

    /// Ends a silence early.
    fn unsilence(&self, id: String) -> Pending<Result<SilenceLine, AlertRefusal>>;

    /// Sends a test message over every channel; gives how many there are.
    fn test(&self) -> Pending<Result<usize, AlertRefusal>>;
}

/// A desk where there is nothing: for daemons without alerts.
#[derive(Debug, Clone, Copy)]
pub struct NoAlerts;

impl AlertDesk for NoAlerts {
    fn list(&self) -> Pending<Result<AlertsAnswer, AlertRefusal>> {
        Box::pin(std::future::ready(Ok(AlertsAnswer::default())))
    }

    fn acknowledge(&self, _: String, _: String) -> Pending<Result<AlertLine, AlertRefusal>> {
        Box::pin(std::future::ready(Err(AlertRefusal::Unknown)))
    }

    fn silence(
        &self,
        _: String,
        _: String,
        _: String,
        _: u32,
    ) -> Pending<Result<SilenceLine, AlertRefusal>> {
        let why = "this daemon has none".to_owned();
        Box::pin(std::future::ready(Err(AlertRefusal::Unavailable(why))))
    }

    fn unsilence(&self, _: String) -> Pending<Result<SilenceLine, AlertRefusal>> {
        Box::pin(std::future::ready(Err(AlertRefusal::Unknown)))
    }

    fn test(&self) -> Pending<Result<usize, AlertRefusal>> {
        Box::pin(std::future::ready(Ok(0)))
    }
}
