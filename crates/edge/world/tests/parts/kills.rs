//! Labs that die: nothing of their worlds remains.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Test;
use crate::setting::{Setting, skip, spawn, start};
use crate::traces::Marks;

pub(crate) const TESTS: &[Test] = &[
    ("ten_random_kills_of_the_lab_leave_nothing", ten_random_kills_of_the_lab_leave_nothing),
    ("a_lab_killed_while_it_makes_a_root_leaves_nothing", killed_while_it_makes_a_root),
    ("an_interrupted_lab_leaves_nothing", an_interrupted_lab_leaves_nothing),
    ("a_killed_keeper_ends_the_world", a_killed_keeper_ends_the_world),
    ("a_killed_first_process_ends_the_world", a_killed_first_process_ends_the_world),
    ("sweep_removes_what_a_dead_lab_left", sweep_removes_what_a_dead_lab_left),
];

const ROLE: &str = "test-lab";
const ROOT_ROLE: &str = "test-root-lab";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lab that is killed: makes worlds with busy subjects until it dies.
pub(crate) fn run_lab(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if arguments.nth(1)? == ROOT_ROLE {
        let cache = PathBuf::from(arguments.next()?);
        let _ = crate::roots::prepare(&cache, &["hello"], &AtomicBool::new(false));
        return Some(ExitCode::SUCCESS);
    }
    (std::env::args().nth(1)? == ROLE).then(|| {
        loop {
            let mut world = Setting::host().create().expect("a world");
            println!("world");
            let (spawn, _output) =
                spawn(&["sh", "-c", "setsid sleep 1000 & while :; do ls -R /etc >/tmp/x; done"]);
            start(&mut world, spawn);
            std::thread::sleep(Duration::from_millis(100));
            world.end().expect("ended");
        }
    })
}

/// Started by `env`, which gives it back the interrupt that a shell takes from what it starts in the
/// background.
fn lab() -> std::process::Child {
    let program = std::env::current_exe().expect("a program");
    let mut env = Command::new("env");
    env.arg("--default-signal=INT").arg(program).arg(ROLE);
    env.stdout(Stdio::null()).spawn().expect("a lab")
}

fn needs_root(name: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(name, "it needs root");
    }
    root
}

fn ten_random_kills_of_the_lab_leave_nothing() {
    if !needs_root("random kills") {
        return;
    }
    let times: u64 =
        std::env::var("WATCHGLASS_TEST_KILLS").map_or(10, |times| times.parse().expect("a number"));
    living_worlds_are_seen();
    for _ in 0..times {
        let mut random = [0; 2];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .expect("random");
        let wait = Duration::from_millis(u64::from(u16::from_le_bytes(random)) % 400);
        let mut lab = lab();
        std::thread::sleep(wait);
        let mut marks = Marks::of_test(lab.id());
        marks.note();
        lab.kill().expect("killed");
        lab.wait().expect("waited");
        eprintln!("  killed after {} ms", wait.as_millis());
        marks.assert_gone();
    }
}

/// What finds nothing afterwards finds something now.
fn living_worlds_are_seen() {
    let mut marks = Marks::of_test(std::process::id());
    let living = Setting::host().create().expect("a world");
    marks.note();
    let left = marks.left();
    for look in ["process ", "root of", "network namespace of", "cgroup "] {
        assert!(left.iter().any(|found| found.starts_with(look)), "not {look}: {left:#?}");
    }
    // Without a process, a namespace that somebody holds open still is found.
    let held = fs::File::open(format!("/proc/{}/ns/mnt", living.first_process())).expect("held");
    drop(living);
    let left = marks.left();
    let found = left.iter().any(|found| found.starts_with("mount namespace in a descriptor"));
    assert!(found, "{left:#?}");
    drop(held);
    marks.assert_gone();
}

fn killed_while_it_makes_a_root() {
    if !needs_root("killed while it makes a root") {
        return;
    }
    let cache = tempfile::tempdir().expect("a folder");
    let count = || fs::read_dir(cache.path()).expect("a folder").count();
    let program = std::env::current_exe().expect("a program");
    let mut lab = Command::new(program)
        .arg(ROOT_ROLE)
        .arg(cache.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("a lab");
    let deadline = Instant::now() + PATIENCE;
    while count() == 0 {
        assert!(Instant::now() < deadline, "mmdebstrap makes its folder");
        std::thread::sleep(Duration::from_millis(10));
    }
    lab.kill().expect("killed");
    lab.wait().expect("waited");
    let deadline = Instant::now() + PATIENCE;
    while count() > 0 {
        assert!(Instant::now() < deadline, "the half-made root is removed");
        std::thread::sleep(Duration::from_millis(10));
    }
    Marks::of_test(lab.id()).assert_gone();
    let marker = cache.path().display().to_string();
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let left = processes.filter(|entry| {
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&marker))
    });
    assert_eq!(left.count(), 0, "no process of mmdebstrap is left");
}

fn an_interrupted_lab_leaves_nothing() {
    if !needs_root("interrupted lab") {
        return;
    }
    let mut lab = lab();
    std::thread::sleep(Duration::from_millis(250));
    let marks = Marks::of_test(lab.id());
    kill_process(Pid::from_child(&lab), Signal::INT).expect("interrupted");
    let deadline = Instant::now() + PATIENCE;
    while lab.try_wait().expect("waited").is_none() {
        if Instant::now() >= deadline {
            lab.kill().expect("killed");
            panic!("the lab goes on after an interrupt");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    marks.assert_gone();
}

fn a_killed_keeper_ends_the_world() {
    let Some(mut world) = Setting::host().world("killed keeper") else { return };
    let (spawn, _output) = spawn(&["sleep", "1000"]);
    start(&mut world, spawn);
    let keeper = parent_of(world.first_process());
    kill_process(keeper, Signal::KILL).expect("killed");
    assert!(world.wait(PATIENCE).is_err(), "the world is gone");
    // Its cgroup is what a keeper that dies cannot remove; it is empty, and the sweep takes it when
    // the lab is dead. Here the lab lives, so the test removes it.
    let folder = cgroup_mount().join(world.name());
    drop(world);
    wait_for_removal(&folder.join("subject"));
    wait_for_removal(&folder);
    Marks::of_test(std::process::id()).assert_gone();
}

fn wait_for_removal(folder: &std::path::Path) {
    let deadline = Instant::now() + PATIENCE;
    while fs::remove_dir(folder).is_err() {
        assert!(Instant::now() < deadline, "{} still has processes", folder.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_killed_first_process_ends_the_world() {
    let Some(mut world) = Setting::host().world("killed first process") else { return };
    let (spawn, _output) = spawn(&["sleep", "1000"]);
    start(&mut world, spawn);
    let first = Pid::from_raw(i32::try_from(world.first_process()).expect("a pid")).expect("a pid");
    kill_process(first, Signal::KILL).expect("killed");
    assert!(world.wait(PATIENCE).is_err(), "the world is gone");
    drop(world);
    Marks::of_test(std::process::id()).assert_gone();
}

fn sweep_removes_what_a_dead_lab_left() {
    if !needs_root("sweep") {
        return;
    }
    let cache = tempfile::tempdir().expect("a folder");
    // Process 1 lives, but was not started at tick 999999999.
    use std::os::unix::fs::MetadataExt as _;
    let space = fs::metadata("/proc/self/ns/pid").expect("a namespace").ino();
    let name = format!("watchglass-1-999999999-00000000000000aa-{space}");
    let folder = cgroup_mount().join(&name);
    fs::create_dir_all(folder.join("subject")).expect("a cgroup");
    fs::create_dir(cache.path().join(format!("half-made-{name}"))).expect("a folder");
    let swept = watchglass_world::sweep(cache.path()).expect("swept");
    assert!(swept.contains(&name) && swept.contains(&format!("half-made-{name}")), "{swept:?}");
    assert!(!folder.exists());
}

fn cgroup_mount() -> std::path::PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let line = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"))
        .expect("a cgroup2 mount");
    line.split(' ').nth(1).expect("a mount point").into()
}

fn parent_of(pid: u32) -> Pid {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent");
    Pid::from_raw(parent.trim().parse().expect("a number")).expect("a pid")
}
