//! cargo-deny, where it is at hand.
//!
//! `cargo xtask rooms` holds licences, sources and wrappers from the same `deny.toml` without it.
//! So it is built (some minutes on 2 cores, unoptimised) in strict runs only, and its absence is no skip.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Outcome, passes};
use crate::command::OnSkip;
use crate::place::{Place, find_program, succeed};
use crate::trouble::Trouble;

/// Checks licences, bans and sources.
pub(super) fn check(place: &Place, on_skip: OnSkip) -> Result<Outcome, Trouble> {
    if on_skip == OnSkip::Fail && program(place).is_none() {
        install(place);
    }
    match program(place) {
        Some(program) => passes(run(place, program).args(["check", "licenses", "bans", "sources"])),
        None => Ok(Outcome::remark(
            "cargo-deny: not installed; rooms checked licences, sources and wrappers",
        )),
    }
}

/// Checks advisories where their database can be had.
pub(super) fn check_advisories(place: &Place, _: OnSkip) -> Result<Outcome, Trouble> {
    let Some(program) = program(place) else { return Ok(not_checked()) };
    let fetched = ends_well_within(run(place, program.clone()).args(["fetch", "db"]), FETCH)?;
    if !fetched {
        return Ok(not_checked());
    }
    passes(run(place, program).args(["check", "--disable-fetch", "advisories"]))
}

fn not_checked() -> Outcome {
    Outcome::remark("advisories: not checked")
}

fn program(place: &Place) -> Option<PathBuf> {
    let own = tools(place).join("bin/cargo-deny");
    if own.is_file() { Some(own) } else { find_program("cargo-deny") }
}

fn install(place: &Place) {
    eprintln!("x: building cargo-deny {VERSION} once (some minutes)");
    let mut cargo =
        place.cargo(["install", "--quiet", "--locked", "--debug", "cargo-deny", "--version"]);
    // What keeps it from being built is told, and rooms has checked what matters.
    if let Err(trouble) = succeed(cargo.arg(VERSION).arg("--root").arg(tools(place))) {
        eprintln!("x: {trouble}");
    }
}

fn tools(place: &Place) -> PathBuf {
    place.target().join("tools")
}

fn run(place: &Place, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.args(["--log-level", "error"]).current_dir(place.root());
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    command
}

/// Whether a command ends with 0 before the time is over; then it is ended.
fn ends_well_within(command: &mut Command, limit: Duration) -> Result<bool, Trouble> {
    let start = Instant::now();
    let mut child = command.stderr(Stdio::null()).spawn().map_err(Trouble::start("cargo-deny"))?;
    loop {
        if let Some(status) = child.try_wait().map_err(Trouble::start("cargo-deny"))? {
            return Ok(status.success());
        }
        if start.elapsed() > limit {
            // It may have ended in between; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The newest that Rust 1.95 builds.
const VERSION: &str = "0.20.2";

/// Where the database cannot be reached, some networks do not say so but stay silent.
const FETCH: Duration = Duration::from_secs(60);
