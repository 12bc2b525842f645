//! `crossguard demo`: two traders, one market, one bad day.
//!
//! Owns: the story. Every figure it shows was computed by the running daemons or by the simulated
//! exchanges.
//! Must not know: how any of them works.

mod coin;
mod hook;
mod stage;
mod trader;

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use rust_decimal::Decimal;

use self::coin::{Coin, is_flat};
use self::stage::{Account, Folder};
use self::trader::{Dictionary, market};
use super::run::current_thread_runtime;
use super::{DemoArgs, Exit, card, screen};
use crate::api::client::EventReader;
use crate::api::protocol::account::AccountAnswer;
use crate::api::protocol::answer::CheckAnswer;
use crate::api::protocol::notice::AlertEvent;
use crate::api::shown;
use crate::clock::Clock;

/// What BTCUSDT does on the bad day: tens of USDT below 60,000.
const FALL: [i64; 16] = [
    20, 45, 30, 60, 110, 150, 130, 190, 240, 280, 320, 370, 410, 450, 480, 520,
];

/// Slowest and fastest telling.
const SPEED_MIN: Decimal = Decimal::from_parts(1, 0, 0, false, 1);
const SPEED_MAX: Decimal = Decimal::from_parts(1000, 0, 0, false, 0);

/// Tells the story.
pub(super) fn run(args: &DemoArgs) -> Exit {
    let speed = match crate::margin::amount::parse(&args.speed) {
        Ok(speed) if speed >= SPEED_MIN && speed <= SPEED_MAX => speed,
        _ => {
            screen::complain(&format!(
                "--speed {}: expected a number from 0.1 to 1000",
                args.speed
            ));
            return Exit::Usage;
        }
    };
    let told = current_thread_runtime().and_then(|runtime| runtime.block_on(tell(args, speed)));
    match told {
        Ok(()) => Exit::Allow,
        Err(error) => {
            screen::complain(&error);
            Exit::Other
        }
    }
}

/// Plays a scenario file on a simulated exchange, puts a guard beside it, and asks that one.
pub(super) fn on_scenario(
    file: &Path,
    asking: impl FnOnce(&Path) -> Exit + Send + 'static,
) -> Exit {
    let asked = read_scene(file).and_then(|scene| {
        let runtime = current_thread_runtime()?;
        runtime.block_on(async {
            let folder = Folder::make(&Clock::machine())?;
            let account = Account::start_on("scenario", &folder, 7, &scene).await?;
            let socket = account.socket.clone();
            let exit = tokio::task::spawn_blocking(move || asking(&socket)).await;
            account.end().await;
            exit.map_err(|error| error.to_string())
        })
    });
    asked.unwrap_or_else(|error| {
        screen::complain(&error);
        Exit::Other
    })
}

/// A file of several accounts, as tests have them, is read up to its first dividing line.
fn read_scene(file: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    let size = std::fs::metadata(file).map_err(told)?.len();
    if size > SCENE_BYTES_MAX {
        return Err(format!("{}: longer than 1 MiB", file.display()));
    }
    let text = std::fs::read_to_string(file).map_err(told)?;
    let lines = text.lines().take_while(|line| line.trim() != "---");
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Longest scenario file that is read.
const SCENE_BYTES_MAX: u64 = 1024 * 1024;

/// Paces the telling.
struct Teller {
    speed: Decimal,
}

impl Teller {
    /// A line.
    fn say(&self, text: &str) -> Result<(), String> {
        screen::print(&format!("{text}\n")).map_err(|_| "standard output is gone".to_owned())
    }

    /// A headline with room around it.
    fn chapter(&self, text: &str) -> Result<(), String> {
        self.say(&format!("\n{}", screen::bold(format!("━━ {text}"))))
    }

    /// A moment to read.
    async fn pause(&self, millis: i64) {
        let millis = Decimal::from(millis).checked_div(self.speed);
        let millis = millis
            .and_then(|millis| u64::try_from(millis.trunc()).ok())
            .unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

async fn tell(args: &DemoArgs, speed: Decimal) -> Result<(), String> {
    let teller = Teller { speed };
    let folder = Folder::make(&Clock::machine())?;
    teller.say(&screen::bold(
        "crossguard demo: two traders, the same market, one bad day",
    ))?;
    teller.say(
        "Simulated exchanges and guards are starting on this machine. No key, no network\n\
         beyond loopback. Alice listens to her guard. Bob does not.",
    )?;
    let (alice, bob, coin) = tokio::try_join!(
        Account::start("alice", &folder, args.seed),
        Account::start("bob", &folder, args.seed),
        Coin::start(&folder, args.seed),
    )?;
    let told = Box::pin(play(&teller, &alice, &bob, &coin)).await;
    if told.is_ok() && args.hold {
        hold(&teller, &alice, &bob).await?;
    }
    tokio::join!(alice.end(), bob.end(), coin.end());
    told
}

async fn play(teller: &Teller, alice: &Account, bob: &Account, coin: &Coin) -> Result<(), String> {
    let mut refused = 0;
    teller.pause(1_000).await;
    teller.chapter("Each has 1,000 USDT. A small order first.")?;
    let small = market("ETHUSDT", "BUY", "0.1");
    let verdict = alice.trader.ask(&small).await?;
    teller.say(&format!("\n{}", card::summary(&verdict).trim_end()))?;
    place(alice, &small).await?;
    place(bob, &small).await?;
    teller.pause(2_500).await;

    ticket(teller, alice, bob).await?;
    teller.pause(2_000).await;

    teller.chapter("Bob wants more of it.")?;
    let more = market("BTCUSDT", "BUY", "0.16");
    let verdict = bob.trader.ask(&more).await?;
    show(teller, &verdict)?;
    refused += i32::from(verdict.decision == "reject");
    teller.pause(4_500).await;
    teller.say("Bob sends it anyway, past the guard, from his phone.")?;
    let listening = bob.trader.guard.events(None).await;
    let mut ears = listening.map_err(|error| error.to_string())?;
    place(bob, &more).await?;
    let told = alert(&mut ears, "unguarded").await?;
    let noticed = format!("his guard noticed: {}", told.message);
    teller.say(screen::wrapped(&noticed, "  ").trim_end())?;
    teller.pause(2_000).await;

    fall(teller, alice, bob, &mut ears).await?;
    channels(teller, bob).await?;
    coin.play(teller).await?;
    silence(teller, alice).await?;
    summary(teller, alice, bob, refused).await
}

/// The ticket that looks small.
async fn ticket(teller: &Teller, alice: &Account, bob: &Account) -> Result<(), String> {
    teller.chapter("\"I put 84 USDT on Bitcoin at 50x.\" Crossed, as the exchange sets it up.")?;
    let crossed = market("BTCUSDT", "BUY", "0.07");
    let verdict = alice.trader.wonder(&crossed).await?;
    show(teller, &verdict)?;
    teller.pause(5_000).await;
    teller.say(
        "Bob ignores the warning and sends it. Alice switches the symbol to isolated at
\
         4x and puts the same money on a smaller position.
",
    )?;
    place(bob, &crossed).await?;
    let settings = vec![
        ("symbol", "BTCUSDT".to_owned()),
        ("marginType", "ISOLATED".to_owned()),
    ];
    alice
        .trader
        .send(Method::POST, "/fapi/v1/marginType", &settings)
        .await?;
    let settings = vec![
        ("symbol", "BTCUSDT".to_owned()),
        ("leverage", "4".to_owned()),
    ];
    alice
        .trader
        .send(Method::POST, "/fapi/v1/leverage", &settings)
        .await?;
    let isolated = market("BTCUSDT", "BUY", "0.005");
    let verdict = agreed(alice, &isolated).await?;
    teller.say(card::summary(&verdict).trim_end())?;
    place(alice, &isolated).await
}

/// Alice's question after her change of settings, asked until the guard has heard of it.
async fn agreed(alice: &Account, order: &Dictionary) -> Result<CheckAnswer<'static>, String> {
    let asked = async {
        loop {
            let verdict = alice.trader.wonder(order).await?;
            let mode = verdict
                .order
                .as_ref()
                .and_then(|order| order.margin_type.as_deref());
            let isolated = mode == Some("ISOLATED");
            if isolated && verdict.decision != "reject" {
                return alice.trader.ask(order).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), asked).await;
    waited.map_err(|_| "the guard did not hear of the new settings".to_owned())?
}

/// The market falls; both accounts side by side, as their guards see them.
async fn fall(
    teller: &Teller,
    alice: &Account,
    bob: &Account,
    ears: &mut EventReader,
) -> Result<(), String> {
    teller.chapter("The market falls.")?;
    teller.say("  BTCUSDT     Alice: balance  distance     Bob: balance  distance   ratio")?;
    let mut dead = false;
    for below in FALL {
        let price = 60_000_i64.saturating_sub(below.saturating_mul(10));
        for account in [alice, bob] {
            account.exchange.command(&format!("mark BTCUSDT {price}"))?;
        }
        teller.pause(550).await;
        let line = format!(
            "  {price:>7}   {}   {}",
            row(alice).await?,
            row_with_ratio(bob).await?
        );
        teller.say(&line)?;
        if !dead && is_flat(bob) {
            dead = true;
            let told = alert(ears, "forced").await?;
            teller.say(&format!(
                "  {}",
                screen::red("Bob is liquidated by the exchange.")
            ))?;
            teller.say(&format!("  his guard: {}", told.message))?;
        }
    }
    teller.pause(2_500).await;
    Ok(())
}

/// What Bob's guard told him while he did not look: by a command and by a webhook.
async fn channels(teller: &Teller, bob: &Account) -> Result<(), String> {
    teller.chapter("What Bob's guard told him meanwhile, over two channels.")?;
    let arrived = async {
        while bob.hooks.titles().is_empty() || bob.hooks.last_of_command().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(10), arrived).await;
    arrived.map_err(|_| "no alert arrived over the channels".to_owned())?;
    for title in bob.hooks.titles() {
        let line = format!("webhook: {title}");
        teller.say(screen::hanging(&line, "  ", "    ").trim_end())?;
    }
    if let Some(title) = bob.hooks.last_of_command() {
        let line = format!("command, last: {title}");
        teller.say(screen::hanging(&line, "  ", "    ").trim_end())?;
    }
    teller.pause(2_000).await;
    Ok(())
}

async fn pool(account: &Account) -> Result<AccountAnswer<'static>, String> {
    let bytes = account
        .trader
        .guard
        .get("/v1/account")
        .await
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

async fn row(account: &Account) -> Result<String, String> {
    let account = pool(account).await?;
    let Some(pool) = account.pools.iter().find(|pool| pool.asset == "USDT") else {
        return Ok(format!("{:>14}  {:>8}", "–", "–"));
    };
    let distance = if pool.distance.0.is_some() {
        shown::percent_down(pool.distance)
    } else {
        "none".to_owned()
    };
    Ok(format!(
        "{:>14}  {distance:>8}",
        shown::money(pool.margin_balance)
    ))
}

async fn row_with_ratio(account: &Account) -> Result<String, String> {
    let line = row(account).await?;
    let account = pool(account).await?;
    let ratio = account
        .pools
        .iter()
        .find(|pool| pool.asset == "USDT")
        .map(|pool| pool.margin_ratio);
    Ok(format!(
        "{line}  {:>6}",
        ratio.map_or("–".to_owned(), shown::percent_up)
    ))
}

/// The stream goes silent: no new risk, and the exit still passes.
async fn silence(teller: &Teller, alice: &Account) -> Result<(), String> {
    teller.chapter("The exchange's price stream goes silent.")?;
    alice.exchange.command("mute market 12s")?;
    let order = market("BTCUSDT", "BUY", "0.001");
    let asked = async {
        loop {
            let verdict = alice.trader.ask(&order).await?;
            if verdict
                .findings
                .iter()
                .any(|finding| finding.code == "NOT_READY")
            {
                return Ok::<_, String>(verdict);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let verdict = tokio::time::timeout(Duration::from_secs(15), asked).await;
    let verdict = verdict.map_err(|_| "the guard did not notice the silence".to_owned())??;
    teller.say(card::summary(&verdict).trim_end())?;
    let mut exit = market("BTCUSDT", "SELL", "0.005");
    exit.push(("reduceOnly", "true".to_owned()));
    let verdict = alice.trader.ask(&exit).await?;
    teller.say(card::summary(&verdict).trim_end())?;
    place(alice, &exit).await?;
    teller.say("Alice is out. What cannot add risk always passes.")?;
    teller.pause(1_000).await;
    Ok(())
}

/// What the exchange's own ledger holds of USDT.
fn wallet(account: &Account) -> Result<Decimal, String> {
    let truth = account.exchange.truth();
    let wallet = truth.assets.get("USDT");
    let wallet = wallet.and_then(|asset| crate::margin::amount::parse(&asset.wallet_balance).ok());
    wallet.ok_or_else(|| "the exchange lost an account".to_owned())
}

async fn summary(
    teller: &Teller,
    alice: &Account,
    bob: &Account,
    refused: i32,
) -> Result<(), String> {
    teller.chapter("What is left, by the exchanges' own ledgers")?;
    let before = Decimal::from(1_000);
    let left = [
        ("Alice, who listened", wallet(alice)?),
        ("Bob, who did not", wallet(bob)?),
    ];
    for (who, wallet) in left {
        let lost = before.checked_sub(wallet).unwrap_or_default();
        teller.say(&format!(
            "  {who:<20} 1000.00 → {:>8.2} USDT   lost {:>8.2}",
            wallet.round_dp(2),
            lost.round_dp(2)
        ))?;
    }
    teller.say(&format!(
        "\nBob's ticket was 84 USDT. Isolated, it could have cost no more than that.\n\
         Crossed, it drew on everything. The guard said so before the order went out, and\n\
         refused {refused} order that broke his limits; it cannot stop one that never asks.",
    ))?;
    teller.say("\nNext: crossguard run --help, or the README for a real account, read-only key.")
}

async fn hold(teller: &Teller, alice: &Account, bob: &Account) -> Result<(), String> {
    teller.chapter("Holding. Try every command from a second terminal:")?;
    teller.say(&format!(
        "  export CROSSGUARD_SOCKET={}",
        alice.socket.display()
    ))?;
    teller.say(&format!("  (Bob's guard: {})", bob.socket.display()))?;
    teller.say(
        "  crossguard check BTCUSDT buy 0.01      crossguard size BTCUSDT buy\n  \
           crossguard stress --all -20%           crossguard fix\n  \
           crossguard status; crossguard alerts   crossguard history",
    )?;
    teller.say("Ctrl-C ends it.")?;
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| error.to_string())
}

fn show(teller: &Teller, verdict: &CheckAnswer<'_>) -> Result<(), String> {
    teller.say(&format!("\n{}", card::card(verdict).trim_end()))
}

async fn place(account: &Account, order: &Dictionary) -> Result<(), String> {
    account
        .trader
        .send(Method::POST, "/fapi/v1/order", order)
        .await
        .map(drop)
}

/// The next alert of this kind.
async fn alert(events: &mut EventReader, kind: &str) -> Result<AlertEvent<'static>, String> {
    let heard = tokio::time::timeout(Duration::from_secs(10), async {
        while let Some(event) = events.next().await.map_err(|error| error.to_string())? {
            if event.kind == "alert" {
                let alert: AlertEvent<'static> =
                    serde_json::from_str(&event.data).map_err(|error| error.to_string())?;
                if alert.kind == kind {
                    return Ok(alert);
                }
            }
        }
        Err("the guard closed its events".to_owned())
    });
    heard
        .await
        .map_err(|_| format!("no alert of kind {kind} came"))?
}
