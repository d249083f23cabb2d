//! Words that can be spoken and that no dictionary has.

use crate::draw::{Draw, Seed};

/// Words of one campaign. A person uses few words often, and so does [`Vocabulary::word`].
#[derive(Debug)]
pub(crate) struct Vocabulary {
    words: Vec<String>,
}

const WORDS: usize = 2000;

/// A word has at least three syllables, so that short words of real languages do not come out.
const SYLLABLES: (u32, u32) = (3, 4);

impl Vocabulary {
    pub(crate) fn new(seed: &Seed) -> Self {
        let mut draw = Draw::new(seed, &[b"vocabulary"]);
        let onsets = some_of(&mut draw, ONSETS, 18);
        let nuclei = some_of(&mut draw, NUCLEI, 6);
        let codas = some_of(&mut draw, CODAS, 5);
        let word = |_| {
            let mut word = String::new();
            for _ in 0..draw.between(SYLLABLES.0, SYLLABLES.1) {
                word.push_str(draw.pick::<&str>(&onsets));
                word.push_str(draw.pick::<&str>(&nuclei));
                if draw.one_in(3) {
                    word.push_str(draw.pick::<&str>(&codas));
                }
            }
            word
        };
        Self { words: (0..WORDS).map(word).collect() }
    }

    /// A word, the smaller of two numbers of which makes the first ones common.
    pub(crate) fn word(&self, draw: &mut Draw) -> &str {
        let count = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let rank = draw.below(count).min(draw.below(count)).min(draw.below(count));
        usize::try_from(rank).ok().and_then(|rank| self.words.get(rank)).map_or("", String::as_str)
    }

    pub(crate) fn capitalised(&self, draw: &mut Draw) -> String {
        capitalised(self.word(draw))
    }

    /// Some words with capitals, as a heading or a name.
    pub(crate) fn title(&self, draw: &mut Draw, words: u32) -> String {
        (0..words).map(|_| self.capitalised(draw)).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn sentence(&self, draw: &mut Draw) -> String {
        let count = draw.between(5, 14);
        let mut sentence = self.capitalised(draw);
        for _ in 1..count {
            sentence.push_str(if draw.one_in(9) { ", " } else { " " });
            sentence.push_str(self.word(draw));
        }
        sentence.push(if draw.one_in(12) { '?' } else { '.' });
        sentence
    }

    pub(crate) fn paragraph(&self, draw: &mut Draw) -> String {
        let count = draw.between(2, 6);
        (0..count).map(|_| self.sentence(draw)).collect::<Vec<_>>().join(" ")
    }
}

pub(crate) fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn some_of(draw: &mut Draw, all: &[&'static str], count: usize) -> Vec<&'static str> {
    (0..count).map(|_| *draw.pick(all)).collect()
}

const ONSETS: &[&str] = &[
    "b", "br", "d", "dr", "f", "fl", "g", "gl", "h", "j", "k", "kl", "kr", "l", "m", "n", "p",
    "pl", "r", "s", "sk", "sl", "t", "tr", "v", "vl", "w", "y", "z", "zh", "dz", "kv", "mn", "ts",
];
const NUCLEI: &[&str] = &["a", "e", "i", "o", "u", "ae", "io", "ua", "eo", "ui"];
const CODAS: &[&str] = &["l", "m", "n", "r", "s", "k", "t", "nd", "rk", "lm"];
