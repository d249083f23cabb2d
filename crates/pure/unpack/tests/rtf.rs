//! Rich text: objects however their digits are written, made by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::{Cut, Lcg, payload, survives, unpack, unpack_within};
use watchglass_unpack::{ContainerKind, Limit, Limits, NotScanned, Reading};

const RTF: ContainerKind = ContainerKind::Rtf;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

/// An embedded object of a class.
fn object(class: &str, native: &[u8]) -> Vec<u8> {
    let class = sized(&[class.as_bytes(), b"\0"].concat());
    let mut bytes = b"\x01\x05\0\0\x02\0\0\0".to_vec();
    bytes.extend([&class[..], &[0; 8], &sized(native)].concat());
    bytes
}

fn package(name: &str, content: &[u8]) -> Vec<u8> {
    let name = [name.as_bytes(), b"\0"].concat();
    [b"\x02\0", &name[..], &name, b"\0\0\x03\0", &sized(&name), &sized(content)].concat()
}

fn document(digits: &str) -> Vec<u8> {
    let object = format!("{{\\object\\objemb{{\\*\\objclass X}}{{\\*\\objdata {digits}}}}}");
    format!("{{\\rtf1\\ansi text {object} more\\par}}\r\n").into_bytes()
}

#[test]
fn a_package_is_found_under_its_name() {
    for seed in 0..20 {
        let content = payload(seed, 3000 + seed as usize);
        let object = object("Package", &package("a.exe", &content));
        let unpacked = unpack(RTF, &document(&hex(&[&object[..], b"look"].concat())));
        assert!(unpacked.is_clean(), "{unpacked:?}");
        assert_eq!(*unpacked.member("a.exe").content, content);
        assert_eq!(*unpacked.member("after the object").content, *b"look");
    }
}

#[test]
fn digits_are_found_between_anything() {
    let content = payload(3, 900);
    let digits = hex(&object("Equation.3", &content)).to_uppercase();
    let (one, rest) = digits.split_at(41);
    let ways = [
        rest.chars().fold(one.to_owned(), |text, digit| text + " \r\n\t" + &digit.to_string()),
        format!("{one}\\fooba-12 {rest}"),
        format!("{one}{{}}{{\\*\\xyz}}{{{{{{}}}}}}{rest}"),
        format!("{one}\\*\\objupdate\\~\\_{rest}"),
        format!("{one}{{\\*\\generator abc 0123}}{rest}"),
        format!("{one}{{\\proptype\\staticval abc}}{rest}"),
        format!("{{{one}{{{rest}}}}}"),
        format!("{one}\\'41{rest}"),
        format!("{one}\\bin {rest}"),
        format!("{one}\\bin-7 {rest}"),
        format!("{one}xyz&%{rest}"),
        format!("{digits}a"),
        format!("0{{\\objdata {digits}}}"),
    ];
    for way in ways {
        let unpacked = unpack(RTF, &document(&way));
        let is_it = |found: &&[u8]| found.starts_with(&content);
        assert!(unpacked.contents().iter().any(is_it), "{way}");
    }
}

#[test]
fn bytes_may_stand_among_digits_as_they_are() {
    let content = payload(4, 700);
    let object = object("X", &content);
    let (head, tail) = object.split_at(30);
    let start = format!("{{\\rt{{\\objdata {}\\bin0000{} ", hex(head), tail.len());
    let file = [start.as_bytes(), tail, b"}}"].concat();
    let unpacked = unpack(RTF, &file);
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(*unpacked.member("X").content, content);
    survives(RTF, &file, Cut::IsSeen, 1000);
}

#[test]
fn more_bytes_than_there_are_is_read_both_ways() {
    let content = payload(5, 200);
    let file = document(&format!("\\bin99999999999999999999 {}", hex(&object("X", &content))));
    let unpacked = unpack(RTF, &file);
    assert_eq!(*unpacked.member("X").content, content);
    assert!(matches!(unpacked.member("bin").not_scanned[..], [NotScanned::Damaged { .. }]));
}

#[test]
fn groups_that_may_be_ignored_make_readings() {
    let content = payload(6, 50);
    let digits = hex(&object("X", &content));
    let unpacked = unpack(RTF, &document(&format!("{digits}{{\\*\\a 00}}")));
    let found: Vec<_> =
        unpacked.members.iter().map(|found| (found.reading, &*found.name)).collect();
    let strict = (Reading::Strict, &b"X"[..]);
    let lenient = Reading::Lenient;
    assert_eq!(found, [strict, (lenient, b"X"), (lenient, b"after the object")]);
}

#[test]
fn pictures_and_stores_are_found() {
    let (picture, store) = (payload(7, 500), payload(8, 600));
    let properties = "{\\*\\picprop{\\sp{\\sn abc}{\\sv 12}}}";
    let file = format!(
        "{{\\rtf1{{\\pict{properties}\\pngblip\\picw12 {}}}{{\\*\\datastore {}}}}}",
        hex(&picture),
        hex(&store)
    );
    let unpacked = unpack(RTF, file.as_bytes());
    assert!(unpacked.is_clean(), "{unpacked:?}");
    assert_eq!(unpacked.contents(), [&picture[..], &store]);
}

#[test]
fn what_is_open_or_follows_is_told() {
    let open = unpack(RTF, b"{\\rtf1{\\objdata 0102");
    assert_eq!(open.contents(), [[1, 2]]);
    assert!(matches!(open.end.not_scanned[..], [NotScanned::Damaged { offset: 20, .. }]));
    let after = unpack(RTF, b"{\\rtf1}more");
    assert_eq!(after.end.not_scanned, [NotScanned::Unexplained { offset: 7, bytes: 4 }]);
    let cut = unpack(RTF, &document(&hex(&object("X", b"abc"))[..54]));
    assert!(matches!(cut.members[0].not_scanned[..], [NotScanned::Length { declared: 3, .. }]));
}

#[test]
fn a_million_groups_are_no_trouble() {
    let mut file = b"{\\rtf1".to_vec();
    file.extend([b'{'].repeat(2_000_000));
    file.extend(b"\\objdata 0102");
    file.extend([b'}'].repeat(2_000_001));
    let unpacked = unpack(RTF, &file);
    assert_eq!(unpacked.contents(), [[1, 2]]);
    let limit = NotScanned::Limit { which: Limit::Recursion, limit: 1 << 20 };
    assert_eq!(unpacked.end.not_scanned, [limit]);
}

#[test]
fn an_object_over_the_limit_is_given_up_to_it() {
    let limits = Limits { max_file_size: 1000, ..Limits::CLAMAV };
    let file = document(&hex(&payload(9, 3000)));
    let unpacked = unpack_within(RTF, &file, limits);
    assert_eq!(*unpacked.members[0].content, payload(9, 3000)[..1000]);
    let limit = NotScanned::Limit { which: Limit::FileSize, limit: 1000 };
    assert_eq!(unpacked.end.not_scanned, [limit]);
}

#[test]
fn it_survives_anything() {
    let content = payload(10, 400);
    let digits = hex(&object("Package", &package("a", &content)));
    let file = document(&format!(
        "{}{{\\*\\a 1}}\\bin3 abc{}\\'00{{\\b 2}}",
        &digits[..50],
        &digits[50..]
    ));
    survives(RTF, file.trim_ascii_end(), Cut::IsSeen, 3000);
    let mut draw = Lcg(1);
    let words: [&[u8]; 9] =
        [b"{", b"}", b"\\*", b"\\objdata ", b"\\pict ", b"0a1", b"\\bin2 ", b"\\'3", b"{\\*\\a"];
    for _ in 0..2000 {
        let mut file = b"{\\rt".to_vec();
        (0..draw.below(60)).for_each(|_| file.extend(words[draw.below(words.len())]));
        drop(unpack(RTF, &file));
    }
}
