//! What the process of the fake internet gives up where it has no namespaces, before it reads what
//! the subject sent.

use std::os::fd::OwnedFd;

use watchglass_sys::landlock::{Access, Ruleset};
use watchglass_sys::seccomp::{self, Instruction};

use crate::control::FakenetError;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// From here on the process opens no file but those of the scenario, makes no socket, connects
/// none, starts no program, and holds no capability. Its sockets are bound to 127.0.0.1, from where
/// the kernel routes nothing to another device.
pub(crate) fn confine_in_place<'a>(
    folders: impl Iterator<Item = &'a OwnedFd>,
) -> Result<(), FakenetError> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)
        .map_err(|error| FakenetError::system("capset", error))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| FakenetError::system("PR_SET_NO_NEW_PRIVS", error))?;
    restrict_files(folders).map_err(|error| FakenetError::system("Landlock", error))?;
    seccomp::install(&program()).map_err(|error| FakenetError::system("seccomp", error))
}

fn restrict_files<'a>(folders: impl Iterator<Item = &'a OwnedFd>) -> std::io::Result<()> {
    let rules = Ruleset::of_everything()?;
    for folder in folders {
        rules.allow(folder, Access::READ, true)?;
    }
    rules.restrict()
}

/// Other calling conventions are refused whole, the calls of [`REFUSED`] with `EPERM`.
fn program() -> Vec<Instruction> {
    let load = |operand| Instruction { code: LOAD_WORD, jump_true: 0, jump_false: 0, operand };
    let give = |operand| Instruction { code: RETURN, jump_true: 0, jump_false: 0, operand };
    let skip =
        |code, jump_true, jump_false, operand| Instruction { code, jump_true, jump_false, operand };
    let refuse = give(RETURN_ERROR | EPERM);
    let mut program = vec![load(OFFSET_ARCHITECTURE), skip(JUMP_EQUAL, 1, 0, NATIVE), refuse];
    program.extend([load(OFFSET_NUMBER), skip(JUMP_AT_LEAST, 0, 1, FOREIGN_BIT), refuse]);
    for number in REFUSED {
        program.extend([skip(JUMP_EQUAL, 0, 1, *number), refuse]);
    }
    program.push(give(RETURN_ALLOW));
    program
}

/// `socket`, `connect`, `bind`, `execve`, `execveat`, `ptrace`, `process_vm_readv`,
/// `process_vm_writev`, `pidfd_getfd`, `io_uring_setup`, `kill`, `tkill`.
#[cfg(target_arch = "x86_64")]
const REFUSED: &[u32] = &[41, 42, 49, 59, 322, 101, 310, 311, 438, 425, 62, 200];
/// The same calls.
#[cfg(target_arch = "aarch64")]
const REFUSED: &[u32] = &[198, 203, 200, 221, 281, 117, 270, 271, 438, 425, 129, 130];
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;
const FOREIGN_BIT: u32 = 0x4000_0000;
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD_WORD: u16 = 0x20;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JUMP_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGE | BPF_K`.
const JUMP_AT_LEAST: u16 = 0x35;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// `SECCOMP_RET_ERRNO`.
const RETURN_ERROR: u32 = 0x0005_0000;
/// `SECCOMP_RET_ALLOW`.
const RETURN_ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 1;
