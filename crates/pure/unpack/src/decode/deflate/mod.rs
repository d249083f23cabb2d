//! Deflate, RFC 1951, and Deflate64, which is method 9 of zip.
//!
//! What is made lies in one piece with all that was made before, so the output is the window, and a
//! copy is a copy. Nearly all of a stream is decoded by [`fast`], which looks neither at the input's
//! end nor at the limit's for each bit; the rest of this module decodes the same symbols where one
//! of them is near.

mod bits;
mod block;
mod fast;
mod table;

use bits::Bits;
use block::{Codes, Dialect};

use super::Decoded;
use super::copy::{SPARE, copy};
use crate::output::{Output, Stop};

/// Inflates one stream.
pub(crate) fn inflate(input: &[u8], out: &mut Output<'_>) -> Decoded {
    run(&block::DEFLATE, input, out.len(), out)
}

/// Inflates one stream that may copy from what the output holds.
pub(crate) fn continued(input: &[u8], out: &mut Output<'_>) -> Decoded {
    run(&block::DEFLATE, input, 0, out)
}

/// Inflates one stream of Deflate64.
pub(crate) fn inflate64(input: &[u8], out: &mut Output<'_>) -> Decoded {
    run(&block::DEFLATE64, input, out.len(), out)
}

fn run(dialect: &'static Dialect, input: &[u8], history: usize, out: &mut Output<'_>) -> Decoded {
    let mut state = Inflater::new(dialect, input, history);
    let result = loop {
        let used = state.bits.used();
        let step = out.grow(usize::MAX, SPARE, |buffer, start, limit| {
            let mut sink = Sink { buffer, at: start, limit };
            let step = state.go_on(&mut sink);
            (sink.at, step)
        });
        let read = out.read(state.bits.used().saturating_sub(used));
        match step.flatten().and_then(|step| read.map(|()| step)) {
            Ok(Step::Ended) => break Ok(()),
            Ok(Step::GoOn) => {}
            Err(stop) => break Err(stop),
        }
    };
    // Where it does not end, all there is was read: up to two bytes of it began a symbol.
    let cut_off = result == Err(bits::CUT_OFF);
    let used = if cut_off { input.len() } else { state.bits.used() };
    Decoded { used, result, faults: Vec::new() }
}

/// Where what is made goes. The buffer reaches [`SPARE`] bytes beyond the limit.
struct Sink<'o> {
    buffer: &'o mut [u8],
    at: usize,
    limit: usize,
}

impl Sink<'_> {
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.at)
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.buffer.get_mut(self.at) {
            *place = byte;
            self.at = self.at.wrapping_add(1);
        }
    }
}

/// Why decoding was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The stream has ended.
    Ended,
    /// The sink is full, or it is time to ask the budget.
    GoOn,
}

/// A stream in the middle.
#[derive(Debug)]
struct Inflater<'a> {
    dialect: &'static Dialect,
    bits: Bits<'a>,
    codes: Codes,
    state: State,
    /// Where the window begins in the sink.
    history: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In front of a block, or at the end behind the last.
    Header { last: bool },
    /// In a stored block with so many bytes to come.
    Stored { left: usize, last: bool },
    /// In a block of symbols, with a literal or a copy for which there was no room.
    Symbols { pending: Pending, last: bool },
}

/// What a symbol asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Nothing,
    Literal(u8),
    Copy { length: usize, distance: usize },
}

impl<'a> Inflater<'a> {
    fn new(dialect: &'static Dialect, input: &'a [u8], history: usize) -> Self {
        let state = State::Header { last: false };
        Self { dialect, bits: Bits::new(input), codes: Codes::default(), state, history }
    }

    fn go_on(&mut self, sink: &mut Sink<'_>) -> Result<Step, Stop> {
        for _ in 0..BLOCKS_A_STEP {
            let last = match self.state {
                State::Header { last: true } => return Ok(Step::Ended),
                State::Header { last: false } => {
                    self.header()?;
                    continue;
                }
                State::Stored { left, last } => {
                    let left = self.stored(left, sink)?;
                    self.state = State::Stored { left, last };
                    if left > 0 {
                        return Ok(Step::GoOn);
                    }
                    last
                }
                State::Symbols { pending, last } => {
                    let (pending, ended) = self.symbols(pending, sink)?;
                    self.state = State::Symbols { pending, last };
                    if !ended {
                        return Ok(Step::GoOn);
                    }
                    last
                }
            };
            self.state = State::Header { last };
        }
        Ok(Step::GoOn)
    }

    /// 3.2.3.
    fn header(&mut self) -> Result<(), Stop> {
        let last = self.bits.take(1)? == 1;
        self.state = match self.bits.take(2)? {
            0 => State::Stored { left: self.bits.stored_length()?, last },
            1 => {
                self.codes.set_fixed(self.dialect)?;
                State::Symbols { pending: Pending::Nothing, last }
            }
            2 => {
                self.codes.read(self.dialect, &mut self.bits)?;
                State::Symbols { pending: Pending::Nothing, last }
            }
            _ => return Err(NOT_DEFLATE),
        };
        Ok(())
    }

    /// Takes what there is and what there is room for; gives what is left.
    fn stored(&mut self, left: usize, sink: &mut Sink<'_>) -> Result<usize, Stop> {
        let most = left.min(sink.room());
        let bytes = self.bits.take_bytes(most);
        let end = sink.at.saturating_add(bytes.len());
        if let Some(place) = sink.buffer.get_mut(sink.at..end) {
            place.copy_from_slice(bytes);
            sink.at = end;
        }
        if bytes.len() < most { Err(bits::CUT_OFF) } else { Ok(left.saturating_sub(most)) }
    }

    /// Decodes until the block ends, which it then tells, or until there is no room for what is
    /// pending.
    fn symbols(&mut self, first: Pending, sink: &mut Sink<'_>) -> Result<(Pending, bool), Stop> {
        let mut pending = first;
        loop {
            pending = self.make(pending, sink);
            if pending != Pending::Nothing {
                return Ok((pending, false));
            }
            match fast::run(&self.codes, &mut self.bits, self.history, sink)? {
                fast::Why::EndOfBlock => return Ok((Pending::Nothing, true)),
                fast::Why::NoRoom { length, distance } => {
                    pending = Pending::Copy { length, distance };
                    continue;
                }
                fast::Why::Near => {}
            }
            match self.codes.symbol(&mut self.bits)? {
                Some(next) => pending = self.check(next, sink)?,
                None => return Ok((Pending::Nothing, true)),
            }
        }
    }

    fn check(&self, pending: Pending, sink: &Sink<'_>) -> Result<Pending, Stop> {
        match pending {
            Pending::Copy { distance, .. } if distance > sink.at.saturating_sub(self.history) => {
                Err(TOO_FAR)
            }
            pending => Ok(pending),
        }
    }

    /// Makes what there is room for; gives what is left.
    fn make(&self, pending: Pending, sink: &mut Sink<'_>) -> Pending {
        match pending {
            Pending::Literal(byte) if sink.room() > 0 => {
                sink.put(byte);
                Pending::Nothing
            }
            Pending::Copy { length, distance } => {
                let now = length.min(sink.room());
                copy(sink.buffer, sink.at, distance, now);
                sink.at = sink.at.saturating_add(now);
                match length.saturating_sub(now) {
                    0 => Pending::Nothing,
                    length => Pending::Copy { length, distance },
                }
            }
            pending => pending,
        }
    }
}

const NOT_DEFLATE: Stop = Stop::Damaged("not a deflate stream");
const TOO_FAR: Stop = Stop::Damaged("a copy from before the start");
/// States between two questions to the budget. Blocks that make nothing cost 3 µs each, for their
/// tables, and some 10 bytes of input.
const BLOCKS_A_STEP: usize = 64;

#[cfg(test)]
mod tests;
