//! Numbers and stretches of bytes, of which the coded forms of signatures are made.
//!
//! A number stands in seven bits a byte, the least significant first, the top bit of each byte but
//! the last set; five bytes at most. A stretch is its length and so many bytes.

/// Reads a coded form. What is not there is `None`, and nothing is read behind the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    left: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(code: &'a [u8]) -> Self {
        Self { left: code }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.left
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, left) = self.left.split_first()?;
        self.left = left;
        Some(*byte)
    }

    pub(crate) fn number(&mut self) -> Option<u32> {
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(number).ok();
            }
        }
        None
    }

    /// A number that may be negative, by its sign and its amount in two halves.
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let (high, low) = (self.number()?, self.number()?);
        Some(i64::from_le_bytes((u64::from(high) << 32 | u64::from(low)).to_le_bytes()))
    }

    pub(crate) fn stretch(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (stretch, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(stretch)
    }
}

pub(crate) fn push_number(code: &mut Vec<u8>, number: u32) {
    let mut left = number;
    loop {
        let [low, ..] = left.to_le_bytes();
        left >>= 7;
        if left == 0 {
            return code.push(low & 0x7f);
        }
        code.push(low | 0x80);
    }
}

pub(crate) fn push_signed(code: &mut Vec<u8>, number: i64) {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    push_number(code, u32::from_le_bytes([e, f, g, h]));
    push_number(code, u32::from_le_bytes([a, b, c, d]));
}

/// Writes a stretch. Lines of sets are 32 KB at most, so its length is a number.
pub(crate) fn push_stretch(code: &mut Vec<u8>, bytes: &[u8]) {
    push_number(code, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    code.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut code = Vec::new();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u32::MAX];
        numbers.iter().for_each(|number| push_number(&mut code, *number));
        push_stretch(&mut code, b"abc");
        [-1, i64::MIN, i64::MAX].iter().for_each(|number| push_signed(&mut code, *number));
        let mut cursor = Cursor::new(&code);
        assert!(numbers.iter().all(|number| cursor.number() == Some(*number)));
        assert_eq!(cursor.stretch(), Some(&b"abc"[..]));
        assert_eq!([cursor.signed(), cursor.signed()], [Some(-1), Some(i64::MIN)]);
        assert_eq!(cursor.signed(), Some(i64::MAX));
        assert!(cursor.is_empty());
    }

    #[test]
    fn what_is_cut_short_or_too_large_is_nothing() {
        assert_eq!(Cursor::new(&[0x80]).number(), None);
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).number(), None);
        assert_eq!(Cursor::new(&[0x80; 9]).number(), None);
        assert_eq!(Cursor::new(&[3, 1, 2]).stretch(), None);
    }
}
