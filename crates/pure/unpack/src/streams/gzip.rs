//! gzip, RFC 1952.

use watchglass_bytes::{ReadError, Reader};

use super::Stream;
use crate::budget::to_u64;
use crate::decode::deflate::inflate;
use crate::member::Declared;
use crate::output::Output;
use crate::reason::{NotScanned, Oddity};

/// One member of a gzip file, RFC 1952 section 2.2.
pub(crate) fn read(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream> {
    if !input.starts_with(&[ID1, ID2]) {
        return None;
    }
    let mut stream = Stream { lost: true, ..Stream::default() };
    let start = out.len();
    let mut reader = Reader::new(input);
    let at = |reader: &Reader<'_>| to_u64(input.len().saturating_sub(reader.left()));
    match header(&mut reader, &mut stream, offset) {
        Ok(true) => {}
        Ok(false) => return Some(stream),
        Err(_) => {
            let offset = offset.saturating_add(to_u64(input.len()));
            let what = "the gzip header does not end";
            stream.not_scanned.push(NotScanned::Damaged { what, offset });
            return Some(stream);
        }
    }
    let body = reader.clone().rest();
    let decoded = inflate(body, out);
    let _ = reader.take("body", decoded.used);
    stream.used = input.len().saturating_sub(reader.left());
    if let Err(stop) = decoded.result {
        stream.not_scanned.push(stop.at(offset.saturating_add(at(&reader))));
        return Some(stream);
    }
    stream.lost = false;
    let made = out.bytes().get(start..).unwrap_or_default();
    match trailer(&mut reader) {
        Ok((crc, isize)) => check(&mut stream, made, crc, isize),
        Err(_) => {
            let offset = offset.saturating_add(to_u64(input.len()));
            let what = "the gzip trailer is cut off";
            stream.not_scanned.push(NotScanned::Damaged { what, offset });
            reader.rest();
        }
    }
    stream.used = input.len().saturating_sub(reader.left());
    Some(stream)
}

/// Whether deflate follows.
fn header(reader: &mut Reader<'_>, stream: &mut Stream, offset: u64) -> Result<bool, ReadError> {
    reader.take("ID", 2)?;
    let method = reader.u8("CM")?;
    let flags = reader.u8("FLG")?;
    reader.take("MTIME, XFL, OS", 6)?;
    if method != DEFLATE {
        let number = method.into();
        stream.not_scanned.push(NotScanned::UnknownMethod { format: "gzip", number });
        return Ok(false);
    }
    if flags & RESERVED != 0 {
        // gzip(1) refuses the file, zlib too; others read it. So do we, and say so.
        let what = "reserved flags of a gzip header";
        stream.oddities.push(Oddity::Skipped { what, offset: offset.saturating_add(3), bytes: 1 });
    }
    if flags & FEXTRA != 0 {
        let length = reader.u16_le("XLEN")?;
        reader.take("FEXTRA", length.into())?;
    }
    if flags & FNAME != 0 {
        stream.name = zero_terminated(reader)?.to_vec();
    }
    if flags & FCOMMENT != 0 {
        zero_terminated(reader)?;
    }
    if flags & FHCRC != 0 {
        reader.u16_le("CRC16")?;
    }
    Ok(true)
}

fn zero_terminated<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ReadError> {
    let length = reader.clone().rest().iter().take_while(|&&byte| byte != 0).count();
    let text = reader.take("text", length)?;
    reader.u8("its end")?;
    Ok(text)
}

fn trailer(reader: &mut Reader<'_>) -> Result<(u32, u32), ReadError> {
    Ok((reader.u32_le("CRC32")?, reader.u32_le("ISIZE")?))
}

fn check(stream: &mut Stream, made: &[u8], crc: u32, isize: u32) {
    stream.declared =
        Declared { unpacked: Some(isize.into()), crc32: Some(crc), ..Declared::default() };
    let found = crc32fast::hash(made);
    if found != crc {
        let (declared, found) = (crc.into(), found.into());
        stream.not_scanned.push(NotScanned::Checksum { field: "CRC32", declared, found });
    }
    let found = to_u64(made.len()) & 0xffff_ffff;
    if found != u64::from(isize) {
        let declared = isize.into();
        stream.not_scanned.push(NotScanned::Length { field: "ISIZE", declared, found });
    }
}

const ID1: u8 = 0x1f;
const ID2: u8 = 0x8b;
const DEFLATE: u8 = 8;
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;
