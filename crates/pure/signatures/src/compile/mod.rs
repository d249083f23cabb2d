//! From signature sets to the file that is mapped.

mod bodies;
mod encode;
mod rarity;
mod records;
mod rules;
mod trigger;
mod window;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use watchglass_database::{BuildError, Builder, HashRole, MAX_NAME_BYTES};

use self::bodies::{Bodies, NotCompiled, Noticed};
use crate::error::{BadLine, Fault, LineError};
use crate::hash::{HashSignature, Subject};
use crate::ignore::Ignore;
use crate::logical::{LogicalSignature, Subsignature};
use crate::rule::Rule;
use crate::set::{Entry, Format, SignatureSet};
use crate::signature::Signature;

/// A set whose bytes are at hand.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// How it is read.
    pub set: SignatureSet,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Who made it.
    pub maker: Maker,
}

/// Who made a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// ClamAV's own, in a container with a good signature.
    Official,
    /// Anybody. Names end in `.UNOFFICIAL` when they are reported, as ClamAV has it.
    Other,
}

/// Whether signatures of what not everybody minds (`.hdu`, `.ndu`, …) are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PotentiallyUnwanted {
    /// They are passed over, as ClamAV does without `--detect-pua`.
    #[default]
    PassOver,
    /// They are taken.
    Take,
}

/// What became of the lines of all sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Signatures in the file, by what they are.
    pub taken: BTreeMap<&'static str, u64>,
    /// Signatures that another set says to ignore.
    pub ignored: u64,
    /// Signatures of what not everybody minds, passed over.
    pub passed_over: u64,
    /// Signatures that could be read and that this version cannot compile yet, by what they are.
    pub not_compiled: BTreeMap<&'static str, u64>,
    /// Signatures in the file with regular expressions. The matcher cannot tell whether these are
    /// found yet.
    pub with_regexes: u64,
    /// Signatures in the file that nothing announces, so that each file of their target is searched
    /// for them.
    pub unannounced: u64,
    /// Rules in the file, by how they are noticed.
    pub rules: RuleCounts,
    /// Lines that ClamAV passes over as well.
    pub for_other_engines: u64,
    /// Lines that are broken or not supported, up to [`MAX_BAD_LINES`] of them.
    pub bad: Vec<BadLine>,
    /// Bad lines beyond those.
    pub more_bad: u64,
}

/// How rules are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// By something in a file.
    pub by_content: u64,
    /// By the first bytes of a file alone: they are run on every file of that kind.
    pub by_start: u64,
    /// Not at all: they are run on every file.
    pub always: u64,
    /// They never hold, whatever the file is, and are left out.
    pub never: u64,
}

/// Bad lines that are told one by one: a set that is broken all over is told by a thousand of them.
pub const MAX_BAD_LINES: usize = 1000;

impl Report {
    /// Adds bad lines.
    pub fn tell(&mut self, bad: impl IntoIterator<Item = BadLine>) {
        for line in bad {
            if self.bad.len() < MAX_BAD_LINES {
                self.bad.push(line);
            } else {
                self.more_bad = self.more_bad.saturating_add(1);
            }
        }
    }
}

/// Compiles sets into the bytes of a database. What is bad in them is left out and told.
///
/// Costs some 200 bytes for each digest while it runs, names and the file among them, and some
/// 600 for each other signature.
#[must_use]
pub fn compile(sources: &[Source<'_>], unwanted: PotentiallyUnwanted) -> (Vec<u8>, Report) {
    compile_with_rules(sources, &[], unwanted)
}

/// The same, with rules of another engine.
#[must_use]
pub fn compile_with_rules(
    sources: &[Source<'_>],
    rules: &[Rule],
    unwanted: PotentiallyUnwanted,
) -> (Vec<u8>, Report) {
    let mut compiler = Compiler::default();
    // Names to be ignored hold for every set, whatever the order.
    let (first, then): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| source.set.format() == Format::Ignore);
    for source in first.into_iter().chain(then) {
        compiler.add(source, unwanted);
    }
    for rule in rules {
        compiler.add_rule(rule);
    }
    compiler.finish()
}

#[derive(Debug, Default)]
struct Compiler {
    builder: Builder,
    bodies: Bodies,
    report: Report,
    ignored: BTreeMap<Box<[u8]>, Vec<Ignore>>,
}

impl Compiler {
    fn add(&mut self, source: &Source<'_>, unwanted: PotentiallyUnwanted) {
        let set = &source.set;
        let passed_over = set.potentially_unwanted() && unwanted == PotentiallyUnwanted::PassOver;
        for entry in set.entries(source.bytes) {
            if passed_over && entry.signature.is_ok() {
                self.report.passed_over = self.report.passed_over.saturating_add(1);
            } else {
                self.add_entry(source, entry);
            }
        }
    }

    fn add_entry(&mut self, source: &Source<'_>, entry: Entry<'_>) {
        let line = entry.line;
        let name = entry.signature.as_ref().ok().and_then(reported_name);
        if name.is_some_and(|name| self.ignores(name, entry.text)) {
            self.report.ignored = self.report.ignored.saturating_add(1);
            return;
        }
        let added = match entry.signature {
            Ok(Signature::Hash(hash)) => self.add_hash(source.maker, &hash),
            Ok(Signature::Body(body)) => {
                let name = reported(source.maker, body.name.as_str());
                fits(&name).map(|()| self.bodies.add_body(name.into_owned(), &body))
            }
            Ok(Signature::Logical(logical)) => {
                let name = reported(source.maker, logical.name.as_str());
                match fits(&name).map(|()| self.add_logical(name.into_owned(), &logical)) {
                    Ok(Err(NotCompiled(what))) => return self.leave(what),
                    Ok(Ok(())) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Ok(Signature::ContainerMetadata(metadata)) => {
                let name = reported(source.maker, metadata.name.as_str());
                records::add_member(&mut self.builder, &name, &metadata)
            }
            Ok(Signature::FileType(rule)) => records::add_magic(&mut self.builder, &rule),
            Ok(Signature::Certificate(one)) => records::add_certificate(&mut self.builder, &one),
            Ok(Signature::Icon(icon)) => records::add_icon(&mut self.builder, &icon),
            Ok(Signature::Password(password)) => {
                records::add_password(&mut self.builder, &password)
            }
            Ok(Signature::Ignore(ignore)) => {
                self.ignored.entry(ignore.name.clone()).or_default().push(ignore);
                return;
            }
            Ok(_) => return self.leave(source.set.format().plural()),
            Err(error) => Err(error),
        };
        match added {
            Ok(()) => {
                let taken = self.report.taken.entry(source.set.format().plural()).or_default();
                *taken = taken.saturating_add(1);
            }
            Err(error) => self.refuse(source, line, error),
        }
    }

    fn ignores(&self, name: &str, line: &[u8]) -> bool {
        let ignored = self.ignored.get(name.as_bytes());
        ignored.is_some_and(|ignored| ignored.iter().any(|one| one.covers(name.as_bytes(), line)))
    }

    fn leave(&mut self, what: &'static str) {
        let left = self.report.not_compiled.entry(what).or_default();
        *left = left.saturating_add(1);
    }

    fn add_logical(&mut self, name: String, logical: &LogicalSignature) -> Result<(), NotCompiled> {
        self.bodies.add_logical(name, logical)?;
        let is_regex = |of: &Subsignature| matches!(of, Subsignature::Regex(_));
        let with_regex = logical.subsignatures.iter().any(is_regex);
        self.report.with_regexes = self.report.with_regexes.saturating_add(with_regex.into());
        Ok(())
    }

    fn add_hash(&mut self, maker: Maker, hash: &HashSignature) -> Result<(), LineError> {
        let name = reported(maker, hash.name.as_str());
        let role = match hash.subject {
            Subject::File => HashRole::File,
            Subject::Section => HashRole::Section,
            Subject::ImportTable => HashRole::Imports,
            Subject::AllowedFile => HashRole::Allowed,
        };
        let size = hash.size.map(std::num::NonZeroU32::get);
        let signature =
            watchglass_database::HashSignature { digest: hash.digest, size, name: &name };
        Ok(self.builder.add_hash(role, signature)?)
    }

    fn add_rule(&mut self, rule: &Rule) {
        if self.ignores(&rule.name, b"") {
            self.report.ignored = self.report.ignored.saturating_add(1);
            return;
        }
        let name = reported(Maker::Other, &rule.name);
        if let Err(error) = fits(&name) {
            self.report.tell([BadLine { file: Arc::clone(&rule.file), line: rule.line, error }]);
            return;
        }
        let noticed = self.bodies.add_rule(name.into_owned(), rule);
        let counts = &mut self.report.rules;
        let count = match noticed {
            Some(Noticed::Anchor) => &mut counts.by_content,
            Some(Noticed::Head) => &mut counts.by_start,
            Some(Noticed::Never) => &mut counts.always,
            None => &mut counts.never,
        };
        *count = count.saturating_add(1);
        let taken = self.report.taken.entry(RULES).or_default();
        *taken = taken.saturating_add(1);
    }

    fn finish(mut self) -> (Vec<u8>, Report) {
        let (unannounced, errors) = self.bodies.finish(&mut self.builder);
        self.report.unannounced = unannounced;
        for error in errors {
            self.report.tell([BadLine { file: "".into(), line: 0, error: error.into() }]);
        }
        (self.builder.build(), self.report)
    }

    fn refuse(&mut self, source: &Source<'_>, line: u32, error: LineError) {
        if error.fault() == Fault::NotForThisEngine {
            self.report.for_other_engines = self.report.for_other_engines.saturating_add(1);
        } else {
            self.report.tell([BadLine { file: source.set.file().into(), line, error }]);
        }
    }
}

/// What rules are called in reports.
const RULES: &str = "YARA rules";

/// The name of a signature that is looked for, as its set has it.
fn reported_name(signature: &Signature) -> Option<&str> {
    match signature {
        Signature::Hash(hash) => Some(hash.name.as_str()),
        Signature::Body(body) => Some(body.name.as_str()),
        Signature::Logical(logical) => Some(logical.name.as_str()),
        Signature::ContainerMetadata(metadata) => Some(metadata.name.as_str()),
        Signature::Password(password) => Some(password.name.as_str()),
        _ => None,
    }
}

/// The name that is reported.
fn reported(maker: Maker, name: &str) -> Cow<'_, str> {
    match maker {
        Maker::Official => Cow::Borrowed(name),
        Maker::Other => Cow::Owned(format!("{name}.UNOFFICIAL")),
    }
}

/// Passes where the database takes a name, so that its line is told if not.
fn fits(name: &str) -> Result<(), LineError> {
    let found = name.len();
    if found <= MAX_NAME_BYTES { Ok(()) } else { Err(BuildError::Name { found }.into()) }
}

#[cfg(test)]
mod tests {
    use watchglass_database::{Database, Digest};

    use super::*;

    const MD5: &str = "44d88612fea8a8f36de82e1278abb02f";

    fn source<'a>(file: &str, text: &'a str, maker: Maker) -> Source<'a> {
        Source { set: SignatureSet::named(file).unwrap(), bytes: text.as_bytes(), maker }
    }

    fn names(bytes: &[u8], size: u64) -> Vec<String> {
        let database = Database::open(bytes).unwrap();
        let mut digest = [0; 16];
        for (byte, pair) in digest.iter_mut().zip(MD5.as_bytes().as_chunks::<2>().0) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
        let found = database.hashes(HashRole::File).find(&Digest::Md5(digest), size);
        found.map(|name| database.name(name).unwrap()).collect()
    }

    #[test]
    fn names_of_others_say_so() {
        let line = format!("{MD5}:68:Eicar\n");
        for (maker, name) in [(Maker::Official, "Eicar"), (Maker::Other, "Eicar.UNOFFICIAL")] {
            let (bytes, report) =
                compile(&[source("a.hdb", &line, maker)], PotentiallyUnwanted::Take);
            assert_eq!(names(&bytes, 68), [name]);
            assert_eq!(report.taken, [("hash signatures", 1)].into());
            assert_eq!(names(&bytes, 69), [""; 0]);
        }
    }

    #[test]
    fn an_ignored_name_is_left_out_wherever_its_set_stands() {
        let line = format!("{MD5}:68:Eicar\n{MD5}:68:Other\n");
        let sources =
            [source("a.hdb", &line, Maker::Official), source("b.ign2", "Eicar\n", Maker::Other)];
        let (bytes, report) = compile(&sources, PotentiallyUnwanted::Take);
        assert_eq!(names(&bytes, 68), ["Other"]);
        assert_eq!(report.ignored, 1);
    }

    #[test]
    fn what_is_not_taken_is_told() {
        let sets = [
            ("a.hdb", format!("{MD5}:68:Eicar\nnonsense\n{MD5}:68:Old:1:2\n")),
            ("a.hdu", format!("{MD5}:68:Joke\n")),
            ("a.ndb", "A:0:*:4142434445\n".to_owned()),
            ("a.idb", "A:G1:G2:201e800011e800011e800010e800010e800010e80001ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff010221222464\n".to_owned()),
            ("a.ldb", "A;Engine:51-255,Target:1,IconGroup1:G;0;41424344\n".to_owned()),
            ("a.ldb", "B;Engine:81-255,Target:0;0;fuzzy_img#af2ad01ed42993c7\n".to_owned()),
            ("a.wdb", "X:a.com:b.com\n".to_owned()),
            ("a.cbc", "x".to_owned()),
        ];
        let sources: Vec<_> =
            sets.iter().map(|(file, text)| source(file, text, Maker::Official)).collect();
        let (bytes, report) = compile(&sources, PotentiallyUnwanted::PassOver);
        assert_eq!(names(&bytes, 68), ["Eicar"]);
        let bad: Vec<_> = report.bad.iter().map(|bad| (&*bad.file, bad.line)).collect();
        assert_eq!(bad, [("a.hdb", 2), ("a.cbc", 0)]);
        assert_eq!((report.passed_over, report.for_other_engines), (1, 1));
        let left = [("logical signatures with fuzzy image hashes", 1), ("phishing signatures", 1)];
        assert_eq!(report.not_compiled, left.into());
        let taken = [
            ("hash signatures", 1),
            ("body signatures", 1),
            ("icons", 1),
            ("logical signatures", 1),
        ];
        assert_eq!(report.taken, taken.into());
    }
}
