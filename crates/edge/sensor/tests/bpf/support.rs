//! A cgroup to watch, programs in it, and the events that come of it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use watchglass_events::{Event, FileId, Name, Source, What, log};
use watchglass_sensor::bpf::{self, Options};
use watchglass_sensor::{Sensor, Totals};

/// A test that cannot run here says so; in strict mode that is a failure.
pub(crate) fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "skipped: {name}: {why}");
    say(&format!("skipped: {name}: {why}"));
}

#[expect(clippy::print_stderr, reason = "a skipped test or a measurement is told to who runs it")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Whether this machine lets us record.
pub(crate) fn can_record(name: &str) -> bool {
    let failed = bpf::probe().into_iter().find(|(_, result)| result.is_err());
    if let Some((program, Err(why))) = failed {
        skip(name, &format!("{program}: {why}"));
        return false;
    }
    true
}

/// Whether programs are there.
pub(crate) fn has_programs(name: &str, programs: &[&str]) -> bool {
    for program in programs {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            skip(name, &format!("no {program}"));
            return false;
        }
    }
    true
}

/// A cgroup under watch.
pub(crate) struct World {
    cgroup: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) sensor: Option<Box<bpf::BpfSensor>>,
}

/// What a recording gave.
pub(crate) struct Recorded {
    pub(crate) events: Vec<Event>,
    pub(crate) totals: Vec<Totals>,
}

impl World {
    /// Makes a cgroup and begins to record it.
    pub(crate) fn watch(options: &Options) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("watchglass-test-{}-{number}", std::process::id());
        let cgroup = cgroup2_mount().join(name);
        std::fs::create_dir(&cgroup).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let directory = File::open(&cgroup).unwrap();
        let mut options = options.clone();
        options.world_root.get_or_insert_with(|| "/".into());
        let sensor = bpf::start(directory.as_fd(), log, &options).unwrap();
        Self { cgroup, folder, sensor: Some(Box::new(sensor)) }
    }

    /// A command that joins the cgroup before it becomes the program.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        let join = "echo $$ > \"$0\" && exec \"$@\"";
        command.args(["-c", join]).arg(self.cgroup.join("cgroup.procs")).arg(program);
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a program of the world to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().unwrap()
    }

    /// Runs a program that has to succeed.
    pub(crate) fn run_well(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.run(program, arguments);
        assert!(output.status.success(), "{program}: {}", text(&output));
        output
    }

    /// Runs a Python program that has to succeed.
    pub(crate) fn python(&self, program: &str) -> Output {
        self.run_well("/usr/bin/python3", &["-c", program])
    }

    /// Ends the recording.
    pub(crate) fn finish(mut self) -> Recorded {
        let totals = self.sensor.take().unwrap().finish().unwrap();
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap();
        let log = log::parse(&bytes).unwrap();
        assert_eq!(log.cut, None);
        for totals in &totals {
            assert_eq!(totals.received + totals.lost, totals.emitted, "{totals:?}");
        }
        Recorded { events: log.events, totals }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.cgroup).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Recorded {
    /// Nothing was lost.
    pub(crate) fn whole(self) -> Self {
        for totals in &self.totals {
            assert_eq!(totals.lost, 0, "{totals:?}");
        }
        self
    }

    pub(crate) fn whats(&self) -> impl Iterator<Item = &What> {
        self.events.iter().map(|event| &event.what)
    }

    pub(crate) fn of(&self, source: Source) -> impl Iterator<Item = &What> {
        self.events.iter().filter(move |event| event.source == source).map(|event| &event.what)
    }

    pub(crate) fn any(&self, found: impl Fn(&What) -> bool) -> bool {
        self.whats().any(found)
    }

    /// Asserts that something was seen, and shows all that was if not.
    pub(crate) fn has(&self, what: &str, found: impl Fn(&What) -> bool) {
        let shown = || {
            let lines: Vec<String> = self
                .events
                .iter()
                .map(|event| format!("{:?} {:?}", event.source, event.what))
                .collect();
            lines.join("\n")
        };
        assert!(self.any(found), "not seen: {what}\n{}", shown());
    }

    /// The file that was opened at a path.
    pub(crate) fn opened(&self, path: &str) -> Vec<FileId> {
        let opened = self.whats().filter_map(|what| match what {
            What::Opened { path: at, file, error: None, .. } if is(at, path) => *file,
            _ => None,
        });
        opened.collect()
    }

    /// Bytes read from and written to a file by everybody.
    pub(crate) fn bytes(&self, of: FileId) -> (u64, u64) {
        self.whats().fold((0, 0), |(read, written), what| match what {
            What::Read { file, bytes, .. } if *file == of => (read + bytes, written),
            What::Written { file, bytes, .. } if *file == of => (read, written + bytes),
            _ => (read, written),
        })
    }
}

pub(crate) fn is(name: &Name, path: &str) -> bool {
    name.as_bytes() == path.as_bytes()
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A program outside of the world, ended with the test.
pub(crate) struct Helper(pub Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn cgroup2_mount() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
    line.split(' ').nth(4).unwrap().into()
}
