//! Namespaces and the attributes of mounts.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::mount::MountAttrFlags;
use rustix::thread::UnshareFlags;

/// Moves this thread into new namespaces.
///
/// # Errors
/// As unshare(2); `EINVAL` also for `UnshareFlags::FILES`, which would part threads from
/// descriptors they believe to share.
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    if flags.contains(UnshareFlags::FILES) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: the condition of `unshare_unsafe` is about UnshareFlags::FILES alone, refused above.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Sets attributes of a mount, such as read-only.
///
/// # Errors
/// As mount_setattr(2), Linux ≥ 5.12.
pub fn set_mount_attributes(mount: BorrowedFd<'_>, set: MountAttrFlags) -> io::Result<()> {
    mount_setattr(
        mount,
        &libc::mount_attr {
            attr_set: u64::from(set.bits()),
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        },
    )
}

/// Makes a detached mount show its owners as `user_namespace` numbers them: what the disk calls
/// user 0 belongs to the namespace's user 0.
///
/// # Errors
/// As mount_setattr(2) with `MOUNT_ATTR_IDMAP`, Linux ≥ 5.12; `EINVAL` when the file system cannot
/// do it, `EPERM` without `CAP_SYS_ADMIN` where the file system was mounted.
pub fn map_owners(mount: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
    let userns_fd = u64::try_from(user_namespace.as_raw_fd()).map_err(io::Error::other)?;
    let attr_set = libc::MOUNT_ATTR_IDMAP;
    mount_setattr(mount, &libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd })
}

fn mount_setattr(mount: BorrowedFd<'_>, attributes: &libc::mount_attr) -> io::Result<()> {
    // SAFETY: the path is a static C string, `attributes` outlives the call and its size is given;
    // both descriptors are borrowed, so they stay open during the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            std::ptr::from_ref(attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
