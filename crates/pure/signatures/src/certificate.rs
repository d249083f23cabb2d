//! Certificates that sign programs, `.crb`.
//!
//! `Name;Trusted;Subject;Serial;Pubkey;Exponent;CodeSign;TimeSign;CertSign;NotBefore;Comment[;MinFL[;MaxFL]]`

use crate::error::LineError;
use crate::field::{Fields, hex, hex_array, leading_number};
use crate::level::admit_fields;

/// A certificate whose signatures are trusted or held against a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its name, for people; may be empty.
    pub name: Box<[u8]>,
    /// What its signatures say.
    pub trust: Trust,
    /// SHA-1 of its subject.
    pub subject: [u8; 20],
    /// SHA-1 of its serial number; `None` is any.
    pub serial: Option<[u8; 20]>,
    /// The modulus of its RSA key. The exponent is 65537 whatever the line says, as in ClamAV.
    pub modulus: Box<[u8]>,
    /// Whether it may sign code.
    pub code_sign: bool,
    /// Whether it may sign times.
    pub time_sign: bool,
    /// Whether it may sign certificates.
    pub cert_sign: bool,
    /// When it begins, in seconds since 1970; `None` is always.
    pub not_before: Option<u32>,
}

/// What the signatures of a certificate say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// What it signs is not reported.
    Trusted,
    /// What it signs is reported.
    Blocked,
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over.
pub(crate) fn parse(line: &[u8]) -> Result<Certificate, LineError> {
    let fields = Fields::<13>::split(line, b';', 11)?;
    admit_fields(fields.get(11), fields.get(12))?;
    let trusted = flag("Trusted", fields.at(1))?;
    let serial = match fields.at(3) {
        b"" => None,
        serial => Some(sha1("Serial", serial)?),
    };
    let not_before = Some(fields.at(9)).filter(|field| !field.is_empty());
    Ok(Certificate {
        name: fields.at(0).into(),
        trust: if trusted { Trust::Trusted } else { Trust::Blocked },
        subject: sha1("Subject", fields.at(2))?,
        serial,
        modulus: modulus(fields.at(4))?,
        code_sign: flag("CodeSign", fields.at(6))?,
        time_sign: flag("TimeSign", fields.at(7))?,
        cert_sign: flag("CertSign", fields.at(8))?,
        not_before: not_before.map(|field| leading_number(field).map_or(0, |read| read.0)),
    })
}

fn flag(name: &'static str, field: &[u8]) -> Result<bool, LineError> {
    match field {
        [b'0', ..] => Ok(false),
        [b'1', ..] => Ok(true),
        _ => Err(LineError::field(name, field, "0 or 1")),
    }
}

fn sha1(name: &'static str, field: &[u8]) -> Result<[u8; 20], LineError> {
    hex_array(field).ok_or_else(|| LineError::field(name, field, "40 hexadecimal digits"))
}

fn modulus(field: &[u8]) -> Result<Box<[u8]>, LineError> {
    let padded = [b"0", field].concat();
    let digits = if field.len().is_multiple_of(2) { field } else { &padded };
    let modulus = hex(digits).filter(|modulus| !modulus.is_empty());
    modulus.ok_or_else(|| LineError::field("Pubkey", field, "hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line() {
        let sha1 = "3395856ce81f2b7382dee72602f798b642f14140";
        let line = |trusted: &str, serial: &str| {
            format!("A;{trusted};{sha1};{serial};abc;010001;1;0;1;;comment;73")
        };
        let read = parse(line("1", "").as_bytes()).unwrap();
        assert_eq!((read.trust, read.serial), (Trust::Trusted, None));
        assert_eq!(*read.modulus, [0x0a, 0xbc]);
        assert_eq!(parse(line("0", sha1).as_bytes()).unwrap().trust, Trust::Blocked);
        assert!(parse(line("2", sha1).as_bytes()).is_err());
        assert!(parse(line("1", "ab").as_bytes()).is_err());
    }
}
