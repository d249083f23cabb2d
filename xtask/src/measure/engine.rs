//! Our scanner and clamscan in turn, on the same files with the same signatures, beside what no scanner
//! can go below and what our jail costs.
//!
//! Figures are processor seconds of a whole run, children included, less those of a run over one
//! file of six bytes; all print what they found, and that has to be the same. Each part says of which
//! commit its figures are and is written when it is taken, so that one can be taken again.

mod corpus;
mod documents;
mod memory;
mod rival;
mod strata;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use super::lab::{load, median, rounded, seed};
use super::{MEASURES, commit, read_result, write_result};
use crate::packages::{Need, provide};
use crate::place::{Place, output, succeed};
use crate::trouble::Trouble;
use corpus::{DOCUMENTS, STRATA, Sample, Stratum};
use documents::Documents;
use rival::{Programs, Run, Scanner};

pub(super) const NAME: &str = "engine";
pub(super) const WHAT: &str = "our scanner against clamscan on the same files and signatures, per \
    core: ratio of bytes per processor second for programs, small texts, archives and documents \
    (promise: 10, 25, 16, 10 times), beside the floor (reading, SHA-256, inflating) and the engine \
    without jail and processes; milliseconds to the first verdict (promise: 25), memory of all \
    processes at 3.65 million signatures (promise: 40 MB private, 120 MB resident), what two workers \
    give over one (promise: 1.8)";

/// Rounds of all in turn; the figures are medians.
const ROUNDS: usize = 3;
/// In so many of them clamscan runs, which takes minutes and is far from what is promised.
const RIVAL_ROUNDS: usize = 1;
/// Starts of ours.
const STARTS: usize = 9;

/// Takes the measurement, or these parts of it. All of it needs clamscan, the sets of `../shared`,
/// Debian's sources, and a quarter of an hour.
///
/// # Errors
/// When something of that is missing, or a program fails.
pub(super) fn take(place: &Place, only: &[String]) -> Result<Value, Trouble> {
    let strata = STRATA.iter().map(|stratum| stratum.name);
    let known: Vec<&str> = strata.chain([MEMORY]).chain(STARTED.map(|(part, _)| part)).collect();
    if let Some(name) = only.iter().find(|name| !known.contains(&name.as_str())) {
        let (name, known) = (name.clone(), known.join(", "));
        return Err(Trouble::Unknown { kind: "part of the engine's figures", name, known });
    }
    if let Some(package) = provide(&[Need::Build, Need::Measure]).first() {
        let says = format!("{}: {}", package.name, package.reason);
        return Err(Trouble::Program { program: "measure engine".to_owned(), says });
    }
    let bench = Bench::new(place)?;
    let mut figures =
        read_result(place, NAME).filter(Value::is_object).unwrap_or_else(|| json!({}));
    let clamscan = output(Command::new("clamscan").arg("--version"))?;
    figures["rival"] = json!(String::from_utf8_lossy(&clamscan).trim());
    let measure = MEASURES.iter().find(|measure| measure.name == NAME);
    let measure = measure.expect("the row of this measurement");
    for part in
        known.into_iter().filter(|part| only.is_empty() || only.iter().any(|one| one == part))
    {
        let before = load();
        let mut taken = match part {
            MEMORY => bench.memory()?,
            part => match STARTED.iter().find(|(started, _)| *started == part) {
                Some((_, set)) => bench.start(set)?,
                None => bench.stratum(part)?,
            },
        };
        taken["taken"] = json!({
            "commit": bench.commit, "seed": bench.seed, "load": { "before": before, "after": load() },
        });
        figures["parts"][part] = taken;
        write_result(place, measure, &figures)?;
    }
    Ok(figures)
}

/// Parts beside the strata.
const MEMORY: &str = "memory";
/// Starts, and with which set.
const STARTED: [(&str, &str); 3] =
    [("start real", "real"), ("start 3.65 M", "3.65 M"), ("start 8.8 M", "8.8 M")];

/// What all parts need.
struct Bench<'p> {
    place: &'p Place,
    folder: PathBuf,
    programs: Programs,
    seed: u64,
    commit: String,
    /// A file of six bytes.
    small: PathBuf,
}

impl<'p> Bench<'p> {
    fn new(place: &'p Place) -> Result<Self, Trouble> {
        let folder = place.target().join("measure-engine");
        fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
        let small = folder.join("small");
        fs::write(&small, "small\n").map_err(Trouble::file(&small))?;
        let programs = rival::build(place)?;
        Ok(Self { place, folder, programs, seed: seed()?, commit: commit(place)?, small })
    }

    fn sample(&self, stratum: &Stratum) -> Result<(Sample, Option<Documents>), Trouble> {
        let documents = (stratum.name == DOCUMENTS).then(|| documents::provide(&self.folder));
        let documents = documents.transpose()?;
        let tree = documents.as_ref().map(|documents| documents.tree.as_path());
        Ok((stratum.sample(self.place, self.seed, tree), documents))
    }

    fn stratum(&self, name: &str) -> Result<Value, Trouble> {
        let stratum = STRATA.iter().find(|stratum| stratum.name == name);
        let stratum = stratum.expect("a name of a stratum");
        let (sample, documents) = self.sample(stratum)?;
        if sample.files.is_empty() {
            return Ok(json!({ "none": "no such files here" }));
        }
        let set = Set::real(self)?;
        let mut taken = strata::take(self, &set, stratum, &sample)?;
        if let Some(Documents { are, .. }) = documents {
            taken["documents"] = are;
        }
        Ok(taken)
    }

    /// From nothing to the verdict on a small file.
    fn start(&self, name: &str) -> Result<Value, Trouble> {
        let set = Set::named(self, name)?;
        let list = self.small_list()?;
        eprintln!("x: start with {name}");
        let of = |scanner: &Scanner, count| runs(scanner, &list, count).map(|runs| summary(&runs));
        let alone = Scanner::alone(&self.programs, &set.database, rival::Walls::No);
        Ok(json!({
            "ours": of(&Scanner::ours(&self.programs.watchglass, &set.database, 1), STARTS)?,
            "engine_alone": of(&alone, STARTS)?,
            "clamscan": of(&Scanner::theirs(&set.folder), RIVAL_ROUNDS)?,
            "database_mb": megabytes(&set.database),
            "compile": { "cpu_s": rounded(set.compile.cpu_s), "peak_mib": set.compile.peak_mib() },
        }))
    }

    /// What all processes of a scan hold with the signatures of today's ClamAV.
    fn memory(&self) -> Result<Value, Trouble> {
        let set = Set::named(self, "3.65 M")?;
        let verdicts = self.folder.join("verdicts");
        let ours = Scanner::as_started(&self.programs.watchglass, &set.database, &verdicts);
        let fresh = || match fs::remove_file(&verdicts) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Trouble::file(&verdicts)(error))
            }
            _ => Ok(()),
        };
        let mut scans = Map::new();
        fresh()?;
        scans.insert("one small file".to_owned(), memory::waiting(&ours, &self.small)?);
        for stratum in STRATA {
            let (sample, _) = self.sample(stratum)?;
            fresh()?;
            let held = memory::of(&ours, &sample.files, &self.folder)?;
            eprintln!("x: memory with {}: {held}", stratum.name);
            scans.insert(stratum.name.to_owned(), held);
        }
        let theirs = memory::of(
            &Scanner::theirs(&set.folder),
            std::slice::from_ref(&self.small),
            &self.folder,
        )?;
        Ok(json!({
            "signatures": "3.65 M",
            "promise": { "private_mb": 40, "all_resident_mb": 120 },
            "how": "as a person starts it: a worker and a hashing process for each core, and the opener; \
                the largest of all looks at all processes together. all_resident counts shared pages \
                once, sum_of_resident for each process",
            "database_mb": megabytes(&set.database),
            "ours": scans,
            "clamscan": { "one small file": theirs },
        }))
    }

    fn small_list(&self) -> Result<PathBuf, Trouble> {
        let list = self.folder.join("small-list");
        rival::list(std::slice::from_ref(&self.small), &list)?;
        Ok(list)
    }
}

/// A set of signatures, for both scanners.
struct Set {
    folder: PathBuf,
    /// The same, compiled by ours.
    database: PathBuf,
    compile: Run,
}

impl Set {
    fn real(bench: &Bench<'_>) -> Result<Self, Trouble> {
        Self::named(bench, "real")
    }

    fn named(bench: &Bench<'_>, name: &str) -> Result<Self, Trouble> {
        eprintln!("x: compiling the set {name}");
        let real = real_set(bench.place, &bench.folder)?;
        let counts = LARGE.iter().find(|(large, _)| *large == name);
        let folder = match counts {
            Some((name, counts)) => large_set(bench.place, &bench.folder, &real, name, counts)?,
            None => real,
        };
        let database = bench.folder.join(name).with_extension("wgdb");
        let compile = rival::compile(&bench.programs.watchglass, &folder, &database)?;
        Ok(Self { folder, database, compile })
    }
}

fn runs(scanner: &Scanner, list: &Path, count: usize) -> Result<Vec<Run>, Trouble> {
    (0..count).map(|_| scanner.run(list)).collect()
}

fn cpu(runs: &[Run]) -> f64 {
    median(&runs.iter().map(|run| run.cpu_s).collect::<Vec<_>>())
}

fn wall(runs: &[Run]) -> f64 {
    median(&runs.iter().map(|run| run.wall_s).collect::<Vec<_>>())
}

fn summary(runs: &[Run]) -> Value {
    let all: Vec<f64> = runs.iter().map(|run| rounded(run.cpu_s)).collect();
    json!({
        "cpu_s": rounded(cpu(runs)),
        "all_cpu_s": all,
        "wall_s": rounded(wall(runs)),
        "largest_process_mib": runs.iter().map(Run::peak_mib).max(),
    })
}

fn megabytes(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len() / 1_000_000)
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
    if set.exists() {
        return Ok(set);
    }
    // Beside its place first: what is there is whole.
    let half = folder.join("half");
    fs::create_dir_all(&half).map_err(Trouble::file(&half))?;
    for entry in fs::read_dir(real).map_err(Trouble::file(real))?.flatten() {
        copy(&entry.path(), &half.join(entry.file_name()))?;
    }
    let tool = place.root().join("../shared/tools/make-signatures");
    succeed(Command::new("python3").arg(tool).arg(&half).args(counts))?;
    fs::rename(&half, &set).map_err(Trouble::file(&set))?;
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
