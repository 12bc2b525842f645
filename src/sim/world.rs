//! The default world: what exists when nobody says otherwise, written in the scenario's own words.

use crate::scenario::Scenario;

/// Bracket tables are those the exchange published in October 2024; marks are round figures.
const TEXT: &str = include_str!("world.txt");

/// The default world.
pub(crate) fn default_world() -> Scenario {
    // A test below parses the very same constant.
    Scenario::parse(TEXT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_world_can_be_read() {
        assert!(Scenario::parse(TEXT).is_ok_and(|world| world.lines.len() > 40));
    }
}
