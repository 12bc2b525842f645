//! What is wrong in a configuration, and where.
//!
//! Owns: the mistake and its one-line form.
//! Must not know: which keys exist.

use std::fmt;

use crate::telemetry::Safe;

/// One mistake in the configuration. All of them are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, or `--set`.
    pub source: String,
    /// Line, counted from 1; 0 where there is no line (an override, a missing file).
    pub line: usize,
    /// Column in characters, counted from 1; 0 where there is no line.
    pub column: usize,
    /// The key with its tables (`policy.leverage.warn`); empty when no key is to blame.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", Safe(&self.source))?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", Safe(&self.key))?;
        }
        write!(f, " {}", Safe(&self.message))
    }
}

impl std::error::Error for Mistake {}
