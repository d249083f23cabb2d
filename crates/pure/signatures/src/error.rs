//! Why a line is not a signature.

use std::sync::Arc;

use thiserror::Error;

use crate::body::BodyError;
use crate::level::FUNCTIONALITY_LEVEL;

/// A line that gave no signature, with its place and its reason.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}")]
pub struct BadLine {
    /// The name of the set, as the caller gave it.
    pub file: Arc<str>,
    /// Which line, from 1; 0 is the file as a whole.
    pub line: u32,
    /// The reason.
    #[source]
    pub error: LineError,
}

/// What keeps a line from being a signature.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// The line is longer than ClamAV's buffer for it.
    #[error("{bytes} bytes long, limit {limit}")]
    TooLong {
        /// Bytes of the line.
        bytes: usize,
        /// The most that is read.
        limit: usize,
    },
    /// The line holds a zero byte, where ClamAV would silently end it.
    #[error("a zero byte stands in it")]
    ZeroByte,
    /// The line has too few or too many fields.
    #[error("{found} fields, {least} to {most} wanted")]
    Fields {
        /// Fields there are.
        found: usize,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A field is not what its format says.
    #[error("{field}: `{found}` is not {wanted}")]
    Field {
        /// The field, as the manual calls it.
        field: &'static str,
        /// What stands there, escaped and shortened.
        found: Box<str>,
        /// What should.
        wanted: &'static str,
    },
    /// The line is meant for engines of other levels.
    #[error("for engines of level {min} to {max}, this is {FUNCTIONALITY_LEVEL}")]
    Level {
        /// The first level it is for.
        min: u32,
        /// The last level it is for; `u32::MAX` when there is none.
        max: u32,
    },
    /// The line needs something that ClamAV 1.4 does not know either, and skips.
    #[error("{field}: `{found}` is unknown to this engine")]
    Unknown {
        /// What is unknown.
        field: &'static str,
        /// Its name or number, escaped and shortened.
        found: Box<str>,
    },
    /// A body breaks its syntax or a limit.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A logical signature's expression does not fit its sub-signatures.
    #[error("{found} sub-signatures, the last that the expression names is {last}")]
    Subsignatures {
        /// How many there are.
        found: usize,
        /// The number of the last one named, from 0.
        last: u8,
    },
    /// A sub-signature cannot be read.
    #[error("sub-signature {index}: {error}")]
    Subsignature {
        /// Which one, from 0.
        index: u8,
        /// What is wrong with it.
        error: Box<LineError>,
    },
    /// The file holds no lines of signatures: it is a container, a container's list or YARA.
    #[error("{0} are not read line by line")]
    NoLines(&'static str),
    /// The line was read, and the database cannot hold what it says.
    #[error(transparent)]
    Compile(#[from] watchglass_database::BuildError),
    /// A rule of another engine, whose compiler says so.
    #[error("{0}")]
    Rule(Box<str>),
    /// This engine does not read the format yet.
    #[error("{0} are not supported")]
    NotSupported(&'static str),
}

/// Whose fault it is that a line gives no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The line's. ClamAV refuses the whole set for it.
    Malformed,
    /// Nobody's: ClamAV 1.4 passes over this line too.
    NotForThisEngine,
    /// Ours: ClamAV reads what we do not.
    NotSupported,
}

impl LineError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Level { .. } | Self::Unknown { .. } => Fault::NotForThisEngine,
            Self::NotSupported(_) | Self::NoLines(_) => Fault::NotSupported,
            _ => Fault::Malformed,
        }
    }

    pub(crate) fn field(field: &'static str, found: &[u8], wanted: &'static str) -> Self {
        Self::Field { field, found: excerpt(found), wanted }
    }

    pub(crate) fn unknown(field: &'static str, found: &[u8]) -> Self {
        Self::Unknown { field, found: excerpt(found) }
    }
}

/// What a set's author wrote, safe to show and short.
pub(crate) fn excerpt(bytes: &[u8]) -> Box<str> {
    match bytes.split_at_checked(EXCERPT_BYTES) {
        Some((head, tail)) if !tail.is_empty() => format!("{}…", head.escape_ascii()).into(),
        _ => bytes.escape_ascii().to_string().into(),
    }
}

/// Bytes of a field that an error repeats: enough to find it in its line.
const EXCERPT_BYTES: usize = 40;
