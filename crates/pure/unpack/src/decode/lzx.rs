//! LZX as cabinets and help files have it, \[MS-PATCH\] 2 without its extensions and Microsoft's
//! "LZX Data Compression Format" of 1997.
//!
//! Own code, since lzxd (0.2) wants the input cut at frames, which help files that others than
//! Microsoft write are not to the byte, and begins to count the places of calls anew with each reset.

use super::bits::MsbBits;
use super::prefix::Codes;
use crate::output::{Output, Stop};

/// What is read: bytes, and the same with the two of each word swapped, which makes the bits of both
/// follow each other.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    swapped: Vec<u8>,
}

impl<'a> Input<'a> {
    /// Costs a copy.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut swapped = Vec::with_capacity(bytes.len().saturating_add(4));
        for word in bytes.chunks(2) {
            swapped.extend([word.get(1).copied().unwrap_or(0), word.first().copied().unwrap_or(0)]);
        }
        // Some writers leave out the last word, where no bit of it is set.
        swapped.extend([0; 2]);
        Self { bytes, swapped }
    }
}

/// The decoder between two frames.
#[derive(Debug)]
pub(crate) struct Lzx {
    /// Slots of distances, by the size of the window.
    slots: usize,
    window: usize,
    /// Lengths of codes, from which those of the next block are told.
    main: Vec<u8>,
    lengths: Vec<u8>,
    /// The distances of the last three copies.
    recent: [usize; 3],
    block: Block,
    /// Whether the first bits were read, which say whether calls are changed.
    has_header: bool,
    /// Where the next frame begins in the input.
    at: usize,
    calls: Calls,
}

/// The block that is being read.
#[derive(Debug, Default)]
struct Block {
    kind: Kind,
    left: usize,
}

#[derive(Debug, Default)]
enum Kind {
    #[default]
    None,
    Verbatim(Codes, Codes),
    Aligned(Codes, Codes, Codes),
    Uncompressed,
}

/// Where the targets of calls of x86 are absolute: from so many bytes on, for files of such a size.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<(usize, i32)>);

impl Lzx {
    /// A decoder with a window of 2^`window_bits` bytes; None where LZX has no such.
    pub(crate) fn new(window_bits: u32) -> Option<Self> {
        let slots = match window_bits {
            15..=19 => usize::try_from(window_bits).ok()?.saturating_mul(2),
            20 => 42,
            21 => 50,
            _ => return None,
        };
        let mut lzx = Self {
            slots,
            window: 1_usize.checked_shl(window_bits)?,
            main: Vec::new(),
            lengths: Vec::new(),
            recent: [1; 3],
            block: Block::default(),
            has_header: false,
            at: 0,
            calls: Calls::default(),
        };
        lzx.reset(0);
        Some(lzx)
    }

    /// Begins again at a place of the input.
    pub(crate) fn reset(&mut self, at: usize) {
        self.main = vec![0; LITERALS.saturating_add(self.slots.saturating_mul(8))];
        self.lengths = vec![0; LENGTHS];
        (self.recent, self.block, self.has_header) = ([1; 3], Block::default(), false);
        self.at = at;
    }

    /// What is to be done with all that was made.
    pub(crate) fn calls(self) -> Calls {
        self.calls
    }

    /// Where it stands in the input.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Unpacks one frame of `size` bytes. What it fails in makes less, never more.
    pub(crate) fn frame(
        &mut self,
        input: &Input<'_>,
        size: usize,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let (start, from) = (out.len(), self.at);
        let end = start.saturating_add(size);
        let mut bits = Bits::at(input, self.at);
        if !self.has_header {
            let size = if bits.msb.flag()? { bits.msb.take(32)? } else { 0 };
            self.has_header = true;
            self.calls.0.push((start, i32::from_le_bytes(size.to_le_bytes())));
        }
        while out.len() < end {
            if self.block.left == 0 {
                out.read(0)?;
                self.begin(input, &mut bits)?;
            }
            let before = out.len();
            let wanted = end.saturating_sub(before).min(self.block.left);
            match &self.block.kind {
                Kind::Uncompressed => self.copy(input, wanted, out)?,
                _ => self.symbols(&mut bits.msb, before.saturating_add(wanted), out)?,
            }
            let made = out.len().saturating_sub(before);
            self.block.left = self.block.left.saturating_sub(made);
        }
        if !matches!(self.block.kind, Kind::Uncompressed) {
            self.at = bits.place().next_multiple_of(2);
        }
        out.read(self.at.saturating_sub(from))
    }

    /// The header of a block.
    fn begin<'i>(&mut self, input: &'i Input<'_>, bits: &mut Bits<'i>) -> Result<(), Stop> {
        if matches!(self.block.kind, Kind::Uncompressed) {
            // Filled up to a word.
            *bits = Bits::at(input, self.at.next_multiple_of(2));
        }
        let msb = &mut bits.msb;
        let kind = msb.take(3)?;
        let size = usize::try_from(msb.take(24)?).unwrap_or(usize::MAX);
        let kind = match kind {
            1 => self.verbatim(msb)?,
            2 => {
                let mut lengths = [0; 8];
                for length in &mut lengths {
                    *length = u8::try_from(msb.take(3)?).unwrap_or(0);
                }
                let aligned = Codes::new(&lengths);
                match self.verbatim(msb)? {
                    Kind::Verbatim(main, lengths) => Kind::Aligned(main, lengths, aligned),
                    other => other,
                }
            }
            3 => {
                // One to sixteen bits up to a word.
                msb.take(1)?;
                self.uncompressed(input, bits.place().next_multiple_of(2))?
            }
            _ => return Err(Stop::Damaged("a block of LZX of no known kind")),
        };
        self.block = Block { kind, left: size };
        Ok(())
    }

    fn verbatim(&mut self, bits: &mut MsbBits<'_>) -> Result<Kind, Stop> {
        read_lengths(bits, &mut self.main, 0, LITERALS)?;
        let end = self.main.len();
        read_lengths(bits, &mut self.main, LITERALS, end)?;
        read_lengths(bits, &mut self.lengths, 0, LENGTHS)?;
        Ok(Kind::Verbatim(Codes::new(&self.main), Codes::new(&self.lengths)))
    }

    /// The distances of the last three copies, before bytes as they are.
    fn uncompressed(&mut self, input: &Input<'_>, at: usize) -> Result<Kind, Stop> {
        let bytes = input.bytes.get(at..).and_then(|rest| rest.first_chunk::<12>()).ok_or(CUT)?;
        for (recent, bytes) in self.recent.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *recent = usize::try_from(u32::from_le_bytes(*bytes)).unwrap_or(usize::MAX);
        }
        self.at = at.saturating_add(12);
        Ok(Kind::Uncompressed)
    }

    fn copy(&mut self, input: &Input<'_>, wanted: usize, out: &mut Output<'_>) -> Result<(), Stop> {
        let rest = input.bytes.get(self.at..).unwrap_or_default();
        let bytes = rest.get(..wanted).unwrap_or(rest);
        self.at = self.at.saturating_add(bytes.len());
        out.extend(bytes)?;
        if bytes.len() < wanted { Err(CUT) } else { Ok(()) }
    }

    /// Bytes and copies, until the output has `end`.
    fn symbols(
        &mut self,
        bits: &mut MsbBits<'_>,
        end: usize,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let (main, lengths, aligned) = match &self.block.kind {
            Kind::Verbatim(main, lengths) => (main, lengths, None),
            Kind::Aligned(main, lengths, aligned) => (main, lengths, Some(aligned)),
            Kind::None | Kind::Uncompressed => return Ok(()),
        };
        let recent = &mut self.recent;
        while out.len() < end {
            let symbol = main.next(bits)?;
            let Some(copy) = symbol.checked_sub(LITERALS) else {
                out.push(u8::try_from(symbol).unwrap_or(0))?;
                continue;
            };
            let length = match copy & 7 {
                7 => lengths.next(bits)?.saturating_add(9),
                length => length.saturating_add(2),
            };
            match copy >> 3 {
                0 => {}
                slot @ (1 | 2) => recent.swap(0, slot),
                slot => {
                    recent.rotate_right(1);
                    recent[0] = distance(slot, aligned, bits)?;
                }
            }
            let [distance, ..] = *recent;
            if distance > self.window {
                return Err(Stop::Damaged("a copy of LZX from before its window"));
            }
            let room = end.saturating_sub(out.len());
            out.copy_back(distance, length.min(room))?;
            if length > room {
                return Err(Stop::Damaged("a copy of LZX beyond its block or its frame"));
            }
        }
        Ok(())
    }
}

/// How far back a copy begins, by its slot and the bits that follow.
fn distance(slot: usize, aligned: Option<&Codes>, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
    // Two slots for each number of bits, up to 17 of them.
    let (extra, base) = match slot {
        ..36 => {
            let extra = (slot / 2).saturating_sub(1);
            (extra, (2 | slot & 1).wrapping_shl(u32::try_from(extra).unwrap_or(0)))
        }
        _ => (17, slot.saturating_sub(34).wrapping_shl(17)),
    };
    let mut take = |extra: usize| match u32::try_from(extra).unwrap_or(0) {
        0 => Ok(0),
        extra => bits.take(extra).map(|bits| usize::try_from(bits).unwrap_or(0)),
    };
    let more = match (aligned, extra) {
        (Some(aligned), 3..) => {
            let high = take(extra.saturating_sub(3))?;
            high.wrapping_shl(3) | aligned.next(bits)?
        }
        _ => take(extra)?,
    };
    Ok(base.saturating_add(more).saturating_sub(2))
}

/// Lengths of codes, told by how much they are less than before.
fn read_lengths(
    bits: &mut MsbBits<'_>,
    lengths: &mut [u8],
    from: usize,
    end: usize,
) -> Result<(), Stop> {
    let mut levels = [0; 20];
    for level in &mut levels {
        *level = u8::try_from(bits.take(4)?).unwrap_or(0);
    }
    let levels = Codes::new(&levels);
    let mut at = from;
    while at < end {
        let (count, less) = match levels.next(bits)? {
            17 => (bits.take(4)?.saturating_add(4), None),
            18 => (bits.take(5)?.saturating_add(20), None),
            19 => (bits.take(1)?.saturating_add(4), Some(levels.next(bits)?)),
            less => (1, Some(less)),
        };
        let before = lengths.get(at).copied().unwrap_or(0);
        let length = match less {
            None => 0,
            Some(less @ ..17) => {
                let less = u8::try_from(less).unwrap_or(0);
                before.saturating_add(17).saturating_sub(less) % 17
            }
            Some(_) => return Err(Stop::Damaged("a run of runs in LZX")),
        };
        let after = at.saturating_add(usize::try_from(count).unwrap_or(0));
        lengths
            .get_mut(at..)
            .unwrap_or_default()
            .iter_mut()
            .take(after.saturating_sub(at))
            .for_each(|place| *place = length);
        at = after;
    }
    Ok(())
}

/// Bits of the input from a place on.
#[derive(Debug)]
struct Bits<'i> {
    msb: MsbBits<'i>,
    from: usize,
}

impl<'i> Bits<'i> {
    fn at(input: &'i Input<'_>, from: usize) -> Self {
        Self { msb: MsbBits::new(input.swapped.get(from..).unwrap_or_default()), from }
    }

    /// The first byte of which no bit was used.
    fn place(&self) -> usize {
        self.from.saturating_add(self.msb.used())
    }
}

impl Calls {
    /// Makes the targets of calls in `bytes`, which is all that was made, relative again.
    pub(crate) fn undo(&self, bytes: &mut [u8]) {
        let ends = self.0.iter().skip(1).map(|(start, _)| *start).chain([bytes.len()]);
        let parts: Vec<_> = self.0.iter().zip(ends).collect();
        for (&(start, size), end) in parts {
            let end = end.min(MOST_OF_CALLS);
            let part = bytes.get_mut(start..end).filter(|_| size != 0).unwrap_or_default();
            for (frame, at) in part.chunks_mut(FRAME).zip((start..).step_by(FRAME)) {
                undo(frame, at, size);
            }
        }
    }
}

/// In one frame, of which the last ten bytes are left as they are.
fn undo(frame: &mut [u8], start: usize, size: i32) {
    let end = frame.len().saturating_sub(10);
    let mut at = 0_usize;
    while let Some(call) = frame.get(at..end).and_then(|rest| memchr::memchr(0xe8, rest)) {
        let target = at.saturating_add(call).saturating_add(1);
        let here = i32::try_from(start.saturating_add(target)).unwrap_or(i32::MAX).wrapping_sub(1);
        if let Some(bytes) = frame.get_mut(target..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            let absolute = i32::from_le_bytes(*bytes);
            if absolute >= here.wrapping_neg() && absolute < size {
                let less = if absolute >= 0 { here } else { size.wrapping_neg() };
                *bytes = absolute.wrapping_sub(less).to_le_bytes();
            }
        }
        at = target.saturating_add(4);
    }
}

/// Bytes that are made at once, as the formats count them.
pub(crate) const FRAME: usize = 32 << 10;
const LITERALS: usize = 256;
const LENGTHS: usize = 249;
/// Calls are changed in the first GiB.
const MOST_OF_CALLS: usize = 1 << 30;
const CUT: Stop = Stop::Damaged("the stream is cut off");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::limits::Limits;

    fn words(bits: &[(u32, u32)], bytes: &[u8]) -> Vec<u8> {
        let all: String =
            bits.iter().map(|&(count, bits)| format!("{bits:0w$b}", w = count as usize)).collect();
        let bit = |at: usize| all.as_bytes().get(at) == Some(&b'1');
        let word =
            |start: usize| (0..16).fold(0, |word: u16, at| word << 1 | u16::from(bit(start + at)));
        let words = (0..all.len()).step_by(16).flat_map(|start| word(start).to_le_bytes());
        words.chain(bytes.iter().copied()).collect()
    }

    fn frames(input: &[u8], size: usize) -> (Vec<u8>, Result<(), Stop>) {
        let budget = Budget::new(Limits::CLAMAV, 1, &|| false);
        let (mut out, mut lzx) = (Output::unpaid(&budget), Lzx::new(16).unwrap());
        let (input, mut result) = (Input::new(input), Ok(()));
        while out.len() < size && result.is_ok() {
            result = lzx.frame(&input, FRAME.min(size - out.len()), &mut out);
        }
        lzx.calls().undo(out.bytes_mut());
        (out.finish(), result)
    }

    #[test]
    fn blocks_that_are_not_packed_are_filled_up_to_words() {
        let recent = [1_u32, 1, 1].map(u32::to_le_bytes).concat();
        let one = words(&[(1, 0), (3, 3), (24, 3)], &[&recent[..], b"abc\0"].concat());
        let two = words(&[(3, 3), (24, 1)], &[&recent[..], b"d"].concat());
        assert_eq!(frames(&[one, two].concat(), 4), (b"abcd".to_vec(), Ok(())));
        assert_eq!(frames(&words(&[(1, 0), (3, 0), (24, 3)], &[]), 4).0, b"");
    }

    /// By the rules of Microsoft's text: what lies in the file becomes a distance.
    #[test]
    fn calls_are_made_relative_again() {
        let recent = [1_u32, 1, 1].map(u32::to_le_bytes).concat();
        let body = |target: i32| [&[0x90, 0xe8][..], &target.to_le_bytes(), &[0x90; 10]].concat();
        let file = |target| {
            let bits = [(1, 1), (16, 0), (16, 1000), (3, 3), (24, 16)];
            frames(&words(&bits, &[&recent[..], &body(target)].concat()), 16).0
        };
        assert_eq!(file(7), body(6));
        assert_eq!(file(-1), body(999));
        assert_eq!(file(1000), body(1000));
        assert_eq!(file(-2), body(-2));
    }
}
