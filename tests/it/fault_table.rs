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

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text
                .split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

/// The table's rows: id and the tests it names.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let id = cells.next().unwrap().trim_matches('`').to_owned();
        let named = cells.next().unwrap().split('`').skip(1).step_by(2);
        (id, named.map(str::to_owned).collect())
    })
    .collect()
}

#[test]
fn every_fault_has_its_row_and_every_row_its_tests() {
    let mut known = BTreeSet::new();
    functions(&root().join("src"), &mut known);
    functions(&root().join("tests"), &mut known);
    let rows = rows();
    for (id, tests) in &rows {
        assert!(!tests.is_empty(), "{id} has no test");
        for test in tests {
            assert!(known.contains(test), "{id}: {test} does not exist");
            assert!(
                test.contains(&format!("{}_", id.to_ascii_lowercase())),
                "{id}: {test} is not named after it"
            );
        }
    }
    let listed: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    let wanted: Vec<&str> = PRIORITY_0.split_whitespace().collect();
    assert_eq!(wanted.len(), 68);
    assert_eq!(listed, wanted);
}
