//! `crossguard sim`: the simulated exchange alone.
//!
//! Owns: starting it, and the one line of JSON that says how to connect.
//! Must not know: how the exchange works.

use std::io::Write as _;
use std::net::SocketAddr;

use super::run::current_thread_runtime;
use super::{Exit, SimArgs, screen};
use crate::scenario::Scenario;
use crate::sim::{self, Sim};

/// Serves until a signal ends it.
pub(super) fn run(args: &SimArgs) -> Exit {
    match serve(args) {
        Ok(exit) => exit,
        Err(mistakes) => {
            for mistake in mistakes {
                screen::complain(&mistake);
            }
            Exit::Other
        }
    }
}

fn serve(args: &SimArgs) -> Result<Exit, Vec<String>> {
    let one = |error: String| vec![error];
    let options = options(args)?;
    let runtime = current_thread_runtime().map_err(one)?;
    runtime.block_on(async {
        let sim = Sim::start(options)
            .await
            .map_err(|error| one(error.to_string()))?;
        let announcement = serde_json::to_string(&sim.announcement());
        let announcement = announcement.map_err(|error| one(error.to_string()))?;
        let mut out = std::io::stdout().lock();
        // Whoever started us reads this line and may close the pipe.
        let _ = writeln!(out, "{announcement}");
        let _ = out.flush();
        drop(out);
        until_signal()
            .await
            .map_err(|error| one(error.to_string()))?;
        sim.shutdown().await;
        Ok(Exit::Allow)
    })
}

fn options(args: &SimArgs) -> Result<sim::Options, Vec<String>> {
    let listen: SocketAddr = args.listen.parse().map_err(|_| {
        vec![format!(
            "--listen {}: expected an address and a port such as 127.0.0.1:9100",
            args.listen
        )]
    })?;
    if !listen.ip().is_loopback() {
        return Err(vec![format!(
            "--listen {listen}: only loopback addresses are served"
        )]);
    }
    let scenario = match &args.scenario {
        None => None,
        Some(path) => {
            let name = path.display();
            let text =
                std::fs::read_to_string(path).map_err(|error| vec![format!("{name}: {error}")])?;
            let scenario = Scenario::parse(&text).map_err(|mistakes| {
                mistakes
                    .iter()
                    .map(|mistake| format!("{name}: {mistake}"))
                    .collect::<Vec<_>>()
            })?;
            Some(scenario)
        }
    };
    let seed = args.seed;
    Ok(sim::Options {
        listen,
        scenario,
        seed,
    })
}

async fn until_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
