//! What a world can leave on a machine, looked for by what no other world has.
//!
//! Other worlds come and go meanwhile, and numbers are used again, so nothing here compares lists of
//! before and after. A mark that was made up for the test is in the environment of every process
//! that the lab starts, in the name of a file of the world, and in the alias of the loopback device
//! of its network namespaces. It is looked for in every place that can keep a part of a world alive:
//!
//! | Look | Finds |
//! |---|---|
//! | processes | the mark in an environment or a command line |
//! | roots | the world's file below the root of any process |
//! | descriptors | the world's file below any folder that any process holds open |
//! | mount namespaces | the world's file in namespaces that live by a descriptor or a bind mount alone |
//! | network namespaces | the alias, in those of any process and those that live by a descriptor or a bind mount alone |
//! | mounts | the mark in the mount table of any process |
//! | BPF | programs, maps and links that the lab held, by their numbers, which the kernel gives out in turn, in any process |
//! | cgroups | the lab's process number in a name |
//! | files | the mark or the lab's process number in a name of a folder for temporary files |
//!
//! Nothing of ours is pinned in a BPF file system, so that a BPF object lives by descriptors alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the environment of marked processes has.
pub(crate) const VARIABLE: &str = "WATCHGLASS_TEST_MARK";

/// How long the kernel may take to let go of what it was told to.
const PATIENCE: Duration = Duration::from_secs(15);

/// What only one lab and its worlds have.
#[derive(Debug)]
pub(crate) struct Marks {
    /// Twenty letters that are nowhere else on the machine.
    pub(crate) mark: String,
    /// The lab's process number; 0 before there is one.
    pub(crate) lab: u32,
    bpf: BTreeSet<String>,
    networks: BTreeSet<PathBuf>,
}

impl Marks {
    pub(crate) fn fresh() -> Self {
        let mut random = [0; 20];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .expect("random");
        let mark = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        Self { mark, lab: 0, bpf: BTreeSet::new(), networks: BTreeSet::new() }
    }

    /// The mark that this test's own environment has, and with it every process that it starts.
    #[allow(dead_code, reason = "the lab's tests, which share this file, mark each lab apart")]
    pub(crate) fn of_test(lab: u32) -> Self {
        let mark = std::env::var(VARIABLE).expect("a marked test");
        Self { mark, lab, ..Self::fresh() }
    }

    /// A file that every world of this lab is to have.
    pub(crate) fn file(&self) -> String {
        format!("/etc/{}", self.mark)
    }

    /// Remembers the BPF objects that the living lab holds, and marks the network namespaces that
    /// it and its processes are in.
    pub(crate) fn note(&mut self) {
        self.bpf.extend(bpf_of(&self.lab.to_string()));
        let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
        for process in descendants(self.lab) {
            let path = Path::new("/proc").join(process.to_string()).join("ns/net");
            let Ok(network) = fs::read_link(&path) else { continue };
            if network != own && !self.networks.contains(&network) {
                let alias = ["ip", "link", "set", "lo", "alias", &self.mark];
                if enter("--net", &path, &alias).is_some() {
                    self.networks.insert(network);
                }
            }
        }
    }

    /// Whether the lab was seen with BPF objects and with network namespaces.
    #[allow(dead_code, reason = "the world's tests, which share this file, have no sensor")]
    pub(crate) fn has_noted(&self) -> bool {
        !self.bpf.is_empty() && self.networks.len() >= 2
    }

    /// Waits a moment for the kernel, then insists that nothing is left.
    pub(crate) fn assert_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut left = self.left();
        while !left.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
            left = self.left();
        }
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    /// Everything that is left, each with the look that found it.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut networks = BTreeSet::new();
        for process in processes() {
            self.look_at(&process, &mut networks, &mut left);
        }
        left.extend(self.cgroups());
        left.extend(self.files());
        left
    }

    fn look_at(&self, process: &str, networks: &mut BTreeSet<PathBuf>, left: &mut Vec<String>) {
        let folder = Path::new("/proc").join(process);
        let of = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
        let is_marked = holds(&of("environ"), &self.mark) || holds(&of("cmdline"), &self.mark);
        // A test may bear the mark itself, to hand it on.
        if is_marked && process != std::process::id().to_string() {
            left.push(format!("process {process}: {}", shown(&of("cmdline"))));
        }
        if self.is_in(&folder.join("root")) {
            left.push(format!("root of process {process}"));
        }
        if self.has_alias(&folder.join("ns/net"), networks) {
            left.push(format!("network namespace of process {process}"));
        }
        left.extend(self.descriptors(process, &folder, networks));
        left.extend(self.mounts(process, &folder, networks));
        let bpf = bpf_of(process);
        left.extend(bpf.intersection(&self.bpf).map(|id| format!("BPF {id} in process {process}")));
    }

    fn descriptors(
        &self,
        process: &str,
        folder: &Path,
        networks: &mut BTreeSet<PathBuf>,
    ) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
            let path = entry.path();
            let target = fs::read_link(&path).unwrap_or_default().display().to_string();
            let found = if target.starts_with("mnt:[") {
                self.is_in_namespace(&path).then_some("mount namespace")
            } else if target.starts_with("net:[") {
                self.has_alias(&path, networks).then_some("network namespace")
            } else if target.starts_with('/') {
                (target.contains(&self.mark) || self.is_in(&path)).then_some("file")
            } else {
                None
            };
            left.extend(found.map(|what| format!("{what} in a descriptor of process {process}")));
        }
        left
    }

    fn mounts(
        &self,
        process: &str,
        folder: &Path,
        networks: &mut BTreeSet<PathBuf>,
    ) -> Vec<String> {
        let table = fs::read_to_string(folder.join("mountinfo")).unwrap_or_default();
        let mut left = Vec::new();
        for line in table.lines() {
            if line.contains(&self.mark) {
                left.push(format!("mount of process {process}: {line}"));
            }
            // The fourth field is what of a file system is mounted, the fifth where.
            let mut fields = line.split(' ').skip(3);
            let (Some(part), Some(point)) = (fields.next(), fields.next()) else { continue };
            let point = folder.join("root").join(point.trim_start_matches('/'));
            if part.starts_with("mnt:[") && self.is_in_namespace(&point) {
                left.push(format!("mount namespace in a mount of process {process}"));
            }
            if part.starts_with("net:[") && self.has_alias(&point, networks) {
                left.push(format!("network namespace in a mount of process {process}"));
            }
        }
        left
    }

    /// Whether this folder is the root of a world of this lab.
    fn is_in(&self, root: &Path) -> bool {
        let file = self.file();
        fs::symlink_metadata(root.join(file.trim_start_matches('/'))).is_ok()
    }

    fn is_in_namespace(&self, namespace: &Path) -> bool {
        enter("--mount", namespace, &["test", "-e", &self.file()]).is_some()
    }

    /// Whether this network namespace is one of this lab. Each of the others is looked into once; it
    /// is told by its number, which is its own while it lives.
    fn has_alias(&self, namespace: &Path, others: &mut BTreeSet<PathBuf>) -> bool {
        let number = fs::read_link(namespace).ok();
        if number.as_ref().is_some_and(|number| others.contains(number)) {
            return false;
        }
        let said = enter("--net", namespace, &["ip", "-o", "link", "show", "lo"]);
        let found = said.is_some_and(|said| said.contains(&self.mark));
        if !found {
            others.extend(number);
        }
        found
    }

    fn cgroups(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        let of_two = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
        let mut folders: Vec<PathBuf> =
            of_two.filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect();
        let mut left = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if self.is_of_lab(&name) {
                    left.push(format!("cgroup {name}"));
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
        left
    }

    fn files(&self) -> Vec<String> {
        let folders = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/netns"];
        let entries =
            folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_ours = |name: &String| name.contains(&self.mark) || self.is_of_lab(name);
        names.filter(is_ours).map(|name| format!("file {name}")).collect()
    }

    /// `watchglass-PID-…` is a world's, `watchglass-probe-PID-…` is of the probing of the kernel.
    fn is_of_lab(&self, name: &str) -> bool {
        let world = format!("watchglass-{}-", self.lab);
        let probe = format!("watchglass-probe-{}-", self.lab);
        name.contains(&world) || name.contains(&probe)
    }
}

fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

/// `prog_id 12`, `map_id 3` and `link_id 4` of what a process holds, fdinfo being where the kernel
/// tells them.
fn bpf_of(process: &str) -> BTreeSet<String> {
    let folder = Path::new("/proc").join(process);
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if !target.to_string_lossy().starts_with("anon_inode:bpf") {
            continue;
        }
        let told = fs::read_to_string(folder.join("fdinfo").join(entry.file_name()));
        let told = told.unwrap_or_default();
        let ids = told.lines().filter_map(|line| line.split_once(":\t"));
        let ids = ids.filter(|(key, _)| matches!(*key, "prog_id" | "map_id" | "link_id"));
        found.extend(ids.map(|(key, number)| format!("{key} {number}")));
    }
    found
}

/// What a command says in a namespace; `None` when it fails.
fn enter(kind: &str, namespace: &Path, command: &[&str]) -> Option<String> {
    let output = Command::new("nsenter")
        .arg(format!("{kind}={}", namespace.display()))
        .args(command)
        .output()
        .expect("nsenter runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn holds(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).replace('\0', " ")
}

fn descendants(of: u32) -> Vec<u32> {
    let (mut found, mut left) = (vec![of], vec![of]);
    while let Some(pid) = left.pop() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                found.push(child);
                left.push(child);
            }
        }
    }
    found
}
