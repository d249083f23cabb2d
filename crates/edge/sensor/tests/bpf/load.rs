use std::time::{Duration, Instant};

use watchglass_events::{Source, What};
use watchglass_sensor::bpf::Options;

use crate::support::{World, can_record};

#[test]
fn loss_in_a_tiny_ring_is_counted_exactly() {
    if !can_record("loss_in_a_tiny_ring_is_counted_exactly") {
        return;
    }
    let options = Options { ring_bytes: 4096, ..Options::default() };
    let world = World::watch(&options);
    world.python(
        "import os\n\
         for n in range(20000):\n\
         \x20 try: os.stat; os.open('/nowhere', 0)\n\
         \x20 except OSError: pass",
    );
    let recorded = world.finish();
    let totals = &recorded.totals[0];
    assert!(totals.lost > 0 && totals.emitted > 20_000, "{totals:?}");
    let told = recorded.whats().filter_map(|what| match what {
        What::Noted { text } => {
            text.split_once(" records of CPU").and_then(|(n, _)| n.parse::<u64>().ok())
        }
        _ => None,
    });
    let told: u64 = told.sum();
    assert!(told > 0 && told <= totals.lost, "gaps in the log: {told}, lost: {}", totals.lost);
    let opens = recorded.whats().filter(|what| matches!(what, What::Opened { .. })).count() as u64;
    assert!(opens + totals.lost >= 20_000);
}

#[test]
fn a_group_that_is_switched_off_is_silent_and_said_to_be() {
    if !can_record("a_group_that_is_switched_off_is_silent_and_said_to_be") {
        return;
    }
    let program = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9))";
    for (group, source, other) in [
        ("cgroup", Source::Cgroup, Source::Tracepoint),
        ("sys_exit", Source::Tracepoint, Source::Cgroup),
    ] {
        let world = World::watch(&Options { disabled: vec![group], ..Options::default() });
        world.python(program);
        let recorded = world.finish().whole();
        let connected =
            |wanted: Source| recorded.of(wanted).any(|what| matches!(what, What::Connected { .. }));
        assert!(!connected(source) && connected(other), "{group}");
        let totals = recorded.totals.iter().find(|totals| totals.source == source).unwrap();
        assert!(totals.blind[0].contains("it is switched off"), "{totals:?}");
    }
}

#[test]
fn the_sensor_starts_within_half_a_second() {
    if !can_record("the_sensor_starts_within_half_a_second") {
        return;
    }
    let libraries =
        ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib/x86_64-linux-gnu/libgnutls.so.30"];
    let options = Options { libraries: libraries.map(Into::into).to_vec(), ..Options::default() };
    let fastest = (0..3).map(|_| {
        let began = Instant::now();
        let world = World::watch(&options);
        let took = began.elapsed();
        world.finish();
        took
    });
    // The fastest of three, since the machine may be busy with other tests.
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[test]
fn nothing_remains_when_the_sensor_is_dropped() {
    if !can_record("nothing_remains_when_the_sensor_is_dropped") {
        return;
    }
    let mut world = World::watch(&Options::default());
    let log = world.folder.path().join("log");
    drop(world.sensor.take());
    std::thread::sleep(Duration::from_millis(500));
    let before = std::fs::metadata(&log).unwrap().len();
    world.run_well("/bin/cat", &["/etc/hostname"]);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(std::fs::metadata(&log).unwrap().len(), before);
}

#[test]
fn processes_outside_of_the_cgroup_are_not_recorded() {
    if !can_record("processes_outside_of_the_cgroup_are_not_recorded") {
        return;
    }
    let world = World::watch(&Options::default());
    let path = world.path("outside");
    std::fs::write(&path, "x").unwrap();
    world.run_well("/bin/true", &[]);
    let recorded = world.finish().whole();
    assert!(recorded.opened(&path).is_empty());
    let own = std::process::id();
    assert!(
        recorded
            .events
            .iter()
            .all(|event| event.actor.is_none_or(|actor| actor.process.pid != own))
    );
}

/// Opens without end, each a full event with the path the kernel resolved. Run it built for
/// release: `cargo test --release -p watchglass-sensor -- --ignored --nocapture flood`.
#[test]
#[ignore = "measures for 20 seconds"]
fn a_flood_of_events_is_recorded_without_loss() {
    if !can_record("a_flood_of_events_is_recorded_without_loss") {
        return;
    }
    let source = "#include <fcntl.h>\n#include <unistd.h>\n#include <time.h>\n\
        int main(int c, char **v) { time_t end = time(0) + 20;\n\
        while (time(0) < end) for (int n = 0; n < 1000; n++) { int f = open(\"/dev/zero\", 0); close(f); }\n\
        return 0; }";
    let world = World::watch(&Options::default());
    std::fs::write(world.path("flood.c"), source).unwrap();
    let built = std::process::Command::new("cc")
        .args(["-O2", "-o", &world.path("flood"), &world.path("flood.c")])
        .status();
    assert!(built.unwrap().success());
    let began = Instant::now();
    world.run_well(&world.path("flood"), &[]);
    let seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let recorded = world.finish();
    let totals = &recorded.totals[0];
    crate::support::say(&format!(
        "{} events in {seconds:.1} s: {:.0} a second, {} lost, {} MB of log, {:.1} s to finish",
        totals.emitted,
        totals.emitted as f64 / seconds,
        totals.lost,
        recorded.log_bytes / 1_000_000,
        began.elapsed().as_secs_f64()
    ));
    assert_eq!(totals.lost, 0, "{totals:?}");
}

/// CPU seconds of a shell command and of this process meanwhile.
fn cost(mut bash: std::process::Command, command: &str) -> (f64, f64) {
    let own = own_seconds();
    let script = format!("TIMEFORMAT='%U %S'; time {command} > /dev/null 2> /dev/null");
    let output = bash.args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let seconds = text.split_whitespace().map(|number| number.parse::<f64>().unwrap()).sum();
    (seconds, own_seconds() - own)
}

fn own_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn fastest(mut run: impl FnMut() -> (f64, f64)) -> (f64, f64) {
    (0..3).map(|_| run()).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

/// Prints CPU seconds of two workloads by themselves, recorded, beside a recording of another cgroup,
/// and under strace.
#[test]
#[ignore = "measures for minutes"]
fn what_the_recording_costs() {
    if !can_record("what_the_recording_costs") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("one.hdb");
    std::fs::write(&database, "0123456789abcdef0123456789abcdef:70:One\n").unwrap();
    let scan = format!("clamscan -r -d {} /usr/share/perl /usr/share/doc", database.display());
    let grep =
        "grep -r watchglass-nowhere /usr/share/doc /usr/share/perl /usr/include /usr/share/man";
    let bash = || std::process::Command::new("/bin/bash");
    for command in [grep, scan.as_str()] {
        let (alone, _) = fastest(|| cost(bash(), command));
        let mut events = 0;
        let (recorded, reader) = fastest(|| {
            let world = World::watch(&Options::default());
            let cost = cost(world.command("/bin/bash"), command);
            events = world.finish().whole().totals[0].emitted;
            cost
        });
        let world = World::watch(&Options::default());
        let (beside, _) = fastest(|| cost(bash(), command));
        drop(world);
        let (strace, _) = cost(bash(), &format!("strace -f -o /dev/null {command}"));
        crate::support::say(&format!(
            "{command}\n  alone {alone:.2} s, recorded {recorded:.2} s ({:.2}×), reader {reader:.2} s, \
             {events} records; beside a recording {beside:.2} s ({:.2}×); strace -f {strace:.2} s ({:.1}×)",
            recorded / alone,
            beside / alone,
            strace / alone
        ));
    }
}
