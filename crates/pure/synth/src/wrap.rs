//! Containers around a file.

use crate::frame::MAIL;

/// A container of ClamAV's type `kind` with this in it; none of a type that is not made.
pub(crate) fn inside(kind: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    match kind {
        // That is what lies in nothing.
        "CL_TYPE_ANY" => Some(bytes.to_vec()),
        "CL_TYPE_ZIP" => Some(zip(&[("a.bin", bytes)])),
        "CL_TYPE_MAIL" => Some(mail(bytes)),
        "CL_TYPE_OOXML_WORD" => Some(ooxml("word/document.xml", bytes)),
        "CL_TYPE_OOXML_XL" => Some(ooxml("xl/workbook.xml", bytes)),
        "CL_TYPE_OOXML_PPT" => Some(ooxml("ppt/presentation.xml", bytes)),
        _ => None,
    }
}

/// A mail with an attachment.
fn mail(bytes: &[u8]) -> Vec<u8> {
    let head = MAIL.strip_suffix(b"Content-Type: text/plain\n\n").unwrap_or(MAIL);
    let mut mail = head.to_vec();
    mail.extend(
        b"Content-Type: multipart/mixed; boundary=\"=_next\"\n\n--=_next\n\
          Content-Type: text/plain\n\nhello\n\n--=_next\n\
          Content-Type: application/octet-stream; name=\"a.bin\"\n\
          Content-Disposition: attachment; filename=\"a.bin\"\n\
          Content-Transfer-Encoding: base64\n\n",
    );
    for line in base64(bytes).chunks(76) {
        mail.extend(line);
        mail.push(b'\n');
    }
    mail.extend(b"\n--=_next--\n");
    mail
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let letters = [18, 12, 6, 0].map(|shift| {
            let index = usize::try_from(bits >> shift & 63).unwrap_or(0);
            LETTERS.get(index).copied().unwrap_or(b'=')
        });
        let kept = chunk.len().saturating_add(1);
        text.extend(letters.iter().take(kept));
        text.resize(text.len().next_multiple_of(4), b'=');
    }
    text
}

/// A document of Office with this beside its main part.
fn ooxml(main: &str, bytes: &[u8]) -> Vec<u8> {
    let types = b"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
        <Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"></Types>";
    zip(&[
        ("[Content_Types].xml", &types[..]),
        (main, b"<?xml version=\"1.0\"?><a/>"),
        ("a.bin", bytes),
    ])
}

/// A zip whose members are stored.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let start = u32::try_from(zip.len()).unwrap_or(0);
        let length = u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap_or(0).to_le_bytes();
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5c][..],
            &crc32(bytes).to_le_bytes(),
            &length,
            &length,
            &name_length,
            &[0, 0],
        ]
        .concat();
        zip.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10]].concat());
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(zip.len()).unwrap_or(0).to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap_or(0).to_le_bytes();
    let count = u16::try_from(members.len()).unwrap_or(0).to_le_bytes();
    zip.extend(directory);
    zip.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0, 0]].concat());
    zip
}

fn crc32(bytes: &[u8]) -> u32 {
    let of_byte = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xedb8_8320 }
        })
    };
    !bytes.iter().fold(u32::MAX, of_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_letters_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(base64(b"foobar"), b"Zm9vYmFy");
        assert_eq!(base64(b"fooba"), b"Zm9vYmE=");
        assert_eq!(base64(b"f"), b"Zg==");
    }
}
