//! The mirror of the account.
pub mod event;
