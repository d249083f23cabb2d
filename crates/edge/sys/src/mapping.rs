//! Reading a file through a mapping, without a `read` call.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// The whole of a file where the kernel keeps it, read-only: one copy for all who map it.
///
/// A file that somebody cuts short meanwhile ends the process with `SIGBUS` when what is gone is
/// read (mmap(2)): for files that nobody else writes, or sealed ones. Never for a user's file.
#[derive(Debug)]
pub struct Mapped {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapped {
    /// Maps all that `file` has now.
    ///
    /// # Errors
    /// What `fstat` and `mmap` say; `InvalidInput` for an empty file.
    pub fn of(file: &File) -> io::Result<Self> {
        let bytes = usize::try_from(file.metadata()?.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        if bytes == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty file"));
        }
        let descriptor = file.as_raw_fd();
        // SAFETY: the address is left to the kernel, so no memory of ours is replaced; the
        // descriptor is open for as long as `file` is borrowed; a failure is looked at below.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_SHARED,
                descriptor,
                0,
            )
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(pointer) if start != libc::MAP_FAILED => Ok(Self { start: pointer, bytes }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is readable for `bytes` bytes until it is dropped, which the borrow
        // outlives; it is private to this value, and that nobody changes the file meanwhile is the
        // condition of this type.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: exactly the range that was mapped, to which no reference is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: read-only memory that belongs to this value alone; any thread may read and unmap it.
unsafe impl Send for Mapped {}
// SAFETY: nothing in it changes through a shared reference.
unsafe impl Sync for Mapped {}

/// Copies the first `bytes` bytes of `file` out of a private, read-only mapping of it.
///
/// A file that somebody cuts short meanwhile ends the process with `SIGBUS` (mmap(2)): for files
/// that nobody else writes.
///
/// # Errors
/// What `mmap` says; `InvalidInput` when the file is shorter than `bytes`.
pub fn copy_mapped(file: &File, bytes: usize) -> io::Result<Vec<u8>> {
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let length = file.metadata()?.len();
    if u64::try_from(bytes).is_ok_and(|wanted| wanted > length) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "file shorter than the mapping"));
    }
    let descriptor = file.as_raw_fd();
    // SAFETY: the address is left to the kernel, so no memory of ours is replaced; the descriptor
    // is open for as long as `file` is borrowed; a failure is looked at below.
    let start = unsafe {
        libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_PRIVATE, descriptor, 0)
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let mut copy = vec![0_u8; bytes];
    // SAFETY: the mapping is readable for `bytes` bytes, since the file had as many; the vector
    // has as many and cannot overlap a mapping that was just made.
    unsafe { std::ptr::copy_nonoverlapping(start.cast::<u8>(), copy.as_mut_ptr(), bytes) };
    // SAFETY: exactly the range that was mapped above, to which no reference is left.
    unsafe { libc::munmap(start, bytes) };
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_whole_file_is_mapped() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(Mapped::of(&file).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        file.write_all(b"mapped").unwrap();
        assert_eq!(Mapped::of(&file).unwrap().as_ref(), b"mapped");
    }

    #[test]
    fn a_mapping_gives_what_the_file_holds() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"mapped").unwrap();
        assert_eq!(copy_mapped(&file, 6).unwrap(), b"mapped");
        assert_eq!(copy_mapped(&file, 0).unwrap(), b"");
        assert_eq!(copy_mapped(&file, 7).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
