//! The exchange itself: a pure state machine.
//!
//! `step(input, now)` is the only way in; it reads no clock, does no I/O and holds no connection.
//! The same inputs at the same times give the same outputs, whatever the machine. Sub-modules own
//! one concern each: placing, filling, conditional orders, settings, risk, prices, reading, telling.

mod algo;
mod calls;
mod exchange;
mod fill;
mod margin_call;
mod market;
mod notice;
mod orders;
mod read;
mod read_market;
pub(super) mod read_prices;
mod request;
mod risk;
mod script;
mod settings;
#[cfg(test)]
mod tests;
mod trade;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::scenario::Statement;

use super::account::{Account, Algo, Contracts, Leg, Order};
use super::contract::Contract;
use super::exact::Fixed;
use super::figures::Figures;
use super::params::Params;
use super::random::Random;
use super::refusal::Refusal;
use super::wire::reply::{Income, Trade};

/// Finished orders, trades and incomes that are remembered.
const HISTORY_MAX: usize = 20_000;
/// How long a listenKey lives without being extended.
const LISTEN_KEY_MS: i64 = 60 * 60 * 1_000;

/// The exchange.
#[derive(Debug, Clone)]
pub(crate) struct Venue {
    pub(crate) account: Account,
    pub(crate) contracts: Contracts,
    /// Time of the step that is being made, milliseconds since 1970.
    pub(crate) now_ms: i64,
    pub(crate) random: Random,
    seed: u64,
    pub(crate) listen_key: Option<ListenKey>,
    pub(crate) reject_triggers: bool,
    next_id: i64,
    next_trade: i64,
    second_ms: i64,
    finished_orders: BTreeMap<i64, Order>,
    finished_algos: BTreeMap<i64, Algo>,
    incomes: VecDeque<Income>,
    trades: VecDeque<Trade>,
    countdowns: BTreeMap<String, i64>,
    silent: bool,
    /// The opening scene is being set: nothing is matched or liquidated before all of it stands.
    opening: bool,
    policy: RiskPolicy,
    user: Vec<UserEvent>,
    market: Vec<MarketEvent>,
}

/// What the exchange does of its own accord when margin gets short.
#[derive(Debug, Clone, Default)]
struct RiskPolicy {
    /// Margin ratio from which on it warns; `None` never.
    margin_call_ratio: Option<Fixed>,
    /// Legs that were warned about and have not recovered.
    called: BTreeSet<Leg>,
    /// Whether it first tries to close only a part.
    partial: bool,
}

/// The account's listenKey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenKey {
    pub(crate) text: String,
    pub(crate) expires_ms: i64,
}

/// What can make the exchange move.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A call of a client that has been let in.
    Call {
        /// HTTP method.
        method: &'a str,
        /// Path without query.
        path: &'a str,
        /// Parameters, wherever they stood.
        params: &'a Params,
    },
    /// A scenario statement.
    Script(&'a Statement),
    /// A whole second has come: walks, funding, expiries.
    Second,
}

/// An event of the account stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserEvent {
    pub(crate) name: &'static str,
    pub(crate) json: String,
}

/// Something market streams may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MarketEvent {
    /// A contract's mark moved off schedule.
    Mark(String),
    /// `!contractInfo`.
    Contract(String),
    /// A liquidation order of a contract.
    Liquidation {
        /// Contract.
        symbol: String,
        /// Frame.
        json: String,
    },
}

/// What a step brought.
#[derive(Debug)]
pub(crate) struct Output {
    /// Reply body, or the refusal.
    pub(crate) reply: Result<String, Refusal>,
    pub(crate) user: Vec<UserEvent>,
    pub(crate) market: Vec<MarketEvent>,
}

impl Venue {
    pub(crate) fn new(seed: u64, now_ms: i64) -> Self {
        let mut random = Random::new(seed);
        // Ids beyond 2^53, as the real ones are.
        let offset = i64::try_from(random.next() % 1_000_000_000).unwrap_or(0);
        Self {
            account: Account::new(),
            contracts: Contracts::new(),
            now_ms,
            random,
            seed,
            listen_key: None,
            reject_triggers: false,
            next_id: 8_389_765_739_000_000_000 + offset,
            next_trade: 7_000_000_000,
            second_ms: now_ms,
            finished_orders: BTreeMap::new(),
            finished_algos: BTreeMap::new(),
            incomes: VecDeque::new(),
            trades: VecDeque::new(),
            countdowns: BTreeMap::new(),
            silent: false,
            opening: false,
            policy: RiskPolicy::default(),
            user: Vec::new(),
            market: Vec::new(),
        }
    }

    /// Makes one step at the given time.
    pub(crate) fn step(&mut self, input: &Input<'_>, now_ms: i64) -> Output {
        self.now_ms = now_ms;
        let reply = match input {
            Input::Call {
                method,
                path,
                params,
            } => self.call(method, path, params),
            Input::Script(statement) => self.script(statement).map(|()| String::new()),
            Input::Second => {
                self.second();
                Ok(String::new())
            }
        };
        self.settle_risk();
        Output {
            reply,
            user: std::mem::take(&mut self.user),
            market: std::mem::take(&mut self.market),
        }
    }

    /// Sets an opening scene: all statements are one moment, told to nobody.
    ///
    /// # Errors
    /// The index of the statement that could not be carried out, and why.
    pub(crate) fn open<'a>(
        &mut self,
        statements: impl Iterator<Item = &'a Statement>,
    ) -> Result<(), (usize, Refusal)> {
        self.opening = true;
        let mut outcome = Ok(());
        for (index, statement) in statements.enumerate() {
            if let Err(refusal) = self.script(statement) {
                outcome = Err((index, refusal));
                break;
            }
        }
        self.opening = false;
        for contract in self.contracts.values_mut() {
            contract.begin_history(self.seed, self.now_ms);
        }
        let symbols: Vec<String> = self.contracts.keys().cloned().collect();
        self.after_marks(&symbols);
        self.user.clear();
        self.market.clear();
        outcome
    }

    pub(crate) fn figures(&self) -> Figures<'_> {
        Figures::new(&self.account, &self.contracts)
    }

    pub(crate) fn contract(&self, symbol: &str) -> Result<&Contract, Refusal> {
        self.contracts.get(symbol).ok_or_else(Refusal::bad_symbol)
    }

    fn contract_mut(&mut self, symbol: &str) -> Result<&mut Contract, Refusal> {
        self.contracts
            .get_mut(symbol)
            .ok_or_else(Refusal::bad_symbol)
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    fn emit(&mut self, name: &'static str, json: String) {
        if !self.silent {
            self.user.push(UserEvent { name, json });
        }
    }
}

/// Keeps a map of ids at a size, forgetting the oldest.
fn forget_oldest<T>(map: &mut BTreeMap<i64, T>) {
    while map.len() > HISTORY_MAX {
        map.pop_first();
    }
}

fn forget_first<T>(queue: &mut VecDeque<T>) {
    while queue.len() > HISTORY_MAX {
        queue.pop_front();
    }
}
