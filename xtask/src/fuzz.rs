//! `cargo xtask fuzz`: libFuzzer on the stable toolchain.

use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::packages::{self, Need};
use crate::place::{Place, succeed};
use crate::rooms::host;
use crate::trouble::Trouble;

/// Fuzzes one target for some seconds, or lists the targets. It begins with the kept corpus and what
/// earlier runs found. Inputs that reach new code go to `target/fuzz/found`, for a person to choose
/// from; one that breaks the target goes to `fuzz/artifacts`.
///
/// # Errors
/// When the engine cannot be built, or an input breaks the target.
pub(crate) fn run(place: &Place, name: Option<&str>, seconds: u32) -> Result<ExitCode, Trouble> {
    let known = targets(place)?;
    let Some(name) = name else {
        known.iter().for_each(|target| println!("{target}"));
        return Ok(ExitCode::SUCCESS);
    };
    if !known.iter().any(|target| target == name) {
        let (name, known) = (name.to_owned(), known.join(", "));
        return Err(Trouble::Unknown { kind: "fuzz target", name, known });
    }
    packages::provide(&[Need::Fuzz]);
    build(place, &["--bin", name])?;
    succeed(&mut fuzzing(place, name, seconds)?)?;
    Ok(ExitCode::SUCCESS)
}

/// How targets are fuzzed.
pub(crate) struct Plan<'a> {
    /// None: all of them.
    pub(crate) targets: Option<&'a [String]>,
    /// For each of them.
    pub(crate) seconds: u32,
    /// With one the same inputs come in the same order, as far as the time allows.
    pub(crate) seed: Option<u32>,
}

/// What came of one target.
#[derive(Clone, Debug)]
pub(crate) struct Fuzzed {
    pub(crate) name: String,
    /// Inputs that were tried.
    pub(crate) inputs: u64,
    /// When an input broke it, the end of what the engine said.
    pub(crate) broken: Option<String>,
}

/// Fuzzes each target, as many at once as there are processors, and tells of each as it ends.
///
/// # Errors
/// When the engine cannot be built or started, there is no such target, or `tell` fails.
pub(crate) fn each(
    place: &Place,
    plan: &Plan<'_>,
    tell: impl Fn(Fuzzed) -> Result<(), Trouble> + Sync,
) -> Result<(), Trouble> {
    let known = targets(place)?;
    let wanted = plan.targets.unwrap_or(&known);
    if let Some(name) = wanted.iter().find(|name| !known.contains(name)) {
        let (name, known) = (name.clone(), known.join(", "));
        return Err(Trouble::Unknown { kind: "fuzz target", name, known });
    }
    build(place, &["--bins"])?;
    let queue = Mutex::new(wanted.iter());
    let work = || -> Result<(), Trouble> {
        while let Some(name) = next(&queue) {
            let mut engine = fuzzing(place, name, plan.seconds)?;
            engine.args(plan.seed.map(|seed| format!("-seed={seed}")));
            let ended = engine.stdout(Stdio::null()).stderr(Stdio::piped()).output();
            let ended = ended.map_err(Trouble::start(name))?;
            let said = String::from_utf8_lossy(&ended.stderr);
            let broken = (!ended.status.success()).then(|| last_lines(&said));
            tell(Fuzzed { name: name.clone(), inputs: inputs(&said), broken })?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })
}

/// In a function of its own, so that the queue is free again while a target is fuzzed.
fn next<'a>(queue: &Mutex<std::slice::Iter<'a, String>>) -> Option<&'a String> {
    lock(queue).next()
}

/// The number with which the last of its lines begins that has one: `#4194304 DONE …`.
fn inputs(said: &str) -> u64 {
    let number = |line: &str| line.strip_prefix('#')?.split_whitespace().next()?.parse().ok();
    said.lines().rev().find_map(number).unwrap_or(0)
}

fn last_lines(said: &str) -> String {
    let lines = said.lines().rev().take(20).collect::<Vec<_>>();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build(place: &Place, which: &[&str]) -> Result<(), Trouble> {
    let mut cargo = place.cargo(["build", "--quiet", "--release", "--features", "engine"]);
    // A triple of its own keeps the flags below away from build scripts and macros, which would
    // not link with them.
    cargo.args(which).args(["--target", &host()?]).current_dir(place.root().join("fuzz"));
    cargo.env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", place.target().join("fuzz"));
    succeed(&mut cargo)
}

/// The engine on one target, as it was built.
fn fuzzing(place: &Place, name: &str, seconds: u32) -> Result<Command, Trouble> {
    let fuzz = place.root().join("fuzz");
    let found = place.target().join("fuzz/found").join(name);
    let breaking = fuzz.join("artifacts").join(name);
    for folder in [&found, &breaking] {
        std::fs::create_dir_all(folder).map_err(Trouble::file(folder))?;
    }
    let program = place.target().join("fuzz").join(host()?).join("release").join(name);
    let mut engine = Command::new(program);
    // The engine writes to the first folder and only reads the others.
    engine.arg(found).arg(fuzz.join("corpus").join(name)).current_dir(&fuzz);
    engine.arg(format!("-artifact_prefix={}/", breaking.display()));
    engine.arg(format!("-max_total_time={seconds}")).args(LIMITS).stdin(Stdio::null());
    Ok(engine)
}

/// The names of the targets: one file each.
pub(crate) fn targets(place: &Place) -> Result<Vec<String>, Trouble> {
    let folder = place.root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(Trouble::file(&folder))? {
        let path = entry.map_err(Trouble::file(&folder))?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// What makes a stable compiler count which code an input reaches; cargo-fuzz sets the same and
/// adds a sanitizer, which only a nightly compiler has and which safe code can do without.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
];

/// An input that takes longer, or more memory, breaks the promise that parsers are bounded.
const LIMITS: &[&str] = &["-timeout=5", "-rss_limit_mb=2048", "-max_len=65536"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_last_number_is_how_many_inputs_it_tried() {
        let said = "INFO: Seed: 1\n#2\tINITED cov: 3\n#131072\tpulse  cov: 4\n#200001\tDONE   cov: 4\n\
            Done 200001 runs in 11 second(s)\n";
        assert_eq!((inputs(said), inputs("no such thing")), (200_001, 0));
    }
}
