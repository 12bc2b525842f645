//! crossguard stands before leveraged Binance futures orders and says what a crossed position could
//! take from the rest of the wallet.
//!
//! Code map, in reading order: [`margin`] (exact arithmetic of an account) → [`mirror`] (our copy of
//! the account and how far it can be trusted) → [`guard`] (limits, rules, the verdict) → [`daemon`]
//! (the spine that owns the mirror) → [`exchange`] (everything Binance) → [`sim`] (a small Binance of
//! our own) → [`api`] (the local sockets) → [`alerts`] (where alarms go). `docs/ARCHITECTURE.md` tells the life of a tick and of a check.
//!
//! Layer rule: imports point down only; `tests/it/tidy.rs` holds the table.

pub mod alerts;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod exchange;
pub mod guard;
pub mod journal;
pub mod margin;
pub mod mirror;
pub mod scenario;
pub mod sim;
pub mod telemetry;
