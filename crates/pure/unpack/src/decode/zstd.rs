//! Zstandard, RFC 8878.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use watchglass_bytes::{ReadError, Reader};

use super::Decoded;
use crate::budget::to_u64;
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// Unpacks one frame, its magic number included.
pub(crate) fn frame(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let start = out.len();
    let mut faults = Vec::new();
    let mut reader = Reader::new(input);
    let header = match Header::read(&mut reader) {
        Ok(header) => header,
        Err(_) => return failed(input.len(), Stop::Damaged("the zstd header is cut off")),
    };
    if header.dictionary != 0 {
        let what = "zstd with a dictionary that is elsewhere";
        return failed(0, Stop::Reason(NotScanned::NotSupported { what }));
    }
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_WINDOW);
    if decoder.init(&header.modest()[..]).is_err() {
        return failed(0, Stop::Damaged("zstd header"));
    }
    let body = reader.rest();
    let mut decoded = blocks(body, &mut decoder, out);
    decoded.used = decoded.used.saturating_add(input.len().saturating_sub(body.len()));
    let made = to_u64(out.len().saturating_sub(start));
    if decoded.result.is_ok() {
        check(&decoder, header.content_size, made, &mut faults);
    }
    Decoded { faults, ..decoded }
}

fn failed(used: usize, stop: Stop) -> Decoded {
    Decoded { used, result: Err(stop), faults: Vec::new() }
}

fn blocks(body: &[u8], decoder: &mut FrameDecoder, out: &mut Output<'_>) -> Decoded {
    let mut decoded = drive_blocks(body, decoder, out);
    if matches!(decoded.result, Err(Stop::Damaged(_))) {
        // The decoder keeps a window back until the frame ends; an empty last block ends it, so
        // that what lies before the damage is given.
        let _ = decoder.decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::All);
        if let Err(stop @ Stop::Reason(_)) = drain(decoder, out) {
            decoded.result = Err(stop);
        }
    }
    decoded
}

fn drive_blocks(body: &[u8], decoder: &mut FrameDecoder, out: &mut Output<'_>) -> Decoded {
    let mut left = body;
    let mut result = Ok(());
    while result.is_ok() {
        let before = left.len();
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let ended = decoder.decode_blocks(&mut left, one);
        result = out.read(before.saturating_sub(left.len())).and_then(|()| match ended {
            Ok(_) => drain(decoder, out),
            Err(_) => Err(Stop::Damaged("zstd block")),
        });
        if result.is_ok() && ended.is_ok_and(|ended| ended) {
            break;
        }
    }
    Decoded { used: body.len().saturating_sub(left.len()), result, faults: Vec::new() }
}

/// Moves what the decoder gives to the output.
fn drain(decoder: &mut FrameDecoder, out: &mut Output<'_>) -> Result<(), Stop> {
    use std::io::Read as _;
    while decoder.can_collect() > 0 {
        let moved = out.fill(usize::MAX, |room| {
            let moved = decoder.read(room).unwrap_or(0);
            (moved, moved)
        })?;
        if moved == 0 {
            break;
        }
    }
    Ok(())
}

fn check(decoder: &FrameDecoder, declared: Option<u64>, found: u64, faults: &mut Vec<NotScanned>) {
    if let Some(declared) = declared.filter(|declared| *declared != found) {
        faults.push(NotScanned::Length { field: "Frame_Content_Size", declared, found });
    }
    let sums = (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
    if let (Some(declared), Some(found)) = sums
        && declared != found
    {
        let (declared, found) = (declared.into(), found.into());
        faults.push(NotScanned::Checksum { field: "Content_Checksum", declared, found });
    }
}

/// A frame header, section 3.1.1.1.
#[derive(Debug)]
struct Header {
    has_checksum: bool,
    window: Window,
    dictionary: u32,
    content_size: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Window {
    Descriptor(u8),
    /// The whole content, of so many bytes.
    Single(u64),
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.u32_le("Magic_Number")?;
        let descriptor = reader.u8("Frame_Header_Descriptor")?;
        let is_single = descriptor & 0x20 != 0;
        let window = if is_single { None } else { Some(reader.u8("Window_Descriptor")?) };
        let dictionary = match descriptor & 3 {
            0 => 0,
            1 => reader.u8("Dictionary_ID")?.into(),
            2 => reader.u16_le("Dictionary_ID")?.into(),
            _ => reader.u32_le("Dictionary_ID")?,
        };
        let content_size = match descriptor >> 6 {
            0 if is_single => Some(reader.u8("Frame_Content_Size")?.into()),
            0 => None,
            1 => Some(u64::from(reader.u16_le("Frame_Content_Size")?).saturating_add(256)),
            2 => Some(reader.u32_le("Frame_Content_Size")?.into()),
            _ => Some(reader.u64_le("Frame_Content_Size")?),
        };
        let window = window.map_or(Window::Single(content_size.unwrap_or(0)), Window::Descriptor);
        Ok(Self { has_checksum: descriptor & 4 != 0, window, dictionary, content_size })
    }

    /// A header that means the same and whose window is no larger than [`MAX_WINDOW`], because the
    /// decoder reserves what is declared. Copies from further back than that fail.
    fn modest(&self) -> [u8; 6] {
        let exponent = match self.window {
            Window::Descriptor(descriptor) if descriptor < MAX_WINDOW_DESCRIPTOR => descriptor,
            Window::Single(size) => (0..=17_u8)
                .map(|exponent| exponent.wrapping_shl(3))
                .find(|descriptor| size <= 1024_u64.wrapping_shl(u32::from(descriptor >> 3)))
                .unwrap_or(MAX_WINDOW_DESCRIPTOR),
            Window::Descriptor(_) => MAX_WINDOW_DESCRIPTOR,
        };
        let [a, b, c, d] = MAGIC.to_le_bytes();
        [a, b, c, d, if self.has_checksum { 4 } else { 0 }, exponent]
    }
}

/// The magic number of a frame, section 3.1.1.
pub(crate) const MAGIC: u32 = 0xfd2f_b528;
/// 128 MiB, what zstd(1) takes without being asked to, and more than one member may have. Reserved
/// address space, of which only what is made becomes memory.
const MAX_WINDOW: u64 = 128 << 20;
/// 2^(10 + 17).
const MAX_WINDOW_DESCRIPTOR: u8 = 17 << 3;
/// Last, raw, empty; and four bytes in case a checksum is wanted.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
