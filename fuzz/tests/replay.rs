//! Every kept input, through its target, without an engine.

use std::path::{Path, PathBuf};

use watchglass_fuzz::{TARGETS, Target};

#[test]
fn bundle_survives_its_corpus() {
    replay("bundle");
}

#[test]
fn bytes_survives_its_corpus() {
    replay("bytes");
}

#[test]
fn database_survives_its_corpus() {
    replay("database");
}

#[test]
fn documents_survives_its_corpus() {
    replay("documents");
}

#[test]
fn envelope_survives_its_corpus() {
    replay("envelope");
}

#[test]
fn event_log_survives_its_corpus() {
    replay("event_log");
}

#[test]
fn recheck_survives_its_corpus() {
    replay("recheck");
}

#[test]
fn every_target_has_its_function_its_file_and_its_corpus() {
    let stems = |folder: &str| -> Vec<String> {
        let stem = |file: PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
        inputs(&here(folder)).into_iter().map(stem).collect()
    };
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("corpus"), names);
}

#[test]
fn the_seeds_of_the_signed_formats_still_verify() {
    let kept = |name: &str| std::fs::read(here("corpus").join(name)).unwrap();
    let log = watchglass_events::log::parse(&kept("event_log/whole")).unwrap();
    assert_eq!((log.events.len(), log.cut), (3, None), "run `cargo run --example seeds`");
    let envelope = watchglass_evidence::Envelope::parse(&kept("envelope/signed")).unwrap();
    assert!(envelope.verify(&[]).is_ok(), "run `cargo run --example seeds`");
}

fn replay(name: &str) {
    let (_, target): &(&str, Target) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
    let files = inputs(&here("corpus").join(name));
    assert!(!files.is_empty(), "an empty corpus tests nothing");
    for file in files {
        // The name comes first, so that a crash says which input it was.
        println!("{}", file.display());
        target(&std::fs::read(&file).unwrap());
    }
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}
