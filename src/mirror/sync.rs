//! How the mirror comes to agree with the exchange: buffer, snapshot, replay, live.
//!
//! Owns: the phase of the user stream, the events that wait for the first whole read of a
//! connection, and what is wrong with the stream.
//! Must not know: what the events say.

use super::event::{Connection, Event, LossCause, StreamLoss};
use super::plane::Reading;
use crate::clock::Now;

/// Most events that wait for a snapshot; more is a gap and the snapshot is asked for again.
pub const BUFFER_MAX: usize = 20_000;

/// The phase of the user stream.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Never connected.
    Cold,
    /// Connected; events wait until both whole reads were asked for after the connection stood.
    Syncing {
        /// The connection.
        connection: Connection,
        /// Events in the order they came.
        buffer: Vec<Event>,
    },
    /// Events are applied as they come.
    Live {
        /// The connection.
        connection: Connection,
    },
    /// Lost; what is known stays known but is not fresh.
    Lost(StreamLoss),
}

/// The user stream's state.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Phase.
    pub phase: Phase,
    /// Something of this connection was not read or lost: whole reads must be asked for after it.
    pub gap: Option<StreamLoss>,
    /// Connections that were opened so far.
    pub connections: u64,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            phase: Phase::Cold,
            gap: None,
            connections: 0,
        }
    }
}

impl Sync {
    /// The connection in use.
    #[must_use]
    pub const fn connection(&self) -> Option<Connection> {
        match &self.phase {
            Phase::Syncing { connection, .. } | Phase::Live { connection } => Some(*connection),
            Phase::Cold | Phase::Lost(_) => None,
        }
    }

    /// A connection stands. While another one is live, this is the planned overlap of a rotation
    /// and nothing is lost; otherwise events wait for the snapshot.
    pub fn opened(&mut self, connection: Connection) {
        self.connections = self.connections.saturating_add(1);
        match &mut self.phase {
            Phase::Live { connection: live } => *live = connection,
            Phase::Cold | Phase::Lost(_) | Phase::Syncing { .. } => {
                self.gap = None;
                self.phase = Phase::Syncing {
                    connection,
                    buffer: Vec::new(),
                };
            }
        }
    }

    /// The stream is lost; the end of a connection that was already replaced means nothing.
    pub fn lost(&mut self, loss: StreamLoss) {
        let current = self.connection().map_or(0, |connection| connection.epoch);
        if loss.epoch >= current {
            self.gap = None;
            self.phase = Phase::Lost(loss);
        }
    }

    /// Keeps an event for after the snapshot; gives it back when it can be applied at once.
    pub fn hold(&mut self, event: Event, now: Now) -> Option<Event> {
        let Phase::Syncing { connection, buffer } = &mut self.phase else {
            return Some(event);
        };
        if buffer.len() < BUFFER_MAX {
            buffer.push(event);
            return None;
        }
        let epoch = connection.epoch;
        buffer.clear();
        let detail = "too many events before the first snapshot".to_owned();
        self.gap = Some(StreamLoss {
            epoch,
            at: now,
            cause: LossCause::Overflow,
            detail,
        });
        None
    }

    /// Both whole reads are newer than the connection: gives the waiting events back to be
    /// replayed, and is live from now on.
    pub fn go_live(
        &mut self,
        account: Option<Reading>,
        orders: Option<Reading>,
    ) -> Option<Vec<Event>> {
        let Phase::Syncing { connection, buffer } = &mut self.phase else {
            return None;
        };
        let connection = *connection;
        let after = |reading: Option<Reading>| {
            reading.is_some_and(|reading| reading.asked.boot_us >= connection.at.boot_us)
        };
        if !after(account) || !after(orders) {
            return None;
        }
        let waiting = std::mem::take(buffer);
        self.phase = Phase::Live { connection };
        Some(waiting)
    }

    /// Why nothing read before this moment counts for the account and the orders: the moment from
    /// which on a whole read is needed, in microseconds of the boot clock.
    #[must_use]
    pub fn needs_read_after_us(&self) -> Option<i64> {
        let connection = self.connection().map(|connection| connection.at.boot_us);
        let gap = self.gap.as_ref().map(|gap| gap.at.boot_us);
        connection.max(gap)
    }
}
