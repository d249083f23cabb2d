//! One stratum: every way of going over its files, in turn.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::corpus::{Sample, Stratum};
use super::rival::{Run, Scanner, Walls, list};
use super::{Bench, RIVAL_ROUNDS, ROUNDS, STARTS, Set, cpu, rounded, summary, wall};
use crate::measure::lab::median;
use crate::trouble::Trouble;

/// A way of going over files, with what it took.
struct Way {
    name: &'static str,
    scanner: Scanner,
    /// Over one small file, before the first round.
    started: Vec<Run>,
    runs: Vec<Run>,
}

const OURS: &str = "ours";
const TWO: &str = "ours, two workers";
const ALONE: &str = "engine alone";
const WALLS: &str = "engine alone, behind the walls";
const CLAMSCAN: &str = "clamscan";
const FLOOR: &str = "floor";

/// Measures it.
///
/// # Errors
/// When a program fails.
pub(super) fn take(
    bench: &Bench<'_>,
    set: &Set,
    stratum: &Stratum,
    sample: &Sample,
) -> Result<Value, Trouble> {
    let programs = &bench.programs;
    let of = |jobs| Scanner::ours(&programs.watchglass, &set.database, jobs);
    let alone = |walls| Scanner::alone(programs, &set.database, walls);
    let ways = [
        (FLOOR, Scanner::floor(programs)),
        (ALONE, alone(Walls::No)),
        (WALLS, alone(Walls::Yes)),
        (OURS, of(1)),
        (TWO, of(2)),
        (CLAMSCAN, Scanner::theirs(&set.folder)),
    ];
    let (small, files) = (bench.small_list()?, bench.folder.join("list"));
    list(&sample.files, &files)?;
    let mut ways: Vec<Way> = Vec::from(ways.map(|(name, scanner)| Way::new(name, scanner)));
    for way in &mut ways {
        let count = if way.name == CLAMSCAN { RIVAL_ROUNDS } else { STARTS };
        way.started = super::runs(&way.scanner, &small, count)?;
    }
    let mb = sample.bytes / 1_000_000;
    eprintln!("x: {}: {} files, {mb} MB", stratum.name, sample.files.len());
    for round in 1..=ROUNDS {
        for way in &mut ways {
            if way.name == CLAMSCAN && round > RIVAL_ROUNDS {
                continue;
            }
            let run = way.scanner.run(&files)?;
            let (cpu, wall) = (run.cpu_s, run.wall_s);
            eprintln!(
                "x:   round {round} of {ROUNDS}: {}: {cpu:.2} s of a core in {wall:.2} s",
                way.name
            );
            way.runs.push(run);
        }
    }
    Ok(value(stratum, sample, &Ways(ways)))
}

impl Way {
    fn new(name: &'static str, scanner: Scanner) -> Self {
        Self { name, scanner, started: Vec::new(), runs: Vec::new() }
    }

    /// Processor seconds for the files, without those of a start.
    fn net(&self) -> f64 {
        (cpu(&self.runs) - cpu(&self.started)).max(0.000_1)
    }

    fn value(&self) -> Value {
        let mut value = summary(&self.runs);
        value["cpu_s_less_start"] = json!(rounded(self.net()));
        value
    }

    fn found(&self) -> &BTreeSet<(Vec<u8>, String)> {
        &self.runs[0].found
    }
}

struct Ways(Vec<Way>);

impl Ways {
    fn of(&self, name: &str) -> &Way {
        self.0.iter().find(|way| way.name == name).expect("a way that was measured")
    }

    /// How much more of a processor one takes than another, in hundredths.
    fn percent(&self, one: &str, over: &str) -> f64 {
        rounded((self.of(one).net() / self.of(over).net() - 1.0) * 100.0)
    }
}

fn value(stratum: &Stratum, sample: &Sample, ways: &Ways) -> Value {
    let (ours, theirs) = (ways.of(OURS), ways.of(CLAMSCAN));
    let floor = floor(&ways.of(FLOOR).runs);
    let floor_s = floor["inflated_cpu_s"].as_f64().unwrap_or(f64::NAN);
    let jail = json!({
        "engine_alone": ways.of(ALONE).value(),
        "engine_behind_walls": ways.of(WALLS).value(),
        "walls_percent": ways.percent(WALLS, ALONE),
        "walls_and_processes_percent": ways.percent(OURS, ALONE),
        "finds_the_same": ways.of(ALONE).found() == ours.found() && ways.of(WALLS).found() == ours.found(),
    });
    eprintln!(
        "x: {}: {:.1} times as fast as clamscan, {:.2} times the floor; jail and process split cost {:.1} %",
        stratum.name,
        theirs.net() / ours.net(),
        ours.net() / floor_s,
        ways.percent(OURS, ALONE),
    );
    json!({
        "promise_times": stratum.promise,
        "files": sample.files.len(),
        "bytes": sample.bytes,
        "kinds": sample.kinds,
        "ours": ours.value(),
        "clamscan": theirs.value(),
        "times": rounded(theirs.net() / ours.net()),
        "ours_two_workers": ways.of(TWO).value(),
        "two_over_one": rounded(wall(&ours.runs) / wall(&ways.of(TWO).runs)),
        "floor": floor,
        "ours_over_floor": rounded(ours.net() / floor_s),
        "clamscan_over_floor": rounded(theirs.net() / floor_s),
        "jail": jail,
        "found": ours.found().len(),
        "found_by_ours_alone": only(ours, theirs),
        "found_by_clamscan_alone": only(theirs, ours),
    })
}

/// Medians of what the floor's program printed.
fn floor(runs: &[Run]) -> Value {
    let lines: Vec<Vec<(&str, f64)>> = runs
        .iter()
        .map(|run| {
            let pairs = run.printed.lines().filter_map(|line| line.split_once(' '));
            pairs.filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
        })
        .collect();
    let names = lines.first().into_iter().flatten().map(|(name, _)| *name);
    let of = |name: &str| {
        let all = lines.iter().flatten().filter(|(one, _)| *one == name).map(|(_, value)| *value);
        median(&all.collect::<Vec<_>>())
    };
    names.map(|name| (name.to_owned(), json!(rounded(of(name))))).collect::<Map<_, _>>().into()
}

/// Names that one found and another did not, up to twenty.
fn only(one: &Way, other: &Way) -> Vec<String> {
    let names = one.found().difference(other.found()).map(|(_, name)| name.clone());
    names.take(20).collect()
}
