//! Spellings: what a value looks like in a stream without decoding the stream.

use crate::Transform;

/// Bytes of a mark in a row that are a match: 13 letters and digits of 5 bits make 65 bits.
pub(crate) const MIN_PART_BYTES: usize = 13;

/// One spelling: the value changed byte by byte, then written in digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    inner: Inner,
    outer: Outer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    Plain,
    Reversed,
    Rot13,
    Utf16Le,
    Utf16Be,
}

/// How bytes become digits. The value may begin anywhere in a group of digits, so there is one
/// spelling for each alignment, and each leaves out the digits that depend on neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outer {
    Bytes,
    /// `skip` bits, then digits of `digit.bits()`.
    Bits {
        digit: BitDigit,
        skip: usize,
    },
    /// `skip` bytes, then groups of 4 bytes as 5 digits.
    Groups {
        digit: GroupDigit,
        skip: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BitDigit {
    Hex,
    Base64,
    Base64Url,
    Base32,
    Base32Hex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GroupDigit {
    Ascii85,
    Base85,
    Z85,
}

/// Whether the case of a digit means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

impl Form {
    /// Every spelling, plainest first.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> =
            [Inner::Plain, Inner::Reversed, Inner::Rot13, Inner::Utf16Le, Inner::Utf16Be]
                .map(|inner| Self { inner, outer: Outer::Bytes })
                .into();
        let bits = |inner, digit, skips: &[usize]| -> Vec<Self> {
            skips.iter().map(|&skip| Self { inner, outer: Outer::Bits { digit, skip } }).collect()
        };
        all.extend(bits(Inner::Plain, BitDigit::Hex, &[0]));
        for inner in [Inner::Plain, Inner::Reversed, Inner::Utf16Le, Inner::Utf16Be] {
            all.extend(bits(inner, BitDigit::Base64, &[0, 4, 2]));
        }
        all.extend(bits(Inner::Plain, BitDigit::Base64Url, &[0, 4, 2]));
        all.extend(bits(Inner::Plain, BitDigit::Base32, &[0, 2, 4, 1, 3]));
        all.extend(bits(Inner::Plain, BitDigit::Base32Hex, &[0, 2, 4, 1, 3]));
        for digit in [GroupDigit::Ascii85, GroupDigit::Base85, GroupDigit::Z85] {
            let groups = |skip| Self { inner: Inner::Plain, outer: Outer::Groups { digit, skip } };
            all.extend((0..4).map(groups));
        }
        all
    }

    /// Whether a digest is searched in this spelling: as bytes or as common digits.
    pub(crate) fn is_for_digests(self) -> bool {
        let digits = matches!(
            self.outer,
            Outer::Bytes
                | Outer::Bits {
                    digit: BitDigit::Hex
                        | BitDigit::Base64
                        | BitDigit::Base64Url
                        | BitDigit::Base32,
                    ..
                }
        );
        self.inner == Inner::Plain && digits
    }

    /// What `value` looks like.
    pub(crate) fn spell(self, value: &[u8]) -> Vec<u8> {
        let bytes = self.inner.apply(value);
        match self.outer {
            Outer::Bytes => bytes,
            Outer::Bits { digit, skip } => bit_digits(&bytes, digit, skip),
            Outer::Groups { digit, skip } => group_digits(&bytes, digit, skip),
        }
    }

    /// Bytes of the value that `digits` of the spelling stand for, rounded down.
    pub(crate) fn value_bytes(self, digits: usize) -> usize {
        let bytes = match self.outer {
            Outer::Bytes => digits,
            Outer::Bits { digit, .. } => digits.saturating_mul(digit.bits()) / 8,
            Outer::Groups { .. } => (digits / 5).saturating_mul(4),
        };
        bytes.checked_div(self.inner.width()).unwrap_or(0)
    }

    /// Digits that stand for at least [`MIN_PART_BYTES`] of the value.
    pub(crate) fn min_part_digits(self) -> usize {
        let bytes = MIN_PART_BYTES.saturating_mul(self.inner.width());
        match self.outer {
            Outer::Bytes => bytes,
            Outer::Bits { digit, .. } => bytes.saturating_mul(8).div_ceil(digit.bits()),
            Outer::Groups { .. } => bytes.div_ceil(4).saturating_mul(5),
        }
    }

    pub(crate) fn case(self) -> Case {
        match self.outer {
            Outer::Bytes => Case::Ignored,
            Outer::Bits { digit: BitDigit::Base64 | BitDigit::Base64Url, .. } => Case::Matters,
            Outer::Bits { .. } => Case::Ignored,
            Outer::Groups { .. } => Case::Matters,
        }
    }

    /// Whether the bytes of the value stand there as they are, so that case is the value's own.
    pub(crate) fn keeps_letters(self) -> bool {
        self.outer == Outer::Bytes
    }

    /// Whether the spelling runs from the end of the value to its start.
    pub(crate) fn is_reversed(self) -> bool {
        self.inner == Inner::Reversed
    }

    /// The transforms to undo, outermost first.
    pub(crate) fn transforms(self) -> Vec<Transform> {
        let outer = match self.outer {
            Outer::Bytes => None,
            Outer::Bits { digit, .. } => Some(digit.transform()),
            Outer::Groups { digit, .. } => Some(digit.transform()),
        };
        let inner = match self.inner {
            Inner::Plain => None,
            Inner::Reversed => Some(Transform::Reversed),
            Inner::Rot13 => Some(Transform::Rot13),
            Inner::Utf16Le => Some(Transform::Utf16Le),
            Inner::Utf16Be => Some(Transform::Utf16Be),
        };
        outer.into_iter().chain(inner).collect()
    }
}

impl Inner {
    fn apply(self, value: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => value.to_vec(),
            Self::Reversed => value.iter().rev().copied().collect(),
            Self::Rot13 => value.iter().copied().map(rot13).collect(),
            Self::Utf16Le => value.iter().flat_map(|&byte| [byte, 0]).collect(),
            Self::Utf16Be => value.iter().flat_map(|&byte| [0, byte]).collect(),
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Plain | Self::Reversed | Self::Rot13 => 1,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }
}

impl BitDigit {
    fn bits(self) -> usize {
        match self {
            Self::Hex => 4,
            Self::Base64 | Self::Base64Url => 6,
            Self::Base32 | Self::Base32Hex => 5,
        }
    }

    fn alphabet(self) -> &'static [u8] {
        match self {
            Self::Hex => b"0123456789abcdef",
            Self::Base64 => BASE64,
            Self::Base64Url => BASE64URL,
            Self::Base32 => BASE32,
            Self::Base32Hex => BASE32HEX,
        }
    }

    fn transform(self) -> Transform {
        match self {
            Self::Hex => Transform::Hex,
            Self::Base64 => Transform::Base64,
            Self::Base64Url => Transform::Base64Url,
            Self::Base32 => Transform::Base32,
            Self::Base32Hex => Transform::Base32Hex,
        }
    }
}

impl GroupDigit {
    fn alphabet(self) -> &'static [u8; 85] {
        match self {
            Self::Ascii85 => ASCII85,
            Self::Base85 => BASE85,
            Self::Z85 => Z85,
        }
    }

    fn transform(self) -> Transform {
        match self {
            Self::Ascii85 => Transform::Ascii85,
            Self::Base85 => Transform::Base85,
            Self::Z85 => Transform::Z85,
        }
    }
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte.wrapping_add(13),
        b'n'..=b'z' | b'N'..=b'Z' => byte.wrapping_sub(13),
        _ => byte,
    }
}

/// Digits of 4, 5 or 6 bits, most significant bit first, from bit `skip` to the last whole digit.
fn bit_digits(bytes: &[u8], digit: BitDigit, skip: usize) -> Vec<u8> {
    let bits = bytes.iter().flat_map(|&byte| (0..8).rev().map(move |at| (byte >> at) & 1));
    let (mut digits, mut value, mut held) = (Vec::new(), 0_u8, 0_usize);
    for bit in bits.skip(skip) {
        value = (value << 1) | bit;
        held = held.saturating_add(1);
        if held == digit.bits() {
            digits.extend(digit.alphabet().get(usize::from(value)));
            (value, held) = (0, 0);
        }
    }
    digits
}

/// Five digits to the base 85 for each whole group of four bytes.
fn group_digits(bytes: &[u8], digit: GroupDigit, skip: usize) -> Vec<u8> {
    let groups = bytes.get(skip..).unwrap_or_default().as_chunks::<4>().0;
    groups.iter().flat_map(|group| group_of_five(*group, digit.alphabet())).collect()
}

fn group_of_five(group: [u8; 4], alphabet: &[u8; 85]) -> [u8; 5] {
    let mut rest = u32::from_be_bytes(group);
    let mut digits = [0; 5];
    for slot in digits.iter_mut().rev() {
        let value = usize::try_from(rest % 85).unwrap_or(0);
        *slot = alphabet.get(value).copied().unwrap_or(0);
        rest /= 85;
    }
    digits
}

pub(crate) const BASE64: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(crate) const BASE64URL: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub(crate) const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const BASE32HEX: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
/// PLRM 3.13.3: `!` to `u`.
pub(crate) const ASCII85: &[u8; 85] =
    b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu";
/// RFC 1924 §4.2.
pub(crate) const BASE85: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
/// ZeroMQ RFC 32.
pub(crate) const Z85: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_alignment_of_base64_is_what_an_encoder_writes() {
        let value = b"kq7w2zt5vhbn4xjd3mfy6rcg";
        let spellings: Vec<Vec<u8>> = Form::all()
            .into_iter()
            .filter(|form| form.transforms() == [Transform::Base64])
            .map(|form| form.spell(value))
            .collect();
        for before in 0..3 {
            let mut text = vec![b'#'; before];
            text.extend_from_slice(value);
            text.push(b'#');
            let encoded = data_encoding::BASE64.encode(&text).into_bytes();
            let spelled = spellings.get(before).unwrap();
            assert!(encoded.windows(spelled.len()).any(|window| window == spelled), "{before}");
        }
    }

    #[test]
    fn group_digits_follow_the_vector_of_z85() {
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(group_digits(&bytes, GroupDigit::Z85, 0), b"HelloWorld");
    }
}
