//! What the lab's recording costs a scanner, and how much it holds without loss.
//!
//! The sensor's example `measure` takes the figures; here the workload is laid out, and medians and
//! ratios are made of what it prints.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::packages::{Need, provide};
use crate::place::{Place, find_program, output, succeed};
use crate::trouble::Trouble;

pub(super) const WHAT: &str = "CPU of clamscan traced against untraced (promise: at most 1.25 \
    times, aim 1.15) and under strace -f, events a second for 20 s without loss (promise: 100,000), \
    milliseconds until the sensor records (promise: at most 500)";

/// Rounds of traced against untraced; strace and tier T0 run in every third.
const ROUNDS: u32 = 7;
const STARTS: u32 = 7;
const FLOOD_SECONDS: u32 = 20;
/// What is scanned: documents, program text and archives as Debian installs them.
const TREES: &[&str] = &["/usr/share/perl", "/usr/share/doc"];

/// Takes the measurement. It needs root, BPF, clamscan and strace, and some minutes.
///
/// # Errors
/// When something of that is missing, or a program fails.
pub(super) fn take(place: &Place) -> Result<Value, Trouble> {
    let missing = provide(&[Need::Build, Need::Measure]);
    if let Some(package) = missing.first() {
        let says = format!("{}: {}", package.name, package.reason);
        return Err(Trouble::Program { program: "measure lab".to_owned(), says });
    }
    let measure = Example::build(place)?;
    let folder = place.target().join("measure-lab");
    fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    let seed = seed()?;
    let before = load();
    let scanned = scan(&measure, &folder, seed)?;
    let started = measure.figures(&["start", &STARTS.to_string()])?;
    let flooded = measure.figures(&["flood", &FLOOD_SECONDS.to_string()])?;
    fs::remove_dir_all(&folder).map_err(Trouble::file(&folder))?;
    Ok(json!({
        "seed": seed,
        "load": { "before": before, "after": load() },
        "clamscan": scanned,
        "start_ms": started.summary("start_ms"),
        "flood": flood(&flooded),
    }))
}

fn scan(measure: &Example, folder: &Path, seed: u64) -> Result<Value, Trouble> {
    let clamscan = find_program("clamscan").unwrap_or_else(|| PathBuf::from("clamscan"));
    // One signature that nothing has: SHA-256, size, name, lowest level of the engine.
    let database = folder.join("one.hsb");
    let signature = format!("{}:1:Nothing.At.All:73\n", "0".repeat(64));
    fs::write(&database, signature).map_err(Trouble::file(&database))?;
    let trees: Vec<&str> = TREES.iter().copied().filter(|tree| Path::new(tree).is_dir()).collect();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let database = format!("--database={}", text(&database));
    let clamscan = text(&clamscan);
    let command = [clamscan.as_str(), "--recursive", "--infected", "--no-summary", &database];
    let (seed, rounds) = (seed.to_string(), ROUNDS.to_string());
    let words = [&["scan", &seed, &rounds], command.as_slice(), trees.as_slice()].concat();
    let figures = measure.figures(&words)?;
    let untraced = figures.median("untraced_cpu_s");
    let times = |seconds: f64| rounded(seconds / untraced);
    let traced = figures.median("traced_cpu_s");
    let with_reader = figures.sums("traced_cpu_s", "reader_cpu_s");
    let version = output(Command::new(&clamscan).arg("--version"))?;
    Ok(json!({
        "version": String::from_utf8_lossy(&version).trim(),
        "trees": trees,
        "files": trees.iter().map(|tree| files(Path::new(tree))).sum::<u64>(),
        "untraced_cpu_s": figures.summary("untraced_cpu_s"),
        "traced_cpu_s": figures.summary("traced_cpu_s"),
        "reader_cpu_s": figures.summary("reader_cpu_s"),
        "traced_times": times(traced),
        "traced_with_reader_times": times(median(&with_reader)),
        "t0_cpu_s": figures.summary("t0_cpu_s"),
        "t0_times": times(figures.median("t0_cpu_s")),
        "strace_cpu_s": figures.summary("strace_cpu_s"),
        "strace_times": times(figures.median("strace_cpu_s")),
        "events": count(figures.median("events")),
        "lost": count(figures.sum("lost") + figures.sum("t0_lost")),
    }))
}

fn flood(figures: &Figures) -> Value {
    let (events, seconds) = (figures.sum("flood_events"), figures.sum("flood_seconds"));
    json!({
        "seconds": rounded(seconds),
        "events": count(events),
        "events_a_second": count(events / seconds),
        "lost": count(figures.sum("flood_lost")),
    })
}

/// The sensor's own program for this, built for release.
struct Example(PathBuf);

impl Example {
    fn build(place: &Place) -> Result<Self, Trouble> {
        let build = ["build", "--quiet", "--release", "-p", "watchglass-sensor"];
        succeed(
            place.cargo(build).args(["--example", "measure", "--target-dir"]).arg(place.target()),
        )?;
        Ok(Self(place.target().join("release/examples/measure")))
    }

    fn figures(&self, words: &[&str]) -> Result<Figures, Trouble> {
        eprintln!("x: measuring: {}", words.first().unwrap_or(&""));
        let printed = output(Command::new(&self.0).args(words))?;
        Ok(Figures::read(&String::from_utf8_lossy(&printed)))
    }
}

/// Figures by name, in the order in which they were taken.
#[derive(Debug, Default, PartialEq)]
struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    fn read(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(' ') else { continue };
            if let Ok(value) = value.parse() {
                figures.0.entry(name.to_owned()).or_default().push(value);
            }
        }
        figures
    }

    fn of(&self, name: &str) -> &[f64] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn median(&self, name: &str) -> f64 {
        median(self.of(name))
    }

    fn sum(&self, name: &str) -> f64 {
        self.of(name).iter().sum()
    }

    /// Two figures of the same repetitions, added.
    fn sums(&self, one: &str, other: &str) -> Vec<f64> {
        self.of(one).iter().zip(self.of(other)).map(|(one, other)| one + other).collect()
    }

    fn summary(&self, name: &str) -> Value {
        let all: Vec<f64> = self.of(name).iter().copied().map(rounded).collect();
        json!({ "median": rounded(median(&all)), "all": all })
    }
}

/// Not a number where there is none, so that no missing figure looks like a good one.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len() / 2), sorted.len() % 2) {
        (Some(middle), 1) => *middle,
        (Some(above), _) => (above + sorted[sorted.len() / 2 - 1]) / 2.0,
        (None, _) => f64::NAN,
    }
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A whole number; nothing where there is none.
fn count(value: f64) -> Option<u64> {
    format!("{value:.0}").parse().ok()
}

/// Runnable and waiting threads over 1, 5 and 15 minutes, /proc/loadavg: what else the machine did.
pub(super) fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn files(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        Ok(kind) if kind.is_file() => 1,
        _ => 0,
    };
    entries.flatten().map(count).sum()
}

/// In what order the ways of running come.
pub(super) fn seed() -> Result<u64, Trouble> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 4];
    let read = fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(Trouble::file(source))?;
    Ok(u32::from_le_bytes(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_nothing_has_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn repeated_names_are_repetitions() {
        let figures = Figures::read("a 1\nb 5\na 3\nwords that are no figure\n");
        assert_eq!(figures.of("a"), [1.0, 3.0]);
        assert_eq!(figures.sums("a", "b"), [6.0]);
        assert_eq!(figures.summary("a"), json!({ "median": 2.0, "all": [1.0, 3.0] }));
    }
}
