//! A set of signatures: a file whose name says how to read its lines.

use std::sync::Arc;

use thiserror::Error;

use crate::error::{BadLine, LineError};
use crate::hash::Subject;
use crate::signature::Signature;

/// A file of signatures, known by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureSet {
    file: Arc<str>,
    format: Format,
    potentially_unwanted: bool,
}

/// How the lines of a set are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `.hdb .hsb .mdb .msb .imp .fp .sfp` and `u` variants.
    Hash(Subject),
    /// `.ign .ign2`
    Ignore,
    /// `.db`: a name and bytes to be found anywhere.
    PlainBody,
    /// `.ndb .ndu .sdb`: bytes at a place in files of a type.
    Body,
    /// `.ldb .ldu`: several patterns under one expression.
    Logical,
    /// `.cdb`: what a container says of its members.
    ContainerMetadata,
    /// `.crb`: certificates that sign programs.
    Certificate,
    /// `.ftm`: how types of files are told apart.
    FileType,
    /// `.pwdb`: passwords of archives.
    Password,
    /// `.cfg`: parts of ClamAV's engine to be switched.
    Setting,
    /// `.idb`: icons of programs.
    Icon,
    /// `.pdb .gdb`: hosts that phishers imitate.
    PhishingTarget,
    /// `.wdb`: links that look like phishing and are not.
    PhishingException,
    /// `.cvd .cld .cud`: sets in one container.
    Container,
    /// `.info`: sizes and digests of a container's members.
    ContainerInfo,
    /// `.yar .yara`
    Yara,
    /// `.cbc`: programs for ClamAV's virtual machine.
    Bytecode,
    /// `.cat`: Microsoft's signed catalogues.
    Catalogue,
    /// `.zmd .rmd`: the forerunners of `.cdb`.
    OldContainerMetadata,
    /// `.ioc`
    OpenIoc,
}

/// A file whose name is not that of a signature set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not the name of a signature set")]
pub struct UnknownSet(pub String);

impl SignatureSet {
    /// Tells the set's format by the end of its name, in any case of letters.
    ///
    /// # Errors
    /// [`UnknownSet`] when the loader of ClamAV knows no such end.
    pub fn named(file: &str) -> Result<Self, UnknownSet> {
        let unknown = || UnknownSet(file.escape_default().to_string());
        let (_, extension) = file.rsplit_once('.').ok_or_else(unknown)?;
        let known = EXTENSIONS.iter().find(|known| known.0.eq_ignore_ascii_case(extension));
        let (extension, format) = known.ok_or_else(unknown)?;
        let potentially_unwanted = extension.len() == 3 && extension.ends_with('u');
        Ok(Self { file: file.into(), format: *format, potentially_unwanted })
    }

    /// How its lines are read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The name of its file, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether it names what not everybody minds; ClamAV loads it with `--detect-pua` only.
    #[must_use]
    pub fn potentially_unwanted(&self) -> bool {
        self.potentially_unwanted
    }

    /// Each signature of the set, in order; what is none is a [`BadLine`] in its place.
    ///
    /// Holds one line at a time. Costs about half a microsecond for a hash signature, 3 for a body
    /// and 8 for a logical one. A format without lines, or one that is not read yet, gives one
    /// bad line with the number 0.
    #[must_use]
    pub fn signatures<'a>(&self, bytes: &'a [u8]) -> Signatures<'a> {
        Signatures { file: self.file.clone(), entries: self.entries(bytes) }
    }

    /// As [`Self::signatures`], with the text of each line.
    #[must_use]
    pub fn entries<'a>(&self, bytes: &'a [u8]) -> Entries<'a> {
        let refused = self.format.refused();
        Entries { format: self.format, left: bytes, line: 0, refused }
    }
}

impl Format {
    /// What a set of this format holds, in words.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Hash(_) => "hash signatures",
            Self::Ignore => "names to be ignored",
            Self::PlainBody | Self::Body => "body signatures",
            Self::Logical => "logical signatures",
            Self::ContainerMetadata => "container metadata signatures",
            Self::Certificate => "certificates",
            Self::FileType => "file type signatures",
            Self::Password => "archive passwords",
            Self::Setting => "engine settings",
            Self::Icon => "icons",
            Self::PhishingTarget | Self::PhishingException => "phishing signatures",
            Self::Container => "containers",
            Self::ContainerInfo => "container infos",
            Self::Yara => "YARA rules",
            Self::Bytecode => "bytecode programs",
            Self::Catalogue => "signed catalogues",
            Self::OldContainerMetadata => ".zmd and .rmd signatures",
            Self::OpenIoc => "OpenIOC indicators",
        }
    }

    /// Why none of the set is read line by line, if so.
    pub(crate) fn refused(self) -> Option<LineError> {
        match self {
            Self::Container | Self::ContainerInfo | Self::Yara => {
                Some(LineError::NoLines(self.plural()))
            }
            Self::Bytecode | Self::Catalogue | Self::OldContainerMetadata | Self::OpenIoc => {
                Some(LineError::NotSupported(self.plural()))
            }
            Self::Hash(_)
            | Self::Ignore
            | Self::PlainBody
            | Self::Body
            | Self::Logical
            | Self::ContainerMetadata
            | Self::Certificate
            | Self::FileType
            | Self::Password
            | Self::Setting
            | Self::Icon
            | Self::PhishingTarget
            | Self::PhishingException => None,
        }
    }

    /// The longest line that ClamAV's loader takes whole, in bytes. It reads a longer one as two.
    fn max_line_bytes(self) -> usize {
        match self {
            Self::Logical => 32 * 1024 - 1,
            _ => 8 * 1024 - 2,
        }
    }

    /// Whether ClamAV passes over empty lines; elsewhere one is malformed.
    fn skips_empty_lines(self) -> bool {
        matches!(
            self,
            Self::Certificate | Self::PhishingTarget | Self::PhishingException | Self::Setting
        )
    }
}

/// Each signature of a set or why there is none, from [`SignatureSet::signatures`].
#[derive(Clone, Debug)]
pub struct Signatures<'a> {
    file: Arc<str>,
    entries: Entries<'a>,
}

impl Iterator for Signatures<'_> {
    type Item = Result<Signature, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let Entry { line, signature, .. } = self.entries.next()?;
        Some(signature.map_err(|error| BadLine { file: self.file.clone(), line, error }))
    }
}

/// A line that is neither empty nor a comment, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which line, from 1; 0 is the file as a whole.
    pub line: u32,
    /// The line without its end.
    pub text: &'a [u8],
    /// The signature, or why there is none.
    pub signature: Result<Signature, LineError>,
}

/// The lines of a set, from [`SignatureSet::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    format: Format,
    left: &'a [u8],
    line: u32,
    refused: Option<LineError>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            self.left = &[];
            return Some(Entry { line: 0, text: &[], signature: Err(error) });
        }
        loop {
            let text = self.next_line()?;
            if text.first() == Some(&b'#') || (text.is_empty() && self.format.skips_empty_lines()) {
                continue;
            }
            return Some(Entry { line: self.line, text, signature: self.parse(text) });
        }
    }
}

impl<'a> Entries<'a> {
    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.left.is_empty() {
            return None;
        }
        let end = self.left.iter().position(|byte| *byte == b'\n').unwrap_or(self.left.len());
        let (line, rest) = self.left.split_at_checked(end)?;
        self.left = rest.get(1..).unwrap_or_default();
        self.line = self.line.saturating_add(1);
        Some(without_returns(line))
    }

    fn parse(&self, text: &[u8]) -> Result<Signature, LineError> {
        let limit = self.format.max_line_bytes();
        if text.len() > limit {
            return Err(LineError::TooLong { bytes: text.len(), limit });
        }
        if text.contains(&0) {
            return Err(LineError::ZeroByte);
        }
        Signature::parse(self.format, text)
    }
}

fn without_returns(mut line: &[u8]) -> &[u8] {
    while let Some((b'\r', head)) = line.split_last() {
        line = head;
    }
    line
}

/// Ends of names, as the loader tells them apart.
const EXTENSIONS: &[(&str, Format)] = &[
    ("hdb", Format::Hash(Subject::File)),
    ("hsb", Format::Hash(Subject::File)),
    ("hdu", Format::Hash(Subject::File)),
    ("hsu", Format::Hash(Subject::File)),
    ("mdb", Format::Hash(Subject::Section)),
    ("msb", Format::Hash(Subject::Section)),
    ("mdu", Format::Hash(Subject::Section)),
    ("msu", Format::Hash(Subject::Section)),
    ("imp", Format::Hash(Subject::ImportTable)),
    ("fp", Format::Hash(Subject::AllowedFile)),
    ("sfp", Format::Hash(Subject::AllowedFile)),
    ("ign", Format::Ignore),
    ("ign2", Format::Ignore),
    ("db", Format::PlainBody),
    ("ndb", Format::Body),
    ("ndu", Format::Body),
    ("sdb", Format::Body),
    ("ldb", Format::Logical),
    ("ldu", Format::Logical),
    ("cdb", Format::ContainerMetadata),
    ("crb", Format::Certificate),
    ("cat", Format::Catalogue),
    ("ftm", Format::FileType),
    ("pwdb", Format::Password),
    ("cfg", Format::Setting),
    ("idb", Format::Icon),
    ("pdb", Format::PhishingTarget),
    ("gdb", Format::PhishingTarget),
    ("wdb", Format::PhishingException),
    ("cvd", Format::Container),
    ("cld", Format::Container),
    ("cud", Format::Container),
    ("info", Format::ContainerInfo),
    ("yar", Format::Yara),
    ("yara", Format::Yara),
    ("cbc", Format::Bytecode),
    ("zmd", Format::OldContainerMetadata),
    ("rmd", Format::OldContainerMetadata),
    ("ioc", Format::OpenIoc),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_formats_by_the_end_of_the_name() {
        let set = SignatureSet::named("main.HDU").unwrap();
        assert_eq!(set.format(), Format::Hash(Subject::File));
        assert!(set.potentially_unwanted());
        assert!(!SignatureSet::named("daily.mdb").unwrap().potentially_unwanted());
        assert!(SignatureSet::named("README.md").is_err());
        assert!(SignatureSet::named("hdb").is_err());
    }

    #[test]
    fn a_bad_line_never_stops_the_set() {
        let text = b"# comment\r\nbad\n\n900150983cd24fb0d6963f7d28e17f72:3:A\r\r\n#end";
        let read: Vec<_> = SignatureSet::named("a.hdb").unwrap().entries(text).collect();
        let lines: Vec<_> =
            read.iter().map(|entry| (entry.line, entry.signature.is_ok())).collect();
        assert_eq!(lines, [(2, false), (3, false), (4, true)]);
        assert_eq!(read[2].text, b"900150983cd24fb0d6963f7d28e17f72:3:A");
    }

    #[test]
    fn zero_bytes_and_overlong_lines_are_told() {
        let set = SignatureSet::named("a.ign2").unwrap();
        let long = [b'a'; 8191];
        let text = [&b"a\0b\n"[..], &long].concat();
        let errors: Vec<_> = set.signatures(&text).map(|read| read.unwrap_err().error).collect();
        assert_eq!(errors, [LineError::ZeroByte, LineError::TooLong { bytes: 8191, limit: 8190 }]);
    }

    #[test]
    fn what_is_not_read_yet_is_one_line_and_not_silence() {
        let set = SignatureSet::named("3986187.cbc").unwrap();
        let read: Vec<_> = set.signatures(b"ClamBCaa\nx\n").collect();
        let [Err(BadLine { line: 0, error: LineError::NotSupported(_), file })] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(&**file, "3986187.cbc");
    }
}
