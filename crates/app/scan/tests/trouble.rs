//! What goes wrong, and what the scan makes of it.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{Running, has_worker, is_root, lines, program, scan, test_file};

#[test]
fn a_worker_that_is_killed_costs_one_file() {
    if !has_worker() {
        return;
    }
    let mut running = Running::start(&[]);
    assert_eq!(running.tell("first"), "OK");
    let worker = running.worker();
    Running::signal(worker, "KILL");
    assert_eq!(running.tell("second"), "NOT SCANNED (the worker ended (signal 9))");
    assert_eq!(running.tell("third"), "OK");
    assert_ne!(running.worker(), worker);
    drop(running.paths.take());
    assert_eq!(running.child.wait().unwrap().code(), Some(2));
}

#[test]
fn files_that_a_killed_worker_was_told_of_go_to_the_next() {
    if !has_worker() {
        return;
    }
    let mut running = Running::start(&[]);
    assert_eq!(running.tell("first"), "OK");
    let worker = running.worker();
    Running::signal(worker, "STOP");
    let names = ["second", "third", "fourth", "fifth", "sixth"];
    for name in names {
        let path = running.folder.path().join(name);
        std::fs::write(&path, "nothing").unwrap();
        running.name(&path);
    }
    // Time enough to be told of them; if it is not, the test says less and still holds.
    std::thread::sleep(Duration::from_millis(200));
    Running::signal(worker, "KILL");
    let told = names.map(|name| running.line_about(name));
    assert_eq!(told[0], "NOT SCANNED (the worker ended (signal 9))");
    assert!(told[1..].iter().all(|line| line == "OK"), "{told:?}");
}

#[test]
fn a_scan_that_is_killed_takes_its_workers_with_it() {
    if !has_worker() {
        return;
    }
    let mut running = Running::start(&[]);
    assert_eq!(running.tell("first"), "OK");
    let worker = running.worker();
    // It cannot notice by itself.
    Running::signal(worker, "STOP");
    Running::signal(i32::try_from(running.child.id()).unwrap(), "KILL");
    assert_eq!(running.child.wait().unwrap().signal(), Some(9));
    wait_until_gone(worker);
}

/// What the jail refuses, its own tests show; this shows that a worker of a real scan is in it, with
/// nothing open but its channel and the streams it was started with.
#[test]
fn the_worker_of_a_scan_is_held() {
    if !has_worker() || !is_root() {
        return support::skip("held", "only root looks into a process that is not dumpable");
    }
    let mut running = Running::start(&[]);
    assert_eq!(running.tell("first"), "OK");
    let worker = format!("/proc/{}", running.worker());
    let status = std::fs::read_to_string(format!("{worker}/status")).unwrap();
    for (key, value) in [
        ("Seccomp", "2"),
        ("NoNewPrivs", "1"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("Threads", "1"),
    ] {
        let line = format!("{key}:\t{value}");
        assert!(status.lines().any(|one| one == line), "no {line} in {status}");
    }
    let network = |of: &str| std::fs::read_link(format!("{of}/ns/net")).unwrap();
    assert_ne!(network(&worker), network("/proc/self"));
    let open = std::fs::read_dir(format!("{worker}/fd")).unwrap().map(|one| one.unwrap().path());
    let open: Vec<PathBuf> =
        open.filter(|one| one.file_name().is_none_or(|name| name != "2")).collect();
    for descriptor in open {
        let target = std::fs::read_link(&descriptor).unwrap();
        let target = target.to_str().unwrap();
        assert!(target == "/dev/null" || target.starts_with("socket:"), "{target}");
    }
}

#[test]
fn an_interrupt_ends_the_scan_and_its_workers_though_more_paths_may_come() {
    if !has_worker() {
        return;
    }
    let mut running = Running::start(&[]);
    assert_eq!(running.tell("first"), "OK");
    let worker = running.worker();
    let began = Instant::now();
    Running::signal(i32::try_from(running.child.id()).unwrap(), "INT");
    let status = running.child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert!(began.elapsed() < Duration::from_secs(10));
    let mut rest = String::new();
    running.told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("INTERRUPTED"), "{rest}");
    wait_until_gone(worker);
}

/// Gone, or a process that has ended and that nobody has asked after.
fn wait_until_gone(worker: i32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_there = || {
        let status = std::fs::read_to_string(format!("/proc/{worker}/status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while is_there() {
        assert!(Instant::now() < deadline, "its worker is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_member_of_a_member_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let script = "import io, sys, tarfile, zipfile\n\
        inner = io.BytesIO()\n\
        with zipfile.ZipFile(inner, 'w', zipfile.ZIP_DEFLATED) as one: one.writestr('x.com', sys.stdin.buffer.read())\n\
        with tarfile.open(sys.argv[1], 'w') as outer:\n\
        \x20   entry = tarfile.TarInfo('inner.zip'); entry.size = len(inner.getvalue())\n\
        \x20   outer.addfile(entry, io.BytesIO(inner.getvalue()))\n";
    let path = folder.path().join("outer.tar");
    let mut python = Command::new("python3");
    let child = python.args(["-c", script]).arg(&path).stdin(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(&test_file()).unwrap();
    assert!(child.wait().unwrap().success());
    let arguments = ["--heuristics-only", "--json", path.to_str().unwrap()];
    let Some(output) = scan(&arguments) else { return };
    assert_eq!(output.status.code(), Some(1));
    let told = lines(&output).into_iter().find(|line| line.contains("outer.tar")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let member = told["findings"][0]["member"].as_array().unwrap();
    let names: Vec<&str> = member.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["inner.zip", "x.com"]);
}

#[test]
fn a_file_of_a_terabyte_of_nothing_takes_no_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let began = Instant::now();
    let Some(output) = scan(&["--heuristics-only", file.path().to_str().unwrap()]) else { return };
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let told = lines(&output).join("\n");
    assert!(told.contains("NOT SCANNED (MaxFileSize reached"), "{told}");
}

/// As a user who may not read all.
fn scan_as_nobody(folder: &Path) -> Option<Output> {
    if !has_worker() {
        return None;
    }
    // A folder that everybody may enter, since the tests' own may not be.
    let programs = tempfile::Builder::new().prefix("programs").tempdir_in("/tmp").unwrap();
    let open = |path: &Path| Command::new("chmod").arg("755").arg(path).status().unwrap();
    assert!(open(programs.path()).success());
    for name in ["watchglass-scan", "watchglass-worker"] {
        let copy: PathBuf = programs.path().join(name);
        std::fs::copy(program(name), &copy).unwrap();
        assert!(open(&copy).success());
    }
    let mut command = Command::new("setpriv");
    let command = command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    let command = command.arg(programs.path().join("watchglass-scan"));
    Some(command.args(["scan", "--heuristics-only", "-r"]).arg(folder).output().unwrap())
}

#[test]
fn what_may_not_be_read_is_told_and_the_rest_is_scanned() {
    if !is_root() {
        support::skip("unreadable", "only root becomes another user");
        return;
    }
    let folder = tempfile::Builder::new().prefix("tree").tempdir_in("/tmp").unwrap();
    let mode = |mode: &str, name: &str| {
        let changed = Command::new("chmod").arg(mode).arg(folder.path().join(name)).status();
        assert!(changed.unwrap().success());
    };
    std::fs::create_dir(folder.path().join("closed")).unwrap();
    std::fs::write(folder.path().join("good"), "nothing").unwrap();
    std::fs::write(folder.path().join("secret"), "nothing").unwrap();
    for (bits, name) in [("755", ""), ("700", "closed"), ("600", "secret"), ("644", "good")] {
        mode(bits, name);
    }
    let Some(output) = scan_as_nobody(folder.path()) else { return };
    let told = lines(&output).join("\n");
    let at = |name: &str, says: &str| format!("{}/{name}: {says}", folder.path().display());
    for (name, says) in [
        ("good", "OK"),
        ("closed", "NOT SCANNED (openat: Permission denied"),
        ("secret", "NOT SCANNED (openat: Permission denied"),
    ] {
        assert!(told.contains(&at(name, says)), "{told}");
    }
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_left_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for name in ["a.log", "b.txt", "sub/c.txt"] {
        std::fs::write(folder.path().join(name), "nothing").unwrap();
    }
    let check = |option: &str, expected: [&str; 3]| {
        let arguments =
            ["--heuristics-only", "--no-summary", "-r", option, folder.path().to_str().unwrap()];
        let Some(output) = scan(&arguments) else { return };
        let short = |line: &String| line.replace(&format!("{}/", folder.path().display()), "");
        let told: Vec<String> = lines(&output).iter().map(short).collect();
        let told: Vec<&str> =
            told.iter().map(String::as_str).filter(|line| !line.starts_with("WARN")).collect();
        let expected: Vec<&str> = expected.into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(told, expected, "{option}");
    };
    check("--exclude=log$", ["a.log: Excluded", "b.txt: OK", "sub/c.txt: OK"]);
    check("--include=log$", ["a.log: OK", "b.txt: Excluded", "sub/c.txt: Excluded"]);
    check("--exclude-dir=/sub/", ["a.log: OK", "b.txt: OK", "sub: Excluded"]);
    check("--exclude-glob=*.txt", ["a.log: OK", "b.txt: Excluded", "sub/c.txt: Excluded"]);
    check("--exclude-glob=sub", ["a.log: OK", "b.txt: OK", "sub: Excluded"]);
}
