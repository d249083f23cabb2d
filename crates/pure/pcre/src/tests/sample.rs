//! Patterns and subjects by chance.

use crate::Options;
use crate::node::Node;

/// A small generator of numbers that a seed fixes (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A pattern of a small alphabet.
    pub(super) fn pattern(&mut self, depth: usize, out: &mut String) {
        for _ in 0..=self.below(3) {
            match self.below(if depth == 0 { 8 } else { 14 }) {
                0..=3 => out.push_str(self.one_of(&["a", "b", "c", "B", "\\n"])),
                4 => {
                    out.push_str(self.one_of(&["[ab]", "[^a]", ".", "\\w", "\\s", "[b-c]", "\\N"]))
                }
                5 => {
                    // No quantifier may follow.
                    out.push_str(self.one_of(&[
                        "^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\G", "\\K", "(?i)", "(?m)",
                        "(?s-i)",
                    ]));
                    continue;
                }
                6 => out.push_str(self.one_of(&[
                    "\\1",
                    "\\2",
                    "(?=a)",
                    "(?!b)",
                    "(?<=a)",
                    "(?<!b|ac)",
                    "\\R",
                ])),
                7 => out.push_str(self.one_of(&["ab", "bc", "\\x61", "\\Qa.\\E"])),
                _ => {
                    out.push_str(
                        self.one_of(&["(", "(", "(", "(?:", "(?:", "(?>", "(?=", "(?!", "(?i:"]),
                    );
                    self.pattern(depth - 1, out);
                    if self.below(2) == 0 {
                        out.push('|');
                        self.pattern(depth - 1, out);
                    }
                    out.push(')');
                }
            }
            if self.below(3) == 0 {
                out.push_str(self.one_of(&[
                    "*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{0,2}", "{1,2}?",
                    "{2,}", "{0}",
                ]));
            }
        }
    }

    pub(super) fn options(&mut self) -> Options {
        let mut is_set = || self.below(6) == 0;
        Options {
            caseless: is_set(),
            dot_all: is_set(),
            multiline: is_set(),
            extended: is_set(),
            anchored: is_set(),
            dollar_end_only: is_set(),
            ungreedy: is_set(),
        }
    }

    pub(super) fn subject(&mut self, alphabet: &[u8], most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    /// What a pattern may match, but for look-around.
    pub(super) fn sample(&mut self, node: &Node, groups: &mut Vec<Vec<u8>>, out: &mut Vec<u8>) {
        match node {
            Node::Set(set) => {
                let members: Vec<u8> = (0..=u8::MAX).filter(|byte| set.has(*byte)).collect();
                if !members.is_empty() {
                    out.push(members[self.below(members.len())]);
                }
            }
            Node::Sequence(nodes) => nodes.iter().for_each(|node| self.sample(node, groups, out)),
            Node::Alternatives(nodes) => {
                let chosen = self.below(nodes.len());
                self.sample(&nodes[chosen], groups, out);
            }
            Node::Repeat { node, min, max, .. } => {
                let most = max.unwrap_or(min + 20).min(min + 20);
                let spare = usize::try_from(most - min).unwrap();
                for _ in 0..usize::try_from(*min).unwrap() + self.below(spare + 1) {
                    self.sample(node, groups, out);
                }
            }
            Node::Group(group, node) => {
                let start = out.len();
                self.sample(node, groups, out);
                let group = usize::try_from(*group).unwrap();
                groups.resize(groups.len().max(group + 1), Vec::new());
                groups[group] = out[start..].to_vec();
            }
            Node::Atomic(node) => self.sample(node, groups, out),
            Node::Look { behind: false, negated: false, .. } | Node::Look { negated: true, .. } => {
            }
            Node::Look { node, .. } => self.sample(node, groups, out),
            Node::BackReference { group, .. } => {
                let captured = groups.get(usize::try_from(*group).unwrap());
                out.extend(captured.cloned().unwrap_or_default());
            }
            Node::Assertion(_) | Node::Keep => {}
        }
    }
}
