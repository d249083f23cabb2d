//! Makes the table of rare bytes: `pairs FOLDERS… > crates/pure/signatures/src/compile/pairs.bin`.
//!
//! Counts pairs of bytes in every file below the folders, in four strata of one weight each: programs,
//! texts, packed files, everything else. The table is the surprise of each pair, then of each byte, in
//! eighths of a bit. See `README.md` for the folders of the committed one.

use std::io::Write as _;
use std::path::Path;

const PAIRS: usize = 1 << 16;
const STRATA: usize = 4;
/// Files are counted up to so many bytes, so that no single one decides.
const MOST: usize = 4 << 20;

fn main() -> std::io::Result<()> {
    let mut counts = vec![vec![0_u64; PAIRS]; STRATA];
    for folder in std::env::args_os().skip(1) {
        count(Path::new(&folder), &mut counts);
    }
    let totals: Vec<u64> = counts.iter().map(|stratum| stratum.iter().sum()).collect();
    let shares: Vec<f64> = (0..PAIRS).map(|pair| share(&counts, &totals, pair)).collect();
    let singles = shares.chunks(256).map(|of_first| of_first.iter().sum::<f64>());
    let table: Vec<u8> = shares.iter().copied().chain(singles).map(surprise).collect();
    std::io::stdout().write_all(&table)
}

fn count(path: &Path, counts: &mut [Vec<u64>]) {
    let Ok(kind) = path.symlink_metadata() else { return };
    if kind.is_dir() {
        let entries = path.read_dir().into_iter().flatten().flatten();
        entries.for_each(|entry| count(&entry.path(), counts));
    } else if kind.is_file() {
        let Ok(bytes) = std::fs::read(path) else { return };
        let bytes = &bytes[..bytes.len().min(MOST)];
        let stratum = &mut counts[stratum(bytes)];
        bytes.windows(2).for_each(|pair| stratum[usize::from(pair[0]) << 8 | usize::from(pair[1])] += 1);
    }
}

fn stratum(bytes: &[u8]) -> usize {
    let head = &bytes[..bytes.len().min(512)];
    match head {
        [0x7f, b'E', b'L', b'F', ..] | [b'M', b'Z', ..] => 0,
        _ if !head.contains(&0) && std::str::from_utf8(head).is_ok() => 1,
        [b'P', b'K', ..] | [0x1f, 0x8b, ..] | [0xfd, b'7', ..] | [0x89, b'P', ..] => 2,
        _ => 3,
    }
}

/// The mean share of a pair over the strata that have files.
fn share(counts: &[Vec<u64>], totals: &[u64], pair: usize) -> f64 {
    let counts = counts.iter().map(|stratum| stratum[pair] as f64);
    let there = counts.zip(totals).filter(|(_, total)| **total > 0);
    let shares: Vec<f64> = there.map(|(count, total)| count / *total as f64).collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

fn surprise(share: f64) -> u8 {
    (-share.log2() * 8.0).round().clamp(0.0, 255.0) as u8
}
