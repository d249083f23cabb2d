//! Names of signatures, sorted and written by what each adds to the one before it.
//!
//! Every sixteenth name stands whole, so that one of millions is read by looking at sixteen. The
//! section: `u32` number of names, `u32` of nothing, for each block of sixteen the `u32` place of its
//! first byte, then the blocks: a byte of how much the name shares with the one before, a byte of how
//! much it adds, what it adds. Names are 255 bytes long at most.

use watchglass_bytes::Reader;

/// Names of a block.
const BLOCK: usize = 16;
/// Bytes before the table of blocks.
const HEAD_BYTES: usize = 8;

/// A name by its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub u32);

/// The names where they lie in a database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    section: &'a [u8],
}

impl<'a> Names<'a> {
    pub(crate) fn new(section: &'a [u8]) -> Self {
        Self { section }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        Reader::new(self.section).u32_le("names").unwrap_or(0)
    }

    /// A name; nothing where the section does not hold it.
    pub(crate) fn get(&self, id: NameId) -> Option<String> {
        let number = usize::try_from(id.0).ok()?;
        if id.0 >= self.count() {
            return None;
        }
        let entry = HEAD_BYTES.checked_add((number / BLOCK).checked_mul(4)?)?;
        let place = Reader::new(self.section.get(entry..)?).u32_le("block").ok()?;
        let mut block = Reader::new(self.section.get(usize::try_from(place).ok()?..)?);
        let mut name = Vec::new();
        for _ in 0..=number % BLOCK {
            let shared = usize::from(block.u8("shared").ok()?);
            let added = usize::from(block.u8("added").ok()?);
            if shared > name.len() {
                return None;
            }
            name.truncate(shared);
            name.extend_from_slice(block.take("name", added).ok()?);
        }
        String::from_utf8(name).ok()
    }
}

/// The section of these names, which are sorted, each once.
pub(crate) fn build(names: &[&str]) -> Vec<u8> {
    let blocks = names.len().div_ceil(BLOCK);
    let table_end = HEAD_BYTES.saturating_add(blocks.saturating_mul(4));
    let (mut table, mut body) = (Vec::new(), Vec::new());
    for block in names.chunks(BLOCK) {
        table.extend_from_slice(&le_u32(table_end.saturating_add(body.len())));
        let mut before = "";
        for name in block {
            let shared = shared_bytes(before, name);
            let added = name.as_bytes().get(shared..).unwrap_or_default();
            body.extend([byte(shared), byte(added.len())]);
            body.extend_from_slice(added);
            before = name;
        }
    }
    let head = [le_u32(names.len()), [0; 4]].concat();
    [head, table, body].concat()
}

fn shared_bytes(before: &str, name: &str) -> usize {
    before.bytes().zip(name.bytes()).take_while(|(left, right)| left == right).count()
}

fn byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

pub(crate) fn le_u32(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_found_at_its_place() {
        let names: Vec<String> = (0..100).map(|number| format!("Win.Test-{number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let section = build(&names);
        let read = Names::new(&section);
        assert_eq!(read.count(), 100);
        for (id, name) in (0..).zip(&names) {
            assert_eq!(read.get(NameId(id)).as_deref(), Some(*name));
        }
        assert_eq!(read.get(NameId(100)), None);
    }

    #[test]
    fn a_section_that_lies_gives_no_name() {
        let mut section = build(&["Aa", "Ab"]);
        let shared_of_second = section.len() - 3;
        section[shared_of_second] = 9;
        assert_eq!(Names::new(&section).get(NameId(1)), None);
        for length in 0..section.len() {
            let _ = Names::new(&section[..length]).get(NameId(0));
        }
    }
}
