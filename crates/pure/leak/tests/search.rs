//! What a search promises beside finding: bounds, no false alarms, the same result in pieces.
#![expect(clippy::print_stderr, reason = "figures, and what was skipped")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "pure crates touch nothing, their tests read files and start programs"
)]

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Lcg, detector, document, envelope, marks, needles};
use proptest::prelude::*;
use watchglass_leak::{Budget, Detector, Exhausted, Needle, NeedleKind, Search, Transform};

/// Says that a test did not run; an error where every test must run.
fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped: {why}");
}

fn find(stream: &[u8]) -> Search {
    let search = detector().search(stream, Budget::STANDARD);
    assert_eq!(search.exhausted, None);
    search
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_hit_says_what_where_and_how_much() {
    let stream = [b"0123456789".as_slice(), &marks(4)[1], b" x"].concat();
    let search = find(&stream);
    assert_eq!(search.hits.len(), 1);
    assert_eq!((search.hits[0].needle, search.hits[0].at, search.hits[0].bytes), (41, 10, 52));
}

#[test]
fn the_place_of_an_encoded_field_is_its_start() {
    let field = data_encoding::BASE64.encode(&zlib(&document(4)));
    let stream = [b"a quiet line that holds nothing\n\"", field.as_bytes()].concat();
    let search = find(&stream);
    assert_eq!(search.hits.len(), 3);
    assert_eq!(search.hits[0].transforms, [Transform::Base64, Transform::Zlib]);
    assert_eq!(search.hits[0].at, 33);
}

#[test]
fn thirteen_letters_of_a_mark_are_enough_and_twelve_are_not() {
    let mark = &marks(5)[0];
    for from in 0..=(mark.len() - 13) {
        assert_eq!(find(&envelope(&mark[from..from + 13])).hits.len(), 1, "from {from}");
        assert_eq!(find(&envelope(&mark[from..from + 12])).hits.len(), 0, "from {from}");
    }
}

#[test]
fn names_and_paths_match_whole_only() {
    let needle = |id, kind, value: &[u8]| {
        let (value, file) = (value.to_vec(), Vec::new());
        Needle { id, kind, value, file, place: String::new() }
    };
    let (name, path) = (b"kq7w2zt5vhbn4xjd", b"/home/ukq7w2zt5vhbn4xjd/.ssh/id_ed25519");
    let other = b"/home/ukq7w2zt5vhbn4xjd/.ssh/id_backup";
    let detector = Detector::build([
        needle(1, NeedleKind::Name, name),
        needle(2, NeedleKind::Path, path),
        needle(3, NeedleKind::Path, other),
        needle(4, NeedleKind::Identifier, b"mira"),
    ]);
    assert_eq!(detector.too_short()[0].id, 4);
    let ids = |stream: &[u8]| -> Vec<u32> {
        let search = detector.search(stream, Budget::STANDARD);
        search.hits.into_iter().map(|hit| hit.needle).collect()
    };
    assert_eq!(ids(b"f=KQ7W2ZT5VHBN4XJD&mira"), [1]);
    assert_eq!(ids(b"f=kq7w2zt5vhbn4xj-"), []);
    assert_eq!(ids(&[b"open ".as_slice(), path].concat()), [2, 1]);
    assert_eq!(ids(data_encoding::BASE64.encode(other).as_bytes()), [3, 1]);
}

#[test]
fn labels_of_consecutive_names_are_put_together() {
    let digits = data_encoding::BASE32_NOPAD.encode(&zlib(&document(6))).to_lowercase();
    let names: Vec<String> = digits
        .as_bytes()
        .chunks(40)
        .zip(0..)
        .map(|(label, number)| format!("{number}.{}.x.test", std::str::from_utf8(label).unwrap()))
        .collect();
    let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    let search = detector().search_names(&names, Budget::STANDARD);
    assert_eq!(search.hits.len(), 3);
    let chain = [Transform::DnsLabels, Transform::Base32, Transform::Zlib];
    assert_eq!(search.hits[0].transforms, chain);
}

#[test]
fn four_layers_are_opened() {
    let once = |bytes: Vec<u8>| data_encoding::BASE64.encode(&zlib(&bytes)).into_bytes();
    let search = find(&envelope(&once(once(document(7)))));
    assert_eq!(search.hits.len(), 3);
    assert_eq!(search.hits[0].transforms.len(), 4);
    let flat = Budget { depth: 3, ..Budget::STANDARD };
    assert!(detector().search(&envelope(&once(once(document(7)))), flat).hits.is_empty());
}

#[test]
fn zstandard_is_opened() {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = ruzstd::encoding::compress_to_vec(document(2).as_slice(), level);
    let search = find(&envelope(&packed));
    assert_eq!(
        (search.hits.len(), search.hits[0].transforms.as_slice()),
        (3, &[Transform::Zstd][..])
    );
}

#[test]
fn what_python_packs_is_opened() {
    let packers = [
        ("bz2.compress(d)", Some(Transform::Bzip2)),
        ("lzma.compress(d)", Some(Transform::Xz)),
        ("lzma.compress(d)[:-40]", None),
        ("gzip.compress(d)", Some(Transform::Gzip)),
        ("zlib.compress(d, 1)", Some(Transform::Zlib)),
        ("zlib.compress(d, 9)[2:-4]", Some(Transform::Deflate)),
        ("binascii.hexlify(d, '-')", Some(Transform::Hex)),
        ("quopri.encodestring(d, True)", None),
        ("base64.a85encode(d)", Some(Transform::Ascii85)),
        ("base64.b85encode(d)", Some(Transform::Base85)),
        ("json.dumps(d.decode()).encode('utf-16-be')", Some(Transform::Utf16Be)),
    ];
    for (expression, transform) in packers {
        let Some(packed) = python(expression, &document(8)) else {
            return skip("what_python_packs_is_opened", "python3 is not installed");
        };
        let search = find(&envelope(&packed));
        assert!(!search.hits.is_empty(), "{expression}");
        if let Some(transform) = transform {
            assert!(search.hits.iter().all(|hit| hit.transforms == [transform]), "{expression}");
        }
    }
}

/// What `expression` makes of `input`, named `d`.
fn python(expression: &str, input: &[u8]) -> Option<Vec<u8>> {
    let script = format!(
        "import base64, binascii, bz2, gzip, json, lzma, quopri, sys, zlib\n\
         d = sys.stdin.buffer.read()\nsys.stdout.buffer.write({expression})"
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(input).ok()?;
    let output = child.wait_with_output().ok()?;
    assert!(output.status.success(), "{expression}");
    Some(output.stdout)
}

#[test]
fn a_bomb_ends_as_exhausted() {
    let bomb = zlib(&vec![0; 40 << 20]);
    let budget = Budget { decoded_bytes: 8 << 20, ..Budget::STANDARD };
    let search = detector().search(&envelope(&bomb), budget);
    assert_eq!(search.exhausted, Some(Exhausted::Decoded));
    let nested = zlib(&bomb);
    let search = detector().search(&envelope(&nested), budget);
    assert_eq!(search.exhausted, Some(Exhausted::Decoded));
}

#[test]
fn what_is_beyond_the_input_budget_is_said() {
    let stream = [vec![b' '; 5000], document(1)].concat();
    let budget = Budget { input_bytes: 5000, ..Budget::STANDARD };
    let search = self::detector().search(&stream, budget);
    assert_eq!((search.hits.len(), search.exhausted), (0, Some(Exhausted::Input)));
    let detector = detector();
    let mut searcher = detector.searcher(budget);
    stream.chunks(999).for_each(|piece| searcher.push(piece));
    assert_eq!(searcher.finish(), search);
}

#[test]
fn steps_are_bounded() {
    let flood: Vec<u8> = (0..4000).flat_map(|number| marks(number % 10)[0].clone()).collect();
    let budget = Budget { steps: 1000, ..Budget::STANDARD };
    assert_eq!(detector().search(&flood, budget).exhausted, Some(Exhausted::Steps));
}

#[test]
fn benign_reports_raise_no_alarm() {
    let detector = Detector::build((0..667).flat_map(needles));
    for number in 0..400 {
        let blob = benign(number);
        let search = detector.search(&blob, Budget::STANDARD);
        assert_eq!(search, Search::default(), "blob {number}");
    }
}

/// A report as honest products send them: JSON, form fields or binary, with identifiers, digests of
/// other files, counters, now and then compressed or in base64.
fn benign(number: u64) -> Vec<u8> {
    let mut draw = Lcg(9_000_000 + number);
    let mut hex =
        |count: usize| (0..count).map(|_| format!("{:02x}", draw.byte())).collect::<String>();
    let body = match number % 4 {
        0 => format!(
            "{{\"id\":\"{}\",\"files\":{number},\"sha256\":[\"{}\",\"{}\"],\"v\":\"1.4.{number}\",\"ms\":[1,20,33,4]}}",
            hex(16), hex(32), hex(32)
        )
        .into_bytes(),
        1 => format!("id={}&os=Linux%206.1&t={}&q=%7B%22a%22%3A1%7D", hex(8), 1_700_000_000 + number)
            .into_bytes(),
        2 => (0..800).map(|_| draw.byte()).collect(),
        _ => draw.prose(1500),
    };
    match number % 3 {
        0 => envelope(&body),
        1 => envelope(&zlib(&body)),
        _ => envelope(data_encoding::BASE64.encode(&body).as_bytes()),
    }
}

#[test]
fn random_bytes_raise_no_alarm() {
    // 20 MB where the build is fast enough for it.
    let bytes = if cfg!(debug_assertions) { 1 << 20 } else { 20 << 20 };
    let mut draw = Lcg(77);
    let stream: Vec<u8> = (0..bytes).map(|_| draw.byte()).collect();
    measure("random bytes", &stream);
    let letters = draw.letters(bytes / 4);
    measure("random letters of the marks' alphabet", &letters);
}

#[test]
fn this_machines_texts_raise_no_alarm() {
    let mut texts = Vec::new();
    let limit = if cfg!(debug_assertions) { 300_000 } else { 20 << 20 };
    collect(std::path::Path::new("/usr/share/doc"), &mut texts, limit);
    if texts.is_empty() {
        return skip("this_machines_texts_raise_no_alarm", "/usr/share/doc is empty");
    }
    let detector = Detector::build((0..667).flat_map(needles));
    let (start, mut bytes) = (Instant::now(), 0);
    for text in &texts {
        bytes += text.len();
        assert_eq!(detector.search(text, Budget::STANDARD), Search::default());
    }
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = f64::from(u32::try_from(bytes).unwrap()) / 1e6;
    eprintln!("{} texts: {megabytes:.1} MB at {:.1} MB/s", texts.len(), megabytes / seconds);
}

/// Files, most of them compressed, up to `limit` bytes in all.
fn collect(folder: &std::path::Path, texts: &mut Vec<Vec<u8>>, limit: usize) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if texts.iter().map(Vec::len).sum::<usize>() >= limit {
            return;
        }
        if kind.is_dir() {
            collect(&entry.path(), texts, limit);
        } else if kind.is_file() {
            texts.extend(std::fs::read(entry.path()));
        }
    }
}

/// Searches for 2,001 marks, wants nothing, and prints how fast that was.
fn measure(name: &str, stream: &[u8]) {
    let start = Instant::now();
    let detector = Detector::build((0..667).flat_map(needles));
    let built = start.elapsed();
    let plain = Budget { depth: 0, ..Budget::STANDARD };
    let mut seconds = Vec::new();
    for budget in [plain, Budget { decoded_bytes: 1 << 30, ..Budget::STANDARD }] {
        let start = Instant::now();
        let search = detector.search(stream, budget);
        seconds.push(start.elapsed().as_secs_f64());
        assert_eq!(search, Search::default(), "{name}");
    }
    let megabytes = f64::from(u32::try_from(stream.len()).unwrap()) / 1e6;
    eprintln!(
        "{name}: {megabytes:.1} MB, {} needles, index {:.1} MB built in {:.2} s; spellings alone {:.0} MB/s, with decoders {:.1} MB/s",
        detector.needles().len(),
        f64::from(u32::try_from(detector.memory_bytes()).unwrap()) / 1e6,
        built.as_secs_f64(),
        megabytes / seconds[0],
        megabytes / seconds[1],
    );
}

/// Bytes in which magic numbers, digits, escapes and marks are common.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        Just(zlib(&document(1))),
        Just(b"\x1f\x8b\x08\x1f\xff\xff".to_vec()),
        Just(b"PK\x03\x04\x14\0\0\x08\x08\0".to_vec()),
        Just(b"\x28\xb5\x2f\xfd".to_vec()),
        Just(b"BZh91AY&SY".to_vec()),
        Just(
            b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5\xa3\xe0"
                .to_vec()
        ),
        "[ -~]{0,80}".prop_map(String::into_bytes),
        "(%[0-9a-fA-F]{2}|&#[0-9]{1,7};|\\\\u[0-9a-f]{4}|[0-9]{1,4}, ?){0,40}"
            .prop_map(String::into_bytes),
        Just(marks(2)[1].clone()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic_or_pass_its_budget(stream in hostile()) {
        let budget = Budget { decoded_bytes: 1 << 20, ..Budget::STANDARD };
        let search = detector().search(&stream, budget);
        prop_assert!(search.hits.iter().all(|hit| hit.at <= stream.len()));
    }

    #[test]
    fn damaged_packed_data_does_not_make_it_panic(
        at in 0_usize..1000, byte in any::<u8>(), cut in 0_usize..1000,
    ) {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut document(1).as_slice(), &mut xz).unwrap();
        for mut packed in [
            zlib(&document(1)),
            ruzstd::encoding::compress_to_vec(document(1).as_slice(), level),
            xz,
            BZIP2.to_vec(),
        ] {
            let length = packed.len();
            packed[at % length] = byte;
            packed.truncate(length - cut % length);
            let _ = detector().search(&packed, Budget::STANDARD);
        }
    }

    #[test]
    fn a_stream_in_pieces_is_the_stream(stream in hostile(), cuts in prop::collection::vec(1_usize..64, 0..20)) {
        let detector = detector();
        let mut searcher = detector.searcher(Budget::STANDARD);
        let mut rest = stream.as_slice();
        for cut in cuts {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            searcher.push(piece);
            rest = tail;
        }
        searcher.push(rest);
        prop_assert_eq!(searcher.finish(), detector.search(&stream, Budget::STANDARD));
    }
}

/// `python3 -c "import bz2; print(bz2.compress(b'watchglass ' * 9))"`.
const BZIP2: &[u8] = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x9f\x90\xa0\x3c\x00\x00\x31\x11\x80\x40\x00\x28\xc4\x0c\x80\x20\x00\x20\xa9\x51\x8d\x3d\x42\x0c\x98\x8c\x86\x42\xc2\xc2\xc3\xb0\xb0\xc8\x54\x2c\x3c\x2e\xe4\x8a\x70\xa1\x21\x3f\x21\x40\x78";
