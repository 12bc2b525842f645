mod journal_faults;
mod journal_queries;

fn main() {}
