//! Marks: what nobody can send by chance.

use std::fmt;

use crate::draw::Seed;

/// Length of a mark in a file: four groups.
pub const MARK_BYTES: usize = 52;

/// Length of a mark in the name of a file or folder, 80 bits.
pub const NAME_MARK_BYTES: usize = 16;

/// Letters of a group that are free, 50 bits.
const FREE_LETTERS: usize = 10;

/// Letters of a group that follow from those before, 15 bits.
const CHECK_LETTERS: usize = 3;

const GROUP_BYTES: usize = FREE_LETTERS + CHECK_LETTERS;

/// Letters and digits that survive host names, e-mail and the folding of case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Words of a phrase: 80 bits.
pub(crate) const PHRASE_WORDS: u32 = 8;

/// A mark planted at one place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands.
    pub place: Place,
    /// Of what it is made.
    pub kind: MarkKind,
    /// Its text. No two marks of any two campaigns share a beginning or any other part.
    pub text: String,
}

/// Of what a mark is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// Random letters and digits, [`MARK_BYTES`] of them, any 13 of which in a row are enough to know
    /// it by.
    Letters,
    /// Eight words of the campaign's own vocabulary, as any sentence has them. It is known as a whole
    /// only, and does not look random.
    Phrase,
}

/// Where in a file a mark stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// At the start of the text.
    Head,
    /// At 4 KiB, where the second page begins.
    FourKib,
    /// In the middle of the text.
    Middle,
    /// At the end of the text.
    Tail,
    /// In a comment of a document, program or archive.
    Comment,
    /// In the title that a document carries beside its text.
    Title,
    /// In the field that names who wrote it.
    Author,
    /// In the subject or an identifier of a message.
    Header,
    /// In a part of a message in quoted-printable.
    QuotedPart,
    /// In a part of a message in base64.
    Base64Part,
    /// In a string or name of a program.
    Literal,
    /// In a secret value: password, token, key.
    Secret,
    /// In a row of a table or database, by its number.
    Row(u32),
    /// In what a picture says about itself.
    PictureText,
    /// In a member of an archive, by its number.
    Member(u32),
    /// In the name of a file.
    FileName,
    /// In the name of a folder.
    FolderName,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Head => "start of the text",
            Self::FourKib => "text at 4 KiB",
            Self::Middle => "middle of the text",
            Self::Tail => "end of the text",
            Self::Comment => "comment",
            Self::Title => "title",
            Self::Author => "author",
            Self::Header => "message header",
            Self::QuotedPart => "quoted-printable part",
            Self::Base64Part => "base64 part",
            Self::Literal => "program text",
            Self::Secret => "secret value",
            Self::Row(row) => return write!(f, "row {row}"),
            Self::PictureText => "picture description",
            Self::Member(member) => return write!(f, "archive member {member}"),
            Self::FileName => "file name",
            Self::FolderName => "folder name",
        };
        f.write_str(text)
    }
}

impl Mark {
    /// The mark of `place` in the file at `path`.
    pub(crate) fn of(seed: &Seed, path: &str, place: Place) -> Self {
        let name = place.to_string();
        let group = |number: u8| {
            let drawn = seed.derive(&[b"mark", path.as_bytes(), name.as_bytes(), &[number]]);
            let free = letters(&drawn, FREE_LETTERS);
            let check = check_letters(seed, free.as_bytes());
            free.chars().chain(check.chars()).collect::<String>()
        };
        Self { place, kind: MarkKind::Letters, text: (0..4).map(group).collect() }
    }
}

/// The short mark in a name.
pub(crate) fn name_mark(seed: &Seed, purpose: &[u8], number: u32) -> String {
    letters(&seed.derive(&[b"name", purpose, &number.to_le_bytes()]), NAME_MARK_BYTES)
}

/// Whether 13 letters are a group of some mark made from `seed`, as one of 32,768 strangers also
/// seems to be. A finder that knows only the seed tells by it that a fragment is from this campaign.
#[must_use]
pub fn is_fragment(seed: &Seed, group: &[u8]) -> bool {
    let Some((free, check)) = group.split_at_checked(FREE_LETTERS) else { return false };
    group.len() == GROUP_BYTES && check_letters(seed, free).as_bytes() == check
}

fn check_letters(seed: &Seed, free: &[u8]) -> String {
    letters(&seed.derive(&[b"check", free]), CHECK_LETTERS)
}

/// `count` letters, one from the low five bits of each byte; at most 32.
fn letters(drawn: &[u8; 32], count: usize) -> String {
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map(char::from);
    drawn.iter().take(count).filter_map(letter).collect()
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_a_mark_identifies_itself() {
        let (seed, other) = (Seed([1; 32]), Seed([2; 32]));
        let mark = Mark::of(&seed, "a/b.txt", Place::Head).text;
        assert_eq!(mark.len(), MARK_BYTES);
        for group in mark.as_bytes().chunks(GROUP_BYTES) {
            assert!(is_fragment(&seed, group));
            assert!(!is_fragment(&other, group));
        }
        assert!(!is_fragment(&seed, &mark.as_bytes()[1..14]));
    }

    #[test]
    fn file_place_and_seed_each_change_the_whole_mark() {
        let base = Mark::of(&Seed([1; 32]), "a", Place::Head).text;
        for other in [
            Mark::of(&Seed([2; 32]), "a", Place::Head),
            Mark::of(&Seed([1; 32]), "b", Place::Head),
            Mark::of(&Seed([1; 32]), "a", Place::Tail),
        ] {
            for (left, right) in base.as_bytes().chunks(13).zip(other.text.as_bytes().chunks(13)) {
                assert_ne!(left[..5], right[..5]);
            }
        }
    }
}
