//! Megabytes per second, to be run with optimisation: `cargo test --release -p watchglass-normal
//! --test speed -- --ignored --nocapture`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a clock, and real files")]
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "figures")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use std::path::Path;
use std::time::Instant;

use watchglass_normal::html::{self, Pages};
use watchglass_normal::{Limits, text};

#[test]
#[ignore = "prints figures"]
fn megabytes_per_second() {
    let read = |ends: &[&str], most| -> Vec<Vec<u8>> {
        let paths = common::files(Path::new("/usr"), ends, most);
        paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
    };
    let (texts, pages) =
        (read(&[".h", ".py", ".txt"], 2000), read(&[".html", ".htm", ".svg"], 2000));
    let mut form = Vec::new();
    measure("text", &texts, |file| {
        let _ = text::normalise(file, &Limits::CLAMAV, &mut form);
    });
    let mut forms = Pages::default();
    measure("page", &pages, |file| {
        let _ = html::normalise(file, &Limits::CLAMAV, &mut forms);
    });
}

fn measure(what: &str, files: &[Vec<u8>], mut act: impl FnMut(&[u8])) {
    let bytes: usize = files.iter().map(Vec::len).sum();
    let best = (0..3).map(|_| {
        let start = Instant::now();
        files.iter().for_each(|file| act(file));
        start.elapsed().as_secs_f64()
    });
    let best = best.fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = bytes as f64 / best / 1e6;
    eprintln!("{what}: {rate:.0} MB/s over {} files, {bytes} bytes", files.len());
}
