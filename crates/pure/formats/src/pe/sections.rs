//! The table of sections, rounded as ClamAV rounds it.

use watchglass_bytes::Reader;

use super::{Broken, Oddity, Pe};

/// Sections of less alignment than this start at multiples of it all the same.
const SECTOR: u32 = 0x200;
const PAGE: u32 = 0x1000;
const SECTION_HEADER: usize = 40;

/// A section. The four places and sizes are those that offsets and hashes of signatures are relative
/// to; those with `u` are as they stand in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `Name`, padded with zero bytes.
    pub name: [u8; 8],
    /// Start in memory, rounded down to `SectionAlignment`.
    pub rva: u32,
    /// Size in memory, rounded up to it.
    pub vsz: u32,
    /// Start in the file, rounded down to `FileAlignment`.
    pub raw: u32,
    /// Size in the file, rounded up to it and cut at the file's end; 0 for a section that is not
    /// in the file.
    pub rsz: u32,
    /// `Characteristics`.
    pub characteristics: u32,
    /// `VirtualAddress`.
    pub urva: u32,
    /// `VirtualSize`.
    pub uvsz: u32,
    /// `PointerToRawData`.
    pub uraw: u32,
    /// `SizeOfRawData`, cut at the file's end.
    pub ursz: u32,
    /// The table says that it has bytes in the file, and they would be behind its end.
    pub is_missing: bool,
}

impl Section {
    /// The section's bytes in the file; what the hashes of `.mdb` are taken of.
    #[must_use]
    pub fn raw_range(&self) -> std::ops::Range<usize> {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        size(self.raw)..size(self.raw).saturating_add(size(self.rsz))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut header = reader.sub("section", SECTION_HEADER)?;
        Ok(Self {
            name: *header.array("Name")?,
            uvsz: header.u32_le("VirtualSize")?,
            urva: header.u32_le("VirtualAddress")?,
            ursz: header.u32_le("SizeOfRawData")?,
            uraw: header.u32_le("PointerToRawData")?,
            characteristics: {
                header.take("relocations and line numbers", 12)?;
                header.u32_le("Characteristics")?
            },
            ..Self::default()
        })
    }

    /// Fills in what is rounded, for a file of `length` bytes.
    fn round(&mut self, alignment: u32, file_alignment: u32, length: u32) {
        self.rva = round_down(self.urva, alignment);
        self.vsz = round_up(self.uvsz, alignment);
        self.raw = round_down(self.uraw, file_alignment);
        self.rsz = round_up(self.ursz, file_alignment);
        if self.rsz == 0 {
            return;
        }
        if self.raw >= length || self.uraw >= length {
            (self.rsz, self.ursz, self.is_missing) = (0, 0, true);
            return;
        }
        self.rsz = cut(self.raw, self.rsz, length);
        self.ursz = cut(self.uraw, self.ursz, length);
        if self.vsz == 0 {
            self.vsz = round_up(self.ursz, alignment);
        }
    }

    fn has_sign_bit(&self) -> bool {
        let raw = if self.rsz == 0 { 0 } else { self.uraw };
        [self.urva, self.uvsz, raw, self.ursz].iter().any(|number| number >> 31 == 1)
    }
}

impl Pe<'_> {
    /// Reads the table, then finds the entry point and what no linker does.
    pub(super) fn read_sections(&mut self) -> Result<(), Broken> {
        let start = self.header.section_table().unwrap_or(usize::MAX);
        let mut table = Reader::new(self.bytes.get(start..).unwrap_or_default());
        // The table is read as far as it goes, so that what there is of it is known.
        let count = usize::from(self.header.number_of_sections);
        let mut cut = None;
        while self.sections.len() < count {
            match Section::read(&mut table) {
                Ok(section) => self.sections.push(section),
                Err(broken) => {
                    cut = Some(broken);
                    break;
                }
            }
        }
        let (alignment, file_alignment) = (self.header.section_alignment, self.file_alignment());
        let length = self.length();
        for section in &mut self.sections {
            section.round(alignment, file_alignment, length);
        }
        self.find_oddities();
        let rva = self.header.address_of_entry_point;
        self.entry_point = self.raw_offset(rva);
        if let Some(broken) = cut {
            return Err(broken);
        }
        if let Some(section) = self.sections.iter().position(Section::has_sign_bit) {
            return Err(Broken::SignBit { section });
        }
        self.entry_point.map(|_| ()).ok_or(Broken::EntryPoint { rva })
    }

    /// `FileAlignment`, or 512 where a section starts at a multiple of that alone: Windows does not
    /// mind.
    fn file_alignment(&self) -> u32 {
        let declared = self.header.file_alignment;
        let between = |section: &Section| {
            let remainder = section.uraw.checked_rem(declared);
            section.ursz != 0
                && remainder.is_some_and(|bytes| bytes != 0)
                && section.uraw.is_multiple_of(SECTOR)
        };
        if self.sections.iter().any(between) { SECTOR } else { declared }
    }

    fn find_oddities(&mut self) {
        let (header, mut found) = (&self.header, Vec::new());
        let is_odd = |number: u32, of: u32| number == 0 || !number.is_multiple_of(of);
        if !header.is_native() {
            found
                .extend(is_odd(header.section_alignment, PAGE).then_some(Oddity::SectionAlignment));
            found.extend(is_odd(header.file_alignment, SECTOR).then_some(Oddity::FileAlignment));
        }
        let mut before: Option<&Section> = None;
        let present = self.sections.iter().enumerate().filter(|(_, section)| !section.is_missing);
        for (number, section) in present {
            let remainder = section.urva.checked_rem(header.section_alignment);
            if remainder != Some(0) {
                found.push(Oddity::Misaligned { section: number });
            }
            match before {
                None if section.urva != header.size_of_headers => {
                    found.push(Oddity::GapBehindHeader)
                }
                Some(before) if section.urva.wrapping_sub(before.urva) != before.vsz => {
                    found.push(Oddity::Misplaced { section: number });
                }
                _ => {}
            }
            before = Some(section);
        }
        if before.is_none() {
            found.push(Oddity::AllSectionsMissing);
        }
        self.oddities = found;
    }
}

/// ClamAV's `PEALIGN`: to a multiple of `to` below; as it is for `to` = 0.
fn round_down(number: u32, to: u32) -> u32 {
    number.checked_rem(to).map_or(number, |rest| number.wrapping_sub(rest))
}

/// ClamAV's `PESALIGN`: to a multiple of `to` above, modulo 2^32; as it is for `to` = 0.
pub(super) fn round_up(number: u32, to: u32) -> u32 {
    match number.checked_rem(to) {
        None | Some(0) => number,
        Some(rest) => number.wrapping_sub(rest).wrapping_add(to),
    }
}

/// A size that ends with the file at the latest. A size of 0 reaches to the end, as in ClamAV.
fn cut(start: u32, size: u32, length: u32) -> u32 {
    let left = length.saturating_sub(start);
    if size == 0 || size > left { left } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_as_the_macros_do() {
        assert_eq!((round_down(0x3ff, 0x200), round_up(0x201, 0x200)), (0x200, 0x400));
        assert_eq!((round_down(7, 0), round_up(7, 0)), (7, 7));
        assert_eq!(round_up(0xffff_ffff, 0x1000), 0);
        assert_eq!((cut(10, 0, 30), cut(10, 5, 30), cut(10, 25, 30)), (20, 5, 20));
    }
}
