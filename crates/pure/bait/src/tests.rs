//! The home as real tools see it.

use std::process::Command;

use crate::{Bait, Identity, Profile, Seed, Size};

fn bait(seed: u8) -> Bait {
    let seed = Seed([seed; 32]);
    Bait::generate(&seed, &Profile::of(&Identity::generate(&seed), Size::Standard))
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_other_marks() {
    let (first, again, other) = (bait(1), bait(1), bait(2));
    assert!(first.files().eq(again.files()));
    let marks: std::collections::BTreeSet<String> =
        first.files().flat_map(|file| file.marks).map(|mark| mark.text).collect();
    assert!(marks.len() > 500);
    assert!(other.files().flat_map(|file| file.marks).all(|mark| !marks.contains(&mark.text)));
}

#[test]
fn every_mark_is_in_its_file_or_in_what_the_file_unpacks_to() {
    let small = |seed: &Seed| {
        Bait::generate(seed, &Profile::of(&Identity::generate(seed), Size::Large(60)))
    };
    let bait = small(&Seed([1; 32]));
    let detector = watchglass_leak::Detector::build(bait.needles());
    for file in bait.files().filter(|file| !file.marks.is_empty()) {
        let found = detector.search(&file.bytes, watchglass_leak::Budget::STANDARD);
        assert!(!found.hits.is_empty(), "{}", file.path);
    }
}

/// Opens every container with Python's own readers. Skipped, in words, where there is no Python.
#[test]
fn real_readers_open_every_container() {
    let folder = tempfile::tempdir().expect("a folder");
    #[expect(clippy::disallowed_methods, reason = "a test that shows files to another program")]
    for (number, file) in bait(3).files().enumerate() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let end = name.rsplit_once('.').map_or("none", |(_, end)| end).to_owned();
        std::fs::write(folder.path().join(format!("{number}.{end}")), &file.bytes)
            .expect("written");
    }
    const SCRIPT: &str = r#"
import sys, glob, zipfile, tarfile, sqlite3, json, zlib, struct
seen = set()
for path in glob.glob(sys.argv[1] + "/*"):
    end = path.rsplit(".", 1)[1]
    data = open(path, "rb").read()
    if end in ("zip", "docx", "xlsx", "odt"):
        assert zipfile.ZipFile(path).testzip() is None, path
    elif end == "gz":
        assert tarfile.open(path).getnames(), path
    elif end == "sqlite":
        base = sqlite3.connect(path)
        assert base.execute("pragma integrity_check").fetchall() == [("ok",)], path
        (table,) = base.execute("select name from sqlite_master").fetchone()
        assert len(base.execute(f"select * from {table}").fetchall()) == 12, path
    elif end == "json":
        json.loads(data)
    elif end == "png":
        at = 8
        while at < len(data):
            (length,) = struct.unpack(">I", data[at:at+4])
            (crc,) = struct.unpack(">I", data[at+8+length:at+12+length])
            assert zlib.crc32(data[at+4:at+8+length]) == crc, path
            at += 12 + length
    elif end == "pdf":
        start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
        assert data[start:start+4] == b"xref", path
    else:
        continue
    seen.add(end)
assert {"zip", "docx", "xlsx", "odt", "gz", "sqlite", "json", "png", "pdf"} <= seen, seen
"#;
    #[expect(clippy::disallowed_methods, reason = "a test that asks another program")]
    let run = Command::new("python3").args(["-c", SCRIPT]).arg(folder.path()).output();
    let Ok(output) = run else {
        return skip("real_readers_open_every_container", "no python3");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn skip(name: &str, why: &str) {
    #[expect(clippy::disallowed_methods, reason = "the harness says by it that skips are failures")]
    let strict = std::env::var_os("WATCHGLASS_STRICT").is_some();
    assert!(!strict, "skipped: {name}: {why}");
    #[expect(clippy::print_stderr, reason = "the harness counts these lines")]
    {
        eprintln!("skipped: {name}: {why}");
    }
}
