//! `watchglass database`, and the cache of what a scan compiles.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{command, has_worker, lines};

const ABC: &str = "900150983cd24fb0d6963f7d28e17f72:3:Abc";

fn database(arguments: &[&str], folder: &Path) -> Output {
    command("database").args(arguments).current_dir(folder).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn folder_with(sets: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in sets {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn what_is_built_is_whole_and_says_what_was_left_out() {
    let bad = "nonsense\n".repeat(30);
    let folder = folder_with(&[("a.hdb", &format!("{ABC}\n{bad}")), ("a.idb", "nonsense\n")]);
    let built = database(&["build", "--json", ".", "-o", "out.wgdb"], folder.path());
    assert_eq!(built.status.code(), Some(1), "{built:?}");
    let told = json(&built);
    assert_eq!(told["taken"]["hash signatures"], 1);
    assert_eq!(told["bad"].as_array().unwrap().len(), 20);
    assert_eq!((&told["bad"][0]["file"], &told["bad"][0]["line"]), (&"./a.hdb".into(), &2.into()));
    assert_eq!(told["more_bad"], 11);
    let all = database(&["build", "--json", "--all", ".", "-o", "out.wgdb"], folder.path());
    assert_eq!(json(&all)["bad"].as_array().unwrap().len(), 31);
    let text = database(&["build", "a.hdb", "-o", "out.wgdb"], folder.path());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("a.hdb:2: ") && text.contains("10 more bad lines"), "{text}");
    let info = database(&["info", "--json", "out.wgdb"], folder.path());
    assert_eq!(info.status.code(), Some(0));
    assert_eq!(json(&info)["digests"]["md5-file"], 1);
}

#[test]
fn what_cannot_be_built_leaves_what_was_there() {
    let folder = folder_with(&[("a.hdb", ABC), ("out.wgdb", "as it was")]);
    for arguments in [
        &["build", "missing.hdb", "-o", "out.wgdb"][..],
        &["build", "out.wgdb", "-o", "out.wgdb"],
        &["build", "a.hdb", "-o", "missing/out.wgdb"],
        &["build", "a.hdb"],
        &["build", "-o", "out.wgdb"],
    ] {
        let output = database(arguments, folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stderr.starts_with(b"error: "), "{arguments:?}");
    }
    assert_eq!(std::fs::read(folder.path().join("out.wgdb")).unwrap(), b"as it was");
}

#[test]
fn damage_is_told() {
    let folder = folder_with(&[("a.hdb", ABC)]);
    let path = folder.path().join("out.wgdb");
    assert!(database(&["build", "a.hdb", "-o", "out.wgdb"], folder.path()).status.success());
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let info = database(&["info", "--json", "out.wgdb"], folder.path());
    assert_eq!(info.status.code(), Some(1));
    assert_eq!(json(&info)["whole"], false);
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(database(&["info", "out.wgdb"], folder.path()).status.code(), Some(2));
}

/// A cache, a set older than a filesystem's clock ticks, and a file to be found.
struct Kept(tempfile::TempDir);

impl Kept {
    fn new() -> Self {
        let kept = Self(folder_with(&[("abc", "abc")]));
        kept.write_set(&format!("{ABC}\n"), "2001-01-01");
        kept
    }

    fn write_set(&self, text: &str, day: &str) {
        std::fs::write(self.path("a.hdb"), text).unwrap();
        let touched = Command::new("touch").arg("-d").arg(day).arg(self.path("a.hdb")).status();
        assert!(touched.unwrap().success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn databases(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("cache/watchglass")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "wgdb")).collect()
    }

    /// What was found, and the warnings.
    fn scan(&self, more: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut command = command("scan");
        command.args(["-i", "--no-summary", "-d"]).arg(self.path("a.hdb")).args(more);
        let output = command.arg(self.path("abc")).env("XDG_CACHE_HOME", self.path("cache"));
        let told = lines(&output.output().unwrap());
        told.into_iter().partition(|line| line.ends_with(" FOUND"))
    }
}

#[test]
fn what_was_compiled_is_used_until_its_sources_change() {
    let kept = Kept::new();
    if !has_worker() {
        return;
    }
    let (found, first_warnings) = kept.scan(&[]);
    assert_eq!(found.len(), 1);
    assert_eq!(kept.databases().len(), 1);
    // The second start does not read the set: it finds what stands in the cache, here put there by
    // hand, and it warns as the first did.
    std::fs::write(kept.path("other.hdb"), format!("{ABC}Other\n")).unwrap();
    let entry = kept.databases().remove(0);
    let other = database(&["build", "other.hdb", "-o", "other.wgdb"], kept.0.path());
    assert!(other.status.success());
    std::fs::write(&entry, std::fs::read(kept.path("other.wgdb")).unwrap()).unwrap();
    let (found, warnings) = kept.scan(&[]);
    assert!(found[0].contains("AbcOther"), "{found:?}");
    assert_eq!(warnings, first_warnings);
    kept.write_set(&format!("{ABC}x\n{ABC}y\n"), "2001-01-02");
    let (found, _) = kept.scan(&[]);
    assert!(found[0].contains("Abcx") || found[0].contains("Abcy"), "{found:?}");
    assert_eq!(kept.databases().len(), 2);
    kept.write_set("# none\n", "2001-01-03");
    let (found, _) = kept.scan(&["--no-cache"]);
    assert!(found.is_empty());
    assert_eq!(kept.databases().len(), 2);
}

#[test]
fn a_damaged_entry_is_made_again() {
    let kept = Kept::new();
    if !has_worker() {
        return;
    }
    kept.scan(&[]);
    let entry = kept.databases().remove(0);
    for damage in [&b"not a database"[..], b""] {
        std::fs::write(&entry, damage).unwrap();
        assert_eq!(kept.scan(&[]).0.len(), 1);
        assert!(std::fs::read(&entry).unwrap().starts_with(b"WGLASSDB"));
    }
}

#[test]
fn a_cache_of_others_is_not_used_and_told() {
    let kept = Kept::new();
    if !has_worker() {
        return;
    }
    kept.scan(&[]);
    let folder = kept.path("cache/watchglass");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (found, warnings) = kept.scan(&[]);
    assert_eq!(found.len(), 1);
    assert!(warnings.iter().any(|warning| warning.contains("0700")), "{warnings:?}");
}

#[test]
fn a_compiled_file_that_others_may_write_is_copied() {
    let folder = folder_with(&[("a.hdb", ABC), ("abc", "abc")]);
    if !has_worker() {
        return;
    }
    assert!(database(&["build", "a.hdb", "-o", "out.wgdb"], folder.path()).status.success());
    for mode in [0o644, 0o666] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path().join("out.wgdb"), permissions).unwrap();
        let mut command = command("scan");
        let output = command.args(["-d", "out.wgdb", "abc"]).current_dir(folder.path()).output();
        assert_eq!(output.unwrap().status.code(), Some(1), "{mode:o}");
    }
}

/// Sets that take seconds to compile.
fn many(count: u32) -> String {
    (0..count).map(|one| format!("{one:032x}:3:Made-{one}\n")).collect()
}

#[test]
fn sets_are_compiled_in_a_jail() {
    let folder = folder_with(&[("a.hdb", &many(200_000))]);
    let mut command = command("database");
    let command = command.args(["build", "a.hdb", "-o", "out.wgdb"]).current_dir(folder.path());
    let mut running = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", running.id());
    let (mut held, mut others) = (None, 0);
    while running.try_wait().unwrap().is_none() && held.is_none() {
        let children = std::fs::read_to_string(&children).unwrap_or_default();
        let compiler = children.split_whitespace().next().map(str::to_owned);
        let of = |what: &str| {
            let compiler = compiler.as_ref()?;
            std::fs::read_to_string(format!("/proc/{compiler}/{what}")).ok()
        };
        let status = of("status").unwrap_or_default();
        if status.lines().any(|line| line == "Seccomp:\t2") {
            let limits = of("limits").unwrap_or_default();
            others = limits.lines().filter(|line| line.contains("6442450944")).count();
            held = Some(status);
        }
    }
    assert!(running.wait().unwrap().success());
    let status = held.expect("it was seen in its jail");
    for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Threads:\t1"] {
        assert!(status.lines().any(|one| one == line), "no {line} in {status}");
    }
    assert_eq!(others, 1, "its memory is limited");
}

#[test]
fn sets_that_need_more_memory_than_there_may_be_are_an_error() {
    let folder =
        folder_with(&[("a.hdb", &many(300_000)), ("out.wgdb", "as it was"), ("abc", "abc")]);
    let mut bash = Command::new("bash");
    let script = "ulimit -v 60000; \"$0\" database build a.hdb -o out.wgdb";
    let bash = bash.args(["-c", script]).arg(support::program("watchglass-scan"));
    let output = bash.current_dir(folder.path()).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        says.contains("error: the compiler ended (signal 6): the sets need more than"),
        "{says}"
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read(folder.path().join("out.wgdb")).unwrap(), b"as it was");
}

#[test]
fn a_source_that_is_no_file_is_an_error() {
    let folder = folder_with(&[]);
    std::os::unix::fs::symlink("/dev/null", folder.path().join("a.hdb")).unwrap();
    let output = database(&["build", "a.hdb", "-o", "out.wgdb"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"error: a.hdb: not a regular file\n");
}

#[test]
fn what_is_no_compiled_file_of_this_version_is_converted_or_refused() {
    let folder = folder_with(&[("a.hdb", ABC)]);
    let convert = |from: &str| database(&["convert", from, "-o", "out.wgdb"], folder.path());
    assert_eq!(convert("a.hdb").status.code(), Some(0));
    let path = folder.path().join("out.wgdb");
    let whole = std::fs::read(&path).unwrap();
    std::fs::rename(&path, folder.path().join("one.wgdb")).unwrap();
    assert_eq!(convert("one.wgdb").status.code(), Some(0));
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let told = database(&["convert", "--json", "one.wgdb", "-o", "two.wgdb"], folder.path());
    assert_eq!(json(&told)["kind"], "database-copy");
    let mut older = whole.clone();
    older[8] = 0;
    std::fs::write(folder.path().join("older.wgdb"), older).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(folder.path().join("damaged.wgdb"), damaged).unwrap();
    for (from, says) in [
        ("older.wgdb", "build it again from its sources: `watchglass database build"),
        ("damaged.wgdb", "damaged.wgdb: "),
        ("missing.hdb", "missing.hdb: No such file"),
    ] {
        let output = convert(from);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{from}");
        assert!(error.starts_with("error: ") && error.contains(says), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), whole, "it is left as it was");
    }
}

#[test]
fn old_signatures_are_told_whatever_they_come_from() {
    let kept = Kept::new();
    if !has_worker() {
        return;
    }
    let old = |warnings: &[String]| warnings.iter().filter(|one| one.contains(" days ")).count();
    // Compiled now, and taken from the cache.
    for _ in 0..2 {
        assert_eq!(old(&kept.scan(&[]).1), 1);
    }
    assert!(database(&["build", "a.hdb", "-o", "out.wgdb"], kept.0.path()).status.success());
    let warnings = || {
        let mut command = command("scan");
        let command = command.args(["-d", "out.wgdb", "abc"]).current_dir(kept.0.path());
        lines(&command.output().unwrap())
    };
    assert_eq!(old(&warnings()), 0);
    let mut touch = Command::new("touch");
    let touched = touch.args(["-d", "2001-01-01"]).arg(kept.path("out.wgdb")).status();
    assert!(touched.unwrap().success());
    assert_eq!(old(&warnings()), 1);
}
