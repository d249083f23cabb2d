//! The codes of a block.

use super::bits::Bits;
use super::table::{Entry, Table};
use super::{NOT_DEFLATE, Pending};
use crate::output::Stop;

/// What Deflate and Deflate64 differ in.
#[derive(Debug)]
pub(super) struct Dialect {
    lengths: [Entry; LITERALS],
    distances: [Entry; DISTANCES],
}

/// RFC 1951, 3.2.5.
pub(super) static DEFLATE: Dialect =
    Dialect { lengths: length_symbols(258, 0), distances: distance_symbols(30) };
/// As info-zip has it: a longest length of 16 extra bits, two more distances.
pub(super) static DEFLATE64: Dialect =
    Dialect { lengths: length_symbols(3, 16), distances: distance_symbols(32) };

/// The codes of a block.
#[derive(Debug, Default)]
pub(super) struct Codes {
    pub(super) lengths: Table<2048>,
    pub(super) distances: Table<256>,
    /// Those of the lengths of codes, 3.2.7.
    meta: Table<128>,
    /// Whose fixed codes are set, so that they are not made again.
    fixed: bool,
}

impl Codes {
    /// Sets the fixed codes, 3.2.6.
    pub(super) fn set_fixed(&mut self, dialect: &Dialect) -> Result<(), Stop> {
        if !self.fixed {
            let mut lengths = [8; LITERALS];
            lengths.iter_mut().take(256).skip(144).for_each(|length| *length = 9);
            lengths.iter_mut().take(280).skip(256).for_each(|length| *length = 7);
            self.set(dialect, &lengths, &[5; DISTANCES])?;
            self.fixed = true;
        }
        Ok(())
    }

    /// Reads codes, 3.2.7.
    pub(super) fn read(&mut self, dialect: &Dialect, bits: &mut Bits<'_>) -> Result<(), Stop> {
        self.fixed = false;
        let literals = bits.take(5)?.saturating_add(257);
        let distances = bits.take(5)?.saturating_add(1);
        let metas = bits.take(4)?.saturating_add(4);
        if literals > MAX_LITERALS || distances > dialect.count_of_distances() {
            return Err(NOT_DEFLATE);
        }
        let mut meta = [0; META];
        for place in META_ORDER.iter().take(metas) {
            if let Some(length) = meta.get_mut(*place) {
                *length = low_byte(bits.take(3)?);
            }
        }
        self.meta.set(&meta, &META_SYMBOLS).map_err(|_| NOT_DEFLATE)?;
        let mut lengths = [0; LITERALS + DISTANCES];
        let all = lengths.get_mut(..literals.saturating_add(distances)).unwrap_or_default();
        self.read_lengths(bits, all)?;
        let (literals, distances) = all.split_at_checked(literals).unwrap_or_default();
        // A block that cannot end is none.
        if literals.get(END_OF_BLOCK).is_none_or(|length| *length == 0) {
            return Err(NOT_DEFLATE);
        }
        self.set(dialect, literals, distances)
    }

    fn read_lengths(&self, bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), Stop> {
        let mut at = 0_usize;
        while at < lengths.len() {
            bits.refill();
            let entry = self.meta.first(bits.hold);
            if entry.is_other() {
                return Err(NOT_DEFLATE);
            }
            bits.skip(entry.bits_to_drop())?;
            let before = at.checked_sub(1).and_then(|before| lengths.get(before)).copied();
            let (length, times) = match entry.base() {
                16 => (before.ok_or(NOT_DEFLATE)?, bits.take(2)?.saturating_add(3)),
                17 => (0, bits.take(3)?.saturating_add(3)),
                18 => (0, bits.take(7)?.saturating_add(11)),
                length => (low_byte(length), 1),
            };
            let end = at.saturating_add(times);
            lengths.get_mut(at..end).ok_or(NOT_DEFLATE)?.fill(length);
            at = end;
        }
        Ok(())
    }

    fn set(&mut self, dialect: &Dialect, lengths: &[u8], distances: &[u8]) -> Result<(), Stop> {
        self.lengths.set(lengths, &dialect.lengths).map_err(|_| NOT_DEFLATE)?;
        self.distances.set(distances, &dialect.distances).map_err(|_| NOT_DEFLATE)
    }

    /// The next symbol with what belongs to it, however near the end is; none for the end of the
    /// block.
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<Option<Pending>, Stop> {
        let entry = next(&self.lengths, bits)?;
        if let Some(byte) = entry.as_literal() {
            return Ok(Some(Pending::Literal(byte)));
        }
        if entry.is_end() {
            return Ok(None);
        }
        let length = number(entry, bits)?;
        let distance = number(next(&self.distances, bits)?, bits)?;
        Ok(Some(Pending::Copy { length, distance }))
    }
}

fn next<const SIZE: usize>(table: &Table<SIZE>, bits: &mut Bits<'_>) -> Result<Entry, Stop> {
    bits.refill();
    let mut entry = table.first(bits.hold);
    if Table::<SIZE>::is_link(entry) {
        bits.skip(entry.bits_to_drop())?;
        entry = table.follow(entry, bits.hold);
    }
    bits.skip(entry.bits_to_drop())?;
    Ok(entry)
}

fn number(entry: Entry, bits: &mut Bits<'_>) -> Result<usize, Stop> {
    if entry.is_other() {
        return Err(NOT_DEFLATE);
    }
    Ok(entry.base().saturating_add(bits.take(entry.extra_bits())?))
}

impl Dialect {
    fn count_of_distances(&self) -> usize {
        self.distances.iter().filter(|entry| !entry.is_other()).count()
    }
}

fn low_byte(number: usize) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

/// Literals, the end, then lengths of 1, 1, … extra bits up to the last, which is an exception.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "at compile time"
)]
const fn length_symbols(last_base: u32, last_extra: u32) -> [Entry; LITERALS] {
    let mut symbols = [Entry::NOTHING; LITERALS];
    let mut at = 0;
    while at < 256 {
        symbols[at] = Entry::literal(at as u8);
        at += 1;
    }
    symbols[END_OF_BLOCK] = Entry::END;
    let (mut base, mut number) = (3, 0);
    while number < 28 {
        let extra = if number < 8 { 0 } else { number / 4 - 1 };
        symbols[257 + number as usize] = Entry::number(base, extra);
        base += 1 << extra;
        number += 1;
    }
    symbols[285] = Entry::number(last_base, last_extra);
    symbols
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "at compile time")]
const fn distance_symbols(count: u32) -> [Entry; DISTANCES] {
    let mut symbols = [Entry::NOTHING; DISTANCES];
    let (mut base, mut number) = (1, 0);
    while number < count {
        let extra = if number < 4 { 0 } else { number / 2 - 1 };
        symbols[number as usize] = Entry::number(base, extra);
        base += 1 << extra;
        number += 1;
    }
    symbols
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "at compile time"
)]
const fn meta_symbols() -> [Entry; META] {
    let mut symbols = [Entry::NOTHING; META];
    let mut at = 0;
    while at < META {
        symbols[at] = Entry::number(at as u32, 0);
        at += 1;
    }
    symbols
}

/// Symbols that have a code in the fixed one; the last two mean nothing.
const LITERALS: usize = 288;
/// Symbols that a block may give codes for.
const MAX_LITERALS: usize = 286;
const END_OF_BLOCK: usize = 256;
const DISTANCES: usize = 32;
const META: usize = 19;
static META_SYMBOLS: [Entry; META] = meta_symbols();
const META_ORDER: [usize; META] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
