//! What holds a process, as far as this kernel and these rights allow.

use std::fmt;
use std::io;

/// A wall that some machines do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// A network namespace of its own. Containers and hardened kernels refuse it to ordinary users.
    Network,
    /// Landlock, Linux ≥ 5.13 where it is switched on.
    Landlock,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network namespace",
            Self::Landlock => "Landlock",
        })
    }
}

/// What [`super::confine`] came to. Holding one says that every other step was done: without them
/// there is an error.
#[derive(Debug, Default)]
pub struct Held {
    /// What this machine does not give, with what it answered.
    pub missing: Vec<(Mechanism, io::Error)>,
    /// The version of Landlock that holds it; from 4 on it holds TCP, from 6 on signals and abstract
    /// Unix sockets.
    pub landlock: Option<u32>,
    /// Calls that were tried from inside, each of which was refused.
    pub refused: usize,
}

impl Held {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}
