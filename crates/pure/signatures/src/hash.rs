//! Hash signatures: `.hdb .hsb .mdb .msb .imp .fp .sfp`.
//!
//! `Digest:Size:Name[:MinFL[:MaxFL]]`; for sections `Size:Digest:Name`. All of these files take
//! digests of every kind: the loader goes by their length.

use std::num::NonZeroU32;

use watchglass_database::Digest;

use crate::error::LineError;
use crate::field::{Fields, Name, hex_array, number};
use crate::level::admit;

/// Says that something with this digest and size has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashSignature {
    /// The name, of what is found or of what is allowed.
    pub name: Name,
    /// What the digest is of.
    pub subject: Subject,
    /// The digest.
    pub digest: Digest,
    /// The size of the subject in bytes; `None` is any.
    pub size: Option<NonZeroU32>,
}

/// What a digest is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A whole file or member.
    File,
    /// One section of a PE file.
    Section,
    /// The import table of a PE file, in its normal form; the size is that of the form.
    ImportTable,
    /// A whole file that is never to be reported.
    AllowedFile,
}

/// Parses one line. Costs one allocation, for the name.
///
/// # Errors
/// [`LineError`] for whatever ClamAV refuses or passes over. It also takes signs and blanks before
/// a size, which is malformed here.
pub(crate) fn parse(subject: Subject, line: &[u8]) -> Result<HashSignature, LineError> {
    let fields = Fields::<5>::split(line, b':', 3)?;
    let min = fields.get(3).map_or(0, leading_number);
    admit(min, fields.get(4).map_or(u32::MAX, leading_number))?;
    let (digest, size) = match subject {
        Subject::Section => (fields.at(1), fields.at(0)),
        Subject::File | Subject::ImportTable | Subject::AllowedFile => (fields.at(0), fields.at(1)),
    };
    let size = if size == b"*" { any_size(subject, min)? } else { Some(exact_size(size)?) };
    Ok(HashSignature {
        name: Name::parse(fields.at(2))?,
        subject,
        digest: self::digest(digest)?,
        size,
    })
}

/// Decodes 32, 40 or 64 hexadecimal digits.
fn digest(text: &[u8]) -> Result<Digest, LineError> {
    let digest = match text.len() {
        32 => hex_array(text).map(Digest::Md5),
        40 => hex_array(text).map(Digest::Sha1),
        64 => hex_array(text).map(Digest::Sha256),
        _ => None,
    };
    digest.ok_or_else(|| LineError::field("HashString", text, "a digest in hexadecimal"))
}

/// Engines before level 73 took `*` for a size of 0, so a line with it must keep them away.
fn any_size(subject: Subject, min: u32) -> Result<Option<NonZeroU32>, LineError> {
    if min < ANY_SIZE_LEVEL && subject != Subject::ImportTable {
        return Err(LineError::field("FileSize", b"*", "a number, since MinFL is below 73"));
    }
    Ok(None)
}

fn exact_size(text: &[u8]) -> Result<NonZeroU32, LineError> {
    let wrong = || LineError::field("FileSize", text, "`*` or a number from 1 to 2^32 - 2");
    let size = number("FileSize", text)?;
    NonZeroU32::new(size).filter(|size| size.get() != u32::MAX).ok_or_else(wrong)
}

/// The number that a field begins with, or 0: the loader reads these levels by `atoi`.
fn leading_number(field: &[u8]) -> u32 {
    let digits = field.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, _) = field.split_at_checked(digits).unwrap_or_default();
    number("FL", digits).unwrap_or(u32::MAX)
}

/// The first level whose engine knows sizes of `*`.
const ANY_SIZE_LEVEL: u32 = 73;

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "44d88612fea8a8f36de82e1278abb02f";

    fn file(line: &str) -> Result<HashSignature, LineError> {
        parse(Subject::File, line.as_bytes())
    }

    #[test]
    fn reads_digests_by_their_length() {
        let sha1 = "3395856ce81f2b7382dee72602f798b642f14140";
        let sha256 = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";
        assert!(matches!(file(&format!("{MD5}:68:A")).unwrap().digest, Digest::Md5(_)));
        assert!(matches!(file(&format!("{sha1}:68:A")).unwrap().digest, Digest::Sha1(_)));
        let upper = sha256.to_uppercase();
        let read = file(&format!("{upper}:68:A")).unwrap();
        assert!(matches!(read.digest, Digest::Sha256(bytes) if bytes[..2] == [0x27, 0x5a]));
        assert!(file(&format!("{}:68:A", &MD5[1..])).is_err());
        assert!(file(&format!("{}g:68:A", &MD5[1..])).is_err());
    }

    #[test]
    fn sections_have_their_size_first() {
        let read = parse(Subject::Section, format!("4096:{MD5}:A").as_bytes()).unwrap();
        assert_eq!(read.size.unwrap().get(), 4096);
    }

    #[test]
    fn any_size_needs_level_73() {
        assert!(file(&format!("{MD5}:*:A")).is_err());
        assert!(file(&format!("{MD5}:*:A:72")).is_err());
        assert_eq!(file(&format!("{MD5}:*:A:73")).unwrap().size, None);
        assert!(parse(Subject::ImportTable, format!("{MD5}:*:A").as_bytes()).is_ok());
    }

    #[test]
    fn sizes_are_one_to_two_less_than_2_to_the_32() {
        for size in ["0", "4294967295", "4294967296", "", "1x"] {
            assert!(file(&format!("{MD5}:{size}:A")).is_err(), "{size}");
        }
        assert!(file(&format!("{MD5}:4294967294:A")).is_ok());
    }

    #[test]
    fn other_levels_are_passed_over_and_not_malformed() {
        use crate::Fault;
        let fault = |line: &str| file(line).unwrap_err().fault();
        assert_eq!(fault(&format!("{MD5}:68:A:217")), Fault::NotForThisEngine);
        assert_eq!(fault(&format!("{MD5}:68:A:73:215")), Fault::NotForThisEngine);
        assert_eq!(fault(&format!("{MD5}:68:A:73:216:1")), Fault::Malformed);
        assert!(file(&format!("{MD5}:68:A:216:216")).is_ok());
    }

    #[test]
    fn a_signature_of_a_hash_stays_small() {
        assert!(size_of::<HashSignature>() <= 56);
    }
}
