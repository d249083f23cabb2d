//! Blocks, section 3.1.1.2.

use watchglass_bytes::Reader;

use super::DAMAGED;
use super::literals::Literals;
use super::sequences::{Sequence, Sequences};
use crate::decode::copy::{SPARE, copy};
use crate::output::{Output, Stop};

/// Unpacks all blocks of a frame, whose content begins at `start` of the output.
pub(super) fn all(reader: &mut Reader<'_>, start: usize, out: &mut Output<'_>) -> Result<(), Stop> {
    let mut state = State { start, ..State::default() };
    loop {
        let header = reader.array::<3>("Block_Header").map_err(|_| CUT_OFF)?;
        let [low, middle, high] = *header;
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let size = usize::try_from(header >> 3).unwrap_or(usize::MAX);
        if size > MAX_BLOCK {
            return Err(DAMAGED);
        }
        match header >> 1 & 3 {
            0 => raw(reader, size, out)?,
            1 => {
                let byte = reader.u8("Block_Content").map_err(|_| CUT_OFF)?;
                out.read(0)?;
                out.repeat(byte, size)?;
            }
            2 => {
                let bytes = reader.take("Block_Content", size).map_err(|_| CUT_OFF)?;
                out.read(size)?;
                state.compressed(bytes, out)?;
            }
            _ => return Err(DAMAGED),
        }
        if header & 1 == 1 {
            return Ok(());
        }
    }
}

/// A block that stands as it is; what is there of it when it is cut off.
fn raw(reader: &mut Reader<'_>, size: usize, out: &mut Output<'_>) -> Result<(), Stop> {
    let there = reader.left().min(size);
    let bytes = reader.take("Block_Content", there).map_err(|_| CUT_OFF)?;
    out.read(there)?;
    out.extend(bytes)?;
    if there < size { Err(CUT_OFF) } else { Ok(()) }
}

/// What blocks take over from those before them.
#[derive(Debug, Default)]
struct State {
    start: usize,
    literals: Literals,
    sequences: Sequences,
    offsets: RepeatedOffsets,
}

impl State {
    /// Section 3.1.1.3: literals, then what is done with them.
    fn compressed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
        let mut reader = Reader::new(bytes);
        self.literals.read(&mut reader)?;
        let mut sequences = self.sequences.begin(&mut reader)?;
        out.want(MAX_BLOCK)?;
        let (start, offsets) = (self.start, &mut self.offsets);
        let (mut literals, mut made) = (self.literals.bytes(), 0_usize);
        // Mostly one round: less room is granted only near a limit.
        loop {
            let step = out.grow(MAX_BLOCK, SPARE, |buffer, at, limit| {
                let mut sink = Sink { buffer, start, at, limit };
                let step = sink.run(&mut sequences, &mut literals, offsets);
                (sink.at, (step, sink.at.saturating_sub(at)))
            });
            let (step, now) = step?;
            made = made.saturating_add(now);
            if made > MAX_BLOCK {
                return Err(DAMAGED);
            }
            match step? {
                Step::Ended => return Ok(()),
                Step::Full => {}
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ended,
    /// There was no room for all.
    Full,
}

struct Sink<'o> {
    buffer: &'o mut [u8],
    /// Where the frame begins.
    start: usize,
    at: usize,
    limit: usize,
}

impl Sink<'_> {
    /// Section 3.1.1.4.
    fn run(
        &mut self,
        sequences: &mut super::sequences::Reading<'_>,
        literals: &mut &[u8],
        offsets: &mut RepeatedOffsets,
    ) -> Result<Step, Stop> {
        loop {
            let sequence = match sequences.pending() {
                Some(pending) => pending,
                None => match sequences.next()? {
                    Some(read) => Pending::of(read, offsets)?,
                    None => {
                        let left = self.literal(literals, literals.len())?;
                        return Ok(if left == 0 { Step::Ended } else { Step::Full });
                    }
                },
            };
            let left = self.make(sequence, literals)?;
            if left != Pending::default() {
                sequences.keep(left);
                return Ok(Step::Full);
            }
        }
    }

    /// Does what there is room for; gives what is left.
    #[inline]
    fn make(&mut self, mut pending: Pending, literals: &mut &[u8]) -> Result<Pending, Stop> {
        pending.literals = self.literal(literals, pending.literals)?;
        if pending.literals > 0 {
            return Ok(pending);
        }
        if pending.offset > self.at.saturating_sub(self.start) || pending.offset == 0 {
            return Err(Stop::Damaged("a copy from before the start"));
        }
        let now = pending.length.min(self.limit.saturating_sub(self.at));
        copy(self.buffer, self.at, pending.offset, now);
        self.at = self.at.wrapping_add(now);
        match pending.length.saturating_sub(now) {
            0 => Ok(Pending::default()),
            length => Ok(Pending { length, ..pending }),
        }
    }

    /// Copies literals as there is room; gives how many are left.
    #[inline]
    fn literal(&mut self, literals: &mut &[u8], count: usize) -> Result<usize, Stop> {
        let now = count.min(self.limit.saturating_sub(self.at));
        let (bytes, later) = literals.split_at_checked(now).ok_or(DAMAGED)?;
        let end = self.at.wrapping_add(now);
        let place = self.buffer.get_mut(self.at..end).ok_or(DAMAGED)?;
        place.copy_from_slice(bytes);
        (*literals, self.at) = (later, end);
        Ok(count.saturating_sub(now))
    }
}

/// A sequence that is to be done: literals, then a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    literals: usize,
    length: usize,
    offset: usize,
}

impl Pending {
    fn of(sequence: Sequence, offsets: &mut RepeatedOffsets) -> Result<Self, Stop> {
        let offset = offsets.offset(sequence.offset_value, sequence.literals == 0)?;
        Ok(Self { literals: sequence.literals, length: sequence.length, offset })
    }
}

/// Section 3.1.1.5.
#[derive(Debug)]
struct RepeatedOffsets([usize; 3]);

impl Default for RepeatedOffsets {
    fn default() -> Self {
        Self([1, 4, 8])
    }
}

impl RepeatedOffsets {
    fn offset(&mut self, value: usize, without_literals: bool) -> Result<usize, Stop> {
        let [first, second, third] = self.0;
        let which = value.saturating_add(usize::from(without_literals && value <= 3));
        let (offset, rest) = match (which, value) {
            (1, _) => return Ok(first),
            (2, _) => (second, [first, third]),
            (3, 2 | 3) => (third, [first, second]),
            (4, 3) => (first.saturating_sub(1), [first, second]),
            (_, value) => (value.checked_sub(3).ok_or(DAMAGED)?, [first, second]),
        };
        let [second, third] = rest;
        self.0 = [offset, second, third];
        Ok(offset)
    }
}

/// Block_Maximum_Size, section 3.1.1.2.4, whatever the window is.
pub(super) const MAX_BLOCK: usize = 128 << 10;
const CUT_OFF: Stop = Stop::Damaged("the zstd frame is cut off");
