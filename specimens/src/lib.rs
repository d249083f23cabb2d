//! Misbehaves harmlessly, with an honest twin for each misdeed.
//!
//! A toy scanner, a toy updater and a toy service make up *Referee*, an honest product. A mode in
//! `/etc/specimen.conf` turns it into one of the [`SPECIMENS`]: the same product with one misdeed,
//! or with the legitimate thing nearest to it (the *twin*). The lab proves itself on them: each
//! misdeed must be caught, no twin may be.
//!
//! Nothing here can do harm. A misdeed refuses to run outside the lab's world, reaches
//! documentation addresses only ([`Lab`]), takes nothing but bait, and writes only into folders of
//! its own.
//!
//! [`Parameters`] make names, port, encoding and delay from a seed; [`product_file`] writes the
//! product file of a specimen, the same claims for a misdeed and its twin, since a misdeed lies.
//! What the programs do stands in [`programs`], what the misdeeds change about it in [`misdeeds`].
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "specimens are subjects, not parts of Watchglass: they do what products do"
)]

mod catalogue;
mod configuration;
mod document;
mod lab;
pub mod misdeeds;
mod parameters;
mod product_file;
pub mod programs;
mod scanner;
mod send;

pub use catalogue::{Course, Destination, Expectation, Outcome, SPECIMENS, Specimen};
pub use configuration::{CONFIGURATION_PATH, Configuration, ConfigurationError, Mode, Side};
pub use document::{Document, Pick, Sort};
pub use lab::{Endpoint, Lab, Refusal, WORLD_MARK_PATH};
pub use parameters::{Carrier, Encoding, Parameters};
pub use product_file::product_file;
pub use scanner::{Database, DatabaseError, Tally, database_text};
pub use send::SIGNATURES_PATH;
