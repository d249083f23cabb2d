//! Compressed data anywhere in a stream.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use super::deflate;
use super::xz;
use super::{Sink, Taken, is_text};
use crate::budget::Exhausted;
use crate::transform::Transform;

/// Decodes what begins at any byte of `stream`.
pub(super) fn decode(stream: &[u8], sink: &mut Sink<'_>) {
    let mut inflater = Inflater::new();
    // Where a header says that a deflate stream begins, and which kind of header it is.
    let mut announced = BTreeMap::new();
    // Up to here a stream with a header was decoded to its end. Blocks in its middle would decode
    // again, to much less; what is hidden in it comes out of it.
    let mut explained = 0;
    for at in 0..stream.len() {
        let Some(rest) = stream.get(at..) else { return };
        if let Some((length, transform)) = deflate_header(rest) {
            announced.insert(at.saturating_add(length), transform);
        }
        let header = announced.remove(&at);
        if header.is_some() || at >= explained && deflate::is_plausible(rest) {
            let length = inflater.inflate(at, rest, header.unwrap_or(Transform::Deflate), sink);
            if header.is_some() {
                explained = explained.max(at.saturating_add(length));
            }
        }
        match rest {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd(at, rest, sink),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => bzip2(at, rest, sink),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => xz(at, rest, sink),
            _ => {}
        }
    }
}

/// The length of a header that a deflate stream follows, and whose it is.
fn deflate_header(rest: &[u8]) -> Option<(usize, Transform)> {
    match *rest {
        [0x1f, 0x8b, 8, flags, ..] => Some((gzip_header(rest, flags)?, Transform::Gzip)),
        [b'P', b'K', 3, 4, ..] => Some((zip_header(rest)?, Transform::ZipMember)),
        [method, check, ..] if method & 0x8f == 8 && check & 0x20 == 0 => {
            let header = u16::from_be_bytes([method, check]);
            header.is_multiple_of(31).then_some((2, Transform::Zlib))
        }
        _ => None,
    }
}

/// RFC 1952 §2.3.1.
fn gzip_header(rest: &[u8], flags: u8) -> Option<usize> {
    let mut length = 10_usize;
    if flags & 4 != 0 {
        let extra = rest.get(length..)?.first_chunk::<2>()?;
        length = length.checked_add(2)?.checked_add(u16::from_le_bytes(*extra).into())?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let text = rest.get(length..)?.iter().take(MAX_HEADER_TEXT_BYTES);
            let end = text.copied().position(|byte| byte == 0)?;
            length = length.checked_add(end)?.checked_add(1)?;
        }
    }
    length.checked_add(if flags & 2 != 0 { 2 } else { 0 })
}

/// Longest file name or comment of a gzip header that is looked through.
const MAX_HEADER_TEXT_BYTES: usize = 4096;

/// APPNOTE 4.3.7, where the method is deflate (4.4.5).
fn zip_header(rest: &[u8]) -> Option<usize> {
    let header = rest.first_chunk::<30>()?;
    let [.., name_low, name_high, extra_low, extra_high] = *header;
    let method = header.get(8..10)?;
    let name = usize::from(u16::from_le_bytes([name_low, name_high]));
    let extra = usize::from(u16::from_le_bytes([extra_low, extra_high]));
    (method == [8, 0]).then_some(30_usize.checked_add(name)?.checked_add(extra)?)
}

/// A decoder and its buffer, used again and again.
struct Inflater {
    decompress: Decompress,
    buffer: Vec<u8>,
}

/// How decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Where the format ends.
    Clean,
    /// Where the stream ends.
    Cut,
    /// At something impossible.
    Corrupt,
    /// At the limit of the budget.
    Limit,
}

impl Inflater {
    fn new() -> Self {
        Self { decompress: Decompress::new(false), buffer: vec![0; 32 << 10] }
    }

    fn run(&mut self, input: &[u8], limit: usize) -> (Vec<u8>, End) {
        self.decompress.reset(false);
        let mut output = Vec::new();
        let end = loop {
            let consumed = usize::try_from(self.decompress.total_in()).unwrap_or(usize::MAX);
            let rest = input.get(consumed..).unwrap_or_default();
            let before = self.decompress.total_out();
            let status = self.decompress.decompress(rest, &mut self.buffer, FlushDecompress::None);
            let made = self.decompress.total_out().saturating_sub(before);
            let made = usize::try_from(made).unwrap_or(usize::MAX).min(self.buffer.len());
            output.extend_from_slice(self.buffer.get(..made).unwrap_or_default());
            if output.len() > limit {
                output.truncate(limit);
                break End::Limit;
            }
            match status {
                Err(_) => break End::Corrupt,
                Ok(Status::StreamEnd) => break End::Clean,
                Ok(_) if made == 0 => break End::Cut,
                Ok(_) => {}
            }
        };
        (output, end)
    }

    /// Decodes what begins at `at`; the bytes it took, if it came to its end and is believed.
    fn inflate(
        &mut self,
        at: usize,
        rest: &[u8],
        transform: Transform,
        sink: &mut Sink<'_>,
    ) -> usize {
        if !sink.allowance.pay_step() {
            return 0;
        }
        let (bytes, end) = self.run(rest, sink.allowance.bytes());
        // Two bytes of a zlib header are no proof, and the fixed code gives most bytes a meaning.
        let proven = matches!(transform, Transform::Gzip | Transform::ZipMember);
        if end != End::Limit && !proven && deflate::has_fixed_code(rest) && !is_text(&bytes) {
            return 0;
        }
        keep(at, bytes, end, transform, sink);
        let taken = usize::try_from(self.decompress.total_in()).unwrap_or(usize::MAX);
        if end == End::Clean { taken } else { 0 }
    }
}

/// Fewest bytes that are believed when decoding ended in each way; random bytes that pass the first
/// test break off earlier.
fn fewest_bytes(end: End) -> usize {
    match end {
        End::Clean | End::Cut => 16,
        End::Corrupt => 512,
        End::Limit => 0,
    }
}

fn keep(at: usize, bytes: Vec<u8>, end: End, transform: Transform, sink: &mut Sink<'_>) {
    if end == End::Limit {
        sink.allowance.run_out(Exhausted::Decoded);
    }
    if bytes.len() >= fewest_bytes(end) {
        sink.push(transform, Taken::field(at, bytes));
    }
}

fn zstd(at: usize, rest: &[u8], sink: &mut Sink<'_>) {
    if !sink.allowance.pay_step() {
        return;
    }
    if let Ok(decoder) = ruzstd::decoding::StreamingDecoder::new(rest) {
        read(at, decoder, Transform::Zstd, sink);
    }
}

fn bzip2(at: usize, rest: &[u8], sink: &mut Sink<'_>) {
    if sink.allowance.pay_step() {
        read(at, bzip2_rs::DecoderReader::new(rest), Transform::Bzip2, sink);
    }
}

fn xz(at: usize, rest: &[u8], sink: &mut Sink<'_>) {
    if !sink.allowance.pay_step() {
        return;
    }
    let Some((chunks, end)) = xz::first_block(rest, sink.allowance.bytes()) else { return };
    let mut bytes = Vec::new();
    let decoded = lzma_rs::lzma2_decompress(&mut chunks.as_slice(), &mut bytes);
    let end = if decoded.is_ok() { end } else { End::Corrupt };
    keep(at, bytes, end, Transform::Xz, sink);
}

/// Reads `decoder` as far as it goes. What came before an error counts: the format's magic number
/// stood there.
fn read(at: usize, mut decoder: impl Read, transform: Transform, sink: &mut Sink<'_>) {
    let limit = sink.allowance.bytes();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 32 << 10]);
    let end = loop {
        match decoder.read(&mut buffer) {
            Ok(0) | Err(_) => break End::Clean,
            Ok(made) => bytes.extend_from_slice(buffer.get(..made).unwrap_or_default()),
        }
        if bytes.len() > limit {
            bytes.truncate(limit);
            break End::Limit;
        }
    };
    keep(at, bytes, end, transform, sink);
}
