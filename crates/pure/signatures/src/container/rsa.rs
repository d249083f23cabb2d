//! ClamAV's signatures: RSA with keys that its source and its manual publish.
//!
//! Only public keys and public data are here, so nothing needs to take constant time.

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

/// Whether a header's signature is of this MD5: the 1024-bit key, the bare digest, no padding.
pub(super) fn signs_md5(dsig: &str, md5: &[u8; 16]) -> bool {
    opened(dsig, HEADER_MODULUS, HEADER_EXPONENT)
        .is_some_and(|plain| plain == BigUint::from_bytes_be(md5))
}

/// Whether an info's signature is of this SHA-256: the 2048-bit key, EMSA-PSS of RFC 8017 §9.1.2
/// with SHA-256 and a salt of 32 bytes. The numbers are the RFC's steps.
pub(super) fn signs_sha256(dsig: &str, sha256: &[u8; 32]) -> bool {
    opened(dsig, INFO_MODULUS, INFO_EXPONENT)
        .and_then(|plain| padded::<PSS_BYTES>(&plain))
        .and_then(|encoded| pss(&encoded, sha256))
        .unwrap_or(false)
}

fn pss(encoded: &[u8; PSS_BYTES], sha256: &[u8; 32]) -> Option<bool> {
    let [masked @ .., last] = encoded;
    if *last != PSS_TRAILER {
        return Some(false); // 4
    }
    let (masked, hash) = masked.split_last_chunk::<HASH_BYTES>()?; // 5
    let mut block = masked.to_vec();
    for (byte, mask) in block.iter_mut().zip(mask(hash)) {
        *byte ^= mask; // 7, 8
    }
    *block.first_mut()? &= 0x7f; // 9
    let (padding, salt) = block.split_last_chunk::<SALT_BYTES>()?; // 11
    let (one, zeros) = padding.split_last()?;
    if *one != 1 || zeros.iter().any(|byte| *byte != 0) {
        return Some(false); // 10
    }
    let expected = Sha256::new_with_prefix([0; 8]).chain_update(sha256).chain_update(salt); // 12, 13
    Some(expected.finalize().as_slice() == hash) // 14
}

/// MGF1 of RFC 8017 §B.2.1 with SHA-256, without end.
fn mask(seed: &[u8; HASH_BYTES]) -> impl Iterator<Item = u8> {
    let seed = *seed;
    (0_u32..).flat_map(move |counter| {
        let block = Sha256::new_with_prefix(seed).chain_update(counter.to_be_bytes()).finalize();
        <[u8; HASH_BYTES]>::from(block)
    })
}

/// The signature to the power of the exponent, modulo the key's modulus.
fn opened(dsig: &str, modulus: &str, exponent: u32) -> Option<BigUint> {
    let digits: Vec<u8> = dsig.bytes().map(digit).collect::<Option<_>>()?;
    if digits.is_empty() || digits.len() > MAX_SIGNATURE_DIGITS {
        return None;
    }
    let signature = BigUint::from_radix_le(&digits, 64)?;
    let modulus = BigUint::parse_bytes(modulus.as_bytes(), 10)?;
    Some(signature.modpow(&BigUint::from(exponent), &modulus))
}

/// ClamAV's 64 digits; the least significant stands first.
fn digit(character: u8) -> Option<u8> {
    DIGITS.iter().position(|digit| *digit == character).and_then(|at| u8::try_from(at).ok())
}

/// A number as bytes, the most significant first, with zeros before it.
fn padded<const N: usize>(number: &BigUint) -> Option<[u8; N]> {
    let bytes = number.to_bytes_be();
    let zeros = vec![0; N.checked_sub(bytes.len())?];
    [zeros, bytes].concat().try_into().ok()
}

const DIGITS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
/// 2048 bits in digits of 6 bits, with one to spare.
const MAX_SIGNATURE_DIGITS: usize = 343;
const PSS_BYTES: usize = 256;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 32;
const PSS_TRAILER: u8 = 0xbc;

/// `CLI_NSTR` and `CLI_ESTR` of `dsig.c`.
const HEADER_MODULUS: &str = concat!(
    "118640995551645342603070001658453189751527774412027743746599405743243142607464144767361060",
    "640655844749760788890022283424922762488917565551002467771109669598189410434699034532232228",
    "621591089508178591428456220796841621637175567590476666928698770143328137383952820383197532",
    "047771780196576957695822641224262693037",
);
const HEADER_EXPONENT: u32 = 100_001_027;
/// `INFO_NSTR` and `INFO_ESTR` of `readdb.c`.
const INFO_MODULUS: &str = concat!(
    "110888949830485454736595561066271949239289417917950476205916586974135810433227159121724968",
    "065253810558809645206184002243333205346602992339837553417406795028668299096799557343913926",
    "683783612215242053966310901051516412708572770803107343209516537005089417174191687239425078",
    "907029047027075874516216910507543078503833998653464872037984641785373922114027864813598244",
    "611972311028954150937703942166663244845939357624084685168266331921408266679234948220458053",
    "478099328484548458869717064243605586678627758760720594377033653802091016977385775154769350",
    "85469455279994113145977994084618328482151013142393373316337519977244732747977",
);
const INFO_EXPONENT: u32 = 100_002_049;
