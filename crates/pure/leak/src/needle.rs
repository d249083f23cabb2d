//! The values that are searched for.

use md5::Digest as _;

/// Least information in bits that a match must carry. 20,000 values over 10⁹ positions give 4,657
/// chance matches at 32 bits and one in a million campaigns at 64.
pub const MIN_BITS: u32 = 64;

/// A value that nobody sends by chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// The caller's number for it; a [`crate::Hit`] gives it back.
    pub id: u32,
    /// What sort of value it is, which decides how much of it must match.
    pub kind: NeedleKind,
    /// The bytes as planted.
    pub value: Vec<u8>,
    /// The planted file it belongs to; empty for what belongs to the machine.
    pub file: Vec<u8>,
    /// Where in the file or machine it stands, in words.
    pub place: String,
}

/// What sort of value a needle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NeedleKind {
    /// A long random mark of lower-case letters and digits. 13 bytes of it in a row are a match,
    /// wherever in the mark they stand, since each byte carries 5 bits.
    Mark,
    /// Words that nobody else has, one space between each two; matches whole. Each counts 10 bits: it is
    /// one of the thousand or more that its campaign made up.
    Phrase,
    /// A short random mark in the name of a file or folder; matches whole.
    Name,
    /// A path; matches whole.
    Path,
    /// Something that tells one machine or user from others; matches whole.
    Identifier,
    /// The binary digest of a planted file; matches whole.
    Digest,
}

impl Needle {
    /// Whether a part of the value is enough.
    pub(crate) fn matches_in_part(&self) -> bool {
        self.kind == NeedleKind::Mark && self.value.len() >= crate::form::MIN_PART_BYTES
    }

    /// Information in the whole value, in bits: 8 for a byte of a digest, 5 for a random letter or
    /// digit, 4 for a hexadecimal digit, 10 for a word of a phrase. Punctuation at its place counts 4, so that a MAC address
    /// with its separators is enough and one without is not.
    pub(crate) fn bits(&self) -> u32 {
        let length = u32::try_from(self.value.len()).unwrap_or(u32::MAX);
        match self.kind {
            NeedleKind::Digest => length.saturating_mul(8),
            NeedleKind::Mark | NeedleKind::Name => length.saturating_mul(5),
            NeedleKind::Phrase => phrase_bits(&self.value),
            NeedleKind::Path | NeedleKind::Identifier => text_bits(&self.value),
        }
    }
}

fn phrase_bits(value: &[u8]) -> u32 {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.fold(0_u32, |sum, _| sum.saturating_add(10))
}

fn text_bits(value: &[u8]) -> u32 {
    let hexadecimal =
        value.iter().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_punctuation());
    value.iter().fold(0_u32, |sum, byte| {
        let random = byte.is_ascii_alphanumeric() && !hexadecimal;
        sum.saturating_add(if random { 5 } else { 4 })
    })
}

/// The ways in which people write an identifier, the given one first.
///
/// 32 hexadecimal digits also with the dashes of a UUID and the other way round, a MAC address with
/// `:` and `-`. Anything else has one spelling. Upper case is found without being spelled. A MAC
/// address as bytes, as bare digits or with two dots carries too little to be searched for.
#[must_use]
pub fn spellings(identifier: &[u8]) -> Vec<Vec<u8>> {
    let digits: Vec<u8> =
        identifier.iter().copied().filter(|byte| !b":-.".contains(byte)).collect();
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return vec![identifier.to_vec()];
    }
    let mut all = vec![identifier.to_vec()];
    match digits.len() {
        32 => all.extend([grouped(&digits, &[8, 4, 4, 4, 12], b"-"), digits]),
        12 => all.extend([grouped(&digits, &[2; 6], b":"), grouped(&digits, &[2; 6], b"-")]),
        _ => {}
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|spelling| seen.insert(spelling.clone()));
    all
}

fn grouped(digits: &[u8], lengths: &[usize], separator: &[u8]) -> Vec<u8> {
    let mut rest = digits;
    let mut groups = Vec::new();
    for &length in lengths {
        let (group, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        groups.push(group);
        rest = tail;
    }
    groups.join(separator)
}

/// The digests under which products name a file or an identifier, with the algorithm's name: MD5,
/// SHA-1, SHA-256.
#[must_use]
pub fn digests(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [
        ("MD5", md5::Md5::digest(bytes).to_vec()),
        ("SHA-1", sha1::Sha1::digest(bytes).to_vec()),
        ("SHA-256", sha2::Sha256::digest(bytes).to_vec()),
    ]
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn bits(kind: NeedleKind, value: &[u8]) -> u32 {
        let (value, file) = (value.to_vec(), Vec::new());
        Needle { id: 0, kind, value, file, place: String::new() }.bits()
    }

    #[test]
    fn a_mac_address_needs_its_separators() {
        assert!(bits(NeedleKind::Identifier, b"02:9f:1c:aa:37:5e") >= MIN_BITS);
        assert!(bits(NeedleKind::Identifier, b"029f1caa375e") < MIN_BITS);
    }

    #[test]
    fn a_phrase_has_to_be_of_seven_words() {
        let phrase = b"mnitavlo kliotsu wuapri golmdri slitvo tsilmwo plioni";
        assert!(bits(NeedleKind::Phrase, phrase) >= MIN_BITS);
        let six = phrase.strip_suffix(b" plioni").unwrap();
        assert!(bits(NeedleKind::Phrase, six) < MIN_BITS);
    }

    #[test]
    fn machine_ids_are_written_in_two_ways() {
        let dashed = b"00112233-4455-6677-8899-aabbccddeeff".to_vec();
        let plain = b"00112233445566778899aabbccddeeff".to_vec();
        assert_eq!(spellings(&plain), [plain.clone(), dashed.clone()]);
        assert_eq!(spellings(&dashed), [dashed, plain]);
        assert_eq!(spellings(b"02:9f:1c:aa:37:5e")[1], b"02-9f-1c-aa-37-5e");
        assert_eq!(spellings(b"host-name"), [b"host-name"]);
    }
}
