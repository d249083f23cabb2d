//! `cargo xtask rooms`: every crate keeps to what its folder says it may touch.
//!
//! Stock tools hold most of the rules while code is written: `clippy.toml` in each folder,
//! `forbid(unsafe_code)`, cargo-deny. This check holds what they cannot: which way the arrows run,
//! what a crate can reach through others, that the three places with a crate's purpose agree, and
//! that the stock rules themselves are where they should be.

mod acts;
mod arrows;
mod clippy_files;
mod law;
mod private;
mod reach;
mod source;
mod unsafety;
mod words;
mod workspace;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use crate::command::RoomsAct;
use crate::place::Place;
use crate::trouble::Trouble;

pub(crate) use workspace::{Workspace, host};

/// Checks every rule of the repository and prints what is broken.
///
/// # Errors
/// When cargo or a file cannot be read; that a rule is broken is no error but the exit code.
pub(crate) fn run(place: &Place, act: RoomsAct) -> Result<ExitCode, Trouble> {
    if act == RoomsAct::Write {
        clippy_files::write(place.root())?;
    }
    let broken = check(place.root())?;
    for finding in &broken {
        eprintln!("{finding}");
    }
    if !broken.is_empty() {
        println!("rooms: {} broken", broken.len());
        return Ok(ExitCode::FAILURE);
    }
    println!("rooms: every crate keeps to its room");
    Ok(ExitCode::SUCCESS)
}

/// Everything that is broken under `root`.
///
/// # Errors
/// When cargo or a file cannot be read.
fn check(root: &Path) -> Result<Vec<Finding>, Trouble> {
    let workspace = Workspace::read(root)?;
    let files = source::tracked(root)?;
    let mut broken = arrows::check(&workspace);
    broken.extend(words::check(&workspace)?);
    broken.extend(unsafety::check(root, &workspace, &files)?);
    broken.extend(reach::check(&workspace)?);
    broken.extend(private::check(root, &files)?);
    broken.extend(clippy_files::check(root, &files)?);
    broken.extend(law::check(&workspace)?);
    Ok(broken)
}

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    rule: Rule,
    /// The crate, or the file with its line.
    place: String,
    /// What is wrong and how to mend it.
    says: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rooms: {}: {} [{}]", self.place, self.says, self.rule.name())
    }
}

/// The rules, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Dependencies run app → edge → pure.
    Arrows,
    /// A crate's purpose has the same words in three places.
    Words,
    /// Pure crates carry their lints.
    Lints,
    /// `unsafe` stands in one crate.
    Unsafe,
    /// What a crate reaches through others.
    Reach,
    /// Nothing in the tree tells of the machine it was written on.
    Private,
    /// The `clippy.toml` files are the generated ones.
    Clippy,
    /// `deny.toml`: licences, sources, wrappers.
    Law,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Arrows => "arrows",
            Self::Words => "words",
            Self::Lints => "lints",
            Self::Unsafe => "unsafe",
            Self::Reach => "reach",
            Self::Private => "private",
            Self::Clippy => "clippy",
            Self::Law => "law",
        }
    }

    fn broken(self, place: impl Into<String>, says: impl Into<String>) -> Finding {
        Finding { rule: self, place: place.into(), says: says.into() }
    }
}

#[cfg(test)]
mod tests;
