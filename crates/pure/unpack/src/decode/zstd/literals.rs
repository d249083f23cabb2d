//! Literals of a block, section 3.1.1.3.1.

use watchglass_bytes::Reader;

use super::DAMAGED;
use super::block::MAX_BLOCK;
use super::huffman::Code;
use crate::output::Stop;

/// The literals of a block, and the code that the next may use again.
#[derive(Debug, Default)]
pub(super) struct Literals {
    bytes: Vec<u8>,
    code: Option<Code>,
}

impl Literals {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the section.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        self.bytes.clear();
        let first = reader.u8("Literals_Section_Header").map_err(|_| DAMAGED)?;
        match first & 3 {
            0 => {
                let size = plain_size(first, reader)?;
                let bytes = reader.take("Literals", size).map_err(|_| DAMAGED)?;
                self.bytes.extend_from_slice(bytes);
                Ok(())
            }
            1 => {
                let size = plain_size(first, reader)?;
                let byte = reader.u8("Literals").map_err(|_| DAMAGED)?;
                self.bytes.resize(size, byte);
                Ok(())
            }
            kind => self.compressed(first, kind == 3, reader),
        }
    }

    fn compressed(
        &mut self,
        first: u8,
        with_last_code: bool,
        reader: &mut Reader<'_>,
    ) -> Result<(), Stop> {
        let (streams, bits, more) = match first >> 2 & 3 {
            0 => (1, 10, 2),
            1 => (4, 10, 2),
            2 => (4, 14, 3),
            _ => (4, 18, 4),
        };
        let header = little_endian(first, reader, more)?;
        let mask = 1_u64.wrapping_shl(bits).wrapping_sub(1);
        let size = |shift: u32| usize::try_from(header.wrapping_shr(shift) & mask).unwrap_or(0);
        let (made, packed) = (size(4), size(bits.wrapping_add(4)));
        if made > MAX_BLOCK {
            return Err(DAMAGED);
        }
        let mut bytes = reader.take("Literals", packed).map_err(|_| DAMAGED)?;
        if !with_last_code {
            let (code, used) = Code::read(bytes)?;
            self.code = Some(code);
            bytes = bytes.get(used..).unwrap_or_default();
        }
        let code = self.code.as_ref().ok_or(DAMAGED)?;
        self.bytes.resize(made, 0);
        if streams == 1 {
            return code.decode(bytes, bytes.len(), &mut self.bytes);
        }
        four_streams(code, bytes, &mut self.bytes)
    }
}

/// Section 3.1.1.3.1.6.
fn four_streams(code: &Code, bytes: &[u8], out: &mut [u8]) -> Result<(), Stop> {
    let (&[a, b, c, d, e, f], mut rest) = bytes.split_first_chunk::<6>().ok_or(DAMAGED)?;
    let sizes = [[a, b], [c, d], [e, f]].map(|size| usize::from(u16::from_le_bytes(size)));
    let last = sizes.iter().try_fold(rest.len(), |left, size| left.checked_sub(*size));
    let sizes = sizes.into_iter().chain(last);
    let part = out.len().div_ceil(4);
    if last.is_none() || part.saturating_mul(3) > out.len() {
        return Err(DAMAGED);
    }
    let mut left = out;
    for (number, size) in sizes.enumerate() {
        let count = if number == 3 { left.len() } else { part };
        let (now, later) = left.split_at_mut_checked(count).ok_or(DAMAGED)?;
        code.decode(rest, size, now)?;
        rest = rest.get(size..).unwrap_or_default();
        left = later;
    }
    Ok(())
}

/// The size of literals that are raw or all the same.
fn plain_size(first: u8, reader: &mut Reader<'_>) -> Result<usize, Stop> {
    let (shift, more) = match first >> 2 & 3 {
        0 | 2 => (3, 0),
        1 => (4, 1),
        _ => (4, 2),
    };
    let size = little_endian(first, reader, more)?.wrapping_shr(shift);
    usize::try_from(size).ok().filter(|size| *size <= MAX_BLOCK).ok_or(DAMAGED)
}

fn little_endian(first: u8, reader: &mut Reader<'_>, more: usize) -> Result<u64, Stop> {
    let rest = reader.take("Literals_Section_Header", more).map_err(|_| DAMAGED)?;
    let mut word = [0; 8];
    word.iter_mut().zip([first].iter().chain(rest)).for_each(|(place, byte)| *place = *byte);
    Ok(u64::from_le_bytes(word))
}
