//! Containers: zip and tar.gz, as their readers expect them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// A file in a container.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    name: String,
    bytes: Vec<u8>,
}

impl Member {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.to_vec() }
    }
}

/// Date and time of every member: the first moment that zip can tell, so that the same seed gives
/// the same bytes.
const DOS_DATE: u16 = 0x21;

/// A zip file (APPNOTE 6.3.10 §4.3): deflated members, one central directory, a comment.
pub(crate) fn zip(members: &[Member], comment: &str) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = word(file.len());
        let packed = deflate(&member.bytes);
        let common = common_fields(member, &packed);
        file.extend(b"PK\x03\x04\x14\x00");
        file.extend(&common);
        file.extend(member.name.as_bytes());
        file.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
        directory.extend(&common);
        // Comment length, disk, internal attributes, external attributes, offset.
        directory.extend([0; 6]);
        directory.extend(0o100_644_u32.wrapping_shl(16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = word(file.len());
    file.extend(&directory);
    file.extend(b"PK\x05\x06\x00\x00\x00\x00");
    file.extend(half(members.len()).to_le_bytes());
    file.extend(half(members.len()).to_le_bytes());
    file.extend(word(directory.len()).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend(half(comment.len()).to_le_bytes());
    file.extend(comment.as_bytes());
    file
}

/// Flags, method, time, date, checksum, sizes, lengths of name and extra field.
fn common_fields(member: &Member, packed: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for value in [0_u16, 8, 0, DOS_DATE] {
        fields.extend(value.to_le_bytes());
    }
    let sizes = [crc32fast::hash(&member.bytes), word(packed.len()), word(member.bytes.len())];
    sizes.iter().for_each(|size| fields.extend(size.to_le_bytes()));
    fields.extend(half(member.name.len()).to_le_bytes());
    fields.extend([0, 0]);
    fields
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Memory takes whatever is written.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// A gzipped tar file (POSIX.1-1988, ustar).
pub(crate) fn tar_gz(members: &[Member]) -> Vec<u8> {
    let mut tar = Vec::new();
    for member in members {
        tar.extend(tar_header(member));
        tar.extend(&member.bytes);
        let rest = tar.len() % BLOCK;
        tar.resize(
            tar.len().saturating_add(if rest == 0 { 0 } else { BLOCK.saturating_sub(rest) }),
            0,
        );
    }
    tar.resize(tar.len().saturating_add(BLOCK.saturating_mul(2)), 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(&tar);
    encoder.finish().unwrap_or_default()
}

const BLOCK: usize = 512;

fn tar_header(member: &Member) -> Vec<u8> {
    let mut header = field(member.name.as_bytes(), 100);
    for text in ["0000644\0", "0001750\0", "0001750\0"] {
        header.extend(text.as_bytes());
    }
    header.extend(format!("{:011o}\0", member.bytes.len()).as_bytes());
    header.extend(b"14000000000\0");
    // While the checksum is taken, its own field is blank.
    header.extend(b"        0");
    header.extend([0; 100]);
    header.extend(b"ustar\x0000");
    header.resize(BLOCK, 0);
    let sum: u32 = header.iter().fold(0, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let checksum = format!("{sum:06o}\0 ");
    header.splice(148..156, checksum.bytes());
    header
}

fn field(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut field: Vec<u8> = bytes.iter().copied().take(length.saturating_sub(1)).collect();
    field.resize(length, 0);
    field
}

/// Bait is far smaller than what the fields hold.
fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn half(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
