//! Files that want work for the work's sake, made here: each ends within its budget and its memory,
//! and says what was not scanned for it.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "tests read files, and tell")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{Bounds, SETS, compiled, in_child, peak_mib, python, skip, variable, within};
use watchglass_database::Database;
use watchglass_engine::{Engine, Limits, Matches, Reason, Report, Settings};
use watchglass_unpack::NotScanned;

/// What a person would allow one worker.
const BOUNDS: Bounds = Bounds { memory_mib: 1024, seconds: 240 };
/// Beside the file itself. A member has 100 MiB at most, and is held once more while it is decoded by
/// layers; forms of texts and pages have 8 to 20 MiB each.
const MOST_HELD_MIB: u64 = 256;

#[test]
fn streams_end() {
    check("streams_end", "bombs/streams.py", STREAMS);
}

#[test]
fn archives_end() {
    check("archives_end", "bombs/archives.py", ARCHIVES);
}

#[test]
fn documents_end() {
    check("documents_end", "bombs/documents.py", DOCUMENTS);
}

#[test]
fn signatures_end() {
    let mut found = Vec::new();
    for (name, ..) in SLOW {
        let told = in_child(
            "subject_of_slow_signatures",
            BOUNDS,
            &[("WATCHGLASS_TEST_BOMB", (*name).to_owned())],
        );
        let told: Vec<_> = told.lines().filter(|line| line.starts_with("not: ")).collect();
        found.push(format!("{name}: {}", told.join(" ")));
    }
    let expected: Vec<_> = SLOW.iter().map(|(name, .., told)| format!("{name}: {told}")).collect();
    assert_eq!(found, expected);
}

/// Signatures that want all the time there is, each with what comes of it in [`letters`].
const SLOW: &[(&str, &str, &str, &str)] = &[
    (
        "reference",
        "a.ldb",
        "A;Engine:81-255,Target:0;0&1;61616161;0/(a+)+\\1b/\n",
        "not: the steps",
    ),
    (
        "lookahead",
        "a.ldb",
        "A;Engine:81-255,Target:0;0&1;61616161;0/(?=(a+))(?:\\1|a)+b/\n",
        "not: the steps",
    ),
    ("repeats", "a.ldb", "A;Engine:81-255,Target:0;0&1;61616161;0/(a|aa|aaa)+(?!c)b/\n", ""),
    ("linear", "a.ldb", "A;Engine:81-255,Target:0;0&1;61616161;0/((a*)*)*b/\n", ""),
    ("everywhere", "a.ndb", "A:0:*:6161*6161*6161*6161*6161*6161*6161*6162\n", ""),
    ("ranges", "a.ndb", "A:0:*:6161{1-500}6161{1-500}6161{1-500}6161{1-500}6161{1-500}6162\n", ""),
    (
        "choices",
        "a.ndb",
        "A:0:*:61616161(61|6161|616161)(61|6161)61{1-500}6162\n",
        "not: the steps",
    ),
    ("counts", "a.ldb", "A;Engine:81-255,Target:0;(0>9,1)|(1>99,2)|2;6161;6161??61;62626262\n", ""),
];

fn letters() -> Vec<u8> {
    [&[b'a'; 1 << 20][..], b"cb"].concat()
}

/// Scans with the signatures that its parent names.
#[test]
#[ignore = "a subject that other tests start"]
fn subject_of_slow_signatures() {
    let Some(wanted) = variable("WATCHGLASS_TEST_BOMB") else { return };
    let (_, file, lines, _) = SLOW.iter().find(|(name, ..)| *name == wanted).unwrap();
    let compiled = compiled(&[(*file, *lines)]);
    let database = Database::open(&compiled).unwrap();
    let limits = Limits { max_steps: 1_000, ..Limits::CLAMAV };
    let settings = Settings { matches: Matches::All, limits, ..Settings::default() };
    let bytes = letters();
    let report = Engine::new(Some(&database), settings).scan(&bytes, bytes.len() as u64, &|| false);
    within(&report, &limits);
    println!("\ncost {:?} {:?}", report.cost, report.findings);
    tell(&report);
}

/// Scans what the script writes, each file in a child, and holds why something of it was not scanned
/// against a table.
fn check(test: &str, script: &str, expected: &[(&str, &[&str])]) {
    let folder = tempfile::tempdir().unwrap();
    if !python(script, folder.path()) {
        return skip(test, "python3 or a program that packs");
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let told = in_child(
            "subject_of_a_bomb",
            BOUNDS,
            &[("WATCHGLASS_TEST_BOMB", path.display().to_string())],
        );
        let number = |key: &str| -> u64 {
            told.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().parse().unwrap()
        };
        println!("{name}: {} MiB", number("peak "));
        let allowed = MOST_HELD_MIB + (number("bytes ") >> 20);
        assert!(number("peak ") <= allowed, "{name}: {told}");
        let reasons: BTreeSet<_> =
            told.lines().filter_map(|line| line.strip_prefix("not: ")).collect();
        found.push((name, reasons.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    }
    found.sort();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, reasons)| {
            ((*name).to_owned(), reasons.iter().map(|why| (*why).to_owned()).collect::<Vec<_>>())
        })
        .collect();
    let table: String =
        found.iter().map(|(name, reasons)| format!("    ({name:?}, &{reasons:?}),\n")).collect();
    assert!(found == expected, "it is:\n{table}");
}

/// Scans the file that its parent names.
#[test]
#[ignore = "a subject that other tests start"]
fn subject_of_a_bomb() {
    let Some(file) = variable("WATCHGLASS_TEST_BOMB") else { return };
    let bytes = std::fs::read(Path::new(&file)).unwrap();
    let compiled = compiled(SETS);
    let database = Database::open(&compiled).unwrap();
    let settings = Settings { matches: Matches::All, ..Settings::default() };
    let report = Engine::new(Some(&database), settings).scan(&bytes, bytes.len() as u64, &|| false);
    within(&report, &settings.limits);
    println!("\nbytes {}\npeak {}", bytes.len(), peak_mib());
    tell(&report);
}

fn tell(report: &Report) {
    for omission in &report.not_scanned {
        println!("not: {}", label(&omission.reason));
    }
}

/// The limit that was reached, or what kind of reason it is.
fn label(reason: &Reason) -> String {
    match reason {
        Reason::Container(NotScanned::Limit { which, .. }) => which.to_string(),
        Reason::Places(_) => "places".to_owned(),
        Reason::Scripts(_) => "scripts".to_owned(),
        reason => reason.code().to_owned(),
    }
}

/// Why something was not scanned: the limit, or the kind of reason. What has none was looked at to its
/// end, and cost next to nothing.
type Table = &'static [(&'static str, &'static [&'static str])];
const STREAMS: Table = &[
    ("bzip2-flat", &["the ratio"]),
    ("bzip2-many", &[]),
    ("bzip2-nested", &["the ratio"]),
    ("gzip-extra", &["damaged"]),
    ("gzip-flat", &["MaxFileSize"]),
    ("gzip-many", &[]),
    ("gzip-name", &["damaged"]),
    ("gzip-nested", &["the ratio"]),
    ("gzip-quine", &["MaxRecursion"]),
    ("lzma-dictionary", &[]),
    ("lzma-flat", &["the ratio"]),
    ("lzma-size", &["the ratio"]),
    ("lzw-flat", &["the ratio"]),
    ("xz-dictionary", &[]),
    ("xz-flat", &["the ratio"]),
    ("xz-many", &[]),
    ("zstd-flat", &["the ratio"]),
    ("zstd-many", &[]),
    ("zstd-skipped", &[]),
    ("zstd-window", &[]),
];
const ARCHIVES: Table = &[
    ("7z-entries", &["the steps"]),
    ("7z-files", &["damaged"]),
    ("7z-flat", &["the ratio"]),
    ("7z-folders", &["the steps"]),
    ("7z-header", &["damaged"]),
    ("7z-many", &["MaxFiles"]),
    ("7z-numbers", &["damaged"]),
    ("ar-many", &["MaxFiles"]),
    ("ar-size", &["damaged"]),
    ("cab-block", &["damaged"]),
    ("cab-files", &["MaxFiles"]),
    ("cab-same", &["the ratio"]),
    ("cab-turns", &["the steps"]),
    ("cab-window", &["damaged"]),
    ("cpio-many", &["MaxFiles"]),
    ("cpio-sizes", &["damaged"]),
    ("docx", &["MaxFileSize", "the ratio", "unexplained"]),
    ("iso-loop", &[]),
    ("iso-same", &["MaxRecursion"]),
    ("iso-size", &["damaged"]),
    ("iso-zeros", &["the steps"]),
    ("lha-chains", &["damaged"]),
    ("lha-many", &["MaxFiles"]),
    ("lha-names", &["damaged"]),
    ("rar-dictionary", &["damaged"]),
    ("rar-many", &["MaxFiles"]),
    ("rar-nested", &["MaxRecursion"]),
    ("tar-many", &["MaxFiles"]),
    ("tar-names", &[]),
    ("tar-nested", &["MaxRecursion"]),
    ("tar-pax", &[]),
    ("tar-sizes", &["damaged"]),
    ("zip-42", &["the ratio"]),
    ("zip-descriptors", &["the steps"]),
    ("zip-flat", &["MaxFileSize", "unexplained"]),
    ("zip-many", &["MaxFiles"]),
    ("zip-overlapping", &["damaged", "overlapping", "unexplained"]),
    ("zip-quine", &["MaxRecursion"]),
    ("zip-same", &["the ratio"]),
    ("zip-sizes", &["damaged"]),
];
const DOCUMENTS: Table = &[
    ("binhex-runs", &["MaxFileSize", "damaged"]),
    ("chm-entries", &["MaxFiles"]),
    ("chm-loop", &[]),
    ("chm-same", &["MaxScanSize"]),
    ("html-comments", &[]),
    ("html-data", &["MaxRecursion"]),
    ("html-entities", &["MaxFileSize"]),
    ("html-many", &["MaxFiles", "places"]),
    ("html-scripts", &[]),
    ("html-tags", &["MaxFileSize"]),
    ("html-wide", &["MaxFileSize"]),
    ("mail-attached", &[]),
    ("mail-bomb", &["MaxFileSize"]),
    ("mail-fields", &[]),
    ("mail-folds", &["damaged"]),
    ("mail-header", &[]),
    ("mail-in-base64", &["MaxRecursion"]),
    ("mail-parts", &["MaxFiles"]),
    ("mail-parts-deep", &["MaxRecursion", "damaged"]),
    ("mbox-many", &["MaxFiles"]),
    ("ole2-difat", &["damaged"]),
    ("ole2-directory", &["damaged"]),
    ("ole2-loop", &["damaged"]),
    ("ole2-same", &["MaxScanSize"]),
    ("onenote-many", &["MaxFiles"]),
    ("onenote-size", &["damaged"]),
    ("pdf-arrays", &["damaged"]),
    ("pdf-extends", &[]),
    ("pdf-filters", &["the ratio"]),
    ("pdf-growth", &["MaxFileSize", "the ratio"]),
    ("pdf-object-streams", &[]),
    ("pdf-predictor", &[]),
    ("pdf-tables", &[]),
    ("rtf-binary", &["damaged"]),
    ("rtf-depth", &["MaxRecursion", "damaged"]),
    ("rtf-objects", &["MaxFiles"]),
    ("script-escapes", &["scripts"]),
    ("script-names", &[]),
    ("script-strings", &["MaxFileSize"]),
    ("swf-flat", &["MaxFileSize"]),
    ("swf-size", &["damaged"]),
    ("tnef-many", &["MaxFiles"]),
    ("tnef-size", &["damaged"]),
    ("tnef-values", &["damaged"]),
    ("uuencode-many", &["MaxFiles"]),
    ("xml-depth", &[]),
    ("xml-entities", &[]),
];
