//! What is said on the sockets.
//!
//! Owns: one type per request and answer, written for the wire and nothing else, and their making
//! from the spine's values. Field names once published only ever gain company.
//! Must not know: sockets, HTTP, who asks.
//!
//! What our own commands read, they read with these types: they see exactly what everybody sees.

pub mod account;
pub mod alerts;
pub mod answer;
pub mod brief;
pub mod contagion;
pub mod costs;
pub mod decisions;
pub mod error;
pub mod explain;
pub mod explained;
pub mod figure;
pub mod fix;
pub mod inputs;
pub mod names;
pub mod notice;
pub mod policy;
pub mod pool;
pub mod pool_event;
pub mod recorded;
pub mod request;
pub mod status;
pub mod stress;
pub mod ways;
