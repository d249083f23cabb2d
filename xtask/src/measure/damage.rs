//! Damaged files and databases in numbers: tests of the engine, which CI runs with fewer, on every core
//! with a seed of its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::place::{Place, output};
use crate::trouble::Trouble;

pub(super) const MUTATIONS: &str =
    "scans of files that were changed (promise: no panic, no limit passed)";

/// # Errors
/// When a scan broke a promise: the test fails and says which it was.
pub(super) fn mutations(place: &Place) -> Result<Value, Trouble> {
    let test = ("damaged", "files_that_are_changed_are_survived");
    take(place, test, "WATCHGLASS_TEST_MUTATIONS", 100_000)
}

pub(super) const OPENS: &str = "opens of a database that was changed, with look-ups and scans (promise: no panic, no limit passed)";

/// # Errors
/// When one broke a promise: the test fails and says which it was.
pub(super) fn opens(place: &Place) -> Result<Value, Trouble> {
    let test = ("damaged_database", "a_damaged_database_is_refused_or_answers_within_its_limits");
    take(place, test, "WATCHGLASS_TEST_OPENS", 1_000_000)
}

/// Runs a test on each core, `total` in all, and puts what they tell together.
fn take(place: &Place, test: (&str, &str), variable: &str, total: u64) -> Result<Value, Trouble> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u64::try_from(cores).unwrap_or(1);
    let run = |seed: u64| {
        let mut cargo =
            place.cargo(["test", "--quiet", "-p", "watchglass-engine", "--test", test.0]);
        cargo.arg("--target-dir").arg(place.target()).args([
            "--",
            "--exact",
            test.1,
            "--nocapture",
        ]);
        cargo.env(variable, total.div_ceil(cores).to_string()).env("WATCHGLASS_STRICT", "1");
        output(cargo.env("WATCHGLASS_TEST_SEED", seed.to_string()))
    };
    let told = std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=cores).map(|seed| scope.spawn(move || run(seed))).collect();
        let told = runs.into_iter().map(|run| run.join().expect("it does not panic"));
        told.collect::<Result<Vec<_>, _>>()
    })?;
    let mut figures = BTreeMap::new();
    for told in told {
        read(&String::from_utf8_lossy(&told), &mut figures);
    }
    figures.insert("seeds".to_owned(), cores);
    Ok(json!(figures))
}

/// A line of names and numbers in turn. Numbers are added up; of memory and time the most counts.
fn read(told: &str, figures: &mut BTreeMap<String, u64>) {
    let is_figures = |line: &&str| line.starts_with("scans ") || line.starts_with("opens ");
    let words: Vec<_> = told.lines().filter(is_figures).flat_map(str::split_whitespace).collect();
    for [name, number] in words.as_chunks::<2>().0 {
        let Ok(number) = number.parse::<u64>() else { continue };
        let most = name.ends_with("_mib") || name.ends_with("_ms");
        let old = figures.entry((*name).to_owned()).or_default();
        *old = if most { number.max(*old) } else { number.saturating_add(*old) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_and_of_memory_and_time_the_most_counts() {
        let mut figures = BTreeMap::new();
        read("running\nscans 3 held_mib 7 slowest_ms 5\nslowest: mutation 4\nok", &mut figures);
        read("scans 4 held_mib 6 slowest_ms 9", &mut figures);
        let told: Vec<_> = figures.iter().map(|(name, number)| (&**name, *number)).collect();
        assert_eq!(told, [("held_mib", 7), ("scans", 7), ("slowest_ms", 9)]);
    }
}
