//! What was planted in a run, made again from its seed.

use watchglass_claims::Values;
use watchglass_events::Name;
use watchglass_evidence::{Campaign, PlannedRun};

/// What was planted in a run.
#[derive(Debug)]
pub(crate) struct Planted {
    /// The placeholders of the product file in this run.
    pub(crate) values: Values,
}

/// A detection sample.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Its path in the world.
    pub(crate) path: String,
    /// Whether a product is to report it.
    pub(crate) detect: bool,
}

/// Planted data in a payload.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// What it is, in words.
    pub(crate) what: String,
    /// The file it comes from.
    pub(crate) file: Option<String>,
    /// The transforms it was found under, in words; nothing for none.
    pub(crate) transforms: String,
}

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The hits.
    pub(crate) hits: Vec<Hit>,
    /// Whether the search ended at its limit.
    pub(crate) exhausted: bool,
}

impl Planted {
    pub(crate) fn of(_plan: &PlannedRun, _campaign: &Campaign) -> Option<Self> {
        None
    }
    pub(crate) fn is_bait(&self, _path: &Name) -> bool {
        false
    }
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Name> {
        std::iter::empty()
    }
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        std::iter::empty()
    }
    pub(crate) fn search(&self, _bytes: &[u8]) -> Search {
        Search::default()
    }
}
