//! How far both agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::Names;
use crate::sets::{Entry, Sets};

/// Counts of files in which either finds something.
pub(crate) struct Agreement<'s> {
    /// Kinds of signatures by name.
    kinds: BTreeMap<&'s str, BTreeSet<&'s str>>,
    all: Count,
    by_kind: BTreeMap<&'s str, Count>,
    /// One line for each file of which they say different things.
    pub(crate) differing: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    files: u64,
    same: u64,
    /// Files in which ours lacks a name that clamscan has.
    missed: u64,
    /// Files in which clamscan lacks a name that ours has.
    more: u64,
}

impl Count {
    fn add(&mut self, ours: &BTreeSet<&str>, theirs: &BTreeSet<&str>) {
        if ours.is_empty() && theirs.is_empty() {
            return;
        }
        self.files += 1;
        self.same += u64::from(ours == theirs);
        self.missed += u64::from(!theirs.is_subset(ours));
        self.more += u64::from(!ours.is_subset(theirs));
    }

    /// Whether so many in a thousand are the same.
    fn reaches(self, thousandth: u64) -> bool {
        self.same * 1000 >= self.files * thousandth
    }

    fn figures(self) -> Value {
        let Self { files, same, missed, more } = self;
        json!({ "files": files, "same": same, "ours_lacks": missed, "clamscan_lacks": more })
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
        let all = Count::default();
        Self { kinds, all, by_kind: BTreeMap::new(), differing: Vec::new() }
    }

    /// Counts a file; whether they differ.
    pub(crate) fn add(&mut self, label: &str, ours: &Names, theirs: &Names) -> bool {
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
            count.add(&borrowed(&ours), &borrowed(&theirs));
        }
        self.all.add(&borrowed(ours), &borrowed(theirs));
        let differ = ours != theirs;
        if differ {
            let only = |one: &Names, other: &Names| {
                one.difference(other).cloned().collect::<Vec<_>>().join(" ")
            };
            self.differing.push(format!(
                "{label}: ours lacks [{}], clamscan lacks [{}]",
                only(theirs, ours),
                only(ours, theirs)
            ));
        }
        differ
    }

    pub(crate) fn summary(&self) -> String {
        let Count { files, same, .. } = self.all;
        format!("{same} of {files} files alike")
    }

    /// 99.9 % of all files, and 99 % of those of each kind.
    pub(crate) fn assert_promises(&self) {
        let short: Vec<_> = self
            .by_kind
            .iter()
            .filter(|(_, count)| !count.reaches(990))
            .map(|(kind, _)| kind)
            .collect();
        assert!(short.is_empty(), "below 99 %: {short:?}\n{}", self.differing.join("\n"));
        assert!(self.all.reaches(999), "below 99.9 %\n{}", self.differing.join("\n"));
    }

    pub(crate) fn figures(&self, satisfied: &Value) -> Value {
        let kinds = self.by_kind.iter();
        let kinds = kinds.map(|(kind, count)| ((*kind).to_owned(), count.figures())).collect();
        json!({
            "all": self.all.figures(),
            "by_kind": Value::Object(kinds),
            "satisfied": satisfied,
        })
    }
}

fn borrowed(names: &Names) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}
