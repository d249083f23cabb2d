//! Certificates that sign programs, in coded form.
//!
//! A byte of flags: 1 trusted, 2 may sign code, 4 times, 8 certificates, 16 a serial number is told.
//! Then the SHA-1 of the subject, that of the serial number where it is told, when it begins in
//! seconds since 1970 as a number, the modulus of its key up to the end.

use crate::code::{Cursor, push_number};
use crate::file::{Database, SectionKind};
use crate::names::NameId;
use crate::records::{RecordKind, Records};

/// A certificate whose signatures are trusted or held against a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// Whether it is trusted; otherwise it is blocked.
    pub is_trusted: bool,
    /// Whether it may sign programs, times, certificates.
    pub rights: [bool; 3],
    /// SHA-1 of its subject.
    pub subject: [u8; 20],
    /// SHA-1 of its serial number; `None` is any.
    pub serial: Option<[u8; 20]>,
    /// When it begins, in seconds since 1970.
    pub not_before: u32,
    /// The modulus of its key.
    pub modulus: &'a [u8],
}

/// The certificates of a database, with the names of those that are blocked. Broken ones are left out.
#[derive(Clone, Debug)]
pub struct Certificates<'a> {
    records: Records<'a>,
}

impl<'a> Certificates<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        let section = database.section(SectionKind::Records(RecordKind::Certificate));
        Self { records: Records::new(section) }
    }
}

impl<'a> Iterator for Certificates<'a> {
    type Item = (Option<NameId>, Certificate<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.records.find_map(|(name, code)| Some((name, Certificate::read(code)?)))
    }
}

impl<'a> Certificate<'a> {
    fn read(mut code: Cursor<'a>) -> Option<Self> {
        let flags = code.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let subject = digest(&mut code)?;
        let serial = if has(SERIAL) { Some(digest(&mut code)?) } else { None };
        Some(Self {
            is_trusted: has(TRUSTED),
            rights: RIGHTS.map(has),
            subject,
            serial,
            not_before: code.number()?,
            modulus: code.rest(),
        })
    }

    pub(crate) fn code(&self) -> Vec<u8> {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let rights = RIGHTS.into_iter().zip(self.rights);
        let flags = rights.fold(0, |flags, (right, set)| flags | bit(set, right));
        let flags = flags | bit(self.is_trusted, TRUSTED) | bit(self.serial.is_some(), SERIAL);
        let mut code = vec![flags];
        code.extend_from_slice(&self.subject);
        code.extend(self.serial.into_iter().flatten());
        push_number(&mut code, self.not_before);
        code.extend_from_slice(self.modulus);
        code
    }
}

fn digest(code: &mut Cursor<'_>) -> Option<[u8; 20]> {
    let mut digest = [0; 20];
    for byte in &mut digest {
        *byte = code.byte()?;
    }
    Some(digest)
}

const TRUSTED: u8 = 1;
const RIGHTS: [u8; 3] = [2, 4, 8];
const SERIAL: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn what_is_added_is_there() {
        let trusted = Certificate {
            is_trusted: true,
            rights: [true, false, true],
            subject: [7; 20],
            serial: None,
            not_before: 1_700_000_000,
            modulus: b"modulus",
        };
        let blocked =
            Certificate { is_trusted: false, rights: [false; 3], serial: Some([9; 20]), ..trusted };
        let mut builder = Builder::default();
        builder.add_certificate(None, &trusted).unwrap();
        builder.add_certificate(Some("Blocked"), &blocked).unwrap();
        let bytes = builder.build();
        let database = Database::open(&bytes).unwrap();
        let read: Vec<_> = database.certificates().collect();
        assert_eq!(read, [(Some(NameId(0)), blocked), (None, trusted)]);
    }
}
