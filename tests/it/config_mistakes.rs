//! What a wrong configuration is told: everything at once, with line, column and what to write.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crossguard::config::{self, Config, Mistake};

pub(crate) fn home(name: &str) -> Option<String> {
    (name == "HOME").then(|| "/home/trader".to_owned())
}

pub(crate) fn load(text: &str) -> Config {
    config::load(Some(("test.toml", text)), &[], &home).unwrap()
}

pub(crate) fn mistakes(text: &str, sets: &[&str]) -> Vec<Mistake> {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    config::load(Some(("test.toml", text)), &sets, &home).unwrap_err()
}

/// The one mistake in this text, as it is printed.
fn told(text: &str) -> String {
    let mistakes = mistakes(text, &[]);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].to_string()
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let text = "\
[exchange]
marks = \"usde\"
enviroment = \"demo\"

[policy]
horizon = 0.10
leverage = \"20\"
  wallet_at_risk = { warn = \"0.70\", reject = \"0.60\" }

[polcy]
[metrics]
listen = \"0.0.0.0:9469\"
";
    let all: Vec<String> = mistakes(text, &["policy.spill.warn=x"])
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "test.toml:2:9: exchange.marks: \"usde\" is not a choice; did you mean \"used\"?",
        "test.toml:3:1: exchange.enviroment: there is no such key in [exchange]; did you mean \
         \"environment\"?",
        "test.toml:6:11: policy.horizon: write it in quotes: \"0.10\"",
        "test.toml:7:12: policy.leverage: expected both thresholds, such as { warn = \"20\", \
         reject = \"off\" }, found a text",
        "test.toml:8:20: policy.wallet_at_risk: warn (0.7) must lie below reject (0.6), or \
         nothing is warned of; switch one \"off\" if that is meant",
        "test.toml:10:2: polcy: there is no such table; did you mean \"policy\"?",
        "test.toml:12:10: metrics.listen: \"0.0.0.0:9469\" can be reached from outside of this \
         machine; use 127.0.0.1 or [::1]",
        "--set: policy.spill.warn: \"x\" is not a decimal number; expected a fraction in quotes \
         such as \"0.10\" or \"10%\"",
    ];
    assert_eq!(all, expected);
}

#[test]
fn every_syntax_error_is_reported_with_its_place() {
    let found = mistakes("[exchange]\nmarks = \n[policy\nhorizon = \"0.1\"\n", &[]);
    let lines: Vec<usize> = found.iter().map(|mistake| mistake.line).collect();
    assert!(lines.contains(&2) && lines.contains(&3), "{found:?}");
    let twice = told("[state]\ndir = \"/a\"\ndir = \"/b\"\n");
    assert!(
        twice.starts_with("test.toml:3:1:") && twice.contains("duplicate key"),
        "{twice}"
    );
}

#[test]
fn a_column_counts_characters_not_bytes() {
    let found = mistakes(
        "gateway = [{ listen = \"127.0.0.1:1\", client = \"日本\", x = 1 }]",
        &[],
    );
    assert_eq!((found[0].line, found[0].column), (1, 53), "{found:?}");
}

#[test]
fn a_symbol_that_would_never_match_is_a_mistake() {
    let lower = told("[policy]\nsymbols = [\"btcusdt\"]\n");
    assert!(lower.contains("did you mean \"BTCUSDT\"?"), "{lower}");
    let lower = told("[policy.symbol.ethusdt]\nleverage = { warn = \"5\", reject = \"9\" }\n");
    assert!(
        lower.starts_with("test.toml:1:16: policy.symbol.ethusdt:"),
        "{lower}"
    );
    assert!(lower.contains("did you mean \"ETHUSDT\"?"), "{lower}");
    let star = told("[policy]\nisolated_only = \"BTCUSDT\"\n");
    assert!(star.contains("expected \"*\" for all or a list"), "{star}");
    load("[policy]\nsymbols = [\"币安人生USDT\", \"1000SHIBUSDT\", \"BTCUSDT_261225\"]\n");
}

#[test]
fn a_limit_out_of_its_range_is_a_mistake() {
    for (line, expected) in [
        (
            "wallet_at_risk = { warn = \"0.3\", reject = \"60\" }",
            "is a fraction",
        ),
        (
            "spill = { warn = \"0\", reject = \"0.4\" }",
            "must be above 0",
        ),
        (
            "margin_ratio = { warn = \"-0.1\", reject = \"0.4\" }",
            "must be above 0",
        ),
        (
            "leverage = { warn = \"20%\", reject = \"50\" }",
            "cannot be a percentage",
        ),
        (
            "leverage = { warn = \"20\", rejct = \"50\" }",
            "did you mean \"reject\"?",
        ),
        (
            "leverage = { warn = \"OFF\", reject = \"50\" }",
            "is not a decimal number",
        ),
        (
            "leverage = { warn = 20, reject = \"50\" }",
            "write it in quotes: \"20\"",
        ),
        (
            "leverage = { warn = true, reject = \"50\" }",
            "found a boolean",
        ),
        (
            "liquidation_distance = { warn = \"0.05\", reject = \"0.10\" }",
            "must lie above reject",
        ),
        (
            "liquidation_distance = { warn = \"0.10\", reject = \"0.10\" }",
            "must lie above reject",
        ),
        (
            "liquidation_distance = { reject = \"25%\" }",
            "warn (0.20) must lie above",
        ),
        ("leverage = { reject = \"15\" }", "warn (20) must lie below"),
        (
            "price_collar = \"0.05\"",
            "{ warn = \"0.20\", reject = \"10%\" }",
        ),
        ("horizon = \"0\"", "above 0 and below 1"),
        ("horizon = \"100%\"", "above 0 and below 1"),
        ("market_slippage = \"-1%\"", "0 or more and below 1"),
    ] {
        let told = told(&format!("[policy]\n{line}\n"));
        assert!(told.contains(expected), "{line}: {told}");
        assert!(told.starts_with("test.toml:2:"), "{told}");
    }
}

#[test]
fn hosts_are_named_only_for_a_custom_exchange() {
    let named = told("[exchange]\nenvironment = \"demo\"\nrest_url = \"http://127.0.0.1:1\"\n");
    assert!(
        named.starts_with("test.toml:3:12: exchange.rest_url: is only for"),
        "{named}"
    );
    let missing = mistakes(
        "[exchange]\nenvironment = \"custom\"\nrest_url = \"http://[::1]:1\"\n",
        &[],
    );
    let keys: Vec<&str> = missing.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["exchange.stream_url", "exchange.ws_api_url"]);
    let custom = |rest: &str| {
        format!(
            "[exchange]\nenvironment = \"custom\"\nrest_url = \"{rest}\"\n\
             stream_url = \"ws://127.0.0.1:1\"\nws_api_url = \"wss://example.org/ws\"\n"
        )
    };
    for (rest, expected) in [
        ("ftp://127.0.0.1", "must begin with http:// or https://"),
        (
            "http://example.org",
            "must begin with https:// outside of this machine",
        ),
        (
            "https://me:hunter2@example.org",
            "must not carry a user or a password",
        ),
        ("https://example.org/?a=b", "must end with its path"),
        ("nonsense", "is not an address"),
    ] {
        let told = told(&custom(rest));
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    load(&custom("https://example.org"));
}

#[test]
fn doors_are_on_this_machine_and_each_is_named_once() {
    let gateway = |listen: &str| format!("[[gateway]]\nlisten = \"{listen}\"\n");
    assert!(
        told(&gateway("192.168.0.1:80"))
            .contains("gateway[0].listen: \"192.168.0.1:80\" can be reached")
    );
    assert!(told(&gateway("localhost")).contains("is not an address with a port"));
    assert!(told("[[gateway]]\nclient = \"bot\"\n").contains("gateway[0].listen: is needed"));
    assert!(told("[gateway]\nlisten = \"127.0.0.1:1\"\n").contains("write [[gateway]]"));
    let two = gateway("127.0.0.1:1").repeat(2);
    assert!(told(&two).contains("gateway[1].listen: another gateway listens on 127.0.0.1:1"));
    let blank = format!("{}client = \"a b\"\n", gateway("127.0.0.1:0"));
    assert!(told(&blank).contains("is not a client's name"));
}

#[test]
fn paths_are_absolute_and_a_socket_s_is_short() {
    assert!(told("[state]\ndir = \"state\"\n").contains("is not an absolute path"));
    let long = format!("[socket]\npath = \"/{}/x.sock\"\n", "d".repeat(95));
    // With admin.sock in its place the path has 1 + 95 + 1 + 10 = 107 bytes: the longest that fits.
    load(&long);
    let longer = format!("[socket]\npath = \"/{}/x.sock\"\n", "d".repeat(96));
    assert!(told(&longer).contains("below 108 bytes"));
    assert!(told("[socket]\npath = \"/run/admin.sock\"\n").contains("other than admin.sock"));
    assert!(told("[key]\napi_key_file = \"/a\"\n").contains("key.secret_file: is needed"));
}

#[test]
fn an_override_is_held_to_the_same_rules() {
    let one = |set: &str| {
        let mut found = mistakes("", &[set]);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).to_string()
    };
    assert_eq!(
        one("policy.leverage"),
        "--set: expected section.key=value, found \"policy.leverage\""
    );
    assert!(one("policy.levrage.warn=3").contains("did you mean \"leverage\"?"));
    assert!(one("policy.horizon=2").contains("--set: policy.horizon: must be above 0"));
    assert!(one("policy.symbols=[\"BTCUSDT\"").starts_with("--set: policy.symbols:"));
    assert!(one("exchange={ marks = \"all\" }\n[policy]").contains("must be one line"));
}

#[test]
fn a_mistake_never_carries_a_control_character_to_the_terminal() {
    let escape = told("[exchange]\nmarks = \"\\u001b[2J\"\n");
    let direction = told("[exchange]\n\"\\u202emarks\" = \"used\"\n");
    for told in [escape, direction] {
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
    }
}

/// Every mistake about alerts names its key and what was expected, and repeats no secret.
#[test]
fn mistakes_about_alerts_name_the_key_and_never_a_secret() {
    let channel = |line: &str| format!("[[alerts.channel]]\nurl = \"exec:///bin/beep\"\n{line}\n");
    let url = |url: &str| format!("[[alerts.channel]]\nurl = \"{url}\"\n");
    let level = |line: &str| format!("[alerts.levels]\n{line}\n");
    for (text, key, word) in [
        (
            "[alerts]\nescalat = \"5m\"\n".to_owned(),
            "alerts.escalat",
            "escalate",
        ),
        (
            "[alerts]\nescalate = \"5\"\n".to_owned(),
            "alerts.escalate",
            "such as",
        ),
        (
            "[alerts]\nescalate = \"5s\"\n".to_owned(),
            "alerts.escalate",
            "60s",
        ),
        (
            "[alerts]\nescalate = \"25h\"\n".to_owned(),
            "alerts.escalate",
            "24h",
        ),
        (
            "[alerts.repeat]\ncritical = \"often\"\n".to_owned(),
            "alerts.repeat.critical",
            "often",
        ),
        (
            "[alerts.repeat]\nloud = \"5m\"\n".to_owned(),
            "alerts.repeat.loud",
            "no such key",
        ),
        (
            level("distanse = { warning = \"0.2\" }"),
            "alerts.levels.distanse",
            "distance",
        ),
        (
            level("distance = { warning = \"far\" }"),
            "alerts.levels.distance.warning",
            "far",
        ),
        (
            level("distance = { waning = \"0.2\" }"),
            "alerts.levels.distance.waning",
            "warning",
        ),
        (
            level("distance = { clear = \"1.5\" }"),
            "alerts.levels.distance.clear",
            "from 0 to 1",
        ),
        (
            level("distance = { hold = \"long\" }"),
            "alerts.levels.distance.hold",
            "long",
        ),
        (
            level("distance = \"0.2\""),
            "alerts.levels.distance",
            "table",
        ),
        (
            "[alerts]\nheartbeat_url = \"http://example.org/\"\n".to_owned(),
            "alerts.heartbeat_url",
            "https",
        ),
        (
            "[alerts]\nheartbeat_url = \"${cred:../x}\"\n".to_owned(),
            "alerts.heartbeat_url",
            "cred",
        ),
        (
            "[alerts]\nheartbeat_every = \"1s\"\n".to_owned(),
            "alerts.heartbeat_every",
            "10s",
        ),
        (
            "[alerts]\nchannel = \"x\"\n".to_owned(),
            "alerts.channel",
            "[[alerts.channel]]",
        ),
        (
            "[[alerts.channel]]\nname = \"x\"\n".to_owned(),
            "alerts.channel[0].url",
            "is needed",
        ),
        (
            url("mailto:hunter2@example.org"),
            "alerts.channel[0].url",
            "scheme",
        ),
        (url("tgram://hunter2/5"), "alerts.channel[0].url", "token"),
        (
            url("jsons://user:hunter2@example.org/"),
            "alerts.channel[0].url",
            "host",
        ),
        (
            url("jsons://example.org/?hmac=hunter2"),
            "alerts.channel[0].url",
            "hmac",
        ),
        (
            url("json://example.org/"),
            "alerts.channel[0].url",
            "encrypted",
        ),
        (url("discord://hunter2"), "alerts.channel[0].url", "path"),
        (
            channel("severity = \"loud\""),
            "alerts.channel[0].severity",
            "critical",
        ),
        (
            channel("match = \"rule=distanse\""),
            "alerts.channel[0].match",
            "matches no rule",
        ),
        (
            channel("only = \"mine\""),
            "alerts.channel[0].only",
            "escalations",
        ),
        (
            channel("per_minute = \"0\""),
            "alerts.channel[0].per_minute",
            "from 1 to 600",
        ),
        (
            channel("per_minute = \"1.5\""),
            "alerts.channel[0].per_minute",
            "whole",
        ),
        (
            channel("name = \"a b\""),
            "alerts.channel[0].name",
            "letters",
        ),
        (
            channel("colour = \"red\""),
            "alerts.channel[0].colour",
            "no such key",
        ),
        (
            channel("") + &channel(""),
            "alerts.channel[1].name",
            "already",
        ),
        (
            "[alerts.credentials]\n\"a/b\" = \"/x\"\n".to_owned(),
            "alerts.credentials.a/b",
            "letters",
        ),
    ] {
        let told = told(&text);
        assert!(told.contains(key), "{text}: {told}");
        assert!(told.contains(word), "{text}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let many: String = (0..21)
        .map(|index| channel(&format!("name = \"c{index}\"")))
        .collect();
    assert!(told(&many).contains("20 channels at most"));
}
