//! The signature of a program: `SignedData` over `SpcIndirectDataContent`.

use thiserror::Error;

use crate::algorithm::{Algorithm, read_rsa};
use crate::certificate::Certificate;
use crate::chain::{Chain, Known, Purpose, Signer};
use crate::der::{Der, FIRST, INTEGER, OCTET_STRING, OID, SECOND, SEQUENCE, SET};
use crate::{attributes, time};

/// What a signature says of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which of the blocked certificates it carries, by their places. What they sign is of no matter.
    pub blocked: Vec<usize>,
    /// Whether the program is as somebody trusted signed it.
    pub trust: Result<(), Distrust>,
}

/// Why a program is not trusted. None of these says that it is bad.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// The structure is not what it should be.
    #[error("{0} cannot be read")]
    Malformed(&'static str),
    /// It needs what is not supported.
    #[error("{0} is of a kind that is not supported")]
    Unsupported(&'static str),
    /// There are more certificates or possible chains than are followed.
    #[error("there are too many certificates")]
    TooMuch,
    /// Nobody who is trusted signed it.
    #[error("nobody who is trusted signed it")]
    Signer,
    /// The counter signature is by nobody who is trusted for times.
    #[error("nobody who is trusted signed the time")]
    TimeSigner,
    /// What was signed is not this.
    #[error("what was signed is something else")]
    Digest,
    /// The certificate is not valid at the time that counts, or that is not known.
    #[error("the certificate is not valid at the time that counts")]
    Expired,
}

/// Examines the PKCS #7 structure of a program. `digest` makes the digest of the bytes of the program
/// that are signed; `now` is in seconds since 1970: without it, what has no counter signature is not
/// trusted.
///
/// Total in its input: it ends after 64 exponentiations.
#[must_use]
pub fn examine(
    signature: &[u8],
    digest: &dyn Fn(Algorithm) -> Vec<u8>,
    known: Known<'_>,
    now: Option<i64>,
) -> Outcome {
    let mut blocked = Vec::new();
    let trust = SignedData::read(signature).and_then(|read| {
        for (place, one) in known.blocked.iter().enumerate() {
            if read.certificates.iter().any(|carried| carried.is(one)) {
                blocked.push(place);
            }
        }
        let certificates = read.certificates.clone();
        let mut chain = Chain::of(known, certificates)?;
        read.verify(&mut chain, now)?;
        read.is_of(digest)
    });
    Outcome { blocked, trust }
}

struct SignedData<'a> {
    algorithm: Algorithm,
    /// `SpcIndirectDataContent`, without its tag and length.
    content: &'a [u8],
    certificates: Vec<Certificate<'a>>,
    signer: Result<Der<'a>, Distrust>,
}

impl<'a> SignedData<'a> {
    fn read(signature: &'a [u8]) -> Result<Self, Distrust> {
        // Zeros may follow.
        let mut outer = Der::new(signature).inside(SEQUENCE, "ContentInfo")?;
        is(outer.expect(OID, "contentType")?, SIGNED_DATA, "contentType")?;
        let mut explicit = outer.inside(FIRST, "content")?;
        outer.end("ContentInfo")?;
        let mut data = explicit.inside(SEQUENCE, "SignedData")?;
        explicit.end("content")?;
        is(data.expect(INTEGER, "version")?, &[1], "version")?;
        let mut algorithms = data.inside(SET, "digestAlgorithms")?;
        let algorithm = Algorithm::read(&mut algorithms, "digestAlgorithms")?;
        algorithms.end("digestAlgorithms")?;
        let content = indirect_data(&mut data)?;
        let certificates = certificates(data.inside(FIRST, "certificates")?)?;
        // Blocked certificates are told even if nobody signed.
        let signer = only_signer(data);
        Ok(Self { algorithm, content, certificates, signer })
    }

    /// Holds the signer's attributes against the content, and his signature against the attributes.
    fn verify(&self, chain: &mut Chain<'_, 'a>, now: Option<i64>) -> Result<(), Distrust> {
        let mut info = self.signer?;
        is(info.expect(INTEGER, "version")?, &[1], "version")?;
        let signed = SignerInfo::read(&mut info)?;
        if signed.algorithm != self.algorithm {
            return Err(Distrust::Malformed("digestAlgorithm"));
        }
        let [kind, digest] = attributes::read(signed.attributes, [CONTENT_TYPE, MESSAGE_DIGEST])?;
        is(only(kind, OID, "contentType")?, INDIRECT_DATA, "contentType")?;
        if only(digest, OCTET_STRING, "messageDigest")? != self.algorithm.digest([self.content]) {
            return Err(Distrust::Digest);
        }
        if read_rsa(&mut info, "digestEncryptionAlgorithm")?.is_some() {
            return Err(Distrust::Unsupported("digestEncryptionAlgorithm"));
        }
        let signature = info.expect(OCTET_STRING, "encryptedDigest")?;
        let certificate = chain
            .signer(signed.signer, Purpose::Code, (signature, &signed.digest(), signed.algorithm))?
            .ok_or(Distrust::Signer)?;
        let valid = certificate.not_before..=certificate.not_after;
        let counter = match info.is_empty() {
            true => None,
            false => {
                let attributes = info.expect(SECOND, "unauthenticatedAttributes")?;
                info.end("signerInfo")?;
                let [counter] = attributes::read(attributes, [COUNTER_SIGNATURE])?;
                counter
            }
        };
        let time = match counter {
            Some(counter) => Some(counter_signature(counter, signature, chain)?),
            None => now,
        };
        if time.is_some_and(|time| valid.contains(&time)) { Ok(()) } else { Err(Distrust::Expired) }
    }

    /// Whether it signs the program of this digest.
    fn is_of(&self, digest: &dyn Fn(Algorithm) -> Vec<u8>) -> Result<(), Distrust> {
        let mut content = Der::new(self.content);
        let mut data = content.inside(SEQUENCE, "SpcAttributeTypeAndOptionalValue")?;
        is(data.expect(OID, "type")?, PE_IMAGE_DATA, "type")?;
        let mut info = content.inside(SEQUENCE, "DigestInfo")?;
        content.end("SpcIndirectDataContent")?;
        let algorithm = Algorithm::read(&mut info, "digestAlgorithm")?;
        let signed = info.expect(OCTET_STRING, "digest")?;
        info.end("DigestInfo")?;
        if signed == digest(algorithm) { Ok(()) } else { Err(Distrust::Digest) }
    }
}

/// What signers have in common (9.2), up to their attributes.
struct SignerInfo<'a> {
    signer: Signer<'a>,
    algorithm: Algorithm,
    attributes: &'a [u8],
    /// With tag and length, the former that of a context.
    whole: &'a [u8],
}

impl<'a> SignerInfo<'a> {
    fn read(info: &mut Der<'a>) -> Result<Self, Distrust> {
        let mut who = info.inside(SEQUENCE, "issuerAndSerialNumber")?;
        let issuer = who.expect(SEQUENCE, "issuer")?;
        let serial = who.expect(INTEGER, "serialNumber")?;
        who.end("issuerAndSerialNumber")?;
        let algorithm = Algorithm::read(info, "digestAlgorithm")?;
        let item = info.item("authenticatedAttributes")?;
        if item.tag != FIRST {
            return Err(Distrust::Malformed("authenticatedAttributes"));
        }
        let signer = Signer { issuer, serial };
        Ok(Self { signer, algorithm, attributes: item.content, whole: item.whole })
    }

    /// Of the attributes as a set, which is how they are signed.
    fn digest(&self) -> Vec<u8> {
        self.algorithm.digest([&[SET][..], self.whole.get(1..).unwrap_or_default()])
    }
}

/// `content` of a `ContentInfo` of indirect data: what is inside of its sequence.
fn indirect_data<'a>(data: &mut Der<'a>) -> Result<&'a [u8], Distrust> {
    let mut info = data.inside(SEQUENCE, "contentInfo")?;
    is(info.expect(OID, "contentType")?, INDIRECT_DATA, "contentType")?;
    let mut explicit = info.inside(FIRST, "content")?;
    info.end("contentInfo")?;
    let content = explicit.expect(SEQUENCE, "SpcIndirectDataContent")?;
    explicit.end("content")?;
    Ok(content)
}

fn only_signer(mut data: Der<'_>) -> Result<Der<'_>, Distrust> {
    let mut signers = data.inside(SET, "signerInfos")?;
    data.end("SignedData")?;
    let signer = signers.inside(SEQUENCE, "signerInfo")?;
    signers.end("signerInfos")?;
    Ok(signer)
}

/// The certificates that can be read; others are passed over, as Windows and ClamAV do.
fn certificates(mut all: Der<'_>) -> Result<Vec<Certificate<'_>>, Distrust> {
    let mut read = Vec::new();
    for count in 0_usize.. {
        if all.is_empty() {
            break;
        }
        if count >= MAX_CERTIFICATES {
            return Err(Distrust::TooMuch);
        }
        read.extend(Certificate::read(all.expect(SEQUENCE, "certificate")?));
    }
    Ok(read)
}

/// The time that a counter signature says (PKCS #9, 5.6), once it holds.
fn counter_signature<'a>(
    mut values: Der<'a>,
    signature: &[u8],
    chain: &mut Chain<'_, 'a>,
) -> Result<i64, Distrust> {
    let mut info = values.inside(SEQUENCE, "counterSignature")?;
    values.end("counterSignature")?;
    let version = info.expect(INTEGER, "version")?;
    if !matches!(version, [0 | 1]) {
        return Err(Distrust::Malformed("version"));
    }
    let signed = SignerInfo::read(&mut info)?;
    let wanted = [CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME];
    let [kind, digest, time] = attributes::read(signed.attributes, wanted)?;
    let kind = only(kind, OID, "contentType")?;
    if kind != DATA && kind != TIME_STAMP_TOKEN {
        return Err(Distrust::Malformed("contentType"));
    }
    if only(digest, OCTET_STRING, "messageDigest")? != signed.algorithm.digest([signature]) {
        return Err(Distrust::Digest);
    }
    let mut time = time.ok_or(Distrust::Malformed("signingTime"))?;
    let at = time::read(&mut time)?;
    time.end("signingTime")?;
    let told = read_rsa(&mut info, "digestEncryptionAlgorithm")?;
    if told.is_some_and(|told| told != signed.algorithm) {
        return Err(Distrust::Malformed("digestEncryptionAlgorithm"));
    }
    let encrypted = info.expect(OCTET_STRING, "encryptedDigest")?;
    let by = (encrypted, &signed.digest()[..], signed.algorithm);
    chain.signer(signed.signer, Purpose::Time, by)?.ok_or(Distrust::TimeSigner)?;
    Ok(at)
}

/// The one value of an attribute.
fn only<'a>(values: Option<Der<'a>>, tag: u8, field: &'static str) -> Result<&'a [u8], Distrust> {
    let mut values = values.ok_or(Distrust::Malformed(field))?;
    let value = values.expect(tag, field)?;
    values.end(field)?;
    Ok(value)
}

fn is(found: &[u8], wanted: &[u8], field: &'static str) -> Result<(), Distrust> {
    if found == wanted { Ok(()) } else { Err(Distrust::Unsupported(field)) }
}

/// Certificates that are looked at: chains have three to five.
const MAX_CERTIFICATES: usize = 64;
const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const CONTENT_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
const SIGNING_TIME: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05";
const COUNTER_SIGNATURE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x06";
const TIME_STAMP_TOKEN: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04";
const INDIRECT_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04";
const PE_IMAGE_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0f";
