//! The ground: exact arithmetic of a futures account.
//!
//! Owns: what an account is worth, what it must keep, when it is liquidated, and what it would be
//! after an order. Every formula's doc comment names its source.
//! Must not know: async, serde, clocks, wire names, files, sockets, policy. It depends on
//! `rust_decimal` and nothing else.
//!
//! Rounding: sums and products are exact or they fail ([`amount::ArithmeticError`]); quotients
//! keep 28 digits, rounded half-even, and conversions into another asset 16 decimals
//! ([`collateral::converted`]); printed figures are cut toward zero at eight decimals as
//! the exchange cuts them ([`amount::cut`]).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod account;
pub mod amount;
mod anew;
pub mod attribution;
pub mod book;
pub mod bracket;
pub mod change;
pub mod collateral;
pub mod contribution;
pub mod cost;
pub mod explain;
pub mod known;
pub mod liquidation;
pub mod order;
pub mod pool;
pub mod position;
pub mod project;
pub mod reserved;
pub mod shock;
mod what_if;
pub mod worst;

#[cfg(test)]
mod absurd;
#[cfg(test)]
mod inverse_trial;
#[cfg(test)]
mod joint_properties;
#[cfg(test)]
mod properties;
