//! Passwords of archives, `.pwdb`.
//!
//! `Name;Attributes;StorageType;Password`

use crate::error::LineError;
use crate::field::{Name, hex, number};
use crate::file_kind::FileKind;
use crate::logical::Description;

/// A password to be tried on encrypted archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// What it is called.
    pub name: Name,
    /// The archives it is for, ZIP or RAR; `None` is both.
    pub container: Option<FileKind>,
    /// The password's bytes.
    pub password: Box<[u8]>,
}

/// Parses one line. What stands behind a fourth semicolon is passed over, as by ClamAV.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over.
pub(crate) fn parse(line: &[u8]) -> Result<Password, LineError> {
    let fields: Vec<_> = line.split(|byte| *byte == b';').take(FIELDS).collect();
    let &[name, attributes, storage, password] = &fields[..] else {
        return Err(LineError::Fields { found: fields.len(), least: FIELDS, most: FIELDS });
    };
    let container = container(attributes)?;
    let password = match number("PWStorageType", storage)? {
        0 => password.into(),
        1 => hex(password)
            .ok_or_else(|| LineError::field("Password", password, "hexadecimal digits"))?,
        _ => return Err(LineError::unknown("PWStorageType", storage)),
    };
    Ok(Password { name: Name::parse(name)?, container, password })
}

fn container(attributes: &[u8]) -> Result<Option<FileKind>, LineError> {
    let has_target = attributes.windows(TARGET.len()).any(|window| window == TARGET);
    let description = if attributes.is_empty() || has_target {
        Description::parse(attributes)?
    } else {
        Description::parse(&[attributes, b",Target:0"].concat())?
    };
    match description.container {
        None => Ok(None),
        Some(kind) => match kind.name() {
            "CL_TYPE_ANY" => Ok(None),
            "CL_TYPE_ZIP" | "CL_TYPE_RAR" => Ok(Some(kind)),
            _ => Err(LineError::field("Container", attributes, "of CL_TYPE_ZIP or CL_TYPE_RAR")),
        },
    }
}

const FIELDS: usize = 4;
const TARGET: &[u8] = b"Target:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_and_hexadecimal_passwords() {
        let read = parse(b"A;Engine:81-255,Container:CL_TYPE_ZIP;0;infected").unwrap();
        assert_eq!(*read.password, *b"infected");
        assert_eq!(read.container.unwrap().name(), "CL_TYPE_ZIP");
        assert_eq!(*parse(b"A;Engine:81-255;1;6162").unwrap().password, *b"ab");
        assert!(parse(b"A;Engine:81-255;1;616").is_err());
        assert!(parse(b"A;;0;a").is_err());
        assert!(parse(b"A;Engine:81-255,Container:CL_TYPE_ARJ;0;a").is_err());
        assert!(matches!(parse(b"A;Engine:81-255;2;a"), Err(LineError::Unknown { .. })));
    }
}
