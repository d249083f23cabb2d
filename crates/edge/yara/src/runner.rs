//! Runs the rules of a database.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use self_cell::self_cell;
use watchglass_database::{Database, Rule, SignatureId};
use watchglass_engine::{NotRun, Ran, Rules};

use yara_x::Scanner;

use crate::variables;

/// Runs the rules of a database, each when it may hold. Texts are compiled when they are first wanted,
/// those of one object together, and kept for the next: what is noticed once together often is again.
pub struct Runner<'d> {
    rules: watchglass_database::Rules<'d>,
    names: Names<'d>,
    /// The rules of each group.
    groups: BTreeMap<u32, Vec<SignatureId>>,
    /// What was compiled, by numbers that rise.
    batches: BTreeMap<u64, Batch>,
    /// In which batch a rule is.
    homes: BTreeMap<SignatureId, u64>,
    /// Rules that took too long together with others, or did not compile with them.
    alone: BTreeSet<SignatureId>,
    /// Counts batches and uses, so that what was not wanted for long is dropped first.
    now: u64,
    timeout: Duration,
}

/// Rules that are run together.
struct Batch {
    compiled: Compiled,
    rules: Vec<SignatureId>,
    used: u64,
}

struct Compiled {
    scanner: OwnScanner,
    /// Which rule of which namespace is which.
    members: BTreeMap<(String, String), SignatureId>,
}

self_cell! {
    /// Rules with their scanner: making one costs as much as scanning some hundred kilobytes.
    struct OwnScanner {
        owner: yara_x::Rules,
        #[not_covariant]
        dependent: Scanner,
    }
}

#[derive(Clone, Copy)]
struct Names<'d>(&'d Database<'d>);

/// How long rules that are run together may take on one object, and then each of them by itself. yara-x
/// counts in seconds.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Rules that are compiled together because one object was the first that wanted them.
const MAX_BATCH: usize = 32;
/// Rules that are kept compiled: those that are run on every program are 1,800 in the public sets.
const MAX_KEPT: usize = 4096;
/// Of one rule with all that it names, in bytes. That of the public sets has 100 KB at most.
const MAX_TEXT_BYTES: usize = 4 << 20;
/// Matches of one pattern that are looked at.
const MAX_MATCHES: usize = 100_000;

impl<'d> Runner<'d> {
    /// A runner for the rules of a database, which gives those that are run together so much time.
    #[must_use]
    pub fn new(database: &'d Database<'d>, timeout: Duration) -> Self {
        let rules = database.rules();
        let mut groups: BTreeMap<u32, Vec<SignatureId>> = BTreeMap::new();
        for rule in rules.iter().filter(|rule| rule.group != 0) {
            groups.entry(rule.group).or_default().push(rule.signature);
        }
        Self {
            rules,
            names: Names(database),
            groups,
            batches: BTreeMap::new(),
            homes: BTreeMap::new(),
            alone: BTreeSet::new(),
            now: 0,
            timeout,
        }
    }

    /// Puts a rule that is in no batch into one, with others that are wanted. Returns those that do not
    /// compile. Fewer are compiled than are kept, so that the rule is there afterwards.
    fn settle(&mut self, rule: SignatureId, wanted: &BTreeSet<SignatureId>) -> Vec<SignatureId> {
        if self.alone.contains(&rule) {
            return self.batch(vec![rule]);
        }
        let group = |rule| self.rules.of(rule).map_or(0, |rule| rule.group);
        let rules: Vec<SignatureId> = match self.groups.get(&group(rule)) {
            Some(members) => {
                let members = members.iter().copied();
                members.filter(|member| !self.alone.contains(member)).collect()
            }
            None => {
                let is_free = |other: &SignatureId| {
                    !self.homes.contains_key(other)
                        && !self.alone.contains(other)
                        && !self.groups.contains_key(&group(*other))
                };
                wanted.iter().copied().filter(is_free).take(MAX_BATCH).collect()
            }
        };
        self.batch(rules)
    }

    /// Compiles rules as one batch, or each as one where that fails. Returns those that do not compile.
    fn batch(&mut self, rules: Vec<SignatureId>) -> Vec<SignatureId> {
        if let Some(compiled) = self.compile(&rules) {
            self.keep(compiled, rules);
            return Vec::new();
        }
        if rules.len() == 1 {
            return rules;
        }
        self.alone.extend(&rules);
        rules.into_iter().flat_map(|rule| self.batch(vec![rule])).collect()
    }

    fn keep(&mut self, compiled: Compiled, rules: Vec<SignatureId>) {
        let held: usize = self.batches.values().map(|batch| batch.rules.len()).sum();
        let mut held = held.saturating_add(rules.len());
        while held > MAX_KEPT
            && let Some((oldest, _)) = self.batches.iter().min_by_key(|(_, batch)| batch.used)
        {
            held = held.saturating_sub(self.drop_batch(*oldest).len());
        }
        self.now = self.now.saturating_add(1);
        self.homes.extend(rules.iter().map(|rule| (*rule, self.now)));
        self.batches.insert(self.now, Batch { compiled, rules, used: self.now });
    }

    /// The rules that were in it.
    fn drop_batch(&mut self, number: u64) -> Vec<SignatureId> {
        let rules = self.batches.remove(&number).map(|batch| batch.rules).unwrap_or_default();
        self.homes.retain(|_, home| *home != number);
        rules
    }

    fn compile(&self, signatures: &[SignatureId]) -> Option<Compiled> {
        let mut compiler = yara_x::Compiler::new();
        variables::define(&mut compiler);
        compiler.enable_includes(false);
        let mut members = BTreeMap::new();
        for signature in signatures {
            let rule = self.rules.of(*signature)?;
            let text = text_of(rule)?;
            let (space, name) = (signature.0.to_string(), self.names.identifier(*signature)?);
            compiler.new_namespace(&space);
            compiler.add_source(text.as_str()).ok()?;
            members.insert((space, name), *signature);
        }
        let timeout = self.timeout;
        let scanner = OwnScanner::new(compiler.build(), |rules| {
            let mut scanner = Scanner::new(rules);
            scanner.set_timeout(timeout).max_matches_per_pattern(MAX_MATCHES);
            scanner
        });
        Some(Compiled { scanner, members })
    }
}

/// The text of a rule with all that it names; nothing where that is too long. The pieces of a broken
/// database may name the same stretch any number of times.
fn text_of(rule: Rule<'_>) -> Option<String> {
    let mut text = String::new();
    for (_, piece) in rule.pieces() {
        if text.len().saturating_add(piece.len()) > MAX_TEXT_BYTES {
            return None;
        }
        text.push_str(piece);
    }
    Some(text)
}

/// Starts the thread that counts the seconds a rule takes, which a jail refuses to start later. Costs
/// what a rule costs; no byte of anybody's is read.
///
/// A thread that cannot be started ends this process, which could not hold its rules to their time.
pub fn start_clock() {
    let rules = yara_x::compile("rule clock { condition: true }").expect("a rule that is one");
    let mut scanner = Scanner::new(&rules);
    scanner.set_timeout(TIMEOUT);
    scanner.scan(b"").expect("nothing that takes time");
}

impl Names<'_> {
    /// The name of a rule in its text.
    fn identifier(self, signature: SignatureId) -> Option<String> {
        let (name, _) = self.0.signatures().get(signature)?;
        let name = self.0.name(name)?;
        let name = name.strip_prefix("YARA.")?;
        Some(name.strip_suffix(".UNOFFICIAL").unwrap_or(name).to_owned())
    }
}

impl Rules for Runner<'_> {
    fn run(&mut self, rules: &[SignatureId], bytes: &[u8], stop: &dyn Fn() -> bool) -> Ran {
        let mut ran = Ran::default();
        let mut wanted: BTreeSet<SignatureId> = rules.iter().copied().collect();
        while let Some(first) = wanted.first().copied() {
            if stop() {
                ran.fail(NotRun::Stopped, wanted.len());
                return ran;
            }
            let Some(home) = self.homes.get(&first).copied() else {
                let broken: BTreeSet<_> = self.settle(first, &wanted).into_iter().collect();
                let lost: Vec<_> = wanted.intersection(&broken).copied().collect();
                ran.fail(NotRun::Broken, lost.len());
                wanted.retain(|rule| !lost.contains(rule));
                continue;
            };
            self.now = self.now.saturating_add(1);
            let Some(batch) = self.batches.get_mut(&home) else { continue };
            batch.used = self.now;
            let of_batch: BTreeSet<_> =
                batch.rules.iter().copied().filter(|rule| wanted.contains(rule)).collect();
            match batch.compiled.find(bytes) {
                Ok(found) => ran.holds.extend(found.intersection(&of_batch)),
                Err(_) if batch.rules.len() > 1 => {
                    // One of them takes the others' time: from now on each has its own.
                    let rules = self.drop_batch(home);
                    self.alone.extend(rules);
                    continue;
                }
                Err(why) => ran.fail(why, of_batch.len()),
            }
            wanted.retain(|rule| !of_batch.contains(rule));
        }
        ran
    }
}

impl Compiled {
    /// The rules that hold.
    fn find(&mut self, bytes: &[u8]) -> Result<BTreeSet<SignatureId>, NotRun> {
        let Self { scanner, members } = self;
        scanner.with_dependent_mut(|_, scanner| {
            let results = scanner.scan(bytes).map_err(|error| match error {
                yara_x::errors::ScanError::Timeout => NotRun::Timeout,
                _ => NotRun::Broken,
            })?;
            let member = |rule: yara_x::Rule<'_, '_>| {
                let key = (rule.namespace().to_owned(), rule.identifier().to_owned());
                members.get(&key).copied()
            };
            Ok(results.matching_rules().filter_map(member).collect())
        })
    }
}

impl fmt::Debug for Runner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Runner").field("batches", &self.batches.len()).finish_non_exhaustive()
    }
}
