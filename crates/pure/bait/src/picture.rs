//! The smallest pictures that every decoder opens, with a text beside the image.

use std::io::Write as _;

/// A PNG of 8×8 grey pixels with the text as its `Description` (PNG 1.2 §11.3.4.3).
pub(crate) fn png(text: &str, shade: u8) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    // Width, height, 8 bits of grey, no interlacing.
    file.extend(chunk(b"IHDR", &[0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0]));
    file.extend(chunk(b"tEXt", &[b"Description\0", text.as_bytes()].concat()));
    let row = [&[0][..], &[shade; 8]].concat();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Memory takes whatever is written.
    let _ = encoder.write_all(&row.repeat(8));
    file.extend(chunk(b"IDAT", &encoder.finish().unwrap_or_default()));
    file.extend(chunk(b"IEND", b""));
    file
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let body = [&kind[..], data].concat();
    [&length.to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
}

/// A baseline JPEG of 8×8 grey pixels (ITU-T T.81) with the text as EXIF `ImageDescription` (tag
/// 0x010e). Its one block has neither DC nor AC part, so both code tables hold the one symbol 0.
pub(crate) fn jpeg(text: &str, shade: u8) -> Vec<u8> {
    let mut file = b"\xff\xd8".to_vec();
    file.extend(segment(0xe1, &exif(text)));
    // The quantisation table is of no effect on an empty block, so it can carry the shade.
    let quantisation: Vec<u8> = [&[0][..], &[shade.max(1); 64]].concat();
    file.extend(segment(0xdb, &quantisation));
    file.extend(segment(0xc0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]));
    for table in [0x00_u8, 0x10] {
        let mut codes = vec![table, 1];
        codes.extend([0; 15]);
        codes.push(0);
        file.extend(segment(0xc4, &codes));
    }
    file.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    file.extend(b"\x3f\xff\xd9");
    file
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len().saturating_add(2)).unwrap_or(u16::MAX);
    [&[0xff, marker][..], &length.to_be_bytes(), data].concat()
}

/// One directory with one entry, whose text follows it (TIFF 6.0 §2).
fn exif(text: &str) -> Vec<u8> {
    let value = [text.as_bytes(), b"\0"].concat();
    let count = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0e\0\x02".to_vec();
    exif.extend(count.to_be_bytes());
    exif.extend([0, 0, 0, 26, 0, 0, 0, 0]);
    exif.extend(value);
    exif
}
