//! Files of this machine, and sets that are made of them.
//!
//! The real sets find nothing in them. So sets are made of some of them: their digests, bytes from
//! within, from the normal form of texts, from entry points and sections. What stands in one file often
//! stands in others too, and in archives.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use watchglass_formats::{Facts, FileType, Magic};
use watchglass_normal::{Limits, text};
use watchglass_synth::Dice;

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

/// The same, as the list `kept` has them: a machine is never still for as long as a measurement takes
/// that is broken off and goes on.
pub(crate) fn kept_sample(count: usize, seed: u64, kept: &Path) -> Vec<PathBuf> {
    let listed = fs::read(kept).unwrap_or_default();
    let listed = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let listed: Vec<PathBuf> = listed.map(|path| OsStr::from_bytes(path).into()).collect();
    if listed.len() == count && listed.iter().all(|path| path.is_file()) {
        return listed;
    }
    let sample = sample(count, seed);
    let text = sample.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"].concat());
    fs::write(kept, text.collect::<Vec<u8>>()).unwrap();
    sample
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

/// Sets of which some of these files are the source.
pub(crate) fn sets(paths: &[PathBuf], seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut dice = Dice(seed ^ 0x7265_616c);
    let magic = Magic::standard();
    let (mut hdb, mut hsb, mut ndb) = (String::new(), String::new(), String::new());
    let mut digests = BTreeSet::new();
    for (number, path) in paths.iter().enumerate() {
        let way = dice.below(WAYS);
        if way > 5 {
            continue;
        }
        let Ok(bytes) = fs::read(path) else { continue };
        let kind = magic.identify(&bytes);
        let size = bytes.len();
        let mut digest = |set: &mut String, digest: &[u8], rest: &str| {
            let digest = hex(digest);
            // Of two lines with one digest clamscan tells one.
            if digests.insert(digest.clone()) {
                writeln!(set, "{digest}:{rest}").unwrap();
            }
        };
        let mut body = |target: u8, offset: &str, bytes: &[u8]| {
            let is_telling = bytes.iter().collect::<BTreeSet<_>>().len() >= 8;
            if is_telling {
                let body = hex(bytes);
                writeln!(ndb, "Real.Body-{number}:{target}:{offset}:{body}").unwrap();
            }
        };
        match way {
            0 => digest(&mut hdb, &Md5::digest(&bytes), &format!("{size}:Real.Md5-{number}")),
            1 => digest(&mut hsb, &Sha1::digest(&bytes), &format!("{size}:Real.Sha1-{number}")),
            2 => digest(&mut hsb, &Sha256::digest(&bytes), &format!("*:Real.Sha256-{number}:73")),
            3 | 4 if TEXTS.contains(&kind) => {
                let mut form = Vec::new();
                if text::normalise(&bytes, &Limits::CLAMAV, &mut form).is_ok() {
                    body(7, "*", cut(&form, &mut dice).1);
                }
            }
            _ => {
                let (at, piece) = cut(&bytes, &mut dice);
                let offset = if dice.one_in(2) { at.to_string() } else { "*".to_owned() };
                body(0, &offset, piece);
            }
        }
        let facts = Facts::of(kind, &bytes);
        if matches!(kind, FileType::Elf | FileType::MsExe | FileType::MachO) {
            let target = kind.target().unwrap();
            let at = |place: Option<u64>| {
                let start = usize::try_from(place?).ok()?;
                bytes.get(start..start.checked_add(LENGTH)?)
            };
            let section = dice.below(facts.section_count().unwrap_or(0));
            let start = facts.section(section).map(|span| span.offset);
            at(facts.entry_point()).into_iter().for_each(|bytes| body(target, "EP+0", bytes));
            at(start).into_iter().for_each(|bytes| body(target, &format!("S{section}+0"), bytes));
        }
    }
    let sets = [("real.hdb", hdb), ("real.hsb", hsb), ("real.ndb", ndb)];
    sets.into_iter().map(|(file, text)| (file.to_owned(), text.into_bytes())).collect()
}

/// Of so many files, six are a source, each in its way.
const WAYS: usize = 60;
/// What is scanned in its normal form.
const TEXTS: [FileType; 3] = [FileType::TextAscii, FileType::TextUtf8, FileType::Script];
/// Bytes of a body.
const LENGTH: usize = 20;

/// Some bytes of a file, and where they are.
fn cut<'b>(bytes: &'b [u8], dice: &mut Dice) -> (usize, &'b [u8]) {
    let at = dice.below(bytes.len().saturating_sub(LENGTH) + 1);
    (at, &bytes[at..bytes.len().min(at + LENGTH)])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
