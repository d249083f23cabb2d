//! Measures what recording costs and how much it holds: the part of `cargo xtask measure lab` that
//! needs the sensor itself. Prints lines of a name and a number.
//!
//! ```text
//! measure start ROUNDS                     milliseconds from nothing to recording
//! measure scan SEED ROUNDS PROGRAM WORD…   CPU seconds of a command, untraced and traced
//! measure flood SECONDS                    events that arrive and are lost when a program floods
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it starts what it measures, reads its options, and prints figures"
)]

#[path = "../tests/ptrace_subject/mod.rs"]
mod ptrace_subject;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use watchglass_events::Source;
use watchglass_sensor::{Sensor as _, Totals, bpf, ptrace};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start", rounds] => measure_start(number(rounds)),
        ["scan", seed, rounds, command @ ..] => scan(number(seed), number(rounds), command),
        ["flood", seconds] => flood(number(seconds)),
        ["load", seconds] => load(Duration::from_secs(number(seconds))),
        // The subject of tier T0 starts this program again, as its tests start themselves.
        ["--exact", "ptrace_subject::supervises", ..] => ptrace_subject::supervise(),
        ["--exact", "ptrace_subject::parks_and_runs", ..] => ptrace_subject::park_and_run(),
        _ => panic!("see the head of this file"),
    }
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}

fn tell(name: &str, value: impl std::fmt::Display) {
    println!("{name} {value}");
}

fn measure_start(rounds: u64) {
    for _ in 0..rounds {
        let world = Cgroup::make();
        let began = Instant::now();
        let recording = Recording::begin(&world);
        tell("start_ms", began.elapsed().as_millis());
        recording.end();
    }
}

/// A way of running the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Untraced,
    Traced,
    TracedT0,
    Strace,
}

/// In each round every way once, in an order drawn from the seed, so that what the machine does
/// beside falls on all alike. Strace is slow: it runs in every third round.
fn scan(seed: u64, rounds: u64, command: &[&str]) {
    run_untraced(command); // what is read lies in memory from now on
    let mut draw = seed;
    for round in 0..rounds {
        let mut ways = vec![Way::Untraced, Way::Traced];
        if round % 3 == 0 {
            ways.extend([Way::TracedT0, Way::Strace]);
        }
        while !ways.is_empty() {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = usize::try_from(draw >> 33).expect("31 bits") % ways.len();
            run(ways.swap_remove(place), command);
        }
    }
}

fn run(way: Way, command: &[&str]) {
    match way {
        Way::Untraced => tell("untraced_cpu_s", run_untraced(command)),
        Way::Strace => {
            let strace = [&["strace", "-f", "-o", "/dev/null"], command].concat();
            tell("strace_cpu_s", run_untraced(&strace));
        }
        Way::Traced => {
            let world = Cgroup::make();
            let recording = Recording::begin(&world);
            let before = Cpu::now();
            succeed(world.command(command));
            let totals = recording.end();
            let spent = before.spent();
            tell("traced_cpu_s", spent.children);
            tell("reader_cpu_s", spent.own);
            let sum = |of: fn(&Totals) -> u64| totals.iter().map(of).sum::<u64>();
            tell("events", sum(|totals| totals.emitted));
            tell("lost", sum(|totals| totals.lost));
        }
        Way::TracedT0 => {
            let before = Cpu::now();
            let options = ptrace::Options::default();
            let recording = ptrace_subject::record(command, &options, &[]).expect("ptrace");
            let spent = before.spent();
            tell("t0_cpu_s", spent.children + spent.own);
            tell("t0_lost", recording.totals.lost);
        }
    }
}

fn run_untraced(words: &[&str]) -> f64 {
    let before = Cpu::now();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    succeed(command);
    before.spent().children
}

/// A scanner says with 1 that it found something.
fn succeed(mut command: Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
    assert!(matches!(status.code(), Some(0 | 1)), "{command:?}: {status}");
}

fn flood(seconds: u64) {
    let world = Cgroup::make();
    let recording = Recording::begin(&world);
    let own = std::env::current_exe().expect("this program");
    let seconds = seconds.to_string();
    let began = Instant::now();
    succeed(world.command(&[own.to_str().expect("UTF-8"), "load", &seconds]));
    tell("flood_seconds", began.elapsed().as_secs_f64());
    let totals = recording.end();
    let kernel = totals.iter().find(|totals| totals.source == Source::Tracepoint);
    let kernel = kernel.expect("the tracepoints' totals");
    tell("flood_events", kernel.emitted);
    tell("flood_received", kernel.received);
    tell("flood_lost", kernel.lost);
}

/// Opens without end: each is a full event with the path that the kernel resolved.
fn load(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        for _ in 0..1000 {
            drop(File::open("/dev/zero").expect("/dev/zero"));
        }
    }
}

/// A recording at tier T1.
struct Recording {
    sensor: Box<bpf::BpfSensor>,
    folder: tempfile::TempDir,
}

impl Recording {
    fn begin(world: &Cgroup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("a log");
        let directory = File::open(&world.path).expect("the cgroup");
        let options = bpf::Options {
            world_root: Some("/".into()),
            libraries: bpf::tls_libraries(Path::new("/")),
            ..bpf::Options::default()
        };
        let sensor = bpf::start(directory.as_fd(), log, &options).expect("BPF");
        Self { sensor: Box::new(sensor), folder }
    }

    /// The log is read again: figures of a recording that cannot be read are none.
    fn end(self) -> Vec<Totals> {
        let totals = self.sensor.finish().expect("a whole log");
        let bytes = std::fs::read(self.folder.path().join("log")).expect("the log");
        assert!(bytes.starts_with(watchglass_events::log::MAGIC));
        for totals in &totals {
            assert_eq!(totals.received + totals.lost, totals.emitted, "{totals:?}");
        }
        totals
    }
}

/// A cgroup for the subject, removed when dropped.
struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    fn make() -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("cgroup2");
        let mount = Path::new(mount.split(' ').nth(4).expect("a mount point"));
        let path = mount.join(format!("watchglass-measure-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a cgroup");
        Self { path }
    }

    /// A command that joins the cgroup before it becomes the program.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.path.join("cgroup.procs")).args(words);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// CPU seconds in user and kernel mode, in hundredths.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    /// Of this process with all its threads.
    own: f64,
    /// Of its children that were waited for, with theirs.
    children: f64,
}

impl Cpu {
    /// proc_pid_stat(5), fields 14 to 17.
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/self/stat").expect("/proc/self/stat");
        let after_name = text.rsplit_once(')').expect("a name").1;
        let ticks = after_name.split_ascii_whitespace().skip(11).take(4);
        let ticks: Vec<f64> = ticks.map(|ticks| ticks.parse().expect("a number")).collect();
        Self { own: (ticks[0] + ticks[1]) / 100.0, children: (ticks[2] + ticks[3]) / 100.0 }
    }

    fn spent(self) -> Self {
        let now = Self::now();
        Self { own: now.own - self.own, children: now.children - self.children }
    }
}
