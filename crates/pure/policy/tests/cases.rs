//! The policies of the repository with the cases that were written for them, and mistakes in policies.
#![expect(clippy::disallowed_methods, reason = "tests read the files beside them")]

use std::path::{Path, PathBuf};

use watchglass_policy::{Cases, Outcome, Policy, Problem, explain};

#[test]
fn every_clause_decides_as_its_case_says() {
    let counts = try_all(&here("tests/data/decisions.cases.toml"));
    assert!(counts.iter().sum::<usize>() >= 40, "{counts:?}");
    // A list of refusals alone would hold for a policy that refuses everything.
    assert!(counts.iter().all(|count| *count >= 8), "{counts:?}");
}

#[test]
fn the_letter_of_2017_decides_as_its_cases_say() {
    let counts = try_all(&here("../../../policies/ncsc-letter-2017.cases.toml"));
    assert!(counts.iter().all(|count| *count >= 2), "{counts:?}");
}

#[test]
fn a_product_withdrawn_from_new_users_stays_with_the_old_ones() {
    let counts = try_all(&here("../../../policies/withdrawn-from-new-users.cases.toml"));
    assert!(counts.iter().all(|count| *count >= 1), "{counts:?}");
}

#[test]
fn a_case_that_does_not_come_out_is_told() {
    let policy = policy("tests/data/decisions.toml");
    let text = read(&here("tests/data/decisions.cases.toml"));
    let changed =
        String::from_utf8(text).unwrap().replace("expect = \"unknown\"", "expect = \"allowed\"");
    let cases = Cases::parse(changed.as_bytes(), &policy).unwrap();
    let differs = cases.cases.iter().filter_map(|case| case.try_on(&policy).differs);
    let differs: Vec<_> = differs.collect();
    assert!(differs.len() > 20);
    assert!(differs.iter().all(|one| one == "expected allowed, got unknown"), "{differs:?}");
}

#[test]
fn an_explanation_gives_what_was_found_and_what_is_needed_of_every_clause() {
    let policy = policy("tests/data/decisions.toml");
    let cases = Cases::parse(&read(&here("tests/data/decisions.cases.toml")), &policy).unwrap();
    let case = cases.cases.iter().find(|case| case.name == "an expired verdict").unwrap();
    let text = explain(&case.request(), &case.try_on(&policy).decision);
    for line in [
        "Good Scanner is not allowed on `high`, since something is missing (allow 1): assayers: got 1: alpha; needed 2 of alpha, beta, gamma, each by a campaign of its own",
        "  yes  class: got high; needed one of bare, high, low, open",
        "Rule allow 1 would allow, if what is open held: two labs found it contained",
        "  OPEN assayers: got 1: alpha; needed 2 of alpha, beta, gamma, each by a campaign of its own",
        "  Verdict beta-old by beta does not count",
        "    NO   age: got begun 2026-05-31T23:59:59Z; needed begun from 2026-06-01T00:00:00Z on, at most 30 days ago, and not in the future",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn the_reference_is_true() {
    let text = String::from_utf8(read(&here("../../../docs/policy.md"))).unwrap();
    let blocks: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [policy, cases] = blocks.as_slice() else { panic!("a policy and its cases") };
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let cases = Cases::parse(cases.as_bytes(), &policy).unwrap();
    assert_eq!(cases.cases.iter().filter_map(|case| case.try_on(&policy).differs).next(), None);
}

#[test]
fn mistakes_are_told_with_their_place_and_all_together() {
    let text = r#"schema = 2
name = "x"
issued = 2026-01-01T00:00:00
[class.Low]
title = ""
[assayer.alpha]
keys = ["abc"]
[assayer.beta]
keys = ["1111111111111111111111111111111111111111111111111111111111111111"]
[assayer.gamma]
keys = ["1111111111111111111111111111111111111111111111111111111111111111"]
[[revoked]]
reason = "what?"
[[deny]]
class = []
jurisdiction = []
reason = "r"
[[allow]]
class = ["Loww"]
jurisdiction = ["Russia"]
minimum_grade = 4
required_checks = ["R3"]
assayers = { at_least = 3, of = ["alhpa", "beta", "beta"] }
maximum_age = "91d"
build = "any"
reason = "r"
[[allow]]
class = ["Low"]
reason = "asks for nothing, and does not say so"
[[allow]]
class = ["Low"]
without_verdict = true
maximum_age = "1d"
reason = "asks for nothing, and for something"
"#;
    let problems = Policy::parse(text.as_bytes()).unwrap_err();
    let told: Vec<String> =
        problems.iter().map(|one| format!("{} {}", one.line, one.message)).collect();
    for start in [
        "1 `schema` is to be 1",
        "3 a day such as",
        "4 `Low` is no name",
        "5 one line of 1 to",
        "7 a key is 64",
        "11 the key 1111",
        "12 `[[revoked]]` has one of",
        "15 `class` names at least one",
        "16 a list of countries names at least one",
        "19 no class `Loww`: did you mean `Low`?",
        "20 `Russia` is no country",
        "21 `minimum_grade` is 0, 1, 2 or 3",
        "22 no check `R3`",
        "23 `at_least` is a number from 1 to the 1 assayers",
        "23 no assayer `alhpa`: did you mean `alpha`?",
        "23 the assayer `beta` is there twice",
        "24 `maximum_age` is",
        "25 `build` can be",
        "27 `[[allow]]` has either",
        "30 `[[allow]]` has either",
    ] {
        assert!(
            told.iter().any(|one| one.starts_with(start)),
            "{start}\nis not in\n{}",
            told.join("\n")
        );
    }
    assert_eq!(told.len(), 20, "{}", told.join("\n"));
}

#[test]
fn an_unknown_key_is_a_mistake() {
    let text = read(&here("tests/data/decisions.toml"));
    let text = String::from_utf8(text).unwrap().replace("minimum_grade = 3", "minimum_gade = 3");
    let [problem]: [Problem; 1] = Policy::parse(text.as_bytes()).unwrap_err().try_into().unwrap();
    assert!(problem.message.contains("minimum_gade") && problem.message.contains("minimum_grade"));
    assert!(text.lines().nth(problem.line - 1).unwrap().starts_with("minimum_gade"), "{problem:?}");
}

#[test]
fn every_truncation_of_a_policy_is_read_or_refused() {
    for file in ["tests/data/decisions.toml", "../../../policies/ncsc-letter-2017.toml"] {
        let text = read(&here(file));
        for end in 0..text.len() {
            let _ = Policy::parse(&text[..end]);
        }
        for (place, bit) in (0..text.len()).step_by(7).zip((0..8).cycle()) {
            let mut changed = text.clone();
            changed[place] ^= 1 << bit;
            let _ = Policy::parse(&changed);
        }
    }
}

#[test]
fn damaged_cases_are_decided_or_refused() {
    let policy = policy("tests/data/decisions.toml");
    let text = read(&here("tests/data/decisions.cases.toml"));
    let mut decided = 0;
    for (place, bit) in (0..text.len()).step_by(211).zip((0..8).cycle()) {
        let mut changed = text.clone();
        changed[place] ^= 1 << bit;
        for bytes in [&changed[..], &text[..place]] {
            let Ok(cases) = Cases::parse(bytes, &policy) else { continue };
            for case in &cases.cases {
                let tried = case.try_on(&policy);
                let _ = explain(&case.request(), &tried.decision);
                decided += 1;
            }
        }
    }
    assert!(decided > 500, "{decided}");
}

/// Tries every case of a list; how many came out denied, unknown, allowed.
fn try_all(file: &Path) -> [usize; 3] {
    let bytes = read(file);
    let name = Cases::policy_of(&bytes).unwrap();
    let policy = Policy::parse(&read(&file.with_file_name(name))).unwrap();
    let cases = Cases::parse(&bytes, &policy).unwrap();
    let mut counts = [0; 3];
    for case in &cases.cases {
        let tried = case.try_on(&policy);
        let why = explain(&case.request(), &tried.decision);
        assert_eq!(tried.differs, None, "{}\n{why}", case.name);
        counts[match tried.decision.outcome {
            Outcome::Denied => 0,
            Outcome::Unknown => 1,
            Outcome::Allowed => 2,
        }] += 1;
    }
    counts
}

fn policy(file: &str) -> Policy {
    Policy::parse(&read(&here(file))).unwrap()
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
