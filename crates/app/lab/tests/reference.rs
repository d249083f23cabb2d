//! The lab on the reference product, from end to end.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test starts the lab and says why it fails"
)]

#[path = "parts/lab.rs"]
mod lab;
#[path = "parts/ready.rs"]
mod ready;

use std::path::Path;

use watchglass_checks::results::State;

fn is_ready(test: &str) -> bool {
    let programs = Path::new(lab::LAB).with_file_name("specimen-scan").exists();
    ready::is_ready(test, &[("the specimens built beside the lab", programs)])
}

#[test]
fn the_reference_product_keeps_what_it_claims() {
    if !is_ready("the_reference_product_keeps_what_it_claims") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let product = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../products/reference.toml");
    let bundle = folder.path().join("bundle");
    let output = lab::assay(&product, folder.path(), &folder.path().join("cache"))
        .args(["--bait", "30", "--idle-seconds", "1", "--runs", "A1,A2,B,C"])
        .output()
        .expect("the lab runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // An idle phase of a second says nothing about the claimed three days.
    assert_eq!(output.status.code(), Some(3), "{said}");
    let rechecked = watchglass_recheck::recheck(&bundle, &[]).expect("the bundle holds");
    for check in &rechecked.results.checks {
        eprintln!("{} {}: {}", check.id, check.state, check.reason);
        assert_ne!(check.state, State::Broken, "{}", check.id);
    }
    let kept = ["I1", "R1", "R2", "R3-seen", "W1", "X1", "N1", "N2", "N3", "N7", "M2", "N8", "U5"];
    for id in kept {
        let check = rechecked.results.checks.iter().find(|check| check.id == id).expect("a check");
        assert_eq!(check.state, State::Kept, "{id}: {}", check.reason);
    }
}
