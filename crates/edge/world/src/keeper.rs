//! The keeper: builds a world, compares its files, and takes it down when the lab is gone.
//!
//! It runs outside the world's pid namespace, in a session of its own, so that neither the subject
//! nor a Ctrl-C in the lab's terminal reaches it. Its channel closes with the lab however the lab
//! ends; then the keeper kills the world's first process (and with it all others), removes the
//! cgroups and ends. Mounts and namespaces go with the last process that uses them.

mod fill;
mod network;
mod tree;
mod users;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use rustix::thread::UnshareFlags;
use watchglass_sys::namespace;
use watchglass_sys::process::{Fork, fork};

pub(crate) use fill::Writer;
pub(crate) use tree::{Compared, Piece, Tree, attach, tmpfs};

use crate::cgroup::Cgroups;
use crate::difference;
use crate::ids::{Ids, Keeper};
use crate::in_place;
use crate::init;
use crate::layer::Entries;
use crate::messages::{AtStep, Blueprint, Failure, FromKeeper, Root, ToKeeper};
use crate::wire::Channel;

/// Runs the keeper until the lab or the world is gone.
pub(crate) fn run(channel: Channel) -> ExitCode {
    let mut holdings = Holdings::default();
    let raised = match prepare(&channel, &mut holdings) {
        Ok(Some(prepared)) => start(channel, prepared, &mut holdings),
        // The lab has gone before it said what to build.
        Ok(None) => return ExitCode::SUCCESS,
        Err(failure) => Err((channel, failure)),
    };
    match raised {
        Ok(started) => serve(&started, &holdings),
        Err((channel, Failure { step, cause })) => {
            // Clean up first: when the lab hears of the failure, nothing is left.
            holdings.let_go();
            let _ = channel.send(&FromKeeper::Failed { step, cause }, &[]);
        }
    }
    ExitCode::SUCCESS
}

/// What must be taken down again.
#[derive(Debug, Default)]
struct Holdings {
    init: Option<Pid>,
    cgroups: Option<Cgroups>,
    /// The folder of a world in place.
    folder: Option<PathBuf>,
}

impl Holdings {
    fn let_go(&mut self) {
        if let Some(init) = self.init.take() {
            let _ = rustix::process::kill_process(init, Signal::KILL);
            // It is our child, so its number is its own until here. The wait ends when every
            // process of the pid namespace is gone.
            let _ = rustix::io::retry_on_intr(|| {
                rustix::process::waitpid(Some(init), WaitOptions::empty())
            });
        }
        if let Some(cgroups) = self.cgroups.take() {
            let _ = cgroups.remove();
        }
        if let Some(folder) = self.folder.take() {
            let _ = in_place::remove(&folder);
        }
    }
}

/// A panic must not leave anything behind either.
impl Drop for Holdings {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A world without processes.
struct Prepared {
    first: init::Start,
    network: OwnedFd,
    own_users: Option<OwnedFd>,
    tree: Tree,
    lacks: Vec<String>,
}

fn prepare(channel: &Channel, holdings: &mut Holdings) -> Result<Option<Prepared>, Failure> {
    let received = channel.receive::<ToKeeper>().at("receiving the plan")?;
    let Some((ToKeeper::Build(blueprint), mut fds)) = received else { return Ok(None) };
    let layer = fds.pop().ok_or("it has no layer").at("receiving the plan")?;
    let mut entries = Entries::new(layer).at("reading the layer")?;
    rustix::process::setsid().at("setsid")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if let Root::InPlace(base) = blueprint.root.clone() {
        let channel = fds.pop();
        return prepare_in_place(*blueprint, &base, channel, &mut entries, holdings).map(Some);
    }
    let own_users = enter_user_namespace(channel, &blueprint)?;
    let (cgroups, lacks) = make_cgroups(&blueprint)?;
    holdings.cgroups = cgroups;
    let network = network::create(&blueprint)?;
    let users = users::create(&blueprint)?;
    enter_namespaces(holdings.cgroups.as_ref())?;
    rustix::system::sethostname(blueprint.hostname.as_bytes()).at("host name")?;
    let tree = tree::build(&blueprint, &users, &mut entries)?;
    let members = holdings.cgroups.as_ref().map(Cgroups::members).transpose().at("cgroup")?;
    let users = Some(users);
    let first = init::Start {
        blueprint: *blueprint,
        users,
        members,
        channel: None,
        root: tree.path.clone(),
    };
    Ok(Some(Prepared { first, network, own_users, tree, lacks }))
}

/// Without namespaces and cgroups: only the files are made.
fn prepare_in_place(
    blueprint: Blueprint,
    base: &Path,
    channel: Option<OwnedFd>,
    entries: &mut Entries,
    holdings: &mut Holdings,
) -> Result<Prepared, Failure> {
    holdings.folder = Some(base.to_owned());
    let tree = in_place::build(base, blueprint.ids, entries)?;
    let network = open_namespace("net")?;
    let first =
        init::Start { blueprint, users: None, members: None, channel, root: tree.path.clone() };
    let lacks = vec!["no namespaces, and no cgroup of its own".to_owned()];
    Ok(Prepared { first, network, own_users: None, tree, lacks })
}

/// A world with its first process.
struct Started {
    channel: Channel,
    ids: Ids,
    pieces: Vec<Compared>,
}

/// Forks the world's first process. It gets what it needs and nothing else: its copy of the lab's
/// channel would keep that channel open after the keeper's death.
fn start(
    channel: Channel,
    prepared: Prepared,
    holdings: &mut Holdings,
) -> Result<Started, (Channel, Failure)> {
    let (ours, theirs) = match Channel::pair().at("channel of the first process") {
        Ok(pair) => pair,
        Err(failure) => return Err((channel, failure)),
    };
    match fork().at("fork") {
        Ok(Fork::Parent(init)) => holdings.init = Some(init),
        Ok(Fork::Child) => {
            holdings.cgroups = None;
            holdings.folder = None;
            let Prepared { first, network, own_users, tree, .. } = prepared;
            drop((channel, ours, network, own_users, tree));
            init::run(theirs, &first);
        }
        Err(failure) => return Err((channel, failure)),
    }
    drop(theirs);
    let Prepared { first, network, own_users, tree, lacks } = prepared;
    let told = Told { first: ours.into(), network, root: tree.root, own_users, lacks };
    match tell_built(&channel, holdings, &told) {
        Ok(()) => Ok(Started { channel, ids: first.blueprint.ids, pieces: tree.pieces }),
        Err(failure) => Err((channel, failure)),
    }
}

/// What the lab is given.
struct Told {
    first: OwnedFd,
    network: OwnedFd,
    root: OwnedFd,
    own_users: Option<OwnedFd>,
    lacks: Vec<String>,
}

fn tell_built(channel: &Channel, holdings: &Holdings, told: &Told) -> Result<(), Failure> {
    let init = holdings.init.ok_or("it is gone").at("first process")?;
    let pidfd = rustix::process::pidfd_open(init, PidfdFlags::empty()).at("pidfd_open")?;
    let mut fds = vec![told.first.as_fd(), pidfd.as_fd(), told.network.as_fd(), told.root.as_fd()];
    fds.extend(told.own_users.as_ref().map(AsFd::as_fd));
    fds.extend(holdings.cgroups.as_ref().map(|cgroups| cgroups.subject.as_fd()));
    let message = FromKeeper::Built {
        user_namespace: told.own_users.is_some(),
        cgroup: holdings.cgroups.is_some(),
        lacks: told.lacks.clone(),
    };
    channel.send(&message, &fds).at("telling the lab")
}

/// An ordinary user becomes root of a namespace; the lab writes its maps, since only a process
/// outside may ask newuidmap(1) for a range.
fn enter_user_namespace(
    channel: &Channel,
    blueprint: &Blueprint,
) -> Result<Option<OwnedFd>, Failure> {
    if blueprint.ids.keeper == Keeper::Root {
        return Ok(None);
    }
    namespace::unshare(UnshareFlags::NEWUSER).at(
        "making a user namespace (ordinary users need them: see the settings \
         kernel.unprivileged_userns_clone, user.max_user_namespaces and \
         kernel.apparmor_restrict_unprivileged_userns)",
    )?;
    channel.send(&FromKeeper::WantsMaps, &[]).at("asking for the maps")?;
    match channel.receive::<ToKeeper>().at("waiting for the maps")? {
        Some((ToKeeper::Mapped, _)) => open_namespace("user").map(Some),
        _ => Err("the lab is gone").at("waiting for the maps"),
    }
}

/// An ordinary user often cannot make cgroups; the world does without, and says so.
fn make_cgroups(blueprint: &Blueprint) -> Result<(Option<Cgroups>, Vec<String>), Failure> {
    let made = match &blueprint.cgroup {
        Some(parent) => Cgroups::create(parent, &blueprint.name).map_err(|error| error.to_string()),
        None => Err("no cgroup2 is mounted".to_owned()),
    };
    match made {
        Ok(cgroups) => Ok((Some(cgroups), Vec::new())),
        Err(cause) if blueprint.ids.keeper == Keeper::Ordinary => {
            Ok((None, vec![format!("no cgroup of its own: {cause}")]))
        }
        Err(cause) => Err(cause).at("making the world's cgroup"),
    }
}

/// These namespaces belong to the user namespace we are in, not to the subject's: whatever
/// capabilities the subject gets count for nothing over them.
fn enter_namespaces(cgroups: Option<&Cgroups>) -> Result<(), Failure> {
    // The cgroup namespace begins at the cgroup of whoever makes it.
    let enter = || namespace::unshare(UnshareFlags::NEWCGROUP);
    match cgroups {
        Some(cgroups) => cgroups.visit(enter).at("cgroup namespace")?,
        None => enter().at("cgroup namespace")?,
    }
    let rest =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWPID;
    namespace::unshare(rest).at("mount, ipc, uts and pid namespaces")
}

fn serve(started: &Started, holdings: &Holdings) {
    let Started { channel, ids, pieces } = started;
    let Some(init) = holdings.init else { return };
    let Ok(pidfd) = rustix::process::pidfd_open(init, PidfdFlags::empty()) else { return };
    while let Next::Message = wait(channel, pidfd.as_fd()) {
        match channel.receive::<ToKeeper>() {
            Ok(Some((ToKeeper::Compare, _))) => {
                if difference::tell(channel, pieces, *ids).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

enum Next {
    Message,
    WorldEnded,
}

fn wait(channel: &Channel, init: BorrowedFd<'_>) -> Next {
    let mut ready =
        [PollFd::new(channel, PollFlags::IN), PollFd::from_borrowed_fd(init, PollFlags::IN)];
    let polled = rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, None));
    // A comparison is still possible after the world's end, so a message goes first; the lab's
    // channel also becomes readable when the lab goes.
    if polled.is_err() || !ready[0].revents().is_empty() {
        return Next::Message;
    }
    Next::WorldEnded
}

/// Opens a namespace of this process.
pub(crate) fn open_namespace(kind: &str) -> Result<OwnedFd, Failure> {
    let path = format!("/proc/self/ns/{kind}");
    rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).at(path)
}
