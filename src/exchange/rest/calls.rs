//! Every REST call this program can make. What is not in here cannot be called.
//!
//! Owns: paths, weights, and who has to prove what. Source: binance-api §4.1.
//! Must not know: when they are called.

use reqwest::Method;

/// How a call is made. Nothing is ever deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Verb {
    Get,
    Post,
    Put,
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
        }
    }
}

/// What a call must prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Security {
    /// Nothing.
    Public,
    /// The API key.
    Key,
    /// The API key and a signature.
    Signed,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Host {
    /// The futures API.
    Futures,
    /// The API of wallets and keys: another host with a budget of its own, which not every
    /// environment has. What it answers says nothing about the futures API.
    Wallet,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(in crate::exchange) struct Call {
    pub host: Host,
    pub verb: Verb,
    pub path: &'static str,
    pub security: Security,
    /// Request weight as we call it.
    pub weight: u32,
    /// The largest answer, in bytes.
    pub size_max: usize,
    /// No decision rests on it: what it is answered says nothing about the key and the account.
    pub is_aside: bool,
    /// Its answers tell the used weight of the address; those of some routes are wrong.
    pub tells_weight: bool,
}

impl Call {
    /// An answer or a refusal says something about the key of the futures API.
    pub(in crate::exchange) const fn tells_of_key(&self) -> bool {
        matches!(self.host, Host::Futures) && !self.is_aside
    }
}

const MIB: usize = 1024 * 1024;

const fn get(path: &'static str, security: Security, weight: u32) -> Call {
    Call {
        host: Host::Futures,
        verb: Verb::Get,
        path,
        security,
        weight,
        size_max: 8 * MIB,
        is_aside: false,
        tells_weight: true,
    }
}

const fn large(call: Call) -> Call {
    Call {
        size_max: 16 * MIB,
        ..call
    }
}

const fn quote(path: &'static str, weight: u32) -> Call {
    Call {
        size_max: MIB,
        is_aside: true,
        tells_weight: false,
        ..get(path, Security::Public, weight)
    }
}

pub(in crate::exchange) static TIME: Call = get("/fapi/v1/time", Security::Public, 1);
pub(in crate::exchange) static EXCHANGE_INFO: Call =
    large(get("/fapi/v1/exchangeInfo", Security::Public, 1));
pub(in crate::exchange) static MARK_OF_ONE: Call =
    get("/fapi/v1/premiumIndex", Security::Public, 1);
pub(in crate::exchange) static MARKS_OF_ALL: Call =
    get("/fapi/v1/premiumIndex", Security::Public, 10);
/// Last prices. Source: binance-api §4.1: weight 1 with a symbol and 2 without, weight header wrong.
pub(in crate::exchange) static LAST_OF_ONE: Call = quote("/fapi/v2/ticker/price", 1);
pub(in crate::exchange) static LAST_OF_ALL: Call = quote("/fapi/v2/ticker/price", 2);
/// Best bids and asks. Source: binance-api §4.1: weight 2 with a symbol and 5 without, weight header wrong.
pub(in crate::exchange) static BEST_OF_ONE: Call = quote("/fapi/v1/ticker/bookTicker", 2);
pub(in crate::exchange) static BEST_OF_ALL: Call = quote("/fapi/v1/ticker/bookTicker", 5);
pub(in crate::exchange) static ASSET_INDEX: Call = get("/fapi/v1/assetIndex", Security::Public, 10);
pub(in crate::exchange) static BRACKETS: Call =
    large(get("/fapi/v1/leverageBracket", Security::Signed, 1));
pub(in crate::exchange) static ACCOUNT_CONFIG: Call =
    get("/fapi/v1/accountConfig", Security::Signed, 5);
pub(in crate::exchange) static SYMBOL_CONFIG: Call =
    get("/fapi/v1/symbolConfig", Security::Signed, 5);
pub(in crate::exchange) static ACCOUNT: Call = get("/fapi/v3/account", Security::Signed, 5);
pub(in crate::exchange) static POSITIONS: Call = get("/fapi/v3/positionRisk", Security::Signed, 5);
pub(in crate::exchange) static OPEN_ORDERS: Call = get("/fapi/v1/openOrders", Security::Signed, 40);
pub(in crate::exchange) static OPEN_ALGO_ORDERS: Call =
    get("/fapi/v1/openAlgoOrders", Security::Signed, 40);
/// The account's fee rates of one contract. A key that may not ask for them still guards.
pub(in crate::exchange) static COMMISSION_RATE: Call = Call {
    size_max: 64 * 1024,
    is_aside: true,
    ..get("/fapi/v1/commissionRate", Security::Signed, 20)
};
/// Creates the account's listen key, or returns the one in force and prolongs it.
pub(in crate::exchange) static CREATE_LISTEN_KEY: Call = Call {
    verb: Verb::Post,
    ..get("/fapi/v1/listenKey", Security::Key, 1)
};
/// Prolongs the listen key. There is no call to delete it: it belongs to every client of the
/// account.
pub(in crate::exchange) static KEEP_LISTEN_KEY: Call = Call {
    verb: Verb::Put,
    ..get("/fapi/v1/listenKey", Security::Key, 1)
};
/// What the key may do.
pub(in crate::exchange) static KEY_PERMISSIONS: Call = Call {
    host: Host::Wallet,
    size_max: 64 * 1024,
    ..get("/sapi/v1/account/apiRestrictions", Security::Signed, 1)
};
