//! Layouts that no lab makes: refused with a reason, in bounded time, without opening what is not
//! the bundle's.
#![allow(clippy::disallowed_methods, reason = "a test writes the bundles that are refused")]

mod forge;

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use forge::{Files, golden, judged, recheck, signed_manifest};

/// Refused, without hanging, with these words.
fn refuses(change: impl Fn(&Path), words: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in golden() {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    change(folder.path());
    let before = Instant::now();
    let error = watchglass_recheck::recheck(folder.path(), &[]).expect_err(words).to_string();
    assert!(error.contains(words), "{error}");
    assert!(before.elapsed() < Duration::from_secs(60), "{words}: {:?}", before.elapsed());
}

fn replace(folder: &Path, name: &str, with: impl Fn(&Path)) {
    let path = folder.join(name);
    std::fs::remove_file(&path).unwrap();
    with(&path);
}

#[test]
fn links_fifos_sockets_and_devices_in_place_of_a_part() {
    let part = "runs/A1/sensor.log";
    refuses(
        |at| replace(at, part, |path| symlink("/etc/passwd", path).unwrap()),
        "a symbolic link",
    );
    refuses(|at| replace(at, part, |path| symlink("../A2/sensor.log", path).unwrap()), part);
    let special = |kind| {
        move |at: &Path| {
            replace(at, part, |path| {
                let mode = rustix::fs::Mode::RUSR;
                rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
            });
        }
    };
    refuses(special(rustix::fs::FileType::Fifo), "runs/A1/sensor.log: a special file");
    refuses(special(rustix::fs::FileType::Socket), "runs/A1/sensor.log: a special file");
    let folder = |at: &Path| replace(at, part, |path| std::fs::create_dir(path).unwrap());
    refuses(folder, "runs/A1/sensor.log is missing");
    let out = |at: &Path| {
        std::fs::remove_dir_all(at.join("runs/A1")).unwrap();
        symlink("/", at.join("runs/A1")).unwrap();
    };
    refuses(out, "runs/A1: a symbolic link");
}

#[test]
fn names_that_no_part_has() {
    let put = |name: &'static str| {
        move |at: &Path| {
            let path = at.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
    };
    refuses(put(".hidden"), "does not begin with a dot");
    refuses(put("a b"), "only letters");
    refuses(put("\u{202e}gol.bal"), "\\u{202e}gol.bal");
    refuses(put("runs/A1/x/y/z"), "more than 4 folders deep");
    refuses(put("runs/A1/LAB.LOG"), "runs/A1/LAB.LOG is not in the manifest");
}

#[test]
fn sizes_beyond_all_bounds() {
    let grow = |name: &'static str, bytes| {
        move |at: &Path| {
            File::options().write(true).open(at.join(name)).unwrap().set_len(bytes).unwrap();
        }
    };
    refuses(grow("runs/A1/sensor.log", 1 << 42), "runs/A1/sensor.log: over the limit");
    refuses(grow("manifest.json", 1 << 30), "manifest.json: over the limit");
}

/// A manifest in another shape, signed like any other.
fn manifest(change: impl Fn(&str) -> String) -> Files {
    let files = golden();
    let honest = judged(&files);
    let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text, "the test changes nothing");
    let (results, report) = (files["results.json"].clone(), files["report.html"].clone());
    signed_manifest(&files, &honest, changed.into_bytes(), results, report)
}

fn refuses_manifest(change: impl Fn(&str) -> String, words: &str) {
    let error = recheck(&manifest(change)).expect_err(words);
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(text.contains("manifest.json") && text.contains(words), "{text}");
}

#[test]
fn manifests_that_lie() {
    refuses_manifest(|text| text.replacen("lab.log", "../x.log", 1), "does not begin with a dot");
    refuses_manifest(|text| text.replacen("runs/A1/lab.log", "/etc/passwd", 1), "a segment has 1");
    let twice = |text: &str| {
        let first = &text[text.find("    {").unwrap()..=text.find("},").unwrap() + 2];
        text.replacen(first, &format!("{first}{first}"), 1)
    };
    refuses_manifest(twice, "in order of name, each once");
    refuses_manifest(|text| text.replacen("\"schema\": 1", "\"schema\": 2", 1), "version 2");
    refuses_manifest(|text| text.replacen("  ", "   ", 1), "not in its one spelling");
    let huge = |text: &str| {
        let from = text.find("\"bytes\": ").unwrap() + 9;
        let to = from + text[from..].find(',').unwrap();
        format!("{}18446744073709551615{}", &text[..from], &text[to..])
    };
    refuses_manifest(huge, "has another size than it says");
    let key_twice =
        |text: &str| text.replacen("\"schema\": 1,", "\"schema\": 1,\n  \"schema\": 1,", 1);
    refuses_manifest(key_twice, "duplicate field");
}
