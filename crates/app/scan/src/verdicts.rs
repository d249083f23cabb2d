//! Which contents were clean, for the next scan.
//!
//! What a hostile file can do to it: docs/decisions/0016-verdict-cache.md.

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use watchglass_cache::{Key, Tag, Verdicts};
use watchglass_channel::{ContentDigest, FromOpener, Outcome};
use watchglass_database::Database;

use crate::database::{UseCache, open_cache};
use crate::in_one_line;
use crate::options::Options;

/// Opens the verdicts for this database, engine and these options; a warning where they cannot be
/// used.
pub(crate) fn open(
    options: &Options,
    database: Option<&Database<'_>>,
    worker: &Path,
    warnings: &mut Vec<String>,
) -> Option<Verdicts> {
    if options.cache == UseCache::No {
        return None;
    }
    let context = context(options, database, worker)?;
    let opened = match &options.verdicts {
        Some(path) => Verdicts::at_path(path, &context),
        None => Verdicts::of_cache(&open_cache("verdicts", warnings)?, &context),
    };
    match opened {
        Ok(verdicts) => Some(verdicts),
        Err(error) => {
            warnings.push(format!("verdicts are not kept: {}", in_one_line(&error)));
            None
        }
    }
}

/// All that a clean verdict depends on beside the content.
fn context(options: &Options, database: Option<&Database<'_>>, worker: &Path) -> Option<Key> {
    // A version number does not change with each build.
    let stat = std::fs::metadata(worker).ok()?;
    let mut key = Key::default().with(b"verdict").with(env!("CARGO_PKG_VERSION").as_bytes());
    for number in [stat.dev(), stat.ino(), stat.size()] {
        key = key.with(&number.to_le_bytes());
    }
    for time in [stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec()] {
        key = key.with(&time.to_le_bytes());
    }
    // Limits and switches: with other ones, other parts of a file are looked at.
    key = key.with(&FromOpener::Setup(options.setup).encode());
    Some(key.with(database.map_or(&[][..], |database| &database.digest()[..])))
}

/// The tag of a content.
pub(crate) fn tag(verdicts: &Verdicts, content: &ContentDigest) -> Tag {
    verdicts.tag(&content.sha256, content.bytes)
}

/// Whether an outcome is to be kept for the content that was hashed before: nothing was found, all of
/// it was looked at, and the worker scanned the very bytes that another process hashed.
pub(crate) fn is_to_be_kept(outcome: &Outcome, hashed: &ContentDigest) -> bool {
    let nothing_found = outcome.findings.is_empty() && outcome.more_findings == 0;
    let whole = outcome.not_scanned.is_empty() && outcome.more_not_scanned == 0;
    nothing_found && whole && outcome.content.as_ref() == Some(hashed)
}

/// Verdicts of one worker that are not kept yet: those of a worker that ends in any other way than
/// asked are never kept.
#[derive(Debug, Default)]
pub(crate) struct Pending(VecDeque<Tag>);

impl Pending {
    /// Adds one, and keeps the oldest when there are many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, verdicts: &Verdicts, tag: Tag) -> std::io::Result<()> {
        self.0.push_back(tag);
        if self.0.len() <= MAX_PENDING {
            return Ok(());
        }
        self.0.pop_front().map_or(Ok(()), |tag| verdicts.put(tag))
    }

    /// The worker was well to its end.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn keep(&mut self, verdicts: &Verdicts) -> std::io::Result<()> {
        std::mem::take(&mut self.0).into_iter().try_for_each(|tag| verdicts.put(tag))
    }

    /// The worker was not.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Verdicts that wait.
const MAX_PENDING: usize = 4096;

#[cfg(test)]
mod tests {
    use watchglass_channel::{Finding, Member, Seen, What};

    use super::*;

    const HASHED: ContentDigest = ContentDigest { sha256: [7; 32], bytes: 3 };

    fn outcome(content: Option<ContentDigest>) -> Outcome {
        Outcome {
            number: 1,
            seen: Seen::default(),
            file_type: "CL_TYPE_ANY".into(),
            findings: Vec::new(),
            more_findings: 0,
            not_scanned: Vec::new(),
            more_not_scanned: 0,
            content,
        }
    }

    /// A worker that a hostile file has taken over says what it likes of contents that it was not
    /// given: nothing of that is kept.
    #[test]
    fn only_what_another_process_hashed_is_kept() {
        assert!(is_to_be_kept(&outcome(Some(HASHED)), &HASHED));
        let other = ContentDigest { sha256: [8; 32], ..HASHED };
        assert!(!is_to_be_kept(&outcome(Some(other)), &HASHED));
        assert!(!is_to_be_kept(&outcome(None), &HASHED));
    }

    #[test]
    fn only_clean_and_complete_outcomes_are_kept() {
        let clean = outcome(Some(HASHED));
        let what = What::Heuristic(0);
        let finding = Finding { what, offset: None, member: Member::default() };
        for outcome in [
            Outcome { findings: vec![finding], ..clean.clone() },
            Outcome { more_findings: 1, ..clean.clone() },
            Outcome { more_not_scanned: 1, ..clean.clone() },
        ] {
            assert!(!is_to_be_kept(&outcome, &HASHED));
        }
        assert!(is_to_be_kept(&clean, &HASHED));
    }
}
