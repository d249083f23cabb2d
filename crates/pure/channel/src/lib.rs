//! Carries jobs to workers, with what they answer.
//!
//! A worker has just looked into a hostile file, so the opener takes its answers for hostile too:
//! every length has a limit, every number a meaning or the message is refused, and text is printable
//! ASCII. Names of signatures are not in it, only numbers, which the opener looks up in the same
//! database. Member names are bytes that the file chose.
//!
//! One message is one packet of a socket that keeps packets apart; a message is never longer than
//! [`MAX_MESSAGE_BYTES`]. Numbers have their least significant byte first.
//!
//! ```
//! use watchglass_channel::{FromOpener, Job, Task};
//!
//! let job = FromOpener::Job(Job { number: 7, milliseconds: 120_000, task: Task::Scan });
//! assert_eq!(FromOpener::decode(&job.encode())?, job);
//! # Ok::<(), watchglass_channel::MessageError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "tests"
    )
)]

mod answer;
mod job;
mod word;

use thiserror::Error;
use watchglass_bytes::ReadError;

pub use answer::{
    ContentDigest, Digested, Finding, FromWorker, Hello, MAX_FINDINGS, MAX_MEMBER_BYTES,
    MAX_MEMBER_NAMES, MAX_OMISSIONS, MAX_TEXT_BYTES, Member, Omission, Outcome, Seen, What,
};
pub use job::{FromOpener, Job, Setup, Switch, Task};
pub use word::{Code, Wall};

/// Version of the messages. Opener and worker are built together; another one is refused.
pub const VERSION: u8 = 1;
/// Bytes of a message. The largest that the limits of its parts allow has fewer, and the kernel's
/// default for a socket (`net.core.wmem_default`, 212,992) is more.
pub const MAX_MESSAGE_BYTES: usize = 160 << 10;

/// Why a message is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// It ends too early, or goes on where it should end.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is longer than any.
    #[error("{found} bytes, limit {MAX_MESSAGE_BYTES}")]
    Long {
        /// Its length.
        found: usize,
    },
    /// A number that means nothing.
    #[error("{field}: {found} means nothing")]
    Unknown {
        /// Where it stands.
        field: &'static str,
        /// The number.
        found: u64,
    },
    /// A count or length beyond its limit.
    #[error("{field}: {found}, limit {limit}")]
    OverLimit {
        /// What is counted.
        field: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Text that is not printable ASCII.
    #[error("{field}: not printable ASCII")]
    Text {
        /// Where it stands.
        field: &'static str,
    },
}
