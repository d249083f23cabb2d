//! Zstandard, RFC 8878. Numbers of sections are those of the RFC.
//!
//! What is made lies in one piece with all that was made before in the frame, so the output is the
//! window, whatever window the frame declares.

mod block;
mod fse;
mod huffman;
mod literals;
mod reverse;
mod sequences;
mod xxh64;

use watchglass_bytes::{ReadError, Reader};

use super::Decoded;
use crate::budget::to_u64;
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// Unpacks one frame, its magic number included.
pub(crate) fn frame(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let start = out.len();
    let mut reader = Reader::new(input);
    let header = match Header::read(&mut reader) {
        Ok(header) => header,
        Err(_) => return failed(input.len(), Stop::Damaged("the zstd header is cut off")),
    };
    if header.reserved {
        return failed(0, Stop::Damaged("zstd header"));
    }
    if header.dictionary != 0 {
        let what = "zstd with a dictionary that is elsewhere";
        return failed(0, Stop::Reason(NotScanned::NotSupported { what }));
    }
    let result = block::all(&mut reader, start, out);
    let mut faults = Vec::new();
    if result.is_ok() {
        let content = out.bytes().get(start..).unwrap_or_default();
        check(&header, content, &mut reader, &mut faults);
    }
    Decoded { used: input.len().saturating_sub(reader.left()), result, faults }
}

fn failed(used: usize, stop: Stop) -> Decoded {
    Decoded { used, result: Err(stop), faults: Vec::new() }
}

fn check(header: &Header, content: &[u8], reader: &mut Reader<'_>, faults: &mut Vec<NotScanned>) {
    let found = to_u64(content.len());
    if let Some(declared) = header.content_size.filter(|declared| *declared != found) {
        faults.push(NotScanned::Length { field: "Frame_Content_Size", declared, found });
    }
    if header.has_checksum {
        let declared = reader.u32_le("Content_Checksum").unwrap_or(0).into();
        let found = xxh64::digest(content) & u64::from(u32::MAX);
        if declared != found {
            faults.push(NotScanned::Checksum { field: "Content_Checksum", declared, found });
        }
    }
}

/// A frame header, section 3.1.1.1. The window that it declares is asked for by nobody.
#[derive(Debug)]
struct Header {
    has_checksum: bool,
    reserved: bool,
    dictionary: u32,
    content_size: Option<u64>,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.u32_le("Magic_Number")?;
        let descriptor = reader.u8("Frame_Header_Descriptor")?;
        let is_single = descriptor & 0x20 != 0;
        if !is_single {
            reader.u8("Window_Descriptor")?;
        }
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
        let reserved = descriptor & 8 != 0;
        Ok(Self { has_checksum: descriptor & 4 != 0, reserved, dictionary, content_size })
    }
}

/// The magic number of a frame, section 3.1.1.
pub(crate) const MAGIC: u32 = 0xfd2f_b528;

const DAMAGED: Stop = Stop::Damaged("zstd block");

#[cfg(test)]
mod tests;
