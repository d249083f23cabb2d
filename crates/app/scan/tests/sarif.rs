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

/// Everything that holds for any document: the shape of each object, and what ties them together.
fn check(document: &Value) {
    SARIF_LOG.check("document", document);
    let run = &document["runs"][0];
    assert_eq!(document["runs"].as_array().unwrap().len(), 1);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "each once: {ids:?}");
    for result in run["results"].as_array().unwrap() {
        assert!(ids.contains(&result["ruleId"].as_str().unwrap()));
        assert!(!result["locations"].as_array().unwrap().is_empty());
    }
    let invocation = &run["invocations"][0];
    let notifications = invocation["toolExecutionNotifications"].as_array().unwrap();
    let failed = notifications.iter().any(|notification| notification["level"] == "error");
    // 3.20.21: an error means that the run failed.
    assert!(!(failed && invocation["executionSuccessful"] == true), "{invocation}");
}

/// An object of the standard: its members that we write, with what each may be. The schema lets none of
/// them have others (`additionalProperties`), so another one is an error here too.
struct Shape {
    /// Its section.
    section: &'static str,
    members: &'static [(&'static str, Must, &'static [Is])],
}

/// Whether a member has to be there.
#[derive(Clone, Copy, PartialEq)]
enum Must {
    Be,
    MayBe,
}

/// What a value may be.
enum Is {
    /// Text of at least one letter.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    Boolean,
    /// A whole number of at least this.
    Number(i64),
    /// RFC 3986, normal as 3.10 demands it.
    Reference,
    /// The same with a scheme.
    Uri,
    /// A property bag, with anything in it (3.8).
    Bag,
    Object(&'static Shape),
    /// An array of such objects.
    Array(&'static Shape),
    /// The same, none of them twice (`uniqueItems`).
    Unique(&'static Shape),
    /// Such objects by name.
    Named(&'static Shape),
}

use Must::{Be, MayBe};

const SARIF_LOG: Shape = Shape {
    section: "3.13",
    members: &[
        ("$schema", MayBe, &[Is::Uri]),
        ("version", Be, &[Is::Word(&["2.1.0"])]),
        ("runs", Be, &[Is::Array(&RUN)]),
    ],
};

const RUN: Shape = Shape {
    section: "3.14",
    members: &[
        ("tool", Be, &[Is::Object(&TOOL)]),
        ("results", MayBe, &[Is::Array(&RESULT)]),
        ("invocations", MayBe, &[Is::Array(&INVOCATION)]),
        ("columnKind", MayBe, &[Is::Word(&["utf16CodeUnits", "unicodeCodePoints"])]),
        ("originalUriBaseIds", MayBe, &[Is::Named(&BASE)]),
    ],
};

const TOOL: Shape =
    Shape { section: "3.18", members: &[("driver", Be, &[Is::Object(&TOOL_COMPONENT)])] };

const TOOL_COMPONENT: Shape = Shape {
    section: "3.19",
    members: &[
        ("name", Be, &[Is::Text]),
        ("version", MayBe, &[Is::Text]),
        ("rules", MayBe, &[Is::Unique(&REPORTING_DESCRIPTOR)]),
    ],
};

const REPORTING_DESCRIPTOR: Shape = Shape {
    section: "3.49",
    members: &[
        ("id", Be, &[Is::Text]),
        ("shortDescription", MayBe, &[Is::Object(&MULTIFORMAT_MESSAGE)]),
    ],
};

const MULTIFORMAT_MESSAGE: Shape = Shape { section: "3.12", members: &[("text", Be, &[Is::Text])] };

const MESSAGE: Shape = Shape { section: "3.11", members: &[("text", Be, &[Is::Text])] };

const RESULT: Shape = Shape {
    section: "3.27",
    members: &[
        ("ruleId", MayBe, &[Is::Text]),
        ("level", MayBe, LEVEL),
        ("message", Be, &[Is::Object(&MESSAGE)]),
        ("locations", MayBe, &[Is::Array(&LOCATION)]),
        ("properties", MayBe, &[Is::Bag]),
    ],
};

const LEVEL: &[Is] = &[Is::Word(&["none", "note", "warning", "error"])];

const LOCATION: Shape = Shape {
    section: "3.28",
    members: &[
        ("physicalLocation", MayBe, &[Is::Object(&PHYSICAL_LOCATION)]),
        ("logicalLocations", MayBe, &[Is::Unique(&LOGICAL_LOCATION)]),
    ],
};

const PHYSICAL_LOCATION: Shape = Shape {
    section: "3.29",
    members: &[
        // Or an address, which no file has.
        ("artifactLocation", Be, &[Is::Object(&ARTIFACT_LOCATION)]),
        ("region", MayBe, &[Is::Object(&REGION)]),
    ],
};

const ARTIFACT_LOCATION: Shape = Shape {
    section: "3.4",
    members: &[("uri", Be, &[Is::Reference]), ("uriBaseId", MayBe, &[Is::Word(&["START"])])],
};

const BASE: Shape = Shape {
    section: "3.14.14",
    members: &[
        ("uri", MayBe, &[Is::Uri]),
        ("description", MayBe, &[Is::Object(&MULTIFORMAT_MESSAGE)]),
    ],
};

const REGION: Shape = Shape { section: "3.30", members: &[("byteOffset", Be, &[Is::Number(0)])] };

const LOGICAL_LOCATION: Shape = Shape {
    section: "3.33",
    members: &[
        ("name", MayBe, &[Is::Text]),
        ("fullyQualifiedName", MayBe, &[Is::Text]),
        ("kind", MayBe, &[Is::Word(&["member"])]),
    ],
};

const INVOCATION: Shape = Shape {
    section: "3.20",
    members: &[
        ("executionSuccessful", Be, &[Is::Boolean]),
        ("exitCode", MayBe, &[Is::Number(0)]),
        ("toolExecutionNotifications", MayBe, &[Is::Array(&NOTIFICATION)]),
        ("properties", MayBe, &[Is::Bag]),
    ],
};

const NOTIFICATION: Shape = Shape {
    section: "3.58",
    members: &[
        ("descriptor", MayBe, &[Is::Object(&REPORTING_DESCRIPTOR_REFERENCE)]),
        ("level", MayBe, LEVEL),
        ("message", Be, &[Is::Object(&MESSAGE)]),
        ("locations", MayBe, &[Is::Unique(&LOCATION)]),
    ],
};

const REPORTING_DESCRIPTOR_REFERENCE: Shape =
    Shape { section: "3.52", members: &[("id", Be, &[Is::Text])] };

impl Shape {
    fn check(&self, at: &str, value: &Value) {
        let section = self.section;
        let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object ({section})"));
        for name in object.keys() {
            let is_known = self.members.iter().any(|(known, ..)| known == name);
            assert!(is_known, "{at} has {name}, which the table does not ({section})");
        }
        for (name, must, is) in self.members {
            let at = format!("{at}.{name}");
            match object.get(*name) {
                Some(value) => is.iter().for_each(|is| is.check(&at, value)),
                None => assert!(*must == MayBe, "{at} is missing ({section})"),
            }
        }
        if section == ARTIFACT_LOCATION.section {
            // 3.4.4: a base for relative references and for no others.
            let is_absolute = value["uri"].as_str().is_some_and(|uri| uri.contains(':'));
            assert_eq!(is_absolute, value["uriBaseId"].is_null(), "{at}: {value}");
        }
    }
}

impl Is {
    fn check(&self, at: &str, value: &Value) {
        let text = || value.as_str().unwrap_or_else(|| panic!("{at} is no text: {value}"));
        let array = || value.as_array().unwrap_or_else(|| panic!("{at} is no array: {value}"));
        match self {
            Self::Text => assert!(!text().is_empty(), "{at} is empty"),
            Self::Word(words) => assert!(words.contains(&text()), "{at}: {value}"),
            Self::Boolean => assert!(value.is_boolean(), "{at}: {value}"),
            Self::Number(least) => {
                assert!(value.as_i64().is_some_and(|number| number >= *least), "{at}: {value}");
            }
            Self::Reference => check_reference(at, text()),
            Self::Uri => {
                check_reference(at, text().trim_end_matches('/'));
                assert!(text().contains("://"), "{at}: {value}");
            }
            Self::Bag => assert!(value.is_object(), "{at}: {value}"),
            Self::Object(shape) => shape.check(at, value),
            Self::Array(shape) => array().iter().for_each(|one| shape.check(at, one)),
            Self::Unique(shape) => {
                for (index, one) in array().iter().enumerate() {
                    shape.check(at, one);
                    assert!(!array()[..index].contains(one), "{at} has {one} twice");
                }
            }
            Self::Named(shape) => {
                let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object"));
                object.values().for_each(|one| shape.check(at, one));
            }
        }
    }
}

/// 3.10.1 and 3.10.2: letters of RFC 3986, two hexadecimal digits in upper case behind each `%`, and no
/// empty names, `.` or `..` in it.
fn check_reference(at: &str, uri: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/-._~%".contains(&byte);
    assert!(uri.bytes().all(is_plain), "{at}: {uri}");
    for escape in uri.split('%').skip(1) {
        let digits = escape.get(..2).unwrap_or_default();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        assert!(digits.len() == 2 && digits.bytes().all(is_digit), "{at}: {uri}");
    }
    let path = uri.split_once("://").map_or(uri, |(_, path)| path.trim_start_matches('/'));
    assert!(path.split('/').all(|name| !["", ".", ".."].contains(&name)), "{at}: {uri}");
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

/// A finding does not hide that something could not be looked at.
#[test]
fn a_scan_that_failed_in_part_did_not_succeed() {
    if !has_worker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad"), test_file()).unwrap();
    let missing = folder.path().join("missing");
    let arguments = ["--sarif", "--heuristics-only", "-r"].map(OsStr::new);
    let paths = [folder.path().as_os_str(), missing.as_os_str()];
    let output = scan(&[&arguments[..], &paths[..]].concat()).unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    check(&told);
    let run = &told["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 1);
    assert_eq!(notifications(&told, "unreadable").len(), 1);
    assert_eq!(run["invocations"][0]["exitCode"], output.status.code().unwrap());
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
}

/// Members, and paths as people give them: relative ones have a base, no way up is left.
#[test]
fn places_are_such_that_a_reader_finds_the_file() {
    if !has_worker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in/deep/a:b");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    archive(folder.path(), &file);
    let started = std::env::current_dir().unwrap();
    let up = started.ancestors().skip(1).map(|_| "..").collect::<Vec<_>>().join("/");
    let relative = Path::new(&up).join(folder.path().strip_prefix("/").unwrap());
    let check_path = |path: &Path| {
        let words = [OsStr::new("--sarif"), OsStr::new("--heuristics-only"), path.as_os_str()];
        let output = scan(&words).unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        check(&told);
        let place = told["runs"][0]["results"][0]["locations"][0].clone();
        assert_eq!(place["logicalLocations"][0]["kind"], "member", "{told:#}");
        let uri = place["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.ends_with("/in/deep/a%3Ab"), "{uri}");
    };
    check_path(&file);
    check_path(&folder.path().join("in/./deep/../deep/a:b"));
    check_path(&relative.join("in/deep/a:b"));
    // The way up from where a link leads, as the kernel goes it.
    std::fs::create_dir(folder.path().join("here")).unwrap();
    std::os::unix::fs::symlink("../in/deep", folder.path().join("here/link")).unwrap();
    check_path(&folder.path().join("here/link/../deep/a:b"));
}

/// The test file in an archive.
fn archive(folder: &Path, to: &Path) {
    std::fs::write(folder.join("member"), test_file()).unwrap();
    let mut tar = std::process::Command::new("tar");
    tar.arg("--force-local").arg("-cf").arg(to).arg("-C").arg(folder).arg("member");
    assert!(tar.status().unwrap().success());
}

/// The table refuses what the schema refuses.
#[test]
fn documents_that_are_none_are_refused() {
    let good = serde_json::json!({
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": { "name": "x", "rules": [] } }, "results": [],
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": [] }] }],
    });
    check(&good);
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let refused = std::panic::catch_unwind(|| check(&bad)).is_err();
        std::panic::set_hook(hook);
        assert!(refused, "{bad}");
    };
    refused(&|bad| bad["version"] = "2.0.0".into());
    refused(&|bad| bad["other"] = 1.into());
    refused(&|bad| bad["runs"][0]["tool"]["driver"]["name"] = Value::Null);
    refused(&|bad| bad["runs"][0]["results"] = serde_json::json!([{ "ruleId": "x" }]));
    refused(&|bad| bad["runs"][0]["invocations"][0]["executionSuccessful"] = 1.into());
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
