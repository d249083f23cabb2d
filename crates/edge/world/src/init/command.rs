//! A process between `fork` and `exec`.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;

use rustix::fs::{Gid, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};
use watchglass_sys::process::{close_on_exec_from, unblock_signals};
use watchglass_sys::seccomp::{self, Instruction};

use super::Start;
use crate::capabilities;
use crate::cgroup;
use crate::ids::Keeper;
use crate::in_place;
use crate::messages::{AtStep, Blueprint, Command, Failure};

/// Told to a parked process to let it go.
pub(super) const GO: u8 = b'G';
/// Told by a process that is parked.
const PARKED: u8 = b'P';
/// Exit code of a process that could not start; the lab is told the reason instead.
const NOT_STARTED: i32 = 127;
/// Longest reason.
const MAX_REASON_BYTES: usize = 1024;

/// The socket between the first process and a parked one; `exec` closes it.
pub(super) fn gate() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Waits until the process is parked.
pub(super) fn await_parked(gate: &OwnedFd) -> Result<(), Failure> {
    let mut answer = [0; MAX_REASON_BYTES];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(gate, &mut answer)).at("parking")?;
    match answer.get(..length) {
        Some([PARKED]) => Ok(()),
        Some([]) | None => Err("the process died").at("parking"),
        Some(reason) => Err(String::from_utf8_lossy(reason)).at("parking"),
    }
}

/// Why a process that has ended never became its program; `None` when it did.
pub(super) fn start_error(gate: &OwnedFd) -> Option<String> {
    let mut answer = [0; MAX_REASON_BYTES];
    match rustix::io::read(gate, &mut answer) {
        Ok(length) if length > 0 => {
            Some(String::from_utf8_lossy(answer.get(..length)?).into_owned())
        }
        _ => None,
    }
}

/// Turns this process into the command. What can fail is told through the gate.
pub(super) fn become_it(start: &Start, command: &Command, fds: Vec<OwnedFd>, gate: &OwnedFd) -> ! {
    let failure = match enter(start, command, fds, gate) {
        Ok(Kept { program, channel: _channel }) => run(&start.blueprint, command, program),
        Err(failure) => failure,
    };
    let reason = if failure.step.is_empty() {
        failure.cause
    } else {
        format!("{}: {}", failure.step, failure.cause)
    };
    let bytes = reason.as_bytes();
    let _ = rustix::io::write(gate, &bytes[..bytes.len().min(MAX_REASON_BYTES)]);
    std::process::exit(NOT_STARTED);
}

/// Descriptors that the program is started with or from.
struct Kept {
    program: Option<OwnedFd>,
    channel: Option<OwnedFd>,
}

/// Everything before the wait, in this order: the cgroup while we may still write to it, the
/// namespace, then limits and identity in it.
fn enter(
    start: &Start,
    command: &Command,
    fds: Vec<OwnedFd>,
    gate: &OwnedFd,
) -> Result<Kept, Failure> {
    let blueprint = &start.blueprint;
    let Some(users) = &start.users else { return enter_in_place(start, command, fds, gate) };
    if let Some(members) = &start.members {
        cgroup::join(members).at("joining the cgroup")?;
    }
    rustix::process::setsid().at("setsid")?;
    let program = take_streams(blueprint, command, fds)?;
    limit(blueprint)?;
    rustix::thread::move_into_link_name_space(users.as_fd(), Some(LinkNameSpaceType::User))
        .at("joining the user namespace")?;
    drop_capabilities(blueprint)?;
    become_user(blueprint, command)?;
    rustix::process::chdir(OsStr::from_bytes(&command.folder))
        .at(format!("folder {}", String::from_utf8_lossy(&command.folder)))?;
    keep_for_the_filter_only()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    if blueprint.ids.keeper == Keeper::Ordinary {
        // The memory counts as the machine's, from before the namespaces: only this lets a tracer
        // of an ordinary user attach. The subject cannot: this process holds a capability that no
        // process of the subject has (`cap_ptrace_access_check`, security/commoncap.c).
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).at("dumpable")?;
    }
    unblock_signals().at("signals")?;
    close_on_exec_from(3).at("close_range")?;
    wait_at(gate)?;
    Ok(Kept { program, channel: None })
}

/// The same without namespaces: the user stays the lab's own, without capabilities.
fn enter_in_place(
    start: &Start,
    command: &Command,
    fds: Vec<OwnedFd>,
    gate: &OwnedFd,
) -> Result<Kept, Failure> {
    rustix::process::setsid().at("setsid")?;
    let program = take_streams(&start.blueprint, command, fds)?;
    limit(&start.blueprint)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).at("capset")?;
    let folder = OsStr::from_bytes(&command.folder);
    let folder = start.root.join(std::path::Path::new(folder).strip_prefix("/").at("folder")?);
    rustix::process::chdir(&folder).at(format!("folder {}", folder.display()))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // For the tracer, as above.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).at("dumpable")?;
    unblock_signals().at("signals")?;
    close_on_exec_from(3).at("close_range")?;
    let channel = start.channel.as_ref().map(in_place::place_channel).transpose().at("channel")?;
    wait_at(gate)?;
    // After the wait: the tracer attaches to a process that Landlock does not yet hold.
    rustix::thread::set_no_new_privs(true).at("PR_SET_NO_NEW_PRIVS")?;
    in_place::restrict(&start.root, program.as_ref()).at("Landlock")?;
    Ok(Kept { program, channel })
}

/// Standard input stays `/dev/null`. The pipes are given to the user, so that opening
/// `/dev/stdout` works as it does on a terminal.
fn take_streams(
    blueprint: &Blueprint,
    command: &Command,
    fds: Vec<OwnedFd>,
) -> Result<Option<OwnedFd>, Failure> {
    let mut fds = fds.into_iter();
    let (Some(stdout), Some(stderr)) = (fds.next(), fds.next()) else {
        return Err("descriptors are missing").at("standard streams");
    };
    let uid = Uid::from_raw(blueprint.ids.outside(command.uid));
    for stream in [&stdout, &stderr] {
        let stat = rustix::fs::fstat(stream).at("standard streams")?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo {
            // An ordinary user cannot give pipes away; then it stays as it is.
            let _ = rustix::fs::fchown(stream, Some(uid), None);
        }
    }
    rustix::stdio::dup2_stdout(&stdout).at("standard output")?;
    rustix::stdio::dup2_stderr(&stderr).at("standard error")?;
    Ok(fds.next())
}

fn limit(blueprint: &Blueprint) -> Result<(), Failure> {
    let limits = blueprint.limits;
    lower(Resource::Nproc, limits.processes).at("limit of processes")?;
    lower(Resource::Nofile, limits.open_files).at("limit of open files")?;
    // One byte, not none: a core that is too small is not written, and the kernel takes exactly 1
    // as "do not start the machine's core handler either" (fs/coredump.c). With 0 it would start.
    lower(Resource::Core, 1).at("limit of cores")
}

fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let most = rustix::process::getrlimit(resource).maximum;
    let value = Some(most.map_or(wanted, |most| wanted.min(most)));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: value, maximum: value })?)
}

fn drop_capabilities(blueprint: &Blueprint) -> Result<(), Failure> {
    let kept = CapabilitySet::from_bits_retain(blueprint.capabilities);
    for capability in capabilities::others(kept) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel does not have so many.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error).at("bounding set"),
        }
    }
    rustix::thread::clear_ambient_capability_set().at("ambient set")
}

/// Numbers are the world's own: this process is in its user namespace.
fn become_user(blueprint: &Blueprint, command: &Command) -> Result<(), Failure> {
    if blueprint.ids.count > 1 {
        let groups: Vec<_> = command.groups.iter().copied().map(Gid::from_raw).collect();
        rustix::thread::set_thread_groups(&groups).at("setgroups")?;
    }
    let (gid, uid) = (Gid::from_raw(command.gid), Uid::from_raw(command.uid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).at(format!("group {}", command.gid))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).at(format!("user {}", command.uid))
}

/// `CAP_SYS_ADMIN` in the namespace stays for the filter. `exec` takes it: root gets the bounding
/// set, which does not have it unless the product file asks, and others get nothing.
fn keep_for_the_filter_only() -> Result<(), Failure> {
    let permitted = CapabilitySet::SYS_ADMIN;
    let sets =
        CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).at("capset")
}

fn wait_at(gate: &OwnedFd) -> Result<(), Failure> {
    rustix::io::write(gate, &[PARKED]).at("parking")?;
    let mut answer = [0; 1];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(gate, &mut answer)).at("parking")?;
    if (length, answer) == (1, [GO]) { Ok(()) } else { Err("the world ends").at("parking") }
}

/// The filter comes after the wait: a tracer attaches during the wait, and a traced call without a
/// tracer would fail.
fn run(blueprint: &Blueprint, command: &Command, program: Option<OwnedFd>) -> Failure {
    let filter: Vec<_> = blueprint.filter.iter().copied().map(instruction).collect();
    if let Err(error) = seccomp::install(&filter) {
        return Failure { step: "seccomp".to_owned(), cause: error.to_string() };
    }
    let argv: Vec<_> = command.argv.iter().map(|argument| OsStr::from_bytes(argument)).collect();
    let Some((name, arguments)) = argv.split_first() else {
        return Failure { step: String::new(), cause: "the command is empty".to_owned() };
    };
    let path = program.as_ref().map(|program| format!("/proc/self/fd/{}", program.as_raw_fd()));
    let file = path.as_deref().map_or(*name, OsStr::new);
    let environment = command.environment.iter();
    let error = std::process::Command::new(file)
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(environment.map(|(key, value)| (OsStr::from_bytes(key), OsStr::from_bytes(value))))
        .exec();
    Failure { step: name.to_string_lossy().into_owned(), cause: error.to_string() }
}

fn instruction((code, jump_true, jump_false, operand): (u16, u8, u8, u32)) -> Instruction {
    Instruction { code, jump_true, jump_false, operand }
}
