//! Tests of the whole, over its public doors.

mod config_effective;
mod config_mistakes;
mod journal_faults;
mod journal_queries;
