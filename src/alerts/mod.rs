//! Where alarms go: few messages, early, over channels that cannot hold each other up.
//!
//! Owns: alert management (a pure state machine), the channels, and the thread they live on.
//! Must not know: how an alarm comes about, verdicts, sockets of our own. Nothing here is ever waited
//! for by a check: transitions are handed over, and what finds no room is handed over later.
//!
//! Reading order: [`model`] (an alert), [`manage`] (when it is told), [`quiet`] (what keeps it from that),
//! [`matcher`], [`render`] (its words), [`address`] (where to), [`send`] (one attempt), [`channel`]
//! (one channel), `pace` (how fast it may), [`run`] (all of them), [`handle`] (the way to them), [`heartbeat`].
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod address;
pub mod channel;
pub mod handle;
pub mod heartbeat;
pub mod manage;
pub mod matcher;
pub mod model;
mod pace;
pub mod quiet;
pub mod render;
pub mod run;
pub mod send;

pub use address::Address;
pub use handle::{Event, Gone, Handle, Shown, View};
pub use manage::{Manager, Save, Timing};
pub use model::{Alert, Message, Silence};
pub use run::{Options, Restored, Setup, Thread, start};
