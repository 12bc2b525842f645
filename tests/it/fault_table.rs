//! `docs/faults.md` against the code: every fault that can cause a false allow has its row, and every
//! test a row names exists under that name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The faults that can make the guard allow what it must not.
const PRIORITY_0: &str = "
U01 U02 U03 U05 U06 U07 U08 U09 U10 U11 U12
E01 E02 E03 E04 E05 E06 E07 E08 E10 E12 E13
R01 R02 R03 R04 R08 R12
C01 C02 C03 C04 C05 C06 C07
K02 K04 K07
N01 N11 N12 N13 N14
P01 P02 P03 P04 P05 P06 P07 P13 P14
S05 S06 S07 S08 S09
X01 X02 X05 X06 X08 X10
L01 L06 L07 L08 L17
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of functions that the test harness runs, so that a helper or a fixture does not count.
fn tests_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_test = false;
        } else if let Some((_, rest)) = line.split_once("fn ") {
            if is_test && let Some((name, _)) = rest.split_once('(') {
                found.push(name.to_owned());
            }
            is_test = false;
        }
    }
    found
}

fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.extend(tests_in(&fs::read_to_string(&path).unwrap()));
        }
    }
}

fn table() -> String {
    fs::read_to_string(root().join("docs/faults.md")).unwrap()
}

/// The table's rows: id and the tests it names.
fn rows(text: &str) -> Vec<(String, Vec<String>)> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let id = cells.next().unwrap().trim_matches('`').to_owned();
        let named = cells.next().unwrap().split('`').skip(1).step_by(2);
        (id, named.map(str::to_owned).collect())
    })
    .collect()
}

/// The ids in the list of what waits.
fn waiting(text: &str) -> Vec<String> {
    let (_, rest) = text.split_once("## What waits").unwrap();
    let (list, _) = rest.split_once("\n## ").unwrap();
    let rows = list.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    let ids = cells.flat_map(|cell| cell.split(','));
    ids.map(|id| id.trim().to_owned()).collect()
}

/// Everything that is wrong with this text, given the tests there are.
fn mistakes(text: &str, known: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows = rows(text);
    for (id, tests) in &rows {
        if tests.is_empty() {
            wrong.push(format!("{id} has no test"));
        }
        for test in tests {
            if !known.contains(test) {
                wrong.push(format!("{id}: there is no test {test}"));
            }
            if !test.contains(&format!("{}_", id.to_ascii_lowercase())) {
                wrong.push(format!("{id}: {test} is not named after it"));
            }
        }
    }
    let listed: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    let wanted: Vec<&str> = PRIORITY_0.split_whitespace().collect();
    let missing = wanted.iter().filter(|id| !listed.contains(id));
    wrong.extend(missing.map(|id| format!("{id} has no row")));
    if listed.len() != wanted.len() {
        wrong.push(format!("{} rows for {} faults", listed.len(), wanted.len()));
    }
    let strangers = waiting(text);
    let strangers = strangers.iter().filter(|id| !wanted.contains(&id.as_str()));
    wrong.extend(strangers.map(|id| format!("{id} waits and is no fault of the list")));
    wrong
}

/// The names of all tests.
pub(crate) fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    tests_below(&root().join("src"), &mut known);
    tests_below(&root().join("tests"), &mut known);
    known
}

#[test]
fn every_fault_has_its_row_and_every_row_its_tests() {
    assert_eq!(PRIORITY_0.split_whitespace().count(), 68);
    assert_eq!(mistakes(&table(), &known()), Vec::<String>::new());
}

/// The guard of the table is worth something only if it barks.
#[test]
fn a_row_that_is_missing_and_a_test_that_is_gone_are_noticed() {
    let (text, known) = (table(), known());
    let ids: Vec<&str> = PRIORITY_0.split_whitespace().collect();
    for id in &ids {
        let start = format!("| `{id}` |");
        let without: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(&start))
            .collect();
        let found = mistakes(&without.join("\n"), &known);
        assert_eq!(found.first(), Some(&format!("{id} has no row")));
    }
    for (id, tests) in rows(&text) {
        for test in tests {
            let mut fewer = known.clone();
            assert!(fewer.remove(&test));
            let found = mistakes(&text, &fewer);
            let gone = format!("{id}: there is no test {test}");
            assert!(found.contains(&gone), "{found:?}");
        }
    }
    let renamed = text.replace("`u01_", "`u99_");
    assert!(!mistakes(&renamed, &known).is_empty());
    let (before, rest) = text.split_once("## What waits").unwrap();
    let rest = rest.replacen("\n## ", "\n| Z99 | - | - |\n\n## ", 1);
    let stranger = format!("{before}## What waits{rest}");
    assert!(!mistakes(&stranger, &known).is_empty());
}
