//! Scans in a child of its own, whose memory and processor time are bounded by the kernel.
//!
//! Time is no measure of a test: what a scan costs is counted in the units of its limits, and the
//! kernel's bounds are there for what counts nothing and hangs, or holds without end.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "pure crates touch nothing, their tests start programs"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that a test could not be run; under `WATCHGLASS_STRICT=1` that is a failure.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {why}");
}

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Address space, MiB: beyond it an allocation fails and the child ends.
    pub memory_mib: u64,
    /// Processor time, seconds: many times what a debug build takes.
    pub seconds: u64,
}

/// Runs the ignored test `name` of this binary with these variables, and gives what it printed.
///
/// # Panics
/// When the child did not end well: it panicked, was out of memory, or took all of its time.
pub fn in_child(name: &str, bounds: Bounds, variables: &[(&str, String)]) -> String {
    let Bounds { memory_mib, seconds } = bounds;
    let limits = format!("ulimit -v {}; ulimit -t {seconds}; exec \"$0\" \"$@\"", memory_mib << 10);
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &limits]).arg(program).args(["--exact", name, "--ignored", "--nocapture"]);
    shell.args(["--test-threads=1", "--format=pretty"]);
    shell.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = shell.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{variables:?}: {}\n{printed}\n{said}", output.status);
    assert!(printed.contains("1 passed"), "there is no test {name}: {printed}");
    printed
}

/// A variable that the parent has set; none in a run of all tests.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Most memory that this process had, MiB.
pub fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// A file beside the tests of this crate.
pub fn beside(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)
}

/// Has python write files into a folder; false where it, or a program that it starts, is not there.
pub fn python(script: &str, folder: &Path) -> bool {
    let ended = Command::new("python3").arg("-B").arg(beside(script)).arg(folder).output();
    let Ok(output) = ended else { return false };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("FileNotFoundError") {
        return false;
    }
    assert!(output.status.success(), "{script}: {said}");
    true
}
