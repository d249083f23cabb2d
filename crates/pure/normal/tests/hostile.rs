//! What hostile pages may cost, and that broken ones are read as far as they go.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "shared test code")]
#![allow(clippy::print_stderr, missing_docs, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use common::PAGE;
use watchglass_normal::html::{self, Pages, Report};
use watchglass_normal::{Limits, OverLimit, text};

fn forms(page: &[u8]) -> (Pages, Report) {
    let mut pages = Pages::default();
    let report = html::normalise(page, &Limits::CLAMAV, &mut pages).unwrap();
    let Pages { no_comment, no_tags, script, data } = &pages;
    let written = no_comment.len() + no_tags.len() + data.iter().map(Vec::len).sum::<usize>();
    assert!(written <= 40 * page.len() + (128 << 10), "{written} of {}", page.len());
    assert!(script.len() <= 80 * page.len() + (256 << 10), "{} of {}", script.len(), page.len());
    (pages, report)
}

#[test]
fn the_forms_of_a_page() {
    let (pages, report) = forms(PAGE);
    assert_eq!(report, Report::default());
    let has = |form: &[u8], piece: &str| {
        let found = form.windows(piece.len()).any(|window| window == piece.as_bytes());
        assert!(found, "no {piece} in {}", form.escape_ascii());
    };
    assert!(
        pages.no_comment.starts_with(
            b"<html><body class=\"x y\">caf\xC3\xA9 & a&#x203a;<a href=\"http://example.org/a\">link</a>"
        ),
        "{}",
        pages.no_comment.escape_ascii()
    );
    assert_eq!(pages.no_tags, b" caf\xC3\xC3 HTTP://Example.org/A link ");
    has(&pages.script, "<script>var n000=\"aba\",n001=1.5;function n002(n003,n004){var n005=n003;");
    has(&pages.script, "unescape(\"%41\");return n005.q}");
    has(&pages.script, "var n012=hi;alert(n012)");
    assert_eq!(pages.data.len(), 2);
    assert!(pages.data[1].starts_with(b"From html-normalise\nContent-type: \n\na b"));
}

#[test]
fn every_truncation_is_read_to_its_end() {
    for end in 0..PAGE.len() {
        let (pages, _) = forms(&PAGE[..end]);
        assert_eq!(pages.no_comment.is_empty(), end == 0, "{end}");
    }
}

#[test]
fn mutations_do_no_harm() {
    let mut seed = 1_u64;
    let mut below = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % most
    };
    let bytes = b"<>&#;'\"=%\\/ \n\0\xFF!(){}[],.+|:@^~x0";
    for _ in 0..5000 {
        let mut page = PAGE.to_vec();
        for _ in 0..=below(6) {
            let at = below(page.len());
            match below(3) {
                0 => page[at] = bytes[below(bytes.len())],
                1 => drop(page.drain(at..page.len().min(at + below(40)))),
                _ => {
                    let from = below(page.len());
                    let piece = page[from..page.len().min(from + 60)].to_vec();
                    page.splice(at..at, piece);
                }
            }
        }
        forms(&page);
    }
}

/// Eight megabytes of one thing (one, within a script), which quadratic time would turn to hours.
#[test]
fn eight_megabytes_of_anything_are_cheap() {
    let repeated = [
        "<",
        "&",
        "\"",
        "'",
        "<script>",
        "<script></script>",
        "</",
        "<!--",
        "<a href=",
        "<a b=c ",
        "<a href=\"data:",
        "<a href='data:,%",
        "&#1;",
        "&Mu;",
        "<style>",
        "\0",
        " ",
        "\n",
        "\u{e9}",
        "<%@ language=jscript.encode>#@~^",
        "<script language=jscript.encode>#@~^AAAAAA==",
        "<a href='data:,x'>",
        "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    for piece in repeated {
        forms(&piece.as_bytes().repeat((8 << 20) / piece.len()));
    }
    let scripted = [
        "(",
        "{",
        "[",
        "\"",
        "\"a\"+",
        "a.",
        "var a,",
        "function(",
        "function(){a;",
        "function(p,a,c,",
        "eval(\"x\");",
        "eval('eval(\"x\")')",
        "unescape('%41')",
        "dF('%35')",
        "1",
        "1.",
        "2.e",
        "/*",
        "//",
        "/",
        "\\",
        "\\u",
        "a ",
        "function f(p,a,c,k,e,d){}f('0',1,1,'a|b',0,{});",
        "$",
        "}",
        "eval(function(p,a,c,k,e,d){}('0 0 0 0 0 0',9,1,'aaaaaaaaaaaaaaaaaaaaa',0,{}));",
    ];
    for piece in scripted {
        let script = piece.as_bytes().repeat((1 << 20) / piece.len());
        forms(&[b"<script>", &script[..]].concat());
    }
}

#[test]
fn limits_are_said() {
    let mut pages = Pages::default();
    let limits = Limits { page: 20, no_tags: 10, ..Limits::CLAMAV };
    let report = html::normalise(b"<p>twelve</p>", &limits, &mut pages).unwrap();
    assert_eq!(report.no_tags, Some(OverLimit { found: 13, limit: 10 }));
    assert_eq!((&pages.no_comment[..], pages.no_tags.len()), (&b"<p>twelve</p>"[..], 0));
    let error = OverLimit { found: 21, limit: 20 };
    assert_eq!(html::normalise(&[b'x'; 21], &limits, &mut pages), Err(error));
    assert_eq!(pages.no_comment.len(), 0);
}

#[test]
fn utf16_is_narrowed_as_clamav_does_it() {
    let mut bytes = Vec::new();
    html::from_utf16(b"\xFF\xFE<\0h\0\xE9\x01z", &mut bytes);
    assert_eq!(bytes, b"\xDF<h\xF9");
    let mut form = Vec::new();
    text::normalise(b"\xFF\xFEH\0i\0", &Limits::CLAMAV, &mut form).unwrap();
    assert_eq!(form, b"hi");
}
