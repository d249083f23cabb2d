//! The lab's side of a world.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use minicbor::bytes::ByteVec;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::process::Signal;
use watchglass_events::{Outcome, What};

use crate::cgroup;
use crate::ids::Ids;
use crate::in_place;
use crate::laid::Laid;
use crate::messages::{
    Blueprint, Command, Comparison, End, FromKeeper, News, Order, Root, ToKeeper,
};
use crate::names::{WorldName, start_ticks};
use crate::plan::{Plan, Spawn, User};
use crate::rights;
use crate::root::Kind;
use crate::wire::{Channel, MAX_MESSAGE};
use crate::{ROLE_KEEPER, RootError, Sockets, WorldError, capabilities, filter};

/// A world that stands. Dropping it ends it.
#[derive(Debug)]
pub struct World {
    name: String,
    /// Present until the world is ended.
    keeper: Option<(Child, Channel)>,
    first: Channel,
    first_pid: u32,
    network: OwnedFd,
    root: OwnedFd,
    user_namespace: Option<OwnedFd>,
    cgroup: Option<(PathBuf, OwnedFd)>,
    lacks: Vec<String>,
    ended: VecDeque<(u32, Outcome)>,
    processes: Vec<Parked>,
    next_id: u32,
    uid_base: u32,
    scratch: Option<PathBuf>,
    channel: Option<OwnedFd>,
}

/// A process of the world that the lab asked for.
#[derive(Debug)]
pub struct Parked {
    /// The world's number for it.
    pub id: u32,
    /// Its process number on the machine.
    pub pid: u32,
    /// Its start in nanoseconds of `CLOCK_BOOTTIME`, cut to 10 ms.
    pub start_ns: u64,
    handle: OwnedFd,
}

impl World {
    /// Builds a world. Takes some tens of milliseconds, more for a large layer.
    ///
    /// # Errors
    /// [`WorldError::Step`] names the step that failed; nothing is left behind then.
    pub fn create(plan: &Plan<'_>) -> Result<Self, WorldError> {
        let name = WorldName::fresh().map_err(WorldError::system("name of the world"))?;
        let mapping = Mapping::of_machine(&name);
        let blueprint = blueprint(plan, &name, mapping.ids())?;
        Self::raise(plan, &name, &mapping, blueprint, None)
    }

    /// Builds a world without namespaces, in a new folder of `parent`, which is gone with it. Its
    /// subject is the lab's own user, among the machine's processes and on the machine's network:
    /// it has to be traced by a tracer that leads its paths to [`World::scratch`] and makes the
    /// calls that reach others.
    ///
    /// # Errors
    /// As [`World::create`]; [`WorldError::Missing`] where the kernel has no Landlock.
    pub fn create_in_place(
        plan: &Plan<'_>,
        parent: &Path,
        sockets: Sockets,
    ) -> Result<Self, WorldError> {
        let landlock = watchglass_sys::landlock::version();
        landlock.map_err(|error| WorldError::Missing {
            what: "Landlock".to_owned(),
            help: format!("without it nothing keeps a subject from the machine's files: {error}"),
        })?;
        let name = WorldName::fresh().map_err(WorldError::system("name of the world"))?;
        let parent = parent.canonicalize().map_err(WorldError::system("the scratch folder"))?;
        let base = parent.join(name.to_string());
        let scratch = base.join(in_place::ROOT);
        let ids = Ids::in_place(rustix::process::geteuid().as_raw());
        let filter = filter::in_words(&in_place::program(&plan.traced_calls)?);
        let root = Root::InPlace(base);
        let blueprint = Blueprint { root, filter, cgroup: None, ..blueprint(plan, &name, ids)? };
        let channel = match sockets {
            Sockets::Taken => None,
            Sockets::Sent => Some(Channel::pair().map_err(WorldError::system("socketpair"))?),
        };
        let (ours, theirs) = channel.map(|(ours, theirs)| (ours.into(), theirs.into())).unzip();
        let mut world = Self::raise(plan, &name, &Mapping::Single, blueprint, theirs)?;
        world.scratch = Some(scratch);
        world.channel = ours;
        Ok(world)
    }

    fn raise(
        plan: &Plan<'_>,
        name: &WorldName,
        mapping: &Mapping,
        blueprint: Blueprint,
        subjects_channel: Option<OwnedFd>,
    ) -> Result<Self, WorldError> {
        let (cgroup, uid_base) = (blueprint.cgroup.clone(), mapping.uid_of_root(blueprint.ids));
        let (channel, theirs) = Channel::pair().map_err(WorldError::system("socketpair"))?;
        let program = plan.program.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        let keeper = Program::new(&program)
            // Process 1 of the world shows this; anybody inside can read it.
            .arg0("/sbin/init")
            .arg(ROLE_KEEPER)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(WorldError::system(format!("starting {}", program.display())))?;
        let mut guard = KeeperGuard(Some((keeper, channel)));
        let built = guard.build(blueprint, plan, mapping, subjects_channel.as_ref());
        match built {
            Ok((fds, message)) => {
                Self::assemble(name.to_string(), guard, fds, message, cgroup, uid_base)
            }
            Err(error) => Err(error),
        }
    }

    fn assemble(
        name: String,
        mut guard: KeeperGuard,
        fds: Vec<OwnedFd>,
        (has_users, has_cgroup, lacks): (bool, bool, Vec<String>),
        parent: Option<PathBuf>,
        uid_base: u32,
    ) -> Result<Self, WorldError> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or(WorldError::Ended);
        let (first, pidfd, network, root) = (next()?, next()?, next()?, next()?);
        let user_namespace = has_users.then(&mut next).transpose()?;
        let cgroup = has_cgroup.then(&mut next).transpose()?;
        let cgroup =
            parent.zip(cgroup).map(|(parent, fd)| (parent.join(&name).join("subject"), fd));
        let first_pid = pid_of(&pidfd)?;
        let mut world = Self {
            name,
            keeper: guard.0.take(),
            first: first.into(),
            first_pid,
            network,
            root,
            user_namespace,
            cgroup,
            lacks,
            ended: VecDeque::new(),
            processes: Vec::new(),
            next_id: 0,
            uid_base,
            scratch: None,
            channel: None,
        };
        world.await_up()?;
        Ok(world)
    }

    fn await_up(&mut self) -> Result<(), WorldError> {
        match self.receive()? {
            (News::Up, _) => Ok(()),
            (News::Failed { step, cause }, _) => Err(WorldError::Step { step, cause }),
            _ => Err(WorldError::Ended),
        }
    }

    /// The name of the world, which its cgroup carries.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network namespace. Only its loopback device is there and up.
    #[must_use]
    pub fn network(&self) -> BorrowedFd<'_> {
        self.network.as_fd()
    }

    /// The user namespace that owns the network namespace, where an ordinary user made the world:
    /// whoever gives the network a link joins this first. `None`: it belongs to the machine's root.
    #[must_use]
    pub fn user_namespace(&self) -> Option<BorrowedFd<'_>> {
        self.user_namespace.as_ref().map(AsFd::as_fd)
    }

    /// The subject's cgroup: its path and its folder. The first process is not in it. `None` where
    /// an ordinary user may not make one.
    #[must_use]
    pub fn cgroup(&self) -> Option<(&Path, BorrowedFd<'_>)> {
        self.cgroup.as_ref().map(|(path, fd)| (path.as_path(), fd.as_fd()))
    }

    /// The folder that stands for the root of a world without namespaces, its path without links.
    #[must_use]
    pub fn scratch(&self) -> Option<&Path> {
        self.scratch.as_deref()
    }

    /// The tracer's end of the channel through which the subject sends its sockets, where it does.
    #[must_use]
    pub fn channel(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }

    /// What this world lacks for want of rights, in words.
    #[must_use]
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// The first process, by its number on the machine.
    #[must_use]
    pub fn first_process(&self) -> u32 {
        self.first_pid
    }

    /// Opens a path of the world for reading, from outside, without following links out of it and
    /// without waiting for FIFOs. What is read is the subject's: hostile.
    ///
    /// # Errors
    /// As openat2(2).
    pub fn open(&self, path: &Path) -> Result<File, WorldError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
            .map(File::from)
            .map_err(|error| {
                WorldError::system(format!("{} in the world", path.display()))(error.into())
            })
    }

    /// Lays a file into a folder of the standing world, from outside, for the lab's own purposes. It
    /// shows in a comparison until it is dropped.
    ///
    /// # Errors
    /// [`WorldError::System`] when something of that name is there already, or when the lab may not
    /// write into the world, as an ordinary user may not.
    pub fn lay(&self, path: &Path, content: &[u8], mode: u32) -> Result<Laid, WorldError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let folder = rustix::fs::openat2(&self.root, folder, flags, Mode::empty(), resolve)
            .map_err(|error| {
                WorldError::system(format!("{} in the world", folder.display()))(error.into())
            })?;
        Laid::new(folder, path, content, mode)
    }

    /// Whether a path of the world exists, links followed inside it.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve).is_ok()
    }

    /// Whether a process of the world listens on this Unix socket, by this path or by another one
    /// to the same place, as `/run` and `/var/run` are. Nobody is connected to it.
    #[must_use]
    pub fn listens_unix(&self, path: &str) -> bool {
        // Num RefCount Protocol Flags Type St Inode Path; flag 0x10000 is __SO_ACCEPTCON.
        self.network_table("unix").lines().any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let bound = fields.get(7).filter(|_| fields.get(3) == Some(&"00010000"));
            bound.is_some_and(|bound| self.is_same_file(self.inside(bound), Path::new(path)))
        })
    }

    /// A path of the machine as the world knows it.
    fn inside<'a>(&self, path: &'a str) -> &'a Path {
        let scratch = self.scratch.as_ref().and_then(|scratch| scratch.to_str());
        Path::new(scratch.and_then(|scratch| path.strip_prefix(scratch)).unwrap_or(path))
    }

    fn is_same_file(&self, one: &Path, other: &Path) -> bool {
        let place = |path: &Path| {
            let (flags, resolve) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::IN_ROOT);
            let file = rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve).ok()?;
            let stat = rustix::fs::fstat(&file).ok()?;
            Some((stat.st_dev, stat.st_ino))
        };
        place(one).is_some_and(|found| place(other) == Some(found))
    }

    /// Whether a process of the world listens on this TCP port, on any address.
    #[must_use]
    pub fn listens_tcp(&self, port: u16) -> bool {
        let suffix = format!(":{port:04X}");
        ["tcp", "tcp6"].iter().any(|table| {
            self.network_table(table).lines().any(|line| {
                let fields: Vec<_> = line.split_whitespace().collect();
                fields.get(1).is_some_and(|local| local.ends_with(&suffix))
                    && fields.get(3) == Some(&"0A")
            })
        })
    }

    fn network_table(&self, table: &str) -> String {
        let path = format!("/proc/{}/net/{table}", self.first_pid);
        let Ok(file) = File::open(path) else { return String::new() };
        let mut text = Vec::new();
        let _ = file.take(MAX_TABLE_BYTES).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Makes a process that has everything but its program: it is in the world and in the
    /// subject's cgroup, under its limits and its user, and waits for [`World::release`]. A sensor
    /// adopts it now. The filter of calls is installed after the wait, just before `exec`.
    ///
    /// # Errors
    /// [`WorldError::Refused`] when the user or the folder does not exist, or the limit of
    /// processes is reached; [`WorldError::Ended`] when the world is gone.
    pub fn park(&mut self, spawn: &Spawn) -> Result<&Parked, WorldError> {
        let id = self.next_id;
        self.next_id += 1;
        let command = self.command(id, spawn)?;
        check_command(&command)?;
        let mut fds = vec![spawn.stdout.as_fd(), spawn.stderr.as_fd()];
        fds.extend(spawn.program.as_ref().map(AsFd::as_fd));
        self.order(&Order::Park(Box::new(command)), &fds)?;
        loop {
            match self.receive()? {
                (News::Parked(parked), fds) if parked == id => {
                    let handle = fds.into_iter().next().ok_or(WorldError::Ended)?;
                    let pid = pid_of(&handle)?;
                    let start_ns = start_of(pid).ok_or(WorldError::Ended)?;
                    self.processes.push(Parked { id, pid, start_ns, handle });
                    return self.processes.last().ok_or(WorldError::Ended);
                }
                (News::Refused { id: refused, text }, _) if refused == id => {
                    return Err(WorldError::Refused(text));
                }
                (news, _) => self.note(news),
            }
        }
    }

    fn command(&self, id: u32, spawn: &Spawn) -> Result<Command, WorldError> {
        let (uid, gid, groups) = self.look_up(&spawn.user)?;
        let argv = spawn.argv.iter().map(|argument| bytes(argument.as_bytes())).collect();
        let environment = spawn.environment.iter();
        let environment = environment
            .map(|(key, value)| (bytes(key.as_bytes()), bytes(value.as_bytes())))
            .collect();
        let folder = bytes(spawn.folder.as_os_str().as_bytes());
        Ok(Command { id, argv, environment, uid, gid, groups, folder })
    }

    /// Lets a parked process become its program. Whether it could is told by [`World::wait`].
    ///
    /// # Errors
    /// [`WorldError::Ended`] when the world is gone.
    pub fn release(&mut self, id: u32) -> Result<(), WorldError> {
        self.order(&Order::Release(id), &[])
    }

    /// Waits for the next process to end. `None` when none did in this time. A program that could
    /// not be started ends as [`Outcome::NotStarted`].
    ///
    /// # Errors
    /// [`WorldError::Ended`] when the world is gone.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<(u32, Outcome)>, WorldError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(ended) = self.ended.pop_front() {
                return Ok(Some(ended));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !is_readable(&self.first, left)? {
                return Ok(None);
            }
            let (news, _) = self.receive()?;
            self.note(news);
        }
    }

    /// How one process ended, if it does in this time. The ends of others are kept.
    ///
    /// # Errors
    /// [`WorldError::Ended`] when the world is gone.
    pub fn outcome(&mut self, id: u32, timeout: Duration) -> Result<Option<Outcome>, WorldError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(place) = self.ended.iter().position(|(ended, _)| *ended == id) {
                return Ok(self.ended.remove(place).map(|(_, outcome)| outcome));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !is_readable(&self.first, left)? {
                return Ok(None);
            }
            let (news, _) = self.receive()?;
            self.note(news);
        }
    }

    /// The machine's number of the world's user 0, as the lab's own user namespace numbers it.
    #[must_use]
    pub fn uid_base(&self) -> u32 {
        self.uid_base
    }

    /// Sends a signal to a process that was parked here and has not ended.
    ///
    /// # Errors
    /// [`WorldError::System`] when it is gone.
    pub fn signal(&self, id: u32, signal: Signal) -> Result<(), WorldError> {
        let process = self.processes.iter().find(|process| process.id == id);
        let process =
            process.ok_or_else(|| WorldError::Refused(format!("there is no process {id}")))?;
        rustix::process::pidfd_send_signal(&process.handle, signal)
            .map_err(|error| WorldError::system("pidfd_send_signal")(error.into()))
    }

    /// Kills every process of the world but the first, also those that left their session or
    /// parents, and waits until they are gone.
    ///
    /// # Errors
    /// [`WorldError::Ended`] when the world is gone; [`WorldError::Refused`] when a process does
    /// not go within 10 seconds.
    pub fn kill_rest(&mut self) -> Result<(), WorldError> {
        self.order(&Order::KillRest, &[])?;
        loop {
            match self.receive()? {
                (News::Alone { left: false }, _) => return Ok(()),
                (News::Alone { left: true }, _) => {
                    return Err(WorldError::Refused("a process cannot be killed".to_owned()));
                }
                (news, _) => self.note(news),
            }
        }
    }

    /// The subject's living processes, by their numbers on the machine.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let Some((_, cgroup)) = &self.cgroup else { return descendants(self.first_pid) };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(cgroup, "cgroup.procs", flags, Mode::empty()) else {
            return Vec::new();
        };
        let mut text = String::new();
        let _ = File::from(file).read_to_string(&mut text);
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Tells every path that differs from before the start, as [`What::Differs`], in the order of
    /// their names. A removed folder stands for all it held. Run it when the subject has ended, or
    /// what it does meanwhile may show or not.
    ///
    /// # Errors
    /// [`WorldError::Ended`] when the world is gone.
    pub fn difference(&self, sink: &mut dyn FnMut(What)) -> Result<Comparison, WorldError> {
        let (_, channel) = self.keeper.as_ref().ok_or(WorldError::Ended)?;
        channel.send(&ToKeeper::Compare, &[]).map_err(|_| WorldError::Ended)?;
        loop {
            match channel.receive::<FromKeeper>().map_err(WorldError::system("comparison"))? {
                Some((FromKeeper::Differs(what), _)) => sink(*what),
                Some((FromKeeper::Compared(comparison), _)) => return Ok(comparison),
                _ => return Err(WorldError::Ended),
            }
        }
    }

    /// Ends the world: all its processes are killed and everything that it consisted of is gone
    /// when this returns.
    ///
    /// # Errors
    /// [`WorldError::System`] when the keeper does not end within 20 seconds; it is then killed.
    pub fn end(mut self) -> Result<(), WorldError> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), WorldError> {
        let Some((keeper, channel)) = self.keeper.take() else { return Ok(()) };
        KeeperGuard(Some((keeper, channel))).end()
    }

    fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<(), WorldError> {
        self.first.send(order, fds).map_err(|_| WorldError::Ended)
    }

    fn receive(&self) -> Result<(News, Vec<OwnedFd>), WorldError> {
        let received = self.first.receive().map_err(WorldError::system("the first process"))?;
        received.ok_or(WorldError::Ended)
    }

    fn note(&mut self, news: News) {
        let News::Ended { id, end } = news else { return };
        self.processes.retain(|process| process.id != id);
        let outcome = match end {
            End::Exited(code) => Outcome::Exited(code),
            End::Signalled(signal) => Outcome::Signalled(signal),
            End::NotStarted(text) => Outcome::NotStarted(text),
        };
        self.ended.push_back((id, outcome));
    }

    fn look_up(&self, user: &User) -> Result<(u32, u32, Vec<u32>), WorldError> {
        let name = match user {
            User::Numbers { uid, gid, groups } => return Ok((*uid, *gid, groups.clone())),
            User::Named(name) => name,
        };
        let passwd = self.accounts("/etc/passwd")?;
        let account = passwd.iter().find(|fields| {
            fields.first() == Some(name)
                || (fields.get(2) == Some(name) && name.parse::<u32>().is_ok())
        });
        let number = |fields: &Vec<String>, place: usize| fields.get(place)?.parse::<u32>().ok();
        let Some((uid, gid)) = account.and_then(|fields| number(fields, 2).zip(number(fields, 3)))
        else {
            return match name.parse() {
                Ok(uid) => Ok((uid, uid, Vec::new())),
                Err(_) if name == "root" => Ok((0, 0, Vec::new())),
                Err(_) => {
                    Err(WorldError::Refused(format!("no user `{name}` in the world's /etc/passwd")))
                }
            };
        };
        let name = account.and_then(|fields| fields.first()).unwrap_or(name);
        let groups = self.accounts("/etc/group")?;
        let member = |fields: &&Vec<String>| {
            fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
        };
        let groups = groups.iter().filter(member).filter_map(|fields| number(fields, 2));
        Ok((uid, gid, groups.take(MAX_GROUPS).collect()))
    }

    /// An account file, which the subject may have written; one that is missing is empty.
    fn accounts(&self, path: &str) -> Result<Vec<Vec<String>>, WorldError> {
        let Ok(file) = self.open(Path::new(path)) else { return Ok(Vec::new()) };
        let regular = file.metadata().is_ok_and(|found| found.is_file());
        let mut text = Vec::new();
        if regular {
            file.take(MAX_TABLE_BYTES).read_to_end(&mut text).map_err(WorldError::system(path))?;
        }
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.take_down();
    }
}

/// Ends the keeper, and with it the world, unless it is taken out.
#[derive(Debug)]
struct KeeperGuard(Option<(Child, Channel)>);

type Built = (Vec<OwnedFd>, (bool, bool, Vec<String>));

impl KeeperGuard {
    fn build(
        &mut self,
        blueprint: Blueprint,
        plan: &Plan<'_>,
        mapping: &Mapping,
        subjects_channel: Option<&OwnedFd>,
    ) -> Result<Built, WorldError> {
        let Some((keeper, channel)) = &mut self.0 else { return Err(WorldError::Ended) };
        // The keeper takes the layer from the end.
        let mut fds: Vec<BorrowedFd<'_>> = subjects_channel.map(AsFd::as_fd).into_iter().collect();
        fds.push(plan.layer.descriptor());
        channel
            .send(&ToKeeper::Build(Box::new(blueprint)), &fds)
            .map_err(WorldError::system("sending the plan"))?;
        loop {
            match channel.receive::<FromKeeper>().map_err(WorldError::system("the keeper"))? {
                Some((FromKeeper::WantsMaps, _)) => {
                    mapping.write(keeper.id())?;
                    channel
                        .send(&ToKeeper::Mapped, &[])
                        .map_err(WorldError::system("the keeper"))?;
                }
                Some((FromKeeper::Built { user_namespace, cgroup, lacks }, fds)) => {
                    return Ok((fds, (user_namespace, cgroup, lacks)));
                }
                Some((FromKeeper::Failed { step, cause }, _)) => {
                    return Err(WorldError::Step { step, cause });
                }
                _ => return Err(WorldError::Ended),
            }
        }
    }

    fn end(&mut self) -> Result<(), WorldError> {
        let Some((mut keeper, channel)) = self.0.take() else { return Ok(()) };
        drop(channel);
        let deadline = Instant::now() + END_PATIENCE;
        while Instant::now() < deadline {
            match keeper.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => std::thread::sleep(END_PAUSE),
                Err(error) => return Err(WorldError::system("waiting for the keeper")(error)),
            }
        }
        let _ = keeper.kill();
        let _ = keeper.wait();
        Err(WorldError::system("waiting for the keeper")(std::io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for KeeperGuard {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Which users of the machine a world can have.
enum Mapping {
    Root(Ids),
    /// The lab itself is root of a user namespace with a range.
    Nested,
    /// Ranges of `/etc/subuid` and `/etc/subgid`.
    Range {
        users: u32,
        groups: u32,
    },
    Single,
}

impl Mapping {
    fn of_machine(name: &WorldName) -> Self {
        if rights::is_root_of_machine() {
            return Self::Root(Ids::of_root(name.slot()));
        }
        if rights::has_range() {
            return Self::Nested;
        }
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let tool = ["/usr/bin/newuidmap", "/usr/bin/newgidmap"]
            .iter()
            .all(|tool| Path::new(tool).exists());
        match (range("/etc/subuid", uid), range("/etc/subgid", gid)) {
            (Some(users), Some(groups)) if tool => Self::Range { users, groups },
            _ => Self::Single,
        }
    }

    fn ids(&self) -> Ids {
        match self {
            Self::Root(ids) => *ids,
            Self::Nested | Self::Range { .. } => Ids::of_range(),
            Self::Single => Ids::single(),
        }
    }

    /// The world's user 0, as the lab's own user namespace numbers it.
    fn uid_of_root(&self, ids: Ids) -> u32 {
        match self {
            Self::Root(_) | Self::Nested => ids.outside(0),
            Self::Range { users, .. } => *users,
            Self::Single => rustix::process::getuid().as_raw(),
        }
    }

    /// Writes the maps of the keeper's own user namespace.
    fn write(&self, pid: u32) -> Result<(), WorldError> {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        match self {
            Self::Root(_) => Ok(()),
            Self::Nested => give_own_range(pid).map_err(WorldError::system("maps of the keeper")),
            Self::Range { users, groups } => {
                run_map_tool("newuidmap", pid, uid, *users)?;
                run_map_tool("newgidmap", pid, gid, *groups)
            }
            Self::Single => {
                let folder = format!("/proc/{pid}");
                let write = |file: &str, text: String| {
                    fs::write(format!("{folder}/{file}"), text).map_err(WorldError::system(file))
                };
                write("setgroups", "deny".to_owned())?;
                write("uid_map", format!("0 {uid} 1"))?;
                write("gid_map", format!("0 {gid} 1"))
            }
        }
    }
}

/// Whether this user has a range of users to give away, which a root of packages needs.
pub(crate) fn range_of_users() -> Result<(), RootError> {
    if rights::has_range() {
        return Ok(());
    }
    if !["/usr/bin/newuidmap", "/usr/bin/newgidmap"].iter().all(|tool| Path::new(tool).exists()) {
        let (what, help) = ("newuidmap", "install the package uidmap");
        return Err(RootError::Missing { what, help });
    }
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    if range("/etc/subuid", uid).is_none() || range("/etc/subgid", gid).is_none() {
        let what = "a range of users in /etc/subuid and /etc/subgid";
        let help = "usermod --add-subuids and --add-subgids give 65,536 of each";
        return Err(RootError::Missing { what, help });
    }
    Ok(())
}

/// Writes the maps of a process of this user that is in a user namespace of its own: the user as 0,
/// the range after it.
pub(crate) fn give_range(pid: u32) -> Result<(), RootError> {
    range_of_users()?;
    if rights::has_range() {
        return give_own_range(pid).map_err(RootError::io("/proc/PID/uid_map"));
    }
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let refused = || RootError::Missing {
        what: "a range of users",
        help: "newuidmap refuses that of /etc/subuid or /etc/subgid",
    };
    for (tool, path, own) in [("newuidmap", "/etc/subuid", uid), ("newgidmap", "/etc/subgid", gid)]
    {
        let first = range(path, own).ok_or_else(refused)?;
        run_map_tool(tool, pid, own, first).map_err(|_| refused())?;
    }
    Ok(())
}

/// The same where the lab is root of a user namespace with a range: nothing is renumbered.
fn give_own_range(pid: u32) -> std::io::Result<()> {
    let map = format!("0 0 1\n1 1 {}\n", crate::ids::RANGE);
    ["uid_map", "gid_map"]
        .iter()
        .try_for_each(|file| fs::write(format!("/proc/{pid}/{file}"), &map))
}

/// The first range of at least 65,536 numbers, subuid(5). Entries by name are looked up with
/// `/etc/passwd` for users; a group's range belongs to the user as well. Where this process's
/// namespace has a single user there is nobody to give away, whatever the file says.
fn range(path: &str, id: u32) -> Option<u32> {
    if rights::is_single_user() {
        return None;
    }
    let name = user_name(rustix::process::getuid().as_raw());
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse::<u32>().ok()?);
        let ours = Some(owner) == name.as_deref() || owner.parse() == Ok(id);
        (ours && count >= crate::ids::RANGE).then_some(first)
    })
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn run_map_tool(tool: &str, pid: u32, own: u32, first: u32) -> Result<(), WorldError> {
    let range = crate::ids::RANGE.to_string();
    let done = Program::new(tool)
        .arg(pid.to_string())
        .args(["0", &own.to_string(), "1", "1", &first.to_string(), &range])
        .output()
        .map_err(WorldError::system(tool))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let help = format!("the range of /etc/subuid or /etc/subgid was refused: {}", said.trim());
    let what = tool.to_owned();
    Err(WorldError::Missing { what, help })
}

fn blueprint(plan: &Plan<'_>, name: &WorldName, ids: Ids) -> Result<Blueprint, WorldError> {
    let filter = filter::in_words(&filter::program(&plan.privileges, &plan.traced_calls)?);
    let root = match &plan.root.kind {
        Kind::Host => Root::Host,
        Kind::Folder(folder) if ids.count == crate::ids::RANGE => Root::Folder(folder.clone()),
        Kind::Folder(_) => {
            let help = "a root made of packages needs a range of users to show its owners; \
                        `host = true` works without";
            return Err(WorldError::Missing { what: "root".to_owned(), help: help.to_owned() });
        }
    };
    Ok(Blueprint {
        name: name.to_string(),
        ids,
        hostname: plan.hostname.clone(),
        boot_id: plan.boot_id.clone(),
        root,
        limits: plan.limits,
        capabilities: capabilities::bounding(&plan.privileges.capabilities)?.bits(),
        filter,
        cgroup: cgroup::own().ok(),
    })
}

fn bytes(raw: &[u8]) -> ByteVec {
    ByteVec::from(raw.to_vec())
}

fn check_command(command: &Command) -> Result<(), WorldError> {
    let strings =
        command.argv.iter().chain(command.environment.iter().flat_map(|(key, value)| [key, value]));
    // A few bytes for the length of each string on top of its own.
    let total: usize = strings.map(|string| string.len() + 8).sum();
    if command.argv.is_empty() {
        return Err(WorldError::Refused("it is empty".to_owned()));
    }
    if total > MAX_MESSAGE - 1024 {
        return Err(WorldError::Refused(format!(
            "arguments and environment have {total} bytes, limit {}",
            MAX_MESSAGE - 1024
        )));
    }
    Ok(())
}

/// The number on the machine, from `/proc/self/fdinfo`: the first process knows only its own
/// namespace's number.
fn pid_of(pidfd: &OwnedFd) -> Result<u32, WorldError> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = fs::read_to_string(&path).map_err(WorldError::system(&*path))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.ok_or(WorldError::Ended)
}

/// Without a cgroup: the children of the first process and theirs. Whoever loses their parent
/// becomes a child of the first process, so nobody is missed for long.
pub(crate) fn descendants(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut left = vec![of];
    while let Some(pid) = left.pop().filter(|_| found.len() < MAX_PROCESSES) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = text.split_whitespace().filter_map(|child| child.parse::<u32>().ok());
            for child in children {
                found.push(child);
                left.push(child);
            }
        }
    }
    found
}

fn is_readable(channel: &Channel, timeout: Duration) -> Result<bool, WorldError> {
    let mut ready = [PollFd::new(channel, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).ok();
    match rustix::event::poll(&mut ready, timeout.as_ref()) {
        // A signal to the lab: the caller looks at its watch and comes again.
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(WorldError::system("poll")(error.into())),
        Ok(count) => Ok(count > 0),
    }
}

/// Largest account file or network table that is read.
const MAX_TABLE_BYTES: u64 = 4 << 20;
/// Further groups of a user: a fraction of what the kernel takes.
const MAX_GROUPS: usize = 256;
const MAX_PROCESSES: usize = 100_000;
const END_PATIENCE: Duration = Duration::from_secs(20);
const END_PAUSE: Duration = Duration::from_millis(2);

/// When a process began, in nanoseconds of `CLOCK_BOOTTIME`, cut to 10 ms, which is a clock tick.
/// `None` when it is gone or has ended.
#[must_use]
pub fn start_of(pid: u32) -> Option<u64> {
    start_ticks(pid)?.checked_mul(10_000_000)
}
