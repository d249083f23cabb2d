//! ClamAV's own containers: the program of 544 bytes in each, by one digest.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests read files")]

mod common;

use std::path::Path;

use common::{inputs, skip, unhidden};
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
    check(&program, folder, &|bytes| bytes, MISSED);
}

#[test]
fn one_digest_is_found_in_the_files_of_the_unit_tests() {
    let Some(folder) = inputs::data("clamav-unit-tests/input/clamav_hdb_scanfiles") else {
        let why = "../shared/data is not here";
        return skip("one_digest_is_found_in_the_files_of_the_unit_tests", why);
    };
    let program = unhidden(std::fs::read(folder.join("clam.exe.xor")).unwrap());
    check(&program, &folder, &unhidden, MISSED);
}

/// Holds what was missed against a list, each with whether it was told that something was not scanned.
fn check(program: &[u8], folder: &Path, read: &dyn Fn(Vec<u8>) -> Vec<u8>, missed: &[&str]) {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("clam") || !path.is_file() {
            continue;
        }
        let report = scan(program, &read(std::fs::read(&path).unwrap()));
        if report.findings.is_empty() {
            let told = if report.is_complete() { "silent" } else { "told" };
            found.push(format!("{} {told}", name.trim_end_matches(".xor")));
        }
    }
    found.sort();
    assert!(found == missed, "missed:\n{}", found.join("\n"));
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

/// Files in which the program is not found yet, the same in both sets: packers, installers and the
/// rarer containers. What is `silent` no type tells apart from other programs.
const MISSED: &[&str] = &[
    "clam-aspack.exe silent",
    "clam-mew.exe silent",
    "clam-nsis.exe told",
    "clam-pespin.exe silent",
    "clam-petite.exe silent",
    "clam-upack.exe silent",
    "clam-upx.exe silent",
    "clam-wwpack.exe told",
    "clam-yc.exe silent",
    "clam.arj told",
    "clam.ea05.exe told",
    "clam.ea06.exe told",
    "clam.exe.szdd told",
    "clam.sis told",
    "clam_IScab_ext.exe told",
    "clam_IScab_int.exe told",
    "clam_ISmsi_ext.exe told",
    "clam_ISmsi_int.exe told",
];
