//! The middle of a stream, where input and room are plenty.

use super::bits::Bits;
use super::block::Codes;
use super::table::{Entry, Table};
use super::{NOT_DEFLATE, Sink, TOO_FAR};
use crate::decode::copy::copy;
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

/// Literals that one round can make.
const LITERALS_A_ROUND: usize = 3;
