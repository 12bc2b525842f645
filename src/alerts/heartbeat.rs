//! A URL that is asked for as long as the guard lives, so that silence can be noticed from outside.
//!
//! Owns: when it is asked for.
//! Must not know: alerts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// It is asked for only while the spine was heard within this time, in milliseconds.
const ALIVE_MS: i64 = 10_000;

/// A URL that is asked for now and then, so that silence can be noticed from outside.
#[derive(Clone)]
pub struct Heartbeat {
    /// Where.
    pub url: String,
    /// How often.
    pub every: Duration,
    /// What asks.
    pub http: reqwest::Client,
}

impl std::fmt::Debug for Heartbeat {
    /// The URL may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Heartbeat(every {} s)", self.every.as_secs())
    }
}

/// Asks for the heartbeat's URL while the spine lives. What it answers does not matter: whoever
/// listens there notices when nothing comes.
pub(super) async fn beat(heartbeat: Heartbeat, clock: Clock, alive: Arc<AtomicI64>) {
    loop {
        let silent_ms = clock
            .now()
            .boot_ms()
            .saturating_sub(alive.load(Ordering::Relaxed));
        if silent_ms < ALIVE_MS {
            let request = heartbeat
                .http
                .get(&heartbeat.url)
                .timeout(super::send::DEADLINE);
            drop(request.send().await);
        }
        tokio::time::sleep(heartbeat.every).await;
    }
}
