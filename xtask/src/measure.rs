//! `cargo xtask measure`: what takes too long for CI. Each measurement writes its figures with a
//! description of the machine to `bench/results/NAME.json`, which is committed.

mod damage;
mod differential;
mod engine;
mod fuzzing;
mod lab;
mod yara;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use crate::place::{Place, output, succeed};
use crate::trouble::Trouble;

/// Takes one measurement, or lists them.
///
/// # Errors
/// When it cannot be taken or its figures cannot be written.
pub(crate) fn run(place: &Place, name: Option<&str>, wanted: &Wanted) -> Result<ExitCode, Trouble> {
    let Some(name) = name else {
        MEASURES.iter().for_each(|measure| println!("{:14} {}", measure.name, measure.what));
        return Ok(ExitCode::SUCCESS);
    };
    let Some(measure) = MEASURES.iter().find(|measure| measure.name == name) else {
        let known = MEASURES.iter().map(|measure| measure.name).collect::<Vec<_>>().join(", ");
        return Err(Trouble::Unknown { kind: "measurement", name: name.to_owned(), known });
    };
    let figures = if measure.name == fuzzing::NAME && wanted.only.is_empty() {
        fuzzing::take(place, wanted)?
    } else if measure.name == engine::NAME && wanted.targets.is_empty() && !wanted.resume {
        engine::take(place, &wanted.only)?
    } else if wanted == &Wanted::default() {
        (measure.take)(place)?
    } else {
        return Err(Trouble::Usage(format!("`measure {}` takes no options", measure.name)));
    };
    write_result(place, measure, &figures)?;
    println!("{figures:#}");
    Ok(ExitCode::SUCCESS)
}

/// Which part of a measurement that has parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Of the fuzz targets these, or all.
    pub(crate) targets: Vec<String>,
    /// Of the fuzz targets those that have no figures of this commit yet.
    pub(crate) resume: bool,
    /// Of the engine's figures these parts, or all.
    pub(crate) only: Vec<String>,
}

/// A measurement.
struct Measure {
    name: &'static str,
    /// What is measured, with units.
    what: &'static str,
    /// Takes it and returns the figures, with the seed where there is one.
    take: fn(&Place) -> Result<Value, Trouble>,
}

/// Every measurement: add a row, and a function that takes it.
const MEASURES: &[Measure] = &[
    Measure {
        name: "house",
        what: "seconds to build the chores from nothing, as on a fresh machine (promise: under 15)",
        take: house,
    },
    Measure { name: "lab", what: lab::WHAT, take: lab::take },
    Measure { name: "differential", what: differential::WHAT, take: differential::take },
    Measure { name: engine::NAME, what: engine::WHAT, take: |place| engine::take(place, &[]) },
    Measure { name: "mutations", what: damage::MUTATIONS, take: damage::mutations },
    Measure { name: "database-opens", what: damage::OPENS, take: damage::opens },
    Measure { name: "yara", what: yara::WHAT, take: yara::take },
    Measure {
        name: "fuzz",
        what: fuzzing::WHAT,
        take: |place| fuzzing::take(place, &Wanted::default()),
    },
    Measure {
        name: "kills",
        what: "assays killed at random moments of their life, and what of each was left behind",
        take: kills,
    },
];

fn house(place: &Place) -> Result<Value, Trouble> {
    let folder = place.target().join("measure-house");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Trouble::file(&folder))?;
    }
    // Fetching is the network's speed, not ours.
    succeed(&mut place.cargo(["fetch", "--quiet"]))?;
    let start = Instant::now();
    succeed(
        place
            .cargo(["build", "--quiet", "--profile", "chores", "-p", "xtask", "--target-dir"])
            .arg(&folder),
    )?;
    let seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    std::fs::remove_dir_all(&folder).map_err(Trouble::file(&folder))?;
    Ok(json!({ "build_seconds": seconds }))
}

/// Kills so many assays; the test fails at the first of which anything is left.
const KILLS: &str = "50";

fn kills(place: &Place) -> Result<Value, Trouble> {
    let test = "kills::random_kills_of_the_lab_leave_nothing";
    let mut cargo = place.cargo(["test", "-p", "watchglass-lab", "--test", "faults"]);
    cargo.arg("--target-dir").arg(place.target()).args(["--", "--exact", test, "--nocapture"]);
    cargo.env("WATCHGLASS_TEST_KILLS", KILLS).env("WATCHGLASS_STRICT", "1");
    let said = output(&mut cargo)?;
    let said = String::from_utf8_lossy(&said);
    let mut stages: BTreeMap<&str, u64> = BTreeMap::new();
    for line in said.lines().filter(|line| line.contains("kill ")) {
        let stage = line.rsplit_once(" ms, ").map_or(line, |(_, stage)| stage);
        *stages.entry(stage).or_default() += 1;
    }
    Ok(json!({ "kills": stages.values().sum::<u64>(), "stages": stages, "left_behind": 0 }))
}

/// The commit whose figures are taken.
fn commit(place: &Place) -> Result<String, Trouble> {
    let mut git = std::process::Command::new("git");
    git.args(["rev-parse", "--short=12", "HEAD"]).current_dir(place.root());
    Ok(String::from_utf8_lossy(&output(&mut git)?).trim().to_owned())
}

/// The figures that stand in the results, if there are any.
fn read_result(place: &Place, name: &str) -> Option<Value> {
    let path = place.root().join("bench/results").join(name).with_extension("json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some(document["figures"].take())
}

fn write_result(place: &Place, measure: &Measure, figures: &Value) -> Result<(), Trouble> {
    let document = json!({
        "schema": 1,
        "measure": measure.name,
        "what": measure.what,
        "machine": machine()?,
        "figures": figures,
    });
    let folder = place.root().join("bench/results");
    std::fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    let path = folder.join(measure.name).with_extension("json");
    std::fs::write(&path, format!("{document:#}\n")).map_err(Trouble::file(&path))
}

/// What a reader needs to compare figures, and nothing that tells one machine from others like it.
fn machine() -> Result<Value, Trouble> {
    let rustc = output(std::process::Command::new("rustc").arg("-V"))?;
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    Ok(json!({
        "architecture": std::env::consts::ARCH,
        "cores": cores,
        "memory_gib": memory_gib(),
        "kernel": kernel(),
        "rustc": String::from_utf8_lossy(&rustc).trim(),
    }))
}

fn memory_gib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some((kib + KIB_OF_A_GIB / 2) / KIB_OF_A_GIB)
}

const KIB_OF_A_GIB: u64 = 1 << 20;

/// The kernel's version without its build.
fn kernel() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(release.trim().splitn(3, ['.', '-']).take(2).collect::<Vec<_>>().join("."))
}
