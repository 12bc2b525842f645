//! The effective configuration, as a file that could be used again.
//!
//! Owns: its rendering, with the origin of every value beside it.
//! Must not know: how values were proved.

use std::fmt::Write as _;

use rust_decimal::Decimal;

use super::{Config, Environment, Key, Marks, Origin};
use crate::guard::policy::{IsolatedOnly, Limit, LimitKey, Policy};
use crate::guard::stress::{Scenario, required_name};
use crate::margin::account::Symbol;
use crate::margin::amount::Rate;

/// Lines of `key = value  # origin`. Writing into a `String` cannot fail, so results of `writeln!`
/// are dropped here.
struct Page<'a> {
    config: &'a Config,
    text: String,
}

pub(super) fn render(config: &Config) -> String {
    let mut page = Page {
        config,
        text: String::new(),
    };
    let _ = writeln!(page.text, "# policy {}", config.policy_fingerprint);
    page.exchange();
    page.key(&config.key);
    page.table("socket");
    page.value(
        "socket.path",
        &quoted(&config.socket.path.display().to_string()),
    );
    let _ = writeln!(
        page.text,
        "# admin: {}",
        quoted(&config.socket.admin_path.display().to_string())
    );
    page.gateways();
    page.table("state");
    page.value(
        "state.dir",
        &quoted(&config.state_dir.display().to_string()),
    );
    page.policy(&config.policy);
    page.alerts();
    page.table("metrics");
    if let Some(listen) = config.metrics_listen {
        page.value("metrics.listen", &quoted(&listen.to_string()));
    }
    page.text
}

impl Page<'_> {
    fn table(&mut self, name: &str) {
        let _ = writeln!(self.text, "\n[{name}]");
    }

    /// `key` with its tables; the last part is written.
    fn value(&mut self, key: &str, value: &str) {
        let name = key.rsplit('.').next().unwrap_or(key);
        let origin = origin(self.config.origin(key));
        let _ = writeln!(self.text, "{name} = {value}  # {origin}");
    }

    fn exchange(&mut self) {
        let exchange = &self.config.exchange;
        self.table("exchange");
        let marks = match exchange.marks {
            Marks::Used => "used",
            Marks::All => "all",
        };
        self.value("exchange.marks", &quoted(marks));
        match &exchange.environment {
            Environment::Production => self.value("exchange.environment", &quoted("production")),
            Environment::Demo => self.value("exchange.environment", &quoted("demo")),
            Environment::Custom {
                rest_url,
                stream_url,
                ws_api_url,
            } => {
                self.value("exchange.environment", &quoted("custom"));
                self.value("exchange.rest_url", &quoted(rest_url));
                self.value("exchange.stream_url", &quoted(stream_url));
                self.value("exchange.ws_api_url", &quoted(ws_api_url));
            }
        }
    }

    /// Only what the configuration names is written as a value; credentials of the service manager
    /// are a comment, because they are not the file's to set.
    fn key(&mut self, key: &Key) {
        self.table("key");
        for (name, files) in [
            ("key.api_key_file", &key.api_key_files),
            ("key.secret_file", &key.secret_files),
        ] {
            let named = self.config.origin(name) != Origin::Default;
            let (file, credentials) = match files.split_last() {
                Some((file, first)) if named => (Some(file), first),
                _ => (None, files.as_slice()),
            };
            for credential in credentials {
                let shown = quoted(&credential.display().to_string());
                let _ = writeln!(self.text, "# {shown} comes first (CREDENTIALS_DIRECTORY)");
            }
            if let Some(file) = file {
                self.value(name, &quoted(&file.display().to_string()));
            }
        }
    }

    /// Channels are shown without their queries and tokens.
    fn alerts(&mut self) {
        self.table("alerts");
        let alerts = &self.config.alerts;
        for rule in alerts.levels.given.keys() {
            let _ = writeln!(self.text, "# levels.{} is set", rule.name());
        }
        if alerts.heartbeat_url.is_some() {
            let _ = writeln!(self.text, "# a heartbeat every {} s", alerts.heartbeat_s);
        }
        for channel in &alerts.channels {
            let _ = writeln!(
                self.text,
                "# channel {}: {}, from {}, {} a minute",
                channel.name,
                channel.address,
                channel.severity.name(),
                channel.per_minute
            );
        }
    }

    fn gateways(&mut self) {
        for (index, gateway) in self.config.gateways.iter().enumerate() {
            self.text.push_str("\n[[gateway]]\n");
            let key = format!("gateway[{index}]");
            self.value(
                &format!("{key}.listen"),
                &quoted(&gateway.listen.to_string()),
            );
            if let Some(client) = &gateway.client {
                self.value(&format!("{key}.client"), &quoted(client));
            }
        }
    }

    fn policy(&mut self, policy: &Policy) {
        self.table("policy");
        self.value("policy.horizon", &quoted(&policy.horizon.to_string()));
        self.value(
            "policy.market_slippage",
            &quoted(&policy.market_slippage.to_string()),
        );
        self.value("policy.taker_fee", &quoted(&policy.taker_fee.to_string()));
        self.value("policy.symbols", &list(policy.symbols.iter()));
        let isolated_only = match &policy.isolated_only {
            IsolatedOnly::All => quoted("*"),
            IsolatedOnly::These(symbols) => list(symbols.iter()),
        };
        self.value("policy.isolated_only", &isolated_only);
        for key in LimitKey::ALL {
            self.limit("policy", key, policy.limits.get(key));
        }
        for (name, scenario) in &policy.stress {
            self.scenario(name, scenario);
        }
        for (symbol, overrides) in &policy.of_symbol {
            self.table(&format!("policy.symbol.{}", quoted(symbol.as_str())));
            for (key, limit) in overrides {
                self.limit(&format!("policy.symbol.{symbol}"), *key, *limit);
            }
        }
        for (client, overrides) in &policy.of_client {
            self.table(&format!("policy.client.{}", quoted(client)));
            for (key, limit) in overrides {
                self.limit(&format!("policy.client.{client}"), *key, *limit);
            }
        }
    }

    fn scenario(&mut self, name: &str, scenario: &Scenario) {
        let table = format!("policy.stress.{}", quoted(name));
        let key = |leaf: &str| format!("policy.stress.{name}.{leaf}");
        self.table(&table);
        let shock = &scenario.shock;
        self.value(&key("required"), &quoted(required_name(scenario.required)));
        if let Some(all) = shock.all {
            self.value(&key("all"), &quoted(&all.to_string()));
        }
        let moves = |pairs: Vec<(&str, Rate)>| {
            let pairs: Vec<String> = pairs
                .into_iter()
                .map(|(name, by)| format!("{} = {}", quoted(name), quoted(&by.to_string())))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        };
        if !shock.symbols.is_empty() {
            let pairs = shock.symbols.iter().map(|(s, by)| (s.as_str(), *by));
            self.value(&key("symbols"), &moves(pairs.collect()));
        }
        if !shock.collateral.is_empty() {
            let pairs = shock.collateral.iter().map(|(a, by)| (a.as_str(), *by));
            self.value(&key("collateral"), &moves(pairs.collect()));
        }
        if let Some(factor) = shock.maintenance {
            self.value(&key("maintenance"), &quoted(&factor.to_string()));
        }
        if shock.funding_intervals > 0 {
            let intervals = shock.funding_intervals.to_string();
            self.value(&key("funding_intervals"), &quoted(&intervals));
            let rate = shock.funding_rate.to_string();
            self.value(&key("funding_rate"), &quoted(&rate));
        }
    }

    fn limit(&mut self, table: &str, key: LimitKey, limit: Limit) {
        let name = key.name();
        let side = |side: Option<Decimal>| {
            side.map_or_else(
                || quoted("off"),
                |side| quoted(&side.normalize().to_string()),
            )
        };
        let from = |side: &str| origin(self.config.origin(&format!("{table}.{name}.{side}")));
        let (warn, reject) = (from("warn"), from("reject"));
        let comment = if warn == reject {
            warn
        } else {
            format!("warn: {warn}; reject: {reject}")
        };
        let _ = writeln!(
            self.text,
            "{name} = {{ warn = {}, reject = {} }}  # {comment}",
            side(limit.warn),
            side(limit.reject)
        );
    }
}

fn origin(origin: Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line } => format!("file, line {line}"),
        Origin::Set => "--set".to_owned(),
        Origin::Environment(variable) => format!("environment, {variable}"),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list<'a>(symbols: impl Iterator<Item = &'a Symbol>) -> String {
    let symbols: Vec<String> = symbols.map(|symbol| quoted(symbol.as_str())).collect();
    format!("[{}]", symbols.join(", "))
}
