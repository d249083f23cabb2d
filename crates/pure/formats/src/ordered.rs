//! Numbers in the byte order that a file names.

use watchglass_bytes::{ReadError, Reader};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// A reader of numbers in one order.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<'a> {
    reader: Reader<'a>,
    order: Order,
}

impl<'a> Ordered<'a> {
    /// From `offset` of `bytes` to their end; from the end where the offset is beyond it.
    pub(crate) fn at(bytes: &'a [u8], offset: u64, order: Order) -> Self {
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
        Self { reader: Reader::new(rest.unwrap_or_default()), order }
    }

    pub(crate) fn skip(&mut self, field: &'static str, count: usize) -> Result<(), ReadError> {
        self.reader.take(field, count).map(|_| ())
    }

    pub(crate) fn sub(&mut self, field: &'static str, count: usize) -> Result<Self, ReadError> {
        Ok(Self { reader: self.reader.sub(field, count)?, order: self.order })
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], ReadError> {
        self.reader.array(field).copied()
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, ReadError> {
        match self.order {
            Order::Little => self.reader.u16_le(field),
            Order::Big => self.reader.u16_be(field),
        }
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ReadError> {
        match self.order {
            Order::Little => self.reader.u32_le(field),
            Order::Big => self.reader.u32_be(field),
        }
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, ReadError> {
        match self.order {
            Order::Little => self.reader.u64_le(field),
            Order::Big => self.reader.array(field).map(|bytes| u64::from_be_bytes(*bytes)),
        }
    }

    /// A number of 64 bits where `wide`, else of 32.
    pub(crate) fn address(&mut self, field: &'static str, wide: bool) -> Result<u64, ReadError> {
        if wide { self.u64(field) } else { self.u32(field).map(u64::from) }
    }
}
