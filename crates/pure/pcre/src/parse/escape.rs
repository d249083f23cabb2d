//! What begins with a backslash.

use super::{Atom, Parsed, Parser};
use crate::node::{Assertion, Node};
use crate::set::ByteSet;

impl Parser<'_> {
    pub(super) fn escape(&mut self) -> Parsed<Atom> {
        let letter = self.next()?;
        if let Some(set) = ByteSet::of_escape(letter) {
            return Ok(Atom::Repeatable(Node::Set(set)));
        }
        let place = |place| Ok(Atom::Single(Node::Assertion(place)));
        let node = match letter {
            b'A' => return place(Assertion::Start),
            b'z' => return place(Assertion::End),
            b'Z' => return place(Assertion::EndOrLastLine),
            b'G' => return place(Assertion::SearchStart),
            b'b' => return place(Assertion::WordBoundary),
            b'B' => return place(Assertion::NotWordBoundary),
            b'K' => return Ok(Atom::Single(Node::Keep)),
            b'N' if self.is_code_point()? => return Err(self.unsupported("Unicode code point")),
            b'N' => Node::Set(ByteSet::of(|byte| byte != b'\n')),
            b'C' => Node::Set(ByteSet::default().negated()),
            b'R' => line_end(),
            b'1'..=b'9' => self.reference_or_octal(letter)?,
            b'k' => self.k_reference()?,
            b'g' => self.g_reference()?,
            b'p' | b'P' | b'X' => return Err(self.unsupported("Unicode property")),
            _ => {
                let byte = self.literal_escape(letter)?;
                self.byte(byte)
            }
        };
        Ok(Atom::Repeatable(node))
    }

    /// Whether braces follow that are no quantifier.
    fn is_code_point(&mut self) -> Parsed<bool> {
        let before = self.at;
        let is_quantifier = self.counts()?.is_some();
        self.at = before;
        Ok(!is_quantifier && self.peek() == Some(b'{'))
    }

    fn reference_or_octal(&mut self, first: u8) -> Parsed<Node> {
        self.at = self.at.saturating_sub(1);
        let before = self.at;
        let group = self.number().unwrap_or(0);
        if group < 10 || first >= b'8' || group <= self.groups {
            return Ok(self.reference(group));
        }
        self.at = before.saturating_add(1);
        let byte = self.literal_escape(first)?;
        Ok(self.byte(byte))
    }

    /// `\k<name>`, `\k'name'`, `\k{name}`.
    fn k_reference(&mut self) -> Parsed<Node> {
        let end = match self.next()? {
            b'<' => b'>',
            b'{' => b'}',
            b'\'' => b'\'',
            _ => return Err(self.wrong("name missing")),
        };
        let name = self.name(end)?;
        self.named(name)
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`.
    fn g_reference(&mut self) -> Parsed<Node> {
        if matches!(self.peek(), Some(b'<' | b'\'')) {
            return Err(self.unsupported("recursion"));
        }
        let braced = self.eat(b"{");
        let back = self.eat(b"-");
        let Some(number) = self.number() else {
            let name = self.name(b'}')?;
            return self.named(name);
        };
        if braced && !self.eat(b"}") {
            return Err(self.wrong("`}` missing"));
        }
        let following = self.groups.saturating_add(1);
        match if back { following.checked_sub(number) } else { Some(number) } {
            Some(group) if group > 0 && number > 0 => Ok(self.reference(group)),
            _ => Err(self.wrong("reference to a group that is not there")),
        }
    }

    pub(super) fn named(&mut self, name: &[u8]) -> Parsed<Node> {
        match self.names.iter().find(|(other, _)| *other == name) {
            Some((_, group)) => Ok(self.reference(*group)),
            None => Err(self.unsupported("reference to a name before its group")),
        }
    }

    fn reference(&mut self, group: u32) -> Node {
        self.highest = self.highest.max(group);
        Node::BackReference { group, caseless: self.flags.options.caseless }
    }

    /// The byte that an escape stands for, its letter being read.
    pub(super) fn literal_escape(&mut self, letter: u8) -> Parsed<u8> {
        Ok(match letter {
            b'a' => 7,
            b'e' => 27,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'c' => self.control()?,
            b'x' if self.eat(b"{") => self.braced(16)?,
            b'x' => self.digits(16, 2)?,
            b'o' if self.eat(b"{") => self.braced(8)?,
            b'0'..=b'7' => {
                self.at = self.at.saturating_sub(1);
                self.digits(8, 3)?
            }
            letter if letter.is_ascii_alphanumeric() => return Err(self.wrong("unknown escape")),
            byte => byte,
        })
    }

    fn control(&mut self) -> Parsed<u8> {
        let byte = self.next()?;
        if !matches!(byte, 32..=126) {
            return Err(self.wrong("no printable byte behind `\\c`"));
        }
        Ok(byte.to_ascii_uppercase() ^ 64)
    }

    fn braced(&mut self, radix: u32) -> Parsed<u8> {
        if self.peek().is_none_or(|byte| !char::from(byte).is_digit(radix)) {
            return Err(self.wrong("digits missing"));
        }
        let byte = self.digits(radix, usize::MAX)?;
        if self.eat(b"}") { Ok(byte) } else { Err(self.wrong("`}` missing")) }
    }

    fn digits(&mut self, radix: u32, most: usize) -> Parsed<u8> {
        let mut value = 0_u32;
        let mut read = 0_usize;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(radix)) {
            if read >= most {
                break;
            }
            value = value.saturating_mul(radix).saturating_add(digit);
            read = read.saturating_add(1);
            self.at = self.at.saturating_add(1);
        }
        u8::try_from(value).map_err(|_| self.wrong("value over 255"))
    }
}

/// `\R`: `\r\n` as one, or one vertical blank (pcre2pattern(3), "Newline sequences").
fn line_end() -> Node {
    let one = |byte| Node::Set(ByteSet::only(byte));
    let pair = Node::Sequence(vec![one(b'\r'), one(b'\n')]);
    let single = Node::Set(ByteSet::of(|byte| matches!(byte, 10..=13 | 0x85)));
    Node::Atomic(Box::new(Node::Alternatives(vec![pair, single])))
}
