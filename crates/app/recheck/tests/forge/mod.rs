//! The golden bundle in memory, and what a forger with a valid key of his own can make of it: every
//! digest right, results and report derived anew, signed by nobody in particular.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use watchglass_checks::results::{CheckResult, Results};
use watchglass_checks::{Case, derive};
use watchglass_events::log::{self, LogWriter};
use watchglass_events::{Event, What};
use watchglass_evidence::{
    ENVELOPE, MANIFEST, Manifest, Part, PartName, REPORT, RESULTS, Statement, Subject,
    UnverifiedBundle, to_canonical,
};
use watchglass_packets::pcapng::{self, CaptureWriter, Frame};
use watchglass_recheck::{RecheckError, Rechecked, attributes, recheck_files};

/// The files of a bundle by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden")
}

pub(crate) fn golden() -> Files {
    let (mut files, mut folders) = (Files::new(), vec![golden_folder()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(golden_folder()).unwrap().to_str().unwrap();
            files.insert(name.to_owned(), std::fs::read(&path).unwrap());
        }
    }
    files
}

pub(crate) fn unverified(files: &Files) -> UnverifiedBundle {
    let mut bundle = UnverifiedBundle::default();
    for (name, bytes) in files {
        bundle.insert(PartName::parse(name).unwrap(), bytes.clone());
    }
    bundle
}

pub(crate) fn recheck(files: &Files) -> Result<Rechecked, RecheckError> {
    recheck_files(unverified(files), &[])
}

/// What the parts of a bundle say, if they can be judged.
pub(crate) fn judged(files: &Files) -> Results {
    derive(&Case::from_parts(&parts(files)).unwrap())
}

/// Puts everything that is derived or signed in order again, with the forger's key.
pub(crate) fn sealed(files: &Files) -> Files {
    let results = judged(files);
    let bytes = to_canonical(&results).unwrap();
    let report = watchglass_report::page(&results).into_bytes();
    signed(files, &results, bytes, report)
}

/// Signs whatever it is given.
pub(crate) fn signed(files: &Files, said: &Results, results: Vec<u8>, report: Vec<u8>) -> Files {
    let parts = parts(files);
    let listed = parts.iter().map(|(name, bytes)| Part::of(name.clone(), bytes)).collect();
    let manifest = to_canonical(&Manifest { schema: 1, parts: listed }).unwrap();
    signed_manifest(files, said, manifest, results, report)
}

pub(crate) fn signed_manifest(
    files: &Files,
    said: &Results,
    manifest: Vec<u8>,
    results: Vec<u8>,
    report: Vec<u8>,
) -> Files {
    let mut files = files.clone();
    let documents = [(MANIFEST, manifest), (RESULTS, results), (REPORT, report)];
    let subjects = documents.iter().map(|(name, bytes)| Subject::of(name, bytes)).collect();
    let statement = Statement::new(subjects, attributes(said, &documents[1].1));
    files.insert(ENVELOPE.to_owned(), envelope(&to_canonical(&statement).unwrap()));
    files.extend(documents.map(|(name, bytes)| (name.to_owned(), bytes)));
    files
}

/// Signed by a key that nobody has seen before.
fn envelope(payload: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let key = watchglass_store::SigningKey::open_or_make(&folder.path().join("key")).unwrap();
    to_canonical(&key.sign(payload)).unwrap()
}

fn parts(files: &Files) -> BTreeMap<PartName, Vec<u8>> {
    let derived = [ENVELOPE, MANIFEST, RESULTS, REPORT];
    let parts = files.iter().filter(|(name, _)| !derived.contains(&name.as_str()));
    parts.map(|(name, bytes)| (PartName::parse(name).unwrap(), bytes.clone())).collect()
}

pub(crate) fn check<'a>(results: &'a Results, id: &str) -> &'a CheckResult {
    results.checks.iter().find(|check| check.id == id).unwrap()
}

pub(crate) fn events(files: &Files, part: &str) -> Vec<Event> {
    log::parse(&files[part]).unwrap().events
}

/// Writes a log anew: sequence numbers, digests and seals are all in order.
pub(crate) fn relog(files: &mut Files, part: &str, change: impl Fn(&mut Vec<Event>)) {
    let mut events = events(files, part);
    let first = events[0].source;
    change(&mut events);
    let mut writer = LogWriter::new(Vec::new(), first).unwrap();
    for event in events {
        writer.append_from(event.source, event.at_ns, event.actor, event.what).unwrap();
    }
    files.insert(part.to_owned(), writer.finish().unwrap());
}

/// Writes a capture anew without some of its frames.
pub(crate) fn recapture(files: &mut Files, part: &str, keep: impl Fn(&Frame<'_>) -> bool) {
    let bytes = files[part].clone();
    let capture = pcapng::parse(&bytes).unwrap();
    let offset = capture.unix_offset_seconds;
    let mut written = Vec::new();
    let mut writer = CaptureWriter::new(&mut written, offset, 1 << 30).unwrap();
    for frame in capture.frames.iter().filter(|frame| keep(frame)) {
        writer.append(frame).unwrap();
    }
    writer.finish(0).unwrap();
    files.insert(part.to_owned(), written);
}

/// From when to when a phase of run A1 lasted, in the recorder's clock, and its process.
pub(crate) fn phase(files: &Files, phase: &str) -> (u64, u64, u32) {
    let (mut from, mut to, mut pid) = (0, 0, 0);
    for event in events(files, "runs/A1/lab.log") {
        match &event.what {
            What::StepStarted { phase: name, process, .. } if name == phase => {
                (from, pid) = (event.at_ns, process.pid);
            }
            What::StepEnded { phase: name, .. } if name == phase => to = event.at_ns,
            _ => {}
        }
    }
    assert!(from > 0 && to > from, "the golden bundle has no phase {phase}");
    (from, to, pid)
}
