//! The report in a browser: `conformance/report`, run on a page in which every string is hostile and
//! on the report of the golden bundle.
//!
//! The driver and the accessibility rules come from npm by the digests of `package-lock.json`, into
//! the target folder: a clone stays clean.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Counts, Outcome};
use crate::command::OnSkip;
use crate::golden::GOLDEN;
use crate::place::{Place, output, succeed};
use crate::trouble::Trouble;

/// Opens both reports.
pub(super) fn check(place: &Place, _: OnSkip) -> Result<Outcome, Trouble> {
    let folder = place.target().join("conformance/report");
    std::fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    if let Err(trouble) = provide(place, &folder) {
        // Without a network there is no driver to be had; whether that matters `--strict` says.
        return Ok(Outcome::skipped("report in browser", &trouble.to_string()));
    }
    let (page, name) = hostile_page(place, &folder)?;
    let golden = place.root().join(GOLDEN).join("report.html");
    let mut hostile = driver(&folder, &page);
    hostile.arg("--shows").arg(&name);
    let mut counts = Counts::default();
    for (what, command) in [("hostile", &mut hostile), ("golden", &mut driver(&folder, &golden))] {
        match succeed(command) {
            Ok(()) => counts.passed += 1,
            Err(trouble) => {
                eprintln!("x: the {what} report: {trouble}");
                counts.failed += 1;
            }
        }
    }
    Ok(Outcome { counts, ..Outcome::default() })
}

/// Copies the suite and installs what it needs, unless that is there already.
fn provide(place: &Place, folder: &Path) -> Result<(), Trouble> {
    let mut is_new = !folder.join("node_modules").exists();
    for name in ["check.mjs", "package.json", LOCK] {
        let (from, to) = (place.root().join("conformance/report").join(name), folder.join(name));
        let wanted = std::fs::read(&from).map_err(Trouble::file(&from))?;
        if std::fs::read(&to).is_ok_and(|found| found == wanted) {
            continue;
        }
        is_new |= name == LOCK;
        std::fs::write(&to, wanted).map_err(Trouble::file(&to))?;
    }
    if !is_new {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]);
    let installed = output(npm.current_dir(folder).stdin(Stdio::null()));
    if installed.is_err() {
        // A half is no reason to believe next time that all is there.
        let half = folder.join("node_modules");
        let _ = std::fs::remove_dir_all(&half);
    }
    installed.map(|_| ())
}

/// The page in which every string is hostile, and the name that it has to show.
fn hostile_page(place: &Place, folder: &Path) -> Result<(PathBuf, PathBuf), Trouble> {
    let (page, name) = (folder.join("hostile.html"), folder.join("hostile.txt"));
    for (path, argument) in [(&page, "page"), (&name, "name")] {
        let mut cargo = place.cargo(["run", "--quiet", "--package", "watchglass-report"]);
        cargo.args(["--example", "hostile", "--target-dir"]).arg(place.target());
        let printed = output(cargo.args(["--", argument]))?;
        std::fs::write(path, printed).map_err(Trouble::file(path))?;
    }
    Ok((page, name))
}

fn driver(folder: &Path, report: &Path) -> Command {
    let mut node = Command::new("node");
    node.arg("check.mjs").arg(report).current_dir(folder);
    node.stdin(Stdio::null()).stdout(std::io::stderr());
    node
}

const LOCK: &str = "package-lock.json";
