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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
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
    let (exact, ignored) = (has(&arguments, "--exact"), has(&arguments, "--ignored"));
    if has(&arguments, "--list") {
        for (name, _) in
            TESTS.iter().copied().flatten().filter(|(name, _)| is_long(name) == ignored)
        {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<_> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = TESTS.iter().copied().flatten().filter(|(name, _)| {
        let named = |part: &String| if exact { name == part } else { name.contains(part.as_str()) };
        let asked = wanted.is_empty() && is_long(name) == ignored;
        asked || wanted.iter().any(named)
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

fn has(arguments: &[String], flag: &str) -> bool {
    arguments.iter().any(|argument| argument == flag)
}

/// Tests that build roots of packages, minutes each: they run when asked for, with a cache named by
/// `WATCHGLASS_TEST_CACHE`. A root of packages is under test in `crates/app/lab/tests` every time.
fn is_long(name: &str) -> bool {
    roots::NEED_A_CACHE.contains(&name)
}
