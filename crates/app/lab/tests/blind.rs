//! Every source can be switched off, and every check that rests on it then says that it cannot tell.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test starts the lab, reads what it left, and says why it fails"
)]

#[path = "parts/lab.rs"]
mod lab;
#[path = "parts/ready.rs"]
mod ready;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use lab::LAB;
use watchglass_checks::rests_on;
use watchglass_checks::results::State;
use watchglass_events::{Source, What};

/// Each source with its switch and a tier that has it.
const SOURCES: [(Source, &str, &str); 7] = [
    (Source::Tracepoint, "tracepoint", "t1"),
    (Source::Cgroup, "cgroup", "t1"),
    (Source::Uprobe, "uprobe", "t1"),
    (Source::Overlay, "overlay", "t1"),
    (Source::Capture, "capture", "t1"),
    (Source::Gate, "gate", "t1"),
    (Source::Ptrace, "ptrace", "t0"),
];

const RUNS: [&str; 3] = ["A1", "A2", "B"];

fn is_ready(test: &str) -> bool {
    let programs = Path::new(LAB).with_file_name("specimen-scan").exists();
    let bpf = watchglass_sensor::bpf::probe().iter().all(|(_, probed)| probed.is_ok());
    ready::is_ready(test, &[("BPF", bpf), ("the specimens built beside the lab", programs)])
}

/// The state of every check, with its reason.
type States = BTreeMap<String, (State, String)>;

/// Assays the reference product.
fn assay(folder: &Path, more: &[&str]) -> States {
    let product = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../products/reference.toml");
    let output = lab::assay(&product, folder, &folder.join("cache"))
        .args(["--bait", "20", "--idle-seconds", "1", "--runs", &RUNS.join(",")])
        .args(more)
        .output()
        .expect("the lab runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // The idle phase is cut short, so even where every source sees one check cannot tell.
    assert_eq!(output.status.code(), Some(3), "{more:?}: {said}");
    let rechecked = watchglass_recheck::recheck(&folder.join("bundle"), &[]).expect("it holds");
    let checks = rechecked.results.checks.into_iter();
    checks.map(|check| (check.id, (check.state, check.reason))).collect()
}

#[test]
fn a_source_that_is_switched_off_makes_all_that_rests_on_it_inconclusive_and_nothing_else() {
    let test =
        "a_source_that_is_switched_off_makes_all_that_rests_on_it_inconclusive_and_nothing_else";
    if !is_ready(test) {
        return;
    }
    let whole: Vec<_> = in_parallel(&["t1", "t0"], |tier| {
        let folder = tempfile::tempdir().expect("a folder");
        let states = assay(folder.path(), &["--tier", tier]);
        canaries_sang_before_between_and_after(&folder.path().join("bundle"));
        (*tier, states)
    });
    let whole: BTreeMap<&str, States> = whole.into_iter().collect();
    in_parallel(&SOURCES, |(source, switch, tier)| {
        let folder = tempfile::tempdir().expect("a folder");
        let found = assay(folder.path(), &["--tier", tier, "--blind", switch]);
        let mut kept_before = 0;
        for (id, (state, reason)) in &found {
            let (before, why) = &whole[tier][id];
            let weakened = rests_on(id).contains(source) && *before == State::Kept;
            let expected = if weakened { State::Inconclusive } else { *before };
            assert_eq!(*state, expected, "{id} without {switch}: {reason}; with it: {why}");
            kept_before += u32::from(weakened);
        }
        assert!(kept_before >= 2, "switching {switch} off shows nothing");
    });
}

/// An assay waits more than it works, so a few go side by side.
fn in_parallel<T: Sync, R: Send>(all: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let some = |some: &[T]| {
        std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|one| scope.spawn(|| act(one))).collect();
            let ended = running.into_iter().map(|one| one.join().expect("a thread that passes"));
            ended.collect::<Vec<R>>()
        })
    };
    all.chunks(4).flat_map(some).collect()
}

/// At least one sings while or between phases run, so that no product knows when it is looked at.
fn canaries_sang_before_between_and_after(bundle: &Path) {
    for run in RUNS {
        let log = std::fs::read(bundle.join("runs").join(run).join("lab.log")).expect("a log");
        let log = watchglass_events::log::parse(&log).expect("a log");
        let rows = |wanted: fn(&What) -> bool| {
            let found = log.events.iter().filter(|event| wanted(&event.what));
            found.map(|event| event.seq).collect::<Vec<u64>>()
        };
        let canaries = rows(|what| matches!(what, What::CanaryPlaced { .. }));
        let started = rows(|what| matches!(what, What::StepStarted { .. }));
        let ended = rows(|what| matches!(what, What::StepEnded { .. }));
        assert!((3..=5).contains(&canaries.len()), "run {run}: {}", canaries.len());
        let late = |what: &What| matches!(what, What::Noted { text } if text.contains("canary"));
        assert!(!log.events.iter().any(|event| late(&event.what)), "run {run}: a late canary");
        assert!(canaries.first() < started.first() && canaries.last() > ended.last());
        assert!(canaries[1..canaries.len() - 1].iter().all(|row| Some(row) > started.first()));
    }
}

#[test]
fn a_source_that_is_not_used_cannot_be_switched_off() {
    for (switch, tier) in [("uprobe", "t0"), ("no-such-source", "t0")] {
        let folder = tempfile::tempdir().expect("a folder");
        let product =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../products/reference.toml");
        let output = Command::new(LAB)
            .arg("assay")
            .arg(product)
            .args(["--dry-run", "--tier", tier, "--blind", switch, "--output"])
            .arg(folder.path().join("bundle"))
            .stdin(Stdio::null())
            .output()
            .expect("the lab runs");
        assert_eq!(output.status.code(), Some(2), "{switch}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(switch), "{switch}");
    }
}
