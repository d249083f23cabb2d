//! Passwords of sets open what clamscan opens with them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use rival::{are_there, compare, ours, scan, shell};

const PASSWORDS: &str = "\
One;Engine:81-255,Container:CL_TYPE_ZIP;0;infected
Two;Engine:81-255;1;6162ff
Three;Engine:81-255,Container:CL_TYPE_RAR;0;for rar
Four;Engine:81-255,Target:0;0;clear text
";
const BODY: &str = "Found:0:*:73656372657420706c616365\n";
const MAKE: &str = r#"
mkdir files
python3 -c "import random; random.seed(3); open('one','wb').write(b'a secret place ' + bytes(random.randrange(256) for _ in range(3000)))"
printf 'a secret place %s' "$(seq 100)" > two
zip -q -P infected files/deflated.zip one two
zip -q -0 -P 'clear text' files/stored.zip one two
zip -q -P unknown files/unknown.zip two
zip -q -P 'for rar' files/of_rar.zip two
zip -q -P "$(printf 'ab\377')" files/bytes.zip two
cat one | zip -q -fd -P infected files/streamed.zip -
"#;

#[test]
fn members_are_opened_as_by_clamscan() {
    if !are_there("members_are_opened_as_by_clamscan", &["clamscan", "zip", "python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), MAKE);
    let files = folder.path().join("files");
    let sets = [("a.pwdb", PASSWORDS), ("a.ndb", BODY)];
    let found = compare(&sets, &files, &[]);
    let opened: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(opened, ["bytes.zip", "deflated.zip", "stored.zip", "streamed.zip"]);
    // What is told of those that were opened, and of one that was not.
    let told = |name: &str| {
        let report = scan(&sets, &std::fs::read(files.join(name)).unwrap()).0;
        report.not_scanned.iter().map(|one| one.reason.code()).collect::<Vec<_>>()
    };
    assert_eq!((told("deflated.zip").len(), told("stored.zip").len()), (0, 0));
    assert_eq!(told("unknown.zip"), ["encrypted"]);
}

#[test]
fn the_cipher_of_winzip_is_opened_as_well() {
    if !are_there("the_cipher_of_winzip_is_opened_as_well", &["7z"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let make = r#"
        mkdir files
        printf 'a secret place %s' "$(seq 100)" > two
        for bits in 128 192 256; do
            7z a -tzip -pinfected -mem=AES$bits files/aes$bits.zip two
            7z a -tzip -mx=0 -pinfected -mem=AES$bits files/stored$bits.zip two
            7z a -tzip -punknown -mem=AES$bits files/unknown$bits.zip two
        done"#;
    shell(folder.path(), make);
    let files = folder.path().join("files");
    let sets = [("a.pwdb", PASSWORDS), ("a.ndb", BODY)];
    assert_eq!(ours(&sets, &files).len(), 6);
    for entry in std::fs::read_dir(files).unwrap() {
        let path = entry.unwrap().path();
        let report = scan(&sets, &std::fs::read(&path).unwrap()).0;
        let is_unknown = path.to_string_lossy().contains("unknown");
        assert_eq!(report.is_complete(), !is_unknown, "{path:?}: {:?}", report.not_scanned);
    }
}

#[test]
fn what_is_only_marked_as_encrypted_is_read() {
    if !are_there("what_is_only_marked_as_encrypted_is_read", &["zip", "python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mark = r#"
        mkdir files
        printf 'a secret place %s' "$(seq 100)" > two
        zip -q files/deflated.zip two; zip -q -0 files/stored.zip two
        python3 - <<'END'
for name in 'deflated', 'stored':
    path = f'files/{name}.zip'
    data = bytearray(open(path, 'rb').read())
    data[6] |= 1
    data[data.find(b'PK\1\2') + 8] |= 1
    open(path, 'wb').write(data)
END"#;
    shell(folder.path(), mark);
    let files = folder.path().join("files");
    // clamscan finds it in the stored one alone, where it stands in the zip itself.
    let found = ours(&[("a.ndb", BODY)], &files);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn tries_are_paid_for() {
    if !are_there("tries_are_paid_for", &["7z"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), "echo text > two; 7z a -tzip -pinfected -mem=AES256 aes.zip two");
    let bytes = std::fs::read(folder.path().join("aes.zip")).unwrap();
    let many: String = (0..1000).map(|n| format!("P{n};Engine:81-255;0;wrong{n}\n")).collect();
    let started = std::time::Instant::now();
    let (report, _) = scan(&[("a.pwdb", &many)], &bytes);
    assert_eq!(report.not_scanned.len(), 1);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
