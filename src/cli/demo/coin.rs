//! One coin that rises, and three who hold it: a small ticket crossed, the same ticket isolated, and
//! a book that is long and short as much.
//!
//! Owns: this act of the story. The short is the one of a trader who published it in August 2026 (a
//! ticket of 2.20 USDT that cost 554.55); its fees are left out here as they are there.
//! Must not know: how anything is computed.

use std::time::Duration;

use rust_decimal::Decimal;

use super::stage::{Account, Folder};
use super::trader::{Dictionary, market};
use super::{Teller, place};
use crate::api::protocol::account::{AccountAnswer, PositionsAnswer};
use crate::api::protocol::answer::CheckAnswer;
use crate::api::protocol::figure::Figure;
use crate::api::shown;
use crate::cli::{card, screen};
use crate::margin::amount;

/// The coin. Its brackets are those of small contracts in October 2024.
const COIN: &str = "
symbol AKEUSDT tick 0.0000001 step 1 min-notional 5 taker 0 maker 0
brackets AKEUSDT 0 5000 0.015 50x | 5000 25000 0.025 20x | 25000 100000 0.05 10x | 100000 200000 0.1 5x | 200000 500000 0.125 4x | 500000 1000000 0.25 2x
mark AKEUSDT 0.0003008
";

/// Carol, crossed as the exchange sets it up.
const CROSSED: &str = "
wallet USDT 600
leverage AKEUSDT 5
";

/// Dave, isolated.
const ISOLATED: &str = "
wallet USDT 600
leverage AKEUSDT 5
margin AKEUSDT isolated
";

/// Erin, long already.
const LONG: &str = "
mode hedge
wallet USDT 3200
pos AKEUSDT crossed 10x +49860000 @ 0.0003008 long
";

/// What the mark does: at the last one an order buys at 0.0154652.
const RISE: [&str; 7] = [
    "0.0004",
    "0.0006",
    "0.0008",
    "0.00092",
    "0.002",
    "0.006",
    "0.0154651",
];

const CONTRACT: &str = "AKEUSDT";

/// Longest wait for a guard to hear of a mark.
const HEARD_DEADLINE: Duration = Duration::from_secs(10);

/// The three.
pub(super) struct Coin {
    carol: Account,
    dave: Account,
    erin: Account,
}

impl Coin {
    pub(super) async fn start(folder: &Folder, seed: u64) -> Result<Self, String> {
        let scene = |own: &str| format!("{COIN}{own}");
        let (carol, dave, erin) = (scene(CROSSED), scene(ISOLATED), scene(LONG));
        let (carol, dave, erin) = tokio::try_join!(
            Account::start_on("carol", folder, seed, &carol),
            Account::start_on("dave", folder, seed, &dave),
            Account::start_on("erin", folder, seed, &erin),
        )?;
        Ok(Self { carol, dave, erin })
    }

    pub(super) async fn end(self) {
        tokio::join!(self.carol.end(), self.dave.end(), self.erin.end());
    }

    /// Tells the act.
    pub(super) async fn play(&self, teller: &Teller) -> Result<(), String> {
        let ticket = self.short(teller).await?;
        self.book(teller).await?;
        self.rise(teller, ticket).await?;
        self.ends(teller, ticket).await
    }

    /// The ticket of 2.20 USDT; gives it back.
    async fn short(&self, teller: &Teller) -> Result<Decimal, String> {
        teller.chapter("A ticket of 2.20 USDT. (It happened, in August 2026.)")?;
        teller.say(
            "Carol sells 36,569 AKE short at 0.0003008 with 5x, crossed. Dave does the same,\n\
             isolated.\n",
        )?;
        let order = limit("BOTH", "36569");
        let verdict = self.carol.trader.ask(&order).await?;
        teller.say(card::summary(&verdict).trim_end())?;
        place(&self.carol, &order).await?;
        place(&self.dave, &order).await?;
        teller.pause(4_500).await;
        let position = verdict.positions.first();
        let ticket = position.and_then(|position| position.ticket.0);
        ticket.ok_or_else(|| "the guard told no ticket".to_owned())
    }

    /// The book that is long and short as much.
    async fn book(&self, teller: &Teller) -> Result<(), String> {
        teller.chapter("Long and short as much: what can happen?")?;
        teller.say(
            "Erin is long 15,000 USDT of AKE and sells as much short against it. Net she
\
             holds nothing.
",
        )?;
        let order = limit("SHORT", "49860000");
        let verdict = self.erin.trader.ask(&order).await?;
        teller.say(card::summary(&verdict).trim_end())?;
        teller.say(&screen::wrapped(&killed_by(&verdict)?, "  "))?;
        teller.say("Erin sends it anyway.")?;
        place(&self.erin, &order).await?;
        teller.pause(4_000).await;
        Ok(())
    }

    /// The coin rises.
    async fn rise(&self, teller: &Teller, ticket: Decimal) -> Result<(), String> {
        teller.chapter("AKEUSDT rises, 51-fold in the end.")?;
        teller
            .say("  AKEUSDT      Carol: lost    × ticket   Dave: lost   Erin: profit    ratio")?;
        for price in RISE {
            for account in [&self.carol, &self.dave, &self.erin] {
                account
                    .exchange
                    .command(&format!("mark {CONTRACT} {price}"))?;
            }
            let carol = lost(&self.carol, 600, price).await?;
            let dave = lost(&self.dave, 600, price).await?;
            let (profit, ratio) = self.book_at(price).await?;
            teller.say(&format!(
                "  {price:<9} {:>15} {:>11} {:>12} {profit:>14} {ratio:>8}",
                shown::money(Figure::exact(carol)),
                times(carol, ticket),
                shown::money(Figure::exact(dave)),
            ))?;
            teller.pause(600).await;
        }
        Ok(())
    }

    /// Erin's profit and margin ratio.
    async fn book_at(&self, price: &str) -> Result<(String, String), String> {
        if is_flat(&self.erin) {
            return Ok(("liquidated".to_owned(), shown::UNKNOWN.to_owned()));
        }
        let positions = seen_at(&self.erin, price).await?;
        let profits = positions.positions.iter();
        let profit = profits
            .filter_map(|position| position.unrealized_profit.0)
            .try_fold(Decimal::ZERO, Decimal::checked_add);
        let account: AccountAnswer<'static> = asked(&self.erin, "/v1/account").await?;
        let ratio = account.pools.first().map(|pool| pool.margin_ratio);
        Ok((
            shown::money(Figure(profit)),
            ratio.map_or_else(|| shown::UNKNOWN.to_owned(), shown::percent_up),
        ))
    }

    /// What each has lost, by the exchanges' own ledgers.
    async fn ends(&self, teller: &Teller, ticket: Decimal) -> Result<(), String> {
        let mut exit = market(CONTRACT, "BUY", "36569");
        exit.push(("reduceOnly", "true".to_owned()));
        let verdict = self.carol.trader.ask(&exit).await?;
        if verdict.decision == "reject" {
            return Err("an exit was refused".to_owned());
        }
        place(&self.carol, &exit).await?;
        let (carol, dave, erin) = (
            paid(&self.carol, 600)?,
            paid(&self.dave, 600)?,
            paid(&self.erin, 3_200)?,
        );
        let money = |value: Decimal| shown::money(Figure::exact(value));
        let lines = [
            format!(
                "Carol buys back at 0.0154652. Her ticket was {} USDT; it cost {} USDT, {} as \
                 much.",
                money(ticket),
                money(carol),
                times(carol, ticket)
            ),
            format!(
                "Dave's cost {} USDT: that was all it could reach.",
                money(dave)
            ),
            format!(
                "Erin gained nothing and lost nothing by the price, and the exchange took her {} \
                 USDT: the maintenance margin of both legs grew with it.",
                money(erin)
            ),
        ];
        for line in lines {
            teller.say(screen::wrapped(&line, "").trim_end())?;
        }
        teller.pause(3_000).await;
        Ok(())
    }
}

fn limit(position_side: &str, quantity: &str) -> Dictionary {
    let mut order = market(CONTRACT, "SELL", quantity);
    order.retain(|(name, _)| *name != "type");
    order.extend([
        ("positionSide", position_side.to_owned()),
        ("type", "LIMIT".to_owned()),
        ("timeInForce", "GTC".to_owned()),
        ("price", "0.0003008".to_owned()),
    ]);
    order
}

/// Where the whole book ends, as the guard computed it.
fn killed_by(verdict: &CheckAnswer<'_>) -> Result<String, String> {
    let after = verdict.pool.after.as_ref();
    let killer = after.and_then(|after| after.first_killer.as_ref());
    let killer = killer.ok_or_else(|| "the guard told no first killer".to_owned())?;
    Ok(format!(
        "A rise alone ends both legs, at {} ({}): they cancel in profit, not in maintenance \
         margin.",
        shown::price(killer.price),
        card::killer(Some(killer))
    ))
}

fn times(loss: Decimal, ticket: Decimal) -> String {
    let multiple = amount::quotient(loss, ticket).ok();
    format!("{} times", shown::multiple(Figure(multiple)))
}

async fn asked<T: serde::de::DeserializeOwned>(account: &Account, path: &str) -> Result<T, String> {
    let bytes = account.trader.guard.get(path).await;
    let bytes = bytes.map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// The positions once the guard has heard of this mark.
async fn seen_at(account: &Account, price: &str) -> Result<PositionsAnswer<'static>, String> {
    let heard = async {
        loop {
            let answer: PositionsAnswer<'static> = asked(account, "/v1/positions").await?;
            let mark = answer.positions.first().map(|position| position.mark_price);
            if mark.is_none_or(|mark| mark.to_string() == price) {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let heard = tokio::time::timeout(HEARD_DEADLINE, heard).await;
    heard.map_err(|_| "the guard did not hear of a mark".to_owned())?
}

/// What an account has lost so far: by its guard while it holds, else by the exchange's ledger.
async fn lost(account: &Account, began: i64, price: &str) -> Result<Decimal, String> {
    if is_flat(account) {
        return paid(account, began);
    }
    let answer = seen_at(account, price).await?;
    let position = answer.positions.first();
    let profit = position.and_then(|position| position.unrealized_profit.0);
    let profit = profit.ok_or_else(|| "the guard told no profit".to_owned())?;
    Decimal::ZERO
        .checked_sub(profit)
        .ok_or_else(|| "a loss is out of range".to_owned())
}

/// True when the exchange holds nothing for it any more.
pub(super) fn is_flat(account: &Account) -> bool {
    let truth = account.exchange.truth();
    let mut positions = truth.positions.iter();
    positions.all(|position| position.position_amt.trim_matches(['0', '.']).is_empty())
}

/// What the exchange's own ledger says was paid.
fn paid(account: &Account, began: i64) -> Result<Decimal, String> {
    let wallet = super::wallet(account)?;
    Decimal::from(began)
        .checked_sub(wallet)
        .ok_or_else(|| "a loss is out of range".to_owned())
}
