//! Others' programs open what we write.
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "pure crates touch nothing, their tests read files and start programs"
)]

use std::path::Path;
use std::process::Command;

use watchglass_bait::{Bait, Identity, Profile, Seed, Size};

/// Says that a test did not run; an error where every test must run.
fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped: {why}");
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn home() -> tempfile::TempDir {
    let seed = Seed([42; 32]);
    let bait = Bait::generate(&seed, &Profile::of(&Identity::generate(&seed), Size::Standard));
    let folder = tempfile::tempdir().unwrap();
    for file in bait.files() {
        write(&folder.path().join(&file.path), &file.bytes);
    }
    for sample in bait.samples() {
        write(&folder.path().join("samples").join(&sample.path), &sample.bytes);
    }
    folder
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn python_opens_archives_databases_mail_and_programs() {
    if !is_there("python3") {
        return skip(
            "python_opens_archives_databases_mail_and_programs",
            "python3 is not installed",
        );
    }
    let home = home();
    let output = Command::new("python3").arg("-c").arg(SCRIPT).arg(home.path()).output().unwrap();
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{stderr}");
    eprintln!("{stdout}");
}

const SCRIPT: &str = r#"
import ast, collections, email, json, mailbox, pathlib, re, sqlite3, struct, sys, tarfile, zipfile, zlib
import xml.dom.minidom

seen = collections.Counter()
root = pathlib.Path(sys.argv[1])

def check_zip(path, data=None):
    with zipfile.ZipFile(data or path) as archive:
        assert archive.testzip() is None, path
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                xml.dom.minidom.parseString(archive.read(name))

def check_png(path):
    data, at, pixels = path.read_bytes(), 8, b""
    width, height = struct.unpack(">II", data[16:24])
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0] == zlib.crc32(name + body)
        pixels += body if name == b"IDAT" else b""
        at += 12 + length
    assert len(zlib.decompress(pixels)) == height * (3 * width + 1)

def check_pdf(path):
    data = path.read_bytes()
    start = int(re.search(rb"startxref\n(\d+)", data)[1])
    lines = data[start:].split(b"\n")
    assert lines[0] == b"xref"
    count = int(lines[1].split()[1])
    for number in range(1, count):
        offset = int(lines[2 + number].split()[0])
        assert data[offset:].startswith(b"%d 0 obj" % number), path
    for match in re.finditer(rb"/Length (\d+)/Filter/FlateDecode>>\nstream\n", data):
        body = data[match.end():match.end() + int(match[1])]
        assert b" Tj T*" in zlib.decompress(body)

def check_sqlite(path):
    with sqlite3.connect(path) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",), path
        for (table,) in database.execute("select name from sqlite_master").fetchall():
            rows = database.execute(f"select count(*), max(id) from {table}").fetchone()
            assert rows[0] == rows[1] > 0, (path, table, rows)

for path in sorted(root.rglob("*")):
    if path.is_dir():
        continue
    suffix = path.suffix
    if suffix in (".docx", ".xlsx", ".odt", ".zip"):
        check_zip(path)
    elif suffix == ".gz":
        with tarfile.open(path) as archive:
            assert all(len(archive.extractfile(m).read()) == m.size for m in archive.getmembers())
    elif suffix == ".sqlite":
        check_sqlite(path)
    elif suffix == ".png":
        check_png(path)
    elif suffix == ".pdf":
        check_pdf(path)
    elif suffix == ".json":
        json.loads(path.read_text())
    elif suffix == ".py":
        ast.parse(path.read_text())
    elif path.name in ("Inbox", "Sent"):
        assert len(mailbox.mbox(path, create=False)) >= 12
        suffix = "mbox"
    elif suffix == ".eml" or "Maildir" in str(path):
        message = email.message_from_bytes(path.read_bytes())
        parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
        assert not message.defects and all(parts), path
        suffix = "mail"
    else:
        continue
    seen[suffix] += 1
for suffix in (".docx", ".xlsx", ".odt", ".zip", ".gz", ".sqlite", ".png", ".pdf", ".json", ".py", "mbox", "mail"):
    assert seen[suffix] > 0, suffix
print(dict(seen))
"#;

#[test]
fn file_recognises_every_format() {
    if !is_there("file") {
        return skip("file_recognises_every_format", "file is not installed");
    }
    let home = home();
    let expected = [
        ("docx", "Microsoft Word 2007+"),
        ("xlsx", "Microsoft Excel 2007+"),
        ("odt", "OpenDocument Text"),
        ("pdf", "PDF document, version 1.4"),
        ("jpg", "JPEG image data, Exif standard"),
        ("png", "PNG image data"),
        ("zip", "Zip archive data"),
        ("gz", "gzip compressed data"),
        ("sqlite", "SQLite 3.x database"),
        ("id_ed25519", "OpenSSH private key"),
        ("pem", "PEM RSA private key"),
    ];
    let list = Command::new("find").arg(home.path()).args(["-type", "f"]).output().unwrap();
    for path in
        String::from_utf8(list.stdout).unwrap().lines().filter(|path| !path.contains("/samples/"))
    {
        let Some((_, wanted)) = expected.iter().find(|(end, _)| path.ends_with(end)) else {
            continue;
        };
        let output = Command::new("file").args(["-b", path]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(wanted), "{path}: {said}");
    }
}

#[test]
fn a_c_compiler_accepts_the_programs() {
    if !is_there("cc") {
        return skip("a_c_compiler_accepts_the_programs", "cc is not installed");
    }
    let home = home();
    let list = Command::new("find").arg(home.path()).args(["-name", "*.c"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let output = Command::new("cc")
        .args(["-fsyntax-only", "-Wall", "-Werror"])
        .args(list.lines())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn openssh_reads_the_key() {
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        return skip("openssh_reads_the_key", "ssh-keygen is not installed");
    }
    let home = home();
    let key = home.path().join(".ssh/id_ed25519");
    Command::new("chmod").arg("600").arg(&key).status().unwrap();
    let output = Command::new("ssh-keygen").arg("-l").arg("-f").arg(&key).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
