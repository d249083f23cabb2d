//! Installing a seccomp filter.

use std::io;

/// One instruction of classic BPF, as `struct sock_filter` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the comparison holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

/// Longest program that the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Installs a filter on this thread, for good; children inherit it. The process must have one
/// thread if all of it is to be held.
///
/// # Errors
/// `EACCES` without `no_new_privs` and without `CAP_SYS_ADMIN` in the thread's user namespace.
/// `EINVAL` for a program that is empty, too long or not well formed.
pub fn install(program: &[Instruction]) -> io::Result<()> {
    install_with(program, 0)
}

/// The same on every thread of this process (`SECCOMP_FILTER_FLAG_TSYNC`, Linux ≥ 3.17).
///
/// # Errors
/// As [`install`]; `EAGAIN` when a thread has filters that this one has not.
pub fn install_for_all_threads(program: &[Instruction]) -> io::Result<()> {
    install_with(program, libc::SECCOMP_FILTER_FLAG_TSYNC)
}

fn install_with(program: &[Instruction], flags: libc::c_ulong) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = program.iter().map(as_kernel).collect();
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    let fprog = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(invalid)?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `fprog` and the `filter` it points to are initialised and outlive the call, which
    // copies them; `len` is the number of instructions there.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const fprog)
    };
    match done {
        0 => Ok(()),
        // The number of a thread that could not be held.
        1.. => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
        _ => Err(io::Error::last_os_error()),
    }
}

fn as_kernel(instruction: &Instruction) -> libc::sock_filter {
    libc::sock_filter {
        code: instruction.code,
        jt: instruction.jump_true,
        jf: instruction.jump_false,
        k: instruction.operand,
    }
}
