//! The tree of resources: type, name, language.

use watchglass_bytes::Reader;

use super::{DataDirectory, Pe};

/// Entries of the tree that are looked at. The largest real programs have some thousand.
const MAX_ENTRIES: u32 = 1 << 16;
/// Set in a name: it is text; in an offset: it leads to a directory.
const HIGH_BIT: u32 = 1 << 31;

/// One resource in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The name: a number, or with the highest bit set the place of text.
    pub name: u32,
    /// The language.
    pub language: u32,
    /// Where in memory its data entry is: place, size, code page.
    pub entry_rva: u32,
}

/// What was found, and whether it is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// In the order of the tree.
    pub found: Vec<Resource>,
    /// Not all of the tree was looked at: it has more than 65,536 entries.
    pub cut: bool,
}

impl Pe<'_> {
    /// The resources of a type that is a number, at most `limit`.
    #[must_use]
    pub fn resources(&self, kind: u32, limit: usize) -> Resources {
        let mut walk = Walk { pe: self, left: MAX_ENTRIES, limit, resources: Resources::default() };
        let _ = walk.types(kind);
        walk.resources.cut = walk.left == 0;
        walk.resources
    }

    /// The bytes of a resource, with their offset in the file.
    pub(super) fn resource_data(&self, resource: &Resource) -> Option<(usize, &[u8])> {
        let mut entry = self.reader_at_rva(resource.entry_rva)?;
        // ClamAV wants the whole entry to be in the file.
        let mut entry = entry.sub("data entry", 16).ok()?;
        let (rva, size) = (entry.u32_le("OffsetToData").ok()?, entry.u32_le("Size").ok()?);
        let start = usize::try_from(self.raw_offset(rva)?).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.bytes.get(start..end).map(|data| (start, data))
    }
}

struct Walk<'p, 'a> {
    pe: &'p Pe<'a>,
    left: u32,
    limit: usize,
    resources: Resources,
}

/// A directory's entries: of names, then of numbers.
struct Directory<'a> {
    names: u16,
    numbers: u16,
    entries: Reader<'a>,
}

impl<'a> Walk<'_, 'a> {
    /// None where the tree leads out of the file.
    fn types(&mut self, kind: u32) -> Option<()> {
        let mut types = self.directory(0)?;
        types.entries.take("types with names", usize::from(types.names).checked_mul(8)?).ok()?;
        for _ in 0..types.numbers {
            let (number, offset) = self.entry(&mut types.entries)?;
            if number == kind && offset & HIGH_BIT != 0 {
                return self.names(offset & !HIGH_BIT);
            }
        }
        None
    }

    fn names(&mut self, offset: u32) -> Option<()> {
        let mut names = self.directory(offset)?;
        // The sum is taken modulo 2^16, as ClamAV does.
        for _ in 0..names.names.wrapping_add(names.numbers) {
            let (name, offset) = self.entry(&mut names.entries)?;
            if offset & HIGH_BIT != 0 {
                self.languages(name, offset & !HIGH_BIT)?;
            }
        }
        None
    }

    fn languages(&mut self, name: u32, offset: u32) -> Option<()> {
        let mut languages = self.directory(offset)?;
        for _ in 0..languages.names.wrapping_add(languages.numbers) {
            let (language, offset) = self.entry(&mut languages.entries)?;
            if offset & HIGH_BIT == 0 {
                let entry_rva = self.root().wrapping_add(offset);
                self.resources.found.push(Resource { name, language, entry_rva });
                if self.resources.found.len() >= self.limit {
                    return None;
                }
            }
        }
        Some(())
    }

    fn root(&self) -> u32 {
        self.pe.header.directory(DataDirectory::RESOURCE).virtual_address
    }

    fn directory(&self, offset: u32) -> Option<Directory<'a>> {
        self.pe.header.directories.get(DataDirectory::RESOURCE)?;
        let mut reader = self.pe.reader_at_rva(self.root().wrapping_add(offset))?;
        reader.take("fields before the counts", 12).ok()?;
        let names = reader.u16_le("NumberOfNamedEntries").ok()?;
        Some(Directory {
            names,
            numbers: reader.u16_le("NumberOfIdEntries").ok()?,
            entries: reader,
        })
    }

    fn entry(&mut self, entries: &mut Reader<'_>) -> Option<(u32, u32)> {
        self.left = self.left.checked_sub(1)?;
        Some((entries.u32_le("Name").ok()?, entries.u32_le("OffsetToData").ok()?))
    }
}
