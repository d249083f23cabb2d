//! Holds every chore of the project.
//!
//! `./x` and `.ci/run` end up here. A chore is a module with one public function; [`command`] reads
//! what was typed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore speaks to the person who started it"
)]

mod assay;
mod bench;
mod check;
mod command;
mod doctor;
mod fuzz;
mod golden;
mod measure;
mod packages;
mod place;
mod rooms;
mod specimens;
mod trouble;

use std::process::ExitCode;

use command::{Command, USAGE};
use place::Place;
use trouble::Trouble;

fn main() -> ExitCode {
    match command::read(lexopt::Parser::from_env()).and_then(run) {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("x: {trouble}");
            ExitCode::from(COULD_NOT_FINISH)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Trouble> {
    let place = Place::find()?;
    match command {
        Command::Assay { arguments } => assay::run(&place, arguments),
        Command::Test { on_skip } => check::run(&place, on_skip),
        Command::Rooms { act } => rooms::run(&place, act),
        Command::Doctor => doctor::run(&place),
        Command::Bench { arguments } => bench::run(&place, arguments),
        Command::Measure { name, wanted } => measure::run(&place, name.as_deref(), &wanted),
        Command::Fuzz { target, seconds } => fuzz::run(&place, target.as_deref(), seconds),
        Command::Golden => golden::run(&place),
        Command::Help => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Exit code of a chore that could not finish; 1 is left for "finished, and found something wrong".
const COULD_NOT_FINISH: u8 = 2;
