//! `crossguard run`: the daemon.
//!
//! Owns: the life of the process: configuration, keys, sockets, signals, ready, drain.
//! Must not know: any rule.

mod alerts;
mod assemble;
mod listener;
mod passed;
mod recorder;
mod reload;

use std::path::Path;

use secrecy::ExposeSecret as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use assemble::{Plan, Running, current_thread_runtime};
pub(crate) use listener::Said;
pub(crate) use passed::Passed;
pub(crate) use reload::fixed as fixed_policy;

use super::{Exit, RunArgs, screen};
use crate::api::record::Peer;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::daemon::core::PolicyInForce;
use crate::daemon::{memory, systemd};
use crate::exchange::{self, Credentials, Environment};
use crate::telemetry::{self, Format};

/// Runs the daemon until a signal ends it.
pub(super) fn run(args: &RunArgs) -> Exit {
    // First of all: it changes the environment, which threads must not see happen.
    let passed = match Passed::from_environment() {
        Ok(passed) => passed,
        Err(error) => {
            screen::complain(&error);
            return Exit::Other;
        }
    };
    let config = match load(args) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in mistakes {
                screen::complain(&mistake);
            }
            return Exit::Other;
        }
    };
    if let Err(error) = telemetry::init(log_format(), &environment) {
        screen::complain(&error.to_string());
        return Exit::Other;
    }
    telemetry::install_panic_hook();
    keep_memory_private();
    memory::keep_freed_memory();
    match serve(args, config, passed) {
        Ok(()) => Exit::Allow,
        Err(error) => {
            screen::complain(&error);
            Exit::Other
        }
    }
}

/// The proved configuration, or every mistake in it.
pub(super) fn load(args: &RunArgs) -> Result<Config, Vec<String>> {
    let words = |mistakes: Vec<config::Mistake>| -> Vec<String> {
        mistakes.iter().map(ToString::to_string).collect()
    };
    let file = config::locate(args.config.as_deref(), &environment);
    let text = match &file {
        None => None,
        Some(path) => Some((
            path.display().to_string(),
            config::read(path).map_err(|mistake| words(vec![mistake]))?,
        )),
    };
    let source = text
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    config::load(source, &args.set, &environment).map_err(words)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The journal adds the time; a terminal or a file does not.
fn log_format() -> Format {
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        Format::Journal
    } else {
        Format::Text
    }
}

/// Another process of the same user must not read the secret out of our memory, and no core file
/// may hold it.
fn keep_memory_private() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("memory stays readable for debuggers: {error}");
    }
}

fn serve(args: &RunArgs, config: Config, passed: Passed) -> Result<(), String> {
    let runtime = current_thread_runtime()?;
    // Signals are handled before anybody is told that we are ready: a stop that comes at once
    // must not kill us half way.
    let mut signals = {
        let _guard = runtime.enter();
        Signals::install().map_err(|error| format!("cannot handle signals: {error}"))?
    };
    let bound_here = || config.socket.path.clone();
    let socket = passed.check_path().unwrap_or_else(bound_here);
    let mut running = Running::start(plan(args, config, passed))?;
    tracing::info!(
        "answering on {}",
        telemetry::Safe(&socket.display().to_string())
    );
    systemd::ready("answering; getting in step with the exchange");
    let failed = running.failed.clone();
    runtime.block_on(async {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                () = failed.cancelled() => return,
                Some(line) = running.said.recv() => log(&line),
                _ = signals.hangup.recv() => reload_on_signal(&running).await,
            }
        }
    });
    systemd::stopping();
    tracing::info!("stopping");
    let crashed = failed.is_cancelled();
    let clean = running.stop();
    if crashed || !clean {
        return Err("a part of the daemon failed; the service manager should restart it".into());
    }
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// A reload that is in force is told by itself.
async fn reload_on_signal(running: &Running) {
    let ourselves = Peer {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        pid: Some(std::process::id()),
    };
    if let Err(mistakes) = (running.reload)(ourselves).await {
        for mistake in mistakes {
            tracing::warn!("policy not reloaded: {}", telemetry::Safe(&mistake));
        }
    }
}

fn log(line: &Said) {
    match line {
        Said::Info(line) => tracing::info!("{}", telemetry::Safe(line)),
        Said::Warning(line) => tracing::warn!("{}", telemetry::Safe(line)),
    }
}

fn plan(args: &RunArgs, config: Config, passed: Passed) -> Plan {
    let clock = Clock::machine();
    // Spreads reconnects and makes ids unique; nothing rests on its secrecy.
    let now = clock.now();
    let seed = now.wall_ms.unsigned_abs().rotate_left(20) ^ now.boot_us.unsigned_abs();
    let (credentials, without_key) = match credentials(&config) {
        Ok(credentials) => (Some(credentials), String::new()),
        Err(reason) => (None, reason),
    };
    let args = args.clone();
    Plan {
        exchange: exchange::Options {
            environment: hosts(&config.exchange.environment),
            credentials,
            without_key,
            clock: clock.clone(),
            seed,
            state_dir: Some(config.state_dir.clone()),
            extra_roots: None,
        },
        all_marks: config.exchange.marks == config::Marks::All,
        socket: config.socket.path,
        admin: config.socket.admin_path,
        passed,
        state_dir: config.state_dir,
        in_force: PolicyInForce {
            policy: config.policy,
            fingerprint: config.policy_fingerprint,
        },
        metrics_listen: config.metrics_listen,
        alerts: config.alerts,
        clock,
        seed,
        reload: Box::new(move |parts| reload::from_file(args, parts)),
    }
}

fn hosts(environment: &config::Environment) -> Environment {
    match environment {
        config::Environment::Production => Environment::Production,
        config::Environment::Demo => Environment::Demo,
        config::Environment::Custom {
            rest_url,
            stream_url,
            ws_api_url,
        } => Environment::Custom {
            rest: rest_url.clone(),
            stream: stream_url.clone(),
            ws_api: ws_api_url.clone(),
        },
    }
}

/// The key, or why there is none. Without one the daemon stays up, says so and rejects.
fn credentials(config: &Config) -> Result<Credentials, String> {
    let half = |what: &str, files: &[std::path::PathBuf]| {
        let found = config::secret::read(files).map_err(|error| error.to_string())?;
        found.ok_or_else(|| match files.first() {
            Some(file) => format!("no {what}: {} does not exist", shown(file)),
            None => format!(
                "no {what} is configured: set key.api_key_file and key.secret_file to a read-only key"
            ),
        })
    };
    let api_key = half("API key", &config.key.api_key_files)?;
    let secret = half("API secret", &config.key.secret_files)?;
    Credentials::detect(
        api_key.expose_secret().to_owned(),
        secret.expose_secret().to_owned(),
    )
    .map_err(|error| format!("the API secret cannot sign: {error}"))
}

fn shown(path: &Path) -> String {
    telemetry::Safe(&path.display().to_string()).to_string()
}
