//! What the tests share that hold the engine against clamscan.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "tests read files and start programs"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use watchglass_database::Database;
use watchglass_engine::{Detection, Engine, Matches, Report, Settings};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

/// Sets by the names of their files.
pub(crate) type Sets<'a> = &'a [(&'a str, &'a str)];
/// Names that are found, by file.
pub(crate) type Found = BTreeMap<String, BTreeSet<String>>;

/// Asks both of each file of a folder, and holds what they find against each other. Returns it.
pub(crate) fn compare(sets: Sets<'_>, files: &Path, arguments: &[&str]) -> Found {
    let (ours, theirs) = (ours(sets, files), clamscan(sets, files, arguments));
    let mut differences = Vec::new();
    for file in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let of = |found: &Found| found.get(file).cloned().unwrap_or_default();
        let missed: Vec<_> = of(&theirs).difference(&of(&ours)).cloned().collect();
        let more: Vec<_> = of(&ours).difference(&of(&theirs)).cloned().collect();
        if !missed.is_empty() || !more.is_empty() {
            differences.push(format!("{file}: we miss {missed:?}, they miss {more:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    ours
}

/// What the engine finds in each file of a folder.
pub(crate) fn ours(sets: Sets<'_>, files: &Path) -> Found {
    let mut found = Found::new();
    for entry in std::fs::read_dir(files).unwrap() {
        let path = entry.unwrap().path();
        let (_, names) = scan(sets, &std::fs::read(&path).unwrap());
        if !names.is_empty() {
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), names);
        }
    }
    found
}

/// What the engine says of some bytes.
pub(crate) fn scan(sets: Sets<'_>, bytes: &[u8]) -> (Report, BTreeSet<String>) {
    let source = |(file, text): &(&str, &'static str)| Source {
        set: SignatureSet::named(file).unwrap(),
        bytes: text.as_bytes(),
        maker: Maker::Other,
    };
    let held: Vec<(&str, &'static str)> =
        sets.iter().map(|(file, text)| (*file, &*(*text).to_owned().leak())).collect();
    let sources: Vec<Source<'_>> = held.iter().map(source).collect();
    let (compiled, report) = compile(&sources, PotentiallyUnwanted::Take);
    assert!(report.bad.is_empty(), "{:?}", report.bad);
    let database = Database::open(&compiled).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).ok();
    let settings = Settings { matches: Matches::All, now, ..Settings::default() };
    let report = Engine::new(Some(&database), settings).scan(bytes, bytes.len() as u64, &|| false);
    let names = report.findings.iter().map(|finding| match finding.detection {
        Detection::Signature(name) => database.name(name).unwrap(),
        Detection::Heuristic(heuristic) => heuristic.name().to_owned(),
    });
    let names = names.collect();
    (report, names)
}

/// What clamscan finds in each file of a folder.
pub(crate) fn clamscan(sets: Sets<'_>, files: &Path, arguments: &[&str]) -> Found {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in sets {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let mut command = Command::new("clamscan");
    command.arg("--database").arg(folder.path());
    command.args(["--allmatch", "--no-summary", "--recursive", "--detect-pua=yes"]);
    let output = command.args(arguments).arg(files).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("LibClamAV Error"), "{errors}");
    let mut found = Found::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((path, name)) = line.rsplit_once(": ") else { continue };
        let Some(name) = name.strip_suffix(" FOUND") else { continue };
        let file = path.rsplit('/').next().unwrap();
        found.entry(file.to_owned()).or_default().insert(name.to_owned());
    }
    found
}

/// Whether all of these programs can be run; tells the test as skipped if not.
pub(crate) fn are_there(test: &str, programs: &[&str]) -> bool {
    for program in programs {
        if Command::new(program).arg("--version").output().is_err() {
            skip(test, &format!("{program} is not installed"));
            return false;
        }
    }
    true
}

pub(crate) fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {why}");
}

/// Runs a line of the shell in a folder.
pub(crate) fn shell(folder: &Path, line: &str) {
    let output = Command::new("sh").args(["-ec", line]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
