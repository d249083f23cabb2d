//! Twenty containers of a foreign writer around random payloads, for the formats that few write.
//!
//! BinHex by `binhex` of macutils. Help files, TNEF, OneNote, Flash and links have none here yet. Looked
//! for in Debian 12: readers there are for all of them (`ytnef`, `tnef`, libkf5tnef, Convert::TNEF;
//! liblnk, which only reads; yaswfp), writers for none but Flash, where `ffmpeg -f swf` and libfreehep
//! write movies of pictures, in which no payload stays as it was, and help files: what `chmcmd` of
//! Free Pascal 3.2.2 compiles, 7-Zip reads and lzxd does not (`UnexpectedEof` in the first frame), so its
//! pages are told as damaged. Python had `binhex` until 3.10. These five are made by hand, in
//! `others.rs`, `onenote.rs` and `make_mail.py`, and real ones are read from ClamAV's unit tests.
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use common::{filter, payload, skip, unpack};
use watchglass_unpack::ContainerKind;

#[test]
fn what_binhex_writes_is_found_whole() {
    for seed in 0..20 {
        let content = payload(seed, 1 + 900 * usize::try_from(seed).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.bin");
        std::fs::write(&path, &content).unwrap();
        let Some(packed) = filter("binhex", &["-d", path.to_str().unwrap()], b"") else {
            return skip("what_binhex_writes_is_found_whole", "binhex");
        };
        let unpacked = unpack(ContainerKind::BinHex, &packed);
        assert!(unpacked.is_clean(), "{seed}: {unpacked:?}");
        assert!(unpacked.contents().contains(&&*content), "{seed}");
    }
}
