//! The world's first process.
//!
//! It is process 1 of the world's pid namespace and stays in the user namespace outside, as the
//! keeper's user: nobody inside can signal it, trace it or look into its memory. It has one thread,
//! never runs another program, reads nothing that the subject writes, and collects the exits of
//! processes whose parents are gone. When its channel closes it ends, and the kernel kills every
//! other process of the namespace with it.

mod command;
mod view;

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};
use watchglass_sys::process::{Fork, child_exits, fork, signal_everyone_else};

use crate::messages::{AtStep, Blueprint, Command, End, Failure, News, Order};
use crate::wire::Channel;
use crate::world::descendants;

/// What the first process is given.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) blueprint: Blueprint,
    /// The subject's user namespace; none in place.
    pub(crate) users: Option<OwnedFd>,
    /// Member file of the subject's cgroup.
    pub(crate) members: Option<OwnedFd>,
    /// In place: the subject's end of the channel through which it sends its sockets.
    pub(crate) channel: Option<OwnedFd>,
    /// Where the world's root is mounted.
    pub(crate) root: PathBuf,
}

/// Runs the first process to the end of the world.
pub(crate) fn run(channel: Channel, start: &Start) -> ! {
    let mut init = match prepare(start) {
        Ok(exits) => Init { channel, start, exits, children: Vec::new() },
        Err(Failure { step, cause }) => {
            let _ = channel.send(&News::Failed { step, cause }, &[]);
            std::process::exit(1);
        }
    };
    // Any error here means that the lab is gone: so ends the world.
    let _ = init.channel.send(&News::Up, &[]).and_then(|()| init.work());
    std::process::exit(0);
}

fn prepare(start: &Start) -> Result<OwnedFd, Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).at("death signal")?;
    rustix::thread::set_name(c"init").at("name of the first process")?;
    replace_standard_streams()?;
    // When memory runs out, the kernel is to take it from the world. The children inherit this.
    std::fs::write("/proc/self/oom_score_adj", "1000").at("oom_score_adj")?;
    if start.users.is_none() {
        return prepare_in_place();
    }
    view::enter(start)?;
    // Again, now that it is the world's own: the children show it as their standard input.
    replace_standard_streams()?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).at("dumpable")?;
    child_exits().at("signalfd")
}

/// In place the first process is one of the machine's: it adopts the orphans among its descendants.
fn prepare_in_place() -> Result<OwnedFd, Failure> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).at("subreaper")?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).at("dumpable")?;
    child_exits().at("signalfd")
}

/// Standard input is the lab's channel to the keeper, which must not stay open here.
fn replace_standard_streams() -> Result<(), Failure> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()).at("/dev/null")?;
    rustix::stdio::dup2_stdin(&null).at("/dev/null")?;
    rustix::stdio::dup2_stdout(&null).at("/dev/null")?;
    rustix::stdio::dup2_stderr(&null).at("/dev/null")
}

struct Init<'a> {
    channel: Channel,
    start: &'a Start,
    exits: OwnedFd,
    children: Vec<Child>,
}

/// A process that the lab asked for.
struct Child {
    id: u32,
    pid: Pid,
    /// Through this the process is let go, and tells why it could not start.
    gate: OwnedFd,
}

impl Init<'_> {
    fn work(&mut self) -> std::io::Result<()> {
        loop {
            let mut ready = [
                PollFd::new(&self.channel, PollFlags::IN),
                PollFd::new(&self.exits, PollFlags::IN),
            ];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, None))?;
            let (order, exit) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            if exit {
                // One record of 128 bytes for any number of exits.
                let _ = rustix::io::read(&self.exits, &mut [0; 128]);
                while self.collect()? == Collected::One {}
            }
            if order && !self.obey()? {
                return Ok(());
            }
        }
    }

    /// Does what the lab orders; `false` when the lab is gone.
    fn obey(&mut self) -> std::io::Result<bool> {
        let Some((order, fds)) = self.channel.receive::<Order>()? else { return Ok(false) };
        match order {
            Order::Park(command) => self.park(&command, fds)?,
            Order::Release(id) => {
                if let Some(child) = self.children.iter().find(|child| child.id == id) {
                    // A process that has died meanwhile is reported by its exit.
                    let _ = rustix::io::write(&child.gate, &[command::GO]);
                }
            }
            Order::KillRest => self.kill_rest()?,
        }
        Ok(true)
    }

    fn park(&mut self, command: &Command, fds: Vec<OwnedFd>) -> std::io::Result<()> {
        match self.make_child(command, fds) {
            Ok((child, pidfd)) => {
                self.channel.send(&News::Parked(child.id), &[pidfd.as_fd()])?;
                self.children.push(child);
                Ok(())
            }
            Err(Failure { step, cause }) => {
                let text = format!("{step}: {cause}");
                self.channel.send(&News::Refused { id: command.id, text }, &[])
            }
        }
    }

    fn make_child(
        &self,
        command: &Command,
        fds: Vec<OwnedFd>,
    ) -> Result<(Child, OwnedFd), Failure> {
        let (gate, childs_gate) = command::gate().at("socketpair")?;
        let pid = match fork().at("fork")? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                drop(gate);
                command::become_it(self.start, command, fds, &childs_gate);
            }
        };
        drop(childs_gate);
        // A process that refuses says so and exits; its exit is collected like an orphan's.
        command::await_parked(&gate)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).at("pidfd_open")?;
        Ok((Child { id: command.id, pid, gate }, pidfd))
    }

    /// Collects one exit, if there is one.
    fn collect(&mut self) -> std::io::Result<Collected> {
        let waited = match rustix::process::wait(WaitOptions::NOHANG) {
            Err(rustix::io::Errno::CHILD) => return Ok(Collected::NoChildren),
            waited => waited?,
        };
        let Some((pid, status)) = waited else { return Ok(Collected::NoneYet) };
        let Some(place) = self.children.iter().position(|child| child.pid == pid) else {
            return Ok(Collected::One);
        };
        let child = self.children.swap_remove(place);
        let end = command::start_error(&child.gate).map_or_else(|| end_of(status), End::NotStarted);
        self.channel.send(&News::Ended { id: child.id, end }, &[])?;
        Ok(Collected::One)
    }

    /// Kills until nobody is left. A process that forks without end cannot outrun this: the kernel
    /// holds its list of processes still while it signals, and a fork with a deadly signal pending
    /// fails. Thousands of processes take their time to go, so patience ends only when nobody does.
    fn kill_rest(&mut self) -> std::io::Result<()> {
        let longest = Instant::now() + KILL_LONGEST;
        let mut patience = Instant::now() + KILL_PATIENCE;
        let mut left = true;
        while left && Instant::now() < patience.min(longest) {
            // No process to signal is an answer that the next line finds out by itself.
            if self.start.users.is_some() {
                let _ = signal_everyone_else(Signal::KILL);
            } else {
                kill_descendants();
            }
            loop {
                match self.collect()? {
                    Collected::One if Instant::now() < longest => {
                        patience = Instant::now() + KILL_PATIENCE;
                    }
                    Collected::One | Collected::NoneYet => break,
                    Collected::NoChildren => {
                        left = false;
                        break;
                    }
                }
            }
            if left {
                std::thread::sleep(KILL_PAUSE);
            }
        }
        self.channel.send(&News::Alone { left }, &[])
    }
}

/// Whoever loses their parent becomes a child of this process, so nobody is missed for long.
///
/// A number may be another process's by the time of the signal, and without a pid namespace that
/// could be anybody's of the same user: each is held first, and only what is still a descendant then
/// is killed.
fn kill_descendants() {
    let held: Vec<(u32, OwnedFd)> = descendants(std::process::id())
        .into_iter()
        .filter_map(|number| {
            let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
            let process = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
            Some((number, process))
        })
        .collect();
    let still: HashSet<u32> = descendants(std::process::id()).into_iter().collect();
    for (_, process) in held.iter().filter(|(number, _)| still.contains(number)) {
        // One that has ended meanwhile needs no signal.
        let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
    }
}

#[derive(PartialEq, Eq)]
enum Collected {
    One,
    NoneYet,
    NoChildren,
}

fn end_of(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => End::Exited(-1),
    }
}

/// A process in an uninterruptible wait can take its time; nothing in the world should.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// Where one has to be killed after the other, whoever forks can outrun it.
const KILL_LONGEST: Duration = Duration::from_secs(60);
const KILL_PAUSE: Duration = Duration::from_millis(1);
