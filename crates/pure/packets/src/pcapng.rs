//! The capture of a link: pcapng with one spelling.
//!
//! A capture is a little-endian section header, one Ethernet interface with nanoseconds
//! (`if_tsresol` 9), one enhanced packet block for each frame, and an interface statistics block
//! that ends it. Any pcapng reader opens it; [`parse`] takes nothing else.
//!
//! Timestamps are the recorder's `CLOCK_BOOTTIME`, so that they compare with the event logs.
//! `if_tsoffset` holds the whole seconds between that clock and 1970, so other readers show the
//! time of day, up to one second late.
//!
//! Definition: draft-ietf-opsawg-pcapng, sections 4.1 to 4.6.

use std::io::Write;

use thiserror::Error;
use watchglass_bytes::{ReadError, Reader};
use watchglass_events::Direction;

/// Largest frame in bytes: a 64 KiB packet that the sender's kernel did not cut up, with room.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// A frame as it went over the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Nanoseconds of the recorder's `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// `Sent` by the subject's side of the link, `Received` by it. The kernel tells this by the
    /// queue that the frame was seen in; no address in the frame is believed.
    pub direction: Direction,
    /// Length in bytes on the link; more than `bytes` holds if the capture cut it.
    pub length: u32,
    /// The frame from its Ethernet header on.
    pub bytes: &'a [u8],
}

/// What the capture knows about its own completeness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureTotals {
    /// Frames that reached the capture's queue.
    pub received: u64,
    /// Frames that were not kept: the queue or the capture's size was at its limit.
    pub dropped: u64,
}

/// A capture as read from bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture<'a> {
    /// Seconds to add to a timestamp for the time since 1970.
    pub unix_offset_seconds: i64,
    /// The frames in the order in which they were seen.
    pub frames: Vec<Frame<'a>>,
    /// The totals at the end. `None`: the recording broke off.
    pub totals: Option<CaptureTotals>,
}

/// What makes a file no capture of ours.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureError {
    /// The first blocks are not those of a capture.
    #[error("not a capture of this format: the {0} is another")]
    Head(&'static str),
    /// A block does not have its one spelling.
    #[error("block {index}: {reason}")]
    Block {
        /// Which block, from 0.
        index: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A field breaks off or declares too much.
    #[error("block {index}")]
    Field {
        /// Which block, from 0.
        index: u64,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
}

/// Writes a capture, up to a size.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    sink: W,
    written_bytes: u64,
    max_bytes: u64,
    kept: u64,
    refused: u64,
    last_ns: u64,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a capture that grows to `max_bytes` at most; frames beyond are counted as dropped.
    ///
    /// # Errors
    /// What the sink says.
    pub fn new(mut sink: W, unix_offset_seconds: i64, max_bytes: u64) -> std::io::Result<Self> {
        let head = [section_header(), interface(unix_offset_seconds)].concat();
        sink.write_all(&head)?;
        let written_bytes = head.len() as u64;
        Ok(Self { sink, written_bytes, max_bytes, kept: 0, refused: 0, last_ns: 0 })
    }

    /// Appends a frame. One that is over [`MAX_FRAME_BYTES`] or beyond the size is counted only.
    ///
    /// # Errors
    /// What the sink says.
    pub fn append(&mut self, frame: &Frame<'_>) -> std::io::Result<()> {
        let block_bytes = frame.bytes.len().saturating_add(PACKET_OVERHEAD_BYTES) as u64;
        let written_bytes = self.written_bytes.saturating_add(block_bytes);
        if frame.bytes.len() > MAX_FRAME_BYTES || written_bytes > self.max_bytes {
            self.refused = self.refused.saturating_add(1);
            return Ok(());
        }
        write_packet(&mut self.sink, frame)?;
        (self.written_bytes, self.last_ns) = (written_bytes, frame.at_ns);
        self.kept = self.kept.saturating_add(1);
        Ok(())
    }

    /// Frames kept so far.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Frames that did not fit the size.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Bytes that the file has so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Hands what was written on to the sink's owner.
    ///
    /// # Errors
    /// What the sink says.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }

    /// Ends the capture. `lost` is how many frames the kernel's queue dropped.
    ///
    /// # Errors
    /// What the sink says.
    pub fn finish(mut self, lost: u64) -> std::io::Result<CaptureTotals> {
        let dropped = self.refused.saturating_add(lost);
        let totals = CaptureTotals { received: self.kept.saturating_add(dropped), dropped };
        self.sink.write_all(&statistics(self.last_ns, totals))?;
        self.sink.flush()?;
        Ok(totals)
    }
}

/// Reads a capture.
///
/// A file that breaks off inside a block is readable up to there and has no totals. Costs one pass
/// and 40 bytes of memory for each frame.
///
/// # Errors
/// A [`CaptureError`] when a byte is not as [`CaptureWriter`] would have written it.
pub fn parse(bytes: &[u8]) -> Result<Capture<'_>, CaptureError> {
    let mut reader = Reader::new(bytes);
    let unix_offset_seconds = head(&mut reader)?;
    let mut capture = Capture { unix_offset_seconds, frames: Vec::new(), totals: None };
    for index in 2_u64.. {
        let Some((kind, block)) = next_block(&mut reader, index)? else { break };
        match kind {
            ENHANCED_PACKET => capture.frames.push(packet(block, index)?),
            INTERFACE_STATISTICS => {
                let last_ns = capture.frames.last().map_or(0, |frame| frame.at_ns);
                capture.totals = Some(totals(block, index, last_ns)?);
                let trailing = |source| CaptureError::Field { index, source };
                reader.finish("capture").map_err(trailing)?;
                break;
            }
            _ => return Err(CaptureError::Block { index, reason: "of a kind not used here" }),
        }
    }
    Ok(capture)
}

fn head(reader: &mut Reader<'_>) -> Result<i64, CaptureError> {
    let expected = section_header();
    let section = reader.take("section header", expected.len());
    if section != Ok(expected.as_slice()) {
        return Err(CaptureError::Head("section header"));
    }
    let wrong = |_| CaptureError::Head("interface");
    let found = reader.take("interface", interface(0).len()).map_err(wrong)?;
    let mut fields = Reader::new(found);
    fields.take("interface", OFFSET_POSITION).map_err(wrong)?;
    let offset = i64::from_le_bytes(*fields.array("if_tsoffset").map_err(wrong)?);
    if interface(offset) == found { Ok(offset) } else { Err(CaptureError::Head("interface")) }
}

/// The next block whole, or `None` where the file ends or breaks off.
fn next_block<'a>(
    reader: &mut Reader<'a>,
    index: u64,
) -> Result<Option<(u32, &'a [u8])>, CaptureError> {
    let mut ahead = reader.clone();
    let (Ok(kind), Ok(length)) = (ahead.u32_le("block type"), ahead.u32_le("block length")) else {
        return Ok(None);
    };
    let limit = MAX_FRAME_BYTES.saturating_add(PACKET_OVERHEAD_BYTES);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > limit {
        let (found, limit) = (length as u64, limit as u64);
        let source = ReadError::OverLimit { field: "block length", found, limit };
        return Err(CaptureError::Field { index, source });
    }
    Ok(reader.take("block", length).ok().map(|block| (kind, block)))
}

fn packet(block: &[u8], index: u64) -> Result<Frame<'_>, CaptureError> {
    let frame = packet_fields(block).map_err(|source| CaptureError::Field { index, source })?;
    let reason = "a packet block with another spelling";
    let wrong = CaptureError::Block { index, reason };
    let frame = frame.ok_or(wrong.clone())?;
    let mut again = Vec::with_capacity(block.len());
    write_packet(&mut again, &frame).map_err(|_| wrong.clone())?;
    if again == block { Ok(frame) } else { Err(wrong) }
}

fn packet_fields(block: &[u8]) -> Result<Option<Frame<'_>>, ReadError> {
    let mut fields = Reader::new(block);
    fields.take("block head", 12)?;
    let at_ns = time(&mut fields)?;
    let kept = usize::try_from(fields.u32_le("captured length")?).unwrap_or(usize::MAX);
    let length = fields.u32_le("original length")?;
    let bytes = fields.take("packet", kept)?;
    fields.take("padding", padding(kept))?;
    fields.take("epb_flags", 4)?;
    let direction = match fields.u32_le("epb_flags")? {
        INBOUND => Direction::Sent,
        OUTBOUND => Direction::Received,
        _ => return Ok(None),
    };
    Ok(Some(Frame { at_ns, direction, length, bytes }))
}

fn totals(block: &[u8], index: u64, last_ns: u64) -> Result<CaptureTotals, CaptureError> {
    let fields = totals_fields(block).map_err(|source| CaptureError::Field { index, source });
    let totals = fields?;
    let reason = "a statistics block with another spelling";
    if statistics(last_ns, totals) == block {
        Ok(totals)
    } else {
        Err(CaptureError::Block { index, reason })
    }
}

fn totals_fields(block: &[u8]) -> Result<CaptureTotals, ReadError> {
    let mut fields = Reader::new(block);
    fields.take("block head", 12)?;
    fields.take("timestamp", 8)?;
    fields.take("isb_ifrecv", 4)?;
    let received = fields.u64_le("isb_ifrecv")?;
    fields.take("isb_ifdrop", 4)?;
    let dropped = fields.u64_le("isb_ifdrop")?;
    Ok(CaptureTotals { received, dropped })
}

fn time(fields: &mut Reader<'_>) -> Result<u64, ReadError> {
    let high = u64::from(fields.u32_le("timestamp (high)")?);
    Ok((high << 32) | u64::from(fields.u32_le("timestamp (low)")?))
}

fn section_header() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&BYTE_ORDER.to_le_bytes());
    body.extend_from_slice(&[1, 0, 0, 0]); // version 1.0
    body.extend_from_slice(&(-1_i64).to_le_bytes()); // length of the section: not said
    block(SECTION_HEADER, &body)
}

fn interface(unix_offset_seconds: i64) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&[LINKTYPE_ETHERNET, 0, 0, 0]);
    body.extend_from_slice(&0_u32.to_le_bytes()); // no snapshot length
    body.extend_from_slice(&option(9, &[NANOSECONDS])); // if_tsresol
    body.extend_from_slice(&option(14, &unix_offset_seconds.to_le_bytes())); // if_tsoffset
    body.extend_from_slice(&END_OF_OPTIONS);
    block(INTERFACE_DESCRIPTION, &body)
}

fn write_packet(sink: &mut impl Write, frame: &Frame<'_>) -> std::io::Result<()> {
    let (kept, padding) = (frame.bytes.len(), padding(frame.bytes.len()));
    let block_bytes = kept.saturating_add(padding).saturating_add(PACKET_OVERHEAD_BYTES - 3);
    let (kept, block_bytes) = (length_field(kept)?, length_field(block_bytes)?);
    let mut head = Vec::with_capacity(28);
    head.extend_from_slice(&ENHANCED_PACKET.to_le_bytes());
    head.extend_from_slice(&block_bytes.to_le_bytes());
    head.extend_from_slice(&0_u32.to_le_bytes()); // the one interface
    head.extend_from_slice(&split_time(frame.at_ns));
    head.extend_from_slice(&kept.to_le_bytes());
    head.extend_from_slice(&frame.length.to_le_bytes());
    let flags = if frame.direction == Direction::Sent { INBOUND } else { OUTBOUND };
    let mut tail = vec![0; padding];
    tail.extend_from_slice(&option(2, &flags.to_le_bytes())); // epb_flags
    tail.extend_from_slice(&END_OF_OPTIONS);
    tail.extend_from_slice(&block_bytes.to_le_bytes());
    sink.write_all(&head)?;
    sink.write_all(frame.bytes)?;
    sink.write_all(&tail)
}

fn statistics(at_ns: u64, totals: CaptureTotals) -> Vec<u8> {
    let mut body = 0_u32.to_le_bytes().to_vec();
    body.extend_from_slice(&split_time(at_ns));
    body.extend_from_slice(&option(4, &totals.received.to_le_bytes())); // isb_ifrecv
    body.extend_from_slice(&option(5, &totals.dropped.to_le_bytes())); // isb_ifdrop
    body.extend_from_slice(&END_OF_OPTIONS);
    block(INTERFACE_STATISTICS, &body)
}

/// A small block; its length cannot overflow.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(0).saturating_add(12).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}

/// An option of a few bytes, padded to four.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(0);
    let padding = vec![0; padding(value.len())];
    [&code.to_le_bytes(), &length.to_le_bytes(), value, &padding].concat()
}

fn split_time(at_ns: u64) -> [u8; 8] {
    at_ns.rotate_left(32).to_le_bytes()
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

fn length_field(length: usize) -> std::io::Result<u32> {
    u32::try_from(length).map_err(std::io::Error::other)
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u8 = 1;
const NANOSECONDS: u8 = 9;
const END_OF_OPTIONS: [u8; 4] = [0; 4];
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Bytes of a packet block beside the frame, with the longest padding.
const PACKET_OVERHEAD_BYTES: usize = 47;

/// Where the value of `if_tsoffset` begins in the interface block.
const OFFSET_POSITION: usize = 28;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = CaptureWriter::new(&mut bytes, 1_700_000_000, 1 << 20).unwrap();
        for (length, direction) in [(60, Direction::Sent), (61, Direction::Received)] {
            let frame = vec![7_u8; length];
            let (at_ns, length) = (5_000_000_000 + length as u64, length as u32);
            writer.append(&Frame { at_ns, direction, length, bytes: &frame }).unwrap();
        }
        writer.finish(3).unwrap();
        bytes
    }

    #[test]
    fn reads_back_what_was_written() {
        let bytes = sample();
        let capture = parse(&bytes).unwrap();
        assert_eq!(capture.unix_offset_seconds, 1_700_000_000);
        assert_eq!(capture.totals, Some(CaptureTotals { received: 5, dropped: 3 }));
        let [first, second] = capture.frames.as_slice() else { panic!("{capture:?}") };
        assert_eq!((first.at_ns, first.direction), (5_000_000_060, Direction::Sent));
        assert_eq!((second.bytes, second.direction), (&[7; 61][..], Direction::Received));
    }

    #[test]
    fn a_capture_cut_anywhere_keeps_whole_frames_and_has_no_totals() {
        let whole = sample();
        for end in 28 + 48..whole.len() {
            let capture = parse(&whole[..end]).unwrap();
            assert_eq!(capture.totals, None, "cut at {end}");
        }
    }

    #[test]
    fn a_flipped_bit_outside_the_values_is_refused() {
        let whole = sample();
        let mut read = 0;
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(capture) = parse(&bytes) else { continue };
            assert_ne!(capture, parse(&whole).unwrap(), "bit {bit} changes nothing");
            read += 1;
        }
        // Timestamps, lengths on the link, frames and totals are values; nothing else may vary.
        assert!(read < (60 + 61 + 2 * 13 + 16 + 8) * 8, "{read}");
    }

    #[test]
    fn frames_beyond_the_size_are_counted_as_dropped() {
        let mut bytes = Vec::new();
        let mut writer = CaptureWriter::new(&mut bytes, 0, 500).unwrap();
        for at_ns in 0..10 {
            let frame = Frame { at_ns, direction: Direction::Sent, length: 100, bytes: &[0; 100] };
            writer.append(&frame).unwrap();
        }
        let totals = writer.finish(0).unwrap();
        assert_eq!(totals, CaptureTotals { received: 10, dropped: 8 });
        assert_eq!(parse(&bytes).unwrap().totals, Some(totals));
    }

    #[test]
    fn tcpdump_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.pcapng");
        std::fs::write(&path, sample()).unwrap();
        let ran =
            std::process::Command::new("tcpdump").args(["--nano", "-nttr"]).arg(&path).output();
        let Ok(output) = ran else {
            let why = "no tcpdump on this machine";
            assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{why}");
            return eprintln!("skipped: tcpdump_reads_it: {why}");
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.starts_with("1700000005.00000006"), "{text}");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&tail);
            let mut bytes = sample();
            bytes.truncate(76);
            bytes.extend_from_slice(&tail);
            let _ = parse(&bytes);
        }

        #[test]
        fn any_frame_reads_back(
            at_ns in any::<u64>(), length in any::<u32>(),
            data in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let frame = Frame { at_ns, direction: Direction::Sent, length, bytes: &data };
            let mut bytes = Vec::new();
            let mut writer = CaptureWriter::new(&mut bytes, -5, 1 << 20).unwrap();
            writer.append(&frame).unwrap();
            writer.finish(0).unwrap();
            prop_assert_eq!(&parse(&bytes).unwrap().frames, &[frame]);
        }
    }
}
