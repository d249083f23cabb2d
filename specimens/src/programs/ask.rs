//! `specimen-ask PATH`: has the service scan.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::service::END;
use super::{FAILED, begin, end, settle};
use crate::configuration::Configuration;
use crate::misdeeds::Trouble;

/// Prints what the service says about a path, and ends as the scanner would.
#[must_use]
pub fn ask(arguments: &[OsString]) -> ExitCode {
    settle(run(arguments))
}

fn run(arguments: &[OsString]) -> Result<ExitCode, ExitCode> {
    let (configuration, _) = begin()?;
    let code = match arguments {
        [place] => ask_service(&configuration, place),
        _ => Err(io::Error::other("usage: specimen-ask PATH")),
    };
    code.map(ExitCode::from).map_err(|error| end(&Trouble::Failed(error)))
}

fn ask_service(configuration: &Configuration, place: &OsString) -> io::Result<u8> {
    let mut service = UnixStream::connect(configuration.service_socket())?;
    service.write_all(place.as_bytes())?;
    service.write_all(b"\n")?;
    service.shutdown(Shutdown::Write)?;
    let mut output = io::stdout().lock();
    for line in BufReader::new(service).split(b'\n') {
        let line = line?;
        if let Some(code) = line.strip_prefix(END.as_bytes()) {
            let code = String::from_utf8_lossy(code);
            return Ok(code.trim().parse().unwrap_or(FAILED));
        }
        output.write_all(&line)?;
        output.write_all(b"\n")?;
    }
    Err(io::Error::other("the service broke off"))
}
