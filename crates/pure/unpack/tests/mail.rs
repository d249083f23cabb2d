//! Mails and what encodes files as text, made by python's own packages and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::{Cut, Unpacked, collect, filter, skip, survives, unpack};
use watchglass_unpack::{Budget, ContainerKind, Limit, Limits, NotScanned, Reading};

const MAIL: ContainerKind = ContainerKind::Mail;

type Made = (String, Vec<u8>, Vec<u8>);

/// Kind, payload and container, as `make_mail.py` writes them.
fn made() -> Option<Vec<Made>> {
    let text = filter("python3", &["-", "-"], include_bytes!("make_mail.py"))?;
    let text = String::from_utf8(text).unwrap();
    let line = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        (fields[0].to_owned(), bytes(fields[1]), bytes(fields[2]))
    };
    Some(text.lines().map(line).collect())
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(pair).collect()
}

fn kind(name: &str) -> ContainerKind {
    match name.split('-').next().unwrap() {
        "mail" => MAIL,
        "mbox" => ContainerKind::Mbox,
        "uu" => ContainerKind::Uuencoded,
        "tnef" => ContainerKind::Tnef,
        _ => ContainerKind::BinHex,
    }
}

fn holds(unpacked: &Unpacked, payload: &[u8]) -> bool {
    unpacked.contents().contains(&payload)
}

#[test]
fn what_python_makes_is_found_whole() {
    let Some(made) = made() else {
        return skip("what_python_makes_is_found_whole", "python3");
    };
    assert_eq!(made.len(), 20 * 17);
    for (name, payload, container) in made {
        let unpacked = unpack(kind(&name), &container);
        let is_found = match kind(&name) {
            ContainerKind::Mbox => {
                assert_eq!(unpacked.members.len(), 4, "three messages, one also without quotes");
                unpacked.contents().iter().any(|message| holds(&unpack(MAIL, message), &payload))
            }
            _ => holds(&unpacked, &payload),
        };
        assert!(is_found, "{name}: {unpacked:?}");
        assert!(unpacked.is_clean(), "{name}: {:?}", unpacked.end);
    }
}

#[test]
fn names_are_read_from_where_they_stand() {
    let Some(made) = made() else {
        return skip("names_are_read_from_where_they_stand", "python3");
    };
    let names = [
        ("mail", "n\u{e4}me.bin"),
        ("mail-modern", "a b.bin"),
        ("uu", "a name.bin"),
        ("mail-yenc", "y.bin"),
        ("tnef", "a long name.bin"),
        ("tnef-property", "a long name.bin"),
        ("binhex", "a.bin"),
    ];
    for (wanted, name) in names {
        let (_, payload, container) = made.iter().find(|(kind, ..)| kind == wanted).unwrap();
        assert_eq!(*unpack(kind(wanted), container).member(name).content, **payload, "{wanted}");
    }
    let word = b"From: a\nContent-Type: a/b; name=\"=?utf-8?B?bsOk?= =?utf-8?Q?_x=2Eb?=\"\n\ntext";
    assert_eq!(*unpack(MAIL, word).member("n\u{e4} x.b").content, *b"text");
    let sections = b"From: a\nContent-Type: a/b; name*1*=%C3%A4; name*0=\"one\"\n\ntext";
    assert_eq!(*unpack(MAIL, sections).member("one\u{e4}").content, *b"text");
}

/// `program`, in base64.
const PROGRAM: &str = "cHJvZ3JhbQ==";

#[test]
fn a_part_is_found_whichever_way_a_reader_takes_the_header() {
    let part = format!(
        "--X\r\n\r\nharmless\r\n--X--\r\n--Y\r\nContent-Transfer-Encoding: base64\r\n\r\n{PROGRAM}\r\n--Y--\r\n"
    );
    for header in [
        "Content-Type: multipart/mixed; boundary=X; boundary=Y",
        "Content-Type: multipart/mixed; boundary=Y; boundary=X",
        "Content-Type: multipart/mixed; boundary=X\r\nContent-Type: multipart/mixed; boundary=Y",
        "Content-Type: multipart/mixed; boundary=Y\r\nContent-Type: multipart/mixed; boundary=X",
        "Content-Disposition: inline; boundary=Y",
        "Content-Type: multipart/mixed; boundary=\"Y",
        "Content-Type: multipart/mixed; boundary=Y;",
        "Content-Type: multipart/mixed; boundary=\"Y;\"",
        "Content-Type: multipart/mixed; boundary = (comment) Y",
        "Content-Type: multipart/mixed;\r\n\tboundary*0*=us-ascii''%59",
        "Content-Type: multipart/mixed;\r\n \r\n boundary=Y",
        "Content-Type(x): multipart/mixed; boundary=Y",
        "Content-\0Type: multipart/mixed; boundary=Y",
        "no field\r\nContent-Type: multipart/mixed; boundary=Y",
        "Content-Type: multipart/mixed",
        "Content-Type : multipart/mixed; boundary=Y",
        "CONTENT-TYPE: MULTIPART/strange; BOUNDARY=Y",
        "Content-Type: multipart/mixed; (comment; boundary=X); boundary=Y",
        "Content-Type: multipart/mixed; boundary=\"Y ",
        "Content-Transfer-Encoding: base64\r\nContent-Type: multipart/mixed; boundary=Y",
    ] {
        let mail = format!("From: a\r\n{header}\r\n\r\n{part}");
        let unpacked = unpack(MAIL, mail.as_bytes());
        assert!(holds(&unpacked, b"program"), "{header}: {unpacked:?}");
    }
}

#[test]
fn a_part_is_found_where_delimiters_break_the_rules() {
    let head = "From: a\nContent-Type: multipart/mixed; boundary=ab\n\n";
    let field = "Content-Transfer-Encoding: base64";
    for body in [
        format!("--ab\n{field}\n\n{PROGRAM}"),
        format!("--ab\n{field}\n\n{PROGRAM}\n--abc\n"),
        format!("--abc\n{field}\n\n{PROGRAM}\n--abc--\n"),
        format!("--ab  \n{field}\n\n{PROGRAM}\n--ab-- \n"),
        format!("--ab--\n--ab\n{field}\n\n{PROGRAM}\n--ab--\n"),
        format!("--ab\n{field}\n{PROGRAM}\n--ab--\n"),
        format!("--ab\r{field}\r\r{PROGRAM}\r--ab--\r"),
        format!("--ab\nContent-Type: message/rfc822\n{field}\n\n{field}\n\n{PROGRAM}\n--ab--\n"),
        format!("--other\n{field}\n\n{PROGRAM}\n--other--\n"),
        format!(
            "--ab\nContent-Type: multipart/x; boundary=abc\n\n--abc\n{field}\n\n{PROGRAM}\n--ab--\n"
        ),
    ] {
        let unpacked = unpack(MAIL, format!("{head}{body}").as_bytes());
        assert!(holds(&unpacked, b"program"), "{body}: {unpacked:?}");
    }
    let cut = unpack(MAIL, format!("{head}--ab\n\ntext").as_bytes());
    let what = "the closing boundary is missing";
    assert!(
        matches!(cut.end.not_scanned[..], [NotScanned::Damaged { what: own, .. }] if own == what)
    );
}

#[test]
fn an_encoding_is_read_in_each_of_its_ways() {
    for (field, body) in [
        ("base64", "cHJv*Z3J.hbQ"),
        ("base64", "cHJv\nZ3Jh bQ==\n"),
        ("base64", "cHI=b2c=cmE=bQ=="),
        ("base64", "cHJv=Z3JhbQ"),
        ("base64", "cHJv=Z3==JhbQ"),
        ("base64", "cHJvZ3JhbQ==AAAA"),
        ("base64", "cHJv=Z3JhbQ==AAAA"),
        ("BASE64 (comment)", PROGRAM),
        ("\"base64\"", PROGRAM),
        ("x-base64", PROGRAM),
        ("7bit\nContent-Transfer-Encoding: base64", PROGRAM),
        ("base64\nContent-Transfer-Encoding: 7bit", PROGRAM),
        ("quoted-printable", "pro=\ng=72a=6d"),
        ("quoted-printable", "pr=  \r\nogram"),
        ("quoted-printable (comment)", "program"),
        ("\n quoted-printable", "program"),
        ("base64;", "program"),
        ("unknown", "program"),
        ("binary", "program"),
    ] {
        let mail = format!("From: a\nContent-Transfer-Encoding: {field}\n\n{body}");
        let unpacked = unpack(MAIL, mail.as_bytes());
        assert!(holds(&unpacked, b"program"), "{field} {body}: {unpacked:?}");
    }
    let plain = unpack(MAIL, b"From: a\nContent-Transfer-Encoding: quoted-printable\n\na=zb=3D");
    assert_eq!(plain.contents(), [b"a=zb="]);
    assert_eq!(plain.members[0].reading, Reading::Agreed);
}

#[test]
fn what_only_some_readers_decode_is_given_both_ways() {
    for (field, body, others) in [
        ("quoted-printable;", "a=3Db", [&b"a=3Db"[..], b"a=b"]),
        ("\n base64", "YWI=", [b"YWI=", b"ab"]),
        ("quoted-printable", "a==3D", [b"a==", b"a=3D"]),
        ("quoted-printable", "a= \nb", [b"ab", b"a= \nb"]),
    ] {
        let mail = format!("From: a\nContent-Transfer-Encoding: {field}\n\n{body}");
        let unpacked = unpack(MAIL, mail.as_bytes());
        for other in others {
            assert!(holds(&unpacked, other), "{field} {body}: {unpacked:?}");
        }
    }
}

#[test]
fn the_parts_of_a_digest_are_messages() {
    let part = format!("Content-Transfer-Encoding: base64\n\n{PROGRAM}\n--b--\n");
    let digest = format!("From: a\nContent-Type: multipart/digest; boundary=b\n\n--b\n\n{part}");
    assert!(holds(&unpack(MAIL, digest.as_bytes()), b"program"));
    let other = digest.replace("--b\n\n", "--b\nContent-Type: text/plain\n\n");
    assert!(!holds(&unpack(MAIL, other.as_bytes()), b"program"));
}

#[test]
fn a_part_without_an_empty_line_is_whole() {
    let mixed = "From: a\nContent-Type: multipart/mixed; boundary=b";
    for mail in [
        format!("{mixed}\n--b\n\nprogram\n--b--\n"),
        format!("{mixed}\n\n--b\nprogram\n--b--\n"),
        format!("{mixed}\n\n--b x\nprogram\n--b x\n"),
    ] {
        let unpacked = unpack(MAIL, mail.as_bytes());
        assert!(holds(&unpacked, b"program"), "{mail}: {unpacked:?}");
    }
}

#[test]
fn preamble_and_epilogue_are_given_and_a_piece_is_told() {
    let mail = b"From: a\nContent-Type: multipart/x; boundary=b\n\nbefore\n--b\n\nin\n--b--\nafter";
    assert_eq!(unpack(MAIL, mail).contents(), [&b"before"[..], b"in", b"after"]);
    let piece = unpack(MAIL, b"From: a\nContent-Type: message/partial; number=1\n\ntext");
    assert_eq!(piece.members[0].not_scanned, [NotScanned::Split { what: "message/partial" }]);
}

#[test]
fn wrong_checksums_and_missing_ends_are_told() {
    let Some(made) = made() else {
        return skip("wrong_checksums_and_missing_ends_are_told", "python3");
    };
    let container = |wanted: &str| made.iter().find(|(kind, ..)| kind == wanted).unwrap().2.clone();
    let mut tnef = container("tnef");
    let middle = tnef.len() / 2;
    tnef[middle] ^= 1;
    let reasons = unpack(ContainerKind::Tnef, &tnef).end.not_scanned;
    assert!(matches!(reasons[..], [NotScanned::Checksum { field: "Checksum", .. }]));
    let mut binhex = container("binhex");
    let digit = &mut binhex[300];
    *digit = if *digit == b'!' { b'"' } else { b'!' };
    assert!(!unpack(ContainerKind::BinHex, &binhex).is_clean());
    for name in ["uu", "uu-base64", "binhex", "tnef"] {
        let whole = container(name);
        let cut = &whole[..whole.len() * 3 / 4];
        let is_told = !unpack(kind(name), cut).is_clean() || name == "uu";
        assert!(is_told, "{name}");
        assert!(!unpack(kind(name), b"nothing of it").is_clean());
    }
}

#[test]
fn hostile_bytes_are_survived() {
    let Some(made) = made() else { return skip("hostile_bytes_are_survived", "python3") };
    for (name, _, container) in made.iter().take(17) {
        let short = &container[..container.len().min(6000)];
        survives(kind(name), short, Cut::MayBeWhole, 300);
    }
}

#[test]
fn eight_megabytes_of_anything_take_one_pass() {
    let head = "From: a\nContent-Type: multipart/mixed; boundary=b\n\n";
    for (before, repeated) in [
        (head, "--b\n"),
        (head, "--b--\n"),
        (head, "--b\n\nx\n"),
        (head, "--b\nContent-Type: multipart/mixed; boundary=c\n\n"),
        (head, "="),
        (head, "-"),
        (head, "\r"),
        ("", "X: y\n"),
        ("", "Content-Type: multipart/mixed; boundary=b\n"),
        ("Content-Type: ", "boundary="),
        ("Content-Type: a/b", "; boundary=x"),
        ("Content-Type: a/b", "\n\t; boundary=x"),
        ("Content-Type: ", "("),
        ("Content-Type: a/b; name=\"", "=?a?b?"),
        ("Content-Transfer-Encoding: base64\n\n", "="),
        ("Content-Transfer-Encoding: quoted-printable\n\n", "= "),
        ("From: a\n\n", "begin 644 x\n"),
        ("From: a\n\n", "begin-base64 644 x\n"),
        ("From: a\n\n", "=ybegin name=x\n"),
        ("From: a\n\n", "(This file must be converted with BinHex\n"),
        ("From ", "\n\nFrom a\n\nb"),
    ] {
        let mut mail = before.to_owned();
        while mail.len() < 8 << 20 {
            mail.push_str(repeated);
        }
        mail.push_str("\n\nbody");
        let budget = Budget::new(Limits::CLAMAV, mail.len(), &|| false);
        let unpacked = collect(MAIL, mail.as_bytes(), &budget);
        assert!(unpacked.members.len() <= 10_000);
        // Four readers, and the decoders of what they find; a step for each member besides.
        let most = 12 * (mail.len() as u64 / 4096) + 4 * budget.files() + 1000;
        assert!(budget.steps() <= most, "{repeated:?}: {} steps of {most}", budget.steps());
    }
}

#[test]
fn a_deep_nest_is_told() {
    let mut mail = String::from("From: a\n");
    for level in 0..2000 {
        let field = format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
        mail.push_str(&field);
    }
    mail.push_str("\nprogram");
    let unpacked = unpack(MAIL, mail.as_bytes());
    assert!(holds(&unpacked, b"program"));
    let reason = NotScanned::Limit { which: Limit::Recursion, limit: 100 };
    assert!(unpacked.end.not_scanned.contains(&reason));
}
