//! Digests of an object, each made when a signature could use it and not twice.

use std::cell::OnceCell;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use watchglass_database::{Algorithm, Digest};

/// The digests of some bytes.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    md5: OnceCell<Digest>,
    sha1: OnceCell<Digest>,
    sha256: OnceCell<Digest>,
}

impl Digests {
    /// The digest of `bytes`, which are the same with each call.
    pub(crate) fn of(&self, bytes: &[u8], algorithm: Algorithm) -> Digest {
        let cell = match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha1 => &self.sha1,
            Algorithm::Sha256 => &self.sha256,
        };
        *cell.get_or_init(|| digest(bytes, algorithm))
    }
}

/// The digest of `bytes`.
pub(crate) fn digest(bytes: &[u8], algorithm: Algorithm) -> Digest {
    match algorithm {
        Algorithm::Md5 => Digest::Md5(Md5::digest(bytes).into()),
        Algorithm::Sha1 => Digest::Sha1(Sha1::digest(bytes).into()),
        Algorithm::Sha256 => Digest::Sha256(Sha256::digest(bytes).into()),
    }
}
