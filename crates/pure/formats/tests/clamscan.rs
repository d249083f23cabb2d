//! The types that clamscan finds are found, over its own test files and files of this machine.
#![expect(clippy::disallowed_methods, reason = "tests read files and run clamscan")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use watchglass_formats::{FileType, Magic};

const NAME: &str = "types_are_those_of_clamscan";
/// Files of this machine, of at most this many of each extension.
const MACHINE_FILES: usize = 500;
const OF_EACH_EXTENSION: usize = 6;
const LARGEST: usize = 2 << 20;
/// The most places that this test lists in a file.
const PLACES: usize = 10_000;

#[test]
fn types_are_those_of_clamscan() {
    let own = common::clamav_files();
    if own.is_empty() {
        return common::skip(NAME, "neither clamav-testfiles nor ../shared/data is here");
    }
    let files: Vec<_> = own.into_iter().chain(machine_files()).collect();
    let folder = tempfile::tempdir().unwrap();
    for (number, (name, bytes)) in files.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number:04}_{name}")), bytes).unwrap();
    }
    let Some(theirs) = clamscan(folder.path()) else {
        return common::skip(NAME, "clamscan is not installed");
    };
    let magic = Magic::standard();
    let (mut compared, mut places, mut unexplained) = (0, 0, Vec::new());
    for (number, (name, bytes)) in files.iter().enumerate() {
        let Some(theirs) = theirs.get(&number) else { continue };
        compared += 1;
        let kind = magic.identify(bytes);
        if kind.name() != theirs.kind {
            report(
                &mut unexplained,
                name,
                &theirs.kind,
                kind.name(),
                why(&theirs.kind, kind, bytes),
            );
        }
        let refined = magic.refine(bytes, kind, PLACES);
        for (inside, offset) in &theirs.places {
            places += 1;
            let found = refined
                .places
                .iter()
                .any(|place| place.offset == *offset && place.kind.name() == inside);
            if !found {
                let text = format!("{inside} at {offset}");
                let why = why_no_place(bytes, inside, *offset);
                report(&mut unexplained, name, &text, "nothing there", why);
            }
        }
    }
    eprintln!("{compared} files and {places} places within them compared");
    assert!(compared > files.len() * 9 / 10, "{compared} of {}", files.len());
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

fn report(unexplained: &mut Vec<String>, name: &str, theirs: &str, ours: &str, why: Option<&str>) {
    let line = format!("{name}: clamscan {theirs}, here {ours}");
    eprintln!("{line}: {}", why.unwrap_or("NOT EXPLAINED"));
    if why.is_none() {
        unexplained.push(line);
    }
}

fn why(theirs: &str, ours: FileType, bytes: &[u8]) -> Option<&'static str> {
    match ours {
        FileType::Zstd | FileType::AiModel => Some("known to ClamAV since 1.5"),
        FileType::MsOle2
            if ["CL_TYPE_MSWORD", "CL_TYPE_MSXL", "CL_TYPE_MSPPT"].contains(&theirs) =>
        {
            Some("a name that ClamAV's OLE2 parser writes over the type, for outputs alone")
        }
        FileType::Zip if is_split_zip(bytes) => Some("the first part of a split zip, since 1.5"),
        _ => None,
    }
}

fn is_split_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x07\x08PK\x03\x04") || bytes.starts_with(b"PK\x03\x03PK\x03\x04")
}

/// ClamAV lists every `MZ` that it passed before a `PE` that one of them fits, with no look at
/// whether it is this one.
fn why_no_place(bytes: &[u8], kind: &str, offset: usize) -> Option<&'static str> {
    if kind == FileType::ZipSfx.name() && is_split_zip(bytes) {
        return Some("a member of a zip, whose members are not listed as places");
    }
    let near = bytes.get(offset + 62..(offset + 306).min(bytes.len()))?;
    let header = near.windows(4).any(|window| window == b"PE\0\0");
    let stale = kind == FileType::MsExe.name() && bytes[offset..].starts_with(b"MZ") && !header;
    stale.then_some("an `MZ` without `PE` behind it, in ClamAV's list before one that has it")
}

struct Theirs {
    kind: String,
    places: Vec<(String, usize)>,
}

/// What clamscan says of each file, by number.
fn clamscan(folder: &Path) -> Option<BTreeMap<usize, Theirs>> {
    let database = folder.join("one.hdb");
    std::fs::write(&database, "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n").unwrap();
    let mut clamscan = Command::new("clamscan");
    clamscan.args(["--gen-json", "--debug", "--max-recursion=1", "--database"]).arg(&database);
    let output = common::output(clamscan.arg(folder))?;
    std::fs::remove_file(&database).unwrap();
    // The properties of a file stand in the log, from a line that ends with `{` to a line `}`.
    let documents = output.split("LibClamAV debug: {\n").skip(1).filter_map(|rest| {
        let (document, _) = rest.split_once("\n}\n")?;
        serde_json::from_str::<Value>(&format!("{{{document}}}")).ok()
    });
    Some(documents.filter_map(|document| theirs(&document)).collect())
}

fn theirs(document: &Value) -> Option<(usize, Theirs)> {
    let (number, _) = document.get("FileName")?.as_str()?.split_once('_')?;
    let inside = document.get("EmbeddedObjects").and_then(Value::as_array);
    let place = |object: &Value| {
        let offset = usize::try_from(object.get("Offset")?.as_u64()?).ok()?;
        Some((object.get("FileType")?.as_str()?.to_owned(), offset))
    };
    let places = inside.into_iter().flatten().filter_map(place).collect();
    let kind = document.get("RootFileType")?.as_str()?.to_owned();
    Some((number.parse().ok()?, Theirs { kind, places }))
}

/// Some files of every extension, so that rare formats are among them.
fn machine_files() -> Vec<(String, Vec<u8>)> {
    let mut of_extension = BTreeMap::<_, usize>::new();
    let mut files = Vec::new();
    let folders = ["/usr/bin", "/usr/lib", "/usr/share", "/usr/include", "/usr/x86_64-w64-mingw32"];
    for path in folders.iter().flat_map(|folder| common::paths(Path::new(folder))) {
        let extension = path.extension().map(ToOwned::to_owned);
        let count = of_extension.entry(extension).or_default();
        if *count < OF_EACH_EXTENSION
            && files.len() < MACHINE_FILES
            && let Some(file) = common::read(&path, LARGEST)
        {
            *count += 1;
            files.push(file);
        }
    }
    files
}
