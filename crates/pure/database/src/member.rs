//! Signatures on what a container says of a member, in coded form.
//!
//! The container's type as a stretch, empty for any; then 0, 1 or 2: not encrypted, encrypted, either;
//! the sizes of the container, of the member in it and of the member, and which member it is: each 0
//! for any, or 1 with the least and the most; the member's name: 0 for any, 1 or 2 for an expression,
//! the latter in either case of letters, up to the end.

use std::ops::RangeInclusive;

use crate::code::{Cursor, push_number, push_stretch};
use crate::file::{Database, SectionKind};
use crate::names::NameId;
use crate::records::{RecordKind, Records};

/// What a container may say of a member. `None` is anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSignature<'a> {
    /// The container's type by its name, `CL_TYPE_…`.
    pub container_type: Option<&'a [u8]>,
    /// Whether the member is encrypted.
    pub encrypted: Option<bool>,
    /// The container's size in bytes.
    pub container_size: Option<RangeInclusive<u32>>,
    /// The member's size in the container, in bytes.
    pub size_in_container: Option<RangeInclusive<u32>>,
    /// The member's size in bytes.
    pub real_size: Option<RangeInclusive<u32>>,
    /// Which member it is, as the container's format counts.
    pub position: Option<RangeInclusive<u32>>,
    /// The member's name.
    pub file_name: Option<NamePattern<'a>>,
}

/// A regular expression that stands somewhere in a name, in the syntax of PCRE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamePattern<'a> {
    /// The expression.
    pub pattern: &'a [u8],
    /// Whether letters match in either case.
    pub caseless: bool,
}

/// The signatures of a database on what containers say of their members. Broken ones are left out.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    records: Records<'a>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        let section = database.section(SectionKind::Records(RecordKind::Member));
        Self { records: Records::new(section) }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (NameId, MemberSignature<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.records.find_map(|(name, code)| Some((name?, MemberSignature::read(code)?)))
    }
}

impl<'a> MemberSignature<'a> {
    fn read(mut code: Cursor<'a>) -> Option<Self> {
        Some(Self {
            container_type: Some(code.stretch()?).filter(|name| !name.is_empty()),
            encrypted: match code.byte()? {
                0 => Some(false),
                1 => Some(true),
                2 => None,
                _ => return None,
            },
            container_size: range(&mut code)?,
            size_in_container: range(&mut code)?,
            real_size: range(&mut code)?,
            position: range(&mut code)?,
            file_name: match code.byte()? {
                0 => None,
                case @ 1..=2 => Some(NamePattern { pattern: code.rest(), caseless: case == 2 }),
                _ => return None,
            },
        })
    }

    pub(crate) fn code(&self) -> Vec<u8> {
        let mut code = Vec::new();
        push_stretch(&mut code, self.container_type.unwrap_or_default());
        code.push(self.encrypted.map_or(2, u8::from));
        let ranges =
            [&self.container_size, &self.size_in_container, &self.real_size, &self.position];
        for range in ranges {
            code.push(u8::from(range.is_some()));
            if let Some(range) = range {
                push_number(&mut code, *range.start());
                push_number(&mut code, *range.end());
            }
        }
        match self.file_name {
            None => code.push(0),
            Some(NamePattern { pattern, caseless }) => {
                code.push(if caseless { 2 } else { 1 });
                code.extend_from_slice(pattern);
            }
        }
        code
    }
}

fn range(code: &mut Cursor<'_>) -> Option<Option<RangeInclusive<u32>>> {
    Some(match code.byte()? {
        0 => None,
        _ => Some(code.number()?..=code.number()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn what_is_added_is_there() {
        let signature = MemberSignature {
            container_type: Some(b"CL_TYPE_ZIP"),
            encrypted: None,
            container_size: Some(1..=2),
            size_in_container: None,
            real_size: Some(0..=u32::MAX),
            position: Some(3..=3),
            file_name: Some(NamePattern { pattern: b"exe$", caseless: true }),
        };
        let any = MemberSignature {
            container_type: None,
            encrypted: Some(true),
            container_size: None,
            real_size: None,
            position: None,
            file_name: None,
            ..signature.clone()
        };
        let mut builder = Builder::default();
        builder.add_member("B", &signature).unwrap();
        builder.add_member("A", &any).unwrap();
        let bytes = builder.build();
        let database = Database::open(&bytes).unwrap();
        let read: Vec<_> = database.members().collect();
        assert_eq!(read, [(NameId(0), any), (NameId(1), signature)]);
    }
}
