//! Tells what a policy decides.
//!
//! `watchglass policy` becomes this program. It reads a policy, product files and verdicts, asks the
//! clock, and prints; whatever decides stands in `watchglass-policy`. It opens no connection, starts
//! nothing and writes no file.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "printing is the apps' business")]

mod ask;
mod check;
mod facts;
mod input;
mod test;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use lexopt::prelude::*;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {}", in_one_line(error.as_ref()));
        ExitCode::from(CANNOT)
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = lexopt::Parser::from_env();
    match arguments.next()? {
        Some(Value(act)) if act == "check" => check::command(&mut arguments),
        Some(Value(act)) if act == "test" => test::command(&mut arguments),
        Some(Value(act)) if act == "facts" => facts::command(&mut arguments),
        Some(Short('h') | Long("help")) | None => Ok(print(HELP.as_bytes())),
        Some(Short('V') | Long("version")) => {
            Ok(print(concat!("watchglass-decide ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()))
        }
        Some(_) => Err("`check`, `test` or `facts`; see `watchglass policy --help`".into()),
    }
}

/// A closed pipe is a normal end.
fn print(bytes: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

fn in_one_line(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Bad usage, or a file that cannot be read: nothing was decided.
const CANNOT: u8 = 2;

const HELP: &str = "\
Decides by a policy which products may run on which class of systems.

Usage: watchglass policy check --product FILE --class CLASS [VERDICT…]
       watchglass policy test CASES…
       watchglass policy facts --for ansible|osquery|wazuh --product FILE… [VERDICT…]

`watchglass policy check --help` and so on tell more; docs/policy.md is the reference of the file.
";
