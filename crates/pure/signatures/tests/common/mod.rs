//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that a test did not run; an error where every test must run.
pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped: {why}");
}

pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A folder of the data beside the repository, if it is there.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let path = root.join("../shared/data").join(folder);
    path.is_dir().then_some(path)
}

/// All files below a folder, in the order of their paths.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// How many signatures clamscan loads from a file; `None` when it refuses the file.
pub(crate) fn known_to_clamscan(set: &Path, target: &Path) -> Option<u64> {
    let output = Command::new("clamscan")
        .args(["--detect-pua=yes", "-d"])
        .args([set, target])
        .env("LANG", "C")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let refused = String::from_utf8_lossy(&output.stderr).contains("LibClamAV Error");
    let known = text.lines().find_map(|line| line.strip_prefix("Known viruses: "));
    known.filter(|_| !refused).and_then(|known| known.trim().parse().ok())
}

/// A small generator of numbers that a seed fixes (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    /// Changes a few bytes: one replaced, removed, doubled or swapped for a telling one.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>, telling: &[u8]) {
        for _ in 0..=self.below(2) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, bytes[at]),
                _ => bytes[at] = telling[self.below(telling.len())],
            }
        }
    }
}
