//! Files that others wrote, and what becomes of them when they are damaged.

use std::path::{Path, PathBuf};

use super::{Random, python};

/// A file and its name.
pub struct Input {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What foreign tools pack here; else what is missing of that, or of the files that [`all`] takes.
pub fn make() -> Result<tempfile::TempDir, &'static str> {
    if !Path::new(DEBIAN).exists() {
        return Err("clamav-testfiles is not installed");
    }
    if data("clamav-unit-tests/input").is_none() {
        return Err("../shared/data is not here");
    }
    let folder = tempfile::tempdir().unwrap();
    let is_made = python("made.py", folder.path());
    is_made.then_some(folder).ok_or("python3 or a program that packs is not installed")
}

/// Debian's test files of ClamAV, those of its unit tests, and what was made into a folder.
pub fn all(made: &Path) -> Vec<Input> {
    let mut inputs = Vec::new();
    let units = data("clamav-unit-tests/input").unwrap();
    for folder in UNIT_FOLDERS {
        take(&units.join(folder), &mut inputs);
    }
    take(Path::new(DEBIAN), &mut inputs);
    take(made, &mut inputs);
    inputs.sort_by(|one, other| one.name.cmp(&other.name));
    inputs
}

const DEBIAN: &str = "/usr/share/clamav-testfiles";
const UNIT_FOLDERS: &[&str] = &[
    "clamav_hdb_scanfiles",
    "embedded_testfiles",
    "htmlnorm_scanfiles",
    "other_scanfiles",
    "pe_allmatch",
];

fn take(folder: &Path, inputs: &mut Vec<Input>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let is_hidden = path.extension().is_some_and(|extension| extension == "xor");
        let bytes = if is_hidden { super::unhidden(bytes) } else { bytes };
        inputs.push(Input { name: path.file_name().unwrap().to_string_lossy().into(), bytes });
    }
}

/// A folder or file of the shared data, if it is there.
pub fn data(what: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    shared.join(what).canonicalize().ok()
}

/// A few bytes changed, put in, taken out, repeated or set to numbers that lengths like to be.
pub fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        // Headers are met as often as all the rest.
        let near = if random.below(2) == 0 { 512 } else { usize::MAX };
        let at = random.below(bytes.len().min(near));
        match random.below(8) {
            0 => bytes[at] = random.byte(),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random.below(6)],
            3 => {
                let number = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff_u32][random.below(5)];
                bytes
                    .iter_mut()
                    .skip(at)
                    .zip(number.to_le_bytes())
                    .for_each(|(old, new)| *old = new);
            }
            4 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
            5 => {
                let piece: Vec<u8> = bytes[at..].iter().take(random.below(64)).copied().collect();
                bytes.splice(at..at, piece);
            }
            6 => {
                let from = random.below(bytes.len());
                let piece: Vec<u8> = bytes[from..].iter().take(random.below(64)).copied().collect();
                bytes.iter_mut().skip(at).zip(piece).for_each(|(old, new)| *old = new);
            }
            _ => bytes.insert(at, random.byte()),
        }
    }
    bytes
}
