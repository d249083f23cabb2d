//! Whose rights this process has over users.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{DumpableBehavior, WaitOptions};
use rustix::thread::UnshareFlags;
use watchglass_sys::namespace;
use watchglass_sys::process::{Fork, fork};

use crate::WorldError;
use crate::ids::RANGE;

/// Whether this process is the machine's root, and not that of a user namespace.
#[must_use]
pub fn is_root_of_machine() -> bool {
    rustix::process::geteuid().is_root() && mapped_users() == u64::from(u32::MAX)
}

/// Whether this process is root of a user namespace with a range to give away.
pub(crate) fn has_range() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    is_root && !is_root_of_machine() && mapped_users() > u64::from(RANGE)
}

/// Whether this process's namespace has one user alone.
pub(crate) fn is_single_user() -> bool {
    mapped_users() == 1
}

/// An ordinary user with a range of users in `/etc/subuid` and `/etc/subgid` becomes root of a user
/// namespace with that range. Only from there can the files and descriptors of a world's users be
/// looked at, who are other users than the lab's. `false`: there is no range, or no need.
///
/// The process must have one thread.
///
/// # Errors
/// [`WorldError::System`] when the kernel or newuidmap(1) refuses. The process then still is who it
/// was and can go on without a range.
pub fn enter_range_of_users() -> Result<bool, WorldError> {
    if rustix::process::geteuid().is_root() || crate::world::range_of_users().is_err() {
        return Ok(false);
    }
    enter().map_err(WorldError::system("a user namespace with a range of users"))
}

fn enter() -> io::Result<bool> {
    let lab = std::process::id();
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let (inside, is_inside) = rustix::pipe::pipe()?;
    let child = match fork()? {
        Fork::Parent(child) => child,
        Fork::Child => {
            // Only a process outside may ask newuidmap(1) for a range.
            drop(is_inside);
            let entered = rustix::io::read(&inside, &mut [0; 1]);
            let mapped = matches!(entered, Ok(1)) && crate::world::give_range(lab).is_ok();
            std::process::exit(i32::from(!mapped))
        }
    };
    drop(inside);
    let entered = namespace::unshare(UnshareFlags::NEWUSER)
        .and_then(|()| Ok(rustix::io::write(&is_inside, &[1]).map(drop)?));
    drop(is_inside);
    let waited = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    entered?;
    // New credentials hide a process from itself.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    if waited.is_none_or(|(_, status)| status.exit_status() != Some(0)) {
        remain(user, group)?;
        return Err(io::Error::other("newuidmap and newgidmap refuse the range"));
    }
    Ok(true)
}

/// There is no way back out of a user namespace, and without a map this process would be nobody
/// there: it is mapped to who it was.
fn remain(user: u32, group: u32) -> io::Result<()> {
    let itself = |id: u32| format!("{id} {id} 1");
    let files =
        [("uid_map", itself(user)), ("setgroups", "deny".to_owned()), ("gid_map", itself(group))];
    for (file, text) in files {
        let written = fs::write(Path::new("/proc/self").join(file), text);
        // One of the two tools may have written its map before the other refused.
        if let Err(error) = written
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            return Err(error);
        }
    }
    Ok(())
}

/// How many users this process's namespace has; user_namespaces(7).
fn mapped_users() -> u64 {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let count = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    map.lines().filter_map(count).sum()
}
