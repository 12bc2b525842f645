//! Every table but `[policy]`, from text to proof.
//!
//! Owns: which keys each table has, their defaults and bounds.
//! Must not know: limits (the policy's), how mistakes are collected.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::prover::{Prover, Section, nearest};
use super::raw::{Place, Value};
use super::{Environment, Exchange, Gateway, Key, Marks, Socket, policy};

/// A Unix socket's path, its closing zero included, fits into this many bytes.
const SOCKET_PATH_BYTES: usize = 108;
const SOCKET_NAME: &str = "crossguard/crossguard.sock";
const ADMIN_NAME: &str = "admin.sock";
const STATE_NAME: &str = "crossguard";

pub(super) fn exchange(prover: &mut Prover<'_>, root: &mut Section) -> Option<Exchange> {
    let mut section = prover.section(root, "exchange");
    let marks = word(
        prover,
        &mut section,
        "marks",
        &[("used", Marks::Used), ("all", Marks::All)],
    );
    let environments = [("production", 0), ("demo", 1), ("custom", 2)];
    let chosen = word(prover, &mut section, "environment", &environments);
    let environment = if chosen == Some(2) {
        custom(prover, &mut section)
    } else {
        refuse_urls(prover, &mut section);
        Some(if chosen == Some(1) {
            Environment::Demo
        } else {
            Environment::Production
        })
    };
    prover.finish(
        section,
        &[
            "marks",
            "environment",
            "rest_url",
            "stream_url",
            "ws_api_url",
        ],
    );
    Some(Exchange {
        marks: marks.unwrap_or_default(),
        environment: environment?,
    })
}

/// One of a few words.
fn word<T: Copy>(
    prover: &mut Prover<'_>,
    section: &mut Section,
    name: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let key = section.key(name);
    let (text, place) = prover.text(section, name)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let message = match nearest(&text, &known) {
        Some(nearest) => format!("{text:?} is not a choice; did you mean {nearest:?}?"),
        None => format!(
            "{text:?} is not a choice; choose from: {}",
            known.join(", ")
        ),
    };
    prover.mistake(place, &key, message);
    None
}

fn custom(prover: &mut Prover<'_>, section: &mut Section) -> Option<Environment> {
    let rest_url = address(prover, section, "rest_url", ["http", "https"]);
    let stream_url = address(prover, section, "stream_url", ["ws", "wss"]);
    let ws_api_url = address(prover, section, "ws_api_url", ["ws", "wss"]);
    Some(Environment::Custom {
        rest_url: rest_url?,
        stream_url: stream_url?,
        ws_api_url: ws_api_url?,
    })
}

/// An address of a custom exchange. Without encryption only on this machine: the key travels in it.
fn address(
    prover: &mut Prover<'_>,
    section: &mut Section,
    name: &str,
    [plain, encrypted]: [&str; 2],
) -> Option<String> {
    let key = section.key(name);
    let place = section.place;
    let Some(node) = section.take(name) else {
        prover.mistake(place, &key, "is needed with environment = \"custom\"");
        return None;
    };
    let (text, place) = prover.as_text(&key, &node, "an address in quotes")?;
    let problem = match Url::parse(&text) {
        Err(error) => Some(format!("is not an address: {error}")),
        Ok(url) => {
            let scheme = url.scheme();
            if scheme != plain && scheme != encrypted {
                Some(format!("must begin with {plain}:// or {encrypted}://"))
            } else if !url.username().is_empty() || url.password().is_some() {
                Some("must not carry a user or a password".to_owned())
            } else if url.query().is_some() || url.fragment().is_some() {
                Some("must end with its path".to_owned())
            } else if scheme == plain && !is_loopback(&url) {
                Some(format!(
                    "must begin with {encrypted}:// outside of this machine"
                ))
            } else {
                None
            }
        }
    };
    match problem {
        None => Some(text.trim_end_matches('/').to_owned()),
        Some(problem) => {
            // The text itself is not repeated: it may carry a password.
            prover.mistake(place, &key, problem);
            None
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn refuse_urls(prover: &mut Prover<'_>, section: &mut Section) {
    for name in ["rest_url", "stream_url", "ws_api_url"] {
        let key = section.key(name);
        if let Some(node) = section.take(name) {
            prover.mistake(
                node.place,
                &key,
                "is only for environment = \"custom\"; the environment fixes every host",
            );
        }
    }
}

/// A credential of the service manager comes before a file of the configuration.
pub(super) fn key(prover: &mut Prover<'_>, root: &mut Section) -> Key {
    let mut section = prover.section(root, "key");
    let before = prover.mistakes.len();
    let api_key = prover.path(&mut section, "api_key_file");
    let secret = prover.path(&mut section, "secret_file");
    let credentials = prover.variable("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    if credentials.is_none() && prover.mistakes.len() == before {
        let missing = match (&api_key, &secret) {
            (Some((_, place)), None) => Some((*place, "key.secret_file", "key.api_key_file")),
            (None, Some((_, place))) => Some((*place, "key.api_key_file", "key.secret_file")),
            _ => None,
        };
        if let Some((place, missing, given)) = missing {
            prover.mistake(place, missing, format!("is needed beside {given}"));
        }
    }
    let files = |id: &str, file: Option<(PathBuf, Place)>| {
        let credential = credentials.as_ref().map(|folder| folder.join(id));
        credential
            .into_iter()
            .chain(file.map(|(path, _)| path))
            .collect()
    };
    let key = Key {
        api_key_files: files("api_key", api_key),
        secret_files: files("secret", secret),
    };
    prover.finish(section, &["api_key_file", "secret_file"]);
    key
}

pub(super) fn socket(prover: &mut Prover<'_>, root: &mut Section) -> Option<Socket> {
    let mut section = prover.section(root, "socket");
    let key = section.key("path");
    let place = section.place;
    let before = prover.mistakes.len();
    let given = prover.path(&mut section, "path");
    let wrong = prover.mistakes.len() > before;
    prover.finish(section, &["path"]);
    let (path, place) = match given {
        Some(given) => given,
        None if wrong => return None,
        None => (default_socket(prover, &key), place),
    };
    let admin_path = path.with_file_name(ADMIN_NAME);
    let longest = path.as_os_str().len().max(admin_path.as_os_str().len());
    if longest >= SOCKET_PATH_BYTES {
        let message = format!(
            "{} is too long: a socket's path must stay below {SOCKET_PATH_BYTES} bytes",
            path.display()
        );
        prover.mistake(place, &key, message);
        None
    } else if path == admin_path || path.file_name().is_none() {
        let message = format!("must name a file other than {ADMIN_NAME}");
        prover.mistake(place, &key, message);
        None
    } else {
        Some(Socket { path, admin_path })
    }
}

fn default_socket(prover: &mut Prover<'_>, key: &str) -> PathBuf {
    let folder = prover
        .variable("XDG_RUNTIME_DIR")
        .filter(|folder| Path::new(folder).is_absolute());
    if folder.is_some() {
        prover.came_from_environment(key, "XDG_RUNTIME_DIR");
    }
    Path::new(folder.as_deref().unwrap_or("/run")).join(SOCKET_NAME)
}

pub(super) fn gateways(prover: &mut Prover<'_>, root: &mut Section) -> Vec<Gateway> {
    let Some(node) = root.take("gateway") else {
        return Vec::new();
    };
    let Value::List(items) = node.value else {
        prover.mistake(
            node.place,
            "gateway",
            "expected a list of tables: write [[gateway]] with two brackets",
        );
        return Vec::new();
    };
    let mut taken = BTreeSet::new();
    let mut gateways = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let place = item.place;
        let section = prover.as_section(item, format!("gateway[{index}]"));
        if let Some(gateway) = gateway(prover, section) {
            if gateway.listen.port() != 0 && !taken.insert(gateway.listen) {
                let message = format!("another gateway listens on {} already", gateway.listen);
                prover.mistake(place, &format!("gateway[{index}].listen"), message);
            }
            gateways.push(gateway);
        }
    }
    gateways
}

fn gateway(prover: &mut Prover<'_>, mut section: Section) -> Option<Gateway> {
    let before = prover.mistakes.len();
    let listen = prover.loopback(&mut section, "listen");
    if listen.is_none() && prover.mistakes.len() == before {
        let key = section.key("listen");
        prover.mistake(section.place, &key, "is needed, such as \"127.0.0.1:9180\"");
    }
    let key = section.key("client");
    let client = prover
        .text(&mut section, "client")
        .filter(|(name, place)| policy::is_client(prover, &key, name, *place))
        .map(|(name, _)| name);
    prover.finish(section, &["listen", "client"]);
    Some(Gateway {
        listen: listen?,
        client,
    })
}

pub(super) fn state(prover: &mut Prover<'_>, root: &mut Section) -> Option<PathBuf> {
    let mut section = prover.section(root, "state");
    let key = section.key("dir");
    let place = section.place;
    let before = prover.mistakes.len();
    let given = prover.path(&mut section, "dir");
    prover.finish(section, &["dir"]);
    if given.is_some() || prover.mistakes.len() > before {
        return given.map(|(path, _)| path);
    }
    // The service manager's variable may list several folders; the first is the state.
    let state = prover
        .variable("STATE_DIRECTORY")
        .and_then(|folders| folders.split(':').next().map(PathBuf::from));
    let shared = prover.variable("XDG_STATE_HOME").map(PathBuf::from);
    let home = prover.variable("HOME").map(PathBuf::from);
    let (path, variable) = match (state, shared, home) {
        (Some(state), _, _) => (state, "STATE_DIRECTORY"),
        (None, Some(shared), _) => (shared.join(STATE_NAME), "XDG_STATE_HOME"),
        (None, None, Some(home)) => (home.join(".local/state").join(STATE_NAME), "HOME"),
        (None, None, None) => {
            prover.mistake(
                place,
                &key,
                "is needed: neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME is set",
            );
            return None;
        }
    };
    if path.is_absolute() {
        prover.came_from_environment(&key, variable);
        Some(path)
    } else {
        prover.mistake(place, &key, format!("{variable} is not an absolute path"));
        None
    }
}

pub(super) fn metrics(prover: &mut Prover<'_>, root: &mut Section) -> Option<SocketAddr> {
    let mut section = prover.section(root, "metrics");
    let listen = prover.loopback(&mut section, "listen");
    prover.finish(section, &["listen"]);
    listen
}
