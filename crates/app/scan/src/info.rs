//! `database info`: what a compiled file holds.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;
use serde_json::{Map, Value as Json, json};
use watchglass_database::{Algorithm, Database, FORMAT_VERSION, HashRole};

use crate::build::{SCHEMA, hex};
use crate::output;
use crate::sources::at;

const HELP: &str = "\
Tells what a compiled file holds, and whether it is as it was written.

Usage: watchglass database info [--json] FILE

All of the file is read. `digest` covers all of it: files of one digest are the same.

Exit codes: 0 whole, 1 damaged, 2 no database of this version";

/// Tells of the file that the arguments name.
///
/// # Errors
/// When it is no database.
pub(crate) fn command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    let Some((path, as_json)) = parse(arguments)? else { return Ok(output::print(HELP)) };
    // Read, not mapped: a file that is cut short meanwhile is a damaged one.
    let bytes = std::fs::read(&path).map_err(|error| at(&path, &error))?;
    let database = Database::open(&bytes).map_err(|error| at(&path, &error))?;
    let damage = database.verify().err().map(|error| error.to_string());
    let line = if as_json {
        json(&database, bytes.len(), damage.as_deref()).to_string()
    } else {
        text(&database, bytes.len(), damage.as_deref(), &path)
    };
    // Nobody may be left who reads it; the exit code says the same.
    let _ = writeln!(io::stdout(), "{line}");
    Ok(ExitCode::from(u8::from(damage.is_some())))
}

fn parse(arguments: &mut lexopt::Parser) -> Result<Option<(PathBuf, bool)>, Box<dyn Error>> {
    let (mut path, mut as_json) = (None, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("json") => as_json = true,
            Value(one) if path.is_none() => path = Some(PathBuf::from(one)),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((path.ok_or("FILE is missing; see --help")?, as_json)))
}

fn text(database: &Database<'_>, bytes: usize, damage: Option<&str>, path: &Path) -> String {
    let mut lines = vec![format!("{}: version {FORMAT_VERSION}, {bytes} bytes", path.display())];
    for (role, algorithm, count) in digests(database) {
        lines.push(format!("{count:>10} {} of {}", name(algorithm), subject(role)));
    }
    let rules = database.rules().count();
    lines.push(format!("{:>10} others", database.signatures().count().saturating_sub(rules)));
    lines.push(format!("{rules:>10} YARA rules"));
    for (_, what, count) in records(database).into_iter().filter(|(.., count)| *count > 0) {
        lines.push(format!("{count:>10} {what}"));
    }
    lines.push(format!("digest {}", hex(database.digest())));
    lines.push(damage.map_or_else(|| "whole".to_owned(), |damage| format!("DAMAGED: {damage}")));
    lines.join("\n")
}

fn json(database: &Database<'_>, bytes: usize, damage: Option<&str>) -> Json {
    let mut counts = Map::new();
    for (role, algorithm, count) in digests(database) {
        counts.insert(format!("{}-{}", name(algorithm), key(role)), json!(count));
    }
    let records =
        records(database).into_iter().map(|(key, _, count)| (key.to_owned(), json!(count)));
    json!({
        "schema": SCHEMA, "kind": "database-info", "version": FORMAT_VERSION, "bytes": bytes,
        "digest": hex(database.digest()), "digests": counts,
        "others": database.signatures().count().saturating_sub(database.rules().count()),
        "yara_rules": database.rules().count(), "records": records.collect::<Map<String, Json>>(),
        "whole": damage.is_none(), "damage": damage,
    })
}

/// What is in the file beside digests and patterns: key, words, count.
fn records(database: &Database<'_>) -> [(&'static str, &'static str, usize); 5] {
    [
        ("members", "on members of containers", database.members().count()),
        ("types", "types of files", database.magic_rules().count()),
        ("passwords", "passwords of archives", database.passwords().count()),
        ("certificates", "certificates of programs", database.certificates().count()),
        ("icons", "icons of programs", database.icons().count()),
    ]
}

/// Digests in the file, those there are.
fn digests(database: &Database<'_>) -> Vec<(HashRole, Algorithm, usize)> {
    let kinds = HashRole::ALL.into_iter();
    let kinds = kinds.flat_map(|role| Algorithm::ALL.into_iter().map(move |one| (role, one)));
    let counted =
        kinds.map(|(role, algorithm)| (role, algorithm, database.hashes(role).count(algorithm)));
    counted.filter(|(_, _, count)| *count > 0).collect()
}

fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Md5 => "md5",
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha256 => "sha256",
    }
}

fn key(role: HashRole) -> &'static str {
    match role {
        HashRole::File => "file",
        HashRole::Section => "section",
        HashRole::Imports => "imports",
        HashRole::Allowed => "allowed",
    }
}

fn subject(role: HashRole) -> &'static str {
    match role {
        HashRole::File => "whole files",
        HashRole::Section => "sections of programs",
        HashRole::Imports => "imports of programs",
        HashRole::Allowed => "files that are allowed",
    }
}
