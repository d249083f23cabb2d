//! A small workspace that keeps every rule, and one test for each way to break one.

use std::path::Path;

use tempfile::TempDir;

use super::{Finding, Rule, check, clippy_files};

#[test]
fn a_workspace_that_keeps_every_rule_passes() {
    let fake = Fake::new();
    assert_eq!(fake.broken(), []);
}

#[test]
fn refuses_a_pure_crate_that_depends_on_an_edge() {
    let fake = Fake::new();
    fake.depend("crates/pure/alpha", "watchglass-sys", "../../edge/sys");
    assert!(fake.breaks(Rule::Arrows, "watchglass-alpha"));
}

#[test]
fn refuses_an_edge_that_depends_on_another_edge_but_for_kernel_calls() {
    let fake = Fake::new();
    fake.depend("crates/edge/beta", "watchglass-sys", "../sys");
    assert_eq!(fake.broken(), []);
    fake.crate_at("crates/edge/gamma", "watchglass-gamma", "Touches another thing.", "");
    fake.depend("crates/edge/beta", "watchglass-gamma", "../gamma");
    assert!(fake.breaks(Rule::Arrows, "watchglass-beta"));
}

#[test]
fn refuses_an_app_that_depends_on_an_app() {
    let fake = Fake::new();
    fake.crate_at("crates/app/other", "watchglass-other", "Wires other things.", "");
    fake.depend("crates/app/recheck", "watchglass-other", "../other");
    assert!(fake.breaks(Rule::Arrows, "watchglass-recheck"));
}

#[test]
fn refuses_a_first_line_that_differs_from_the_description() {
    let fake = Fake::new();
    fake.replace("crates/edge/beta/src/lib.rs", "Touches one thing.", "Touches many things.");
    assert!(fake.breaks(Rule::Words, "crates/edge/beta/src/lib.rs:1"));
}

#[test]
fn refuses_a_code_map_that_lacks_a_crate_or_names_one_that_is_gone() {
    let fake = Fake::new();
    fake.replace("ARCHITECTURE.md", "`watchglass-beta`", "`watchglass-omega`");
    let says = fake.says();
    assert!(says.contains("this row is missing: | `watchglass-beta`"), "{says}");
    assert!(says.contains("`watchglass-omega`, which is gone"), "{says}");
}

#[test]
fn refuses_a_purpose_with_two_halves() {
    let fake = Fake::new();
    fake.crate_at("crates/edge/both", "watchglass-both", "Reads and writes.", "");
    assert!(fake.breaks(Rule::Words, "watchglass-both"));
}

#[test]
fn refuses_a_pure_crate_without_one_of_its_lints() {
    for lint in ["#![forbid(unsafe_code)]", "clippy::indexing_slicing,", "clippy::panic,"] {
        let fake = Fake::new();
        fake.replace("crates/pure/alpha/src/lib.rs", lint, "");
        assert!(fake.breaks(Rule::Lints, "watchglass-alpha"), "{lint}");
    }
}

#[test]
fn a_lint_in_a_comment_does_not_count() {
    let fake = Fake::new();
    let forbid = "#![forbid(unsafe_code)]";
    fake.replace("crates/pure/alpha/src/lib.rs", forbid, &format!("// {forbid}"));
    assert!(fake.breaks(Rule::Lints, "watchglass-alpha"));
}

#[test]
fn refuses_unsafe_outside_of_the_kernel_crate() {
    let fake = Fake::new();
    fake.append("crates/edge/sys/src/lib.rs", "pub fn a() { unsafe {} }\n");
    assert_eq!(fake.broken(), []);
    fake.append("crates/edge/beta/src/lib.rs", "pub fn a() { unsafe {} }\n");
    assert!(fake.breaks(Rule::Unsafe, "crates/edge/beta/src/lib.rs:2"));
}

#[test]
fn refuses_a_network_crate_behind_a_pure_one_and_shows_the_way_to_it() {
    let fake = Fake::new();
    fake.crate_at("other/helper", "helper", "Helps.", "");
    fake.crate_at("other/tokio", "tokio", "Runs tasks.", "");
    fake.depend("other/helper", "tokio", "../tokio");
    fake.depend("crates/pure/alpha", "helper", "../../../other/helper");
    assert!(fake.breaks(Rule::Reach, "watchglass-alpha"));
    assert!(fake.says().contains("links helper → tokio"), "{}", fake.says());
}

#[test]
fn refuses_lab_code_behind_the_offline_checker() {
    let fake = Fake::new();
    fake.crate_at("crates/edge/world", "watchglass-world", "Builds a world.", "");
    fake.depend("crates/app/recheck", "watchglass-world", "../../edge/world");
    assert!(fake.breaks(Rule::Reach, "watchglass-recheck"));
}

#[test]
fn a_network_crate_for_tests_alone_is_not_linked() {
    let fake = Fake::new();
    fake.crate_at("other/mio", "mio", "Polls.", "");
    fake.append(
        "crates/pure/alpha/Cargo.toml",
        "[dev-dependencies]\nmio = { path = \"../../../other/mio\" }\n",
    );
    assert_eq!(fake.broken(), []);
}

#[test]
fn refuses_a_path_of_this_machine() {
    let fake = Fake::new();
    let root = fake.root().canonicalize().unwrap();
    fake.write("notes.md", &format!("see\n{}/target\n", root.display()));
    assert!(fake.breaks(Rule::Private, "notes.md:2"));
}

#[test]
fn refuses_a_registry_of_this_machine() {
    let fake = Fake::new();
    fake.write(".cargo/config.toml", "[source.crates-io]\nreplace-with = \"mine\"\n[alias]\n");
    // Cargo would refuse the half-written source, so only the rule is asked.
    let files = [".cargo/config.toml".into()];
    let broken = super::private::check(fake.root(), &files).unwrap();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].place, ".cargo/config.toml:1");
}

#[test]
fn refuses_a_clippy_file_that_was_edited_deleted_or_added() {
    let fake = Fake::new();
    fake.replace("crates/pure/clippy.toml", "std::fs::read\"", "std::fs::nothing\"");
    assert!(fake.breaks(Rule::Clippy, "crates/pure/clippy.toml"));
    std::fs::remove_file(fake.root().join("crates/pure/clippy.toml")).unwrap();
    assert!(fake.breaks(Rule::Clippy, "crates/pure/clippy.toml"));
    fake.write("crates/pure/alpha/clippy.toml", "");
    assert!(fake.breaks(Rule::Clippy, "crates/pure/alpha/clippy.toml"));
}

#[test]
fn refuses_a_licence_that_is_not_allowed() {
    let fake = Fake::new();
    fake.replace("crates/edge/beta/Cargo.toml", "\"MIT\"", "\"GPL-3.0-only\"");
    assert!(fake.breaks(Rule::Law, "watchglass-beta 0.1.0"));
    fake.replace("crates/edge/beta/Cargo.toml", "GPL-3.0-only", "MIT AND GPL-3.0-only");
    assert!(fake.breaks(Rule::Law, "watchglass-beta 0.1.0"));
    fake.replace("crates/edge/beta/Cargo.toml", "MIT AND GPL-3.0-only", "GPL-3.0-only OR MIT");
    assert_eq!(fake.broken(), []);
}

#[test]
fn refuses_a_crate_that_is_for_others() {
    let fake = Fake::new();
    fake.crate_at("other/aya", "aya", "Loads programs.", "");
    fake.depend("crates/edge/beta", "aya", "../../../other/aya");
    assert!(fake.breaks(Rule::Law, "watchglass-beta 0.1.0"));
    fake.replace("deny.toml", "wrappers = []", "wrappers = [\"watchglass-beta\"]");
    assert_eq!(fake.broken(), []);
}

/// A workspace on disk.
struct Fake(TempDir);

impl Fake {
    fn new() -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        fake.write("Cargo.toml", MANIFEST);
        fake.write("deny.toml", LAW);
        fake.write("ARCHITECTURE.md", "");
        fake.crate_at("crates/pure/alpha", "watchglass-alpha", "Touches nothing.", PURE);
        fake.crate_at("crates/edge/beta", "watchglass-beta", "Touches one thing.", "");
        fake.crate_at("crates/edge/sys", "watchglass-sys", "Calls the kernel.", "");
        fake.crate_at("crates/app/recheck", "watchglass-recheck", "Wires things.", "");
        fake.depend("crates/app/recheck", "watchglass-alpha", "../../pure/alpha");
        fake.depend("crates/edge/beta", "watchglass-alpha", "../../pure/alpha");
        clippy_files::write(fake.root()).unwrap();
        fake
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn broken(&self) -> Vec<Finding> {
        check(self.root()).unwrap()
    }

    fn breaks(&self, rule: Rule, place: &str) -> bool {
        self.broken().iter().any(|finding| finding.rule == rule && finding.place == place)
    }

    fn says(&self) -> String {
        self.broken().iter().map(|finding| format!("{finding}\n")).collect()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn append(&self, path: &str, text: &str) {
        let old = std::fs::read_to_string(self.root().join(path)).unwrap();
        self.write(path, &(old + text));
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let old = std::fs::read_to_string(self.root().join(path)).unwrap();
        assert!(old.contains(from), "{path} does not contain {from}");
        self.write(path, &old.replace(from, to));
    }

    /// A crate, with its row in the code map; what stands in `other` is not ours.
    fn crate_at(&self, folder: &str, name: &str, description: &str, code: &str) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\ndescription = \"{description}\"\nversion = \"0.1.0\"\n\
             edition = \"2024\"\nlicense = \"MIT\"\n[dependencies]\n"
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
        self.write(&format!("{folder}/src/lib.rs"), &format!("//! {description}\n{code}"));
        if folder.starts_with("crates/") {
            self.append("ARCHITECTURE.md", &format!("| `{name}` | `{folder}` | {description} |\n"));
        }
    }

    /// Adds a dependency; the last table of a manifest is `[dependencies]`.
    fn depend(&self, folder: &str, name: &str, path: &str) {
        let line = format!("{name} = {{ path = \"{path}\" }}\n");
        self.append(&format!("{folder}/Cargo.toml"), &line);
    }
}

const MANIFEST: &str = "[workspace]
resolver = \"3\"
members = [\"crates/pure/*\", \"crates/edge/*\", \"crates/app/*\"]
exclude = [\"other\"]
";

const PURE: &str = "#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
";

const LAW: &str = "
[licenses]
allow = [\"MIT\"]
[sources]
allow-registry = []
[bans]
deny = [{ name = \"aya\", wrappers = [], reason = \"one crate loads programs\" }]
";
