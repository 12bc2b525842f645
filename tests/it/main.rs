//! Everything that is tested from outside of a room: one binary, shared helpers.

mod guard;
mod rig;
mod scenarios;
mod tidy;
