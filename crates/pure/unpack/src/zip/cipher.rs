//! Encrypted members: PKWARE's traditional cipher (APPNOTE 6.1) and WinZip's AES (*AES Encryption
//! Information*, version 1.04).

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::headers::{AesField, Header};

/// What may be behind a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    /// Whether the bytes are known to be what was encrypted. Otherwise a checksum must tell.
    pub(super) is_certain: bool,
}

/// A cipher that a member is encrypted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// With the byte that a right password makes the last of the header.
    Traditional {
        check: u8,
    },
    Aes(AesField),
}

impl Cipher {
    /// The cipher of a member, where it is one of these.
    pub(super) fn of(header: &Header<'_>) -> Option<Self> {
        match (header.method, header.flags & 1, header.flags & 1 << 6) {
            (99, ..) => header.aes.map(Self::Aes),
            (_, 1, 0) => {
                // Where the checksum comes later only the time is known (6.1.6, as Info-ZIP does it).
                let [.., check] = if header.has_descriptor() {
                    u32::from(header.time).wrapping_shl(16).to_le_bytes()
                } else {
                    header.crc32.to_le_bytes()
                };
                Some(Self::Traditional { check })
            }
            _ => None,
        }
    }

    /// Bytes of work that a try costs, in those of [`crate::Budget::work`]: deriving a key of AES takes
    /// some 10,000 compressions of SHA-1.
    pub(super) fn cost(self) -> usize {
        match self {
            Self::Traditional { .. } => 0,
            Self::Aes(_) => 64 << 10,
        }
    }

    /// What is behind a password; nothing where it is the wrong one, one time in 256 or 65,536 though.
    pub(super) fn open(self, password: &[u8], data: &[u8]) -> Option<Plain> {
        match self {
            Self::Traditional { check } => traditional(password, data, check),
            Self::Aes(field) => aes(field, password, data),
        }
    }
}

fn traditional(password: &[u8], data: &[u8], check: u8) -> Option<Plain> {
    let (header, data) = data.split_first_chunk::<12>()?;
    let mut keys = Keys::of(password);
    let [.., last] = header.map(|byte| keys.decrypt(byte));
    let bytes = || data.iter().map(|byte| keys.decrypt(*byte)).collect();
    (last == check).then(bytes).map(|bytes| Plain { bytes, is_certain: false })
}

/// The three keys (6.1.5).
struct Keys([u32; 3]);

impl Keys {
    fn of(password: &[u8]) -> Self {
        let mut keys = Self([0x1234_5678, 0x2345_6789, 0x3456_7890]);
        password.iter().for_each(|byte| keys.update(*byte));
        keys
    }

    fn update(&mut self, byte: u8) {
        let [first, second, third] = &mut self.0;
        *first = crc32(*first, byte);
        *second = second.wrapping_add(*first & 0xff).wrapping_mul(134_775_813).wrapping_add(1);
        let [.., top] = second.to_le_bytes();
        *third = crc32(*third, top);
    }

    fn decrypt(&mut self, byte: u8) -> u8 {
        let [.., third] = self.0;
        let key = (third & 0xffff) | 2;
        let [_, stream, ..] = key.wrapping_mul(key ^ 1).to_le_bytes();
        let plain = byte ^ stream;
        self.update(plain);
        plain
    }
}

/// One byte more, without the inversions at both ends.
fn crc32(crc: u32, byte: u8) -> u32 {
    let [low, ..] = crc.to_le_bytes();
    let entry = CRC.get(usize::from(low ^ byte)).copied().unwrap_or(0);
    crc >> 8 ^ entry
}

/// The table of the CRC-32 of zip (4.4.7).
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut crc = byte;
        let mut bit = 0_u32;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit = bit.wrapping_add(1);
        }
        // The index is below 256, so this never leaves the table.
        #[expect(clippy::indexing_slicing, reason = "computed when this is compiled")]
        {
            table[byte as usize] = crc;
        }
        byte = byte.wrapping_add(1);
    }
    table
};

fn aes(field: AesField, password: &[u8], data: &[u8]) -> Option<Plain> {
    let key_bytes = usize::from(field.strength).checked_mul(8)?.checked_add(8)?;
    let (salt, data) = data.split_at_checked(key_bytes / 2)?;
    let (verifier, data) = data.split_first_chunk::<2>()?;
    let (data, code) = data.split_last_chunk::<10>()?;
    let derived = derive(password, salt, key_bytes.checked_mul(2)?.checked_add(2)?);
    let (keys, expected) = derived.split_last_chunk::<2>()?;
    let (key, authentication) = keys.split_at_checked(key_bytes)?;
    if expected != verifier {
        return None;
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(authentication).ok()?;
    mac.update(data);
    let is_certain = mac.verify_truncated_left(code).is_ok();
    let bytes = match key_bytes {
        16 => counter(&Aes128::new_from_slice(key).ok()?, data),
        24 => counter(&Aes192::new_from_slice(key).ok()?, data),
        32 => counter(&Aes256::new_from_slice(key).ok()?, data),
        _ => return None,
    };
    Some(Plain { bytes, is_certain })
}

/// PBKDF2 (RFC 8018) with HMAC-SHA-1 and 1,000 iterations.
fn derive(password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let Ok(keyed) = Hmac::<Sha1>::new_from_slice(password) else { return Vec::new() };
    let mut derived = Vec::new();
    for block in 1_u32.. {
        if derived.len() >= length {
            break;
        }
        let first = keyed.clone().chain_update(salt).chain_update(block.to_be_bytes());
        let mut one: [u8; 20] = first.finalize().into_bytes().into();
        let mut sum = one;
        for _ in 1..ITERATIONS {
            one = keyed.clone().chain_update(one).finalize().into_bytes().into();
            sum.iter_mut().zip(one).for_each(|(sum, one)| *sum ^= one);
        }
        derived.extend_from_slice(&sum);
    }
    derived.truncate(length);
    derived
}

/// AES in counter mode, the counter being 1 for the first block, its least significant byte first.
fn counter(
    cipher: &impl BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>,
    data: &[u8],
) -> Vec<u8> {
    let mut plain = Vec::with_capacity(data.len());
    for (number, block) in (1_u128..).zip(data.chunks(16)) {
        let mut stream = number.to_le_bytes();
        cipher.encrypt_block((&mut stream).into());
        plain.extend(block.iter().zip(stream).map(|(byte, stream)| byte ^ stream));
    }
    plain
}

const ITERATIONS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_derived_as_by_python() {
        // The vectors of RFC 6070 have other counts of iterations.
        let derived = derive(b"password", b"saltsalt", 34);
        let hex: String = derived.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "e9febff54bfce668fde301acc85563cc9dc71ef6f8d7aaef067365be0e5e6522ef61");
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let field = AesField { strength: 3, method: 0 };
        for length in 0..40 {
            let data = vec![0; length];
            let _ = aes(field, b"a", &data);
            let _ = traditional(b"a", &data, 0);
        }
    }
}
