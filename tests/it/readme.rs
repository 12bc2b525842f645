//! The snippets of the README do what they promise: ten lines each, a deadline, and no permission
//! without an allow or a warn. Run with what the machine has of Python and Node.js.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::api_rig::{ACCOUNT, Daemon};

/// Each the symbol's side, quantity and what may be sent.
const ASKED: [(&str, bool); 4] = [
    (
        r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.01"}"#,
        true,
    ),
    (
        r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.5"}"#,
        true,
    ),
    (
        r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"20"}"#,
        false,
    ),
    (
        r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantty":"0.01"}"#,
        false,
    ),
];

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).unwrap()
}

/// The code after this fence.
fn snippet(fence: &str) -> String {
    let text = readme();
    let (_, rest) = text.split_once(&format!("```{fence}\n")).unwrap();
    let (code, _) = rest.split_once("```").unwrap();
    code.to_owned()
}

/// Runs a program in a folder where the socket would lie; `None` where the machine has none.
fn output(program: &str, file: &Path, runtime: &Path) -> Option<String> {
    let ran = Command::new(program)
        .arg(file)
        .env("XDG_RUNTIME_DIR", runtime)
        .stdin(Stdio::null())
        .output();
    let Ok(ran) = ran else {
        println!("{program} is not there: its snippet was only counted");
        return None;
    };
    let complaint = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{complaint}");
    Some(String::from_utf8(ran.stdout).unwrap().to_lowercase())
}

/// A folder that holds `crossguard/crossguard.sock`, a link to this socket.
fn beside(socket: &Path) -> TempDir {
    let runtime = tempfile::tempdir().unwrap();
    fs::create_dir(runtime.path().join("crossguard")).unwrap();
    std::os::unix::fs::symlink(socket, runtime.path().join("crossguard/crossguard.sock")).unwrap();
    runtime
}

/// Asks through a snippet: a daemon, one that accepts and never answers, one that answers nonsense,
/// and none.
fn held_to_its_promise(program: &str, name: &str, source: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, source).unwrap();
    let daemon = Daemon::with(ACCOUNT);
    let Some(said) = output(program, &file, beside(&daemon.socket()).path()) else {
        return;
    };
    let expected: Vec<&str> = ASKED
        .iter()
        .map(|(_, may)| if *may { "true" } else { "false" })
        .collect();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), expected);
    let refused = vec!["false"; ASKED.len()];
    let answers = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnot JSON!",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 20\r\n\r\n{\"decision\":\"allow\"}",
        "HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"decision\":\"perhaps\"}",
    ];
    let silent = folder.path().join("silent.sock");
    let listener = UnixListener::bind(&silent).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (place, stream) in listener.incoming().flatten().enumerate() {
            let mut stream = stream;
            drop(stream.read(&mut [0; 4096]));
            drop(stream.write_all(answers[place % answers.len()].as_bytes()));
            kept.push(stream);
        }
    });
    let said = output(program, &file, beside(&silent).path()).unwrap();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), refused);
    let nowhere = tempfile::tempdir().unwrap();
    let said = output(program, &file, nowhere.path()).unwrap();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), refused);
}

#[test]
fn ten_lines_of_python_ask_before_they_send() {
    let code = snippet("python");
    assert_eq!(code.lines().count(), 10);
    let mut source = code;
    for (order, _) in ASKED {
        source.push_str(&format!("print(may_send({order}))\n"));
    }
    held_to_its_promise("python3", "ask.py", &source);
}

#[test]
fn ten_lines_of_typescript_ask_before_they_send() {
    let code = snippet("ts");
    assert_eq!(code.lines().count(), 10);
    // Its two types taken away, it is JavaScript.
    let mut source = code
        .replace("(order: object)", "(order)")
        .replace("<boolean>", "");
    for (order, _) in ASKED {
        source.push_str(&format!("console.log(await maySend({order}));\n"));
    }
    held_to_its_promise("node", "ask.mjs", &source);
}
