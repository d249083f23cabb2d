//! Programs for Windows: sections, an entry point, imports, version information.

use super::{Frame, Needs, put16, put32, put64, sum};
use crate::sheet::Sheet;
use crate::{Dice, Palette};

const FILE_ALIGNMENT: usize = 0x200;
const ALIGNMENT: usize = 0x1000;
/// More sections are not made; Windows takes 96.
const MAX_SECTIONS: usize = 96;
/// A larger file is not made.
const MAX_BYTES: usize = 8 << 20;
const SECTION_HEADER: usize = 40;
const DIRECTORIES: usize = 16;

/// Where things are in memory and in the file.
#[derive(Clone, Copy, Default)]
struct Section {
    raw: usize,
    raw_size: usize,
    rva: usize,
}

/// Where the headers are.
struct Headers {
    pe: usize,
    is_plus: bool,
}

impl Headers {
    fn optional(&self) -> usize {
        self.pe.saturating_add(24)
    }

    fn optional_size(&self) -> usize {
        let fixed: usize = if self.is_plus { 112 } else { 96 };
        fixed.saturating_add(DIRECTORIES * 8)
    }

    fn directory(&self, number: usize) -> usize {
        let fixed = if self.is_plus { 112 } else { 96 };
        sum(&[self.optional(), fixed, number.saturating_mul(8)])
    }

    fn sections(&self) -> usize {
        self.optional().saturating_add(self.optional_size())
    }

    fn section(&self, number: usize) -> usize {
        self.sections().saturating_add(number.saturating_mul(SECTION_HEADER))
    }
}

/// A program with such room; none where that would be too large, or no program.
pub(super) fn build(needs: &Needs, dice: &mut Dice) -> Option<Frame> {
    let wants_e_lfanew = needs.e_lfanew.map(|place| usize::try_from(place).unwrap_or(0));
    let pe =
        wants_e_lfanew.unwrap_or_else(|| dice.pick(&[0x40, 0x80, 0xe8]).copied().unwrap_or(0x40));
    if !(0x40..=0x1000).contains(&pe) {
        return None;
    }
    let headers = Headers { pe, is_plus: dice.one_in(3) };
    let own = own_section(needs, dice);
    let count = needs.sections.max(1).max(needs.room.len());
    let count = if needs.sections == 0 { count.saturating_add(dice.below(3)) } else { count };
    let own_number = count.checked_sub(1)?;
    if count > MAX_SECTIONS {
        return None;
    }
    let head = headers.section(count).next_multiple_of(FILE_ALIGNMENT);
    let entry_in_section = needs.before_entry.max(needs.least_entry.saturating_sub(head));
    let mut sections = Vec::new();
    let (mut raw, mut rva) = (head, head.next_multiple_of(ALIGNMENT));
    let (mut own_at, total) = (0, needs.total.div_ceil(count));
    for number in 0..count {
        let mut room = needs.room.get(number).copied().unwrap_or(0).max(total);
        if number == 0 {
            room = room.max(sum(&[entry_in_section, needs.behind_entry, 16]));
        }
        if number == own_number {
            // What is of the program itself stands behind what has its place.
            own_at = room.max(needs.room_of_last).next_multiple_of(16);
            room = own_at.saturating_add(own.size());
        }
        let raw_size = room.max(16).next_multiple_of(FILE_ALIGNMENT);
        if raw_size > MAX_BYTES {
            return None;
        }
        sections.push(Section { raw, raw_size, rva });
        raw = raw.saturating_add(raw_size);
        rva = rva.saturating_add(raw_size.next_multiple_of(ALIGNMENT));
    }
    let mut sheet = Sheet::default();
    sheet.grow(head, Palette::Mixed, dice);
    let first = sections.first().copied().unwrap_or_default();
    let entry = first.raw.saturating_add(entry_in_section);
    write_headers(&mut sheet, &headers, head, rva, &sections);
    put32(
        &mut sheet,
        headers.optional().saturating_add(16),
        first.rva.saturating_add(entry_in_section),
    );
    sheet.grow(raw, Palette::Mixed, dice);
    let last = sections.last().copied().unwrap_or_default();
    let strings = own.write(&mut sheet, &headers, last, own_at);
    Some(Frame {
        free: first.raw,
        entry: Some(entry),
        sections: sections
            .iter()
            .map(|one| one.raw..one.raw.saturating_add(one.raw_size))
            .collect(),
        strings,
        sheet,
        close: Vec::new(),
    })
}

fn write_headers(
    sheet: &mut Sheet,
    headers: &Headers,
    head: usize,
    image: usize,
    sections: &[Section],
) {
    sheet.suggest(0, &DOS);
    sheet.write(0, b"MZ");
    put32(sheet, 0x3c, headers.pe);
    let pe = headers.pe;
    sheet.suggest(pe, &[0; 24]);
    sheet.write(pe, b"PE\0\0");
    put16(sheet, pe.saturating_add(4), if headers.is_plus { 0x8664 } else { 0x14c });
    put16(sheet, pe.saturating_add(6), sections.len());
    sheet.suggest(pe.saturating_add(8), &0x5f00_0000_u32.to_le_bytes());
    put16(sheet, pe.saturating_add(20), headers.optional_size());
    put16(sheet, pe.saturating_add(22), if headers.is_plus { 0x22 } else { 0x102 });
    let at = headers.optional();
    sheet.suggest(at, &vec![0; headers.optional_size()]);
    put16(sheet, at, if headers.is_plus { 0x20b } else { 0x10b });
    if headers.is_plus {
        put64(sheet, at.saturating_add(24), 0x1_4000_0000);
    } else {
        put32(sheet, at.saturating_add(28), 0x40_0000);
    }
    put32(sheet, at.saturating_add(32), ALIGNMENT);
    put32(sheet, at.saturating_add(36), FILE_ALIGNMENT);
    put16(sheet, at.saturating_add(40), 6);
    put16(sheet, at.saturating_add(48), 6);
    put32(sheet, at.saturating_add(56), image);
    put32(sheet, at.saturating_add(60), head);
    put16(sheet, at.saturating_add(68), 3);
    put32(sheet, headers.directory(0).saturating_sub(4), DIRECTORIES);
    sheet.write(headers.directory(0), &[0; DIRECTORIES * 8]);
    for (number, section) in sections.iter().enumerate() {
        let at = headers.section(number);
        let name = SECTION_NAMES.get(number).copied().unwrap_or(*b".more\0\0\0");
        sheet.suggest(at, &name);
        put32(sheet, at.saturating_add(8), section.raw_size);
        put32(sheet, at.saturating_add(12), section.rva);
        put32(sheet, at.saturating_add(16), section.raw_size);
        put32(sheet, at.saturating_add(20), section.raw);
        sheet.suggest(at.saturating_add(24), &[0; 12]);
        put32(sheet, at.saturating_add(36), 0x6000_0020);
    }
}

const SECTION_NAMES: [[u8; 8]; 3] = [*b".text\0\0\0", *b".data\0\0\0", *b".rdata\0\0"];

/// The first 64 bytes as linkers write them.
const DOS: [u8; 64] =
    *b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Imports and resources, which stand in the last section.
struct Own {
    library: Vec<u8>,
    functions: Vec<Vec<u8>>,
    strings: Vec<Vec<u8>>,
}

fn own_section(needs: &Needs, dice: &mut Dice) -> Own {
    let name = |dice: &mut Dice| dice.filler(9, Palette::Text);
    let functions = (0..dice.below(3).saturating_add(1)).map(|_| name(dice)).collect();
    let library = [name(dice), b".dll".to_vec()].concat();
    Own { library, functions, strings: needs.strings.clone() }
}

/// Bytes of the directories and the data entry of the one resource.
const TREE: usize = 24 * 3 + 16;
/// Bytes before the first string: version, fixed part, the table's head.
const VERSION_HEAD: usize = 0x5c + 0x24 + 0x18;
/// Descriptors of imports: one and the end.
const DESCRIPTORS: usize = 40;

impl Own {
    /// An upper bound.
    fn size(&self) -> usize {
        let names = self.functions.iter().map(|name| name.len().saturating_add(32));
        let strings = self.strings.iter().map(|text| text.len().saturating_add(24));
        let all: usize = names.chain(strings).fold(0, usize::saturating_add);
        let resources = if self.strings.is_empty() { 0 } else { TREE + VERSION_HEAD };
        sum(&[DESCRIPTORS, self.library.len(), all, resources, 128])
    }

    fn write(&self, sheet: &mut Sheet, headers: &Headers, last: Section, at: usize) -> Vec<usize> {
        let start = last.raw.saturating_add(at);
        let to_rva = |place: usize| place.saturating_sub(last.raw).saturating_add(last.rva);
        let end = self.write_imports(sheet, headers, start, to_rva);
        if self.strings.is_empty() {
            return Vec::new();
        }
        let tree = end.next_multiple_of(16);
        let data = tree.saturating_add(TREE);
        let (version, strings) = self.version();
        put32(sheet, headers.directory(2), to_rva(tree));
        put32(sheet, headers.directory(2).saturating_add(4), TREE.saturating_add(version.len()));
        for (level, name) in [16, 1, 0x409].into_iter().enumerate() {
            let at = tree.saturating_add(level.saturating_mul(24));
            sheet.write(at, &[0; 24]);
            put16(sheet, at.saturating_add(14), 1);
            put32(sheet, at.saturating_add(16), name);
            let next = level.saturating_add(1).saturating_mul(24);
            let high = if level < 2 { 1 << 31 } else { 0 };
            put32(sheet, at.saturating_add(20), next | high);
        }
        let entry = tree.saturating_add(72);
        sheet.write(entry, &[0; 16]);
        put32(sheet, entry, to_rva(data));
        put32(sheet, entry.saturating_add(4), version.len());
        sheet.write(data, &version);
        strings.into_iter().map(|place| data.saturating_add(place)).collect()
    }

    fn write_imports(
        &self,
        sheet: &mut Sheet,
        headers: &Headers,
        start: usize,
        to_rva: impl Fn(usize) -> usize,
    ) -> usize {
        let width = if headers.is_plus { 8 } else { 4 };
        let thunks = start.saturating_add(DESCRIPTORS);
        let slots = self.functions.len().saturating_add(1);
        let library = thunks.saturating_add(slots.saturating_mul(width));
        let mut end = sum(&[library, self.library.len(), 1]).next_multiple_of(2);
        sheet.write(start, &[0; DESCRIPTORS]);
        put32(sheet, start, to_rva(thunks));
        put32(sheet, start.saturating_add(12), to_rva(library));
        put32(sheet, start.saturating_add(16), to_rva(thunks));
        sheet.write(thunks, &vec![0; slots.saturating_mul(width)]);
        sheet.write(library, &[&self.library[..], b"\0\0"].concat());
        for (number, name) in self.functions.iter().enumerate() {
            let slot = thunks.saturating_add(number.saturating_mul(width));
            put32(sheet, slot, to_rva(end));
            sheet.write(end, &[b"\0\0", &name[..], b"\0\0"].concat());
            end = sum(&[end, name.len(), 4]).next_multiple_of(2);
        }
        put32(sheet, headers.directory(1), to_rva(start));
        put32(sheet, headers.directory(1).saturating_add(4), DESCRIPTORS);
        end
    }

    /// The version information, and where its strings start in it.
    fn version(&self) -> (Vec<u8>, Vec<usize>) {
        let mut table = Vec::new();
        let mut places = Vec::new();
        for text in &self.strings {
            let mut string = vec![0; 6];
            string.extend(text);
            // A key ends with a zero, and a value follows.
            let has_end = text.chunks_exact(2).any(|unit| unit == [0, 0]);
            if !has_end {
                string.resize(string.len().next_multiple_of(2), 0);
                string.extend([0, 0]);
            }
            string.resize(string.len().next_multiple_of(4), 0);
            string.extend(wide("1.0"));
            set_length(&mut string);
            places.push(table.len().saturating_add(VERSION_HEAD + 6));
            table.extend(string);
        }
        let mut tables = [vec![0; 6], wide("040904b0")].concat();
        tables.extend(table);
        set_length(&mut tables);
        let mut file_info = [vec![0; 6], wide("StringFileInfo")].concat();
        file_info.extend(tables);
        set_length(&mut file_info);
        let mut version = [vec![0; 6], wide("VS_VERSION_INFO")].concat();
        version.resize(0x28, 0);
        version.extend(b"\xbd\x04\xef\xfe\0\0\x01\0");
        version.resize(0x5c, 0);
        version.extend(file_info);
        set_length(&mut version);
        if let Some(value) = version.get_mut(2) {
            *value = 0x34;
        }
        (version, places)
    }
}

fn set_length(block: &mut [u8]) {
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX).to_le_bytes();
    block.iter_mut().zip(length).for_each(|(here, byte)| *here = byte);
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use watchglass_formats::pe::Pe;

    use super::*;

    #[test]
    fn programs_are_whole_and_have_what_was_wanted() {
        for seed in 0..200 {
            let mut dice = Dice(seed);
            let key = "CompanyName\0\0Trend".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let needs = Needs {
                sections: dice.below(7),
                room: vec![10; dice.below(4)],
                before_entry: dice.below(300),
                behind_entry: dice.below(3000),
                strings: vec![key],
                ..Needs::default()
            };
            let frame = build(&needs, &mut dice).unwrap();
            let pe = Pe::parse(frame.sheet.bytes()).unwrap();
            assert_eq!(pe.broken, None, "{seed}");
            assert_eq!(pe.entry_point.map(|entry| entry as usize), frame.entry);
            let sections: Vec<_> = pe.sections.iter().map(|one| one.raw_range()).collect();
            assert_eq!(sections, frame.sections);
            let strings: Vec<_> =
                pe.version_info().strings.iter().map(|string| string.offset).collect();
            assert_eq!(strings, frame.strings);
            let imports = pe.imports(&mut |_| ()).unwrap();
            assert_eq!(imports.libraries, 1);
        }
    }
}
