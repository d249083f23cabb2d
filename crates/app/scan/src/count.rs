//! How many files there are, for who waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use watchglass_walk::{Choice, Walk};

use crate::choice::Chosen;
use crate::run::Run;

/// Counts the files of the paths that were named, without opening one. None when nobody needs to know
/// any more.
pub(crate) fn files(run: &Run<'_>, walked: &AtomicBool) -> Option<u64> {
    let counter = Counter { chosen: &run.options.chosen, files: AtomicU64::new(0) };
    let paths = run.options.paths.iter().filter(|path| !path.is_empty()).cloned();
    for _ in Walk::new(paths, run.options.policy.clone(), &counter) {
        if [run.stop, walked].iter().any(|end| end.load(Ordering::Relaxed)) {
            return None;
        }
    }
    Some(counter.files.into_inner())
}

/// Wants no file, and says so before it is opened.
struct Counter<'c> {
    chosen: &'c Chosen,
    files: AtomicU64,
}

impl Choice for &Counter<'_> {
    fn takes_file(&self, path: &[u8]) -> bool {
        if self.chosen.takes_file(path) {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        false
    }

    fn takes_folder(&self, path: &[u8]) -> bool {
        self.chosen.takes_folder(path)
    }
}
