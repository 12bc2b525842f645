//! REST: one request at a time from bytes to bytes.
//!
//! Owns: the client, the time stamp and the signature, request weight, and what a failure means.
//! Must not know: what an answer says; `translate` reads it. There is no call here that trades.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use rustls::ClientConfig;

use super::cadence::Cadence;
use super::connect::Dial;
use super::credentials::Credentials;
use super::endpoints::{Endpoints, under};
use super::outlet::Outlet;
use super::sign;
use super::translate::{WireError, server_time};
use super::weight::{Admission, Ledger, Pause};
use super::{Note, text::clean_text};
use crate::clock::{Clock, Now};
use crate::mirror::event::{ClockOffset, Event, KeyRefusal, KeyRefusalCause};

pub(super) mod calls;
mod failure;
mod pipe;

pub(super) use calls::{Call, Host, Security};
pub(super) use failure::RestError;

/// Samples of the exchange's clock; the one with the shortest round trip counts.
const CLOCK_SAMPLES: usize = 5;

/// The largest error body that is looked at, in bytes.
const ERROR_SIZE_MAX: usize = 4 * 1024;

/// The file that remembers a ban, inside the state folder.
const BAN_FILE: &str = "rest-ban";

/// An answer with what is needed to order it against stream events.
#[derive(Debug)]
pub(super) struct Answer {
    pub asked: Now,
    pub answered: Now,
    pub body: Vec<u8>,
}

/// The REST client of one environment.
pub(super) struct Rest {
    http: reqwest::Client,
    endpoints: Endpoints,
    credentials: Option<Credentials>,
    without_key: String,
    api_key: Option<HeaderValue>,
    clock: Clock,
    outlet: Arc<Outlet>,
    ledger: Mutex<Ledger>,
    ban_file: Option<PathBuf>,
    offset: Mutex<Option<ClockOffset>>,
    /// Held while the clock is measured, so that it is measured once for all who ask.
    measuring: tokio::sync::Mutex<()>,
    dial: Option<Arc<dyn Dial>>,
    deadline: Duration,
}

/// What a [`Rest`] is made of.
pub(super) struct Parts {
    pub endpoints: Endpoints,
    pub credentials: Option<Credentials>,
    pub without_key: String,
    pub clock: Clock,
    pub outlet: Arc<Outlet>,
    pub dial: Option<Arc<dyn Dial>>,
    pub state_dir: Option<PathBuf>,
}

impl Rest {
    pub(super) fn new(
        parts: Parts,
        tls: &Arc<ClientConfig>,
        cadence: &Cadence,
    ) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(tls))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(cadence.connect)
            .timeout(cadence.request)
            .https_only(parts.endpoints.rest_is_secure())
            .user_agent(concat!("crossguard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| clean_text(&error.without_url().to_string()))?;
        let api_key = parts.credentials.as_ref().and_then(|credentials| {
            let mut key = HeaderValue::from_str(credentials.api_key.expose()).ok()?;
            key.set_sensitive(true);
            Some(key)
        });
        let rest = Self {
            http,
            endpoints: parts.endpoints,
            credentials: parts.credentials,
            without_key: parts.without_key,
            api_key,
            clock: parts.clock,
            outlet: parts.outlet,
            ledger: Mutex::default(),
            ban_file: parts.state_dir.map(|folder| folder.join(BAN_FILE)),
            offset: Mutex::new(None),
            measuring: tokio::sync::Mutex::new(()),
            dial: parts.dial,
            deadline: cadence.request,
        };
        rest.remember_ban();
        Ok(rest)
    }

    pub(super) const fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Whether so much weight may still be used now by what can as well be left out.
    pub(super) fn has_spare(&self, weight: u32) -> bool {
        let now_ms = self.exchange_ms();
        self.ledger().has_spare(weight, now_ms)
    }

    /// The limit the exchange states for request weight.
    pub(super) fn learn_weight_limit(&self, limit: u32) {
        self.ledger().learn_limit(limit);
    }

    /// Calls, and tells the mirror what that says about the key. After "your clock is off" the
    /// clock is measured once and the call repeated: only reads and listen keys go this way.
    pub(super) async fn call(
        &self,
        call: &'static Call,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, RestError> {
        if call.security == Security::Signed && self.offset().is_none() {
            self.measure_clock_since(self.clock.now()).await?;
        }
        let measured = self
            .offset()
            .map_or_else(|| self.clock.now(), |offset| offset.at);
        let mut result = self.attempt(call, parameters).await;
        if matches!(&result, Err(error) if error.is_clock()) {
            self.measure_clock_since(measured).await?;
            result = self.attempt(call, parameters).await;
        }
        match &result {
            Ok(answer) if call.security == Security::Signed && call.tells_of_key() => {
                let at = answer.answered;
                self.outlet.deliver(Event::KeyAccepted { at }).await;
            }
            Ok(_) => {}
            Err(error) => self.report(call, error).await,
        }
        result
    }

    /// Reads an answer; what cannot be read is reported like any other failure.
    pub(super) fn read<T>(
        &self,
        call: &'static Call,
        answer: &Answer,
        read: impl FnOnce(&[u8]) -> Result<T, WireError>,
    ) -> Result<T, RestError> {
        read(&answer.body).map_err(|error| {
            let error = RestError::Unreadable(error.to_string());
            self.outlet.note(Note::RestFailed {
                path: call.path,
                detail: error.to_string(),
            });
            error
        })
    }

    async fn report(&self, call: &'static Call, error: &RestError) {
        let detail = error.to_string();
        self.outlet.note(Note::RestFailed {
            path: call.path,
            detail: detail.clone(),
        });
        if call.tells_of_key()
            && let Some(cause) = error.key_refusal(call.security)
        {
            let at = self.clock.now();
            self.outlet
                .deliver(Event::KeyRefused(KeyRefusal { at, cause, detail }))
                .await;
        }
    }

    /// Says that there is no key, for `status`.
    pub(super) async fn report_missing_key(&self) {
        let refusal = KeyRefusal {
            at: self.clock.now(),
            cause: KeyRefusalCause::Missing,
            detail: self.without_key.clone(),
        };
        self.outlet.deliver(Event::KeyRefused(refusal)).await;
    }

    async fn attempt(
        &self,
        call: &'static Call,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, RestError> {
        self.admitted(call.weight).await?;
        let request = self.request(call, parameters)?;
        let asked = self.clock.now();
        let result = self.exchange(call, request).await;
        let answered = self.clock.now();
        self.outlet.note(Note::RestAnswered {
            path: call.path,
            micros: answered.boot_us.saturating_sub(asked.boot_us),
            ok: result.is_ok(),
        });
        Ok(Answer {
            asked,
            answered,
            body: result?,
        })
    }

    /// Waits for room in the minute's budget; a pause ordered by the exchange is an error at once.
    async fn admitted(&self, weight: u32) -> Result<(), RestError> {
        loop {
            let now_ms = self.exchange_ms();
            let admission = self.ledger().admit(weight, now_ms);
            match admission {
                Admission::Go => return Ok(()),
                Admission::Paused(pause) => return Err(RestError::Paused(pause)),
                Admission::NextMinute { at_ms } => {
                    let wait = u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(1_000);
                    tokio::time::sleep(Duration::from_millis(wait.clamp(50, 61_000))).await;
                }
            }
        }
    }

    /// The one place where a query is made, signed and put on the wire.
    fn request(
        &self,
        call: &'static Call,
        parameters: &[(&str, &str)],
    ) -> Result<reqwest::RequestBuilder, RestError> {
        let mut query = sign::query(parameters);
        if call.security == Security::Signed {
            let credentials = self.credentials.as_ref().ok_or(RestError::NoKey)?;
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&format!("recvWindow=5000&timestamp={}", self.exchange_ms()));
            let signature = credentials
                .signer
                .sign(query.as_bytes())
                .map_err(|_| RestError::NoSignature)?;
            query.push_str("&signature=");
            query.push_str(&signature);
        }
        let root = match call.host {
            Host::Futures => Some(&self.endpoints.rest),
            Host::Wallet => self.endpoints.wallet.as_ref(),
        };
        let mut address = under(root.ok_or(RestError::NotServed)?, call.path);
        if !query.is_empty() {
            address.push('?');
            address.push_str(&query);
        }
        let mut request = self.http.request(call.verb.into(), address);
        if call.security != Security::Public {
            let key = match (&self.api_key, &self.credentials) {
                (Some(key), _) => key.clone(),
                (None, Some(_)) => return Err(RestError::MalformedKey),
                (None, None) => return Err(RestError::NoKey),
            };
            request = request.header("X-MBX-APIKEY", key);
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        call: &'static Call,
        request: reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, RestError> {
        let mut response = match self.dial.as_deref() {
            Some(dial) => pipe::send(dial, request, self.deadline).await?,
            None => request.send().await.map_err(RestError::transport)?,
        };
        let status = response.status().as_u16();
        if call.host == Host::Futures && call.tells_weight {
            self.learn_weight(response.headers());
        }
        if (300..400).contains(&status) {
            return Err(RestError::Redirect(status));
        }
        let is_ok = (200..300).contains(&status);
        let size_max = if is_ok { call.size_max } else { ERROR_SIZE_MAX };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(RestError::transport)? {
            if body.len().saturating_add(chunk.len()) > size_max {
                if is_ok {
                    return Err(RestError::TooLarge(size_max));
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        if is_ok && body.is_empty() {
            return Err(RestError::Empty);
        }
        if is_ok {
            return Ok(body);
        }
        Err(self.refusal(call, status, response.headers(), &body))
    }

    fn refusal(
        &self,
        call: &'static Call,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> RestError {
        let error = RestError::from_body(status, body, |text| self.redact(text));
        if matches!(status, 418 | 429) && call.host == Host::Futures {
            let retry_after_ms = headers
                .get("retry-after")
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.trim().parse::<i64>().ok())
                .map(|seconds| seconds.saturating_mul(1_000));
            let now_ms = self.exchange_ms();
            let named_end = error.ban_end_ms().map(|end| end.saturating_sub(now_ms));
            let pause = self.ledger().refused(
                status == 418,
                retry_after_ms.or(named_end.filter(|wait| *wait > 0)),
                now_ms,
            );
            if pause.banned {
                self.keep_ban(pause);
            }
            self.outlet.note(Note::RestPaused {
                until_ms: pause.until_ms,
                banned: pause.banned,
            });
        }
        error
    }

    /// An answer may echo the query: neither key nor signature goes on from here.
    fn redact(&self, text: &str) -> String {
        let text = text
            .split_once("signature=")
            .map_or_else(|| text.to_owned(), |(before, _)| format!("{before}…"));
        self.credentials
            .as_ref()
            .map_or_else(|| text.clone(), |credentials| credentials.redact(&text))
    }

    fn learn_weight(&self, headers: &HeaderMap) {
        let used = headers
            .get("x-mbx-used-weight-1m")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u32>().ok());
        let Some(used) = used else { return };
        let now_ms = self.exchange_ms();
        let mut ledger = self.ledger();
        ledger.learn_used(used, now_ms);
        self.outlet.note(Note::WeightUsed {
            address: used,
            ours: ledger.ours(),
            limit: ledger.limit(),
        });
    }

    /// Takes over a ban from before a restart.
    fn remember_ban(&self) {
        let Some(path) = &self.ban_file else { return };
        // A few bytes, once at the start.
        let until_ms = std::fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok());
        if let Some(until_ms) = until_ms {
            let pause = Pause {
                until_ms,
                banned: true,
            };
            let now_ms = self.exchange_ms();
            self.ledger().restore(pause, now_ms);
        }
    }

    /// Keeps a ban for the next start. A file that cannot be written only costs that memory.
    fn keep_ban(&self, pause: Pause) {
        let Some(path) = &self.ban_file else { return };
        let fresh = path.with_extension("new");
        let written = std::fs::write(&fresh, format!("{}\n", pause.until_ms))
            .and_then(|()| std::fs::rename(&fresh, path));
        if let Err(error) = written {
            self.outlet.note(Note::RestFailed {
                path: "",
                detail: clean_text(&format!("the ban could not be kept: {error}")),
            });
        }
    }

    /// Measures the exchange's clock, unless somebody did since `asked`.
    pub(super) async fn measure_clock_since(&self, asked: Now) -> Result<(), RestError> {
        let _one_at_a_time = self.measuring.lock().await;
        if self
            .offset()
            .is_some_and(|offset| offset.at.boot_us > asked.boot_us)
        {
            return Ok(());
        }
        let mut best: Option<ClockOffset> = None;
        let mut failure = None;
        for _ in 0..CLOCK_SAMPLES {
            match self.clock_sample().await {
                Ok(sample) if best.is_none_or(|best| sample.error_ms < best.error_ms) => {
                    best = Some(sample);
                }
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        match (best, failure) {
            (Some(best), _) => {
                *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = Some(best);
                self.outlet.deliver(Event::ClockOffset(best)).await;
                Ok(())
            }
            (None, failure) => {
                let error = failure.unwrap_or(RestError::Empty);
                self.report(&calls::TIME, &error).await;
                Err(error)
            }
        }
    }

    async fn clock_sample(&self) -> Result<ClockOffset, RestError> {
        let answer = self.attempt(&calls::TIME, &[]).await?;
        let server_ms = self.read(&calls::TIME, &answer, server_time)?;
        let trip_us = answer.answered.boot_us.saturating_sub(answer.asked.boot_us);
        let half_ms = trip_us.max(0) / 2_000;
        let middle_ms = answer.asked.wall_ms.saturating_add(half_ms);
        Ok(ClockOffset {
            offset_ms: server_ms.saturating_sub(middle_ms),
            // The server's time is cut to a millisecond.
            error_ms: half_ms.saturating_add(1),
            at: answer.answered,
        })
    }

    /// Exchange time as far as we know, in milliseconds since 1970.
    fn exchange_ms(&self) -> i64 {
        let offset_ms = self.offset().map_or(0, |offset| offset.offset_ms);
        self.clock.now().wall_ms.saturating_add(offset_ms)
    }

    /// How long a pause still lasts.
    pub(super) fn pause_left(&self, pause: Pause) -> Duration {
        let left = pause.until_ms.saturating_sub(self.exchange_ms());
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    fn offset(&self) -> Option<ClockOffset> {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
