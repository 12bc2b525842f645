//! The crossguard binary.
fn main() {}
