//! What changed between two assays.

use std::collections::BTreeMap;

use watchglass_checks::results::{CheckResult, Results};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `check`, `package`, `destination`, `identifier`, `program`, `residue`.
    pub kind: &'static str,
    /// Which one.
    pub what: String,
    /// In the first assay; nothing if it was not there.
    pub before: Option<String>,
    /// In the second assay; nothing if it is not there.
    pub after: Option<String>,
}

/// Everything that differs between two assays, in the order of [`Difference::kind`]'s list. What
/// differs by nature (seeds, times, counts of events) is left out.
#[must_use]
pub fn diff(before: &Results, after: &Results) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |kind, of: &dyn Fn(&Results) -> BTreeMap<String, String>| {
        differences.extend(changed(kind, &of(before), &of(after)));
    };
    compare("check", &|results| results.checks.iter().map(state).collect());
    compare("package", &packages);
    compare("destination", &destinations);
    compare("identifier", &identifiers);
    compare("program", &programs);
    compare("residue", &residue);
    differences
}

fn changed(
    kind: &'static str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let difference = |key: &String| {
        let (before, after) = (before.get(key).cloned(), after.get(key).cloned());
        (before != after).then(|| Difference { kind, what: key.clone(), before, after })
    };
    keys.into_iter().filter_map(difference).collect()
}

fn state(check: &CheckResult) -> (String, String) {
    (check.id.clone(), check.state.to_string())
}

fn packages(results: &Results) -> BTreeMap<String, String> {
    let split = |package: &String| {
        let (name, version) = package.split_once(' ').unwrap_or((package, ""));
        (name.to_owned(), version.to_owned())
    };
    results.subject.packages.iter().map(split).collect()
}

fn destinations(results: &Results) -> BTreeMap<String, String> {
    let row = |to: &watchglass_checks::results::Destination| {
        let claimed = if to.claimed { "claimed" } else { "not claimed" };
        (format!("{}:{}/{}", to.host, to.port, to.transport), format!("{}, {claimed}", to.service))
    };
    results.seen.destinations.iter().map(row).collect()
}

fn identifiers(results: &Results) -> BTreeMap<String, String> {
    let row = |id: &watchglass_checks::results::Identifier| {
        (format!("{} to {}", id.place, id.destination), id.program.clone())
    };
    results.seen.identifiers.iter().map(row).collect()
}

fn programs(results: &Results) -> BTreeMap<String, String> {
    let row = |program: &watchglass_checks::results::Program| {
        (
            program.path.clone(),
            program.sha256.clone().unwrap_or_else(|| "digest unknown".to_owned()),
        )
    };
    results.seen.programs.iter().map(row).collect()
}

fn residue(results: &Results) -> BTreeMap<String, String> {
    results.seen.residue.iter().map(|row| (row.path.clone(), row.change.clone())).collect()
}
