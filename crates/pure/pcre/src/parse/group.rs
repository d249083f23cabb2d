//! What begins with `(`.

use super::{Atom, Flags, MAX_DEPTH, Parsed, Parser};
use crate::error::ExpressionError;
use crate::node::Node;
use crate::options::Options;

/// Capturing groups.
const MAX_GROUPS: u32 = 1_000;
/// What begins a look-around: whether it looks behind, whether it is negated.
const LOOKS: [(&[u8], bool, bool); 4] =
    [(b"?=", false, false), (b"?!", false, true), (b"?<=", true, false), (b"?<!", true, true)];

impl Parser<'_> {
    pub(super) fn group(&mut self) -> Parsed<Atom> {
        if self.eat(b"*") {
            return Err(self.unsupported("verb"));
        }
        for (sign, behind, negated) in LOOKS {
            if self.eat(sign) {
                let node = Box::new(self.inside()?);
                return Ok(Atom::Repeatable(Node::Look { behind, negated, node }));
            }
        }
        if self.eat(b"?>") {
            return Ok(Atom::Repeatable(Node::Atomic(Box::new(self.inside()?))));
        }
        if self.eat(b"?P=") {
            let name = self.name(b')')?;
            return self.named(name).map(Atom::Repeatable);
        }
        for (sign, end) in [(&b"?P<"[..], b'>'), (b"?<", b'>'), (b"?'", b'\'')] {
            if self.eat(sign) {
                return self.named_group(end);
            }
        }
        if self.eat(b"?") {
            return self.flags();
        }
        if self.flags.no_auto_capture {
            return self.inside().map(Atom::Repeatable);
        }
        self.capturing().map(Atom::Repeatable)
    }

    fn named_group(&mut self, end: u8) -> Parsed<Atom> {
        let name = self.name(end)?;
        if self.names.iter().any(|(other, _)| *other == name) {
            return Err(self.wrong("name given twice"));
        }
        self.names.push((name, self.groups.saturating_add(1)));
        self.capturing().map(Atom::Repeatable)
    }

    fn capturing(&mut self) -> Parsed<Node> {
        self.groups = self.groups.saturating_add(1);
        if self.groups > MAX_GROUPS {
            return Err(ExpressionError::OverLimit { field: "groups", limit: MAX_GROUPS as usize });
        }
        let index = self.groups;
        Ok(Node::Group(index, Box::new(self.inside()?)))
    }

    /// What stands in a group, and its end; flags set inside end with it.
    fn inside(&mut self) -> Parsed<Node> {
        let flags = self.flags;
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(ExpressionError::OverLimit { field: "depth", limit: MAX_DEPTH });
        }
        let node = self.alternatives()?;
        self.depth = self.depth.saturating_sub(1);
        self.flags = flags;
        if self.eat(b")") { Ok(node) } else { Err(self.wrong("`)` missing")) }
    }

    /// `(?flags)` for the rest of the group around it, `(?flags:…)` for its own inside.
    fn flags(&mut self) -> Parsed<Atom> {
        let outside = self.flags;
        if self.eat(b"^") {
            let Options { anchored, dollar_end_only, ungreedy, .. } = outside.options;
            let options = Options { anchored, dollar_end_only, ungreedy, ..Options::default() };
            self.flags = Flags { options, ..Flags::default() };
        }
        let mut on = true;
        loop {
            let options = &mut self.flags.options;
            match self.pattern.get(self.at) {
                Some(b'-') if on => on = false,
                Some(b'i') => options.caseless = on,
                Some(b's') => options.dot_all = on,
                Some(b'm') => options.multiline = on,
                Some(b'U') => options.ungreedy = on,
                Some(b'n') => self.flags.no_auto_capture = on,
                Some(b'x') => {
                    options.extended = on;
                    let is_double = self.rest().starts_with(b"xx");
                    self.flags.blanks_in_classes = on && is_double;
                    self.at = self.at.saturating_add(is_double.into());
                }
                _ => break,
            }
            self.at = self.at.saturating_add(1);
        }
        match self.next()? {
            b')' => Ok(Atom::Nothing),
            b':' => {
                let node = self.inside()?;
                self.flags = outside;
                Ok(Atom::Repeatable(node))
            }
            other => Err(self.unknown(other)),
        }
    }

    fn unknown(&self, letter: u8) -> ExpressionError {
        self.unsupported(match letter {
            b'(' => "conditional",
            b'R' | b'&' | b'P' | b'+' | b'0'..=b'9' => "recursion",
            b'C' => "callout",
            b'|' => "branch reset",
            b'J' => "name given twice",
            b'*' => "look-around that is not atomic",
            _ => return self.wrong("unknown kind of group"),
        })
    }
}
