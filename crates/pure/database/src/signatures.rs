//! All signatures that are more than a digest.
//!
//! The section: 12 bytes for each, `u32` name, `u32` place of its code, `u32` length of its code. The
//! codes lie in a section of their own.
//!
//! Signatures without an anchor are listed by target. Those that are announced by the first two bytes
//! of a file: 8 bytes each, sorted, `u16` these as a number, the first one less, `u16` 0, `u32`
//! signature. Those that nothing announces: `u32` each.

use crate::anchors::SignatureId;
use crate::file::{Database, SectionKind};
use crate::names::NameId;
use crate::signature::Signature;

const ROW_BYTES: usize = 12;

/// The signatures of a database.
#[derive(Clone, Copy, Debug)]
pub struct Signatures<'a> {
    rows: &'a [[u8; ROW_BYTES]],
    code: &'a [u8],
}

impl<'a> Signatures<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        let rows = database.section(SectionKind::Signatures).as_chunks().0;
        Self { rows, code: database.section(SectionKind::Code) }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// A signature and its name; nothing where the database does not hold it.
    #[must_use]
    pub fn get(&self, id: SignatureId) -> Option<(NameId, Signature<'a>)> {
        let row = self.rows.get(usize::try_from(id.0).ok()?)?;
        let [name, place, length] = [0, 4, 8].map(|at| {
            let field = row.get(at..).and_then(|row| row.first_chunk());
            field.map_or(0, |field| u32::from_le_bytes(*field))
        });
        let place = usize::try_from(place).ok()?;
        let end = place.checked_add(usize::try_from(length).ok()?)?;
        Some((NameId(name), Signature::read(self.code.get(place..end)?)?))
    }
}

/// Signatures that are looked at in every file of a target, because nothing announces them.
#[derive(Clone, Debug)]
pub struct Untriggered<'a> {
    rows: std::slice::Iter<'a, [u8; 4]>,
}

impl<'a> Untriggered<'a> {
    pub(crate) fn new(section: &'a [u8]) -> Self {
        Self { rows: section.as_chunks().0.iter() }
    }
}

impl Iterator for Untriggered<'_> {
    type Item = SignatureId;

    fn next(&mut self) -> Option<SignatureId> {
        self.rows.next().map(|row| SignatureId(u32::from_le_bytes(*row)))
    }
}

/// Signatures of a target that are announced by the first two bytes of a file.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    rows: &'a [[u8; HEAD_BYTES]],
}

const HEAD_BYTES: usize = 8;

impl<'a> Heads<'a> {
    pub(crate) fn new(section: &'a [u8]) -> Self {
        Self { rows: section.as_chunks().0 }
    }

    /// Those of two bytes.
    pub fn of(self, head: [u8; 2]) -> impl Iterator<Item = SignatureId> + use<'a> {
        let wanted = u16::from_le_bytes(head);
        let from = self.rows.partition_point(|row| head_of(row) < wanted);
        let rows = self.rows.get(from..).unwrap_or_default().iter();
        let rows = rows.take_while(move |row| head_of(row) == wanted);
        rows.map(|[.., a, b, c, d]| SignatureId(u32::from_le_bytes([*a, *b, *c, *d])))
    }
}

fn head_of([low, high, ..]: &[u8; HEAD_BYTES]) -> u16 {
    u16::from_le_bytes([*low, *high])
}

/// The section of these heads.
pub(crate) fn build_heads(rows: &[(u16, u32)]) -> Vec<u8> {
    let mut sorted = rows.to_vec();
    sorted.sort_unstable();
    let row = |(head, id): &(u16, u32)| {
        let ([a, b], [c, d, e, f]) = (head.to_le_bytes(), id.to_le_bytes());
        [a, b, 0, 0, c, d, e, f]
    };
    sorted.iter().flat_map(row).collect()
}

pub(crate) fn row(name: u32, place: u32, length: u32) -> [u8; ROW_BYTES] {
    let mut row = [0; ROW_BYTES];
    let fields = [name, place, length].map(u32::to_le_bytes);
    row.iter_mut().zip(fields.as_flattened()).for_each(|(to, from)| *to = *from);
    row
}
