//! What an answer rests on: the freshness of every plane, drift, and figures that are missing.
//!
//! Owns: the `inputs` block of every answer.
//! Must not know: how freshness is judged.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::figure::Figure;
use crate::daemon::report;
use crate::guard::verdict::MissingFigure;
use crate::margin::book::Unknown;
use crate::margin::contribution::Missing;
use crate::mirror::event::ClockOffset;
use crate::mirror::plane::{Plane, PlaneStatus};

/// The `inputs` block.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inputs<'a> {
    /// Freshness of every plane.
    pub planes: Planes<'a>,
    /// Largest difference the last whole read found, in basis points of the balance.
    pub drift_bps: Figure,
    /// The exchange's clock against ours; `null` until it was measured.
    pub clock: Option<ClockView>,
    /// Figures that could not be supported.
    pub missing: Vec<MissingEntry<'a>>,
}

/// The exchange's clock against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClockView {
    /// Exchange time − our wall time.
    pub offset_ms: i64,
    /// How wrong that may be.
    pub error_ms: i64,
}

impl From<ClockOffset> for ClockView {
    fn from(offset: ClockOffset) -> Self {
        Self {
            offset_ms: offset.offset_ms,
            error_ms: offset.error_ms,
        }
    }
}

/// A figure that is `null` in the answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingEntry<'a> {
    /// Where it would stand.
    pub path: Cow<'a, str>,
    /// The plane that lacks it, where one does.
    #[serde(default)]
    pub plane: Option<Cow<'a, str>>,
    /// Why.
    pub reason: Cow<'a, str>,
}

impl<'a> MissingEntry<'a> {
    /// A figure that no plane is to blame for.
    #[must_use]
    pub const fn plain(path: Cow<'a, str>, reason: &'a str) -> Self {
        Self {
            path,
            plane: None,
            reason: Cow::Borrowed(reason),
        }
    }
}

impl<'a> From<&'a MissingFigure> for MissingEntry<'a> {
    fn from(missing: &'a MissingFigure) -> Self {
        Self {
            path: Cow::Borrowed(missing.path),
            plane: missing.plane.map(|plane| Cow::Borrowed(plane.name())),
            reason: Cow::Borrowed(&missing.reason),
        }
    }
}

impl<'a> From<&'a report::Inputs> for Inputs<'a> {
    fn from(inputs: &'a report::Inputs) -> Self {
        let missing = inputs.missing.iter().map(|(path, unknown)| MissingEntry {
            path: Cow::Borrowed(path),
            plane: lacking_plane(unknown).map(|plane| Cow::Borrowed(plane.name())),
            reason: Cow::Owned(unknown.to_string()),
        });
        Self {
            planes: Planes::of(&inputs.planes),
            drift_bps: Figure(inputs.drift_basis_points),
            clock: inputs.clock_offset.map(ClockView::from),
            missing: missing.collect(),
        }
    }
}

/// Where the missing thing would have come from.
const fn lacking_plane(unknown: &Unknown) -> Option<Plane> {
    match unknown {
        Unknown::Balance(_) => Some(Plane::Account),
        Unknown::Symbol(_, Missing::MarginAsset) => Some(Plane::Rules),
        Unknown::Symbol(_, Missing::Settings) => Some(Plane::Config),
        Unknown::Symbol(_, Missing::Mark) => Some(Plane::Marks),
        Unknown::Symbol(_, Missing::Brackets(_)) => Some(Plane::Brackets),
        Unknown::Symbol(_, Missing::Arithmetic(_)) | Unknown::Arithmetic(_) => None,
        Unknown::Rate(_) => Some(Plane::Collateral),
    }
}

/// Every plane by its name, in the order the mirror lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planes<'a>(pub Vec<(Cow<'a, str>, PlaneView<'a>)>);

/// How fresh one plane is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaneView<'a> {
    /// It may be relied on.
    pub fresh: bool,
    /// Age in milliseconds; `null` when it was never known.
    pub age_ms: Option<i64>,
    /// Generation of the connection it belongs to; 0 where there is none.
    pub epoch: u64,
    /// Why it is not fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
}

impl<'a> Planes<'a> {
    /// The planes of a report.
    #[must_use]
    pub fn of(statuses: &'a [PlaneStatus]) -> Self {
        let view = |status: &'a PlaneStatus| {
            let view = PlaneView {
                fresh: status.fresh,
                age_ms: status.age_ms,
                epoch: status.epoch,
                reason: status.reason.as_deref().map(Cow::Borrowed),
            };
            (Cow::Borrowed(status.plane.name()), view)
        };
        Self(statuses.iter().map(view).collect())
    }

    /// The planes that may not be relied on.
    pub fn stale(&self) -> impl Iterator<Item = &(Cow<'a, str>, PlaneView<'a>)> {
        self.0.iter().filter(|(_, view)| !view.fresh)
    }
}

impl Serialize for Planes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, view)| (name, view)))
    }
}

impl<'de> Deserialize<'de> for Planes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = BTreeMap::<String, PlaneView<'static>>::deserialize(deserializer)?;
        let known = Plane::ALL.map(Plane::name);
        let mut planes: Vec<(Cow<'static, str>, PlaneView<'static>)> = known
            .into_iter()
            .filter_map(|name| Some((Cow::Borrowed(name), map.remove(name)?)))
            .collect();
        planes.extend(map.into_iter().map(|(name, view)| (name.into(), view)));
        Ok(Self(planes))
    }
}
