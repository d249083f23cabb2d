//! The walls, one step each, in the order in which they can be built.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use thiserror::Error;
use watchglass_sys::attempt::Attempt;
use watchglass_sys::landlock::{self, Ruleset};
use watchglass_sys::namespace;
use watchglass_sys::seccomp::{self, Instruction};

use crate::held::{Held, Mechanism};
use crate::role::{Condition, Role, Rule};

/// A wall that every machine has, and that could not be built. The caller must not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JailError {
    /// `no_new_privs` was refused.
    #[error("giving up new privileges")]
    NoNewPrivileges(#[source] io::Error),
    /// Capabilities could not be dropped.
    #[error("dropping capabilities")]
    Capabilities(#[source] io::Error),
    /// A limit of the process was refused.
    #[error("limiting {what}")]
    Limit {
        /// What it limits.
        what: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The table makes no filter: a defect of this crate.
    #[error("making the filter of {role}: {says}")]
    Table {
        /// Whose table.
        role: &'static str,
        /// What is wrong with it.
        says: String,
    },
    /// The filter was not taken.
    #[error("installing the filter of system calls")]
    Filter(#[source] io::Error),
    /// A call came through to the kernel that the role does not have.
    #[error("the jail of {role} has a hole: {call} answered \"{answer}\"")]
    Hole {
        /// Whose jail.
        role: &'static str,
        /// Which call.
        call: &'static str,
        /// What the kernel answered.
        answer: io::Error,
    },
}

/// Builds every wall of a role around the calling thread and what it will start, for good.
///
/// What a machine may lack (a network namespace, Landlock) is told in [`Held`]; the caller decides
/// whether the rest is enough. For all of a process to be held it must have one thread now.
///
/// # Errors
/// [`JailError`] for what every machine has, and for a call that comes through all the same. The
/// process is then held in part, and must end.
pub fn confine(role: &Role) -> Result<Held, JailError> {
    build(role, || (), seccomp::install)
}

/// The same, with threads that `start` starts before the last wall, which refuses to start any. Every
/// other wall stands around them from their start, the last is built around all threads of this process.
///
/// # Errors
/// As [`confine`].
pub fn confine_with_threads(role: &Role, start: impl FnOnce()) -> Result<Held, JailError> {
    build(role, start, seccomp::install_for_all_threads)
}

fn build(
    role: &Role,
    start: impl FnOnce(),
    install: fn(&[Instruction]) -> io::Result<()>,
) -> Result<Held, JailError> {
    let filter = filter(role)?;
    let mut held = Held::default();
    // First: Landlock and the filter are then open to everybody, and no helper can undo them.
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| JailError::NoNewPrivileges(error.into()))?;
    if let Err(error) = leave_the_network() {
        held.missing.push((Mechanism::Network, error));
    }
    // After the namespaces, which need or give capabilities.
    drop_capabilities().map_err(JailError::Capabilities)?;
    match close_paths() {
        Ok(version) => held.landlock = Some(version),
        Err(error) => held.missing.push((Mechanism::Landlock, error)),
    }
    limit_process(role)?;
    start();
    // Last: it refuses the calls that the others are built with.
    install(&filter).map_err(JailError::Filter)?;
    held.refused = try_walls(role)?;
    Ok(held)
}

/// Makes each call that no role has, from inside: what was built is seen to hold, in this very
/// process, before it does anything else. How many were refused. Costs some microseconds.
///
/// The arguments are such that no call can succeed, and that for most of them the kernel's own answer
/// would not be `EPERM`.
fn try_walls(role: &Role) -> Result<usize, JailError> {
    for call in Attempt::ALL {
        let answer = call.answer();
        if answer.raw_os_error() != Some(libc::EPERM) {
            return Err(JailError::Hole { role: role.name, call: call.name(), answer });
        }
    }
    Ok(Attempt::ALL.len())
}

/// An empty network namespace. Root makes it directly; everybody else needs a user namespace around
/// it, which a process of several threads cannot enter.
fn leave_the_network() -> io::Result<()> {
    namespace::unshare(UnshareFlags::NEWNET)
        .or_else(|_| namespace::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET))
}

fn drop_capabilities() -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    for bit in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        // Beyond the last one that this kernel has: `EINVAL`. Without `CAP_SETPCAP`: `EPERM`, and
        // then no new privilege can come from the set either, as `no_new_privs` is set.
        match rustix::thread::capability_is_in_bounding_set(one) {
            Ok(true) => match rustix::thread::remove_capability_from_bounding_set(one) {
                Ok(()) | Err(rustix::io::Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            },
            Ok(false) => {}
            Err(_) => break,
        }
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(rustix::thread::set_capabilities(None, none)?)
}

/// Landlock that handles everything and gives nothing back.
fn close_paths() -> io::Result<u32> {
    let version = landlock::version()?;
    Ruleset::of_everything()?.restrict()?;
    Ok(version)
}

fn limit_process(role: &Role) -> Result<(), JailError> {
    let limit =
        |what| move |error: rustix::io::Errno| JailError::Limit { what, source: error.into() };
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // A dump would hold what was scanned.
    setrlimit(Resource::Core, none).map_err(limit("core dumps"))?;
    for wanted in role.limits {
        // It may have been given less by whoever started it.
        let had = getrlimit(wanted.resource);
        let least = |had: Option<u64>| Some(had.map_or(wanted.most, |had| had.min(wanted.most)));
        let most = Rlimit { current: least(had.current), maximum: least(had.maximum) };
        setrlimit(wanted.resource, most).map_err(limit(wanted.what))?;
    }
    // Who is killed takes this with it, whatever still waits in a channel between them. Not earlier: the
    // kernel forgets it when a process gets capabilities, as in a user namespace.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(limit("its life without the thread that started it"))?;
    // Nobody of the same user reads its memory or takes its descriptors.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(limit("who may look into it"))
}

/// The table as a program for the kernel. Another architecture's calls end the process.
fn filter(role: &Role) -> Result<Vec<Instruction>, JailError> {
    let wrong = |says: String| JailError::Table { role: role.name, says };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for rule in role.calls() {
        let condition = condition(rule).map_err(|error| wrong(error.to_string()))?;
        rules.entry(rule.number).or_default().extend(condition);
    }
    let architecture = std::env::consts::ARCH.try_into();
    let architecture =
        architecture.map_err(|_| wrong("an architecture without tables".to_owned()))?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture);
    let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
    let program = program.map_err(|error| wrong(error.to_string()))?;
    Ok(program.iter().map(as_instruction).collect())
}

/// The rule of seccompiler; none for a call whose arguments do not matter.
fn condition(rule: &Rule) -> Result<Option<SeccompRule>, seccompiler::BackendError> {
    let (argument, operator, value) = match rule.when {
        Condition::Any => return Ok(None),
        Condition::Is(argument, value) => (argument, SeccompCmpOp::Eq, value),
        Condition::Without(argument, bits) => (argument, SeccompCmpOp::MaskedEq(bits), 0),
        Condition::OwnProcess => (0, SeccompCmpOp::Eq, u64::from(std::process::id())),
    };
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?;
    SeccompRule::new(vec![condition]).map(Some)
}

fn as_instruction(one: &seccompiler::sock_filter) -> Instruction {
    Instruction { code: one.code, jump_true: one.jt, jump_false: one.jf, operand: one.k }
}
