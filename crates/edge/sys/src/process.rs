//! Forking, signals and descriptors of a process that has one thread.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::process::{Pid, Signal};

/// Which side of a [`fork`] this is.
#[derive(Debug)]
pub enum Fork {
    /// The caller; it now has this child.
    Parent(Pid),
    /// The child.
    Child,
}

/// Makes a copy of this process.
///
/// # Errors
/// `EBUSY` when the process has more than one thread: the child would then own locks that nobody
/// releases. `EAGAIN` and `ENOMEM` as fork(2).
pub fn fork() -> io::Result<Fork> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: fork(2) has no memory conditions of its own. The hazard is a child of a process with
    // several threads, in which locks may be held for ever; there is one thread, as counted above,
    // and only that thread could have started another since.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Fork::Child),
        -1 => Err(io::Error::last_os_error()),
        pid => Pid::from_raw(pid)
            .map(Fork::Parent)
            .ok_or_else(|| io::Error::other("fork returned no process")),
    }
}

/// Blocks `SIGCHLD` for this thread and returns a non-blocking descriptor that becomes readable
/// when a child ends.
///
/// # Errors
/// As signalfd(2).
pub fn child_exits() -> io::Result<OwnedFd> {
    let set = signal_set(libc::SIGCHLD)?;
    // SAFETY: `set` is initialised and outlives the call; a null old set is allowed.
    let blocked =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    if blocked != 0 {
        return Err(io::Error::from_raw_os_error(blocked));
    }
    // SAFETY: -1 asks for a new descriptor; `set` is initialised and outlives the call.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so `fd` is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets every signal through again, as a fresh process has it.
///
/// # Errors
/// As pthread_sigmask(3).
pub fn unblock_signals() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initialises the set it is given and cannot fail for a valid pointer.
    let set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: `set` is initialised and outlives the call; a null old set is allowed.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) }
    {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Sends a signal to every process that this one may signal, except itself and the namespace's
/// process 1.
///
/// # Errors
/// `ESRCH` when there is none. `EPERM` when this is not process 1 of its namespace: anywhere else
/// the call would reach the whole machine.
pub fn signal_everyone_else(signal: Signal) -> io::Result<()> {
    if std::process::id() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    // SAFETY: kill(2) touches no memory of the caller.
    match unsafe { libc::kill(-1, signal.as_raw()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Marks every descriptor from `first` on to be closed by the next `exec`.
///
/// # Errors
/// As close_range(2), Linux ≥ 5.11 for this flag.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC nothing is closed now, so no owner loses its descriptor.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn signal_set(signal: libc::c_int) -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initialises the set it is given; sigaddset(3) is given that set.
    let added = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal)
    };
    if added != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: sigemptyset(3) initialised it.
    Ok(unsafe { set.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_fork_while_another_thread_runs() {
        // The test harness itself runs tests on threads of their own, beside its main thread.
        let refused = fork();
        assert!(matches!(refused, Err(error) if error.raw_os_error() == Some(libc::EBUSY)));
    }

    #[test]
    fn refuses_to_signal_the_whole_machine() {
        let refused = signal_everyone_else(Signal::USR1).expect_err("this is not process 1");
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
    }
}
