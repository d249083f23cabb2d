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
    Accept4,
    Bind,
    Bpf,
    Clone,
    Clone3,
    Connect,
    Execve,
    Execveat,
    Fchmodat,
    Getdents64,
    IoUringSetup,
    Ioctl,
    Keyctl,
    Linkat,
    MemfdCreate,
    Mkdirat,
    Mount,
    OpenByHandleAt,
    Openat,
    Openat2,
    PerfEventOpen,
    PidfdGetfd,
    PidfdOpen,
    Pipe2,
    Prctl,
    ProcessVmReadv,
    Ptrace,
    Pwrite64,
    Readlinkat,
    Renameat2,
    Sendto,
    Setns,
    Socket,
    Socketpair,
    Statx,
    Symlinkat,
    Unlinkat,
    Userfaultfd,
    Write,
}

impl Attempt {
    /// All of them.
    pub const ALL: [Self; 39] = [
        Self::Accept4,
        Self::Bind,
        Self::Bpf,
        Self::Clone,
        Self::Clone3,
        Self::Connect,
        Self::Execve,
        Self::Execveat,
        Self::Fchmodat,
        Self::Getdents64,
        Self::IoUringSetup,
        Self::Ioctl,
        Self::Keyctl,
        Self::Linkat,
        Self::MemfdCreate,
        Self::Mkdirat,
        Self::Mount,
        Self::OpenByHandleAt,
        Self::Openat,
        Self::Openat2,
        Self::PerfEventOpen,
        Self::PidfdGetfd,
        Self::PidfdOpen,
        Self::Pipe2,
        Self::Prctl,
        Self::ProcessVmReadv,
        Self::Ptrace,
        Self::Pwrite64,
        Self::Readlinkat,
        Self::Renameat2,
        Self::Sendto,
        Self::Setns,
        Self::Socket,
        Self::Socketpair,
        Self::Statx,
        Self::Symlinkat,
        Self::Unlinkat,
        Self::Userfaultfd,
        Self::Write,
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

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept4 => "accept4",
            Self::Bind => "bind",
            Self::Bpf => "bpf",
            Self::Clone => "clone",
            Self::Clone3 => "clone3",
            Self::Connect => "connect",
            Self::Execve => "execve",
            Self::Execveat => "execveat",
            Self::Fchmodat => "fchmodat",
            Self::Getdents64 => "getdents64",
            Self::IoUringSetup => "io_uring_setup",
            Self::Ioctl => "ioctl",
            Self::Keyctl => "keyctl",
            Self::Linkat => "linkat",
            Self::MemfdCreate => "memfd_create",
            Self::Mkdirat => "mkdirat",
            Self::Mount => "mount",
            Self::OpenByHandleAt => "open_by_handle_at",
            Self::Openat => "openat",
            Self::Openat2 => "openat2",
            Self::PerfEventOpen => "perf_event_open",
            Self::PidfdGetfd => "pidfd_getfd",
            Self::PidfdOpen => "pidfd_open",
            Self::Pipe2 => "pipe2",
            Self::Prctl => "prctl",
            Self::ProcessVmReadv => "process_vm_readv",
            Self::Ptrace => "ptrace",
            Self::Pwrite64 => "pwrite64",
            Self::Readlinkat => "readlinkat",
            Self::Renameat2 => "renameat2",
            Self::Sendto => "sendto",
            Self::Setns => "setns",
            Self::Socket => "socket",
            Self::Socketpair => "socketpair",
            Self::Statx => "statx",
            Self::Symlinkat => "symlinkat",
            Self::Unlinkat => "unlinkat",
            Self::Userfaultfd => "userfaultfd",
            Self::Write => "write",
        }
    }

    fn number(self) -> libc::c_long {
        match self {
            Self::Accept4 => libc::SYS_accept4,
            Self::Bind => libc::SYS_bind,
            Self::Bpf => libc::SYS_bpf,
            Self::Clone => libc::SYS_clone,
            Self::Clone3 => libc::SYS_clone3,
            Self::Connect => libc::SYS_connect,
            Self::Execve => libc::SYS_execve,
            Self::Execveat => libc::SYS_execveat,
            Self::Fchmodat => libc::SYS_fchmodat,
            Self::Getdents64 => libc::SYS_getdents64,
            Self::IoUringSetup => libc::SYS_io_uring_setup,
            Self::Ioctl => libc::SYS_ioctl,
            Self::Keyctl => libc::SYS_keyctl,
            Self::Linkat => libc::SYS_linkat,
            Self::MemfdCreate => libc::SYS_memfd_create,
            Self::Mkdirat => libc::SYS_mkdirat,
            Self::Mount => libc::SYS_mount,
            Self::OpenByHandleAt => libc::SYS_open_by_handle_at,
            Self::Openat => libc::SYS_openat,
            Self::Openat2 => libc::SYS_openat2,
            Self::PerfEventOpen => libc::SYS_perf_event_open,
            Self::PidfdGetfd => libc::SYS_pidfd_getfd,
            Self::PidfdOpen => libc::SYS_pidfd_open,
            Self::Pipe2 => libc::SYS_pipe2,
            Self::Prctl => libc::SYS_prctl,
            Self::ProcessVmReadv => libc::SYS_process_vm_readv,
            Self::Ptrace => libc::SYS_ptrace,
            Self::Pwrite64 => libc::SYS_pwrite64,
            Self::Readlinkat => libc::SYS_readlinkat,
            Self::Renameat2 => libc::SYS_renameat2,
            Self::Sendto => libc::SYS_sendto,
            Self::Setns => libc::SYS_setns,
            Self::Socket => libc::SYS_socket,
            Self::Socketpair => libc::SYS_socketpair,
            Self::Statx => libc::SYS_statx,
            Self::Symlinkat => libc::SYS_symlinkat,
            Self::Unlinkat => libc::SYS_unlinkat,
            Self::Userfaultfd => libc::SYS_userfaultfd,
            Self::Write => libc::SYS_write,
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
