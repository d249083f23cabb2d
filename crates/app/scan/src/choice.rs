//! Files and folders that the person leaves out.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};
use watchglass_walk::Choice;

/// What `--exclude`, `--include` and their like said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) exclude: Vec<Pattern>,
    pub(crate) include: Vec<Pattern>,
    pub(crate) exclude_folder: Vec<Pattern>,
    pub(crate) include_folder: Vec<Pattern>,
}

/// A regular expression over paths.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// Whether it ends in a slash. As clamscan has it, paths of folders get one at their end then.
    of_folders: bool,
}

impl Pattern {
    /// A regular expression that may match anywhere in a path. Extended POSIX ones mean the same
    /// here but for a backslash between brackets, which escapes.
    ///
    /// # Errors
    /// For what is none, or one that would take more than a megabyte.
    pub(crate) fn regex(text: &str) -> Result<Self, regex::Error> {
        // Paths are bytes; what has no Unicode needs no tables of it.
        let mut builder = RegexBuilder::new(text);
        let regex = builder.unicode(false).size_limit(1 << 20).build()?;
        Ok(Self { regex, of_folders: text.ends_with('/') })
    }

    /// A glob over all of a path, or over the last name if there is no slash in it: `*` and `?` do
    /// not match a slash, `**` does.
    ///
    /// # Errors
    /// As [`Pattern::regex`].
    pub(crate) fn glob(text: &str) -> Result<Self, regex::Error> {
        let mut regex = String::from(if text.contains('/') { "(?s)^" } else { "(?s)(?:^|/)" });
        let mut rest = text;
        while let Some(one) = rest.chars().next() {
            let (taken, means) = match one {
                '*' if rest.starts_with("**") => ("**", ".*"),
                '*' => ("*", "[^/]*"),
                '?' => ("?", "[^/]"),
                _ => ("", ""),
            };
            if taken.is_empty() {
                for byte in one.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(regex, "\\x{byte:02x}");
                }
            }
            regex.push_str(means);
            rest = rest.get(taken.len().max(one.len_utf8()).min(rest.len())..).unwrap_or_default();
        }
        regex.push('$');
        Self::regex(&regex)
    }

    fn matches(&self, path: &[u8]) -> bool {
        if self.of_folders {
            self.regex.is_match(&[path, b"/"].concat())
        } else {
            self.regex.is_match(path)
        }
    }
}

impl Choice for Chosen {
    fn takes_file(&self, path: &[u8]) -> bool {
        takes(&self.exclude, &self.include, path)
    }

    fn takes_folder(&self, path: &[u8]) -> bool {
        takes(&self.exclude_folder, &self.include_folder, path)
    }
}

fn takes(exclude: &[Pattern], include: &[Pattern], path: &[u8]) -> bool {
    let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(path));
    !any(exclude) && (include.is_empty() || any(include))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_anywhere() {
        let check = |pattern: &str, path: &str, matches| {
            let pattern = Pattern::regex(pattern).unwrap();
            assert_eq!(pattern.matches(path.as_bytes()), matches, "{pattern:?} {path}");
        };
        check(r"\.log$", "/a/b.log", true);
        check(r"\.log$", "/a/b.log.1", false);
        check("^/proc|^/sys", "/sys/a", true);
        check("[[:digit:]]{2}", "/a/b12", true);
        check("/a/b/", "/a/b", true);
        check("/a/b/", "/a/bc", false);
        assert!(Pattern::regex("(").is_err());
        assert!(Pattern::regex("((a{999}){999}){999}").is_err());
        assert!(Pattern::regex("a.b").unwrap().matches(b"a\xffb"));
    }

    #[test]
    fn globs_match_a_name_or_all_of_a_path() {
        let check = |pattern: &str, path: &[u8], matches| {
            assert_eq!(Pattern::glob(pattern).unwrap().matches(path), matches, "{pattern}");
        };
        check("*.log", b"/a/b.log", true);
        check("*.log", b"/a/b.logs", false);
        check("b?", b"/a/bc", true);
        check("/a/*", b"/a/b", true);
        check("/a/*", b"/a/b/c", false);
        check("/a/**", b"/a/b/c", true);
        check("a.b", b"/a+b", false);
        check("t\u{fc}r*", "/t\u{fc}r\n".as_bytes(), true);
    }
}
