//! LHA archives of a foreign tool; help files, Flash and links by hand.
#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests build headers; tests write what foreign tools pack"
)]

mod common;

use common::{Cut, filter, payload, run, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned};

fn lha(switches: &str, files: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let names = files.iter().map(|(name, _)| *name);
    let arguments: Vec<_> = [switches, "out.lzh"].into_iter().chain(names).collect();
    run(folder.path(), "jlha", &arguments)
        .then(|| std::fs::read(folder.path().join("out.lzh")).unwrap())
}

#[test]
fn what_lha_packs_is_found_whole() {
    for seed in 0..4 {
        for switches in ["cqo", "cqo5", "cqo6", "cqo7", "cqz"] {
            let (one, two) = (payload(seed, 120_000), payload(seed + 50, 900));
            let Some(packed) = lha(switches, &[("one", &one), ("two", &two)]) else {
                return skip("what_lha_packs_is_found_whole", "jlha");
            };
            let unpacked = unpack(ContainerKind::Lha, &packed);
            let reasons: Vec<_> = unpacked.members.iter().map(|m| &m.not_scanned).collect();
            assert!(unpacked.is_clean(), "{switches}: {reasons:?} {:?}", unpacked.end);
            assert!(*unpacked.member("one").content == one, "{switches}");
            assert!(*unpacked.member("two").content == two, "{switches}");
        }
    }
}

#[test]
fn hostile_lha_archives_are_survived() {
    for switches in ["cqo", "cqo5", "cqo7", "cqz"] {
        let Some(packed) = lha(switches, &[("one", &payload(1, 2_000))]) else {
            return skip("hostile_lha_archives_are_survived", "jlha");
        };
        survives(ContainerKind::Lha, &packed, Cut::MayBeWhole, 1000);
    }
}

/// ENCINT.
fn encint(number: usize) -> Vec<u8> {
    let mut bytes = vec![number as u8 & 0x7f];
    let mut rest = number >> 7;
    while rest > 0 {
        bytes.insert(0, rest as u8 & 0x7f | 0x80);
        rest >>= 7;
    }
    bytes
}

/// A help file with one file of section 1, in an uncompressed block of LZX.
fn help(content: &[u8]) -> Vec<u8> {
    let words = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    };
    let control = [&words(&[6])[..], b"LZXC", &words(&[2, 2, 2, 1, 0])].concat();
    let bits: u32 = 0b011 << 28 | (content.len() as u32) << 4;
    let mut stream = Vec::new();
    for word in [(bits >> 16) as u16, bits as u16] {
        stream.extend(word.to_le_bytes());
    }
    stream.extend(words(&[1, 1, 1]));
    stream.extend(content);
    let sizes = [content.len() as u32, 0, stream.len() as u32, 0, 0x8000, 0, 0, 0];
    let table = [words(&[2, 1, 8, 0x28]), words(&sizes)].concat();
    let storage = "::DataSpace/Storage/MSCompressed/";
    let mut entries = Vec::new();
    let mut entry = |name: &str, section: usize, offset: usize, size: usize| {
        entries.extend(encint(name.len()));
        entries.extend(name.as_bytes());
        [section, offset, size].iter().for_each(|number| entries.extend(encint(*number)));
    };
    let (first, second) = (control.len(), control.len() + table.len());
    entry("/page.html", 1, 0, content.len());
    entry(&format!("{storage}ControlData"), 0, 0, control.len());
    entry(&format!("{storage}Transform/X/InstanceData/ResetTable"), 0, first, table.len());
    entry(&format!("{storage}Content"), 0, second, stream.len());
    let size = 0x400;
    let free = (size - 0x14 - entries.len()) as u32;
    let mut chunk = [b"PMGL".to_vec(), words(&[free, 0, u32::MAX, u32::MAX]), entries].concat();
    chunk.resize(size, 0);
    let mut directory = [b"ITSP".to_vec(), words(&[1, 0x54, 10, size as u32])].concat();
    directory.resize(0x54, 0);
    directory.extend(chunk);
    let mut file = [b"ITSF".to_vec(), words(&[3, 0x60])].concat();
    file.resize(0x48, 0);
    let start = 0x60 + directory.len() as u32;
    file.extend(words(&[0x60, 0, directory.len() as u32, 0, start, 0]));
    [file, directory, control, table, stream].concat()
}

#[test]
fn a_help_file_gives_its_pages() {
    let content = payload(1, 700);
    let file = help(&content);
    let unpacked = unpack(ContainerKind::Chm, &file);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert!(*unpacked.member("/page.html").content == content);
    survives(ContainerKind::Chm, &file, Cut::IsSeen, 3000);
}

/// The header by hand, after the SWF File Format Specification 19; the body packed by Python.
#[test]
fn a_movie_gives_its_body() {
    let read = "import sys,zlib,lzma;d=sys.stdin.buffer.read();o=sys.stdout.buffer;";
    let zlib = format!("{read}o.write(zlib.compress(d))");
    let alone = format!("{read}o.write(lzma.compress(d,format=lzma.FORMAT_ALONE))");
    for seed in 0..20 {
        let body = payload(seed, 1 + 1_500 * seed as usize);
        let whole = |kind: u8, packed: &[u8]| {
            let size = (8 + body.len() as u32).to_le_bytes();
            [&[kind, b'W', b'S', 13][..], &size, packed].concat()
        };
        let python = |code: &str| filter("python3", &["-c", code], &body);
        let (Some(zlib), Some(alone)) = (python(&zlib), python(&alone)) else {
            return skip("a_movie_gives_its_body", "python3");
        };
        let size = (alone.len() as u32 - 13).to_le_bytes();
        let lzma = [&size, &alone[..5], &alone[13..]].concat();
        for file in [whole(b'C', &zlib), whole(b'Z', &lzma)] {
            let unpacked = unpack(ContainerKind::Swf, &file);
            assert!(unpacked.members[0].is_whole(), "{:?}", unpacked.members[0].not_scanned);
            assert!(*unpacked.members[0].content == whole(b'F', &body), "{seed}");
            if seed == 3 {
                survives(ContainerKind::Swf, &file, Cut::MayBeWhole, 500);
            }
        }
    }
}

/// By hand, after \[MS-SHLLINK\]: arguments in UTF-16, one block of extra data.
fn link(arguments: &str) -> Vec<u8> {
    let mut file = vec![0x4c, 0, 0, 0, 1, 0x14, 2, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
    file.extend(0xa3_u32.to_le_bytes());
    file.extend([0; 52]);
    file.extend([2, 0, 9, 9, 6, 0, 0, 0, 9, 9]);
    let text: Vec<u16> = arguments.encode_utf16().collect();
    file.extend((text.len() as u16).to_le_bytes());
    file.extend(text.iter().flat_map(|unit| unit.to_le_bytes()));
    file.extend([8, 0, 0, 0, 1, 0, 0, 0xa0, 0, 0, 0, 0]);
    file
}

#[test]
fn a_link_gives_its_strings_and_what_is_behind_it() {
    for seed in 0..20 {
        let content = payload(seed, 1 + 200 * seed as usize);
        // A link holds text alone: letters of all lengths of UTF-8 up to three.
        let letter = |byte: &u8| char::from_u32(0x20 + u32::from(*byte) * 17).unwrap();
        let text: String = content.iter().map(letter).collect();
        let mut file = link(&text);
        let whole = unpack(ContainerKind::Lnk, &file);
        assert!(whole.is_clean() && whole.members.len() == 1);
        file.extend(&content);
        let unpacked = unpack(ContainerKind::Lnk, &file);
        assert!(*unpacked.member("strings").content == *format!("{text}\n").as_bytes(), "{seed}");
        assert!(*unpacked.member("appended").content == content, "{seed}");
    }
    let file = [&link("/c dä")[..], b"MZ appended"].concat();
    let cut = unpack(ContainerKind::Lnk, &file[..90]);
    assert!(matches!(cut.members[0].not_scanned[..], [NotScanned::Damaged { .. }]));
    survives(ContainerKind::Lnk, &file, Cut::MayBeWhole, 3000);
}
