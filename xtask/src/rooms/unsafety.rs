//! `unsafe` stands in one crate, and pure crates carry the lints that make lies in the input
//! harmless.

use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use super::workspace::{Layer, Room, Workspace};
use super::{Finding, Rule};
use crate::trouble::Trouble;

/// Looks for the word in every Rust file (comments and strings do not count), and for the lints at
/// the top of every pure crate.
///
/// The compiler forbids `unsafe` too, but each crate could allow it again; this list could not be
/// longer without being changed here.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(
    root: &Path,
    workspace: &Workspace,
    files: &[PathBuf],
) -> Result<Vec<Finding>, Trouble> {
    let mut broken = Vec::new();
    let is_rust = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    for file in files.iter().filter(is_rust).filter(|file| !file.starts_with(MAY_BE_UNSAFE)) {
        match tokens(&root.join(file))? {
            Ok(tokens) => broken.extend(lines_of_unsafe(tokens).into_iter().map(|line| {
                let says =
                    format!("`unsafe` stands in {MAY_BE_UNSAFE} only: add a safe call there");
                Rule::Unsafe.broken(format!("{}:{line}", file.display()), says)
            })),
            Err(says) => broken.push(Rule::Unsafe.broken(file.display().to_string(), says)),
        }
    }
    for room in workspace.rooms().filter(|room| room.layer == Layer::Pure) {
        broken.extend(missing_lints(room)?);
    }
    Ok(broken)
}

fn tokens(path: &Path) -> Result<Result<TokenStream, String>, Trouble> {
    let text = std::fs::read_to_string(path).map_err(Trouble::file(path))?;
    Ok(text.parse().map_err(|error| format!("cannot be read as Rust: {error}")))
}

fn lines_of_unsafe(tokens: TokenStream) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut waiting = vec![tokens];
    while let Some(tokens) = waiting.pop() {
        for token in tokens {
            match token {
                TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
                TokenTree::Group(group) => waiting.push(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
    lines.sort_unstable();
    lines
}

fn missing_lints(room: Room<'_>) -> Result<Option<Finding>, Trouble> {
    let name = &room.package.name;
    let Some(root) = room.package.targets.iter().find(|target| target.is("lib")) else {
        return Ok(Some(Rule::Lints.broken(name, "a pure crate is a library")));
    };
    let Ok(tokens) = tokens(&root.src_path)? else { return Ok(None) }; // told by `check`
    let attributes = crate_attributes(tokens);
    let forbids = attributes.iter().any(|attribute| attribute == "forbid(unsafe_code)");
    let denied = attributes.iter().filter_map(|attribute| attribute.strip_prefix("deny("));
    let denied: Vec<_> = denied.flat_map(|list| list.trim_end_matches(')').split(',')).collect();
    let missing = PURE_LINTS.iter().filter(|lint| !denied.contains(lint)).copied();
    let missing: Vec<_> = (!forbids).then_some("unsafe_code").into_iter().chain(missing).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let says = format!("lacks at the top of its `lib.rs`: {}; {PURE_TOP}", missing.join(", "));
    Ok(Some(Rule::Lints.broken(name, says)))
}

/// Attributes of the whole crate (`#![…]`), without blanks.
fn crate_attributes(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let attribute = |window: &[TokenTree]| match window {
        [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(group)]
            if hash.as_char() == '#' && bang.as_char() == '!' =>
        {
            Some(group.stream().to_string().split_whitespace().collect::<String>())
        }
        _ => None,
    };
    tokens.windows(3).filter_map(attribute).collect()
}

/// The folder of the one crate with `unsafe`.
const MAY_BE_UNSAFE: &str = "crates/edge/sys";

/// What a pure crate denies besides: each is a way in which hostile input becomes a crash.
const PURE_LINTS: &[&str] = &[
    "clippy::indexing_slicing",
    "clippy::unwrap_used",
    "clippy::panic",
    "clippy::arithmetic_side_effects",
];

const PURE_TOP: &str = "a pure crate begins with `#![forbid(unsafe_code)]` and \
    `#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, \
    clippy::arithmetic_side_effects)]`";

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        lines_of_unsafe(text.parse().unwrap())
    }

    #[test]
    fn finds_the_word_wherever_the_compiler_would() {
        assert_eq!(lines("fn a() {\n    unsafe { b() }\n}\nunsafe fn b() {}"), [2, 4]);
        assert_eq!(lines("#[unsafe(no_mangle)]\nextern fn c() {}"), [1]);
        assert_eq!(lines("macro_rules! m { () => { unsafe {} } }"), [1]);
    }

    #[test]
    fn a_comment_a_string_and_a_lint_are_not_the_word() {
        let text = "// unsafe\n/* unsafe /* unsafe */ */ const A: &str = r#\"unsafe { }\"#;\n\
                    #[deny(unsafe_code)] fn f<'unsafe_>() { let _ = '\"'; }";
        assert!(lines(text).is_empty());
    }
}
