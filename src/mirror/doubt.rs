//! Doubts: what makes the account unreliable though its stream flows and its reads are young.
//!
//! Owns: the exchange trading on the account by itself, events that come late, and reads that go on
//! contradicting events; each with what ends it.
//! Must not know: what the account holds.

use std::collections::BTreeSet;

use super::event::OrderOrigin;
use super::plane::Reading;
use super::truth::Difference;
use crate::clock::Now;
use crate::margin::account::Symbol;
use crate::margin::order::OrderId;

/// While events go on coming late, the account is read again this often, in milliseconds.
const LATE_READ_MS: i64 = 5_000;

/// The exchange trades on the account.
#[derive(Debug, Clone)]
struct Forced {
    symbol: Symbol,
    origin: OrderOrigin,
    orders: BTreeSet<OrderId>,
    last: Now,
}

/// Events come late.
#[derive(Debug, Clone, Copy)]
struct Late {
    lag_ms: i64,
    last: Now,
    asked: Now,
}

/// All doubts there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts {
    forced: Option<Forced>,
    late: Option<Late>,
    contested: Option<Difference>,
}

impl Doubts {
    /// An order of the exchange's own was told: in doubt until it works no more and everything was
    /// read after its last event.
    pub(super) fn note_forced(
        &mut self,
        symbol: &Symbol,
        origin: OrderOrigin,
        id: OrderId,
        now: Now,
    ) {
        let mut orders = self
            .forced
            .take()
            .map(|forced| forced.orders)
            .unwrap_or_default();
        orders.insert(id);
        self.forced = Some(Forced {
            symbol: symbol.clone(),
            origin,
            orders,
            last: now,
        });
    }

    /// An event of the user stream came so long after it happened. Late ones are in doubt until one
    /// comes in time (the stream keeps its order, so nothing older can follow) or everything was
    /// read after the last late one. True when it should be read now.
    pub(super) fn note_lag(&mut self, lag_ms: i64, bound_ms: i64, now: Now) -> bool {
        if lag_ms <= bound_ms {
            self.late = None;
            return false;
        }
        let asked = self.late.map(|late| late.asked);
        let is_due = asked.is_none_or(|asked| now.since_ms(asked) >= LATE_READ_MS);
        self.late = Some(Late {
            lag_ms,
            last: now,
            asked: asked.filter(|_| !is_due).unwrap_or(now),
        });
        is_due
    }

    /// Reads went on contradicting an event and won: in doubt until the next one agrees with them.
    pub(super) fn note_contested(&mut self, difference: Difference) {
        self.contested = Some(difference);
    }

    /// A whole read of the account said the same as what was known.
    pub(super) fn agreed(&mut self) {
        self.contested = None;
    }

    /// Ends what whole reads asked for at these moments end. True when they should be asked for
    /// once more.
    pub(super) fn settle(
        &mut self,
        account: Option<Reading>,
        orders: Option<Reading>,
        works: impl Fn(OrderId) -> bool,
        now: Now,
    ) -> bool {
        let covers = |moment: Now| {
            let after = |reading: Option<Reading>| {
                reading.is_some_and(|reading| reading.asked.boot_us > moment.boot_us)
            };
            after(account) && after(orders)
        };
        self.forced = self.forced.take().filter(|forced| {
            let is_quiet = !forced.orders.iter().any(|id| works(*id));
            !(is_quiet && covers(forced.last))
        });
        self.late = self.late.filter(|late| !covers(late.last));
        match &mut self.late {
            Some(late) if now.since_ms(late.asked) >= LATE_READ_MS => {
                late.asked = now;
                true
            }
            _ => false,
        }
    }

    /// Why neither balances and positions nor orders may be relied on, if so.
    pub(super) fn reason(&self) -> Option<String> {
        if let Some(Forced { symbol, origin, .. }) = &self.forced {
            let what = match origin {
                OrderOrigin::Liquidation => "liquidates",
                OrderOrigin::AutoDeleveraging => "deleverages",
                OrderOrigin::Settlement => "settles",
                OrderOrigin::Client => "trades",
            };
            return Some(format!("the exchange {what} {symbol}; not read since"));
        }
        if let Some(late) = self.late {
            let seconds = late.lag_ms / 1_000;
            return Some(format!("account events come {seconds} s late"));
        }
        None
    }

    /// Why balances and positions may not be relied on, if so.
    pub(super) fn account_reason(&self) -> Option<String> {
        if let Some(Difference { what, ours, theirs }) = &self.contested {
            return Some(format!(
                "cannot reconcile {what}: ours {ours}, theirs {theirs}"
            ));
        }
        self.reason()
    }
}
