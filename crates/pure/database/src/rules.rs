//! Rules of another engine: their texts, and which of them are run together.
//!
//! A rule is a signature whose conditions say so: where the signature holds the rule *may* hold, and
//! its text is run by whoever can. Texts, not compiled rules: a text is parsed by a parser that is made
//! for anybody's, while compiled rules would have to be believed.
//!
//! Three sections. Rows of 16 bytes, sorted by signature: `u32` signature, `u32` group, `u32` place in the
//! list, `u32` how many of it. The list: `u32` for each piece, its number. Pieces: `u32` number of them,
//! `u32` for each where it ends, then the bytes; each piece lies there once, whatever needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::anchors::SignatureId;
use crate::file::{Database, SectionKind};
use crate::names::le_u32;

/// The rules of a database.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    rows: &'a [[u8; ROW_BYTES]],
    list: &'a [[u8; 4]],
    ends: &'a [[u8; 4]],
    text: &'a [u8],
}

/// A rule where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The signature by which it is noticed.
    pub signature: SignatureId,
    /// Rules of one group are noticed by the same, so that one is seldom run without the others; 0 is no
    /// group.
    pub group: u32,
    pieces: &'a [[u8; 4]],
    of: Rules<'a>,
}

/// A rule that is being added.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewRule {
    /// What its text is put together from, in order. The last piece is its own.
    pub pieces: Vec<Arc<str>>,
    /// Whether it is run together with those that are noticed alike, if it has no anchor.
    pub together: bool,
}

const ROW_BYTES: usize = 16;
/// Rules of one group: each is run when another of them is, and 256 take some seconds to be compiled.
const MAX_GROUP: u32 = 256;

impl<'a> Rules<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        let pieces = database.section(SectionKind::RulePieces);
        let (count, behind) = pieces.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let table = number(count).saturating_mul(4);
        let (ends, text) = behind.split_at_checked(table).unwrap_or_default();
        Self {
            rows: database.section(SectionKind::RuleRows).as_chunks().0,
            list: database.section(SectionKind::RuleList).as_chunks().0,
            ends: ends.as_chunks().0,
            text,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        self.rows.len()
    }

    /// The rule of a signature.
    #[must_use]
    pub fn of(self, signature: SignatureId) -> Option<Rule<'a>> {
        let place = self.rows.binary_search_by_key(&signature, signature_of).ok()?;
        self.at(place)
    }

    /// All of them, in order of their signatures.
    pub fn iter(self) -> impl Iterator<Item = Rule<'a>> + use<'a> {
        (0..self.rows.len()).filter_map(move |place| self.at(place))
    }

    fn at(self, place: usize) -> Option<Rule<'a>> {
        let row = self.rows.get(place)?;
        let [signature, group, from, count] = fields(row);
        let from = usize::try_from(from).ok()?;
        let end = from.checked_add(usize::try_from(count).ok()?)?;
        let pieces = self.list.get(from..end)?;
        Some(Rule { signature: SignatureId(signature), group, pieces, of: self })
    }

    fn piece(self, of: usize) -> Option<&'a str> {
        let end = number(self.ends.get(of)?);
        let from = match of.checked_sub(1) {
            Some(before) => number(self.ends.get(before)?),
            None => 0,
        };
        std::str::from_utf8(self.text.get(from..end)?).ok()
    }
}

impl<'a> Rule<'a> {
    /// What its text is put together from, each with its number; a piece that the database does not
    /// hold is left out.
    pub fn pieces(self) -> impl Iterator<Item = (u32, &'a str)> {
        self.pieces.iter().filter_map(move |piece| {
            Some((u32::from_le_bytes(*piece), self.of.piece(number(piece))?))
        })
    }
}

fn signature_of(row: &[u8; ROW_BYTES]) -> SignatureId {
    let [signature, ..] = fields(row);
    SignatureId(signature)
}

fn fields(row: &[u8; ROW_BYTES]) -> [u32; 4] {
    let mut fields = [0; 4];
    for (field, bytes) in fields.iter_mut().zip(row.as_chunks::<4>().0) {
        *field = u32::from_le_bytes(*bytes);
    }
    fields
}

fn number(bytes: &[u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(*bytes)).unwrap_or(usize::MAX)
}

/// By what rules without an anchor are noticed: target and first bytes.
type Alike<'s> = (u8, &'s [[u8; 2]]);

/// Rules as they lie in the file.
#[derive(Default)]
pub(crate) struct Written<'s> {
    pub(crate) rows: Vec<u8>,
    pub(crate) list: Vec<u8>,
    ends: Vec<u8>,
    text: Vec<u8>,
    numbers: BTreeMap<&'s str, usize>,
    /// The number of the group that each kind of notice fills, and how many it has.
    groups: BTreeMap<Alike<'s>, (u32, u32)>,
    last_group: u32,
}

impl<'s> Written<'s> {
    /// Adds the rule of a signature, which come in order. `notice` is its target and the heads by which
    /// alone it is noticed, if it has no anchor.
    pub(crate) fn add(&mut self, signature: u32, rule: &'s NewRule, notice: Option<Alike<'s>>) {
        let group = notice.map_or(0, |notice| self.group(notice));
        let first = le_u32(self.list.len() / 4);
        let fields = [signature.to_le_bytes(), group.to_le_bytes(), first];
        self.rows.extend_from_slice(fields.as_flattened());
        self.rows.extend_from_slice(&le_u32(rule.pieces.len()));
        for piece in &rule.pieces {
            let number = self.number(piece);
            self.list.extend_from_slice(&le_u32(number));
        }
    }

    fn group(&mut self, notice: Alike<'s>) -> u32 {
        let (group, count) = self.groups.entry(notice).or_insert((0, MAX_GROUP));
        if *count >= MAX_GROUP {
            self.last_group = self.last_group.saturating_add(1);
            (*group, *count) = (self.last_group, 0);
        }
        *count = count.saturating_add(1);
        *group
    }

    fn number(&mut self, piece: &'s str) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(piece).or_insert_with(|| {
            self.text.extend_from_slice(piece.as_bytes());
            self.ends.extend_from_slice(&le_u32(self.text.len()));
            next
        })
    }

    pub(crate) fn pieces(&self) -> Vec<u8> {
        if self.numbers.is_empty() {
            return Vec::new();
        }
        [&le_u32(self.numbers.len())[..], &self.ends, &self.text].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::ConditionsCode;
    use crate::logic::LogicCode;
    use crate::signature::SignatureCode;
    use crate::{Builder, NewAnchor, NewSignature};

    fn add(builder: &mut Builder, name: &str, anchors: Vec<NewAnchor>, pieces: &[&str]) {
        let mut conditions = ConditionsCode::default();
        conditions.push_rule();
        let logic = LogicCode::leaf(0, None);
        let (code, _) = SignatureCode::logical(conditions.as_bytes(), &logic, &[]);
        let signature = NewSignature { name, target: 0, code, anchors, heads: vec![*b"MZ"] };
        let pieces = pieces.iter().map(|piece| (*piece).into()).collect();
        builder.add_rule(signature, NewRule { pieces, together: true }).unwrap();
    }

    fn built() -> Vec<u8> {
        let mut builder = Builder::default();
        let anchor = NewAnchor { gram: *b"abcd", part: None };
        add(&mut builder, "a", vec![anchor], &["import", "one"]);
        add(&mut builder, "b", Vec::new(), &["import", "two"]);
        add(&mut builder, "c", Vec::new(), &["import", "one", "three"]);
        builder.build()
    }

    #[test]
    fn a_rule_has_its_text_and_its_group() {
        let bytes = built();
        let database = Database::open(&bytes).unwrap();
        let text = |rule: Rule<'_>| rule.pieces().map(|(_, text)| text).collect::<String>();
        let rules = database.rules();
        let told: Vec<_> = rules.iter().map(|rule| (rule.group, text(rule))).collect();
        let expected = [(0, "importone"), (1, "importtwo"), (1, "importonethree")];
        assert_eq!(told, expected.map(|(group, text)| (group, text.to_owned())));
        let third = rules.of(SignatureId(2)).unwrap();
        assert_eq!(third.pieces().map(|(number, _)| number).collect::<Vec<_>>(), [0, 1, 3]);
        assert!(rules.of(SignatureId(3)).is_none());
    }

    #[test]
    fn sections_that_lie_give_nothing_that_is_not_there() {
        let bytes = built();
        let first = bytes.len().saturating_sub(3 * crate::PAGE_BYTES);
        for at in first..bytes.len() {
            if bytes[at] == 0 && at % 64 != 0 {
                continue; // space between sections, for the most part
            }
            for change in [0xff, 0x01, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] ^= change;
                let Ok(database) = Database::open(&bytes) else { continue };
                let rules = database.rules();
                let _ = rules.iter().map(|rule| rule.pieces().count()).sum::<usize>();
                let _ = rules.of(SignatureId(1)).map(|rule| rule.pieces().count());
            }
        }
    }
}
