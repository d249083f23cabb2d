//! bzip2, xz, LZMA, Zstandard and LZW files, made by others and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::{Cut, filter, payload, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned, Oddity, Reading};

const BZIP2: ContainerKind = ContainerKind::Bzip2;
const XZ: ContainerKind = ContainerKind::Xz;
const LZMA: ContainerKind = ContainerKind::Lzma;
const ZSTD: ContainerKind = ContainerKind::Zstd;
const LZW: ContainerKind = ContainerKind::Lzw;

type Maker = (&'static str, &'static [&'static str]);

/// Packs payloads of several lengths with every maker and looks whether all of them come back.
fn found(name: &str, kind: ContainerKind, makers: &[Maker]) {
    let mut made = 0;
    for (seed, (program, arguments)) in makers.iter().enumerate() {
        for length in [0, 1, 700, 5000, 250_000] {
            let content = payload(seed as u64 + 10, length);
            let Some(packed) = filter(program, arguments, &content) else {
                return skip(name, program);
            };
            let unpacked = unpack(kind, &packed);
            assert!(unpacked.is_clean(), "{program} {arguments:?} {length}: {:?}", unpacked.end);
            assert!(unpacked.contents() == [&content[..]], "{program} {arguments:?} {length}");
            made += 1;
        }
    }
    assert!(made >= 20, "{made} containers");
}

#[test]
fn bzip2_of_other_tools_is_found_whole() {
    const PYTHON: &str =
        "import sys,bz2;sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read(),3))";
    let makers: &[Maker] = &[
        ("bzip2", &["-1"]),
        ("bzip2", &["-9"]),
        ("python3", &["-c", PYTHON]),
        ("7z", &["a", "-tbzip2", "-si", "-so", "-an", "-mx=5"]),
        ("7z", &["a", "-tbzip2", "-si", "-so", "-an", "-mx=9"]),
    ];
    found("bzip2_of_other_tools_is_found_whole", BZIP2, makers);
}

#[test]
fn bzip2_streams_that_a_parallel_tool_joined_are_found() {
    let content = payload(1, 1_500_000);
    let Some(packed) = filter("pbzip2", &["-c", "-1", "-b1"], &content) else {
        return skip("bzip2_streams_that_a_parallel_tool_joined_are_found", "pbzip2");
    };
    let unpacked = unpack(BZIP2, &packed);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert!(*unpacked.members[0].content == content);
    assert_eq!(unpacked.members[1].reading, Reading::FirstStream);
    assert!(content.starts_with(&unpacked.members[1].content));
}

#[test]
fn bzip2_of_one_byte_or_of_runs_is_found() {
    for content in [vec![0; 3], vec![0; 4], vec![7; 258], vec![7; 259], vec![7; 3_000_000]] {
        let packed = filter("bzip2", &[], &content).expect("bzip2 is part of every system");
        let unpacked = unpack(BZIP2, &packed);
        assert!(unpacked.is_clean() && unpacked.contents() == [&content[..]], "{}", content.len());
    }
}

#[test]
fn a_bzip2_block_with_a_wrong_checksum_is_given_all_the_same() {
    let content = payload(2, 2000);
    let mut packed = filter("bzip2", &[], &content).expect("bzip2 is part of every system");
    packed[10] ^= 1;
    let member = &unpack(BZIP2, &packed).members[0];
    assert_eq!(*member.content, content);
    let [NotScanned::Checksum { field: "bzip2 block CRC", .. }] = &member.not_scanned[..] else {
        panic!("{:?}", member.not_scanned)
    };
}

#[test]
fn a_bzip2_block_that_claims_to_be_randomised_is_read_as_such() {
    let content = payload(3, 2000);
    let mut packed = filter("bzip2", &[], &content).expect("bzip2 is part of every system");
    packed[14] |= 0x80;
    let member = &unpack(BZIP2, &packed).members[0];
    // The first bytes stand before the first changed one; after it the text is another.
    assert_eq!(member.content[..600], content[..600]);
    assert_ne!(*member.content, content);
    let python = "import sys,bz2;d=bz2.BZ2Decompressor();sys.stdout.buffer.write(d.decompress(sys.stdin.buffer.read(),1500))";
    let Some(theirs) = filter("python3", &["-c", python], &packed) else {
        return skip("a_bzip2_block_that_claims_to_be_randomised_is_read_as_such", "python3");
    };
    assert!(theirs.len() > 700 && member.content.starts_with(&theirs));
}

#[test]
fn xz_of_other_tools_is_found_whole() {
    let makers: &[Maker] = &[
        ("xz", &["-0"]),
        ("xz", &["-6", "--check=crc32"]),
        ("xz", &["-9e", "--check=sha256"]),
        ("xz", &["--check=none", "--block-size=100000", "-T2"]),
        ("xz", &["--x86", "--lzma2=preset=1"]),
        ("xz", &["--arm", "--delta=dist=3", "--lzma2=lc=0,lp=3,pb=0,dict=64KiB"]),
        ("7z", &["a", "-txz", "-si", "-so", "-an"]),
    ];
    found("xz_of_other_tools_is_found_whole", XZ, makers);
}

#[test]
fn xz_streams_are_joined_over_their_padding() {
    let (one, two) = (payload(3, 900), payload(4, 800));
    let [a, b] = [&one, &two].map(|content| filter("xz", &[], content).expect("xz"));
    let packed = [&a[..], &[0; 8], &b, &[0; 4]].concat();
    let unpacked = unpack(XZ, &packed);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(unpacked.contents(), [&[one.clone(), two].concat()[..], &one]);
    let unpacked = unpack(XZ, &[&a[..], b"junk"].concat());
    let reason = NotScanned::Unexplained { offset: a.len() as u64, bytes: 4 };
    assert_eq!(unpacked.end.not_scanned, [reason]);
}

#[test]
fn lzma_of_other_tools_is_found_whole() {
    const PYTHON: &str = "import sys,lzma;sys.stdout.buffer.write(lzma.compress(sys.stdin.buffer.read(),lzma.FORMAT_ALONE))";
    let makers: &[Maker] = &[
        ("xz", &["--format=lzma", "-0"]),
        ("xz", &["--format=lzma", "-9e"]),
        ("xz", &["--format=lzma", "--lzma1=lc=1,lp=2,pb=3,dict=4KiB"]),
        ("python3", &["-c", PYTHON]),
    ];
    found("lzma_of_other_tools_is_found_whole", LZMA, makers);
}

#[test]
fn lzma_of_a_declared_length_ends_there() {
    let content = payload(5, 3000);
    let mut packed = filter("xz", &["--format=lzma"], &content).expect("xz");
    packed[5..13].copy_from_slice(&2000_u64.to_le_bytes());
    let unpacked = unpack(LZMA, &packed);
    assert_eq!(unpacked.contents(), [&content[..2000]]);
    // What is left is not silent.
    assert!(!unpacked.is_clean());
}

#[test]
fn zstd_of_other_tools_is_found_whole() {
    let makers: &[Maker] = &[
        ("zstd", &["-1"]),
        ("zstd", &["-19", "--check"]),
        ("zstd", &["--ultra", "-22", "--no-check"]),
        ("zstd", &["--fast=5"]),
        ("zstd", &["--long=27", "-3"]),
        ("zstd", &["--long=31", "-3"]),
    ];
    found("zstd_of_other_tools_is_found_whole", ZSTD, makers);
}

#[test]
fn zstd_frames_to_be_skipped_are_skipped_and_told() {
    let (one, two) = (payload(6, 900), payload(7, 800));
    let [a, b] = [&one, &two].map(|content| filter("zstd", &["-c"], content).expect("zstd"));
    let hidden = b"\x53\x2a\x4d\x18\x05\0\0\0hello";
    let unpacked = unpack(ZSTD, &[hidden, &a[..], hidden, &b].concat());
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(*unpacked.members[0].content, [one, two].concat());
    let what = "a skippable frame of zstd";
    let told = |offset| Oddity::Skipped { what, offset, bytes: 5 };
    assert_eq!(unpacked.members[0].oddities, [told(0), told(13 + a.len() as u64)]);
}

#[test]
fn zstd_gives_what_lies_before_the_damage() {
    let content = payload(8, 400_000);
    let mut packed = filter("zstd", &["-c"], &content).expect("zstd");
    let cut = packed.len() - 2000;
    packed.truncate(cut);
    let member = &unpack(ZSTD, &packed).members[0];
    assert!(member.content.len() >= 128 << 10 && content.starts_with(&member.content));
    assert!(!member.is_whole());
}

#[test]
fn lzw_of_other_tools_is_found_whole() {
    // With -b9 compress writes what neither it nor gzip reads.
    let widths = ["-b10", "-b11", "-b12", "-b13", "-b14", "-b16"];
    let mut made = 0;
    for (seed, width) in widths.iter().enumerate() {
        for length in [1, 300, 5000, 250_000] {
            let content = payload(seed as u64 + 30, length);
            let Some(packed) = filter("compress", &["-c", "-f", width], &content) else {
                return skip("lzw_of_other_tools_is_found_whole", "compress");
            };
            let unpacked = unpack(LZW, &packed);
            assert!(unpacked.is_clean(), "{width} {length}: {:?}", unpacked.members[0].not_scanned);
            assert!(unpacked.contents() == [&content[..]], "{width} {length}");
            made += 1;
        }
    }
    assert!(made >= 20);
}

#[test]
fn lzw_that_forgets_its_strings_is_found() {
    // Text, then noise: the ratio falls and compress clears its table.
    let content = [payload(9, 600_000), vec![b'x'; 500_000], payload(10, 900_000)].concat();
    let Some(packed) = filter("compress", &["-c", "-f"], &content) else {
        return skip("lzw_that_forgets_its_strings_is_found", "compress");
    };
    assert!(unpack(LZW, &packed).contents() == [&content[..]]);
}

#[test]
fn no_change_of_bytes_breaks_them() {
    let content = payload(11, 1500);
    let makers: [(ContainerKind, Cut, Maker); 6] = [
        (BZIP2, Cut::IsSeen, ("bzip2", &["-1"])),
        (XZ, Cut::IsSeen, ("xz", &["--x86", "--lzma2"])),
        (LZMA, Cut::IsSeen, ("xz", &["--format=lzma"])),
        (ZSTD, Cut::IsSeen, ("zstd", &["-c"])),
        (LZW, Cut::MayBeWhole, ("compress", &["-c", "-f"])),
        (LZW, Cut::MayBeWhole, ("compress", &["-c", "-f", "-b10"])),
    ];
    for (kind, cut, (program, arguments)) in makers {
        let Some(packed) = filter(program, arguments, &content) else {
            skip("no_change_of_bytes_breaks_them", program);
            continue;
        };
        survives(kind, &packed, cut, 1000);
    }
}
