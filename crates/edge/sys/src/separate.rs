//! Leaves the namespaces of the parent (unshare(2)).

use std::io;

/// Gives the calling process a network and a mount namespace of its own; its next child becomes the
/// first process of a new pid namespace.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` in the user namespace; `ENOSPC` at the limit of namespaces.
pub fn unshare_network_mounts_and_children() -> io::Result<()> {
    let flags = libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    // SAFETY: no pointers, and none of these flags lets threads of this process share less memory or
    // fewer descriptors than Rust assumes (that would be `CLONE_FILES` or `CLONE_VM`).
    if unsafe { libc::unshare(flags) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
