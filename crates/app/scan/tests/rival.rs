//! The same signature, the same files: clamscan's lines are ours, where ours opens the container.
#![expect(clippy::disallowed_methods, reason = "tests make files and start commands")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use support::{lines, scan, skip};

const FILES: &str = "/usr/share/clamav-testfiles";

/// Of their files, those whose container is not opened yet: packers, installers and the like.
const NOT_OPENED: [&str; 18] = [
    "clam-aspack.exe",
    "clam-mew.exe",
    "clam-nsis.exe",
    "clam-pespin.exe",
    "clam-petite.exe",
    "clam-upack.exe",
    "clam-upx.exe",
    "clam-wwpack.exe",
    "clam-yc.exe",
    "clam.arj",
    "clam.ea05.exe",
    "clam.ea06.exe",
    "clam.exe.szdd",
    "clam.sis",
    "clam_IScab_ext.exe",
    "clam_IScab_int.exe",
    "clam_ISmsi_ext.exe",
    "clam_ISmsi_int.exe",
];

fn found(output: &Output) -> BTreeSet<String> {
    lines(output).into_iter().filter(|line| line.ends_with(" FOUND")).collect()
}

#[test]
fn what_clamscan_finds_is_found_with_the_same_lines() {
    if !Path::new(FILES).is_dir() || Command::new("clamscan").arg("--version").output().is_err() {
        return skip("rival", "clamscan or its test files are not here");
    }
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("clam.hsb");
    let digest = "import hashlib, sys, zipfile\n\
        one = zipfile.ZipFile(sys.argv[1]); data = one.read(one.namelist()[0])\n\
        print(f'{hashlib.sha256(data).hexdigest()}:{len(data)}:Clam')";
    let mut python = Command::new("python3");
    let line = python.args(["-c", digest]).arg(format!("{FILES}/clam.zip")).output().unwrap();
    assert!(line.status.success());
    std::fs::write(&set, line.stdout).unwrap();
    let arguments = ["--no-summary", "-r", "-d", set.to_str().unwrap(), FILES];
    let Some(ours) = scan(&arguments) else { return };
    let theirs = found(&Command::new("clamscan").args(arguments).output().unwrap());
    let not_opened: BTreeSet<String> = NOT_OPENED
        .iter()
        .map(|name| format!("{FILES}/{name}: Clam.UNOFFICIAL FOUND"))
        .filter(|line| theirs.contains(line))
        .collect();
    let ours = found(&ours);
    let missing: BTreeSet<String> = theirs.difference(&ours).cloned().collect();
    assert_eq!(missing, not_opened, "one that is found now leaves the list");
    assert!(ours.is_subset(&theirs));
    assert!(ours.len() >= 26, "{ours:?}");
}
