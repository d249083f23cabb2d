//! ClamAV's own containers: the program of 544 bytes in each, by one digest.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests read files")]

use std::path::Path;

use sha2::{Digest as _, Sha256};
use watchglass_database::Database;
use watchglass_engine::{Engine, Matches, Report, Settings};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

#[test]
fn one_digest_is_found_in_debians_files() {
    let folder = Path::new("/usr/share/clamav-testfiles");
    let Ok(program) = std::fs::read(folder.join("clam.exe")) else {
        return skip("one_digest_is_found_in_debians_files", "clamav-testfiles is not installed");
    };
    let (mut found, mut silent) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let report = scan(&program, &std::fs::read(&path).unwrap());
        if !report.findings.is_empty() {
            found += 1;
        } else if report.is_complete() {
            silent.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    silent.sort();
    assert_eq!(silent, SILENT);
    assert_eq!(found, FOUND);
}

fn scan(program: &[u8], bytes: &[u8]) -> Report {
    let digest: String = Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{digest}:{}:Clam\n", program.len());
    let set = SignatureSet::named("clam.hsb").unwrap();
    let source = Source { set, bytes: line.as_bytes(), maker: Maker::Official };
    let (compiled, _) = compile(&[source], PotentiallyUnwanted::Take);
    let database = Database::open(&compiled).unwrap();
    let settings = Settings { matches: Matches::All, ..Settings::default() };
    Engine::new(Some(&database), settings).scan(bytes, bytes.len() as u64, &|| false)
}

/// Files of which neither is told that the program is in there nor that something was not scanned:
/// packed programs and other things that no type tells apart yet.
const SILENT: &[&str] = &[
    "clam-aspack.exe",
    "clam-mew.exe",
    "clam-pespin.exe",
    "clam-petite.exe",
    "clam-upack.exe",
    "clam-upx.exe",
    "clam-yc.exe",
    "clam.exe.html",
];
/// Files in which the program is found today.
const FOUND: usize = 14;

fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {why}");
}
