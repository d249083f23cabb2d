//! What a stream decodes to, in every way we know.
//!
//! Nobody says where in a message an encoded field begins, so compressed data is tried at every
//! byte and digits at every alignment. Cheap tests come first: a deflate header must hold a complete
//! code, digits must be mixed as digits are. What passes is decoded as far as it goes.

mod compressed;
mod deflate;
mod digits;
mod text;
mod xz;

use crate::budget::Allowance;
use crate::transform::Transform;

/// Something that a stream decodes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) transform: Transform,
    pub(crate) bytes: Vec<u8>,
    /// Offsets in `bytes` and where in the searched stream they come from, ascending from 0.
    origins: Vec<(usize, usize)>,
}

impl Derived {
    /// Where in the searched stream the byte at `at` comes from, or a place shortly before.
    pub(crate) fn origin(&self, at: usize) -> usize {
        let after = self.origins.partition_point(|&(derived, _)| derived <= at);
        let origin = after.checked_sub(1).and_then(|before| self.origins.get(before));
        origin.map_or(0, |&(_, source)| source)
    }

    /// Replaces offsets in the stream it was derived from by those in the searched stream.
    pub(crate) fn rebase(&mut self, origin: &dyn Fn(usize) -> usize) {
        for (_, source) in &mut self.origins {
            *source = origin(*source);
        }
    }
}

/// Everything that `stream` decodes to, as far as `allowance` reaches.
pub(crate) fn all(stream: &[u8], allowance: &mut Allowance) -> Vec<Derived> {
    let mut sink = Sink { allowance, derived: Vec::new() };
    compressed::decode(stream, &mut sink);
    digits::decode(stream, &mut sink);
    text::decode(stream, &mut sink);
    sink.derived
}

/// Hands every 2nd, 3rd and 4th byte to `each`, with the step and the offset of the first.
pub(crate) fn every_nth(stream: &[u8], mut each: impl FnMut(u8, usize, &[u8])) {
    let mut taken = Vec::new();
    for step in [2_u8, 3, 4] {
        for rest in 0..usize::from(step) {
            taken.clear();
            taken.extend(stream.iter().skip(rest).step_by(usize::from(step)));
            each(step, rest, &taken);
        }
    }
}

/// Bytes by which text is told from other data.
const TEXT_SAMPLE_BYTES: usize = 4096;

/// Whether nine of ten bytes at the start of `bytes` are printable, as ASCII or as UTF-16, where
/// every other byte of ASCII text is 0.
fn is_text(bytes: &[u8]) -> bool {
    let sample = bytes.get(..TEXT_SAMPLE_BYTES).unwrap_or(bytes);
    let count = |wanted: fn(u8) -> bool| sample.iter().filter(|&&byte| wanted(byte)).count();
    let printable = count(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    let zeros = count(|byte| byte == 0).min(printable);
    printable.saturating_add(zeros).saturating_mul(10) >= sample.len().saturating_mul(9)
}

/// Where decoders put what they made.
struct Sink<'a> {
    allowance: &'a mut Allowance,
    derived: Vec<Derived>,
}

/// Less decoded bytes than this can hold no needle in any spelling.
const MIN_DECODED_BYTES: usize = 8;

impl Sink<'_> {
    fn push(&mut self, transform: Transform, taken: Taken) {
        let Taken { bytes, origins } = taken;
        if bytes.len() >= MIN_DECODED_BYTES && self.allowance.pay_bytes(bytes.len()) {
            self.derived.push(Derived { transform, bytes, origins });
        }
    }
}

/// Bytes under way, with where they come from.
#[derive(Debug, Default)]
struct Taken {
    bytes: Vec<u8>,
    origins: Vec<(usize, usize)>,
}

/// Bytes between two notes of their origin.
const BYTES_PER_ORIGIN: usize = 64;

impl Taken {
    /// All `bytes` come from the field that begins at `at`.
    fn field(at: usize, bytes: Vec<u8>) -> Self {
        Self { bytes, origins: vec![(0, at)] }
    }

    fn push(&mut self, byte: u8, at: usize) {
        if self.bytes.len().is_multiple_of(BYTES_PER_ORIGIN) {
            self.origins.push((self.bytes.len(), at));
        }
        self.bytes.push(byte);
    }

    /// Where the byte at `at` comes from, exactly when every byte since the last note was taken in a
    /// row.
    fn origin(&self, at: usize) -> usize {
        let after = self.origins.partition_point(|&(taken, _)| taken <= at);
        let note = after.checked_sub(1).and_then(|before| self.origins.get(before));
        note.map_or(0, |&(taken, source)| source.saturating_add(at.saturating_sub(taken)))
    }
}
