//! Records what a subject does.
//!
//! A [`Sensor`] writes one event log of a run. There are two: [`bpf`] (tier T1) and [`ptrace`]
//! (tier T0). Which one can be had is found by loading and attaching, never by asking for a version.

pub mod bpf;
mod own_folder;
pub mod ptrace;

use watchglass_events::{Source, Tier};

/// Records the processes of one world until it is finished.
pub trait Sensor: Send + std::fmt::Debug {
    /// How much it can see.
    fn tier(&self) -> Tier;

    /// System calls that the world's seccomp filter must hand to a tracer (`SECCOMP_RET_TRACE`).
    /// Empty where the sensor does not trace.
    fn traced_calls(&self) -> &[u32];

    /// Begins to watch a process that waits before its `exec`; its descendants follow by themselves.
    ///
    /// # Errors
    /// When the process is gone or cannot be watched.
    fn adopt(&mut self, pid: u32) -> Result<(), SensorError>;

    /// Events recorded so far, for the progress line.
    fn recorded(&self) -> u64;

    /// Ends the recording once the world's processes have ended, seals the log and tells the totals
    /// of each source in it.
    ///
    /// # Errors
    /// When the log could not be written whole.
    fn finish(self: Box<Self>) -> Result<Vec<Totals>, SensorError>;
}

/// What a source made and what arrived. `received + lost = emitted`, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Which source.
    pub source: Source,
    /// Records the source made.
    pub emitted: u64,
    /// Records that arrived.
    pub received: u64,
    /// Records known to be lost.
    pub lost: u64,
    /// What it cannot see, in words, one sentence each.
    pub blind: Vec<String>,
}

/// Why something could not be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SensorError {
    /// This machine does not offer what the sensor needs; another tier may do.
    #[error("{what}: {reason}")]
    Unavailable {
        /// The kernel feature.
        what: &'static str,
        /// What the kernel said.
        reason: String,
    },
    /// The log could not be written.
    #[error("event log")]
    Log(#[source] std::io::Error),
    /// A system call failed.
    #[error("{call}")]
    System {
        /// The call and its object.
        call: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}
