//! What the ptrace sensor costs, beside strace. Measurements, run by hand:
//! `cargo test --release -p watchglass-sensor --test ptrace_cost -- --ignored --nocapture measures`
#![allow(
    clippy::disallowed_methods,
    reason = "a test starts its subject, compares with other tools, and reads its own settings"
)]

mod ptrace_subject;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use ptrace_subject::{record, skip};
use watchglass_sensor::ptrace::{Options, Reads};

#[test]
#[ignore = "a measurement of a minute, best without other load"]
fn measures_grep() {
    measure("grep", &["/bin/grep", "-r", "no such words", "/usr/include"], 5);
}

#[test]
#[ignore = "a measurement of minutes, best without other load"]
fn measures_clamscan() {
    if !Path::new("/usr/bin/clamscan").exists() {
        return skip("measures_clamscan", "clamscan is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("one.hsb");
    std::fs::write(&database, format!("{}:1:Nothing:73\n", "0".repeat(64))).unwrap();
    let database = format!("--database={}", database.display());
    measure("clamscan", &["/usr/bin/clamscan", "-r", "-i", &database, "/usr/share/perl"], 3);
}

fn measure(what: &str, command: &[&str], rounds: usize) {
    let opens_only = Options { reads: Reads::OpensOnly, ..Options::default() };
    let strace = [&["strace", "-f", "-o", "/dev/null"], command].concat();
    let calls = "trace=%file,%process,read,write,socket,connect,mmap";
    let filtered =
        [&["strace", "-f", "--seccomp-bpf", "-e", calls, "-o", "/dev/null"], command].concat();
    untraced(command);
    let rest = best(rounds, || (traced(&["/bin/true"], &Options::default()), 0));
    let base = best(rounds, || (untraced(command), 0));
    tell(what, "untraced", base, base, 0.0);
    let mut events = 0;
    let counted = best(rounds, || {
        let seconds = timed(|| {
            let recording = record(command, &Options::default(), &[]).unwrap();
            recording.assert_whole();
            events = recording.events.len();
        });
        (seconds, events)
    });
    tell(what, "traced, reads counted", counted, base, rest.0.0);
    let opens = best(rounds, || (traced(command, &opens_only), 0));
    tell(what, "traced, opens only", opens, base, rest.0.0);
    tell(what, "strace -f", best(1, || (untraced(&strace), 0)), base, 0.0);
    tell(what, "strace -f --seccomp-bpf", best(1, || (untraced(&filtered), 0)), base, 0.0);
}

type Cost = ((f64, f64), usize);

fn best(rounds: usize, mut run: impl FnMut() -> Cost) -> Cost {
    let costs = (0..rounds).map(|_| run());
    costs.min_by(|a, b| a.0.0.total_cmp(&b.0.0)).unwrap()
}

#[expect(clippy::print_stdout, reason = "figures")]
fn tell(what: &str, how: &str, cost: Cost, base: Cost, rest: f64) {
    let ((cpu, wall), events) = cost;
    let factor = (cpu - rest) / base.0.0;
    println!("{what}: {how}: {:.2} s CPU, {wall:.2} s, {factor:.2}x, {events} events", cpu - rest);
}

fn traced(command: &[&str], options: &Options) -> (f64, f64) {
    timed(|| drop(record(command, options, &[]).unwrap()))
}

fn untraced(command: &[&str]) -> (f64, f64) {
    timed(|| {
        let mut command_line = Command::new(command[0]);
        command_line.args(&command[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        command_line.status().unwrap();
    })
}

fn timed(run: impl FnOnce()) -> (f64, f64) {
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    run();
    (cpu_seconds() - cpu, begun.elapsed().as_secs_f64())
}

/// Of this program and all its children that have ended: proc_pid_stat(5), fields 14 to 17.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = text.rsplit(')').next().unwrap();
    let ticks = after_name.split_ascii_whitespace().skip(11).take(4);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
