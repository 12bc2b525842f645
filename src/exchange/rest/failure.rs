//! What a failed call means: by status first, then by code.
//!
//! Owns: the classes of failure. Source: binance-api §7.2, §8.
//! Must not know: what is done about them.

use crate::exchange::text::clean_text;
use crate::exchange::tls::certificate_refusal;
use crate::exchange::weight::Pause;
use crate::exchange::wire::Refusal;
use crate::mirror::event::KeyRefusalCause;

use super::Security;

/// Why a call delivered nothing. Its words hold no address, key or signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::exchange) enum RestError {
    /// No answer.
    #[error("{0}")]
    Transport(String),
    /// The other side's certificate is not trusted.
    #[error("{0}")]
    Certificate(String),
    /// Somebody wants to send us elsewhere: a captive portal, a hijacked name.
    #[error("answered {0}: redirects are never followed")]
    Redirect(u16),
    /// More than was bargained for.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// A success without content.
    #[error("the answer is empty")]
    Empty,
    /// An answer that cannot be read.
    #[error("the answer {0}")]
    Unreadable(String),
    /// Refused.
    #[error("answered {status}{}: {message}", code_text(*.code))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The exchange's code, if the body had one.
        code: Option<i64>,
        /// Its words, cleaned.
        message: String,
    },
    /// The exchange told us to be quiet; nothing was sent.
    #[error("no request is sent: the exchange asked for a pause")]
    Paused(Pause),
    /// No key is configured; nothing was sent.
    #[error("no key is configured")]
    NoKey,
    /// Nobody in this environment answers such a call; nothing was sent.
    #[error("this environment does not serve it")]
    NotServed,
    /// The key holds characters no key has; nothing was sent.
    #[error("the key is malformed: it holds characters that no key has")]
    MalformedKey,
    /// The secret could not sign; nothing was sent.
    #[error("the secret could not be used to sign")]
    NoSignature,
}

fn code_text(code: Option<i64>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

impl RestError {
    pub(super) fn transport(error: reqwest::Error) -> Self {
        // The address would show signature and listen key.
        let error = error.without_url();
        if let Some(detail) = certificate_refusal(&error) {
            return Self::Certificate(detail);
        }
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "no connection"
        } else {
            "the connection broke"
        };
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Self::Transport(clean_text(&format!("{what}: {cause}")))
    }

    pub(super) fn from_body(status: u16, body: &[u8], redact: impl Fn(&str) -> String) -> Self {
        let refusal = serde_json::from_slice::<Refusal<'_>>(body).ok();
        let code = refusal.as_ref().and_then(Refusal::code);
        let message = refusal
            .as_ref()
            .and_then(|refusal| refusal.msg.as_ref())
            .map_or_else(
                || "not an answer of the API".to_owned(),
                |words| clean_text(&redact(words.as_str())),
            );
        Self::Refused {
            status,
            code,
            message,
        }
    }

    const fn status_and_code(&self) -> (u16, i64) {
        match self {
            Self::Refused {
                status,
                code: Some(code),
                ..
            } => (*status, *code),
            Self::Refused { status, .. } => (*status, 0),
            _ => (0, 0),
        }
    }

    /// Our time stamp was refused.
    pub(super) fn is_clock(&self) -> bool {
        matches!(self.status_and_code(), (400..=499, -1021 | -5028))
    }

    /// The listen key does not exist any more.
    pub(in crate::exchange) fn is_listen_key_gone(&self) -> bool {
        self.status_and_code().1 == -1125
    }

    /// The end of a ban, when the words name it ("IP banned until 1573…").
    pub(super) fn ban_end_ms(&self) -> Option<i64> {
        let Self::Refused { message, .. } = self else {
            return None;
        };
        let (_, end) = message.split_once("until ")?;
        let digits = end.split(|c: char| !c.is_ascii_digit()).next()?;
        if digits.len() == 13 {
            digits.parse().ok()
        } else {
            None
        }
    }

    /// What this says about the key, if anything.
    pub(in crate::exchange) fn key_refusal(&self, security: Security) -> Option<KeyRefusalCause> {
        let (status, code) = self.status_and_code();
        match (self, status, code) {
            (Self::NoKey, ..) => return Some(KeyRefusalCause::Missing),
            (Self::MalformedKey, ..) => return Some(KeyRefusalCause::Malformed),
            (Self::NoSignature, ..) => return Some(KeyRefusalCause::Signature),
            (Self::Paused(pause), ..) if pause.banned => return Some(KeyRefusalCause::Banned),
            (_, 418, _) => return Some(KeyRefusalCause::Banned),
            (_, 451, _) => return Some(KeyRefusalCause::Region),
            _ => {}
        }
        if security == Security::Public {
            return None;
        }
        if let Self::Refused { message, .. } = self
            && message.to_ascii_lowercase().contains("portfolio margin")
        {
            return Some(KeyRefusalCause::Unsupported);
        }
        match code {
            -2014 => Some(KeyRefusalCause::Malformed),
            -2015 | -2017 | -1002 | -1011 | -4109 => Some(KeyRefusalCause::PermissionOrAddress),
            -1021 | -5028 => Some(KeyRefusalCause::Clock),
            -1022 => Some(KeyRefusalCause::Signature),
            -2008 => Some(KeyRefusalCause::Environment),
            _ if status == 401 => Some(KeyRefusalCause::PermissionOrAddress),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> RestError {
        RestError::from_body(status, body.as_bytes(), str::to_owned)
    }

    #[test]
    fn a_refused_key_is_told_apart_by_cause() {
        for (status, code, cause) in [
            (401, -2014, KeyRefusalCause::Malformed),
            (401, -2015, KeyRefusalCause::PermissionOrAddress),
            (400, -1021, KeyRefusalCause::Clock),
            (400, -1022, KeyRefusalCause::Signature),
            (401, -2008, KeyRefusalCause::Environment),
            (418, -1003, KeyRefusalCause::Banned),
            (451, 0, KeyRefusalCause::Region),
        ] {
            let error = refused(status, &format!(r#"{{"code":{code},"msg":"x"}}"#));
            assert_eq!(error.key_refusal(Security::Signed), Some(cause), "{code}");
        }
        let maintenance = refused(503, r#"{"code":-1016,"msg":"x"}"#);
        assert_eq!(maintenance.key_refusal(Security::Signed), None);
        let portfolio = refused(
            400,
            r#"{"code":-2015,"msg":"Account is in Portfolio Margin mode."}"#,
        );
        assert_eq!(
            portfolio.key_refusal(Security::Signed),
            Some(KeyRefusalCause::Unsupported)
        );
    }

    #[test]
    fn r07_a_page_instead_of_json_is_judged_by_its_status() {
        let error = refused(502, "<html><body>Bad gateway</body></html>");
        assert_eq!(error.to_string(), "answered 502: not an answer of the API");
        assert_eq!(error.key_refusal(Security::Signed), None);
    }

    #[test]
    fn words_of_the_exchange_are_cleaned() {
        let error = refused(400, r#"{"code":-1,"msg":"a\u001b[2Jb"}"#);
        assert_eq!(error.to_string(), "answered 400 (-1): a\\u{1b}[2Jb");
    }

    #[test]
    fn the_end_of_a_ban_may_stand_in_the_words() {
        let text = r#"{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until 1790000000123. x"}"#;
        assert_eq!(refused(418, text).ban_end_ms(), Some(1_790_000_000_123));
        assert_eq!(
            refused(429, r#"{"code":-1003,"msg":"until soon"}"#).ban_end_ms(),
            None
        );
    }
}
