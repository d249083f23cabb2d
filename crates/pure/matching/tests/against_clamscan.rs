//! What is found is what clamscan finds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stderr, reason = "figures of the comparison")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::arithmetic_side_effects,
    reason = "pure crates touch nothing, their tests read files and start programs"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use common::{Dice, compiled, data, found, satisfy, skip};
use watchglass_signatures::{Signature, SignatureSet, Target};

/// Files of each kind; more by `WATCHGLASS_TEST_FILES`.
const FILES: usize = 60;

#[test]
fn random_signatures_are_found_as_by_clamscan() {
    let name = "random_signatures_are_found_as_by_clamscan";
    if !is_there("clamscan") {
        return skip(name, "clamscan is not installed");
    }
    let mut dice = Dice(0x636c_616d);
    let bodies: String = (0..30).map(|number| dice.body_line(number)).collect();
    let expressions: String = (0..30).map(|number| dice.logical_line(number)).collect();
    compare(name, &[("a.ndb", bodies), ("a.ldb", expressions)], &mut dice);
}

#[test]
fn real_signatures_are_found_as_by_clamscan() {
    let name = "real_signatures_are_found_as_by_clamscan";
    if !is_there("clamscan") {
        return skip(name, "clamscan is not installed");
    }
    let Some(folder) = data("signatures") else {
        return skip(name, "../shared/data is not there");
    };
    let mut dice = Dice(0x7265_616c);
    let sets = ["clamav-official-partial/main.ldb", "twinclams/twinclams.ldb"].map(|file| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let set = SignatureSet::named(file).unwrap();
        let lines = text.lines().filter(|line| is_generated(&set, line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    });
    compare(name, &[("main.ldb", sets[0].clone()), ("twin.ldb", sets[1].clone())], &mut dice);
}

#[test]
fn regular_expressions_are_found_as_by_clamscan() {
    let name = "regular_expressions_are_found_as_by_clamscan";
    if !is_there("clamscan") {
        return skip(name, "clamscan is not installed");
    }
    let lines = REGEXES.iter().zip(0..);
    let lines = lines.map(|(regex, number)| {
        format!("R{number};Engine:81-255,Target:0;0&{};6d61726b;{}\n", regex.0, regex.1)
    });
    let text: String = lines.collect();
    let folder = tempfile::tempdir().unwrap();
    let (database, files) = (folder.path().join("database"), folder.path().join("files"));
    [&database, &files].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    std::fs::write(database.join("r.ldb"), &text).unwrap();
    let bytes = compiled(&[("r.ldb", text)]);
    let (mut dice, mut ours) = (Dice(0x7265_6765), BTreeMap::new());
    for number in 0..FILES * 2 {
        let mut file: Vec<u8> = (0..6 + dice.below(35)).map(|_| b"xabcqz"[dice.below(6)]).collect();
        let place = dice.below(file.len());
        file.splice(place..place, *b"mark");
        let tails: [&[u8]; 4] = [b"", b"foobar", b"fooba", b"AAz"];
        file.extend(tails[dice.below(4)]);
        std::fs::write(files.join(format!("{number:05}")), &file).unwrap();
        ours.insert(format!("{number:05}"), found(&bytes, &file, 0));
    }
    let mut theirs = clamscan(&database, &files);
    ours.retain(|_, hits| !hits.is_empty());
    theirs.retain(|_, hits| !hits.is_empty());
    assert!(ours.len() > FILES && ours == theirs, "{ours:?}\n{theirs:?}");
}

/// Tests of the second sub-signature, which is the expression beside it.
const REGEXES: &[(&str, &str)] = &[
    ("1", "1:0/^x/"),
    ("1", "0/ab+c/"),
    ("(1=2)", "0/x/g"),
    ("(1>2)", "0/x/g"),
    ("1", "4:0/b/r"),
    ("1", "0,3:0/bcd/e"),
    ("1", "0/(a|b)\\1z/i"),
    ("(1=0)", "0/never/"),
    ("1", "0/foo(?=bar)/"),
    ("1", "2,4:0/q/"),
];

/// Whether a signature is for all files and of bytes alone.
fn is_generated(set: &SignatureSet, line: &str) -> bool {
    let read = set.signatures(line.as_bytes()).next();
    let Some(Ok(Signature::Logical(logical))) = read else {
        return false;
    };
    let description = &logical.description;
    let of_bytes = |of| matches!(of, &watchglass_signatures::Subsignature::Content(_));
    description.target == Target::Generic
        && description.container.is_none()
        && description.intermediates.is_empty()
        && logical.subsignatures.iter().all(of_bytes)
}

/// Makes files that satisfy signatures, and near misses, and asks both.
fn compare(name: &str, sets: &[(&str, String)], dice: &mut Dice) {
    let folder = tempfile::tempdir().unwrap();
    let (database, files) = (folder.path().join("database"), folder.path().join("files"));
    [&database, &files].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let mut signatures = Vec::new();
    for (file, text) in sets {
        // What neither takes is no matter here.
        let set = SignatureSet::named(file).unwrap();
        let lines =
            text.lines().filter(|line| set.signatures(line.as_bytes()).all(|read| read.is_ok()));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        signatures.extend(set.signatures(text.as_bytes()).filter_map(Result::ok));
        std::fs::write(database.join(file), text).unwrap();
    }
    let bytes = compiled(sets);
    let count = std::env::var("WATCHGLASS_TEST_FILES").map_or(FILES, |n| n.parse().unwrap());
    let mut ours = BTreeMap::new();
    for number in 0..count {
        let mut file = b"\x01\x02\x03\x04".to_vec();
        let signature = &signatures[dice.below(signatures.len())];
        let made = satisfy(signature, dice);
        // A head of no known type, unless the signature looks there.
        if found(&bytes, &made, 0).is_empty() {
            file = made
        } else {
            file.extend(made)
        }
        if number % 3 == 0 {
            dice.damage(&mut file);
        }
        // clamscan does not look at files of five bytes and fewer.
        file.extend(b"......".iter().skip(file.len()));
        let hits: BTreeSet<String> = found(&bytes, &file, 0);
        std::fs::write(files.join(format!("{number:05}")), &file).unwrap();
        ours.insert(format!("{number:05}"), hits);
    }
    let theirs = clamscan(&database, &files);
    let (mut same, mut differences) = (0, Vec::new());
    for (file, hits) in &ours {
        let of_them = theirs.get(file).cloned().unwrap_or_default();
        let missed: Vec<_> = of_them.difference(hits).collect();
        let more: Vec<_> = hits.difference(&of_them).collect();
        same += hits.intersection(&of_them).count();
        if !missed.is_empty() || !more.is_empty() {
            let bytes = std::fs::read(files.join(file)).unwrap();
            differences.push(format!(
                "{file}: we miss {missed:?}, they miss {more:?}: {}\n",
                bytes.escape_ascii()
            ));
        }
    }
    eprintln!("{name}: {same} hits alike, {} files differ of {count}", differences.len());
    if let Some(folder) = std::env::var_os("WATCHGLASS_TEST_KEEP") {
        std::fs::write(Path::new(&folder).join(name), differences.concat()).unwrap();
        for (file, text) in sets {
            std::fs::write(Path::new(&folder).join(format!("{name}.{file}")), text).unwrap();
        }
    }
    assert!(same > count / 6, "{same} hits alike");
    assert!(differences.len() <= (count * TOLERATED / 100).max(1), "{}", differences.concat());
}

/// Differences in a hundred files: clamscan takes out a file that lies in another, such as OLE2 behind
/// some bytes, and finds in it what stands at its start. Here the bytes are looked at as they are.
const TOLERATED: usize = 1;

/// The names that clamscan finds in each file of a folder.
fn clamscan(database: &Path, files: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut command = Command::new("clamscan");
    command.arg("--database").arg(database).args([
        "--allmatch",
        "--no-summary",
        "--recursive",
        "--normalize=no",
    ]);
    let output = command.arg(files).output().unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((path, name)) = line.rsplit_once(": ") else { continue };
        let Some(name) = name.strip_suffix(".UNOFFICIAL FOUND") else { continue };
        let file = path.rsplit('/').next().unwrap();
        found.entry(file.to_owned()).or_default().insert(name.to_owned());
    }
    found
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
