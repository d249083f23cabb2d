//! What became of the lines of all sets, as it goes from the compiler to the opener.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchglass_signatures::{MAX_BAD_LINES, Report};

use crate::escape;

/// What became of the lines of all sets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) taken: BTreeMap<String, u64>,
    pub(crate) not_compiled: BTreeMap<String, u64>,
    pub(crate) ignored: u64,
    pub(crate) passed_over: u64,
    pub(crate) for_other_engines: u64,
    pub(crate) with_regexes: u64,
    pub(crate) unannounced: u64,
    pub(crate) rules: Rules,
    pub(crate) bad: Vec<Bad>,
    pub(crate) more_bad: u64,
    /// What is wrong with whole sets.
    pub(crate) warnings: Vec<String>,
    /// When the newest set was made, in seconds of Unix time.
    pub(crate) newest: Option<u64>,
}

/// YARA rules, by when they are run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// Where something of them was found.
    pub(crate) by_content: u64,
    /// On each file with a certain beginning.
    pub(crate) by_start: u64,
    /// On each file.
    pub(crate) always: u64,
    /// They hold of no file.
    pub(crate) never: u64,
}

/// A line that is no signature.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bad {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) reason: String,
}

impl Told {
    pub(super) fn new(report: &Report, warnings: Vec<String>, newest: Option<u64>) -> Self {
        let counts = |counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
        };
        let bad = report.bad.iter().map(|bad| Bad {
            file: bad.file.to_string(),
            line: bad.line,
            reason: bad.error.to_string(),
        });
        Self {
            taken: counts(&report.taken),
            not_compiled: counts(&report.not_compiled),
            ignored: report.ignored,
            passed_over: report.passed_over,
            for_other_engines: report.for_other_engines,
            with_regexes: report.with_regexes,
            unannounced: report.unannounced,
            rules: Rules {
                by_content: report.rules.by_content,
                by_start: report.rules.by_start,
                always: report.rules.always,
                never: report.rules.never,
            },
            bad: bad.collect(),
            more_bad: report.more_bad,
            warnings,
            newest,
        }
    }

    /// The same, fit for a terminal whoever said it.
    pub(super) fn printable(mut self) -> Self {
        for counts in [&mut self.taken, &mut self.not_compiled] {
            let old = std::mem::take(counts);
            counts.extend(old.into_iter().map(|(what, count)| (printable(&what), count)));
        }
        self.bad.truncate(MAX_BAD_LINES);
        for bad in &mut self.bad {
            bad.file = printable(&bad.file);
            bad.reason = printable(&bad.reason);
        }
        self.warnings.iter_mut().for_each(|one| *one = printable(one));
        self
    }
}

pub(super) fn printable(text: &str) -> String {
    escape::name(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_it_says_moves_the_cursor() {
        let bad = Bad { file: "\x1b[2J".to_owned(), line: 1, reason: "a\nb".to_owned() };
        let told =
            Told { bad: vec![bad], warnings: vec!["\u{202e}x".to_owned()], ..Told::default() };
        let told = told.printable();
        assert_eq!((&*told.bad[0].file, &*told.bad[0].reason), ("\\u{1b}[2J", "a\\nb"));
        assert_eq!(told.warnings, ["\\u{202e}x"]);
    }
}
