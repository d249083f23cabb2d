//! Starting the real command.
#![allow(dead_code, reason = "not every test file needs all of it")]
#![expect(clippy::print_stderr, reason = "a test says when it cannot run")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Programs of ours lie beside each other.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_watchglass-scan")).with_file_name(name)
}

/// A command that keeps nothing, unless the test names a folder for it.
pub(crate) fn command(act: &str) -> Command {
    let mut command = Command::new(program("watchglass-scan"));
    command.arg(act).env("XDG_CACHE_HOME", "/dev/null");
    command
}

/// Whether workers can be started; says so if not.
pub(crate) fn has_worker() -> bool {
    let there = program("watchglass-worker").exists();
    if !there {
        skip("scan", "watchglass-worker is not built beside this test's program");
    }
    there
}

pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name}: {why}");
}

pub(crate) fn scan<S: AsRef<OsStr>>(arguments: &[S]) -> Option<Output> {
    has_worker().then(|| command("scan").args(arguments).output().unwrap())
}

/// Made here, so that this file is not what it looks for.
pub(crate) fn test_file() -> Vec<u8> {
    let halves = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
    halves.concat().into_bytes()
}

pub(crate) fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// A scan that is told its paths one by one.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) paths: Option<ChildStdin>,
    pub(crate) told: BufReader<ChildStdout>,
    pub(crate) folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command("scan");
        command.args(["--heuristics-only", "--jobs=1", "-f", "-"]).args(more);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (paths, told) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, paths, told, folder }
    }

    /// The line about a file of this name.
    pub(crate) fn tell(&mut self, name: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, "nothing").unwrap();
        self.name(&path);
        self.line_about(name)
    }

    pub(crate) fn name(&mut self, path: &Path) {
        writeln!(self.paths.as_mut().unwrap(), "{}", path.display()).unwrap();
    }

    /// What the next line says that has `name` in it.
    pub(crate) fn line_about(&mut self, name: &str) -> String {
        let mut line = String::new();
        while !line.contains(name) {
            line.clear();
            assert_ne!(self.told.read_line(&mut line).unwrap(), 0, "it ended");
        }
        line.split_once(": ").unwrap().1.trim_end().to_owned()
    }

    pub(crate) fn worker(&self) -> i32 {
        let children = self.children();
        assert_eq!(children.len(), 1);
        children[0]
    }

    /// Its processes in the order in which they were started: the one that hashes, where verdicts are
    /// kept, and the one that scans.
    pub(crate) fn children(&self) -> Vec<i32> {
        let all = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let children =
            all.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap());
        let children = children.collect::<Vec<String>>().join(" ");
        let mut children: Vec<i32> =
            children.split_whitespace().map(|one| one.parse().unwrap()).collect();
        children.sort_unstable();
        children
    }

    /// Waits until it has opened a file.
    pub(crate) fn wait_until_open(&self, path: &Path) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let open = || {
            let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
            let mut targets = descriptors.flatten().map(|one| std::fs::read_link(one.path()));
            targets.any(|target| target.is_ok_and(|target| target == path))
        };
        while !open() {
            assert!(Instant::now() < deadline, "it does not open the file");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn signal(process: i32, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
        assert!(sent.unwrap().success());
    }
}
