//! What was planted in a run, made again from its seed.

use std::collections::{HashMap, HashSet};

use watchglass_bait::{Bait, Expected, Identity, Profile, Seed, Size};
use watchglass_claims::Values;
use watchglass_events::{Digest, Name};
use watchglass_evidence::{Campaign, PlannedRun};
use watchglass_leak::{Budget, Detector, Needle, NeedleKind};

/// Where the detection samples lie in the world.
pub const SAMPLES_FOLDER: &str = "/srv/samples";

/// What the lab plants for a seed. The lab lays it into the world; the checks make it again.
pub fn plant(seed: &str, files: u32) -> Option<(Identity, Bait)> {
    let seed = Seed(Digest::parse(seed)?.0);
    let identity = Identity::generate(&seed);
    let bait = Bait::generate(&seed, &Profile::of(&identity, Size::Large(files)));
    Some((identity, bait))
}

/// The home folder of the bait, which `{bait}` stands for.
#[must_use]
pub fn home_of(identity: &Identity) -> String {
    format!("/home/{}", identity.user)
}

/// The placeholders of a product file for an identity. `product` and `specimens` are folders on the
/// lab's machine, which no claim can name.
#[must_use]
pub fn values_of(identity: &Identity, product: &str, specimens: &str) -> Values {
    Values {
        bait: home_of(identity),
        samples: SAMPLES_FOLDER.to_owned(),
        product: product.to_owned(),
        specimens: specimens.to_owned(),
    }
}

/// What was planted in a run.
pub(crate) struct Planted {
    /// The placeholders of the product file in this run.
    pub(crate) values: Values,
    files: HashSet<Name>,
    samples: Vec<Sample>,
    needles: HashMap<u32, Needle>,
    detector: Detector,
}

impl std::fmt::Debug for Planted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Planted({} files)", self.files.len())
    }
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
    /// Whether it is content of the file, as opposed to its name or digest.
    pub(crate) is_content: bool,
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
    /// Makes the bait of a run again.
    pub(crate) fn of(plan: &PlannedRun, campaign: &Campaign) -> Option<Self> {
        let (identity, bait) = plant(&plan.seed, campaign.bait_files)?;
        let home = home_of(&identity);
        let mut needles = bait.needles();
        let next = u32::try_from(needles.len()).ok()?;
        needles.extend(identity.needles(next));
        let in_world = |path: &str| Name::new(format!("{home}/{path}"));
        let sample = |sample: watchglass_bait::Sample| Sample {
            path: format!("{SAMPLES_FOLDER}/{}", sample.path),
            detect: sample.expected == Expected::Detected,
        };
        Some(Self {
            values: values_of(&identity, "/product", "/specimens"),
            files: bait.planned.iter().map(|file| in_world(&file.path)).collect(),
            samples: bait.samples().into_iter().map(sample).collect(),
            detector: Detector::build(needles.iter().cloned()),
            needles: needles.into_iter().map(|needle| (needle.id, needle)).collect(),
        })
    }

    /// Whether a path is a planted file.
    pub(crate) fn is_bait(&self, path: &Name) -> bool {
        self.files.contains(path)
    }

    /// Planted files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Name> {
        self.files.iter()
    }

    /// Detection samples.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// Searches a payload for everything planted.
    pub(crate) fn search(&self, bytes: &[u8]) -> Search {
        let found = self.detector.search(bytes, Budget::STANDARD);
        self.told(found)
    }

    /// Searches names that a resolver was asked for, one after another.
    pub(crate) fn search_names(&self, names: &[&[u8]]) -> Search {
        let found = self.detector.search_names(names, Budget::STANDARD);
        self.told(found)
    }

    fn told(&self, found: watchglass_leak::Search) -> Search {
        let hit = |hit: &watchglass_leak::Hit| {
            let needle = self.needles.get(&hit.needle)?;
            let file = Name::new(needle.file.clone()).to_string();
            let file = (!file.is_empty()).then(|| format!("{}/{file}", self.values.bait));
            let transforms: Vec<String> =
                hit.transforms.iter().map(|transform| format!("{transform:?}")).collect();
            Some(Hit {
                what: words(needle, file.as_deref()),
                is_content: matches!(needle.kind, NeedleKind::Mark | NeedleKind::Phrase),
                file,
                transforms: transforms.join(", "),
            })
        };
        let hits = found.hits.iter().filter_map(hit).collect();
        Search { hits, exhausted: found.exhausted.is_some() }
    }
}

fn words(needle: &Needle, file: Option<&str>) -> String {
    let place = Name::from(needle.place.as_str());
    match (needle.kind, file) {
        (NeedleKind::Mark | NeedleKind::Phrase, Some(file)) => {
            format!("Content of {file} ({place})")
        }
        (NeedleKind::Digest, Some(file)) => format!("The digest of {file} ({place})"),
        (NeedleKind::Name | NeedleKind::Path, Some(file)) => format!("The name of {file}"),
        _ => format!("The {place}"),
    }
}
