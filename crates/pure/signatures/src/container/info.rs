//! The list of a container's members: `Name:Size:SHA-256` below a header, and a signature.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{ContainerError, Header, rsa};
use crate::field::{hex_array, number};

/// A `.info`.
#[derive(Clone, Debug)]
pub(super) struct Info {
    /// The header of the container that it is of.
    pub(super) header: Header,
    /// The members.
    pub(super) members: BTreeMap<Box<str>, Listed>,
    /// What is signed: the SHA-256 of all lines before the signature.
    digest: [u8; 32],
    /// The signature, if there is one.
    dsig: Option<Box<[u8]>>,
}

/// What the list says of a member.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    size: u32,
    sha256: [u8; 32],
}

impl Info {
    pub(super) fn parse(text: &[u8]) -> Result<Self, ContainerError> {
        let (lines, dsig) = split(text);
        let mut rows = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let header = Header::parse(rows.next().unwrap_or_default())?;
        let mut members = BTreeMap::new();
        for row in rows.filter(|row| !row.is_empty()) {
            let (name, listed) = member(row).ok_or(ContainerError::Info("a broken line"))?;
            if members.insert(name, listed).is_some() {
                return Err(ContainerError::Info("a member listed twice"));
            }
        }
        let digest = Sha256::digest(lines).into();
        Ok(Self { header, members, digest, dsig: dsig.map(Into::into) })
    }

    /// Whether ClamAV's key signed it.
    pub(super) fn is_signed(&self) -> bool {
        let text = self.dsig.as_deref().and_then(|dsig| std::str::from_utf8(dsig).ok());
        text.is_some_and(|dsig| rsa::signs_sha256(dsig, &self.digest))
    }

    /// Holds a member against the list.
    pub(super) fn check(&self, name: &str, bytes: &[u8]) -> Result<(), ContainerError> {
        let fault = match self.members.get(name) {
            None => "not listed in the info",
            Some(listed) if usize::try_from(listed.size) != Ok(bytes.len()) => {
                "not of the size in the info"
            }
            Some(listed) if Sha256::digest(bytes).as_slice() != listed.sha256 => {
                "not of the digest in the info"
            }
            Some(_) => return Ok(()),
        };
        Err(ContainerError::Member { member: name.into(), fault })
    }
}

/// The lines before the signature, and the signature.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let at = if text.starts_with(DSIG) {
        Some(0)
    } else {
        let starts = text.windows(DSIG.len().saturating_add(1));
        starts.enumerate().find_map(|(at, window)| {
            let line = window.strip_prefix(b"\n")?;
            (line == DSIG).then(|| at.saturating_add(1))
        })
    };
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((lines, rest)) => {
            let dsig = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            (lines, dsig.strip_prefix(DSIG).map(<[u8]>::trim_ascii_end))
        }
        None => (text, None),
    }
}

fn member(row: &[u8]) -> Option<(Box<str>, Listed)> {
    let mut fields = row.split(|byte| *byte == b':');
    let (name, size, sha256) = (fields.next()?, fields.next()?, fields.next()?);
    let name = std::str::from_utf8(name).ok()?;
    let listed = Listed { size: number("Size", size).ok()?, sha256: hex_array(sha256)? };
    fields.next().is_none().then(|| (name.into(), listed))
}

const DSIG: &[u8] = b"DSIG:";
