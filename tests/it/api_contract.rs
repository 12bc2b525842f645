//! The published contract against what the server says: the OpenAPI document against real answers,
//! `docs/protocol.md` against real bytes and against the enums.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crossguard::api::events::EventKind;
use crossguard::api::openapi;
use crossguard::api::protocol::error::ErrorCode;
use crossguard::api::protocol::{names, notice};
use crossguard::api::server::{Route, Scope};
use crossguard::cli::Exit;
use crossguard::guard::alarm::{Rule, Severity};
use crossguard::guard::verdict::{Code, Decision, Ladder, Retry};
use crossguard::margin::cost::AssumedFrom;
use crossguard::mirror::plane::Plane;
use serde_json::{Map, Value};

use crate::api_rig::{Answer, Daemon};

/// Two pools' worth of everything: crossed and isolated, a resting order, a stop.
const ACCOUNT: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x | 250000 3000000 0.01 50x
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets ETHUSDT 0 50000 0.005 100x | 50000 500000 0.01 50x
wallet USDT 10000
pos BTCUSDT crossed 20x +0.05 @ 60000
pos ETHUSDT isolated 10x -2 @ 3000
mark BTCUSDT 60000
mark ETHUSDT 3000
order BTCUSDT buy 0.01 @ 58000
";

const REJECTED: &str = r#"{"order":{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1.2"},"client":"desk"}"#;
const BRIEF: &str = r#"{"order":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":60000,"quantity":0.01},"dryRun":true,"brief":true}"#;
const MISSPELT: &str = r#"{"order":{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"1","reduceOnyl":"true"}}"#;

/// Every answer worth showing, by name. The clock stands still and the ids are drawn from a fixed
/// seed, so that the bytes are the same every time.
fn captures(daemon: &Daemon) -> Vec<(&'static str, &'static str, Answer)> {
    let mut captures = vec![
        (
            "check-reject",
            "CheckAnswer",
            daemon.post("/v1/check", REJECTED),
        ),
        (
            "check-brief",
            "BriefAnswer",
            daemon.post("/v1/check", BRIEF),
        ),
        (
            "check-misspelt",
            "ErrorBody",
            daemon.post("/v1/check", MISSPELT),
        ),
        ("account", "AccountAnswer", daemon.get("/v1/account")),
        ("positions", "PositionsAnswer", daemon.get("/v1/positions")),
        ("orders", "OrdersAnswer", daemon.get("/v1/orders")),
        ("status", "StatusAnswer", daemon.get("/v1/status")),
        ("fix", "FixAnswer", daemon.get("/v1/fix")),
        ("policy", "PolicyAnswer", daemon.get("/v1/policy")),
        (
            "decisions",
            "DecisionsAnswer",
            daemon.get("/v1/decisions?decision=reject"),
        ),
        ("alerts", "AlertsAnswer", daemon.get("/v1/alerts")),
        ("ready", "ReadyAnswer", daemon.get("/readyz")),
        ("health", "HealthAnswer", daemon.get("/healthz")),
        (
            "lock",
            "LadderAnswer",
            daemon.post("/v1/lock", r#"{"reason":"holiday"}"#),
        ),
        (
            "reload",
            "ReloadAnswer",
            daemon.on_admin("POST", "/v1/policy/reload", ""),
        ),
    ];
    daemon.clock.advance_ms(30_000);
    captures.push((
        "check-stale",
        "CheckAnswer",
        daemon.post("/v1/check", REJECTED),
    ));
    captures.push(("not-ready", "ReadyAnswer", daemon.get("/readyz")));
    captures.push(("status-stale", "StatusAnswer", daemon.get("/v1/status")));
    captures
}

fn document() -> Value {
    serde_json::from_str(openapi::DOCUMENT).unwrap()
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let document = document();
    let mut listed = 0;
    for route in Route::ALL {
        let method = route.method().as_str().to_ascii_lowercase();
        let operation = &document["paths"][route.path()][&method];
        assert!(operation.is_object(), "{} {}", route.method(), route.path());
        let text = operation["summary"].as_str().unwrap();
        let admin_only = !route.is_open_on(Scope::Check);
        assert_eq!(text.contains("admin.sock only"), admin_only, "{text}");
    }
    for path in document["paths"].as_object().unwrap().values() {
        listed += path.as_object().unwrap().len();
    }
    assert_eq!(listed, Route::ALL.len());
}

#[test]
fn every_answer_is_as_the_document_says() {
    let daemon = Daemon::with(ACCOUNT);
    let document = document();
    let mut wrong = Vec::new();
    for (name, schema, answer) in captures(&daemon) {
        let schema = &document["components"]["schemas"][schema];
        conform(&document, schema, &answer.json(), name, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `explain` adds to an answer, and to a brief one what it rests on.
#[test]
fn every_explanation_is_as_the_document_says() {
    let daemon = Daemon::with(ACCOUNT);
    let document = document();
    let schemas = &document["components"]["schemas"];
    let mut wrong = Vec::new();
    let briefly = REJECTED.replace(r#","client""#, r#","brief":true,"client""#);
    for (name, question) in [("full", REJECTED), ("brief", BRIEF), ("briefly", &briefly)] {
        let answer = daemon.post("/v1/check", question).json();
        let id = answer["decisionId"].as_str().unwrap();
        let told = daemon.get(&format!("/v1/decisions/{id}/explain")).json();
        let mut explanation = Map::new();
        let mut reasons = Map::new();
        for (field, value) in told.as_object().unwrap() {
            match answer.get(field) {
                Some(answered) => assert_eq!(answered, value, "{name}.{field}"),
                None if field == "arithmetic" || field == "waiting" => {
                    explanation.insert(field.clone(), value.clone());
                }
                None => {
                    reasons.insert(field.clone(), value.clone());
                }
            }
        }
        let explanation = Value::Object(explanation);
        conform(
            &document,
            &schemas["Explanation"],
            &explanation,
            name,
            &mut wrong,
        );
        assert_eq!(reasons.is_empty(), name == "full", "{reasons:?}");
        if !reasons.is_empty() {
            let reasons = Value::Object(reasons);
            conform(
                &document,
                &schemas["BriefReasons"],
                &reasons,
                name,
                &mut wrong,
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documents_closed_lists_are_the_enums() {
    let document = document();
    let list = |schema: &str, path: &str| -> Vec<String> {
        let schema = format!("/components/schemas/{schema}{path}/enum");
        let list = document.pointer(&schema).unwrap().as_array().unwrap();
        list.iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        list("Finding", "/properties/code"),
        Code::ALL.map(Code::name)
    );
    assert_eq!(
        list("Finding", "/properties/retry"),
        Retry::ALL.map(Retry::name)
    );
    assert_eq!(
        list("ExchangeCost", "/properties/assumedFrom"),
        AssumedFrom::ALL.map(names::assumed_from)
    );
    assert_eq!(
        list("BriefAnswer", "/properties/decision"),
        Decision::ALL.map(Decision::name)
    );
    assert_eq!(
        list("BriefAnswer", "/properties/state"),
        Ladder::ALL.map(Ladder::name)
    );
    assert_eq!(list("AlertEvent", "/properties/kind"), notice::KINDS);
    assert_eq!(
        list("AlertLine", "/properties/rule"),
        Rule::ALL.map(Rule::name)
    );
    assert_eq!(
        list("AlertLine", "/properties/severity"),
        Severity::ALL.map(Severity::name)
    );
    assert_eq!(
        list("ErrorBody", "/properties/error/properties/code"),
        ErrorCode::ALL.map(ErrorCode::name)
    );
}

/// A small validator: types, properties, required, closed lists, references.
fn conform(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return conform(document, target, value, at, wrong);
    }
    if let Some(all) = schema["allOf"].as_array() {
        for one in all {
            conform(document, one, value, at, wrong);
        }
        return;
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|one| {
            let mut mistakes = Vec::new();
            conform(document, one, value, at, &mut mistakes);
            mistakes.is_empty()
        });
        if !fits {
            // The first alternative is the one that matters; the other is null.
            conform(document, &any[0], value, at, wrong);
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let permitted = match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => true,
    };
    if !permitted {
        wrong.push(format!("{at}: {kind} instead of {}", schema["type"]));
    }
    if let Some(list) = schema["enum"].as_array()
        && !list.contains(value)
    {
        wrong.push(format!("{at}: {value} is not listed"));
    }
    if let (Value::Array(items), Some(of)) = (value, schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            conform(document, of, item, &format!("{at}.{index}"), wrong);
        }
    }
    if let Value::Object(fields) = value {
        for (name, field) in fields {
            let of = match schema["properties"].get(name) {
                Some(of) => of,
                None if schema["additionalProperties"].is_object() => {
                    &schema["additionalProperties"]
                }
                None => {
                    wrong.push(format!("{at}.{name} is not in the document"));
                    continue;
                }
            };
            conform(document, of, field, &format!("{at}.{name}"), wrong);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                wrong.push(format!("{at}.{name} is required and missing"));
            }
        }
    }
}

fn protocol_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md")
}

/// Rows of the table after this mark, cells without their ticks.
fn table(text: &str, mark: &str) -> Vec<Vec<String>> {
    let mark = format!("<!-- table: {mark} -->\n");
    let rest = text.split(&mark).nth(1).unwrap_or_else(|| panic!("{mark}"));
    rest.lines()
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

fn column(text: &str, mark: &str, index: usize) -> Vec<String> {
    table(text, mark)
        .into_iter()
        .map(|row| row[index].clone())
        .collect()
}

#[test]
fn every_table_of_the_protocol_page_is_its_enum() {
    let text = fs::read_to_string(protocol_path()).unwrap();
    assert_eq!(column(&text, "codes", 0), Code::ALL.map(Code::name));
    assert_eq!(
        column(&text, "codes", 1),
        Code::ALL.map(|code| code.retry().name())
    );
    assert_eq!(
        column(&text, "decisions", 0),
        Decision::ALL.map(Decision::name)
    );
    assert_eq!(column(&text, "retry", 0), Retry::ALL.map(Retry::name));
    assert_eq!(column(&text, "ladder", 0), Ladder::ALL.map(Ladder::name));
    assert_eq!(column(&text, "planes", 0), Plane::ALL.map(Plane::name));
    assert_eq!(
        column(&text, "events", 0),
        EventKind::ALL.map(EventKind::name)
    );
    assert_eq!(column(&text, "alerts", 0), notice::KINDS);
    assert_eq!(
        column(&text, "exits", 0),
        Exit::ALL.map(|exit| exit.code().to_string())
    );
    assert_eq!(column(&text, "exits", 1), Exit::ALL.map(Exit::meaning));
    assert_eq!(
        column(&text, "errors", 0),
        ErrorCode::ALL.map(ErrorCode::name)
    );
    assert_eq!(
        column(&text, "errors", 1),
        ErrorCode::ALL.map(|code| code.status().to_string())
    );
    let routes = Route::ALL.map(|route| format!("{} {}", route.method(), route.path()));
    assert_eq!(column(&text, "routes", 0), routes);
    let admin = Route::ALL.map(|route| !route.is_open_on(Scope::Check));
    let told = column(&text, "routes", 1)
        .into_iter()
        .map(|cell| cell == "admin");
    assert_eq!(told.collect::<Vec<_>>(), admin);
}

/// With `CROSSGUARD_WRITE_DOCS=1` the page is written anew instead of compared.
#[test]
fn the_protocol_page_shows_real_bytes() {
    let daemon = Daemon::with(ACCOUNT);
    let text = fs::read_to_string(protocol_path()).unwrap();
    let mut made = text.clone();
    for (name, _, answer) in captures(&daemon) {
        let mark = format!("<!-- captured: {name} -->\n```json\n");
        let Some((before, rest)) = made.split_once(&mark) else {
            continue;
        };
        let (_, after) = rest.split_once("```").unwrap();
        made = format!("{before}{mark}{}```{after}", pretty(answer.text()));
    }
    if std::env::var_os("CROSSGUARD_WRITE_DOCS").is_some() {
        fs::write(protocol_path(), &made).unwrap();
        return;
    }
    assert!(text.matches("<!-- captured: ").count() >= 8);
    assert_eq!(
        made, text,
        "run with CROSSGUARD_WRITE_DOCS=1 and look at what changed"
    );
}

/// The same bytes with line ends and spaces between them: no value and no order is changed. Of
/// whoever asked, only what does not differ from run to run is shown.
fn pretty(json: &str) -> String {
    let json = json
        .replace(&format!("\"pid\":{}", std::process::id()), "\"pid\":4711")
        .replace(
            &format!("\"uid\":{}", rustix::process::geteuid().as_raw()),
            "\"uid\":1000",
        );
    let mut text = String::new();
    layout(json.as_bytes(), 0, &mut text);
    text.push('\n');
    text
}

/// Lays out one value; what fits a line stays on it.
fn layout(json: &[u8], depth: usize, text: &mut String) {
    let is_nest = matches!(json.first(), Some(b'{' | b'['));
    if !is_nest || json.len() + 2 * depth <= 100 {
        spaced(json, text);
        return;
    }
    let (open, close) = (json[0] as char, json[json.len() - 1] as char);
    let _ = writeln!(text, "{open}");
    let parts = parts(&json[1..json.len() - 1]);
    for (index, part) in parts.iter().enumerate() {
        let _ = write!(text, "{:indent$}", "", indent = 2 * depth + 2);
        let value_at = if open == '{' { name_end(part) + 1 } else { 0 };
        text.push_str(std::str::from_utf8(&part[..value_at]).unwrap());
        if value_at > 0 {
            text.push(' ');
        }
        layout(&part[value_at..], depth + 1, text);
        text.push_str(if index + 1 < parts.len() { ",\n" } else { "\n" });
    }
    let _ = write!(text, "{:indent$}{close}", "", indent = 2 * depth);
}

fn name_end(part: &[u8]) -> usize {
    1 + part[1..].iter().position(|byte| *byte == b'"').unwrap() + 1
}

/// What stands between commas of this level.
fn parts(inner: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut begin, mut depth, mut quoted, mut escaped) = (vec![], 0, 0, false, false);
    for (at, byte) in inner.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if begin < inner.len() {
        parts.push(&inner[begin..]);
    }
    parts
}

/// A space after commas and colons outside of texts.
fn spaced(json: &[u8], text: &mut String) {
    let (mut quoted, mut escaped) = (false, false);
    for character in std::str::from_utf8(json).unwrap().chars() {
        text.push(character);
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' | ':' if !quoted => text.push(' '),
            _ => {}
        }
    }
}
