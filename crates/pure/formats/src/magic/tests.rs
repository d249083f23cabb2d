use super::*;

fn entry(kind: Kind, offset: &str, bytes: &str, from: FileType, to: FileType) -> Entry {
    Entry { kind, offset: Offset::parse(offset).unwrap(), bytes: bytes.into(), from, to }
}

#[test]
fn the_standard_table_is_usable_whole() {
    let (magic, refused) = Magic::from_entries(table::entries());
    assert_eq!(refused, []);
    assert!(magic.files.len() > 150 && magic.rules.len() > 60);
}

#[test]
fn identifies_by_first_bytes() {
    let mut sector = vec![0; 2048];
    sector[510..512].copy_from_slice(b"\x55\xaa");
    let long_link = [&b"<a "[..], &[b'x'; 900], b"hReF"].concat();
    let cases: &[(&[u8], FileType)] = &[
        (b"", FileType::TextAscii),
        (b"hello", FileType::TextAscii),
        (b"\x00\x01\x00\x01", FileType::BinaryData),
        (b"\x1f\x8b\x08", FileType::Gz),
        (b"PK\x03\x04", FileType::Zip),
        (b"[aliases]\n", FileType::PosixTar),
        (b"From: me\n", FileType::Mail),
        (b"\n\nFROM: <Html>", FileType::Html),
        (b"x\nfrom: me\nmime-version: 1.0\n", FileType::Mail),
        (b"MIME-Version: 1.0\nContent-Type: a/b\n", FileType::Mhtml),
        (b"<a hReF", FileType::TextAscii),
        (b"<a hREF", FileType::Html),
        (&long_link, FileType::TextAscii),
        (b"<\0h\0t\0m\0l\0>\0", FileType::HtmlUtf16),
        (b"\xfe\xff\0<\0h\0t\0m\0l\0>", FileType::Html),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", FileType::Java),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", FileType::MachOUniversal),
        (b"\x61\x0d\x0d\x0a\0\0\0\0", FileType::PythonCompiled),
        (b"12-lh5-", FileType::LhaLzh),
        (b"junk\0\x03PK\x03\x04", FileType::BinaryData),
        (&sector, FileType::Mbr),
    ];
    let magic = Magic::standard();
    for (bytes, expected) in cases {
        assert_eq!(magic.identify(bytes), *expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn lists_what_stands_inside() {
    let pe = [&b"MZ"[..], &[0; 62], b"PE\0\0"].concat();
    let file = [&pe[..], b"..", &pe, b"PK\x03\x04Rar!\x1a\x07\x00", &[0; 8]].concat();
    let magic = Magic::standard();
    let found = magic.refine(&file, FileType::MsExe, 10);
    let kinds: Vec<_> = found.places.iter().map(|place| (place.offset, place.kind)).collect();
    let expected = [(70, FileType::MsExe), (138, FileType::ZipSfx), (142, FileType::RarSfx)];
    assert_eq!(kinds, expected);
    // Programs are looked for in some types only, archives in all but archives.
    assert_eq!(magic.refine(&file, FileType::Pdf, 10).places.len(), 2);
    assert_eq!(magic.refine(&file, FileType::Zip, 10), Refined::default());
    let cut = magic.refine(&file, FileType::MsExe, 1);
    assert_eq!((cut.places.len(), cut.unlisted), (1, 2));
}

#[test]
fn text_is_refined_by_all_of_it() {
    let magic = Magic::standard();
    let far = [&[b'.'; 5000][..], b"<script>"].concat();
    assert_eq!(magic.identify(&far), FileType::TextAscii);
    assert_eq!(magic.refine(&far, FileType::TextAscii, 1).text, Some(FileType::Html));
    assert_eq!(magic.refine(&far, FileType::Gif, 1).text, Some(FileType::Html));
    assert_eq!(magic.refine(&far, FileType::Pdf, 1).text, None);
}

#[test]
fn callers_add_entries_and_hear_of_bad_ones() {
    let mut magic = Magic::standard();
    let refused = magic.add([
        entry(Kind::File, "0", "57474c53", FileType::Any, FileType::Other),
        entry(Kind::Pattern, "*", "57472a(41|42)", FileType::TextAscii, FileType::Dmg),
        entry(Kind::File, "*", "57", FileType::Any, FileType::Other),
        entry(Kind::File, "0", "57??", FileType::Any, FileType::Other),
        entry(Kind::Pattern, "*", "57", FileType::Any, FileType::Other),
        entry(Kind::Pattern, "*", "57(", FileType::Any, FileType::Other),
    ]);
    assert_eq!(refused.len(), 4);
    assert_eq!(magic.identify(b"WGLS"), FileType::Other);
    assert_eq!(magic.identify(b"--WG*A--"), FileType::Dmg);
    // The type found first must be the one that the entry asks for.
    assert_eq!(magic.identify(b"--\0\x01WG*A"), FileType::BinaryData);
}

#[test]
fn partitions_have_magic_numbers_of_their_own() {
    let mut partition = vec![0; 2048];
    let magic = Magic::standard();
    assert_eq!(magic.identify_partition(&partition), FileType::PartAny);
    partition[1024..1028].copy_from_slice(b"H+\0\x04");
    assert_eq!(magic.identify_partition(&partition), FileType::PartHfsPlus);
}

/// What would cost the square of its length if places were tried twice.
#[test]
fn cost_grows_with_length_alone() {
    let magic = Magic::standard();
    for unit in [&b"MZ"[..], b"PE\0\0", b"<a ", b"\nMIME-Version: ", b"\x01CD001", b"\nFrom: "] {
        let hostile = unit.repeat((4 << 20) / unit.len());
        let found = magic.refine(&hostile, FileType::MsExe, 4);
        assert!(found.places.len() <= 4);
        let _ = magic.refine(&hostile, FileType::TextAscii, 4);
    }
}
