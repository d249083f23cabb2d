//! RAR archives: stored ones by hand, since nothing free writes others; packed ones are those of
//! ClamAV (`clamav.rs`).
#![allow(clippy::cast_possible_truncation, reason = "tests build headers")]

mod common;

use common::{Cut, payload, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned};

const RAR: ContainerKind = ContainerKind::Rar;

/// A block of RAR 3.
fn block3(kind: u8, flags: u16, fields: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = vec![kind];
    header.extend(flags.to_le_bytes());
    header.extend((7 + fields.len() as u16).to_le_bytes());
    header.extend(fields);
    let crc = crc32fast::hash(&header) as u16;
    [&crc.to_le_bytes()[..], &header, data].concat()
}

fn file3(name: &[u8], flags: u16, content: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    fields.extend((content.len() as u32).to_le_bytes());
    fields.extend((content.len() as u32).to_le_bytes());
    fields.push(3);
    fields.extend(crc32fast::hash(content).to_le_bytes());
    fields.extend([0; 4]);
    fields.extend([20, 0x30]);
    fields.extend((name.len() as u16).to_le_bytes());
    fields.extend([0; 4]);
    fields.extend(name);
    block3(0x74, 0x8000 | flags, &fields, content)
}

fn rar3(blocks: &[Vec<u8>]) -> Vec<u8> {
    let main = block3(0x73, 0, &[0; 6], &[]);
    [b"Rar!\x1a\x07\0".to_vec(), main, blocks.concat(), block3(0x7b, 0, &[], &[])].concat()
}

fn vint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A block of RAR 5.
fn block5(kind: u64, flags: u64, fields: &[u8], extra: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = [vint(kind), vint(flags | u64::from(!extra.is_empty()))].concat();
    if !extra.is_empty() {
        header.extend(vint(extra.len() as u64));
    }
    if flags & 2 != 0 {
        header.extend(vint(data.len() as u64));
    }
    header.extend(fields);
    header.extend(extra);
    let counted = [vint(header.len() as u64), header].concat();
    [&crc32fast::hash(&counted).to_le_bytes()[..], &counted, data].concat()
}

fn file5(name: &[u8], flags: u64, extra: &[u8], content: &[u8]) -> Vec<u8> {
    let mut fields = [vint(4), vint(content.len() as u64), vint(0)].concat();
    fields.extend(crc32fast::hash(content).to_le_bytes());
    fields.extend([vint(0), vint(1), vint(name.len() as u64)].concat());
    fields.extend(name);
    block5(2, 2 | flags, &fields, extra, content)
}

fn rar5(blocks: &[Vec<u8>]) -> Vec<u8> {
    let main = block5(1, 0, &vint(0), &[], &[]);
    [b"Rar!\x1a\x07\x01\0".to_vec(), main, blocks.concat(), block5(5, 0, &vint(0), &[], &[])]
        .concat()
}

#[test]
fn stored_members_of_both_versions_are_given() {
    for seed in 0..10 {
        let (one, two) = (payload(seed, 5_000), payload(seed + 1, 30));
        let recovery3 = block3(0x78, 0x8000, &100_u32.to_le_bytes(), &[7; 100]);
        let old = rar3(&[file3(b"one", 0, &one), recovery3, file3(b"two", 0, &two)]);
        let recovery5 = block5(
            3,
            2,
            &[vint(0), vint(9), vint(0), vint(0), vint(0), vint(2), b"RR".to_vec()].concat(),
            &[],
            &[7; 9],
        );
        let new = rar5(&[file5(b"one", 0, &[], &one), recovery5, file5(b"two", 0, &[], &two)]);
        for file in [old, new] {
            let unpacked = unpack(RAR, &file);
            assert!(unpacked.is_clean(), "{unpacked:?}");
            assert_eq!(unpacked.contents(), [&one[..], &two]);
            assert!(*unpacked.member("two").content == two);
        }
    }
}

#[test]
fn encryption_and_volumes_are_told() {
    let content = payload(1, 40);
    let old = rar3(&[file3(b"a", 4, &content), file3(b"b", 2, &content), file3(b"c", 1, &content)]);
    let new = rar5(&[
        file5(b"a", 0, &[2, 1, 0], &content),
        file5(b"b", 0x10, &[], &content),
        file5(b"c", 8, &[], &content),
    ]);
    for (file, method) in [(old, "RAR 2"), (new, "RAR 5 AES-256")] {
        let unpacked = unpack(RAR, &file);
        let reasons = |name: &str| unpacked.member(name).not_scanned.clone();
        assert_eq!(reasons("a"), [NotScanned::Encrypted { method }]);
        let split = NotScanned::Split { what: "part of a member" };
        assert_eq!((reasons("b"), reasons("c")), (vec![split.clone()], vec![split]));
        assert!(*unpacked.member("b").content == content);
    }
    let names = [b"Rar!\x1a\x07\0".to_vec(), block3(0x73, 0x80, &[0; 6], &[1; 50])].concat();
    let names5 =
        [b"Rar!\x1a\x07\x01\0".to_vec(), block5(4, 0, &[0, 0, 15], &[], &[1; 50])].concat();
    for file in [names, names5] {
        let reason = NotScanned::Encrypted { method: "RAR, names too" };
        assert_eq!(unpack(RAR, &file).end.not_scanned, [reason]);
    }
}

#[test]
fn names_beyond_ascii_are_read() {
    // The plain name, zero, the upper byte 4, then: plain, with the upper byte, both bytes, a run.
    let packed = [b"a??bc".to_vec(), vec![0, 4, 0b00_01_10_11, b'a', 0x10, 0xac, 0x20, 0]].concat();
    let unpacked = unpack(RAR, &rar3(&[file3(&packed, 0x200, b"x")]));
    assert_eq!(*unpacked.members[0].name, *"aА€bc".as_bytes());
    let unpacked = unpack(RAR, &rar3(&[file3("ä".as_bytes(), 0x200, b"x")]));
    assert_eq!(*unpacked.members[0].name, *"ä".as_bytes());
}

#[test]
fn what_does_not_add_up_is_told() {
    let content = payload(1, 40);
    let mut file = rar3(&[file3(b"a", 0, &content)]);
    let place = file.len() - 7 - 1;
    file[place] ^= 1;
    let unpacked = unpack(RAR, &file);
    let [NotScanned::Checksum { field: "FileCRC", .. }] = unpacked.members[0].not_scanned[..]
    else {
        panic!("{unpacked:?}");
    };
    let end = file.len() as u64;
    file.extend(b"more");
    let reason = NotScanned::Unexplained { offset: end, bytes: 4 };
    assert_eq!(unpack(RAR, &file).end.not_scanned, [reason]);
    let old = unpack(RAR, b"RE\x7e\x5e");
    assert_eq!(old.end.not_scanned, [NotScanned::NotSupported { what: "RAR before 1.5" }]);
}

#[test]
fn hostile_archives_are_survived() {
    let content = payload(1, 900);
    survives(RAR, &rar3(&[file3(b"a", 0, &content)]), Cut::MayBeWhole, 2000);
    survives(RAR, &rar5(&[file5(b"a", 0, &[], &content)]), Cut::MayBeWhole, 2000);
}
