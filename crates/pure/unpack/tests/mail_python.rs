//! Mails that break the rules: what python's email package finds in them is found.

mod common;

use common::{Unpacked, filter, skip, unpack};
use watchglass_unpack::ContainerKind;

#[test]
fn what_python_finds_in_hostile_mails_is_found() {
    let script = include_bytes!("make_hostile_mail.py");
    let Some(made) = filter("python3", &["-", "0", MAILS], script) else {
        return skip("what_python_finds_in_hostile_mails_is_found", "python3");
    };
    let made = String::from_utf8(made).unwrap();
    let (mut found, mut missing) = (0, Vec::new());
    for line in made.lines() {
        let mut fields = line.split(' ').map(bytes);
        let mail = fields.next().unwrap();
        let unpacked = unpack(ContainerKind::Mail, &mail);
        for body in fields {
            // Whoever opens a mail has looked at the mail itself.
            let is_mail = body.trim_ascii() == mail.trim_ascii();
            if is_mail || holds(&unpacked, &body) || is_not_taken_apart(&mail, &body) {
                found += 1;
            } else {
                let texts = [&body, &mail].map(|bytes| bytes.escape_ascii().to_string());
                missing.push(texts.join("\n  in "));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(found > 1000, "{found} bodies");
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(pair).collect()
}

/// White space around a body belongs to it for some readers.
fn holds(unpacked: &Unpacked, body: &[u8]) -> bool {
    unpacked.contents().iter().any(|content| content.trim_ascii() == body.trim_ascii())
}

/// Whether it stands in the mail as it is, and python left in it what others take for parts.
fn is_not_taken_apart(mail: &[u8], body: &[u8]) -> bool {
    let is_verbatim = mail.windows(body.len()).any(|window| window == body);
    let is_mime = |line: &[u8]| {
        let is_field = |start: &[u8]| start.eq_ignore_ascii_case(b"content-");
        line.starts_with(b"--") || line.get(..8).is_some_and(is_field)
    };
    is_verbatim && body.split(|byte| matches!(byte, b'\n' | b'\r')).any(is_mime)
}

/// Mails made, each from its own seed.
const MAILS: &str = "1500";
