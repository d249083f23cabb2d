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

/// Fuzzes every target for some seconds each, as many at once as there are processors. Gives the
/// names of those that an input broke, with the end of what the engine said, and how many there are.
/// With a seed the same inputs come in the same order, as far as the time allows.
///
/// # Errors
/// When the engine cannot be built or started.
pub(crate) fn each(
    place: &Place,
    seconds: u32,
    seed: Option<u32>,
) -> Result<(usize, Vec<Broken>), Trouble> {
    let known = targets(place)?;
    build(place, &["--bins"])?;
    let queue = Mutex::new(known.iter());
    let broken = Mutex::new(Vec::new());
    let work = || -> Result<(), Trouble> {
        loop {
            let Some(name) = lock(&queue).next() else { return Ok(()) };
            let mut engine = fuzzing(place, name, seconds)?;
            engine.args(seed.map(|seed| format!("-seed={seed}")));
            let ended = engine.stdout(Stdio::null()).stderr(Stdio::piped()).output();
            let ended = ended.map_err(Trouble::start(name))?;
            if !ended.status.success() {
                let said = String::from_utf8_lossy(&ended.stderr).into_owned();
                let lines = said.lines().rev().take(20).collect::<Vec<_>>();
                let said = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
                lock(&broken).push(Broken { name: name.clone(), said });
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })?;
    let broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((known.len(), broken))
}

/// A target that an input broke.
pub(crate) struct Broken {
    pub(crate) name: String,
    /// The end of what the engine said.
    pub(crate) said: String,
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
fn targets(place: &Place) -> Result<Vec<String>, Trouble> {
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
