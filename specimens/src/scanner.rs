//! The toy scanner: walks folders and knows files by their SHA-256.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::misdeeds::Conduct;

/// Largest file that is read; larger ones are reported as not scanned.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Signatures: the SHA-256 of a file, and what it is called.
#[derive(Debug, Default)]
pub struct Database {
    names: BTreeMap<String, String>,
}

/// Why a text is no database.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A line that is no digest and name.
    #[error("line {line}: 64 hexadecimal digits, a space and a name are expected")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// No signature at all.
    #[error("the database is empty")]
    Empty,
}

/// Writes a database for an update server: one `sha256 name` on each line.
#[must_use]
pub fn database_text<'a>(signatures: impl IntoIterator<Item = (&'a str, [u8; 32])>) -> String {
    let line = |(name, digest): (&str, [u8; 32])| {
        format!("{} {name}\n", data_encoding::HEXLOWER.encode(&digest))
    };
    signatures.into_iter().map(line).collect()
}

impl Database {
    /// Reads a database.
    ///
    /// # Errors
    /// For the first line that is none of a database's, or where there is none.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        let mut names = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let error = DatabaseError::Line { line: number + 1 };
            let Some((digest, name)) = line.split_once(' ') else { return Err(error) };
            let is_digest =
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_digest || name.trim().is_empty() {
                return Err(error);
            }
            names.insert(digest.to_ascii_lowercase(), name.trim().to_owned());
        }
        if names.is_empty() { Err(DatabaseError::Empty) } else { Ok(Self { names }) }
    }

    fn name_of(&self, content: &[u8]) -> Option<&str> {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
        self.names.get(&digest).map(String::as_str)
    }
}

/// What came of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that were read.
    pub scanned: u64,
    /// Files that a signature matched.
    pub found: u64,
    /// Files that could not be read.
    pub failed: u64,
}

impl Tally {
    /// 0 nothing found, 1 something found, 2 something could not be read; as clamscan.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self { found: 1.., .. } => 1,
            Self { failed: 1.., .. } => 2,
            Self { .. } => 0,
        }
    }
}

/// Scans files and folders, in the order of their names, without following links, and writes one
/// line for each file: `PATH: NAME FOUND`, `PATH: OK` or `PATH: REASON ERROR`.
///
/// # Errors
/// Where the lines cannot be written.
pub(crate) fn scan(
    database: &Database,
    places: &[PathBuf],
    conduct: &mut dyn Conduct,
    report: &mut dyn Write,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut waiting: Vec<PathBuf> = places.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        match std::fs::symlink_metadata(&path) {
            Ok(facts) if facts.is_dir() => match entries(&path) {
                Ok(below) => waiting.extend(below.into_iter().filter(|path| conduct.enters(path))),
                Err(error) => complain(&path, &error, &mut tally, report)?,
            },
            Ok(facts) if facts.is_file() => {
                scan_file(database, &path, conduct, &mut tally, report)?
            }
            Ok(_) => {}
            Err(error) => complain(&path, &error, &mut tally, report)?,
        }
    }
    Ok(tally)
}

/// The entries of a folder, last name first, since the last one in is the first one out.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.reverse();
    Ok(paths)
}

fn scan_file(
    database: &Database,
    path: &Path,
    conduct: &mut dyn Conduct,
    tally: &mut Tally,
    report: &mut dyn Write,
) -> io::Result<()> {
    let content = match conduct.read(path) {
        Ok(content) => content,
        Err(error) => return complain(path, &error, tally, report),
    };
    tally.scanned += 1;
    conduct.met(path, &content);
    let name = database.name_of(&content).map(str::to_owned);
    match name.or_else(|| conduct.names(&content)) {
        Some(name) => {
            tally.found += 1;
            line(path, &format!("{name} FOUND"), report)
        }
        None => line(path, "OK", report),
    }
}

/// Reads a file with `read` calls, as most scanners do.
///
/// # Errors
/// What the kernel says; also for a file that is too large.
pub(crate) fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut file = File::open(path)?.take(MAX_FILE_BYTES + 1);
    let length = file.read_to_end(&mut content)?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(io::Error::other("larger than 64 MiB, not scanned"));
    }
    Ok(content)
}

fn complain(
    path: &Path,
    error: &io::Error,
    tally: &mut Tally,
    report: &mut dyn Write,
) -> io::Result<()> {
    tally.failed += 1;
    line(path, &format!("{error} ERROR"), report)
}

/// The path's bytes as they are, as clamscan prints them: who reads this output is to be wary.
fn line(path: &Path, words: &str, report: &mut dyn Write) -> io::Result<()> {
    report.write_all(path.as_os_str().as_bytes())?;
    writeln!(report, ": {words}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misdeeds::Referee;

    #[test]
    fn a_database_reads_what_was_written_and_nothing_else() {
        let text = database_text([("Test.File", Sha256::digest(b"abc").into())]);
        assert_eq!(Database::parse(&text).unwrap().name_of(b"abc"), Some("Test.File"));
        assert_eq!(Database::parse(&text).unwrap().name_of(b"abd"), None);
        assert!(matches!(Database::parse(""), Err(DatabaseError::Empty)));
        assert!(matches!(Database::parse("<html>"), Err(DatabaseError::Line { line: 1 })));
        assert!(Database::parse(&format!("{text}abc Name")).is_err());
    }

    #[test]
    fn links_are_not_followed_and_unreadable_files_are_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "abc").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a")).unwrap();
        let text = database_text([("Test.File", Sha256::digest(b"abc").into())]);
        let mut report = Vec::new();
        let places = [folder.path().to_owned(), folder.path().join("missing")];
        let tally =
            scan(&Database::parse(&text).unwrap(), &places, &mut Referee, &mut report).unwrap();
        assert_eq!(tally, Tally { scanned: 1, found: 1, failed: 1 });
        let report = String::from_utf8(report).unwrap();
        assert!(report.contains("/b: Test.File FOUND\n"), "{report}");
        assert!(report.contains("missing: No such file or directory"), "{report}");
    }
}
