//! Our scanner and clamscan in turn, on the same files with the same signatures.
//!
//! Figures are processor seconds of a whole run, children included, less those of a run over one
//! file of six bytes; both print what they found, and that has to be the same.

mod corpus;
mod rival;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::lab::{load, median, rounded, seed};
use crate::packages::{Need, provide};
use crate::place::{Place, output, succeed};
use crate::trouble::Trouble;
use corpus::{STRATA, Stratum};
use rival::{Run, Scanner};

pub(super) const WHAT: &str = "our scanner against clamscan on the same files and signatures, per \
    core: ratio of bytes per processor second for programs, small texts, archives and documents \
    (promise: 10, 25, 16, 10 times), seconds and memory to the first verdict (promise: 25 ms, 40 MB \
    private), what two workers give over one";

/// Rounds of both in turn; the figures are medians.
const ROUNDS: usize = 3;

/// Takes the measurement. It needs clamscan, the sets of `../shared`, and half an hour.
///
/// # Errors
/// When something of that is missing, or a program fails.
pub(super) fn take(place: &Place) -> Result<Value, Trouble> {
    if let Some(package) = provide(&[Need::Build, Need::Measure]).first() {
        let says = format!("{}: {}", package.name, package.reason);
        return Err(Trouble::Program { program: "measure engine".to_owned(), says });
    }
    let folder = place.target().join("measure-engine");
    fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    let before = load();
    let seed = seed()?;
    let ours = rival::build(place)?;
    let real = real_set(place, &folder)?;
    let pair = Pair::new(&ours, &real, &folder)?;
    let mut strata = serde_json::Map::new();
    for stratum in STRATA {
        let files = stratum.sample(place, seed);
        if files.is_empty() {
            strata.insert(stratum.name.to_owned(), json!("no such files here"));
            continue;
        }
        eprintln!("x: measuring {}: {} files", stratum.name, files.len());
        strata.insert(stratum.name.to_owned(), pair.stratum(stratum, &files, &folder)?);
    }
    let mut starts = serde_json::Map::new();
    starts.insert("real".to_owned(), pair.start());
    for (name, counts) in LARGE {
        let set = large_set(place, &folder, &real, name, counts)?;
        starts.insert((*name).to_owned(), Pair::new(&ours, &set, &folder)?.start());
    }
    let clamscan = output(Command::new("clamscan").arg("--version"))?;
    Ok(json!({
        "seed": seed,
        "load": { "before": before, "after": load() },
        "rival": String::from_utf8_lossy(&clamscan).trim(),
        "strata": strata,
        "start": starts,
    }))
}

/// Both scanners with one set.
struct Pair {
    ours: Scanner,
    theirs: Scanner,
    /// Runs over one file of six bytes.
    started: [Vec<Run>; 2],
    compile: Run,
}

impl Pair {
    fn new(ours: &Path, set: &Path, folder: &Path) -> Result<Self, Trouble> {
        let database = set.with_extension("wgdb");
        let compile = rival::compile(ours, set, &database)?;
        let (ours, theirs) = (Scanner::ours(ours, &database, 1), Scanner::theirs(set));
        let small = folder.join("small");
        fs::write(&small, "small\n").map_err(Trouble::file(&small))?;
        let mut started = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let [of_ours, of_theirs] = &mut started;
            of_ours.push(ours.run(std::slice::from_ref(&small), folder)?);
            of_theirs.push(theirs.run(std::slice::from_ref(&small), folder)?);
        }
        Ok(Self { ours, theirs, started, compile })
    }

    fn start(&self) -> Value {
        let [ours, theirs] = &self.started;
        json!({
            "ours": summary(ours, 0.0),
            "clamscan": summary(theirs, 0.0),
            "compile": { "cpu_s": rounded(self.compile.cpu_s), "peak_mib": self.compile.peak_mib() },
        })
    }

    fn stratum(
        &self,
        stratum: &Stratum,
        files: &[PathBuf],
        folder: &Path,
    ) -> Result<Value, Trouble> {
        let two = self.ours.with_jobs(2);
        let (mut ours, mut theirs, mut doubled) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(self.ours.run(files, folder)?);
            theirs.push(self.theirs.run(files, folder)?);
            doubled.push(two.run(files, folder)?);
        }
        let [start, their_start] = [&self.started[0], &self.started[1]].map(|runs| cpu(runs));
        let net = |runs: &[Run], start: f64| (cpu(runs) - start).max(0.001);
        let bytes: u64 =
            files.iter().filter_map(|file| fs::metadata(file).ok()).map(|m| m.len()).sum();
        let [found, theirs_found] = [&ours, &theirs].map(|runs| runs[0].found.clone());
        let only = |one: &BTreeSet<(Vec<u8>, String)>, other: &BTreeSet<(Vec<u8>, String)>| {
            let names = one.difference(other).map(|(_, name)| name.clone());
            names.take(20).collect::<Vec<_>>()
        };
        Ok(json!({
            "promise_times": stratum.promise,
            "files": files.len(),
            "bytes": bytes,
            "ours": summary(&ours, start),
            "ours_two_workers_wall_s": rounded(median(&walls(&doubled))),
            "two_over_one": rounded(median(&walls(&ours)) / median(&walls(&doubled))),
            "clamscan": summary(&theirs, their_start),
            "times": rounded(net(&theirs, their_start) / net(&ours, start)),
            "found": found.len(),
            "found_by_ours_alone": only(&found, &theirs_found),
            "found_by_clamscan_alone": only(&theirs_found, &found),
        }))
    }
}

fn cpu(runs: &[Run]) -> f64 {
    median(&runs.iter().map(|run| run.cpu_s).collect::<Vec<_>>())
}

fn walls(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.wall_s).collect()
}

fn summary(runs: &[Run], start: f64) -> Value {
    let all: Vec<f64> = runs.iter().map(|run| rounded(run.cpu_s)).collect();
    json!({
        "cpu_s": rounded(cpu(runs)),
        "cpu_s_less_start": rounded(cpu(runs) - start),
        "all_cpu_s": all,
        "wall_s": rounded(median(&walls(runs))),
        "peak_mib": runs.iter().map(Run::peak_mib).max(),
    })
}

/// The real sets, in a folder that both scanners read.
fn real_set(place: &Place, folder: &Path) -> Result<PathBuf, Trouble> {
    let signatures = place.root().join("../shared/data/signatures");
    let set = folder.join("real");
    fs::create_dir_all(&set).map_err(Trouble::file(&set))?;
    for part in ["clamav-official-partial", "twinclams", "ditekshen/clamav"] {
        let from = signatures.join(part);
        for entry in fs::read_dir(&from).map_err(Trouble::file(&from))?.flatten() {
            let path = entry.path();
            let is_set = path.extension().is_some_and(|kind| kind != "txt" && kind != "md");
            if is_set && path.is_file() {
                copy(&path, &set.join(entry.file_name()))?;
            }
        }
    }
    Ok(set)
}

/// The real sets beside generated ones of realistic shape, of which nothing matches.
fn large_set(
    place: &Place,
    folder: &Path,
    real: &Path,
    name: &str,
    counts: &[&str],
) -> Result<PathBuf, Trouble> {
    let set = folder.join(name);
    fs::create_dir_all(&set).map_err(Trouble::file(&set))?;
    for entry in fs::read_dir(real).map_err(Trouble::file(real))?.flatten() {
        copy(&entry.path(), &set.join(entry.file_name()))?;
    }
    let tool = place.root().join("../shared/tools/make-signatures");
    succeed(Command::new("python3").arg(tool).arg(&set).args(counts))?;
    Ok(set)
}

fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::copy(from, to).map(|_| ()).map_err(Trouble::file(from))
}

/// The sets that `make-signatures` names.
const LARGE: &[(&str, &[&str])] = &[
    ("3.65 M", &["--mdb", "1900000", "--hsb", "1400000", "--ndb", "60000", "--ldb", "20000"]),
    ("8.8 M", &["--mdb", "4900000", "--hsb", "3500000", "--ndb", "84000", "--ldb", "40000"]),
];
