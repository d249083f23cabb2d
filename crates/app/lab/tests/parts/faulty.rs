//! A product of a few lines that does one thing wrong, and the lab that assays it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use watchglass_checks::results::{Results, State};
use watchglass_events::{Outcome, What};

pub(crate) const LAB: &str = env!("CARGO_BIN_EXE_watchglass-lab");

pub(crate) fn is_ready(test: &str) -> bool {
    let tool = |path: &str| Path::new(path).exists();
    let tools = [("perl", tool("/usr/bin/perl")), ("unshare", tool("/usr/bin/unshare"))];
    crate::ready::is_ready(test, &tools)
}

/// A product with one phase, in a folder of its own.
pub(crate) struct Faulty {
    folder: TempDir,
    script: String,
    install: String,
    phase: String,
    claims: String,
    seconds: u32,
}

impl Faulty {
    /// The phase runs this shell script after it has done its duty; its argument is the bait's folder.
    pub(crate) fn script(script: &str) -> Self {
        Self::of(format!("#!/bin/sh\n{DUTY}\n{script}\n"))
    }

    /// The phase runs this Perl program after it has done its duty.
    pub(crate) fn perl(program: &str) -> Self {
        let duty = format!("system('sh', '-c', '{DUTY}', 'sh', @ARGV);");
        Self::of(format!("#!/usr/bin/perl\n{duty}\n{program}\n"))
    }

    /// The phase is given as the product file has it.
    pub(crate) fn command(run: &str) -> Self {
        let mut faulty = Self::script("true");
        faulty.phase = run.to_owned();
        faulty.write();
        faulty
    }

    /// A product of Debian packages.
    pub(crate) fn packages(name: &str) -> Self {
        let mut faulty = Self::script("true");
        faulty.install = format!("debian = [\"{name}\"]");
        faulty.write();
        faulty
    }

    fn of(script: String) -> Self {
        let mut files = installed("{product}/subject", SUBJECT);
        files.extend(TOOLS.iter().map(|tool| installed(tool, tool)));
        let faulty = Self {
            folder: tempfile::tempdir().expect("a folder"),
            script,
            install: format!("host = true\n{files}"),
            phase: "run = [\"subject\", \"{bait}\"]".to_owned(),
            claims: "reads = [\"/**\"]\nwrites = [\"/**\"]\nexecutes = [\"/**\"]".to_owned(),
            seconds: 20,
        };
        faulty.write();
        faulty
    }

    /// Further keys of the phase.
    pub(crate) fn more(mut self, keys: &str) -> Self {
        self.phase = format!("{}\n{keys}", self.phase);
        self.write();
        self
    }

    /// The phase's time-out.
    pub(crate) fn seconds(mut self, seconds: u32) -> Self {
        self.seconds = seconds;
        self.write();
        self
    }

    /// Other claims than all that can be claimed.
    pub(crate) fn claiming(mut self, claims: &str) -> Self {
        self.claims = format!("reads = [\"/**\"]\nexecutes = [\"/**\"]\n{claims}");
        self.write();
        self
    }

    fn write(&self) {
        let text = format!(
            "schema = 1\n[product]\nname = \"Fault\"\nvendor = \"Nobody\"\njurisdiction = \"CH\"\n\
             [install]\n{}\n[[phase]]\nname = \"fault\"\ndomain = \"subject\"\ntimeout = \"{}s\"\n{}\n\
             [domain.subject]\nprograms = [\"subject\"]\n{}\n",
            self.install, self.seconds, self.phase, self.claims
        );
        self.put("fault.toml", &text);
        self.put("subject", &self.script);
    }

    /// Lays one more file into the world.
    pub(crate) fn with_file(mut self, path: &str) -> Self {
        self.install += &installed("{product}/subject", path);
        self.write();
        self
    }

    /// Writes a file beside the product file.
    pub(crate) fn put(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("permissions");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn product(&self) -> PathBuf {
        self.folder.path().join("fault.toml")
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("subject")
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    /// An empty folder for a test to mount something at, in a mount namespace of its own.
    pub(crate) fn mount(&self) -> PathBuf {
        let mount = self.folder.path().join("mount");
        std::fs::create_dir_all(&mount).expect("a folder");
        mount
    }

    pub(crate) fn start(&self) -> Running {
        Running::start(&mut lab(self, &self.bundle(), &[]))
    }

    /// Assays it. The lab must come to a verdict, whatever it is.
    pub(crate) fn assay(self) -> Done {
        self.assay_with(&[])
    }

    pub(crate) fn assay_with(self, more: &[&str]) -> Done {
        Running::start(&mut lab(&self, &self.bundle(), more)).done(self)
    }

    /// The lab must end in an error: exit code and what it said.
    pub(crate) fn fail(&self, more: &[&str]) -> (i32, String) {
        self.ended(lab(self, &self.bundle(), more))
    }

    /// Runs a command to its end: exit code and what it said.
    pub(crate) fn ended(&self, mut command: Command) -> (i32, String) {
        Running::start(&mut command).failed(self)
    }

    /// Neither a bundle nor a part of one.
    pub(crate) fn leaves_nothing(&self) {
        assert!(!self.bundle().exists(), "a bundle was begun");
    }

    /// Nothing that could be taken for a finished bundle.
    pub(crate) fn leaves_no_verdict(&self) {
        for name in ["envelope.json", "results.json", "report.html", "manifest.json"] {
            assert!(!self.bundle().join(name).exists(), "{name} was left");
        }
    }
}

/// The lab's command for a product.
pub(crate) fn lab(faulty: &Faulty, bundle: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(LAB);
    command
        .arg("assay")
        .arg(faulty.product())
        .args(["--bait", "10", "--runs", "A1", "--idle-seconds", "1"])
        .arg("--output")
        .arg(bundle)
        .arg("--cache")
        .arg(faulty.folder().join("cache"))
        .arg("--state")
        .arg(faulty.folder().join("state"))
        .args(more);
    command
}

/// The command behind a shell script that is given it as `"$@"`, in mounts of its own.
pub(crate) fn in_own_mounts(script: &str, command: Command) -> Command {
    let mut outer = Command::new("/usr/bin/unshare");
    outer.args(["--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh"]);
    outer.arg(command.get_program()).args(command.get_args());
    outer
}

/// A lab that runs.
pub(crate) struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    heard: String,
    printed: JoinHandle<String>,
    begun: Instant,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the lab runs");
        let mut stdout = child.stdout.take().expect("a pipe");
        let printed = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).expect("read");
            String::from_utf8(bytes).expect("UTF-8")
        });
        let stderr = child.stderr.take().expect("a pipe");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n') {
                let line = String::from_utf8(line.expect("read")).expect("UTF-8");
                let _ = sender.send(line);
            }
        });
        Self { child, lines, heard: String::new(), printed, begun: Instant::now() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the lab says this.
    pub(crate) fn await_line(&mut self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline - Instant::now().min(deadline)) {
            self.heard += &format!("{line}\n");
            if line.contains(part) {
                return;
            }
        }
        panic!("the lab never said {part}: {}", self.heard);
    }

    /// Waits for the end: exit code (128 and the signal where one killed it), and what it said.
    pub(crate) fn end(mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt as _;
        let deadline = self.begun + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                self.heard.extend(self.lines.try_iter().map(|line| line + "\n"));
                panic!("the lab does not end: {}", self.heard);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let left = self.lines.iter().map(|line| line + "\n");
        self.heard.extend(left);
        self.heard += &self.printed.join().expect("read");
        let killed = || 128 + status.signal().unwrap_or_default();
        (status.code().unwrap_or_else(killed), self.heard)
    }

    /// The end of a lab that failed: its message has few lines, and says something to do or to see.
    pub(crate) fn failed(self, _faulty: &Faulty) -> (i32, String) {
        let (code, said) = self.end();
        assert!(!said.contains("panicked"), "{said}");
        (code, said)
    }

    /// The end of a lab that comes to a verdict.
    pub(crate) fn done(self, faulty: Faulty) -> Done {
        let (code, said) = self.end();
        eprintln!("{said}");
        assert!(matches!(code, 0 | 1 | 3), "exit code {code}: {said}");
        let rechecked = watchglass_recheck::recheck(&faulty.bundle(), &[]).expect("it holds");
        Done { faulty, code, said, results: rechecked.results }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Kills the lab, whatever it does. Whether it still ran.
    pub(crate) fn kill(&mut self) -> bool {
        let was_running = self.is_running();
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
        was_running
    }

    /// Process 1 of the world: the child of the lab's child that is a world's keeper.
    pub(crate) fn first_process(&self) -> u32 {
        let keeper = children(self.pid()).into_iter().find(|pid| is_keeper(*pid));
        children(keeper.expect("a keeper")).into_iter().next().expect("a process")
    }
}

/// What rests on phases that ran as they should.
pub(crate) const RESTING: &[&str] = &["R1", "W1", "X1"];
/// Longest that a lab may take with any of these products.
const PATIENCE: Duration = Duration::from_secs(150);

fn is_keeper(pid: u32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(b"world-init")
}

fn children(of: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")));
    lists
        .flatten()
        .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>())
        .collect()
}

/// An assay that came to a verdict, whose bundle holds.
pub(crate) struct Done {
    faulty: Faulty,
    code: i32,
    said: String,
    results: Results,
}

impl Done {
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// All that the lab printed.
    pub(crate) fn said(&self) -> String {
        self.said.clone()
    }

    pub(crate) fn state(&self, id: &str) -> State {
        let check = self.results.checks.iter().find(|check| check.id == id).expect("the check");
        eprintln!("{id} {}: {}", check.state, check.reason);
        check.state
    }

    /// The verdict is inconclusive, and so is what rests on phases that ran as they should.
    pub(crate) fn earns_nothing(&self) {
        assert_eq!(self.code, 3, "{}", self.said);
        for id in RESTING {
            assert_eq!(self.state(id), State::Inconclusive, "{id}");
        }
    }

    pub(crate) fn lab(&self) -> Vec<What> {
        self.events("lab.log")
    }

    pub(crate) fn sensor(&self) -> Vec<What> {
        self.events("sensor.log")
    }

    pub(crate) fn overlay(&self) -> Vec<What> {
        self.events("overlay.log")
    }

    fn events(&self, name: &str) -> Vec<What> {
        let bytes = std::fs::read(self.log(name)).expect("a log");
        let log = watchglass_events::log::parse(&bytes).expect("a log");
        assert!(log.cut.is_none(), "{name}: {:?}", log.cut);
        log.events.into_iter().map(|event| event.what).collect()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.faulty.bundle().join("runs/A1").join(name)
    }

    /// How the commands of the phase ended.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let ended = |what| match what {
            What::StepEnded { outcome, .. } => Some(outcome),
            _ => None,
        };
        self.lab().into_iter().filter_map(ended).collect()
    }

    /// What the commands of the phase printed, both streams.
    pub(crate) fn printed(&self) -> String {
        let printed = |what| match what {
            What::Printed { bytes, .. } => {
                Some(String::from_utf8_lossy(bytes.as_bytes()).into_owned())
            }
            _ => None,
        };
        self.lab().into_iter().filter_map(printed).collect()
    }

    /// What the lab noted.
    pub(crate) fn notes(&self) -> String {
        let noted = |what| match what {
            What::Noted { text } => Some(text + "\n"),
            _ => None,
        };
        self.lab().into_iter().filter_map(noted).collect()
    }

    pub(crate) fn page(&self) -> String {
        self.text("report.html")
    }

    pub(crate) fn results_text(&self) -> String {
        self.text("results.json")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.faulty.bundle().join(name)).expect("a document")
    }

    pub(crate) fn events_as_json(&self, name: &str) -> String {
        let arguments = [OsStr::new("events"), self.log(name).as_os_str()].map(OsStr::to_owned);
        let output = Command::new(LAB).args(arguments).output().expect("the lab runs");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Bytes of the whole bundle.
    pub(crate) fn bundle_bytes(&self) -> u64 {
        let (mut bytes, mut folders) = (0, vec![self.faulty.bundle()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let found = entry.metadata().expect("an entry");
                if found.is_dir() {
                    folders.push(entry.path());
                } else {
                    bytes += found.len();
                }
            }
        }
        bytes
    }
}

fn installed(from: &str, to: &str) -> String {
    format!("[[install.file]]\nfrom = \"{from}\"\nto = \"{to}\"\nmode = 0o755\n")
}

/// What the subjects run. They come with the product, so that all that runs is accounted for.
const TOOLS: &[&str] = &[
    "/usr/bin/cat",
    "/usr/bin/dash",
    "/usr/bin/dd",
    "/usr/bin/find",
    "/usr/bin/head",
    "/usr/bin/ls",
    "/usr/bin/perl",
    "/usr/bin/rm",
    "/usr/bin/setsid",
    "/usr/bin/sleep",
];
/// What a scanner does: it opens every file that it is given, and writes a log.
const DUTY: &str = "find \"$1\" -type f -exec cat {} + >/dev/null; echo begun >/var/log/fault";
/// Where the subject lies in the world.
const SUBJECT: &str = "/usr/local/bin/subject";
