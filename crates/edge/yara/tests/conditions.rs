//! A rule that holds was noticed: conditions of every shape, each with a file for which it holds.
#![allow(clippy::disallowed_methods, reason = "tests share code that reads files")]

mod common;

use common::{compiled, found, found_by_plain, plain, read_all, runner};
use watchglass_database::Database;
use watchglass_matching::Scratch;
use watchglass_signatures::RuleCounts;

fn file(text: &str) -> Vec<(String, Vec<u8>)> {
    vec![("a.yar".to_owned(), text.as_bytes().to_vec())]
}

fn counts(text: &str) -> RuleCounts {
    let read = read_all(&file(text));
    assert!(read.bad.is_empty(), "{:?}", read.bad);
    compiled(&read).1.rules
}

/// Holds for one file and not for an empty one, ours as plain yara-x.
fn holds(text: &str, bytes: &[u8]) {
    let files = file(text);
    let read = read_all(&files);
    assert!(read.bad.is_empty(), "{text}: {:?}", read.bad);
    let (database, _) = compiled(&read);
    let database = Database::open(&database).unwrap();
    let (mut runner, mut scratch) = (runner(&database), Scratch::default());
    let rules = plain(&files);
    let mut scanner = yara_x::Scanner::new(&rules);
    let expected = found_by_plain(&mut scanner, bytes);
    assert!(!expected.is_empty(), "plain yara-x finds nothing: {text}");
    assert_eq!(found(&database, &mut runner, &mut scratch, bytes), expected, "{text}");
    assert_eq!(
        found(&database, &mut runner, &mut scratch, b""),
        found_by_plain(&mut scanner, b""),
        "{text}"
    );
}

fn rule(strings: &str, condition: &str) -> String {
    format!("rule r {{ strings: {strings} condition: {condition} }}")
}

const ABC: &str = r#"$a1 = "first thing" $a2 = "second thing" $b = "third thing""#;

#[test]
fn boolean_shapes() {
    let text = b"so: first thing, and third thing";
    for condition in [
        "$a1",
        "$a1 and $b",
        "$a2 or $b",
        "any of them",
        "2 of them",
        "all of ($a1, $b)",
        "1 of ($a*) and $b",
        "50% of them",
        "none of ($a2)",
        "not $a2",
        "#a1 == 1 and #b > 0",
        "@a1 < @b",
        "@a1[1] == 4",
        "!a1 == 11",
        "$a1 at 4",
        "$a1 in (0..10)",
        "for any of them : ( $ at 4 )",
        "for all of ($a1, $b) : ( # > 0 )",
        "for any i in (1..2) : ( @a1[i] == 4 )",
        "filesize < 1KB and $b",
        "filesize > 3 and filesize < 100 and ($a2 or $a1)",
        "with first = @a1 : ( first == 4 )",
        "any of (false, $b)",
    ] {
        let used = "(any of them or true)";
        holds(&rule(ABC, &format!("{used} and ({condition})")), text);
    }
}

#[test]
fn patterns() {
    let wide = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
    let cases: [(&str, Vec<u8>); 22] = [
        (r#""Some Text""#, b"x Some Text".to_vec()),
        (r#""Some Text" nocase"#, b"x sOME tEXT".to_vec()),
        (r#""Some Text" wide"#, wide("x Some Text")),
        (r#""Some Text" wide ascii nocase"#, wide("x SOME Text")),
        (r#""Some Text" fullword"#, b"x Some Text.".to_vec()),
        (r#""ab""#, b"xx ab".to_vec()),
        (r#""a\x00b\"c""#, b"a\0b\"c".to_vec()),
        (r#""Some Text" xor(3)"#, b"Some Text".iter().map(|byte| byte ^ 3).collect()),
        (r#""Some Text" xor"#, b"Some Text".iter().map(|byte| byte ^ 77).collect()),
        (r#""This program cannot" base64"#, b"= VGhpcyBwcm9ncmFtIGNhbm5vdCBiZSBydW4= =".to_vec()),
        (r#""This program cannot" base64"#, b"= eFRoaXMgcHJvZ3JhbSBjYW5ub3QgYmUgcnVu =".to_vec()),
        (
            r#""This program cannot" base64wide"#,
            wide("= eHhUaGlzIHByb2dyYW0gY2Fubm90IGJlIHJ1bg== ="),
        ),
        ("{ 41 42 ?? 44 4? [2-4] 45 46 }", b"..ABxDI...EF".to_vec()),
        ("{ ( 41 42 43 | 58 59 5A 5A ) 44 45 }", b"..XYZZDE".to_vec()),
        ("{ 41 [-] 42 43 44 ~45 46 }", b"A..........BCDxF".to_vec()),
        ("{ 4? 5? 6? }", b"AQa".to_vec()),
        (r"/(http|ftp):\/\/[a-z]{3,9}\.(com|net)/", b"see ftp://abcde.net".to_vec()),
        (r"/a+b{3}c*defg/i", b"xAAbBBdEFg".to_vec()),
        (r"/\d{4}-\d{2}/ wide", wide("on 2026-11")),
        (r"/^start.{0,20}end$/", b"start of the end".to_vec()),
        (r"/(?i:some) [tT]ext/", b"sOmE text".to_vec()),
        (r"/x.*\bword\b/s", b"x\n\nword".to_vec()),
    ];
    for (pattern, bytes) in cases {
        holds(&rule(&format!("$a = {pattern}"), "$a"), &bytes);
        holds(&rule(&format!("$a = {pattern} $b = \"none of this\""), "any of them"), &bytes);
    }
}

#[test]
fn starts_of_files() {
    let mut program = b"MZ\x90\0".to_vec();
    program.resize(64, 0);
    program[60] = 64;
    program.extend_from_slice(b"PE\0\0");
    for condition in [
        "uint16(0) == 0x5A4D",
        "uint16be(0) == 0x4D5A",
        "0x5A4D == uint16(0)",
        "uint32(uint32(60)) == 0x4550",
        "uint8(2) == 0x90 and filesize < 100",
        "int8(2) == -112",
    ] {
        holds(&format!("rule r {{ condition: {condition} }}"), &program);
    }
    holds("rule r { condition: filesize == 68 }", &program);
}

#[test]
fn rules_that_name_others() {
    let text = r#"
        import "math"
        private rule inner { strings: $a = "inner thing" condition: $a }
        global rule whole { condition: filesize < 100 }
        rule outer { condition: inner and math.max(1, 2) == 2 }
        rule unlike { condition: not inner and filesize > 5 }
    "#;
    holds(text, b"an inner thing");
    holds(text, b"something else");
}

#[test]
fn rules_are_sorted_by_how_they_are_noticed() {
    let one =
        |condition: &str| counts(&rule(ABC, &format!("{condition} and #a2 >= 0 and #b >= 0")));
    let RuleCounts { by_content, by_start, always, .. } = one("$a1");
    assert_eq!((by_content, by_start, always), (1, 0, 0));
    assert_eq!(one("uint16(0) == 0x5A4D and #a1 >= 0").by_start, 1);
    assert_eq!(one("#a1 >= 0").always, 1);
    assert_eq!(one("#a1 >= 0 and false").never, 1);
    let pe = "import \"pe\" rule r { condition: pe.number_of_sections == 3 }";
    assert_eq!(counts(pe).by_start, 1);
}

#[test]
fn what_does_not_compile_is_told_and_the_rest_is_taken() {
    let text = "rule good { condition: true }\n\
                rule bad { condition: nonsense }\n\
                rule also_good { condition: true }\n";
    let read = read_all(&file(text));
    let names: Vec<&str> = read.rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["YARA.good", "YARA.also_good"]);
    assert_eq!(read.bad.len(), 1);
    assert_eq!((&*read.bad[0].file, read.bad[0].line), ("a.yar", 2));
    assert!(read.bad[0].error.to_string().contains("nonsense"), "{}", read.bad[0].error);
    let text = format!("{text}global rule g {{ condition: nonsense }}\n");
    let read = read_all(&file(&text));
    assert!(read.rules.is_empty());
    assert_eq!(read.bad.last().unwrap().line, 4);
    let read = read_all(&file(
        "import \"cuckoo\"\nrule r { condition: cuckoo.x }\nrule s { condition: true }",
    ));
    assert_eq!(read.rules.len(), 1);
    assert!(read.bad.iter().any(|bad| bad.line == 1), "{:?}", read.bad);
    let read = read_all(&[("a.yar".to_owned(), b"rule a\xff".to_vec())]);
    assert_eq!((read.rules.len(), read.bad.len()), (0, 1));
    assert_eq!(read_all(&file("include \"b.yar\"\nrule s { condition: true }")).rules.len(), 1);
}
