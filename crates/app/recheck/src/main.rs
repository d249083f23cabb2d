//! Checks a bundle again, offline.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "printing is the apps' business")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;
use watchglass_evidence::PublicKey;
use watchglass_recheck::{Pins, Rechecked, exit_code, recheck, whose_key};

const HELP: &str = "\
Checks a bundle again, offline: signature, digests, and every result from the evidence.

Usage: watchglass-recheck [OPTIONS] BUNDLE

Options:
      --key KEY    accept only this Ed25519 key (64 hexadecimal digits); may be given again
      --keys FILE  accept only the keys of this file: one a line, followed by whose it is
      --json       print one JSON object instead of text
  -h, --help       print this help
  -V, --version    print the version

Exit codes: 0 kept, 1 broken, 2 the bundle is refused, 3 inconclusive

Example: watchglass-recheck assay-ClamAV --key 3f0c…";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", in_one_line(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = lexopt::Parser::from_env();
    let (mut folder, mut pins, mut json) = (None, Pins::default(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("key") => pins.add(key(&arguments.value()?.string()?)?, None),
            Long("keys") => pins.extend(keys(Path::new(&arguments.value()?))?),
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(print(HELP)),
            Short('V') | Long("version") => {
                return Ok(print(concat!("watchglass-recheck ", env!("CARGO_PKG_VERSION"))));
            }
            Value(value) if folder.is_none() => folder = Some(PathBuf::from(value)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let folder = folder.ok_or("BUNDLE is missing; see --help")?;
    let rechecked = recheck(&folder, pins.keys())?;
    let text = if json { as_json(&rechecked, &pins)? } else { as_text(&rechecked, &pins) };
    print(&text);
    Ok(ExitCode::from(exit_code(rechecked.results.verdict.state)))
}

fn key(text: &str) -> Result<PublicKey, String> {
    PublicKey::parse(text).ok_or_else(|| "--key takes 64 lower-case hexadecimal digits".to_owned())
}

/// Reads the reader's own list of keys.
fn keys(path: &Path) -> Result<Pins, String> {
    let wrong = |error: &dyn Error| format!("{}: {}", path.display(), in_one_line(error));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Pins::parse(&text).map_err(|error| wrong(&error))
}

fn as_text(rechecked: &Rechecked, pins: &Pins) -> String {
    let summary = watchglass_report::summary(&rechecked.results);
    let whose = whose_key(rechecked.signed_by, pins);
    format!(
        "{summary}\nresults.json and report.html follow from the evidence, byte for byte\n{whose}"
    )
}

fn as_json(rechecked: &Rechecked, pins: &Pins) -> Result<String, serde_json::Error> {
    let (pinned, key) = match rechecked.signed_by {
        watchglass_evidence::SignedBy::Pinned(key) => (true, key),
        watchglass_evidence::SignedBy::Unknown(key) => (false, key),
    };
    serde_json::to_string(&serde_json::json!({
        "schema": 1,
        "verdict": rechecked.results.verdict,
        "key": key.to_string(),
        "key_name": pins.name(key),
        "key_pinned": pinned,
    }))
}

/// A closed pipe is a normal end.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn in_one_line(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
