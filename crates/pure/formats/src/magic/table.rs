//! The standard table: one row for each magic number, with the text that defines it.
//!
//! Rows are data; what may be surprising is ClamAV's choice and is kept, since signatures and types
//! go together: "MM" alone is TIFF, "BM" alone a bitmap. The order matters where two rows of plain
//! bytes fit: the later one counts.

use super::{Entry, Kind, Offset};
use crate::FileType::{self, *};

/// Every row as an entry.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let plain = PLAIN.iter().map(|&(at, bytes, to)| plain(at, bytes, to));
    let mail = MAIL_HEADERS.iter().map(|header| plain_at_start(header.as_bytes(), Mail));
    let python = PYTHON.iter().map(|number| {
        let [low, high] = number.to_le_bytes();
        plain_at_start(&[low, high, b'\r', b'\n'], PythonCompiled)
    });
    let html = HTML_TAGS.iter().map(|tag| pattern(ANYWHERE, hex(tag.as_bytes()), Html));
    let links = ["3c41", "3c61"].into_iter().flat_map(|a| {
        // The attribute's last two letters are both large or both small.
        ["4546", "6566"].map(|ef| pattern(ANYWHERE, format!("{a}20*(68|48)(72|52){ef}"), Html))
    });
    let patterns = PATTERNS.iter().map(|&(offset, bytes, to)| pattern(offset, bytes.into(), to));
    let (at, bytes, to) = HFS_PLUS;
    let partitions = bytes.iter().map(move |bytes| Entry {
        kind: Kind::Partition,
        offset: Offset::At { from: at, shift: 0 },
        bytes: hex(bytes.as_slice()),
        from: PartAny,
        to,
    });
    plain.chain(mail).chain(python).chain(html).chain(links).chain(patterns).chain(partitions)
}

fn plain(from: u32, bytes: &[u8], to: FileType) -> Entry {
    let offset = Offset::At { from, shift: 0 };
    Entry { kind: Kind::File, offset, bytes: hex(bytes), from: Any, to }
}

fn plain_at_start(bytes: &[u8], to: FileType) -> Entry {
    plain(0, bytes, to)
}

fn pattern(offset: Offset, bytes: String, to: FileType) -> Entry {
    Entry { kind: Kind::Pattern, offset, bytes, from: Any, to }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ANYWHERE: Offset = Offset::Any;
const START: Offset = Offset::At { from: 0, shift: 0 };

const fn near_start(shift: u32) -> Offset {
    Offset::At { from: 0, shift }
}

/// Plain bytes: where, what, which type.
#[rustfmt::skip]
const PLAIN: &[(u32, &[u8], FileType)] = &[
    // Programs. PE/COFF: the MS-DOS stub. System V ABI: e_ident. loader.h of Mach-O, either order.
    (0, b"MZ", MsExe),
    (0, b"\x7fELF", Elf),
    (0, b"\xce\xfa\xed\xfe", MachO),
    (0, b"\xcf\xfa\xed\xfe", MachO),
    (0, b"\xfe\xed\xfa\xce", MachO),
    (0, b"\xfe\xed\xfa\xcf", MachO),
    // Compressed data. RFC 1952, bzip2, the xz file format, RFC 8878, MS COMPRESS.
    (0, b"\x1f\x8b", Gz),
    (0, b"BZh", Bz),
    (0, b"\xfd7zXZ\0", Xz),
    (0, b"\x28\xb5\x2f\xfd", Zstd),
    (0, b"SZDD", MsSzdd),
    // Archives. APPNOTE.TXT 4.3.7; 8.5: split and spanned ones have a marker first.
    (0, b"PK\x03\x04", Zip),
    (0, b"PK00PK\x03\x04", Zip),
    (0, b"PK\x07\x08PK\x03\x04", Zip),
    (0, b"PK\x03\x03PK\x03\x04", Zip),
    (0, b"Rar!", Rar),
    (0, b"7z\xbc\xaf\x27\x1c", SevenZip),
    (0, b"\x60\xea", Arj),
    (0, b"MSCF\0\0\0\0", MsCab),
    (0, b"ITSF", MsChm),
    (0, b"xar!", Xar),
    (0, b"EGGA", Egg),
    (0, b"ALZ\x01", Alz),
    // cpio(5): odc, newc, crc, then the old binary header in either order.
    (0, b"070707", CpioOdc),
    (0, b"070701", CpioNewc),
    (0, b"070702", CpioCrc),
    (0, b"\x71\xc7", CpioOld),
    (0, b"\xc7\x71", CpioOld),
    // POSIX.1-1988 tar.h. A tar may start with the name `[aliases]` to look like an mIRC script
    // (CVE-2012-1419), so that name is not believed to be one.
    (257, b"ustar", PosixTar),
    (0, b"[aliases]", PosixTar),
    // Documents. MS-CFB 2.2, ISO 32000-1 7.5.2, RTF 1.9.1, PostScript DSC, MS-ONESTORE 2.3.1,
    // MS-SHLLINK 2.1, Hangul documents 3.0 and OLE2 behind a length.
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", MsOle2),
    (4, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", HwpOle2),
    (0, b"HWP Document File V3.00 \x1a\x01\x02\x03\x04\x05", Hwp3),
    (0, b"%PDF-", Pdf),
    (0, b"{\\rt", Rtf),
    (0, b"%!PS-Adobe-", Ps),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", OneNote),
    (0, b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", Lnk),
    // Coats of mail. RFC 1741, MS-OXTNEF 2.1.3.1, POSIX uuencode, the Script Encoder, CryptFF.
    (0, b"(This file must be converted with BinHex 4.0)", BinHex),
    (0, b"\x78\x9f\x3e\x22", Tnef),
    (0, b"begin ", Uuencoded),
    (0, b"#@~^", ScrEnc),
    (0, b"\xb6\xb9\xac\xae\xfe\xff\xff\xff", CryptFf),
    // Pictures. PNG 5.2, GIF89a, ITU T.81 B.2, TIFF 6.0, BMP, JPEG 2000 (ISO 15444-1 I.5.1), RIFF.
    (0, b"\x89PNG", Png),
    (0, b"GIF", Gif),
    (0, b"\xff\xd8\xff", Jpeg),
    (0, b"II*\0", Tiff),
    (0, b"MM", Tiff),
    (0, b"BM", Graphics),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Graphics),
    (0, b"RIFF", Riff),
    (0, b"RIFX", Riff),
    // SWF 19, "The SWF header": plain, zlib, LZMA.
    (0, b"FWS", Swf),
    (0, b"CWS", Swf),
    (0, b"ZWS", Swf),
    // Disk images: UEFI 2.10, 5.3.2.
    (512, b"EFI PART", Gpt),
    // Models: GGUF 1 to 3, TensorFlow Lite.
    (0, b"GGUF\x01\0\0\0", AiModel),
    (0, b"GGUF\x02\0\0\0", AiModel),
    (0, b"GGUF\x03\0\0\0", AiModel),
    (4, b"TFL3", AiModel),
    // What a scan tells of itself.
    (0, b"{\n  \"Magic\":\"CLAMJSONv0\"", Internal),
    // Python before its magic numbers ended with CR LF.
    (0, b"\x02\x99\x99\0", PythonCompiled),
    (0, b"\x03\x99\x99\0", PythonCompiled),
    // Sound, films, logs and data bases, in which nothing is looked for.
    (0, b"\0\0\x01\xb3", BinaryData),
    (0, b"\0\0\x01\xba", BinaryData),
    (0, b".RMF", Ignored),
    (0, b"ID3", Ignored),
    (0, b"\xff\xfb\x90", Ignored),
    (0, b"OggS", Ignored),
    (0, b"SIP-HIT (SIP/H", Ignored),
    (0, b"SYMC\x01\0", Ignored),
    (0, b"SQLite format 3\0", Ignored),
    (0, b"\x37\x7f\x06\x82\0\x2d\xe2\x18", Ignored),
    (0, b"\x37\x7f\x06\x83\0\x2d\xe2\x18", Ignored),
    (0, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", Ignored),
];

/// Header fields (RFC 5322, and of servers) and other beginnings of stored mail.
const MAIL_HEADERS: &[&str] = &[
    "Date: ",
    "Delivered-To: ",
    "Delivery-date: ",
    "Envelope-to: ",
    "For: ",
    "From ",
    "From: ",
    "Hi. This is the qmail-send",
    "Message-ID: ",
    "Message-Id: ",
    "Received-SPF: ",
    "Received: ",
    "Return-Path: ",
    "Return-path: ",
    "Subject: ",
    "To: ",
    "X-Apparently-To: ",
    "X-EVS",
    "X-Envelope-From: ",
    "X-Original-To: ",
    "X-Real-To: ",
    "X-Sieve: ",
    "X-Symantec-",
    "X-UIDL: ",
    ">From ",
    "v:\nReceived: ",
    "v:\r\nReceived: ",
];

/// The magic numbers of CPython 1.3 to 3.7 and of PyPy 2.7 to 3.9, each followed by CR LF; from 3.5
/// on a pattern is enough. CPython: `Lib/importlib/_bootstrap_external.py`.
#[rustfmt::skip]
const PYTHON: &[u16] = &[
    11913, 5892, 20121, 50428, 50429, 50823, 50824, 60202, 60203, 60717, 60718,
    62011, 62012, 62021, 62041, 62051, 62061, 62062, 62071, 62081, 62091, 62092,
    62101, 62111, 62121, 62131, 62132, 62151, 62161, 62162, 62171, 62181, 62191,
    62201, 62211, 62212, 62218,
    3000, 3010, 3020, 3030, 3040, 3050, 3060, 3061, 3071, 3081, 3091, 3101, 3103, 3111, 3131,
    3141, 3151, 3160, 3170, 3180, 3190, 3200, 3210, 3220, 3230, 3250, 3260, 3270, 3280, 3290,
    3300, 3310, 3320, 3330, 3340, 3350, 3351, 3360, 3361, 3370, 3371, 3372, 3373, 3375, 3376,
    3377, 3378, 3379, 3390, 3391, 3568, 256, 336,
];

/// Tags that make text HTML, in the three spellings that authors and tools use.
#[rustfmt::skip]
const HTML_TAGS: &[&str] = &[
    "<HEAD>", "<Head>", "<head>", "<HTML>", "<Html>", "<html>",
    "<IFRAME", "<iframe", "<IMG", "<Img", "<img", "<OBJECT", "<Object", "<object",
    "<SCRIPT", "<Script", "<script", "<TABLE", "<table",
];

/// Patterns: where, what, which type.
#[rustfmt::skip]
const PATTERNS: &[(Offset, &str, FileType)] = &[
    // `<% @ LANGUAGE =`: active server pages.
    (START, "3c2540204c414e4755414745203d", Html),
    // Two header fields of mail or MIME on lines of their own, not far from each other: From with
    // MIME-Version, From, MIME-Version, Message-Id and Received with Content-Type, Delivered-To with
    // Received.
    (near_start(1024), "0a(46|66)726f6d3a20{-1024}0a(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20", Mail),
    (near_start(1024), "0a(46|66)726f6d3a20{-2048}0a(43|63)6f6e74656e742d(54|74)7970653a20", Mail),
    (near_start(1024), "0a(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20{-2048}0a(43|63)6f6e74656e742d(54|74)7970653a20", Mail),
    (near_start(1024), "0a(4d|6d)6573736167652d(49|69)643a20{-1024}0a(43|63)6f6e74656e742d(54|74)7970653a20", Mail),
    (near_start(2048), "0a(52|72)656365697665643a20{-2048}0a(43|63)6f6e74656e742d(54|74)7970653a20", Mail),
    (near_start(1024), "44656c6976657265642d546f3a{-256}52656365697665643a", Mail),
    (START, "(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20{-1024}0a(43|63)6f6e74656e742d(54|74)7970653a20", Mhtml),
    (ANYWHERE, "0a(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20{-1024}0a(43|63)6f6e74656e742d(54|74)7970653a20", Mhtml),
    // Office 2003 in XML: `<?xml version="1.0"` and, soon, its root element or its `progid`.
    (START, "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c576f726b626f6f6b", XmlXl),
    (START, "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c??3a576f726b626f6f6b", XmlXl),
    (START, "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c776f7264446f63756d656e74", XmlWord),
    (START, "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c??3a776f7264446f63756d656e74", XmlWord),
    (START, "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}70726f6769643d22576f72642e446f63756d656e74223f3e", XmlWord),
    (START, "efbbbf3c3f786d6c2076657273696f6e3d22312e3022*3c4857504d4c", XmlHwp),
    // `<xdp:xdp`.
    (ANYWHERE, "3c7864703a786470", Xdp),
    // `%PDF-1.` behind something else, in both spellings that readers accept.
    (ANYWHERE, "255044462d??2e", Pdf),
    (ANYWHERE, "257064662d??2e", Pdf),
    // A raw image that a PDF reader wrote: no text, whatever it looks like.
    (near_start(128), "2f5247420a49440affffffffffffffffffffffffffffffffffffffffffffffff", Ignored),
    // A program inside of something: a DOS header with the PE signature behind its stub.
    (ANYWHERE, "4d5a{60-300}50450000", MsExe),
    // Archives inside of something, with a little more of their header than at the start of a file:
    // zip, RAR 1.5 to 4, ARJ (its method and type), cabinets, 7-Zip.
    (ANYWHERE, "504b0304", ZipSfx),
    (ANYWHERE, "526172211a0700", RarSfx),
    (ANYWHERE, "60ea{7}0002", ArjSfx),
    (ANYWHERE, "60ea{7}0102", ArjSfx),
    (ANYWHERE, "60ea{7}0202", ArjSfx),
    (ANYWHERE, "4d53434600000000", CabSfx),
    (ANYWHERE, "377abcaf271c", SevenZipSfx),
    // The data of installers: AutoIt 3 (`AU3!EA05`, `AU3!EA06`), NSIS, InstallShield.
    (ANYWHERE, "a3484bbe986c4aa9994c530a86d6487d41553321454130(35|36)", AutoIt),
    (ANYWHERE, "efbeadde4e756c6c736f6674496e7374", Nulsft),
    (ANYWHERE, "496e7374616c6c536869656c6400{292}0600000000000000????????????????0000000001", IshieldMsi),
    // Symbian: the third of the header's numbers.
    (Offset::At { from: 8, shift: 4 }, "19040010", Sis),
    // Disk images: ECMA-119 (two volume descriptors), ECMA-167 2/9.1, the trailer of Apple's,
    // an Apple partition map, a boot sector.
    (ANYWHERE, "014344303031{2043-2443}4344303031", Iso9660),
    (near_start(32768), "004245413031", Udf),
    (Offset::BeforeEnd { before: 512, shift: 0 }, "6b6f6c79", Dmg),
    (START, "4552{510}504d0000", Apm),
    (Offset::At { from: 510, shift: 0 }, "55aa", Mbr),
    // Four bytes that two formats share: what follows is a small number of architectures, or the
    // version of a class file, which is 45 or more.
    (START, "cafebabe0000000?", MachOUniversal),
    (START, "cafebabe0000001?", MachOUniversal),
    (START, "cafebabe0000002?", Java),
    (START, "cafebabe0000003?", Java),
    // RFC 8878 3.1.2: a frame to skip.
    (START, "5?2a4d18", Zstd),
    (START, "??0d0d0a", PythonCompiled),
    // LHA: the method at 2.
    (Offset::At { from: 2, shift: 0 }, "2d6c68(30|31|32|33|34|35|36|37|64|78)2d", LhaLzh),
    (Offset::At { from: 2, shift: 0 }, "2d6c7a(73|34|35)2d", LhaLzh),
    (Offset::At { from: 2, shift: 0 }, "2d706d302d", LhaLzh),
    // ONNX: field 1 (version), field 2 (the tool that wrote it).
    (START, "08??12??6f6e6e78(2d|5f)746f6f6c", AiModel),
    (START, "08??12??7466326f6e6e78", AiModel),
    (START, "08??12??7079746f726368", AiModel),
    (START, "08??12??63616666653a", AiModel),
    (START, "08??12??4f6e6e784d4c546f6f6c73", AiModel),
    (START, "08??12??434e544b", AiModel),
    (START, "08??12??6f6e6e782d636166666532", AiModel),
];

/// Apple TN1150: the volume header of HFS+ and of HFSX stands at 1024.
const HFS_PLUS: (u32, &[[u8; 4]], FileType) = (1024, &[*b"H+\0\x04", *b"HX\0\x05"], PartHfsPlus);
