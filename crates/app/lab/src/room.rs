//! How much a bundle may grow.
//!
//! A stranger reads a bundle into memory, so it has a limit; a subject that floods the recorders must
//! not be able to make a bundle that nobody can check. What has room is decided before a run, and a
//! run that uses it up is stopped cleanly: its phases did not run to their end, which is
//! inconclusive and never kept.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use watchglass_fakenet::Limits;

/// How often the disk is looked at. A flood of 20 MB/s goes 10 MB beyond, which the reserve covers.
const INTERVAL: Duration = Duration::from_millis(500);
/// What is left for the documents, the report and what is written after a run was stopped.
const RESERVE_BYTES: u64 = 16 << 20;
/// A run gets this much even where others have used up the bundle: it is stopped soon, and says why.
const LEAST_BYTES: u64 = 4 << 20;

/// The room of one run.
#[derive(Debug)]
pub(crate) struct Room {
    run: PathBuf,
    bytes: u64,
    looked: Cell<Option<Instant>>,
    is_full: Cell<bool>,
}

impl Room {
    /// An equal share of what the bundle has left, for a run and the `others` that follow it.
    pub(crate) fn of_run(bundle: &Path, run: &Path, max_bytes: u64, others: usize) -> Self {
        let left = max_bytes.saturating_sub(RESERVE_BYTES + bytes_below(bundle));
        let share = left / (1 + others as u64);
        let bytes = share.max(LEAST_BYTES);
        Self { run: run.to_owned(), bytes, looked: Cell::new(None), is_full: Cell::new(false) }
    }

    /// The fake internet's part: a quarter each for the capture and for the clear text; the rest is
    /// the kernel sensor's, who sees more. Frames beyond are counted as lost.
    pub(crate) fn limits(&self, usual: Limits) -> Limits {
        let quarter = self.bytes / 4;
        Limits {
            log_bytes: usual.log_bytes.min(quarter),
            capture_bytes: usual.capture_bytes.min(quarter),
            stream_bytes: usual.stream_bytes.min(quarter),
            ..usual
        }
    }

    /// Whether the run has used its room up.
    pub(crate) fn is_full(&self) -> bool {
        let due = self.looked.get().is_none_or(|at| at.elapsed() >= INTERVAL);
        if due && !self.is_full.get() {
            self.looked.set(Some(Instant::now()));
            self.is_full.set(bytes_below(&self.run) >= self.bytes);
        }
        self.is_full.get()
    }

    /// Why the run was stopped, for its log and the report.
    pub(crate) fn in_words(&self) -> String {
        let mib = self.bytes / (1 << 20);
        format!("The recording reached the {mib} MiB that it has in the bundle, and was stopped.")
    }
}

/// Bytes of the files in a folder of the lab's own; what cannot be looked at counts as nothing.
fn bytes_below(folder: &Path) -> u64 {
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => folders.push(entry.path()),
                Ok(facts) => bytes += facts.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_uses_its_share_up_is_stopped() {
        let bundle = tempfile::tempdir().unwrap();
        let run = bundle.path().join("runs/A1");
        watchglass_store::make_folder(&run).unwrap();
        let room = Room::of_run(bundle.path(), &run, 64 << 20, 2);
        assert_eq!((room.bytes, room.limits(Limits::default()).log_bytes), (16 << 20, 4 << 20));
        assert!(!room.is_full());
        watchglass_store::create_file(&run.join("sensor.log")).unwrap().set_len(16 << 20).unwrap();
        assert!(!room.is_full(), "looked at again too soon");
        room.looked.set(None);
        assert!(room.is_full());
        assert!(room.in_words().contains("16 MiB"));
    }

    #[test]
    fn a_bundle_without_room_still_tells_what_happened() {
        let bundle = tempfile::tempdir().unwrap();
        let room = Room::of_run(bundle.path(), &bundle.path().join("runs/C"), 0, 0);
        assert_eq!(room.bytes, LEAST_BYTES);
    }
}
