//! A worker that a hostile file has taken over, played by a script that keeps to the messages and lies:
//! what the opener makes of it.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{program, skip};

/// Says hello, hashes honestly, and calls `lie` for each file that it is to look into. The numbers
/// are those of `watchglass_channel`.
const SCRIPT: &str = r#"#!/usr/bin/python3
import hashlib, os, socket, struct, sys
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
channel = socket.socket(fileno=0)
def receive():
    message, ancillary, _, _ = channel.recvmsg(65536, socket.CMSG_SPACE(4))
    files = [struct.unpack('i', data[:4])[0] for _, _, data in ancillary]
    return message, files
def content(file):
    size = os.fstat(file).st_size
    return os.pread(file, size, 0)
def of(bytes):
    return b'\1' + hashlib.sha256(bytes).digest() + struct.pack('<Q', len(bytes))
def outcome(number, findings, digest):
    found = b''.join(b'\1\0\0\0\0\0' for _ in range(findings))
    return (b'\1\1' + struct.pack('<5Q', number, 1, 1, 1, 1) + struct.pack('<H', 0)
        + struct.pack('<H', findings) + found + struct.pack('<Q', 0)
        + struct.pack('<H', 0) + struct.pack('<Q', 0) + digest)
def first():
    try:
        os.close(os.open(folder + '/was', os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False
receive()
channel.send(b'\1\0' + struct.pack('<H', 0) + b'\0' + b'\0' + struct.pack('<H', 39))
state = {}
while True:
    message, files = receive()
    if not message:
        break
    number, _, task = struct.unpack('<QIB', message[2:])
    if task == 1:
        channel.send(b'\1\2' + struct.pack('<Q', number) + of(content(files[0])))
    else:
        channel.send(lie(number, content(files[0])))
    os.close(files[0])
"#;

/// The command beside a worker that lies.
struct Hijacked(tempfile::TempDir);

impl Hijacked {
    fn new(lie: &str) -> Option<Self> {
        if !Path::new("/usr/bin/python3").exists() {
            skip("hijacked", "python3 is not here");
            return None;
        }
        let hijacked = Self(tempfile::tempdir().unwrap());
        std::fs::copy(program("watchglass-scan"), hijacked.path("watchglass-scan")).unwrap();
        let script =
            SCRIPT.replace("receive()\nchannel.send", &format!("{lie}\nreceive()\nchannel.send"));
        let worker = hijacked.path("watchglass-worker");
        std::fs::write(&worker, script).unwrap();
        std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(hijacked.path("files")).unwrap();
        Some(hijacked)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn scan(&self, options: &[&str], name: &str) -> Output {
        let mut command = Command::new(self.path("watchglass-scan"));
        command.args(["scan", "--heuristics-only", "--json", "--jobs=1"]).args(options);
        command.arg("--cache").arg(self.path("verdicts"));
        command.arg(self.path("files").join(name)).output().unwrap()
    }
}

fn file(output: &Output) -> serde_json::Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.find(|line| line["kind"] == "file").expect("a line about the file")
}

/// It accuses; the next worker, which has not seen the hostile file, does not.
#[test]
fn nothing_is_removed_on_the_word_of_one_worker() {
    let lie = "def lie(number, bytes):\n    return outcome(number, 1 if state.setdefault('first', first()) else 0, b'\\0')";
    let Some(hijacked) = Hijacked::new(lie) else { return };
    let path = hijacked.path("files/precious");
    std::fs::write(&path, "precious").unwrap();
    let output = hijacked.scan(&["--remove"], "precious");
    let told = file(&output);
    assert_eq!(told["verdict"], "found");
    assert_eq!(told["disposed"]["error"], "another worker found nothing in it");
    assert_eq!(output.status.code(), Some(2));
    assert!(path.exists());
    // A test of the test: what two workers accuse is removed.
    let lie = "def lie(number, bytes):\n    return outcome(number, 1, b'\\0')";
    let Some(hijacked) = Hijacked::new(lie) else { return };
    let path = hijacked.path("files/precious");
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(file(&hijacked.scan(&["--remove"], "precious"))["disposed"]["done"], "removed");
    assert!(!path.exists());
}

/// It says of a harmless file that it is clean and has the content of another, which it wants to be
/// known as clean.
#[test]
fn no_verdict_of_a_content_that_was_not_handed_over_is_kept() {
    let lie = "def lie(number, bytes):\n    other = open(folder + '/files/evil', 'rb').read()\n    return outcome(number, 0, of(bytes if os.path.exists(folder + '/honest') else other))";
    let Some(hijacked) = Hijacked::new(lie) else { return };
    std::fs::write(hijacked.path("files/harmless"), "harmless").unwrap();
    std::fs::write(hijacked.path("files/evil"), "evil").unwrap();
    let scan = |name: &str| file(&hijacked.scan(&[], name))["cached"].clone();
    assert_eq!(scan("harmless"), false);
    assert_eq!((scan("harmless"), scan("harmless")), (false.into(), false.into()));
    std::fs::write(hijacked.path("honest"), "").unwrap();
    assert_eq!(scan("evil"), false, "it was poisoned");
    // A test of the test: what an honest worker says is kept.
    assert_eq!((scan("evil"), scan("harmless")), (true.into(), false.into()));
    assert_eq!(scan("harmless"), true);
}
