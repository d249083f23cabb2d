//! The programs of the product, each a function from the arguments to an exit code.
//!
//! Exit codes: 0 done or nothing found, 1 something found, 2 could not, 3 a misdeed was refused.

mod ask;
mod helper;
mod scan;
mod service;
mod update;

use std::path::PathBuf;
use std::process::ExitCode;

pub use ask::ask;
pub use helper::helper;
pub use scan::scan;
pub use service::service;
pub use update::update;

use crate::configuration::Configuration;
use crate::misdeeds::{Conduct, Trouble, conduct};
use crate::scanner::Database;

const FAILED: u8 = 2;
const REFUSED: u8 = 3;

/// Says why a program ends, with the causes, and gives its exit code.
fn complain(error: &(dyn std::error::Error + 'static), code: u8) -> ExitCode {
    let mut line = format!("specimen: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    eprintln!("{line}");
    ExitCode::from(code)
}

fn end(trouble: &Trouble) -> ExitCode {
    match trouble {
        Trouble::Refused(refusal) => complain(refusal, REFUSED),
        Trouble::Failed(_) => complain(trouble, FAILED),
    }
}

/// The configuration and the conduct that follows from it.
fn begin() -> Result<(Configuration, Box<dyn Conduct>), ExitCode> {
    let configuration = Configuration::load().map_err(|error| complain(&error, FAILED))?;
    let conduct = conduct(&configuration).map_err(|refusal| complain(&refusal, REFUSED))?;
    Ok((configuration, conduct))
}

fn open_database(configuration: &Configuration) -> Result<Database, ExitCode> {
    let text = std::fs::read_to_string(&configuration.database).map_err(|error| {
        let path = configuration.database.display();
        complain(&std::io::Error::other(format!("{path}: {error}")), FAILED)
    })?;
    Database::parse(&text).map_err(|error| complain(&error, FAILED))
}

/// Either half of a program: what it gives is its exit code.
fn settle(result: Result<ExitCode, ExitCode>) -> ExitCode {
    match result {
        Ok(code) | Err(code) => code,
    }
}

fn paths(arguments: &[std::ffi::OsString]) -> Vec<PathBuf> {
    arguments.iter().map(PathBuf::from).collect()
}
