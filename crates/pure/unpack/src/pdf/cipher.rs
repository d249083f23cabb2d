//! The ciphers and digests of encrypted documents, ISO 32000-2 section 7.6.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha384, Sha512};

/// Joins RC4's key stream and `bytes`.
pub(super) fn rc4(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut state: [u8; 256] = std::array::from_fn(|index| u8::try_from(index).unwrap_or(0));
    let at = |state: &[u8; 256], index: u8| state.get(usize::from(index)).copied().unwrap_or(0);
    let mut j = 0_u8;
    for (index, key) in (0..=255).zip(key.iter().cycle()) {
        j = j.wrapping_add(at(&state, index)).wrapping_add(*key);
        state.swap(index.into(), j.into());
    }
    let (mut i, mut j) = (0_u8, 0_u8);
    let step = |byte: &u8| {
        i = i.wrapping_add(1);
        let a = at(&state, i);
        j = j.wrapping_add(a);
        let sum = a.wrapping_add(at(&state, j));
        state.swap(i.into(), j.into());
        byte ^ at(&state, sum)
    };
    bytes.iter().map(step).collect()
}

/// Undoes AES in CBC mode, the initialisation vector first, as streams and strings have it; padding
/// that is right is taken off. What is left of the last block is lost.
pub(super) fn aes(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let Some((iv, blocks)) = bytes.split_first_chunk::<16>() else { return Vec::new() };
    let mut plain = cbc_decrypt(key, *iv, blocks);
    let padding = plain.last().copied().map_or(0, usize::from);
    let kept = plain.len().checked_sub(padding).filter(|_| (1..=16).contains(&padding));
    let is_padding = |tail: &[u8]| tail.iter().all(|&byte| usize::from(byte) == padding);
    if let Some(kept) = kept.filter(|&kept| plain.get(kept..).is_some_and(is_padding)) {
        plain.truncate(kept);
    }
    plain
}

/// Undoes AES in CBC mode; nothing where the key has no length of AES.
pub(super) fn cbc_decrypt(key: &[u8], mut before: [u8; 16], bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut each = |decrypt: &dyn Fn(&mut [u8; 16])| {
        for cipher in bytes.as_chunks::<16>().0 {
            let mut block = *cipher;
            decrypt(&mut block);
            plain.extend(block.iter().zip(before).map(|(byte, before)| byte ^ before));
            before = *cipher;
        }
    };
    if let Ok(key) = Aes128::new_from_slice(key) {
        each(&|block| key.decrypt_block(block.into()));
    } else if let Ok(key) = Aes256::new_from_slice(key) {
        each(&|block| key.decrypt_block(block.into()));
    }
    plain
}

/// The digest of an object's number under the file's key, algorithm 1.
pub(super) fn object_key(key: &[u8], number: u32, generation: u32, salt: &[u8]) -> Vec<u8> {
    let digest = Md5::new()
        .chain_update(key)
        .chain_update(number.to_le_bytes().get(..3).unwrap_or_default())
        .chain_update(generation.to_le_bytes().get(..2).unwrap_or_default())
        .chain_update(salt)
        .finalize();
    let length = key.len().saturating_add(5).min(16);
    digest.get(..length).unwrap_or_default().to_vec()
}

pub(super) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    parts.iter().fold(Md5::new(), |digest, part| digest.chain_update(part)).finalize().into()
}

/// The hash of an empty password at revision 5, of ADBE's extension level 3.
pub(super) fn hash_5(salt: &[u8], user: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(user).finalize().into()
}

/// The hash of an empty password at revision 6, algorithm 2.B.
pub(super) fn hash_6(salt: &[u8], user: &[u8]) -> [u8; 32] {
    let mut k = hash_5(salt, user).to_vec();
    for round in 0..MAX_ROUNDS {
        let mut e = [&k, user].concat().repeat(64);
        let Some((key, rest)) = k.split_first_chunk::<16>() else { break };
        let Some((iv, _)) = rest.split_first_chunk::<16>() else { break };
        cbc_encrypt(key, *iv, &mut e);
        let sum: u32 = e.iter().take(16).map(|&byte| u32::from(byte)).sum();
        k = match sum % 3 {
            0 => Sha256::digest(&e).to_vec(),
            1 => Sha384::digest(&e).to_vec(),
            _ => Sha512::digest(&e).to_vec(),
        };
        let last = e.last().copied().map_or(0, u32::from);
        if round >= 63 && last <= round.saturating_sub(31) {
            break;
        }
    }
    k.first_chunk::<32>().copied().unwrap_or_default()
}

fn cbc_encrypt(key: &[u8; 16], mut before: [u8; 16], bytes: &mut [u8]) {
    let key = Aes128::new(key.into());
    for block in bytes.as_chunks_mut::<16>().0 {
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        key.encrypt_block(block.into());
        before = *block;
    }
}

/// Algorithm 2.B ends when a byte is small enough for the number of the round, at 287 for any byte.
const MAX_ROUNDS: u32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rc4_as_everybody_else_has_it() {
        // A vector from the cipher's first publication.
        assert_eq!(rc4(b"Key", b"Plaintext"), b"\xbb\xf3\x16\xe8\xd9\x40\xaf\x0a\xd3");
    }

    #[test]
    fn aes_takes_off_padding_that_is_right() {
        let key = b"0123456789abcdef";
        let mut block = *b"abcdefghijkl\x04\x04\x04\x04";
        cbc_encrypt(key, [7; 16], &mut block);
        let whole = [&[7; 16][..], &block].concat();
        assert_eq!(aes(key, &whole), b"abcdefghijkl");
        assert_eq!(aes(key, &whole[..20]), b"");
    }
}
