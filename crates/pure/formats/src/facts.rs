//! What an engine asks of a program, whatever its format.

use crate::FileType;
use crate::elf::{Elf, NotElf};
use crate::macho::MachO;
use crate::pe::{Pe, VersionInfo};

/// Where a section is in the file: what `Sx+n` and `SEx` of signatures count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte. May be behind the file's end, for a section that is not in it.
    pub offset: u64,
    /// Bytes. May reach behind the file's end for other programs than PE.
    pub size: u64,
}

/// The facts of a program, for offsets (`EP+n`, `Sx+n`, `SEx`, `SL+n`, `VI`) and conditions
/// (`EntryPoint`, `NumberOfSections`) of signatures.
///
/// Where ClamAV gives up a broken program, none of its signatures with such offsets match, nor any
/// with `EOF-n`; here what could be read is known, and only what could not is missing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Facts<'a> {
    /// No program, or one without a whole header.
    Unknown,
    /// The header names no class that there is: an ELF that nothing runs.
    UnknownClass,
    /// PE.
    Pe(Box<Pe<'a>>),
    /// ELF.
    Elf(Elf),
    /// Mach-O for one architecture.
    MachO(MachO),
}

impl<'a> Facts<'a> {
    /// Parses the headers of a file of type `kind`.
    #[must_use]
    pub fn of(kind: FileType, bytes: &'a [u8]) -> Self {
        match kind {
            FileType::MsExe => Pe::parse(bytes).map_or(Self::Unknown, |pe| Self::Pe(Box::new(pe))),
            FileType::Elf => match Elf::parse(bytes) {
                Ok(elf) => Self::Elf(elf),
                Err(NotElf::Class(_)) => Self::UnknownClass,
                Err(_) => Self::Unknown,
            },
            FileType::MachO => MachO::parse(bytes).map_or(Self::Unknown, Self::MachO),
            _ => Self::Unknown,
        }
    }

    /// The entry point as an offset in the file.
    #[must_use]
    pub fn entry_point(&self) -> Option<u64> {
        match self {
            Self::Unknown | Self::UnknownClass => None,
            Self::Pe(pe) => pe.entry_point.map(u64::from),
            Self::Elf(elf) => elf.entry_point,
            Self::MachO(macho) => macho.entry_point,
        }
    }

    /// The number of sections that are known.
    #[must_use]
    pub fn section_count(&self) -> Option<usize> {
        match self {
            Self::Unknown | Self::UnknownClass => None,
            Self::Pe(pe) => Some(pe.sections.len()),
            Self::Elf(elf) => Some(elf.sections.len()),
            Self::MachO(macho) => Some(macho.sections.len()),
        }
    }

    /// The section `number`, from 0.
    #[must_use]
    pub fn section(&self, number: usize) -> Option<Span> {
        match self {
            Self::Unknown | Self::UnknownClass => None,
            Self::Pe(pe) => {
                let section = pe.sections.get(number)?;
                Some(Span { offset: section.raw.into(), size: section.rsz.into() })
            }
            Self::Elf(elf) => {
                let section = elf.sections.get(number)?;
                Some(Span { offset: section.offset, size: section.size })
            }
            Self::MachO(macho) => {
                let section = macho.sections.get(number)?;
                Some(Span { offset: section.offset.into(), size: section.rounded_size })
            }
        }
    }

    /// The last section: what `SL+n` counts from.
    #[must_use]
    pub fn last_section(&self) -> Option<Span> {
        self.section(self.section_count()?.checked_sub(1)?)
    }

    /// The strings of a PE's version information, whose places `VI` matches. Reads the resources
    /// anew with each call.
    #[must_use]
    pub fn version_info(&self) -> Option<VersionInfo> {
        match self {
            Self::Pe(pe) => Some(pe.version_info()),
            _ => None,
        }
    }

    /// Whether ClamAV's `Heuristics.Broken.Executable` is for this file.
    #[must_use]
    pub fn is_broken_executable(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::UnknownClass => true,
            Self::Pe(pe) => pe.is_broken_executable(),
            Self::Elf(elf) => elf.is_broken_executable(),
            Self::MachO(macho) => macho.is_broken_executable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_has_no_facts() {
        for kind in [FileType::MsExe, FileType::Elf, FileType::MachO, FileType::Zip] {
            let facts = Facts::of(kind, b"PK\x03\x04");
            assert!(matches!(facts, Facts::Unknown));
            assert_eq!((facts.entry_point(), facts.section_count()), (None, None));
            assert_eq!((facts.last_section(), facts.version_info()), (None, None));
            assert!(!facts.is_broken_executable());
        }
        let odd = Facts::of(FileType::Elf, b"\x7fELF\x09\x01\0\0\0\0\0\0\0\0\0\0");
        assert!(odd.is_broken_executable());
    }

    #[test]
    fn the_last_section_is_the_last_of_the_table() {
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
        for number in [0_u32, 0, 52, 0] {
            file.extend(number.to_le_bytes());
        }
        for number in [52_u16, 0, 0, 40, 2, 0] {
            file.extend(number.to_le_bytes());
        }
        for field in [0_u32, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 1, 0, 0, 9, 3, 0, 0, 0, 0] {
            file.extend(field.to_le_bytes());
        }
        let facts = Facts::of(FileType::Elf, &file);
        assert_eq!(facts.section(0), Some(Span { offset: 7, size: 1 }));
        assert_eq!(facts.last_section(), Some(Span { offset: 9, size: 3 }));
        assert_eq!((facts.section_count(), facts.section(2)), (Some(2), None));
        assert_eq!(facts.entry_point(), Some(0));
    }
}
