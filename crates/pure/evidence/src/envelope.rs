//! DSSE, <https://github.com/secure-systems-lab/dsse/blob/v1.0.2/envelope.md>, with one Ed25519 key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::document::{self, DocumentError, Statement};

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// `envelope.json` as it was read: an allegation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<DsseSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DsseSignature {
    keyid: String,
    sig: String,
}

/// An Ed25519 public key, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// Who signed an envelope that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// A key that the reader had pinned.
    Pinned(PublicKey),
    /// A key that the bundle itself names. Anyone can make one.
    Unknown(PublicKey),
}

/// What is wrong with an envelope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is no envelope.
    #[error("envelope.json")]
    Document(#[source] DocumentError),
    /// It carries no signature, or several.
    #[error("envelope.json has {0} signatures, it must have 1")]
    Count(usize),
    /// A field is not what it must be.
    #[error("envelope.json: {0}")]
    Field(&'static str),
    /// The signature is of other bytes or by another key.
    #[error("envelope.json: the signature does not hold for key {0}")]
    Signature(PublicKey),
    /// The signature holds, but the key is none of those that the reader pinned.
    #[error("envelope.json: signed by key {0}, which is not pinned")]
    NotPinned(PublicKey),
}

impl PublicKey {
    /// Takes 32 bytes as a key; whether they are one shows when it verifies.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        watchglass_events::Digest::parse(text).map(|digest| Self(digest.0))
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        watchglass_events::Digest(self.0).fmt(f)
    }
}

impl Envelope {
    /// What a key has to sign for a payload: DSSE v1 pre-authentication encoding.
    #[must_use]
    pub fn to_be_signed(payload: &[u8]) -> Vec<u8> {
        let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
        [head.as_bytes(), payload].concat()
    }

    /// Puts a payload and its signature together.
    #[must_use]
    pub fn new(payload: &[u8], key: PublicKey, signature: [u8; 64]) -> Self {
        Self {
            payload: STANDARD.encode(payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![DsseSignature {
                keyid: key.to_string(),
                sig: STANDARD.encode(signature),
            }],
        }
    }

    /// Reads an envelope and believes nothing.
    ///
    /// # Errors
    /// [`EnvelopeError::Document`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        document::parse_document(bytes).map_err(EnvelopeError::Document)
    }

    /// Checks the signature and returns what was signed and by whom.
    ///
    /// With `pinned` keys given, only those are accepted; with none, the key that the envelope
    /// names is used and reported as [`SignedBy::Unknown`].
    ///
    /// # Errors
    /// Everything in [`EnvelopeError`].
    pub fn verify(&self, pinned: &[PublicKey]) -> Result<(Statement, SignedBy), EnvelopeError> {
        let [signature] = self.signatures.as_slice() else {
            return Err(EnvelopeError::Count(self.signatures.len()));
        };
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::Field("payloadType is not application/vnd.in-toto+json"));
        }
        let key = PublicKey::parse(&signature.keyid)
            .ok_or(EnvelopeError::Field("keyid is not 64 hexadecimal digits"))?;
        let payload = STANDARD
            .decode(&self.payload)
            .map_err(|_| EnvelopeError::Field("payload is not base64"))?;
        let raw: [u8; 64] = STANDARD
            .decode(&signature.sig)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(EnvelopeError::Field("sig is not 64 bytes in base64"))?;
        let verifying =
            VerifyingKey::from_bytes(&key.0).map_err(|_| EnvelopeError::Signature(key))?;
        verifying
            .verify_strict(&Self::to_be_signed(&payload), &Signature::from_bytes(&raw))
            .map_err(|_| EnvelopeError::Signature(key))?;
        let by = match pinned {
            [] => SignedBy::Unknown(key),
            keys if keys.contains(&key) => SignedBy::Pinned(key),
            _ => return Err(EnvelopeError::NotPinned(key)),
        };
        let statement: Statement =
            document::parse_document(&payload).map_err(EnvelopeError::Document)?;
        if !statement.is_ours() {
            return Err(EnvelopeError::Field("payload is no SCAI attribute report of ours"));
        }
        Ok((statement, by))
    }
}
