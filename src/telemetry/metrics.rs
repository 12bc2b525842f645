//! Figures for graphs, in the OpenMetrics text format.
//!
//! Owns: the names, units and labels of every metric.
//! Must not know: how a figure is computed, who scrapes.
//!
//! Labels are bounded: words of this program, margin assets that are held, channels that are
//! configured. No order, client or
//! process ever becomes a label.
#![expect(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "the exposition format counts in floats; nothing is decided on a metric"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Upper bounds of the check-duration histogram, in seconds: from 1 µs to beyond the 20 ms that an
/// answer may wait for the journal.
const CHECK_SECONDS: [f64; 15] = [
    0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5,
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
];

type Float = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Check {
    decision: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Finding {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stream {
    stream: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconnect {
    stream: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plane {
    plane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pool {
    pool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Severity {
    severity: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Notification {
    channel: String,
    result: &'static str,
}

/// The journal's figures, as it counts them since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalFigures {
    /// Records written.
    pub written: u64,
    /// Acknowledgements that said no.
    pub failed: u64,
    /// Records given up.
    pub lost: u64,
    /// Records that wait.
    pub queued: usize,
    /// What the last commit took, in microseconds.
    pub commit_micros: u64,
}

/// Every figure of the daemon. Setting one takes no lock that a scrape could hold for long.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    check_duration: Histogram,
    checks: Family<Check, Counter>,
    findings: Family<Finding, Counter>,
    feed_age: Family<Stream, Float>,
    reconnects: Family<Reconnect, Counter>,
    synced: Family<Plane, Gauge>,
    plane_age: Family<Plane, Float>,
    margin_ratio: Family<Pool, Float>,
    wallet_at_risk: Family<Pool, Float>,
    request_weight: Gauge,
    clock_offset: Float,
    alerts_active: Family<Severity, Gauge>,
    notifications: Family<Notification, Counter>,
    journal_written: Counter,
    journal_failed: Counter,
    journal_lost: Counter,
    journal_queued: Gauge,
    journal_commit: Float,
    resident_memory: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric, at nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("crossguard"),
            check_duration: Histogram::new(CHECK_SECONDS),
            checks: Family::default(),
            findings: Family::default(),
            feed_age: Family::default(),
            reconnects: Family::default(),
            synced: Family::default(),
            plane_age: Family::default(),
            margin_ratio: Family::default(),
            wallet_at_risk: Family::default(),
            request_weight: Gauge::default(),
            clock_offset: Float::default(),
            alerts_active: Family::default(),
            notifications: Family::default(),
            journal_written: Counter::default(),
            journal_failed: Counter::default(),
            journal_lost: Counter::default(),
            journal_queued: Gauge::default(),
            journal_commit: Float::default(),
            resident_memory: Gauge::default(),
        };
        metrics.register_checks();
        metrics.register_feeds();
        metrics.register_account();
        metrics.register_process();
        metrics
    }

    fn register_checks(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "check_duration",
            "Time a check took inside the guard",
            Unit::Seconds,
            self.check_duration.clone(),
        );
        registry.register(
            "checks",
            "Checks by verdict and by the code that decided; no code when nothing spoke against",
            self.checks.clone(),
        );
        registry.register("findings", "Findings by code", self.findings.clone());
    }

    fn register_feeds(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "feed_age",
            "Time since a stream was last heard",
            Unit::Seconds,
            self.feed_age.clone(),
        );
        registry.register(
            "ws_reconnects",
            "Connections made anew, by stream and reason",
            self.reconnects.clone(),
        );
        registry.register(
            "state_synced",
            "1 when a plane of knowledge is fresh, else 0",
            self.synced.clone(),
        );
        registry.register_with_unit(
            "plane_age",
            "Age of a plane of knowledge",
            Unit::Seconds,
            self.plane_age.clone(),
        );
        registry.register(
            "rest_weight_used",
            "Request weight used in this minute, as the exchange counts it",
            self.request_weight.clone(),
        );
        registry.register_with_unit(
            "clock_offset",
            "The exchange's clock minus ours",
            Unit::Seconds,
            self.clock_offset.clone(),
        );
    }

    fn register_account(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "margin_ratio",
            "Maintenance margin divided by margin balance of a pool; 1 is liquidation",
            self.margin_ratio.clone(),
        );
        registry.register(
            "wallet_at_risk_ratio",
            "Share of a pool that the worst adverse move takes",
            self.wallet_at_risk.clone(),
        );
        registry.register(
            "alerts_active",
            "Alerts that are firing, by severity",
            self.alerts_active.clone(),
        );
        registry.register(
            "notifications",
            "Deliveries of alerts, by channel and result",
            self.notifications.clone(),
        );
    }

    fn register_process(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "journal_records",
            "Records written to the journal",
            self.journal_written.clone(),
        );
        registry.register(
            "journal_failed",
            "Records whose acknowledgement said no",
            self.journal_failed.clone(),
        );
        registry.register(
            "journal_dropped",
            "Records that were given up and are not in the journal",
            self.journal_lost.clone(),
        );
        registry.register(
            "journal_queue_records",
            "Records that wait for the disk",
            self.journal_queued.clone(),
        );
        registry.register_with_unit(
            "journal_commit",
            "What the last commit took",
            Unit::Seconds,
            self.journal_commit.clone(),
        );
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the daemon that is not swapped out",
            Unit::Bytes,
            self.resident_memory.clone(),
        );
        registry.register(
            "build",
            "The running version",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
    }

    /// One check: what it took, its verdict (`allow`, `warn`, `reject`) and the codes of its
    /// findings, the deciding one first.
    pub fn observe_check(&self, micros: u64, decision: &'static str, codes: &[&'static str]) {
        self.check_duration.observe(seconds_of_micros(micros));
        let code = codes.first().copied().unwrap_or_default();
        self.checks.get_or_create(&Check { decision, code }).inc();
        for code in codes {
            self.findings.get_or_create(&Finding { code }).inc();
        }
    }

    /// When a stream was last heard, in milliseconds ago.
    pub fn set_feed_age(&self, stream: &'static str, age_ms: i64) {
        let age = self.feed_age.get_or_create(&Stream { stream });
        age.set(seconds_of_millis(age_ms));
    }

    /// A connection was made anew.
    pub fn count_reconnect(&self, stream: &'static str, reason: &'static str) {
        self.reconnects
            .get_or_create(&Reconnect { stream, reason })
            .inc();
    }

    /// Whether a plane of knowledge is fresh, and how old it is in milliseconds, if it ever came.
    pub fn set_plane(&self, plane: &'static str, fresh: bool, age_ms: Option<i64>) {
        let labels = Plane { plane };
        self.synced.get_or_create(&labels).set(i64::from(fresh));
        match age_ms {
            Some(age_ms) => {
                let age = self.plane_age.get_or_create(&labels);
                age.set(seconds_of_millis(age_ms));
            }
            None => {
                self.plane_age.remove(&labels);
            }
        }
    }

    /// A pool's margin ratio and wallet at risk, as fractions. A figure that is not known has no
    /// series: a zero would look safe.
    pub fn set_pool(
        &self,
        pool: &str,
        margin_ratio: Option<Decimal>,
        wallet_at_risk: Option<Decimal>,
    ) {
        let labels = Pool {
            pool: pool.to_owned(),
        };
        for (family, value) in [
            (&self.margin_ratio, margin_ratio),
            (&self.wallet_at_risk, wallet_at_risk),
        ] {
            match value.and_then(|value| value.to_f64()) {
                Some(value) => {
                    family.get_or_create(&labels).set(value);
                }
                None => {
                    family.remove(&labels);
                }
            }
        }
    }

    /// Request weight used in this minute.
    pub fn set_request_weight(&self, used: u32) {
        self.request_weight.set(i64::from(used));
    }

    /// The exchange's clock minus ours, in milliseconds.
    pub fn set_clock_offset(&self, offset_ms: i64) {
        self.clock_offset.set(seconds_of_millis(offset_ms));
    }

    /// How many alerts of a severity are firing.
    pub fn set_alerts_active(&self, severity: &'static str, count: usize) {
        let alerts = self.alerts_active.get_or_create(&Severity { severity });
        alerts.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// One delivery of an alert.
    pub fn count_notification(&self, channel: &str, result: &'static str) {
        let channel = channel.to_owned();
        self.notifications
            .get_or_create(&Notification { channel, result })
            .inc();
    }

    /// The journal's figures.
    pub fn set_journal(&self, figures: JournalFigures) {
        for (counter, total) in [
            (&self.journal_written, figures.written),
            (&self.journal_failed, figures.failed),
            (&self.journal_lost, figures.lost),
        ] {
            counter.inner().store(total, Ordering::Relaxed);
        }
        let queued = i64::try_from(figures.queued).unwrap_or(i64::MAX);
        self.journal_queued.set(queued);
        self.journal_commit
            .set(seconds_of_micros(figures.commit_micros));
    }

    /// Everything as OpenMetrics text, to be sent as
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_memory_bytes() {
            self.resident_memory.set(bytes);
        }
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// `VmRSS` of `/proc/self/status`: in kB whatever the page size, and visible with ProcSubset=pid.
fn resident_memory_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

fn seconds_of_micros(micros: u64) -> f64 {
    micros.to_f64().unwrap_or_default() / 1_000_000.0
}

fn seconds_of_millis(millis: i64) -> f64 {
    millis.to_f64().unwrap_or_default() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|found| found == line)
    }

    #[test]
    fn every_figure_is_rendered_under_its_name_and_unit() {
        let metrics = Metrics::new();
        metrics.observe_check(41, "reject", &["LIQUIDATION_DISTANCE", "SPILL"]);
        metrics.observe_check(3, "allow", &[]);
        metrics.set_feed_age("marks", 1_500);
        metrics.count_reconnect("user", "stale");
        metrics.set_plane("account", true, Some(120));
        metrics.set_plane("orders", false, None);
        metrics.set_pool("USDT", Some(Decimal::new(25, 2)), Some(Decimal::new(4, 1)));
        metrics.set_request_weight(37);
        metrics.set_clock_offset(-250);
        metrics.set_alerts_active("critical", 2);
        metrics.count_notification("ntfy", "delivered");
        metrics.set_journal(JournalFigures {
            written: 7,
            failed: 2,
            lost: 1,
            queued: 4,
            commit_micros: 250,
        });
        let text = metrics.render();
        for line in [
            "crossguard_check_duration_seconds_count 2",
            "crossguard_check_duration_seconds_bucket{le=\"0.00005\"} 2",
            "crossguard_checks_total{decision=\"reject\",code=\"LIQUIDATION_DISTANCE\"} 1",
            "crossguard_checks_total{decision=\"allow\",code=\"\"} 1",
            "crossguard_findings_total{code=\"SPILL\"} 1",
            "crossguard_feed_age_seconds{stream=\"marks\"} 1.5",
            "crossguard_ws_reconnects_total{stream=\"user\",reason=\"stale\"} 1",
            "crossguard_state_synced{plane=\"account\"} 1",
            "crossguard_state_synced{plane=\"orders\"} 0",
            "crossguard_plane_age_seconds{plane=\"account\"} 0.12",
            "crossguard_margin_ratio{pool=\"USDT\"} 0.25",
            "crossguard_wallet_at_risk_ratio{pool=\"USDT\"} 0.4",
            "crossguard_rest_weight_used 37",
            "crossguard_clock_offset_seconds -0.25",
            "crossguard_alerts_active{severity=\"critical\"} 2",
            "crossguard_notifications_total{channel=\"ntfy\",result=\"delivered\"} 1",
            "crossguard_journal_records_total 7",
            "crossguard_journal_dropped_total 1",
            "crossguard_journal_queue_records 4",
            "crossguard_journal_commit_seconds 0.00025",
        ] {
            assert!(has(&text, line), "missing {line} in\n{text}");
        }
        assert!(text.contains("crossguard_build_info{version="));
        assert!(text.contains("crossguard_process_resident_memory_bytes "));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn what_is_not_known_has_no_series() {
        let metrics = Metrics::new();
        metrics.set_pool("USDT", Some(Decimal::ONE), Some(Decimal::ONE));
        metrics.set_pool("USDT", None, Some(Decimal::ONE));
        metrics.set_plane("orders", true, Some(5));
        metrics.set_plane("orders", false, None);
        let text = metrics.render();
        assert!(!text.contains("crossguard_margin_ratio{"));
        assert!(has(
            &text,
            "crossguard_wallet_at_risk_ratio{pool=\"USDT\"} 1.0"
        ));
        assert!(!text.contains("crossguard_plane_age_seconds{"));
    }

    #[test]
    fn the_memory_of_this_process_is_plausible() {
        let bytes = resident_memory_bytes().unwrap();
        assert!((1 << 20..1 << 36).contains(&bytes), "{bytes}");
    }
}
