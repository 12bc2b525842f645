//! `crossguard config check|show`.
//!
//! Owns: telling every mistake at once, and the configuration as it would be used.
//! Must not know: what a value is for. No key file is read here.

use super::{ConfigVerb, Exit, run, screen};

/// Runs the verb.
pub(super) fn run(verb: &ConfigVerb) -> Exit {
    let (ConfigVerb::Check(args) | ConfigVerb::Show(args)) = verb;
    match (run::load(args), verb) {
        (Err(mistakes), _) => {
            for mistake in mistakes {
                screen::complain(&mistake);
            }
            Exit::Other
        }
        (Ok(config), ConfigVerb::Show(_)) => done(screen::print(&config.show())),
        (Ok(config), ConfigVerb::Check(_)) => done(screen::print(&format!(
            "The configuration is sound.
Policy {}
",
            config.policy_fingerprint
        ))),
    }
}

fn done(printed: Result<(), Exit>) -> Exit {
    printed.err().unwrap_or(Exit::Allow)
}
