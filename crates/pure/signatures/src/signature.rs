//! One signature of any kind.

use crate::error::LineError;
use crate::extended::{self, BodySignature};
use crate::hash::{self, HashSignature};
use crate::ignore::{self, Ignore};
use crate::logical::{self, LogicalSignature};
use crate::set::Format;

/// What a line of a set says. Owns all it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// A digest has a name, or is allowed.
    Hash(HashSignature),
    /// Bytes at a place have a name.
    Body(Box<BodySignature>),
    /// An expression over several patterns has a name.
    Logical(Box<LogicalSignature>),
    /// Another signature is left out.
    Ignore(Ignore),
}

impl Signature {
    /// Parses one line without its end; comments and empty lines are no signatures.
    ///
    /// # Errors
    /// [`LineError`] with the reason.
    pub fn parse(format: Format, line: &[u8]) -> Result<Self, LineError> {
        match format {
            Format::Hash(subject) => hash::parse(subject, line).map(Self::Hash),
            Format::Body => extended::parse(line).map(|read| Self::Body(read.into())),
            Format::PlainBody => extended::parse_plain(line).map(|read| Self::Body(read.into())),
            Format::Logical => logical::parse(line).map(|read| Self::Logical(read.into())),
            Format::Ignore => ignore::parse(line).map(Self::Ignore),
            other => Err(LineError::NotSupported(other.plural())),
        }
    }
}
