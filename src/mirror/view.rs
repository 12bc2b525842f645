//! Looking at the mirror at a moment: which planes are fresh, and the proof that the ones a
//! question needs are.
//!
//! Owns: [`LiveView`], which only [`Mirror::view`] can make, and [`NotReady`], which names every
//! plane that stands in the way. Staleness is a type: what takes a `LiveView` cannot forget it.
//! Must not know: what the question is for.

use super::event::LossCause;
use super::plane::{Plane, PlaneStatus, Reading};
use super::sync::Phase;
use super::{Mirror, plane::Bounds};
use crate::clock::Now;
use crate::margin::account::{Asset, AssetMode, Quotes, Rules, Symbol};
use crate::margin::book::Book;

/// What a question rests on beyond the account-wide planes.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// The symbol asked about; `None` for questions about the account as a whole.
    pub symbol: Option<&'a Symbol>,
}

/// The account at a moment at which every plane the question needs is fresh. Only
/// [`Mirror::view`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct LiveView<'a> {
    mirror: &'a Mirror,
    now: Now,
}

/// The planes that stand in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// Each with its reason; never empty.
    pub planes: Vec<PlaneStatus>,
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, status) in self.planes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let reason = status.reason.as_deref().unwrap_or("not known yet");
            write!(f, "{separator}{}: {reason}", status.plane)?;
        }
        Ok(())
    }
}

/// Kinds of accounts that are recognised and not modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// Portfolio margin: margined elsewhere.
    PortfolioMargin,
    /// Credits trading mode (BNFCR).
    Credits,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PortfolioMargin => "portfolio margin",
            Self::Credits => "credits trading mode (BNFCR)",
        })
    }
}

impl<'a> LiveView<'a> {
    /// The account.
    #[must_use]
    pub const fn book(&self) -> &'a Book {
        &self.mirror.book
    }

    /// Everything else the mirror knows.
    #[must_use]
    pub const fn mirror(&self) -> &'a Mirror {
        self.mirror
    }

    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Trading rules of a symbol.
    #[must_use]
    pub fn rules(&self, symbol: &Symbol) -> Option<&'a Rules> {
        self.mirror.rules.get(symbol)
    }

    /// What is known of a contract's market beside its mark; nothing of it is needed for a view.
    #[must_use]
    pub fn quotes(&self, symbol: &Symbol) -> Quotes {
        self.mirror.quotes(symbol, self.now)
    }
}

impl Mirror {
    /// The account, if every plane the question needs is fresh now.
    ///
    /// # Errors
    /// [`NotReady`] names every plane that is not.
    pub fn view<'a>(&'a self, now: Now, needs: Needs<'_>) -> Result<LiveView<'a>, NotReady> {
        let mut stale: Vec<PlaneStatus> = Vec::new();
        for plane in self.planes_in_use() {
            let reason = self.reason(plane, now, needs.symbol);
            if reason.is_some() {
                stale.push(self.status_with(plane, now, reason));
            }
        }
        if stale.is_empty() {
            Ok(LiveView { mirror: self, now })
        } else {
            Err(NotReady { planes: stale })
        }
    }

    /// Whether the rates of all assets that count are fresh, whatever the asset mode: what a change into
    /// multi-assets mode rests on beyond a view.
    ///
    /// # Errors
    /// [`NotReady`] names the plane and the asset.
    pub fn rates_ready(&self, now: Now) -> Result<(), NotReady> {
        let reason = self.rates_staleness(now, None);
        if reason.is_none() {
            return Ok(());
        }
        let status = self.status_with(Plane::Collateral, now, reason);
        Err(NotReady {
            planes: vec![status],
        })
    }

    /// Every plane's freshness; marks are those of held symbols and of `symbol`.
    #[must_use]
    pub fn planes(&self, now: Now, symbol: Option<&Symbol>) -> Vec<PlaneStatus> {
        let mut planes = Vec::with_capacity(Plane::ALL.len());
        for plane in self.planes_in_use() {
            planes.push(self.status_with(plane, now, self.reason(plane, now, symbol)));
        }
        planes
    }

    /// Collateral rates matter in multi-assets mode only.
    fn planes_in_use(&self) -> impl Iterator<Item = Plane> {
        let joint = self.is_joint();
        let counts = move |plane: &Plane| joint || *plane != Plane::Collateral;
        Plane::ALL.into_iter().filter(counts)
    }

    fn is_joint(&self) -> bool {
        self.book.asset_mode() == AssetMode::Multi
    }

    fn reason(&self, plane: Plane, now: Now, symbol: Option<&Symbol>) -> Option<String> {
        match plane {
            Plane::Marks => self.marks_staleness(now, symbol),
            Plane::Collateral => self.rates_staleness(now, symbol),
            other => self.staleness(other, now),
        }
    }

    /// The kind of account that is not modelled, if it is one.
    #[must_use]
    pub fn unsupported(&self) -> Option<Unsupported> {
        let refusal = self.key_refusal.as_ref().map(|refusal| refusal.cause);
        if refusal == Some(super::event::KeyRefusalCause::Unsupported) {
            return Some(Unsupported::PortfolioMargin);
        }
        self.credits.then_some(Unsupported::Credits)
    }

    fn status_with(&self, plane: Plane, now: Now, reason: Option<String>) -> PlaneStatus {
        let age_ms = match plane {
            Plane::Marks => self.oldest_mark_age_ms(now),
            Plane::Collateral => self.oldest_rate_age_ms(now),
            Plane::Time => self.clock_offset.map(|offset| now.since_ms(offset.at)),
            other => self.reading(other).map(|reading| reading.age_ms(now)),
        };
        let epoch = match plane {
            Plane::Account | Plane::Orders => self.sync.connection().map_or(0, |c| c.epoch),
            Plane::Marks | Plane::Collateral => self.market_epoch,
            Plane::Config | Plane::Brackets | Plane::Rules | Plane::Time | Plane::Key => 0,
        };
        PlaneStatus {
            plane,
            fresh: reason.is_none(),
            age_ms,
            epoch,
            reason,
        }
    }

    const fn reading(&self, plane: Plane) -> Option<Reading> {
        match plane {
            Plane::Account => self.readings.account,
            Plane::Orders => self.readings.orders,
            Plane::Config => self.readings.config,
            Plane::Brackets => self.readings.brackets,
            Plane::Rules => self.readings.rules,
            Plane::Key => self.readings.key,
            Plane::Marks | Plane::Time | Plane::Collateral => None,
        }
    }

    /// Why an account-wide plane is not fresh, if it is not.
    fn staleness(&self, plane: Plane, now: Now) -> Option<String> {
        let bounds = &self.bounds;
        match plane {
            Plane::Account => self.account_staleness(now),
            Plane::Orders => self.orders_staleness(now),
            Plane::Config => {
                let both = [self.readings.config, self.readings.settings];
                both.into_iter()
                    .find_map(|reading| aged(reading, now, bounds.config_ms, bounds))
            }
            Plane::Brackets => aged(self.readings.brackets, now, bounds.brackets_ms, bounds),
            Plane::Rules => aged(self.readings.rules, now, bounds.rules_ms, bounds),
            Plane::Time => self.time_staleness(now),
            Plane::Key => match &self.key_refusal {
                Some(refusal) => Some(refusal.detail.clone()),
                None => aged(self.readings.key, now, bounds.key_ms, bounds),
            },
            Plane::Marks | Plane::Collateral => None,
        }
    }

    fn account_staleness(&self, now: Now) -> Option<String> {
        if let Some(symbol) = &self.unrepresentable {
            return Some(format!("the {symbol} position needs more than 28 digits"));
        }
        if self.empty_reads > 0 {
            return Some("the exchange suddenly reports an empty account; not believed yet".into());
        }
        let bound = if self.is_exposed() {
            self.bounds.account_exposed_ms
        } else {
            self.bounds.account_flat_ms
        };
        self.stream_staleness(self.readings.account)
            .or_else(|| self.doubts.account_reason())
            .or_else(|| aged(self.readings.account, now, bound, &self.bounds))
    }

    fn orders_staleness(&self, now: Now) -> Option<String> {
        if let Some(symbol) = &self.orders_unsummable {
            return Some(format!("the {symbol} orders need more than 28 digits"));
        }
        let (reading, bound) = (self.readings.orders, self.bounds.orders_ms);
        self.stream_staleness(reading)
            .or_else(|| self.doubts.reason())
            .or_else(|| aged(reading, now, bound, &self.bounds))
    }

    /// Why the user stream does not carry what was read.
    fn stream_staleness(&self, reading: Option<Reading>) -> Option<String> {
        match &self.sync.phase {
            Phase::Cold => return Some("the user stream never connected".to_owned()),
            Phase::Lost(loss) => {
                return Some(describe_loss("user stream", loss.cause, &loss.detail));
            }
            Phase::Syncing { .. } => return Some("synchronising with the exchange".to_owned()),
            Phase::Live { .. } => {}
        }
        if let Some(gap) = &self.sync.gap
            && reading.is_none_or(|reading| reading.asked.boot_us <= gap.at.boot_us)
        {
            return Some(describe_loss("user stream", gap.cause, &gap.detail));
        }
        None
    }

    fn time_staleness(&self, now: Now) -> Option<String> {
        let bounds = &self.bounds;
        let Some(offset) = self.clock_offset else {
            return Some("the exchange's clock was not read yet".to_owned());
        };
        if offset.error_ms > bounds.time_error_ms {
            return Some(format!(
                "the clock offset may be wrong by {} ms",
                offset.error_ms
            ));
        }
        Reading { asked: offset.at }.staleness(now, bounds.time_ms, bounds)
    }

    /// Why the marks a question needs are not fresh: every crossed position's in the symbol's
    /// pool, and the symbol's own.
    fn marks_staleness(&self, now: Now, symbol: Option<&Symbol>) -> Option<String> {
        // All assets together are one pool: then every crossed position counts.
        let alone = symbol.filter(|_| !self.is_joint());
        let pool = alone.and_then(|symbol| {
            self.book
                .state(symbol.as_str())
                .and_then(|state| state.margin_asset.as_ref())
        });
        let oldest = match pool {
            Some(pool) => self.marks.oldest_of(pool),
            None => self.marks.oldest(),
        };
        if let Some((id, event_ms)) = oldest
            && let Some(reason) = self.mark_staleness(now, event_ms)
        {
            let name = self.book.name(id).map_or("?", Symbol::as_str);
            return Some(format!("{name}: {reason}"));
        }
        // A symbol the exchange does not list has no mark to wait for; the guard names it unknown.
        let symbol = symbol.filter(|symbol| self.rules.contains_key(*symbol))?;
        let id = self.book.id(symbol.as_str());
        let meta = id
            .and_then(|id| self.marks.meta(id))
            .filter(|meta| meta.known);
        self.mark_staleness(now, meta.map(|meta| meta.event_ms))
            .map(|reason| format!("{symbol}: {reason}"))
    }

    fn mark_staleness(&self, now: Now, event_ms: Option<i64>) -> Option<String> {
        self.tick_staleness(now, event_ms, self.bounds.mark_ms, "mark price")
    }

    /// Why the rates of the assets that count, and of the symbol's own, are not fresh.
    fn rates_staleness(&self, now: Now, symbol: Option<&Symbol>) -> Option<String> {
        let own = symbol.and_then(|symbol| self.book.state(symbol.as_str()));
        let own = own.and_then(|state| state.margin_asset.as_ref());
        self.book.collateral_in_use().chain(own).find_map(|asset| {
            let known = self.book.collateral(asset.as_str()).rate;
            let event_ms = known.and_then(|_| self.rates.get(asset)).copied();
            self.tick_staleness(now, event_ms, self.bounds.rate_ms, "collateral rate")
                .map(|reason| format!("{asset}: {reason}"))
        })
    }

    fn oldest_rate_age_ms(&self, now: Now) -> Option<i64> {
        let counted = self.book.collateral_in_use();
        let oldest = counted
            .map(|asset| self.rates.get(asset).copied())
            .min()??;
        let exchange_now = self.exchange_now_ms(now)?;
        Some(exchange_now.saturating_sub(oldest).max(0))
    }

    /// Why something that is told every second is not fresh, by its event time.
    fn tick_staleness(
        &self,
        now: Now,
        event_ms: Option<i64>,
        bound_ms: i64,
        what: &str,
    ) -> Option<String> {
        let Some(event_ms) = event_ms else {
            return Some(format!("no {what} yet"));
        };
        let Some(exchange_now) = self.exchange_now_ms(now) else {
            return Some("its age is not known without the exchange's clock".to_owned());
        };
        let age = exchange_now.saturating_sub(event_ms);
        if age < bound_ms.saturating_neg() {
            // Its age could not be told: a frozen stream would look fresh for as long.
            return Some("its time lies in the future".to_owned());
        }
        if age <= bound_ms {
            return None;
        }
        let silent = format!("{what} {} s old", age / 1_000);
        Some(match &self.market_loss {
            Some(loss) => {
                format!(
                    "{silent} ({})",
                    describe_loss("market stream", loss.cause, &loss.detail)
                )
            }
            None => silent,
        })
    }

    fn oldest_mark_age_ms(&self, now: Now) -> Option<i64> {
        let (_, event_ms) = self.marks.oldest()?;
        let exchange_now = self.exchange_now_ms(now)?;
        Some(exchange_now.saturating_sub(event_ms?).max(0))
    }

    /// Pools whose figures are asked for, with the freshness of what they rest on.
    pub fn pools(&self) -> impl Iterator<Item = &Asset> {
        self.book.assets()
    }
}

fn aged(reading: Option<Reading>, now: Now, bound_ms: i64, bounds: &Bounds) -> Option<String> {
    match reading {
        None => Some("not read yet".to_owned()),
        Some(reading) => reading.staleness(now, bound_ms, bounds),
    }
}

fn describe_loss(stream: &str, cause: LossCause, detail: &str) -> String {
    let what = match cause {
        LossCause::Connect => "cannot connect",
        LossCause::Certificate => "certificate refused",
        LossCause::Closed => "closed by the exchange",
        LossCause::Silent => "silent",
        LossCause::ListenKey => "its listen key lapsed or was taken away",
        LossCause::Undecodable => "a message could not be read",
        LossCause::Overflow => "events were lost",
        LossCause::Rotation => "changing connection",
        LossCause::Shutdown => "shutting down",
    };
    if detail.is_empty() {
        format!("{stream}: {what}")
    } else {
        format!("{stream}: {what} ({detail})")
    }
}
