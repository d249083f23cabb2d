//! Product files that are read, and broken ones with the mistakes that are to be found in them.
//!
//! A broken file ends with lines `# expect: LINE:COLUMN CODE TEXT`, each the beginning of a problem
//! as it is printed, in any order. Every problem is expected and every expectation met.

#![allow(clippy::disallowed_methods, reason = "a test reads the files that it compares")]
#![allow(clippy::panic, reason = "a test that panics has failed, which is what it is for")]

use std::path::{Path, PathBuf};

use watchglass_claims::{Product, Values, render_problems};

#[test]
fn good_files_are_read_and_filled_in() {
    let mut files = files_in(&data("good"));
    for ours in ["clamav.toml", "watchglass.toml"] {
        let products = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../products");
        files.push(products.join(ours));
    }
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        let product = Product::parse(&text)
            .unwrap_or_else(|problems| panic!("{file:?}\n{}", render_problems(&problems, &text)));
        let filled = product.fill(&values()).expect("values");
        for domain in filled.domains.values() {
            filled.read_claims(domain).expect("globs");
            domain.write_claims().expect("globs");
            filled.execute_claims(domain).expect("globs");
        }
    }
}

#[test]
fn broken_files_are_refused_with_every_mistake_named() {
    for file in files_in(&data("broken")) {
        let text = std::fs::read_to_string(&file).expect("a file");
        let problems = Product::parse(&text).expect_err("a broken file");
        let mut rendered: Vec<String> = problems
            .iter()
            .map(|problem| problem.render(&text).lines().next().unwrap_or_default().to_owned())
            .map(|line| line.replacen(": ", " ", 1))
            .collect();
        for expected in text.lines().filter_map(|line| line.strip_prefix("# expect: ")) {
            let met = rendered.iter().position(|line| line.starts_with(expected));
            let met = met.unwrap_or_else(|| panic!("{file:?}: {expected}\nleft: {rendered:#?}"));
            rendered.remove(met);
        }
        assert!(rendered.is_empty(), "{file:?}: not expected: {rendered:#?}");
    }
}

#[test]
fn problems_come_in_the_order_of_the_file() {
    for file in files_in(&data("broken")) {
        let text = std::fs::read_to_string(&file).expect("a file");
        let problems = Product::parse(&text).expect_err("a broken file");
        assert!(problems.is_sorted_by_key(|problem| problem.span.start), "{file:?}");
    }
}

#[test]
fn nothing_printed_about_a_file_controls_the_terminal() {
    for file in files_in(&data("broken")) {
        let text = std::fs::read_to_string(&file).expect("a file");
        let printed = render_problems(&Product::parse(&text).expect_err("a broken file"), &text);
        let harmless = |letter: char| letter == '\n' || !letter.is_control();
        assert!(printed.chars().all(harmless), "{file:?}");
    }
}

#[test]
fn clamav_has_two_domains_and_only_the_updater_may_reach_anyone() {
    let text = include_str!("../../../../products/clamav.toml");
    let product = Product::parse(text).expect("a product").fill(&values()).expect("values");
    let network = |name: &str| product.domains.get(name).map(|domain| domain.has_network());
    assert_eq!((network("scanner"), network("updater")), (Some(false), Some(true)));
    assert_eq!(product.domain_of(b"/usr/sbin/clamd"), Some("scanner"));
    assert_eq!(product.domain_of(b"/usr/bin/freshclam"), Some("updater"));
    assert_eq!(product.domain_of(b"/usr/bin/curl"), None);
    assert_eq!(product.vacuous(), []);
    let names: Vec<&str> = product.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["update", "scan", "daemon", "idle"]);
    let updater = product.domains.get("updater").expect("a domain");
    let reads = product.read_claims(updater).expect("globs");
    assert!(!reads.matches(b"/home/user/x"), "the updater must not be given the bait");
}

#[test]
fn no_domain_of_our_own_scanner_reaches_anyone_and_its_worker_opens_no_bait() {
    let text = include_str!("../../../../products/watchglass.toml");
    let product = Product::parse(text).expect("a product").fill(&values()).expect("values");
    assert!(product.domains.values().all(|domain| !domain.has_network()));
    assert_eq!(product.domain_of(b"/usr/local/bin/watchglass-scan"), Some("opener"));
    assert_eq!(product.domain_of(b"/usr/local/bin/watchglass-worker"), Some("worker"));
    assert_eq!(product.vacuous(), []);
    let reads = |name: &str, path: &[u8]| {
        let domain = product.domains.get(name).expect("a domain");
        product.read_claims(domain).expect("globs").matches(path)
    };
    assert!(reads("opener", b"/home/user/x") && !reads("worker", b"/home/user/x"));
}

fn values() -> Values {
    Values {
        bait: "/home/user".into(),
        samples: "/samples".into(),
        product: "/product".into(),
        specimens: "/specimens".into(),
    }
}

fn data(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(kind)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder:?} is empty");
    files
}
