//! Who listens to the spine: the event ring of the socket, the metrics, the log, the journal.
//!
//! Owns: what each of them is told.
//! Must not know: what anything means for an order. It runs on the check thread, so it only hands
//! over: nothing here waits for a disk, a terminal or a network.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::alerts;
use crate::alerts::matcher::Names;
use crate::api::events::Door;
use crate::clock::{Clock, Now};
use crate::daemon::core::Core;
use crate::daemon::report::PoolReport;
use crate::daemon::{Audience, systemd};
use crate::exchange::{Note, StreamKind};
use crate::guard::alarm::{Severity, Transition};
use crate::guard::policy::IsolatedOnly;
use crate::journal::Journal;
use crate::margin::account::Symbol;
use crate::mirror::Notice;
use crate::mirror::event::LossCause;
use crate::mirror::plane::PlaneStatus;
use crate::telemetry::{JournalFigures, Metrics};

/// Where the ladder is kept across restarts.
pub(crate) const LADDER_NOTE: &str = "ladder";

/// How often gauges are set, in milliseconds.
const GAUGES_MS: i64 = 1_000;

/// Most alarms that wait for room.
const UNTOLD_MAX: usize = 10_000;

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Worth knowing.
    Info(String),
    /// Worth looking at.
    Warning(String),
}

/// The daemon's own audience.
pub(crate) struct Listener {
    door: Door,
    metrics: Arc<Metrics>,
    journal: Journal,
    log: mpsc::Sender<Said>,
    alerts: alerts::Handle,
    /// Alarms that found no room yet.
    untold: VecDeque<Transition>,
    gauges_set: Option<Now>,
    ready: Option<bool>,
    /// How many contracts were listed when names were last compared; `None`: compare again.
    compared: Option<usize>,
}

impl Listener {
    pub(crate) fn new(
        door: Door,
        metrics: Arc<Metrics>,
        journal: Journal,
        log: mpsc::Sender<Said>,
        alerts: alerts::Handle,
    ) -> Self {
        Self {
            door,
            metrics,
            journal,
            log,
            alerts,
            untold: VecDeque::new(),
            gauges_set: None,
            ready: None,
            compared: None,
        }
    }

    /// Once contracts are listed, and again when there are others or another policy: what the
    /// policy and silences name that does not exist.
    fn compare_names(&mut self, core: &Core) {
        let listed = core.mirror().listed().len();
        if listed == 0 || self.compared.replace(listed) == Some(listed) {
            return;
        }
        let policy = &core.in_force().policy;
        let mut named: BTreeSet<&Symbol> = policy.of_symbol.keys().collect();
        named.extend(&policy.symbols);
        if let IsolatedOnly::These(symbols) = &policy.isolated_only {
            named.extend(symbols);
        }
        for symbol in named {
            if core.mirror().rules(symbol.as_str()).is_none() {
                self.say(Said::Warning(format!(
                    "[policy] names {symbol}, which the exchange does not list: it matches nothing"
                )));
            }
        }
        let mut names = Names::default();
        for (symbol, rules) in core.mirror().listed() {
            let book = core.mirror().book();
            let pool = book.pool_of(&rules.margin_asset);
            names.symbols.insert(symbol.to_string());
            names.pools.insert(pool.to_string());
        }
        if self.alerts.learn_names(names).is_err() {
            self.compared = None;
        }
    }

    /// Hands alarms over in their order; what finds no room waits for the next tick.
    fn tell_alarms(&mut self) {
        while let Some(transition) = self.untold.front() {
            if self.alerts.take(transition.clone()).is_err() {
                return;
            }
            self.untold.pop_front();
        }
    }

    fn say(&self, line: Said) {
        // A log that does not keep up loses lines, not checks.
        drop(self.log.try_send(line));
    }

    fn set_gauges(&mut self, core: &Core, now: Now) {
        let planes = core.mirror().planes(now, None);
        for status in &planes {
            let name = status.plane.name();
            self.metrics.set_plane(name, status.fresh, status.age_ms);
        }
        for pool in core.pool_reports() {
            let figures = pool.figures.ok();
            let ratio = figures.as_ref().and_then(|pool| pool.margin_ratio);
            let at_risk = figures
                .as_ref()
                .and_then(|pool| pool.wallet_at_risk.as_ref());
            self.metrics.set_pool(
                pool.asset.as_str(),
                ratio.map(|ratio| ratio.get()),
                at_risk.map(|risk| risk.fraction.get()),
            );
        }
        if let Some(offset) = core.mirror().clock_offset() {
            self.metrics.set_clock_offset(offset.offset_ms);
        }
        let stats = self.journal.stats();
        self.metrics.set_journal(JournalFigures {
            written: stats.written,
            failed: stats.failed,
            lost: stats.lost,
            queued: stats.queued,
            commit_micros: stats.commit_micros,
        });
        self.tell_readiness(&planes);
    }

    /// The service manager and the log hear when the guard gets in step and when it falls out.
    fn tell_readiness(&mut self, planes: &[PlaneStatus]) {
        let ready = planes.iter().all(|status| status.fresh);
        if self.ready.replace(ready) == Some(ready) {
            return;
        }
        if ready {
            systemd::status("in step with the exchange");
            self.say(Said::Info("in step with the exchange".to_owned()));
            return;
        }
        let stale: Vec<String> = planes
            .iter()
            .filter(|status| !status.fresh)
            .map(|status| {
                let reason = status.reason.as_deref().unwrap_or("not known yet");
                format!("{}: {reason}", status.plane)
            })
            .collect();
        let line = format!("rejecting new risk; not fresh: {}", stale.join("; "));
        systemd::status(&line);
        self.say(Said::Warning(line));
    }
}

impl Audience for Listener {
    fn wants_figures(&self) -> bool {
        self.door.wants_figures()
    }

    fn figures(&mut self, pools: &[PoolReport]) {
        self.door.figures(pools);
    }

    fn notice(&mut self, notice: &Notice) {
        self.door.notice(notice);
        self.say(log_line(notice));
    }

    fn alarm(&mut self, transition: Transition) {
        self.say(alarm_line(&transition));
        if self.untold.len() >= UNTOLD_MAX {
            self.untold.pop_front();
        }
        self.untold.push_back(transition);
        self.tell_alarms();
    }

    fn state(&mut self, core: &Core) {
        self.door.state(core);
        self.compared = None;
        let (ladder, reason) = core.ladder();
        let kept = format!("{}\n{reason}", ladder.name());
        // Kept without waiting; what could not be kept shows in the journal's figures.
        drop(self.journal.put_note(LADDER_NOTE, &kept));
        let policy = &core.in_force().fingerprint;
        self.say(Said::Info(format!(
            "state {}, policy {policy}",
            ladder.name()
        )));
    }

    fn note(&mut self, note: &Note) {
        match note {
            Note::Reconnecting { stream, cause, .. } => {
                self.metrics
                    .count_reconnect(stream_name(*stream), cause_name(*cause));
            }
            Note::WeightUsed { address, .. } => self.metrics.set_request_weight(*address),
            Note::RestFailed { path, detail } => {
                self.say(Said::Warning(format!("{path}: {detail}")));
            }
            Note::RestPaused {
                banned: true,
                until_ms,
            } => {
                self.say(Said::Warning(format!(
                    "banned by the exchange until {until_ms}"
                )));
            }
            Note::RowSkipped { path, detail } => {
                self.say(Said::Warning(format!(
                    "{path}: a row was left out: {detail}"
                )));
            }
            Note::TaskFailed { task } => {
                self.say(Said::Warning(format!("{task} failed and is started again")));
            }
            Note::Connected { .. }
            | Note::LastFrame { .. }
            | Note::RestPaused { .. }
            | Note::RestAnswered { .. }
            | Note::UnknownEvent { .. } => {}
        }
        self.door.note(note);
    }

    fn tick(&mut self, core: &Core, clock: &Clock) {
        self.door.tick(core, clock);
        let now = clock.now();
        self.alerts.note_alive(now);
        self.tell_alarms();
        self.compare_names(core);
        if self
            .gauges_set
            .is_none_or(|set| now.since_ms(set) >= GAUGES_MS)
        {
            self.gauges_set = Some(now);
            self.set_gauges(core, now);
        }
    }
}

/// An alarm as a line of the log.
fn alarm_line(transition: &Transition) -> Said {
    match transition {
        Transition::Raised(alarm) => {
            let rule = alarm.key.rule.name();
            let line = format!("{} {rule}: {}", alarm.severity.name(), alarm.text.what);
            if alarm.severity == Severity::Info {
                Said::Info(line)
            } else {
                Said::Warning(line)
            }
        }
        Transition::Cleared { key, .. } => Said::Info(format!("over: {}", key.rule.name())),
    }
}

const fn stream_name(stream: StreamKind) -> &'static str {
    match stream {
        StreamKind::User => "user",
        StreamKind::Market => "market",
    }
}

const fn cause_name(cause: LossCause) -> &'static str {
    match cause {
        LossCause::Connect => "connect",
        LossCause::Certificate => "certificate",
        LossCause::Closed => "closed",
        LossCause::Silent => "silent",
        LossCause::ListenKey => "listen_key",
        LossCause::Undecodable => "undecodable",
        LossCause::Overflow => "overflow",
        LossCause::Rotation => "rotation",
        LossCause::Shutdown => "shutdown",
    }
}

fn log_line(notice: &Notice) -> Said {
    match notice {
        Notice::Live { epoch } => Said::Info(format!("user stream live (connection {epoch})")),
        Notice::KeyAccepted => Said::Info("the key is accepted again".to_owned()),
        Notice::UserStreamLost(loss) => Said::Warning(format!(
            "user stream lost: {} {}",
            cause_name(loss.cause),
            loss.detail
        )),
        Notice::UserStreamGap(gap) => Said::Warning(format!(
            "user stream gap: {} {}",
            cause_name(gap.cause),
            gap.detail
        )),
        Notice::Drifted(drift) => {
            let differences: Vec<String> = drift
                .differences
                .iter()
                .map(|row| format!("{}: had {}, is {}", row.what, row.ours, row.theirs))
                .collect();
            Said::Warning(format!("corrected by a read: {}", differences.join("; ")))
        }
        Notice::OrdersDrifted { unheard, vanished } => Said::Warning(format!(
            "a read found {unheard} orders no event had told of, and {vanished} that were gone"
        )),
        Notice::Unguarded(order) => Said::Warning(format!(
            "an order on {} was placed without asking the guard",
            order.symbol
        )),
        Notice::Forced { symbol, origin } => {
            Said::Warning(format!("the exchange itself trades {symbol}: {origin:?}"))
        }
        Notice::ProtectionLost { order, refusal } => Said::Warning(format!(
            "a stop on {} was refused at its trigger: {refusal}",
            order.symbol
        )),
        Notice::RequirementRose {
            symbol,
            before,
            after,
        } => Said::Warning(format!(
            "new brackets of {symbol} demand {after} of maintenance margin for what is held, after {before}"
        )),
        Notice::CollateralCut {
            asset,
            before,
            after,
        } => Said::Warning(format!(
            "as collateral {asset} counts for {after} of its price less, after {before}"
        )),
        Notice::MarginCall(symbols) => {
            let names: Vec<&str> = symbols.iter().map(|symbol| symbol.as_str()).collect();
            Said::Warning(format!("margin call: {}", names.join(", ")))
        }
        Notice::SuddenlyEmpty { reads } => Said::Warning(format!(
            "the account suddenly reads as empty ({reads} times); not believed yet"
        )),
        Notice::KeyRefused(refusal) => Said::Warning(format!("key refused: {}", refusal.detail)),
    }
}
