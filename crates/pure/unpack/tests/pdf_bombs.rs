//! PDFs that want work for the work's sake: each ends within its budget, in time that grows as the
//! file does.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests start programs and take time")]

mod common;

use std::time::{Duration, Instant};

use common::{Unpacked, filter, skip};
use watchglass_unpack::{Budget, ContainerKind, Limit, Limits, NotScanned};

/// Unpacks and holds the budget; gives the steps too.
fn explode(bytes: &[u8]) -> (Unpacked, u64) {
    let budget = Budget::new(Limits::CLAMAV, bytes.len(), &|| false);
    let unpacked = common::collect(ContainerKind::Pdf, bytes, &budget);
    let made: usize = unpacked.members.iter().map(|member| member.content.len()).sum();
    assert!(made as u64 <= Limits::CLAMAV.max_scan_size);
    assert!(made as u64 <= budget.unpacked());
    (unpacked, budget.steps())
}

/// Debug builds on a busy machine included; quadratic work takes hours.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn what_is_repeated_for_8_mib_takes_linear_time() {
    for unit in ["obj ", "1 0 obj ", "1 0 obj(", "1 0 obj<<", "stream\n", "<<", "("] {
        check("", unit, 8 << 20);
        check("1 0 obj ", unit, 8 << 20);
    }
}

#[test]
fn whatever_is_repeated_takes_linear_time() {
    let repeated = [
        "obj ",
        "1 0 obj ",
        "1 0 obj(",
        "1 0 obj<",
        "1 0 obj%",
        "1 0 obj[",
        "1 0 obj<<",
        "1 0 obj/A#41",
        "stream ",
        "stream\n",
        "endstream ",
        "<<",
        "(",
        "[",
        "<",
        "%",
        "/",
        "#",
        "1 ",
        "1 0 R ",
        "1 0 obj<<>>stream\n",
        "1 0 obj<</Length 9>>stream\n",
        "1 0 obj<</Length 1 0 R>>stream\n",
        "1 0 obj<</Filter/AHx>>stream\n",
        "1 0 obj<</Filter/Fl>>stream\nendstream ",
        "1 0 obj<</Filter[1 0 R 1 0 R]>>stream\n0 endstream ",
        "1 0 obj 1 0 R ",
        "trailer",
        "trailer<<",
        "trailer(",
        "trailer%",
        "trailer<</Encrypt 1 0 R/ID[()]>>",
        "xref",
        "xref%",
        "xref 0 9 ",
        "xref 0 9999 0000000000 00000 n ",
        "1 0 obj<</JS 1 0 R>>",
        "1 0 obj<</JS(a",
        "1 0 obj<</JS(a)>>",
        "1 0 obj<</EF<</F 1 0 R>>/F(a)>>",
        "1 0 obj<</Type/XRef>>stream\n",
        "1 0 obj<</Type/XRef/W[0 1 0]/Length 40>>stream\n",
        "1 0 obj<</Type/ObjStm/First 9>>stream\n",
        "1 0 obj<</Type/ObjStm/First 999999>>stream\n1 1 ",
        "1 0 obj<</Type/ObjStm/First 99>>stream\n1 1(endstream ",
        "\0",
        " ",
        "\r\n",
        "endobj",
    ];
    for beginning in ["", "1 0 obj<</A", "trailer<<", "xref 0 1 "] {
        repeated.iter().for_each(|unit| check(beginning, unit, 512 << 10));
    }
}

/// A file of `size` bytes takes no more steps than twice those of one of half the size, and its time.
fn check(beginning: &str, unit: &str, size: usize) {
    let file = |size: usize| {
        let mut file = [b"%PDF-1.7\n", beginning.as_bytes()].concat();
        file.extend(unit.bytes().cycle().take(size));
        file
    };
    let (_, half) = explode(&file(size / 2));
    let start = Instant::now();
    let (unpacked, whole) = explode(&file(size));
    let (took, name) = (start.elapsed(), format!("{beginning:?} {unit:?}"));
    assert!(took < PATIENCE, "{name}: {took:?}, {:?}", unpacked.end);
    let is_ended = |reason: &NotScanned| matches!(reason, NotScanned::Limit { .. });
    let is_ended = unpacked.end.not_scanned.iter().any(is_ended);
    assert!(is_ended || whole < half * 5 / 2 + 2000, "{name}: {half}, then {whole} steps");
}

#[test]
fn nested_filters_end_by_size_and_number() {
    let script = r#"
import sys, zlib
data = b"\0" * 90_000_000
for _ in range(4): data = zlib.compress(data, 9)
sys.stdout.buffer.write(data)
"#;
    let Some(data) = filter("python3", &["-c", script], b"") else {
        return skip("nested_filters_end_by_size_and_number", "python3");
    };
    let object = |filters: &str, data: &[u8]| {
        let head = format!("%PDF-1.7\n1 0 obj<</Filter[{filters}]>>stream\n");
        [head.as_bytes(), data, b"\nendstream endobj\n"].concat()
    };
    // One stream as it is, then the same stream in a thousand objects.
    let one = object("/Fl/Fl/Fl/Fl", &data);
    let (unpacked, _) = explode(&one);
    let reasons = |unpacked: &Unpacked| {
        let members = unpacked.members.iter().flat_map(|member| member.not_scanned.clone());
        members.chain(unpacked.end.not_scanned.clone()).collect::<Vec<_>>()
    };
    let has = |unpacked: &Unpacked, which| {
        let is = |reason: &NotScanned| matches!(reason, NotScanned::Limit { which: w, .. } if *w == which);
        reasons(unpacked).iter().any(is)
    };
    assert!(has(&unpacked, Limit::Ratio), "{:?}", reasons(&unpacked));
    let (unpacked, steps) = explode(&one.repeat(1000));
    assert!(has(&unpacked, Limit::ScanSize) || has(&unpacked, Limit::Ratio), "{steps} steps");
    let filters = "/Fl".repeat(65);
    let (unpacked, _) = explode(&object(&filters, b"abc"));
    let what = "a stream with more than 64 filters";
    let found = reasons(&unpacked);
    assert!(found.iter().any(|reason| matches!(reason, NotScanned::Damaged { .. })), "{found:?}");
    let filters = "/Crypt".repeat(65);
    let (unpacked, _) = explode(&object(&filters, b"abc"));
    assert!(reasons(&unpacked).contains(&NotScanned::NotSupported { what }));
}

#[test]
fn a_million_small_objects_are_no_trouble() {
    let mut file = b"%PDF-1.7\n".to_vec();
    for number in 0..1_000_000 {
        file.extend(format!("{number} 0 obj\nnull\nendobj\n").bytes());
    }
    file.extend(b"1000000 0 obj<</JS(the last)>>endobj\n%%EOF\n");
    let start = Instant::now();
    let (unpacked, steps) = explode(&file);
    assert_eq!(unpacked.contents(), [b"the last"]);
    assert!(unpacked.is_clean() && steps < 200_000, "{steps} steps");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn references_in_circles_end() {
    let mut file = b"%PDF-1.7\n".to_vec();
    for number in 1..=6 {
        for generation in 0..4 {
            let (a, b) = (number % 6 + 1, (number + generation) % 6 + 1);
            file.extend(format!("{number} {generation} obj {a} 0 R endobj\n").bytes());
            file.extend(format!("{number} {generation} obj {b} 0 R endobj\n").bytes());
        }
    }
    let refers = "<</Length 1 0 R/Filter 2 0 R/DecodeParms 3 0 R/JS 4 0 R/EF<</F 5 0 R>>/F(a)>>";
    for number in 10..2000 {
        file.extend(format!("{number} 0 obj{refers}stream\nabc\nendstream endobj\n").bytes());
    }
    file.extend(b"trailer<</Encrypt 6 0 R>>\n%%EOF\n");
    let start = Instant::now();
    let (unpacked, _) = explode(&file);
    assert_eq!(unpacked.members.len(), 1990);
    assert!(unpacked.contents().iter().all(|content| **content == *b"abc"));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn an_object_stream_that_holds_itself_many_times_ends() {
    // Every object of it is the same one, and that is as large as the stream.
    let count = 100_000;
    let header = "1 0 ".repeat(count);
    let text = format!("<</JS 1 0 R/A({})>>", "x".repeat(1_000_000));
    let dictionary = format!("<</Type/ObjStm/N {count}/First {}>>", header.len());
    let file =
        format!("%PDF-1.7\n1 0 obj{dictionary}stream\n{header}{text}\nendstream endobj\n%%EOF");
    let start = Instant::now();
    let (unpacked, steps) = explode(file.as_bytes());
    assert_eq!(unpacked.members.len(), 1, "{:?}", unpacked.end);
    assert!(start.elapsed() < PATIENCE, "{steps} steps");
}
