//! Digests, under the names of ASN.1.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::der::{Der, NULL, OID, SEQUENCE};
use crate::signature::Distrust;

/// A digest that a signature may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The digest of some parts, one behind the other.
    #[must_use]
    pub fn digest<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::Md5 => b"\x2a\x86\x48\x86\xf7\x0d\x02\x05",
            Self::Sha1 => b"\x2b\x0e\x03\x02\x1a",
            Self::Sha256 => b"\x60\x86\x48\x01\x65\x03\x04\x02\x01",
            Self::Sha384 => b"\x60\x86\x48\x01\x65\x03\x04\x02\x02",
            Self::Sha512 => b"\x60\x86\x48\x01\x65\x03\x04\x02\x03",
        }
    }

    /// What a signature of PKCS #1 v1.5 has before the digest (RFC 8017, 9.2, note 1).
    pub(crate) fn digest_info(self, digest: &[u8]) -> Vec<u8> {
        let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
        let oid = self.oid();
        let algorithm = [&[OID, byte(oid.len())], oid, &[NULL, 0]].concat();
        let value = [&[0x04, byte(digest.len())], digest].concat();
        let inner = [&[SEQUENCE, byte(algorithm.len())], &algorithm[..], &value].concat();
        [&[SEQUENCE, byte(inner.len())], &inner[..]].concat()
    }

    /// An `AlgorithmIdentifier` of a digest.
    pub(crate) fn read(der: &mut Der<'_>, field: &'static str) -> Result<Self, Distrust> {
        let oid = identifier(der, field)?;
        let known = ALL.iter().copied().find(|one| one.oid() == oid);
        known.ok_or(Distrust::Unsupported(field))
    }
}

/// How something was signed: RSA of this digest, or of one that is told elsewhere.
pub(crate) fn read_rsa(
    der: &mut Der<'_>,
    field: &'static str,
) -> Result<Option<Algorithm>, Distrust> {
    let oid = identifier(der, field)?;
    let known = RSA.iter().find(|(known, _)| *known == oid);
    known.map(|(_, digest)| *digest).ok_or(Distrust::Unsupported(field))
}

/// The object identifier of an `AlgorithmIdentifier` whose parameters are NULL or none.
fn identifier<'a>(der: &mut Der<'a>, field: &'static str) -> Result<&'a [u8], Distrust> {
    let mut inside = der.inside(SEQUENCE, field)?;
    let oid = inside.expect(OID, field)?;
    if !inside.is_empty() && !inside.expect(NULL, field)?.is_empty() {
        return Err(Distrust::Malformed(field));
    }
    inside.end(field)?;
    Ok(oid)
}

fn digest<'a, D: Digest>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut digest = D::new();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize().to_vec()
}

const ALL: [Algorithm; 5] =
    [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

/// RFC 8017, A.2, and the name that OIW gave to RSA with SHA-1.
const RSA: &[(&[u8], Option<Algorithm>)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", None),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", Some(Algorithm::Md5)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", Some(Algorithm::Sha1)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", Some(Algorithm::Sha256)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", Some(Algorithm::Sha384)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", Some(Algorithm::Sha512)),
    (b"\x2b\x0e\x03\x02\x1d", Some(Algorithm::Sha1)),
];
