//! clamscan.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::Names;
use crate::sets::Loaded;

/// What it calls itself, if it is here.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("clamscan").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}

/// What it finds in each file, as it said before or says now. What it says is kept in `cache`, so that
/// a measurement of an hour can be broken off.
pub(crate) fn scan_once(loaded: &Loaded, files: &[&[u8]], cache: &Path) -> Vec<Names> {
    let key = |file: &&[u8]| format!("{:x}", Sha256::digest(file));
    let known = std::fs::read_to_string(cache).unwrap_or_default();
    let read = |line: &str| {
        let (digest, names) = line.split_once('\t')?;
        let names = names.split('\t').filter(|name| !name.is_empty()).map(str::to_owned);
        Some((digest.to_owned(), names.collect::<Names>()))
    };
    let mut known: BTreeMap<String, Names> = known.lines().filter_map(read).collect();
    let new: Vec<&[u8]> =
        files.iter().copied().filter(|file| !known.contains_key(&key(file))).collect();
    let mut text = String::new();
    let halves = new.chunks(new.len().div_ceil(2).max(1));
    let said: Vec<Vec<Names>> = std::thread::scope(|scope| {
        let started: Vec<_> = halves.map(|half| scope.spawn(move || scan(loaded, half))).collect();
        started.into_iter().map(|half| half.join().unwrap()).collect()
    });
    for (file, names) in new.iter().zip(said.into_iter().flatten()) {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        text.push_str(&format!("{}\t{}\n", key(file), words.join("\t")));
        known.insert(key(file), names);
    }
    let mut options = std::fs::OpenOptions::new();
    let mut kept = options.append(true).create(true).open(cache).unwrap();
    kept.write_all(text.as_bytes()).unwrap();
    files.iter().map(|file| known[&key(file)].clone()).collect()
}

/// What it finds in each file.
pub(crate) fn scan(loaded: &Loaded, files: &[&[u8]]) -> Vec<Names> {
    scan_with(loaded, files, &[])
}

/// What it finds in each file with these options.
pub(crate) fn scan_with(loaded: &Loaded, files: &[&[u8]], options: &[&OsStr]) -> Vec<Names> {
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (number, file) in files.iter().enumerate() {
        let path = folder.path().join(format!("{number:06}"));
        std::fs::write(&path, file).unwrap();
        list.push_str(path.to_str().unwrap());
        list.push('\n');
    }
    let list_path = folder.path().join("list");
    std::fs::write(&list_path, list).unwrap();
    let mut command = Command::new("clamscan");
    command.args(["--allmatch", "--no-summary", "--infected", "-d"]).arg(loaded.path());
    let output = command.args(options).arg("--file-list").arg(list_path).output().unwrap();
    let code = output.status.code();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(code, Some(0 | 1)), "{}: {says}", output.status);
    let mut found = vec![Names::new(); files.len()];
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((path, name)) = line.rsplit_once(": ") else { continue };
        let Some(name) = name.strip_suffix(" FOUND") else { continue };
        let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
        found[number].insert(name.strip_suffix(".UNOFFICIAL").unwrap_or(name).to_owned());
    }
    found
}
