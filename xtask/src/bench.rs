//! `./x bench`: the benchmarks of the crates.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::place::{Place, succeed};
use crate::rooms::Workspace;
use crate::trouble::Trouble;

/// Runs every benchmark of the workspace.
///
/// # Errors
/// When there is none, or one fails.
pub(crate) fn run(place: &Place, arguments: Vec<OsString>) -> Result<ExitCode, Trouble> {
    let workspace = Workspace::read(place.root())?;
    let benches: Vec<_> = workspace.benchmarks().collect();
    if benches.is_empty() {
        // Without this, `cargo bench` would run the unit tests as benchmarks and look successful.
        return Err(Trouble::Usage("no crate has a benchmark yet".to_owned()));
    }
    let chosen = benches.iter().flat_map(|(package, bench)| ["-p", package, "--bench", bench]);
    let arguments = ["bench"].into_iter().chain(chosen).map(OsString::from).chain(arguments);
    succeed(&mut place.cargo(arguments))?;
    Ok(ExitCode::SUCCESS)
}
