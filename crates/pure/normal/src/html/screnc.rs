//! Scripts behind Microsoft's Script Encoder (`JScript.Encode`, `VBScript.Encode`).
//!
//! `#@~^`, the length as base64 (six signs, two more), the text, a sum in the same form, `^#~@`. Each
//! sign is one of three substitutions, chosen by its place modulo 64; `@` introduces a sign that would
//! not survive in a page. Source: the format as Microsoft's decoder in the script engines has it, known
//! since A. Marx and "Breaking the Windows Script Encoder" (2001), and what ClamAV 1.4 makes of
//! damaged ones: it believes no sum.

/// In front of an encoded script.
pub(super) const MARKER: &[u8; 4] = b"#@~^";
/// Length, sum and marker behind an encoded script.
const TAIL: usize = 12;

/// Where in an encoded script the decoder stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Screnc {
    /// Signs still to be decoded.
    pub(super) left: u32,
    place: usize,
}

impl Screnc {
    /// Reads the length, signs that are none of base64 counting as ClamAV counts them.
    pub(super) fn new(length: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = length.map(six_bits);
        let part = |value: i64, shift: u32| if value < 0 { 0 } else { value << shift };
        let left = [
            part(a, 2),
            b >> 4,
            (b & 0x0F) << 12,
            part(c >> 2, 8),
            (c & 0x03) << 22,
            part(d, 16),
            part(e, 2) << 24,
            part(f >> 4, 24),
        ];
        let left = left.iter().fold(0_i64, |sum, part| sum.wrapping_add(*part));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2³²")]
        let left = left as u32;
        Self { left, place: 0 }
    }

    /// Decodes `portion` from `from` in place. What follows the script stays behind it; when the
    /// script goes on in the next portion, nothing does.
    pub(super) fn decode(&mut self, portion: &mut Vec<u8>, from: usize) {
        let encoded = portion.get(from..).unwrap_or_default().to_vec();
        portion.truncate(from);
        let mut at = 0_usize;
        while let (true, Some(byte)) = (self.left > 0, encoded.get(at)) {
            let next = encoded.get(at.saturating_add(1)).copied();
            at = at.saturating_add(1);
            match (byte, next) {
                (b'\n' | b'\r', _) => continue,
                (0x80.., None) => {
                    portion.push(*byte);
                    return;
                }
                (0x80.., Some(next)) => {
                    portion.extend([*byte, next]);
                    at = at.saturating_add(1);
                }
                (b'@', next) => {
                    self.left = self.left.wrapping_sub(1);
                    at = at.saturating_add(usize::from(next.is_some()));
                    portion.push(escaped(next));
                    self.step();
                }
                (plain, _) => {
                    portion.push(self.substitute(*plain));
                    self.step();
                }
            }
            self.left = self.left.wrapping_sub(1);
        }
        if self.left == 0 {
            let rest = encoded.get(at..).unwrap_or_default();
            portion.extend_from_slice(rest.get(TAIL..).unwrap_or(rest));
        }
    }

    fn step(&mut self) {
        self.place = self.place.wrapping_add(1) & 63;
    }

    fn substitute(&self, byte: u8) -> u8 {
        let table = ORDER.get(self.place).and_then(|table| TABLES.get(usize::from(*table)));
        let Some((tab, signs)) = table else { return byte };
        match byte {
            b'\t' => *tab,
            0x20.. => signs.get(usize::from(byte.wrapping_sub(0x20))).copied().unwrap_or(byte),
            _ => byte,
        }
    }
}

/// The sign behind `@`.
fn escaped(sign: Option<u8>) -> u8 {
    match sign {
        Some(b'!') => b'<',
        Some(b'#') => b'\r',
        Some(b'$') => b'@',
        Some(b'&') => b'\n',
        Some(b'*') => b'>',
        _ => 0xFF,
    }
}

/// A sign of base64, or -1.
fn six_bits(sign: u8) -> i64 {
    let value = match sign {
        b'A'..=b'Z' => sign.wrapping_sub(b'A'),
        b'a'..=b'z' => sign.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => sign.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return -1,
    };
    i64::from(value)
}

/// Which substitution belongs to a place.
const ORDER: &[u8; 64] = &[
    0, 2, 1, 0, 2, 1, 2, 1, 1, 2, 1, 2, 0, 1, 2, 1, 0, 1, 2, 1, 0, 0, 2, 1, 1, 2, 0, 1, 2, 1, 1, 2,
    0, 0, 1, 2, 1, 2, 1, 0, 1, 0, 0, 2, 1, 0, 1, 2, 0, 1, 2, 1, 0, 0, 2, 1, 1, 0, 0, 2, 1, 0, 1, 2,
];

/// For each substitution: what a tab stands for, and the signs from 0x20 to 0x7F.
const TABLES: [(u8, &[u8; 96]); 3] = [
    (
        0x57,
        b".GzVBj/&IA42[vrC89pEhqO\tbD#u<~>^\xFFwJa]\"KoN;LPg*}t\
          T+-,0nkf5%!dMRc?{x)(sY3\x7FmUS|:_eFX1ilZH'\\=$y7`Q 6",
    ),
    (
        0x7B,
        b"20!)[83=X:5e9\\VsfNEkbYx^}Jmq<`>S\xFFB'Hru17MR\"TjGd- \
          \x7F.L]~loytC&v%$+(#A4\t*D?w;UiacPgQIOFh|6pnz/_KZ,W",
    ),
    (
        0x6E,
        b"-uR`q^I\\b})6 |z\x7Fkc3+hQfv1dTC<:>~\xFFE,*t'7DyY/o&rj9\
          {?8wgSG4x]0#Z[lHUpi.L!$NP\tVs5aKX;W\"mM%(FJ2A=_OBe",
    ),
];
