//! What our engine and clamscan find, in files made for each signature and in files of this machine.
//!
//! The test that holds ours against the committed table makes the table too, when it is told to.

use std::fs;

use serde_json::Value;

use crate::packages::{Need, provide};
use crate::place::{Place, output};
use crate::trouble::Trouble;

pub(super) const WHAT: &str = "files in which our engine and clamscan find the same names, of those in \
    which either finds any: made for each signature of the real sets, with near misses, and files of \
    this machine (promise: 99.9 % of all, 99 % of each kind of signature)";

/// Takes the measurement and writes the table beside the figures. It needs clamscan, the sets of
/// `../shared`, and an hour; what clamscan said and which files of the machine were chosen is kept in
/// the target folder, so that it can be broken off and goes on from there.
///
/// # Errors
/// When something of that is missing, or a program fails.
pub(super) fn take(place: &Place) -> Result<Value, Trouble> {
    if let Some(package) = provide(&[Need::Build, Need::Measure]).first() {
        let says = format!("{}: {}", package.name, package.reason);
        return Err(Trouble::Program { program: "measure differential".to_owned(), says });
    }
    let folder = place.target().join("measure-differential");
    let mut cargo = place.cargo(["test", "-p", "watchglass-scan", "--test", "differential"]);
    cargo.arg("--target-dir").arg(place.target()).args(["--", "--exact", TEST, "--nocapture"]);
    cargo.env("WATCHGLASS_MEASURE_DIFFERENTIAL", &folder).env("WATCHGLASS_STRICT", "1");
    output(&mut cargo)?;
    let table = place.root().join("bench/results/differential.txt");
    let made = folder.join("differential.txt");
    fs::copy(&made, &table).map_err(Trouble::file(&made))?;
    let figures = folder.join("differential.json");
    let text = fs::read_to_string(&figures).map_err(Trouble::file(&figures))?;
    serde_json::from_str(&text)
        .map_err(|error| Trouble::Content { path: figures, says: error.to_string() })
}

const TEST: &str = "agreement_with_clamscan";
