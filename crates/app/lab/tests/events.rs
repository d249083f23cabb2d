//! `watchglass events`: a log as lines.
#![allow(clippy::disallowed_methods, reason = "a test starts the lab")]

use std::path::Path;
use std::process::Command;

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let log = "../recheck/tests/data/golden/runs/A1/sensor.log";
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join(log);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchglass-lab"));
    let output = command.arg("events").arg(log).stdout(writer).output().expect("the lab runs");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
