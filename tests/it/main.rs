//! Everything that is tested from outside of a room: one binary, shared helpers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod guard;
mod live;
mod rig;
mod scenarios;
mod sim_client;
mod sim_rest;
mod sim_streams;
mod tidy;
