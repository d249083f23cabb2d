//! What was done to a value before it was found.

use std::fmt;

/// One thing done to a planted value. A chain of them stands outermost first: what a reader of the
/// stream would undo first.
///
/// Not found yet: XOR and addition with a key, byte-wise substitution with a free table (bit
/// reversal, alphabets of one's own), brotli, lz4, and copies of text that holds no mark. Never
/// found, by principle: salted digests and true encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transform {
    /// Upper and lower case differ from what was planted.
    CaseFolded,
    /// Two bytes for each character, least significant first.
    Utf16Le,
    /// Two bytes for each character, most significant first.
    Utf16Be,
    /// Two hexadecimal digits for each byte, in either case.
    Hex,
    /// Base64 of RFC 4648 §4, at any alignment.
    Base64,
    /// Base64 with `-` and `_` (RFC 4648 §5).
    Base64Url,
    /// Base32 of RFC 4648 §6, at any alignment, in either case.
    Base32,
    /// Base32 with the extended hexadecimal alphabet (RFC 4648 §7).
    Base32Hex,
    /// Ascii85 as in PostScript.
    Ascii85,
    /// Base85 with the alphabet of RFC 1924.
    Base85,
    /// Base85 with the alphabet of ZeroMQ.
    Z85,
    /// Letters moved by 13 places.
    Rot13,
    /// Last byte first.
    Reversed,
    /// gzip (RFC 1952).
    Gzip,
    /// zlib (RFC 1950).
    Zlib,
    /// Deflate without a header (RFC 1951).
    Deflate,
    /// A compressed member of a zip archive.
    ZipMember,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Escapes written out: `%6b`, `\x6b`, `\u006b`, `\153`, `0x6b`, `=6B`, `&#107;`, `&amp;`.
    Unescaped,
    /// Blanks, line ends, quotes and punctuation between pieces taken out.
    SeparatorsStripped,
    /// Numbers from 0 to 255 as text.
    DecimalList,
    /// Every n-th byte only. Text in UTF-16 is every 2nd, in UTF-32 every 4th.
    EveryNth(u8),
    /// Labels of DNS names put together, see [`crate::join_labels`].
    DnsLabels,
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::CaseFolded => "case folded",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Hex => "hexadecimal",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Base32 => "base32",
            Self::Base32Hex => "base32hex",
            Self::Ascii85 => "Ascii85",
            Self::Base85 => "base85",
            Self::Z85 => "Z85",
            Self::Rot13 => "ROT13",
            Self::Reversed => "reversed",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::ZipMember => "zip member",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Unescaped => "escapes",
            Self::SeparatorsStripped => "separators stripped",
            Self::DecimalList => "decimal list",
            Self::EveryNth(2) => "every 2nd byte",
            Self::EveryNth(3) => "every 3rd byte",
            Self::EveryNth(step) => return write!(f, "every {step}th byte"),
            Self::DnsLabels => "DNS labels",
        };
        f.write_str(text)
    }
}
