//! `./x test`: every check, one after the other, each named with its time.
//!
//! Nothing stops at the first failure. The last line of stdout counts what the test runners
//! counted, plus one for each check that is not a test runner.

mod browser;
mod deny;
mod report;
mod runner;
mod self_test;
mod steps;

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::command::OnSkip;
use crate::packages::{self, Need};
use crate::place::{Place, find_program};
use crate::trouble::Trouble;

use report::Report;
use steps::{STEPS, Step, Work};

/// Runs every check.
///
/// # Errors
/// Never for a failed check: that is the exit code. `Result` is the shape of every chore.
pub(crate) fn run(place: &Place, on_skip: OnSkip) -> Result<ExitCode, Trouble> {
    packages::provide(&[Need::Build, Need::Assay, Need::Test]);
    let mut report = Report::default();
    for step in STEPS {
        eprintln!("x: {} ...", step.name);
        let start = Instant::now();
        let outcome = outcome_of(place, step, on_skip);
        report.add(step.name, start.elapsed(), outcome);
    }
    print!("{}", report.text(on_skip));
    Ok(report.exit_code(on_skip))
}

fn outcome_of(place: &Place, step: &Step, on_skip: OnSkip) -> Outcome {
    let missing = step.needs.iter().find(|program| find_program(program).is_none());
    if let Some(program) = missing {
        return Outcome::skipped(step.name, &format!("`{program}` is not installed"));
    }
    let outcome = match step.work {
        Work::Cargo(arguments) => passes(&mut place.cargo(arguments)),
        Work::Tests(arguments) => runner::cargo_test(place, arguments, on_skip),
        Work::AllTests => runner::all_tests(place, on_skip),
        Work::Own(check) => check(place, on_skip),
    };
    outcome.unwrap_or_else(|trouble| {
        eprintln!("x: {trouble}");
        Outcome::failed()
    })
}

/// Runs a command that is one check.
fn passes(command: &mut Command) -> Result<Outcome, Trouble> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(Trouble::start(program))?;
    Ok(if status.success() { Outcome::passed() } else { Outcome::failed() })
}

/// What came of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    counts: Counts,
    skipped: Vec<Skip>,
    /// Something to know that is neither success nor failure.
    remarks: Vec<String>,
}

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// A test that could not be run here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Skip {
    name: String,
    why: String,
}

impl Outcome {
    fn passed() -> Self {
        Self { counts: Counts { passed: 1, failed: 0 }, ..Self::default() }
    }

    fn failed() -> Self {
        Self { counts: Counts { passed: 0, failed: 1 }, ..Self::default() }
    }

    fn skipped(name: &str, why: &str) -> Self {
        let skip = Skip { name: name.to_owned(), why: why.to_owned() };
        Self { skipped: vec![skip], ..Self::default() }
    }

    fn remark(text: &str) -> Self {
        Self { remarks: vec![text.to_owned()], ..Self::default() }
    }
}
