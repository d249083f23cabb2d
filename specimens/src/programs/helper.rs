//! `specimen-helper`: a second program, which others of the product start.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use super::{begin, end, settle};
use crate::configuration::Configuration;
use crate::lab::Lab;
use crate::misdeeds::Trouble;
use crate::send;

/// `checksum [CODE]` prints the SHA-256 of standard input; `send HOST PORT [CODE]` sends standard
/// input, in the lab alone. Either exits with the code, 0 unless given.
#[must_use]
pub fn helper(arguments: &[OsString]) -> ExitCode {
    settle(run(arguments))
}

fn run(arguments: &[OsString]) -> Result<ExitCode, ExitCode> {
    let (configuration, _) = begin()?;
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let code = match words.as_slice() {
        ["checksum", code @ ..] => checksum().map(|()| code),
        ["send", host, port, code @ ..] => carry(&configuration, host, port).map(|()| code),
        _ => Err(Trouble::Failed(io::Error::other(
            "usage: specimen-helper checksum | send HOST PORT",
        ))),
    };
    let code = code.map_err(|trouble| end(&trouble))?;
    Ok(ExitCode::from(code.first().and_then(|code| code.parse().ok()).unwrap_or(0)))
}

fn checksum() -> Result<(), Trouble> {
    let mut content = Vec::new();
    io::stdin().lock().read_to_end(&mut content)?;
    println!("{}", data_encoding::HEXLOWER.encode(&Sha256::digest(&content)));
    Ok(())
}

/// Needs the lab whatever the mode: a program that sends what it is given could serve others.
fn carry(configuration: &Configuration, host: &str, port: &str) -> Result<(), Trouble> {
    let lab = Lab::enter(configuration)?;
    let sink = lab.find(host, port.parse().map_err(io::Error::other)?)?;
    let mut content = Vec::new();
    io::stdin().lock().read_to_end(&mut content)?;
    let mut connection = send::connect(&sink)?;
    connection.write_all(&content)?;
    Ok(send::finish(&connection)?)
}
