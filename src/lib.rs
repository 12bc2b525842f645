//! crossguard.
#![allow(missing_docs)]
pub mod api;
pub mod clock;
pub mod daemon;
pub mod exchange;
pub mod guard;
pub mod margin;
pub mod mirror;
pub mod sim;
