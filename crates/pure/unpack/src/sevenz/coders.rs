//! The coders of a folder, put together as one stream that is pulled.

use std::io::{Cursor, Error, ErrorKind, Read};

use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;
use lzma_rust2::{Lzma2Reader, LzmaReader};

use super::headers::{Coder, Folder, Streams, word};
use crate::budget::{Budget, to_u64};
use crate::decode::ppmd7::{Model, SevenZRange};
use crate::decode::{Decoded, bzip2, deflate, zstd};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// What a folder unpacks to, as far as it is pulled.
pub(super) type Stream<'a> = Box<dyn Read + 'a>;

/// Puts the coders of `folder` together. Decoders that do not wait are run at once, within the limit
/// of one member; all others make what is pulled, and hold no more than their window.
pub(super) fn open<'a>(
    bytes: &'a [u8],
    streams: &Streams,
    folder: &Folder,
    budget: &'a Budget<'a>,
) -> Result<Stream<'a>, Stop> {
    let main = folder.main().ok_or(Stop::Damaged("a folder without output"))?;
    let mut graph = Graph { bytes, streams, folder, budget, coders_left: folder.coders.len() };
    graph.output(main)
}

#[derive(Debug)]
struct Graph<'a, 's> {
    bytes: &'a [u8],
    streams: &'s Streams,
    folder: &'s Folder,
    budget: &'a Budget<'a>,
    /// Each coder is opened once: what wants more goes in circles.
    coders_left: usize,
}

impl<'a> Graph<'a, '_> {
    fn output(&mut self, output: usize) -> Result<Stream<'a>, Stop> {
        let left = self.coders_left.checked_sub(1);
        self.coders_left = left.ok_or(Stop::Damaged("coders in a circle"))?;
        let coder = self.folder.coders.get(output).ok_or(Stop::Damaged("no such coder"))?;
        let size = self.folder.unpacked.get(output).copied();
        let size = size.ok_or(Stop::Damaged("a coder without a size"))?;
        let before = self.folder.coders.iter().take(output);
        let first = before.fold(0_u64, |sum, coder| sum.saturating_add(coder.inputs));
        if coder.id == AES {
            return Err(Stop::Reason(NotScanned::Encrypted { method: "7z AES-256" }));
        }
        let mut inputs = Vec::new();
        for input in first..first.saturating_add(coder.inputs) {
            inputs.push(self.input(input)?);
        }
        if coder.id == BCJ2 {
            let reader = Bcj2Reader::try_new(inputs, size);
            return Ok(Box::new(reader.map_err(|error| stop(&error))?));
        }
        let input = inputs.pop().filter(|_| inputs.is_empty());
        let input = input.ok_or(Stop::Damaged("number of a coder's streams"))?;
        simple(coder, input, size, self.budget)
    }

    fn input(&mut self, input: u64) -> Result<Stream<'a>, Stop> {
        if let Some((_, output)) = self.folder.bound.iter().find(|(bound, _)| *bound == input) {
            return self.output(word(*output));
        }
        let place = self.folder.inputs.iter().position(|free| *free == input);
        let place = place.and_then(|place| place.checked_add(self.folder.first_packed));
        let packed = place.and_then(|place| self.streams.packed.get(place));
        let (offset, size) = packed.ok_or(Stop::Damaged("a coder without input"))?;
        let data = self.bytes.get(word(*offset)..).unwrap_or_default();
        Ok(Box::new(data.get(..word(*size)).unwrap_or(data)))
    }
}

fn simple<'a>(
    coder: &Coder,
    input: Stream<'a>,
    size: u64,
    budget: &'a Budget<'a>,
) -> Result<Stream<'a>, Stop> {
    let properties = &coder.properties[..];
    Ok(match coder.id {
        0x00 => input,
        0x03 | 0x03_0100 => {
            let distance = properties.first().copied().unwrap_or(0);
            Box::new(DeltaReader::new(input, usize::from(distance).saturating_add(1)))
        }
        0x04 | 0x0303_0103 => Box::new(BcjReader::new_x86(input, 0)),
        0x05 | 0x0303_0205 => Box::new(BcjReader::new_ppc(input, 0)),
        0x06 | 0x0303_0401 => Box::new(BcjReader::new_ia64(input, 0)),
        0x07 | 0x0303_0501 => Box::new(BcjReader::new_arm(input, 0)),
        0x08 | 0x0303_0701 => Box::new(BcjReader::new_arm_thumb(input, 0)),
        0x09 | 0x0303_0805 => Box::new(BcjReader::new_sparc(input, 0)),
        0x0a => Box::new(BcjReader::new_arm64(input, 0)),
        0x0b => Box::new(BcjReader::new_riscv(input, 0)),
        0x21 => Box::new(Lzma2Reader::new(input, lzma2_window(properties)?, None)),
        0x03_0101 => lzma(properties, input, size)?,
        0x03_0401 => ppmd(properties, input, size)?,
        0x04_0108 => at_once(input, deflate::inflate, budget)?,
        0x04_0109 => at_once(input, deflate::inflate64, budget)?,
        0x04_0202 => at_once(input, bzip2_streams, budget)?,
        0x04f7_1101 => at_once(input, zstd_frames, budget)?,
        0x04f7_1102 => return Err(not_supported("Brotli in 7z")),
        0x04f7_1104 => return Err(not_supported("LZ4 in 7z")),
        0x04f7_1105 => return Err(not_supported("LZS in 7z")),
        0x04f7_1106 => return Err(not_supported("Lizard in 7z")),
        number => {
            return Err(Stop::Reason(NotScanned::UnknownMethod { format: "7z", number }));
        }
    })
}

fn lzma<'a>(properties: &[u8], input: Stream<'a>, size: u64) -> Result<Stream<'a>, Stop> {
    let Some(&[properties, w0, w1, w2, w3]) = properties.first_chunk::<5>() else {
        return Err(Stop::Damaged("properties of LZMA"));
    };
    let window = u32::from_le_bytes([w0, w1, w2, w3]);
    let reader = LzmaReader::new_with_props(input, size, properties, window, None);
    let mut reader = reader.map_err(|error| stop(&error))?;
    // What was made before an error comes before the error.
    reader.set_defer_errors(true);
    Ok(Box::new(reader))
}

/// Bits of the window as in .xz: two for each power of two.
fn lzma2_window(properties: &[u8]) -> Result<u32, Stop> {
    match properties {
        [40, ..] => Ok(u32::MAX),
        [bits @ 0..40, ..] => {
            let mantissa = 2 | u32::from(bits & 1);
            Ok(mantissa.wrapping_shl(u32::from(bits / 2).wrapping_add(11)))
        }
        _ => Err(Stop::Damaged("properties of LZMA2")),
    }
}

fn ppmd<'a>(properties: &[u8], input: Stream<'a>, size: u64) -> Result<Stream<'a>, Stop> {
    let Some(&[order, m0, m1, m2, m3]) = properties.first_chunk::<5>() else {
        return Err(Stop::Damaged("properties of PPMd"));
    };
    let memory = u32::from_le_bytes([m0, m1, m2, m3]);
    let model = Model::new(order.into(), memory).ok_or(Stop::Damaged("properties of PPMd"))?;
    Ok(Box::new(Ppmd { model, input: Some(input), range: None, left: size }))
}

/// PPMd variant H as a stream.
struct Ppmd<'a> {
    model: Model,
    input: Option<Stream<'a>>,
    range: Option<SevenZRange<Stream<'a>>>,
    left: u64,
}

impl Read for Ppmd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if let Some(input) = self.input.take() {
            self.range = Some(SevenZRange::new(input)?);
        }
        let Some(range) = &mut self.range else { return Ok(0) };
        let mut made = 0_usize;
        for byte in buffer {
            let Some(left) = self.left.checked_sub(1) else { break };
            match self.model.decode(range) {
                Ok(Some(symbol)) => *byte = symbol,
                Ok(None) | Err(_) if made > 0 => {
                    self.range = None;
                    break;
                }
                Ok(None) => return Err(Error::from(ErrorKind::InvalidData)),
                Err(error) => return Err(error),
            }
            self.left = left;
            made = made.saturating_add(1);
        }
        Ok(made)
    }
}

/// Runs a decoder that makes all it can; an error comes after what was made before it.
fn at_once<'a>(
    mut input: Stream<'a>,
    decode: fn(&[u8], &mut Output<'_>) -> Decoded,
    budget: &'a Budget<'a>,
) -> Result<Stream<'a>, Stop> {
    let mut packed = Output::unpaid(budget);
    let reason = loop {
        let read = packed.fill(CHUNK, |room| {
            let result = input.read(room);
            (result.as_ref().copied().unwrap_or(0), result)
        })?;
        match read {
            Ok(0) => break None,
            Ok(_) => packed.read(0)?,
            Err(error) => break Some(stop(&error)),
        }
    };
    let mut out = Output::unpaid(budget);
    let decoded = decode(packed.bytes(), &mut out);
    let reason = decoded.result.err().map(|own| reason.unwrap_or(own));
    let made = Cursor::new(out.finish());
    Ok(match reason {
        Some(stop) => Box::new(made.chain(Broken(stop))),
        None => Box::new(made),
    })
}

/// bzip2, of several streams joined.
fn bzip2_streams(input: &[u8], out: &mut Output<'_>) -> Decoded {
    joined(input, out, bzip2::begins, bzip2::decompress)
}

/// Zstandard, of several frames joined; its packers put skippable ones between them.
fn zstd_frames(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let begins = |rest: &[u8]| rest.len() >= 4;
    joined(input, out, begins, |rest, out| match rest.first_chunk::<8>() {
        Some(&[0x50..=0x5f, 0x2a, 0x4d, 0x18, l0, l1, l2, l3]) => {
            let size = word(u32::from_le_bytes([l0, l1, l2, l3]).into());
            let used = size.saturating_add(8).min(rest.len());
            Decoded { used, result: out.read(0), faults: Vec::new() }
        }
        _ => zstd::frame(rest, out),
    })
}

fn joined(
    input: &[u8],
    out: &mut Output<'_>,
    begins: fn(&[u8]) -> bool,
    decode: fn(&[u8], &mut Output<'_>) -> Decoded,
) -> Decoded {
    let mut all = decode(input, out);
    // Each takes bytes, or fails.
    while all.result.is_ok() {
        let rest = input.get(all.used..).unwrap_or_default();
        if !begins(rest) {
            break;
        }
        let next = decode(rest, out);
        all.used = all.used.saturating_add(next.used);
        all.result = next.result;
        all.faults.extend(next.faults);
        all.faults.truncate(crate::streams::MAX_REASONS);
    }
    all
}

/// A stream that ends with a reason.
#[derive(Debug)]
struct Broken(Stop);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, Error> {
        Err(Error::other(Carried(self.0.clone())))
    }
}

/// A reason on its way through streams.
#[derive(Debug, thiserror::Error)]
#[error("not scanned")]
struct Carried(Stop);

/// Pulls up to `size` bytes into the output.
pub(super) fn pull(stream: &mut Stream<'_>, size: u64, out: &mut Output<'_>) -> Result<(), Stop> {
    let mut left = size;
    while left > 0 {
        let result = out.fill(word(left).min(CHUNK), |room| {
            let result = stream.read(room);
            (result.as_ref().copied().unwrap_or(0), result)
        })?;
        out.read(0)?;
        match result.map_err(|error| stop(&error))? {
            0 => return Err(Stop::Damaged("the folder ends inside of the member")),
            read => left = left.saturating_sub(to_u64(read)),
        }
    }
    Ok(())
}

/// Pulls `size` bytes that nobody keeps.
pub(super) fn pass_over(
    stream: &mut Stream<'_>,
    size: u64,
    budget: &Budget<'_>,
) -> Result<(), Stop> {
    let mut passed = vec![0; CHUNK];
    let mut left = size;
    while left > 0 {
        budget.work(CHUNK)?;
        let now = passed.get_mut(..word(left).min(CHUNK)).unwrap_or_default();
        match stream.read(now).map_err(|error| stop(&error))? {
            0 => return Err(Stop::Damaged("the folder ends inside of the member")),
            read => left = left.saturating_sub(to_u64(read)),
        }
    }
    Ok(())
}

fn stop(error: &Error) -> Stop {
    if let Some(Carried(stop)) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return stop.clone();
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => Stop::Damaged("a packed stream is cut off"),
        ErrorKind::Unsupported => not_supported("properties of a 7z coder"),
        _ => Stop::Damaged("a coder's stream makes no sense"),
    }
}

fn not_supported(what: &'static str) -> Stop {
    Stop::Reason(NotScanned::NotSupported { what })
}

const AES: u64 = 0x06f1_0701;
const BCJ2: u64 = 0x0303_011b;
/// Bytes pulled at once: an error costs what its piece holds.
const CHUNK: usize = 16 << 10;
