//! Builds the world that a subject lives in.
//!
//! A [`World`] is a sealed place for programs that may be hostile and root inside. The lab prepares
//! a root ([`PreparedRoot`]), lays files over it ([`LayerBuilder`]), creates the world, parks
//! processes in it, lets a sensor adopt them, releases them, and afterwards asks how the files
//! differ from before.
//!
//! # What is sealed
//!
//! - **Files**: an overlay over a read-only root; what is written lies in memory with a cap, and is
//!   compared from outside. The machine's own files are out of reach: the old root is detached, and
//!   the mount namespace belongs to a user namespace the subject is not in.
//! - **Users**: the world's root is a number that owns nothing on the machine. Capabilities count
//!   in the subject's own user namespace only, cut by a small bounding set.
//! - **Network**: a namespace with a loopback device and nothing else, which belongs to the user
//!   namespace outside. Whoever gives it a link holds the other end.
//! - **Processes**: own pid, ipc, uts and cgroup namespaces; process 1 is ours and out of reach.
//!   cgroupfs is not mounted. Processes, open files and written bytes are limited.
//! - **Calls**: a seccomp filter ([`RULES`]) refuses what passes by the recorder or digs at the
//!   walls.
//! - **`/proc`, `/sys`, `/dev`**: a list of what is shown; settings read-only; `/sys` empty.
//!
//! # What is not
//!
//! The kernel is shared: a flaw in it is a way out, and its version, uptime, load, memory, processor
//! and clock are visible. Time spent in calls can be measured. Memory and processor time are not
//! limited where the machine has no cgroup controller for them. That this is a user namespace can be
//! seen (`/proc/self/uid_map`), as can the overlay (`/proc/self/mounts`). A subject that sets its own
//! limit of core files to 0 can make the machine's core handler run for a crash inside, where the
//! machine has one.
//!
//! # Whose processes are whose
//!
//! `lab → keeper → first process → the subject's`. The keeper and the first process are this very
//! program, run again: its `main` begins with [`run_role`]. They end when the lab does, however it
//! does. Only processes of the subject are in the subject's cgroup.

mod capabilities;
mod cgroup;
mod difference;
mod error;
mod filter;
mod ids;
mod in_place;
mod init;
mod keeper;
mod laid;
mod layer;
mod messages;
mod names;
mod plan;
mod rights;
mod root;
mod wire;
mod world;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

pub use error::{RootError, WorldError};
pub use filter::{Answer, RULES, Rule, TRACE_RECORD, TRACE_REFUSE, When};
pub use in_place::{IN_PLACE_CHANNEL, IN_PLACE_FOLDERS, Sockets, sweep_in_place};
pub use laid::Laid;
pub use layer::{Attributes, Layer, LayerBuilder, LayerError};
pub use messages::Comparison;
pub use plan::{Limits, Plan, Spawn, User};
pub use rights::{enter_range_of_users, is_root_of_machine};
pub use root::{
    CachedRoot, FileDigest, Inventory, Package, Preparation, PreparedRoot, list, prune,
};
pub use world::{Parked, World, start_of};

/// Runs one of the roles that this crate starts the program again for; `None` when the arguments
/// name none, and the program goes on as usual. `main` calls this first, before any thread.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "standard input is the lab's end of the keeper's channel"
)]
pub fn run_role(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<_> = arguments.into_iter().skip(1).collect();
    let (role, rest) = arguments.split_first()?;
    match role.to_str()? {
        ROLE_KEEPER => {
            // Standard input is the lab's end of the channel; nothing else uses it here.
            let channel = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
            Some(keeper::run(channel.into()))
        }
        ROLE_ROOT => Some(root::run_role(rest)),
        _ => None,
    }
}

/// Removes what dead labs left: cgroups, and half-made roots in `cache`. Returns their names.
///
/// # Errors
/// [`RootError`] when a half-made root cannot be removed. A cgroup that cannot be removed is left
/// for the next time.
pub fn sweep(cache: &Path) -> Result<Vec<String>, RootError> {
    let mut swept = cgroup::sweep().unwrap_or_default();
    swept.extend(root::sweep(cache)?);
    Ok(swept)
}

const ROLE_KEEPER: &str = "world-init";
const ROLE_ROOT: &str = "world-root";
