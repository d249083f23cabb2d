//! Bytes of any kind give a product or a list of problems, in bounded time.

#![allow(clippy::disallowed_methods, reason = "a hang is told from an end by the clock")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use watchglass_claims::{Product, Values, render_problems};

const CLAMAV: &str = include_str!("../../../../products/clamav.toml");
const EVERYTHING: &str = include_str!("data/good/everything.toml");

fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Product::parse_bytes(bytes) {
        Err(problems) => {
            assert!((1..=101).contains(&problems.len()));
            let _ = render_problems(&problems, &text);
        }
        Ok(product) => {
            let values = Values {
                bait: "/b".into(),
                samples: "/s".into(),
                product: "/p".into(),
                specimens: "/x".into(),
            };
            let filled = product.fill(&values).expect("a file that was read can be filled in");
            for domain in filled.domains.values() {
                filled.read_claims(domain).expect("globs");
                domain.write_claims().expect("globs");
            }
            let _ = watchglass_claims::permits(&product);
            let _ = (product.vacuous(), product.bits_per_day());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        read(text.as_bytes());
    }

    #[test]
    fn cut_and_damaged_files_are_answered(
        which in any::<bool>(), at in any::<prop::sample::Index>(), length in 0_usize..40,
        new in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut bytes = if which { CLAMAV } else { EVERYTHING }.as_bytes().to_vec();
        let start = at.index(bytes.len());
        let end = bytes.len().min(start + length);
        bytes.splice(start..end, new);
        read(&bytes);
    }

    /// Lines of a good file in another order, twice or left out: TOML that is mostly well formed.
    #[test]
    fn shuffled_lines_are_answered(lines in proptest::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let all: Vec<&str> = EVERYTHING.lines().collect();
        let text: Vec<&str> = lines.iter().map(|line| *line.get(&all)).collect();
        read(text.join("\n").as_bytes());
    }
}

/// Files of the largest size made of what costs most to read.
#[test]
fn large_files_are_answered() {
    let size = watchglass_claims::MAX_FILE_BYTES;
    let fill = |unit: &str| unit.repeat(size / unit.len());
    let keys: String = (0..60_000).map(|number| format!("k{number} = 1\n")).collect();
    let tables: String = (0..30_000).map(|number| format!("[domain.d{number}]\n")).collect();
    let dotted = format!("{} = 1", vec!["a"; size / 4].join("."));
    let content =
        format!("configuration = [{{ path = '/x', content = '{}' }}]", "{".repeat(260_000));
    for text in [
        fill("["),
        fill("{"),
        fill("a=["),
        fill("\n"),
        fill("[[phase]]\n"),
        fill("a.b.c=1\n"),
        fill("\"\\u001b\" = 1\n"),
        fill("x"),
        fill("é"),
        fill("a=[\n"),
        fill("'''"),
        keys,
        tables,
        dotted,
        content,
    ] {
        let start = Instant::now();
        read(text.as_bytes());
        let took = start.elapsed();
        // Catches work that grows with the square of the size.
        assert!(took < Duration::from_secs(60), "{took:?}: {:?}", text.get(..20));
    }
}

#[test]
fn larger_files_are_refused_unread() {
    let text = " ".repeat(watchglass_claims::MAX_FILE_BYTES + 1);
    let problems = Product::parse(&text).expect_err("too large");
    assert_eq!(problems.first().map(|problem| problem.code.as_str()), Some("WG0102"));
}
