//! What the lab wants: the plan of a world and the commands in it.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use minicbor::{Decode, Encode};
use watchglass_claims::Privileges;

use crate::{Layer, PreparedRoot};

/// Everything a world is made from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The files that are there before anything is laid over them.
    pub root: &'a PreparedRoot,
    /// What is laid over them.
    pub layer: &'a Layer,
    /// Host name, at most 64 bytes. The same name belongs into the layer.
    pub hostname: String,
    /// `/proc/sys/kernel/random/boot_id` of the world, 36 characters: the machine's own would tell
    /// two worlds on one machine that they are.
    pub boot_id: String,
    /// What the product file asks for beyond the default.
    pub privileges: Privileges,
    /// Bounds on what the world's programs can use up.
    pub limits: Limits,
    /// Calls that a tracer wants to see; empty without a tracer.
    pub traced_calls: Vec<u32>,
    /// The program that dispatches [`crate::run_role`]; the lab's own unless said.
    pub program: Option<PathBuf>,
}

/// Bounds on what the world's programs can use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Limits {
    /// Bytes that can be written to the world's files, all together; they lie in memory.
    #[n(0)]
    pub upper_bytes: u64,
    /// Files and folders that can be made or changed.
    #[n(1)]
    pub upper_files: u64,
    /// Processes and threads of all users of the world together.
    #[n(2)]
    pub processes: u64,
    /// Open files of one process.
    #[n(3)]
    pub open_files: u64,
}

impl Default for Limits {
    /// 2 GiB in 524,288 files, 4,096 processes, 65,536 open files.
    fn default() -> Self {
        Self { upper_bytes: 2 << 30, upper_files: 1 << 19, processes: 4096, open_files: 1 << 16 }
    }
}

/// A command to be started in a world.
#[derive(Debug)]
pub struct Spawn {
    /// The program, looked up in `PATH` of `environment` when it has no `/`, and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Who runs it.
    pub user: User,
    /// Where it starts, in the world.
    pub folder: PathBuf,
    /// Takes standard output; whoever holds the other end must read it, or the program stops
    /// when the pipe is full.
    pub stdout: OwnedFd,
    /// Takes standard error.
    pub stderr: OwnedFd,
    /// Run this open file instead of a path in the world; `argv` is what it is told. It needs no
    /// loader from the world only when it is statically linked.
    pub program: Option<OwnedFd>,
}

/// A user of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// A name, or a number in digits, looked up in the world's `/etc/passwd` and `/etc/group`.
    Named(String),
    /// These numbers.
    Numbers {
        /// User.
        uid: u32,
        /// Main group.
        gid: u32,
        /// Further groups.
        groups: Vec<u32>,
    },
}
