//! One line of a table of magic numbers.

use thiserror::Error;

use super::pattern::PatternError;
use crate::FileType;

/// How an entry is compared, the first field of a `.ftm` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// 0: plain bytes at one place of a file, before everything else; the last entry that fits wins.
    File,
    /// 1: a pattern, looked for where no plain bytes told the type, and then in the whole file.
    Pattern,
    /// 4: plain bytes at one place of a partition.
    Partition,
}

impl Kind {
    /// The kind with this number in a `.ftm` line.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::File),
            1 => Some(Self::Pattern),
            4 => Some(Self::Partition),
            _ => None,
        }
    }
}

/// Where an entry may stand; the second field of a `.ftm` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offset {
    /// `*`: anywhere.
    Any,
    /// `n` or `n,shift`: at `from`, or up to `shift` bytes later.
    At {
        /// Bytes from the start.
        from: u32,
        /// How much later is as good.
        shift: u32,
    },
    /// `EOF-n` or `EOF-n,shift`.
    BeforeEnd {
        /// Bytes from the end.
        before: u32,
        /// How much later is as good.
        shift: u32,
    },
}

impl Offset {
    /// Reads `*`, `n`, `n,shift`, `EOF-n` or `EOF-n,shift`.
    ///
    /// # Errors
    /// [`EntryError::Offset`] for anything else.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let number = |digits: &str| -> Result<u32, EntryError> {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let read = digits.parse().ok().filter(|_| plain);
            read.ok_or_else(|| EntryError::Offset(text.to_owned()))
        };
        if text == "*" {
            return Ok(Self::Any);
        }
        let (place, shift) = text.split_once(',').unwrap_or((text, "0"));
        let shift = number(shift)?;
        match place.strip_prefix("EOF-") {
            Some(before) => Ok(Self::BeforeEnd { before: number(before)?, shift }),
            None => Ok(Self::At { from: number(place)?, shift }),
        }
    }

    /// The first and last place in a file of `length` bytes; none where it cannot be.
    pub(crate) fn range(self, length: usize) -> Option<(usize, usize)> {
        let size = |number: u32| usize::try_from(number).ok();
        let (first, shift) = match self {
            Self::Any => return Some((0, usize::MAX)),
            Self::At { from, shift } => (size(from)?, size(shift)?),
            Self::BeforeEnd { before, shift } => (length.checked_sub(size(before)?)?, size(shift)?),
        };
        Some((first, first.saturating_add(shift)))
    }
}

/// Bytes that tell a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How it is compared.
    pub kind: Kind,
    /// Where it may stand. Kinds other than [`Kind::Pattern`] want [`Offset::At`] without a shift.
    pub offset: Offset,
    /// Hexadecimal bytes; for [`Kind::Pattern`] also `??`, `a?`, `(aa|bb)`, `*`, `{n-m}`.
    pub bytes: String,
    /// The type that a file must have been found to be; [`FileType::Any`] for whatever.
    pub from: FileType,
    /// The type that the bytes tell.
    pub to: FileType,
}

/// Why an entry cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// An offset that is none.
    #[error("`{0}` is no offset of a file type: `*`, `n`, `n,shift` or `EOF-n`")]
    Offset(String),
    /// Plain bytes without one place.
    #[error("plain bytes need one place from the start of a file")]
    PlaceOfPlainBytes,
    /// A pattern that cannot be used.
    #[error("`{bytes}`")]
    Pattern {
        /// The pattern.
        bytes: String,
        /// What is wrong with it.
        #[source]
        source: PatternError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets() {
        assert_eq!(Offset::parse("*"), Ok(Offset::Any));
        assert_eq!(Offset::parse("0,1024"), Ok(Offset::At { from: 0, shift: 1024 }));
        assert_eq!(Offset::parse("EOF-512"), Ok(Offset::BeforeEnd { before: 512, shift: 0 }));
        for bad in ["", "EP+0", "-1", "+1", "1,", "S1+2", "99999999999"] {
            assert!(Offset::parse(bad).is_err(), "{bad}");
        }
    }
}
