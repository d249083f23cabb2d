//! The file as a whole: a head, a table of sections, sections.
//!
//! | Bytes | Head |
//! |---|---|
//! | 0–7 | `WGLASSDB` |
//! | 8–11 | version of the layout, [`FORMAT_VERSION`] |
//! | 12–15 | number of sections |
//! | 16–23 | length of the file |
//! | 24–31 | 0 |
//! | 32–63 | SHA-256 of bytes 0–31 with the table behind them |
//!
//! The table follows, 64 bytes for each section in rising order of kind: `u32` kind, `u32` 0, `u64`
//! place, `u64` length, `u64` 0, SHA-256 of the section. Each section begins on a page; what lies
//! between is 0. All numbers have their least significant byte first.

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use watchglass_bytes::{ReadError, Reader};

use crate::anchors::{Anchors, Bitmap, TARGETS};
use crate::certificate::Certificates;
use crate::digest::{Algorithm, HashRole};
use crate::hashes::{Hashes, Part};
use crate::icon::Icons;
use crate::magic::MagicRules;
use crate::member::Members;
use crate::names::{NameId, Names};
use crate::password::Passwords;
use crate::records::RecordKind;
use crate::rules::Rules;
use crate::signatures::{Heads, Signatures, Untriggered};

/// A compiled set of signatures where it lies.
#[derive(Clone, Debug)]
pub struct Database<'a> {
    bytes: &'a [u8],
    sections: Vec<(SectionKind, Section)>,
    digest: [u8; 32],
}

/// Why a file is not opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is shorter than what it declares.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is some other file.
    #[error("not a compiled database: it does not begin with WGLASSDB")]
    Magic,
    /// It is of another version of the layout.
    #[error(
        "a database of version {found}, this program reads version {FORMAT_VERSION}: build it again"
    )]
    Version {
        /// The version it is of.
        found: u32,
    },
    /// It has another length than it declares.
    #[error("{declared} bytes declared, {found} there: it was cut short or written over")]
    Length {
        /// Bytes it declares.
        declared: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Its table of sections is damaged.
    #[error("the table of sections does not have its SHA-256")]
    Table,
    /// A section that this version does not have.
    #[error("section {kind:#x} is unknown")]
    Kind {
        /// Its number.
        kind: u32,
    },
    /// A section that does not lie where a section can.
    #[error(
        "section {kind:#x}: {length} bytes at {place} lie outside the file, in another section or on no page"
    )]
    Place {
        /// Its number.
        kind: u32,
        /// Where it is said to begin.
        place: u64,
        /// Bytes that it is said to have.
        length: u64,
    },
}

/// What is not as the builder wrote it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// A section is damaged.
    #[error("section {kind:#x} does not have its SHA-256")]
    Section {
        /// Its number.
        kind: u32,
    },
    /// Something lies between sections.
    #[error("bytes at {place} lie in no section")]
    Between {
        /// Where the space begins.
        place: usize,
    },
}

/// Version of the layout. It changes with any change of what sections hold.
pub const FORMAT_VERSION: u32 = 4;
/// Bytes of a page, on which sections begin.
pub const PAGE_BYTES: usize = 4096;
/// Most sections of a file.
const MAX_SECTIONS: u32 = 1024;
const MAGIC: &[u8; 8] = b"WGLASSDB";
/// Bytes of the head that its digest covers.
const HEAD_BYTES: usize = 32;
/// Bytes before the table.
const TABLE_PLACE: usize = 64;
/// Bytes of a row of the table.
const ROW_BYTES: usize = 64;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// Names of signatures.
    Names,
    /// A part of a table of digests.
    Hashes(HashRole, Algorithm, Part),
    /// Rows of signatures that are more than a digest.
    Signatures,
    /// What they look for.
    Code,
    /// Which four bytes anything for a target begins by.
    Bitmap(u8),
    /// The anchors for a target.
    Anchors(u8),
    /// Signatures for a target that nothing announces.
    Untriggered(u8),
    /// Signatures for a target that the first bytes of a file announce.
    Heads(u8),
    /// What sets say beside digests and patterns.
    Records(RecordKind),
    /// Signatures that are rules.
    RuleRows,
    /// Which pieces their texts are put together from.
    RuleList,
    /// Pieces of texts.
    RulePieces,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    place: usize,
    end: usize,
    digest: [u8; 32],
}

impl<'a> Database<'a> {
    /// Opens a database where it lies. Costs the SHA-256 of head and table, some kilobytes, whatever
    /// the size of the file; the sections are checked by [`Database::verify`] alone.
    ///
    /// # Errors
    /// When head or table are not those of a database of this version, or the file has another
    /// length.
    pub fn open(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let mut reader = Reader::new(bytes);
        let mut head = reader.sub("head", HEAD_BYTES)?;
        if head.array("magic")? != MAGIC {
            return Err(OpenError::Magic);
        }
        let version = head.u32_le("version")?;
        if version != FORMAT_VERSION {
            return Err(OpenError::Version { found: version });
        }
        let count = head.u32_le("sections")?;
        let (declared, found) = (head.u64_le("length")?, length(bytes));
        if declared != found {
            return Err(OpenError::Length { declared, found });
        }
        let digest = *reader.array("digest")?;
        let table = table(&mut reader, count)?;
        let covered = bytes.get(..HEAD_BYTES).unwrap_or_default();
        let made: [u8; 32] =
            Sha256::new().chain_update(covered).chain_update(table).finalize().into();
        if made != digest {
            return Err(OpenError::Table);
        }
        Ok(Self { bytes, sections: sections(bytes, table)?, digest })
    }

    /// The digest of head and table, which hold the digests of everything else: two databases of one
    /// digest are the same, once they are verified.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Reads all of the file, to say whether it is what the builder wrote. Costs as much as its
    /// SHA-256.
    ///
    /// # Errors
    /// The first section, or space between two, that is not.
    pub fn verify(&self) -> Result<(), VerifyError> {
        let rows = self.sections.len().saturating_mul(ROW_BYTES);
        let mut end = TABLE_PLACE.saturating_add(rows);
        for (kind, section) in &self.sections {
            self.is_empty_between(end, section.place)?;
            if <[u8; 32]>::from(Sha256::digest(self.section(*kind))) != section.digest {
                return Err(VerifyError::Section { kind: kind.number() });
            }
            end = section.end;
        }
        self.is_empty_between(end, self.bytes.len())
    }

    fn is_empty_between(&self, from: usize, to: usize) -> Result<(), VerifyError> {
        let between = self.bytes.get(from..to).unwrap_or_default();
        if between.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err(VerifyError::Between { place: from })
        }
    }

    /// The digests of a role.
    #[must_use]
    pub fn hashes(&self, role: HashRole) -> Hashes<'_> {
        Hashes::new(self, role)
    }

    /// The name of a signature; nothing where the database does not hold it.
    #[must_use]
    pub fn name(&self, id: NameId) -> Option<String> {
        Names::new(self.section(SectionKind::Names)).get(id)
    }

    /// The signatures that are more than a digest.
    #[must_use]
    pub fn signatures(&self) -> Signatures<'a> {
        Signatures::new(self)
    }

    /// Which four bytes anything for a target, or for all files, begins by.
    #[must_use]
    pub fn bitmap(&self, target: u8) -> Bitmap<'a> {
        match self.section(SectionKind::Bitmap(target)) {
            [] => Bitmap::new(self.section(SectionKind::Bitmap(0))),
            own => Bitmap::new(own),
        }
    }

    /// The anchors for a target, those for all files apart: they are those of target 0.
    #[must_use]
    pub fn anchors(&self, target: u8) -> Anchors<'a> {
        let code = self.section(SectionKind::Code);
        Anchors::new(self.section(SectionKind::Anchors(target)), code)
    }

    /// The signatures for a target that the first two bytes of a file announce.
    #[must_use]
    pub fn heads(&self, target: u8) -> Heads<'a> {
        Heads::new(self.section(SectionKind::Heads(target)))
    }

    /// The signatures for a target that nothing announces.
    #[must_use]
    pub fn untriggered(&self, target: u8) -> Untriggered<'a> {
        Untriggered::new(self.section(SectionKind::Untriggered(target)))
    }

    /// The rules, each noticed by a signature.
    #[must_use]
    pub fn rules(&self) -> Rules<'a> {
        Rules::new(self)
    }

    /// The signatures on what containers say of their members.
    #[must_use]
    pub fn members(&self) -> Members<'a> {
        Members::new(self)
    }

    /// What tells types of files, beside what every engine knows.
    #[must_use]
    pub fn magic_rules(&self) -> MagicRules<'a> {
        MagicRules::new(self)
    }

    /// The passwords that are tried on archives.
    #[must_use]
    pub fn passwords(&self) -> Passwords<'a> {
        Passwords::new(self)
    }

    /// The certificates that sign programs.
    #[must_use]
    pub fn certificates(&self) -> Certificates<'a> {
        Certificates::new(self)
    }

    /// The icons that signatures ask for.
    #[must_use]
    pub fn icons(&self) -> Icons<'a> {
        Icons::new(self)
    }

    /// Whether signatures for texts ask for the size of the normal form, not of the file.
    #[must_use]
    pub fn asks_for_sizes_of_forms(&self) -> bool {
        !self.section(SectionKind::Records(RecordKind::FormSizes)).is_empty()
    }

    /// The bytes of a section; none where there is no such section.
    pub(crate) fn section(&self, kind: SectionKind) -> &'a [u8] {
        let section = self.sections.iter().find(|(other, _)| *other == kind);
        let bytes = section.and_then(|(_, section)| self.bytes.get(section.place..section.end));
        bytes.unwrap_or_default()
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn table<'a>(reader: &mut Reader<'a>, count: u32) -> Result<&'a [u8], OpenError> {
    if count > MAX_SECTIONS {
        let (found, limit) = (u64::from(count), u64::from(MAX_SECTIONS));
        return Err(ReadError::OverLimit { field: "sections", found, limit }.into());
    }
    let rows = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(reader.take("table", rows.saturating_mul(ROW_BYTES))?)
}

/// The sections of a table, which must lie one behind the other.
fn sections(bytes: &[u8], table: &[u8]) -> Result<Vec<(SectionKind, Section)>, OpenError> {
    let mut sections: Vec<(SectionKind, Section)> = Vec::new();
    let mut free = TABLE_PLACE.saturating_add(table.len());
    for row in table.as_chunks::<ROW_BYTES>().0 {
        let mut row = Reader::new(row);
        let number = row.u32_le("kind")?;
        row.u32_le("reserved")?;
        let (place, length) = (row.u64_le("place")?, row.u64_le("length")?);
        row.u64_le("reserved")?;
        let kind = SectionKind::of(number).ok_or(OpenError::Kind { kind: number })?;
        let rises = sections.last().is_none_or(|(before, _)| before.number() < number);
        let extent = extent(bytes, place, length).filter(|(from, _)| rises && *from >= free);
        let Some((from, end)) = extent else {
            return Err(OpenError::Place { kind: number, place, length });
        };
        free = end;
        sections.push((kind, Section { place: from, end, digest: *row.array("digest")? }));
    }
    Ok(sections)
}

/// Where a section begins and ends, if it begins on a page and lies in the file.
fn extent(bytes: &[u8], place: u64, length: u64) -> Option<(usize, usize)> {
    let (from, length) = (usize::try_from(place).ok()?, usize::try_from(length).ok()?);
    let end = from.checked_add(length)?;
    (from.is_multiple_of(PAGE_BYTES) && end <= bytes.len()).then_some((from, end))
}

impl SectionKind {
    /// Every kind there is, in rising order of number.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let parts = HashRole::ALL.into_iter().flat_map(|role| {
            let parts = move |algorithm| {
                Part::ALL.into_iter().map(move |part| Self::Hashes(role, algorithm, part))
            };
            Algorithm::ALL.into_iter().flat_map(parts)
        });
        let by_target = |kind: fn(u8) -> Self| (0..TARGETS).map(kind);
        std::iter::once(Self::Names)
            .chain(parts)
            .chain([Self::Signatures, Self::Code])
            .chain(by_target(Self::Bitmap))
            .chain(by_target(Self::Anchors))
            .chain(by_target(Self::Untriggered))
            .chain(by_target(Self::Heads))
            .chain(RecordKind::ALL.map(Self::Records))
            .chain([Self::RuleRows, Self::RuleList, Self::RulePieces])
    }

    /// The number by which a file names it.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Names => 0x1,
            Self::Signatures => 0x500,
            Self::Code => 0x501,
            Self::Bitmap(target) => 0x600 | u32::from(target),
            Self::Anchors(target) => 0x700 | u32::from(target),
            Self::Untriggered(target) => 0x800 | u32::from(target),
            Self::Heads(target) => 0x900 | u32::from(target),
            Self::Records(kind) => 0xa00 | kind.number(),
            Self::RuleRows => 0xb00,
            Self::RuleList => 0xb01,
            Self::RulePieces => 0xb02,
            Self::Hashes(role, algorithm, part) => {
                let role: u32 = match role {
                    HashRole::File => 0x100,
                    HashRole::Section => 0x200,
                    HashRole::Imports => 0x300,
                    HashRole::Allowed => 0x400,
                };
                let algorithm = match algorithm {
                    Algorithm::Md5 => 0x10,
                    Algorithm::Sha1 => 0x20,
                    Algorithm::Sha256 => 0x30,
                };
                let part = match part {
                    Part::Keys => 0,
                    Part::Rests => 1,
                    Part::Sizes => 2,
                    Part::Names => 3,
                    Part::Filter => 4,
                    Part::SizeSet => 5,
                };
                role | algorithm | part
            }
        }
    }

    fn of(number: u32) -> Option<Self> {
        Self::all().find(|kind| kind.number() == number)
    }
}

/// Writes sections, which come in rising order of kind, as a file; those that are empty are left out.
pub(crate) fn write(sections: impl IntoIterator<Item = (SectionKind, Vec<u8>)>) -> Vec<u8> {
    let sections: Vec<_> = sections.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
    let table_bytes = sections.len().saturating_mul(ROW_BYTES);
    let (mut table, mut body) = (Vec::new(), Vec::new());
    let first = TABLE_PLACE.saturating_add(table_bytes).next_multiple_of(PAGE_BYTES);
    for (kind, bytes) in &sections {
        body.resize(body.len().next_multiple_of(PAGE_BYTES), 0);
        let place = u64::try_from(first.saturating_add(body.len())).unwrap_or(u64::MAX);
        table.extend_from_slice(&kind.number().to_le_bytes());
        table.extend_from_slice(&[0; 4]);
        table.extend_from_slice(&place.to_le_bytes());
        table.extend_from_slice(&length(bytes).to_le_bytes());
        table.extend_from_slice(&[0; 8]);
        table.extend_from_slice(&Sha256::digest(bytes));
        body.extend_from_slice(bytes);
    }
    let mut file = head(sections.len(), first.saturating_add(body.len()));
    let digest = Sha256::new().chain_update(&file).chain_update(&table).finalize();
    file.extend_from_slice(&digest);
    file.extend_from_slice(&table);
    file.resize(first, 0);
    file.extend_from_slice(&body);
    file
}

fn head(sections: usize, length: usize) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    head.extend_from_slice(&crate::names::le_u32(sections));
    head.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
    head.resize(HEAD_BYTES, 0);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_rise_and_are_told_apart_by_their_numbers() {
        let numbers: Vec<u32> = SectionKind::all().map(SectionKind::number).collect();
        assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:x?}");
        for kind in SectionKind::all() {
            assert_eq!(SectionKind::of(kind.number()), Some(kind));
        }
    }

    #[test]
    fn what_is_no_database_is_told_by_what_it_is_not() {
        let file = write([(SectionKind::Names, vec![1, 2, 3])]);
        assert!(Database::open(&file).is_ok());
        let error = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut file = file.clone();
            change(&mut file);
            Database::open(&file).unwrap_err()
        };
        assert_eq!(error(&|file| file[0] = b'X'), OpenError::Magic);
        assert_eq!(error(&|file| file[8] = 1), OpenError::Version { found: 1 });
        let (declared, found) = (length(&file), length(&file) - 1);
        assert_eq!(
            error(&|file| file.truncate(file.len() - 1)),
            OpenError::Length { declared, found }
        );
        assert_eq!(error(&|file| file[TABLE_PLACE] ^= 2), OpenError::Table);
        assert!(matches!(error(&|file| file.truncate(20)), OpenError::Read(_)));
    }

    #[test]
    fn verify_finds_a_flipped_bit_anywhere_behind_the_table() {
        let file = write([(SectionKind::Names, vec![1, 2, 3])]);
        assert_eq!(Database::open(&file).unwrap().verify(), Ok(()));
        for at in TABLE_PLACE + ROW_BYTES..file.len() {
            let mut file = file.clone();
            file[at] ^= 1;
            assert!(Database::open(&file).unwrap().verify().is_err(), "{at}");
        }
    }
}
