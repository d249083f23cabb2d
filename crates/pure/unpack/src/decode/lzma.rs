//! LZMA and what is built of it.

use std::io::{Error, ErrorKind, Read};

use lzma_rust2::{Action, LzmaReader, Status, XzReader, XzStream};

use super::{Decoded, End, Step, drive};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

// No decoder here is given a limit for its window: it grows with what was made, whatever was declared.

/// Unpacks one `.xz` stream.
///
/// Of the crate's two decoders one takes what arrives, up to the last byte of a file that is cut off,
/// but knows one filter at a time and loses what it holds at an error; the other reads chunks, all
/// filters, and up to the error. So the second continues where the first fails.
pub(crate) fn xz(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let start = out.len();
    let decoded = xz_stream(input, out);
    if !matches!(decoded.result, Err(Stop::Damaged(_))) {
        return decoded;
    }
    let made = out.len().saturating_sub(start);
    let again = xz_reader(input, made, CHUNK, out);
    if !matches!(again.result, Err(Stop::Damaged(_))) {
        return again;
    }
    let made = out.len().saturating_sub(start);
    let Decoded { used, result, .. } = xz_reader(input, made, 1, out);
    Decoded { used: used.max(decoded.used), result, faults: Vec::new() }
}

fn xz_stream(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let mut stream = XzStream::new(false);
    let mut action = Action::Run;
    drive(input, |slice, end| {
        let (result, made) = out.fill(CHUNK, |room| {
            let before = stream.total_out();
            let result = stream.process(slice, room, action);
            let made = stream.total_out().saturating_sub(before);
            let made = usize::try_from(made).unwrap_or(0);
            (made, (result, made))
        })?;
        let result = result.map_err(|error| stop(&error))?;
        out.read(result.bytes_consumed)?;
        let ended = result.status == Status::StreamEnd;
        if !ended && result.bytes_consumed == 0 && made == 0 {
            // Told that the input ends, it decodes its last bytes.
            if end == End::Later || action == Action::Finish {
                return Err(Stop::Damaged("the xz stream does not end"));
            }
            action = Action::Finish;
        }
        Ok(Step { read: result.bytes_consumed, ended })
    })
}

/// Puts what follows the first `skip` bytes of the stream's content into the output, `chunk` by
/// `chunk`; an error costs what its chunk holds.
fn xz_reader(input: &[u8], skip: usize, chunk: usize, out: &mut Output<'_>) -> Decoded {
    let mut reader = XzReader::new(input, false);
    let result = pass_over(&mut reader, skip, out).and_then(|()| copy(&mut reader, chunk, out));
    let used = input.len().saturating_sub(reader.inner().len());
    Decoded { used, result, faults: Vec::new() }
}

/// Unpacks one `.lzma` stream, its header of 13 bytes included.
pub(crate) fn lzma_alone(input: &[u8], out: &mut Output<'_>) -> Decoded {
    lzma(LzmaReader::new_mem_limit(input, u32::MAX, None), input.len(), out)
}

/// Unpacks LZMA without a header; `size` is none where an end marker follows.
pub(crate) fn lzma_raw(
    input: &[u8],
    properties: u8,
    dictionary: u32,
    size: Option<u64>,
    out: &mut Output<'_>,
) -> Decoded {
    let size = size.unwrap_or(u64::MAX);
    let reader = LzmaReader::new_with_props(input, size, properties, dictionary, None);
    lzma(reader, input.len(), out)
}

fn lzma(reader: Result<LzmaReader<&[u8]>, Error>, length: usize, out: &mut Output<'_>) -> Decoded {
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return Decoded { used: 0, result: Err(stop(&error)), faults: Vec::new() },
    };
    // What was made before an error comes before the error.
    reader.set_defer_errors(true);
    let result = copy(&mut reader, CHUNK, out);
    let (left, unused) = reader.into_parts();
    let used = length.saturating_sub(left.len()).saturating_sub(unused.len());
    Decoded { used, result, faults: Vec::new() }
}

fn copy(reader: &mut impl Read, chunk: usize, out: &mut Output<'_>) -> Result<(), Stop> {
    loop {
        let result = out.fill(chunk, |room| {
            let result = reader.read(room);
            (result.as_ref().copied().unwrap_or(0), result)
        })?;
        let read = result.map_err(|error| stop(&error))?;
        if read == 0 {
            return Ok(());
        }
        // A decoder of LZMA reads no more than it makes, but for a header or a few bytes.
        out.read(0)?;
    }
}

/// Reads `bytes` that were made before.
fn pass_over(reader: &mut impl Read, bytes: usize, out: &Output<'_>) -> Result<(), Stop> {
    let mut passed = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let now = passed.get_mut(..left.min(CHUNK)).unwrap_or_default();
        match reader.read(now).map_err(|error| stop(&error))? {
            0 => return Err(Stop::Damaged("the xz stream does not end")),
            read => left = left.saturating_sub(read),
        }
        out.read(CHUNK)?;
    }
    Ok(())
}

fn stop(error: &Error) -> Stop {
    match error.kind() {
        ErrorKind::Unsupported => {
            Stop::Reason(NotScanned::NotSupported { what: "a filter, check or flag of xz" })
        }
        ErrorKind::UnexpectedEof => Stop::Damaged("the LZMA stream is cut off"),
        _ => Stop::Damaged("not LZMA, or its check fails"),
    }
}

/// What the header of `.lzma` declares of its length, if it can be one: its properties have 225
/// values, and liblzma believes no length of 256 GiB.
pub(crate) fn alone_header(input: &[u8]) -> Option<Option<u64>> {
    let ([properties, _, _, _, _, size @ ..], _) = input.split_first_chunk::<13>()?;
    let size = u64::from_le_bytes(*size);
    let size = (size != u64::MAX).then_some(size);
    (*properties < 225 && size.is_none_or(|size| size < 1 << 38)).then_some(size)
}

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
