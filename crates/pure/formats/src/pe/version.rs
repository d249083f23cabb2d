//! Version information: its strings, at whose places the offset `VI` of signatures matches.

use std::ops::Range;

use watchglass_bytes::Reader;

use super::{DataDirectory, Pe};

/// `RT_VERSION`.
const VERSION: u32 = 16;
/// Resources of that type that are read.
const MAX_RESOURCES: usize = 16;
/// Strings that are read; real ones have a dozen for each language.
const MAX_STRINGS: usize = 4096;
/// Length, length of the value, type: what every block starts with.
const BLOCK_HEADER: usize = 6;
/// `VS_FIXEDFILEINFO`, and its signature.
const FIXED: usize = 0x34;
const FIXED_SIGNATURE: &[u8] = &[0xbd, 0x04, 0xef, 0xfe];
/// Language and code page in eight characters of UTF-16, with the zero that ends them.
const TABLE_KEY: usize = 18;
/// A string has more bytes than these: its header, a character, and as much again for a value.
const LEAST: usize = BLOCK_HEADER + 2 + 8;

/// One string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionString {
    /// Where its key starts in the file: what `VI` of a signature matches.
    pub offset: usize,
    /// The key (`CompanyName`) in the file, UTF-16LE, with padding.
    pub key: Range<usize>,
    /// The value in the file, UTF-16LE, with padding.
    pub value: Range<usize>,
}

/// All strings, and whether they are all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionInfo {
    /// In the order of the file.
    pub strings: Vec<VersionString>,
    /// There are more than 4096.
    pub cut: bool,
}

impl Pe<'_> {
    /// The strings of the version information.
    ///
    /// What is damaged ends its table, as in ClamAV; what was read before counts.
    #[must_use]
    pub fn version_info(&self) -> VersionInfo {
        let mut info = VersionInfo::default();
        if self.header.directory(DataDirectory::RESOURCE).size == 0 {
            return info;
        }
        for resource in self.resources(VERSION, MAX_RESOURCES).found {
            if let Some((start, data)) = self.resource_data(&resource) {
                let end = start.saturating_add(data.len());
                // Where it stops is known by what is missing.
                let _ = read_info(Reader::new(data), end, &mut info);
            }
        }
        info
    }
}

/// `VS_VERSIONINFO`: the fixed part, then `StringFileInfo`, at times behind `VarFileInfo`. `end` is
/// the end of what is read, in the file; nothing is returned where a block is damaged.
fn read_info(mut resource: Reader<'_>, end: usize, info: &mut VersionInfo) -> Option<()> {
    let mut block = resource.clone();
    let (length, value_length) =
        (block.u16_le("wLength").ok()?, block.u16_le("wValueLength").ok()?);
    let mut version = resource.sub("VS_VERSIONINFO", usize::from(length)).ok()?;
    let end = end.saturating_sub(resource.left());
    let head = version.take("VS_FIXEDFILEINFO", BLOCK_HEADER + 0x20 + 2 + FIXED).ok()?;
    let is_version = has_key(head, "VS_VERSION_INFO")
        && usize::from(value_length) == FIXED
        && head.get(0x28..0x2c) == Some(FIXED_SIGNATURE);
    if !is_version {
        return None;
    }
    let mut child = child(&mut version)?;
    if has_key(child.clone().rest(), "VarFileInfo") {
        child = self::child(&mut version)?;
    }
    if !has_key(child.clone().rest(), "StringFileInfo") {
        return None;
    }
    child.take("StringFileInfo", BLOCK_HEADER + 0x1e).ok()?;
    read_tables(child, end.saturating_sub(version.left()), info)
}

/// The next block, which starts with its length.
fn child<'a>(blocks: &mut Reader<'a>) -> Option<Reader<'a>> {
    let length = blocks.clone().u16_le("wLength").ok()?;
    blocks.sub("block", usize::from(length)).ok()
}

fn read_tables(mut tables: Reader<'_>, end: usize, info: &mut VersionInfo) -> Option<()> {
    while tables.left() > BLOCK_HEADER {
        let mut table = child(&mut tables)?;
        table.take("StringTable", BLOCK_HEADER + TABLE_KEY).ok()?;
        if table.is_empty() {
            return None;
        }
        read_strings(table, end.saturating_sub(tables.left()), info)?;
    }
    Some(())
}

fn read_strings(mut strings: Reader<'_>, end: usize, info: &mut VersionInfo) -> Option<()> {
    while strings.left() > BLOCK_HEADER {
        let start = end.saturating_sub(strings.left());
        let length = strings.clone().u16_le("wLength").ok()?;
        let length = usize::from(length).next_multiple_of(4);
        let string = strings.take("String", length).ok().filter(|_| length > LEAST)?;
        let pairs = string.get(BLOCK_HEADER..)?.chunks_exact(2);
        let units = pairs.take_while(|unit| *unit != [0, 0]).count().saturating_add(1);
        let key = units.saturating_mul(2).saturating_add(BLOCK_HEADER).next_multiple_of(4);
        // Without a value, or one of a zero alone, there is nothing to match.
        if length.saturating_sub(key) <= 2 {
            continue;
        }
        if info.strings.len() >= MAX_STRINGS {
            info.cut = true;
            return None;
        }
        let (offset, value) = (start.saturating_add(BLOCK_HEADER), start.saturating_add(key));
        let end = start.saturating_add(length);
        info.strings.push(VersionString { offset, key: offset..value, value: value..end });
    }
    Some(())
}

/// Whether a block has this key, with the zero that ends it, and something behind.
fn has_key(block: &[u8], key: &str) -> bool {
    let key: Vec<u8> = key.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let rest = block.get(BLOCK_HEADER..).unwrap_or_default();
    rest.len() > key.len() && rest.starts_with(&key)
}
