//! The lab's own proof, on the lab as the tests have built it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Counts, Outcome};
use crate::command::OnSkip;
use crate::packages;
use crate::place::{Place, succeed};
use crate::specimens::{Profile, build_static};
use crate::trouble::Trouble;

/// Every misdeed must be flagged and every twin kept: at T1 over three seeds, as static programs over
/// one more, and six of them at T0. `./x assay --self-test` takes three seeds for both.
pub(super) fn check(place: &Place, _: OnSkip) -> Result<Outcome, Trouble> {
    if !packages::is_root() {
        return Ok(Outcome::skipped("self-test", "worlds with BPF need root"));
    }
    let packages = ["--package", "watchglass-lab", "--package", "watchglass-specimens"];
    succeed(place.cargo(["build", "--quiet"]).args(packages))?;
    build_static(place, Profile::Dev)?;
    let mut outcome = Outcome::default();
    for arguments in [AT_T1, STATIC, AT_T0] {
        let counts = run(place, arguments)?;
        outcome.counts.passed += counts.passed;
        outcome.counts.failed += counts.failed;
    }
    Ok(outcome)
}

const AT_T1: &[&str] = &["--tier", "t1", "--rounds", "3", "--build", "dynamic"];
const STATIC: &[&str] = &["--tier", "t1", "--rounds", "1", "--build", "static"];
const AT_T0: &[&str] = &[
    "--tier",
    "t0",
    "--rounds",
    "1",
    "--build",
    "dynamic",
    "--only",
    "document-upload,dns-labels,staging,memory-program,fast-open,passed-descriptor",
];

/// Runs the self-test and counts its assays; what went wrong is shown.
fn run(place: &Place, arguments: &[&str]) -> Result<Counts, Trouble> {
    let lab = Profile::Dev.folder(place.target()).join("watchglass-lab");
    let folder = place.target().join("self-test");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Trouble::file(&folder))?;
    }
    let cache = place.target().join("tmp/roots");
    let state = place.target().join("tmp/self-test-state");
    let mut command = Command::new(&lab);
    command.args(["self-test", "--json", "--no-progress"]).args(arguments);
    command.arg("--output").arg(&folder).arg("--cache").arg(cache).arg("--state").arg(state);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let program = || lab.display().to_string();
    let mut child = command.spawn().map_err(Trouble::start(program()))?;
    let mut counts = Counts::default();
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let line = line.map_err(Trouble::start(program()))?;
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        if value["as_it_should_be"] == Value::Bool(true) {
            counts.passed += 1;
        } else {
            counts.failed += 1;
            eprintln!("x: self-test: {line}");
        }
    }
    let status = child.wait().map_err(Trouble::start(program()))?;
    if !status.success() && counts.failed == 0 {
        counts.failed = 1; // it did not come to judging
    }
    if counts.failed == 0 {
        std::fs::remove_dir_all(&folder).map_err(Trouble::file(&folder))?;
    }
    Ok(counts)
}
