//! Rules of another engine, run by whoever can.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use watchglass_database::SignatureId;

/// Runs rules whose signature holds for an object: they may hold, and only running them says so.
///
/// It is handed in, because what runs rules is no pure code.
pub trait Rules: fmt::Debug {
    /// Runs some rules on the bytes of an object. `stop` is asked between them.
    fn run(&mut self, rules: &[SignatureId], bytes: &[u8], stop: &dyn Fn() -> bool) -> Ran;
}

/// What became of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Those that hold.
    pub holds: BTreeSet<SignatureId>,
    /// How many were not run to their end, by why.
    pub not_run: BTreeMap<NotRun, u64>,
}

/// Why a rule was not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotRun {
    /// It took longer than it may.
    Timeout,
    /// The time of the file was over, or the caller wanted an end.
    Stopped,
    /// Its text does not compile, or whoever runs it failed.
    Broken,
    /// There is nobody to run it.
    Nobody,
}

impl Ran {
    /// Notes that so many rules were not run to their end.
    pub fn fail(&mut self, why: NotRun, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if count > 0 {
            let held = self.not_run.entry(why).or_default();
            *held = held.saturating_add(count);
        }
    }
}

impl NotRun {
    /// One word for programs that read it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Timeout => "limit",
            Self::Stopped => "stopped",
            Self::Broken => "damaged",
            Self::Nobody => "not-supported",
        }
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Timeout => "took longer than they may",
            Self::Stopped => "were not run, as the time was over",
            Self::Broken => "could not be run: the database is damaged or of another version",
            Self::Nobody => "were not run: this program cannot run them",
        })
    }
}
