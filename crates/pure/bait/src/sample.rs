//! Files that a scanner must detect, made at run time, with their clean twins.

use crate::archive::{Member, zip};
use crate::draw::{Draw, Seed};
use crate::mark::{Mark, Place};
use crate::words::Vocabulary;

/// A file for a scanner to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Path under the folder of samples.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What a scanner is to say.
    pub expected: Expected,
    /// Marks in it: only a private neighbour of a detected file carries some.
    pub marks: Vec<Mark>,
}

/// What a scanner is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It holds the test file.
    Detected,
    /// There is nothing in it.
    Clean,
}

/// The EICAR anti-malware test file, <https://www.eicar.org/download-anti-malware-testfile/>: 68
/// bytes that every scanner reports and that do nothing. It is put together here so that no file of
/// ours is reported.
#[must_use]
pub fn eicar() -> Vec<u8> {
    let parts =
        ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-", "FILE!$H+H*"];
    parts.concat().into_bytes()
}

pub(crate) fn samples(seed: &Seed, vocabulary: &Vocabulary) -> Vec<Sample> {
    let mut draw = Draw::new(seed, &[b"samples"]);
    let clean = vocabulary.paragraph(&mut draw).into_bytes();
    let mut samples = pair("plain", ".com", &eicar(), &clean, |bytes| bytes.to_vec());
    let zipped = |bytes: &[u8]| zip(&[Member::new("report.txt", bytes)], "");
    samples.extend(pair("zipped", ".zip", &eicar(), &clean, zipped));
    let nested = |bytes: &[u8]| zip(&[Member::new("inner.zip", &zipped(bytes))], "");
    samples.extend(pair("nested", ".zip", &eicar(), &clean, nested));
    samples.extend(pair("mail", ".eml", &eicar(), &clean, mail));
    let document = |bytes: &[u8]| {
        zip(
            &[
                Member::new("[Content_Types].xml", TYPES),
                Member::new("word/media/object1.bin", bytes),
            ],
            "",
        )
    };
    samples.extend(pair("document", ".docx", &eicar(), &clean, document));
    samples.push(neighbours(seed, &clean));
    samples
}

const TYPES: &[u8] = b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";

fn pair(
    name: &str,
    end: &str,
    bad: &[u8],
    good: &[u8],
    pack: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<Sample> {
    let sample = |kind: &str, bytes, expected| Sample {
        path: format!("{kind}/{name}{end}"),
        bytes: pack(bytes),
        expected,
        marks: Vec::new(),
    };
    vec![sample("eicar", bad, Expected::Detected), sample("clean", good, Expected::Clean)]
}

/// An archive in which a private document lies beside the test file: it must not leave with it.
fn neighbours(seed: &Seed, text: &[u8]) -> Sample {
    let path = "eicar/neighbours.zip";
    let mark = Mark::of(seed, path, Place::Member(1));
    let private = [text, b"\n", mark.text.as_bytes(), b"\n"].concat();
    let members = [Member::new("tool.com", &eicar()), Member::new("private.txt", &private)];
    Sample {
        path: path.to_owned(),
        bytes: zip(&members, ""),
        expected: Expected::Detected,
        marks: vec![mark],
    }
}

fn mail(attachment: &[u8]) -> Vec<u8> {
    let body = data_encoding::BASE64_MIME.encode(attachment);
    format!(
        "From: sender@example.org\r\nTo: reader@example.org\r\nSubject: attachment\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"part\"\r\n\r\n\
         --part\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n\
         --part\r\nContent-Type: application/octet-stream; name=\"tool.com\"\r\n\
         Content-Disposition: attachment; filename=\"tool.com\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n--part--\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_file_has_its_published_length_and_checksum() {
        let eicar = eicar();
        assert_eq!(eicar.len(), 68);
        assert_eq!(crc32fast::hash(&eicar), 0x6851_cf3c);
    }
}
