//! The document of `--sarif`, held against what SARIF 2.1.0 demands.
#![expect(clippy::disallowed_methods, reason = "tests make files and start the command")]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::Value;
use support::{has_worker, scan, test_file};

/// The document of a scan of a folder, and its exit code.
fn document(folder: &Path, options: &[&str]) -> (Value, Option<i32>) {
    let mut arguments: Vec<&OsStr> = ["--sarif", "-r"].iter().map(OsStr::new).collect();
    arguments.extend(options.iter().map(OsStr::new));
    arguments.push(folder.as_os_str());
    let output = scan(&arguments).unwrap();
    let document = serde_json::from_slice(&output.stdout).expect("one JSON document");
    check(&document);
    (document, output.status.code())
}

/// What the schema demands of each object that we write (sections 3.13 to 3.58): required members,
/// their types, and the values that they may have.
fn check(document: &Value) {
    assert_eq!(document["version"], "2.1.0");
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    let driver = &run["tool"]["driver"];
    assert!(driver["name"].is_string() && driver["version"].is_string());
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "each once: {ids:?}");
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string());
    }
    for result in run["results"].as_array().unwrap() {
        assert!(ids.contains(&result["ruleId"].as_str().unwrap()));
        check_told(result);
        assert!(!result["locations"].as_array().unwrap().is_empty());
    }
    let invocations = run["invocations"].as_array().unwrap();
    assert_eq!(invocations.len(), 1);
    assert!(invocations[0]["executionSuccessful"].is_boolean());
    assert!(invocations[0]["exitCode"].is_u64());
    for notification in invocations[0]["toolExecutionNotifications"].as_array().unwrap() {
        assert!(notification["descriptor"]["id"].is_string());
        check_told(notification);
    }
}

fn check_told(one: &Value) {
    assert!(one["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(["none", "note", "warning", "error"].contains(&one["level"].as_str().unwrap()));
    for location in one["locations"].as_array().into_iter().flatten() {
        let uri = location["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/-._~%".contains(&byte);
        assert!(uri.bytes().all(is_plain), "{uri}");
        let region = &location["physicalLocation"]["region"];
        assert!(region.is_null() || region["byteOffset"].is_u64());
    }
}

fn notifications<'d>(document: &'d Value, id: &str) -> Vec<&'d Value> {
    let all = &document["runs"][0]["invocations"][0]["toolExecutionNotifications"];
    all.as_array().unwrap().iter().filter(|one| one["descriptor"]["id"] == id).collect()
}

#[test]
fn findings_are_results_and_what_was_not_scanned_is_told() {
    if !has_worker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    std::fs::write(path(b"bad \xff"), test_file()).unwrap();
    std::fs::write(path(b"good"), "nothing").unwrap();
    std::fs::write(path(b"large"), vec![b'x'; 5000]).unwrap();
    let (told, code) = document(folder.path(), &["--heuristics-only", "--max-filesize=1K"]);
    assert_eq!(code, Some(1));
    let run = &told["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ruleId"], "Eicar-Signature");
    let uri = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(uri.as_str().unwrap().ends_with("/bad%20%FF"), "{uri}");
    assert_eq!(notifications(&told, "limit").len(), 1);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["invocations"][0]["properties"]["files"], 3);
}

#[test]
fn nothing_found_is_a_document_too() {
    if !has_worker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (told, code) = document(folder.path(), &["--heuristics-only"]);
    assert_eq!((code, told["runs"][0]["results"].as_array().unwrap().len()), (Some(0), 0));
    let (told, code) = document(&folder.path().join("missing"), &["--heuristics-only"]);
    assert_eq!(code, Some(2));
    assert_eq!(notifications(&told, "unreadable").len(), 1);
    assert_eq!(told["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn it_is_one_form_of_three() {
    if !has_worker() {
        return;
    }
    let output = scan(&["--heuristics-only", "--sarif", "--json", "/dev/null"]).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}
