//! Looks into files that it was handed.
//!
//! It is started by an opener with its channel as standard input and opens no path: the database and
//! each file come as descriptors over the channel. Before the first file it confines itself, for
//! good; what it says goes to the opener, which takes it for hostile.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "printing is the apps' business")]

mod content;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watchglass-worker: {error}; `watchglass scan` starts it with its channel");
            ExitCode::from(2)
        }
    }
}
