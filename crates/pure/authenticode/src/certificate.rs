//! Certificates: those that are known, and those that a signature carries (RFC 5280).

use crate::algorithm::{Algorithm, read_rsa};
use crate::der::{BIT_STRING, BOOLEAN, Der, FIRST, FOURTH, INTEGER, OCTET_STRING, OID, SEQUENCE};
use crate::rsa::Key;
use crate::signature::Distrust;
use crate::time;

/// What a certificate's key may sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Programs.
    pub code: bool,
    /// Times.
    pub time: bool,
    /// Other certificates.
    pub certificates: bool,
}

/// A certificate that a set knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCertificate<'a> {
    /// SHA-1 of its subject.
    pub subject: [u8; 20],
    /// SHA-1 of its serial number; `None` is any.
    pub serial: Option<[u8; 20]>,
    /// The modulus of its key, the most significant byte first. The exponent is 65,537.
    pub modulus: &'a [u8],
    /// What it may sign.
    pub rights: Rights,
    /// When it begins, in seconds since 1970.
    pub not_before: i64,
}

/// A certificate that a signature carries.
#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) serial: &'a [u8],
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    pub(crate) key: Key<'a>,
    pub(crate) rights: Rights,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    signature: &'a [u8],
    algorithm: Algorithm,
    /// Of the part that is signed.
    digest: Vec<u8>,
}

impl Rights {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            code: self.code && other.code,
            time: self.time && other.time,
            certificates: self.certificates && other.certificates,
        }
    }

    /// Whether each right of the other is one of these.
    pub(crate) fn include(self, other: Self) -> bool {
        self.and(other) == other
    }
}

impl<'a> Certificate<'a> {
    /// Reads the content of a `Certificate`.
    pub(crate) fn read(content: &'a [u8]) -> Result<Self, Distrust> {
        let mut outer = Der::new(content);
        let signed = outer.item("tbsCertificate")?;
        if signed.tag != SEQUENCE {
            return Err(Distrust::Malformed("tbsCertificate"));
        }
        let mut der = Der::new(signed.content);
        let first = der.item("version")?;
        let (is_first_version, serial) = match first.tag {
            FIRST if first.content == VERSION_3 => (false, der.expect(INTEGER, "serialNumber")?),
            INTEGER => (true, first.content),
            _ => return Err(Distrust::Unsupported("version")),
        };
        let algorithm = read_rsa(&mut der, "signature")?;
        let issuer = der.expect(SEQUENCE, "issuer")?;
        let mut validity = der.inside(SEQUENCE, "validity")?;
        let (not_before, not_after) = (time::read(&mut validity)?, time::read(&mut validity)?);
        validity.end("validity")?;
        if not_before >= not_after {
            return Err(Distrust::Malformed("validity"));
        }
        let subject = der.expect(SEQUENCE, "subject")?;
        let key = key(&mut der)?;
        let rights = match (is_first_version, der.is_empty()) {
            // These say nothing of what they may; they were met in chains of time stamps alone.
            (true, true) => Rights { code: false, time: true, certificates: true },
            (true, false) => return Err(Distrust::Malformed("extensions")),
            (false, _) => rights(&mut der)?,
        };
        if read_rsa(&mut outer, "signatureAlgorithm")? != algorithm {
            return Err(Distrust::Malformed("signatureAlgorithm"));
        }
        let algorithm = algorithm.ok_or(Distrust::Unsupported("signatureAlgorithm"))?;
        let signature = outer.expect(BIT_STRING, "signatureValue")?;
        outer.end("Certificate")?;
        let digest = algorithm.digest([signed.whole]);
        let Some((0, signature)) = signature.split_first() else {
            return Err(Distrust::Malformed("signatureValue"));
        };
        Ok(Self {
            serial,
            issuer,
            subject,
            key,
            rights,
            not_before,
            not_after,
            signature,
            algorithm,
            digest,
        })
    }

    /// Whether it was signed by a key.
    pub(crate) fn is_signed_by(&self, key: Key<'_>) -> bool {
        key.verifies(self.signature, &self.digest, self.algorithm)
    }

    /// Whether it is the one that a set means, its rights and times apart.
    pub(crate) fn is(&self, known: &KnownCertificate<'_>) -> bool {
        let sha1 = |bytes| Algorithm::Sha1.digest([bytes]);
        crate::rsa::trimmed(known.modulus) == self.key.modulus
            && sha1(self.subject) == known.subject
            && known.serial.is_none_or(|serial| sha1(self.serial) == serial)
    }
}

/// `subjectPublicKeyInfo` (4.1.2.7) with a key of RSA (RFC 8017, A.1.1).
fn key<'a>(der: &mut Der<'a>) -> Result<Key<'a>, Distrust> {
    let mut info = der.inside(SEQUENCE, "subjectPublicKeyInfo")?;
    if read_rsa(&mut info, "algorithm")?.is_some() {
        return Err(Distrust::Unsupported("algorithm"));
    }
    let bits = info.expect(BIT_STRING, "subjectPublicKey")?;
    info.end("subjectPublicKeyInfo")?;
    let Some((0, bits)) = bits.split_first() else {
        return Err(Distrust::Malformed("subjectPublicKey"));
    };
    let mut bits = Der::new(bits);
    let mut numbers = bits.inside(SEQUENCE, "RSAPublicKey")?;
    bits.end("RSAPublicKey")?;
    let modulus = numbers.expect(INTEGER, "modulus")?;
    let exponent = numbers.expect(INTEGER, "publicExponent")?;
    numbers.end("RSAPublicKey")?;
    let key = Key::new(modulus, exponent);
    if key.is_used() { Ok(key) } else { Err(Distrust::Unsupported("RSAPublicKey")) }
}

/// What the extensions let it sign. Without any it may sign nothing.
fn rights(der: &mut Der<'_>) -> Result<Rights, Distrust> {
    let mut rights = Rights::default();
    while !der.is_empty() {
        let item = der.item("extensions")?;
        if item.tag == FOURTH {
            rights = extensions(item.content)?;
        }
    }
    Ok(rights)
}

fn extensions(content: &[u8]) -> Result<Rights, Distrust> {
    let mut outer = Der::new(content);
    let mut all = outer.inside(SEQUENCE, "extensions")?;
    let (mut rights, mut has_usage, mut has_purposes) = (Rights::default(), false, false);
    while !all.is_empty() {
        let mut one = all.inside(SEQUENCE, "extension")?;
        let id = one.expect(OID, "extnID")?;
        let mut value = one.item("extnValue")?;
        if value.tag == BOOLEAN {
            value = one.item("extnValue")?;
        }
        if value.tag != OCTET_STRING {
            return Err(Distrust::Malformed("extnValue"));
        }
        match id {
            KEY_USAGE => {
                has_usage = true;
                rights.certificates = signs_certificates(value.content)?;
            }
            EXTENDED_KEY_USAGE => {
                has_purposes = true;
                purposes(value.content, &mut rights)?;
            }
            BASIC_CONSTRAINTS => rights.certificates = is_authority(value.content)?,
            _ => {}
        }
    }
    // As the specification of 2008 has it for code; for times and certificates Windows is as lenient.
    if !has_purposes {
        (rights.code, rights.time) = (true, true);
    }
    rights.certificates |= !has_usage;
    Ok(rights)
}

/// Bit 5 of `KeyUsage` (4.2.1.3).
fn signs_certificates(value: &[u8]) -> Result<bool, Distrust> {
    let bits = Der::new(value).expect(BIT_STRING, "KeyUsage")?;
    match bits {
        [0..=7, usage, ..] => Ok(usage & 1 << 2 != 0),
        _ => Err(Distrust::Malformed("KeyUsage")),
    }
}

/// `ExtKeyUsageSyntax` (4.2.1.12).
fn purposes(value: &[u8], rights: &mut Rights) -> Result<(), Distrust> {
    let mut all = Der::new(value).inside(SEQUENCE, "ExtKeyUsage")?;
    while !all.is_empty() {
        match all.expect(OID, "KeyPurposeId")? {
            CODE_SIGNING => rights.code = true,
            TIME_STAMPING => rights.time = true,
            _ => {}
        }
    }
    Ok(())
}

/// `cA` of `BasicConstraints` (4.2.1.9).
fn is_authority(value: &[u8]) -> Result<bool, Distrust> {
    let mut constraints = Der::new(value).inside(SEQUENCE, "BasicConstraints")?;
    if constraints.is_empty() {
        return Ok(false);
    }
    let first = constraints.item("cA")?;
    match (first.tag, first.content) {
        (BOOLEAN, [value]) => Ok(*value != 0),
        (INTEGER, _) => Ok(false),
        _ => Err(Distrust::Malformed("BasicConstraints")),
    }
}

const VERSION_3: &[u8] = &[INTEGER, 1, 2];
const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const CODE_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";
const TIME_STAMPING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x08";
