//! Portable executables: what signatures ask of them.
//!
//! Numbers are those of ClamAV, because offsets in signatures (`EP+n`, `Sx+n`, `SEx`, `SL+n`, `VI`) and
//! the hashes of sections are relative to them. Where ClamAV gives a broken file up, with all that
//! it knew, this parser keeps what could be read and says what is broken. Structure and field names:
//! *PE Format*, Microsoft.

mod authenticode;
mod header;
mod icons;
mod imports;
mod ordinals;
mod resources;
mod sections;
mod version;

pub use authenticode::{Authenticode, AuthenticodeError};
pub use header::{DataDirectory, Header};
pub use imports::{ImportError, Imports};
pub use resources::{Resource, Resources};
pub use sections::Section;
use thiserror::Error;
pub use version::{VersionInfo, VersionString};
use watchglass_bytes::{ReadError, Reader};

/// Why bytes are no PE at all.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPe {
    /// Neither `MZ` nor `ZM` at the start.
    #[error("no DOS signature")]
    NoDosSignature,
    /// No `PE\0\0` where the DOS header points to, or no header at all: a DOS or 16-bit program.
    #[error("no PE signature at {e_lfanew:#x}")]
    NoPeSignature {
        /// Where it should be.
        e_lfanew: u32,
    },
}

/// What makes a PE unusable to ClamAV, which then knows nothing of its sections.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// A field is missing.
    #[error(transparent)]
    Cut(#[from] ReadError),
    /// A data directory is missing. ClamAV gives up here too, but does not alert.
    #[error("data directories: {0}")]
    DirectoriesCut(ReadError),
    /// `NumberOfSections` is 0.
    #[error("NumberOfSections is 0")]
    NoSections,
    /// `SizeOfOptionalHeader` is less than its fields and directories need.
    #[error("SizeOfOptionalHeader: {found}, at least {wanted} needed")]
    OptionalHeaderTooSmall {
        /// What it says.
        found: u16,
        /// What it has to say.
        wanted: usize,
    },
    /// A number of a section has its highest bit set.
    #[error("section {section}: a size or place of 2 GiB or more")]
    SignBit {
        /// The section, from 0.
        section: usize,
    },
    /// The entry point is in no section.
    #[error("AddressOfEntryPoint {rva:#x} is in no section that is in the file")]
    EntryPoint {
        /// Where it would be in memory.
        rva: u32,
    },
}

/// What a linker does not do. One of them and ClamAV's `--alert-broken` calls the file
/// `Heuristics.Broken.Executable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// `SectionAlignment` is 0 or no multiple of a page.
    SectionAlignment,
    /// `FileAlignment` is 0 or no multiple of 512.
    FileAlignment,
    /// A section starts between two multiples of `SectionAlignment`.
    Misaligned {
        /// The section, from 0.
        section: usize,
    },
    /// The first section does not follow the header.
    GapBehindHeader,
    /// A section does not follow the one before.
    Misplaced {
        /// The section, from 0.
        section: usize,
    },
    /// No section is in the file.
    AllSectionsMissing,
}

/// A parsed PE over its bytes. Headers and sections are read at once, all else when asked for.
#[derive(Clone, Debug)]
pub struct Pe<'a> {
    bytes: &'a [u8],
    /// The headers.
    pub header: Header,
    /// The sections in the order of the table, as far as it could be read.
    pub sections: Vec<Section>,
    /// The entry point as an offset in the file; 0 for a library without one.
    pub entry_point: Option<u32>,
    /// What makes the file unusable to ClamAV.
    pub broken: Option<Broken>,
    /// What no linker does.
    pub oddities: Vec<Oddity>,
}

impl<'a> Pe<'a> {
    /// Parses headers and sections.
    ///
    /// # Errors
    /// [`NotPe`] where there is no PE header. What is broken behind it is in the result.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotPe> {
        let (header, cut) = Header::parse(bytes)?;
        let mut pe = Self {
            bytes,
            header,
            sections: Vec::new(),
            entry_point: None,
            broken: cut,
            oddities: Vec::new(),
        };
        if pe.broken.is_none() {
            pe.broken = pe.read_sections().err();
        }
        Ok(pe)
    }

    /// Whether ClamAV's `Heuristics.Broken.Executable` is for this file.
    #[must_use]
    pub fn is_broken_executable(&self) -> bool {
        match &self.broken {
            Some(Broken::DirectoriesCut(_)) => false,
            Some(_) => true,
            None => !self.oddities.is_empty(),
        }
    }

    /// Where the byte at `rva` in memory stands in the file.
    ///
    /// Costs the number of sections. Of sections that overlap, the last one counts.
    #[must_use]
    pub fn raw_offset(&self, rva: u32) -> Option<u32> {
        if rva < self.header.size_of_headers {
            return (rva < self.length()).then_some(rva);
        }
        self.sections.iter().rev().find_map(|section| {
            let within = rva.checked_sub(section.rva)?;
            (within < section.rsz).then(|| within.wrapping_add(section.raw))
        })
    }

    /// The bytes behind all sections, certificates among them. Empty where there are none.
    #[must_use]
    pub fn overlay(&self) -> std::ops::Range<usize> {
        let end = |section: &Section| section.raw_range().end;
        let end = self.sections.iter().map(end).max().unwrap_or(self.bytes.len());
        end.min(self.bytes.len())..self.bytes.len()
    }

    /// Whether the program is for the .NET runtime.
    #[must_use]
    pub fn is_dotnet(&self) -> bool {
        let runtime = self.header.directory(DataDirectory::CLR_RUNTIME);
        runtime.virtual_address != 0 && runtime.size != 0
    }

    /// The number of functions and of names that the export table declares.
    #[must_use]
    pub fn exports(&self) -> Option<(u32, u32)> {
        let table = self.header.directory(DataDirectory::EXPORT);
        if table.virtual_address == 0 || table.size == 0 {
            return None;
        }
        let mut table = self.reader(self.raw_offset(table.virtual_address)?)?;
        table.take("fields before NumberOfFunctions", 20).ok()?;
        let functions = table.u32_le("NumberOfFunctions").ok()?;
        Some((functions, table.u32_le("NumberOfNames").ok()?))
    }

    /// The file's length, as far as offsets reach.
    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// A reader from `offset` in the file to its end.
    fn reader(&self, offset: u32) -> Option<Reader<'a>> {
        self.bytes.get(usize::try_from(offset).ok()?..).map(Reader::new)
    }

    /// A reader from `rva` in memory to the end of the file.
    fn reader_at_rva(&self, rva: u32) -> Option<Reader<'a>> {
        self.reader(self.raw_offset(rva)?)
    }
}

#[cfg(test)]
mod tests;
