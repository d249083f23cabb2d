//! The engine in one process: the part of `cargo xtask measure engine` that shows what the jail costs.
//!
//! ```text
//! engine_alone DATABASE LIST           looks into each file whose path is a line of LIST
//! engine_alone --walls DATABASE LIST   the same behind the walls of a worker
//! ```
//!
//! It reads, scans and forgets as `watchglass-worker` does, and opens the files itself, which the
//! product never does. So it is an example, which no installation has: the product has no switch that
//! takes its jail away. Prints `PATH: NAME FOUND` on standard error, the one place where a process
//! behind the walls may write.
#![expect(clippy::print_stderr, reason = "that is where a worker may write")]

#[path = "../src/content.rs"]
#[expect(dead_code, reason = "nobody hashes here")]
mod content;

use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use watchglass_database::Database;
use watchglass_engine::{Detection, Engine, Limits, Matches, Settings};
use watchglass_jail::{WORKER, confine};
use watchglass_sys::mapping::Mapped;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let walls = words.first().is_some_and(|word| word.as_os_str() == "--walls");
    if walls {
        words.remove(0);
    }
    let [database, list] = words.as_slice() else { return Err("see the head of this file".into()) };
    let mapped = Mapped::of(&File::open(database)?)?;
    // All at once: behind the walls no path can be opened.
    let files = open(&std::fs::read(list)?)?;
    if walls {
        confine(&WORKER)?;
    }
    let database = Database::open(mapped.as_ref())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let settings =
        Settings { matches: Matches::All, now: now.try_into().ok(), ..Settings::default() };
    let mut engine = Engine::new(Some(&database), settings);
    let mut bytes = Vec::new();
    for (path, file) in files {
        let deadline = Instant::now() + TIME;
        let read = content::read(&file, Limits::default().max_file_size, &mut bytes)?;
        let report = engine.scan(&bytes, read.size, &|| Instant::now() >= deadline);
        for finding in &report.findings {
            let name = match finding.detection {
                Detection::Signature(name) => database.name(name).unwrap_or_default(),
                Detection::Heuristic(heuristic) => heuristic.name().to_owned(),
            };
            eprintln!("{}: {name} FOUND", path.display());
        }
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
    }
    Ok(())
}

fn open(list: &[u8]) -> Result<Vec<(PathBuf, File)>, Box<dyn Error>> {
    let had = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: had.maximum, maximum: had.maximum })?;
    let paths = list.split(|byte| *byte == b'\n').filter(|path| !path.is_empty());
    let paths = paths.map(|path| PathBuf::from(OsStr::from_bytes(path)));
    Ok(paths.map(|path| File::open(&path).map(|file| (path, file))).collect::<Result<_, _>>()?)
}

/// For each file, as `watchglass scan` has it.
const TIME: Duration = Duration::from_secs(120);
/// As a worker has it.
const KEPT_BYTES: usize = 8 << 20;
