//! The machine-readable contract.
//!
//! Owns: the document that `/v1/openapi.json` serves; a test holds it against routes and types.
//! Must not know: how anything is answered.

/// The document, as it is served.
pub const DOCUMENT: &str = include_str!("openapi.json");
