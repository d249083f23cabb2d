//! Mach-O, for one architecture and for several.
//!
//! Structures and names: `mach-o/loader.h` and `mach-o/fat.h`.

use std::ops::Range;

use thiserror::Error;
use watchglass_bytes::ReadError;

use crate::ordered::{Order, Ordered};

/// Load commands that ClamAV reads; real programs have some dozens.
const MAX_COMMANDS: u32 = 1024;
/// Sections of a segment that ClamAV reads; symbols name a section by a byte.
const MAX_SECTIONS: u32 = 255;
/// Architectures that ClamAV reads.
const MAX_ARCHITECTURES: u32 = 32;
/// A count of this or more is the version of a Java class file, which starts with the same bytes.
const JAVA: u32 = 39;

const LC_SEGMENT: u32 = 0x1;
const LC_THREAD: u32 = 0x4;
const LC_UNIXTHREAD: u32 = 0x5;
const LC_SEGMENT_64: u32 = 0x19;
const LC_MAIN: u32 = 0x8000_0028;
const CPU_TYPE_POWERPC: u32 = 18;
const CPU_TYPE_POWERPC64: u32 = 18 | 0x0100_0000;

/// Why bytes are no Mach-O.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotMachO {
    /// None of the four signatures at the start.
    #[error("no Mach-O signature")]
    NoSignature,
    /// The header is cut off.
    #[error(transparent)]
    Cut(#[from] ReadError),
    /// A count of architectures that is none: a Java class file, or nonsense.
    #[error("{found} architectures")]
    Architectures {
        /// `nfat_arch`.
        found: u32,
    },
}

/// What makes a Mach-O a broken executable to ClamAV.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// No load command, or more than ClamAV reads.
    #[error("{found} load commands, 1 to {MAX_COMMANDS} expected")]
    Commands {
        /// `ncmds`.
        found: u32,
    },
    /// More sections in a segment than there can be.
    #[error("{found} sections in a segment, limit {MAX_SECTIONS}")]
    Sections {
        /// `nsects`.
        found: u32,
    },
    /// A section's alignment is 2^32 or more.
    #[error("a section aligned to 2^{found}")]
    Alignment {
        /// `align`.
        found: u32,
    },
    /// A load command is not wholly in the file.
    #[error(transparent)]
    Cut(#[from] ReadError),
    /// The entry point is in no section.
    #[error("entry point {address:#x} is in no section")]
    EntryPoint {
        /// Where it would be in memory.
        address: u64,
    },
    /// An architecture starts within the header.
    #[error("an architecture starts at {offset}, within the header")]
    ArchitectureInHeader {
        /// `offset`.
        offset: u32,
    },
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `sectname`, padded with zero bytes.
    pub name: [u8; 16],
    /// `addr`, in memory.
    pub address: u64,
    /// `size`, in bytes.
    pub size: u64,
    /// `offset`, in the file.
    pub offset: u32,
    /// `size`, rounded up to the alignment: what ClamAV takes for the size in the file.
    pub rounded_size: u64,
}

/// A parsed Mach-O for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachO {
    /// Whether it is of 64 bits.
    pub is_64: bool,
    /// `cputype`.
    pub cpu_type: u32,
    /// `filetype`.
    pub kind: u32,
    /// What `EP` of signatures counts from. As in ClamAV this is the entry point in the file for
    /// PowerPC alone, and 0 for every other processor.
    pub entry_point: Option<u64>,
    /// `entryoff` of `LC_MAIN`: the entry point in the file.
    pub main: Option<u64>,
    /// The sections of all segments, as far as they could be read.
    pub sections: Vec<Section>,
    /// What is broken, where reading ended.
    pub broken: Option<Broken>,
}

impl MachO {
    /// Parses header and load commands.
    ///
    /// # Errors
    /// [`NotMachO`] where there is no whole header. What is broken behind it is in the result.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotMachO> {
        let (order, is_64) = match bytes.first_chunk::<4>() {
            Some(b"\xce\xfa\xed\xfe") => (Order::Little, false),
            Some(b"\xcf\xfa\xed\xfe") => (Order::Little, true),
            Some(b"\xfe\xed\xfa\xce") => (Order::Big, false),
            Some(b"\xfe\xed\xfa\xcf") => (Order::Big, true),
            _ => return Err(NotMachO::NoSignature),
        };
        let mut reader = Ordered::at(bytes, 4, order);
        let cpu_type = reader.u32("cputype")?;
        reader.skip("cpusubtype", 4)?;
        let kind = reader.u32("filetype")?;
        let commands = reader.u32("ncmds")?;
        reader.skip("sizeofcmds and flags", 8)?;
        let (sections, entry_point) = (Vec::new(), Some(0));
        let mut macho =
            Self { is_64, cpu_type, kind, entry_point, main: None, sections, broken: None };
        macho.broken = macho.read_commands(&mut reader, commands).err();
        Ok(macho)
    }

    /// Whether ClamAV's `Heuristics.Broken.Executable` is for this file.
    #[must_use]
    pub fn is_broken_executable(&self) -> bool {
        !matches!(self.broken, None | Some(Broken::EntryPoint { .. }))
    }

    fn read_commands(&mut self, reader: &mut Ordered<'_>, count: u32) -> Result<(), Broken> {
        if self.is_64 {
            reader.skip("reserved", 4)?;
        }
        if !(1..=MAX_COMMANDS).contains(&count) {
            return Err(Broken::Commands { found: count });
        }
        let mut entry = None;
        for _ in 0..count {
            let mut command = reader.clone();
            let (kind, size) = (command.u32("cmd")?, command.u32("cmdsize")?);
            if kind == if self.is_64 { LC_SEGMENT_64 } else { LC_SEGMENT } {
                // The next command follows the last section, whatever `cmdsize` says: as in ClamAV,
                // and the loader refuses a file in which that is not the same.
                self.read_segment(&mut command)?;
                *reader = command;
                continue;
            }
            match kind {
                LC_THREAD | LC_UNIXTHREAD => entry = self.read_thread(&mut command)?.or(entry),
                LC_MAIN => self.main = command.u64("entryoff").ok(),
                _ => {}
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX).max(8);
            // A last command that ends behind the file is no reason to mistrust it.
            if reader.skip("load command", size).is_err() {
                *reader = Ordered::at(&[], 0, Order::Little);
            }
        }
        if let Some(address) = entry.filter(|address| *address != 0 && !self.sections.is_empty()) {
            self.entry_point = self.sections.iter().find_map(|section| section.offset_of(address));
            self.entry_point.ok_or(Broken::EntryPoint { address })?;
        }
        Ok(())
    }

    fn read_segment(&mut self, command: &mut Ordered<'_>) -> Result<(), Broken> {
        let wide = self.is_64;
        command.skip("segname, addresses and sizes", if wide { 48 } else { 32 })?;
        command.skip("maxprot and initprot", 8)?;
        let count = command.u32("nsects")?;
        command.skip("flags", 4)?;
        if count > MAX_SECTIONS {
            return Err(Broken::Sections { found: count });
        }
        for _ in 0..count {
            self.sections.push(Section::read(command, wide)?);
        }
        Ok(())
    }

    /// The program counter, for the processors whose state ClamAV knows it from.
    fn read_thread(&self, command: &mut Ordered<'_>) -> Result<Option<u64>, ReadError> {
        match self.cpu_type {
            CPU_TYPE_POWERPC | CPU_TYPE_POWERPC64 => {
                command.skip("flavor and count", 8)?;
                command.address("srr0", self.cpu_type == CPU_TYPE_POWERPC64).map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Section {
    fn read(reader: &mut Ordered<'_>, wide: bool) -> Result<Self, Broken> {
        let mut header = reader.sub("section", if wide { 80 } else { 68 })?;
        let name = header.array("sectname")?;
        header.skip("segname", 16)?;
        let address = header.address("addr", wide)?;
        let size = header.address("size", wide)?;
        let (offset, align) = (header.u32("offset")?, header.u32("align")?);
        let alignment = 1_u64.checked_shl(align).filter(|_| align < 32);
        let alignment = alignment.ok_or(Broken::Alignment { found: align })?;
        let rounded_size = size.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
        Ok(Self { name, address, size, offset, rounded_size })
    }

    fn offset_of(&self, address: u64) -> Option<u64> {
        let within = address.checked_sub(self.address)?;
        (within < self.size).then(|| within.saturating_add(u64::from(self.offset)))
    }
}

/// One program of a file for several architectures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// `cputype`.
    pub cpu_type: u32,
    /// Its bytes in the file, cut at the file's end.
    pub range: Range<usize>,
}

/// A file for several architectures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Universal {
    /// The programs, in the order of the header.
    pub architectures: Vec<Architecture>,
    /// What is broken, where reading ended.
    pub broken: Option<Broken>,
}

impl Universal {
    /// Parses the list of architectures.
    ///
    /// # Errors
    /// [`NotMachO`] where there is no such list, or it is that of a Java class file.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotMachO> {
        let order = match bytes.first_chunk::<4>() {
            Some(b"\xca\xfe\xba\xbe") => Order::Big,
            Some(b"\xbe\xba\xfe\xca") => Order::Little,
            _ => return Err(NotMachO::NoSignature),
        };
        let mut reader = Ordered::at(bytes, 4, order);
        let found = reader.u32("nfat_arch")?;
        if found & 0xffff >= JAVA || found > MAX_ARCHITECTURES {
            return Err(NotMachO::Architectures { found });
        }
        let mut universal = Self { architectures: Vec::new(), broken: None };
        for number in 1..=found {
            match architecture(&mut reader, number, bytes.len()) {
                Ok(architecture) => universal.architectures.push(architecture),
                Err(broken) => {
                    universal.broken = Some(broken);
                    break;
                }
            }
        }
        Ok(universal)
    }
}

/// The architecture `number`, from 1. One that starts within the header would lead back to it.
fn architecture(
    reader: &mut Ordered<'_>,
    number: u32,
    length: usize,
) -> Result<Architecture, Broken> {
    let mut header = reader.sub("fat_arch", 20)?;
    let cpu_type = header.u32("cputype")?;
    header.skip("cpusubtype", 4)?;
    let (offset, size) = (header.u32("offset")?, header.u32("size")?);
    if offset < number.saturating_mul(20).saturating_add(8) {
        return Err(Broken::ArchitectureInHeader { offset });
    }
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(length);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    Ok(Architecture { cpu_type, range: start..start.saturating_add(size).min(length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PowerPC program, big-endian: a segment with one section, a thread that starts in it.
    fn powerpc(entry: u32) -> Vec<u8> {
        let mut words = vec![0xfeed_face, CPU_TYPE_POWERPC, 0, 2, 2, 0, 0];
        words.extend([LC_SEGMENT, 56 + 68, 0, 0, 0, 0, 0x1000, 0x100, 0x200, 0x100, 7, 5, 1, 0]);
        words.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x1000, 0x0e, 0x200, 3, 0, 0, 0, 0, 0]);
        words.extend([LC_UNIXTHREAD, 16 + 160, 1, 40, entry]);
        words.resize(words.len() + 39, 0);
        words.into_iter().flat_map(u32::to_be_bytes).collect()
    }

    #[test]
    fn the_thread_of_powerpc_tells_the_entry_point() {
        let macho = MachO::parse(&powerpc(0x1008)).unwrap();
        assert_eq!((macho.broken, macho.entry_point), (None, Some(0x208)));
        let [section] = &macho.sections[..] else { panic!("{:?}", macho.sections) };
        assert_eq!((section.offset, section.size, section.rounded_size), (0x200, 0x0e, 0x10));
    }

    #[test]
    fn broken_files_keep_what_could_be_read() {
        let outside = MachO::parse(&powerpc(0x9000)).unwrap();
        assert_eq!(outside.broken, Some(Broken::EntryPoint { address: 0x9000 }));
        assert_eq!((outside.sections.len(), outside.entry_point), (1, None));
        let cut = MachO::parse(&powerpc(0x1008)[..28 + 56 + 60]).unwrap();
        assert!(cut.is_broken_executable() && cut.sections.is_empty());
        let mut none = powerpc(0);
        none[19] = 0;
        assert_eq!(MachO::parse(&none).unwrap().broken, Some(Broken::Commands { found: 0 }));
        assert_eq!(MachO::parse(b"\x7fELF"), Err(NotMachO::NoSignature));
    }

    #[test]
    fn a_universal_file_is_cut_at_its_end() {
        let words = [0xcafe_babe, 2, 7, 3, 64, 16, 4, 18, 0, 72, 999, 4];
        let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        file.resize(100, 0);
        let universal = Universal::parse(&file).unwrap();
        let ranges: Vec<_> = universal.architectures.iter().map(|one| one.range.clone()).collect();
        assert_eq!(ranges, [64..80, 72..100]);
        file[19] = 20;
        let broken = Universal::parse(&file).unwrap().broken;
        assert_eq!(broken, Some(Broken::ArchitectureInHeader { offset: 20 }));
        let java = b"\xca\xfe\xba\xbe\0\0\0\x34";
        assert_eq!(Universal::parse(java), Err(NotMachO::Architectures { found: 0x34 }));
    }
}
