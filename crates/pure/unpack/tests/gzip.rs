//! gzip, made by others and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::{Cut, filter, payload, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned, Oddity, Reading};

const GZIP: ContainerKind = ContainerKind::Gzip;

#[test]
fn what_other_tools_pack_is_found_whole() {
    let makers: &[(&str, &[&str])] = &[
        ("gzip", &["-1"]),
        ("gzip", &["-6"]),
        ("gzip", &["-9", "--no-name"]),
        ("gzip", &["--rsyncable"]),
        ("7z", &["a", "-tgzip", "-si", "-so", "-an"]),
        (
            "python3",
            &[
                "-c",
                "import sys,gzip;sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(),4))",
            ],
        ),
        (
            "python3",
            &[
                "-c",
                "import sys,zlib;c=zlib.compressobj(9,8,31,9,zlib.Z_HUFFMAN_ONLY);d=sys.stdin.buffer.read();sys.stdout.buffer.write(c.compress(d)+c.flush())",
            ],
        ),
        (
            "python3",
            &[
                "-c",
                "import sys,zlib;c=zlib.compressobj(0,8,31);d=sys.stdin.buffer.read();sys.stdout.buffer.write(c.compress(d)+c.flush())",
            ],
        ),
        (
            "python3",
            &[
                "-c",
                "import sys,zlib;c=zlib.compressobj(6,8,25,1,zlib.Z_FIXED);d=sys.stdin.buffer.read();sys.stdout.buffer.write(c.compress(d)+c.flush())",
            ],
        ),
    ];
    let mut made = 0;
    for (seed, (program, arguments)) in makers.iter().enumerate() {
        for length in [0, 1, 3000, 200_000] {
            let content = payload(seed as u64, length);
            let Some(packed) = filter(program, arguments, &content) else {
                return skip("what_other_tools_pack_is_found_whole", program);
            };
            let unpacked = unpack(GZIP, &packed);
            assert!(unpacked.is_clean(), "{program} {arguments:?}: {unpacked:?}");
            assert_eq!(unpacked.contents(), [&content[..]], "{program} {arguments:?}");
            made += 1;
        }
    }
    assert!(made >= 20);
}

#[test]
fn joined_members_are_given_joined_and_the_first_alone() {
    let (one, two) = (payload(1, 500), payload(2, 700));
    let packed = [gzip(&one), gzip(&[]), gzip(&two)].concat();
    let unpacked = unpack(GZIP, &packed);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(unpacked.contents(), [&[one.clone(), two].concat()[..], &one]);
    let readings: Vec<_> = unpacked.members.iter().map(|member| member.reading).collect();
    assert_eq!(readings, [Reading::Agreed, Reading::FirstStream]);
}

#[test]
fn header_fields_are_stepped_over_and_the_name_is_told() {
    let content = payload(3, 300);
    let plain = gzip(&content);
    let mut header = plain[..10].to_vec();
    header[3] = 0b0001_1110;
    header.extend_from_slice(b"\x05\0extra\xffna\nme\0a comment\0\x12\x34");
    let unpacked = unpack(GZIP, &[&header[..], &plain[10..]].concat());
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(
        (&*unpacked.members[0].name, &*unpacked.members[0].content),
        (&b"\xffna\nme"[..], &content[..])
    );
    header[3] |= 0x80;
    let unpacked = unpack(GZIP, &[&header[..], &plain[10..]].concat());
    let oddity = Oddity::Skipped { what: "reserved flags of a gzip header", offset: 3, bytes: 1 };
    assert_eq!(unpacked.members[0].oddities, [oddity]);
    assert_eq!(*unpacked.members[0].content, content);
}

#[test]
fn what_follows_is_told_unless_it_is_padding() {
    let packed = gzip(&payload(4, 100));
    assert!(unpack(GZIP, &[&packed[..], &[0; 512]].concat()).is_clean());
    let unpacked = unpack(GZIP, &[&packed[..], b"\0\0junk"].concat());
    let reason = NotScanned::Unexplained { offset: packed.len() as u64, bytes: 6 };
    assert_eq!(unpacked.end.not_scanned, [reason]);
}

#[test]
fn a_wrong_checksum_or_length_takes_nothing_away() {
    let content = payload(5, 400);
    let mut packed = gzip(&content);
    let end = packed.len();
    packed[end - 8] ^= 1;
    packed[end - 1] ^= 1;
    let member = &unpack(GZIP, &packed).members[0];
    assert_eq!(*member.content, content);
    let [NotScanned::Checksum { field: "CRC32", .. }, NotScanned::Length { field: "ISIZE", .. }] =
        &member.not_scanned[..]
    else {
        panic!("{:?}", member.not_scanned)
    };
}

#[test]
fn what_was_read_before_the_damage_is_given() {
    let content = payload(6, 50_000);
    let mut packed = gzip(&content);
    let half = packed.len() / 2;
    packed.truncate(half);
    let member = &unpack(GZIP, &packed).members[0];
    assert!(member.content.len() > 10_000 && content.starts_with(&member.content));
    let offset = half as u64;
    let what = "the deflate stream does not end";
    assert_eq!(member.not_scanned, [NotScanned::Damaged { what, offset }]);
}

#[test]
fn another_method_is_named() {
    let mut packed = gzip(b"abc");
    packed[2] = 7;
    let reason = NotScanned::UnknownMethod { format: "gzip", number: 7 };
    assert_eq!(unpack(GZIP, &packed).members[0].not_scanned, [reason]);
}

#[test]
fn no_change_of_bytes_breaks_it() {
    let packed = [gzip(&payload(7, 800)), gzip(&payload(8, 400))].concat();
    survives(GZIP, &packed, Cut::MayBeWhole, 2000);
    survives(GZIP, &gzip(&payload(9, 2000)), Cut::IsSeen, 2000);
}

/// gzip is on every system.
fn gzip(content: &[u8]) -> Vec<u8> {
    filter("gzip", &["-n"], content).expect("gzip is part of every system")
}
