//! Scans files for malicious code.
//!
//! `scan`: this process is the opener: it walks trees, opens files and hands their descriptors to workers,
//! which look into them inside of a jail. It reads no byte of a user's file itself, and takes what
//! workers say for hostile. `database` makes what they look for.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "printing is the apps' business")]

mod build;
mod choice;
mod compiler;
mod convert;
mod count;
mod database;
mod disposal;
mod escape;
mod info;
mod options;
mod output;
mod progress;
mod queue;
mod run;
mod serve;
mod sources;
mod verdicts;
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
    let mut arguments = lexopt::Parser::from_env();
    let act = arguments.value()?;
    match act.to_str() {
        Some("scan") => match options::parse(&mut arguments)? {
            options::Act::Print(text) => Ok(output::print(&text)),
            options::Act::Scan(options) => run::scan(&options),
        },
        Some("database") => database_command(&mut arguments),
        Some(compiler::ACT) => compiler::serve().map(|()| ExitCode::SUCCESS),
        // `watchglass` starts this, and starts it right.
        _ => Err("neither `scan` nor `database`".into()),
    }
}

fn database_command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    use lexopt::prelude::*;
    match arguments.next()? {
        Some(Value(act)) if act == "build" => build::command(arguments),
        Some(Value(act)) if act == "info" => info::command(arguments),
        Some(Value(act)) if act == "convert" => convert::command(arguments),
        Some(Short('h') | Long("help")) | None => Ok(output::print(DATABASE_HELP)),
        _ => Err("`build`, `info` or `convert`; see `watchglass database --help`".into()),
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

const DATABASE_HELP: &str = "\
Compiled signature sets, which `watchglass scan -d FILE` maps instead of reading.

Usage: watchglass database build SOURCES… -o FILE
       watchglass database info FILE
       watchglass database convert FILE -o FILE

`watchglass database build --help` tells more, and so do `info` and `convert`.";
