//! A trader of the demo: asks the guard with the very dictionary that goes to the exchange, and
//! signs it for the simulated exchange.
//!
//! Owns: the trader's own key, which the guard never sees.
//! Must not know: the story.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::api::client::Client;
use crate::api::protocol::answer::CheckAnswer;
use crate::clock::Clock;

/// An order in the exchange's own parameters.
pub(super) type Dictionary = Vec<(&'static str, String)>;

/// One trader with an account and a guard.
pub(super) struct Trader {
    pub(super) guard: Client,
    rest: String,
    api_key: String,
    secret: String,
    http: reqwest::Client,
    clock: Clock,
}

impl Trader {
    pub(super) fn new(guard: Client, sim: &crate::sim::Announcement) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(5))
            .tls_certs_only([])
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            guard,
            rest: sim.rest.clone(),
            api_key: sim.api_key.clone(),
            secret: sim.secret.clone(),
            http,
            clock: Clock::machine(),
        })
    }

    /// May I send this? Room is promised, for it will be sent.
    pub(super) async fn ask(&self, order: &Dictionary) -> Result<CheckAnswer<'static>, String> {
        self.put(order, false).await
    }

    /// What would happen? Nothing is promised.
    pub(super) async fn wonder(&self, order: &Dictionary) -> Result<CheckAnswer<'static>, String> {
        self.put(order, true).await
    }

    async fn put(&self, order: &Dictionary, dry_run: bool) -> Result<CheckAnswer<'static>, String> {
        let order: Map<String, Value> = order
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::String(value.clone())))
            .collect();
        let body = serde_json::json!({ "order": order, "client": "demo", "dryRun": dry_run });
        let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
        let answer = self
            .guard
            .check(body)
            .await
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&answer).map_err(|error| error.to_string())
    }

    /// Sends a signed request to the exchange.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        parameters: &Dictionary,
    ) -> Result<Value, String> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters {
            query.append_pair(name, value);
        }
        query.append_pair("timestamp", &self.clock.now().wall_ms.to_string());
        let query = query.finish();
        let signature = self.signature(&query)?;
        let address = format!("{}{path}?{query}&signature={signature}", self.rest);
        let request = self
            .http
            .request(method, address)
            .header("X-MBX-APIKEY", &self.api_key);
        let failed = |error: reqwest::Error| error.without_url().to_string();
        let response = request.send().await.map_err(failed)?;
        let accepted = response.status().is_success();
        let body = response.bytes().await.map_err(failed)?;
        if !accepted {
            return Err(String::from_utf8_lossy(&body).into_owned());
        }
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    fn signature(&self, query: &str) -> Result<String, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .map_err(|error| error.to_string())?;
        mac.update(query.as_bytes());
        let bytes = mac.finalize().into_bytes();
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A market order.
pub(super) fn market(symbol: &str, side: &str, quantity: &str) -> Dictionary {
    vec![
        ("symbol", symbol.to_owned()),
        ("side", side.to_owned()),
        ("type", "MARKET".to_owned()),
        ("quantity", quantity.to_owned()),
    ]
}
