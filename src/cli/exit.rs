//! Exit codes: what scripts branch on.
//!
//! Owns: the one list of them, and its words in `--help`.
//! Must not know: which command ends with which.

use std::process::ExitCode;

/// How a command ended. Not zero means: do not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Allowed, or warned without `--strict`; of other commands: done.
    Allow,
    /// Any other error.
    Other,
    /// Wrong arguments, also when the daemon says so (HTTP 400).
    Usage,
    /// No daemon answers.
    Unreachable,
    /// Warned, under `--strict`.
    Warn,
    /// Rejected.
    Reject,
}

impl Exit {
    /// Every exit, by code.
    pub const ALL: [Self; 6] = [
        Self::Allow,
        Self::Other,
        Self::Usage,
        Self::Unreachable,
        Self::Warn,
        Self::Reject,
    ];

    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Warn => 10,
            Self::Reject => 20,
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Allow => "allow (and warn, unless --strict); other commands: done",
            Self::Other => "any other error",
            Self::Usage => "wrong arguments, also when the daemon says so",
            Self::Unreachable => "no daemon answers",
            Self::Warn => "warn, under --strict",
            Self::Reject => "reject",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The list as `--help` shows it.
pub(super) const HELP: &str = "\
Exit codes (not zero means: do not send):
   0  allow (and warn, unless --strict); other commands: done
   1  any other error
   2  wrong arguments, also when the daemon says so
   3  no daemon answers
  10  warn, under --strict
  20  reject";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_exit() {
        let lines: Vec<&str> = HELP.lines().skip(1).collect();
        let expected: Vec<String> = Exit::ALL
            .iter()
            .map(|exit| format!("{:>4}  {}", exit.code(), exit.meaning()))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_codes_are_those_of_the_contract() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 10, 20]);
    }
}
