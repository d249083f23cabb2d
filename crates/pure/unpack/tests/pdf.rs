//! PDFs, made by others and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use common::{Cut, Unpacked, filter, payload, run, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned, Oddity, Reading};

const PDF: ContainerKind = ContainerKind::Pdf;

/// A document of these objects, without a table: each is its number and what follows `obj`.
fn document(objects: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    for (number, object) in objects {
        file.extend(format!("{number} 0 obj\n").bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    file.extend(b"trailer\n<</Root 1 0 R>>\n%%EOF\n");
    file
}

fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("<<{dictionary} /Length {}>>\nstream\n", data.len());
    [head.as_bytes(), data, b"\nendstream"].concat()
}

fn readings(unpacked: &Unpacked) -> Vec<(&[u8], Reading)> {
    unpacked.members.iter().map(|member| (&*member.content, member.reading)).collect()
}

fn zlib(content: &[u8]) -> Option<Vec<u8>> {
    python(
        "import sys,zlib\nsys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))",
        content,
    )
}

fn python(script: &str, input: &[u8]) -> Option<Vec<u8>> {
    filter("python3", &["-c", script], input)
}

/// Puts its input through filters, as another implementation of them writes it. The predictor is
/// PNG's, all of its filters in turn.
const ENCODE: &str = r#"
import base64, sys, zlib
def runs(data):
    out = bytearray()
    for at in range(0, len(data), 100):
        part = data[at:at + 100]
        out += bytes([len(part) - 1]) + part
    return bytes(out) + b"\x80"
def lzw(data, early):
    table = {bytes([n]): n for n in range(256)}
    out, bits, count, width, free = bytearray(), 0, 0, 9, 258
    def put(code):
        nonlocal bits, count
        bits, count = bits << width | code, count + width
        while count >= 8:
            count -= 8
            out.append(bits >> count & 255)
    put(256)
    word = b""
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
            continue
        put(table[word])
        table[longer] = free
        free += 1
        # The reader is one string behind.
        if free + early > 1 << width and width < 12: width += 1
        if free == 4094:
            put(256)
            table = {bytes([n]): n for n in range(256)}
            width, free = 9, 258
        word = bytes([byte])
    if word:
        put(table[word])
        free += 1
        if free + early > 1 << width and width < 12: width += 1
    put(257)
    if count: out.append(bits << 8 - count & 255)
    return bytes(out)
def png(data, row=48, back=3):
    out, above = bytearray(), bytes(row)
    for number, at in enumerate(range(0, len(data), row)):
        line = data[at:at + row]
        kind = number % 5
        out.append(kind)
        for n, byte in enumerate(line):
            a = line[n - back] if n >= back else 0
            b = above[n]
            c = above[n - back] if n >= back else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            out.append(byte - [0, a, b, (a + b) // 2, nearest][kind] & 255)
        above = line.ljust(row, b"\0")
    return bytes(out)
encoders = {
    "Fl": zlib.compress, "FlateDecode": zlib.compress,
    "LZW": lambda data: lzw(data, 1), "LZWDecode": lambda data: lzw(data, 1),
    "late": lambda data: lzw(data, 0),
    "A85": lambda data: base64.a85encode(data, wrapcol=70) + b"~>",
    "ASCII85Decode": lambda data: base64.a85encode(data, adobe=True),
    "AHx": lambda data: data.hex(" ").encode() + b">",
    "ASCIIHexDecode": lambda data: data.hex().upper().encode() + b">",
    "RL": runs, "RunLengthDecode": runs, "png": png,
}
for length in sys.argv[2].split():
    data = sys.stdin.buffer.read(int(length))
    for name in reversed(sys.argv[1].split()):
        data = encoders[name](data)
    sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
"#;

/// The payloads, each behind the same filters.
fn encode(filters: &str, payloads: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let lengths: Vec<_> = payloads.iter().map(|payload| payload.len().to_string()).collect();
    let arguments = ["-c", ENCODE, filters, &lengths.join(" ")];
    let all = filter("python3", &arguments, &payloads.concat())?;
    let (mut rest, mut found) = (&all[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (one, others) = after.split_at(u32::from_be_bytes(*length) as usize);
        found.push(one.to_vec());
        rest = others;
    }
    Some(found)
}

#[test]
fn payloads_are_found_behind_every_chain_of_filters() {
    let chains = [
        ("FlateDecode", "/FlateDecode", ""),
        (
            "Fl png",
            "/Fl",
            "/DecodeParms <</Predictor 15 /Colors 3 /BitsPerComponent 8 /Columns 16>>",
        ),
        ("LZWDecode", "/LZWDecode", ""),
        ("late", "[/LZW]", "/DecodeParms [<</EarlyChange 0>>]"),
        ("ASCII85Decode", "/ASCII85Decode", ""),
        ("ASCIIHexDecode", "/ASCIIHexDecode", ""),
        ("RunLengthDecode", "/RunLengthDecode", ""),
        ("A85 Fl", "[/A85 /Fl]", ""),
        ("AHx RL LZW A85 Fl", "[/AHx /RL /LZW /A85 /Fl]", ""),
        ("A85 late", "[/A#385 /LZ#57Decode]", "/DP [null <</EarlyChange 0>>]"),
        ("Fl Fl Fl", "[/Fl /Crypt /Fl /Fl]", ""),
    ];
    for (names, filters, more) in chains {
        let lengths = (0..20).map(|seed| (seed, 100 + seed as usize * 1500));
        let contents: Vec<_> = lengths.map(|(seed, length)| payload(seed, length)).collect();
        let Some(encoded) = encode(names, &contents) else {
            return skip("payloads_are_found_behind_every_chain_of_filters", "python3");
        };
        assert_eq!(encoded.len(), 20);
        for (content, data) in contents.iter().zip(&encoded) {
            let file = document(&[(1, stream(&format!("/Filter {filters} {more}"), data))]);
            let unpacked = unpack(PDF, &file);
            assert!(unpacked.is_clean(), "{names}: {:?}", unpacked.members);
            assert!(unpacked.contents() == [&content[..]], "{names}, {} bytes", content.len());
            assert_eq!(unpacked.members[0].name, &b"obj 1 0"[..]);
        }
    }
}

/// A document with a stream, an embedded file, a script in a string and one in a stream.
fn whole(content: &[u8], embedded: &[u8]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[(a) 5 0 R]>>/JavaScript<</Names[(b) 7 0 R]>>>>/OpenAction 8 0 R/AA<</WC 11 0 R>>>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>".to_vec(),
        stream("", content),
        b"<</Type/Filespec/F(x.bin)/UF(evil \\(1\\).bin)/EF<</F 6 0 R>>>>".to_vec(),
        stream("/Type/EmbeddedFile", embedded),
        b"<</S/JavaScript/JS(app.alert\\('one'\\))>>".to_vec(),
        b"<</S/JavaScript/JS 9 0 R/Next<</S/JavaScript/JS<feff00740077006f20ac>>>>>".to_vec(),
        stream("", b"\xfe\xff\0t\0h\0r\0e\0e"),
        b"(four)".to_vec(),
        b"<</S/JavaScript/JS 10 0 R>>".to_vec(),
    ];
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n", index + 1).bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let xref = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).bytes());
    offsets.iter().for_each(|at| file.extend(format!("{at:010} 00000 n \n").bytes()));
    let end =
        format!("trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{xref}\n%%EOF\n", offsets.len() + 1);
    file.extend(end.bytes());
    file
}

fn check_whole(unpacked: &Unpacked, content: &[u8], embedded: &[u8], what: &str) {
    assert!(unpacked.is_clean(), "{what}: {unpacked:?}");
    let all = unpacked.contents();
    let texts = [b"app.alert('one')".as_slice(), "two€".as_bytes(), b"three", b"four"];
    for wanted in [content].iter().chain(&texts) {
        assert!(all.contains(wanted), "{what}: {:?}", String::from_utf8_lossy(wanted));
    }
    assert!(*unpacked.member("evil (1).bin").content == *embedded, "{what}");
}

#[test]
fn scripts_and_embedded_files_are_members() {
    let (content, embedded) = (payload(1, 3000), payload(2, 500));
    let unpacked = unpack(PDF, &whole(&content, &embedded));
    check_whole(&unpacked, &content, &embedded, "by hand");
    let names: Vec<_> = unpacked.members.iter().map(|m| String::from_utf8_lossy(&m.name)).collect();
    let js = |number| format!("obj {number} 0 JavaScript");
    let wanted = ["obj 4 0", "evil (1).bin", &js(7), &js(10), &js(8), &js(9), &js(9)];
    assert!(wanted.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
    assert!(unpacked.members.iter().all(|member| member.reading == Reading::Agreed));
}

/// `file` as qpdf writes it again.
fn qpdf(arguments: &[&str], file: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.pdf"), file).unwrap();
    let all: Vec<_> = arguments.iter().copied().chain(["in.pdf", "out.pdf"]).collect();
    run(folder.path(), "qpdf", &all).then(|| std::fs::read(folder.path().join("out.pdf")).unwrap())
}

#[test]
fn what_qpdf_writes_is_found_whole() {
    let kinds: [&[&str]; 4] = [
        &["--object-streams=generate"],
        &["--object-streams=generate", "--linearize"],
        &["--qdf", "--normalize-content=n"],
        &["--stream-data=uncompress", "--newline-before-endstream"],
    ];
    for kind in kinds {
        for seed in 0..20 {
            let (content, embedded) = (payload(seed, 3000), payload(seed + 50, 500));
            let Some(file) = qpdf(kind, &whole(&content, &embedded)) else {
                return skip("what_qpdf_writes_is_found_whole", "qpdf");
            };
            check_whole(&unpack(PDF, &file), &content, &embedded, &format!("{kind:?}"));
        }
    }
}

#[test]
fn the_empty_password_opens_every_kind_of_encryption() {
    let kinds: [(&[&str], &str); 8] = [
        (&["40", "--"], "RC4 with 40 bits"),
        (&["128", "--use-aes=n", "--"], "RC4"),
        (&["128", "--use-aes=n", "--force-V4", "--"], "RC4 with crypt filters"),
        (&["128", "--use-aes=y", "--"], "AESV2"),
        (&["128", "--use-aes=y", "--cleartext-metadata", "--"], "AESV2"),
        (&["256", "--force-R5", "--"], "AESV3"),
        (&["256", "--"], "AESV3"),
        (&["256", "--cleartext-metadata", "--", "--object-streams=generate"], "AESV3"),
    ];
    for (kind, method) in kinds {
        for seed in 0..20 {
            let (content, embedded) = (payload(seed, 3000), payload(seed + 50, 500));
            let encrypt = |user, more: &[&str]| {
                let start = ["--allow-weak-crypto", "--encrypt", user, "owner"];
                let all: Vec<_> = start.iter().chain(kind).chain(more).copied().collect();
                qpdf(&all, &whole(&content, &embedded))
            };
            let Some(file) = encrypt("", &[]) else {
                return skip("the_empty_password_opens_every_kind_of_encryption", "qpdf");
            };
            let unpacked = unpack(PDF, &file);
            check_whole(&unpacked, &content, &embedded, &format!("{kind:?}"));
            assert_eq!(unpacked.end.oddities, [Oddity::EmptyPassword { method }], "{kind:?}");
            if seed > 0 {
                continue;
            }
            let hidden = unpack(PDF, &encrypt("user", &[]).unwrap());
            assert_eq!(hidden.end.not_scanned, [NotScanned::Encrypted { method }], "{kind:?}");
            assert!(!hidden.contents().contains(&&content[..]));
        }
    }
}

#[test]
fn a_stream_that_needs_no_password_is_found_in_a_document_that_does() {
    let content = payload(3, 2000);
    let (Some(data), locked) = (zlib(&content), b"<</Filter/Standard/V 1/R 2/O(x)/U(y)/P 0>>")
    else {
        return skip("a_stream_that_needs_no_password_is_found_in_a_document_that_does", "python3");
    };
    let mut file = document(&[
        (1, stream("/Filter /FlateDecode", &data)),
        (2, stream("", b"this may be anything")),
        (3, stream("/Filter/Crypt", b"this is what it is")),
        (4, locked.to_vec()),
    ]);
    file.extend(b"trailer <</Encrypt 4 0 R>>\n%%EOF\n");
    let unpacked = unpack(PDF, &file);
    let found = [(&content[..], Reading::Unencrypted), (b"this is what it is", Reading::Agreed)];
    assert_eq!(readings(&unpacked), found);
    assert_eq!(unpacked.end.not_scanned, [NotScanned::Encrypted { method: "RC4 with 40 bits" }]);
}

#[test]
fn lengths_that_lie_give_both_readings() {
    let text = |length: &str, data: &str| {
        let object = format!("<</Length {length}>>stream\n{data}\nendstream");
        unpack(PDF, &document(&[(1, object.into_bytes()), (2, b"3".to_vec())]))
    };
    for length in ["8", "9", "2 0 R", "99999", "-1", "(8)", "8/X 1"] {
        let unpacked = text(length, "abcdefgh");
        let first = unpacked.members[0].content.trim_ascii_end();
        assert!(first == b"abcdefgh" && unpacked.is_clean(), "{length}: {unpacked:?}");
    }
    assert_eq!(
        readings(&text("3", "abcdefgh")),
        [(&b"abcdefgh"[..], Reading::Keyword), (b"abc", Reading::Length)]
    );
    let inner = "ab\nendstream ef";
    assert_eq!(
        readings(&text(&inner.len().to_string(), inner)),
        [(inner.as_bytes(), Reading::Length), (b"ab", Reading::Keyword)]
    );
    let unpacked = text("3 /Length 8", "abcdefgh");
    assert_eq!(
        readings(&unpacked),
        [(&b"abcdefgh"[..], Reading::Agreed), (b"abc", Reading::Length)]
    );
}

#[test]
fn a_filter_that_ends_by_itself_has_one_reading() {
    let content = payload(4, 2000);
    let Some(data) = zlib(&content) else {
        return skip("a_filter_that_ends_by_itself_has_one_reading", "python3");
    };
    let mut object = format!("<</Filter/Fl/Length {}>>stream\n", data.len() + 3).into_bytes();
    object.extend([&data[..], b"abcdef\nendstream"].concat());
    assert_eq!(
        readings(&unpack(PDF, &document(&[(1, object)]))),
        [(&content[..], Reading::Agreed)]
    );
}

#[test]
fn keys_that_come_twice_give_both_readings() {
    let file = document(&[(1, stream("/Filter/AHx /Filter/A85", b"616263"))]);
    let found = unpack(PDF, &file);
    let contents = found.contents();
    assert_eq!((contents.len(), contents[1]), (2, &b"abc"[..]), "{found:?}");
    assert_eq!(found.members[1].reading, Reading::Earlier);
}

#[test]
fn objects_of_all_generations_and_only_of_tables_are_found() {
    let mut file = document(&[(1, stream("", b"the first"))]);
    file.extend(document(&[(1, stream("", b"the second"))]));
    let hidden = file.len();
    file.extend(b"7 % a comment\n0 %\nobj ");
    file.extend(stream("", b"the third"));
    file.extend(b"endobj 9 0 obj ");
    file.extend(stream("", b"the fourth"));
    file.extend(b"endobj\n%%EOF\n");
    let all = unpack(PDF, &file);
    let walked = [&b"the first"[..], b"the second", b"the fourth"];
    assert_eq!(all.contents(), walked, "no table names it");
    file.extend(format!("xref\n7 1\n{hidden:010} 00000 n \n%%EOF\n").bytes());
    let all = unpack(PDF, &file);
    assert_eq!(all.contents(), [&walked[..], &[b"the third"]].concat());
    assert_eq!(all.members[3].reading, Reading::Central);
    // From a header that stands later, too.
    let moved = [b"before\n", &file[..]].concat();
    let all = unpack(PDF, &moved);
    assert_eq!(all.contents().len(), 4);
    assert_eq!(all.end.oddities, [Oddity::Prepended { bytes: 7 }]);
}

#[test]
fn an_object_in_a_string_is_found() {
    let text = b"(5 0 obj <<>>stream\nhidden\nendstream endobj";
    let unpacked = unpack(PDF, &document(&[(1, text.to_vec()), (2, stream("", b"after"))]));
    assert_eq!(unpacked.contents(), [&b"hidden"[..], b"after"]);
}

#[test]
fn a_pdf_in_a_pdf_is_one_member() {
    let inner = document(&[(1, stream("", b"abc"))]);
    let unpacked = unpack(PDF, &document(&[(1, stream("", &inner)), (2, stream("", b"def"))]));
    // Its own `endstream` ends it for some readers.
    let found = readings(&unpacked);
    assert!(found.contains(&(&inner[..], Reading::Length)), "{found:?}");
    assert!(found.contains(&(b"def", Reading::Agreed)), "{found:?}");
}

#[test]
fn damaged_streams_give_what_came_out() {
    let content = payload(5, 9000);
    let Some(data) = zlib(&content) else {
        return skip("damaged_streams_give_what_came_out", "python3");
    };
    let half = &data[..data.len() / 2];
    let file = document(&[(1, stream("/Filter/FlateDecode", half))]);
    let unpacked = unpack(PDF, &file);
    let member = &unpacked.members[0];
    assert!(content.starts_with(&member.content) && member.content.len() > 2000);
    assert!(matches!(member.not_scanned[..], [NotScanned::Damaged { .. }]), "{member:?}");
    // Without its header, and behind an end of line too many, readers read it all the same.
    for start in [&data[2..], &[b"\n", &data[..]].concat()] {
        let file = document(&[(1, stream("/Filter/FlateDecode", start))]);
        assert_eq!(unpack(PDF, &file).contents(), [&content[..]]);
    }
    let file = document(&[(1, stream("/Filter/Nothing", b"abc"))]);
    let what = "a filter that PDF does not have";
    assert_eq!(unpack(PDF, &file).members[0].not_scanned, [NotScanned::NotSupported { what }]);
}

#[test]
fn needless_escapes_of_names_are_told() {
    let file = document(&[(1, stream("/F#69lter /AHx", b"616263"))]);
    let unpacked = unpack(PDF, &file);
    assert_eq!(unpacked.contents(), [b"abc"]);
    assert_eq!(unpacked.end.oddities, [Oddity::EscapedNames { first: 19, count: 1 }]);
}

#[test]
fn no_change_of_bytes_breaks_it() {
    let (content, embedded) = (payload(6, 400), payload(7, 100));
    let file = whole(&content, &embedded);
    survives(PDF, &file, Cut::MayBeWhole, 2000);
    let kinds: [&[&str]; 3] = [
        &["--object-streams=generate"],
        &["--allow-weak-crypto", "--encrypt", "", "o", "128", "--use-aes=n", "--"],
        &["--encrypt", "", "o", "256", "--", "--object-streams=generate"],
    ];
    for kind in kinds {
        let Some(file) = qpdf(kind, &file) else {
            return skip("no_change_of_bytes_breaks_it", "qpdf");
        };
        survives(PDF, &file, Cut::MayBeWhole, 1000);
    }
}
