//! ELF: the sections and the entry point that offsets of signatures count from.
//!
//! Structures and names: *System V ABI*, chapter 4, and *ELF-64 Object File Format*.

use thiserror::Error;
use watchglass_bytes::ReadError;

use crate::ordered::{Order, Ordered};

/// Segments that ClamAV reads. Linkers make a dozen.
const CLAMAV_SEGMENTS: u16 = 128;
/// Sections beyond which ClamAV knows none at all.
const CLAMAV_SECTIONS: u16 = 256;
/// Sections beyond which ClamAV does not alert on a broken table either.
const CLAMAV_ALERT_SECTIONS: u16 = 2048;

/// Why bytes are no ELF.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotElf {
    /// No `\x7fELF` at the start.
    #[error("no ELF signature")]
    NoSignature,
    /// The header is cut off.
    #[error(transparent)]
    Cut(#[from] ReadError),
    /// `EI_CLASS` is neither 32 nor 64 bits. ClamAV calls that a broken executable.
    #[error("class {0}")]
    Class(u8),
}

/// What makes an ELF a broken executable to ClamAV.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// More segments than ClamAV reads.
    #[error("{found} segments, ClamAV reads {CLAMAV_SEGMENTS}")]
    Segments {
        /// `e_phnum`.
        found: u16,
    },
    /// The headers of segments or sections have another size than they should.
    #[error("{field}: {found}, {wanted} expected")]
    EntrySize {
        /// Which field says so.
        field: &'static str,
        /// What it says.
        found: u16,
        /// What it has to say.
        wanted: u16,
    },
    /// A table is not wholly in the file.
    #[error(transparent)]
    Cut(ReadError),
    /// The entry point is in no segment.
    #[error("e_entry {address:#x} is in no segment")]
    EntryPoint {
        /// Where it would be in memory.
        address: u64,
    },
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `sh_type`.
    pub kind: u32,
    /// `sh_flags`.
    pub flags: u64,
    /// `sh_addr`, in memory.
    pub address: u64,
    /// `sh_offset`, in the file.
    pub offset: u64,
    /// `sh_size`, in bytes, whether they are in the file or not.
    pub size: u64,
}

/// A parsed ELF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Whether it is of 64 bits.
    pub is_64: bool,
    /// `e_type`.
    pub kind: u16,
    /// `e_machine`.
    pub machine: u16,
    /// `e_entry`, in memory.
    pub entry: u64,
    /// `e_entry` in the file; 0 for a file without one.
    pub entry_point: Option<u64>,
    /// The sections in the order of the table, as far as it could be read.
    pub sections: Vec<Section>,
    /// `e_shnum`.
    pub declared_sections: u16,
    /// What is broken.
    pub broken: Vec<Broken>,
}

impl Elf {
    /// Parses header, segments and sections.
    ///
    /// # Errors
    /// [`NotElf`] where there is no whole header. What is broken behind it is in the result.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotElf> {
        let header = Header::parse(bytes)?;
        let mut elf = Self {
            is_64: header.wide,
            kind: header.kind,
            machine: header.machine,
            entry: header.entry,
            entry_point: None,
            sections: Vec::new(),
            declared_sections: header.sections.count,
            broken: Vec::new(),
        };
        elf.find_entry_point(bytes, &header);
        elf.read_sections(bytes, &header);
        Ok(elf)
    }

    /// Whether ClamAV's `Heuristics.Broken.Executable` is for this file.
    #[must_use]
    pub fn is_broken_executable(&self) -> bool {
        match self.broken.first() {
            None => false,
            Some(Broken::Segments { .. } | Broken::EntryPoint { .. }) => true,
            Some(Broken::EntrySize { field: "e_phentsize", .. }) => true,
            Some(Broken::Cut(ReadError::Short { field: "segment", .. })) => true,
            Some(_) => self.declared_sections <= CLAMAV_ALERT_SECTIONS,
        }
    }

    /// Whether ClamAV knows entry point and sections of this file; here they are known as far as
    /// there are any.
    #[must_use]
    pub fn is_usable_to_clamav(&self) -> bool {
        self.broken.is_empty() && self.declared_sections <= CLAMAV_SECTIONS
    }

    fn find_entry_point(&mut self, bytes: &[u8], header: &Header) {
        let table = &header.segments;
        if table.count > CLAMAV_SEGMENTS {
            self.broken.push(Broken::Segments { found: table.count });
        }
        if table.count == 0 || header.entry == 0 {
            self.entry_point = Some(0);
            return;
        }
        self.broken.extend(table.wrong_size("e_phentsize", if header.wide { 56 } else { 32 }));
        let mut reader = Ordered::at(bytes, table.offset, header.order);
        let mut found = None;
        for _ in 0..table.count {
            match Segment::read(&mut reader, header.wide) {
                Ok(segment) => found = found.or_else(|| segment.offset_of(header.entry)),
                Err(cut) => return self.broken.push(Broken::Cut(cut)),
            }
        }
        self.entry_point = found;
        if found.is_none() {
            self.broken.push(Broken::EntryPoint { address: header.entry });
        }
    }

    fn read_sections(&mut self, bytes: &[u8], header: &Header) {
        let table = &header.sections;
        self.broken.extend(table.wrong_size("e_shentsize", if header.wide { 64 } else { 40 }));
        let mut reader = Ordered::at(bytes, table.offset, header.order);
        for _ in 0..table.count {
            match Section::read(&mut reader, header.wide) {
                Ok(section) => self.sections.push(section),
                Err(cut) => return self.broken.push(Broken::Cut(cut)),
            }
        }
    }
}

struct Header {
    wide: bool,
    order: Order,
    kind: u16,
    machine: u16,
    entry: u64,
    segments: Table,
    sections: Table,
}

struct Table {
    offset: u64,
    entry_size: u16,
    count: u16,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, NotElf> {
        let ident = bytes.first_chunk::<16>().filter(|ident| ident.starts_with(b"\x7fELF"));
        let [_, _, _, _, class, data, ..] = *ident.ok_or(NotElf::NoSignature)?;
        let wide = match class {
            1 => false,
            2 => true,
            other => return Err(NotElf::Class(other)),
        };
        // As in ClamAV, whatever is not little-endian is big-endian.
        let order = if data == 1 { Order::Little } else { Order::Big };
        let mut reader = Ordered::at(bytes, 16, order);
        let (kind, machine) = (reader.u16("e_type")?, reader.u16("e_machine")?);
        reader.skip("e_version", 4)?;
        let entry = reader.address("e_entry", wide)?;
        let (phoff, shoff) = (reader.address("e_phoff", wide)?, reader.address("e_shoff", wide)?);
        reader.skip("e_flags and e_ehsize", 6)?;
        let mut table = |offset| -> Result<Table, ReadError> {
            Ok(Table { offset, entry_size: reader.u16("entry size")?, count: reader.u16("count")? })
        };
        let (segments, sections) = (table(phoff)?, table(shoff)?);
        reader.skip("e_shstrndx", 2)?;
        Ok(Self { wide, order, kind, machine, entry, segments, sections })
    }
}

impl Table {
    fn wrong_size(&self, field: &'static str, wanted: u16) -> Option<Broken> {
        let found = self.entry_size;
        (found != wanted).then_some(Broken::EntrySize { field, found, wanted })
    }
}

struct Segment {
    offset: u64,
    vaddr: u64,
    /// Behind its last byte in memory; 0 where that is no address.
    end: u64,
}

impl Segment {
    fn read(reader: &mut Ordered<'_>, wide: bool) -> Result<Self, ReadError> {
        let mut header = reader.sub("segment", if wide { 56 } else { 32 })?;
        header.skip("p_type (and p_flags)", if wide { 8 } else { 4 })?;
        let offset = header.address("p_offset", wide)?;
        let vaddr = header.address("p_vaddr", wide)?;
        header.address("p_paddr", wide)?;
        header.address("p_filesz", wide)?;
        let memsz = header.address("p_memsz", wide)?;
        let end = vaddr.checked_add(memsz).filter(|end| wide || u32::try_from(*end).is_ok());
        Ok(Self { offset, vaddr, end: end.unwrap_or(0) })
    }

    /// Where `address` in memory stands in the file.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let within = address.checked_sub(self.vaddr)?;
        (address < self.end).then(|| within.wrapping_add(self.offset))
    }
}

impl Section {
    fn read(reader: &mut Ordered<'_>, wide: bool) -> Result<Self, ReadError> {
        let mut header = reader.sub("section", if wide { 64 } else { 40 })?;
        header.skip("sh_name", 4)?;
        Ok(Self {
            kind: header.u32("sh_type")?,
            flags: header.address("sh_flags", wide)?,
            address: header.address("sh_addr", wide)?,
            offset: header.address("sh_offset", wide)?,
            size: header.address("sh_size", wide)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of 32 bits, big-endian, one segment at 52, sections behind it.
    fn image(entry: u32, sections: u16) -> Vec<u8> {
        let mut file = b"\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x08\0\0\0\x01".to_vec();
        for number in [entry, 52, 84, 0] {
            file.extend(number.to_be_bytes());
        }
        for number in [52, 32, 1, 40, sections, 0] {
            file.extend(u16::to_be_bytes(number));
        }
        for number in [1_u32, 0x40, 0x1000, 0x1000, 0x100, 0x100, 5, 4] {
            file.extend(number.to_be_bytes());
        }
        for number in 0..u32::from(sections) {
            for field in [0, 1, 2, 0x1000, number * 16, 16, 0, 0, 0, 0] {
                file.extend(field.to_be_bytes());
            }
        }
        file
    }

    #[test]
    fn reads_either_order() {
        let elf = Elf::parse(&image(0x1010, 2)).unwrap();
        assert_eq!((elf.entry_point, elf.machine, elf.is_64), (Some(0x50), 8, false));
        assert_eq!((elf.sections.len(), elf.sections[1].offset), (2, 16));
        assert!(elf.is_usable_to_clamav());
        assert_eq!(Elf::parse(&image(0, 0)).unwrap().entry_point, Some(0));
    }

    #[test]
    fn broken_files_keep_what_could_be_read() {
        let elf = Elf::parse(&image(0x5000, 1)).unwrap();
        assert_eq!(elf.broken, [Broken::EntryPoint { address: 0x5000 }]);
        assert_eq!((elf.entry_point, elf.sections.len()), (None, 1));
        let mut cut = image(0x1000, 3);
        cut.truncate(84 + 90);
        let elf = Elf::parse(&cut).unwrap();
        assert_eq!((elf.sections.len(), elf.is_broken_executable()), (2, true));
        let many = Elf::parse(&image(0x1000, 300)).unwrap();
        assert_eq!((many.sections.len(), many.is_usable_to_clamav()), (300, false));
        assert_eq!(Elf::parse(b"\x7fELF\x03\x01\0\0\0\0\0\0\0\0\0\0"), Err(NotElf::Class(3)));
        assert!(matches!(Elf::parse(&image(0, 0)[..40]), Err(NotElf::Cut(_))));
    }
}
