//! Calls that cannot succeed, whose answer tells who refused them.
//!
//! Their arguments are such that the kernel itself finds fault with them (`EINVAL`, `EFAULT`,
//! `ESRCH`, …) once a call is let through to it. `EPERM` from a thread that is root elsewhere is the
//! answer of a filter.

use std::io;

/// A call with arguments that no kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the calls'")]
pub enum Attempt {
    Bpf,
    Execveat,
    IoUringSetup,
    Keyctl,
    MemfdCreate,
    Mount,
    OpenByHandleAt,
    PerfEventOpen,
    PidfdGetfd,
    ProcessVmReadv,
    Ptrace,
    Setns,
    Userfaultfd,
}

impl Attempt {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Bpf,
        Self::Execveat,
        Self::IoUringSetup,
        Self::Keyctl,
        Self::MemfdCreate,
        Self::Mount,
        Self::OpenByHandleAt,
        Self::PerfEventOpen,
        Self::PidfdGetfd,
        Self::ProcessVmReadv,
        Self::Ptrace,
        Self::Setns,
        Self::Userfaultfd,
    ];

    /// Makes the call, and says what the kernel answered.
    #[must_use]
    pub fn answer(self) -> io::Error {
        let number = self.number();
        let arguments = [IMPOSSIBLE; 6];
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: every argument is -1. As a pointer that is no address of a process, so the kernel
        // reads and writes no memory of ours; as a descriptor, process, flag or command it is none.
        // Each of these calls fails for such arguments (checked one by one in the test below).
        let answered = unsafe { libc::syscall(number, a, b, c, d, e, f) };
        if answered < 0 { io::Error::last_os_error() } else { io::Error::other("it succeeded") }
    }

    fn number(self) -> libc::c_long {
        match self {
            Self::Bpf => libc::SYS_bpf,
            Self::Execveat => libc::SYS_execveat,
            Self::IoUringSetup => libc::SYS_io_uring_setup,
            Self::Keyctl => libc::SYS_keyctl,
            Self::MemfdCreate => libc::SYS_memfd_create,
            Self::Mount => libc::SYS_mount,
            Self::OpenByHandleAt => libc::SYS_open_by_handle_at,
            Self::PerfEventOpen => libc::SYS_perf_event_open,
            Self::PidfdGetfd => libc::SYS_pidfd_getfd,
            Self::ProcessVmReadv => libc::SYS_process_vm_readv,
            Self::Ptrace => libc::SYS_ptrace,
            Self::Setns => libc::SYS_setns,
            Self::Userfaultfd => libc::SYS_userfaultfd,
        }
    }
}

/// No pointer, descriptor, process, flag or command.
const IMPOSSIBLE: libc::c_long = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_of_them_succeeds() {
        for attempt in Attempt::ALL {
            let answer = attempt.answer();
            assert!(answer.raw_os_error().is_some(), "{attempt:?}: {answer}");
        }
    }
}
