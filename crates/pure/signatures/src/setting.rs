//! Parts of ClamAV's engine that a set switches on and off, `.cfg`.
//!
//! `Part:0xFlags[:MinFL[:MaxFL]]`

use crate::error::LineError;
use crate::field::{leading_number, nibble};
use crate::level::admit;

/// Which flags a part of ClamAV's engine is to run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The part, in ClamAV's words.
    pub part: &'static str,
    /// The flags, as `dconf.h` numbers them.
    pub flags: u32,
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over.
pub(crate) fn parse(line: &[u8]) -> Result<Setting, LineError> {
    let mut fields = line.split(|byte| *byte == b':');
    let part = fields.next().unwrap_or_default();
    let known = PARTS.iter().find(|known| known.as_bytes() == part);
    let part = known.ok_or_else(|| LineError::unknown("DynamicConfiguration", part))?;
    let flags = fields.next().unwrap_or_default();
    let level = |field: &[u8]| leading_number(field).map(|read| read.0);
    let min = fields.next().map_or(Some(0), level).unwrap_or(u32::MAX);
    admit(min, fields.next().map_or(Some(u32::MAX), level).unwrap_or(0))?;
    let wrong = || LineError::field("Flags", flags, "`0x` and hexadecimal digits");
    let digits = flags.strip_prefix(b"0x").filter(|digits| !digits.is_empty()).ok_or_else(wrong)?;
    let flags = digits.iter().try_fold(0_u32, |flags, digit| {
        flags.checked_mul(16)?.checked_add(u32::from(nibble(*digit)?))
    });
    Ok(Setting { part, flags: flags.ok_or_else(wrong)? })
}

/// The parts that ClamAV 1.4's `cli_dconf_load` knows.
const PARTS: &[&str] = &[
    "PE", "ELF", "MACHO", "ARCHIVE", "DOCUMENT", "MAIL", "OTHER", "PHISHING", "BYTECODE", "STATS",
    "PCRE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_flags_for_this_level() {
        let read = parse(b"PE:0x1ff:23:255").unwrap();
        assert_eq!(read, Setting { part: "PE", flags: 0x1ff });
        assert!(matches!(parse(b"PE:0x1:23:30"), Err(LineError::Level { .. })));
        assert!(matches!(parse(b"NEW:0x1"), Err(LineError::Unknown { .. })));
        assert!(matches!(parse(b"PE:12"), Err(LineError::Field { .. })));
    }
}
