//! Pictures that a decoder shows: JPEG (ITU-T T.81, baseline) and PNG (RFC 2083).

use super::{length_u16, length_u32, zlib};
use crate::draw::Draw;

/// What a picture says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Caption<'a> {
    pub(crate) description: &'a str,
    pub(crate) artist: &'a str,
    pub(crate) comment: &'a str,
}

/// A grey picture of blocks of 8 by 8 points, each of one brightness, with Exif and a comment.
pub(crate) fn jpeg(caption: &Caption<'_>, columns: u16, rows: u16, draw: &mut Draw) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    segment(&mut file, 0xe1, &exif(caption));
    segment(&mut file, 0xfe, caption.comment.as_bytes());
    segment(&mut file, 0xdb, &[[0].as_slice(), &[16; 64]].concat());
    let [height, width] = [rows, columns].map(|blocks| blocks.saturating_mul(8).to_be_bytes());
    segment(&mut file, 0xc0, &[&[8], height.as_slice(), &width, &[1, 1, 0x11, 0]].concat());
    let lengths = DC_CODES_BY_LENGTH.as_slice();
    let categories: Vec<u8> = (0..12).collect();
    segment(&mut file, 0xc4, &[[0].as_slice(), lengths, &categories].concat());
    // The only symbol of the other coefficients is "end of block", one bit.
    segment(&mut file, 0xc4, &[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    segment(&mut file, 0xda, &[1, 1, 0, 0, 63, 0]);
    file.extend(scan(u32::from(columns).saturating_mul(u32::from(rows)), draw));
    file.extend([0xff, 0xd9]);
    file
}

/// T.81 table K.3: how many codes of each length the usual table for brightness has.
const DC_CODES_BY_LENGTH: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];

/// The codes of table K.3: length and bits for each category.
const DC_CODES: [(u32, u32); 9] = [
    (2, 0b00),
    (3, 0b010),
    (3, 0b011),
    (3, 0b100),
    (3, 0b101),
    (3, 0b110),
    (4, 0b1110),
    (5, 0b11110),
    (6, 0b11_1110),
];

/// A walk through brightness, block by block.
fn scan(blocks: u32, draw: &mut Draw) -> Vec<u8> {
    let (mut bits, mut level) = (BitWriter::default(), 0_i32);
    for _ in 0..blocks {
        let step = i32::try_from(draw.below(17)).unwrap_or(8).saturating_sub(8);
        let next = level.saturating_add(step).clamp(-60, 60);
        let difference = next.saturating_sub(level);
        level = next;
        let category = 32_u32.saturating_sub(difference.unsigned_abs().leading_zeros());
        let index = usize::try_from(category).unwrap_or(0);
        let &(length, code) = DC_CODES.get(index).unwrap_or(&(2, 0));
        bits.put(length, code);
        // T.81 F.1.2.1: a negative difference is written as one less, in the low bits.
        let below = if difference < 0 { difference.wrapping_sub(1) } else { difference };
        bits.put(category, u32::from_le_bytes(below.to_le_bytes()));
        bits.put(1, 0);
    }
    bits.finish()
}

/// Bits, most significant first; a byte of ones is followed by a zero byte (T.81 B.1.1.5).
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    held: u8,
    count: u8,
}

impl BitWriter {
    fn put(&mut self, length: u32, value: u32) {
        for at in (0..length).rev() {
            let bit = value.wrapping_shr(at) & 1;
            self.held = (self.held << 1) | u8::from(bit == 1);
            self.count = self.count.saturating_add(1);
            if self.count == 8 {
                self.bytes.push(self.held);
                if self.held == 0xff {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        while self.count != 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

fn segment(file: &mut Vec<u8>, marker: u8, body: &[u8]) {
    file.extend([0xff, marker]);
    file.extend(length_u16(body).saturating_add(2).to_be_bytes());
    file.extend(body);
}

/// Exif 2.3 with description and artist; the texts follow the directory.
fn exif(caption: &Caption<'_>) -> Vec<u8> {
    let texts = [(0x010e_u16, caption.description), (0x013b, caption.artist)];
    let mut directory = vec![2, 0];
    let mut values = Vec::new();
    // Header 8, count 2, two entries of 12, next directory 4.
    let mut offset = 38_u32;
    for (tag, text) in texts {
        let text = [text.as_bytes(), &[0]].concat();
        directory.extend(tag.to_le_bytes());
        directory.extend([2, 0]);
        directory.extend(length_u32(&text).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        offset = offset.saturating_add(length_u32(&text));
        values.extend(text);
    }
    directory.extend([0; 4]);
    [b"Exif\x00\x00II\x2a\x00\x08\x00\x00\x00".as_slice(), &directory, &values].concat()
}

/// A coloured picture with some noise, and texts for author and description.
pub(crate) fn png(caption: &Caption<'_>, width: u32, height: u32, draw: &mut Draw) -> Vec<u8> {
    let mut rows = Vec::new();
    for row in 0..height {
        rows.push(0);
        for column in 0..width {
            let noise = draw.byte() & 15;
            let shade = |value: u32| value.to_le_bytes()[0].wrapping_add(noise);
            rows.extend([shade(row), shade(column), shade(row ^ column)]);
        }
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut file, b"IHDR", &header);
    for (key, text) in [
        ("Author", caption.artist),
        ("Description", caption.description),
        ("Comment", caption.comment),
    ] {
        chunk(&mut file, b"tEXt", &[key.as_bytes(), &[0], text.as_bytes()].concat());
    }
    chunk(&mut file, b"IDAT", &zlib(&rows));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    let named = [name.as_slice(), body].concat();
    file.extend(length_u32(body).to_be_bytes());
    file.extend(&named);
    file.extend(crc32fast::hash(&named).to_be_bytes());
}
