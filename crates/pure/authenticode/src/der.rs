//! The distinguished encoding of ASN.1 (X.690), as far as signatures need it.

use crate::signature::Distrust;

/// Values one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a> {
    left: &'a [u8],
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// With its tag and its length.
    pub(crate) whole: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next value.
    pub(crate) fn item(&mut self, field: &'static str) -> Result<Item<'a>, Distrust> {
        self.read().ok_or(Distrust::Malformed(field))
    }

    /// The content of the next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8, field: &'static str) -> Result<&'a [u8], Distrust> {
        let item = self.item(field)?;
        if item.tag == tag { Ok(item.content) } else { Err(Distrust::Malformed(field)) }
    }

    /// The same, as values.
    pub(crate) fn inside(&mut self, tag: u8, field: &'static str) -> Result<Self, Distrust> {
        self.expect(tag, field).map(Self::new)
    }

    /// Nothing may follow.
    pub(crate) fn end(self, field: &'static str) -> Result<(), Distrust> {
        if self.is_empty() { Ok(()) } else { Err(Distrust::Malformed(field)) }
    }

    fn read(&mut self) -> Option<Item<'a>> {
        let (&[tag, short], mut rest) = self.left.split_first_chunk::<2>()?;
        let mut length = usize::from(short);
        if short & 0x80 != 0 {
            let (bytes, after) = rest.split_at_checked(usize::from(short & 0x7f))?;
            if bytes.is_empty() || bytes.len() > MAX_LENGTH_BYTES {
                return None;
            }
            length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        let (whole, left) =
            self.left.split_at_checked(self.left.len().saturating_sub(after.len()))?;
        self.left = left;
        Some(Item { tag, content, whole })
    }
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// `[0]`, `[1]` and `[3]` of constructed values.
pub(crate) const FIRST: u8 = 0xa0;
pub(crate) const SECOND: u8 = 0xa1;
pub(crate) const FOURTH: u8 = 0xa3;
/// Lengths of three bytes go to 16 MiB, more than any table of certificates.
const MAX_LENGTH_BYTES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_both_forms() {
        let bytes = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256], &[0x02, 0x01, 0x05]].concat();
        let mut der = Der::new(&bytes);
        assert_eq!(der.expect(OCTET_STRING, "a").unwrap().len(), 256);
        assert_eq!(der.item("b").unwrap().whole, [2, 1, 5]);
        assert!(der.is_empty());
        for cut in 0..bytes.len() - 3 {
            assert!(Der::new(&bytes[..cut]).item("a").is_err());
        }
    }
}
