//! All signatures that are more than a digest.
//!
//! The section: 12 bytes for each, `u32` name, `u32` place of its code, `u32` length of its code. The
//! codes lie in a section of their own. Signatures without an anchor are listed by target, `u32` each.

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

pub(crate) fn row(name: u32, place: u32, length: u32) -> [u8; ROW_BYTES] {
    let mut row = [0; ROW_BYTES];
    let fields = [name, place, length].map(u32::to_le_bytes);
    row.iter_mut().zip(fields.as_flattened()).for_each(|(to, from)| *to = *from);
    row
}
