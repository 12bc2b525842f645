//! crossguard.
#![allow(missing_docs)]
pub mod clock;
pub mod config;
pub mod daemon;
pub mod exchange;
pub mod guard;
pub mod journal;
pub mod margin;
pub mod mirror;
pub mod sim;
pub mod telemetry;
