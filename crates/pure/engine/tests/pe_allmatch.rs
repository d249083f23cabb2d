//! ClamAV's own test of signatures of every kind on one signed program with an icon: the name of each
//! file is the name that is to be found.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "tests")]

mod rival;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rival::{scan, skip};
use watchglass_engine::MAX_FINDINGS;

#[test]
fn every_kind_of_signature_is_found_in_one_program() {
    let Some(folder) = data() else {
        return skip(
            "every_kind_of_signature_is_found_in_one_program",
            "../shared/data is not here",
        );
    };
    let program = std::fs::read(folder.join("test.exe")).unwrap();
    let alerts = sets(&folder.join("alert-sigs"));
    let weak = sets(&folder.join("weak-sigs"));
    let expected: BTreeSet<String> = alerts.iter().map(|(file, _)| name(file)).collect();
    // Of one file 64 findings are told.
    let find = |more: &[(String, String)]| {
        let of = |some: &[(String, String)]| {
            let all = some.iter().chain(&weak).chain(more);
            let all: Vec<_> = all.map(|(file, text)| (file.as_str(), text.as_str())).collect();
            scan(&all, &program).1
        };
        alerts.chunks(MAX_FINDINGS - 1).flat_map(of).collect::<BTreeSet<String>>()
    };
    let found = find(&[]);
    let missed: Vec<_> = expected.difference(&found).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    assert!(missed.is_empty() && more.is_empty(), "missed {missed:?}, more {more:?}");
    assert!(found.len() > 70, "{}", found.len());
    assert_eq!(find(&sets(&folder.join("trust-sigs"))), BTreeSet::new());
    let blocked = find(&sets(&folder.join("block-cert-sigs")));
    let told: Vec<_> = blocked.difference(&expected).map(String::as_str).collect();
    assert_eq!((told, blocked.len()), (vec!["Test.Sig.CRB.BlockCert"], expected.len() + 1));
}

/// The sets of a folder that this version reads.
fn sets(folder: &Path) -> Vec<(String, String)> {
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if !file.ends_with(".cbc") && !file.ends_with(".yar") {
            sets.push((file, std::fs::read_to_string(&path).unwrap()));
        }
    }
    sets.sort();
    sets
}

fn name(file: &str) -> String {
    file.rsplit_once('.').unwrap().0.to_owned()
}

fn data() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = shared.canonicalize().ok()?.join("clamav-unit-tests/input/pe_allmatch");
    folder.join("test.exe").is_file().then_some(folder)
}
