//! Sections of OneNote made by hand; real ones stand in `clamav.rs`.
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::{Cut, payload, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned};

const ONE: ContainerKind = ContainerKind::OneNote;
const SECTION: &[u8] = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3";
const STORE: &[u8] = b"\x3f\xdd\x9a\x10\x1b\x91\xf5\x49\xa5\xd0\x17\x91\xed\xc8\xae\xd8";
const PACKAGED: &[u8] = b"\x2f\xe9\x8d\x63\xd4\xa6\xc1\x4b\x9a\x36\xb3\xfc\x25\x11\xa5\xb7";
const HEADER: &[u8] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
const FOOTER: &[u8] = b"\x22\xa7\xfb\x71\x79\x0f\x4a\x0b\xbb\x13\x89\x92\x56\x42\x6b\x24";

fn section(format: &[u8], parts: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [SECTION, &[7; 32], format, &[0; 100]].concat();
    for (place, part) in parts.iter().enumerate() {
        file.extend(payload(place as u64, 333));
        file.extend(part);
    }
    file
}

fn object(content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u64).to_le_bytes();
    [HEADER, &size, &[0; 12], content, FOOTER].concat()
}

/// A number whose lowest set bit says that it has four bytes.
fn compact(number: usize) -> [u8; 4] {
    (((number as u32) << 4) | 8).to_le_bytes()
}

fn blob(content: &[u8]) -> Vec<u8> {
    let length = content.len() + 4;
    let header = |length: usize| (0x12_u32 | (length as u32) << 17).to_le_bytes();
    if length < 0x7fff {
        return [&header(length)[..], &compact(content.len()), content].concat();
    }
    [&header(0x7fff)[..], &compact(length), &compact(content.len()), content].concat()
}

#[test]
fn files_of_both_packagings_are_found() {
    for seed in 0..10 {
        let contents = [payload(seed, 5000), payload(seed + 20, 100_000), payload(seed + 40, 200)];
        let objects = section(STORE, &contents.each_ref().map(|content| object(content)));
        let blobs = section(PACKAGED, &contents.each_ref().map(|content| blob(content)));
        for file in [objects, blobs] {
            let unpacked = unpack(ONE, &file);
            assert!(unpacked.is_clean(), "{:?}", unpacked.end);
            assert_eq!(unpacked.contents(), contents.each_ref().map(|content| &content[..]));
        }
    }
}

#[test]
fn a_file_that_is_cut_off_is_given_as_far_as_it_goes() {
    let mut file = section(STORE, &[object(&payload(1, 5000))]);
    file.truncate(file.len() - 1016);
    let unpacked = unpack(ONE, &file);
    assert_eq!(*unpacked.members[0].content, payload(1, 5000)[..4000]);
    let reason = NotScanned::Length { field: "cbLength", declared: 5000, found: 4000 };
    assert_eq!(unpacked.members[0].not_scanned, [reason]);
}

#[test]
fn it_survives_anything() {
    let parts = [payload(1, 500), payload(2, 40_000)];
    let objects = parts.each_ref().map(|content| object(content));
    survives(ONE, &section(STORE, &objects), Cut::MayBeWhole, 1500);
    let blobs = parts.each_ref().map(|content| blob(content));
    survives(ONE, &section(PACKAGED, &blobs), Cut::MayBeWhole, 1500);
}
