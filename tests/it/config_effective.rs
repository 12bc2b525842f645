//! What a good configuration comes to: defaults, the environment, overrides, the example file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use crossguard::alerts::{Address, Timing};
use crossguard::config::{self, Environment, Marks, Origin};
use crossguard::guard::alarm::{AlarmPolicy, Rule};
use crossguard::guard::policy::{IsolatedOnly, Limit, LimitKey, Policy};
use crossguard::margin::account::Symbol;
use crossguard::margin::amount;

use crate::config_mistakes::{home, load};

fn environment(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

fn limit(warn: &str, reject: &str) -> Limit {
    let side = |text: &str| (text != "off").then(|| amount::parse(text).unwrap());
    Limit {
        warn: side(warn),
        reject: side(reject),
    }
}

/// The shipped defaults, as design and example file state them.
#[test]
fn nothing_written_means_the_shipped_defaults() {
    let config = config::load(None, &[], &home).unwrap();
    assert_eq!(config.exchange.marks, Marks::Used);
    assert_eq!(config.exchange.environment, Environment::Production);
    assert_eq!(config.policy, Policy::default());
    assert_eq!(
        config.socket.path,
        Path::new("/run/crossguard/crossguard.sock")
    );
    assert_eq!(
        config.socket.admin_path,
        Path::new("/run/crossguard/admin.sock")
    );
    assert_eq!(
        config.state_dir,
        Path::new("/home/trader/.local/state/crossguard")
    );
    assert!(config.gateways.is_empty() && config.metrics_listen.is_none());
    assert!(config.key.api_key_files.is_empty());
    assert_eq!(config.origin("policy.horizon"), Origin::Default);
    assert_eq!(config.origin("state.dir"), Origin::Environment("HOME"));
}

#[test]
fn the_environment_fills_what_is_not_written() {
    let env = environment(&[
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ("STATE_DIRECTORY", "/var/lib/crossguard:/var/lib/other"),
        ("XDG_STATE_HOME", "/home/t/state"),
        (
            "CREDENTIALS_DIRECTORY",
            "/run/credentials/crossguard.service",
        ),
        ("HOME", "/home/t"),
    ]);
    let text = "[key]\napi_key_file = \"~/key\"\nsecret_file = \"/etc/secret\"\n";
    let config = config::load(Some(("f", text)), &[], &env).unwrap();
    assert_eq!(
        config.socket.path,
        Path::new("/run/user/1000/crossguard/crossguard.sock")
    );
    assert_eq!(config.state_dir, Path::new("/var/lib/crossguard"));
    let credentials = Path::new("/run/credentials/crossguard.service");
    assert_eq!(
        config.key.api_key_files,
        [credentials.join("api_key"), PathBuf::from("/home/t/key")]
    );
    assert_eq!(
        config.key.secret_files,
        [credentials.join("secret"), PathBuf::from("/etc/secret")]
    );
    let env = environment(&[("XDG_STATE_HOME", "/home/t/state"), ("HOME", "/home/t")]);
    let config = config::load(None, &[], &env).unwrap();
    assert_eq!(config.state_dir, Path::new("/home/t/state/crossguard"));
}

#[test]
fn the_example_names_every_key_with_its_default() {
    let text = include_str!("../../config/crossguard.example.toml");
    let config = load(text);
    let defaults = config::load(None, &[], &home).unwrap();
    assert_eq!(config.policy, defaults.policy);
    assert_eq!(config.policy_fingerprint, defaults.policy_fingerprint);
    assert_eq!(config.exchange, defaults.exchange);
    assert_eq!(config.socket, defaults.socket);
    assert_eq!(config.state_dir, defaults.state_dir);
    assert_eq!(config.key, defaults.key);
    for key in LimitKey::ALL {
        for side in ["warn", "reject"] {
            let path = format!("policy.{}.{side}", key.name());
            assert!(
                matches!(config.origin(&path), Origin::File { .. }),
                "{path} is not shown"
            );
        }
    }
    for key in [
        "rest_url",
        "stream_url",
        "ws_api_url",
        "api_key_file",
        "secret_file",
        "path",
        "listen",
        "client",
        "dir",
        "[[gateway]]",
        "[policy.symbol.",
        "[policy.client.",
        "heartbeat_url",
        "[[alerts.channel]]",
        "url",
        "name",
        "severity",
        "only",
        "per_minute",
    ] {
        assert!(text.contains(&format!("# {key}")), "{key} is not shown");
    }
    the_alerts_are_the_shipped_ones(&config);
}

/// `docs/alerts.md` lists every rule in its order, and addresses that can be written like that.
#[test]
fn the_page_of_alerts_lists_every_rule_and_only_good_addresses() {
    let text = include_str!("../../docs/alerts.md");
    let rows = || text.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<&str> = rows()
        .filter_map(|row| Some(row.split_once('`')?.0))
        .collect();
    let is_address = |name: &&str| name.contains("://");
    let (addresses, rules): (Vec<&str>, Vec<&str>) = named.into_iter().partition(is_address);
    assert_eq!(rules, Rule::ALL.map(Rule::name));
    assert_eq!(addresses.len(), 6);
    for address in addresses {
        let written = address.replace("/CHAT", "/5");
        assert!(Address::parse(&written).is_ok(), "{address}");
    }
}

fn the_alerts_are_the_shipped_ones(config: &config::Config) {
    let table = |levels: &AlarmPolicy| levels.table(&config.policy);
    assert_eq!(table(&config.alerts.levels), table(&AlarmPolicy::default()));
    let in_ms = |seconds: Option<Option<i64>>| seconds.unwrap().map(|seconds| seconds * 1_000);
    let repeat_ms = config.alerts.repeat_s.map(in_ms);
    assert_eq!(repeat_ms, Timing::DEFAULT.repeat_ms);
    assert_eq!(in_ms(config.alerts.escalate_s), Timing::DEFAULT.escalate_ms);
    let defaults = config::load(None, &[], &home).unwrap().alerts;
    assert_eq!(config.alerts.heartbeat_s, defaults.heartbeat_s);
    assert_eq!(config.alerts.channels, defaults.channels);
}

/// What stands behind a comment sign is an example that must be good as well.
#[test]
fn the_examples_in_comments_are_good_too() {
    let text = include_str!("../../config/crossguard.example.toml");
    let uncommented: Vec<String> = text
        .lines()
        .map(|line| {
            let shown = line.strip_prefix("# ").unwrap_or_default();
            let is_code = shown.starts_with('[')
                || shown.split_once(" = ").is_some_and(|(key, _)| {
                    key.trim_end()
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c == '_')
                });
            if is_code {
                shown.to_owned()
            } else {
                line.to_owned()
            }
        })
        .collect();
    let text = uncommented
        .join("\n")
        .replace("\"production\"\n", "\"custom\"\n");
    let config = load(&text);
    assert_eq!(config.gateways.len(), 1);
    let table = |levels: &AlarmPolicy| levels.table(&Policy::default());
    assert_eq!(table(&config.alerts.levels), table(&AlarmPolicy::default()));
    for rule in Rule::ALL {
        let is_shown = config.alerts.levels.given.contains_key(&rule);
        assert!(is_shown, "{rule:?}");
    }
    let names: Vec<&String> = config.alerts.credentials.keys().collect();
    assert_eq!(names, ["heartbeat", "telegram"]);
    assert_eq!(config.alerts.channels.len(), 1);
    assert!(matches!(
        config.exchange.environment,
        Environment::Custom { .. }
    ));
    let btc = Symbol::new("BTCUSDT").unwrap();
    let freqtrade = Some("freqtrade");
    assert_eq!(
        config.policy.limit(LimitKey::Leverage, &btc, None),
        limit("10", "20")
    );
    assert_eq!(
        config
            .policy
            .limit(LimitKey::OrderNotional, &btc, freqtrade),
        limit("off", "5000")
    );
}

#[test]
fn overrides_win_and_say_so() {
    let text = "[policy]\nleverage = { warn = \"10\", reject = \"25\" }\n";
    let sets = [
        "policy.leverage.reject=30",
        "policy.horizon = 12%",
        "policy.isolated_only=*",
        "policy.symbols=[\"BTCUSDT\"]",
        "policy.client.bot.spill={ warn = \"off\", reject = \"0.2\" }",
        "state.dir=/tmp/state",
    ]
    .map(str::to_owned);
    let config = config::load(Some(("f", text)), &sets, &home).unwrap();
    assert_eq!(
        config.policy.limits.get(LimitKey::Leverage),
        limit("10", "30")
    );
    assert_eq!(config.policy.horizon.get(), amount::parse("0.12").unwrap());
    assert_eq!(config.policy.isolated_only, IsolatedOnly::All);
    assert_eq!(config.policy.symbols.len(), 1);
    assert_eq!(
        config.policy.of_client["bot"][&LimitKey::Spill],
        limit("off", "0.2")
    );
    assert_eq!(
        config.origin("policy.leverage.warn"),
        Origin::File { line: 2 }
    );
    assert_eq!(config.origin("policy.leverage.reject"), Origin::Set);
    assert_eq!(config.origin("state.dir"), Origin::Set);
}

#[test]
fn a_threshold_left_out_stays_as_it_is_in_general() {
    let text = "[policy]\nleverage = { warn = \"10\", reject = \"25\" }\n\
                [policy.symbol.BTCUSDT]\nleverage = { reject = \"15\" }\n";
    let config = load(text);
    let btc = Symbol::new("BTCUSDT").unwrap();
    assert_eq!(
        config.policy.limit(LimitKey::Leverage, &btc, None),
        limit("10", "15")
    );
}

#[test]
fn the_fingerprint_is_of_the_policy_and_of_nothing_else() {
    let of = |text: &str| load(text).policy_fingerprint;
    let base = of("");
    assert_eq!(base.len(), "sha256:".len() + 64);
    assert!(base.starts_with("sha256:"));
    for same in [
        "[policy]\nhorizon = \"10%\"\n",
        "[policy]\nhorizon = \"0.1000\"\nleverage = { reject = \"5e1\", warn = \"20.0\" }\n",
        "[exchange]\nmarks = \"all\"\n[state]\ndir = \"/elsewhere\"\n",
    ] {
        assert_eq!(of(same), base, "{same}");
    }
    for other in [
        "[policy]\nhorizon = \"11%\"\n",
        "[policy]\nsymbols = [\"BTCUSDT\"]\n",
        "[policy]\nisolated_only = [\"BTCUSDT\"]\n",
        "[policy]\nisolated_only = \"*\"\n",
        "[policy]\nspill = { warn = \"off\" }\n",
        "[policy.symbol.BTCUSDT]\nleverage = { reject = \"21\" }\n",
        "[policy.client.BTCUSDT]\nleverage = { reject = \"21\" }\n",
    ] {
        assert_ne!(of(other), base, "{other}");
    }
    let order = of("[policy]\nsymbols = [\"B\", \"A\"]\n");
    assert_eq!(order, of("[policy]\nsymbols = [\"A\", \"B\", \"A\"]\n"));
}

#[test]
fn what_is_shown_can_be_used_again_and_names_every_origin() {
    let text = "\
[exchange]
environment = \"custom\"
rest_url = \"http://127.0.0.1:9100/\"
stream_url = \"ws://127.0.0.1:9100\"
ws_api_url = \"ws://127.0.0.1:9100/ws-fapi/v1\"
[key]
api_key_file = \"/k/a \\\"quoted\\\"\"
secret_file = \"/k/s\"
[[gateway]]
listen = \"127.0.0.1:9180\"
client = \"freqtrade\"
[policy]
isolated_only = [\"DOGEUSDT\"]
leverage = { warn = \"off\" }
[policy.symbol.\"币安人生USDT\"]
spill = { warn = \"5%\", reject = \"off\" }
[policy.client.\"a.b\"]
order_notional = { reject = \"5000\" }
[metrics]
listen = \"[::1]:9469\"
";
    let sets = ["policy.taker_fee=0.0004".to_owned()];
    let config = config::load(Some(("f", text)), &sets, &home).unwrap();
    let shown = config.show();
    for line in [
        "environment = \"custom\"  # file, line 2",
        "rest_url = \"http://127.0.0.1:9100\"  # file, line 3",
        "dir = \"/home/trader/.local/state/crossguard\"  # environment, HOME",
        "horizon = \"0.1\"  # default",
        "taker_fee = \"0.0004\"  # --set",
        "leverage = { warn = \"off\", reject = \"50\" }  # warn: file, line 14; reject: default",
    ] {
        assert!(
            shown.lines().any(|found| found == line),
            "missing {line} in\n{shown}"
        );
    }
    let again = load(&shown);
    assert_eq!(again.policy, config.policy);
    assert_eq!(again.policy_fingerprint, config.policy_fingerprint);
    assert_eq!(again.exchange, config.exchange);
    assert_eq!(again.key, config.key);
    assert_eq!(again.gateways, config.gateways);
    assert_eq!(again.socket, config.socket);
    assert_eq!(again.metrics_listen, config.metrics_listen);
}

#[test]
fn what_is_shown_never_contains_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "hunter2").unwrap();
    let path = file.display();
    let text = format!("[key]\napi_key_file = \"{path}\"\nsecret_file = \"{path}\"\n");
    let config = load(&text);
    assert!(config.show().contains(&path.to_string()));
    assert!(!config.show().contains("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_file_is_looked_for_where_it_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap().to_owned();
    let file = dir.path().join("crossguard/crossguard.toml");
    let xdg = |name: &str| (name == "XDG_CONFIG_HOME").then(|| folder.clone());
    let explicit = Path::new("/does/not/exist.toml");
    assert_eq!(
        config::locate(Some(explicit), &xdg).as_deref(),
        Some(explicit)
    );
    assert_ne!(config::locate(None, &xdg), Some(file.clone()));
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "").unwrap();
    assert_eq!(config::locate(None, &xdg), Some(file.clone()));
    assert_eq!(config::read(&file), Ok(String::new()));
    let told = config::read(explicit).unwrap_err().to_string();
    assert!(
        told.starts_with("/does/not/exist.toml: cannot be read"),
        "{told}"
    );
    std::fs::write(&file, [0xff]).unwrap();
    assert!(
        config::read(&file)
            .unwrap_err()
            .to_string()
            .contains("UTF-8")
    );
}
