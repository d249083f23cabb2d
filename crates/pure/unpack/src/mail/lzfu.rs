//! Compressed RTF, \[MS-OXRTFCP\].

use watchglass_bytes::Reader;

use crate::output::{Output, Stop};

/// Unpacks a value of PidTagRtfCompressed.
pub(crate) fn decode(bytes: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
    let mut reader = Reader::new(bytes);
    let cut = |_| Stop::Damaged("compressed RTF is cut off");
    reader.u32_le("COMPSIZE").map_err(cut)?;
    let raw = usize::try_from(reader.u32_le("RAWSIZE").map_err(cut)?).unwrap_or(usize::MAX);
    let kind = reader.u32_le("COMPTYPE").map_err(cut)?;
    reader.u32_le("CRC").map_err(cut)?;
    match kind {
        STORED => {
            let rest = reader.rest();
            out.extend(rest.get(..raw).unwrap_or(rest))?;
            if rest.len() < raw { Err(Stop::Damaged("compressed RTF is cut off")) } else { Ok(()) }
        }
        COMPRESSED => compressed(reader.rest(), out),
        _ => Err(Stop::Damaged("COMPTYPE")),
    }
}

/// Runs of eight tokens: a byte, or a copy from a dictionary of 4 KiB that goes round.
fn compressed(bytes: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
    let mut dictionary = [0_u8; SIZE];
    for (place, byte) in dictionary.iter_mut().zip(INITIAL) {
        *place = *byte;
    }
    let mut at = INITIAL.len();
    let mut bytes = bytes.iter().copied();
    let mut put = |byte: u8, at: &mut usize, dictionary: &mut [u8; SIZE]| {
        dictionary.get_mut(*at).into_iter().for_each(|place| *place = byte);
        *at = at.wrapping_add(1) % SIZE;
        out.push(byte)
    };
    while let Some(control) = bytes.next() {
        for bit in 0..8 {
            let cut = Stop::Damaged("compressed RTF without its end");
            let Some(first) = bytes.next() else { return Err(cut) };
            if control.wrapping_shr(bit) & 1 == 0 {
                put(first, &mut at, &mut dictionary)?;
                continue;
            }
            let Some(second) = bytes.next() else { return Err(cut) };
            let token = usize::from(u16::from_be_bytes([first, second]));
            let (mut from, length) = (token >> 4, (token & 15).saturating_add(2));
            if from == at {
                return Ok(());
            }
            for _ in 0..length {
                let byte = dictionary.get(from).copied().unwrap_or(0);
                put(byte, &mut at, &mut dictionary)?;
                from = from.wrapping_add(1) % SIZE;
            }
        }
    }
    Err(Stop::Damaged("compressed RTF without its end"))
}

const COMPRESSED: u32 = 0x7546_5a4c;
const STORED: u32 = 0x414c_454d;
const SIZE: usize = 4096;
/// What the dictionary begins with, section 2.1.2.1.
const INITIAL: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
