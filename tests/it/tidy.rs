//! The house rules that the compiler does not know: who may import whom, and what the ground must
//! not know. Written against the table in `docs/ARCHITECTURE.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and the rooms they may import. A room may always import itself.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("scenario", &[]),
    ("margin", &[]),
    ("mirror", &["margin", "clock"]),
    ("guard", &["mirror", "margin", "clock"]),
    ("exchange", &["mirror", "margin", "clock"]),
    ("journal", &["clock"]),
    ("telemetry", &["clock"]),
    ("config", &["guard", "margin", "clock", "telemetry"]),
    (
        "alerts",
        &["guard", "margin", "mirror", "clock", "telemetry"],
    ),
    (
        "daemon",
        &[
            "exchange", "journal", "alerts", "guard", "mirror", "margin", "clock",
        ],
    ),
    (
        "api",
        &[
            "daemon",
            "exchange",
            "guard",
            "mirror",
            "margin",
            "clock",
            "telemetry",
        ],
    ),
    (
        "gateway",
        &[
            "daemon",
            "exchange",
            "guard",
            "margin",
            "clock",
            "telemetry",
        ],
    ),
    ("sim", &["scenario"]),
    ("tui", &["api", "telemetry"]),
    ("cli", &["api", "telemetry"]),
];

/// Verbs where the whole is put together: they may import everything they put together.
const PUT_TOGETHER: &[&str] = &[
    "cli/run.rs",
    "cli/demo.rs",
    "cli/sim.rs",
    "cli/config.rs",
    "cli/demo/",
    "cli/run/",
];

/// Single imports that the table forbids and the design permits.
const PERMITTED: &[(&str, &str)] = &[
    // The door turns an order into an intent through the exchange's translation, never its wire.
    ("api", "exchange::translate"),
    ("gateway", "exchange::translate"),
    // An address and a matcher of an alert channel are proved where every mistake of a configuration is.
    ("config", "alerts::address"),
    ("config", "alerts::matcher"),
];

/// Words that must not appear in a room's code at all.
const BANNED: &[(&str, &[&str])] = &[
    (
        "margin",
        &[
            "tokio",
            "serde",
            "reqwest",
            "tungstenite",
            "tracing",
            "std::time",
            "std::fs",
            "std::net",
            "async ",
            "SystemTime",
            "Instant",
        ],
    ),
    (
        "mirror",
        &[
            "tokio",
            "serde",
            "reqwest",
            "std::time",
            "std::fs",
            "std::net",
            "async ",
        ],
    ),
    (
        "guard",
        &[
            "tokio",
            "serde",
            "reqwest",
            "std::time",
            "std::fs",
            "std::net",
            "async ",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every source file below `src`, with its path from there and its code without comments and tests.
fn files() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    sources(&root(), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            (name, code_of(&fs::read_to_string(&path).unwrap()))
        })
        .filter(|(name, _)| !name.ends_with("/tests.rs") && !name.ends_with("/properties.rs"))
        .collect()
}

/// The file without comments and without what follows its test module.
fn code_of(text: &str) -> String {
    let production = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let production = production
        .split("#[cfg(test)]\npub(crate) mod tests {")
        .next()
        .unwrap();
    production
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn room_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// Rooms that a file's code names through `crate::`, with what follows.
fn imports(code: &str) -> Vec<String> {
    code.match_indices("crate::")
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

#[test]
fn imports_point_down_only() {
    let may_know: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let mut broken = Vec::new();
    for (file, code) in files() {
        let room = room_of(&file);
        if matches!(room, "lib" | "main") || PUT_TOGETHER.iter().any(|one| file.starts_with(one)) {
            continue;
        }
        let Some(known) = may_know.get(room) else {
            broken.push(format!("{file} belongs to no room of docs/ARCHITECTURE.md"));
            continue;
        };
        for import in imports(&code) {
            let target = import.split("::").next().unwrap();
            let permitted = target == room
                || known.contains(&target)
                || PERMITTED
                    .iter()
                    .any(|(from, to)| *from == room && import.starts_with(to));
            if !permitted {
                broken.push(format!("{file} imports crate::{import}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_doors_know_no_wire_types() {
    let wire: Vec<_> = files()
        .into_iter()
        .filter(|(file, code)| !file.starts_with("exchange/") && code.contains("exchange::wire"))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(
        wire,
        Vec::<String>::new(),
        "wire names end at exchange::translate"
    );
}

#[test]
fn the_core_knows_no_clock_no_file_and_no_runtime() {
    let mut broken = Vec::new();
    for (file, code) in files() {
        for (room, words) in BANNED {
            if room_of(&file) == *room {
                let found = words.iter().filter(|word| code.contains(**word));
                broken.extend(found.map(|word| format!("{file} says {word:?}")));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_spine_changes_the_mirror() {
    let changes: Vec<_> = files()
        .into_iter()
        .filter(|(file, code)| {
            let room = room_of(file);
            room != "mirror" && room != "daemon" && code.contains("&mut Mirror")
        })
        .map(|(file, _)| file)
        .collect();
    assert_eq!(changes, Vec::<String>::new());
}

#[test]
fn every_module_says_what_it_owns() {
    let mut paths = Vec::new();
    sources(&root(), &mut paths);
    let silent: Vec<_> = paths
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            !text.trim_start().starts_with("//!")
        })
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new());
}
