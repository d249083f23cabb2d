//! The list of checks. To add one, add a row.

use super::{Counts, Outcome, browser, deny, self_test};
use crate::command::{OnSkip, RoomsAct};
use crate::fuzz;
use crate::place::Place;
use crate::rooms;
use crate::trouble::Trouble;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// One check, or one run of many tests.
pub(super) struct Step {
    pub(super) name: &'static str,
    /// Programs without which it is skipped.
    pub(super) needs: &'static [&'static str],
    pub(super) work: Work,
}

/// How a step is done.
pub(super) enum Work {
    /// A cargo command that passes or fails.
    Cargo(&'static [&'static str]),
    /// `cargo test` with these arguments, its tests counted.
    Tests(&'static [&'static str]),
    /// The tests of the workspace, by the best runner at hand.
    AllTests,
    /// A function of ours.
    Own(fn(&Place, OnSkip) -> Result<Outcome, Trouble>),
}

/// The checks in their order: the quick ones first.
pub(super) const STEPS: &[Step] = &[
    Step { name: "format", needs: &[], work: Work::Cargo(&["fmt", "--all", "--check"]) },
    Step {
        name: "format of fuzz",
        needs: &[],
        work: Work::Cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]),
    },
    Step { name: "rooms", needs: &[], work: Work::Own(check_rooms) },
    Step { name: "cargo-deny", needs: &[], work: Work::Own(deny::check) },
    Step { name: "advisories", needs: &[], work: Work::Own(deny::check_advisories) },
    Step {
        name: "clippy",
        needs: &[],
        work: Work::Cargo(&[
            "clippy",
            "--quiet",
            "--keep-going",
            "--workspace",
            "--all-targets",
            "--",
            "--deny=warnings",
        ]),
    },
    Step { name: "tests", needs: &[], work: Work::AllTests },
    Step { name: "self-test", needs: &["nft"], work: Work::Own(self_test::check) },
    Step { name: "doc tests", needs: &[], work: Work::Tests(&["--workspace", "--doc"]) },
    Step {
        name: "fuzz corpus",
        needs: &[],
        work: Work::Tests(&["--manifest-path", "fuzz/Cargo.toml"]),
    },
    Step { name: "fuzzing", needs: &["clang"], work: Work::Own(fuzz_each) },
    Step {
        name: "report in browser",
        needs: &["chromium", "node", "npm"],
        work: Work::Own(browser::check),
    },
];

fn check_rooms(place: &Place, _: OnSkip) -> Result<Outcome, Trouble> {
    let code = rooms::run(place, RoomsAct::Check)?;
    Ok(if code == ExitCode::SUCCESS { Outcome::passed() } else { Outcome::failed() })
}

/// Ten seconds of each target, as many at once as there are processors.
fn fuzz_each(place: &Place, _: OnSkip) -> Result<Outcome, Trouble> {
    let plan = fuzz::Plan { targets: None, seconds: FUZZ_SECONDS, seed: Some(FUZZ_SEED) };
    let counts = Mutex::new(Counts::default());
    fuzz::each(place, &plan, |fuzzed| {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        match fuzzed.broken {
            None => counts.passed += 1,
            Some(said) => {
                counts.failed += 1;
                eprintln!("x: fuzz target {} is broken:\n{said}", fuzzed.name);
            }
        }
        Ok(())
    })?;
    let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Outcome { counts, ..Outcome::default() })
}

const FUZZ_SECONDS: u32 = 10;
/// So that a check that passed passes again; `measure fuzz` looks where nobody has.
const FUZZ_SEED: u32 = 1;
