//! `cargo xtask fuzz`: libFuzzer on the stable toolchain.

use std::process::ExitCode;

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
    let fuzz = place.root().join("fuzz");
    let found = place.target().join("fuzz/found").join(name);
    let breaking = fuzz.join("artifacts").join(name);
    for folder in [&found, &breaking] {
        std::fs::create_dir_all(folder).map_err(Trouble::file(folder))?;
    }
    let mut cargo = place.cargo(["run", "--release", "--features", "engine", "--bin", name]);
    // A triple of its own keeps the flags below away from build scripts and macros, which would
    // not link with them.
    cargo.args(["--target", &host()?]).current_dir(&fuzz).env("RUSTFLAGS", FLAGS.join(" "));
    cargo.env("CARGO_TARGET_DIR", place.target().join("fuzz")).arg("--");
    // The engine writes to the first folder and only reads the others.
    cargo.arg(found).arg(fuzz.join("corpus").join(name));
    cargo.arg(format!("-artifact_prefix={}/", breaking.display()));
    cargo.arg(format!("-max_total_time={seconds}")).args(LIMITS);
    succeed(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
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
