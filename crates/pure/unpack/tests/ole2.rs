//! Compound files, made by hand; real ones stand in `clamav.rs`.
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::compound::{Order, compound};
use common::{Cut, Unpacked, collect, payload, survives, unpack, unpack_within};
use watchglass_unpack::{Budget, ContainerKind, Limits, Member, NotScanned, Oddity, Role};

const OLE2: ContainerKind = ContainerKind::Ole2;
const ORDERS: [Order; 3] = [Order::Straight, Order::Scattered(1), Order::Scattered(2)];

#[test]
fn streams_are_found_in_both_versions_and_any_order() {
    for version in [3, 4] {
        for order in ORDERS {
            for seed in 0..4 {
                let large = payload(seed, 30_000 + 7 * seed as usize);
                let small = payload(seed + 9, 3000 + seed as usize);
                let tiny = payload(seed + 19, 5);
                let streams = [
                    ("large", &large[..]),
                    ("a/b/small", &small),
                    ("a/\u{5}tiny", &tiny),
                    ("empty", b""),
                ];
                let unpacked = unpack(OLE2, &compound(version, order, &streams));
                assert!(unpacked.is_clean(), "{version} {order:?} {:?}", unpacked.end);
                let found = |name: &str| unpacked.member(name).content.to_vec();
                assert_eq!(found("large"), large);
                assert_eq!(found("a/b/small"), small);
                assert_eq!(found("a/\u{5}tiny"), tiny);
                assert_eq!((found("empty"), unpacked.members.len()), (Vec::new(), 4));
            }
        }
    }
}

#[test]
fn a_table_that_does_not_fit_the_header_is_followed() {
    let large = payload(1, 8 << 20);
    for order in ORDERS {
        let unpacked = unpack(OLE2, &compound(3, order, &[("large", &large)]));
        assert!(unpacked.is_clean(), "{:?}", unpacked.end);
        assert!(*unpacked.members[0].content == large);
    }
}

#[test]
fn a_stream_that_the_tree_does_not_reach_is_given() {
    let content = payload(2, 5000);
    let mut file = compound(3, Order::Straight, &[("first", b"abc"), ("second", &content)]);
    // The first entry's right sibling.
    let entry = find(&file, &utf16("first"));
    file[entry + 72..entry + 76].fill(0xff);
    let unpacked = unpack(OLE2, &file);
    let second = unpacked.member("second");
    assert_eq!(*second.content, content);
    assert!(matches!(second.oddities[..], [Oddity::OnlyIn { .. }]));
}

#[test]
fn chains_that_loop_or_end_early_are_told() {
    let content = payload(3, 5000);
    let file = compound(3, Order::Straight, &[("one", &content)]);
    // The FAT stands in the first sector, the stream begins in the second.
    let with = |link: u32| {
        let mut file = file.clone();
        file[512 + 8..512 + 12].copy_from_slice(&link.to_le_bytes());
        unpack(OLE2, &file).members.remove(0)
    };
    let looped = with(2);
    assert_eq!(looped.content[..1024], [&content[..512], &content[512..1024]].concat());
    assert!(looped.content.len() == 5000 || !looped.is_whole());
    let ended = with(0xffff_fffe);
    assert_eq!(*ended.content, content[..1024]);
    let reason = NotScanned::Length { field: "stream size", declared: 5000, found: 1024 };
    assert_eq!(ended.not_scanned, [reason]);
}

#[test]
fn loops_cost_no_more_than_the_file() {
    // A directory whose sector follows itself, a DIFAT and a mini FAT that do.
    let mut file = compound(3, Order::Straight, &[("one", &payload(4, 100_000))]);
    file[68..72].copy_from_slice(&3_u32.to_le_bytes());
    file[512..2048].chunks_exact_mut(4).enumerate().for_each(|(number, link)| {
        link.copy_from_slice(&(number as u32).to_le_bytes());
    });
    file[44..48].fill(0xff);
    let budget = Budget::new(Limits::CLAMAV, file.len(), &|| false);
    let unpacked = collect(OLE2, &file, &budget);
    assert!(!unpacked.end.is_understood());
    assert!(budget.steps() < 20_000, "{} steps", budget.steps());
}

#[test]
fn a_size_that_is_not_there_costs_nothing() {
    let mut file = compound(4, Order::Straight, &[("one", &payload(5, 5000))]);
    let entry = find(&file, &utf16("one"));
    file[entry + 120..entry + 128].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    let unpacked = unpack(OLE2, &file);
    assert_eq!(unpacked.members[0].content[..5000], payload(5, 5000));
    assert!(matches!(unpacked.members[0].not_scanned[..], [NotScanned::Length { .. }]));
}

#[test]
fn many_streams_end_at_the_limit() {
    let names: Vec<_> = (0..300).map(|number| format!("s{number}")).collect();
    let streams: Vec<_> = names.iter().map(|name| (&name[..], &b"abc"[..])).collect();
    let file = compound(3, Order::Straight, &streams);
    let limits = Limits { max_files: 100, ..Limits::CLAMAV };
    let unpacked = unpack_within(OLE2, &file, limits);
    assert_eq!(unpacked.members.len(), 100);
    assert!(matches!(unpacked.end.not_scanned[..], [NotScanned::Limit { .. }]));
}

#[test]
fn modules_of_vba_are_decompressed() {
    let source = source("Module1", 3000);
    let cached = payload(6, 700);
    let stream = [&cached[..], &packed(&source)].concat();
    let file = project(&stream, 700, 0x21);
    let unpacked = unpack(OLE2, &file);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    let module = unpacked.member("Macros/VBA/Module1.bas");
    assert_eq!((module.role, &*module.content), (Role::VbaSource, &source[..]));
    assert_eq!(module.oddities, []);
    let class = unpack(OLE2, &project(&stream, 700, 0x22));
    assert_eq!(*class.member("Macros/VBA/Module1.cls").content, source);
    survives(OLE2, &file, Cut::MayBeWhole, 800);
}

#[test]
fn modules_are_found_where_nobody_says() {
    let source = source("Module1", 500);
    let stream = [&payload(7, 300)[..], &packed(&source)].concat();
    let wrong = unpack(OLE2, &project(&stream, 17, 0x21));
    let module = wrong.member("Macros/VBA/Module1.bas");
    assert_eq!(*module.content, source);
    let oddity = Oddity::Disagreement { field: "MODULEOFFSET", one: 17, other: 300 };
    assert_eq!(module.oddities, [oddity]);
    // No dir at all.
    let unpacked = unpack(OLE2, &compound(3, Order::Straight, &[("x/y", &stream)]));
    assert_eq!(*unpacked.member("x/y.bas").content, source);
    assert_eq!(unpacked.member("x/y.bas").role, Role::VbaSource);
}

#[test]
fn p_code_without_source_is_told() {
    let mut cached = payload(8, 100);
    cached.extend(b"\xfe\xca\x01\0\x02\0");
    (0..2).for_each(|_| cached.extend([0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]));
    let offset = cached.len();
    let empty = b"Attribute VB_Name = \"Module1\"\r\n";
    let stream = [&cached[..], &packed(empty)].concat();
    let unpacked = unpack(OLE2, &project(&stream, offset, 0x21));
    let field = "lines of p-code and source";
    let oddity = Oddity::Disagreement { field, one: 2, other: 0 };
    assert_eq!(unpacked.member("Macros/VBA/Module1.bas").oddities, [oddity]);
    let without = unpack(OLE2, &project(&cached, offset, 0x21));
    let module = without.member("Macros/VBA/Module1.bas");
    assert!(module.role == Role::VbaSource && !module.is_whole());
}

#[test]
fn packages_are_found_under_their_names() {
    for seed in 0..10 {
        let content = payload(seed, 400 + 900 * seed as usize);
        let size = (content.len() as u32).to_le_bytes();
        let package =
            [&b"\x02\0a.exe\0c:\\a.exe\0\0\0\x03\0\x02\0\0\0x\0"[..], &size, &content].concat();
        let stream = [&(package.len() as u32).to_le_bytes()[..], &package].concat();
        for order in ORDERS {
            let file = compound(3, order, &[("ObjectPool/_1/\u{1}Ole10Native", &stream)]);
            let unpacked = unpack(OLE2, &file);
            assert!(unpacked.is_clean(), "{unpacked:?}");
            let found = unpacked.member("ObjectPool/_1/\u{1}Ole10Native/a.exe");
            assert_eq!(*found.content, content);
        }
    }
    let other = compound(3, Order::Straight, &[("\u{1}Ole10Native", b"\x04\0\0\0abcdrest")]);
    assert_eq!(*unpack(OLE2, &other).member("\u{1}Ole10Native/data").content, *b"abcd");
}

#[test]
fn records_of_powerpoint_are_unpacked() {
    let (one, two, picture) = (payload(1, 5000), payload(2, 600), payload(3, 900));
    let packed = [&(one.len() as u32).to_le_bytes()[..], &zlib(&one)].concat();
    let inner = [record(0x10, 0x1011, &packed), record(0, 0x1011, &two)].concat();
    let stream = record(0xf, 1000, &[record(1, 1, b"abc"), record(0xf, 1001, &inner)].concat());
    let blip = record(0x6e00, 0xf01e, &[&[7; 17], &picture[..]].concat());
    let entry = record(2, 0xf007, &[&[0; 36][..], &blip].concat());
    let pictures = [entry, blip].concat();
    let streams = [("PowerPoint Document", &stream[..]), ("Pictures", &pictures)];
    let file = compound(3, Order::Scattered(5), &streams);
    let unpacked = unpack(OLE2, &file);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    let found = |name: &str| unpacked.member(name).content.to_vec();
    assert_eq!(found("PowerPoint Document/ExOleObjStg0"), one);
    assert_eq!(found("PowerPoint Document/ExOleObjStg1"), two);
    assert_eq!(found("Pictures/picture0"), picture);
    assert_eq!(found("Pictures/picture1"), picture);
    survives(OLE2, &file, Cut::MayBeWhole, 800);
}

#[test]
fn macro_sheets_are_written_down() {
    let file = compound(3, Order::Scattered(3), &[("Workbook", &workbook(2))]);
    let unpacked = unpack(OLE2, &file);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    let macros = unpacked.member("Workbook/macros.xlm");
    assert_eq!(macros.role, Role::XlmFormulas);
    let text = String::from_utf8_lossy(&macros.content);
    for line in [
        "sheet M1 (very hidden)",
        "name Auto_Open = sheet0!A1",
        "macro sheet M1 (very hidden)",
        "A1: =EXEC(\"calc\"&\"x\")",
        "B2: =IF(1=2,GOTO(B3),-(1.5))",
        "A3: =FORMULA(\"a\",C4:AA5)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} not in:\n{text}");
    }
    survives(OLE2, &file, Cut::MayBeWhole, 800);
}

#[test]
fn encryption_is_told() {
    let encrypted = |streams: &[(&str, &[u8])]| {
        let found = unpack(OLE2, &compound(3, Order::Straight, streams));
        let is_it = |reason: &NotScanned| matches!(reason, NotScanned::Encrypted { .. });
        let told = |member: &Member<'_>| member.not_scanned.iter().any(is_it);
        found.members.iter().any(|member| told(member) && member.declared.encrypted)
    };
    let package = [("EncryptionInfo", &[4, 0, 4, 0][..]), ("EncryptedPackage", &[1; 50])];
    assert!(encrypted(&package));
    let document =
        |flags: u16| [&[0xec, 0xa5, 0, 0, 0, 0, 0, 0, 0, 0], &flags.to_le_bytes()[..]].concat();
    assert!(encrypted(&[("WordDocument", &document(0x0100))]));
    assert!(!encrypted(&[("WordDocument", &document(0x0200))]));
    let workbook = [biff(0x809, &[0, 6, 5, 0]), biff(0x2f, &[1, 0, 1, 0])].concat();
    assert!(encrypted(&[("Workbook", &workbook)]));
    assert!(!encrypted(&[("Workbook", &workbook[..8])]));
    let user = [[0; 12].as_slice(), &0xf3d1_c4df_u32.to_le_bytes()].concat();
    assert!(encrypted(&[("Current User", &user)]));
}

#[test]
fn formulas_that_grow_end() {
    // An operand, then ten thousand operators that have none left; and sums of sums.
    let mut tokens = vec![0x1e, 1, 0];
    tokens.extend([0x08].repeat(8000));
    let mut stream = biff(0x809, &[0, 6, 0x40, 0]);
    for _ in 0..200 {
        stream.extend(biff(6, &formula(0, 0, &tokens)));
    }
    let deep: Vec<u8> = [[0x17, 0xff, 0].as_slice(), &[b'x'; 255], &[0x15; 7000]].concat();
    (0..200).for_each(|_| stream.extend(biff(6, &formula(1, 1, &deep))));
    let file = compound(3, Order::Straight, &[("Workbook", &stream)]);
    let budget = Budget::new(Limits::CLAMAV, file.len(), &|| false);
    let unpacked = collect(OLE2, &file, &budget);
    assert!(*unpacked.member("Workbook").content == stream);
    let size = unpacked.members.last().unwrap().content.len();
    assert!(size <= 17 << 20, "{size} bytes of text");
    assert!(budget.steps() <= Limits::CLAMAV.max_steps);
}

#[test]
fn no_compound_file_is_told() {
    let unpacked = unpack(OLE2, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    assert!(unpacked.members.is_empty() && !unpacked.end.is_understood());
    let Unpacked { end, .. } = unpack(OLE2, b"nothing of the kind");
    assert_eq!(end.not_scanned, [NotScanned::Damaged { what: "no compound file", offset: 0 }]);
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

fn source(name: &str, length: usize) -> Vec<u8> {
    let mut source = format!("Attribute VB_Name = \"{name}\"\r\nSub AutoOpen()\r\n").into_bytes();
    source.extend(payload(1, length));
    source
}

/// Compresses as \[MS-OVBA\] 2.4.1.3.6 says, greedily.
fn packed(source: &[u8]) -> Vec<u8> {
    let mut container = vec![1];
    for chunk in source.chunks(4096) {
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < chunk.len() {
            let flags = tokens.len();
            tokens.push(0);
            for bit in 0..8 {
                if at >= chunk.len() {
                    break;
                }
                let (distance, length) = longest(chunk, at);
                if length < 3 {
                    tokens.push(chunk[at]);
                    at += 1;
                    continue;
                }
                let bits = (4..12).find(|&bits| 1 << bits >= at).unwrap_or(12);
                let token = ((distance - 1) << (16 - bits)) | (length - 3);
                tokens.extend((token as u16).to_le_bytes());
                tokens[flags] |= 1 << bit;
                at += length;
            }
        }
        let is_packed = tokens.len() < 4096;
        let data = if is_packed { tokens } else { [chunk, &vec![0; 4096 - chunk.len()]].concat() };
        let flag = if is_packed { 0x8000 } else { 0 };
        container.extend((0x3000 | flag | (data.len() - 1) as u16).to_le_bytes());
        container.extend(data);
    }
    container
}

fn longest(chunk: &[u8], at: usize) -> (usize, usize) {
    let bits = (4..12).find(|&bits| 1 << bits >= at).unwrap_or(12);
    let most = (0xffff_usize >> bits) + 3;
    let length = |start: usize| {
        (0..most.min(chunk.len() - at)).take_while(|&n| chunk[start + n] == chunk[at + n]).count()
    };
    (0..at)
        .map(|start| (at - start, length(start)))
        .max_by_key(|&(_, length)| length)
        .unwrap_or((0, 0))
}

/// A document whose project has one module.
fn project(stream: &[u8], offset: usize, kind: u16) -> Vec<u8> {
    let row = |id: u16, data: &[u8]| {
        [&id.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), data].concat()
    };
    let dir = [
        row(0x01, &[1, 0, 0, 0]),
        [&[9, 0, 4, 0, 0, 0][..], &[1; 6]].concat(),
        row(0x0f, &[1, 0]),
        row(0x19, b"Module1"),
        row(0x1a, b"Module1"),
        row(0x32, &utf16("Module1")),
        row(0x31, &(offset as u32).to_le_bytes()),
        row(kind, b""),
        row(0x2b, b""),
        row(0x10, b""),
    ];
    let dir = packed(&dir.concat());
    let streams = [
        ("WordDocument", &[0_u8; 20][..]),
        ("Macros/VBA/dir", &dir),
        ("Macros/VBA/_VBA_PROJECT", b"\xcc\x61"),
        ("Macros/VBA/Module1", stream),
    ];
    compound(3, Order::Scattered(4), &streams)
}

fn record(version: u16, kind: u16, data: &[u8]) -> Vec<u8> {
    let size = (data.len() as u32).to_le_bytes();
    [&version.to_le_bytes()[..], &kind.to_le_bytes(), &size, data].concat()
}

/// A zlib stream of stored blocks.
fn zlib(content: &[u8]) -> Vec<u8> {
    let mut stream = b"\x78\x01".to_vec();
    let mut blocks = content.chunks(1000).peekable();
    while let Some(block) = blocks.next() {
        let size = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend([size.to_le_bytes(), (!size).to_le_bytes()].concat());
        stream.extend(block);
    }
    stream
}

fn biff(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

fn formula(row: u16, column: u16, tokens: &[u8]) -> Vec<u8> {
    let size = (tokens.len() as u16).to_le_bytes();
    [&row.to_le_bytes()[..], &column.to_le_bytes(), &[0; 16], &size, tokens].concat()
}

/// A workbook with one macro sheet.
fn workbook(state: u8) -> Vec<u8> {
    let globals = biff(0x809, &[0, 6, 5, 0, 0, 0, 0, 0]);
    let name =
        [&[0x20, 0, 0, 1, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1][..], &[0x3a, 0, 0, 0, 0, 0, 0]];
    let name = biff(0x18, &name.concat());
    let place = (globals.len() + 14 + name.len() + 4) as u32;
    let sheet = [&place.to_le_bytes()[..], &[state, 1, 2, 0, b'M', b'1']].concat();
    let exec = [&[0x17, 4, 0][..], b"calc", &[0x17, 1, 0, b'x', 0x08, 0x42, 1, 110, 0]].concat();
    let condition = [
        &[0x1e, 1, 0, 0x1e, 2, 0, 0x0b, 0x19, 0x02, 9, 0, 0x44, 2, 0, 1, 0xc0, 0x21, 53, 0][..],
        &[0x1f],
        &1.5_f64.to_le_bytes(),
        &[0x15, 0x13, 0x22, 3, 1, 0],
    ];
    let write = [0x17, 1, 0, b'a', 0x25, 3, 0, 4, 0, 2, 0xc0, 26, 0xc0, 0x42, 2, 96, 0x80];
    [
        globals,
        biff(0x85, &sheet),
        name,
        biff(0x0a, b""),
        biff(0x809, &[0, 6, 0x40, 0, 0, 0, 0, 0]),
        biff(6, &formula(0, 0, &exec)),
        biff(6, &formula(1, 1, &condition.concat())),
        biff(6, &formula(2, 0, &write)),
        biff(0x0a, b""),
    ]
    .concat()
}
