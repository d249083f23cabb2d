//! How types of files are told apart, `.ftm`.
//!
//! `MagicType:Offset:Hex:Name:RequiredType:DetectedType[:MinFL[:MaxFL]]`

use crate::body::{Body, Choices, Rules};
use crate::error::LineError;
use crate::field::{Fields, Name, hex, number};
use crate::file_kind::FileKind;
use crate::level::admit_fields;
use crate::offset::Offset;
use crate::target::Target;

/// Says that a file with this magic is of this type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTypeSignature {
    /// What the type is called.
    pub name: Name,
    /// The magic.
    pub magic: Magic,
    /// The type that the file must have for [`Magic::Body`].
    pub required: FileKind,
    /// The type that it is of.
    pub detected: FileKind,
}

/// What a file of a type has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Magic {
    /// Bytes at a place, 0.
    Bytes {
        /// Bytes before them.
        offset: u32,
        /// The bytes.
        bytes: Box<[u8]>,
    },
    /// A body at a place, 1.
    Body {
        /// The place.
        offset: Offset,
        /// The body.
        body: Box<Body>,
    },
    /// Bytes at a place in a partition of a disk, 4.
    Partition {
        /// Bytes before them.
        offset: u32,
        /// The bytes.
        bytes: Box<[u8]>,
    },
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over.
pub(crate) fn parse(line: &[u8]) -> Result<FileTypeSignature, LineError> {
    let fields = Fields::<8>::split(line, b':', 6)?;
    admit_fields(fields.get(6), fields.get(7))?;
    let required = FileKind::demand("RequiredType", fields.at(4))?;
    let detected = FileKind::demand("DetectedType", fields.at(5))?;
    let (offset, text) = (fields.at(1), fields.at(2));
    let magic = match number("MagicType", fields.at(0))? {
        0 => Magic::Bytes { offset: number("Offset", offset)?, bytes: bytes(text)? },
        1 => {
            let target = Target::Generic;
            let rules = Rules { choices: Choices::Plain, prefilter: target.prefilter() };
            let body = Box::new(Body::parse(text, rules)?);
            Magic::Body { offset: Offset::parse(offset, target)?, body }
        }
        4 => Magic::Partition { offset: number("Offset", offset)?, bytes: bytes(text)? },
        _ => return Err(LineError::unknown("MagicType", fields.at(0))),
    };
    Ok(FileTypeSignature { name: Name::parse(fields.at(3))?, magic, required, detected })
}

fn bytes(text: &[u8]) -> Result<Box<[u8]>, LineError> {
    hex(text).ok_or_else(|| LineError::field("HexSig", text, "hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_magic() {
        let line = |magic: &str| format!("{magic}:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP:70");
        let read = |magic: &str| parse(line(magic).as_bytes()).map(|read| read.magic);
        assert!(matches!(read("0:0:504b0304"), Ok(Magic::Bytes { .. })));
        assert!(matches!(read("1:*:504b??04{2-3}0506"), Ok(Magic::Body { .. })));
        assert!(matches!(read("4:1024:482b0004"), Ok(Magic::Partition { .. })));
        assert!(matches!(read("2:0:504b0304"), Err(LineError::Unknown { .. })));
        assert!(read("0:*:504b0304").is_err());
        assert!(read("0:0:504b??04").is_err());
        assert!(parse(b"0:0:504b:ZIP:CL_TYPE_ANY:CL_TYPE_NONE").is_err());
    }
}
