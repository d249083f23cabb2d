//! The middle of a stream, where input and room are plenty.

use super::bits::Bits;
use super::block::Codes;
use super::table::{Entry, Table};
use super::{NOT_DEFLATE, Sink, TOO_FAR};
use crate::output::Stop;

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The block has.
    EndOfBlock,
    /// A copy for which there is no room; it has been checked.
    NoRoom { length: usize, distance: usize },
    /// The end of the input or of the room is near.
    Near,
}

/// Bytes behind the limit that a copy may write over: one step of it.
pub(super) const SPARE: usize = STEP;

/// Decodes as long as nothing is near.
///
/// Bits: a refill holds 56. Two literals of up to 11 bits and a length of up to 15 with 16 extra
/// bits take 53 of them; then it is refilled, for a distance of 15 with 14 extra bits.
pub(super) fn run(
    codes: &Codes,
    bits: &mut Bits<'_>,
    history: usize,
    sink: &mut Sink<'_>,
) -> Result<Why, Stop> {
    // Copies of its own, which the compiler keeps in registers: a fifth faster.
    let mut own_bits = bits.clone();
    let mut own_sink = Sink { buffer: &mut *sink.buffer, at: sink.at, limit: sink.limit };
    let why = rounds(codes, &mut own_bits, history, &mut own_sink);
    sink.at = own_sink.at;
    *bits = own_bits;
    why
}

#[inline(always)]
fn rounds(
    codes: &Codes,
    bits: &mut Bits<'_>,
    history: usize,
    sink: &mut Sink<'_>,
) -> Result<Why, Stop> {
    while bits.is_far_from_the_end() && sink.room() >= LITERALS_A_ROUND {
        bits.refill_whole();
        let mut entry = codes.lengths.first(bits.hold);
        if let Some(byte) = entry.as_literal() {
            bits.drop_held(entry.bits_to_drop());
            sink.put(byte);
            entry = codes.lengths.first(bits.hold);
            if let Some(byte) = entry.as_literal() {
                bits.drop_held(entry.bits_to_drop());
                sink.put(byte);
                entry = codes.lengths.first(bits.hold);
            }
        }
        entry = whole(&codes.lengths, entry, bits);
        bits.drop_held(entry.bits_to_drop());
        if let Some(byte) = entry.as_literal() {
            sink.put(byte);
            continue;
        }
        if entry.is_other() {
            return if entry.is_end() { Ok(Why::EndOfBlock) } else { Err(NOT_DEFLATE) };
        }
        let length = entry.base().wrapping_add(bits.take_held(entry.extra_bits()));
        bits.refill_whole();
        let entry = whole(&codes.distances, codes.distances.first(bits.hold), bits);
        bits.drop_held(entry.bits_to_drop());
        if entry.is_other() {
            return Err(NOT_DEFLATE);
        }
        let distance = entry.base().wrapping_add(bits.take_held(entry.extra_bits()));
        if distance > sink.at.saturating_sub(history) {
            return Err(TOO_FAR);
        }
        if length > sink.room() {
            return Ok(Why::NoRoom { length, distance });
        }
        copy(sink.buffer, sink.at, distance, length);
        sink.at = sink.at.wrapping_add(length);
    }
    Ok(Why::Near)
}

/// The entry itself, or what it links to.
#[inline]
fn whole<const SIZE: usize>(table: &Table<SIZE>, entry: Entry, bits: &mut Bits<'_>) -> Entry {
    if Table::<SIZE>::is_link(entry) {
        bits.drop_held(entry.bits_to_drop());
        table.follow(entry, bits.hold)
    } else {
        entry
    }
}

/// Copies `length` bytes to `at` from `distance` bytes before, which is not before the start. Writes
/// up to [`SPARE`] bytes more than that.
#[inline]
pub(super) fn copy(buffer: &mut [u8], at: usize, distance: usize, length: usize) {
    let end = at.wrapping_add(length);
    let (mut from, mut to) = (at.wrapping_sub(distance), at);
    if distance < STEP {
        if distance == 1 {
            let byte = buffer.get(from).copied().unwrap_or(0);
            buffer.get_mut(at..end).unwrap_or_default().fill(byte);
            return;
        }
        // What is made repeats itself: once enough of it is there, it is taken from further back.
        let begun = at.wrapping_add(length.min(STEP.wrapping_add(distance)));
        while to < begun {
            let byte = buffer.get(from).copied().unwrap_or(0);
            buffer.get_mut(to).into_iter().for_each(|place| *place = byte);
            (from, to) = (from.wrapping_add(1), to.wrapping_add(1));
        }
        let periods = STEP.div_ceil(distance.max(1));
        from = to.wrapping_sub(periods.wrapping_mul(distance));
    }
    while to < end {
        let Some(step) = buffer.get(from..).and_then(|rest| rest.first_chunk::<STEP>()).copied()
        else {
            return;
        };
        let place = buffer.get_mut(to..).and_then(|rest| rest.first_chunk_mut::<STEP>());
        place.into_iter().for_each(|place| *place = step);
        (from, to) = (from.wrapping_add(STEP), to.wrapping_add(STEP));
    }
}

const STEP: usize = 16;
/// Literals that one round can make.
const LITERALS_A_ROUND: usize = 3;
