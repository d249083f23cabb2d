use std::time::Duration;

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

/// How long that takes: `cargo xtask measure lab`.
#[test]
fn the_sensor_starts_and_attaches_to_libraries() {
    if !can_record("the_sensor_starts_and_attaches_to_libraries") {
        return;
    }
    let libraries =
        ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib/x86_64-linux-gnu/libgnutls.so.30"];
    let libraries =
        libraries.map(std::path::PathBuf::from).into_iter().filter(|path| path.exists());
    let options = Options { libraries: libraries.collect(), ..Options::default() };
    let recorded = World::watch(&options).finish().whole();
    let uprobes = recorded.totals.iter().find(|totals| totals.source == Source::Uprobe).unwrap();
    let lacks = |text: &String| text.starts_with("Not seen") || text.contains("is not probed");
    assert!(!uprobes.blind.iter().any(lacks), "{uprobes:?}");
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
