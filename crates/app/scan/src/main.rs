//! Scans files for malicious code.
//!
//! This process is the opener: it walks trees, opens files and hands their descriptors to workers,
//! which look into them inside of a jail. It reads no byte of a user's file itself, and takes what
//! workers say for hostile.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "printing is the apps' business")]

mod database;
mod escape;
mod options;
mod output;
mod run;
mod worker;

use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {}", in_one_line(error.as_ref()));
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    // What the caller left open is not a worker's to have.
    watchglass_sys::process::close_on_exec_from(3)?;
    match options::parse()? {
        options::Act::Print(text) => Ok(output::print(&text)),
        options::Act::Scan(options) => run::scan(&options),
    }
}

fn in_one_line(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
