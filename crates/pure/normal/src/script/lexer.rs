//! Bytes to tokens, part by part.
//!
//! A token may go on in the next part, because a page is read in portions; its beginning is held in
//! `held` meanwhile. There are no regular expressions and no templates here, as in ClamAV.

use super::escapes;
use super::number;
use super::token::{Kind, Payload, Token};
use super::words;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Initial,
    BlockComment,
    LineComment,
    Number,
    /// A string, with the quote that ends it.
    String(u8),
    Identifier,
}

#[derive(Debug, Default)]
pub(super) struct Lexer {
    state: State,
    /// What the token that is being read holds so far.
    held: Vec<u8>,
    at: usize,
    /// Where the last token was asked for, and in which state.
    last: Option<(usize, State)>,
}

impl Lexer {
    pub(super) fn begin_part(&mut self) {
        self.at = 0;
        self.last = None;
    }

    /// The quote that an open string wants.
    pub(super) fn open_quote(&self) -> Option<u8> {
        match self.state {
            State::String(quote) => Some(quote),
            _ => None,
        }
    }

    /// The identifier that was read last.
    pub(super) fn text(&self) -> &[u8] {
        &self.held
    }

    /// The next token of `part`; none at its end.
    pub(super) fn next_token(&mut self, part: &[u8]) -> Option<Token> {
        if self.last == Some((self.at, self.state)) {
            self.forward();
        }
        self.last = Some((self.at, self.state));
        while let Some(byte) = part.get(self.at) {
            match self.state {
                State::Initial => {
                    if let Some(found) = self.begin_token(part, *byte) {
                        return found;
                    }
                }
                State::BlockComment => self.block_comment(part),
                State::LineComment => self.line_comment(part),
                State::Number => return self.number(part),
                State::String(quote) => return self.string(part, quote),
                State::Identifier => return self.identifier(part),
            }
        }
        None
    }

    /// At the first byte of a token; none if there is none at hand.
    fn begin_token(&mut self, part: &[u8], byte: u8) -> Option<Option<Token>> {
        self.held.clear();
        let rest = part.get(self.at..).unwrap_or_default();
        if let Some(state) = match rest {
            [b'/', b'*', ..] => Some(State::BlockComment),
            [b'/', b'/', ..] => Some(State::LineComment),
            _ => None,
        } {
            self.state = state;
            self.at = self.at.saturating_add(2);
            return None;
        }
        match byte {
            b'"' | b'\'' => {
                self.forward();
                return Some(self.string(part, byte));
            }
            b'0'..=b'9' => return Some(self.number(part)),
            b'$' | b'\\' | b'_' | b'a'..=b'z' | b'A'..=b'Z' => return Some(self.identifier(part)),
            _ => (),
        }
        if let Some(operator) = words::operator(rest) {
            let Payload::Static(word) = operator.payload else { return None };
            self.at = self.at.saturating_add(word.len());
            return Some(Some(operator));
        }
        self.forward();
        mark(byte).map(Some)
    }

    fn block_comment(&mut self, part: &[u8]) {
        let rest = part.get(self.at..).unwrap_or_default();
        match memchr::memmem::find(rest, b"*/") {
            Some(length) => {
                self.state = State::Initial;
                self.at = self.at.saturating_add(length).saturating_add(2);
            }
            None => self.at = part.len(),
        }
    }

    /// Ends at a space too: pages have theirs in place of line feeds.
    fn line_comment(&mut self, part: &[u8]) {
        let rest = part.get(self.at..).unwrap_or_default();
        let length = memchr::memchr2(b'\n', b' ', rest).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        self.state = State::Initial;
    }

    fn number(&mut self, part: &[u8]) -> Option<Token> {
        let mut is_float = false;
        while let Some(byte) = part.get(self.at) {
            self.forward();
            match byte {
                b'0'..=b'9' => {
                    self.held.push(*byte);
                    continue;
                }
                b'.' if !is_float => {
                    is_float = true;
                    self.held.push(b'.');
                    continue;
                }
                b'e' | b'E' if is_float => {
                    self.held.push(*byte);
                    if let Some(sign) = part.get(self.at) {
                        self.forward();
                        if matches!(sign, b'+' | b'-' | b'0'..=b'9') {
                            self.held.push(*sign);
                            continue;
                        }
                    }
                }
                _ => (),
            }
            self.at = self.at.saturating_sub(1);
            self.state = State::Initial;
            return Some(if is_float {
                let value = number::float(&self.held);
                Token { kind: Kind::Float, payload: Payload::Float(value) }
            } else {
                let value = number::integer(&self.held);
                Token { kind: Kind::Integer, payload: Payload::Integer(value) }
            });
        }
        self.state = State::Number;
        None
    }

    fn string(&mut self, part: &[u8], quote: u8) -> Option<Token> {
        let rest = part.get(self.at..).unwrap_or_default();
        let end = memchr::memchr_iter(quote, rest)
            .find(|end| end.checked_sub(1).and_then(|before| rest.get(before)) != Some(&b'\\'));
        let literal = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        escapes::append_literal(&mut self.held, literal);
        self.at = self.at.saturating_add(literal.len());
        if end.is_none() {
            self.state = State::String(quote);
            return None;
        }
        self.forward();
        self.state = State::Initial;
        let payload = Payload::Owned(std::mem::take(&mut self.held));
        Some(Token { kind: Kind::String, payload })
    }

    fn identifier(&mut self, part: &[u8]) -> Option<Token> {
        self.state = State::Identifier;
        loop {
            let rest = part.get(self.at..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| is_name(**byte)).count();
            self.held.extend_from_slice(rest.get(..length).unwrap_or_default());
            self.at = self.at.saturating_add(length);
            match rest.get(length..).unwrap_or_default() {
                [] => return None,
                // An escape keeps its backslash and loses the `u`.
                [b'\\', b'u', ..] => {
                    self.held.push(b'\\');
                    self.at = self.at.saturating_add(2);
                    continue;
                }
                [b'\\', _] => self.at = self.at.saturating_add(2),
                [b'\\', ..] => self.forward(),
                _ => (),
            }
            break;
        }
        self.state = State::Initial;
        let identifier = Token { kind: Kind::Identifier, payload: Payload::Taken };
        Some(words::keyword(&self.held).unwrap_or(identifier))
    }

    fn forward(&mut self) {
        self.at = self.at.saturating_add(1);
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'_')
}

/// A sign that is a token of its own.
fn mark(byte: u8) -> Option<Token> {
    let (kind, word): (_, &'static [u8]) = match byte {
        b'[' => (Kind::BracketOpen, b"["),
        b']' => (Kind::BracketClose, b"]"),
        b',' => (Kind::Comma, b","),
        b'{' => (Kind::CurlyOpen, b"{"),
        b'}' => (Kind::CurlyClose, b"}"),
        b'(' => (Kind::ParenthesisOpen, b"("),
        b')' => (Kind::ParenthesisClose, b")"),
        b'.' => (Kind::Dot, b"."),
        b';' => (Kind::Semicolon, b";"),
        _ => return None,
    };
    Some(Token { kind, payload: Payload::Static(word) })
}
