//! The command as its user meets it: exit codes, words, JSON, facts; verdicts are the golden bundle and
//! what forgers make of it.
#![expect(clippy::disallowed_methods, reason = "tests start the command and write its inputs")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use watchglass_evidence::{Envelope, RESULTS, Statement, Subject, to_canonical};
use watchglass_store::SigningKey;

#[test]
fn exit_codes_say_allowed_denied_cannot_and_unknown() {
    let desk = Desk::new(1);
    let golden = golden();
    let golden = golden.to_str().unwrap();
    assert_eq!(desk.check(&["--class", "office", golden]).code(), 0);
    assert_eq!(desk.check(&["--class", "elsewhere", golden]).code(), 1);
    assert_eq!(desk.check(&["--class", "office"]).code(), 3);
    for wrong in [
        &["--class", "office", "/nowhere"][..],
        &["--class", "office", "--class", "office"],
        &["--class", "office", "--policy", "/nowhere"],
        &["--class", "office", "--at", "yesterday"],
        &["--class", "office", "--build", "ABC"],
        &["--class", "office", "--frobnicate"],
        &[],
    ] {
        let output = desk.check(wrong);
        assert_eq!(output.code(), 2, "{wrong:?}");
        assert!(output.err().starts_with("error: ") && output.out().is_empty(), "{wrong:?}");
    }
}

#[test]
fn help_names_every_exit_code() {
    for (act, codes) in
        [("check", &["0", "1", "2", "3"][..]), ("test", &["0", "1", "2"]), ("facts", &["0", "2"])]
    {
        let output = run(&[act, "--help"]);
        assert_eq!(output.code(), 0);
        let text = output.out();
        let (_, exits) = text.split_once("Exit codes: ").unwrap();
        assert!(codes.iter().all(|code| exits.contains(code)), "{act}");
    }
    assert!(run(&["--help"]).out().contains("policy facts"));
}

#[test]
fn the_answer_is_one_line_and_the_explanation_gives_got_and_needed() {
    let desk = Desk::new(1);
    let golden = golden();
    let output = desk.check(&["--class", "office", golden.to_str().unwrap()]);
    assert_eq!(
        output.out(),
        "Referee is allowed on `office` (allow 1): a lab saw nothing broken\n"
    );
    let text = desk.check(&["--class", "office", "--explain", golden.to_str().unwrap()]).out();
    for words in [
        "for build ad69c877",
        "until 2027-02-2",
        "Verdict /",
        " by golden counts",
        "yes  grade: got 1; needed 1 or more",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
}

#[test]
fn json_is_one_object_a_line_with_its_schema() {
    let desk = Desk::new(1);
    let text = desk.check(&["--class", "office", "--json"]).out();
    assert_eq!(text.lines().count(), 1);
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["schema"], 1);
    assert_eq!(object["decision"]["outcome"], "unknown");
    let clauses = object["decision"]["rules"][0]["clauses"].as_array().unwrap();
    assert!(clauses.iter().any(|one| one["name"] == "assayers" && one["state"] == "open"));
    assert!(clauses.iter().all(|one| one["got"].is_string() && one["needed"].is_string()));
}

#[test]
fn what_was_changed_after_signing_counts_for_nobody() {
    let desk = Desk::new(1);
    let forged = desk.folder.path().join("forged");
    for (file, from, to) in [
        (
            "results.json",
            "\"began_unix_seconds\": 1795648468",
            "\"began_unix_seconds\": 1795648469",
        ),
        ("envelope.json", "\"sig\": \"", "\"sig\": \"A"),
    ] {
        copy(&golden(), &forged);
        let text = std::fs::read_to_string(forged.join(file)).unwrap();
        assert!(text.contains(from));
        std::fs::write(forged.join(file), text.replace(from, to)).unwrap();
        let output = desk.check(&["--class", "office", "--explain", forged.to_str().unwrap()]);
        assert_eq!(output.code(), 3, "{file}");
        assert!(output.out().contains("NO   signature: got "), "{file}: {}", output.out());
        // Beside a good one it does no harm.
        let both = [golden(), forged.clone()].map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(desk.check(&["--class", "office", &both[0], &both[1]]).code(), 0);
    }
}

#[test]
fn another_signature_under_the_same_campaign_is_no_second_look() {
    let desk = Desk::new(2);
    let results = std::fs::read_to_string(golden().join(RESULTS)).unwrap();
    let countersigned = desk.signed("countersigned", &results);
    let golden = golden();
    let both = [golden.to_str().unwrap(), countersigned.to_str().unwrap()];
    let output = desk.check(&["--class", "office", "--explain", both[0], both[1]]);
    assert_eq!(output.code(), 3);
    assert!(
        output.out().contains("got 1, since golden, other share campaigns"),
        "{}",
        output.out()
    );
    // A campaign of his own, with another seed, is.
    let own = desk.signed("own", &results.replace("1d1388df", "2e2499ef"));
    assert_eq!(desk.check(&["--class", "office", both[0], own.to_str().unwrap()]).code(), 0);
}

#[test]
fn an_assayer_cannot_give_a_grade_that_the_checks_do_not_bear() {
    let desk = Desk::new(1);
    let results = std::fs::read_to_string(golden().join(RESULTS)).unwrap();
    let lifted = results.replacen("\"grade\": 1", "\"grade\": 3", 1);
    let twice = results.replacen("\"id\": \"R1\"", "\"id\": \"I1\"", 1);
    for (name, text, says) in [
        ("lifted", lifted.as_str(), "says grade 3, but its checks bear 1"),
        ("twice", &twice, "the check I1 is there twice"),
        (
            "later",
            &results.replacen("\"schema\": 1", "\"schema\": 2", 1),
            "version 2; this program knows 1",
        ),
        ("none", "{}", "results.json: missing field"),
    ] {
        let folder = desk.signed(name, text);
        let output = desk.check(&["--class", "office", "--explain", folder.to_str().unwrap()]);
        assert_eq!(output.code(), 3, "{name}");
        assert!(output.out().contains(says), "{name}: {}", output.out());
    }
}

#[test]
fn cases_pass_or_are_told() {
    let list = here("../../../policies/ncsc-letter-2017.cases.toml");
    let list = list.to_str().unwrap();
    let output = run(&["test", list]);
    assert_eq!(output.code(), 0, "{}", output.out());
    assert!(output.out().ends_with("12 of 12 cases passed\n"));
    let line = run(&["test", "--json", list]).out();
    let object: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!((&object["schema"], &object["differs"]), (&Value::from(1), &Value::Null));

    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.toml");
    let text = std::fs::read_to_string(list).unwrap().replacen(
        "expect = \"denied\"",
        "expect = \"allowed\"",
        1,
    );
    let policy = here("../../../policies/ncsc-letter-2017.toml");
    std::fs::write(&wrong, text.replace("ncsc-letter-2017.toml", policy.to_str().unwrap()))
        .unwrap();
    let output = run(&["test", wrong.to_str().unwrap()]);
    assert_eq!(output.code(), 1);
    assert!(
        output.out().contains("expected allowed, got denied") && output.out().contains("needed")
    );

    std::fs::write(&wrong, "schema = 1\npolicy = 3\n").unwrap();
    let output = run(&["test", wrong.to_str().unwrap()]);
    assert_eq!(output.code(), 2);
    assert!(output.err().contains("wrong.toml:2:10: "), "{}", output.err());
}

#[test]
fn facts_for_ansible_are_found_by_product_and_class() {
    let desk = Desk::new(1);
    let golden = golden();
    let output = desk.facts(&["--for", "ansible", golden.to_str().unwrap()]);
    assert_eq!(output.code(), 0);
    let facts: Value = serde_json::from_str(&output.out()).unwrap();
    assert_eq!(facts["products"]["Referee"]["office"]["allowed"], true);
    assert_eq!(facts["products"]["Referee"]["plant"]["outcome"], "denied");
    let product = here("../recheck/tests/data/golden/product.toml");
    let output = desk.facts(&["--for", "ansible", "--product", product.to_str().unwrap()]);
    assert_eq!(output.code(), 2);
    assert!(output.err().contains("two product files are named `Referee`"), "{}", output.err());
}

#[test]
fn facts_for_wazuh_are_one_flat_object_a_line() {
    let desk = Desk::new(1);
    let text = desk.facts(&["--for", "wazuh"]).out();
    let outcomes = text.lines().map(|line| {
        let object: Value = serde_json::from_str(line).unwrap();
        let fields = object["watchglass"].as_object().unwrap();
        assert!(fields.values().all(|value| !value.is_object() && !value.is_array()));
        fields["outcome"].as_str().unwrap().to_owned()
    });
    assert_eq!(outcomes.collect::<Vec<_>>(), ["unknown", "denied"]);
}

#[test]
fn facts_for_osquery_are_a_file_that_sqlite_reads() {
    let desk = Desk::new(1);
    let golden = golden();
    let bytes = desk.facts(&["--for", "osquery", golden.to_str().unwrap()]).0.stdout;
    let database = desk.folder.path().join("facts.db");
    std::fs::write(&database, bytes).unwrap();
    let Some(answer) = sqlite(&database, "facts_for_osquery_are_a_file_that_sqlite_reads") else {
        return;
    };
    assert_eq!(
        answer,
        "ok\noffice|allowed|1|ad69c877ba9195731b795c434c448731a37b28af3d2e0013b77a5936fa4a7488|1795737600\n\
         plant|denied|0||1795737600\n"
    );
}

/// SQLite's own check of the file, and what a query finds in it.
fn sqlite(database: &Path, test: &str) -> Option<String> {
    let script = "import sqlite3, sys\n\
        db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n\
        print(db.execute('pragma integrity_check').fetchone()[0])\n\
        for row in db.execute('select class, outcome, allowed, build, decided_at_unix from decisions'):\n\
        \tprint('|'.join(str(one) for one in row))\n";
    let output = Command::new("python3").arg("-c").arg(script).arg(database).output();
    let wanting = match &output {
        Err(_) => "no python3",
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No module named") => {
            "no sqlite3 for python3"
        }
        Ok(_) => "",
    };
    if !wanting.is_empty() {
        assert_ne!(std::env::var("WATCHGLASS_STRICT").as_deref(), Ok("1"), "{wanting}");
        eprintln!("skipped: {test}: {wanting}");
        return None;
    }
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A folder with a policy that trusts the golden bundle's key, and another one.
struct Desk {
    folder: tempfile::TempDir,
    other: SigningKey,
}

impl Desk {
    fn new(at_least: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let other = SigningKey::open_or_make(&folder.path().join("key")).unwrap();
        let golden =
            Envelope::parse(&std::fs::read(golden().join("envelope.json")).unwrap()).unwrap();
        let (_, by) = golden.verify(&[]).unwrap();
        let (watchglass_evidence::SignedBy::Unknown(golden)
        | watchglass_evidence::SignedBy::Pinned(golden)) = by;
        let policy = format!(
            r#"schema = 1
name = "a desk"
issued = 2026-01-01
[class.office]
title = "an office"
[class.plant]
title = "has no rule"
[assayer.golden]
keys = ["{golden}"]
[assayer.other]
keys = ["{}"]
[[allow]]
class = ["office"]
minimum_grade = 1
required_checks = ["R1", "N1"]
assayers = {{ at_least = {at_least}, of = ["golden", "other"] }}
reason = "a lab saw nothing broken"
"#,
            other.public()
        );
        std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
        Self { folder, other }
    }

    /// Results with the signature of the other assayer.
    fn signed(&self, name: &str, results: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let subject = Subject::of(RESULTS, results.as_bytes());
        let statement = to_canonical(&Statement::new(vec![subject], Vec::new())).unwrap();
        std::fs::write(
            folder.join("envelope.json"),
            to_canonical(&self.other.sign(&statement)).unwrap(),
        )
        .unwrap();
        std::fs::write(folder.join(RESULTS), results).unwrap();
        folder
    }

    fn check(&self, more: &[&str]) -> Ran {
        self.ask("check", more)
    }

    fn facts(&self, more: &[&str]) -> Ran {
        self.ask("facts", more)
    }

    fn ask(&self, act: &str, more: &[&str]) -> Ran {
        let policy = self.folder.path().join("policy.toml");
        let product = golden().join("product.toml");
        let (policy, product) = (policy.to_str().unwrap(), product.to_str().unwrap());
        let all = [act, "--policy", policy, "--product", product, "--at", "2026-11-27"];
        run(&[&all[..], more].concat())
    }
}

struct Ran(Output);

impl Ran {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }
}

fn run(arguments: &[&str]) -> Ran {
    Ran(Command::new(env!("CARGO_BIN_EXE_watchglass-decide")).args(arguments).output().unwrap())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["envelope.json", RESULTS] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn golden() -> PathBuf {
    here("../recheck/tests/data/golden")
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
