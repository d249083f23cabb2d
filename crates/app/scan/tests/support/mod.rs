//! Starting the real command.
#![allow(dead_code, reason = "not every test file needs all of it")]
#![expect(clippy::print_stderr, reason = "a test says when it cannot run")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Programs of ours lie beside each other.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_watchglass-scan")).with_file_name(name)
}

/// A command that keeps nothing, unless the test names a folder for it.
pub(crate) fn command(act: &str) -> Command {
    let mut command = Command::new(program("watchglass-scan"));
    command.arg(act).env("XDG_CACHE_HOME", "/dev/null");
    command
}

/// Whether workers can be started; says so if not.
pub(crate) fn has_worker() -> bool {
    let there = program("watchglass-worker").exists();
    if !there {
        skip("scan", "watchglass-worker is not built beside this test's program");
    }
    there
}

pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name}: {why}");
}

pub(crate) fn scan<S: AsRef<OsStr>>(arguments: &[S]) -> Option<Output> {
    has_worker().then(|| command("scan").args(arguments).output().unwrap())
}

/// Made here, so that this file is not what it looks for.
pub(crate) fn test_file() -> Vec<u8> {
    let halves = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
    halves.concat().into_bytes()
}

pub(crate) fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
