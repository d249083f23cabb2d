//! Twenty containers of a foreign writer around random payloads, for the formats that few write.
//!
//! BinHex by `binhex` of macutils (Python had one until 3.10), help files by `chmcmd` of Free Pascal.
//! Flash, links, TNEF and OneNote have none here. Of Flash, `ffmpeg -f swf` and libfreehep write movies of
//! pictures, in which no payload stays as it was, and the crate of Ruffle brings arithmetic of large
//! numbers, which two of our crates alone may use. Python's pylnk3 writes links and is in no package of
//! Debian 12, the crate mslnk is for Windows alone. Of writers of TNEF there is KTNEFWriter, for which a
//! test would need all of Qt; of OneNote none is known. Readers there are for all (yaswfp, liblnk,
//! `ytnef`, `tnef`, Convert::TNEF, pyOneNote). These four are made by hand after the specifications, in
//! `others.rs`, `make_mail.py` and `onenote.rs`; real ones are read from ClamAV's unit tests, where they
//! have some.
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use common::{Cut, filter, payload, run, skip, survives, unpack};
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

#[test]
fn what_chmcmd_writes_is_found_whole() {
    let mut smallest: Option<Vec<u8>> = None;
    for seed in 0..20 {
        // From within one frame of LZX to some resets of the decoder. A file of one byte is lost by the
        // writer already.
        let content = payload(seed, 2 + 11_000 * usize::try_from(seed).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("payload.bin", &content);
        write("page.html", b"<html><body>a page</body></html>");
        write("book.hhp", PROJECT);
        if !run(folder.path(), "chmcmd", &["book.hhp"]) {
            return skip("what_chmcmd_writes_is_found_whole", "chmcmd");
        }
        let packed = std::fs::read(folder.path().join("book.chm")).unwrap();
        let unpacked = unpack(ContainerKind::Chm, &packed);
        assert!(unpacked.is_clean(), "{seed}: {:?}", unpacked.end);
        assert!(*unpacked.member("/payload.bin").content == content, "{seed}");
        smallest.get_or_insert(packed);
    }
    survives(ContainerKind::Chm, &smallest.unwrap(), Cut::IsSeen, 1000);
}

/// Readers go to a page by the table of resets: what stands before it may be anything.
#[test]
fn damage_to_one_part_of_a_help_file_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let content = payload(7, 300_000);
    write("payload.bin", &content);
    write("page.html", b"<html><body>a page</body></html>");
    write("book.hhp", PROJECT);
    if !run(folder.path(), "chmcmd", &["book.hhp"]) {
        return skip("damage_to_one_part_of_a_help_file_hides_no_other", "chmcmd");
    }
    let mut packed = std::fs::read(folder.path().join("book.chm")).unwrap();
    let files: u64 = unpack(ContainerKind::Chm, &packed)
        .members
        .iter()
        .map(|member| member.content.len() as u64)
        .sum();
    assert!(files > 300_000);
    // The stream stands at the end of the file: a block of no kind at its start.
    let start = packed.len() - unpack(ContainerKind::Chm, &packed).member(STREAM).content.len();
    packed[start..start + 2].fill(0x7f);
    let unpacked = unpack(ContainerKind::Chm, &packed);
    let member = unpacked.member("/payload.bin");
    assert!(!member.is_whole());
    let (end, wanted) = (&member.content[100_000..], &content[100_000..]);
    assert!(end == wanted, "what follows the damage is lost");
}

const STREAM: &str = "::DataSpace/Storage/MSCompressed/Content";
const PROJECT: &[u8] = b"[OPTIONS]\nCompatibility=1.1 or later\nCompiled file=book.chm\n\
    Default topic=page.html\nTitle=book\n\n[FILES]\npage.html\npayload.bin\n";
