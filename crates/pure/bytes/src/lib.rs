//! Reads hostile bytes without leaving their bounds.
//!
//! A [`Reader`] hands out exactly what was asked for or an error that names the field. A child made
//! by [`Reader::sub`] cannot see past its own end, and [`Reader::finish`] makes trailing bytes an
//! error. Nothing here allocates from a declared size.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

use thiserror::Error;

/// What can be wrong with a field of hostile input.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The input ends inside a field.
    #[error("{field}: {wanted} bytes wanted, {left} left")]
    Short {
        /// The field that was being read.
        field: &'static str,
        /// Bytes the field needs.
        wanted: usize,
        /// Bytes there are.
        left: usize,
    },
    /// Bytes remain where the format ends.
    #[error("{field}: {left} bytes after the end")]
    Trailing {
        /// The structure that should have ended.
        field: &'static str,
        /// Bytes that remain.
        left: usize,
    },
    /// A declared number is over its limit.
    #[error("{field}: {found} declared, limit {limit}")]
    OverLimit {
        /// The field that declares it.
        field: &'static str,
        /// What it declares.
        found: u64,
        /// The most that is accepted.
        limit: u64,
    },
}

/// A position in bytes that nobody has checked yet.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], ReadError> {
        let short = ReadError::Short { field, wanted: count, left: self.left.len() };
        let (head, tail) = self.left.split_at_checked(count).ok_or(short)?;
        self.left = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], ReadError> {
        let short = ReadError::Short { field, wanted: N, left: self.left.len() };
        let (head, tail) = self.left.split_first_chunk::<N>().ok_or(short)?;
        self.left = tail;
        Ok(head)
    }

    /// A reader of the next `count` bytes, which ends where they end.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn sub(&mut self, field: &'static str, count: usize) -> Result<Reader<'a>, ReadError> {
        self.take(field, count).map(Reader::new)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`ReadError::Short`] at the end.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, ReadError> {
        self.array::<1>(field).map(|[byte]| *byte)
    }

    /// Two bytes, least significant first.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn u16_le(&mut self, field: &'static str) -> Result<u16, ReadError> {
        self.array(field).map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// Four bytes, least significant first.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn u32_le(&mut self, field: &'static str) -> Result<u32, ReadError> {
        self.array(field).map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Eight bytes, least significant first.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn u64_le(&mut self, field: &'static str) -> Result<u64, ReadError> {
        self.array(field).map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// Two bytes, most significant first.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn u16_be(&mut self, field: &'static str) -> Result<u16, ReadError> {
        self.array(field).map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Four bytes, most significant first.
    ///
    /// # Errors
    /// [`ReadError::Short`] when fewer are left.
    pub fn u32_be(&mut self, field: &'static str) -> Result<u32, ReadError> {
        self.array(field).map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// Asserts that nothing is left.
    ///
    /// # Errors
    /// [`ReadError::Trailing`] otherwise.
    pub fn finish(self, field: &'static str) -> Result<(), ReadError> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(ReadError::Trailing { field, left: self.left.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_cannot_see_past_its_end() {
        let mut reader = Reader::new(&[1, 2, 3, 4]);
        let mut child = reader.sub("head", 2).unwrap();
        assert_eq!(child.u16_be("word"), Ok(0x0102));
        assert_eq!(child.u8("more"), Err(ReadError::Short { field: "more", wanted: 1, left: 0 }));
        assert_eq!(reader.u16_le("tail"), Ok(0x0403));
        assert_eq!(reader.finish("all"), Ok(()));
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        let error = ReadError::Trailing { field: "record", left: 1 };
        assert_eq!(Reader::new(&[0]).finish("record"), Err(error));
    }

    #[test]
    fn a_declared_length_is_not_believed() {
        let error = ReadError::Short { field: "name", wanted: usize::MAX, left: 3 };
        assert_eq!(Reader::new(b"abc").take("name", usize::MAX), Err(error));
    }
}
