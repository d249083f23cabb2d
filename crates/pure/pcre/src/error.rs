//! Why a pattern is refused.

use thiserror::Error;

/// Why a pattern is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpressionError {
    /// It is not a pattern.
    #[error("byte {at}: {wrong}")]
    Syntax {
        /// Bytes before the place.
        at: usize,
        /// What is wrong there.
        wrong: &'static str,
    },
    /// It is a pattern of a kind that is not read.
    #[error("byte {at}: {what} is not supported")]
    Unsupported {
        /// Bytes before the place.
        at: usize,
        /// The kind.
        what: &'static str,
    },
    /// It is larger than is read.
    #[error("{field}: limit {limit}")]
    OverLimit {
        /// What there is too much of.
        field: &'static str,
        /// How much there may be.
        limit: usize,
    },
}
