//! The subject's user namespace.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions};
use rustix::thread::{Uid, UnshareFlags};
use watchglass_sys::namespace;
use watchglass_sys::process::{Fork, fork};

use crate::ids::{Ids, Keeper};
use crate::messages::{AtStep, Blueprint, Failure};

/// Makes the namespace through a short-lived child and returns it. The keeper itself stays outside.
pub(crate) fn create(blueprint: &Blueprint) -> Result<OwnedFd, Failure> {
    let step = "the subject's user namespace";
    let (made_read, made_write) = rustix::pipe::pipe().at(step)?;
    let (done_read, done_write) = rustix::pipe::pipe().at(step)?;
    let child = match fork().at(step)? {
        Fork::Parent(child) => child,
        Fork::Child => {
            drop((made_read, done_write));
            let made = found(blueprint).is_ok();
            let _ = rustix::io::write(&made_write, &[u8::from(made)]);
            let _ = rustix::io::read(&done_read, &mut [0; 1]);
            std::process::exit(0);
        }
    };
    drop((made_write, done_read));
    let namespace = describe(&made_read, child, blueprint.ids).at(step);
    drop(done_write);
    let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
    namespace
}

/// The child's part. The kernel remembers who makes a user namespace and their limit on processes,
/// and holds all users of the namespace together to it (`enforced_nproc_rlimit` in
/// kernel/user_namespace.c, Linux ≥ 5.14). It does not for the machine's root, so the maker becomes
/// the user who will be the world's root. Without this each of the world's 65,536 users would have
/// the limit anew, since the machine may have no cgroup controller for processes.
fn found(blueprint: &Blueprint) -> io::Result<()> {
    let ids = blueprint.ids;
    let processes = Some(blueprint.limits.processes);
    let maximum = rustix::process::getrlimit(Resource::Nproc).maximum;
    let current = processes.map(|wanted| maximum.map_or(wanted, |most| wanted.min(most)));
    rustix::process::setrlimit(Resource::Nproc, Rlimit { current, maximum })?;
    if ids.keeper == Keeper::Root {
        let root = Uid::from_raw(ids.outside(0));
        rustix::thread::set_thread_res_uid(root, root, Uid::ROOT)?;
        // The saved user 0 kept the permitted set; the effective set went with the effective user.
        let mut sets = rustix::thread::capabilities(None)?;
        sets.effective = sets.permitted;
        rustix::thread::set_capabilities(None, sets)?;
    }
    namespace::unshare(UnshareFlags::NEWUSER)
}

fn describe(made: &OwnedFd, child: Pid, ids: Ids) -> io::Result<OwnedFd> {
    let mut answer = [0; 1];
    if rustix::io::read(made, &mut answer)? != 1 || answer != [1] {
        return Err(io::Error::other("the kernel refuses one"));
    }
    let folder = format!("/proc/{}", child.as_raw_nonzero());
    if ids.count == 1 {
        // Without a range the kernel asks that groups cannot be changed at all.
        fs::write(format!("{folder}/setgroups"), "deny")?;
    }
    let map = format!("0 {} {}", ids.outside(0), ids.count);
    fs::write(format!("{folder}/uid_map"), &map)?;
    fs::write(format!("{folder}/gid_map"), &map)?;
    let path = format!("{folder}/ns/user");
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
