//! Signatures of what a container says about its members, `.cdb`.
//!
//! `Name:ContainerType:ContainerSize:FileNameRegex:FileSizeInContainer:FileSizeReal:IsEncrypted:FilePos:Res1:Res2[:MinFL[:MaxFL]]`

use crate::error::LineError;
use crate::field::{Fields, Name, Range, leading_number, number};
use crate::file_kind::FileKind;
use crate::level::admit_fields;

/// Says that a member of which its container says this has this name. `None` is anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerMetadata {
    /// The name.
    pub name: Name,
    /// The container's type. ClamAV knows members of ZIP, RAR, ARJ, MSCAB, 7Z, mail, TAR and CPIO.
    pub container_type: Option<FileKind>,
    /// The container's size in bytes.
    pub container_size: Option<Range>,
    /// The member's name, as a regular expression in the extended syntax of POSIX; not compiled.
    pub file_name: Option<Box<[u8]>>,
    /// The member's size in the container, in bytes.
    pub size_in_container: Option<Range>,
    /// The member's size in bytes.
    pub real_size: Option<Range>,
    /// Whether the member is encrypted.
    pub encrypted: Option<bool>,
    /// Which member it is, from 1.
    pub position: Option<Range>,
    /// `Res2`, as written. Its manual calls `Res1` a checksum, its loader reads neither.
    pub reserved: Option<Box<[u8]>>,
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over; it also refuses expressions that do not compile.
pub(crate) fn parse(line: &[u8]) -> Result<ContainerMetadata, LineError> {
    let fields = Fields::<12>::split(line, b':', 10)?;
    admit_fields(fields.get(10), fields.get(11))?;
    let container_type = match fields.at(1) {
        b"*" => None,
        kind => Some(FileKind::demand("ContainerType", kind)?),
    };
    let encrypted = match fields.at(6) {
        b"*" => None,
        b"0" => Some(false),
        b"1" => Some(true),
        other => return Err(LineError::field("IsEncrypted", other, "`*`, 0 or 1")),
    };
    Ok(ContainerMetadata {
        name: Name::parse(fields.at(0))?,
        container_type,
        container_size: range("ContainerSize", fields.at(2))?,
        file_name: file_name(fields.at(3))?,
        size_in_container: range("FileSizeInContainer", fields.at(4))?,
        real_size: range("FileSizeReal", fields.at(5))?,
        encrypted,
        position: range("FilePos", fields.at(7))?,
        reserved: text(fields.at(9)),
    })
}

fn file_name(field: &[u8]) -> Result<Option<Box<[u8]>>, LineError> {
    if field.is_empty() {
        return Err(LineError::field("FileNameRegex", field, "`*` or an expression"));
    }
    Ok(text(field))
}

fn text(field: &[u8]) -> Option<Box<[u8]>> {
    (field != b"*").then(|| field.into())
}

/// `*`, a number, or two with a dash between them.
fn range(name: &'static str, field: &[u8]) -> Result<Option<Range>, LineError> {
    if field == b"*" {
        return Ok(None);
    }
    if !field.contains(&b'-') {
        let only = number(name, field)?;
        return Ok(Some(Range { min: only, max: only }));
    }
    let read = || {
        let (min, rest) = leading_number(field)?;
        let (max, _) = leading_number(rest.strip_prefix(b"-")?)?;
        Some(Range { min, max })
    };
    read().map(Some).ok_or_else(|| LineError::field(name, field, "`*`, a number or a range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_field() {
        let line = br"A:CL_TYPE_ZIP:*:\.exe$:10-20:5:1:1-:*:*";
        assert!(parse(line).is_err());
        let line = br"A:CL_TYPE_ZIP:*:\.exe$:10-20:5:1:1:*:c0ffee00:51:255";
        let read = parse(line).unwrap();
        assert_eq!(read.size_in_container, Some(Range { min: 10, max: 20 }));
        assert_eq!(read.real_size, Some(Range { min: 5, max: 5 }));
        assert_eq!((read.encrypted, read.container_size), (Some(true), None));
        assert_eq!(read.file_name.as_deref(), Some(&br"\.exe$"[..]));
        assert!(parse(b"A:CL_TYPE_NONE:*:*:*:*:*:*:*:*").is_err());
        assert!(parse(b"A:*:*:*:*:*:2:*:*:*").is_err());
        assert!(parse(b"A:*:*:*:*:*:*:*:*").is_err());
    }
}
