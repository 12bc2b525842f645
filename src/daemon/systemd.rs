//! What the service manager is told.
//!
//! Owns: readiness, status lines and the watchdog.
//! Must not know: why. READY means "answering, and rejecting what it does not know", not "in step
//! with the exchange": otherwise an outage at boot would become a restart loop.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::{Clock, Now};

/// Says that sockets are bound and signals are handled.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Replaces the status line.
pub fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// Says that the service is on its way out.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell.
    drop(sd_notify::notify(states));
}

/// Feeds the service manager's watchdog from the loop that has just proved to run.
#[derive(Debug)]
pub struct Watchdog {
    half_ms: Option<i64>,
    fed: Option<Now>,
}

impl Watchdog {
    /// The interval that the service manager asked for, if it did.
    #[must_use]
    pub fn from_environment() -> Self {
        let interval = sd_notify::watchdog_enabled();
        let half_ms = interval
            .map(|interval: Duration| i64::try_from(interval.as_millis() / 2).unwrap_or(i64::MAX));
        Self { half_ms, fed: None }
    }

    /// Feeds it when half of its interval has passed.
    pub fn feed(&mut self, clock: &Clock) {
        let Some(half_ms) = self.half_ms else { return };
        let now = clock.now();
        if self.fed.is_none_or(|fed| now.since_ms(fed) >= half_ms) {
            notify(&[NotifyState::Watchdog]);
            self.fed = Some(now);
        }
    }
}
