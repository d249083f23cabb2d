//! What the lab, the keeper and the world's first process tell each other.

use std::path::PathBuf;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use watchglass_events::What;

use crate::ids::Ids;
use crate::plan::Limits;

/// Lab to keeper.
#[derive(Debug, Encode, Decode)]
pub(crate) enum ToKeeper {
    /// Build this. Descriptors: the layer.
    #[n(0)]
    Build(#[n(0)] Box<Blueprint>),
    /// The user and group maps of the keeper's namespace are written.
    #[n(1)]
    Mapped,
    /// Tell how the files differ from those before the start.
    #[n(2)]
    Compare,
}

/// The plan, with everything worked out that needs no kernel.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct Blueprint {
    /// `watchglass-PID-START-RANDOM`.
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) ids: Ids,
    #[n(2)]
    pub(crate) hostname: String,
    #[n(3)]
    pub(crate) boot_id: String,
    #[n(4)]
    pub(crate) root: Root,
    #[n(5)]
    pub(crate) limits: Limits,
    /// Bits of the capabilities that stay in the bounding set.
    #[n(6)]
    pub(crate) capabilities: u64,
    /// The filter: code, jumps and operand of each instruction.
    #[n(7)]
    pub(crate) filter: Vec<(u16, u8, u8, u32)>,
    /// The cgroup to make the world's cgroup in.
    #[n(8)]
    pub(crate) cgroup: Option<PathBuf>,
}

#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Root {
    /// A folder that holds a whole root.
    #[n(0)]
    Folder(#[n(0)] PathBuf),
    /// The machine's own programs.
    #[n(1)]
    Host,
    /// The machine's own programs, without namespaces; in this folder, which is to be made.
    #[n(2)]
    InPlace(#[n(0)] PathBuf),
}

/// Keeper to lab.
#[derive(Debug, Encode, Decode)]
pub(crate) enum FromKeeper {
    /// The keeper is in a user namespace of its own and waits for its maps.
    #[n(0)]
    WantsMaps,
    /// The world stands. Descriptors: the first process's channel, its pidfd, the network
    /// namespace, the world's root, then the user namespace of the keeper where it made one, then
    /// the subject's cgroup where there is one.
    #[n(1)]
    Built {
        #[n(0)]
        user_namespace: bool,
        #[n(1)]
        cgroup: bool,
        #[n(2)]
        lacks: Vec<String>,
    },
    /// A step failed; nothing is left of the world.
    #[n(2)]
    Failed {
        #[n(0)]
        step: String,
        #[n(1)]
        cause: String,
    },
    /// One difference.
    #[n(3)]
    Differs(#[n(0)] Box<What>),
    /// There are no more.
    #[n(4)]
    Compared(#[n(0)] Comparison),
}

/// How a comparison of the world's files ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Comparison {
    /// Differences told.
    #[n(0)]
    pub differences: u64,
    /// What was not looked at, in words; empty when all was.
    #[n(1)]
    pub cut: Vec<String>,
}

/// Lab to the world's first process.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Order {
    /// Make a process that waits before its `exec`. Descriptors: standard output, standard error,
    /// and the program where one is given.
    #[n(0)]
    Park(#[n(0)] Box<Command>),
    /// Let it `exec`.
    #[n(1)]
    Release(#[n(0)] u32),
    /// Kill every other process of the world.
    #[n(2)]
    KillRest,
}

/// A command with its user looked up.
#[derive(Debug, Encode, Decode)]
pub(crate) struct Command {
    #[n(0)]
    pub(crate) id: u32,
    #[n(1)]
    pub(crate) argv: Vec<ByteVec>,
    #[n(2)]
    pub(crate) environment: Vec<(ByteVec, ByteVec)>,
    #[n(3)]
    pub(crate) uid: u32,
    #[n(4)]
    pub(crate) gid: u32,
    #[n(5)]
    pub(crate) groups: Vec<u32>,
    #[n(6)]
    pub(crate) folder: ByteVec,
}

/// The world's first process to the lab.
#[derive(Debug, Encode, Decode)]
pub(crate) enum News {
    /// The first process is ready, in the finished world.
    #[n(0)]
    Up,
    /// A step of the start failed.
    #[n(1)]
    Failed {
        #[n(0)]
        step: String,
        #[n(1)]
        cause: String,
    },
    /// The process waits. Descriptors: its pidfd.
    #[n(2)]
    Parked(#[n(0)] u32),
    /// The process could not be made.
    #[n(3)]
    Refused {
        #[n(0)]
        id: u32,
        #[n(1)]
        text: String,
    },
    /// A process has ended.
    #[n(4)]
    Ended {
        #[n(0)]
        id: u32,
        #[n(1)]
        end: End,
    },
    /// Every other process is gone, but for so many that do not go.
    #[n(5)]
    Alone {
        #[n(0)]
        left: bool,
    },
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum End {
    #[n(0)]
    Exited(#[n(0)] i32),
    #[n(1)]
    Signalled(#[n(0)] i32),
    #[n(2)]
    NotStarted(#[n(0)] String),
}

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) cause: String,
}

/// Says which step an error belongs to.
pub(crate) trait AtStep<T> {
    fn at(self, step: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: std::fmt::Display> AtStep<T> for Result<T, E> {
    fn at(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure { step: step.into(), cause: error.to_string() })
    }
}
