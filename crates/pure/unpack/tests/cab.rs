//! Cabinets, made by others and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use common::{Cut, payload, run, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned};

const CAB: ContainerKind = ContainerKind::Cab;

fn packed(arguments: &[&str], files: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let names = files.iter().map(|(name, _)| *name);
    let all: Vec<_> = arguments.iter().copied().chain(["-c", "out.cab"]).chain(names).collect();
    run(folder.path(), "gcab", &all).then(|| std::fs::read(folder.path().join("out.cab")).unwrap())
}

#[test]
fn what_gcab_packs_is_found_whole() {
    let mut made = 0;
    for seed in 0..10 {
        for arguments in [&["--zip"][..], &[], &["--nopath", "--zip"]] {
            let (one, two) = (payload(seed, 100_000), payload(seed + 50, 900));
            let Some(packed) = packed(arguments, &[("one", &one), ("two", &two), ("empty", b"")])
            else {
                return skip("what_gcab_packs_is_found_whole", "gcab");
            };
            let unpacked = unpack(CAB, &packed);
            assert!(unpacked.is_clean(), "{unpacked:?}");
            assert_eq!(unpacked.members.len(), 3);
            assert!(
                *unpacked.member("one").content == one && *unpacked.member("two").content == two
            );
            made += 1;
        }
    }
    assert!(made >= 20);
}

#[test]
fn a_wrong_checksum_and_what_follows_are_told() {
    let content = payload(1, 900);
    let Some(mut packed) = packed(&[], &[("one", &content)]) else {
        return skip("a_wrong_checksum_and_what_follows_are_told", "gcab");
    };
    let end = packed.len() as u64;
    *packed.last_mut().unwrap() ^= 1;
    packed.extend(b"more");
    let unpacked = unpack(CAB, &packed);
    assert_eq!(unpacked.members[0].content[..899], content[..899]);
    assert!(matches!(
        unpacked.members[0].not_scanned[..],
        [NotScanned::Checksum { field: "csum", .. }]
    ));
    assert_eq!(unpacked.end.not_scanned, [NotScanned::Unexplained { offset: end, bytes: 4 }]);
}

#[test]
fn methods_that_are_not_opened_are_named() {
    let Some(good) = packed(&[], &[("one", b"abc")]) else {
        return skip("methods_that_are_not_opened_are_named", "gcab");
    };
    let with = |method: u8| {
        let mut packed = good.clone();
        packed[42] = method;
        unpack(CAB, &packed).members.remove(0).not_scanned
    };
    assert_eq!(with(2), [NotScanned::NotSupported { what: "Quantum (cabinet method 2)" }]);
    assert_eq!(with(7), [NotScanned::UnknownMethod { format: "cabinet", number: 7 }]);
}

#[test]
fn lzx_of_a_stored_block_by_hand() {
    let content = payload(2, 300);
    let Some(good) = packed(&[], &[("one", &content)]) else {
        return skip("lzx_of_a_stored_block_by_hand", "gcab");
    };
    let file = lzx(&good, &content);
    let unpacked = unpack(CAB, &file);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(unpacked.contents(), [&content[..]]);
    survives(CAB, &file, Cut::IsSeen, 2000);
}

/// Makes the one stored block of a cabinet an uncompressed block of LZX, \[MS-PATCH\] section 2.4.
fn lzx(cab: &[u8], content: &[u8]) -> Vec<u8> {
    // No E8 translation; block type 3; size in 24 bits; then the bits up to the next word.
    let bits: u32 = 0b011 << 28 | (content.len() as u32) << 4;
    let mut stream = Vec::new();
    for word in [(bits >> 16) as u16, bits as u16] {
        stream.extend(word.to_le_bytes());
    }
    stream.extend([1_u32; 3].iter().flat_map(|repeated| repeated.to_le_bytes()));
    stream.extend(content);
    let mut file = cab.to_vec();
    (file[42], file[43]) = (3, 15);
    let data = u32::from_le_bytes(file[36..40].try_into().unwrap()) as usize;
    file.truncate(data);
    file.extend([0; 4]);
    file.extend((stream.len() as u16).to_le_bytes());
    file.extend((content.len() as u16).to_le_bytes());
    file.extend(&stream);
    let size = file.len() as u32;
    file[8..12].copy_from_slice(&size.to_le_bytes());
    file
}

#[test]
fn no_change_of_bytes_breaks_it() {
    let content = payload(3, 1200);
    for arguments in [&["--zip"][..], &[]] {
        let Some(packed) = packed(arguments, &[("one", &content), ("two", &content[..100])]) else {
            return skip("no_change_of_bytes_breaks_it", "gcab");
        };
        survives(CAB, &packed, Cut::IsSeen, 2000);
    }
}
