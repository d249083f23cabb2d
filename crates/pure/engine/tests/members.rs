//! Signatures on what containers say of their members find what clamscan finds with them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use std::fmt::Write as _;

use rival::{are_there, compare, scan, shell};

#[test]
fn members_are_found_as_by_clamscan() {
    let programs = ["clamscan", "python3", "zip", "7z", "tar", "cpio", "gcab", "genisoimage"];
    if !are_there("members_are_found_as_by_clamscan", &programs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), MAKE);
    let sizes: Vec<u64> = ["a.zip", "a.7z", "a.tar", "a.cab"]
        .map(|file| std::fs::metadata(folder.path().join("files").join(file)).unwrap().len())
        .to_vec();
    let lines = lines(&sizes);
    let found = compare(&[("a.cdb", &lines)], &folder.path().join("files"), &[]);
    assert_eq!(found.len(), 11, "{found:?}");
    let told: usize = found.values().map(std::collections::BTreeSet::len).sum();
    assert!(told > 300, "{told}");
}

#[test]
fn a_name_is_told_with_its_member_and_even_if_that_is_encrypted() {
    let zip = b"PK\x03\x04\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\x0d\0\0\0\x01\0\0\0\x05\0\0\0a.exeSECRETSECRET!";
    let line = "Exe:*:*:(?i)\\.EXE$:13:1:1:1:*:*\n";
    let (report, names) = scan(&[("a.cdb", line)], zip);
    assert!(names.contains("Exe.UNOFFICIAL") && !report.is_complete());
    assert_eq!(*report.findings[0].member.0[0], *b"a.exe");
}

/// Lines on one field each, with those beside the values that are there.
fn lines(container_sizes: &[u64]) -> String {
    let mut lines = String::new();
    let mut number = 0;
    let mut add = |fields: &str| {
        writeln!(lines, "S{number}:{fields}:*:*").unwrap();
        number += 1;
    };
    for kind in KINDS {
        add(&format!("{kind}:*:text:*:*:*:*"));
    }
    for size in container_sizes {
        for size in [size - 1, *size, size + 1] {
            add(&format!("*:{size}:*:*:*:*:*"));
            add(&format!("*:{size}-{}:text:*:*:*:*", size + 1));
        }
    }
    for size in [
        "0", "11", "23", "24", "25", "999", "1000", "1012", "2000", "5-30", "0-11", "900-0", "30-5",
    ] {
        add(&format!("*:*:*:{size}:*:*:*"));
        add(&format!("*:*:*:*:{size}:*:*"));
        add(&format!("*:*:text:*:{size}:*:*"));
    }
    for name in ["text", "file1", "file2", "att", "sub"] {
        for position in 0..8 {
            add(&format!("*:*:{name}:*:*:*:{position}"));
        }
        add(&format!("*:*:{name}:*:*:*:2-3"));
    }
    for encrypted in 0..2 {
        add(&format!("*:*:*:*:*:{encrypted}:*"));
        add(&format!("*:*:file1.bin:*:*:{encrypted}:*"));
    }
    for expression in EXPRESSIONS {
        add(&format!("*:*:{expression}:*:*:*:*"));
    }
    lines
}

const KINDS: &[&str] = &[
    "*",
    "CL_TYPE_ANY",
    "CL_TYPE_ZIP",
    "CL_TYPE_7Z",
    "CL_TYPE_POSIX_TAR",
    "CL_TYPE_CPIO_NEWC",
    "CL_TYPE_CPIO_ODC",
    "CL_TYPE_CPIO_OLD",
    "CL_TYPE_MSCAB",
    "CL_TYPE_MAIL",
    "CL_TYPE_ISO9660",
    "CL_TYPE_MSEXE",
];

const EXPRESSIONS: &[&str] = &[
    r"\.bin$",
    r"\.BIN$",
    r"(?i)\.BIN$",
    "^file",
    "^./file",
    "^[^s]",
    "(file|text)[0-9]?.(bin|txt)$",
    "fil{1,2}e",
    "file{2}",
    "e{",
    r"\<text\>",
    r"\file1",
    r"[\.]txt",
    "[A-Z]",
    "(?i)[A-Z]",
    "[[.s.]]ub",
    "a)",
    "sub.text",
];

/// Three files of random bytes and a text, in containers of each kind.
const MAKE: &str = r#"
mkdir -p d/sub files
cat > make.py <<'END'
import random, email.mime.multipart, email.mime.application, email.mime.text
random.seed(7)
for number in 1, 2, 3:
    open(f'd/file{number}.bin', 'wb').write(bytes(random.randrange(256) for _ in range(1000 * number)))
open('d/sub/text.txt', 'w').write('hello ' * 4)
mail = email.mime.multipart.MIMEMultipart()
mail['From'], mail['To'], mail['Subject'] = 'a@b', 'c@d', 'x'
mail.attach(email.mime.text.MIMEText('hello there\nbody\n'))
one = email.mime.application.MIMEApplication(open('d/file1.bin', 'rb').read())
one.add_header('Content-Disposition', 'attachment', filename='att.bin')
mail.attach(one)
open('files/a.eml', 'wb').write(b'Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\n' + mail.as_bytes())
END
python3 make.py
cd d
zip -q -r ../files/a.zip sub file1.bin file2.bin file3.bin
zip -q -P secret ../files/locked.zip file1.bin sub/text.txt
7z a -bd ../files/a.7z file1.bin file2.bin sub/text.txt
7z a -bd -psecret ../files/locked.7z file1.bin sub/text.txt
tar cf ../files/a.tar sub file1.bin file2.bin file3.bin
for form in newc odc bin; do
  printf '%s\n' sub sub/text.txt file1.bin file2.bin | cpio -o -H $form > ../files/$form.cpio 2> cpio.log
done
gcab -c ../files/a.cab file1.bin sub/text.txt
rm cpio.log
genisoimage -quiet -o ../files/a.iso .
"#;
