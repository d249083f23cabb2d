//! How much memory a scan takes: of every process of it together, while it works.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::rival::{Scanner, list, watch};
use crate::trouble::Trouble;

/// What the processes of a scan hold at one moment, in KiB (proc_pid_smaps(5)).
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Pages that no other process has.
    private: u64,
    /// Pages in memory, those that several have divided among them: what all of it takes, once.
    proportional: u64,
    /// The same, counted for each that has them.
    resident: u64,
    processes: u64,
}

/// The largest of each, and how often was looked.
#[derive(Debug, Default)]
struct Peaks {
    held: Held,
    looks: u64,
}

/// Samples a scan of files until it ends.
pub(super) fn of(scanner: &Scanner, files: &[PathBuf], folder: &Path) -> Result<Value, Trouble> {
    let paths = folder.join("files");
    list(files, &paths)?;
    let mut child = scanner.start(&paths, Stdio::null())?;
    let (mut peaks, root) = (Peaks::default(), child.id());
    watch(&mut child, EVERY, || peaks.look(root))?;
    peaks.value()
}

/// Samples a scan that has looked at one small file and waits for the next.
pub(super) fn waiting(scanner: &Scanner, small: &Path) -> Result<Value, Trouble> {
    let mut child = scanner.start(Path::new("-"), Stdio::piped())?;
    let (mut peaks, root) = (Peaks::default(), child.id());
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        writeln!(stdin, "{}", small.display()).map_err(Trouble::file(small))?;
        stdin.flush().map_err(Trouble::file(small))?;
    }
    let mut looks = 0;
    watch(&mut child, EVERY, || {
        looks += 1;
        peaks.look(root);
        if looks == WAITING_LOOKS {
            // It was all.
            stdin = None;
        }
    })?;
    peaks.value()
}

impl Peaks {
    fn look(&mut self, root: u32) {
        let held = Held::of_tree(root);
        self.looks += u64::from(held.processes > 0);
        let peak = &mut self.held;
        peak.private = peak.private.max(held.private);
        peak.proportional = peak.proportional.max(held.proportional);
        peak.resident = peak.resident.max(held.resident);
        peak.processes = peak.processes.max(held.processes);
    }

    fn value(&self) -> Result<Value, Trouble> {
        if self.looks == 0 || self.held.proportional == 0 {
            let says = "no process could be looked at; root may".to_owned();
            return Err(Trouble::Program { program: "measure engine".to_owned(), says });
        }
        let Held { private, proportional, resident, processes } = self.held;
        Ok(json!({
            "private_mb": megabytes(private),
            "all_resident_mb": megabytes(proportional),
            "sum_of_resident_mb": megabytes(resident),
            "processes": processes,
            "looks": self.looks,
        }))
    }
}

impl Held {
    fn of_tree(root: u32) -> Self {
        let mut sum = Self::default();
        for process in tree(root) {
            // One that ended meanwhile holds nothing.
            let path = format!("/proc/{process}/smaps_rollup");
            let Ok(text) = fs::read_to_string(path) else { continue };
            let of = |name| field(&text, name);
            sum.private += of("Private_Clean:") + of("Private_Dirty:");
            sum.proportional += of("Pss:");
            sum.resident += of("Rss:");
            sum.processes += 1;
        }
        sum
    }
}

/// KiB of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A process and all that came of it.
fn tree(root: u32) -> BTreeSet<u32> {
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|process| parent(process).map(|parent| (process, parent)))
        .collect();
    let mut tree = BTreeSet::from([root]);
    loop {
        let known = tree.len();
        tree.extend(
            processes
                .iter()
                .filter(|(_, of)| tree.contains(of))
                .map(|(one, _)| *one)
                .collect::<Vec<_>>(),
        );
        if tree.len() == known {
            return tree;
        }
    }
}

/// The fourth field of proc_pid_stat(5), behind the name in its brackets.
fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Millions of bytes, as the promise counts them.
fn megabytes(kib: u64) -> f64 {
    let bytes = u32::try_from(kib).map_or(f64::INFINITY, f64::from) * 1024.0;
    (bytes / 100_000.0).round() / 10.0
}

/// Between two looks.
const EVERY: Duration = Duration::from_millis(10);
/// Looks at a scan that waits: half a second.
const WAITING_LOOKS: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_something_and_has_a_parent() {
        let held = Held::of_tree(std::process::id());
        assert!(held.processes >= 1 && held.private > 0, "{held:?}");
        assert!(held.proportional <= held.resident, "{held:?}");
        assert!(parent(std::process::id()).is_some());
    }

    #[test]
    fn megabytes_are_millions() {
        assert_eq!(megabytes(1000), 1.0);
        assert_eq!(megabytes(39_062), 40.0);
    }
}
