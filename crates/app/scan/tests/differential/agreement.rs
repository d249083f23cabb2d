//! How far both agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::Names;
use crate::explained::Reason;
use crate::sets::{Entry, Sets};

/// Counts of files in which either finds something.
#[derive(Default)]
pub(crate) struct Agreement<'s> {
    /// Kinds of signatures by name.
    kinds: BTreeMap<&'s str, BTreeSet<&'s str>>,
    all: Count,
    by_kind: BTreeMap<&'s str, Count>,
    /// How many files each reason explains.
    reasons: BTreeMap<Reason, u64>,
    /// One line for each file of which they say different things.
    pub(crate) differing: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    files: u64,
    same: u64,
    /// Files that differ for a reason that was shown.
    explained: u64,
    /// Files in which ours lacks a name that clamscan has.
    missed: u64,
    /// Files in which clamscan lacks a name that ours has.
    more: u64,
}

impl Count {
    fn add(&mut self, ours: &BTreeSet<&str>, theirs: &BTreeSet<&str>, reason: Option<Reason>) {
        if ours.is_empty() && theirs.is_empty() {
            return;
        }
        self.files += 1;
        self.same += u64::from(ours == theirs);
        self.explained += u64::from(ours != theirs && reason.is_some());
        self.missed += u64::from(!theirs.is_subset(ours));
        self.more += u64::from(!ours.is_subset(theirs));
    }

    fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            same: self.same + other.same,
            explained: self.explained + other.explained,
            missed: self.missed + other.missed,
            more: self.more + other.more,
        }
    }

    /// Whether of so many in a thousand they say the same.
    fn reaches(self, thousandth: u64) -> bool {
        self.same * 1000 >= self.files * thousandth
    }

    /// Whether they say the same of so many in a thousand of those whose difference nothing explains.
    fn reaches_but_for_reasons(self, thousandth: u64) -> bool {
        (self.same + self.explained) * 1000 >= self.files * thousandth
    }

    fn figures(self) -> Value {
        let Self { files, same, explained, missed, more } = self;
        json!({
            "files": files,
            "same": same,
            "explained": explained,
            "ours_lacks": missed,
            "clamscan_lacks": more,
        })
    }
}

impl<'s> Agreement<'s> {
    pub(crate) fn new(sets: &'s Sets) -> Self {
        Self::of(&sets.entries)
    }

    /// Of signatures by their kinds.
    pub(crate) fn of(entries: &'s [Entry]) -> Self {
        let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for entry in entries {
            let of_name = kinds.entry(&entry.name).or_default();
            of_name.extend(entry.kinds.iter().map(String::as_str));
        }
        Self { kinds, ..Self::default() }
    }

    /// Of the files of all parts.
    pub(crate) fn total(parts: &[&Self]) -> Self {
        let mut total = Self::default();
        for part in parts {
            total.all = total.all.plus(part.all);
            for (kind, count) in &part.by_kind {
                let of_kind = total.by_kind.entry(kind).or_default();
                *of_kind = of_kind.plus(*count);
            }
            for (reason, count) in &part.reasons {
                *total.reasons.entry(reason).or_default() += count;
            }
            total.differing.extend(part.differing.iter().cloned());
        }
        total
    }

    /// Counts a file, and the reason why they differ if they do.
    pub(crate) fn add(
        &mut self,
        label: &str,
        ours: &Names,
        theirs: &Names,
        reason: Option<Reason>,
    ) {
        let view = |names: &'_ Names, kind: Option<&str>| -> BTreeSet<String> {
            let of_kind = |name: &&String| {
                let kinds = self.kinds.get(name.as_str());
                kind.is_none_or(|kind| kinds.is_some_and(|kinds| kinds.contains(kind)))
            };
            names.iter().filter(of_kind).cloned().collect()
        };
        let mut touched: BTreeSet<&'s str> = BTreeSet::new();
        for name in ours.union(theirs) {
            touched.extend(self.kinds.get(name.as_str()).into_iter().flatten());
        }
        for kind in touched {
            let (ours, theirs) = (view(ours, Some(kind)), view(theirs, Some(kind)));
            let count = self.by_kind.entry(kind).or_default();
            count.add(&borrowed(&ours), &borrowed(&theirs), reason);
        }
        self.all.add(&borrowed(ours), &borrowed(theirs), reason);
        if ours != theirs {
            reason.into_iter().for_each(|reason| *self.reasons.entry(reason).or_default() += 1);
            let only = |one: &Names, other: &Names| {
                one.difference(other).cloned().collect::<Vec<_>>().join(" ")
            };
            self.differing.push(format!(
                "{label}: ours lacks [{}], clamscan lacks [{}]: {}",
                only(theirs, ours),
                only(ours, theirs),
                reason.unwrap_or(UNEXPLAINED),
            ));
        }
    }

    /// Files whose difference nothing explains.
    pub(crate) fn unexplained(&self) -> u64 {
        self.all.files - self.all.same - self.all.explained
    }

    pub(crate) fn summary(&self) -> String {
        let Count { files, same, .. } = self.all;
        format!("{same} of {files} files alike")
    }

    /// The same names in 99.9 % of all files, and in 99 % of those of each set of signatures; of each
    /// finer kind too, where nothing explains the difference.
    pub(crate) fn assert_promises(&self) {
        let is_short = |(kind, count): &(&&str, &Count)| {
            let is_set = SETS.contains(*kind);
            !count.reaches_but_for_reasons(990) || is_set && !count.reaches(990)
        };
        let short: Vec<_> = self.by_kind.iter().filter(is_short).map(|(kind, _)| kind).collect();
        let differing = self.differing.join("\n");
        assert!(short.is_empty(), "below 99 %: {short:?}\n{differing}");
        assert!(self.all.reaches(999), "below 99.9 %\n{differing}");
    }

    pub(crate) fn figures(&self, satisfied: &Value) -> Value {
        let kinds = self.by_kind.iter();
        let kinds = kinds.map(|(kind, count)| ((*kind).to_owned(), count.figures())).collect();
        json!({
            "all": self.all.figures(),
            "by_kind": Value::Object(kinds),
            "reasons": self.reasons,
            "satisfied": satisfied,
        })
    }
}

/// The committed figures are of this table, keep what is promised, and leave nothing unexplained.
pub(crate) fn assert_figures(path: &Path, table: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let committed: Value = serde_json::from_str(&text).unwrap();
    let figures = &committed["figures"];
    assert_eq!(figures["table_sha256"], table, "the figures are of another table: measure again");
    let total = &figures["total"];
    let reaches = |count: &Value, counted: &[&str], thousandth: u64| {
        let number = |name: &str| count[name].as_u64().unwrap();
        let counted: u64 = counted.iter().map(|name| number(name)).sum();
        assert!(counted * 1000 >= number("files") * thousandth, "{count}");
    };
    reaches(&total["all"], &["same"], 999);
    reaches(&total["all"], &EITHER, 1000);
    for (kind, count) in total["by_kind"].as_object().unwrap() {
        let counted = if SETS.contains(&kind.as_str()) { &["same"][..] } else { &EITHER };
        reaches(count, counted, 990);
    }
}

/// The same, or for a reason that was shown.
const EITHER: [&str; 2] = ["same", "explained"];
/// The kinds that are sets.
const SETS: [&str; 7] = ["hdb", "hsb", "mdb", "msb", "imp", "ndb", "ldb"];
const UNEXPLAINED: &str = "not explained";

fn borrowed(names: &Names) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}
