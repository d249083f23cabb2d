//! `database convert`: whatever holds signatures, as a compiled file that this version reads.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;
use serde_json::json;
use watchglass_cache::write_whole;
use watchglass_database::{Database, OpenError};

use crate::build::{self, Options, SCHEMA, hex};
use crate::database::is_compiled;
use crate::output;
use crate::sources::at;

const HELP: &str = "\
Writes what FILE holds as a compiled file that this version of `watchglass scan` maps.

Usage: watchglass database convert [OPTIONS] FILE -o FILE

FILE is a signature set, a .cvd or .cld, or a folder of those, which is compiled as `watchglass database
build` does (which has options for it); or a compiled file, which is checked whole and copied when it
is of this version. One of another version cannot be read: it is built again from its sources.

  -o, --output FILE   where to write; it is replaced whole or not at all
      --json          one JSON object (docs/database-json.md)
  -h, --help

Exit codes: 0 written, 1 written without some bad lines or broken sets, 2 not written

Example: watchglass database convert main.cvd -o main.wgdb";

/// Converts what the arguments say.
///
/// # Errors
/// When nothing was written.
pub(crate) fn command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    let Some((from, to, json)) = parse(arguments)? else { return Ok(output::print(HELP)) };
    if !is_compiled(&from)? {
        return build::build(&Options::of(from, to, json));
    }
    let (bytes, digest) = copy(&from, &to)?;
    let digest = hex(&digest);
    // Nobody may be left who reads it; the exit code says the same.
    let _ = if json {
        let line = json!({
            "schema": SCHEMA, "kind": "database-copy", "bytes": bytes, "digest": digest,
        });
        writeln!(io::stdout(), "{line}")
    } else {
        let says = "of this version already, and whole: copied";
        writeln!(io::stdout(), "{says}, {bytes} bytes, digest {digest}")
    };
    Ok(ExitCode::SUCCESS)
}

fn copy(from: &Path, to: &Path) -> Result<(usize, [u8; 32]), Box<dyn Error>> {
    // Read, not mapped: a file that is cut short meanwhile is a damaged one.
    let mut bytes = Vec::new();
    File::open(from)
        .and_then(|mut file| io::copy(&mut file, &mut bytes))
        .map_err(|error| at(from, &error))?;
    let database = match Database::open(&bytes) {
        Ok(database) => database,
        Err(error @ OpenError::Version { .. }) => {
            let says =
                format!("{error} from its sources: `watchglass database build SOURCES… -o FILE`");
            return Err(at(from, &says));
        }
        Err(error) => return Err(at(from, &error)),
    };
    database.verify().map_err(|error| at(from, &error))?;
    write_whole(to, &bytes)?;
    Ok((bytes.len(), *database.digest()))
}

/// What to convert, where to, and whether to tell it as JSON.
type Wanted = (PathBuf, PathBuf, bool);

fn parse(arguments: &mut lexopt::Parser) -> Result<Option<Wanted>, Box<dyn Error>> {
    let (mut from, mut to, mut json) = (None, None, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Short('o') | Long("output") => to = Some(PathBuf::from(arguments.value()?)),
            Long("json") => json = true,
            Value(path) if from.is_none() => from = Some(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    let from = from.ok_or("FILE is missing; see --help")?;
    Ok(Some((from, to.ok_or("-o FILE is missing; see --help")?, json)))
}
