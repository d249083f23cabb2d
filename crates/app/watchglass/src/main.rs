//! Is the command people type.
//!
//! It only finds the sibling that does the work and becomes it, so that no program holds the powers
//! of another: the lab makes worlds, the checker links no lab.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "printing is the apps' business")]

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const HELP: &str = "\
Scans for malicious code, and runs any anti-virus in a sealed world for a verdict that strangers can
check again.

Usage: watchglass COMMAND [ARGUMENTS…]

Commands:
  scan PATH…           scan files for malicious code
  database build       compile signature sets into one file
  database info FILE   tell what a compiled file holds
  assay PRODUCT        run a product in a sealed world and judge it
  assay --self-test    prove the lab on products of ours that misbehave
  assay diff OLD NEW   show what changed between two bundles
  recheck BUNDLE       check a bundle again, offline
  product init         draft a product file from what was seen
  product check FILE   check a product file and list every mistake in it
  policy check         decide whether a product may run on a class of systems
  policy test CASES    hold a policy against the cases it was written for
  policy facts         decisions for Ansible, osquery or Wazuh
  events LOG           print an event log of a bundle as JSON lines
  doctor               tell what this machine offers the lab

`watchglass COMMAND --help` tells more of each.

Example: watchglass assay products/clamav.toml -o assay-clamav";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let first: Vec<Option<&str>> = words.iter().take(2).map(|word| word.to_str()).collect();
    match first.as_slice() {
        [] | [Some("-h" | "--help" | "help"), ..] => print(HELP),
        [Some("-V" | "--version"), ..] => print(concat!("watchglass ", env!("CARGO_PKG_VERSION"))),
        [Some("scan"), ..] => become_sibling("watchglass-scan", &["scan"], &words[1..]),
        [Some("database"), ..] => become_sibling("watchglass-scan", &["database"], &words[1..]),
        [Some("assay"), Some("diff")] => become_sibling("watchglass-lab", &["diff"], &words[2..]),
        [Some("assay"), Some("--self-test")] => {
            become_sibling("watchglass-lab", &["self-test"], &words[2..])
        }
        [Some("assay"), ..] => become_sibling("watchglass-lab", &["assay"], &words[1..]),
        [Some("recheck"), ..] => become_sibling("watchglass-recheck", &[], &words[1..]),
        [Some("policy"), ..] => become_sibling("watchglass-decide", &[], &words[1..]),
        [Some("product"), Some(act @ ("check" | "init"))] => {
            become_sibling("watchglass-lab", &[act], &words[2..])
        }
        [Some(command @ ("events" | "doctor")), ..] => {
            become_sibling("watchglass-lab", &[command], &words[1..])
        }
        [other, ..] => {
            eprintln!(
                "error: `{}` is no command; see `watchglass --help`",
                other.unwrap_or("\u{fffd}").escape_debug()
            );
            ExitCode::from(2)
        }
    }
}

/// A closed pipe is a normal end.
fn print(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// Siblings lie beside this program, wherever that is; `PATH` is not asked, so that nobody can put
/// another program in their place.
fn become_sibling(name: &str, first: &[&str], rest: &[OsString]) -> ExitCode {
    let folder = std::env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from));
    let program = folder.unwrap_or_default().join(name);
    let error = Command::new(&program).args(first).args(rest).exec();
    eprintln!(
        "error: cannot run {}: {error}; build it with `cargo build --release`",
        program.display()
    );
    ExitCode::from(2)
}
