//! crossguard.
#![allow(missing_docs)]
pub mod clock;
pub mod guard;
pub mod margin;
pub mod mirror;
pub mod sim;
