//! The test file of EICAR, known by its digest, so that no program and no source holds its text.

use sha2::{Digest as _, Sha256};

/// Whether bytes are EICAR's test file: its 68 characters, and nothing but white space behind them up
/// to 128 in all (*Anti-Malware testfile*, eicar.org, 2003).
pub(crate) fn is_test_file(bytes: &[u8]) -> bool {
    let Some((text, rest)) = bytes.split_at_checked(TEXT_BYTES) else { return false };
    let white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x1a);
    text.first() == Some(&b'X')
        && bytes.len() <= MAX_BYTES
        && rest.iter().all(white)
        && Sha256::digest(text).as_slice() == TEXT_SHA256
}

const TEXT_BYTES: usize = 68;
const MAX_BYTES: usize = 128;
const TEXT_SHA256: [u8; 32] = [
    0x27, 0x5a, 0x02, 0x1b, 0xbf, 0xb6, 0x48, 0x9e, 0x54, 0xd4, 0x71, 0x89, 0x9f, 0x7d, 0xb9, 0xd1,
    0x66, 0x3f, 0xc6, 0x95, 0xec, 0x2f, 0xe2, 0xa2, 0xc4, 0x53, 0x8a, 0xab, 0xf6, 0x51, 0xfd, 0x0f,
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The test file, made here and stored nowhere.
    pub(crate) fn test_file() -> Vec<u8> {
        let shifted = r#"Y6P"Q&ABQ\5]Q[Y65)Q_*8DD*8~%FJDBS.TUBOEBSE.BOUJWJSVT.UFTU.GJMF"%I,I+"#;
        shifted.bytes().map(|byte| byte - 1).collect()
    }

    #[test]
    fn only_white_space_may_follow() {
        let file = test_file();
        assert!(is_test_file(&file));
        assert!(is_test_file(&[&file[..], b"\r\n\x1a"].concat()));
        assert!(!is_test_file(&[&file[..], b"x"].concat()));
        assert!(!is_test_file(&[&file[..], &[b' '; 61]].concat()));
        assert!(!is_test_file(&file[1..]));
        assert!(!is_test_file(&[b" ", &file[..]].concat()));
    }
}
