//! `cargo xtask golden`: makes the golden bundle again.
//!
//! It is an assay of the reference product in a scrubbed world: the honest product of `specimens/`,
//! few bait files, a fixed seed, a key that is thrown away. Recheck must derive its results and its
//! report byte for byte on every machine; a change of a check or of the report changes them, and
//! then the bundle is made again in the same commit, so that the change can be read there.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::packages::{self, Need};
use crate::place::{Place, forget_cargo, succeed};
use crate::trouble::Trouble;

/// Where the golden bundle lies.
pub(crate) const GOLDEN: &str = "crates/app/recheck/tests/data/golden";

/// Makes the bundle in the target folder and puts it in the place of the old one.
///
/// # Errors
/// When the build or the assay fails; then the old one stays.
pub(crate) fn run(place: &Place) -> Result<ExitCode, Trouble> {
    packages::provide(&[Need::Build, Need::Assay]);
    succeed(place.cargo(BUILD).arg("--target-dir").arg(place.target()))?;
    let made = place.target().join("golden");
    remove(&made)?;
    assay(place, &made)?;
    let golden = place.root().join(GOLDEN);
    remove(&golden)?;
    copy(&made.join("bundle"), &golden)?;
    remove(&made)?;
    println!("{}", golden.display());
    Ok(ExitCode::SUCCESS)
}

fn assay(place: &Place, made: &Path) -> Result<(), Trouble> {
    let program = place.target().join("debug/watchglass-lab");
    let mut lab = Command::new(&program);
    lab.arg("assay").arg(place.root().join("products/reference.toml")).args(ARGUMENTS);
    for (option, folder) in [("--output", "bundle"), ("--state", "state"), ("--cache", "cache")] {
        lab.arg(option).arg(made.join(folder));
    }
    forget_cargo(&mut lab);
    lab.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = lab.status().map_err(Trouble::start(program.display().to_string()))?;
    // An idle phase of a second says nothing about the claimed three days: inconclusive.
    if status.code() == Some(INCONCLUSIVE) {
        return Ok(());
    }
    Err(Trouble::Program { program: "watchglass-lab".to_owned(), says: status.to_string() })
}

fn remove(folder: &Path) -> Result<(), Trouble> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Trouble::file(folder)(error))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(to).map_err(Trouble::file(to))?;
    for entry in std::fs::read_dir(from).map_err(Trouble::file(from))? {
        let path = entry.map_err(Trouble::file(from))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            std::fs::copy(&path, to.join(name)).map_err(Trouble::file(&path))?;
        }
    }
    Ok(())
}

const BUILD: &[&str] =
    &["build", "--quiet", "--package", "watchglass-lab", "--package", "watchglass-specimens"];

/// Exit code of an assay whose verdict is *inconclusive*.
const INCONCLUSIVE: i32 = 3;

const ARGUMENTS: &[&str] = &[
    "--scrub",
    "--no-progress",
    "--bait=4",
    "--idle-seconds=1",
    "--runs=A1,A2,B,C",
    "--seed=676f6c64656e2062756e646c65206f66207761746368676c6173732020202020",
];
