//! The header of a container, `ClamAV-VDB:time:version:sigs:fl:md5:dsig:builder:stime`.

use super::ContainerError;
use crate::field::{hex_array, leading_number};

/// What a container says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was built, as text, colons being dashes.
    pub time: Box<str>,
    /// Its version; a newer container has a higher one.
    pub version: u32,
    /// How many signatures are in it.
    pub signatures: u32,
    /// The level of the engine it was built for.
    pub functionality_level: u32,
    /// MD5 of the archive; the `.info` has none.
    pub md5: Option<[u8; 16]>,
    /// The signature of the MD5, in ClamAV's digits.
    pub dsig: Box<str>,
    /// Who built it.
    pub builder: Box<str>,
    /// When it was built, in seconds since 1970; 0 in old containers.
    pub build_seconds: u32,
}

impl Header {
    /// Parses a header, which blanks may fill up.
    pub(super) fn parse(text: &[u8]) -> Result<Self, ContainerError> {
        let text = std::str::from_utf8(text).map_err(|_| ContainerError::Header("not text"))?;
        let text = text.trim_end_matches([' ', '\n', '\r', '\0']);
        if text.chars().any(char::is_control) {
            return Err(ContainerError::Header("control characters"));
        }
        let mut fields = text.split(':');
        if fields.next() != Some("ClamAV-VDB") {
            return Err(ContainerError::Header("does not begin with `ClamAV-VDB:`"));
        }
        let mut next = |name| {
            let field = fields.next().filter(|field| !field.is_empty());
            field.ok_or(ContainerError::Header(name))
        };
        Ok(Self {
            time: next("no time")?.into(),
            version: number(next("no version")?),
            signatures: number(next("no number of signatures")?),
            functionality_level: number(next("no functionality level")?),
            md5: hex_array(next("no MD5")?.as_bytes()),
            dsig: next("no signature")?.into(),
            builder: next("no builder")?.into(),
            build_seconds: next("").map_or(0, number),
        })
    }

    /// Whether the header in a `.info` is of the same container.
    pub(super) fn agrees(&self, header: &Self) -> Result<(), ContainerError> {
        let pairs = [
            ("version", self.version, header.version),
            ("number of signatures", self.signatures, header.signatures),
            ("functionality level", self.functionality_level, header.functionality_level),
            ("time", self.build_seconds, header.build_seconds),
        ];
        let differs = pairs.iter().find(|(_, info, header)| info != header);
        differs.map_or(Ok(()), |(name, ..)| Err(ContainerError::Mismatch(name)))
    }
}

/// The number that a field begins with, or 0.
fn number(field: &str) -> u32 {
    leading_number(field.as_bytes()).map_or(0, |read| read.0)
}
