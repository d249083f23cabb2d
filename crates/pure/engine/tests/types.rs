//! What sets say of types of files holds as with clamscan.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use rival::{are_there, compare, scan, shell};

/// Types of made-up magic numbers, some in place of those that everybody knows.
const TYPES: &str = "\
0:0:57475a49:A zip:CL_TYPE_ANY:CL_TYPE_ZIP:73
0:3:57475049:Overruled by the one behind:CL_TYPE_ANY:CL_TYPE_PDF:73:255
0:3:5747504943:A picture:CL_TYPE_ANY:CL_TYPE_GRAPHICS
0:0:4f4c44:Old:CL_TYPE_ANY:CL_TYPE_GRAPHICS:1:2
1:*:57474d{1-3}41494c:A mail:CL_TYPE_ANY:CL_TYPE_MAIL
1:EOF-4:57475046:A PDF:CL_TYPE_ANY:CL_TYPE_PDF
1:4,8:5747(4a|4b)??56:Java of text:CL_TYPE_TEXT_ASCII:CL_TYPE_JAVA
1:0:57474f:For programs alone:CL_TYPE_MSEXE:CL_TYPE_GRAPHICS
0:0:474946:No picture:CL_TYPE_ANY:CL_TYPE_TEXT_ASCII
";

/// One for each target: which is found tells the type.
const BODIES: &str = "\
Graphics:5:*:6d61726b6572
Mail:4:*:6d61726b6572
Pdf:10:*:6d61726b6572
Java:12:*:6d61726b6572
Program:1:*:6d61726b6572
All:0:*:6d61726b6572
";

#[test]
fn types_are_told_as_by_clamscan() {
    if !are_there("types_are_told_as_by_clamscan", &["clamscan", "zip"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for (name, bytes) in FILES {
        std::fs::write(files.join(name), bytes).unwrap();
    }
    shell(
        folder.path(),
        "echo so a marker > in.txt; zip -q in.zip in.txt; printf WGZI > files/zip; tail -c +5 in.zip >> files/zip",
    );
    let found = compare(&[("a.ftm", TYPES), ("a.ndb", BODIES)], &files, &[]);
    let of = |file: &str| found[file].iter().cloned().collect::<Vec<_>>();
    assert_eq!(of("picture"), ["All.UNOFFICIAL", "Graphics.UNOFFICIAL"]);
    assert_eq!(of("mail"), ["All.UNOFFICIAL", "Mail.UNOFFICIAL"]);
    assert!(found.contains_key("zip"), "{found:?}");
}

const FILES: &[(&str, &[u8])] = &[
    ("picture", b"...WGPIC and a marker\x01\x02\x03"),
    ("overruled", b"...WGPI. and a marker\x01\x02\x03"),
    ("old", b"OLD words and a marker\x01\x02\x03"),
    ("mail", b"some WGM..AIL and a marker"),
    ("no_mail", b"some WGM....AIL and a marker"),
    ("an_end_tells_no_type", b"\x01\x02\x03 a marker WGPF"),
    ("java", b"......WGK.V a marker of text"),
    ("no_java", b"\x01\x02....WGK.V a marker\x03\x04"),
    ("program", b"WGO a marker that is no program\x01"),
    ("gif", b"GIF8 a marker in a text"),
];

#[test]
fn what_everybody_knows_stays_known() {
    let sets = [("a.ftm", TYPES), ("a.ndb", BODIES)];
    let (_, names) = scan(&sets, b"\x89PNG\r\n\x1a\n a marker");
    assert!(names.contains("Graphics.UNOFFICIAL"), "{names:?}");
}
