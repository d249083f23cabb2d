//! Runs YARA rules.
//!
//! Two halves. [`read`] turns files of rules into what `watchglass_signatures` compiles into a database:
//! each rule's text, and what must be in a file for it to hold. [`Runner`] runs rules where that was
//! found, inside of the worker's jail. Both stand on `yara-x`, whose conditions are run by an interpreter:
//! no code is made for the processor. `docs/decisions/0015-yara.md` says why, and what is below.
//!
//! Rules are asked about the bytes of a file alone: the variables `filename`, `filepath`, `extension`,
//! `filetype` and `owner` are there and empty.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod base64;
mod need;
mod pattern;
mod read;
mod regex;
mod runner;
mod variables;

pub use read::{Read, Source, read};
pub use runner::{Runner, TIMEOUT, start_clock};
