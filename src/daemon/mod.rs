//! The spine: owns the one mirror, and through it the one truth of this process.
//!
//! Owns: the closed set of everything that can wake the guard ([`core::Input`]), the pure step
//! over it, and the thin shell that feeds it.
//! Must not know: HTTP, wire names, margin formulas, limits. It carries questions to the guard and
//! answers to whoever asked.

mod beat;
mod bell;
pub mod core;
pub mod handle;
pub mod memory;
pub mod report;
mod shell;
pub mod systemd;

pub use beat::{BEAT_MS, Beat};
pub use handle::{Asked, Fares, GuardGone, GuardHandle};
pub use shell::{Audience, Ends, Exchange, Spine, spine};
