//! Confines a process to the powers of its role.
//!
//! A [`Role`] is a table: each call that the process may make, with the reason; whatever is not in it
//! is refused with `EPERM`. [`confine`] puts the wall around the calling thread and whatever it
//! starts, for good, in steps of which each holds alone what it can. It is called when a process
//! has one thread, before any hostile byte was read.
//!
//! | Wall | Keeps out |
//! |---|---|
//! | no new privileges | setuid programs, file capabilities |
//! | network namespace, empty | every packet of every family, abstract Unix sockets of others |
//! | no capabilities | what root may |
//! | Landlock with no rule | every path, `/proc` and new descriptors of old files among them; TCP; signals to others |
//! | limits of the role | memory, time and written bytes beyond them |
//! | death signal | a life beyond that of the thread that started it |
//! | not dumpable, no core | others of the same user who would read its memory |
//! | filter of system calls | all that the role does not need: sockets, `exec`, `ptrace`, `io_uring`, executable memory |
//!
//! At last it tries what no role may ([`watchglass_sys::attempt`]), from inside; a call that comes
//! through is an error. [`Held`] says how many were refused.
//!
//! Descriptors that were open before stay open: a caller closes what the role is not to have.
#![deny(clippy::unwrap_used, clippy::panic)]

mod held;
mod role;
mod walls;

pub use held::{Held, Mechanism};
pub use role::{COMPILER, COMPILER_MEMORY_BYTES, Condition, Limit, ROLES, Role, Rule, WORKER};
pub use walls::{JailError, confine, confine_with_threads};
