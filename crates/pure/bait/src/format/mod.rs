//! Containers, written byte by byte so that the same input gives the same file.

pub(crate) mod pdf;
pub(crate) mod picture;
pub(crate) mod sqlite;
pub(crate) mod tar;
pub(crate) mod zip;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};

const INFALLIBLE: &str = "writing into memory does not fail";

/// Deflate without a header.
pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect(INFALLIBLE);
    encoder.finish().expect(INFALLIBLE)
}

/// Deflate with the header and check sum of zlib.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect(INFALLIBLE);
    encoder.finish().expect(INFALLIBLE)
}

/// gzip without a name or time in its header.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    file.extend(deflate(bytes));
    file.extend(crc32fast::hash(bytes).to_le_bytes());
    file.extend(length.to_le_bytes());
    file
}

/// The length of `bytes` in a field of four bytes. Nothing here grows over it.
fn length_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The length of `bytes` in a field of two bytes.
fn length_u16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}
