//! What clamscan said of each file, as it is committed.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Names, ONE_IN};

/// The committed table.
pub(crate) struct Table {
    /// Digests and names of the sets.
    pub(crate) sets: Vec<String>,
    /// Of the files that are made, in their order.
    pub(crate) made: Vec<Row>,
    /// Of the files of a machine.
    pub(crate) real: Vec<Row>,
}

/// A file, and what clamscan said of it.
pub(crate) struct Row {
    /// The first half of its SHA-256's first 128 bits, in hexadecimal.
    pub(crate) digest: String,
    /// `-` for nothing, `=` for the name that it was made for, other names apart from each other by
    /// tabs.
    said: String,
}

/// Digits of a digest that are kept.
const DIGITS: usize = 8;

pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn file_digest(path: &Path) -> String {
    format!("{:x}", Sha256::digest(std::fs::read(path).unwrap()))
}

/// Whether a file is among those that clamscan looks at again.
pub(crate) fn is_chosen(digest: &str) -> bool {
    let number = u64::from_str_radix(digest, 16).unwrap();
    number.is_multiple_of(u64::try_from(ONE_IN).unwrap())
}

impl Row {
    pub(crate) fn new(bytes: &[u8], names: &Names, own: &str) -> Self {
        let word = |name: &String| if name == own { "=".to_owned() } else { name.clone() };
        let words: Vec<String> = names.iter().map(word).collect();
        let said = if words.is_empty() { "-".to_owned() } else { words.join("\t") };
        Self { digest: digest(bytes), said }
    }

    /// The names, in a file that was made for `own`.
    pub(crate) fn names(&self, own: &str) -> Names {
        let words = self.said.split('\t').filter(|word| *word != "-");
        words.map(|word| if word == "=" { own } else { word }.to_owned()).collect()
    }
}

impl Table {
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut table = Self { sets: Vec::new(), made: Vec::new(), real: Vec::new() };
        let mut part = "";
        for line in text.lines() {
            match line.strip_prefix('[') {
                Some(name) => part = name.trim_end_matches(']'),
                None if line.starts_with('#') => {}
                None if part == "sets" => table.sets.push(line.to_owned()),
                None => {
                    let (digest, said) = line.split_at(DIGITS);
                    let row = Row { digest: digest.to_owned(), said: said.to_owned() };
                    if part == "made" { table.made.push(row) } else { table.real.push(row) }
                }
            }
        }
        Ok(table)
    }

    pub(crate) fn write(&self, path: &Path, rival: &str, seed: u64) -> std::io::Result<()> {
        let mut text = format!(
            "# What {rival} finds, by `cargo xtask measure differential`. Seed {seed:#x}.\n\
             # A row: the first {DIGITS} digits of a file's SHA-256, then the names apart from each\n\
             # other by tabs; `=` is the name of the signature it was made for, `-` is nothing.\n\
             # Made files are in the order of the sets and their lines, each before its near miss.\n\
             [sets]\n"
        );
        self.sets.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        for (part, rows) in [("made", &self.made), ("real", &self.real)] {
            writeln!(text, "[{part}]").unwrap();
            rows.iter().for_each(|row| writeln!(text, "{}{}", row.digest, row.said).unwrap());
        }
        std::fs::write(path, text)
    }
}
