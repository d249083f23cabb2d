//! PCRE2's syntax (pcre2pattern(3), 10.42) over bytes.
//!
//! Recursive over groups, whose nesting is bounded; so is the tree that comes out, because PCRE2 has
//! no quantifier behind a quantifier.

mod class;
mod cursor;
mod escape;
mod group;
#[cfg(test)]
mod tests;

use crate::error::ExpressionError;
use crate::node::{Assertion, Greed, Node};
use crate::options::Options;
use crate::set::ByteSet;

/// Bytes; the longest real pattern has 14,503.
const MAX_PATTERN: usize = 64 << 10;
/// Groups in groups, as in PCRE2: bounds the recursion of this parser and of all that walks its tree.
const MAX_DEPTH: usize = 250;
/// PCRE2's own bound of a count.
const MAX_REPEAT: u32 = 65_535;

/// Parses a pattern, and says how many groups capture.
///
/// # Errors
/// [`ExpressionError`] for what PCRE2 refuses, what is not supported and what is over a limit.
/// Whether a look-behind has a bounded length is not checked. Cost: linear.
pub(crate) fn parse(pattern: &[u8], options: Options) -> Result<(Node, u32), ExpressionError> {
    if pattern.len() > MAX_PATTERN {
        return Err(ExpressionError::OverLimit { field: "pattern", limit: MAX_PATTERN });
    }
    let flags = Flags { options, blanks_in_classes: false, no_auto_capture: false };
    let mut parser = Parser { pattern, flags, ..Parser::default() };
    let node = parser.alternatives()?;
    if parser.at < pattern.len() {
        return Err(parser.wrong("`)` without `(`"));
    }
    if parser.highest > parser.groups {
        return Err(parser.wrong("reference to a group that is not there"));
    }
    Ok((node, parser.groups))
}

#[derive(Default)]
struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
    flags: Flags,
    /// Between `\Q` and `\E`.
    quoted: bool,
    depth: usize,
    groups: u32,
    names: Vec<(&'a [u8], u32)>,
    /// The highest group that is referred to.
    highest: u32,
}

/// What can change in a pattern, until the end of its group.
#[derive(Clone, Copy, Default)]
struct Flags {
    options: Options,
    /// `xx`.
    blanks_in_classes: bool,
    /// `n`.
    no_auto_capture: bool,
}

type Parsed<T> = Result<T, ExpressionError>;

/// A part of a sequence.
enum Atom {
    /// A quantifier may follow.
    Repeatable(Node),
    /// None may.
    Single(Node),
    /// Nothing that matches: flags.
    Nothing,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Parsed<Node> {
        let first = self.sequence()?;
        if self.peek() != Some(b'|') {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.eat(b"|") {
            all.push(self.sequence()?);
        }
        Ok(Node::Alternatives(all))
    }

    fn sequence(&mut self) -> Parsed<Node> {
        let mut nodes = Vec::new();
        loop {
            self.skip_ignored()?;
            if self.peek().is_none() || !self.quoted && matches!(self.peek(), Some(b'|' | b')')) {
                let only = if nodes.len() == 1 { nodes.pop() } else { None };
                return Ok(only.unwrap_or(Node::Sequence(nodes)));
            }
            match self.atom()? {
                Atom::Repeatable(node) => {
                    let node = self.quantified(node)?;
                    nodes.push(node);
                }
                Atom::Single(node) => nodes.push(node),
                Atom::Nothing => {}
            }
        }
    }

    fn atom(&mut self) -> Parsed<Atom> {
        if self.quoted {
            let byte = self.next()?;
            return Ok(Atom::Repeatable(self.byte(byte)));
        }
        if self.counts()?.is_some() {
            return Err(self.wrong("quantifier behind nothing that can be repeated"));
        }
        let options = self.flags.options;
        Ok(match self.next()? {
            b'(' => return self.group(),
            b'\\' => return self.escape(),
            b'[' => Atom::Repeatable(Node::Set(self.class()?)),
            b'.' if options.dot_all => Atom::Repeatable(Node::Set(ByteSet::default().negated())),
            b'.' => Atom::Repeatable(Node::Set(ByteSet::of(|byte| byte != b'\n'))),
            b'^' if options.multiline => Atom::Single(Node::Assertion(Assertion::LineStart)),
            b'^' => Atom::Single(Node::Assertion(Assertion::Start)),
            b'$' if options.multiline => Atom::Single(Node::Assertion(Assertion::LineEnd)),
            b'$' if options.dollar_end_only => Atom::Single(Node::Assertion(Assertion::End)),
            b'$' => Atom::Single(Node::Assertion(Assertion::EndOrLastLine)),
            byte => Atom::Repeatable(self.byte(byte)),
        })
    }

    fn quantified(&mut self, node: Node) -> Parsed<Node> {
        self.skip_ignored()?;
        if self.quoted {
            return Ok(node);
        }
        let Some((min, max)) = self.counts()? else {
            return Ok(node);
        };
        self.skip_ignored()?;
        let ungreedy = self.flags.options.ungreedy;
        let greed = if self.quoted {
            Greed::of(ungreedy)
        } else if self.eat(b"+") {
            Greed::Possessive
        } else {
            Greed::of(self.eat(b"?") != ungreedy)
        };
        Ok(Node::Repeat { node: Box::new(node), min, max, greed })
    }

    /// A quantifier, if there is one.
    fn counts(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        let before = self.at;
        let counts = match self.peek() {
            Some(b'*') => Some((0, None)),
            Some(b'+') => Some((1, None)),
            Some(b'?') => Some((0, Some(1))),
            Some(b'{') => {
                let counts = self.braces()?;
                if counts.is_none() {
                    self.at = before;
                }
                return Ok(counts);
            }
            _ => None,
        };
        self.at = self.at.saturating_add(counts.is_some().into());
        Ok(counts)
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else is no quantifier.
    fn braces(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        self.eat(b"{");
        let Some(min) = self.number() else { return Ok(None) };
        let max = if self.eat(b",") { self.number() } else { Some(min) };
        if !self.eat(b"}") {
            return Ok(None);
        }
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT) {
            return Err(self.wrong("count over 65535"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(self.wrong("counts out of order"));
        }
        Ok(Some((min, max)))
    }

    /// Passes over what stands between things and is none of them: `\Q`, `\E` and comments; blanks
    /// where they do not count.
    fn skip_ignored(&mut self) -> Parsed<()> {
        loop {
            if self.eat(br"\E") {
                self.quoted = false;
            } else if self.quoted {
                return Ok(());
            } else if self.eat(br"\Q") {
                self.quoted = true;
            } else if self.eat(b"(?#") {
                while self.next()? != b')' {}
            } else if !self.skip_blank() {
                return Ok(());
            }
        }
    }

    fn skip_blank(&mut self) -> bool {
        let blank = match self.peek() {
            Some(9..=13 | 32) => 1,
            Some(b'#') => {
                let line = self.rest().iter().position(|byte| *byte == b'\n');
                line.map_or(self.rest().len(), |end| end.saturating_add(1))
            }
            _ => 0,
        };
        let is_blank = self.flags.options.extended && blank > 0;
        if is_blank {
            self.at = self.at.saturating_add(blank);
        }
        is_blank
    }

    fn byte(&self, byte: u8) -> Node {
        let set = ByteSet::only(byte);
        Node::Set(if self.flags.options.caseless { set.caseless() } else { set })
    }
}
