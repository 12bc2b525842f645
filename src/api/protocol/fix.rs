//! `/v1/fix`: what is broken, and the ways back.
//!
//! Owns: the shape of the answer.
//! Must not know: how a way is found.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::Finding;
use super::ways::{lacking, params, request};
use crate::guard::fix;
use crate::mirror::view::NotReady;

/// `GET /v1/fix`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FixAnswer<'a> {
    /// Every limit the account breaks as it stands, those that reject first.
    pub broken: Vec<BrokenLimit<'a>>,
    /// Why something cannot be said; empty when everything can.
    pub missing: Vec<Cow<'a, str>>,
}

/// A broken limit with the ways back inside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokenLimit<'a> {
    /// The pool's asset.
    pub asset: Cow<'a, str>,
    /// What is broken.
    pub finding: Finding<'a>,
    /// Each mends it by itself.
    pub ways: Vec<Way<'a>>,
}

/// One way back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Way<'a> {
    /// `top_up`, `reduce`, `add_margin` or `lower_leverage`.
    pub kind: Cow<'a, str>,
    /// What it consists of: `symbol`, `quantity`, `amount`, `asset`, `leverage`.
    pub params: Map<String, Value>,
    /// The exact request to send; `null` for a transfer.
    pub request: Value,
    /// One sentence for a person.
    pub message: Cow<'a, str>,
}

impl<'a> From<&'a Result<fix::Fix, NotReady>> for FixAnswer<'a> {
    fn from(fixed: &'a Result<fix::Fix, NotReady>) -> Self {
        match fixed {
            Ok(fix) => Self {
                broken: fix.broken.iter().map(BrokenLimit::from).collect(),
                missing: fix.missing.iter().map(Cow::from).collect(),
            },
            Err(not_ready) => Self {
                broken: Vec::new(),
                missing: lacking(not_ready),
            },
        }
    }
}

impl<'a> From<&'a fix::BrokenLimit> for BrokenLimit<'a> {
    fn from(broken: &'a fix::BrokenLimit) -> Self {
        Self {
            asset: Cow::Borrowed(broken.asset.as_str()),
            finding: Finding::from(&broken.finding),
            ways: broken.ways.iter().map(Way::from).collect(),
        }
    }
}

impl<'a> From<&'a fix::Way> for Way<'a> {
    fn from(way: &'a fix::Way) -> Self {
        Self {
            kind: Cow::Borrowed(way.kind.name()),
            params: params(&way.terms),
            request: way.request.as_ref().map_or(Value::Null, request),
            message: Cow::Borrowed(&way.message),
        }
    }
}
