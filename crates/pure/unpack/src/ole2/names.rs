//! Names of streams.

use super::compound::Compound;

/// The path of an entry: the names of its storages and its own, joined by `/`.
pub(super) fn path(compound: &Compound<'_>, id: u32) -> Vec<u8> {
    let mut parts = Vec::new();
    let mut at = id;
    while let Some(entry) = compound.entry(at).filter(|_| parts.len() < MAX_PARTS) {
        parts.push(decoded(entry.name));
        match compound.parent(at) {
            Some(parent) if parent != 0 => at = parent,
            _ => break,
        }
    }
    parts.reverse();
    parts.join(&b'/')
}

/// A name as UTF-8. Control characters stay; what is no UTF-16 becomes U+FFFD.
pub(super) fn decoded(name: &[u8]) -> Vec<u8> {
    let units = name.chunks_exact(2).filter_map(|unit| super::u16_at(unit, 0));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    if let Some(name) = installer(&units) {
        return name;
    }
    let text = char::decode_utf16(units);
    text.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes()
}

/// Windows Installer packs one or two of 64 characters into a code unit of the private form
/// 0x3800–0x4840; tables of its database begin with the last of these.
fn installer(units: &[u16]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    for &unit in units {
        let digit = |number: u16| DIGITS.get(usize::from(number & 0x3f)).copied();
        match unit {
            0x3800..=0x47ff => {
                let packed = unit.wrapping_sub(0x3800);
                name.extend([digit(packed)?, digit(packed >> 6)?]);
            }
            0x4800..=0x483f => name.push(digit(unit.wrapping_sub(0x4800))?),
            0x4840 => name.push(b'!'),
            _ => return None,
        }
    }
    (!name.is_empty()).then_some(name)
}

/// Whether a name is `wanted`; compound files do not tell cases apart (\[MS-CFB\] 2.6.4).
pub(super) fn is(name: &[u8], wanted: &str) -> bool {
    let same =
        |(unit, wanted): (&[u8], u8)| matches!(unit, [low, 0] if low.eq_ignore_ascii_case(&wanted));
    name.len() == wanted.len().saturating_mul(2)
        && name.chunks_exact(2).zip(wanted.bytes()).all(same)
}

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
/// Storages of a path that are named: Office makes at most five, and a chain of a million of them
/// would cost its square.
const MAX_PARTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn names_keep_their_control_characters() {
        assert_eq!(decoded(&utf16("\u{1}Ole10Native")), b"\x01Ole10Native");
        assert_eq!(decoded(&[0, 0xd8, b'a', 0]), "\u{fffd}a".as_bytes());
        assert!(is(&utf16("vBa"), "VBA") && !is(&utf16("VB"), "VBA"));
    }

    #[test]
    fn names_of_installers_are_unpacked() {
        // "_Tables" behind the mark of a table.
        let pair = |one: usize, two: usize| 0x3800 + one as u16 + ((two as u16) << 6);
        let at = |byte: u8| DIGITS.iter().position(|&digit| digit == byte).unwrap();
        let units = [
            0x4840,
            pair(at(b'_'), at(b'T')),
            pair(at(b'a'), at(b'b')),
            pair(at(b'l'), at(b'e')),
            0x4800 + at(b's') as u16,
        ];
        let name: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        assert_eq!(decoded(&name), b"!_Tables");
    }
}
