//! Digests as signatures name them.

/// A digest of a file or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// MD5 (RFC 1321). Anybody can make two files of one MD5; it is kept for the sets that use it.
    Md5([u8; 16]),
    /// SHA-1 (FIPS 180-4). The same holds for it.
    Sha1([u8; 20]),
    /// SHA-256 (FIPS 180-4).
    Sha256([u8; 32]),
}

/// Which digest it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
}

/// Of what a signature's digest is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashRole {
    /// Of a whole file (`.hdb`, `.hsb`).
    File,
    /// Of one section of a program for Windows (`.mdb`, `.msb`).
    Section,
    /// Of its import table (`.imp`).
    Imports,
    /// Of a whole file that is good (`.fp`, `.sfp`).
    Allowed,
}

impl Digest {
    /// Which digest it is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Md5(_) => Algorithm::Md5,
            Self::Sha1(_) => Algorithm::Sha1,
            Self::Sha256(_) => Algorithm::Sha256,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// The first eight bytes as a number, which sorts as the digest does.
    pub(crate) fn key(&self) -> u64 {
        self.as_bytes().first_chunk().map_or(0, |key| u64::from_be_bytes(*key))
    }

    /// The second eight bytes, which say nothing about the first.
    pub(crate) fn hash(&self) -> u64 {
        let second = self.as_bytes().get(8..).and_then(|rest| rest.first_chunk());
        second.map_or(0, |hash| u64::from_le_bytes(*hash))
    }

    /// What [`Digest::key`] leaves out.
    pub(crate) fn rest(&self) -> &[u8] {
        self.as_bytes().get(KEY_BYTES..).unwrap_or_default()
    }
}

/// Bytes of a digest by which it is sorted.
pub(crate) const KEY_BYTES: usize = 8;

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha1, Self::Sha256];

    /// Bytes of a digest.
    #[must_use]
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

impl HashRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::File, Self::Section, Self::Imports, Self::Allowed];
}
