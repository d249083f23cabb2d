//! ptrace(2): stops another process at its system calls, and reads its memory.
//!
//! Everything here belongs to the *thread* that seized the tracee: the kernel answers `ESRCH` to
//! any other. A tracee can vanish between any two calls (`SIGKILL` needs nobody's leave), so each
//! call may fail with `ESRCH` and callers treat that as "its death will be reported by [`wait`]".
#![expect(unsafe_code, reason = "ptrace, waitpid and process_vm_readv have no safe form elsewhere")]

use std::io::{Error, ErrorKind, Result};

use libc::{c_int, c_long, pid_t};

/// A thread that this thread traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tracee(pid_t);

/// How far a stopped tracee runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// To its next seccomp stop, signal or event.
    Freely,
    /// To the end of the system call it is in.
    ToCallExit,
}

/// What a tracee did, as waitpid(2) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It ended by itself.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// A filter handed its system call over (`SECCOMP_RET_TRACE`).
    Filtered,
    /// Its system call returned.
    CallExit,
    /// It made a process or thread; [`Tracee::event_message`] is the number of the new one.
    Forked,
    /// It became another program; [`Tracee::event_message`] is the number it had before.
    Executed,
    /// It is new and traced from its first instruction on, or was interrupted.
    Paused,
    /// A stop signal stopped its whole process; only [`Tracee::listen`] keeps it so.
    GroupStop(i32),
    /// A signal is about to reach it.
    Signal(i32),
}

/// A system call as it stands in a stopped tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallInfo {
    /// At a seccomp stop, before the call.
    Filtered {
        /// `AUDIT_ARCH_…` of the calling convention.
        architecture: u32,
        /// Number of the call.
        number: u64,
        /// Its arguments.
        arguments: [u64; 6],
        /// `SECCOMP_RET_DATA` of the filter.
        data: u32,
        /// Where its stack ends.
        stack: u64,
    },
    /// After the call: what it returned, errors as negative numbers.
    Exit(i64),
    /// At another stop.
    Other,
}

/// `AUDIT_ARCH_…` of this program's own system calls; a tracee can use others (`int 0x80`).
#[cfg(target_arch = "x86_64")]
pub const NATIVE_ARCHITECTURE: u32 = 0xc000_003e;
/// `AUDIT_ARCH_…` of this program's own system calls; a tracee can use others (32-bit Arm).
#[cfg(target_arch = "aarch64")]
pub const NATIVE_ARCHITECTURE: u32 = 0xc000_00b7;

impl Tracee {
    /// Begins to trace the thread `tid` without stopping it. Its future children and threads are
    /// traced as well, and all are killed when the tracing thread ends.
    ///
    /// # Errors
    /// `ESRCH` when it is gone, `EPERM` when it is traced already or is not ours to trace.
    pub fn seize(tid: u32) -> Result<Self> {
        let tid = pid_t::try_from(tid).map_err(|_| Error::from(ErrorKind::InvalidInput))?;
        request(libc::PTRACE_SEIZE, tid, 0, SEIZE_OPTIONS)?;
        Ok(Self(tid))
    }

    /// Its thread number in this pid namespace.
    #[must_use]
    pub fn tid(self) -> u32 {
        self.0.unsigned_abs()
    }

    /// Lets it run, and delivers `signal` to it when that is not 0.
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn resume(self, how: Resume, signal: i32) -> Result<()> {
        let kind = match how {
            Resume::Freely => libc::PTRACE_CONT,
            Resume::ToCallExit => libc::PTRACE_SYSCALL,
        };
        request(kind, self.0, 0, c_long::from(signal)).map(drop)
    }

    /// Leaves it in its group stop until `SIGCONT`.
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn listen(self) -> Result<()> {
        request(libc::PTRACE_LISTEN, self.0, 0, 0).map(drop)
    }

    /// The number that belongs to its event.
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn event_message(self) -> Result<u64> {
        let mut message: libc::c_ulong = 0;
        let address = (&raw mut message) as c_long;
        request(libc::PTRACE_GETEVENTMSG, self.0, 0, address)?;
        Ok(message)
    }

    /// The system call it stands in. Linux ≥ 5.3.
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn call_info(self) -> Result<CallInfo> {
        let mut words = [0_u64; CALL_INFO_WORDS];
        let address = words.as_mut_ptr() as c_long;
        let size = c_long::try_from(size_of_val(&words)).map_err(Error::other)?;
        request(PTRACE_GET_SYSCALL_INFO, self.0, size, address)?;
        Ok(decode_call_info(&words))
    }

    /// At a seccomp stop: the call is not made, and returns `-errno`.
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn refuse_call(self, errno: i32) -> Result<()> {
        self.answer_call(-i64::from(errno))
    }

    /// At a seccomp stop: another call is made, with the arguments that are set. The filter is asked
    /// again, but does not hand it over again (`__seccomp_filter` in kernel/seccomp.c, Linux ≥ 4.8).
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn set_call(self, number: u32) -> Result<()> {
        registers::set_call(self.0, number)
    }

    /// At a seccomp stop: the call is not made, and returns `result`. At the end of a call: it
    /// returns `result`.
    ///
    /// # Errors
    /// `ESRCH` when it vanished.
    pub fn answer_call(self, result: i64) -> Result<()> {
        registers::skip_call(self.0, result)
    }

    /// At a stop of a system call: gives one of its arguments, counted from 0, another value.
    ///
    /// # Errors
    /// `ESRCH` when it vanished, `EINVAL` for an argument that calls do not have.
    pub fn set_argument(self, place: usize, value: u64) -> Result<()> {
        registers::set_argument(self.0, place, value)
    }
}

/// Waits for a tracee or child of *this thread*: other threads' children stay theirs.
///
/// # Errors
/// `ECHILD` when this thread traces nothing, `EINTR` when a signal came ([`Waker`]).
pub fn wait() -> Result<(Tracee, Stop)> {
    wait_with(0).and_then(|report| report.ok_or_else(|| Error::from(ErrorKind::WouldBlock)))
}

/// As [`wait`], and `None` at once when nothing has happened.
///
/// # Errors
/// As [`wait`].
pub fn wait_now() -> Result<Option<(Tracee, Stop)>> {
    wait_with(libc::WNOHANG)
}

fn wait_with(flags: c_int) -> Result<Option<(Tracee, Stop)>> {
    let mut status: c_int = 0;
    // SAFETY: waitpid writes one c_int through the pointer, which is to a live local.
    let tid = unsafe { libc::waitpid(-1, &raw mut status, flags | libc::__WALL | WNOTHREAD) };
    match tid {
        0 => Ok(None),
        -1 => Err(Error::last_os_error()),
        tid => Ok(Some((Tracee(tid), decode_status(status)))),
    }
}

/// Copies memory of the process `pid` from `address` into `buffer`; returns how many bytes could be
/// read before the first page that is not there. Costs one system call, whatever the size.
///
/// # Errors
/// `EFAULT` when nothing could be read, `ESRCH` when the process is gone.
pub fn read_memory(pid: u32, address: u64, buffer: &mut [u8]) -> Result<usize> {
    let pid = pid_t::try_from(pid).map_err(|_| Error::from(ErrorKind::InvalidInput))?;
    let remote = pages(address, buffer.len())?;
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let pieces = libc::c_ulong::try_from(remote.len()).map_err(Error::other)?;
    // SAFETY: `local` describes `buffer`, which is borrowed mutably and is the only memory of this
    // process that is written; the remote pieces are addresses in the other process, which the
    // kernel checks. Both arrays live until the call returns.
    let read =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, remote.as_ptr(), pieces, 0) };
    usize::try_from(read).map_err(|_| Error::last_os_error())
}

/// Cuts a range at page borders: a transfer is partial only between pieces, never inside one.
fn pages(address: u64, length: usize) -> Result<Vec<libc::iovec>> {
    let too_far = || Error::from_raw_os_error(libc::EFAULT);
    let mut start = usize::try_from(address).map_err(|_| too_far())?;
    let end = start.checked_add(length).ok_or_else(too_far)?;
    let mut pieces = Vec::with_capacity(length / PAGE_BYTES + 2);
    while start < end {
        let border = (start | (PAGE_BYTES - 1)).saturating_add(1).min(end);
        pieces.push(libc::iovec { iov_base: start as *mut _, iov_len: border - start });
        start = border;
    }
    Ok(pieces)
}

/// Ends another thread's [`wait`] early.
///
/// The signal can arrive just before the thread begins to wait and is lost then, so the waker is
/// rung again until the thread has answered.
#[derive(Clone, Copy, Debug)]
pub struct Waker {
    process: pid_t,
    thread: pid_t,
}

impl Waker {
    /// A waker of the calling thread. Sets the process's handler of `SIGURG`, which is ignored by
    /// default, to one that does nothing.
    ///
    /// # Errors
    /// What sigaction(2) says.
    pub fn of_this_thread() -> Result<Self> {
        // SAFETY: all-zero bytes are a valid sigaction: no flags, an empty mask, default handler.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // Without SA_RESTART, so that the signal ends waitpid with EINTR.
        action.sa_sigaction = ignore_signal as extern "C" fn(c_int) as usize;
        // SAFETY: `action` is initialised and lives until the call returns; its handler touches
        // nothing, and so is safe at any instant; the old action is not asked for.
        let set = unsafe { libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut()) };
        if set != 0 {
            return Err(Error::last_os_error());
        }
        // SAFETY: neither call takes a pointer or can fail.
        let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
        Ok(Self { process, thread })
    }

    /// Interrupts the thread's wait, if it is in one.
    pub fn ring(self) {
        // SAFETY: tgkill takes numbers only. A thread that has ended gives ESRCH; one of another
        // process cannot be hit, since the process number is checked as well.
        unsafe { libc::syscall(libc::SYS_tgkill, self.process, self.thread, libc::SIGURG) };
    }
}

extern "C" fn ignore_signal(_: c_int) {}

fn request(kind: libc::c_uint, tid: pid_t, address: c_long, data: c_long) -> Result<c_long> {
    // SAFETY: the requests of this module that write through `data` (GETEVENTMSG,
    // GET_SYSCALL_INFO, GETREGSET) are given the address of a live local of at least the size that
    // the kernel is told or that the request defines; the others take plain numbers. The kernel
    // refuses tracees of other threads.
    let result = unsafe { libc::ptrace(kind, tid, address, data) };
    if result == -1 { Err(Error::last_os_error()) } else { Ok(result) }
}

fn decode_status(status: c_int) -> Stop {
    if libc::WIFEXITED(status) {
        return Stop::Exited(libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return Stop::Killed(libc::WTERMSIG(status));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_SECCOMP => Stop::Filtered,
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            Stop::Forked
        }
        libc::PTRACE_EVENT_EXEC => Stop::Executed,
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Paused,
        libc::PTRACE_EVENT_STOP => Stop::GroupStop(signal),
        _ if signal == libc::SIGTRAP | CALL_STOP_BIT => Stop::CallExit,
        _ => Stop::Signal(signal),
    }
}

/// `struct ptrace_syscall_info` of linux/ptrace.h: `op: u8, pad, arch: u32, ip: u64, sp: u64`, then
/// at a seccomp stop `nr: u64, args: [u64; 6], ret_data: u32`, at an exit `rval: i64, is_error: u8`.
fn decode_call_info(words: &[u64; CALL_INFO_WORDS]) -> CallInfo {
    let [head, _instruction, stack, first, a, b, c, d, e, f, data] = *words;
    let head = head.to_ne_bytes();
    match head[0] {
        SYSCALL_INFO_EXIT => CallInfo::Exit(first.cast_signed()),
        SYSCALL_INFO_SECCOMP => CallInfo::Filtered {
            architecture: u32::from_ne_bytes([head[4], head[5], head[6], head[7]]),
            number: first,
            arguments: [a, b, c, d, e, f],
            data: first_half(data),
            stack,
        },
        _ => CallInfo::Other,
    }
}

fn first_half(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// What differs between architectures: how a call is skipped at a seccomp stop, and where its
/// arguments are.
#[cfg(target_arch = "x86_64")]
mod registers {
    use super::{Error, ErrorKind, Result, c_long, pid_t, request};

    /// ptrace(2), seccomp stop: a call number of -1 skips the call, and `rax` is its result.
    pub(super) fn skip_call(tid: pid_t, result: i64) -> Result<()> {
        request(libc::PTRACE_POKEUSER, tid, c_long::from(libc::ORIG_RAX) * WORD, -1)?;
        request(libc::PTRACE_POKEUSER, tid, c_long::from(libc::RAX) * WORD, result).map(drop)
    }

    pub(super) fn set_call(tid: pid_t, number: u32) -> Result<()> {
        let (place, number) = (c_long::from(libc::ORIG_RAX) * WORD, c_long::from(number));
        request(libc::PTRACE_POKEUSER, tid, place, number).map(drop)
    }

    pub(super) fn set_argument(tid: pid_t, place: usize, value: u64) -> Result<()> {
        let register = ARGUMENTS.get(place).ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        let value = value.cast_signed();
        request(libc::PTRACE_POKEUSER, tid, c_long::from(*register) * WORD, value).map(drop)
    }

    const WORD: c_long = 8;
    /// syscall(2), "Architecture calling conventions".
    const ARGUMENTS: [libc::c_int; 6] =
        [libc::RDI, libc::RSI, libc::RDX, libc::R10, libc::R8, libc::R9];
}

/// What differs between architectures: how a call is skipped at a seccomp stop, and where its
/// arguments are.
#[cfg(target_arch = "aarch64")]
mod registers {
    use super::{Error, ErrorKind, Result, c_long, pid_t, request};

    /// Arm keeps the call's number outside of the general registers, in a set of its own.
    pub(super) fn skip_call(tid: pid_t, result: i64) -> Result<()> {
        set_number(tid, -1)?;
        set_general(tid, 0, result.cast_unsigned())
    }

    pub(super) fn set_call(tid: pid_t, number: u32) -> Result<()> {
        set_number(tid, number.cast_signed())
    }

    fn set_number(tid: pid_t, mut number: i32) -> Result<()> {
        let mut part = libc::iovec { iov_base: (&raw mut number).cast(), iov_len: 4 };
        request(libc::PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, (&raw mut part) as c_long)
            .map(drop)
    }

    pub(super) fn set_argument(tid: pid_t, place: usize, value: u64) -> Result<()> {
        if place >= ARGUMENTS {
            return Err(Error::from(ErrorKind::InvalidInput));
        }
        set_general(tid, place, value)
    }

    fn set_general(tid: pid_t, place: usize, value: u64) -> Result<()> {
        let mut general = [0_u64; GENERAL_WORDS];
        let iov_len = size_of_val(&general);
        let mut part = libc::iovec { iov_base: general.as_mut_ptr().cast(), iov_len };
        request(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, (&raw mut part) as c_long)?;
        general[place] = value;
        let mut part = libc::iovec { iov_base: general.as_mut_ptr().cast(), iov_len };
        request(libc::PTRACE_SETREGSET, tid, NT_PRSTATUS, (&raw mut part) as c_long).map(drop)
    }

    const NT_PRSTATUS: c_long = 1;
    const NT_ARM_SYSTEM_CALL: c_long = 0x404;
    /// x0 to x5 are the arguments of a call.
    const ARGUMENTS: usize = 6;
    /// x0 to x30, sp, pc, pstate.
    const GENERAL_WORDS: usize = 34;
}

/// Exits need no stop of their own: a killed process skips it, so nothing may rest on it.
const SEIZE_OPTIONS: c_long = (libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL) as c_long;

const PTRACE_GET_SYSCALL_INFO: libc::c_uint = 0x420e;
const SYSCALL_INFO_EXIT: u8 = 2;
const SYSCALL_INFO_SECCOMP: u8 = 3;
const CALL_INFO_WORDS: usize = 11;
/// `PTRACE_O_TRACESYSGOOD` marks the stops of system calls with this bit.
const CALL_STOP_BIT: c_int = 0x80;
const WNOTHREAD: c_int = 0x2000_0000;
/// The smallest page of all supported machines; larger ones are cut finer than needed.
const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_status_words() {
        let stopped = |event: c_int, signal: c_int| (event << 16) | (signal << 8) | 0x7f;
        assert_eq!(decode_status(0x0300), Stop::Exited(3));
        assert_eq!(decode_status(libc::SIGKILL), Stop::Killed(libc::SIGKILL));
        assert_eq!(decode_status(0x80 | libc::SIGSEGV), Stop::Killed(libc::SIGSEGV));
        assert_eq!(decode_status(stopped(7, libc::SIGTRAP)), Stop::Filtered);
        assert_eq!(decode_status(stopped(0, libc::SIGTRAP | 0x80)), Stop::CallExit);
        assert_eq!(decode_status(stopped(0, libc::SIGTRAP)), Stop::Signal(libc::SIGTRAP));
        assert_eq!(decode_status(stopped(128, libc::SIGTRAP)), Stop::Paused);
        assert_eq!(decode_status(stopped(128, libc::SIGTSTP)), Stop::GroupStop(libc::SIGTSTP));
        // Real-time signals are ordinary ones here.
        assert_eq!(decode_status(stopped(0, 40)), Stop::Signal(40));
    }

    #[test]
    fn decodes_a_call_at_a_seccomp_stop() {
        let arch = u64::from_ne_bytes({
            let [a, b, c, d] = NATIVE_ARCHITECTURE.to_ne_bytes();
            [SYSCALL_INFO_SECCOMP, 0, 0, 0, a, b, c, d]
        });
        let words = [arch, 0, 0x7000, 257, 1, 2, 3, 4, 5, 6, 2];
        let info = decode_call_info(&words);
        let architecture = NATIVE_ARCHITECTURE;
        let arguments = [1, 2, 3, 4, 5, 6];
        let (number, data, stack) = (257, 2, 0x7000);
        assert_eq!(info, CallInfo::Filtered { architecture, number, arguments, data, stack });
    }

    #[test]
    fn reads_memory_up_to_the_first_missing_page() {
        let text = vec![7_u8; 3 * PAGE_BYTES];
        let mut copy = vec![0_u8; 2 * PAGE_BYTES];
        let read = read_memory(std::process::id(), text.as_ptr() as u64, &mut copy).unwrap();
        assert_eq!((read, &copy[..]), (copy.len(), &text[..copy.len()]));
        let missing = read_memory(std::process::id(), 16, &mut copy).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::EFAULT));
        let overflow = read_memory(std::process::id(), u64::MAX - 3, &mut copy).unwrap_err();
        assert_eq!(overflow.raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn a_thread_without_tracees_waits_for_nobody() {
        assert_eq!(wait_now().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    }
}
