//! The configuration: from text to proof, with every mistake reported at once.
//!
//! Owns: which keys exist, their defaults, and where each effective value came from.
//! Must not know: what any other room does with a value. The environment is read only through
//! the function it is given; the content of a key file is read only by [`secret::read`].

mod alerts;
mod mistake;
mod policy;
mod prover;
mod raw;
mod scenario;
pub mod secret;
mod sections;
mod show;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use alerts::{Alerts, Channel, heartbeat_credential, is_heartbeat_url};
pub use mistake::Mistake;
pub use policy::fingerprint;

use crate::guard::policy::Policy;
use prover::{Prover, Section};

/// The file's name under a `crossguard` folder.
const FILE_NAME: &str = "crossguard/crossguard.toml";

/// The tables that exist.
const TABLES: [&str; 8] = [
    "exchange", "key", "socket", "gateway", "state", "policy", "alerts", "metrics",
];

/// Where an effective value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Shipped.
    Default,
    /// This line of the file.
    File {
        /// Counted from 1.
        line: usize,
    },
    /// `--set`.
    Set,
    /// This environment variable.
    Environment(&'static str),
}

/// Which mark-price streams are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Marks {
    /// Of symbols that are held, ordered, listed in the policy or asked about lately.
    #[default]
    Used,
    /// Of the whole market.
    All,
}

/// Which exchange, and with it every host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Environment {
    /// The real one.
    #[default]
    Production,
    /// The exchange's own playground.
    Demo,
    /// Named hosts, such as a simulated exchange.
    Custom {
        /// `http://127.0.0.1:9100`, without a slash at the end.
        rest_url: String,
        /// `ws://127.0.0.1:9100`, without a slash at the end.
        stream_url: String,
        /// `ws://127.0.0.1:9100/ws-fapi/v1`.
        ws_api_url: String,
    },
}

/// `[exchange]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// Which mark-price streams are followed.
    pub marks: Marks,
    /// Which hosts.
    pub environment: Environment,
}

/// `[key]`: where the key lies. The first file that exists counts; never a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// Where the API key may lie, best first.
    pub api_key_files: Vec<PathBuf>,
    /// Where the secret may lie, best first.
    pub secret_files: Vec<PathBuf>,
}

/// `[socket]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// The socket of the clients.
    pub path: PathBuf,
    /// The socket of the administrator, in the same folder.
    pub admin_path: PathBuf,
}

/// One `[[gateway]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Where it listens: loopback.
    pub listen: SocketAddr,
    /// Whose orders come in here, by name.
    pub client: Option<String>,
}

/// The proved configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[exchange]`.
    pub exchange: Exchange,
    /// `[key]`.
    pub key: Key,
    /// `[socket]`.
    pub socket: Socket,
    /// Every `[[gateway]]`; none switches the gateway off.
    pub gateways: Vec<Gateway>,
    /// `[state] dir`.
    pub state_dir: PathBuf,
    /// `[policy]`.
    pub policy: Policy,
    /// `sha256:` and the hash of the policy in force.
    pub policy_fingerprint: String,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[metrics] listen`; `None`: metrics are on the socket alone.
    pub metrics_listen: Option<SocketAddr>,
    origins: BTreeMap<String, Origin>,
}

impl Config {
    /// Where the value of this key (`policy.leverage.warn`) came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or(Origin::Default)
    }

    /// The effective configuration as TOML, each value with its origin. Key files are named, never
    /// read.
    #[must_use]
    pub fn show(&self) -> String {
        show::render(self)
    }
}

/// The configuration file that counts: the explicit one, else the first that exists of
/// `$XDG_CONFIG_HOME/crossguard/crossguard.toml` (`~/.config` when that is not set) and
/// `/etc/crossguard/crossguard.toml`. `None` means defaults.
#[must_use]
pub fn locate(explicit: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    if let Some(explicit) = explicit {
        return Some(explicit.to_owned());
    }
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let own = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".config")))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(FILE_NAME));
    [own, Some(Path::new("/etc").join(FILE_NAME))]
        .into_iter()
        .flatten()
        // One that is there but cannot be looked at must fail loudly, not be passed over.
        .find(|path| path.try_exists().unwrap_or(true))
}

/// Reads a configuration file.
///
/// # Errors
/// A [`Mistake`] when it cannot be read, is too large or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Mistake> {
    use std::io::Read as _;
    let mistake = |message: String| Mistake {
        source: path.display().to_string(),
        line: 0,
        column: 0,
        key: String::new(),
        message,
    };
    let limit = u64::try_from(raw::TEXT_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| mistake(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| mistake(format!("is not UTF-8 text: {error}")))
}

/// Proves a configuration: the text of a file (with the name to report it under), `--set`
/// overrides on top, defaults and the environment beneath.
///
/// # Errors
/// Every mistake, in the order of the file.
pub fn load(
    source: Option<(&str, &str)>,
    sets: &[String],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Mistake>> {
    let (name, text) = source.unwrap_or(("defaults", ""));
    let mut mistakes = Vec::new();
    let mut tree = raw::read_file(name, text).unwrap_or_else(|found| {
        mistakes.extend(found);
        raw::Table::new()
    });
    for set in sets {
        match raw::read_override(set) {
            Ok(over) => raw::merge(&mut tree, over),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let mut prover = Prover {
        file: name,
        env,
        mistakes,
        origins: BTreeMap::new(),
    };
    let config = prove(&mut prover, Section::root(tree));
    let mut mistakes = prover.mistakes;
    match config {
        Some(mut config) if mistakes.is_empty() => {
            config.origins = prover.origins;
            Ok(config)
        }
        _ => {
            mistakes.sort_by(|a, b| {
                let place = |m: &Mistake| (m.line == 0, m.line, m.column);
                place(a).cmp(&place(b))
            });
            Err(mistakes)
        }
    }
}

fn prove(prover: &mut Prover<'_>, mut root: Section) -> Option<Config> {
    let exchange = sections::exchange(prover, &mut root);
    let key = sections::key(prover, &mut root);
    let socket = sections::socket(prover, &mut root);
    let gateways = sections::gateways(prover, &mut root);
    let state_dir = sections::state(prover, &mut root);
    let policy = policy::prove(prover, &mut root);
    let alerts = alerts::prove(prover, &mut root);
    let metrics_listen = sections::metrics(prover, &mut root);
    prover.finish(root, &TABLES);
    Some(Config {
        exchange: exchange?,
        key,
        socket: socket?,
        gateways,
        state_dir: state_dir?,
        policy_fingerprint: fingerprint(&policy),
        policy,
        alerts,
        metrics_listen,
        origins: BTreeMap::new(),
    })
}
