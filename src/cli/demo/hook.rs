//! Where the demo's alerts arrive: a file that a command writes, and a webhook on this machine.
//!
//! Owns: the channels of the demo and what came over them.
//! Must not know: the story, when an alert is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::alerts::Address;
use crate::config::{Alerts, Channel};
use crate::guard::alarm::Severity;

/// Largest message that is taken, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// How long a connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where commands usually lie.
const TEE: [&str; 2] = ["/usr/bin/tee", "/bin/tee"];

/// What arrived.
pub(super) struct Hooks {
    titles: Arc<Mutex<Vec<String>>>,
    file: PathBuf,
}

impl Hooks {
    /// Listens, and says how a guard is to be set up to be heard here.
    pub(super) fn start(place: &Path) -> Result<(Self, Alerts), String> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| format!("the demo's webhook cannot listen: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("the demo's webhook cannot listen: {error}"))?;
        let titles: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&titles);
        std::thread::Builder::new()
            .name("demo-webhook".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let title = take(stream).unwrap_or_default();
                    let mut titles = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    titles.push(title);
                }
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        let file = place.with_extension("alert.json");
        let channel = |name: &str, address| Channel {
            name: name.to_owned(),
            address,
            severity: Severity::Warning,
            matching: None,
            only_escalations: false,
            per_minute: 60,
        };
        let program = TEE.into_iter().find(|tee| Path::new(tee).exists());
        let hook = Address::Exec {
            program: PathBuf::from(program.unwrap_or("/usr/bin/tee")),
            arguments: vec![file.display().to_string()],
        };
        let webhook = Address::Webhook {
            url: format!("http://{address}/alerts"),
            hmac: None,
        };
        let alerts = Alerts {
            channels: vec![channel("command", hook), channel("webhook", webhook)],
            heartbeat_s: 60,
            ..Alerts::default()
        };
        Ok((Self { titles, file }, alerts))
    }

    /// Titles that came over the webhook.
    pub(super) fn titles(&self) -> Vec<String> {
        let titles = self.titles.lock().unwrap_or_else(PoisonError::into_inner);
        titles.clone()
    }

    /// The title that the command was given last.
    pub(super) fn last_of_command(&self) -> Option<String> {
        let json = std::fs::read(&self.file).ok()?;
        title_of(&json)
    }
}

fn title_of(json: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(json).ok()?;
    value.get("title")?.as_str().map(str::to_owned)
}

/// One request, answered and read.
fn take(stream: TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; std::cmp::min(length, BODY_BYTES_MAX)];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).ok()?;
    title_of(&body)
}
