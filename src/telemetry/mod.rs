//! What the daemon says about itself: log lines and figures.
//!
//! Owns: the log format, the escaping of foreign text, the panic hook, the metrics.
//! Must not know: what any figure decides; nothing is ever decided on a metric.

mod log;
mod metrics;
mod safe;

pub use log::{Format, LogError, describe_panic, init, install_panic_hook};
pub use metrics::{JournalFigures, Metrics};
pub use safe::{Safe, safe_json};
