//! crossguard.
#![allow(missing_docs)]
pub mod clock;
pub mod exchange;
pub mod margin;
pub mod mirror;
pub mod sim;
