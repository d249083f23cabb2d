//! What the specimens do on a machine that is not the lab's world: the honest half of their work.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Scratch, eicar, program};
use watchglass_specimens::{Mode, Parameters, SPECIMENS, Side};

const PROGRAMS: &[&str] =
    &["specimen-scan", "specimen-update", "specimen-service", "specimen-ask", "specimen-helper"];

#[test]
fn every_program_of_every_misdeed_refuses_outside_the_world() {
    assert!(!Path::new("/etc/watchglass-world").exists(), "this test is for ordinary machines");
    for specimen in SPECIMENS {
        let scratch = Scratch::new(Mode::Specimen(specimen, Side::Misdeed));
        std::fs::write(scratch.home().join("note.txt"), "a note").unwrap();
        for name in PROGRAMS {
            let output = scratch.run(name, &[scratch.home().to_str().unwrap()]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{} {name}: {said}", specimen.name);
            assert!(said.contains("refused: this is not the lab's world"), "{said}");
            assert!(output.stdout.is_empty(), "{} {name} scanned", specimen.name);
        }
    }
}

#[test]
fn the_helper_sends_for_nobody_outside_the_world() {
    let scratch = Scratch::new(Mode::Referee);
    let output = scratch.run("specimen-helper", &["send", "localhost", "80"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_honest_scanner_finds_what_its_database_knows() {
    let scratch = Scratch::new(Mode::Referee);
    std::fs::create_dir(scratch.home().join("folder")).unwrap();
    std::fs::write(scratch.home().join("folder/eicar.com"), eicar()).unwrap();
    std::fs::write(scratch.home().join("note.txt"), "a note").unwrap();
    let home = scratch.home().to_str().unwrap().to_owned();
    let output = scratch.run("specimen-scan", &[&home]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed,
        format!("{home}/folder/eicar.com: Eicar-Test FOUND\n{home}/note.txt: OK\n")
    );
    assert_eq!(output.status.code(), Some(1));
    let clean = scratch.run("specimen-scan", &[&format!("{home}/note.txt")]);
    assert_eq!(clean.status.code(), Some(0));
    let missing = scratch.run("specimen-scan", &[&format!("{home}/missing")]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn twins_without_a_network_scan_like_the_honest_product() {
    for specimen in SPECIMENS.iter().filter(|specimen| specimen.name != "header-field") {
        let scratch = Scratch::new(Mode::Specimen(specimen, Side::Twin));
        std::fs::write(scratch.home().join("eicar.com"), eicar()).unwrap();
        std::fs::write(scratch.home().join("note.txt"), "a note").unwrap();
        let output = scratch.run("specimen-scan", &[scratch.home().to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", specimen.name);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains("eicar.com: Eicar-Test FOUND"), "{}: {printed}", specimen.name);
    }
}

#[test]
fn a_scanner_without_a_database_says_so() {
    let scratch = Scratch::new(Mode::Referee);
    std::fs::remove_file(scratch.database()).unwrap();
    let output = scratch.run("specimen-scan", &[scratch.home().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("signatures.txt"));
}

#[test]
fn the_service_answers_as_the_scanner_does() {
    let scratch = Scratch::new(Mode::Referee);
    std::fs::write(scratch.home().join("eicar.com"), eicar()).unwrap();
    let mut service = scratch.command("specimen-service").spawn().unwrap();
    let socket = scratch.sockets().join("service.sock");
    let listening = common::wait_for(|| socket.exists());
    let output = scratch.run("specimen-ask", &[scratch.home().to_str().unwrap()]);
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(listening, "the service does not listen");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("eicar.com: Eicar-Test FOUND\n"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_same_programs_without_a_mode_are_the_reference_product() {
    let parameters = Parameters::from_seed(&[1; 32]);
    assert!(!parameters.to_configuration(Mode::Referee).contains("mode"));
    let output = Command::new(program("specimen-scan"))
        .env("SPECIMEN_CONFIGURATION", "/nonexistent/specimen.conf")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "a missing configuration is an error, not a mode");
}
