//! The guard: from figures to a verdict.
//!
//! Owns: the policy, the rules in their precedence, and the decision with its sentence. Pure: the
//! mirror's live view, the policy and the intent go in, a [`verdict::Judgement`] comes out.
//! Must not know: sockets, wire names, files, how the mirror stays fresh.
//!
//! What is not known counts against an order and never for it; an exit always passes.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod alarm;
mod change;
mod contagion;
mod decide;
mod desk;
pub mod exit;
mod fees;
pub mod fix;
pub mod formulas;
mod look;
pub mod offer;
pub mod policy;
pub mod proposal;
mod quantities;
mod rules;
mod search;
pub mod stress;
pub mod terms;
pub mod verdict;
pub mod words;
mod worst;

pub use decide::{Context, Detail, decide, decide_blind};
