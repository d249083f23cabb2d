//! The lab on a real anti-virus that nobody here wrote, from end to end.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test starts the lab, reads and spoils what it left, and says why it fails"
)]

#[path = "parts/lab.rs"]
mod lab;
#[path = "parts/ready.rs"]
mod ready;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use watchglass_checks::results::{Results, State};

fn product() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../products/clamav.toml")
}

/// A cache that outlives the test: a root takes half a minute to make.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots")
}

fn command(folder: &Path, more: &[&str]) -> Command {
    let mut command = lab::assay(&product(), folder, &cache());
    command.args(["--bait", "40", "--idle-seconds", "1"]).args(more);
    command
}

fn assay(folder: &Path, more: &[&str]) -> Output {
    command(folder, more).output().expect("the lab runs")
}

fn is_ready(test: &str) -> bool {
    let tool = Path::new("/usr/bin/mmdebstrap").exists();
    ready::is_ready(test, &[("mmdebstrap", tool)])
}

fn state(results: &Results, id: &str) -> State {
    let check = results.checks.iter().find(|check| check.id == id).expect("the check");
    eprintln!("{id} {}: {}", check.state, check.reason);
    check.state
}

#[test]
fn clamav_is_assayed_and_the_bundle_holds_against_everybody() {
    if !is_ready("clamav_is_assayed_and_the_bundle_holds_against_everybody") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let output = assay(folder.path(), &["--runs", "A1,A2,B,C"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{:?}: {said}", output.status);
    let bundle = folder.path().join("bundle");
    let rechecked = watchglass_recheck::recheck(&bundle, &[]).expect("the bundle holds");
    let results = &rechecked.results;
    // From evidence: the updater's identifier, with its host and its field, stored on disk.
    let identifier = results.seen.identifiers.first().expect("an identifier that persists");
    assert_eq!(identifier.destination, "database.clamav.net:443");
    assert_eq!(identifier.place, "field User-Agent");
    assert_eq!(identifier.stored_in.as_deref(), Some("/var/lib/clamav/freshclam.dat"));
    for id in ["I1", "R2", "R3-seen", "X1", "N2", "N7", "M2", "N8", "U5"] {
        assert_eq!(state(results, id), State::Kept, "{id}");
    }
    for row in &results.seen.conservation {
        assert_eq!(row.link_bytes, row.process_bytes, "run {}", row.run);
        assert_eq!(row.opaque_bytes, 0, "run {}", row.run);
    }
    assert!(results.verdict.grade <= 1);
    spoil_every_file(&bundle);
    nothing_is_left();
}

/// One bit in the middle of each file.
fn spoil_every_file(bundle: &Path) {
    let mut folders = vec![bundle.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let whole = std::fs::read(&path).expect("a file");
            let mut spoilt = whole.clone();
            let middle = whole.len() / 2;
            spoilt[middle] ^= 1;
            std::fs::write(&path, &spoilt).expect("written");
            let error = watchglass_recheck::recheck(bundle, &[]).expect_err("a spoilt bundle");
            let name = path.strip_prefix(bundle).expect("inside").display().to_string();
            assert!(error.to_string().contains(&name), "{name}: {error}");
            std::fs::write(&path, &whole).expect("written");
        }
    }
    watchglass_recheck::recheck(bundle, &[]).expect("whole again");
}

#[test]
fn a_machine_without_bpf_gets_a_verdict_by_ptrace() {
    if !is_ready("a_machine_without_bpf_gets_a_verdict_by_ptrace") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let output = assay(folder.path(), &["--runs", "A1,A2", "--tier", "t0"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{:?}: {said}", output.status);
    let rechecked = watchglass_recheck::recheck(&folder.path().join("bundle"), &[]).expect("holds");
    for id in ["R3-seen", "N8"] {
        assert_eq!(state(&rechecked.results, id), State::Kept, "{id}");
    }
}

/// No process of a lab's roles, no cgroup of a world. What was killed needs a moment to go.
/// `faults.rs` looks closer.
fn nothing_is_left() {
    let mut left = Vec::new();
    for _ in 0..100 {
        left = leftovers();
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("left behind: {left:?}");
}

fn leftovers() -> Vec<String> {
    let mut left = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let _program = words.next();
        let role = words.next().map(|word| String::from_utf8_lossy(word).into_owned());
        let is_role = matches!(role.as_deref(), Some("world-init" | "fakenet"));
        // Other tests of this file have labs of their own; a role whose lab lives is theirs.
        if is_role && parent_is_gone(&entry.path()) {
            left.push(format!("process {} {role:?}", entry.file_name().to_string_lossy()));
        }
    }
    left.extend(cgroups().into_iter().filter(|name| lab_is_dead(name)));
    left
}

/// Cgroups of worlds, wherever cgroup2 is mounted.
fn cgroups() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let of_two = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
    let folders = of_two.filter_map(|line| line.split(' ').nth(4));
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("watchglass-")).collect()
}

/// `watchglass-PID-START-RANDOM`.
fn lab_is_dead(name: &str) -> bool {
    if name.starts_with("watchglass-probe-") {
        return false;
    }
    let pid = name.split('-').nth(1).unwrap_or("0");
    !Path::new("/proc").join(pid).exists()
}

/// An orphan has been given to process 1, or to a reaper that is no lab.
fn parent_is_gone(process: &Path) -> bool {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let parent = parent.and_then(|pid| pid.trim().parse::<u32>().ok()).unwrap_or(0);
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
    !name.trim().starts_with("watchglass") && !name.trim().starts_with("exe")
}
