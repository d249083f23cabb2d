//! Asking for an `io_uring`, to learn whether it would be had.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Sets up a ring with one entry, without mapping or using it.
///
/// # Errors
/// What `io_uring_setup` says: `EPERM` where a filter or sysctl refuses it, `ENOSYS` where the
/// kernel has none.
pub fn set_up_ring() -> io::Result<OwnedFd> {
    // `struct io_uring_params` is 120 bytes (io_uring_setup(2)); all zero asks for the defaults.
    let mut parameters = [0_u64; 15];
    let entries: libc::c_uint = 1;
    // SAFETY: the kernel reads and writes 120 bytes at the address, which the array has; a ring
    // that nobody maps shares no memory with this process.
    let descriptor =
        unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, parameters.as_mut_ptr()) };
    let descriptor = i32::try_from(descriptor).ok().filter(|&number| number >= 0);
    let Some(descriptor) = descriptor else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel just made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
