//! Reading a file through a mapping, without a `read` call.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

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
    fn a_mapping_gives_what_the_file_holds() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"mapped").unwrap();
        assert_eq!(copy_mapped(&file, 6).unwrap(), b"mapped");
        assert_eq!(copy_mapped(&file, 0).unwrap(), b"");
        assert_eq!(copy_mapped(&file, 7).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
