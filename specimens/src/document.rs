//! Which of the documents a specimen takes.
//!
//! The choice is a rendezvous: the document whose path has the smallest keyed digest. It depends on
//! the seed and on what is there, not on the order of the walk, so that the lab's self-test can
//! say from the bait alone which file a specimen must have taken.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The key of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick(pub [u8; 16]);

/// What a specimen is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Any document by the end of its name, whole.
    Document,
    /// Documents that are plain text, for misdeeds that take a fragment: a fragment of a
    /// compressed file says nothing.
    Text,
    /// Keys and browser stores: files below a hidden folder of the home.
    Secret,
}

/// A document that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its path, as the scanner met it.
    pub path: std::path::PathBuf,
    /// Its first 64 KiB.
    pub content: Vec<u8>,
}

/// Most bytes that are taken of a document.
pub(crate) const MAX_TAKEN_BYTES: usize = 64 * 1024;

/// Bytes of a fragment.
pub(crate) const FRAGMENT_BYTES: usize = 1536;

impl Pick {
    /// The file that a specimen takes, among these paths as the world shows them; `None` where none
    /// is of the sort.
    #[must_use]
    pub fn among<'a>(
        &self,
        sort: Sort,
        paths: impl IntoIterator<Item = &'a Path>,
    ) -> Option<&'a Path> {
        let wanted = paths.into_iter().filter(|path| sort.includes(path));
        wanted.min_by_key(|path| self.rank(path))
    }

    fn rank(&self, path: &Path) -> [u8; 32] {
        let path = path.as_os_str().as_bytes();
        Sha256::new().chain_update(self.0).chain_update(path).finalize().into()
    }
}

impl Sort {
    /// Whether a file of this path is of the sort.
    #[must_use]
    pub fn includes(self, path: &Path) -> bool {
        let extension = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        let plain = !is_hidden(path) && !is_sample(path);
        match self {
            Self::Document => DOCUMENTS.contains(&extension) && plain,
            Self::Text => TEXTS.contains(&extension) && plain,
            Self::Secret => is_hidden(path),
        }
    }
}

/// Detection samples lie in a folder of that name, and are nobody's documents.
fn is_sample(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "samples")
}

fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().as_bytes().starts_with(b"."))
}

/// Keeps the document that the key chooses while a scanner walks.
#[derive(Debug)]
pub(crate) struct Taker {
    pick: Pick,
    sort: Sort,
    taken: Option<([u8; 32], Document)>,
}

impl Taker {
    /// A taker that has met nothing yet.
    pub(crate) fn new(pick: Pick, sort: Sort) -> Self {
        Self { pick, sort, taken: None }
    }

    /// Shows it a file.
    pub(crate) fn offer(&mut self, path: &Path, content: &[u8]) {
        if !self.sort.includes(path) {
            return;
        }
        let rank = self.pick.rank(path);
        if self.taken.as_ref().is_some_and(|(best, _)| *best <= rank) {
            return;
        }
        let content = content.get(..MAX_TAKEN_BYTES).unwrap_or(content).to_vec();
        self.taken = Some((rank, Document { path: path.to_owned(), content }));
    }

    /// What it kept.
    pub(crate) fn document(&self) -> Option<&Document> {
        self.taken.as_ref().map(|(_, document)| document)
    }
}

impl Document {
    /// The beginning of its content.
    pub(crate) fn fragment(&self) -> &[u8] {
        self.content.get(..FRAGMENT_BYTES).unwrap_or(&self.content)
    }
}

const DOCUMENTS: &[&str] =
    &["txt", "md", "csv", "eml", "pdf", "docx", "xlsx", "odt", "jpg", "png", "zip"];
const TEXTS: &[&str] = &["txt", "md", "csv", "eml"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_does_not_depend_on_the_order_of_the_walk() {
        let mut paths =
            ["/home/a/1.txt", "/home/a/2.md", "/home/a/3.pdf", "/home/a/x.rs"].map(Path::new);
        let pick = Pick([7; 16]);
        let chosen = pick.among(Sort::Document, paths).unwrap();
        paths.reverse();
        assert_eq!(pick.among(Sort::Document, paths), Some(chosen));
        let mut taker = Taker::new(pick, Sort::Document);
        paths.iter().for_each(|path| taker.offer(path, b"content"));
        assert_eq!(taker.document().unwrap().path, chosen);
    }

    #[test]
    fn every_document_is_chosen_by_some_key() {
        let paths = ["/b/1.txt", "/b/2.md", "/b/3.csv"].map(Path::new);
        for path in paths {
            assert!((0..=255).any(|key| Pick([key; 16]).among(Sort::Text, paths) == Some(path)));
        }
    }

    #[test]
    fn keys_are_no_documents_and_programs_are_none_either() {
        assert!(Sort::Secret.includes(Path::new("/home/a/.ssh/id_ed25519")));
        assert!(!Sort::Document.includes(Path::new("/home/a/.config/notes.txt")));
        assert!(!Sort::Document.includes(Path::new("/home/a/main.rs")));
    }
}
