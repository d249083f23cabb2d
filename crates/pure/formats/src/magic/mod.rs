//! Which type the bytes of a file tell: a table of magic numbers, with the semantics of `.ftm`.

mod entry;
mod pairs;
mod pattern;
mod table;

pub use entry::{Entry, EntryError, Kind, Offset};
use pairs::Pairs;
pub use pattern::PatternError;
use pattern::{Memo, Pattern};

use crate::{FileType, partition, tar, text, zip};

/// Bytes of a file that identification looks at, before it looks at all of it.
pub(crate) const HEAD: usize = 1024;
/// The same for a partition: up to the signature of HFS+ (TN1150, *Volume Header*, at 1024).
const PARTITION_HEAD: usize = 1028;

/// A table of magic numbers, ready for use.
///
/// Building the standard one takes half a millisecond: a process needs one.
#[derive(Clone, Debug)]
pub struct Magic {
    files: Vec<Plain>,
    partitions: Vec<Plain>,
    rules: Vec<Rule>,
    pairs: Pairs,
}

/// Plain bytes at one place.
#[derive(Clone, Debug)]
struct Plain {
    offset: usize,
    bytes: Vec<u8>,
    to: FileType,
}

/// A pattern, where it may stand and what it tells.
#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    offset: Offset,
    from: FileType,
    to: FileType,
}

/// Something with a type of its own inside of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where its first bytes stand. An NSIS installer's data begin 4 bytes earlier.
    pub offset: usize,
    /// What it is: [`FileType::MsExe`], [`FileType::Mbr`] or one from [`FileType::Sfx`] on.
    pub kind: FileType,
}

/// What a look at a whole file tells beyond its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refined {
    /// [`FileType::Html`] or [`FileType::Mail`], where text turned out to be that.
    pub text: Option<FileType>,
    /// What stands inside, by offset.
    pub places: Vec<Place>,
    /// Places beyond the limit, which are not in `places`: they have to be reported as not scanned.
    pub unlisted: u64,
}

impl Magic {
    /// The table of this crate, for the types of ClamAV 1.4 (and Zstandard, models, split zips).
    #[must_use]
    pub fn standard() -> Self {
        let (magic, refused) = Self::from_entries(table::entries());
        debug_assert!(refused.is_empty(), "{refused:?}");
        magic
    }

    /// A table of these entries alone, with the entries that cannot be used.
    ///
    /// In ClamAV the `.ftm` of a signature set takes the place of the built-in table, so this is
    /// what reads one. Of plain bytes that fit, the last entry counts.
    #[must_use]
    pub fn from_entries(
        entries: impl IntoIterator<Item = Entry>,
    ) -> (Self, Vec<(Entry, EntryError)>) {
        let mut magic = Self {
            files: Vec::new(),
            partitions: Vec::new(),
            rules: Vec::new(),
            pairs: Pairs::default(),
        };
        let refused = magic.add(entries);
        (magic, refused)
    }

    /// Adds entries, behind those that are there, and returns those that cannot be used.
    pub fn add(&mut self, entries: impl IntoIterator<Item = Entry>) -> Vec<(Entry, EntryError)> {
        let mut refused = Vec::new();
        for entry in entries {
            if let Err(error) = self.add_one(&entry) {
                refused.push((entry, error));
            }
        }
        self.index();
        refused
    }

    /// The type of a file, from its first 1024 bytes; for zip, from its list of members.
    ///
    /// Costs about 1 µs, 10 µs for text. Reads all of `file` only to look for a zip's directory.
    #[must_use]
    pub fn identify(&self, file: &[u8]) -> FileType {
        let head = file.get(..HEAD).unwrap_or(file);
        let kind = plain(&self.files, head).unwrap_or_else(|| text::text_type(head));
        let kind = match kind {
            FileType::BinaryData => match tar::kind(head) {
                Some(tar) => return tar,
                None => kind,
            },
            FileType::Zip => return zip::kind(file),
            FileType::Mbr => partition::boot_record(head, file.len()),
            kind => kind,
        };
        if kind.is_unmarked() { self.identify_unmarked(head, kind) } else { kind }
    }

    /// The type of a partition, from its first 1028 bytes.
    #[must_use]
    pub fn identify_partition(&self, partition: &[u8]) -> FileType {
        let head = partition.get(..PARTITION_HEAD).unwrap_or(partition);
        plain(&self.partitions, head).unwrap_or(FileType::PartAny)
    }

    /// What the whole of a file of type `kind` tells beyond that type: text that is HTML or mail,
    /// and what stands inside. At most `limit` places are listed.
    ///
    /// Archives that store files as they are, and compressed ones, are not looked into: their
    /// members would be found twice, or be found where there is nothing. Programs are looked for in
    /// programs, zip and OLE2 files alone. Costs one pass, about 1 ns for each byte.
    ///
    /// Unlike ClamAV, where the eleventh place of a file hides all that follow, and where a zip
    /// header in a page hides that it is HTML, all places up to `limit` and both answers are given.
    #[must_use]
    pub fn refine(&self, file: &[u8], kind: FileType, limit: usize) -> Refined {
        let mut refined = Refined::default();
        if !is_looked_into(kind) {
            return refined;
        }
        let from = if kind == FileType::TextAscii { FileType::Any } else { kind };
        let programs = matches!(kind, FileType::MsExe | FileType::Zip | FileType::MsOle2);
        let boot = partition::boot_record(file.get(..HEAD).unwrap_or(file), file.len());
        let is_of_use = |to| match kind {
            FileType::TextAscii => true,
            // Pages hide in comments of GIF.
            FileType::Gif => to != FileType::Mail,
            _ => !matches!(to, FileType::Html | FileType::Mail),
        };
        self.each_match(file, Extent::Whole, from, is_of_use, |offset, to| {
            if to == FileType::Ignored {
                return Wanted::Stop;
            }
            if matches!(to, FileType::Html | FileType::Mail) {
                refined.text = refined.text.max(Some(to));
                return Wanted::Other;
            }
            let to = if to == FileType::Mbr { boot } else { to };
            let listed = to >= FileType::Sfx || to == FileType::Mbr;
            if !(listed || programs && to == FileType::MsExe) {
                return Wanted::Other;
            }
            if offset == 0 {
                return Wanted::Same;
            }
            if refined.places.len() < limit {
                refined.places.push(Place { offset, kind: to });
            } else {
                refined.unlisted = refined.unlisted.saturating_add(1);
            }
            Wanted::Same
        });
        refined.places.sort_by_key(|place| place.offset);
        refined
    }

    /// Text and unknown data, by patterns in the head, then by the head read as wide characters.
    fn identify_unmarked(&self, head: &[u8], kind: FileType) -> FileType {
        match self.pattern_type(head, kind) {
            FileType::Any => {}
            // These stand for what is found inside: `refine` tells them with their places.
            FileType::ZipSfx
            | FileType::ArjSfx
            | FileType::RarSfx
            | FileType::EggSfx
            | FileType::CabSfx
            | FileType::SevenZipSfx => {}
            found => return found,
        }
        let folded = text::folded_utf16(head);
        if self.pattern_type(&folded, FileType::TextAscii) == FileType::Html {
            return FileType::HtmlUtf16;
        }
        match text::narrowed(head) {
            Some(text) if self.pattern_type(&text, FileType::Any) == FileType::Html => {
                FileType::Html
            }
            _ => kind,
        }
    }

    /// The type that patterns tell: the latest in the order of types, but among those from
    /// [`FileType::Sfx`] on (and programs) the one that stands last.
    fn pattern_type(&self, bytes: &[u8], from: FileType) -> FileType {
        let mut kind = FileType::Any;
        let any = |_| true;
        self.each_match(bytes, Extent::Head, from, any, |_, to| {
            if to == FileType::Ignored {
                kind = to;
                return Wanted::Stop;
            }
            if to > kind || to >= FileType::Sfx || to == FileType::MsExe {
                kind = to;
            }
            Wanted::Same
        });
        kind
    }

    /// Calls `found` with the place and the type of each match with a type that is of use: those at
    /// fixed places first, then by place.
    fn each_match(
        &self,
        bytes: &[u8],
        extent: Extent,
        from: FileType,
        is_of_use: impl Fn(FileType) -> bool,
        mut found: impl FnMut(usize, FileType) -> Wanted,
    ) {
        let memo = |rule: &Rule| (Memo::default(), !is_of_use(rule.to));
        let mut memos: Vec<_> = self.rules.iter().map(memo).collect();
        let mut check = |index: usize, place: usize| -> Wanted {
            let (Some(rule), Some((memo, done))) = (self.rules.get(index), memos.get_mut(index))
            else {
                return Wanted::Same;
            };
            if *done || !rule.may_stand(place, bytes.len(), extent, from) {
                return Wanted::Same;
            }
            if !rule.pattern.is_at(bytes, place, memo) {
                return Wanted::Same;
            }
            let wanted = found(place, rule.to);
            *done = wanted == Wanted::Other;
            wanted
        };
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(place) = rule.fixed_place(bytes.len())
                && check(index, place) == Wanted::Stop
            {
                return;
            }
        }
        self.pairs.each(bytes, |place, rules| {
            rules.iter().any(|rule| check(usize::from(*rule), place) == Wanted::Stop)
        });
    }

    fn add_one(&mut self, entry: &Entry) -> Result<(), EntryError> {
        let wrong = |source| EntryError::Pattern { bytes: entry.bytes.clone(), source };
        let pattern = Pattern::parse(&entry.bytes).map_err(wrong)?;
        if entry.kind == Kind::Pattern {
            let rule = Rule { pattern, offset: entry.offset, from: entry.from, to: entry.to };
            if rule.fixed_place(0).is_none() && !rule.pattern.has_a_pair() {
                return Err(wrong(PatternError::TooShort));
            }
            self.rules.push(rule);
            return Ok(());
        }
        let Offset::At { from, shift: 0 } = entry.offset else {
            return Err(EntryError::PlaceOfPlainBytes);
        };
        let offset = usize::try_from(from).map_err(|_| EntryError::PlaceOfPlainBytes)?;
        let bytes = pattern.plain().ok_or_else(|| wrong(PatternError::NotPlain))?;
        let plain = Plain { offset, bytes, to: entry.to };
        if entry.kind == Kind::File { &mut self.files } else { &mut self.partitions }.push(plain);
        Ok(())
    }

    fn index(&mut self) {
        let looked_for =
            (0_u16..).zip(&self.rules).filter(|(_, rule)| rule.fixed_place(0).is_none());
        self.pairs = Pairs::of(looked_for.map(|(number, rule)| (number, &rule.pattern)));
    }
}

/// What a caller wants of further matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Same,
    /// None of this rule.
    Other,
    Stop,
}

/// What bytes are of a file: the end of a head is no end, nor does ClamAV look there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Head,
    Whole,
}

impl Rule {
    /// The one place where the rule may stand. A rule that counts from the end has one even in a file
    /// that is too short for it, beyond which nothing matches.
    fn fixed_place(&self, length: usize) -> Option<usize> {
        match self.offset {
            Offset::At { shift: 0, .. } | Offset::BeforeEnd { shift: 0, .. } => {
                Some(self.offset.range(length).map_or(usize::MAX, |(first, _)| first))
            }
            _ => None,
        }
    }

    fn may_stand(&self, place: usize, length: usize, extent: Extent, kind: FileType) -> bool {
        if extent == Extent::Head && matches!(self.offset, Offset::BeforeEnd { .. }) {
            return false;
        }
        let range = self.offset.range(length);
        range.is_some_and(|(first, last)| (first..=last).contains(&place))
            && (self.from == FileType::Any || self.from == kind)
    }
}

fn plain(table: &[Plain], head: &[u8]) -> Option<FileType> {
    let fits = |entry: &&Plain| {
        head.get(entry.offset..).is_some_and(|rest| rest.starts_with(&entry.bytes))
    };
    table.iter().rev().find(fits).map(|entry| entry.to)
}

fn is_looked_into(kind: FileType) -> bool {
    !matches!(
        kind,
        FileType::Gz
            | FileType::CpioOld
            | FileType::Zip
            | FileType::ZipSfx
            | FileType::ArjSfx
            | FileType::RarSfx
            | FileType::EggSfx
            | FileType::CabSfx
            | FileType::SevenZipSfx
            | FileType::OldTar
            | FileType::PosixTar
            | FileType::Ignored
    )
}

#[cfg(test)]
mod tests;
