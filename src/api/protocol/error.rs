//! What is said when a request is not answered.
//!
//! Owns: the closed set of error codes with their HTTP status, and the error body.
//! Must not know: verdicts. A reject is an answer, not an error.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Why a request is not answered. Whatever the code: do not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// Not readable as a request.
    BadRequest,
    /// One field is unknown, missing, doubled or of the wrong kind; `field` names it.
    BadField,
    /// Named by the contract, not built yet.
    NotSupportedYet,
    /// From a browser, for a foreign host, or of the admin socket only.
    Forbidden,
    /// No such path or decision.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request did not arrive within its time.
    TooSlow,
    /// The body is larger than permitted.
    TooLarge,
    /// The new policy has mistakes; the old one stays in force.
    PolicyMistakes,
    /// The records cannot be read.
    RecordsUnavailable,
    /// Something failed inside; nothing was decided.
    Internal,
    /// Too many requests or connections at once.
    Busy,
    /// The guard is shutting down.
    ShuttingDown,
}

impl ErrorCode {
    /// Every code, by HTTP status.
    pub const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::BadField,
        Self::NotSupportedYet,
        Self::PolicyMistakes,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::TooLarge,
        Self::Internal,
        Self::RecordsUnavailable,
        Self::Busy,
        Self::ShuttingDown,
    ];

    /// The name on the socket; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::BadField => "BAD_FIELD",
            Self::NotSupportedYet => "NOT_SUPPORTED_YET",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::TooSlow => "TOO_SLOW",
            Self::TooLarge => "TOO_LARGE",
            Self::PolicyMistakes => "POLICY_MISTAKES",
            Self::RecordsUnavailable => "RECORDS_UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::Busy => "BUSY",
            Self::ShuttingDown => "SHUTTING_DOWN",
        }
    }

    /// The HTTP status it travels with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::BadField | Self::NotSupportedYet | Self::PolicyMistakes => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::Internal | Self::RecordsUnavailable => 500,
            Self::Busy | Self::ShuttingDown => 503,
        }
    }
}

/// A request that is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why.
    pub code: ErrorCode,
    /// The field that is meant, where one is.
    pub field: Option<String>,
    /// One sentence for a person.
    pub message: String,
}

/// Longest field name that is repeated in an error, in characters.
const FIELD_LENGTH_MAX: usize = 96;

impl Refusal {
    /// A refusal that is about no field in particular.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Self {
            code,
            field: None,
            message: message.to_owned(),
        }
    }

    /// A refusal of one field.
    #[must_use]
    pub fn field(field: &str, message: &str) -> Self {
        Self::about(ErrorCode::BadField, field, message)
    }

    /// A refusal of one field for another reason than its content.
    #[must_use]
    pub fn about(code: ErrorCode, field: &str, message: &str) -> Self {
        let field: String = field.chars().take(FIELD_LENGTH_MAX).collect();
        let end = if message.ends_with(['.', '?']) {
            ""
        } else {
            "."
        };
        Self {
            code,
            message: format!("{field} {message}{end}"),
            field: Some(field),
        }
    }

    /// The body it travels in.
    #[must_use]
    pub fn body(&self) -> ErrorBody<'_> {
        ErrorBody {
            error: ErrorDetail {
                code: Cow::Borrowed(self.code.name()),
                field: self.field.as_deref().map(Cow::Borrowed),
                message: Cow::Borrowed(&self.message),
            },
        }
    }
}

/// `{"error":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody<'a> {
    /// The one member.
    pub error: ErrorDetail<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail<'a> {
    /// A stable code.
    pub code: Cow<'a, str>,
    /// The field that is meant, where one is.
    #[serde(default)]
    pub field: Option<Cow<'a, str>>,
    /// One sentence for a person.
    pub message: Cow<'a, str>,
}
