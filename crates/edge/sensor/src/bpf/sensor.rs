//! The sensor as the lab holds it.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use aya::Btf;
use watchglass_events::Tier;

use super::Options;
use super::consumer::{Command, Consumer};
use super::loaded::{self, Loaded};
use super::programs::{self, Entry};
use crate::{Sensor, SensorError, Totals};

/// The sensor of tier T1. Dropping it takes the probe out of the kernel, as [`Sensor::finish`] does.
#[derive(Debug)]
pub struct BpfSensor {
    commands: Sender<Command>,
    thread: JoinHandle<Result<Vec<Totals>, SensorError>>,
    recorded: Arc<AtomicU64>,
}

/// Begins to record every process in `cgroup`, a directory of cgroup2, and below it, into `log`.
///
/// Takes about a tenth of a second, in which the kernel verifies the probe. While it runs, each
/// system call of every other process on the host takes about a third of a microsecond longer.
///
/// # Errors
/// [`SensorError::Unavailable`] where the kernel refuses what the tier cannot do without: no BTF, no
/// right to load BPF, or one of the tracepoints for processes and system calls. Other programs may
/// be missing; the totals say so.
pub fn start(
    cgroup: BorrowedFd<'_>,
    log: File,
    options: &Options,
) -> Result<BpfSensor, SensorError> {
    let mut loaded = Loaded::load(cgroup, options)?;
    let ring = loaded.take_ring()?;
    let recorded = Arc::new(AtomicU64::new(0));
    let consumer = Consumer::new(loaded, log, options, Arc::clone(&recorded))?;
    let (commands, asked) = channel();
    let thread = std::thread::Builder::new()
        .name("sensor".to_owned())
        .spawn(move || consumer.run(ring, &asked))
        .map_err(|source| SensorError::System { call: "spawn the reader".to_owned(), source })?;
    Ok(BpfSensor { commands, thread, recorded })
}

impl Sensor for BpfSensor {
    fn tier(&self) -> Tier {
        Tier::T1
    }

    fn traced_calls(&self) -> &[u32] {
        &[]
    }

    /// The cgroup is watched whole, so that nothing has to be done for a process in it; but where
    /// the world's root was not given, it is that of the first process adopted, and the libraries of
    /// the options are probed before this returns.
    fn adopt(&mut self, pid: u32) -> Result<(), SensorError> {
        let (answer, answered) = channel();
        self.commands.send(Command::Adopt(pid, answer)).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?
    }

    fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Totals>, SensorError> {
        // Where the thread has ended already, its result tells why.
        let _ = self.commands.send(Command::Finish);
        self.thread.join().map_err(|_| ended())?
    }
}

fn ended() -> SensorError {
    let source = std::io::Error::other("the reader ended before its time");
    SensorError::System { call: "read the ring".to_owned(), source }
}

/// What loads and attaches on this machine: each program by name, with what the kernel said.
///
/// Each is really verified and attached, to a cgroup made for it where it needs one, and taken out
/// again.
#[must_use]
pub fn probe() -> Vec<(&'static str, Result<(), String>)> {
    match EmptyCgroup::make().and_then(|cgroup| try_all(&cgroup)) {
        Ok(results) => results,
        Err(reason) => vec![("object", Err(reason))],
    }
}

type Tried = Vec<(&'static str, Result<(), String>)>;

fn try_all(cgroup: &EmptyCgroup) -> Result<Tried, String> {
    let directory = File::open(&cgroup.path).map_err(|error| error.to_string())?;
    let btf = Btf::from_sys_fs().map_err(|error| programs::chain(&error))?;
    let mut probe = loaded::object(Some(&btf), SMALL_RING).map_err(|error| error.to_string())?;
    loaded::watch(&mut probe, directory.as_fd()).map_err(|error| error.to_string())?;
    let mut attach = |entry: &Entry| programs::attach(&mut probe, entry, &btf, directory.as_fd());
    Ok(programs::TABLE.iter().map(|entry| (entry.name, attach(entry))).collect())
}

/// A cgroup without processes, removed when dropped.
struct EmptyCgroup {
    path: PathBuf,
}

impl EmptyCgroup {
    fn make() -> Result<Self, String> {
        let mount = cgroup2_mount().ok_or("no cgroup2 is mounted")?;
        sweep(&mount);
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = mount.join(format!("watchglass-probe-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path })
    }
}

/// Removes what a prober that was killed has left: it is empty, and its name tells whose it was.
fn sweep(mount: &std::path::Path) {
    let entries = std::fs::read_dir(mount).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("watchglass-probe-").and_then(|rest| rest.split('-').next());
        let is_dead = pid.is_some_and(|pid| !std::path::Path::new("/proc").join(pid).exists());
        if is_dead {
            // One that does not go is not empty, so it is not ours.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

impl Drop for EmptyCgroup {
    fn drop(&mut self) {
        // What is left empty costs nothing and is named after us.
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Where cgroup2 is mounted: on hosts with both versions not at the usual place.
fn cgroup2_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        after.starts_with("cgroup2 ").then_some(())?;
        before.split(' ').nth(4).map(PathBuf::from)
    })
}

const SMALL_RING: u32 = 4096;
