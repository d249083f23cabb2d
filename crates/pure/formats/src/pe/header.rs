//! The DOS header's pointer, the file header, the optional header.

use watchglass_bytes::{ReadError, Reader};

use super::{Broken, NotPe};

/// Where the DOS header points to the PE signature.
const E_LFANEW: usize = 60;
/// Directories that the specification defines; more are declared at times, and not read.
const DIRECTORIES: usize = 16;
const PE32_PLUS: u16 = 0x20b;
/// Bytes of the optional header before its directories.
const PE32_SIZE: usize = 96;
const PE32_PLUS_SIZE: usize = 112;
/// `CheckSum` stands here in both optional headers.
const CHECK_SUM: usize = 64;
/// Signature and file header.
const FILE_HEADER: usize = 24;
const IMAGE_FILE_DLL: u16 = 0x2000;
const SUBSYSTEM_NATIVE: u16 = 1;

/// A place and a size in memory (but in the file for [`DataDirectory::CERTIFICATE`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataDirectory {
    /// `VirtualAddress`.
    pub virtual_address: u32,
    /// `Size`, in bytes.
    pub size: u32,
}

impl DataDirectory {
    /// Number of the export table.
    pub const EXPORT: usize = 0;
    /// Number of the import table.
    pub const IMPORT: usize = 1;
    /// Number of the resources.
    pub const RESOURCE: usize = 2;
    /// Number of the certificates.
    pub const CERTIFICATE: usize = 4;
    /// Number of the .NET header.
    pub const CLR_RUNTIME: usize = 14;
}

/// The fields of the headers that something asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `e_lfanew` of the DOS header.
    pub e_lfanew: u32,
    /// `Machine`.
    pub machine: u16,
    /// `NumberOfSections`, as declared.
    pub number_of_sections: u16,
    /// `TimeDateStamp`, seconds since 1970 or a hash.
    pub time_date_stamp: u32,
    /// `SizeOfOptionalHeader`, in bytes.
    pub size_of_optional_header: u16,
    /// `Characteristics`.
    pub characteristics: u16,
    /// Whether the optional header is that of PE32+ (64 bits).
    pub is_pe32_plus: bool,
    /// `AddressOfEntryPoint`, in memory.
    pub address_of_entry_point: u32,
    /// `SectionAlignment`, in bytes.
    pub section_alignment: u32,
    /// `FileAlignment`, in bytes.
    pub file_alignment: u32,
    /// `SizeOfHeaders`, rounded up to `SectionAlignment`: below it, memory and file are the same.
    pub size_of_headers: u32,
    /// `Subsystem`.
    pub subsystem: u16,
    /// The directories that are declared, at most 16.
    pub directories: Vec<DataDirectory>,
}

impl Header {
    /// What could be read, with what is broken.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, Option<Broken>), NotPe> {
        if !bytes.starts_with(b"MZ") && !bytes.starts_with(b"ZM") {
            return Err(NotPe::NoDosSignature);
        }
        let mut header = Self::default();
        let mut dos = Reader::new(bytes);
        let pointer = dos.take("DOS header", E_LFANEW).and_then(|_| dos.u32_le("e_lfanew"));
        header.e_lfanew = match pointer {
            Ok(pointer) => pointer,
            Err(cut) => return Ok((header, Some(cut.into()))),
        };
        let no_signature = || NotPe::NoPeSignature { e_lfanew: header.e_lfanew };
        let start = usize::try_from(header.e_lfanew).ok().filter(|start| *start != 0);
        let rest = start.and_then(|start| bytes.get(start..)).ok_or_else(no_signature)?;
        let mut reader = Reader::new(rest);
        if reader.array::<4>("signature") != Ok(b"PE\0\0") || rest.len() < FILE_HEADER {
            return Err(no_signature());
        }
        let broken = header.read(&mut reader).err();
        Ok((header, broken))
    }

    /// The directory `number`; zeros where it is not declared.
    #[must_use]
    pub fn directory(&self, number: usize) -> DataDirectory {
        self.directories.get(number).copied().unwrap_or_default()
    }

    /// Whether the program is a library.
    #[must_use]
    pub fn is_dll(&self) -> bool {
        self.characteristics & IMAGE_FILE_DLL != 0
    }

    /// Whether the program is a driver or a service of the system, whose alignment is free.
    pub(super) fn is_native(&self) -> bool {
        self.subsystem == SUBSYSTEM_NATIVE
    }

    /// Where the table of sections starts in the file.
    pub(super) fn section_table(&self) -> Option<usize> {
        let optional = usize::try_from(self.e_lfanew).ok()?.checked_add(FILE_HEADER)?;
        optional.checked_add(usize::from(self.size_of_optional_header))
    }

    /// Where `CheckSum` and the certificates' directory stand in the file.
    pub(super) fn places_not_signed(&self) -> Option<(usize, usize)> {
        let optional = usize::try_from(self.e_lfanew).ok()?.checked_add(FILE_HEADER)?;
        let directories = optional.checked_add(self.optional_size())?;
        let certificate = directories.checked_add(DataDirectory::CERTIFICATE.checked_mul(8)?)?;
        Some((optional.checked_add(CHECK_SUM)?, certificate))
    }

    fn optional_size(&self) -> usize {
        if self.is_pe32_plus { PE32_PLUS_SIZE } else { PE32_SIZE }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Broken> {
        self.machine = reader.u16_le("Machine")?;
        self.number_of_sections = reader.u16_le("NumberOfSections")?;
        self.time_date_stamp = reader.u32_le("TimeDateStamp")?;
        reader.take("symbol table", 8)?;
        self.size_of_optional_header = reader.u16_le("SizeOfOptionalHeader")?;
        self.characteristics = reader.u16_le("Characteristics")?;
        if self.number_of_sections == 0 {
            return Err(Broken::NoSections);
        }
        self.optional_header_holds(PE32_SIZE)?;
        let mut optional = reader.clone();
        self.is_pe32_plus = optional.u16_le("Magic")? == PE32_PLUS;
        self.optional_header_holds(self.optional_size())?;
        let declared = self.read_optional(&mut optional)?;
        let count = usize::try_from(declared).map_or(DIRECTORIES, |count| count.min(DIRECTORIES));
        self.optional_header_holds(self.optional_size().saturating_add(count.saturating_mul(8)))?;
        for _ in 0..count {
            self.directories.push(directory(&mut optional).map_err(Broken::DirectoriesCut)?);
        }
        Ok(())
    }

    /// The fields behind `Magic`; returns `NumberOfRvaAndSizes`.
    fn read_optional(&mut self, optional: &mut Reader<'_>) -> Result<u32, ReadError> {
        optional.take("versions and sizes", 14)?;
        self.address_of_entry_point = optional.u32_le("AddressOfEntryPoint")?;
        optional.take("bases", 12)?;
        self.section_alignment = optional.u32_le("SectionAlignment")?;
        self.file_alignment = optional.u32_le("FileAlignment")?;
        optional.take("versions and SizeOfImage", 20)?;
        let size_of_headers = optional.u32_le("SizeOfHeaders")?;
        self.size_of_headers = super::sections::round_up(size_of_headers, self.section_alignment);
        optional.take("CheckSum", 4)?;
        self.subsystem = optional.u16_le("Subsystem")?;
        optional.take("DllCharacteristics", 2)?;
        optional.take("stack, heap and flags", if self.is_pe32_plus { 36 } else { 20 })?;
        optional.u32_le("NumberOfRvaAndSizes")
    }

    fn optional_header_holds(&self, wanted: usize) -> Result<(), Broken> {
        let found = self.size_of_optional_header;
        if usize::from(found) < wanted {
            return Err(Broken::OptionalHeaderTooSmall { found, wanted });
        }
        Ok(())
    }
}

fn directory(reader: &mut Reader<'_>) -> Result<DataDirectory, ReadError> {
    let virtual_address = reader.u32_le("VirtualAddress")?;
    Ok(DataDirectory { virtual_address, size: reader.u32_le("Size")? })
}
