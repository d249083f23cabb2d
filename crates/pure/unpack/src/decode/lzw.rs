//! LZW as compress(1) writes it (`.Z`), after what ncompress and gzip read.

use super::Decoded;
use super::bits::LsbBits;
use crate::output::{Output, Stop};

/// Unpacks the codes that follow the header of three bytes. They have no end but the file's.
pub(crate) fn decompress(
    input: &[u8],
    max_bits: u32,
    block_mode: bool,
    out: &mut Output<'_>,
) -> Decoded {
    let mut state = State {
        bits: LsbBits::new(input),
        max_bits,
        first_free: if block_mode { CLEAR.wrapping_add(1) } else { CLEAR },
        strings: Vec::new(),
        width: MIN_BITS,
        in_group: 0,
        previous: None,
    };
    let result = state.run(out, block_mode);
    let used = if result.is_ok() { input.len() } else { state.bits.used() };
    Decoded { used, result, faults: Vec::new() }
}

#[derive(Debug)]
struct State<'a> {
    bits: LsbBits<'a>,
    max_bits: u32,
    first_free: u32,
    /// The string of each code from 256 on: where in the output it stands, and its length.
    strings: Vec<(usize, usize)>,
    width: u32,
    /// Codes come in groups of eight of one width; a group that a change of width cuts short is
    /// filled with bits that mean nothing.
    in_group: u32,
    /// The string of the code before.
    previous: Option<(usize, usize)>,
}

impl State<'_> {
    fn run(&mut self, out: &mut Output<'_>, block_mode: bool) -> Result<(), Stop> {
        if block_mode {
            self.strings.push((0, 0)); // the place of CLEAR
        }
        let mut codes = 0_usize;
        while let Some(code) = self.next_code()? {
            codes = codes.wrapping_add(1);
            if codes.is_multiple_of(4096) {
                out.read(4096)?;
            }
            if block_mode && code == CLEAR && self.previous.is_some() {
                self.clear()?;
                continue;
            }
            self.write(code, out)?;
        }
        Ok(())
    }

    /// The next code; None where the input ends.
    fn next_code(&mut self) -> Result<Option<u32>, Stop> {
        let free = CLEAR.saturating_add(u32::try_from(self.strings.len()).unwrap_or(u32::MAX));
        let grows =
            self.width < self.max_bits && free > 1_u32.wrapping_shl(self.width).wrapping_sub(1);
        if grows && free >= self.first_free {
            self.fill_group()?;
            self.width = self.width.wrapping_add(1);
        }
        if self.bits.has_fewer_than(self.width) {
            return Ok(None);
        }
        self.in_group = self.in_group.wrapping_add(1) % 8;
        self.bits.take(self.width).map(Some)
    }

    fn clear(&mut self) -> Result<(), Stop> {
        self.fill_group()?;
        self.strings.clear();
        self.width = MIN_BITS;
        Ok(())
    }

    /// Steps over what fills the group. At the end of the input there may be less.
    fn fill_group(&mut self) -> Result<(), Stop> {
        while self.in_group != 0 {
            if self.bits.has_fewer_than(self.width) {
                self.in_group = 0;
                return Ok(());
            }
            self.bits.skip(self.width)?;
            self.in_group = self.in_group.wrapping_add(1) % 8;
        }
        Ok(())
    }

    fn write(&mut self, code: u32, out: &mut Output<'_>) -> Result<(), Stop> {
        let start = out.len();
        let is_full = self.strings.len() >= (1_usize << self.max_bits.min(16)).saturating_sub(256);
        if let Some((at, length)) = self.previous.filter(|_| !is_full) {
            // The string before and one byte more, which stand together in the output; the byte may
            // be the first of the string that is written now.
            self.strings.push((at, length.saturating_add(1)));
        }
        let length = match code.checked_sub(CLEAR) {
            None => {
                out.push(u8::try_from(code).unwrap_or(0))?;
                1
            }
            Some(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let string = self.strings.get(index).copied();
                let (at, length) = string.ok_or(Stop::Damaged("an LZW code before its string"))?;
                out.copy_back(start.saturating_sub(at), length)?;
                length
            }
        };
        self.previous = Some((start, length));
        Ok(())
    }
}

const MIN_BITS: u32 = 9;
/// In block mode this code forgets all strings; otherwise it is the first free one.
const CLEAR: u32 = 256;
