//! The world from outside and from inside. This test has a `main` of its own because the world's
//! keeper and first process are this very program, run again.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is its own test harness, and starts the programs and files that it looks at"
)]

#[path = "parts/faults.rs"]
mod faults;
#[path = "parts/files.rs"]
mod files;
#[path = "parts/identity.rs"]
mod identity;
#[path = "parts/kills.rs"]
mod kills;
#[path = "parts/ordinary.rs"]
mod ordinary;
#[path = "parts/refuse.rs"]
mod refuse;
#[path = "parts/roots.rs"]
mod roots;
#[path = "parts/setting.rs"]
mod setting;
#[path = "parts/steps.rs"]
mod steps;
#[path = "parts/traces.rs"]
mod traces;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::time::Instant;

type Test = (&'static str, fn());

const TESTS: &[&[Test]] = &[
    steps::TESTS,
    refuse::TESTS,
    identity::TESTS,
    files::TESTS,
    faults::TESTS,
    kills::TESTS,
    ordinary::TESTS,
    roots::TESTS,
];

fn main() -> ExitCode {
    if let Some(code) = watchglass_world::run_role(std::env::args_os()) {
        return code;
    }
    if let Some(code) = kills::run_lab(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let exact = has(&arguments, "--exact");
    // Nothing is ignored here, and what asks for the ignored is told so.
    let asked_for = if has(&arguments, "--ignored") { &[] } else { TESTS };
    if has(&arguments, "--list") {
        for (name, _) in asked_for.iter().copied().flatten() {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(traces::VARIABLE).is_none() {
        return run_marked();
    }
    let wanted: Vec<_> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = asked_for.iter().copied().flatten().filter(|(name, _)| {
        let named = |part: &String| if exact { name == part } else { name.contains(part.as_str()) };
        wanted.is_empty() || wanted.iter().any(named)
    });
    let mut failed = Vec::new();
    for (name, test) in chosen {
        let start = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({} ms)", start.elapsed().as_millis());
        if !passed {
            failed.push(name);
        }
    }
    println!("\ntest result: {} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs this program again with a mark in its environment, which everything that it starts has too.
fn run_marked() -> ExitCode {
    let status = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(traces::VARIABLE, traces::Marks::fresh().mark)
        .status()
        .expect("this program");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn has(arguments: &[String], flag: &str) -> bool {
    arguments.iter().any(|argument| argument == flag)
}
