//! `specimen-scan PATH…`: scans files and folders.

use std::ffi::OsString;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;

use super::{begin, end, open_database, paths, settle};
use crate::misdeeds::Trouble;
use crate::scanner;

/// Scans what the arguments name: exit 0 nothing found, 1 something found, 2 could not, as clamscan.
#[must_use]
pub fn scan(arguments: &[OsString]) -> ExitCode {
    settle(run(arguments))
}

fn run(arguments: &[OsString]) -> Result<ExitCode, ExitCode> {
    let (configuration, mut conduct) = begin()?;
    let database = open_database(&configuration)?;
    let mut report = BufWriter::new(std::io::stdout().lock());
    let tally = scanner::scan(&database, &paths(arguments), conduct.as_mut(), &mut report);
    let tally = tally.and_then(|tally| report.flush().map(|()| tally));
    // Not to hold the lock over what follows: the scan is over.
    drop(report);
    let tally = tally.map_err(|error| end(&Trouble::Failed(error)))?;
    conduct.scanned(tally).map_err(|trouble| end(&trouble))?;
    Ok(ExitCode::from(tally.exit_code()))
}
