//! A worker that nobody started as one. (With this test its program is built for those of the scan.)
#![allow(clippy::disallowed_methods, reason = "tests start the program")]

use std::process::{Command, Stdio};

#[test]
fn without_a_channel_it_says_who_starts_it() {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_watchglass-worker"));
    let ended = worker.stdin(Stdio::null()).output().unwrap();
    let says = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!((ended.status.code(), ended.stdout.len(), says.lines().count()), (Some(2), 0, 1));
    assert!(says.contains("`watchglass scan` starts it"), "{says}");
}
