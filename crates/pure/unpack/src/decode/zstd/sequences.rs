//! Sequences of a block, section 3.1.1.3.2.

use std::sync::LazyLock;

use watchglass_bytes::Reader;

use super::DAMAGED;
use super::block::Pending;
use super::fse::Table;
use super::reverse::ReverseBits;
use crate::output::Stop;

/// The tables that the next block may use again.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    literals: Option<Table>,
    offsets: Option<Table>,
    lengths: Option<Table>,
}

/// A sequence as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) literals: usize,
    pub(super) length: usize,
    pub(super) offset_value: usize,
}

/// The sequences of a block while they are read.
#[derive(Debug)]
pub(super) struct Reading<'s> {
    literals: &'s Table,
    offsets: &'s Table,
    lengths: &'s Table,
    bits: ReverseBits<'s>,
    /// Numbers of the three states.
    states: [usize; 3],
    left: usize,
    pending: Option<Pending>,
}

impl Sequences {
    /// Reads the head of the section, which ends the block.
    pub(super) fn begin<'s>(&'s mut self, reader: &mut Reader<'s>) -> Result<Reading<'s>, Stop> {
        let count = count(reader)?;
        if count > 0 {
            let modes = reader.u8("Symbol_Compression_Modes").map_err(|_| DAMAGED)?;
            if modes & 3 != 0 {
                return Err(DAMAGED);
            }
            set(&mut self.literals, modes >> 6, &LITERALS, reader)?;
            set(&mut self.offsets, modes >> 4 & 3, &OFFSETS, reader)?;
            set(&mut self.lengths, modes >> 2 & 3, &LENGTHS, reader)?;
        }
        let table = |own: &'s Option<Table>, of: &'static Kind| own.as_ref().unwrap_or(&of.table);
        let mut reading = Reading {
            literals: table(&self.literals, &LITERALS),
            offsets: table(&self.offsets, &OFFSETS),
            lengths: table(&self.lengths, &LENGTHS),
            bits: ReverseBits::new(&[1], 1)?,
            states: [0; 3],
            left: count,
            pending: None,
        };
        if count > 0 {
            reading.begin(reader.rest())?;
        } else if reader.left() > 0 {
            return Err(DAMAGED);
        }
        Ok(reading)
    }
}

impl<'s> Reading<'s> {
    fn begin(&mut self, bytes: &'s [u8]) -> Result<(), Stop> {
        self.bits = ReverseBits::new(bytes, bytes.len())?;
        let logs = [self.literals, self.offsets, self.lengths].map(|table| table.accuracy_log);
        for (state, log) in self.states.iter_mut().zip(logs) {
            *state = number(self.bits.take(log));
        }
        if self.bits.is_beyond() { Err(DAMAGED) } else { Ok(()) }
    }

    /// What was kept for want of room.
    pub(super) fn pending(&mut self) -> Option<Pending> {
        self.pending.take()
    }

    /// Keeps what there was no room for.
    pub(super) fn keep(&mut self, pending: Pending) {
        self.pending = Some(pending);
    }

    /// The next sequence; none behind the last.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Sequence>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        let [literals, offset, length] = self.states;
        let literals = self.literals.state(literals);
        let offset = self.offsets.state(offset);
        let length = self.lengths.state(length);
        let offset_bits = u32::from(offset.symbol);
        let low = number(self.bits.take(offset_bits));
        let value = |(base, bits): (u32, u8), reading: &mut ReverseBits<'_>| {
            number(u64::from(base)).saturating_add(number(reading.take(bits.into())))
        };
        let sequence = Sequence {
            offset_value: 1_usize.wrapping_shl(offset_bits).saturating_add(low),
            length: value(code(&LENGTH_CODES, length.symbol)?, &mut self.bits),
            literals: value(code(&LITERAL_CODES, literals.symbol)?, &mut self.bits),
        };
        self.left = self.left.wrapping_sub(1);
        if self.left > 0 {
            let mut follow = |state: super::fse::State| {
                usize::from(state.base).saturating_add(number(self.bits.take(state.bits.into())))
            };
            let (literals, length, offset) = (follow(literals), follow(length), follow(offset));
            self.states = [literals, offset, length];
            if self.bits.is_beyond() {
                return Err(DAMAGED);
            }
        } else if !self.bits.is_at_end() {
            return Err(DAMAGED);
        }
        Ok(Some(sequence))
    }
}

/// Number_of_Sequences.
fn count(reader: &mut Reader<'_>) -> Result<usize, Stop> {
    let mut byte = || reader.u8("Number_of_Sequences").map(usize::from).map_err(|_| DAMAGED);
    Ok(match byte()? {
        255 => {
            let (low, high) = (byte()?, byte()?);
            (high << 8 | low).saturating_add(0x7f00)
        }
        first @ 128.. => (first & 0x7f) << 8 | byte()?,
        first => first,
    })
}

/// Sets a table as its mode says.
fn set(
    table: &mut Option<Table>,
    mode: u8,
    kind: &Kind,
    reader: &mut Reader<'_>,
) -> Result<(), Stop> {
    match mode & 3 {
        // That of the RFC, for which none of its own stands.
        0 => *table = None,
        1 => {
            let symbol = reader.u8("Table").map_err(|_| DAMAGED)?;
            if usize::from(symbol) >= kind.symbols {
                return Err(DAMAGED);
            }
            *table = Some(Table::of_one(symbol));
        }
        2 => {
            let (read, used) =
                Table::read(reader.clone().rest(), kind.max_accuracy_log, kind.symbols)?;
            reader.take("Table", used).map_err(|_| DAMAGED)?;
            *table = Some(read);
        }
        _ => {}
    }
    Ok(())
}

fn number(bits: u64) -> usize {
    usize::try_from(bits).unwrap_or(usize::MAX)
}

fn code(codes: &[(u32, u8)], symbol: u8) -> Result<(u32, u8), Stop> {
    codes.get(usize::from(symbol)).copied().ok_or(DAMAGED)
}

/// What is known of one of the three kinds of symbols, section 3.1.1.3.2.1.
struct Kind {
    symbols: usize,
    max_accuracy_log: u32,
    /// The predefined one, 3.1.1.3.2.2.
    table: LazyLock<Table>,
}

static LITERALS: Kind = Kind {
    symbols: 36,
    max_accuracy_log: 9,
    table: LazyLock::new(|| predefined(&LITERAL_COUNTS, 6)),
};
static OFFSETS: Kind = Kind {
    symbols: 32,
    max_accuracy_log: 8,
    table: LazyLock::new(|| predefined(&OFFSET_COUNTS, 5)),
};
static LENGTHS: Kind = Kind {
    symbols: 53,
    max_accuracy_log: 9,
    table: LazyLock::new(|| predefined(&LENGTH_COUNTS, 6)),
};

fn predefined(counts: &[i16], accuracy_log: u32) -> Table {
    // The counts of the RFC make a table; a test says so.
    Table::of(counts, accuracy_log).unwrap_or_default()
}

const LITERAL_COUNTS: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
    -1, -1, -1, -1,
];
const LENGTH_COUNTS: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
const OFFSET_COUNTS: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];

/// Base and extra bits of each code for a number of literals.
const LITERAL_CODES: [(u32, u8); 36] = [
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 0),
    (12, 0),
    (13, 0),
    (14, 0),
    (15, 0),
    (16, 1),
    (18, 1),
    (20, 1),
    (22, 1),
    (24, 2),
    (28, 2),
    (32, 3),
    (40, 3),
    (48, 4),
    (64, 6),
    (128, 7),
    (256, 8),
    (512, 9),
    (1024, 10),
    (2048, 11),
    (4096, 12),
    (8192, 13),
    (16384, 14),
    (32768, 15),
    (65536, 16),
];

/// The same for the length of a copy.
const LENGTH_CODES: [(u32, u8); 53] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 0),
    (12, 0),
    (13, 0),
    (14, 0),
    (15, 0),
    (16, 0),
    (17, 0),
    (18, 0),
    (19, 0),
    (20, 0),
    (21, 0),
    (22, 0),
    (23, 0),
    (24, 0),
    (25, 0),
    (26, 0),
    (27, 0),
    (28, 0),
    (29, 0),
    (30, 0),
    (31, 0),
    (32, 0),
    (33, 0),
    (34, 0),
    (35, 1),
    (37, 1),
    (39, 1),
    (41, 1),
    (43, 2),
    (47, 2),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 5),
    (131, 7),
    (259, 8),
    (515, 9),
    (1027, 10),
    (2051, 11),
    (4099, 12),
    (8195, 13),
    (16387, 14),
    (32771, 15),
    (65539, 16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predefined_counts_are_tables() {
        for (counts, log) in
            [(&LITERAL_COUNTS[..], 6), (&LENGTH_COUNTS[..], 6), (&OFFSET_COUNTS[..], 5)]
        {
            assert!(Table::of(counts, log).is_ok());
        }
    }
}
