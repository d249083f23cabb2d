//! Labs that are killed or interrupted at any moment: nothing of their worlds remains, and what was
//! begun is no finished bundle.
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal};

use crate::faulty::{Faulty, Running, is_ready, lab};
use crate::traces::{Marks, VARIABLE};

/// Kills the lab at moments that are spread at random over the whole life of an assay: probing,
/// building the world, starting the recorders, canaries, phases, tear-down, sealing.
#[test]
fn random_kills_of_the_lab_leave_nothing() {
    if !is_ready("random_kills_of_the_lab_leave_nothing") {
        return;
    }
    let times: u32 =
        std::env::var("WATCHGLASS_TEST_KILLS").map_or(10, |times| times.parse().expect("a number"));
    let life = life_of_an_assay();
    for number in 0..times {
        let wait = life.mul_f64(random());
        let mut marked = Marked::start();
        marked.watch(wait);
        let was_alive = marked.kill();
        let bundle = marked.faulty.bundle();
        println!(
            "kill {number} after {} of {} ms, {}",
            wait.as_millis(),
            life.as_millis(),
            if was_alive { stage(&bundle) } else { "it had ended" }
        );
        marked.sweep();
        marked.marks.assert_gone();
        marked.nothing_in_state_or_cache();
        if bundle.join("envelope.json").exists() {
            watchglass_recheck::recheck(&bundle, &[]).expect("a bundle that is signed is whole");
        }
    }
}

/// How far an assay came, to be read beside the moment of its death.
fn stage(bundle: &Path) -> &'static str {
    let files = [
        ("envelope.json", "sealed"),
        ("runs/A1/overlay.log", "comparing or judging"),
        ("runs/A1/gate.log", "canaries and phases"),
        ("runs/A1/lab.log", "starting the recorders"),
        ("inventory.jsonl", "building the world"),
    ];
    let reached = files.iter().find(|(name, _)| bundle.join(name).exists());
    reached.map_or("before the world", |(_, stage)| stage)
}

fn life_of_an_assay() -> Duration {
    let mut marked = Marked::start();
    let begun = Instant::now();
    assert!(!marked.watch(PATIENCE), "an assay ends");
    let life = begun.elapsed();
    marked.marks.assert_gone();
    assert!(marked.faulty.bundle().join("envelope.json").exists());
    life
}

/// Every look finds what is planted for it, so that finding nothing means something.
#[test]
fn each_look_for_remains_finds_what_is_left_on_purpose() {
    if !is_ready("each_look_for_remains_finds_what_is_left_on_purpose") {
        return;
    }
    let binders = Binder::start_on_each_processor();
    let mut marked = Marked::start();
    marked.until_the_phase();
    let lab = marked.running.pid();
    let first = marked.running.first_process();
    let open = |name: &str| fs::File::open(format!("/proc/{first}/{name}")).expect("opened");
    let held = [open("ns/mnt"), open("ns/net"), open("root")];
    let bpf = stolen_bpf(lab);
    let binder = binders.into_iter().find(|binder| binder.binds(first)).expect("one binds");
    let mut orphan = Command::new("sleep")
        .arg("1000")
        .env(VARIABLE, &marked.marks.mark)
        .spawn()
        .expect("a process");
    marked.kill();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let cgroup = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("cgroup2");
    let cgroup = Path::new(cgroup.split(' ').nth(4).expect("a mount point"));
    // No world's whole name, or another lab that starts meanwhile would sweep it.
    let cgroup = cgroup.join(format!("watchglass-{lab}-left"));
    fs::create_dir(&cgroup).expect("a cgroup");
    let file = std::env::temp_dir().join(&marked.marks.mark);
    fs::write(&file, "left").expect("written");

    let own = std::process::id();
    let expected = [
        format!("process {}: sleep 1000", orphan.id()),
        format!("mount namespace in a descriptor of process {own}"),
        format!("network namespace in a descriptor of process {own}"),
        format!("file in a descriptor of process {own}"),
        format!("mount namespace in a mount of process {}", binder.pid()),
        format!("network namespace in a mount of process {}", binder.pid()),
        format!("in process {own}"),
        format!("cgroup watchglass-{lab}-"),
        format!("file {}", marked.marks.mark),
    ];
    std::thread::sleep(Duration::from_secs(1));
    let left = marked.marks.left();
    orphan.kill().expect("killed");
    orphan.wait().expect("waited");
    fs::remove_dir(&cgroup).expect("removed");
    fs::remove_file(&file).expect("removed");
    drop((held, bpf, binder));
    for planted in &expected {
        assert!(left.iter().any(|found| found.contains(planted)), "not {planted}: {left:#?}");
    }
    marked.marks.assert_gone();
}

/// A copy of the descriptor of one BPF link of the lab's, which keeps the probe in the kernel.
fn stolen_bpf(lab: u32) -> OwnedFd {
    let entries = fs::read_dir(format!("/proc/{lab}/fd")).expect("descriptors").flatten();
    let is_link = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("anon_inode:bpf"))
    };
    let path = entries.map(|entry| entry.path()).find(is_link).expect("a BPF object");
    let number = path.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a number");
    let lab = rustix::process::pidfd_open(pid(lab), PidfdFlags::empty()).expect("a pidfd");
    rustix::process::pidfd_getfd(lab.as_fd(), number, PidfdGetfdFlags::empty()).expect("a copy")
}

/// A process in mounts of its own, where it binds the namespaces of another.
///
/// A mount namespace can be bound in one with a lower number only (mount_namespaces(7) has no word of
/// it), so these are made before the world; and numbers are dealt out by processor, so there is one
/// on each.
struct Binder {
    child: Child,
    folder: tempfile::TempDir,
}

impl Binder {
    fn start_on_each_processor() -> Vec<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..processors).map(Self::start).collect()
    }

    fn start(processor: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["mnt", "net"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        let script = "cd \"$1\" && echo done >ready && read first && mount --bind /proc/$first/ns/mnt mnt && \
                      mount --bind /proc/$first/ns/net net && echo bound >said || echo refused >said; mv said end; \
                      exec sleep 1000";
        let child = Command::new("taskset")
            .args(["--cpu-list", &processor.to_string(), "unshare"])
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("a process");
        let binder = Self { child, folder };
        // Its mounts are its own before any world is made.
        binder.wait_for("ready");
        binder
    }

    fn wait_for(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.folder.path().join(name).exists() {
            assert!(Instant::now() < deadline, "the binder is not {name}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn binds(&self, first: u32) -> bool {
        use std::io::Write as _;
        let mut input = self.child.stdin.as_ref().expect("a pipe");
        writeln!(input, "{first}").expect("written");
        self.wait_for("end");
        fs::read(self.folder.path().join("end")).expect("read") == b"bound\n"
    }
}

impl Drop for Binder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_interrupt_ends_the_assay_with_a_word_and_it_goes_on_later() {
    if !is_ready("an_interrupt_ends_the_assay_with_a_word_and_it_goes_on_later") {
        return;
    }
    // As a terminal does it: to every process of the lab's group.
    for (signal, everybody) in [(Signal::INT, true), (Signal::INT, false), (Signal::TERM, false)] {
        let mut marked = Marked::start();
        marked.until_the_phase();
        marked.signal(signal, everybody);
        let (faulty, marks, (code, said)) = marked.end();
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("interrupted; what was recorded is in"), "{said}");
        assert!(said.contains("goes on with the run that broke off"), "{said}");
        marks.assert_gone();
        faulty.leaves_no_verdict();
        let log = fs::read(faulty.bundle().join("runs/A1/lab.log")).expect("a part of a bundle");
        let log = watchglass_events::log::parse(&log).expect("a log");
        assert!(log.cut.is_none(), "the log was sealed: {:?}", log.cut);
        // The same command goes on, and what was interrupted is made again.
        let again = Running::start(&mut lab(&faulty, &faulty.bundle(), &[]));
        let done = again.done(faulty);
        assert_eq!(done.outcomes(), [watchglass_events::Outcome::Exited(0)]);
    }
}

#[test]
fn a_second_interrupt_ends_the_lab_at_once() {
    if !is_ready("a_second_interrupt_ends_the_lab_at_once") {
        return;
    }
    // The orderly end that the first interrupt began may be over before the second comes.
    for _ in 0..10 {
        let mut marked = Marked::start();
        marked.until_the_phase();
        marked.signal(Signal::INT, true);
        std::thread::sleep(Duration::from_millis(5));
        marked.signal(Signal::INT, true);
        let (faulty, marks, (code, said)) = marked.end();
        marks.assert_gone();
        faulty.leaves_no_verdict();
        let orderly = said.contains("interrupted; what was recorded is in");
        match code {
            130 => return assert!(!orderly, "{said}"),
            _ => assert!(code == 2 && orderly, "{code}: {said}"),
        }
    }
    panic!("ten labs went through their orderly end all the same");
}

/// A lab whose every trace is marked.
struct Marked {
    faulty: Faulty,
    marks: Marks,
    running: Running,
}

impl Marked {
    /// The subject works for a second and leaves a process behind.
    fn start() -> Self {
        let mut marks = Marks::fresh();
        let busy = "setsid sleep 1000 & for i in 1 2 3 4 5; do ls -R /etc >/tmp/x; sleep 0.2; done";
        let faulty = Faulty::script(busy).with_file(&marks.file());
        let mut command = lab(&faulty, &faulty.bundle(), &[]);
        command.env(VARIABLE, &marks.mark).process_group(0);
        let running = Running::start(&mut command);
        marks.lab = running.pid();
        Self { faulty, marks, running }
    }

    /// Waits this long, or until the lab has ended. Whether it still runs.
    fn watch(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if !self.running.is_running() {
                return false;
            }
            self.marks.note();
            let left = deadline.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
        self.running.is_running()
    }

    fn until_the_phase(&mut self) {
        self.running.await_line("phase fault");
        std::thread::sleep(Duration::from_millis(300));
        self.marks.note();
        assert!(self.marks.has_noted(), "a living lab has BPF objects and networks");
        assert!(self.marks.left().len() > 5, "a living lab leaves traces");
    }

    fn kill(&mut self) -> bool {
        self.running.kill()
    }

    fn signal(&mut self, signal: Signal, everybody: bool) {
        let lab = pid(self.running.pid());
        if everybody {
            rustix::process::kill_process_group(lab, signal).expect("sent");
        } else {
            rustix::process::kill_process(lab, signal).expect("sent");
        }
    }

    fn end(self) -> (Faulty, Marks, (i32, String)) {
        let Self { faulty, marks, running } = self;
        (faulty, marks, running.end())
    }

    /// The next start takes away what a killed one could not: the cgroup of its probing.
    fn sweep(&self) {
        let folder = self.faulty.folder().join("next");
        let (code, said) = self.faulty.ended(lab(&self.faulty, &folder, &["--dry-run"]));
        assert_eq!(code, 0, "{said}");
    }

    fn nothing_in_state_or_cache(&self) {
        let names = |folder: &str| -> Vec<String> {
            let entries = fs::read_dir(self.faulty.folder().join(folder)).into_iter().flatten();
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        };
        assert!(names("cache").is_empty(), "{:?}", names("cache"));
        let state = names("state");
        assert!(state.iter().all(|name| name == "assayer.key"), "{state:?}");
    }
}

fn pid(number: u32) -> Pid {
    i32::try_from(number).ok().and_then(Pid::from_raw).expect("a process number")
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).expect("random");
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

const PATIENCE: Duration = Duration::from_secs(60);
