//! What the spine tells the doors: plain values, taken at one moment.
//!
//! Owns: the shapes of answers and reports in domain words.
//! Must not know: JSON, tables, terminals.

use rust_decimal::Decimal;

use super::core::Core;
use crate::clock::Now;
use crate::guard::policy::Policy;
use crate::guard::verdict::{Judgement, Ladder};
use crate::margin::account::{Asset, AssetMode, PositionMode, Settings, Symbol};
use crate::margin::amount::Amount;
use crate::margin::book::{Book, Unknown};
use crate::margin::explain::{Sheet, explain};
use crate::margin::known::{self, KnownPosition, Totals, known_positions};
use crate::margin::order::OpenOrder;
use crate::margin::pool::PoolAssessment;
use crate::margin::position::{PositionAssessment, assess_positions};
use crate::mirror::Counters;
use crate::mirror::event::{ClockOffset, KeyRefusal};
use crate::mirror::plane::PlaneStatus;
use crate::mirror::truth::Drift;
use crate::mirror::view::Unsupported;

/// The answer to a question, with everything it rested on.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Under which it is recorded.
    pub decision_id: String,
    /// When it was made, in milliseconds since 1970 by our wall clock.
    pub time_ms: i64,
    /// The verdict.
    pub judgement: Box<Judgement>,
    /// The policy it was made under.
    pub policy_fingerprint: String,
    /// Freshness of every plane.
    pub planes: Vec<PlaneStatus>,
    /// What the last whole read found, in basis points of the balance.
    pub drift_basis_points: Option<Decimal>,
    /// The exchange's clock against ours.
    pub clock_offset: Option<ClockOffset>,
}

/// Freshness and drift, for every report.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Freshness of every plane.
    pub planes: Vec<PlaneStatus>,
    /// What the last whole read found, in basis points of the balance.
    pub drift_basis_points: Option<Decimal>,
    /// The exchange's clock against ours.
    pub clock_offset: Option<ClockOffset>,
    /// Figures that are not known, with the reason.
    pub missing: Vec<(String, Unknown)>,
}

/// One pool, or why its figures are not known.
#[derive(Debug, Clone)]
pub struct PoolReport {
    /// The pool's asset.
    pub asset: Asset,
    /// Its figures.
    pub figures: Result<PoolAssessment, Unknown>,
}

/// An asset's totals, isolated positions included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletReport {
    /// Asset.
    pub asset: Asset,
    /// Wallet balance, isolated wallets included.
    pub wallet_balance: Amount,
    /// The part crossed positions share.
    pub cross_wallet_balance: Amount,
    /// What its positions and orders add up to.
    pub totals: Totals,
    /// What new orders of this asset may cost; `None` when the pool's figures are not known.
    pub available_balance: Option<Amount>,
}

impl WalletReport {
    /// True when every total of it is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        let totals = &self.totals;
        let all = [
            totals.unrealized_pnl,
            totals.cross_unrealized_pnl,
            totals.maintenance_margin,
            totals.position_initial_margin,
            totals.open_order_initial_margin,
            self.available_balance,
        ];
        all.iter().all(Option::is_some)
    }
}

/// The account as it is.
#[derive(Debug, Clone)]
pub struct AccountReport {
    /// Single-asset or multi-assets.
    pub asset_mode: AssetMode,
    /// One-way or hedge.
    pub position_mode: PositionMode,
    /// Pools, by asset: those with a balance or something held.
    pub pools: Vec<PoolReport>,
    /// Totals, by asset.
    pub wallets: Vec<WalletReport>,
    /// What it rests on.
    pub inputs: Inputs,
}

/// One symbol's positions, or why their figures are not known.
#[derive(Debug, Clone)]
pub struct PositionsOfSymbol {
    /// Contract.
    pub symbol: Symbol,
    /// Leverage and margin mode.
    pub settings: Option<Settings>,
    /// The positions.
    pub positions: Result<Vec<PositionAssessment>, Unknown>,
    /// What is known of them in any case; empty where everything is.
    pub known: Vec<KnownPosition>,
}

/// All positions as they are.
#[derive(Debug, Clone)]
pub struct PositionsReport {
    /// By symbol.
    pub symbols: Vec<PositionsOfSymbol>,
    /// What it rests on.
    pub inputs: Inputs,
}

/// All working orders as they are.
#[derive(Debug, Clone)]
pub struct OrdersReport {
    /// Both books.
    pub orders: Vec<OpenOrder>,
    /// What it rests on.
    pub inputs: Inputs,
}

/// How the guard itself is.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// The rung.
    pub ladder: Ladder,
    /// Why it stands there.
    pub ladder_reason: String,
    /// The policy in force.
    pub policy_fingerprint: String,
    /// An account kind that is not modelled.
    pub unsupported: Option<Unsupported>,
    /// Why the key is refused, if it is.
    pub key_refusal: Option<KeyRefusal>,
    /// The clock offset.
    pub clock_offset: Option<ClockOffset>,
    /// Generation of the user stream; 0 when it is not connected.
    pub user_stream_epoch: u64,
    /// Symbols that are followed.
    pub followed: Vec<Symbol>,
    /// How many positions, orders and promises there are.
    pub counts: Counts,
    /// What the last whole read found.
    pub drift: Option<Drift>,
    /// Event counters.
    pub counters: Counters,
    /// Pools, for the red lines.
    pub pools: Vec<PoolReport>,
    /// What it rests on.
    pub inputs: Inputs,
}

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Positions that hold something.
    pub positions: usize,
    /// Working orders of both books.
    pub orders: usize,
    /// Promises that are open.
    pub reservations: usize,
    /// Symbols the exchange lists.
    pub symbols: usize,
}

/// What new orders margined in this asset can use, in that asset: an asset that holds nothing is not
/// among the pools, and can still use what the others lend it in multi-assets mode.
fn available_in(book: &Book, asset: &Asset, pools: &[PoolReport]) -> Option<Amount> {
    let pool = pools.iter().find(|pool| pool.asset == *book.pool_of(asset));
    let Some(pool) = pool else {
        return Some(Amount::ZERO);
    };
    let figures = pool.figures.as_ref().ok()?;
    match book.asset_mode() {
        AssetMode::Single => Some(figures.available_balance),
        AssetMode::Multi => {
            let rate = book.collateral(asset.as_str()).rate?;
            rate.from_usd(figures.available_balance).ok()
        }
    }
}

impl Core {
    /// The account as it is; promises never enter it.
    #[must_use]
    pub fn account_report(&self, now: Now) -> AccountReport {
        let book = self.mirror().book();
        let pools = self.pool_reports();
        let mut inputs = self.inputs(now);
        inputs.missing.extend(unknown_pools(&pools));
        AccountReport {
            asset_mode: book.asset_mode(),
            position_mode: book.position_mode(),
            wallets: book
                .assets()
                .filter_map(|asset| self.wallet(asset, &pools))
                .collect(),
            pools,
            inputs,
        }
    }

    /// Every figure of the account with its formula and its inputs.
    #[must_use]
    pub fn sheet(&self) -> Sheet {
        explain(self.mirror().book(), self.in_force().policy.horizon)
    }

    /// Figures of one pool as it is.
    #[must_use]
    pub fn pool_report(&self, asset: &Asset) -> PoolReport {
        let figures = self
            .mirror()
            .book()
            .assess(asset, self.in_force().policy.horizon);
        PoolReport {
            asset: asset.clone(),
            figures,
        }
    }

    /// Figures of every pool with a balance or something held.
    #[must_use]
    pub fn pool_reports(&self) -> Vec<PoolReport> {
        let book = self.mirror().book();
        let in_use = book.pools_in_use().into_iter();
        in_use.map(|asset| self.pool_report(asset)).collect()
    }

    fn wallet(&self, asset: &Asset, pools: &[PoolReport]) -> Option<WalletReport> {
        let (wallet_balance, cross_wallet_balance) =
            self.mirror().book().balances(asset.as_str())?;
        let book = self.mirror().book();
        let totals = known::totals(book, asset);
        Some(WalletReport {
            asset: asset.clone(),
            wallet_balance,
            cross_wallet_balance,
            totals,
            available_balance: available_in(book, asset, pools),
        })
    }

    /// All positions as they are.
    #[must_use]
    pub fn positions_report(&self, now: Now) -> PositionsReport {
        let book = self.mirror().book();
        let horizon = self.in_force().policy.horizon;
        let mut inputs = self.inputs(now);
        let mut symbols = Vec::new();
        for (symbol, state) in book.symbols() {
            if state.legs.is_flat() {
                continue;
            }
            let positions = book
                .what_if(symbol)
                .and_then(|what_if| assess_positions(&what_if, symbol, horizon));
            if let Err(unknown) = &positions {
                inputs
                    .missing
                    .push((format!("positions.{symbol}"), unknown.clone()));
            }
            let known = match &positions {
                Ok(_) => Vec::new(),
                Err(_) => known_positions(state).collect(),
            };
            symbols.push(PositionsOfSymbol {
                symbol: symbol.clone(),
                settings: state.settings,
                positions,
                known,
            });
        }
        PositionsReport { symbols, inputs }
    }

    /// All working orders as they are.
    #[must_use]
    pub fn orders_report(&self, now: Now) -> OrdersReport {
        let orders = self.mirror().orders().iter().cloned().collect();
        OrdersReport {
            orders,
            inputs: self.inputs(now),
        }
    }

    /// How the guard itself is.
    #[must_use]
    pub fn status_report(&self, now: Now) -> StatusReport {
        let mirror = self.mirror();
        let (ladder, reason) = self.ladder();
        let pools = self.pool_reports();
        let mut inputs = self.inputs(now);
        inputs.missing.extend(unknown_pools(&pools));
        StatusReport {
            ladder,
            ladder_reason: reason.to_owned(),
            policy_fingerprint: self.in_force().fingerprint.clone(),
            unsupported: mirror.unsupported(),
            key_refusal: mirror.key_refusal().cloned(),
            clock_offset: mirror.clock_offset(),
            user_stream_epoch: mirror.sync().connection().map_or(0, |c| c.epoch),
            followed: self.watch().symbols.iter().cloned().collect(),
            counts: self.counts(),
            drift: mirror.drift().cloned(),
            counters: mirror.counters(),
            pools,
            inputs,
        }
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy_report(&self) -> &Policy {
        &self.in_force().policy
    }

    fn counts(&self) -> Counts {
        let mirror = self.mirror();
        Counts {
            positions: mirror
                .book()
                .symbols()
                .map(|(_, state)| state.legs.held().count())
                .fold(0, usize::saturating_add),
            orders: mirror.orders().len(),
            reservations: mirror.reservations().len(),
            symbols: mirror.listed().count(),
        }
    }

    fn inputs(&self, now: Now) -> Inputs {
        Inputs {
            planes: self.mirror().planes(now, None),
            drift_basis_points: self.mirror().drift().map(Drift::basis_points),
            clock_offset: self.mirror().clock_offset(),
            missing: Vec::new(),
        }
    }
}

fn unknown_pools(pools: &[PoolReport]) -> impl Iterator<Item = (String, Unknown)> + '_ {
    pools.iter().filter_map(|pool| {
        let unknown = pool.figures.as_ref().err()?;
        Some((format!("pools.{}", pool.asset), unknown.clone()))
    })
}
