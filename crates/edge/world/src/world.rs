//! The lab's side of a world.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitCode, Stdio};
use std::time::{Duration, Instant};

use minicbor::bytes::ByteVec;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{OFlags, ResolveFlags};
use rustix::process::Signal;
use watchglass_events::{Outcome, What};

use crate::error::WorldError;
use crate::ids::Ids;
use crate::messages::{Blueprint, Command, Comparison, End, FromKeeper, News, Order, ToKeeper};
use crate::names::WorldName;
use crate::plan::{Plan, Spawn};
use crate::wire::Channel;
use crate::{capabilities, cgroup, filter, keeper, users};

/// First argument of the keeper's role.
const KEEPER: &str = "world-keeper";
/// Longest that building or taking down may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Becomes another role if the first argument says so: the program that builds a world must call
/// this before it does anything else.
#[must_use]
pub fn run_role(role: &OsStr) -> Option<ExitCode> {
    if role != KEEPER {
        return None;
    }
    let stdin = rustix::stdio::stdin().try_clone_to_owned().ok()?;
    Some(keeper::run(Channel::from(stdin)))
}

/// Removes what labs that died have left behind. Returns the names of what was removed.
///
/// Mounts, namespaces and processes end with the keeper, who notices the lab's death; cgroups are
/// what can remain when the keeper was killed as well.
///
/// # Errors
/// When the cgroups cannot be looked at.
pub fn sweep() -> Result<Vec<String>, WorldError> {
    match cgroup::own() {
        Ok(parent) => cgroup::sweep(&parent).map_err(WorldError::system("sweeping cgroups")),
        // Without cgroups there is nothing to sweep.
        Err(_) => Ok(Vec::new()),
    }
}

/// A standing world. Dropping it takes it down.
#[derive(Debug)]
pub struct World {
    keeper: Child,
    to_keeper: Channel,
    to_init: Channel,
    init: OwnedFd,
    network: OwnedFd,
    root: OwnedFd,
    cgroup: Option<OwnedFd>,
    ids: Ids,
    lacks: Vec<String>,
    next_id: u32,
    outcomes: HashMap<u32, Outcome>,
    parked: HashMap<u32, OwnedFd>,
    news: VecDeque<(News, Vec<OwnedFd>)>,
}

/// A process that waits before its `exec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its number in the world's commands.
    pub id: u32,
    /// Its process number as the lab sees it.
    pub pid: u32,
    /// Its start in nanoseconds of `CLOCK_BOOTTIME`, cut to 10 ms.
    pub start_ns: u64,
}

impl World {
    /// Builds a world. Takes a tenth of a second, and longer for much bait.
    ///
    /// # Errors
    /// The step that failed; then nothing is left of the world.
    pub fn create(plan: &Plan<'_>) -> Result<Self, WorldError> {
        let name = WorldName::fresh().map_err(WorldError::system("naming the world"))?;
        if !rustix::process::geteuid().is_root() {
            return Err(WorldError::Missing {
                what: "root".to_owned(),
                help: "run the lab as root: worlds of ordinary users are not built yet".to_owned(),
            });
        }
        let blueprint = blueprint(plan, &name)?;
        let (to_keeper, theirs) =
            Channel::pair().map_err(WorldError::system("channel of the keeper"))?;
        let program = plan.program.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        let keeper = Program::new(&program)
            .arg(KEEPER)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(WorldError::system(format!("starting {}", program.display())))?;
        let ids = blueprint.ids;
        let building = Building { keeper, to_keeper, ids };
        building.build(blueprint, plan)
    }

    /// The world's network namespace, which has no link until somebody joins one.
    #[must_use]
    pub fn network(&self) -> BorrowedFd<'_> {
        self.network.as_fd()
    }

    /// The cgroup of the subject's processes, and of nobody else's.
    #[must_use]
    pub fn cgroup(&self) -> Option<BorrowedFd<'_>> {
        self.cgroup.as_ref().map(AsFd::as_fd)
    }

    /// Process number of the world's first process, as the lab sees it.
    ///
    /// # Errors
    /// [`WorldError::Ended`].
    pub fn init_pid(&self) -> Result<u32, WorldError> {
        pid_of(&self.init)
    }

    /// The machine's number of the world's user 0.
    #[must_use]
    pub fn uid_base(&self) -> u32 {
        self.ids.outside(0)
    }

    /// What this machine could not give the world, one phrase each.
    #[must_use]
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// Whether something lies at a path of the world. Links are followed inside the world only.
    #[must_use]
    pub fn has_path(&self, path: &Path) -> bool {
        self.open(path).is_some()
    }

    /// Whether two paths of the world lead to the same file, as `/run` and `/var/run` do.
    #[must_use]
    pub fn is_same_file(&self, one: &Path, other: &Path) -> bool {
        let place = |path: &Path| {
            let file = self.open(path)?;
            let stat = rustix::fs::fstat(&file).ok()?;
            Some((stat.st_dev, stat.st_ino))
        };
        place(one).is_some_and(|found| place(other) == Some(found))
    }

    fn open(&self, path: &Path) -> Option<OwnedFd> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let (flags, mode) = (OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty());
        rustix::fs::openat2(&self.root, relative, flags, mode, ResolveFlags::IN_ROOT).ok()
    }

    /// Makes a process that has everything of the command but its program: it waits.
    ///
    /// # Errors
    /// [`WorldError::Refused`] when the user or folder does not exist in the world.
    pub fn park(&mut self, spawn: Spawn) -> Result<Parked, WorldError> {
        let user = users::look_up(self.root.as_fd(), &spawn.user).map_err(WorldError::Refused)?;
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let bytes = |text: &OsStr| ByteVec::from(text.as_bytes().to_vec());
        let pair =
            |(key, value): &(std::ffi::OsString, std::ffi::OsString)| (bytes(key), bytes(value));
        let command = Command {
            id,
            argv: spawn.argv.iter().map(|word| bytes(word)).collect(),
            environment: spawn.environment.iter().map(pair).collect(),
            uid: user.uid,
            gid: user.gid,
            groups: user.groups,
            folder: bytes(spawn.folder.as_os_str()),
        };
        let mut fds = vec![spawn.stdout.as_fd(), spawn.stderr.as_fd()];
        fds.extend(spawn.program.as_ref().map(AsFd::as_fd));
        self.order(&Order::Park(Box::new(command)), &fds)?;
        self.parked(id)
    }

    /// Lets a parked process run its program. How that goes is told by [`World::outcome`].
    ///
    /// # Errors
    /// [`WorldError::Ended`].
    pub fn release(&mut self, id: u32) -> Result<(), WorldError> {
        self.order(&Order::Release(id), &[])
    }

    /// How a process ended, if it does within `patience`.
    ///
    /// # Errors
    /// [`WorldError::Ended`].
    pub fn outcome(&mut self, id: u32, patience: Duration) -> Result<Option<Outcome>, WorldError> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(outcome) = self.outcomes.remove(&id) {
                self.parked.remove(&id);
                return Ok(Some(outcome));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.hear(left)? {
                return Ok(None);
            }
        }
    }

    /// Sends a signal to the process itself. One that has ended is left alone.
    ///
    /// # Errors
    /// When the number is no signal.
    pub fn signal(&mut self, id: u32, signal: i32) -> Result<(), WorldError> {
        let unknown = || WorldError::Unknown { field: "signal", found: signal.to_string() };
        let signal = Signal::from_named_raw(signal).ok_or_else(unknown)?;
        match self.parked.get(&id) {
            Some(pidfd) => match rustix::process::pidfd_send_signal(pidfd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
                Err(error) => Err(WorldError::system("pidfd_send_signal")(error.into())),
            },
            None => Ok(()),
        }
    }

    /// Kills every process of the subject, those that hid in sessions of their own as well.
    ///
    /// # Errors
    /// When one does not go.
    pub fn kill_rest(&mut self) -> Result<(), WorldError> {
        self.order(&Order::KillRest, &[])?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let place = self.news.iter().position(|(news, _)| matches!(news, News::Alone { .. }));
            if let Some((News::Alone { left }, _)) = place.and_then(|place| self.news.remove(place))
            {
                return if left {
                    Err(WorldError::Refused("a process does not die".to_owned()))
                } else {
                    Ok(())
                };
            }
            if !self.hear(deadline.saturating_duration_since(Instant::now()))? {
                return Err(WorldError::Refused("the world does not answer".to_owned()));
            }
        }
    }

    /// Tells how the world's files differ from those before its start.
    ///
    /// # Errors
    /// [`WorldError::Ended`].
    pub fn difference(&mut self, sink: &mut dyn FnMut(What)) -> Result<Comparison, WorldError> {
        self.to_keeper
            .send(&ToKeeper::Compare, &[])
            .map_err(WorldError::system("asking the keeper"))?;
        loop {
            match from_keeper(&self.to_keeper)? {
                (FromKeeper::Differs(what), _) => sink(*what),
                (FromKeeper::Compared(comparison), _) => return Ok(comparison),
                (FromKeeper::Failed { step, cause }, _) => {
                    return Err(WorldError::Step { step, cause });
                }
                (FromKeeper::WantsMaps | FromKeeper::Built { .. }, _) => {
                    return Err(WorldError::Ended);
                }
            }
        }
    }

    /// Takes the world down and waits until nothing is left of it.
    ///
    /// # Errors
    /// When the keeper does not end in time; it goes on by itself.
    pub fn end(mut self) -> Result<(), WorldError> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), WorldError> {
        // The keeper ends when it cannot hear the lab any more.
        if let Ok((unheard, _)) = Channel::pair() {
            drop(std::mem::replace(&mut self.to_keeper, unheard));
        }
        wait_for(&mut self.keeper)
    }

    fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<(), WorldError> {
        self.to_init.send(order, fds).map_err(|_| WorldError::Ended)
    }

    fn parked(&mut self, id: u32) -> Result<Parked, WorldError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mine = |(news, _): &(News, Vec<OwnedFd>)| match news {
                News::Parked(parked) => *parked == id,
                News::Refused { id: refused, .. } => *refused == id,
                _ => false,
            };
            match self.news.iter().position(mine).and_then(|place| self.news.remove(place)) {
                Some((News::Refused { text, .. }, _)) => return Err(WorldError::Refused(text)),
                Some((_, fds)) => return self.introduce(id, fds),
                None => {}
            }
            if !self.hear(deadline.saturating_duration_since(Instant::now()))? {
                return Err(WorldError::Refused("the world does not answer".to_owned()));
            }
        }
    }

    fn introduce(&mut self, id: u32, fds: Vec<OwnedFd>) -> Result<Parked, WorldError> {
        let pidfd = fds.into_iter().next().ok_or(WorldError::Ended)?;
        let pid = pid_of(&pidfd)?;
        let start_ns = start_of(pid).ok_or(WorldError::Ended)?;
        self.parked.insert(id, pidfd);
        Ok(Parked { id, pid, start_ns })
    }

    /// Takes one piece of news in, if there is one in time.
    fn hear(&mut self, patience: Duration) -> Result<bool, WorldError> {
        let mut ready = [PollFd::new(&self.to_init, PollFlags::IN)];
        let patience = Timespec::try_from(patience).map_err(|_| WorldError::Ended)?;
        let polled = rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, Some(&patience)));
        if polled.map_err(|error| WorldError::system("poll")(error.into()))? == 0 {
            return Ok(false);
        }
        let received =
            self.to_init.receive::<News>().map_err(WorldError::system("the world's news"))?;
        match received.ok_or(WorldError::Ended)? {
            (News::Ended { id, end }, _) => {
                self.outcomes.insert(id, outcome(end));
            }
            other => self.news.push_back(other),
        }
        Ok(true)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whoever wants to know calls `end`.
        let _ = self.take_down();
    }
}

/// A keeper that has not built anything yet.
struct Building {
    keeper: Child,
    to_keeper: Channel,
    ids: Ids,
}

impl Building {
    fn build(mut self, blueprint: Blueprint, plan: &Plan<'_>) -> Result<World, WorldError> {
        let layer = plan.layer.descriptor();
        self.to_keeper
            .send(&ToKeeper::Build(Box::new(blueprint)), &[layer])
            .map_err(WorldError::system("telling the keeper"))?;
        let built = from_keeper(&self.to_keeper);
        match built {
            Ok((FromKeeper::Built { user_namespace, cgroup, lacks }, fds)) => {
                self.raise(user_namespace, cgroup, lacks, fds)
            }
            Ok((FromKeeper::Failed { step, cause }, _)) => {
                let _ = wait_for(&mut self.keeper);
                Err(WorldError::Step { step, cause })
            }
            Ok(_) => Err(WorldError::Ended),
            Err(error) => Err(error),
        }
    }

    fn raise(
        self,
        user_namespace: bool,
        cgroup: bool,
        lacks: Vec<String>,
        fds: Vec<OwnedFd>,
    ) -> Result<World, WorldError> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or(WorldError::Ended);
        let (to_init, init, network, root) = (Channel::from(next()?), next()?, next()?, next()?);
        let _own_users = user_namespace.then(&mut next).transpose()?;
        let cgroup = cgroup.then(&mut next).transpose()?;
        let mut world = World {
            keeper: self.keeper,
            to_keeper: self.to_keeper,
            to_init,
            init,
            network,
            root,
            cgroup,
            ids: self.ids,
            lacks,
            next_id: 0,
            outcomes: HashMap::new(),
            parked: HashMap::new(),
            news: VecDeque::new(),
        };
        world.await_first()?;
        Ok(world)
    }
}

impl World {
    fn await_first(&mut self) -> Result<(), WorldError> {
        let deadline = Instant::now() + PATIENCE;
        while self.hear(deadline.saturating_duration_since(Instant::now()))? {
            match self.news.pop_front() {
                Some((News::Up, _)) => return Ok(()),
                Some((News::Failed { step, cause }, _)) => {
                    return Err(WorldError::Step { step, cause });
                }
                _ => {}
            }
        }
        Err(WorldError::Ended)
    }
}

fn blueprint(plan: &Plan<'_>, name: &WorldName) -> Result<Blueprint, WorldError> {
    let program = filter::program(&plan.privileges, &plan.traced_calls)?;
    let raw = |one: watchglass_sys::seccomp::Instruction| {
        (one.code, one.jump_true, one.jump_false, one.operand)
    };
    Ok(Blueprint {
        name: name.to_string(),
        ids: Ids::of_root(name.slot()),
        hostname: plan.hostname.clone(),
        boot_id: plan.boot_id.clone(),
        root: plan.root.root.clone(),
        limits: plan.limits,
        capabilities: capabilities::bounding(&plan.privileges.capabilities)?.bits(),
        filter: program.into_iter().map(raw).collect(),
        cgroup: cgroup::own().ok(),
    })
}

fn from_keeper(channel: &Channel) -> Result<(FromKeeper, Vec<OwnedFd>), WorldError> {
    let received =
        channel.receive::<FromKeeper>().map_err(WorldError::system("the keeper's answer"))?;
    received.ok_or(WorldError::Ended)
}

fn wait_for(keeper: &mut Child) -> Result<(), WorldError> {
    let deadline = Instant::now() + PATIENCE;
    while keeper.try_wait().map_err(WorldError::system("waiting for the keeper"))?.is_none() {
        if Instant::now() >= deadline {
            return Err(WorldError::Refused("the keeper does not end".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn outcome(end: End) -> Outcome {
    match end {
        End::Exited(code) => Outcome::Exited(code),
        End::Signalled(signal) => Outcome::Signalled(signal),
        End::NotStarted(why) => Outcome::NotStarted(why),
    }
}

/// `Pid:` of `/proc/self/fdinfo/FD`, which is the number in the reader's own pid namespace.
fn pid_of(pidfd: &OwnedFd) -> Result<u32, WorldError> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(&path).map_err(WorldError::system(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    line.and_then(|pid| pid.trim().parse().ok()).ok_or(WorldError::Ended)
}

/// Field 22 of `/proc/PID/stat`, in clock ticks of 10 ms.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    ticks.checked_mul(10_000_000)
}
