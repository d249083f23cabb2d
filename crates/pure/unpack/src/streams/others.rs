//! bzip2, xz, LZMA, Zstandard and LZW files.

use watchglass_bytes::Reader;

use super::Stream;
use crate::budget::to_u64;
use crate::decode::{Decoded, bzip2, lzma, lzw, zstd};
use crate::member::Declared;
use crate::output::Output;
use crate::reason::{NotScanned, Oddity};

/// A bzip2 stream.
pub(crate) fn bzip2(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream> {
    bzip2::begins(input).then(|| finish(bzip2::decompress(input, out), offset))
}

/// An xz stream, with the padding before it (The .xz File Format, section 2.2).
pub(crate) fn xz(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream> {
    let padding = input.iter().take_while(|&&byte| byte == 0).count();
    let stream = input.get(padding..).unwrap_or_default();
    if !stream.starts_with(b"\xfd7zXZ\0")
        || !padding.is_multiple_of(4)
        || (offset == 0 && padding > 0)
    {
        return None;
    }
    let mut read = finish(lzma::xz(stream, out), offset.saturating_add(to_u64(padding)));
    read.used = read.used.saturating_add(padding);
    Some(read)
}

/// LZMA without a container. It has no magic number, so only the first is looked for.
pub(crate) fn lzma(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream> {
    let declared = lzma::alone_header(input).filter(|_| offset == 0)?;
    let mut stream = finish(lzma::lzma_alone(input, out), offset);
    stream.declared = Declared { unpacked: declared, ..Declared::default() };
    Some(stream)
}

/// A Zstandard frame, or one that is to be skipped (RFC 8878, section 3.1.2).
pub(crate) fn zstd(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream> {
    let mut reader = Reader::new(input);
    match reader.u32_le("Magic_Number").ok()? {
        zstd::MAGIC => Some(finish(zstd::frame(input, out), offset)),
        0x184d_2a50..=0x184d_2a5f => Some(skippable(&mut reader, input.len(), offset)),
        // Versions 0.1 to 0.7 of the format.
        0xfd2f_b51e | 0xfd2f_b522..=0xfd2f_b527 => {
            let not_scanned = vec![NotScanned::NotSupported { what: "zstd before version 0.8" }];
            Some(Stream { not_scanned, lost: true, ..Stream::default() })
        }
        _ => None,
    }
}

fn skippable(reader: &mut Reader<'_>, length: usize, offset: u64) -> Stream {
    let size = reader.u32_le("Frame_Size").unwrap_or(u32::MAX);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if reader.take("User_Data", size).is_err() {
        let offset = offset.saturating_add(to_u64(length));
        let what = "a skippable frame of zstd is cut off";
        let not_scanned = vec![NotScanned::Damaged { what, offset }];
        return Stream { used: length, not_scanned, lost: true, ..Stream::default() };
    }
    let what = "a skippable frame of zstd";
    let oddities = vec![Oddity::Skipped { what, offset, bytes: to_u64(size) }];
    Stream { used: length.saturating_sub(reader.left()), oddities, ..Stream::default() }
}

/// A file of compress(1).
pub(crate) fn lzw(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream> {
    let (&[0x1f, 0x9d, flags], codes) = input.split_first_chunk::<3>()? else { return None };
    if offset != 0 {
        return None;
    }
    let max_bits = u32::from(flags & 0x1f);
    if !(9..=16).contains(&max_bits) {
        let not_scanned = vec![NotScanned::Damaged { what: "LZW code width", offset: 2 }];
        return Some(Stream { not_scanned, lost: true, ..Stream::default() });
    }
    let mut stream = finish(lzw::decompress(codes, max_bits, flags & 0x80 != 0, out), 3);
    stream.used = stream.used.saturating_add(3);
    Some(stream)
}

fn finish(decoded: Decoded, offset: u64) -> Stream {
    let end = offset.saturating_add(to_u64(decoded.used));
    let mut stream =
        Stream { used: decoded.used, not_scanned: decoded.faults, ..Stream::default() };
    if let Err(stop) = decoded.result {
        stream.not_scanned.push(stop.at(end));
        stream.lost = true;
    }
    stream
}
