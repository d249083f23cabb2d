//! Files of every kind that others wrote, cut off and changed: no scan of one panics, goes beyond its
//! limits or holds more memory than they allow.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "tests read files, and tell")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::inputs::{self, Input, mutated};
use common::{
    Bounds, Random, SETS, compiled, forget_peak, in_child, peak_mib, skip, variable, within,
};
use watchglass_database::Database;
use watchglass_engine::{Engine, Limits, Matches, Settings};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

/// For all scans of one test; those of `measure` take as many hours as they want.
const BOUNDS: Bounds = Bounds { memory_mib: 1024, seconds: 100_000 };
/// Beside the sets of signatures and the files themselves: twice what the limits below allow.
const MOST_HELD_MIB: u64 = 64;
/// Small enough that a mutation which makes a bomb of a file is no reason to wait.
const LIMITS: Limits = Limits {
    max_scan_size: 16 << 20,
    max_file_size: 8 << 20,
    max_files: 1_000,
    max_steps: 10_000,
    ..Limits::CLAMAV
};
/// Cuts of one file.
const CUTS: usize = 64;
/// Mutations in CI. `WATCHGLASS_TEST_MUTATIONS` asks for more, `WATCHGLASS_TEST_SEED` for others.
const MUTATIONS: u64 = 5_000;
/// Bytes of a file that is mutated; whoever is larger is cut off and nothing else.
const MOST_MUTATED: usize = 80 << 10;

#[test]
fn files_that_are_cut_off_are_survived() {
    check("files_that_are_cut_off_are_survived", "subject_of_cuts");
}

#[test]
fn files_that_are_changed_are_survived() {
    check("files_that_are_changed_are_survived", "subject_of_mutations");
}

fn check(test: &str, subject: &str) {
    let made = match inputs::make() {
        Ok(made) => made,
        Err(missing) => return skip(test, missing),
    };
    let made = made.path().display().to_string();
    let told = in_child(subject, BOUNDS, &[("WATCHGLASS_TEST_MADE", made)]);
    told.lines().filter(|line| line.starts_with("s")).for_each(|line| println!("{line}"));
}

#[test]
#[ignore = "a subject that other tests start"]
fn subject_of_cuts() {
    let Some(made) = variable("WATCHGLASS_TEST_MADE") else { return };
    let compiled = compiled(SETS);
    let database = Database::open(&compiled).unwrap();
    let mut scans = Scans::new(&database);
    for Input { name, bytes } in &inputs::all(Path::new(&made)) {
        for cut in 0..CUTS {
            let length = bytes.len() * cut / CUTS;
            scans.scan(|| format!("{name} cut to {length}"), &bytes[..length]);
        }
    }
    scans.tell();
}

#[test]
#[ignore = "a subject that other tests start"]
fn subject_of_mutations() {
    let Some(made) = variable("WATCHGLASS_TEST_MADE") else { return };
    let number = |name| variable(name).and_then(|text| text.parse().ok());
    let count: u64 = number("WATCHGLASS_TEST_MUTATIONS").unwrap_or(MUTATIONS);
    let seed: u64 = number("WATCHGLASS_TEST_SEED").unwrap_or(1);
    let inputs = inputs::all(Path::new(&made));
    let small: Vec<_> = inputs.iter().filter(|input| input.bytes.len() <= MOST_MUTATED).collect();
    let (few, many) = (compiled(SETS), real());
    let few = Database::open(&few).unwrap();
    let many = Database::open(&many).unwrap();
    let mut scans = [Scans::new(&few), Scans::new(&many)];
    for turn in 0..count {
        // Each follows from its number alone, so that one that fails is made again without the others.
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (turn + 1) << 20);
        let input = small[random.below(small.len())];
        let bytes = mutated(&input.bytes, &mut random);
        let scans = &mut scans[usize::from(turn % 8 == 0)];
        scans.scan(|| format!("mutation {turn} of seed {seed}: {}", input.name), &bytes);
    }
    let [mut scans, others] = scans;
    scans.add(&others);
    scans.tell();
}

/// The logical and body signatures of the real sets.
fn real() -> Vec<u8> {
    let folder = inputs::data("signatures").unwrap();
    let files = [
        "clamav-official-partial/main.ldb",
        "clamav-official-partial/daily.ndb",
        "ditekshen/clamav/clamav.ldb",
    ];
    let read: Vec<_> = files.iter().map(|file| std::fs::read(folder.join(file)).unwrap()).collect();
    let source = |(file, bytes): (&&str, &'static [u8])| Source {
        set: SignatureSet::named(file.rsplit('/').next().unwrap()).unwrap(),
        bytes,
        maker: Maker::Official,
    };
    let sources: Vec<_> =
        files.iter().zip(read.into_iter().map(|bytes| &*bytes.leak())).map(source).collect();
    compile(&sources, PotentiallyUnwanted::Take).0
}

/// Scans with what they cost.
struct Scans<'d> {
    engine: Engine<'d>,
    before_mib: u64,
    count: u64,
    incomplete: u64,
    found: u64,
    slowest: Duration,
    slowest_name: String,
}

impl<'d> Scans<'d> {
    fn new(database: &'d Database<'d>) -> Self {
        let settings = Settings { matches: Matches::All, limits: LIMITS, ..Settings::default() };
        Self {
            engine: Engine::new(Some(database), settings),
            before_mib: forget_peak(),
            count: 0,
            incomplete: 0,
            found: 0,
            slowest: Duration::ZERO,
            slowest_name: String::new(),
        }
    }

    fn scan(&mut self, name: impl Fn() -> String, bytes: &[u8]) {
        let start = Instant::now();
        let scan =
            std::panic::AssertUnwindSafe(|| self.engine.scan(bytes, bytes.len() as u64, &|| false));
        let report = std::panic::catch_unwind(scan).unwrap_or_else(|_| panic!("{}", name()));
        let took = start.elapsed();
        within(&report, &LIMITS);
        self.count += 1;
        self.incomplete += u64::from(!report.is_complete());
        self.found += u64::from(!report.findings.is_empty());
        if took > self.slowest {
            (self.slowest, self.slowest_name) = (took, name());
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.incomplete += other.incomplete;
        self.found += other.found;
        self.before_mib = self.before_mib.max(other.before_mib);
        if other.slowest > self.slowest {
            self.slowest = other.slowest;
            self.slowest_name.clone_from(&other.slowest_name);
        }
    }

    /// Tells figures for `cargo xtask measure mutations`, on a line of their own.
    fn tell(&self) {
        let held = peak_mib() - self.before_mib;
        let (count, incomplete, found) = (self.count, self.incomplete, self.found);
        let slowest = self.slowest.as_millis();
        println!(
            "\nscans {count} incomplete {incomplete} found {found} held_mib {held} slowest_ms {slowest}\nslowest: {}",
            self.slowest_name
        );
        assert!(held <= MOST_HELD_MIB, "{held} MiB held");
        assert!(
            incomplete > count / 10 && incomplete < count,
            "{incomplete} of {count} incomplete"
        );
    }
}
