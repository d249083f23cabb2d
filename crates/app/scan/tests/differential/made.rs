//! The files that are made, and the sets that are made for them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::Md5;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use watchglass_formats::pe::Pe;
use watchglass_signatures::Signature;
use watchglass_synth::{Dice, Miss, NotMade, make, program};

use crate::sets::{Entry, Loaded, Sets};
use crate::table::Row;

/// A file that is made.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    /// For which signature, by number.
    pub(crate) entry: usize,
    /// How it just does not satisfy it.
    pub(crate) miss: Option<Miss>,
}

impl Made {
    pub(crate) fn bytes(self, sets: &Sets, seed: u64) -> Vec<u8> {
        make_for(sets, self.entry, self.miss, seed).unwrap()
    }

    pub(crate) fn is_of_part_of(self, other: Self, sets: &Sets) -> bool {
        sets.part(self.entry) == sets.part(other.entry)
    }

    pub(crate) fn label(self, sets: &Sets) -> String {
        let entry = &sets.entries[self.entry];
        let miss = self.miss.map_or(String::new(), |miss| format!(" missed by {miss:?}"));
        format!("{} {}{miss}", sets.file(entry.set), entry.line)
    }

    /// The name that it is made for.
    pub(crate) fn name(self, sets: &Sets) -> &str {
        &sets.entries[self.entry].name
    }
}

impl Sets {
    /// The part of the sets that a file is looked at with.
    pub(crate) fn part_of(&self, made: Made) -> &Loaded {
        &self.parts[self.part(made.entry)]
    }
}

/// For each signature a file and a near miss, where they can be made.
pub(crate) fn all(sets: &Sets, seed: u64) -> Vec<Made> {
    let of_entry = |entry: usize| {
        let first = usize::try_from(dice(seed, entry, 3).draw() % 5).unwrap();
        let ways = Miss::ALL.into_iter().cycle().skip(first).take(Miss::ALL.len()).map(Some);
        let is_made = move |miss: &Option<Miss>| make_for(sets, entry, *miss, seed).is_ok();
        let hit = std::iter::once(None).filter(is_made);
        // clamscan needs some 30 ms for each: what is of the real sets is missed once in a while.
        let is_missed = sets.is_made(entry) || entry.is_multiple_of(NEAR_ONE_IN);
        let near = ways.filter(is_made).take(usize::from(is_missed));
        hit.chain(near).map(move |miss| Made { entry, miss })
    };
    (0..sets.entries.len()).flat_map(of_entry).collect()
}

/// For so many lines of a real set there is one near miss.
const NEAR_ONE_IN: usize = 4;

/// How many signatures have no file, by reason.
pub(crate) fn not_made(sets: &Sets, seed: u64) -> Value {
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for entry in 0..sets.entries.len() {
        if let Err(reason) = make_for(sets, entry, None, seed) {
            *reasons.entry(reason.to_string()).or_default() += 1;
        }
    }
    json!(reasons)
}

/// Of how many files that were made for a signature clamscan reports it, by kind.
pub(crate) fn satisfied(made: &[Made], rows: &[Row], sets: &Sets) -> Value {
    let mut kinds: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for (one, row) in made.iter().zip(rows).filter(|(one, _)| one.miss.is_none()) {
        let name = one.name(sets);
        let is = u64::from(row.names(name).contains(name));
        for kind in &sets.entries[one.entry].kinds {
            let [all, satisfied] = kinds.entry(kind).or_default();
            *all += 1;
            *satisfied += is;
        }
    }
    let value = |(kind, [made, satisfied]): (&&str, &[u64; 2])| {
        ((*kind).to_owned(), json!({ "made": made, "reported_by_clamscan": satisfied }))
    };
    Value::Object(kinds.iter().map(value).collect())
}

fn make_for(sets: &Sets, entry: usize, miss: Option<Miss>, seed: u64) -> Result<Vec<u8>, NotMade> {
    let Entry { signature, name, .. } = &sets.entries[entry];
    if matches!(signature, Signature::Hash(_)) {
        // Its name says which program it is of.
        let number: usize = name.rsplit('-').next().unwrap().parse().unwrap();
        let mut bytes = sets.programs[number].clone();
        if miss.is_some() {
            // Within the first section.
            let pe = Pe::parse(&bytes).unwrap();
            let at = pe.sections[0].raw_range().start;
            bytes[at] ^= 1;
        }
        return Ok(bytes);
    }
    make(signature, &sets.groups(), miss, &mut dice(seed, entry, u64::from(miss.is_some())))
}

/// Dice for one file, whatever is made before.
fn dice(seed: u64, entry: usize, salt: u64) -> Dice {
    let mut dice = Dice(seed);
    let mixed = dice.draw() ^ (u64::try_from(entry).unwrap() << 2 | salt);
    Dice(Dice(mixed).draw())
}

/// Programs of which digests are made.
const PROGRAMS: usize = 400;

pub(crate) fn programs(seed: u64) -> Vec<Vec<u8>> {
    (0..PROGRAMS).map(|number| program(&mut dice(!seed, number, 0))).collect()
}

/// Digests of the programs, of their sections and of their imports.
pub(crate) fn digest_sets(programs: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let mut sets: [(&str, String); 5] =
        ["hdb", "hsb", "mdb", "msb", "imp"].map(|kind| (kind, String::new()));
    for (number, bytes) in programs.iter().enumerate() {
        let [(_, hdb), (_, hsb), (_, mdb), (_, msb), (_, imp)] = &mut sets;
        let [md5, sha1, sha256] = digests(bytes);
        let size = if number % 3 == 0 { "*".to_owned() } else { bytes.len().to_string() };
        let level = if number % 3 == 0 { ":73" } else { "" };
        writeln!(hdb, "{md5}:{size}:Made.Hdb-{number}{level}").unwrap();
        let strong = if number % 2 == 0 { sha1 } else { sha256 };
        writeln!(hsb, "{strong}:{size}:Made.Hsb-{number}:73").unwrap();
        let pe = Pe::parse(bytes).unwrap();
        let section = &bytes[pe.sections[0].raw_range()];
        let [md5, sha1, sha256] = digests(section);
        let size = if number % 3 == 1 { "*".to_owned() } else { section.len().to_string() };
        writeln!(mdb, "{size}:{md5}:Made.Mdb-{number}:73").unwrap();
        let strong = if number % 2 == 0 { sha1 } else { sha256 };
        writeln!(msb, "{size}:{strong}:Made.Msb-{number}:73").unwrap();
        let mut text = Vec::new();
        pe.imports(&mut |piece| text.extend_from_slice(piece)).unwrap();
        // clamscan does not look at the imports of programs of 64 bits, though sigtool hashes them:
        // docs/clamav-differences.md.
        if text.is_empty() || pe.header.is_pe32_plus {
            continue;
        }
        let [md5, sha1, sha256] = digests(&text);
        let digest = [md5, sha1, sha256][number % 3].clone();
        writeln!(imp, "{digest}:{}:Made.Imp-{number}:73", text.len()).unwrap();
    }
    let named = sets.into_iter();
    named.map(|(kind, text)| (format!("made.{kind}"), text.into_bytes())).collect()
}

fn digests(bytes: &[u8]) -> [String; 3] {
    let [md5, sha1, sha256] =
        [Md5::digest(bytes).to_vec(), Sha1::digest(bytes).to_vec(), Sha256::digest(bytes).to_vec()];
    [md5, sha1, sha256].map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
