//! Huffman codes as tables.
//!
//! An entry says all there is to know of a symbol: how many bits to drop, and what the symbol asks
//! for. Codes that are longer than the table's index lie in tables of their own behind it.
//!
//! | Bits | Literal | Length or distance | Link to a table behind | End, nothing |
//! |---|---|---|---|---|
//! | 0–7 | bits to drop | bits to drop | bits to drop | bits to drop |
//! | 8–12 | | extra bits | index bits of that table | |
//! | 13–29 | | base | 13–27: its place | |
//! | 16–23 | the byte | | | |
//! | 28–31 | `LITERAL` | | `OTHER`, `LINK` | `OTHER`, and `END` for the end |

/// An entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    pub(super) const fn literal(byte: u8) -> Self {
        Self(LITERAL | (byte as u32) << 16)
    }

    /// A length or a distance.
    pub(super) const fn number(base: u32, extra: u32) -> Self {
        Self(base << 13 | extra << 8)
    }

    /// The end of a block.
    pub(super) const END: Self = Self(OTHER | END);
    /// A code that means nothing.
    pub(super) const NOTHING: Self = Self(OTHER);

    fn link(place: usize, index_bits: u32, drop: u32) -> Self {
        Self(OTHER | LINK | to_u32(place) << 13 | index_bits << 8 | drop)
    }

    fn dropping(self, bits: u32) -> Self {
        Self(self.0 | bits)
    }

    pub(super) fn bits_to_drop(self) -> u32 {
        self.0 & 0xff
    }

    /// The byte, if it is a literal.
    pub(super) fn as_literal(self) -> Option<u8> {
        let [_, _, byte, _] = self.0.to_le_bytes();
        (self.0 & LITERAL != 0).then_some(byte)
    }

    /// Whether it is neither a literal nor a number.
    pub(super) fn is_other(self) -> bool {
        self.0 & OTHER != 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & (OTHER | END) == OTHER | END
    }

    pub(super) fn base(self) -> usize {
        (self.0 >> 13 & 0x1_ffff) as usize
    }

    pub(super) fn extra_bits(self) -> u32 {
        self.0 >> 8 & 0x1f
    }

    /// Where the table behind begins, and by how many bits it is looked up.
    fn as_link(self) -> Option<(usize, u32)> {
        let link = self.0 & (OTHER | LINK) == OTHER | LINK;
        link.then_some(((self.0 >> 13 & 0x7fff) as usize, self.extra_bits()))
    }
}

/// A code of up to 15 bits, looked up by as many as make `SIZE`, a power of two.
#[derive(Debug)]
pub(super) struct Table<const SIZE: usize> {
    first: Box<[Entry; SIZE]>,
    behind: Vec<Entry>,
}

/// More codes of some length than there can be, or fewer than make a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotACode;

impl<const SIZE: usize> Default for Table<SIZE> {
    fn default() -> Self {
        Self { first: Box::new([Entry::NOTHING; SIZE]), behind: Vec::new() }
    }
}

impl<const SIZE: usize> Table<SIZE> {
    const BITS: u32 = SIZE.trailing_zeros();

    /// The table of the code with these lengths (3.2.2); 0 for a symbol that has none. A code of no
    /// symbol or of one of one bit is the only one that need not be complete.
    pub(super) fn set(&mut self, lengths: &[u8], symbols: &[Entry]) -> Result<(), NotACode> {
        self.first.fill(Entry::NOTHING);
        self.behind.clear();
        let mut next_code = first_codes(lengths)?;
        let longest = u32::from(lengths.iter().copied().max().unwrap_or(0));
        for (length, symbol) in lengths.iter().zip(symbols) {
            let Some(next) = next_code.get_mut(usize::from(*length)).filter(|_| *length > 0) else {
                continue;
            };
            let length = u32::from(*length);
            // Codes stand in the stream from their most significant bit on.
            let code = next.reverse_bits().wrapping_shr(32_u32.wrapping_sub(length)) as usize;
            *next = next.wrapping_add(1);
            if let Some(behind) = length.checked_sub(Self::BITS).filter(|bits| *bits > 0) {
                self.set_behind(code, behind, longest.wrapping_sub(Self::BITS), *symbol);
            } else {
                let step = 1_usize.wrapping_shl(length);
                let places = self.first.iter_mut().skip(code).step_by(step);
                places.for_each(|place| *place = symbol.dropping(length));
            }
        }
        Ok(())
    }

    /// Enters a code that is `bits` longer than the index. Tables behind are all as deep as the
    /// longest code asks for: long codes are few.
    fn set_behind(&mut self, code: usize, bits: u32, depth: u32, symbol: Entry) {
        let size = 1_usize.wrapping_shl(depth);
        let Some(link) = self.first.get_mut(code & SIZE.wrapping_sub(1)) else { return };
        let start = link.as_link().map_or(self.behind.len(), |(start, _)| start);
        if start == self.behind.len() {
            *link = Entry::link(start, depth, Self::BITS);
            self.behind.resize(start.saturating_add(size), Entry::NOTHING);
        }
        let table = self.behind.get_mut(start..start.saturating_add(size)).unwrap_or_default();
        let places = table.iter_mut().skip(code.wrapping_shr(Self::BITS));
        let step = 1_usize.wrapping_shl(bits);
        places.step_by(step).for_each(|place| *place = symbol.dropping(bits));
    }

    /// The entry for the bits that come next; a link where the code is longer than the index.
    pub(super) fn first(&self, hold: u64) -> Entry {
        let [low, high, ..] = hold.to_le_bytes();
        let index = usize::from(u16::from_le_bytes([low, high])) & SIZE.wrapping_sub(1);
        self.first.get(index).copied().unwrap_or(Entry::NOTHING)
    }

    /// What a link leads to; `hold` is what comes behind the bits that the link drops.
    pub(super) fn follow(&self, link: Entry, hold: u64) -> Entry {
        let Some((start, bits)) = link.as_link() else { return link };
        let index = hold & 1_u64.wrapping_shl(bits).wrapping_sub(1);
        let index = usize::try_from(index).unwrap_or(0);
        let entry = self.behind.get(start.wrapping_add(index));
        entry.copied().unwrap_or(Entry::NOTHING)
    }

    /// Whether an entry is a link.
    pub(super) fn is_link(entry: Entry) -> bool {
        entry.as_link().is_some()
    }
}

/// The first code of each length.
fn first_codes(lengths: &[u8]) -> Result<[u32; MAX_BITS + 1], NotACode> {
    let mut counts = [0_u32; MAX_BITS + 1];
    for length in lengths {
        let count = counts.get_mut(usize::from(*length)).ok_or(NotACode)?;
        *count = count.wrapping_add(1);
    }
    let [_, counts @ ..] = counts;
    let mut codes = [0_u32; MAX_BITS + 1];
    let (mut code, mut left) = (0_u32, 1_u32);
    for (first, count) in codes.iter_mut().skip(1).zip(counts) {
        *first = code;
        left = left.wrapping_shl(1).checked_sub(count).ok_or(NotACode)?;
        code = code.wrapping_add(count).wrapping_shl(1);
    }
    let [shortest, longer @ ..] = counts;
    let one_at_most = shortest <= 1 && longer.iter().all(|count| *count == 0);
    if left == 0 || one_at_most { Ok(codes) } else { Err(NotACode) }
}

fn to_u32(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(0)
}

/// Bits of the longest code.
const MAX_BITS: usize = 15;
const LITERAL: u32 = 1 << 31;
const OTHER: u32 = 1 << 30;
const LINK: u32 = 1 << 29;
const END: u32 = 1 << 28;
