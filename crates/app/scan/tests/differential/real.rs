//! Files of this machine.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// So many files that a seed chooses.
pub(crate) fn sample(count: usize, seed: u64) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let shared = crate::root().join("../shared/data");
    let trees = TREES.iter().map(PathBuf::from).chain([shared]).chain(crates());
    trees.for_each(|tree| walk(&tree, &mut all));
    all.sort_by_key(|path| (mixed(path, seed), path.clone()));
    all.truncate(count);
    all
}

const TREES: [&str; 6] =
    ["/usr/bin", "/usr/lib", "/usr/share", "/usr/include", "/usr/sbin", "/usr/local"];

/// Where cargo keeps what it fetched.
fn crates() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    Some(cargo.or(home)?.join("registry"))
}

/// Larger files are no part of it.
const MAX_FILE: u64 = 20 << 20;

fn walk(folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() {
            walk(&path, all);
        } else if kind.is_file()
            && entry.metadata().is_ok_and(|data| (6..=MAX_FILE).contains(&data.len()))
            && fs::File::open(&path).is_ok()
        {
            all.push(path);
        }
    }
}

/// A number that looks random, the same for a path and a seed (FNV-1a, then a mixer).
fn mixed(path: &Path, seed: u64) -> u64 {
    let bytes = path.as_os_str().as_bytes().iter();
    let hash = bytes.fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
