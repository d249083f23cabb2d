//! RSA with PKCS #1 v1.5, RFC 8017. All numbers are public, so nothing needs to take constant time.

use num_bigint::BigUint;

use crate::algorithm::Algorithm;

/// A public key, its numbers with the most significant byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    pub(crate) modulus: &'a [u8],
    pub(crate) exponent: &'a [u8],
}

impl<'a> Key<'a> {
    /// A key, its numbers without zeros in front.
    pub(crate) fn new(modulus: &'a [u8], exponent: &'a [u8]) -> Self {
        Self { modulus: trimmed(modulus), exponent: trimmed(exponent) }
    }

    /// Whether its length is one that is used: from 1,024 bits to 4,096, an exponent of 64 at most.
    pub(crate) fn is_used(&self) -> bool {
        let Self { modulus, exponent } = self;
        (128..=512).contains(&modulus.len()) && (1..=8).contains(&exponent.len())
    }

    /// Whether `signature` is one of `digest` by this key (8.2.2): the encoded message is made and
    /// compared, so that nothing of what was signed is read.
    pub(crate) fn verifies(&self, signature: &[u8], digest: &[u8], algorithm: Algorithm) -> bool {
        if !self.is_used() || trimmed(signature).len() > self.modulus.len() {
            return false;
        }
        let Some(expected) = encoded(self.modulus.len(), &algorithm.digest_info(digest)) else {
            return false;
        };
        let number = BigUint::from_bytes_be;
        let opened = number(signature).modpow(&number(self.exponent), &number(self.modulus));
        opened == number(&expected)
    }
}

/// `0x00 0x01`, bytes of ones, `0x00`, the digest with its name (9.2).
fn encoded(length: usize, info: &[u8]) -> Option<Vec<u8>> {
    let ones = length.checked_sub(info.len())?.checked_sub(3).filter(|ones| *ones >= 8)?;
    Some([&[0, 1], &vec![0xff; ones][..], &[0], info].concat())
}

/// A number without zeros in front.
pub(crate) fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
