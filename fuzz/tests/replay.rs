//! Every kept input, through its target, without an engine.

use std::path::{Path, PathBuf};

use watchglass_fuzz::{TARGETS, Target};
use watchglass_signatures::SignatureSet;
use watchglass_signatures::container::{Budget, UnverifiedContainer};

#[test]
fn bundle_survives_its_corpus() {
    replay("bundle");
}

#[test]
fn bytes_survives_its_corpus() {
    replay("bytes");
}

#[test]
fn authenticode_survives_its_corpus() {
    replay("authenticode");
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
fn elf_survives_its_corpus() {
    replay("elf");
}

#[test]
fn engine_survives_its_corpus() {
    replay("engine");
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
fn icons_survives_its_corpus() {
    replay("icons");
}

#[test]
fn identify_survives_its_corpus() {
    replay("identify");
}

#[test]
fn macho_survives_its_corpus() {
    replay("macho");
}

#[test]
fn normal_html_survives_its_corpus() {
    replay("normal_html");
}

#[test]
fn normal_text_survives_its_corpus() {
    replay("normal_text");
}

#[test]
fn channel_survives_its_corpus() {
    replay("channel");
}

#[test]
fn pcre_survives_its_corpus() {
    replay("pcre");
}

#[test]
fn matching_survives_its_corpus() {
    replay("matching");
}

#[test]
fn pe_survives_its_corpus() {
    replay("pe");
}

#[test]
fn policy_survives_its_corpus() {
    replay("policy");
}

#[test]
fn verdict_survives_its_corpus() {
    replay("verdict");
}

#[test]
fn recheck_survives_its_corpus() {
    replay("recheck");
}

#[test]
fn signature_container_survives_its_corpus() {
    replay("signature_container");
}

#[test]
fn signatures_survives_its_corpus() {
    replay("signatures");
}

#[test]
fn unpack_survives_its_corpora() {
    let containers: Vec<_> =
        TARGETS.iter().filter(|(name, _)| name.starts_with("unpack_")).collect();
    assert!(!containers.is_empty());
    containers.iter().for_each(|(name, _)| replay(name));
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
    let container = kept("signature_container/unsigned");
    let container = UnverifiedContainer::parse(&container).unwrap();
    let container = container.danger_accept_unsigned(Budget::STANDARD).unwrap();
    let members: Vec<_> = container.members().map(Result::unwrap).collect();
    assert_eq!(members.iter().map(|member| member.set.file()).collect::<Vec<_>>(), ["a.hdb"]);
}

#[test]
fn each_seed_of_a_signature_set_holds_a_signature() {
    for file in inputs(&here("corpus/signatures")) {
        let bytes = std::fs::read(&file).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let set = SignatureSet::named(std::str::from_utf8(&bytes[..end]).unwrap()).unwrap();
        let read: Vec<_> = set.signatures(&bytes[end + 1..]).collect();
        assert!(read.iter().any(Result::is_ok), "{}: {read:?}", file.display());
    }
}

#[test]
fn the_seed_of_pe_has_something_of_everything() {
    let file = std::fs::read(here("corpus/pe/whole")).unwrap();
    let pe = watchglass_formats::pe::Pe::parse(&file).unwrap();
    let mut text = Vec::new();
    let imports = pe.imports(&mut |piece: &[u8]| text.extend_from_slice(piece)).unwrap();
    assert_eq!((text.as_slice(), imports.libraries), (&b"ws2_32.accept,ws2_32.send"[..], 1));
    assert_eq!(pe.version_info().strings.len(), 1);
    assert_eq!((pe.broken.clone(), pe.oddities.len()), (None, 0));
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
