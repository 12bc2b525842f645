//! The command line.
//!
//! Owns: the verbs, what they print, and the exit code a script branches on.
//! Must not know: how anything is computed or decided. The verbs here ask a running daemon through
//! [`api`](crate::api)'s client and see exactly what every other client sees.

mod account;
mod alerts;
mod card;
mod check;
mod config;
mod demo;
mod desktop;
mod exit;
mod explain;
mod fix;
mod history;
mod orders;
mod positions;
mod run;
mod rung;
mod screen;
mod sim;
mod size;
mod status;
mod stress;
mod talk;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;

/// Shown below the commands.
const FIRST_STEPS: &str = "\
First steps:
  crossguard demo                   what it does, in a minute, without a key
  crossguard config check           is my configuration sound?
  crossguard run                    the daemon, in a terminal of its own
  crossguard check BTCUSDT buy 0.1  may I?";

/// A guard that stands before leveraged Binance futures orders: may a crossed position reach into
/// the rest of the wallet?
#[derive(Debug, Parser)]
#[command(
    name = "crossguard",
    version,
    after_help = format!("{FIRST_STEPS}\n\n{}", exit::HELP),
    max_term_width = 80
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A simulated exchange, the guard, and a trader's bad day: no key needed
    Demo(DemoArgs),
    /// The daemon
    Run(RunArgs),
    /// The simulated exchange alone
    Sim(SimArgs),
    /// May I send this order? A dry run unless --reserve
    #[command(after_help = format!("{}\n{}", check::HELP, exit::HELP))]
    Check(check::CheckArgs),
    /// The largest quantity that is allowed, and the largest that only warns
    #[command(after_help = size::HELP)]
    Size(size::SizeArgs),
    /// What the account breaks as it stands, and the least that leads back
    Fix(Common),
    /// The account under shocks: what would be lost, and what would be liquidated
    #[command(after_help = stress::HELP)]
    Stress(stress::StressArgs),
    /// How the guard is: red lines first, each with what to do
    Status(Common),
    /// Pools and wallets as they are
    Account(account::AccountArgs),
    /// Positions as they are
    Positions(Common),
    /// Working orders as they are
    Orders(Common),
    /// Alerts that fire, and how they are delivered
    Alerts(alerts::AlertsArgs),
    /// I saw this alert: do not repeat it
    Ack(alerts::AckArgs),
    /// Keep quiet about some alerts for a while; verdicts do not change
    Silence(alerts::SilenceArgs),
    /// Follow alerts on this desktop
    Watch(watch::WatchArgs),
    /// Past decisions, newest first
    #[command(after_help = history::HELP)]
    History(history::HistoryArgs),
    /// One past decision with everything it rested on: inputs, ages, the arithmetic, what waiting
    /// could change
    #[command(after_help = explain::HELP)]
    Explain(explain::ExplainArgs),
    /// Let nothing but exits pass
    Lock(rung::LockArgs),
    /// Let the rules decide again
    Unlock(Common),
    /// Read the policy anew
    Reload(Common),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigVerb),
}

/// What every command that talks to the daemon takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The daemon's socket; without it CROSSGUARD_SOCKET, then the usual places
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// Print what the daemon answered, byte for byte
    #[arg(long, global = true)]
    pub json: bool,
}

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Keep running at the end, so that every other command can be tried from a second terminal
    #[arg(long)]
    pub hold: bool,
    /// Seed of the market
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many times as fast the story is told
    #[arg(long, default_value = "1", value_name = "FACTOR")]
    pub speed: String,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The configuration file; without it the usual places, then defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replace one value of the configuration; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// Flags of `sim`.
#[derive(Debug, Clone, Args)]
pub struct SimArgs {
    /// Where to listen, on this machine; port 0 is any
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub listen: String,
    /// The account, the market and its mishaps
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Seed of the market
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

/// Commands about the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigVerb {
    /// Tell every mistake at once
    Check(RunArgs),
    /// Print the configuration as it would be used
    Show(RunArgs),
}

/// Reads the arguments, runs the verb, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run_verb(cli.verb).into(),
        Err(error) => {
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Allow
            };
            // Nobody reads any more: that is no failure of ours.
            drop(error.print());
            exit.into()
        }
    }
}

fn run_verb(verb: Verb) -> Exit {
    match verb {
        Verb::Check(args) => check::run(&args),
        Verb::Size(args) => size::run(&args),
        Verb::Fix(args) => fix::run(&args),
        Verb::Stress(args) => stress::run(&args),
        Verb::Status(args) => status::run(&args),
        Verb::Account(args) => account::run(&args),
        Verb::Positions(args) => positions::run(&args),
        Verb::Orders(args) => orders::run(&args),
        Verb::Alerts(args) => alerts::run(&args),
        Verb::Ack(args) => alerts::acknowledge(&args),
        Verb::Silence(args) => alerts::silence(&args),
        Verb::Watch(args) => watch::run(&args),
        Verb::History(args) => history::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Lock(args) => rung::lock(&args),
        Verb::Unlock(args) => rung::unlock(&args),
        Verb::Reload(args) => rung::reload(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Sim(args) => sim::run(&args),
        Verb::Config(verb) => config::run(&verb),
    }
}
