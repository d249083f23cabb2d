//! 7z archives that 7-Zip makes.
#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "bytes of a draw are cut off; tests write what foreign tools pack"
)]

mod common;

use common::{Cut, payload, run, skip, survives, unpack, unpack_within};
use watchglass_unpack::{ContainerKind, Limit, Limits, NotScanned};

const SEVEN_ZIP: ContainerKind = ContainerKind::SevenZip;

/// What `7z a` makes of the files with these switches.
fn packed(switches: &[&str], files: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let names = files.iter().map(|(name, _)| *name);
    let arguments: Vec<_> =
        ["a", "-bd", "out.7z"].into_iter().chain(switches.iter().copied()).chain(names).collect();
    run(folder.path(), "7z", &arguments)
        .then(|| std::fs::read(folder.path().join("out.7z")).unwrap())
}

/// Code of x86, as far as its filters care: calls among bytes.
fn code(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = payload(seed, length);
    for place in (0..length.saturating_sub(5)).step_by(23) {
        bytes[place] = 0xe8 + (place % 2) as u8;
        bytes[place + 3] = 0;
        bytes[place + 4] = 0;
    }
    bytes
}

const METHODS: &[&[&str]] = &[
    &["-m0=lzma"],
    &["-m0=lzma2", "-mx=9"],
    &["-m0=bzip2"],
    &["-m0=deflate"],
    &["-m0=deflate64"],
    &["-m0=ppmd"],
    &["-m0=ppmd:o=32:mem=64k", "-mx=9"],
    &["-m0=copy"],
    &["-m0=bcj", "-m1=lzma"],
    &[
        "-m0=bcj2",
        "-m1=lzma:d=20",
        "-m2=lzma:d=16",
        "-m3=lzma:d=16",
        "-mb0:1",
        "-mb0s1:2",
        "-mb0s2:3",
    ],
    &["-m0=delta:4", "-m1=lzma2"],
    &["-m0=arm", "-m1=lzma"],
    &["-m0=armt", "-m1=lzma"],
    &["-m0=ppc", "-m1=lzma"],
    &["-m0=sparc", "-m1=lzma"],
    &["-m0=ia64", "-m1=lzma"],
    &["-ms=off"],
    &["-mhc=off"],
];

#[test]
fn what_7zip_packs_is_found_whole() {
    let mut made = 0;
    for (seed, method) in (0..).zip(METHODS.iter().chain(METHODS)) {
        let (one, two) = (code(seed, 150_000), payload(seed + 50, 900));
        let files = [("one", &one[..]), ("two", &two), ("empty", b"")];
        let Some(packed) = packed(method, &files) else {
            return skip("what_7zip_packs_is_found_whole", "7z");
        };
        let unpacked = unpack(SEVEN_ZIP, &packed);
        assert!(unpacked.is_clean(), "{method:?}: {:?}", unpacked.end);
        assert_eq!(unpacked.members.len(), 3);
        for (name, content) in files {
            assert!(*unpacked.member(name).content == *content, "{method:?}: {name}");
        }
        made += 1;
    }
    assert!(made >= 20);
}

/// More than the memory of the model, so that it is joined and begun again, as its packer did.
#[test]
fn a_model_that_is_full_begins_again() {
    let content = payload(7, 3_000_000);
    for memory in ["-m0=ppmd:o=6:mem=256k", "-m0=ppmd:o=32:mem=64k", "-m0=ppmd:o=2:mem=1m"] {
        let Some(packed) = packed(&[memory], &[("one", &content)]) else {
            return skip("a_model_that_is_full_begins_again", "7z");
        };
        let unpacked = unpack(SEVEN_ZIP, &packed);
        assert!(unpacked.is_clean(), "{memory}: {:?}", unpacked.members[0].not_scanned);
        assert!(*unpacked.members[0].content == content);
    }
}

#[test]
fn encryption_is_told_of_content_and_of_names() {
    let files: [(&str, &[u8]); 2] = [("one", b"abc"), ("two", b"defg")];
    let Some(content) = packed(&["-psecret"], &files) else {
        return skip("encryption_is_told_of_content_and_of_names", "7z");
    };
    let unpacked = unpack(SEVEN_ZIP, &content);
    assert_eq!(unpacked.members.len(), 2);
    for member in &unpacked.members {
        assert_eq!(member.not_scanned, [NotScanned::Encrypted { method: "7z AES-256" }]);
        assert!(member.declared.encrypted && member.content.is_empty());
    }
    let names = packed(&["-psecret", "-mhe=on"], &files).unwrap();
    let unpacked = unpack(SEVEN_ZIP, &names);
    let reason = NotScanned::Encrypted { method: "7z AES-256, names too" };
    assert_eq!((unpacked.members.len(), unpacked.end.not_scanned), (0, vec![reason]));
}

#[test]
fn a_member_over_its_limit_leaves_those_after_it() {
    let (large, small) = (payload(1, 300_000), payload(2, 5_000));
    let Some(packed) = packed(&["-ms=on"], &[("a", &large), ("b", &small)]) else {
        return skip("a_member_over_its_limit_leaves_those_after_it", "7z");
    };
    let limits = Limits { max_file_size: 100_000, ..Limits::CLAMAV };
    let unpacked = unpack_within(SEVEN_ZIP, &packed, limits);
    let reason = NotScanned::Limit { which: Limit::FileSize, limit: 100_000 };
    assert_eq!(unpacked.member("a").not_scanned, [reason]);
    assert!(unpacked.member("a").content[..] == large[..100_000]);
    assert!(unpacked.member("b").is_whole() && *unpacked.member("b").content == small);
}

#[test]
fn bombs_end_at_a_limit() {
    let zeros = vec![0; 60 << 20];
    for method in ["-m0=lzma", "-m0=ppmd", "-m0=bzip2"] {
        let Some(packed) = packed(&[method, "-mx=1"], &[("zeros", &zeros)]) else {
            return skip("bombs_end_at_a_limit", "7z");
        };
        let unpacked = unpack(SEVEN_ZIP, &packed);
        let member = &unpacked.members[0];
        assert!(member.content.len() <= 40 << 20, "{method}: {}", member.content.len());
        let is_limit = |reason: &NotScanned| matches!(reason, NotScanned::Limit { .. });
        assert!(member.not_scanned.iter().any(is_limit), "{method}: {:?}", member.not_scanned);
    }
}

#[test]
fn hostile_archives_are_survived() {
    let (one, two) = (code(3, 3_000), payload(4, 500));
    let files: [(&str, &[u8]); 3] = [("one", &one), ("two", &two), ("empty", b"")];
    for method in [METHODS[0], METHODS[1], METHODS[5], METHODS[9], METHODS[7], METHODS[17]] {
        let Some(packed) = packed(method, &files) else {
            return skip("hostile_archives_are_survived", "7z");
        };
        survives(SEVEN_ZIP, &packed, Cut::IsSeen, 1000);
    }
}

/// Without this, damage ends at the checksums of the headers and nothing behind them is tried.
#[test]
fn hostile_headers_are_survived() {
    let Some(good) = packed(&["-mhc=off", "-m0=ppmd"], &[("one", &payload(1, 800)), ("b", b"x")])
    else {
        return skip("hostile_headers_are_survived", "7z");
    };
    let limits = Limits { max_scan_size: 1 << 22, max_file_size: 1 << 21, ..Limits::CLAMAV };
    let limits = Limits { max_steps: 50_000, max_files: 1_000, ..limits };
    let start = 32 + u64::from_le_bytes(good[12..20].try_into().unwrap()) as usize;
    let mut draw = common::Lcg(5);
    for _ in 0..5_000 {
        let mut file = good.clone();
        for _ in 0..=draw.below(3) {
            let place = start + draw.below(good.len() - start);
            file[place] = match draw.below(3) {
                0 => draw.next() as u8,
                1 => 0xff,
                _ => file[place] ^ 1 << draw.below(8),
            };
        }
        let crc = crc32fast::hash(&file[start..]);
        file[28..32].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&file[12..32]);
        file[8..12].copy_from_slice(&crc.to_le_bytes());
        unpack_within(SEVEN_ZIP, &file, limits);
    }
}
