//! crossguard.
pub mod scenario;
pub mod sim;
