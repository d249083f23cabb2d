//! Signatures with every kind of offset match in clamscan where the facts say that they would.
#![expect(clippy::disallowed_methods, reason = "tests read files and run clamscan")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use watchglass_formats::{Facts, FileType, Magic};

const NAME: &str = "offsets_are_those_of_clamscan";
const LARGEST: usize = 1 << 20;
/// Bytes of each signature.
const BODY: usize = 12;

/// For each place that the facts give, a signature with the bytes that stand there, and a near-miss
/// that asks for them one byte later.
#[test]
fn offsets_are_those_of_clamscan() {
    let mut programs = common::clamav_files();
    programs.extend(common::read(Path::new("/bin/true"), LARGEST));
    let folder = tempfile::tempdir().unwrap();
    programs.extend(common::objects(folder.path()));
    let magic = Magic::standard();
    programs.retain(|(_, bytes)| {
        let kind = magic.identify(bytes);
        matches!(kind, FileType::MsExe | FileType::Elf | FileType::MachO) && bytes.len() <= LARGEST
    });
    let (mut signatures, mut compared) = (0, 0);
    for (name, bytes) in &programs {
        let kind = magic.identify(bytes);
        let facts = Facts::of(kind, bytes);
        let (database, expected) = database(&facts, kind.target().unwrap(), bytes);
        if expected.is_empty() {
            continue;
        }
        let Some(mut found) = clamscan(&database, bytes) else {
            return common::skip(NAME, "clamscan is not installed");
        };
        found.sort();
        // A section may hold the same bytes twice.
        found.dedup();
        assert_eq!(found, expected, "{name}\n{database}");
        signatures += expected.len();
        compared += 1;
    }
    if compared == 0 {
        return common::skip(NAME, "no program is here");
    }
    eprintln!("{compared} programs, {signatures} signatures");
    assert!(signatures > compared, "{signatures}");
}

fn database(facts: &Facts<'_>, target: u8, bytes: &[u8]) -> (String, Vec<String>) {
    let mut places = vec![("EP+0".to_owned(), facts.entry_point())];
    for number in 0..facts.section_count().unwrap_or(0) {
        let offset = facts.section(number).filter(|section| section.size > 0);
        places.push((format!("S{number}+0"), offset.map(|section| section.offset)));
        places.push((format!("SE{number}"), offset.map(|section| section.offset)));
    }
    places.push(("SL+0".to_owned(), facts.last_section().map(|section| section.offset)));
    for string in facts.version_info().unwrap_or_default().strings {
        places.push(("VI".to_owned(), u64::try_from(string.offset).ok()));
    }
    let (mut database, mut expected) = (String::new(), Vec::new());
    for (number, (offset, place)) in places.into_iter().enumerate() {
        let Some(place) = place.and_then(|place| usize::try_from(place).ok()) else { continue };
        let Some(body) = bytes.get(place..place + BODY) else { continue };
        // What is the same one byte later would match there too.
        if body.windows(2).all(|pair| pair[0] == pair[1]) {
            continue;
        }
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(database, "Hit.{number}:{target}:{offset}:{hex}").unwrap();
        expected.push(format!("Hit.{number}"));
        if let Some(section) = offset.strip_suffix("+0") {
            writeln!(database, "Miss.{number}:{target}:{section}+1:{hex}").unwrap();
        }
    }
    expected.sort();
    (database, expected)
}

/// The names of the signatures that match.
fn clamscan(database: &str, bytes: &[u8]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.ndb"), database).unwrap();
    std::fs::write(folder.path().join("program"), bytes).unwrap();
    let mut clamscan = Command::new("clamscan");
    // Without unpacking: what is packed inside has entry points and sections of its own.
    clamscan.args(["--allmatch", "--no-summary", "--scan-pe=no", "--scan-archive=no", "-d"]);
    clamscan.arg(folder.path().join("all.ndb")).arg(folder.path().join("program"));
    let log = common::output(&mut clamscan)?;
    let name = |line: &str| {
        let (_, found) = line.strip_suffix(" FOUND")?.rsplit_once(": ")?;
        Some(found.strip_suffix(".UNOFFICIAL").unwrap_or(found).to_owned())
    };
    Some(log.lines().filter_map(name).collect())
}
