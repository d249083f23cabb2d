//! What clamscan finds is what is found, signature by signature.
//!
//! For each line of the sets a file is made that satisfies it, and one that just does not; beside them
//! stand files of this machine. What clamscan said of each is the table
//! `bench/results/differential.txt`, which `cargo xtask measure differential` makes; here ours is
//! held against it, and clamscan itself against a part.
#![expect(clippy::disallowed_methods, reason = "tests make files and start commands")]
#![expect(clippy::print_stderr, reason = "figures of the comparison, and why a test cannot run")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod explained;
mod made;
mod ours;
mod real;
mod rival;
mod sets;
mod shaped;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use agreement::Agreement;
use explained::reason;
use made::Made;
use sets::{Loaded, Sets};
use table::{Row, Table};

/// Names of what is found in a file.
type Names = BTreeSet<String>;

/// From which every file follows.
const SEED: u64 = 0x6469_6666;
/// Of so many made files, clamscan looks at one again.
const ONE_IN: usize = 50;
/// Files of this machine that both look at, in CI.
const REAL_FILES: usize = 300;
/// Files of this machine that both look at, when measuring.
const MEASURED_FILES: usize = 20_500;
/// Files that are looked at together.
const BATCH: usize = 2000;

const NAME: &str = "agreement_with_clamscan";
/// With it, all is looked at by both and the table is written to this folder.
const MEASURE: &str = "WATCHGLASS_MEASURE_DIFFERENTIAL";

#[test]
fn agreement_with_clamscan() {
    if rival::version().is_none() {
        return skip("clamscan is not installed");
    }
    let Some(sets) = Sets::read() else { return skip("../shared/data is not there") };
    match std::env::var_os(MEASURE) {
        Some(folder) => measure(&sets, Path::new(&folder)),
        None => check(&sets),
    }
}

/// Ours on every made file, against what the table says; clamscan on one in fifty, against the table
/// too; both on some files of this machine.
fn check(sets: &Sets) {
    let table = Table::read(&root().join(TABLE)).unwrap();
    agreement::assert_figures(&root().join(FIGURES), &table::file_digest(&root().join(TABLE)));
    assert_eq!(table.sets, sets.digests(), "the sets are others: measure again");
    let made = made::all(sets, SEED);
    let said: Vec<&Row> = table.made.iter().collect();
    assert_eq!(said.len(), made.len(), "the files are others: measure again");
    let mut agreement = Agreement::new(sets);
    let mut sample = Vec::new();
    let mut rows = said.iter();
    for batch in batches(sets, &made) {
        let files: Vec<Vec<u8>> = batch.iter().map(|one| one.bytes(sets, SEED)).collect();
        let found = ours::scan(sets.part_of(batch[0]), &files);
        for (((one, row), bytes), found) in batch.iter().zip(&mut rows).zip(files).zip(&found) {
            assert_eq!(row.digest, table::digest(&bytes), "{}: measure again", one.label(sets));
            agreement.add(&one.label(sets), &found.names, &row.names(one.name(sets)), None);
            if table::is_chosen(&row.digest) {
                sample.push((one, row, bytes));
            }
        }
    }
    eprintln!("{NAME}: {}", agreement.summary());
    agreement.assert_promises();

    assert!(sample.len() * ONE_IN * 2 > made.len(), "{} files", sample.len());
    for sample in sample.chunk_by(|(one, ..), (other, ..)| one.is_of_part_of(**other, sets)) {
        let files: Vec<&[u8]> = sample.iter().map(|(_, _, bytes)| &bytes[..]).collect();
        let again = rival::scan(sets.part_of(*sample[0].0), &files);
        for ((one, row, _), names) in sample.iter().zip(again) {
            assert_eq!(names, row.names(one.name(sets)), "clamscan of {}", one.label(sets));
        }
    }

    let paths = real::sample(REAL_FILES, SEED);
    let files = real::sets(&paths, SEED);
    let (entries, _) = sets::entries(&files);
    let (mut agreement, loaded) = (Agreement::of(&entries), Loaded::of(&files));
    compare_real(&loaded, &paths, &mut agreement, |files| rival::scan(&loaded, files));
    eprintln!("{NAME}: files of this machine: {}", agreement.summary());
    // The machine may be any: one difference in a hundred files is for the measurement to explain.
    assert!(agreement.unexplained() * 100 <= REAL_FILES as u64, "{:?}", agreement.differing);
}

/// Both on everything.
fn measure(sets: &Sets, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    // What was said with other sets is of no use.
    let digest = table::digest(sets.digests().concat().as_bytes());
    let cache = |part: &str| folder.join(format!("said-{digest}-{part}"));
    let mut agreement = Agreement::new(sets);
    let made = made::all(sets, SEED);
    let made: Vec<Made> = made.into_iter().step_by(number("WATCHGLASS_TEST_STEP", 1)).collect();
    let (mut rows, mut sample) = (Vec::new(), Vec::new());
    for batch in batches(sets, &made) {
        eprintln!("{NAME}: made files {} of {}", rows.len(), made.len());
        let files: Vec<Vec<u8>> = batch.iter().map(|one| one.bytes(sets, SEED)).collect();
        let found = ours::scan(sets.part_of(batch[0]), &files);
        let borrowed: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
        let part = sets.part(batch[0].entry).to_string();
        let theirs = rival::scan_once(sets.part_of(batch[0]), &borrowed, &cache(&part));
        for (at, one) in batch.iter().enumerate() {
            let reason = reason(sets.part_of(*one), &files[at], &found[at], &theirs[at]);
            agreement.add(&one.label(sets), &found[at].names, &theirs[at], reason);
            if found[at].names != theirs[at] {
                keep(folder, &one.label(sets), &files[at]);
            }
            rows.push(Row::new(&files[at], &theirs[at], one.name(sets)));
            if table::is_chosen(&rows[rows.len() - 1].digest) {
                sample.push((one.label(sets), files[at].clone()));
            }
        }
    }
    // All signatures at once, for a part of the files.
    let mut of_whole = Agreement::new(sets);
    let (labels, files): (Vec<String>, Vec<Vec<u8>>) = sample.into_iter().unzip();
    let found = ours::scan(&sets.whole, &files);
    let borrowed: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
    let theirs = rival::scan_once(&sets.whole, &borrowed, &cache("whole"));
    for (at, label) in labels.iter().enumerate() {
        let reason = reason(&sets.whole, &files[at], &found[at], &theirs[at]);
        of_whole.add(label, &found[at].names, &theirs[at], reason);
    }
    let wanted = number("WATCHGLASS_TEST_FILES", MEASURED_FILES);
    let real = real::kept_sample(wanted, SEED, &folder.join("files-of-this-machine"));
    let (mut of_real, mut real_rows) = (Agreement::new(sets), Vec::new());
    for (number, batch) in real.chunks(BATCH).enumerate() {
        eprintln!("{NAME}: files of this machine {} of {}", number * BATCH, real.len());
        let scan = |files: &[&[u8]]| rival::scan_once(&sets.whole, files, &cache("whole"));
        compare_real(&sets.whole, batch, &mut of_real, scan);
    }
    let files = real::sets(&real, SEED);
    for (name, text) in &files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let (entries, _) = sets::entries(&files);
    let (mut of_own, loaded) = (Agreement::of(&entries), Loaded::of(&files));
    let own = cache(&format!(
        "own-{}",
        table::digest(&files.iter().flat_map(|(_, text)| text.clone()).collect::<Vec<_>>())
    ));
    for (number, batch) in real.chunks(BATCH).enumerate() {
        eprintln!("{NAME}: files of this machine, own sets, {}", number * BATCH);
        let scan = |files: &[&[u8]]| rival::scan_once(&loaded, files, &own);
        real_rows.extend(compare_real(&loaded, batch, &mut of_own, scan));
    }
    let table = Table { sets: sets.digests(), made: rows, real: real_rows };
    table.write(&folder.join("differential.txt"), &rival::version().unwrap(), SEED).unwrap();
    // What all signatures find in a part of the made files is no new file.
    let total = Agreement::total(&[&agreement, &of_own, &of_real]);
    let figures = serde_json::json!({
        "seed": SEED,
        "rival": rival::version(),
        "not_made": made::not_made(sets, SEED),
        "made": agreement.figures(&made::satisfied(&made, &table.made, sets)),
        "made_with_all_signatures": of_whole.figures(&serde_json::Value::Null),
        "total": total.figures(&serde_json::Value::Null),
        "real_with_own_sets": of_own.figures(&serde_json::Value::Null),
        "real": of_real.figures(&serde_json::Value::Null),
        "table_sha256": table::file_digest(&folder.join("differential.txt")),
    });
    std::fs::write(folder.join("differential.json"), format!("{figures:#}\n")).unwrap();
    let differing = [total.differing, of_whole.differing].concat();
    std::fs::write(folder.join("differing.txt"), differing.join("\n")).unwrap();
}

/// Files that are looked at together: all of one part of the sets.
fn batches<'m>(sets: &'m Sets, made: &'m [Made]) -> impl Iterator<Item = &'m [Made]> {
    made.chunk_by(|one, other| one.is_of_part_of(*other, sets))
}

/// For whoever looks into differences: fewer of something.
fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |number| number.parse().unwrap())
}

fn compare_real(
    loaded: &Loaded,
    paths: &[PathBuf],
    agreement: &mut Agreement<'_>,
    rival: impl Fn(&[&[u8]]) -> Vec<Names>,
) -> Vec<Row> {
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let found = ours::scan(loaded, &files);
    let borrowed: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
    let theirs = rival(&borrowed);
    for (at, path) in paths.iter().enumerate() {
        let reason = reason(loaded, &files[at], &found[at], &theirs[at]);
        agreement.add(&path.display().to_string(), &found[at].names, &theirs[at], reason);
    }
    files.iter().zip(&theirs).map(|(file, names)| Row::new(file, names, "")).collect()
}

/// For whoever looks into a difference.
fn keep(folder: &Path, label: &str, bytes: &[u8]) {
    let kept = folder.join("differing");
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join(label.replace([' ', '/'], "_")), bytes).unwrap();
}

const TABLE: &str = "bench/results/differential.txt";
const FIGURES: &str = "bench/results/differential.json";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn skip(why: &str) {
    eprintln!("skipped: {NAME}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{NAME}: {why}");
}
