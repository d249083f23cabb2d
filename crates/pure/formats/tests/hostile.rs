//! Whatever bytes come in, something comes out: truncated and changed files of every kind.
#![expect(clippy::disallowed_methods, reason = "tests read files")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod common;

use watchglass_formats::Magic;

/// Changed copies of each input.
const CHANGES: usize = 8;
/// Inputs of more bytes cost time and reach nothing that smaller ones do not.
const LARGEST: usize = 4 << 10;

#[test]
fn broken_files_have_a_type() {
    let files = common::clamav_files();
    if files.is_empty() {
        return common::skip("broken_files_have_a_type", "no test files of ClamAV are here");
    }
    let magic = Magic::standard();
    let mut checked = 0;
    for (seed, (_, bytes)) in (0_u64..).zip(&files).filter(|(_, file)| file.1.len() <= LARGEST) {
        common::broken(bytes, seed, CHANGES, |bytes| {
            let kind = magic.identify(bytes);
            let refined = magic.refine(bytes, kind, 16);
            assert!(refined.places.iter().all(|place| place.offset < bytes.len()));
            checked += 1;
        });
    }
    assert!(checked > 5000, "{checked}");
}
