//! Runs real programs under the sensor, behind a filter like the world's.
//!
//! The subject must not be a child of the tracing program, so a helper stands between: this test
//! binary again, which starts it once more as the process that parks, puts the filter in place and
//! becomes the program.
#![allow(
    clippy::disallowed_methods,
    reason = "a test starts its subject, compares with other tools, and reads its own settings"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::DumpableBehavior;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use watchglass_events::log;
use watchglass_events::{Event, What};
use watchglass_sensor::ptrace::{self, Options, PtraceSensor, RECORD, REFUSE};
use watchglass_sensor::{Sensor as _, SensorError, Totals};

/// What a program did, as recorded.
#[derive(Debug)]
#[allow(dead_code, reason = "each test file uses some of it")]
pub(crate) struct Recording {
    pub(crate) events: Vec<Event>,
    pub(crate) totals: Totals,
    /// What it printed on standard output and error.
    pub(crate) output: String,
    /// `0`, another exit code, or `signal N`.
    pub(crate) status: String,
}

#[allow(dead_code, reason = "each test file uses some of it")]
impl Recording {
    pub(crate) fn whats(&self) -> impl Iterator<Item = &What> {
        self.events.iter().map(|event| &event.what)
    }

    pub(crate) fn count(&self, wanted: impl Fn(&What) -> bool) -> usize {
        self.whats().filter(|what| wanted(what)).count()
    }

    #[track_caller]
    pub(crate) fn find(&self, wanted: impl Fn(&What) -> bool) -> &Event {
        let found = self.events.iter().find(|event| wanted(&event.what));
        found.unwrap_or_else(|| {
            panic!("not recorded; it printed: {}\n{:#?}", self.output, self.events)
        })
    }

    /// The record says of itself that nothing is missing.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        let Totals { emitted, received, lost, .. } = self.totals;
        assert_eq!((received, lost), (emitted, 0));
        assert_eq!(received, self.events.len() as u64);
        let troubles: Vec<_> =
            self.whats().filter(|what| matches!(what, What::Noted { .. })).collect();
        assert!(troubles.is_empty(), "{troubles:?}");
    }
}

/// A program that runs under the sensor.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) sensor: Box<PtraceSensor>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) supervisor: Child,
    log: PathBuf,
}

/// Records `command` to its end.
#[allow(dead_code, reason = "each test file uses some of it")]
pub(crate) fn record(command: &[&str], options: &Options, refused: &[u32]) -> Option<Recording> {
    start(command, options, refused).map(Running::finish)
}

/// Starts `command` under the sensor; `None` where this machine lets nobody trace.
pub(crate) fn start(command: &[&str], options: &Options, refused: &[u32]) -> Option<Running> {
    start_in(Room::Here, command, options, refused)
}

/// Where a subject runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each test file uses some of it")]
pub(crate) enum Room {
    /// In the namespaces of the test.
    Here,
    /// In user, pid and mount namespaces of its own, as in a world.
    Namespaces,
}

/// As [`start`], elsewhere.
pub(crate) fn start_in(
    room: Room,
    command: &[&str],
    options: &Options,
    refused: &[u32],
) -> Option<Running> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut sensor = Box::new(ptrace::start(File::create(&log).unwrap(), options).unwrap());
    let mut supervisor = supervisor(room, command, folder.path(), sensor.traced_calls(), refused);
    let pid: u32 = await_text(&folder.path().join("pid")).parse().unwrap();
    match sensor.adopt(pid) {
        Ok(()) => {}
        Err(SensorError::System { call, source }) if source.raw_os_error() == Some(EPERM) => {
            skip(command[0], &format!("{call}: {source}"));
            supervisor.kill().unwrap();
            supervisor.wait().unwrap();
            return None;
        }
        Err(error) => panic!("{error:?}"),
    }
    std::fs::write(folder.path().join("go"), "").unwrap();
    Some(Running { sensor, folder, supervisor, log })
}

impl Running {
    pub(crate) fn finish(mut self) -> Recording {
        await_end(&mut self.supervisor);
        let mut totals = self.sensor.finish().unwrap();
        let bytes = std::fs::read(&self.log).unwrap();
        let log = log::parse(&bytes).unwrap();
        assert_eq!(log.cut, None);
        let text = |name| {
            let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert_eq!(totals.len(), 1);
        let totals = totals.remove(0);
        Recording { events: log.events, totals, output: text("output"), status: text("status") }
    }
}

/// Says that a test could not be run; under `WATCHGLASS_STRICT=1` that is a failure.
#[allow(clippy::print_stderr, reason = "the harness reads it there")]
pub(crate) fn skip(name: &str, why: &str) {
    assert!(std::env::var("WATCHGLASS_STRICT").as_deref() != Ok("1"), "{name}: {why}");
    eprintln!("skipped: {name}: {why}");
}

/// The command line that runs one of this binary's own entries.
#[allow(dead_code, reason = "each test file uses some of it")]
pub(crate) fn own_entry(name: &str) -> Vec<String> {
    let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let rest = ["--exact", name, "--ignored", "--nocapture", "--test-threads=1"];
    std::iter::once(own).chain(rest.map(str::to_owned)).collect()
}

fn supervisor(
    room: Room,
    command: &[&str],
    folder: &Path,
    traced: &[u32],
    refused: &[u32],
) -> Child {
    let entry = own_entry("ptrace_subject::supervises");
    let numbers = |calls: &[u32]| calls.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    Command::new(&entry[0])
        .args(&entry[1..])
        .env("SUBJECT_COMMAND", command.join("\x1f"))
        .env("SUBJECT_FOLDER", folder)
        .env("SUBJECT_ROOM", format!("{room:?}"))
        .env("SUBJECT_TRACED", numbers(traced))
        .env("SUBJECT_REFUSED", numbers(refused))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the helper between a test and its subject"]
fn supervises() {
    supervise();
}

#[test]
#[ignore = "the subject before it runs its program"]
fn parks_and_runs() {
    park_and_run();
}

/// The body of the helper between a test and its subject.
pub(crate) fn supervise() {
    use std::os::unix::process::ExitStatusExt as _;
    let entry = own_entry("ptrace_subject::parks_and_runs");
    let is_apart = std::env::var("SUBJECT_ROOM").unwrap() == "Namespaces";
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"];
    let words = unshare.iter().take(if is_apart { unshare.len() } else { 0 });
    let words: Vec<_> = words.map(|word| (*word).to_owned()).chain(entry).collect();
    let mut child = Command::new(&words[0]).args(&words[1..]).spawn().unwrap();
    let parked = folder().join("parked");
    while !parked.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    // In a pid namespace of its own the subject does not know its number here.
    let pid = if is_apart { only_child(child.id()) } else { child.id().to_string() };
    std::fs::write(folder().join("pid.new"), pid).unwrap();
    std::fs::rename(folder().join("pid.new"), folder().join("pid")).unwrap();
    let status = child.wait().unwrap();
    let text = match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap()),
    };
    std::fs::write(folder().join("status"), text).unwrap();
}

/// The body of the subject before it runs its program.
pub(crate) fn park_and_run() {
    let folder = folder();
    // An ordinary user may trace a process that has changed its user only if it says so.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
    std::fs::write(folder.join("parked"), "").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !folder.join("go").exists() {
        assert!(Instant::now() < deadline, "nobody said go");
        std::thread::sleep(Duration::from_millis(2));
    }
    let command = std::env::var("SUBJECT_COMMAND").unwrap();
    let words: Vec<_> = command.split('\x1f').collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command.env("SUBJECT_FOLDER", &folder);
    let output = File::create(folder.join("output")).unwrap();
    command.stdout(output.try_clone().unwrap()).stderr(output);
    let traced = filter(&numbers("SUBJECT_TRACED"), RECORD);
    let refused = filter(&numbers("SUBJECT_REFUSED"), REFUSE);
    seccompiler::apply_filter(&traced).unwrap();
    // The kernel takes the answer of the newest filter when two say the same action.
    seccompiler::apply_filter(&refused).unwrap();
    panic!("{}", command.exec());
}

fn only_child(pid: u32) -> String {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().trim().to_owned()
}

fn filter(calls: &[i64], data: u16) -> BpfProgram {
    let rules: BTreeMap<_, _> = calls.iter().map(|&call| (call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let action = SeccompAction::Trace(data.into());
    if rules.is_empty() {
        let nothing = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture);
        return nothing.unwrap().try_into().unwrap();
    }
    SeccompFilter::new(rules, SeccompAction::Allow, action, architecture)
        .unwrap()
        .try_into()
        .unwrap()
}

fn numbers(variable: &str) -> Vec<i64> {
    let text = std::env::var(variable).unwrap();
    text.split(',').filter(|number| !number.is_empty()).map(|n| n.parse().unwrap()).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("SUBJECT_FOLDER").unwrap())
}

fn await_text(path: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text;
        }
        assert!(Instant::now() < deadline, "no {}", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A tracer that forgets to resume somebody shows here, not as a test that never ends.
fn await_end(child: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the subject hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A path as bytes of an event.
#[allow(dead_code, reason = "each test file uses some of it")]
pub(crate) fn name(path: &Path) -> watchglass_events::Name {
    watchglass_events::Name::new(path.as_os_str().as_bytes())
}

const EPERM: i32 = 1;
const PATIENCE: Duration = Duration::from_secs(120);
