//! `specimen-ask`: see `watchglass_specimens::programs::ask`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    watchglass_specimens::programs::ask(&arguments)
}
