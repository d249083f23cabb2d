//! The size of a text is that of its form once a signature counts from its end, as with clamscan.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use rival::{are_there, compare};

#[test]
fn sizes_of_texts_are_those_of_clamscan() {
    if !are_there("sizes_of_texts_are_those_of_clamscan", &["clamscan"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text"), "Hello    World      and      more\n").unwrap();
    let sizes = "Small;Engine:51-255,Target:7,FileSize:0-24;0;68656c6c6f\n\
                 Large;Engine:51-255,Target:7,FileSize:25-99;0;68656c6c6f\n\
                 Any;Engine:51-255,Target:0,FileSize:25-99;0;776f726c64\n";
    let others = [
        ("a.ndb", "Start:7:0:6f6f6f\n", "Large.UNOFFICIAL"),
        ("a.ndb", "End:7:EOF-3:6f6f6f\n", "Small.UNOFFICIAL"),
        ("b.ldb", "End;Engine:51-255,Target:7;0;EOF-9,2:6f6f6f\n", "Small.UNOFFICIAL"),
        ("a.ndb", "Elsewhere:4:EOF-3:6f6f6f\n", "Large.UNOFFICIAL"),
    ];
    for (file, line, expected) in others {
        let found = compare(&[("a.ldb", sizes), (file, line)], folder.path(), &[]);
        assert!(found["text"].contains(expected), "{line}: {found:?}");
    }
}
