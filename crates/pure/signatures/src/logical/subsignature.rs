//! One sub-signature of a logical signature.

use super::byte_compare::ByteCompare;
use super::content::Content;
use super::regex::Regex;
use crate::error::LineError;
use crate::field::{hex_array, leading_number};
use crate::offset::macro_group;
use crate::target::Target;

/// What a sub-signature looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subsignature {
    /// Bytes.
    Content(Content),
    /// A regular expression, once other sub-signatures were found.
    Regex(Box<Regex>),
    /// A number near another sub-signature.
    ByteCompare(Box<ByteCompare>),
    /// A body signature of a group, near the sub-signature before it.
    Macro(Macro),
    /// An image whose fuzzy hash is this one. ClamAV 1.4 takes no distance but 0.
    FuzzyImage([u8; 8]),
}

/// A signature of a `.ndb` with the offset `$group$` in some distance, `${min-max}group$`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macro {
    /// The fewest bytes from the sub-signature before this one.
    pub min: u32,
    /// The most bytes.
    pub max: u32,
    /// The group, 0 to 31.
    pub group: u8,
}

impl Subsignature {
    /// Parses the sub-signature `index` of a signature for `target`.
    ///
    /// # Errors
    /// [`LineError`] for what ClamAV refuses.
    pub(crate) fn parse(text: &[u8], index: u8, target: Target) -> Result<Self, LineError> {
        let has = |byte: u8| text.contains(&byte);
        let hashes = text.iter().filter(|byte| **byte == b'#').count();
        if text.starts_with(b"$") {
            Macro::parse(text).map(Self::Macro)
        } else if has(b'/') {
            Ok(Self::Regex(Regex::parse(text, index, target)?.into()))
        } else if has(b'(') && hashes > 1 {
            Ok(Self::ByteCompare(ByteCompare::parse(text)?.into()))
        } else if let Some(hash) = text.strip_prefix(b"fuzzy_img#") {
            fuzzy_image(hash).map(Self::FuzzyImage)
        } else {
            Content::parse(text, target).map(Self::Content)
        }
    }
}

impl Macro {
    fn parse(text: &[u8]) -> Result<Self, LineError> {
        let read = || {
            let text = text.strip_suffix(b"$")?.strip_prefix(b"${")?;
            let (min, text) = leading_number(text)?;
            let (max, text) = leading_number(text.strip_prefix(b"-")?)?;
            Some((min, max, text.strip_prefix(b"}")?))
        };
        let (min, max, group) =
            read().ok_or_else(|| LineError::field("Macro", text, "`${min-max}group$`"))?;
        Ok(Self { min, max, group: macro_group(group)? })
    }
}

fn fuzzy_image(text: &[u8]) -> Result<[u8; 8], LineError> {
    let mut fields = text.split(|byte| *byte == b'#');
    let hash = fields.next().and_then(hex_array);
    let near = fields
        .next()
        .is_none_or(|distance| !distance.is_empty() && distance.iter().all(|digit| *digit == b'0'));
    let wrong = || LineError::field("fuzzy_img", text, "16 hexadecimal digits and the distance 0");
    hash.filter(|_| near).ok_or_else(wrong)
}
