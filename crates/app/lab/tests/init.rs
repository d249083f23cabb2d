//! Drafts of product files, from a run and from a bundle.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test starts the lab and reads what it left"
)]

#[path = "parts/ready.rs"]
mod ready;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use watchglass_checks::results::State;

const LAB: &str = env!("CARGO_BIN_EXE_watchglass-lab");

fn lab(folder: &Path, arguments: &[&str]) -> Output {
    let own = ["--cache", "cache", "--state", "state", "--no-progress"];
    let takes_own = matches!(arguments.first(), Some(&"assay" | &"init"));
    Command::new(LAB)
        .args(arguments)
        .args(own.iter().filter(|_| takes_own))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the lab runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_draft_is_well_formed_and_an_assay_by_it_breaks_nothing_of_it() {
    if !ready::is_ready("a_draft_is_well_formed_and_an_assay_by_it_breaks_nothing_of_it", &[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // Reads all bait, writes a file, runs another program, and talks to somebody.
    let act = "act=bash -c 'cat $0/*/* | wc -c > /var/lib/count; exec 3<>/dev/tcp/192.0.2.7/80; \
               printf \"GET /new HTTP/1.1\\r\\nHost: news.example\\r\\n\\r\\n\" >&3; read -t 5 <&3' {bait}";
    let init = ["init", "--host", "--phase", act, "-o", "first.toml"];
    let output = lab(folder, &init);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("watchglass assay first.toml"));
    let draft = std::fs::read_to_string(folder.join("first.toml")).expect("a draft");
    assert!(draft.starts_with("# Drafted from what was seen"), "{draft}");
    assert!(draft.contains("not what its maker claims"), "{draft}");
    for part in ["[domain.bash]", "[domain.cat]", "[domain.wc]", "\"{bait}/**\"", "192.0.2.7"] {
        assert!(draft.contains(part), "{part} in {draft}");
    }
    assert!(lab(folder, &["check", "first.toml"]).status.success());

    let assay = ["assay", "first.toml", "--bait", "40", "--runs", "A1", "-o", "bundle"];
    let output = lab(folder, &assay);
    let results = watchglass_recheck::recheck(&folder.join("bundle"), &[]).expect("holds").results;
    for id in ["R1", "N1", "X1", "W1"] {
        let check = results.checks.iter().find(|check| check.id == id).expect("the check");
        let said = text(&output.stderr);
        assert_ne!(check.state, State::Broken, "{id}: {:?} {said}", check.findings);
    }

    // From the bundle of that assay: the same claims again.
    let output = lab(folder, &["init", "--from", "bundle", "-o", "second.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(lab(folder, &["check", "second.toml"]).status.success());
}

#[test]
fn what_is_there_is_not_written_over_and_mistakes_say_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("there.toml"), "mine").expect("written");
    for (arguments, advice) in [
        (&["--host", "--phase", "a=true", "-o", "there.toml"][..], "--force"),
        (&["-o", "new.toml"], "--from BUNDLE"),
        (&["--host", "-o", "new.toml"], "--phase"),
        (&["--host", "--phase", "true", "-o", "new.toml"], "NAME=COMMAND"),
        (&["--from", "nowhere", "-o", "new.toml"], "assay the product again"),
        (&["--host", "--phase", "a=true", "-o", "no/folder/new.toml"], "a folder that is there"),
    ] {
        let output = lab(folder, &[&["init"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
    let there = std::fs::read_to_string(folder.join("there.toml")).expect("still there");
    assert_eq!(there, "mine");
    assert!(!folder.join("new.toml").exists());
}
