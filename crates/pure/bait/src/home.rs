//! The home as a whole.

use watchglass_leak::{Needle, NeedleKind, digests};

use crate::draw::Seed;
use crate::identity::{Identity, Profile};
use crate::mark::{Mark, MarkKind};
use crate::page::Page;
use crate::plan::{Kind, Planned, plan};
use crate::sample::{Sample, samples};
use crate::words::Vocabulary;

/// A home folder that is made file by file.
#[derive(Debug)]
pub struct Bait {
    /// What it was made from.
    pub seed: Seed,
    /// Who lives there, and where.
    pub profile: Profile,
    /// All files, in the order in which they are made.
    pub planned: Vec<Planned>,
    vocabulary: Vocabulary,
}

/// A file of the home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaitFile {
    /// Path under the home, with slashes; relative, without `.` or `..`.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Days before the start of the run when it was last changed.
    pub modified_days_ago: u32,
    /// What sort of file it is.
    pub kind: Kind,
    /// The marks in it, each at a place of its own.
    pub marks: Vec<Mark>,
}

impl Bait {
    /// Plans a home; costs a millisecond or so. The same seed and profile give the same home.
    #[must_use]
    pub fn generate(seed: &Seed, profile: &Profile) -> Self {
        let vocabulary = Vocabulary::new(seed);
        let planned = plan(seed, &vocabulary, profile.size.files());
        Self { seed: *seed, profile: profile.clone(), planned, vocabulary }
    }

    /// Who lives there.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.profile.identity
    }

    /// Makes the files one after another, each when it is asked for.
    pub fn files(&self) -> impl Iterator<Item = BaitFile> + '_ {
        self.planned.iter().map(|planned| self.file(planned))
    }

    /// Makes one planned file.
    #[must_use]
    pub fn file(&self, planned: &Planned) -> BaitFile {
        let page = Page::new(&self.seed, &self.vocabulary, &self.profile, planned);
        let (bytes, marks) = page.write();
        BaitFile {
            path: planned.path.clone(),
            bytes,
            mode: planned.mode,
            modified_days_ago: planned.modified_days_ago,
            kind: planned.kind,
            marks,
        }
    }

    /// The files that a scanner must detect, and their clean twins. They belong in a folder of their
    /// own beside the home.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        samples(&self.seed, &self.vocabulary)
    }

    /// What to search for: the marks of all files and samples, the marks in names, the absolute
    /// paths, the digests. Makes every file once. Numbers begin at 0 and have no gaps;
    /// [`Identity::needles`] can go on from there.
    #[must_use]
    pub fn needles(&self) -> Vec<Needle> {
        let mut needles = Needles::default();
        let mut named = std::collections::BTreeSet::new();
        for (planned, file) in self.planned.iter().zip(self.files()) {
            let path = file.path.as_bytes();
            for (place, mark) in &planned.name_marks {
                // Files of one folder share its mark; the first of them stands for it.
                if named.insert(mark.clone()) {
                    needles.add(NeedleKind::Name, mark.as_bytes(), path, &place.to_string());
                }
            }
            needles.add_marks(&file.marks, path);
            let absolute = format!("{}/{}", self.profile.home, file.path);
            needles.add(NeedleKind::Path, absolute.as_bytes(), path, "path");
            needles.add_digests(&file.bytes, path);
        }
        for sample in self.samples() {
            needles.add_marks(&sample.marks, sample.path.as_bytes());
        }
        needles.all
    }
}

#[derive(Default)]
struct Needles {
    all: Vec<Needle>,
}

impl Needles {
    fn add(&mut self, kind: NeedleKind, value: &[u8], file: &[u8], place: &str) {
        let id = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let (value, file, place) = (value.to_vec(), file.to_vec(), place.to_owned());
        self.all.push(Needle { id, kind, value, file, place });
    }

    fn add_marks(&mut self, marks: &[Mark], file: &[u8]) {
        for mark in marks {
            let kind = match mark.kind {
                MarkKind::Letters => NeedleKind::Mark,
                MarkKind::Phrase => NeedleKind::Phrase,
            };
            self.add(kind, mark.text.as_bytes(), file, &mark.place.to_string());
        }
    }

    fn add_digests(&mut self, bytes: &[u8], file: &[u8]) {
        for (algorithm, digest) in digests(bytes) {
            self.add(NeedleKind::Digest, &digest, file, algorithm);
        }
    }
}
