//! The table of types in the documentation is what the engine does.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::path::Path;

use watchglass_engine::{Opening, opening};
use watchglass_formats::FileType;

#[test]
fn the_table_of_types_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/file-types.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `CL_TYPE")).collect();
    let wanted: Vec<String> = FileType::ALL.iter().map(|kind| row(*kind)).collect();
    assert!(rows == wanted, "{} should say:\n{}", path.display(), wanted.join("\n"));
}

fn row(kind: FileType) -> String {
    let becomes = match opening(kind) {
        Opening::Container(_) => "opened",
        Opening::NotYet => "not opened yet",
        Opening::Nothing => "its own bytes",
    };
    format!("| `{}` | {becomes} |", kind.name())
}
