//! What is scanned: files of this machine, of `../shared` and of Debian's sources, by kind.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::place::Place;

/// Files of one sort.
pub(super) struct Stratum {
    pub(super) name: &'static str,
    /// How many times clamscan's speed is promised.
    pub(super) promise: u32,
    kinds: &'static [Kind],
    /// Where they are looked for, beside `../shared/data`.
    trees: &'static [&'static str],
    /// Larger files are no part of it.
    most_of_one: u64,
}

/// Files of one kind.
struct Kind {
    name: &'static str,
    is_of: fn(&Path, &[u8], u64) -> bool,
    /// Bytes that are scanned at most.
    most_bytes: u64,
}

pub(super) const STRATA: &[Stratum] = &[
    Stratum {
        name: "programs",
        promise: 10,
        kinds: &[Kind {
            name: "ELF and PE",
            is_of: |_, head, _| head.starts_with(b"\x7fELF") || head.starts_with(b"MZ"),
            most_bytes: 120 << 20,
        }],
        trees: &["/usr/bin", "/usr/lib"],
        most_of_one: 20 << 20,
    },
    Stratum {
        name: "small texts",
        promise: 25,
        kinds: &[Kind {
            name: "texts",
            is_of: |path, head, size| size <= 256 << 10 && has(path, TEXTS) && !head.contains(&0),
            most_bytes: 12 << 20,
        }],
        trees: &["/usr/lib/python3", "/usr/share", "/usr/include"],
        most_of_one: 20 << 20,
    },
    Stratum {
        name: "archives",
        promise: 16,
        kinds: &[Kind {
            name: "archives",
            is_of: |path, _, _| has(path, ARCHIVES),
            most_bytes: 10 << 20,
        }],
        trees: &["/usr/share", "/usr/lib", "/var/cache/apt"],
        most_of_one: 20 << 20,
    },
    Stratum {
        name: DOCUMENTS,
        promise: 10,
        kinds: &[
            Kind {
                name: "OLE2: Word, Excel, PowerPoint, Outlook, Publisher, Visio",
                is_of: |_, head, _| head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
                most_bytes: 12 << 20,
            },
            Kind {
                name: "OOXML and OpenDocument",
                is_of: |path, head, _| head.starts_with(b"PK\x03\x04") && has(path, ZIPPED),
                most_bytes: 9 << 20,
            },
            Kind {
                name: "PDF",
                is_of: |_, head, _| head.windows(5).any(|five| five == b"%PDF-"),
                most_bytes: 8 << 20,
            },
            Kind {
                name: "RTF",
                is_of: |_, head, _| head.starts_with(b"{\\rtf"),
                most_bytes: 4 << 20,
            },
            Kind {
                name: "mails with documents",
                is_of: |path, _, _| has(path, &["eml"]),
                most_bytes: 2 << 20,
            },
            Kind {
                name: "pages",
                is_of: |path, _, _| has(path, &["html", "htm"]),
                most_bytes: 2 << 20,
            },
        ],
        trees: &["/usr/share", "/usr/lib"],
        most_of_one: 4 << 20,
    },
];

pub(super) const DOCUMENTS: &str = "documents";

const TEXTS: &[&str] = &[
    "py", "js", "h", "c", "rs", "html", "htm", "json", "txt", "css", "pl", "pm", "sh", "xml", "md",
];
const ARCHIVES: &[&str] = &["crate", "jar", "whl", "zip", "gz", "deb", "xz", "tgz", "bz2"];
const ZIPPED: &[&str] = &[
    "docx", "docm", "dotx", "xlsx", "xlsm", "xlsb", "xltx", "pptx", "pptm", "vsdx", "odt", "ods",
    "odp",
];

fn has(path: &Path, kinds: &[&str]) -> bool {
    let kind = path.extension().map(|kind| kind.to_string_lossy().to_lowercase());
    kind.is_some_and(|kind| kinds.contains(&kind.as_str()))
}

/// Files that were chosen, and how many of each kind there are.
pub(super) struct Sample {
    pub(super) files: Vec<PathBuf>,
    pub(super) bytes: u64,
    pub(super) kinds: Value,
}

impl Stratum {
    /// Files that a seed chooses, in the order of their paths; `more` is a tree to look into.
    pub(super) fn sample(&self, place: &Place, seed: u64, more: Option<&Path>) -> Sample {
        let mut all: Vec<_> = self.kinds.iter().map(|_| Vec::new()).collect();
        let shared = place.root().join("../shared/data");
        let trees = self.trees.iter().map(PathBuf::from).chain([shared]).chain(crates());
        trees.chain(more.map(Path::to_owned)).for_each(|tree| self.walk(&tree, &mut all));
        let (mut files, mut bytes, mut kinds) = (Vec::new(), 0, Map::new());
        for (kind, all) in self.kinds.iter().zip(all) {
            let chosen = kind.choose(all, seed);
            let size: u64 = chosen.iter().map(|(_, size)| size).sum();
            bytes += size;
            kinds.insert(kind.name.to_owned(), json!({ "files": chosen.len(), "bytes": size }));
            files.extend(chosen.into_iter().map(|(path, _)| path));
        }
        files.sort();
        Sample { files, bytes, kinds: kinds.into() }
    }

    fn walk(&self, folder: &Path, all: &mut [Vec<(PathBuf, u64)>]) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() {
                self.walk(&path, all);
            } else if kind.is_file()
                && let Ok(size) = entry.metadata().map(|metadata| metadata.len())
                && (1..=self.most_of_one).contains(&size)
            {
                let head = head(&path);
                let mut kinds = self.kinds.iter().zip(all.iter_mut());
                if let Some((_, of)) = kinds.find(|(kind, _)| (kind.is_of)(&path, &head, size)) {
                    of.push((path, size));
                }
            }
        }
    }
}

impl Kind {
    fn choose(&self, mut all: Vec<(PathBuf, u64)>, seed: u64) -> Vec<(PathBuf, u64)> {
        all.sort_by_cached_key(|(path, _)| (mixed(path, seed), path.clone()));
        let mut left = self.most_bytes;
        let fits = |(path, size): (PathBuf, u64)| {
            left = left.checked_sub(size)?;
            Some((path, size))
        };
        all.into_iter().map_while(fits).collect()
    }
}

/// Where cargo keeps what it fetched: thousands of small archives.
fn crates() -> Option<PathBuf> {
    let home = |home| PathBuf::from(home).join(".cargo");
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    Some(cargo.or_else(|| std::env::var_os("HOME").map(home))?.join("registry/cache"))
}

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
