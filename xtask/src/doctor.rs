//! `./x doctor`: what this machine has and what it lacks.

use std::process::{Command, ExitCode};

use crate::assay;
use crate::packages::{self, Package, TABLE};
use crate::place::{Place, forget_cargo};
use crate::trouble::Trouble;

/// Prints the table of packages as it stands on this machine, then asks `watchglass doctor` about
/// the kernel and the caller's rights.
///
/// # Errors
/// When the command cannot be built or started.
pub(crate) fn run(place: &Place) -> Result<ExitCode, Trouble> {
    TABLE.iter().for_each(print_row);
    let missing: Vec<_> = TABLE.iter().filter(|package| !package.is_there()).collect();
    if !missing.is_empty() {
        println!("\nWhat is missing comes with:\n  {}", packages::install_line(&missing));
    }
    println!();
    assay::build(place)?;
    let program = place.target().join("release/watchglass");
    let mut command = Command::new(&program);
    forget_cargo(command.arg("doctor"));
    let status = command.status().map_err(Trouble::start(program.display().to_string()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_row(package: &Package) {
    let state = if package.is_there() { "there  " } else { "missing" };
    println!("{state}  {:24} {}", package.name, package.reason);
}
