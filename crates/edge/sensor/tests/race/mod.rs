//! A race for the string of a path, and what was recorded of it. Shared by the tests of both tiers.
#![allow(clippy::disallowed_methods, reason = "a test compiles its subject and lays out its files")]

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use watchglass_events::What;

/// How often the subject opens in one round.
pub(crate) const OPENS: usize = 5000;
/// The racer loses a round if both its threads share one busy processor.
pub(crate) const MOST_ROUNDS: usize = 10;

/// The two files, by inode.
pub(crate) struct Race {
    names: HashMap<u64, String>,
    pub(crate) program: PathBuf,
}

/// What the record of a round says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    /// Opens that name the file that was opened.
    pub(crate) right: usize,
    /// Opens that name another file.
    pub(crate) wrong: usize,
    /// Strings of the caller that name another file than the one opened: what a recorder that
    /// believes them would have told falsely.
    pub(crate) false_strings: usize,
}

impl Race {
    /// Lays the files and the program into a folder; `None` without a compiler.
    pub(crate) fn lay(folder: &Path) -> Option<Self> {
        let mut names = HashMap::new();
        for name in ["name1", "name2"] {
            let path = folder.join(name);
            std::fs::write(&path, name).unwrap();
            let inode = std::fs::metadata(&path).unwrap().ino();
            names.insert(inode, path.to_str().unwrap().to_owned());
        }
        let (code, program) = (folder.join("race.c"), folder.join("race"));
        std::fs::write(&code, include_str!("race.c")).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-pthread", "-o"]).arg(&program).arg(&code);
        let built = compiler.status().is_ok_and(|status| status.success());
        built.then_some(Self { names, program })
    }

    /// Holds a record against what the subject printed: as many opens, in the same order.
    pub(crate) fn score<'a>(
        &self,
        printed: &str,
        recorded: impl Iterator<Item = &'a What>,
    ) -> Score {
        let opened = printed.lines().filter_map(|line| line.strip_prefix("opened "));
        let opened: Vec<u64> = opened.map(|inode| inode.parse().unwrap()).collect();
        assert_eq!(opened.len(), OPENS);
        let recorded = recorded.filter_map(|what| match what {
            What::Opened { path, claimed, file: Some(file), error: None, .. } => {
                let of_race = self.names.contains_key(&file.inode);
                of_race.then(|| (path.to_string(), claimed.as_ref().map(ToString::to_string)))
            }
            _ => None,
        });
        let recorded: Vec<_> = recorded.collect();
        assert_eq!(recorded.len(), OPENS, "every open is recorded, and names one of the files");
        let mut score = Score::default();
        for (inode, (path, claimed)) in opened.iter().zip(recorded) {
            let is_right = path == self.names[inode];
            score.right += usize::from(is_right);
            score.wrong += usize::from(!is_right);
            score.false_strings += usize::from(claimed.is_some_and(|claimed| {
                claimed != self.names[inode] && self.names.values().any(|name| *name == claimed)
            }));
        }
        score
    }
}
