//! Roots of an ordinary user who has a range of users in `/etc/subuid` and `/etc/subgid`.
//!
//! The helper becomes root of a namespace that has the user as 0 and the range after it, as the
//! keeper of a world is: there it may change and remove what belongs to the range. mmdebstrap runs
//! in a second namespace below, which has the range alone, so that what it makes belongs to the
//! users of a world.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, WaitOptions};
use rustix::thread::{Gid, Uid, UnshareFlags};
use watchglass_sys::namespace;
use watchglass_sys::process::{Fork, fork};

use crate::RootError;
use crate::ids::RANGE;

/// Where the root lies for mmdebstrap, which cannot pass through the user's own folders.
pub(super) const TARGET: &str = "/mnt";
/// First argument of the helper when it removes a root.
pub(super) const REMOVE: &str = "--remove";
/// What the helper prints when it is in its namespace and waits for its maps.
pub(super) const WANTS_MAPS: &str = "watchglass: wants its maps";

/// Whether this process needs a range at all.
pub(super) fn is_ordinary() -> bool {
    !crate::rights::is_root_of_machine()
}

/// The helper's first step; it then waits for its input, which comes after the maps.
#[expect(
    clippy::disallowed_methods,
    reason = "the helper speaks to the lab through its standard streams"
)]
pub(super) fn enter() -> io::Result<()> {
    namespace::unshare(UnshareFlags::NEWUSER)?;
    writeln!(io::stderr(), "{WANTS_MAPS}")
}

/// Runs `act` as root of the range alone, with `folder`, which is made, at [`TARGET`].
pub(super) fn within(folder: &Path, act: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
    fs::create_dir(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    chown(folder, Some(FIRST_OF_RANGE), Some(FIRST_OF_RANGE))?;
    rustix::mount::mount_bind(folder, TARGET)?;
    let (ready, is_ready) = rustix::pipe::pipe()?;
    let (go, may_go) = rustix::pipe::pipe()?;
    let child = match fork()? {
        Fork::Parent(child) => child,
        Fork::Child => {
            drop((ready, may_go));
            namespace::unshare(UnshareFlags::NEWUSER)?;
            rustix::io::write(&is_ready, &[1])?;
            rustix::io::read(&go, &mut [0; 1])?;
            end_with(inside(act))
        }
    };
    drop((is_ready, go));
    rustix::io::read(&ready, &mut [0; 1])?;
    let map = format!("0 {FIRST_OF_RANGE} {RANGE}");
    let process = format!("/proc/{}", child.as_raw_nonzero());
    fs::write(format!("{process}/uid_map"), &map)?;
    fs::write(format!("{process}/gid_map"), &map)?;
    rustix::io::write(&may_go, &[1])?;
    ended_well(child)
}

/// Becomes root there, with mounts and processes of its own.
fn inside(act: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    namespace::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWPID)?;
    match fork()? {
        Fork::Parent(child) => ended_well(child),
        Fork::Child => end_with(part_mounts().and_then(|()| act())),
    }
}

/// Parts the mounts from those outside, and shows the processes of this namespace.
pub(super) fn part_mounts() -> io::Result<()> {
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    rustix::mount::mount_change("/", private)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(rustix::mount::mount("proc", "/proc", "proc", flags, None)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the helper speaks to the lab through its standard streams"
)]
fn end_with(done: io::Result<bool>) -> ! {
    if let Err(error) = &done {
        let _ = writeln!(io::stderr(), "E: {error}");
    }
    std::process::exit(if matches!(done, Ok(true)) { 0 } else { 1 })
}

fn ended_well(child: Pid) -> io::Result<bool> {
    let waited = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    Ok(waited.is_some_and(|(_, status)| status.exit_status() == Some(0)))
}

/// Writes the maps of the helper once it asks for them. `false`: it ended before.
pub(super) fn give_maps(
    helper: &Child,
    mut next_line: impl FnMut() -> Option<String>,
) -> Result<bool, RootError> {
    while let Some(line) = next_line() {
        if line == WANTS_MAPS {
            return crate::world::give_range(helper.id()).map(|()| true);
        }
    }
    Ok(false)
}

/// Removes a root, whoever its files belong to.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_ordinary() => {
            remove_by_helper(folder.as_os_str())
        }
        removed => removed,
    }
}

fn remove_by_helper(folder: &OsStr) -> io::Result<()> {
    let mut helper = Command::new("/proc/self/exe")
        .args([OsStr::new(crate::ROLE_ROOT), OsStr::new(REMOVE), folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = helper.stderr.take().map(|stderr| BufReader::new(stderr).lines());
    let next_line = || lines.as_mut()?.next()?.ok();
    let mapped = give_maps(&helper, next_line).map_err(io::Error::other)?;
    if let (true, Some(mut input)) = (mapped, helper.stdin.take()) {
        input.write_all(&[1])?;
    }
    match helper.wait()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("what belongs to the range of users was not removed")),
    }
}

/// The range in the helper's namespace.
const FIRST_OF_RANGE: u32 = 1;
