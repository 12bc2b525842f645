//! crossguard.
pub mod sim;
