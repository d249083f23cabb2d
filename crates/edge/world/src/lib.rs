//! Builds the world that a subject lives in.
//!
//! A world has user, mount, pid, network, ipc, uts and cgroup namespaces of its own, files that are
//! an overlay over a root, a short `/dev`, a covered `/proc`, an empty `/sys`, few capabilities and
//! a filter of system calls ([`RULES`]). Its user 0 is nobody on the machine. The subject may be
//! that user 0: it reaches neither the recorder nor the machine nor a network that nobody joined to
//! the world.
//!
//! What it does not seal: the kernel is the machine's, with its version, processors, memory size,
//! load and uptime; a hole in it is a hole in the world.
//!
//! Three processes hold a world: the lab, which has [`World`]; the keeper, which builds it and takes
//! it down when the lab is gone, however it went; and the world's first process, which starts the
//! subject's. The last two are the lab's own program in other roles: [`run_role`].

mod capabilities;
mod cgroup;
mod difference;
mod error;
mod filter;
mod ids;
mod init;
mod keeper;
mod layer;
mod messages;
mod names;
mod plan;
mod root;
mod users;
mod wire;
mod world;

pub use error::{RootError, WorldError};
pub use filter::{Answer, RULES, Rule, When};
pub use layer::{Attributes, Layer, LayerBuilder, LayerError};
pub use messages::Comparison;
pub use plan::{Limits, Plan, Spawn, User};
pub use root::{
    Inventory, InventoryFile, InventoryPackage, PreparedRoot, cached_roots, inventory, prepare_root,
};
pub use world::{Parked, World, run_role, sweep};
