//! Running a program that is open, whether or not a path leads to it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Replaces this process by the program in `image` (`execveat` with `AT_EMPTY_PATH`, Linux ≥ 3.19,
/// which `fexecve` uses). Each entry of `environment` is `NAME=value`.
///
/// Returns only when that failed. The descriptor should close on `exec` unless the program is a
/// script, whose interpreter opens it again.
pub fn execute(image: &OwnedFd, arguments: &[CString], environment: &[CString]) -> io::Error {
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    // SAFETY: path and both lists end with a zero and live until the call returns; the descriptor
    // is open while `image` is borrowed. A call that succeeds does not return.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            image.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

/// The list as C wants it: pointers, and one that is null.
fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}
