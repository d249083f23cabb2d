//! Files that every scanner must detect, and twins that none may.
//!
//! The test file of EICAR is harmless and detected by agreement (<https://www.eicar.org>). It is put
//! together when it is asked for, from pieces that stand back to front, so that neither this source
//! nor a program built from it is detected.

use crate::draw::{Draw, Seed};
use crate::format::zip::{Method, Zip};
use crate::mark::{Mark, Place};
use crate::page::base64_lines;
use crate::words::Vocabulary;

/// A file for a detection test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Path under the folder of samples, with slashes.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What a scanner has to say.
    pub expected: Expected,
    /// The mark of the private document beside the detected one, in the one archive that has such a
    /// neighbour. Whatever a product reports about a detection must not carry it.
    pub marks: Vec<Mark>,
}

/// What a scanner has to say about a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// That it is detected.
    Detected,
    /// That it is clean.
    Clean,
}

/// Each container once with the test file and once with harmless text of the same length, then the
/// archive with a private neighbour.
pub(crate) fn samples(seed: &Seed, vocabulary: &Vocabulary) -> Vec<Sample> {
    let mut draw = Draw::new(seed, &[b"samples"]);
    let core = eicar();
    let mut harmless = vocabulary.paragraph(&mut draw).into_bytes();
    harmless.resize(core.len(), b'.');
    let mut samples = containers("detected", &core, Expected::Detected);
    samples.extend(containers("clean", &harmless, Expected::Clean));
    samples.push(beside_a_private_document(seed, vocabulary, &mut draw, &core));
    samples
}

fn containers(folder: &str, core: &[u8], expected: Expected) -> Vec<Sample> {
    let zipped = zip("core.com", core);
    [
        ("plain.com", core.to_vec()),
        ("zipped.zip", zipped.clone()),
        ("nested.zip", zip("inner.zip", &zipped)),
        ("message.eml", message(core)),
        ("document.docx", document(core)),
    ]
    .into_iter()
    .map(|(name, bytes)| Sample {
        path: format!("{folder}/{name}"),
        bytes,
        expected,
        marks: Vec::new(),
    })
    .collect()
}

fn beside_a_private_document(
    seed: &Seed,
    vocabulary: &Vocabulary,
    draw: &mut Draw,
    core: &[u8],
) -> Sample {
    let path = "detected/with-neighbour.zip".to_owned();
    let mark = Mark::of(seed, &path, Place::Member(1));
    let (before, after) = (vocabulary.paragraph(draw), vocabulary.paragraph(draw));
    let private = format!("{before}\n{}\n{after}\n", mark.text);
    let mut archive = Zip::default();
    archive.add("core.com", Method::Deflated, core);
    archive.add("letter.txt", Method::Deflated, private.as_bytes());
    Sample { path, bytes: archive.finish(), expected: Expected::Detected, marks: vec![mark] }
}

fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = Zip::default();
    archive.add(name, Method::Deflated, bytes);
    archive.finish()
}

fn message(core: &[u8]) -> Vec<u8> {
    format!(
        "From: sender@mail.example\nTo: receiver@mail.example\nSubject: attached\n\
         Date: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <1@mail.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"part\"\n\n--part\nContent-Type: text/plain\n\n\
         See the attachment.\n--part\nContent-Type: application/octet-stream; name=\"core.com\"\n\
         Content-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"core.com\"\n\n{}\n--part--\n",
        base64_lines(core)
    )
    .into_bytes()
}

/// What a word processor's file looks like from outside, with the core as an embedded object.
fn document(core: &[u8]) -> Vec<u8> {
    let mut archive = Zip::default();
    archive.add("[Content_Types].xml", Method::Deflated, b"<?xml version=\"1.0\"?><Types/>");
    archive.add("word/document.xml", Method::Deflated, b"<?xml version=\"1.0\"?><document/>");
    archive.add("word/embeddings/object1.bin", Method::Deflated, core);
    archive.finish()
}

/// The 68 bytes of the test file.
#[must_use]
pub fn eicar() -> Vec<u8> {
    [FIRST_HALF, SECOND_HALF].iter().flat_map(|half| half.bytes().rev()).collect()
}

/// Back to front.
const SECOND_HALF: &str = "*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE";
const FIRST_HALF: &str = "$}7)CC7)^P(45XZP\\4[PA@%P!O5X";

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_test_file_is_the_agreed_one() {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(eicar()));
        assert_eq!(digest, "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    }
}
