//! What a key may do.
//!
//! Owns: reading the permissions that the exchange states.
//! Must not know: what is thought of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::WireError;
use crate::mirror::event::KeyPermissions;

/// What only reads.
const READING: [&str; 2] = ["enableReading", "enableFixReadOnly"];

/// `GET /sapi/v1/account/apiRestrictions`. A permission that is not known counts as one to trade:
/// the riskier reading.
///
/// Source: the exchange's page "Get API Key Permission" (request weight 1).
pub(in crate::exchange) fn key_permissions(body: &[u8]) -> Result<KeyPermissions, WireError> {
    let wire: BTreeMap<String, Value> = serde_json::from_slice(body)?;
    if !wire.contains_key(READING[0]) {
        return Err(WireError::Missing(READING[0]));
    }
    let mut permissions = KeyPermissions {
        any_address: wire.get("ipRestrict").is_some_and(|bound| !is_set(bound)),
        ..KeyPermissions::default()
    };
    for (name, value) in &wire {
        let permits = name.starts_with("enable") || name.starts_with("permits");
        if !permits || READING.contains(&name.as_str()) || !is_set(value) {
            continue;
        }
        match name.as_str() {
            "enableWithdrawals" => permissions.withdraws = true,
            "enableInternalTransfer" | "permitsUniversalTransfer" => permissions.transfers = true,
            _ => permissions.trades = true,
        }
    }
    Ok(permissions)
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Bool(set) => *set,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the exchange's page "Get API Key Permission", with nothing but reading permitted.
    const READ_ONLY: &str = r#"{"ipRestrict":true,"createTime":1698645219000,"enableReading":true,
        "enableWithdrawals":false,"enableInternalTransfer":false,"enableMargin":false,
        "enableFutures":false,"permitsUniversalTransfer":false,"enableVanillaOptions":false,
        "enableFixApiTrade":false,"enableFixReadOnly":true,"enableSpotAndMarginTrading":false,
        "enablePortfolioMarginTrading":false}"#;

    fn with(name: &str, before: &str, after: &str) -> KeyPermissions {
        let text = READ_ONLY.replace(
            &format!("\"{name}\":{before}"),
            &format!("\"{name}\":{after}"),
        );
        assert_ne!(text, READ_ONLY, "{name}");
        key_permissions(text.as_bytes()).unwrap()
    }

    #[test]
    fn t14_every_permission_beyond_reading_is_told() {
        let read_only = key_permissions(READ_ONLY.as_bytes()).unwrap();
        assert_eq!(read_only, KeyPermissions::default());
        for trading in [
            "enableMargin",
            "enableFutures",
            "enableVanillaOptions",
            "enableFixApiTrade",
            "enableSpotAndMarginTrading",
            "enablePortfolioMarginTrading",
        ] {
            assert!(with(trading, "false", "true").trades, "{trading}");
        }
        assert!(with("enableWithdrawals", "false", "\"true\"").withdraws);
        assert!(with("enableInternalTransfer", "false", "true").transfers);
        assert!(with("permitsUniversalTransfer", "false", "true").transfers);
        assert!(with("ipRestrict", "true", "false").any_address);
    }

    #[test]
    fn a_permission_that_is_not_known_is_one_too_many_and_another_answer_is_none() {
        let text = READ_ONLY.replace("enableFutures\":false", "enableMoonTrading\":true");
        assert!(key_permissions(text.as_bytes()).unwrap().trades);
        assert!(key_permissions(b"[]").is_err());
        assert!(key_permissions(b"{}").is_err());
    }
}
