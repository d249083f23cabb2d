//! What every test needs: a world, and commands in it.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use watchglass_claims::Privileges;
use watchglass_events::Outcome;
use watchglass_world::{Attributes, LayerBuilder, Limits, Plan, PreparedRoot, Spawn, User, World};

use crate::traces::Marks;

/// Longest time a test gives a command.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says why a test cannot run here; an error where nothing may be left out.
pub(crate) fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "cannot skip {name}: {why}");
    eprintln!("skipped: {name}: {why}");
}

/// A world that is made when asked for.
pub(crate) struct Setting {
    pub(crate) root: PreparedRoot,
    pub(crate) layer: LayerBuilder,
    pub(crate) limits: Limits,
    pub(crate) privileges: Privileges,
    pub(crate) traced_calls: Vec<u32>,
}

impl Setting {
    pub(crate) fn host() -> Self {
        let mut layer = LayerBuilder::new().expect("a layer");
        layer.identity("glass", "0123456789abcdef0123456789abcdef").expect("an identity");
        let mark = Marks::of_test(0).file();
        layer.put(&mark, b"", Attributes::of_root(0o444)).expect("a mark");
        let limits = Limits { upper_bytes: 64 << 20, processes: 200, ..Limits::default() };
        let privileges = Privileges::default();
        Self { root: PreparedRoot::host(), layer, limits, privileges, traced_calls: Vec::new() }
    }

    pub(crate) fn put(mut self, path: &str, content: &str, mode: u32) -> Self {
        self.layer.put(path, content.as_bytes(), Attributes::of_root(mode)).expect("put");
        self
    }

    /// A world where this machine and user can have one with root inside.
    pub(crate) fn world(self, name: &str) -> Option<World> {
        if !rustix::process::geteuid().is_root() {
            skip(name, "it needs root");
            return None;
        }
        Some(self.create().expect("a world"))
    }

    pub(crate) fn create(self) -> Result<World, watchglass_world::WorldError> {
        let layer = self.layer.finish();
        World::create(&Plan {
            root: &self.root,
            layer: &layer,
            hostname: "glass".to_owned(),
            boot_id: "11111111-2222-4333-8444-555555555555".to_owned(),
            privileges: self.privileges,
            limits: self.limits,
            traced_calls: self.traced_calls,
            program: None,
        })
    }
}

/// What a command printed; it is drained by a thread.
pub(crate) struct Output(std::thread::JoinHandle<(Vec<u8>, u64)>);

impl Output {
    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(&self.0.join().expect("drained").0).into_owned()
    }

    /// Bytes printed, of which the first 64 KiB are kept.
    pub(crate) fn total(self) -> u64 {
        self.0.join().expect("drained").1
    }
}

/// A pipe whose reader keeps the first 64 KiB.
pub(crate) fn drained() -> (OwnedFd, Output) {
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    let reader = std::thread::spawn(move || {
        let (mut kept, mut total, mut buffer) = (Vec::new(), 0, vec![0; 1 << 16]);
        let mut file = std::fs::File::from(reader);
        while let Ok(read) = file.read(&mut buffer) {
            if read == 0 {
                break;
            }
            total += read as u64;
            kept.extend_from_slice(&buffer[..read.min((1 << 16) - kept.len())]);
        }
        (kept, total)
    });
    (writer, Output(reader))
}

pub(crate) fn spawn(argv: &[&str]) -> (Spawn, Output) {
    let (writer, output) = drained();
    let spawn = Spawn {
        argv: argv.iter().map(OsString::from).collect(),
        environment: vec![
            ("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into()),
            ("HOME".into(), "/root".into()),
            ("LANG".into(), "C.UTF-8".into()),
        ],
        user: User::Named("root".to_owned()),
        folder: PathBuf::from("/"),
        stdout: writer.try_clone().expect("a descriptor"),
        stderr: writer,
        program: None,
    };
    (spawn, output)
}

/// Starts a command and returns its number.
pub(crate) fn start(world: &mut World, spawn: Spawn) -> u32 {
    let id = world.park(&spawn).expect("parked").id;
    drop(spawn);
    world.release(id).expect("released");
    id
}

/// Waits for this command, whatever else ends.
pub(crate) fn finish(world: &mut World, id: u32) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match world.wait(Duration::from_millis(500)).expect("a living world") {
            Some((ended, outcome)) if ended == id => return outcome,
            _ => {}
        }
    }
    panic!("command {id} did not end");
}

/// Runs a command to its end.
pub(crate) fn run(world: &mut World, argv: &[&str]) -> (Outcome, String) {
    let (spawn, output) = spawn(argv);
    let id = start(world, spawn);
    (finish(world, id), output.text())
}

/// Runs a shell command as root and returns what it printed.
pub(crate) fn shell(world: &mut World, script: &str) -> String {
    run(world, &["sh", "-c", script]).1
}

/// Runs a command as another user of the world.
pub(crate) fn run_as(world: &mut World, user: &str, argv: &[&str]) -> (Outcome, String) {
    let (mut spawn, output) = spawn(argv);
    spawn.user = User::Named(user.to_owned());
    let id = start(world, spawn);
    (finish(world, id), output.text())
}
