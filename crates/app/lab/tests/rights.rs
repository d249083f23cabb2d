//! The lab with fewer rights than root: an ordinary user, and a process that may make no namespace.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a test starts the lab with fewer rights, and listens for what must not arrive"
)]

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::fs::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};
use watchglass_checks::results::{Results, State};
use watchglass_events::{Name, What};
use watchglass_sys::seccomp::{self, Instruction};

const LAB: &str = env!("CARGO_BIN_EXE_watchglass-lab");
const PROGRAMS: &[&str] =
    &["specimen-scan", "specimen-update", "specimen-service", "specimen-ask", "specimen-helper"];
const NOBODY: u32 = 65534;

/// What an ordinary container allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cage {
    /// An ordinary user.
    User,
    /// An ordinary user with a range of users.
    Range,
    /// The same, where newuidmap(1) gets no rights and so gives no range.
    RangeRefused,
    /// An ordinary user with a range of users, in a container.
    RangeContainer,
    /// An ordinary user without capabilities, who may make no namespace, mount nothing, and load
    /// nothing into the kernel.
    Container,
    /// The same, and descriptors of others cannot be taken either, as in Docker.
    Docker,
    /// The same, under the name of root.
    DockerRoot,
}

/// A copy of the lab and of its own products, where an ordinary user can go.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// `None`, said why, where the test cannot run.
    fn new(test: &str) -> Option<Self> {
        let beside = |name: &&&str| Path::new(LAB).with_file_name(name).exists();
        let why = if !rustix::process::geteuid().is_root() {
            "needs root, to become somebody else"
        } else if PROGRAMS.iter().filter(beside).count() < PROGRAMS.len() {
            "needs the specimens built beside the lab"
        } else {
            return Some(Self::copied());
        };
        skip(test, why);
        None
    }

    fn copied() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |path: &Path, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).expect("permissions");
        };
        let programs = folder.path().join("programs");
        let products = folder.path().join("products");
        let work = folder.path().join("work");
        for path in [&programs, &products, &work] {
            std::fs::create_dir(path).expect("a folder");
            open(path, 0o755);
        }
        open(folder.path(), 0o755);
        let lab = Path::new(LAB).file_name().and_then(|name| name.to_str()).expect("a name");
        for name in PROGRAMS.iter().chain([&lab]) {
            let copy = programs.join(name);
            std::fs::copy(Path::new(LAB).with_file_name(name), &copy).expect("copied");
            open(&copy, 0o755);
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, from) in [
            ("reference.toml", "../../../products/reference.toml"),
            ("clamav.toml", "../../../products/clamav.toml"),
            ("escape.toml", "tests/data/escape.toml"),
            ("escape.py", "tests/data/escape.py"),
        ] {
            let copy = products.join(name);
            std::fs::copy(source.join(from), &copy).expect("copied");
            open(&copy, 0o644);
        }
        // For whoever the lab will be, and root without its capabilities is nobody special.
        open(&work, 0o777);
        Self { folder }
    }

    fn product(&self, name: &str) -> PathBuf {
        self.folder.path().join("products").join(name)
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("work/bundle")
    }

    /// Runs the lab in a cage.
    fn assay(&self, cage: Cage, product: &str, more: &[&str]) -> Output {
        let mut command = self.command(product, more);
        caged(cage, move || command.output().expect("the lab runs"))
    }

    fn command(&self, product: &str, more: &[&str]) -> Command {
        let work = self.folder.path().join("work");
        let lab = self.folder.path().join("programs").join(Path::new(LAB).file_name().expect("it"));
        let mut command = Command::new(lab);
        command
            .arg("assay")
            .arg(self.product(product))
            .args(["--bait", "30", "--idle-seconds", "1"])
            .args(more)
            .arg("--output")
            .arg(self.bundle())
            .arg("--cache")
            .arg(work.join("cache"))
            .arg("--state")
            .arg(work.join("state"))
            .env("HOME", &work)
            .env("TMPDIR", &work)
            .current_dir(&work)
            .stdin(Stdio::null());
        command
    }

    /// Scratch folders and processes that are still there.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("work")).expect("a folder");
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut left: Vec<_> = names.filter(|name| name.starts_with("watchglass-")).collect();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let program = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
            if program.starts_with(self.folder.path()) {
                left.push(format!("{} {}", entry.path().display(), program.display()));
            }
        }
        left
    }

    fn results(&self) -> Results {
        watchglass_recheck::recheck(&self.bundle(), &[]).expect("the bundle holds").results
    }

    /// The marks of the lab in one run.
    fn marks(&self, run: &str, log: &str) -> Vec<What> {
        let bytes = std::fs::read(self.bundle().join("runs").join(run).join(log)).expect("a log");
        let log = watchglass_events::log::parse(&bytes).expect("a log");
        assert_eq!(log.cut, None);
        log.events.into_iter().map(|event| event.what).collect()
    }
}

fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "skipped: {test}: {why}");
    eprintln!("skipped: {test}: {why}");
}

/// Rights belong to threads: this one gives its own up, and what it starts has no more.
fn caged<T: Send + 'static>(cage: Cage, act: impl FnOnce() -> T + Send + 'static) -> T {
    let caged = std::thread::spawn(move || {
        enter(cage);
        act()
    });
    caged.join().expect("a cage that held")
}

/// Gives up this thread's rights.
fn enter(cage: Cage) {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    if matches!(cage, Cage::Range | Cage::RangeRefused | Cage::RangeContainer) {
        grant_a_range();
    }
    if cage != Cage::DockerRoot {
        rustix::thread::set_thread_groups(&[]).expect("no groups");
        rustix::thread::set_thread_res_gid(gid, gid, gid).expect("another group");
        rustix::thread::set_thread_res_uid(uid, uid, uid).expect("another user");
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).expect("no capability");
    if !matches!(cage, Cage::User | Cage::Range) {
        rustix::thread::set_no_new_privs(true).expect("no new privileges");
    }
    if !matches!(cage, Cage::User | Cage::Range | Cage::RangeRefused) {
        let more: &[u32] = if matches!(cage, Cage::Container | Cage::RangeContainer) {
            &[]
        } else {
            &[PIDFD_GETFD]
        };
        seccomp::install(&container(more)).expect("a filter");
        // A cage with a hole would prove nothing.
        let unshared = watchglass_sys::namespace::unshare(rustix::thread::UnshareFlags::NEWUSER);
        assert!(unshared.is_err(), "the cage has a hole");
    }
}

/// Shows this thread, and whom it starts, other `/etc/subuid` and `/etc/subgid`.
fn grant_a_range() {
    use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
    watchglass_sys::namespace::unshare(rustix::thread::UnshareFlags::NEWNS).expect("mounts");
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).expect("mounts of its own");
    let range = tempfile::NamedTempFile::new().expect("a file");
    std::fs::set_permissions(range.path(), std::fs::Permissions::from_mode(0o644)).expect("set");
    std::fs::write(range.path(), format!("{NOBODY}:1200000000:65536\n")).expect("written");
    for path in ["/etc/subuid", "/etc/subgid"] {
        mount_bind(range.path(), path).expect("mounted");
    }
}

/// Refuses what an ordinary container refuses.
fn container(more: &[u32]) -> Vec<Instruction> {
    let load = |operand| Instruction { code: 0x20, jump_true: 0, jump_false: 0, operand };
    let give = |operand| Instruction { code: 0x06, jump_true: 0, jump_false: 0, operand };
    let unless =
        |number: u32| Instruction { code: 0x15, jump_true: 0, jump_false: 1, operand: number };
    let refuse = give(0x0005_0001);
    let absent = give(0x0005_0026);
    let mut filter = vec![load(0)];
    for call in REFUSED.iter().chain(more) {
        filter.extend([unless(*call), refuse]);
    }
    filter.extend([unless(CLONE3), absent]);
    // `clone` with any flag of a new namespace.
    filter.push(Instruction { code: 0x15, jump_true: 0, jump_false: 3, operand: CLONE });
    filter.push(load(16));
    filter.push(Instruction { code: 0x45, jump_true: 0, jump_false: 1, operand: 0x7e02_0000 });
    filter.extend([refuse, give(0x7fff_0000)]);
    filter
}

/// `unshare`, `setns`, `mount`, `umount2`, `pivot_root`, `bpf`, `perf_event_open`, `open_tree`,
/// `move_mount`, `fsopen`, `fsconfig`, `fsmount`, `fspick`, `mount_setattr`.
#[cfg(target_arch = "x86_64")]
const REFUSED: &[u32] = &[272, 308, 165, 166, 155, 321, 298, 428, 429, 430, 431, 432, 433, 442];
#[cfg(target_arch = "x86_64")]
const CLONE: u32 = 56;
#[cfg(target_arch = "aarch64")]
const REFUSED: &[u32] = &[97, 268, 40, 39, 41, 280, 241, 428, 429, 430, 431, 432, 433, 442];
#[cfg(target_arch = "aarch64")]
const CLONE: u32 = 220;
const CLONE3: u32 = 435;
const PIDFD_GETFD: u32 = 438;

fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}

fn state(results: &Results, id: &str) -> State {
    let check = results.checks.iter().find(|check| check.id == id).expect("the check");
    eprintln!("{id} {}: {}", check.state, check.reason);
    check.state
}

fn nothing_is_broken(results: &Results) {
    for check in &results.checks {
        assert_ne!(
            check.state,
            State::Broken,
            "{}: {} {:?}",
            check.id,
            check.reason,
            check.findings
        );
    }
}

/// Every command ran as the product file expects, and every sample and bait file was read.
fn everything_ran(place: &Place, run: &str) {
    let marks = place.marks(run, "lab.log");
    let ends: Vec<_> = marks
        .iter()
        .filter_map(|what| match what {
            What::StepEnded { phase, outcome, expected, .. } => Some((phase, outcome, *expected)),
            _ => None,
        })
        .collect();
    assert!(ends.len() >= 4, "{ends:?}");
    assert!(ends.iter().all(|(.., expected)| *expected), "run {run}: {ends:?}");
}

#[test]
fn an_ordinary_user_gets_a_verdict_in_a_user_namespace() {
    gets_a_verdict("an_ordinary_user_gets_a_verdict_in_a_user_namespace", Cage::User);
}

/// The subject's users are then others than the lab's, who has to look at them all the same.
#[test]
fn an_ordinary_user_with_a_range_gets_a_verdict() {
    let name = "an_ordinary_user_with_a_range_gets_a_verdict";
    if can_have_a_range(name) {
        gets_a_verdict(name, Cage::Range);
    }
}

#[test]
fn a_range_that_is_refused_ends_nothing() {
    let name = "a_range_that_is_refused_ends_nothing";
    if can_have_a_range(name) {
        let said = gets_a_verdict(name, Cage::RangeRefused).unwrap_or_default();
        assert!(said.is_empty() || first_line(&said).contains("no range of users"), "{said}");
    }
}

#[test]
fn an_ordinary_user_with_a_range_in_a_container_gets_a_report() {
    let name = "an_ordinary_user_with_a_range_in_a_container_gets_a_report";
    let Some(place) = Place::new(name).filter(|_| can_have_a_range(name)) else { return };
    let output = place.assay(Cage::RangeContainer, "reference.toml", &["--runs", "A1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for words in ["in place", "no range of users"] {
        assert!(first_line(&said).contains(words), "{words}: {said}");
    }
    nothing_is_broken(&place.results());
    everything_ran(&place, "A1");
}

fn can_have_a_range(name: &str) -> bool {
    let files = ["/usr/bin/newuidmap", "/etc/subuid", "/etc/subgid"];
    let can = files.iter().all(|file| Path::new(file).exists());
    if !can {
        skip(name, "needs newuidmap, /etc/subuid and /etc/subgid");
    }
    can
}

/// What was said; `None` where it could not be tried.
fn gets_a_verdict(name: &str, cage: Cage) -> Option<String> {
    let place = Place::new(name)?;
    let output = place.assay(cage, "reference.toml", &["--runs", "A1,A2,B,C"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if first_line(&said).contains("in place") {
        skip(name, first_line(&said));
        return None;
    }
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(first_line(&said).contains("tier T0"), "{said}");
    assert!(first_line(&said).contains("rights of an ordinary user"), "{said}");
    let results = place.results();
    nothing_is_broken(&results);
    for id in ["I1", "R1", "R2", "R3-seen", "W1", "X1", "N1", "N2", "N3", "N7", "M2", "N8", "U5"] {
        assert_eq!(state(&results, id), State::Kept, "{id}");
    }
    assert!(results.made.choices.iter().any(|choice| choice.contains("ordinary user")));
    everything_ran(&place, "A1");
    Some(said)
}

#[test]
fn without_namespaces_capabilities_and_bpf_there_still_is_a_report() {
    let name = "without_namespaces_capabilities_and_bpf_there_still_is_a_report";
    let Some(place) = Place::new(name) else { return };
    still_is_a_report(&place, Cage::Container);
}

#[test]
fn where_descriptors_cannot_be_taken_they_are_sent() {
    let Some(place) = Place::new("where_descriptors_cannot_be_taken_they_are_sent") else { return };
    still_is_a_report(&place, Cage::Docker);
    let choices = place.results().made.choices;
    assert!(choices.iter().any(|choice| choice.contains("pidfd_getfd is refused")), "{choices:?}");
}

#[test]
fn the_root_of_a_container_gets_a_report() {
    let Some(place) = Place::new("the_root_of_a_container_gets_a_report") else { return };
    let output = place.assay(Cage::DockerRoot, "reference.toml", &["--runs", "A1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(first_line(&said).contains("in place"), "{said}");
    let results = place.results();
    nothing_is_broken(&results);
    assert_eq!(state(&results, "M2"), State::Kept);
    everything_ran(&place, "A1");
}

fn still_is_a_report(place: &Place, cage: Cage) {
    let other = place.product("reference.toml");
    let or_else = ["--or-else", other.to_str().expect("UTF-8"), "--runs", "A1,A2,B,C"];
    let output = place.assay(cage, "clamav.toml", &or_else);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for words in ["tier T0", "in place", "reference.toml instead of"] {
        assert!(first_line(&said).contains(words), "{words}: {said}");
    }
    let results = place.results();
    assert_eq!(results.made.world, "in_place");
    assert_eq!(results.subject.name, "Referee");
    assert!(place.bundle().join("report.html").exists());
    nothing_is_broken(&results);
    for id in ["R3-seen", "N1", "N2", "N3", "W1"] {
        assert_eq!(state(&results, id), State::Inconclusive, "{id}");
    }
    // It did not degrade: the product ran from end to end, and each source saw its canaries.
    for id in ["I1", "R1", "R2", "X1", "N7", "M2", "U5"] {
        assert_eq!(state(&results, id), State::Kept, "{id}");
    }
    for run in ["A1", "A2", "B", "C"] {
        if run != "C" {
            everything_ran(place, run);
        }
        let fetched = place.marks(run, "gate.log").iter().any(|what| match what {
            What::StreamData { data, .. } => {
                data.as_bytes().windows(15).any(|part| part == b"/signatures.txt")
            }
            _ => false,
        });
        assert_eq!(fetched, run != "C", "run {run}");
    }
    let left = place.left();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_lab_that_is_killed_in_place_leaves_nothing() {
    let Some(place) = Place::new("a_lab_that_is_killed_in_place_leaves_nothing") else { return };
    for number in 0..6_u64 {
        let mut command = place.command("reference.toml", &["--in-place", "--runs", "A1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut lab = caged(Cage::Container, move || command.spawn().expect("the lab runs"));
        std::thread::sleep(Duration::from_millis(100 + 190 * number));
        lab.kill().expect("killed");
        lab.wait().expect("waited for");
        let mut left = place.left();
        for _ in 0..100 {
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            left = place.left();
        }
        assert!(left.is_empty(), "left behind by kill {number}: {left:?}");
        let _ = std::fs::remove_dir_all(place.bundle());
    }
}

#[test]
fn in_place_refuses_products_that_are_not_the_labs() {
    let Some(place) = Place::new("in_place_refuses_products_that_are_not_the_labs") else { return };
    let output = place.assay(Cage::Container, "escape.toml", &["--in-place"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is not the lab's own"), "{said}");
    let output = place.assay(Cage::Container, "clamav.toml", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!place.bundle().exists());
}

/// A program that does all it can to get out reaches nobody and nothing, and the log says so.
#[test]
fn nothing_gets_out_in_place() {
    try_to_get_out("nothing_gets_out_in_place", Cage::Container);
}

#[test]
fn nothing_gets_out_where_sockets_are_sent() {
    try_to_get_out("nothing_gets_out_where_sockets_are_sent", Cage::Docker);
}

fn try_to_get_out(name: &str, cage: Cage) {
    let Some(place) = Place::new(name) else { return };
    if !Path::new("/usr/bin/python3").exists() {
        return skip(name, "needs python3");
    }
    // On every address of the machine: whoever listens here must hear nothing.
    let stream = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a listener");
    let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    stream.set_nonblocking(true).expect("set");
    datagrams.set_nonblocking(true).expect("set");
    let ports = format!(
        "{} {}",
        stream.local_addr().expect("bound").port(),
        datagrams.local_addr().expect("bound").port()
    );
    let secret = place.folder.path().join("work/secret");
    std::fs::write(&secret, "secret").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("set");
    let text = std::fs::read_to_string(place.product("escape.toml")).expect("a product file");
    let text = text.replace("PORTS", &ports.replace(' ', "\", \""));
    let text = text.replace("SECRET", secret.to_str().expect("UTF-8"));
    std::fs::write(place.product("escape.toml"), text).expect("written");
    let more = ["--in-place", "--unsafe", "--runs", "A1"];
    let output = place.assay(cage, "escape.toml", &more);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{said}");
    assert!(stream.accept().is_err(), "a connection arrived");
    assert!(datagrams.recv_from(&mut [0; 64]).is_err(), "a datagram arrived");
    let printed = printed(&place);
    eprintln!("{printed}");
    for line in include_str!("data/escape.expected").lines() {
        assert!(printed.lines().any(|found| found == line), "missing: {line}");
    }
    assert!(printed.lines().any(|line| line == "end"), "it did not get to its end");
    // What it sent to its addresses was recorded at the gate as being for them.
    let turned = place.marks("A1", "gate.log").iter().any(|what| match what {
        What::StreamData { data, .. } => data.as_bytes() == b"raced or not",
        _ => false,
    });
    assert!(turned, "nothing was turned");
    assert_eq!(std::fs::read_to_string(&secret).expect("read"), "secret");
}

fn printed(place: &Place) -> String {
    let marks = place.marks("A1", "lab.log");
    let texts = marks.iter().filter_map(|what| match what {
        What::Printed { bytes, .. } => Some(Name::as_bytes(bytes).to_vec()),
        _ => None,
    });
    String::from_utf8_lossy(&texts.collect::<Vec<_>>().concat()).into_owned()
}
