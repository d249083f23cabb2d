//! Classification markings sent in clear.
//!
//! A product that looks for such words has to carry them, and one that reports them sends them. The
//! words are common, so a place where one stands is a reason to look, not evidence.

/// A phrase that states mark documents with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marking {
    /// The phrase in capitals, as on a document.
    pub phrase: &'static str,
    /// Its language, as in BCP 47.
    pub language: &'static str,
}

/// A marking found in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkingSeen {
    /// Which.
    pub marking: Marking,
    /// Offset of its first byte.
    pub at: usize,
    /// How its characters are written.
    pub encoding: Encoding,
}

/// How characters are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, of which ASCII is a part.
    Utf8,
    /// Two bytes for each character, least significant first.
    Utf16Le,
    /// Two bytes for each character, most significant first.
    Utf16Be,
}

/// The markings that bait carries and that [`search`] looks for.
pub const MARKINGS: &[Marking] = &[
    Marking { phrase: "TOP SECRET", language: "en" },
    Marking { phrase: "TOP SECRET//SI//NOFORN", language: "en" },
    Marking { phrase: "SECRET//NOFORN", language: "en" },
    Marking { phrase: "OFFICIAL-SENSITIVE", language: "en" },
    Marking { phrase: "COSMIC TOP SECRET", language: "en" },
    Marking { phrase: "STRENG GEHEIM", language: "de" },
    Marking { phrase: "VS-NUR FÜR DEN DIENSTGEBRAUCH", language: "de" },
    Marking { phrase: "TRÈS SECRET", language: "fr" },
    Marking { phrase: "CONFIDENTIEL DÉFENSE", language: "fr" },
    Marking { phrase: "SECRETO", language: "es" },
    Marking { phrase: "SEGRETISSIMO", language: "it" },
    Marking { phrase: "ŚCIŚLE TAJNE", language: "pl" },
    Marking { phrase: "СОВЕРШЕННО СЕКРЕТНО", language: "ru" },
    Marking { phrase: "ЦІЛКОМ ТАЄМНО", language: "uk" },
    Marking { phrase: "绝密", language: "zh" },
    Marking { phrase: "極秘", language: "ja" },
];

/// Places of one marking that are reported; more say nothing new.
const MAX_PLACES: usize = 16;

/// Finds the [`MARKINGS`] in capitals and in small letters, in UTF-8 and UTF-16, by place. A marking
/// that is part of a longer word does not count. At most 16 places of each marking and encoding.
#[must_use]
pub fn search(stream: &[u8]) -> Vec<MarkingSeen> {
    let mut seen: Vec<MarkingSeen> =
        MARKINGS.iter().flat_map(|&marking| places(stream, marking)).collect();
    seen.sort_by_key(|seen| (seen.at, seen.marking.phrase));
    seen
}

fn places(stream: &[u8], marking: Marking) -> Vec<MarkingSeen> {
    let mut seen = Vec::new();
    for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
        let [upper, lower] = [marking.phrase.to_owned(), marking.phrase.to_lowercase()]
            .map(|phrase| encoding.encode(&phrase));
        let letters = upper.iter().zip(&lower);
        let letters: Vec<[u8; 2]> = letters.map(|(&upper, &lower)| [upper, lower]).collect();
        let places = find(stream, &letters)
            .filter(|&at| stands_alone(stream, at, letters.len(), encoding.width()));
        seen.extend(places.take(MAX_PLACES).map(|at| MarkingSeen { marking, at, encoding }));
    }
    seen
}

/// Where every byte is one of its two letters. A phrase of which a letter has another length in
/// small letters would be cut; none of [`MARKINGS`] has.
fn find<'a>(stream: &'a [u8], letters: &'a [[u8; 2]]) -> impl Iterator<Item = usize> + 'a {
    let starts = letters.first().copied().unwrap_or_default();
    let windows = stream.windows(letters.len().max(1)).enumerate();
    let equal = move |window: &[u8]| {
        window.first().is_some_and(|byte| starts.contains(byte))
            && window.iter().zip(letters).all(|(byte, letter)| letter.contains(byte))
    };
    windows.filter(move |(_, window)| equal(window)).map(|(at, _)| at)
}

fn stands_alone(stream: &[u8], at: usize, length: usize, width: usize) -> bool {
    let letter = |from: Option<usize>| {
        let unit = from.and_then(|from| stream.get(from..from.checked_add(width)?));
        unit.is_some_and(|unit| unit.iter().any(u8::is_ascii_alphanumeric))
    };
    !letter(at.checked_sub(width)) && !letter(at.checked_add(length))
}

impl Encoding {
    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Utf8 => 1,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrases(stream: &[u8]) -> Vec<&'static str> {
        search(stream).into_iter().map(|seen| seen.marking.phrase).collect()
    }

    #[test]
    fn finds_every_marking_in_every_case_and_encoding() {
        for marking in MARKINGS {
            for text in [marking.phrase.to_owned(), marking.phrase.to_lowercase()] {
                for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
                    let stream = [encoding.encode("a: "), encoding.encode(&text)].concat();
                    let at = encoding.encode("a: ").len();
                    let expected = MarkingSeen { marking: *marking, at, encoding };
                    assert!(search(&stream).contains(&expected), "{text} {encoding:?}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_word_is_no_marking() {
        assert!(phrases(b"stop secretly, TOP SECRETS, xSECRETO").is_empty());
        assert_eq!(phrases(b"(Top Secret)"), ["TOP SECRET"]);
    }
}
