//! Records: what sets say beside digests and patterns, a section for each kind.
//!
//! A section holds its records one behind the other, sorted: the `u32` number of the record's name,
//! all ones where it has none, then what it says as a stretch. They are few, and read from the first
//! to the last.

use crate::code::{Cursor, push_stretch};
use crate::names::NameId;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordKind {
    /// What containers say of their members.
    Member,
    /// What tells types of files.
    Magic,
    /// Passwords of archives.
    Password,
    /// Certificates that sign programs.
    Certificate,
    /// Icons of programs.
    Icon,
    /// One that says nothing: sizes of texts are those of their forms.
    FormSizes,
}

impl RecordKind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Member, Self::Magic, Self::Password, Self::Certificate, Self::Icon, Self::FormSizes];

    /// The last digits of its section's number.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Member => 0,
            Self::Magic => 1,
            Self::Password => 2,
            Self::Certificate => 3,
            Self::Icon => 4,
            Self::FormSizes => 5,
        }
    }
}

/// The records of a section.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a> {
    left: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn new(section: &'a [u8]) -> Self {
        Self { left: section }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (Option<NameId>, Cursor<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, code) = self.left.split_first_chunk()?;
        let mut code = Cursor::new(code);
        let record = code.stretch()?;
        self.left = code.rest();
        let name = u32::from_le_bytes(*name);
        Some(((name != NO_NAME).then_some(NameId(name)), Cursor::new(record)))
    }
}

/// A record that is being put into a database.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) kind: RecordKind,
    /// By its number, [`NO_NAME`] where it has none.
    pub(crate) name: u32,
    pub(crate) code: Vec<u8>,
}

/// Stands where a record has no name: there are never so many.
pub(crate) const NO_NAME: u32 = u32::MAX;

/// The section of the records of a kind, which are sorted.
pub(crate) fn build(records: &[Record], kind: RecordKind) -> Vec<u8> {
    let mut section = Vec::new();
    for record in records.iter().filter(|record| record.kind == kind) {
        section.extend_from_slice(&record.name.to_le_bytes());
        push_stretch(&mut section, &record.code);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_up_to_where_it_breaks() {
        let record =
            |name, code: &[u8]| Record { kind: RecordKind::Member, name, code: code.into() };
        let section = build(&[record(7, b"ab"), record(NO_NAME, b"")], RecordKind::Member);
        let read = |section| Records::new(section).map(|(name, code)| (name, code.rest().to_vec()));
        let whole: Vec<_> = read(&section).collect();
        assert_eq!(whole, [(Some(NameId(7)), b"ab".to_vec()), (None, Vec::new())]);
        for length in 0..section.len() {
            assert!(read(&section[..length]).count() < 2);
        }
    }
}
