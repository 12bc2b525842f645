//! `docs/simulator.md` against the code: every test it names exists.

use super::fault_table::known;

#[test]
fn every_test_the_simulators_page_names_exists() {
    let page = include_str!("../../docs/simulator.md");
    let (_, tables) = page
        .split_once("## What it can do, and what shows it")
        .unwrap();
    let known = known();
    let mut named = 0;
    for row in tables.lines().filter(|line| line.starts_with("| ")) {
        let tests = row.rsplit('|').nth(1).unwrap();
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(
            row.ends_with("| Tests |") || !tests.is_empty(),
            "no test: {row}"
        );
        for test in tests {
            assert!(known.contains(test), "there is no test {test}");
            named += 1;
        }
    }
    assert!(named > 80, "{named} tests named");
}
