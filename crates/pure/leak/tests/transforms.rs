//! Plants a marked document of 1.5 kB in a telemetry message under every transform, and wants it
//! named.
//!
//! The list follows the reference's count of 49 transforms. It is printed with what was found; the
//! ones that are known to be missed are named here, and a test fails when one of them is found, so
//! that the list stays true.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts the programs, files and sockets that it looks at"
)]
#![expect(clippy::print_stderr, reason = "the table is the result")]

mod common;

use common::{Lcg, detector, document, envelope};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64_MIME, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use watchglass_leak::{Budget, Needle, NeedleKind, digests};

type Transform = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// What the detector does not know yet, and what nobody can search for.
const MISSED: &[&str] = &[
    "XOR with 1 byte",
    "XOR with 4 bytes",
    "XOR with 16 bytes",
    "XOR with 32 bytes",
    "XOR then base64",
    "gzip then XOR",
    "addition of 1 byte",
    "nibbles swapped",
    "bits reversed",
    "random substitution",
    "base64 with an alphabet of its own",
    "base64 reversed after",
    "salted SHA-256",
    "encryption",
];

#[test]
fn names_the_file_under_every_transform_but_those_listed() {
    let detector = detector();
    let document = document(3);
    let (mut wrong, mut found_count) = (Vec::new(), 0);
    let table = table();
    let total = table.len();
    for (name, transform) in table {
        let message = envelope(&transform(&document));
        let search = detector.search(&message, Budget::STANDARD);
        assert!(search.exhausted.is_none(), "{name}");
        let found = search.hits.iter().any(|hit| hit.needle / 10 == 3);
        let other = search.hits.iter().find(|hit| hit.needle / 10 != 3);
        assert_eq!(other, None, "{name} names a file that was not planted");
        let how = search.hits.first().map(|hit| {
            let chain: Vec<String> = hit.transforms.iter().map(ToString::to_string).collect();
            format!(
                "{} of 3 marks, {} bytes, [{}]",
                search.hits.len(),
                hit.bytes,
                chain.join(" > ")
            )
        });
        eprintln!("{name:40} {}", how.unwrap_or_else(|| "not found".into()));
        found_count += usize::from(found);
        if found == MISSED.contains(&name) {
            wrong.push(name);
        }
    }
    eprintln!("{found_count} of {total} transforms found");
    assert!(wrong.is_empty(), "other than listed: {wrong:?}");
}

#[test]
fn names_the_file_whose_digest_was_sent() {
    let value = digests(&document(3))[2].1.clone();
    let kind = NeedleKind::Digest;
    let needle =
        Needle { id: 1, kind, value: value.clone(), file: b"3".to_vec(), place: "SHA-256".into() };
    let detector = watchglass_leak::Detector::build([needle]);
    for sent in [
        value.clone(),
        HEXLOWER.encode(&value).into_bytes(),
        HEXUPPER.encode(&value).into_bytes(),
        BASE64.encode(&value).into_bytes(),
        BASE64URL_NOPAD.encode(&value).into_bytes(),
    ] {
        let search = detector.search(&envelope(&sent), Budget::STANDARD);
        assert_eq!(search.hits.len(), 1, "{}", String::from_utf8_lossy(&sent));
    }
    assert!(detector.search(&envelope(&value[..16]), Budget::STANDARD).hits.is_empty());
}

fn table() -> Vec<(&'static str, Transform)> {
    let mut table: Vec<(&'static str, Transform)> = Vec::new();
    let mut add = |name, transform: Transform| table.push((name, transform));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();

    add("raw", Box::new(<[u8]>::to_vec));
    add("upper case", Box::new(<[u8]>::to_ascii_uppercase));
    add("UTF-16LE", Box::new(|d| d.iter().flat_map(|b| [*b, 0]).collect()));
    add("UTF-16BE", Box::new(|d| d.iter().flat_map(|b| [0, *b]).collect()));
    add("UTF-32LE", Box::new(|d| d.iter().flat_map(|b| [*b, 0, 0, 0]).collect()));
    add("hexadecimal", Box::new(|d| HEXLOWER.encode(d).into()));
    add("hexadecimal, upper case", Box::new(|d| HEXUPPER.encode(d).into()));
    add("hexadecimal with colons", Box::new(|d| joined(d, |b| format!("{b:02x}"), ":")));
    add("hexadecimal dump", Box::new(|d| joined(d, |b| format!("{b:02X}"), " ")));
    add("base64", Box::new(|d| BASE64.encode(d).into()));
    add("base64url", Box::new(|d| BASE64URL_NOPAD.encode(d).into()));
    add("base64 in lines", Box::new(|d| BASE64_MIME.encode(d).into()));
    add("base64 twice", Box::new(|d| BASE64.encode(BASE64.encode(d).as_bytes()).into()));
    add(
        "base64 of UTF-16",
        Box::new(|d| BASE64.encode(&d.iter().flat_map(|b| [*b, 0]).collect::<Vec<u8>>()).into()),
    );
    add("base64 reversed after", Box::new(|d| BASE64.encode(d).bytes().rev().collect()));
    add(
        "base64 of reversed",
        Box::new(|d| BASE64.encode(&d.iter().rev().copied().collect::<Vec<u8>>()).into()),
    );
    add("base32", Box::new(|d| BASE32_NOPAD.encode(d).into()));
    add("base32hex", Box::new(|d| data_encoding::BASE32HEX_NOPAD.encode(d).into()));
    add("Ascii85", Box::new(|d| base85(d, ASCII85)));
    add("RFC 1924", Box::new(|d| base85(d, RFC1924)));
    add("Z85", Box::new(|d| base85(d, Z85)));
    add("percent", Box::new(|d| joined(d, |b| format!("%{b:02X}"), "")));
    add("\\u escapes", Box::new(|d| joined(d, |b| format!("\\u{b:04x}"), "")));
    add("\\x escapes", Box::new(|d| joined(d, |b| format!("\\x{b:02x}"), "")));
    add("HTML entities", Box::new(|d| joined(d, |b| format!("&#{b};"), "")));
    add("decimal list", Box::new(|d| joined(d, |b| b.to_string(), ", ")));
    add("quoted-printable", Box::new(quoted_printable));
    add("JSON string", Box::new(move |d| format!("{:?}", text(d.to_vec())).into_bytes()));
    add("ROT13", Box::new(|d| d.iter().map(|b| rot13(*b)).collect()));
    add("reversed", Box::new(|d| d.iter().rev().copied().collect()));
    add("gzip", Box::new(gzip));
    add("zlib", Box::new(zlib));
    add("raw deflate", Box::new(deflate));
    add("gzip then base64", Box::new(|d| BASE64.encode(&gzip(d)).into()));
    add("deflate then RFC 1924", Box::new(|d| base85(&deflate(d), RFC1924)));
    add("16-byte pieces with boundaries", Box::new(pieces));
    add("every second byte", Box::new(interleaved));
    add("XOR with 1 byte", Box::new(|d| xor(d, 1)));
    add("XOR with 4 bytes", Box::new(|d| xor(d, 4)));
    add("XOR with 16 bytes", Box::new(|d| xor(d, 16)));
    add("XOR with 32 bytes", Box::new(|d| xor(d, 32)));
    add("XOR then base64", Box::new(|d| BASE64.encode(&xor(d, 4)).into()));
    add("gzip then XOR", Box::new(|d| xor(&gzip(d), 4)));
    add("addition of 1 byte", Box::new(|d| d.iter().map(|b| b.wrapping_add(77)).collect()));
    add("nibbles swapped", Box::new(|d| d.iter().map(|b| b.rotate_left(4)).collect()));
    add("bits reversed", Box::new(|d| d.iter().map(|b| b.reverse_bits()).collect()));
    add("random substitution", Box::new(substituted));
    add("base64 with an alphabet of its own", Box::new(own_base64));
    add("salted SHA-256", Box::new(|d| digests(&[b"salt", d].concat())[2].1.clone()));
    add(
        "encryption",
        Box::new(|d| {
            let mut pad = Lcg(99);
            d.iter().map(|b| b ^ pad.byte()).collect()
        }),
    );
    table
}

fn joined(document: &[u8], write: impl Fn(u8) -> String, separator: &str) -> Vec<u8> {
    document.iter().map(|byte| write(*byte)).collect::<Vec<_>>().join(separator).into()
}

const ASCII85: &str =
    "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu";
const RFC1924: &str =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const Z85: &str =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

fn base85(document: &[u8], alphabet: &str) -> Vec<u8> {
    let digit = |value: u64| alphabet.as_bytes()[usize::try_from(value).unwrap()];
    let group = |group: &[u8]| {
        let mut padded = [0; 4];
        padded[..group.len()].copy_from_slice(group);
        let value = u64::from(u32::from_be_bytes(padded));
        let digits = (0..5_u32).rev().map(|power| digit(value / 85_u64.pow(power) % 85));
        digits.take(group.len() + 1).collect::<Vec<u8>>()
    };
    document.chunks(4).flat_map(group).collect()
}

fn quoted_printable(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, byte) in document.iter().enumerate() {
        if at % 30 == 29 {
            out.extend_from_slice(b"=\r\n");
        }
        if at % 7 == 0 || !byte.is_ascii_graphic() {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        _ => byte,
    }
}

fn gzip(document: &[u8]) -> Vec<u8> {
    let best = flate2::Compression::best();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), best);
    std::io::Write::write_all(&mut encoder, document).unwrap();
    encoder.finish().unwrap()
}

fn zlib(document: &[u8]) -> Vec<u8> {
    let best = flate2::Compression::best();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), best);
    std::io::Write::write_all(&mut encoder, document).unwrap();
    encoder.finish().unwrap()
}

fn deflate(document: &[u8]) -> Vec<u8> {
    let mut zlib = zlib(document);
    zlib.truncate(zlib.len() - 4);
    zlib.split_off(2)
}

fn pieces(document: &[u8]) -> Vec<u8> {
    let piece = |piece: &[u8]| [b"\r\n--b7\r\nn=1\r\n\r\n", piece].concat();
    document.chunks(16).flat_map(piece).collect()
}

fn interleaved(document: &[u8]) -> Vec<u8> {
    let mut noise = Lcg(5);
    document.iter().flat_map(|byte| [*byte, noise.byte()]).collect()
}

fn xor(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut key = Lcg(7);
    let key: Vec<u8> = (0..length).map(|_| key.byte() | 1).collect();
    bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

fn substituted(document: &[u8]) -> Vec<u8> {
    let table = shuffled((0..=255).collect());
    document.iter().map(|byte| table[usize::from(*byte)]).collect()
}

fn own_base64(document: &[u8]) -> Vec<u8> {
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let own = shuffled(plain.to_vec());
    let digit = |byte: u8| plain.iter().position(|digit| *digit == byte).map_or(byte, |at| own[at]);
    BASE64.encode(document).bytes().map(digit).collect()
}

fn shuffled(mut table: Vec<u8>) -> Vec<u8> {
    let mut draw = Lcg(11);
    for at in (1..table.len()).rev() {
        table.swap(at, usize::from(draw.byte()) % (at + 1));
    }
    table
}
