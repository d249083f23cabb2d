//! The way of a file through the engine.

use watchglass_database::{Algorithm, Database, SignatureId};
use watchglass_signatures::{
    Maker, Offset, PotentiallyUnwanted, SignatureSet, Source, body, compile, compile_with_rules,
    logical, rule,
};

use crate::digests::digest;
use crate::test_signature::tests::test_file;
use crate::*;

/// `abc`, gzipped.
const ABC: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";
const MD5_OF_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

fn scan(sets: &[(&str, String)], settings: Settings, bytes: &[u8]) -> (Report, Vec<String>) {
    let source = |(file, text): &'_ (&str, String)| Source {
        set: SignatureSet::named(file).unwrap(),
        bytes: text.clone().leak().as_bytes(),
        maker: Maker::Official,
    };
    let sources: Vec<Source<'_>> = sets.iter().map(source).collect();
    let (compiled, _) = compile(&sources, PotentiallyUnwanted::Take);
    let database = Database::open(&compiled).unwrap();
    let mut engine = Engine::new(Some(&database), settings);
    let report = engine.scan(bytes, bytes.len() as u64, &|| false);
    let name = |finding: &Finding| match finding.detection {
        Detection::Signature(name) => database.name(name).unwrap(),
        Detection::Heuristic(heuristic) => heuristic.name().to_owned(),
    };
    let names = report.findings.iter().map(name).collect();
    (report, names)
}

fn all() -> Settings {
    Settings { matches: Matches::All, ..Settings::default() }
}

#[test]
fn finds_a_digest_inside() {
    let (report, names) = scan(&[("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))], all(), ABC);
    assert_eq!((&names[..], report.objects), (&["Abc".to_owned()][..], 2));
    assert_eq!(report.findings[0].member.0.len(), 1);
    assert!(report.is_complete());
}

#[test]
fn opens_what_has_no_type() {
    let lzma = b"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x30\x98\x88\xa4\x4a\x8e\
        \x9f\xff\xf6\x63\x80\x00";
    let head = format!("{:16}{:12}{:6}{:6}{:8}{:10}`\n", "a/", 0, 0, 0, 100_644, lzma.len());
    let ar = [b"!<arch>\n", head.as_bytes(), lzma].concat();
    let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))];
    for (bytes, depth) in [(&lzma[..], 1), (&ar, 2)] {
        let (report, names) = scan(&sets, all(), bytes);
        assert_eq!((&names[..], report.is_complete()), (&["Abc".to_owned()][..], true));
        assert_eq!(report.findings[0].member.0.len(), depth);
    }
}

#[test]
fn finds_bodies_inside_and_tells_what_they_lie_in() {
    let sets = [(
        "a.ldb",
        "In;Engine:51-255,Target:0,Container:CL_TYPE_GZ;0;616263\n\
         Not;Engine:51-255,Target:0,Container:CL_TYPE_ZIP;0;616263\n\
         Wide;Engine:51-255,Target:0;0&1;616263;646566\n"
            .to_owned(),
    )];
    let (report, names) = scan(&sets, all(), ABC);
    assert_eq!(names, ["In"]);
    assert_eq!(report.findings[0].member.0.len(), 1);
}

#[test]
fn pages_and_texts_are_found_in_their_forms() {
    let sets = [
        ("a.ndb", "Text:7:*:68656c6c6f20776f726c64\nPage:3:*:3c703e68656c6c6f\n".to_owned()),
        ("b.ndb", "Raw:0:*:48656C6C6F2020\n".to_owned()),
    ];
    let names = |bytes: &[u8]| scan(&sets, all(), bytes).1;
    assert_eq!(names(b"so: Hello   World and more of it"), ["Raw", "Text"]);
    assert_eq!(names(b"<html><!-- x --><P>Hello   World</P></html>"), ["Page"]);
}

/// Until the tag is met clamscan looks at the file as what it began as.
#[test]
fn what_turns_out_to_be_a_page_was_something_before() {
    let sets = [("a.ndb", "Raw:0:*:48656C6C6F2020\nPage:3:*:3c703e68656c6c6f\n".to_owned())];
    for (far, expected) in [(0, &["Page"][..]), (2000, &["Page", "Raw"])] {
        let text = format!("{}<html><P>Hello   World</P></html>", "so ".repeat(far));
        let mut names = scan(&sets, all(), text.as_bytes()).1;
        names.sort();
        assert_eq!(names, expected, "{far}");
    }
    let picture = [("a.ndb", "Picture:5:0:474946383961\n".to_owned())];
    let hides_a_page = format!("GIF89a{}<html><p>Hello</p></html>", "\x01".repeat(2000));
    assert_eq!(scan(&picture, all(), hides_a_page.as_bytes()).1, ["Picture"]);
}

#[test]
fn letters_that_look_like_a_magic_number_hide_no_text() {
    let sets = [("a.ndb", "Text:7:*:68656c6c6f20776f726c64\n".to_owned())];
    for start in ["MZ", "BM", "MM", "GIF89a"] {
        let text = format!("{start}: Hello   World");
        assert_eq!(scan(&sets, all(), text.as_bytes()).1, ["Text"], "{start}");
    }
}

/// Larger programs hold these letters here and there, and each would be looked at to the file's end.
#[test]
fn letters_of_a_program_in_a_program_are_none_without_its_header() {
    let program = |header: &[u8]| {
        let mut program = b"MZ".to_vec();
        program.resize(60, 0);
        program.extend(64_u32.to_le_bytes());
        [&program[..], b"PE\0\0", header].concat()
    };
    let mut header = [0; 256];
    // For x86, no section, 224 bytes of what follows, a program; then that it is PE32.
    (header[0], header[1], header[16], header[18], header[20], header[21]) =
        (0x4c, 0x01, 224, 2, 0x0b, 0x01);
    header[2] = 1;
    for (inner, objects) in [(program(&header), 2), (program(&[]), 1)] {
        let outer = [program(&header), inner].concat();
        let (report, _) = scan(&[("a.ndb", "A:1:0:4d5affff\n".to_owned())], all(), &outer);
        assert_eq!(report.objects, objects);
    }
}

fn multipart(head: &str, boundary: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
    format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n{head}\n\n\
         {parts}--{boundary}--\n"
    )
}

fn attached(name: &str) -> String {
    format!(
        "Content-Type: application/octet-stream; name={name}\nMIME-Version: 1.0\n\
         Content-Transfer-Encoding: base64\n\nYWJj"
    )
}

const PAGE: &str = "Content-Type: text/html\nMIME-Version: 1.0\n\n<html><p>no bomb</p></html>";

fn forwarded(mail: &str) -> String {
    format!("Content-Type: message/rfc822\nMIME-Version: 1.0\n\n{mail}")
}

/// A body without a header is the mail that it was taken from.
#[test]
fn a_forwarded_mail_is_looked_at_whole() {
    let inner = multipart("From: b@example.org", "=====1", &[PAGE, &attached("abc.bin")]);
    let mail =
        multipart("From: a@example.org\nSubject: one", "=====0", &[PAGE, &forwarded(&inner)]);
    let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))];
    let (report, names) = scan(&sets, all(), mail.as_bytes());
    assert!(names.contains(&"Abc".to_owned()), "{report:?}");
    assert!(report.is_complete(), "{:?}", report.not_scanned);
    // The mail, the page, what is attached.
    assert_eq!(report.objects, 3);
}

/// What a server sends back has no part for the mail that it quotes.
#[test]
fn a_mail_quoted_in_another_is_read() {
    let inner = format!("MIME-Version: 1.0\n{}", attached("abc.bin"));
    let mail = format!(
        "From: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain\n\n\
         It came back.\n\n{inner}\n"
    );
    let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))];
    let (report, names) = scan(&sets, all(), mail.as_bytes());
    let is_its_own = |one: &Finding| one.member.0 == [b"abc.bin"[..].into()];
    assert!(report.findings.iter().any(is_its_own), "{names:?} {:?}", report.findings);
}

/// A look is spared only where it would tell nothing new.
#[test]
fn equal_parts_are_told_by_each_of_their_names() {
    let mail = multipart(
        "From: a@example.org",
        "=",
        &["a", "b", "c"].map(attached).each_ref().map(String::as_str),
    );
    let (report, names) =
        scan(&[("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))], all(), mail.as_bytes());
    let members: Vec<&[u8]> = report.findings.iter().map(|one| &*one.member.0[0]).collect();
    assert_eq!((names, members), (vec!["Abc".to_owned(); 3], vec![&b"a"[..], b"b", b"c"]));
    let (report, _) = scan(&[], all(), mail.as_bytes());
    assert_eq!(report.objects, 2);
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits: u32, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        let digit = |place: usize| char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
        (0..=three.len()).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

/// A part that is passed over under the same names is told under others.
#[test]
fn what_is_told_of_a_part_counts_for_the_mail_around_it() {
    let encoded = |mail: &str, name: &str| {
        format!(
            "Content-Type: application/octet-stream; name={name}\n\
             Content-Transfer-Encoding: base64\n\n{}",
            base64(mail.as_bytes())
        )
    };
    let one = multipart("From: b@example.org", "=1", &[&attached("y")]);
    let other = format!("{one}\n");
    let parts = [encoded(&one, "a"), encoded(&other, "a"), encoded(&other, "b")];
    let mail = multipart("From: a@example.org", "=0", &parts.each_ref().map(String::as_str));
    let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))];
    let (report, _) = scan(&sets, all(), mail.as_bytes());
    let path = [b"b"[..].into(), b"y"[..].into()];
    assert!(report.findings.iter().any(|one| one.member.0 == path), "{:?}", report.findings);
}

/// The same bytes lie in the mail, and in a mail that is encoded in it.
#[test]
fn equal_parts_are_looked_at_where_other_things_lie_around_them() {
    let inner = multipart("From: b@example.org", "=1", &[&attached("abc.bin")]);
    let encoded = |mail: &str| {
        format!(
            "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{}",
            base64(mail.as_bytes())
        )
    };
    let twice = multipart("From: a@example.org", "=0", &[&attached("abc.bin"), &encoded(&inner)]);
    let conditions = "Engine:51-255,Target:0,Container:CL_TYPE_MHTML";
    let sets = [(
        "a.ldb",
        format!("Deep;{conditions},Intermediates:CL_TYPE_MHTML>CL_TYPE_MHTML;0;616263\n"),
    )];
    let deep = |sets: &[(&str, String)]| scan(sets, all(), twice.as_bytes()).1;
    assert_eq!(deep(&sets), ["Deep"]);
    // What is good in one place is none in another: the inner mail is.
    let hex = |bytes: &[u8]| {
        let digest = digest(bytes, Algorithm::Md5);
        digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let good = format!("{}:{}:Good\n", hex(inner.as_bytes()), inner.len());
    for mail in [
        multipart("From: a@example.org", "=0", &[&encoded(&inner), &encoded(&format!("{inner} "))]),
        multipart("From: a@example.org", "=0", &[&encoded(&format!("{inner} ")), &encoded(&inner)]),
    ] {
        let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n")), ("a.fp", good.clone())];
        assert_eq!(scan(&sets, all(), mail.as_bytes()).1, ["Abc"], "{mail}");
    }
}

#[test]
fn matching_has_a_bound() {
    let sets = [("a.ndb", "A:0:*:61626378*78787878\n".to_owned())];
    let limits = watchglass_unpack::Limits { max_steps: 1, ..Default::default() };
    let bytes = b"abcx".repeat(200_000);
    let (report, names) = scan(&sets, Settings { limits, ..all() }, &bytes);
    assert_eq!((names.len(), report.is_complete()), (0, false));
    assert_eq!(report.not_scanned[0].reason.code(), "limit");
}

#[test]
fn what_lies_in_something_good_is_good() {
    let outside = digest(ABC, Algorithm::Md5);
    let hex: String = outside.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let sets = [
        ("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n")),
        ("a.fp", format!("{hex}:{}:Good\n", ABC.len())),
    ];
    assert_eq!(scan(&sets, all(), ABC).1, [""; 0]);
}

#[test]
fn the_first_finding_ends_it_unless_all_are_wanted() {
    let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n{MD5_OF_ABC}:3:Bcd\n"))];
    assert_eq!(scan(&sets, Settings::default(), ABC).1, ["Abc"]);
    assert_eq!(scan(&sets, all(), ABC).1, ["Abc", "Bcd"]);
}

#[test]
fn the_test_file_needs_no_database() {
    let mut engine = Engine::new(None, Settings::default());
    let file = test_file();
    let report = engine.scan(&file, file.len() as u64, &|| false);
    let detection = Detection::Heuristic(Heuristic::TestFile);
    assert_eq!(report.findings[0].detection, detection);
}

#[test]
fn nothing_is_left_out_in_silence() {
    let mut engine =
        Engine::new(None, Settings { unpacking: Unpacking::No, ..Settings::default() });
    let mut reasons = |bytes: &[u8], size| {
        let report = engine.scan(bytes, size, &|| false);
        report.not_scanned.iter().map(|one| one.reason.code()).collect::<Vec<_>>()
    };
    assert_eq!(reasons(ABC, ABC.len() as u64), ["not-unpacked"]);
    assert_eq!(reasons(b"abc", 4), ["limit"]);
    assert_eq!(reasons(b"xar!", 4), ["not-supported"]);
}

#[test]
fn a_limit_alerts_where_that_is_wanted() {
    let limits = watchglass_unpack::Limits { max_file_size: 1, ..Default::default() };
    let mut settings = Settings { limits, ..Settings::default() };
    assert_eq!(scan(&[], settings, ABC).1, [""; 0]);
    settings.alerts.limits = true;
    assert_eq!(scan(&[], settings, ABC).1, ["Heuristics.Limits.Exceeded.MaxFileSize"]);
}

/// Says that every rule holds, and what it was asked about.
#[derive(Debug, Default)]
struct AllHold(std::rc::Rc<std::cell::RefCell<Vec<Vec<u8>>>>);

impl Rules for AllHold {
    fn run(&mut self, rules: &[SignatureId], bytes: &[u8], _: &dyn Fn() -> bool) -> Ran {
        self.0.borrow_mut().push(bytes.to_vec());
        Ran { holds: rules.iter().copied().collect(), ..Ran::default() }
    }
}

fn database_with_a_rule() -> Vec<u8> {
    let items = vec![body::Item::Bytes((*b"needed words").into())];
    let head = body::Part { before: None, left: None, items, right: None, after: None };
    let bodies = vec![body::Body { head, tail: Vec::new() }];
    let found = rule::Found { offset: Offset::Any, case: logical::Case::Exact, bodies };
    let rule = rule::Rule {
        name: "YARA.a".to_owned(),
        file: "a.yar".into(),
        line: 1,
        pieces: vec!["rule a".into()],
        need: rule::Need::Found(found),
    };
    let (bytes, report) = compile_with_rules(&[], &[rule], PotentiallyUnwanted::PassOver);
    assert_eq!(report.rules.by_content, 1);
    bytes
}

#[test]
fn a_rule_that_may_hold_is_run_on_the_bytes_of_each_object() {
    let bytes = database_with_a_rule();
    let database = Database::open(&bytes).unwrap();
    // A comment is in no form of the page.
    let page: &[u8] = b"<html><body><!-- needed words --><p>text</p></body></html>";
    for content in [page, b"some needed words\n", b"\x7fELF needed words\0"] {
        let asked = std::rc::Rc::default();
        let rules = Box::new(AllHold(std::rc::Rc::clone(&asked)));
        let mut engine = Engine::new(Some(&database), all()).with_rules(rules);
        let report = engine.scan(content, content.len() as u64, &|| false);
        assert_eq!(report.findings.len(), 1, "{content:?}");
        let Detection::Signature(name) = report.findings[0].detection else { panic!() };
        assert_eq!(database.name(name).as_deref(), Some("YARA.a.UNOFFICIAL"));
        assert_eq!(*asked.borrow(), [content.to_vec()], "once, and on the bytes as they are");
        let _ = engine.scan(b"nothing that is needed", 22, &|| false);
        assert_eq!(asked.borrow().len(), 1);
    }
}

#[test]
fn a_rule_that_nobody_can_run_is_not_scanned() {
    let bytes = database_with_a_rule();
    let database = Database::open(&bytes).unwrap();
    let mut engine = Engine::new(Some(&database), all());
    let report = engine.scan(b"some needed words", 17, &|| false);
    assert!(report.findings.is_empty());
    assert_eq!(report.not_scanned[0].reason, Reason::Rules(1, NotRun::Nobody));
    assert!(engine.scan(b"other words", 11, &|| false).is_complete());
}
