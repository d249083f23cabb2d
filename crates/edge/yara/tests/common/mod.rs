//! What the tests share.
#![allow(dead_code, reason = "not every test file needs all of it")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use watchglass_database::{Database, SignatureId};
use watchglass_engine::{Ran, Rules as _};
use watchglass_formats::Facts;
use watchglass_matching::{Matcher, Object, Scratch, Work};
use watchglass_signatures::{PotentiallyUnwanted, Report, compile_with_rules};
use watchglass_yara::{Read, Runner, Source, TIMEOUT, read};

pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name}: {why}");
}

/// A folder of the data beside the repository.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = here.ancestors().map(|above| above.join("shared/data").join(folder));
    found.find(|path| path.is_dir())
}

/// Files below a folder, sorted; links are not followed.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Files of rules with their names and bytes.
pub(crate) fn rule_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let is_rules =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "yar" || end == "yara");
    let named = files(folder).into_iter().filter(is_rules);
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    named.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

pub(crate) fn read_all(files: &[(String, Vec<u8>)]) -> Read {
    let sources: Vec<_> = files.iter().map(|(file, bytes)| Source { file, bytes }).collect();
    read(&sources)
}

pub(crate) fn compiled(read: &Read) -> (Vec<u8>, Report) {
    compile_with_rules(&[], &read.rules, PotentiallyUnwanted::PassOver)
}

/// The rules of a database that a file makes ours run.
pub(crate) fn noticed(
    database: &Database<'_>,
    scratch: &mut Scratch,
    bytes: &[u8],
) -> Vec<SignatureId> {
    let object = Object::new(bytes, 0, &Facts::Unknown);
    let mut noticed = Vec::new();
    let mut work = Work::for_size(bytes.len() as u64, &|| false);
    Matcher::new(database)
        .scan(&object, scratch, &mut work, &mut |hit| {
            assert!(hit.is_rule);
            noticed.push(hit.signature);
            ControlFlow::Continue(())
        })
        .unwrap();
    noticed
}

/// The names of the rules that ours finds.
pub(crate) fn found(
    database: &Database<'_>,
    runner: &mut Runner<'_>,
    scratch: &mut Scratch,
    bytes: &[u8],
) -> BTreeSet<String> {
    let noticed = noticed(database, scratch, bytes);
    let Ran { holds, not_run } = runner.run(&noticed, bytes, &|| false);
    assert!(not_run.is_empty(), "{not_run:?}");
    holds.iter().map(|rule| name(database, *rule)).collect()
}

pub(crate) fn runner<'d>(database: &'d Database<'d>) -> Runner<'d> {
    Runner::new(database, TIMEOUT)
}

pub(crate) fn name(database: &Database<'_>, rule: SignatureId) -> String {
    let (name, _) = database.signatures().get(rule).unwrap();
    database.name(name).unwrap()
}

/// Rules as yara-x runs them when nothing stands before it.
pub(crate) fn plain(files: &[(String, Vec<u8>)]) -> yara_x::Rules {
    let mut compiler = yara_x::Compiler::new();
    for name in ["filename", "filepath", "extension", "filetype", "owner"] {
        compiler.define_global(name, "").unwrap();
    }
    for (file, bytes) in files {
        compiler.new_namespace(file);
        compiler.add_source(std::str::from_utf8(bytes).unwrap()).unwrap();
    }
    compiler.build()
}

pub(crate) fn found_by_plain(scanner: &mut yara_x::Scanner<'_>, bytes: &[u8]) -> BTreeSet<String> {
    let results = scanner.scan(bytes).unwrap();
    let rules = results.matching_rules();
    rules.map(|rule| format!("YARA.{}.UNOFFICIAL", rule.identifier())).collect()
}

/// Numbers that are the same for one seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}
