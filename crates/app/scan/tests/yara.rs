//! YARA rules, from their text to a line of the scan, through the jail.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::path::Path;

use support::{command, has_worker, lines};

/// What each file is to be found as, and the rules for it: strings, a loop that the interpreter runs, a
/// module that takes programs apart, a regular expression, a rule that nothing announces.
const RULES: &str = r#"
import "pe"
import "math"
rule words { strings: $a = "first words" $b = "second words" nocase condition: all of them }
rule loop { strings: $a = "abcd" condition: for all i in (1..#a) : ( @a[i] % 2 == 0 ) and #a > 2 }
rule program { condition: pe.is_pe and pe.number_of_sections == 0 }
rule expression { strings: $a = /key=[0-9a-f]{8}\b/ condition: $a at 0 }
rule small { condition: filesize == 7 and math.entropy(0, filesize) > 2.0 }
"#;

fn program() -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend_from_slice(&[0x40, 0, 0, 0]);
    bytes.extend_from_slice(b"PE\0\0\x4c\x01\0\0");
    bytes.resize(0x40 + 24, 0);
    bytes
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 8] = [
        ("words", b"the SECOND words before the first words"),
        ("words.html", b"<html><!-- first words --><script>'Second Words'</script></html>"),
        ("loop", b"abcd..abcdabcd"),
        ("loop-not", b"abcd..abcdabcd.abcd"),
        ("program", &program()),
        ("expression", b"key=0123abcd "),
        ("small", b"1234567"),
        ("clean", b"nothing of all that"),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/test.yar"), RULES).unwrap();
    folder
}

fn scan(folder: &Path, database: &str) -> (Option<i32>, Vec<String>) {
    let mut command = command("scan");
    command.args(["--no-summary", "--require-jail", "-d", database]).current_dir(folder);
    command.args(FILES.map(|(file, _)| file));
    let output = command.output().unwrap();
    let found = lines(&output).into_iter().filter(|line| !line.starts_with("WARNING"));
    (output.status.code(), found.collect())
}

const FILES: [(&str, &str); 8] = [
    ("clean", "OK"),
    ("expression", "YARA.expression.UNOFFICIAL FOUND"),
    ("loop", "YARA.loop.UNOFFICIAL FOUND"),
    ("loop-not", "OK"),
    ("program", "YARA.program.UNOFFICIAL FOUND"),
    ("small", "YARA.small.UNOFFICIAL FOUND"),
    ("words", "YARA.words.UNOFFICIAL FOUND"),
    ("words.html", "YARA.words.UNOFFICIAL FOUND"),
];

#[test]
fn rules_are_run_in_the_jail() {
    if !has_worker() {
        return;
    }
    let folder = folder();
    let built = command("database")
        .args(["build", "--json", "rules", "-o", "out.wgdb"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(built.status.code(), Some(0), "{built:?}");
    let told: serde_json::Value = serde_json::from_slice(&built.stdout).unwrap();
    assert_eq!(told["taken"]["YARA rules"], 5);
    let counts = &told["yara"];
    assert_eq!((&counts["by_start"], &counts["always"]), (&1.into(), &1.into()), "{counts}");
    let mut expected = FILES.map(|(file, what)| format!("{file}: {what}"));
    expected.sort();
    for database in ["out.wgdb", "rules", "rules/test.yar"] {
        let (code, found) = scan(folder.path(), database);
        let found: Vec<&String> = found
            .iter()
            .filter(|line| FILES.iter().any(|(file, _)| line.starts_with(&format!("{file}: "))))
            .collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{database}");
        assert_eq!(code, Some(1), "{database}");
    }
    let info = command("database").args(["info", "out.wgdb"]).current_dir(folder.path()).output();
    let info = String::from_utf8(info.unwrap().stdout).unwrap();
    assert!(info.contains("5 YARA rules"), "{info}");
}

#[test]
fn a_rule_that_does_not_end_is_told_and_the_rest_is_looked_at() {
    if !has_worker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Some 10^12 steps.
    let slow = r#"
        rule slow { strings: $a = "slowly" condition: $a and
            for all i in (0..1000000) : ( for all j in (0..1000000) : ( i + j >= 0 ) ) }
        rule quick { strings: $a = "slowly" condition: $a }
    "#;
    std::fs::write(folder.path().join("a.yar"), slow).unwrap();
    std::fs::write(folder.path().join("file"), b"slowly").unwrap();
    let mut command = command("scan");
    command.args(["-z", "--no-summary", "-d", "a.yar", "file"]).current_dir(folder.path());
    let output = command.output().unwrap();
    let told = lines(&output).join("\n");
    assert!(told.contains("YARA.quick.UNOFFICIAL FOUND"), "{told}");
    assert!(told.contains("NOT SCANNED") && told.contains("took longer"), "{told}");
}

#[test]
fn bad_rules_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = "rule good { condition: false or true }\nrule bad { condition: nonsense }\n";
    std::fs::write(folder.path().join("a.yar"), text).unwrap();
    let built = command("database")
        .args(["build", "a.yar", "-o", "out.wgdb"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(built.status.code(), Some(1), "{built:?}");
    let told = String::from_utf8(built.stdout).unwrap();
    assert!(told.contains("a.yar:2: ") && told.contains("1 YARA rules taken"), "{told}");
}
