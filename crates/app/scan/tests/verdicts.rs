//! What is clean as before is not scanned again, and nothing else is believed.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Running, command, has_worker, test_file};

/// Files to be scanned, a set, and where verdicts are kept.
struct Kept(tempfile::TempDir);

/// What was told of a file: its name, verdict and whether it was clean as before.
type Told = Vec<(String, String, bool)>;

impl Kept {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let kept = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(kept.path("files")).unwrap();
        for (name, content) in files {
            std::fs::write(kept.path("files").join(name), content).unwrap();
        }
        kept.write_set("Abc");
        kept
    }

    fn write_set(&self, name: &str) {
        let line = format!("900150983cd24fb0d6963f7d28e17f72:3:{name}\n");
        std::fs::write(self.path("a.hdb"), line).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn output(&self, options: &[&str]) -> Output {
        let mut command = command("scan");
        command.args(["--json", "-r", "-d"]).arg(self.path("a.hdb"));
        if !options.iter().any(|one| one.starts_with("--no-cache")) {
            command.arg("--cache").arg(self.path("verdicts"));
        }
        command.args(options).arg(self.path("files")).output().unwrap()
    }

    fn scan(&self, options: &[&str]) -> Told {
        files(&self.output(options))
    }
}

fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files(output: &Output) -> Told {
    let files = objects(output).into_iter().filter(|line| line["kind"] == "file");
    let mut told: Told = files
        .map(|line| {
            let path = line["path"].as_str().unwrap();
            let name = path.rsplit('/').next().unwrap().to_owned();
            let verdict = line["verdict"].as_str().unwrap().to_owned();
            (name, verdict, line["cached"].as_bool().unwrap())
        })
        .collect();
    told.sort();
    told
}

fn warnings(output: &Output) -> Vec<String> {
    let lines = objects(output).into_iter().filter(|line| line["kind"] == "warning");
    let texts = lines.map(|line| line["text"].as_str().unwrap().to_owned());
    texts.filter(|text| text.contains("verdicts")).collect()
}

fn told(files: &[(&str, &str, bool)]) -> Told {
    let owned = |(name, verdict, cached): &(&str, &str, bool)| {
        ((*name).to_owned(), (*verdict).to_owned(), *cached)
    };
    files.iter().map(owned).collect()
}

#[test]
fn what_was_clean_is_known_until_anything_changes() {
    let kept = Kept::new(&[("a", b"first"), ("b", b"second")]);
    if !has_worker() {
        return;
    }
    let new = told(&[("a", "clean", false), ("b", "clean", false)]);
    let known = told(&[("a", "clean", true), ("b", "clean", true)]);
    assert_eq!(kept.scan(&[]), new);
    assert_eq!(kept.scan(&[]), known);
    assert_eq!(kept.scan(&["--jobs=1"]), known);
    std::fs::rename(kept.path("files/a"), kept.path("files/c")).unwrap();
    std::fs::write(kept.path("files/b"), "changed").unwrap();
    assert_eq!(kept.scan(&[]), told(&[("b", "clean", false), ("c", "clean", true)]));
    // Other options look at other parts of a file.
    assert!(kept.scan(&["--allmatch"]).iter().all(|(_, _, cached)| !cached));
    kept.write_set("Other");
    assert!(kept.scan(&[]).iter().all(|(_, _, cached)| !cached));
    assert!(kept.scan(&[]).iter().all(|(_, _, cached)| *cached));
    kept.write_set("Abc");
    assert!(kept.scan(&[]).iter().all(|(_, _, cached)| *cached), "both are kept");
    let output = kept.output(&[]);
    let summary = objects(&output).pop().unwrap();
    assert_eq!((&summary["files"], &summary["cached"]), (&0.into(), &2.into()));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_was_found_or_not_looked_at_is_looked_at_each_time() {
    let large = vec![b'x'; 4096];
    let bad = test_file();
    let files: [(&str, &[u8]); 3] = [("abc", b"abc"), ("eicar", &bad), ("large", &large)];
    let kept = Kept::new(&files);
    if !has_worker() {
        return;
    }
    let expected = told(&[
        ("abc", "found", false),
        ("eicar", "found", false),
        ("large", "not-scanned", false),
    ]);
    for _ in 0..3 {
        assert_eq!(kept.scan(&["--max-filesize=1K"]), expected);
    }
}

#[test]
fn a_content_that_is_known_as_clean_is_looked_at_when_a_signature_comes_for_it() {
    let kept = Kept::new(&[("abc", b"abc")]);
    if !has_worker() {
        return;
    }
    std::fs::write(kept.path("a.hdb"), "00000000000000000000000000000000:3:Other\n").unwrap();
    kept.scan(&[]);
    assert_eq!(kept.scan(&[]), told(&[("abc", "clean", true)]));
    kept.write_set("Abc");
    assert_eq!(kept.scan(&[]), told(&[("abc", "found", false)]));
}

#[test]
fn what_is_no_cache_is_left_as_it_is_and_told_in_one_line() {
    let kept = Kept::new(&[("a", b"first")]);
    if !has_worker() {
        return;
    }
    kept.scan(&[]);
    for (bytes, mode, says) in [
        (&b"somebody's text"[..], 0o600, "damaged, or of another version"),
        (b"somebody's text", 0o644, "this user alone may open"),
    ] {
        std::fs::write(kept.path("verdicts"), bytes).unwrap();
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(kept.path("verdicts"), permissions).unwrap();
        let output = kept.output(&[]);
        let warnings = warnings(&output);
        assert!(warnings.len() == 1 && warnings[0].contains(says), "{warnings:?}");
        assert_eq!(files(&output), told(&[("a", "clean", false)]));
        assert_eq!(std::fs::read(kept.path("verdicts")).unwrap(), bytes);
    }
}

#[test]
fn nothing_is_kept_when_nothing_is_to_be() {
    let kept = Kept::new(&[("a", b"first")]);
    if !has_worker() {
        return;
    }
    kept.scan(&["--no-cache"]);
    assert!(!kept.path("verdicts").exists());
    kept.scan(&[]);
    for name in ["verdicts", "verdicts.key"] {
        let mode = std::fs::metadata(kept.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    assert_eq!(kept.scan(&["--no-cache"]), told(&[("a", "clean", false)]));
}

#[test]
fn several_scans_use_it_at_once() {
    let names: Vec<String> = (0..50).map(|number| format!("file{number}")).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let kept = Kept::new(&files);
    if !has_worker() {
        return;
    }
    std::thread::scope(|scope| {
        let scans: Vec<_> = (0..4).map(|_| scope.spawn(|| kept.output(&[]))).collect();
        for scan in scans {
            let output = scan.join().unwrap();
            assert_eq!((output.status.code(), warnings(&output)), (Some(0), Vec::new()));
        }
    });
    let known = kept.scan(&[]).into_iter().filter(|(_, _, cached)| *cached).count();
    assert!(known >= 45, "{known}");
}

/// While the worker is stopped, the content that was hashed is replaced in place by a harmless one,
/// which the worker then finds clean. That says nothing of the first.
#[test]
fn a_content_that_was_swapped_between_hash_and_scan_is_not_known() {
    let kept = Kept::new(&[]);
    if !has_worker() {
        return;
    }
    let cache = format!("--cache={}", kept.path("verdicts").display());
    let mut running = Running::start(&["--no-summary", &cache]);
    assert_eq!(running.tell("first"), "OK");
    let worker = *running.children().last().unwrap();
    Running::signal(worker, "STOP");
    let path = running.folder.path().join("swapped");
    std::fs::write(&path, test_file()).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    running.name(&path);
    running.wait_until_open(&path);
    // If it is not hashed by now, this shows nothing, and fails nothing.
    std::thread::sleep(Duration::from_millis(300));
    file.write_all_at(&vec![b'.'; test_file().len()], 0).unwrap();
    Running::signal(worker, "CONT");
    assert_eq!(running.line_about("swapped"), "OK");
    file.write_all_at(&test_file(), 0).unwrap();
    running.name(&path);
    assert_eq!(running.line_about("swapped"), "Eicar-Signature FOUND");
    drop(running.paths.take());
    running.child.wait().unwrap();
    // In another scan neither.
    let mut command = command("scan");
    let output = command.args(["--heuristics-only", "--json", &cache]).arg(&path);
    let output = output.stdin(Stdio::null()).output().unwrap();
    assert_eq!(files(&output), told(&[("swapped", "found", false)]));
}
