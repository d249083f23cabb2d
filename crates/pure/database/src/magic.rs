//! How types of files are told apart, in coded form.
//!
//! Four bytes, the most significant first: which of all it was, since the last that fits counts. Then
//! the number of its kind in a `.ftm`; where it may stand; as stretches the type that a file must have
//! and the type that it then has; what stands there in hexadecimal digits, up to the end.

use crate::code::{Cursor, push_stretch};
use crate::file::{Database, SectionKind};
use crate::offset::Offset;
use crate::records::{RecordKind, Records};

/// What tells a type of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MagicRule<'a> {
    /// 0: plain bytes of a file, 1: a pattern, 4: plain bytes of a partition.
    pub kind: u8,
    /// Where it may stand.
    pub offset: Offset,
    /// The type that a file must have by its name, `CL_TYPE_…`.
    pub from: &'a [u8],
    /// The type that it then has.
    pub to: &'a [u8],
    /// What stands there, as in a `.ftm`.
    pub bytes: &'a [u8],
}

/// What tells types of files, in the order in which it was added. Broken ones are left out.
#[derive(Clone, Debug)]
pub struct MagicRules<'a> {
    records: Records<'a>,
}

impl<'a> MagicRules<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        Self { records: Records::new(database.section(SectionKind::Records(RecordKind::Magic))) }
    }
}

impl<'a> Iterator for MagicRules<'a> {
    type Item = MagicRule<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.find_map(|(_, code)| MagicRule::read(code))
    }
}

impl<'a> MagicRule<'a> {
    fn read(mut code: Cursor<'a>) -> Option<Self> {
        for _ in 0..ORDER_BYTES {
            code.byte()?;
        }
        Some(Self {
            kind: code.byte()?,
            offset: Offset::read(&mut code)?,
            from: code.stretch()?,
            to: code.stretch()?,
            bytes: code.rest(),
        })
    }

    pub(crate) fn code(&self, order: u32) -> Vec<u8> {
        let mut code = order.to_be_bytes().to_vec();
        code.push(self.kind);
        self.offset.push(&mut code);
        push_stretch(&mut code, self.from);
        push_stretch(&mut code, self.to);
        code.extend_from_slice(self.bytes);
        code
    }
}

const ORDER_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;
    use crate::offset::Place;

    #[test]
    fn what_is_added_is_there_in_its_order() {
        let one = MagicRule {
            kind: 0,
            offset: Offset::At { place: Place::Start(7), max_shift: 0 },
            from: b"CL_TYPE_ANY",
            to: b"CL_TYPE_ZIP",
            bytes: b"ffff",
        };
        let other = MagicRule { kind: 1, offset: Offset::Any, bytes: b"00*11", ..one };
        let mut builder = Builder::default();
        [one, other, one].iter().for_each(|rule| builder.add_magic(rule).unwrap());
        let bytes = builder.build();
        let database = Database::open(&bytes).unwrap();
        assert_eq!(database.magic_rules().collect::<Vec<_>>(), [one, other, one]);
    }
}
