//! A crate's purpose is one sentence, with the same words in three places: `description` in its
//! manifest, the first line of its `lib.rs` or `main.rs`, the code map of `ARCHITECTURE.md`.

use std::path::Path;

use super::workspace::{Room, Workspace};
use super::{Finding, Rule};
use crate::trouble::Trouble;

/// Checks the three places of every crate, and that the code map names no crate that is gone.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Trouble> {
    let path = workspace.root().join(MAP);
    let map = std::fs::read_to_string(&path).map_err(Trouble::file(&path))?;
    let mut broken = stale_rows(workspace, &map);
    for room in workspace.rooms() {
        broken.extend(check_room(room, &map)?);
    }
    Ok(broken)
}

/// The row of the code map that a crate must have.
fn row(name: &str, folder: &Path, description: &str) -> String {
    format!("| `{name}` | `{}` | {description} |", folder.display())
}

fn check_room(room: Room<'_>, map: &str) -> Result<Vec<Finding>, Trouble> {
    let name = &room.package.name;
    let Some(description) = &room.package.description else {
        return Ok(vec![Rule::Words.broken(name, "has no description in its manifest")]);
    };
    let mut broken = Vec::new();
    if !description.ends_with('.') || description.contains(" and ") {
        let says = "its description is not one sentence without \"and\", ended by a full stop";
        broken.push(Rule::Words.broken(name, says));
    }
    let row = row(name, room.folder, description);
    if !map.lines().any(|line| line == row) {
        broken.push(Rule::Words.broken(MAP, format!("this row is missing: {row}")));
    }
    broken.extend(check_first_line(room, description)?);
    Ok(broken)
}

fn check_first_line(room: Room<'_>, description: &str) -> Result<Option<Finding>, Trouble> {
    let root = room.package.targets.iter().find(|target| target.is("lib"));
    let main = |target: &&super::workspace::Target| target.src_path.ends_with("src/main.rs");
    let root = root.or_else(|| room.package.targets.iter().find(main));
    let Some(root) = root else {
        let says = "has neither `lib.rs` nor `main.rs` to say what it is for";
        return Ok(Some(Rule::Words.broken(&room.package.name, says)));
    };
    let text = std::fs::read_to_string(&root.src_path).map_err(Trouble::file(&root.src_path))?;
    let first = text.lines().next().unwrap_or_default();
    if first == format!("//! {description}") {
        return Ok(None);
    }
    let file = room.folder.join("src").join(root.src_path.file_name().unwrap_or_default());
    let says = format!("its first line is not the crate's description: //! {description}");
    Ok(Some(Rule::Words.broken(format!("{}:1", file.display()), says)))
}

fn stale_rows(workspace: &Workspace, map: &str) -> Vec<Finding> {
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    let names = rows.map(|(name, _)| name);
    let is_gone = |name: &&str| !workspace.rooms().any(|room| room.package.name == *name);
    let broken =
        |name| Rule::Words.broken(MAP, format!("the code map names `{name}`, which is gone"));
    names.filter(is_gone).map(broken).collect()
}

const MAP: &str = "ARCHITECTURE.md";
