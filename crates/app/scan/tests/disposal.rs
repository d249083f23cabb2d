//! `--remove`, `--move` and `--copy` of the real command.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{Running, has_worker, is_root, lines, program, scan, skip, test_file};

/// A folder with what is found in it, and one to bring it to.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(found: &[&[u8]]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(tree.path(b"from")).unwrap();
        std::fs::create_dir(tree.path(b"to")).unwrap();
        std::fs::write(tree.path(b"from/good"), "nothing").unwrap();
        for name in found {
            std::fs::write(tree.path(&[b"from/", *name].concat()), test_file()).unwrap();
        }
        tree
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.0.path().join(OsStr::from_bytes(name))
    }

    fn names(&self, folder: &[u8]) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().as_bytes().to_vec());
        let mut names: Vec<Vec<u8>> = names.collect();
        names.sort();
        names
    }

    /// Scans all of it; the lines that tell of what was found.
    fn scan(&self, options: &[&str]) -> Option<(Vec<String>, Option<i32>)> {
        let from = self.path(b"from");
        let mut arguments = vec!["--heuristics-only", "--no-summary", "-i", "-r"];
        arguments.extend(options);
        arguments.push(from.to_str().unwrap());
        scan(&arguments).map(|output| (self.told(&output), output.status.code()))
    }

    fn told(&self, output: &Output) -> Vec<String> {
        let short = |line: String| line.replace(self.0.path().to_str().unwrap(), "");
        let told = lines(output).into_iter().filter(|line| !line.starts_with("WARNING"));
        told.map(short).collect()
    }

    fn to(&self, option: &str) -> String {
        format!("{option}={}", self.path(b"to").display())
    }
}

#[test]
fn what_was_found_is_removed_and_nothing_else() {
    let tree = Tree::new(&[b"bad", b"bytes\xff\n", b"two"]);
    std::fs::hard_link(tree.path(b"from/two"), tree.path(b"from/three")).unwrap();
    let Some((told, code)) = tree.scan(&["--remove", "--hard-links=once"]) else { return };
    assert_eq!(code, Some(1));
    for line in ["/from/bad: Removed.", "/from/bytes\\xff\\n: Removed."] {
        assert!(told.iter().any(|told| told == line), "{told:?}");
    }
    assert!(told.iter().any(|line| line.ends_with("It has another name elsewhere (hard link).")));
    assert_eq!(tree.names(b"from").len(), 2, "the good one, and one of two names");
}

#[test]
fn what_was_found_is_moved_and_gets_a_name_of_its_own() {
    let tree = Tree::new(&[b"bad"]);
    std::fs::write(tree.path(b"to/bad"), "older").unwrap();
    let Some((told, code)) = tree.scan(&[&tree.to("--move")]) else { return };
    assert_eq!(told, ["/from/bad: Eicar-Signature FOUND", "/from/bad: moved to '/to/bad.001'"]);
    assert_eq!(code, Some(1));
    assert_eq!(tree.names(b"from"), [b"good"]);
    assert_eq!(std::fs::read(tree.path(b"to/bad")).unwrap(), b"older");
    assert_eq!(std::fs::read(tree.path(b"to/bad.001")).unwrap(), test_file());
}

#[test]
fn what_was_found_is_copied_and_json_says_where() {
    let tree = Tree::new(&[b"bad\xff"]);
    let (from, to) = (tree.path(b"from"), tree.to("--copy"));
    let arguments = ["--heuristics-only", "--json", &to, "-r", from.to_str().unwrap()];
    let Some(output) = scan(&arguments) else { return };
    assert_eq!(output.status.code(), Some(1));
    let told = lines(&output);
    let told: Vec<serde_json::Value> =
        told.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = told.iter().find(|line| line["verdict"] == "found").unwrap();
    assert_eq!(found["disposed"]["done"], "copied");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = hex(tree.path(b"to/bad\xff").as_os_str().as_bytes());
    assert_eq!(found["disposed"]["to_hex"], expected);
    assert!(told.iter().any(|line| line["disposed"] == 1 && line["not_disposed"] == 0));
    assert_eq!(tree.names(b"from"), [&b"bad\xff"[..], b"good"]);
    assert_eq!(tree.names(b"to"), [b"bad\xff"]);
}

#[test]
fn what_a_link_led_to_stays() {
    let tree = Tree::new(&[b"bad"]);
    let link = tree.path(b"link");
    symlink(tree.path(b"from/bad"), &link).unwrap();
    let arguments = ["--heuristics-only", "--no-summary", "--remove", link.to_str().unwrap()];
    let Some(output) = scan(&arguments) else { return };
    assert_eq!(output.status.code(), Some(2));
    let told = tree.told(&output).join("\n");
    assert!(told.contains("/link: NOT REMOVED (a symbolic link led to it"), "{told}");
    assert!(tree.path(b"from/bad").exists() && link.is_symlink());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_before_anything_is_scanned() {
    let tree = Tree::new(&[b"bad"]);
    for options in [&["--move=/missing"][..], &["--copy=/dev/null"], &["--remove", "--move=/tmp"]] {
        let Some((told, code)) = tree.scan(options) else { return };
        assert_eq!((told.len(), code), (0, Some(2)), "{options:?}");
    }
    assert!(tree.path(b"from/bad").exists());
}

/// The worker is stopped while it looks at a file; meanwhile another comes into its place.
#[test]
fn what_came_into_its_place_meanwhile_stays() {
    if !has_worker() {
        return;
    }
    for swap in [link_to_precious as fn(&Path), precious, nothing] {
        let to = tempfile::tempdir().unwrap();
        for how in ["--remove".to_owned(), format!("--move={}", to.path().display())] {
            let mut running = Running::start(&["--no-summary", &how]);
            running.tell("first");
            let worker = running.worker();
            Running::signal(worker, "STOP");
            let path = running.folder.path().join("bad");
            std::fs::write(&path, test_file()).unwrap();
            running.name(&path);
            running.wait_until_open(&path);
            swap(&path);
            Running::signal(worker, "CONT");
            assert_eq!(running.line_about("bad"), "Eicar-Signature FOUND");
            let told = running.line_about("bad");
            assert!(told.contains("its name belongs to another file by now, or to none"), "{told}");
            drop(running.paths.take());
            assert_eq!(running.child.wait().unwrap().code(), Some(2));
            let folder = running.folder.path();
            let left = folder.join("precious");
            let precious = if left.exists() { left } else { path };
            assert!(!precious.exists() || std::fs::read(precious).unwrap() == b"precious");
            assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 0);
        }
    }
}

fn precious(path: &Path) {
    let precious = path.with_file_name("other");
    std::fs::write(&precious, "precious").unwrap();
    std::fs::rename(precious, path).unwrap();
}

fn link_to_precious(path: &Path) {
    let precious = path.with_file_name("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::fs::remove_file(path).unwrap();
    symlink(precious, path).unwrap();
}

fn nothing(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

/// A small disk of its own at `to`, in a mount namespace: what is moved there is copied.
fn scan_with_disk(tree: &Tree, mount: &str, options: &[&str]) -> Option<Output> {
    if !has_worker() {
        return None;
    }
    let may_mount = || Command::new("unshare").args(["--mount", "true"]).status();
    if !is_root() || !may_mount().is_ok_and(|status| status.success()) {
        skip("disk", "nobody may mount here");
        return None;
    }
    let script = "mount -t tmpfs $1 none \"$2\" && shift 2 && \"$@\"; code=$?; ls -a \"${@: -2:1}\"; exit $code";
    let (to, from) = (tree.path(b"to"), tree.path(b"from"));
    let mut command = Command::new("unshare");
    let command = command.args(["--mount", "bash", "-c", script, "bash", mount]).arg(&to);
    let command = command.arg(program("watchglass-scan")).args(["scan", "--heuristics-only"]);
    let command =
        command.args(["--no-summary", "-r"]).args(options).env("XDG_CACHE_HOME", "/dev/null");
    Some(command.args(["-i", "--move"]).arg(&to).arg(&from).output().unwrap())
}

#[test]
fn to_another_disk_it_is_copied_and_then_removed() {
    let tree = Tree::new(&[b"bad"]);
    let Some(output) = scan_with_disk(&tree, "-osize=1M", &[]) else { return };
    let told = tree.told(&output);
    assert!(told.contains(&"/from/bad: moved to '/to/bad'".to_owned()), "{output:?}");
    assert!(told.contains(&"bad".to_owned()), "{told:?}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(tree.names(b"from"), [b"good"]);
}

#[test]
fn a_full_disk_leaves_it_where_it_was() {
    let tree = Tree::new(&[b"bad"]);
    let bad = tree.path(b"from/bad");
    std::fs::write(tree.path(b"from/filler"), vec![7; 300_000]).unwrap();
    let mut tar = Command::new("tar");
    let tar = tar.arg("-C").arg(tree.path(b"from")).args(["-cf", "bad.tar", "bad", "filler"]);
    assert!(tar.current_dir(tree.path(b"from")).status().unwrap().success());
    std::fs::rename(tree.path(b"from/bad.tar"), &bad).unwrap();
    let content = std::fs::read(&bad).unwrap();
    for (mount, says) in [
        ("-osize=64k", "No space left on device"),
        ("-onr_inodes=1", "No space left on device"),
        ("-oro", "Read-only file system"),
    ] {
        let Some(output) = scan_with_disk(&tree, mount, &[]) else { return };
        let told = tree.told(&output).join("\n");
        assert!(told.contains("/from/bad: NOT MOVED") && told.contains(says), "{output:?}");
        assert!(!told.contains(".watchglass"), "nothing is left there: {told}");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(std::fs::read(&bad).unwrap(), content);
    }
}

/// As an ordinary user, to whom a folder without the right to write is one.
#[test]
fn what_may_not_be_removed_is_told() {
    if !has_worker() {
        return;
    }
    if !is_root() {
        skip("read-only", "only root becomes another user");
        return;
    }
    let folder = tempfile::Builder::new().prefix("tree").tempdir_in("/tmp").unwrap();
    let programs = tempfile::Builder::new().prefix("programs").tempdir_in("/tmp").unwrap();
    for name in ["watchglass-scan", "watchglass-worker"] {
        std::fs::copy(program(name), programs.path().join(name)).unwrap();
    }
    let bad = folder.path().join("bad");
    std::fs::write(&bad, test_file()).unwrap();
    for path in [folder.path(), programs.path(), &bad] {
        assert!(Command::new("chmod").arg("a+rX").arg(path).status().unwrap().success());
    }
    let mut command = Command::new("setpriv");
    let command = command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    let command = command.arg(programs.path().join("watchglass-scan"));
    let output =
        command.args(["scan", "--heuristics-only", "--remove"]).arg(&bad).output().unwrap();
    let told = lines(&output).join("\n");
    assert!(told.contains("NOT REMOVED (rename: Permission denied"), "{told}");
    assert!(told.contains("Not removed: 1"), "{told}");
    assert_eq!(output.status.code(), Some(2));
    assert!(bad.exists());
}
