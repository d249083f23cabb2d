//! Why something was not scanned, and what was strange.

use thiserror::Error;

/// Why something inside of a container was not seen, or not all of it.
///
/// Offsets are bytes from the start of the container that says it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotScanned {
    /// Nobody can look inside without a password.
    #[error("encrypted ({method})")]
    Encrypted {
        /// How, in the words of the format.
        method: &'static str,
    },
    /// No specification that we know has this method.
    #[error("{format}: unknown method {number}")]
    UnknownMethod {
        /// The format that numbers it.
        format: &'static str,
        /// Its number.
        number: u64,
    },
    /// Known, and not opened by this version.
    #[error("{what} is not supported yet")]
    NotSupported {
        /// The method, format or feature.
        what: &'static str,
    },
    /// The bytes do not follow the format.
    #[error("damaged at byte {offset}: {what}")]
    Damaged {
        /// What is wrong there.
        what: &'static str,
        /// Where the reader gave up.
        offset: u64,
    },
    /// A limit was reached.
    #[error("{which} reached: {limit}")]
    Limit {
        /// Which.
        which: Limit,
        /// What it allows, in its own unit.
        limit: u64,
    },
    /// What was read has another checksum than was declared. The content is given all the same.
    #[error("{field}: {declared:#x} declared, {found:#x} found")]
    Checksum {
        /// The field that declares it.
        field: &'static str,
        /// What it declares.
        declared: u64,
        /// What the content has.
        found: u64,
    },
    /// What was read has another length than was declared. The content is given all the same.
    #[error("{field}: {declared} bytes declared, {found} found")]
    Length {
        /// The field that declares it.
        field: &'static str,
        /// What it declares.
        declared: u64,
        /// How much there is.
        found: u64,
    },
    /// The member shares its bytes with others, more often than an honest archive could.
    #[error("shares its bytes with the member at {with}")]
    Overlapping {
        /// Where the other member's bytes begin.
        with: u64,
    },
    /// Part of the member is in another file.
    #[error("continues in another file ({what})")]
    Split {
        /// What says so.
        what: &'static str,
    },
    /// Bytes that belong to nothing. The scan of the container's own bytes sees them.
    #[error("{bytes} bytes at {offset} belong to nothing")]
    Unexplained {
        /// The first of them.
        offset: u64,
        /// How many.
        bytes: u64,
    },
}

/// A limit of [`crate::Limits`], or the caller.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`crate::Limits::max_scan_size`], bytes.
    #[error("MaxScanSize")]
    ScanSize,
    /// [`crate::Limits::max_file_size`], bytes.
    #[error("MaxFileSize")]
    FileSize,
    /// [`crate::Limits::max_files`], members.
    #[error("MaxFiles")]
    Files,
    /// [`crate::Limits::max_recursion`], layers.
    #[error("MaxRecursion")]
    Recursion,
    /// [`crate::Limits::max_ratio`], bytes out for each byte of the file.
    #[error("the ratio")]
    Ratio,
    /// [`crate::Limits::max_steps`], units of work.
    #[error("the steps")]
    Steps,
    /// The caller's `stop` said so; the number is of steps done.
    #[error("the caller's end")]
    Stopped,
}

/// What an honest writer does not do. All of it was read, in each of its readings.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// Two places say different things about the same member.
    #[error("{field} differs: {one} and {other}")]
    Disagreement {
        /// The field that differs.
        field: &'static str,
        /// The number of the one, or its length where it is a name.
        one: u64,
        /// The number of the other.
        other: u64,
    },
    /// A member that only one of two directories knows.
    #[error("only {place} knows the member")]
    OnlyIn {
        /// The directory that knows it.
        place: &'static str,
    },
    /// Members share bytes.
    #[error("shares its bytes with the member at {with}")]
    Overlap {
        /// Where the other member's bytes begin.
        with: u64,
    },
    /// The archive begins later than the file.
    #[error("{bytes} bytes stand before the archive")]
    Prepended {
        /// How many.
        bytes: u64,
    },
    /// Encrypted with the password that every reader tries first, so that everybody reads what
    /// scanners of mail do not.
    #[error("encrypted with the empty password ({method})")]
    EmptyPassword {
        /// How, in the words of the format.
        method: &'static str,
    },
    /// Encrypted with a password that the caller knows.
    #[error("encrypted with a known password ({method})")]
    KnownPassword {
        /// How, in the words of the format.
        method: &'static str,
    },
    /// Marked as encrypted, and not encrypted: readers that do not look at the mark read it.
    #[error("marked as encrypted, and is not")]
    NotEncrypted,
    /// Names that tell a reader what to do are written with escapes that they do not need, in a PDF:
    /// what ClamAV calls `Heuristics.PDF.ObfuscatedNameObject`.
    #[error("{count} names have needless escapes, the first at {first}")]
    EscapedNames {
        /// Where the first of them stands.
        first: u64,
        /// How many there are.
        count: u64,
    },
    /// Bytes that the format skips, and in which anything may stand.
    #[error("{what}: {bytes} bytes at {offset}")]
    Skipped {
        /// What they are.
        what: &'static str,
        /// The first of them.
        offset: u64,
        /// How many.
        bytes: u64,
    },
}
