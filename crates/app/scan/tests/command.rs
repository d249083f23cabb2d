//! The real command with its real workers, on trees made here.
#![expect(clippy::disallowed_methods, reason = "tests make trees and start the command")]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use support::{lines, scan, test_file};

#[test]
fn the_test_file_is_found_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    std::fs::write(path(b"eicar"), test_file()).unwrap();
    std::fs::write(path(b"good\nX: OK"), b"nothing").unwrap();
    std::fs::write(path(b"bytes\xff"), b"nothing").unwrap();
    std::fs::write(path(b"empty"), b"").unwrap();
    std::os::unix::fs::symlink(folder.path(), path(b"loop")).unwrap();
    let fifo = Command::new("mkfifo").arg(path(b"fifo")).status().unwrap();
    assert!(fifo.success());
    let arguments = ["--heuristics-only", "--no-summary", "-r", "--follow-dir-symlinks=2"];
    let mut arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    arguments.push(folder.path().as_os_str());
    let Some(one) = scan(&[&arguments[..], &[OsStr::new("--jobs=1")]].concat()) else { return };
    let at = |name: &str| format!("{}/{name}", folder.path().display());
    let expected = [
        at("bytes\\xff: OK"),
        at("eicar: Eicar-Signature FOUND"),
        at("empty: Empty file"),
        at("fifo: FIFO"),
        at("good\\nX: OK: OK"),
        at("loop: Link to a folder around it"),
    ];
    let told: Vec<String> =
        lines(&one).into_iter().filter(|line| !line.starts_with("WARNING")).collect();
    assert_eq!(told, expected);
    assert_eq!(one.status.code(), Some(1));
    let two = scan(&[&arguments[..], &[OsStr::new("--jobs=2")]].concat()).unwrap();
    assert_eq!(lines(&two), lines(&one));
}

#[test]
fn without_signatures_the_first_and_the_last_line_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), b"nothing").unwrap();
    let arguments = [OsStr::new("-d"), empty.path().as_os_str(), folder.path().as_os_str()];
    let Some(output) = scan(&arguments) else { return };
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Vec<&str> = text.lines().collect();
    for line in [told.first().unwrap(), told.last().unwrap()] {
        assert!(line.starts_with("WARNING: no signatures"), "{line}");
    }
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_set_of_digests_is_looked_for_and_json_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("a.hdb");
    std::fs::write(&set, "900150983cd24fb0d6963f7d28e17f72:3:Abc\nnonsense\n").unwrap();
    let file = folder.path().join("abc.gz");
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";
    std::fs::write(&file, gzip).unwrap();
    let arguments = [OsStr::new("--json"), OsStr::new("-d"), set.as_os_str(), file.as_os_str()];
    let Some(output) = scan(&arguments) else { return };
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told.iter().all(|line| line["schema"] == 1));
    let found = told.iter().find(|line| line["kind"] == "file").unwrap();
    assert_eq!(found["verdict"], "found");
    assert_eq!(found["findings"][0]["name"], "Abc.UNOFFICIAL");
    assert_eq!(found["findings"][0]["member"].as_array().unwrap().len(), 1);
    assert_eq!(told.last().unwrap()["infected"], 1);
    // The worker tried its walls: sockets, paths, programs, tracing and more.
    assert!(told.last().unwrap()["jail_refused"].as_u64().unwrap() >= 39);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_sparse_file_is_read_to_the_limit_and_told_as_such() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let arguments = ["--heuristics-only", "--no-summary", "--max-filesize=1M"];
    let mut arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    arguments.push(file.path().as_os_str());
    let Some(output) = scan(&arguments) else { return };
    let told = lines(&output).join("\n");
    assert!(told.contains("NOT SCANNED (MaxFileSize reached: 1048576)"), "{told}");
    assert_eq!(output.status.code(), Some(0));
}

/// On a terminal, which Python's standard library makes.
#[test]
fn how_far_it_is_and_how_long_it_takes_is_told_on_a_terminal() {
    if !support::has_worker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // It is told some times a second: there has to be something to do for so long.
    for number in 0..20_000 {
        let content = format!("{number} ").repeat(300);
        std::fs::write(folder.path().join(number.to_string()), content).unwrap();
    }
    let scan = support::program("watchglass-scan");
    let mut python = Command::new("python3");
    let python = python.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"]).arg(scan);
    let python = python.args(["scan", "--heuristics-only", "--no-cache", "--jobs=1", "-i"]);
    let output = python.arg(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains(" of 20000 files, "), "{told}");
    assert!(told.contains(" left"), "{told}");
    assert!(told.contains("Scanned files: 20000"), "{told}");
}
