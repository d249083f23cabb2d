//! Runs the campaign of one assay.
//!
//! The same file is started again in other roles: the keeper and the first process of a world, the
//! fake internet, and the canary. A role is told by the first argument, before any thread exists.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is the apps' business")]

mod assay;
mod blind;
mod canaries;
mod canary;
mod choose;
mod cli;
mod clock;
mod doctor;
mod environment;
mod furnish;
mod in_place;
mod init;
mod output;
mod phase;
mod plan;
mod probe;
mod progress;
mod real;
mod recording;
mod room;
mod run;
mod scenario;
mod self_test;
mod specimens;

use std::process::ExitCode;

use clap::Parser as _;
use watchglass_evidence::Choice;

/// Exit code for what could not be done.
const ERROR: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = watchglass_world::run_role(std::env::args_os()) {
        return code;
    }
    let mut arguments = std::env::args_os().skip(1);
    if let Some(role) = arguments.next() {
        if role == watchglass_fakenet::ROLE {
            return watchglass_fakenet::process_main();
        }
        if role == canary::ROLE {
            return canary::main(arguments);
        }
    }
    let done = match cli::Cli::parse().command {
        cli::Command::Assay(arguments) => assay::assay(&arguments, enter_range_of_users()),
        cli::Command::SelfTest(arguments) => self_test::self_test(&arguments),
        cli::Command::Diff(arguments) => output::diff(&arguments),
        cli::Command::Check(arguments) => output::check_product(&arguments),
        cli::Command::Init(arguments) => init::init(&arguments, enter_range_of_users()),
        cli::Command::Events(arguments) => output::events(&arguments),
        cli::Command::Doctor(arguments) => doctor::doctor(&arguments),
    };
    done.unwrap_or_else(|report| {
        eprintln!("{report:?}");
        ExitCode::from(ERROR)
    })
}

/// Must be done while there is one thread. Without a range a world has a single user, and where no
/// world can be had either, that is found out by trying; so a refusal is told and ends nothing.
fn enter_range_of_users() -> Option<Choice> {
    let refused = watchglass_world::enter_range_of_users().err()?;
    Some(choose::choice("no range of users", &probe::in_words(refused)))
}
