//! The chunks of an xz file, before they are decoded.
//!
//! The decoder holds all that it makes, so what a chunk says about its size is added up first, and
//! only as many chunks are handed over as the budget pays for. That also leaves a cut file readable
//! up to its last whole chunk.

use super::compressed::End;

/// The LZMA2 chunks of the first block with at most `limit` bytes in them, ended as the format wants
/// it, and how they ended in the file.
pub(super) fn first_block(file: &[u8], limit: usize) -> Option<(Vec<u8>, End)> {
    // The .xz File Format 2.1.1 (stream header, 12 bytes) and 3.1 (block header).
    let block = file.get(12..)?;
    let header = usize::from(*block.first()?).checked_add(1)?.checked_mul(4)?;
    let chunks = block.get(header..)?;
    let (mut taken, mut made) = (0_usize, 0_usize);
    let end = loop {
        let rest = chunks.get(taken..).unwrap_or_default();
        if rest.first() == Some(&0) {
            break End::Clean;
        }
        let Some(chunk) = Chunk::parse(rest) else { break End::Cut };
        made = made.saturating_add(chunk.made);
        if made > limit {
            break End::Limit;
        }
        taken = taken.saturating_add(chunk.length);
    };
    let mut body = chunks.get(..taken)?.to_vec();
    body.push(0);
    Some((body, end))
}

/// What the header of a chunk says.
struct Chunk {
    /// Bytes in the file, header included.
    length: usize,
    /// Bytes that it decodes to.
    made: usize,
}

impl Chunk {
    /// `None` where there is no whole chunk.
    fn parse(rest: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = rest.get(at..)?.first_chunk::<2>()?;
            usize::from(u16::from_be_bytes(*bytes)).checked_add(1)
        };
        let control = *rest.first()?;
        let chunk = match control {
            1 | 2 => Self { length: word(1)?.checked_add(3)?, made: word(1)? },
            0x80.. => {
                let header = if control & 0x40 == 0 { 5 } else { 6 };
                let high = usize::from(control & 0x1f) << 16;
                Self { length: word(3)?.checked_add(header)?, made: high.checked_add(word(1)?)? }
            }
            _ => return None,
        };
        (chunk.length <= rest.len()).then_some(chunk)
    }
}
