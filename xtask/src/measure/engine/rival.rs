//! One run of a scanner, and what it cost.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, succeed};
use crate::trouble::Trouble;

/// What was built.
pub(super) struct Programs {
    /// The product's command.
    pub(super) watchglass: PathBuf,
    /// The engine in one process, an example.
    alone: PathBuf,
    /// Reads, hashes and inflates, an example.
    floor: PathBuf,
}

/// A scanner with its set, up to the option that names the files.
#[derive(Clone)]
pub(super) struct Scanner {
    words: Vec<OsString>,
}

/// What a run cost and found.
pub(super) struct Run {
    /// Seconds of processors, user and system, children among them.
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
    /// KiB of the largest process.
    peak_kib: u64,
    /// File and name.
    pub(super) found: BTreeSet<(Vec<u8>, String)>,
    /// What it printed as figures.
    pub(super) printed: String,
}

impl Run {
    pub(super) fn peak_mib(&self) -> u64 {
        self.peak_kib.div_ceil(1024)
    }
}

/// Builds for release.
pub(super) fn build(place: &Place) -> Result<Programs, Trouble> {
    let target = place.target();
    let products = ["-p", "watchglass", "-p", "watchglass-scan", "-p", "watchglass-worker"];
    let build = |words: &[&str]| {
        let mut cargo = place.cargo(["build", "--quiet", "--release"]);
        succeed(cargo.args(words).arg("--target-dir").arg(target))
    };
    // Apart, so that nothing which the examples alone need gets into the product.
    build(&products)?;
    build(&["-p", "watchglass-worker", "--examples"])?;
    let release = target.join("release");
    Ok(Programs {
        watchglass: release.join("watchglass"),
        alone: release.join("examples/engine_alone"),
        floor: release.join("examples/floor"),
    })
}

/// Compiles a folder of sets.
pub(super) fn compile(ours: &Path, set: &Path, database: &Path) -> Result<Run, Trouble> {
    let words =
        [ours.into(), "database".into(), "build".into(), set.into(), "-o".into(), database.into()];
    let words: [OsString; 6] = words;
    measured(&words, &set.with_extension("figures"))
}

/// Whether the engine in one process is behind the walls of a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Walls {
    Yes,
    No,
}

impl Scanner {
    pub(super) fn ours(program: &Path, database: &Path, jobs: u32) -> Self {
        let words = [program.into(), "scan".into(), "--allmatch".into(), "--no-summary".into()];
        let mut words: Vec<OsString> = words.into();
        words.extend(["--infected".into(), "--no-cache".into(), "-d".into(), database.into()]);
        words.extend([OsString::from("--jobs"), jobs.to_string().into(), "--file-list".into()]);
        Self { words }
    }

    /// As a person starts it: all cores, and verdicts are kept, in a file of this run.
    pub(super) fn as_started(program: &Path, database: &Path, verdicts: &Path) -> Self {
        let words = [program.into(), "scan".into(), "--no-summary".into(), "-d".into()];
        let mut words: Vec<OsString> = words.into();
        words.extend([database.into(), "--cache".into(), verdicts.into(), "--file-list".into()]);
        Self { words }
    }

    pub(super) fn theirs(set: &Path) -> Self {
        let words = ["clamscan", "--allmatch", "--no-summary", "--infected"].map(OsString::from);
        let mut words: Vec<OsString> = words.into();
        words.extend([OsString::from("-d"), set.into(), "--file-list".into()]);
        Self { words }
    }

    pub(super) fn alone(programs: &Programs, database: &Path, walls: Walls) -> Self {
        let mut words: Vec<OsString> = vec![programs.alone.clone().into()];
        words.extend((walls == Walls::Yes).then(|| OsString::from("--walls")));
        words.push(database.into());
        Self { words }
    }

    pub(super) fn floor(programs: &Programs) -> Self {
        Self { words: vec![programs.floor.clone().into()] }
    }

    /// Scans the files of a list.
    pub(super) fn run(&self, list: &Path) -> Result<Run, Trouble> {
        let mut words = self.words.clone();
        words.push(list.into());
        measured(&words, &list.with_extension("figures"))
    }

    /// Starts it on a list without counting anything.
    pub(super) fn start(&self, list: &Path, stdin: Stdio) -> Result<std::process::Child, Trouble> {
        let (program, words) = self.words.split_first().expect("a scanner is a program");
        let mut command = Command::new(program);
        command.args(words).arg(list).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(Trouble::start(program.to_string_lossy()))
    }
}

/// Writes the paths of files, one a line.
pub(super) fn list(files: &[PathBuf], path: &Path) -> Result<(), Trouble> {
    let lines = files.iter().flat_map(|file| [file.as_os_str().as_bytes(), b"\n"]);
    let lines: Vec<u8> = lines.flatten().copied().collect();
    fs::write(path, lines).map_err(Trouble::file(path))
}

/// Runs a command. What it and its children took is what the kernel told a python that waited for
/// them, in microseconds; time(1) between them tells the memory of the largest, so that python's own is
/// no part of it.
fn measured(words: &[OsString], figures: &Path) -> Result<Run, Trouble> {
    let mut command = Command::new("python3");
    command.args(["-I", "-c", COUNT]).arg(figures);
    command.args(["/usr/bin/time", "-q", "-a", "-f", "%M", "-o"]).arg(figures).args(words);
    let ended = command.stdin(Stdio::null()).output().map_err(Trouble::start("python3"))?;
    // 1 is a finding; 2 an error about single files, which scanners tell in their lines.
    let killed = ended.status.code().is_none_or(|code| code > 2);
    let text = fs::read_to_string(figures).map_err(Trouble::file(figures))?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[peak, cpu_s, wall_s] = numbers.as_slice() else {
        let says = format!("three figures expected: {text}");
        return Err(Trouble::Content { path: figures.to_owned(), says });
    };
    if killed {
        let program = words.first().map(|word| word.to_string_lossy().into_owned());
        let says = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        let says = format!("{}: {says}", ended.status);
        return Err(Trouble::Program { program: program.unwrap_or_default(), says });
    }
    let peak_kib = format!("{peak:.0}").parse().unwrap_or(0);
    let mut found = found(&ended.stdout);
    found.extend(self::found(&ended.stderr));
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    Ok(Run { cpu_s, wall_s, peak_kib, found, printed })
}

const COUNT: &str = "
import resource, subprocess, sys, time
open(sys.argv[1], 'w').close()
def taken():
    took = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took.ru_utime + took.ru_stime
# A python that a script started has that script's children as well.
before = taken()
began = time.monotonic()
code = subprocess.call(sys.argv[2:])
wall = time.monotonic() - began
print(taken() - before, wall, file=open(sys.argv[1], 'a'))
sys.exit(code)
";

/// `PATH: NAME FOUND` lines.
fn found(text: &[u8]) -> BTreeSet<(Vec<u8>, String)> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b" FOUND"));
    let split = |line: &[u8]| {
        let colon = line.windows(2).rposition(|pair| pair == b": ")?;
        let name = String::from_utf8_lossy(&line[colon + 2..]).into_owned();
        Some((line[..colon].to_vec(), name))
    };
    lines.filter_map(split).collect()
}

/// Waits for a child, looking at it now and then.
pub(super) fn watch(
    child: &mut std::process::Child,
    every: Duration,
    mut look: impl FnMut(),
) -> Result<(), Trouble> {
    let began = Instant::now();
    loop {
        look();
        let ended = child.try_wait().map_err(Trouble::start("a scanner"))?;
        if ended.is_some() {
            return Ok(());
        }
        if began.elapsed() > LONGEST {
            let _ = child.kill();
            let says = format!("it took more than {} s", LONGEST.as_secs());
            return Err(Trouble::Program { program: "a scanner".to_owned(), says });
        }
        std::thread::sleep(every);
    }
}

/// A run that is watched ends before.
const LONGEST: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_scanners_are_read() {
        let text = b"/a: b: Win.Test FOUND\n/c: OK\n/d: NOT SCANNED (x: y)\n";
        assert_eq!(found(text), [(b"/a: b".to_vec(), "Win.Test".to_owned())].into());
    }
}
