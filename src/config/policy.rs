//! `[policy]`: the trader's limits, from text to proof.
//!
//! Owns: which limits make sense, and the policy's fingerprint.
//! Must not know: how a limit is judged.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::prover::{Prover, Section};
use super::raw::{Node, Place, Value};
use super::scenario;
use crate::guard::policy::{IsolatedOnly, Limit, LimitKey, Limits, Overrides, Policy};
use crate::margin::amount::Rate;

/// Longest name of a client, in bytes.
pub(super) const CLIENT_LENGTH_MAX: usize = 64;

const OWN_KEYS: [&str; 8] = [
    "horizon",
    "market_slippage",
    "taker_fee",
    "symbols",
    "isolated_only",
    "stress",
    "symbol",
    "client",
];

/// Proves `[policy]`.
pub(super) fn prove(prover: &mut Prover<'_>, root: &mut Section) -> Policy {
    let mut section = prover.section(root, "policy");
    let mut policy = Policy::default();
    for (name, zero_is_good, rate) in [
        ("horizon", false, &mut policy.horizon),
        ("market_slippage", true, &mut policy.market_slippage),
        ("taker_fee", true, &mut policy.taker_fee),
    ] {
        if let Some(given) = fraction(prover, &mut section, name, zero_is_good) {
            *rate = given;
        }
    }
    if let Some(node) = section.take("symbols") {
        let key = section.key("symbols");
        policy.symbols = prover.symbols(&key, &node).into_iter().collect();
    }
    if let Some(node) = section.take("isolated_only") {
        policy.isolated_only = isolated_only(prover, &section.key("isolated_only"), &node);
    }
    let general = Limits::default();
    for (key, limit) in limits(prover, &mut section, &general) {
        policy.limits.set(key, limit);
    }
    scenario::prove(prover, &mut section, &mut policy.stress);
    prove_overrides(prover, &mut section, &mut policy);
    let mut known: Vec<&str> = LimitKey::ALL.map(LimitKey::name).into();
    known.extend(OWN_KEYS);
    prover.finish(section, &known);
    policy
}

/// A fraction of the mark below 1.
fn fraction(
    prover: &mut Prover<'_>,
    section: &mut Section,
    name: &str,
    zero_is_good: bool,
) -> Option<Rate> {
    let node = section.take(name)?;
    let key = section.key(name);
    let value = prover.decimal(&key, &node, true)?;
    let low_enough = value < Decimal::ONE;
    let high_enough = value > Decimal::ZERO || (zero_is_good && value.is_zero());
    if low_enough && high_enough {
        return Some(Rate::new(value));
    }
    let from = if zero_is_good { "0 or more" } else { "above 0" };
    let message = format!("must be {from} and below 1 (100 %), found {value}");
    prover.mistake(node.place, &key, message);
    None
}

fn isolated_only(prover: &mut Prover<'_>, key: &str, node: &Node) -> IsolatedOnly {
    match &node.value {
        Value::Text(text) if text == "*" => {
            prover.came_from(key, node.place);
            IsolatedOnly::All
        }
        Value::Text(text) => {
            let message = format!("expected \"*\" for all or a list of symbols, found {text:?}");
            prover.mistake(node.place, key, message);
            IsolatedOnly::All
        }
        _ => IsolatedOnly::These(
            prover
                .symbols(key, node)
                .into_iter()
                .collect::<BTreeSet<_>>(),
        ),
    }
}

/// Every limit given in this section. A side that is not given stays as it is in `general`.
fn limits(prover: &mut Prover<'_>, section: &mut Section, general: &Limits) -> Overrides {
    let mut given = Overrides::new();
    for key in LimitKey::ALL {
        if let Some(node) = section.take(key.name()) {
            let path = section.key(key.name());
            if let Some(limit) = limit(prover, &path, node, key, general.get(key)) {
                given.insert(key, limit);
            }
        }
    }
    given
}

fn limit(
    prover: &mut Prover<'_>,
    path: &str,
    node: Node,
    key: LimitKey,
    general: Limit,
) -> Option<Limit> {
    let place = node.place;
    if !matches!(node.value, Value::Table(_)) {
        let example = if key.is_fraction() {
            "{ warn = \"0.20\", reject = \"10%\" }"
        } else {
            "{ warn = \"20\", reject = \"off\" }"
        };
        let message = format!(
            "expected both thresholds, such as {example}, found {}",
            node.value.kind()
        );
        prover.mistake(place, path, message);
        return None;
    }
    let mut section = prover.as_section(node, path.to_owned());
    let warn = side(prover, &mut section, "warn", key, general.warn);
    let reject = side(prover, &mut section, "reject", key, general.reject);
    prover.finish(section, &["warn", "reject"]);
    let limit = Limit {
        warn: warn?,
        reject: reject?,
    };
    check_order(prover, path, place, key, limit).then_some(limit)
}

/// One threshold; `None` when it is wrong, `Some(None)` when it is off.
#[expect(clippy::option_option, reason = "wrong and off are two things")]
fn side(
    prover: &mut Prover<'_>,
    section: &mut Section,
    name: &str,
    key: LimitKey,
    general: Option<Decimal>,
) -> Option<Option<Decimal>> {
    let path = section.key(name);
    let Some(node) = section.take(name) else {
        return Some(general);
    };
    if matches!(&node.value, Value::Text(text) if text == "off") {
        prover.came_from(&path, node.place);
        return Some(None);
    }
    let value = prover.decimal(&path, &node, key.is_fraction())?;
    if value <= Decimal::ZERO {
        let message = format!("must be above 0 (or \"off\"), found {value}");
        prover.mistake(node.place, &path, message);
        None
    } else if key.is_fraction() && value > Decimal::ONE {
        let message = format!("is a fraction: at most 1 (100 %), found {value}");
        prover.mistake(node.place, &path, message);
        None
    } else {
        Some(Some(value))
    }
}

/// A warning that would come at or after the rejection is a slip of the hand.
fn check_order(
    prover: &mut Prover<'_>,
    path: &str,
    place: Place,
    key: LimitKey,
    limit: Limit,
) -> bool {
    let (Some(warn), Some(reject)) = (limit.warn, limit.reject) else {
        return true;
    };
    let (milder, side) = if key.smaller_is_worse() {
        (warn > reject, "above")
    } else {
        (warn < reject, "below")
    };
    if !milder {
        let message = format!(
            "warn ({warn}) must lie {side} reject ({reject}), or nothing is warned of; \
             switch one \"off\" if that is meant"
        );
        prover.mistake(place, path, message);
    }
    milder
}

/// `[policy.symbol.X]` and `[policy.client.X]`.
fn prove_overrides(prover: &mut Prover<'_>, section: &mut Section, policy: &mut Policy) {
    let known = LimitKey::ALL.map(LimitKey::name);
    let general = policy.limits.clone();
    let mut symbols = prover.section(section, "symbol");
    for (name, (place, node)) in symbols.take_all() {
        let path = symbols.key(&name);
        let symbol = prover.symbol(&path, &name, place);
        let mut of_symbol = prover.as_section(node, path);
        let given = limits(prover, &mut of_symbol, &general);
        prover.finish(of_symbol, &known);
        if let Some(symbol) = symbol {
            policy.of_symbol.insert(symbol, given);
        }
    }
    let mut clients = prover.section(section, "client");
    for (name, (place, node)) in clients.take_all() {
        let path = clients.key(&name);
        let good = is_client(prover, &path, &name, place);
        let mut of_client = prover.as_section(node, path);
        let given = limits(prover, &mut of_client, &general);
        prover.finish(of_client, &known);
        if good {
            policy.of_client.insert(name, given);
        }
    }
}

/// Reports a name that cannot be a client's.
pub(super) fn is_client(prover: &mut Prover<'_>, key: &str, name: &str, place: Place) -> bool {
    let good = !name.is_empty()
        && name.len() <= CLIENT_LENGTH_MAX
        && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    if !good {
        let message = format!(
            "{name:?} is not a client's name: 1 to {CLIENT_LENGTH_MAX} bytes without blanks"
        );
        prover.mistake(place, key, message);
    }
    good
}

/// `sha256:` and the hash of the policy written in one fixed way: the same limits have the same
/// fingerprint, however they were formatted.
#[must_use]
pub fn fingerprint(policy: &Policy) -> String {
    let hash: [u8; 32] = Sha256::digest(canonical(policy)).into();
    let mut text = "sha256:".to_owned();
    for byte in hash {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn canonical(policy: &Policy) -> String {
    let side = |side: Option<Decimal>| {
        side.map_or_else(|| "off".to_owned(), |side| side.normalize().to_string())
    };
    let line = |key: LimitKey, limit: Limit| {
        format!(
            "{} {} {}\n",
            key.name(),
            side(limit.warn),
            side(limit.reject)
        )
    };
    let overrides = |name: &str, overrides: &Overrides| -> String {
        overrides
            .iter()
            .map(|(key, limit)| format!("{name} {}", line(*key, *limit)))
            .collect()
    };
    let mut text = format!(
        "horizon {}\nmarket_slippage {}\ntaker_fee {}\nsymbols {:?}\nisolated_only {}\n",
        policy.horizon,
        policy.market_slippage,
        policy.taker_fee,
        policy.symbols,
        match &policy.isolated_only {
            IsolatedOnly::All => "*".to_owned(),
            IsolatedOnly::These(symbols) => format!("{symbols:?}"),
        }
    );
    for key in LimitKey::ALL {
        text.push_str(&line(key, policy.limits.get(key)));
    }
    for (name, given) in &policy.stress {
        let _ = writeln!(text, "stress {name:?} {}", scenario::canonical(given));
    }
    for (symbol, given) in &policy.of_symbol {
        text.push_str(&overrides(&format!("symbol {symbol:?}"), given));
    }
    for (client, given) in &policy.of_client {
        text.push_str(&overrides(&format!("client {client:?}"), given));
    }
    text
}
