//! What is scanned: files of this machine and of `../shared`, by kind.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::place::Place;

/// Files of one kind.
pub(super) struct Stratum {
    pub(super) name: &'static str,
    /// How many times clamscan's speed is promised.
    pub(super) promise: u32,
    /// Which files belong to it.
    is_of: fn(&Path, &[u8], u64) -> bool,
    /// Where they are looked for, beside `../shared/data`.
    trees: &'static [&'static str],
    /// Bytes that are scanned at most.
    most_bytes: u64,
}

pub(super) const STRATA: &[Stratum] = &[
    Stratum {
        name: "programs",
        promise: 10,
        is_of: |_, head, _| head.starts_with(b"\x7fELF") || head.starts_with(b"MZ"),
        trees: &["/usr/bin", "/usr/lib"],
        most_bytes: 120 << 20,
    },
    Stratum {
        name: "small texts",
        promise: 25,
        is_of: |path, head, size| size <= 256 << 10 && has(path, TEXTS) && !head.contains(&0),
        trees: &["/usr/lib/python3", "/usr/share", "/usr/include"],
        most_bytes: 12 << 20,
    },
    Stratum {
        name: "archives",
        promise: 16,
        is_of: |path, _, _| has(path, ARCHIVES),
        trees: &["/usr/share", "/usr/lib", "/var/cache/apt"],
        most_bytes: 10 << 20,
    },
    Stratum {
        name: "documents",
        promise: 10,
        is_of: |path, _, _| has(path, DOCUMENTS),
        trees: &["/usr/share", "/usr/lib"],
        most_bytes: 20 << 20,
    },
];

const TEXTS: &[&str] = &[
    "py", "js", "h", "c", "rs", "html", "htm", "json", "txt", "css", "pl", "pm", "sh", "xml", "md",
];
const ARCHIVES: &[&str] = &["crate", "jar", "whl", "zip", "gz", "deb", "xz", "tgz", "bz2"];
const DOCUMENTS: &[&str] =
    &["pdf", "doc", "xls", "ppt", "docx", "xlsx", "pptx", "odt", "rtf", "eml", "one"];

fn has(path: &Path, kinds: &[&str]) -> bool {
    let kind = path.extension().map(|kind| kind.to_string_lossy().to_lowercase());
    kind.is_some_and(|kind| kinds.contains(&kind.as_str()))
}

impl Stratum {
    /// Files that a seed chooses, in the order of their paths.
    pub(super) fn sample(&self, place: &Place, seed: u64) -> Vec<PathBuf> {
        let mut all = Vec::new();
        let shared = place.root().join("../shared/data");
        let trees = self.trees.iter().map(PathBuf::from).chain([shared]).chain(crates());
        trees.for_each(|tree| self.walk(&tree, &mut all));
        all.sort_by_key(|(path, _)| (mixed(path, seed), path.clone()));
        let mut left = self.most_bytes;
        let fits = |(path, size): (PathBuf, u64)| {
            left = left.checked_sub(size)?;
            Some(path)
        };
        let mut chosen: Vec<PathBuf> = all.into_iter().map_while(fits).collect();
        chosen.sort();
        chosen
    }

    fn walk(&self, folder: &Path, all: &mut Vec<(PathBuf, u64)>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() {
                self.walk(&path, all);
            } else if kind.is_file()
                && let Ok(size) = entry.metadata().map(|metadata| metadata.len())
                && (1..=MAX_FILE).contains(&size)
                && (self.is_of)(&path, &head(&path), size)
            {
                all.push((path, size));
            }
        }
    }
}

/// Where cargo keeps what it fetched: thousands of small archives.
fn crates() -> Option<PathBuf> {
    let home = |home| PathBuf::from(home).join(".cargo");
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    Some(cargo.or_else(|| std::env::var_os("HOME").map(home))?.join("registry/cache"))
}

/// Larger files are no part of any stratum.
const MAX_FILE: u64 = 20 << 20;

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read has no head, and is scanned by nobody.
    let _ = fs::File::open(path).and_then(|file| file.take(512).read_to_end(&mut head));
    head
}

/// A number that looks random, the same for a path and a seed (FNV-1a, then a mixer).
fn mixed(path: &Path, seed: u64) -> u64 {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = path.as_os_str().as_bytes().iter();
    let hash = bytes.fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
