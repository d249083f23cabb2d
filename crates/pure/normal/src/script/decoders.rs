//! What scripts hide their text with: `unescape`, `eval` of a string, P.A.C.K.E.R, and the encoder
//! that calls `dF`.
//!
//! A decoder is known by its call alone. What comes out is read as a script, in place of the call (or
//! behind everything, for `dF`), where later steps of the same pass find what it hides in turn.

use std::collections::VecDeque;

use super::Script;
use super::escapes::unescape;
use super::token::{Kind, Payload, Token};

/// Decoding may give this many times the script …
const MAX_GROWTH: usize = 8;
/// … and this many bytes more.
const FREE_GROWTH: usize = 64 << 10;
/// Tokens looked at per token of the script, in search of packers' functions and calls.
const STEPS_PER_TOKEN: usize = 32;
/// Arguments of a packer's function: payload, base, count, words, encoder, dictionary.
const ARGUMENTS: usize = 6;

/// What a decoder found.
struct Found {
    /// The tokens that it stands for, from the one at hand.
    begin: usize,
    end: usize,
    text: Vec<u8>,
    /// The new tokens go behind all others instead of to the old ones' place.
    goes_to_end: bool,
}

/// The tokens, with a place in them: what is done, and what is still to be looked at.
struct Pass {
    done: Vec<Token>,
    rest: VecDeque<Token>,
    steps: usize,
    bytes: usize,
}

impl Script {
    /// Replaces each `unescape("…")` by its string.
    pub(super) fn run_folders(&mut self) {
        let mut folded = Vec::with_capacity(self.tokens.len());
        let mut tokens = std::mem::take(&mut self.tokens).into_iter();
        while let Some(token) = tokens.next() {
            if self.is_name(&token, b"unescape")
                && let [open, string, _, ..] = tokens.as_slice()
                && open.kind == Kind::ParenthesisOpen
                && string.kind == Kind::String
            {
                let string = unescape(string.string().map_or(&[], Vec::as_slice));
                folded.push(Token { kind: Kind::String, payload: Payload::Owned(string) });
                tokens.nth(2);
            } else {
                folded.push(token);
            }
        }
        self.tokens = folded;
    }

    pub(super) fn run_decoders(&mut self) {
        let rest = VecDeque::from(std::mem::take(&mut self.tokens));
        let mut pass = Pass {
            done: Vec::with_capacity(rest.len()),
            steps: rest.len().saturating_mul(STEPS_PER_TOKEN),
            bytes: self.length.saturating_mul(MAX_GROWTH).saturating_add(FREE_GROWTH),
            rest,
        };
        while !pass.rest.is_empty() {
            if let Some(found) = self.decode(&mut pass) {
                self.replace(&mut pass, found);
            }
            if let Some(token) = pass.rest.pop_front() {
                if let (Kind::Function, Payload::Scope(scope)) = (token.kind, &token.payload) {
                    match scope {
                        Some(scope) => self.scopes.set_current(*scope),
                        None => self.scopes.leave(),
                    }
                }
                pass.done.push(token);
            }
        }
        self.tokens = pass.done;
    }

    /// Looks for a decoder at the front of what is left.
    fn decode(&mut self, pass: &mut Pass) -> Option<Found> {
        let first = pass.rest.front()?;
        if first.kind == Kind::Function {
            return self.packer(pass);
        }
        if first.kind != Kind::Identifier || pass.rest.get(1)?.kind != Kind::ParenthesisOpen {
            return None;
        }
        if self.is_name(first, b"dF") {
            encoder(pass)
        } else if self.is_name(first, b"eval") {
            evaluated(pass)
        } else {
            None
        }
    }

    fn replace(&mut self, pass: &mut Pass, found: Found) {
        let Found { begin, mut end, text, goes_to_end } = found;
        if pass.rest.get(end).is_some_and(|token| token.kind == Kind::Semicolon) {
            end = end.saturating_add(1);
        }
        if text.len() > pass.bytes {
            self.report.undecoded = 1;
            return;
        }
        pass.bytes = pass.bytes.saturating_sub(text.len());
        let held = pass.done.len().saturating_add(pass.rest.len());
        self.tokens.clear();
        self.tokenise_within(&text, held);
        let mut new = std::mem::take(&mut self.tokens);
        let is_whole = begin < pass.rest.len() && end <= pass.rest.len();
        if is_whole {
            let before: Vec<_> = pass.rest.drain(..begin).collect();
            pass.rest.drain(..end.saturating_sub(begin));
            if !goes_to_end {
                for token in new.drain(..).rev() {
                    pass.rest.push_front(token);
                }
            }
            for token in before.into_iter().rev() {
                pass.rest.push_front(token);
            }
        }
        if goes_to_end {
            pass.rest.extend(new);
        }
    }

    /// Reads decoded text while `held` tokens wait elsewhere.
    fn tokenise_within(&mut self, text: &[u8], held: usize) {
        self.lexer.begin_part();
        while let Some(token) = self.lexer.next_token(text) {
            if self.tokens.len().saturating_add(held) >= super::MAX_TOKENS {
                self.report.cut = 1;
                return;
            }
            self.token(token);
        }
    }

    fn is_name(&self, token: &Token, name: &[u8]) -> bool {
        match token.payload {
            Payload::Symbol(symbol) if token.kind == Kind::Identifier => {
                self.scopes.name(symbol) == name
            }
            _ => false,
        }
    }

    /// `function(p,a,c,k,e,d|r){…}` and its calls. Steps over the word `function`, so that the scope
    /// is not entered: ClamAV's oddity.
    fn packer(&mut self, pass: &mut Pass) -> Option<Found> {
        if pass.rest.len() <= 13 {
            return None;
        }
        pass.advance();
        let mut name = None;
        if let Some(Token { kind: Kind::Identifier, payload: Payload::Symbol(symbol) }) =
            pass.rest.front()
        {
            name = Some(*symbol);
            pass.advance();
        }
        if !self.has_packers_parameters(pass) {
            return None;
        }
        let found = match pass.end_of_function() {
            Some(end) => self.packed(pass, end, name),
            None => None,
        };
        if pass.steps == 0 {
            self.report.undecoded = 1;
        }
        found
    }

    /// The first three parameters are all that ClamAV compares.
    fn has_packers_parameters(&self, pass: &Pass) -> bool {
        let mut tokens = pass.rest.iter();
        if tokens.next().is_none_or(|token| token.kind != Kind::ParenthesisOpen) {
            return false;
        }
        [b"p", b"a", b"c"].iter().all(|name| {
            tokens.next().is_some_and(|token| self.is_name(token, *name))
                && tokens.next().is_some_and(|token| token.kind == Kind::Comma)
        })
    }

    /// The calls behind the function's end: all of a named one, the first of a nameless one.
    fn packed(&mut self, pass: &mut Pass, end: usize, name: Option<u32>) -> Option<Found> {
        let mut text = Vec::new();
        let (mut first, mut last) = (None, None);
        let mut at = end;
        while let Some(arguments) = pass.next_call(&mut at, name) {
            let [from, .., to] = arguments;
            first = first.or(Some(from));
            last = Some(to);
            if !self.unpack(pass, &arguments, &mut text) {
                self.report.undecoded = 1;
            }
            if name.is_none() {
                break;
            }
        }
        let (begin, end) = (first?, last?.saturating_add(1));
        let kind = |at: usize| pass.rest.get(end.saturating_add(at)).map(|token| token.kind);
        let more = match (kind(0), kind(1), kind(2)) {
            (Some(Kind::BracketOpen), Some(Kind::BracketClose), Some(Kind::ParenthesisClose)) => 3,
            (Some(_), ..) => 1,
            (None, ..) => 0,
        };
        Some(Found { begin, end: end.saturating_add(more), text, goes_to_end: false })
    }

    /// Appends a packer's payload with its words put back; false if that would be too much.
    fn unpack(&self, pass: &Pass, arguments: &[usize; ARGUMENTS], out: &mut Vec<u8>) -> bool {
        let [payload, base, _, words, ..] = arguments.map(|at| pass.rest.get(at));
        let (Some(payload), Some(words)) =
            (payload.and_then(|token| self.words_of(token)), words.and_then(Token::string))
        else {
            return true;
        };
        let base = match base.map(|token| &token.payload) {
            #[expect(clippy::cast_sign_loss, reason = "as C multiplies, modulo 2³²")]
            Some(Payload::Integer(base)) => *base as u32,
            _ => u32::MAX,
        };
        let words: Vec<_> = words.split(|byte| *byte == b'|').collect();
        let mut rest: &[u8] = payload;
        while let Some((byte, after)) = rest.split_first() {
            if !byte.is_ascii_alphanumeric() {
                let is_escape = *byte == b'\\' && matches!(after, [b'\'' | b'"', ..]);
                if !is_escape {
                    out.push(*byte);
                }
                rest = after;
                continue;
            }
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let (number, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let value = number
                .iter()
                .fold(0_u32, |value, sign| value.wrapping_mul(base).wrapping_add(digit(*sign)));
            let word = usize::try_from(value).ok().and_then(|value| words.get(value));
            match word {
                Some(word) if !word.is_empty() => out.extend_from_slice(word),
                _ => out.extend_from_slice(number),
            }
            if out.len() > pass.bytes {
                return false;
            }
            rest = after;
        }
        true
    }

    fn words_of<'a>(&'a self, token: &'a Token) -> Option<&'a [u8]> {
        match &token.payload {
            Payload::Owned(string) => Some(string),
            Payload::Static(word) => Some(word),
            Payload::Symbol(symbol) => Some(self.scopes.name(*symbol)),
            _ => None,
        }
    }
}

impl Pass {
    fn advance(&mut self) {
        if let Some(token) = self.rest.pop_front() {
            self.done.push(token);
        }
    }

    fn kind(&mut self, at: usize) -> Option<Kind> {
        self.steps = self.steps.checked_sub(1)?;
        self.rest.get(at).map(|token| token.kind)
    }

    /// Where the function ends whose parameters are at hand.
    fn end_of_function(&mut self) -> Option<usize> {
        let mut nesting = 1_usize;
        let mut at = 0_usize;
        loop {
            if self.kind(at)? == Kind::Function {
                match self.rest.get(at)?.payload {
                    Payload::Scope(Some(_)) => nesting = nesting.saturating_add(1),
                    _ => nesting = nesting.saturating_sub(1),
                }
                if nesting == 0 {
                    return Some(at);
                }
            }
            at = at.saturating_add(1);
        }
    }

    /// The arguments of the next call from `at`, which is then behind it.
    fn next_call(&mut self, at: &mut usize, name: Option<u32>) -> Option<[usize; ARGUMENTS]> {
        loop {
            let kind = self.kind(*at)?;
            let is_call = match name {
                None => kind == Kind::ParenthesisOpen,
                Some(symbol) => {
                    // ClamAV wants two tokens behind the name.
                    self.kind(at.saturating_add(2))?;
                    self.rest.get(*at)?.payload == Payload::Symbol(symbol)
                        && self.kind(at.saturating_add(1))? == Kind::ParenthesisOpen
                }
            };
            if is_call {
                *at = at.saturating_add(if name.is_some() { 2 } else { 1 });
                if let Some(arguments) = self.arguments(at) {
                    if name.is_some() {
                        *at = at.saturating_add(1);
                    }
                    return Some(arguments);
                }
                return None;
            }
            *at = at.saturating_add(1);
        }
    }

    /// Where each argument begins.
    fn arguments(&mut self, at: &mut usize) -> Option<[usize; ARGUMENTS]> {
        let mut arguments = [0; ARGUMENTS];
        for (index, argument) in arguments.iter_mut().enumerate() {
            if *at >= self.rest.len() {
                return None;
            }
            *argument = *at;
            *at = at.saturating_add(1);
            let is_last = index.saturating_add(1) == ARGUMENTS;
            let end = if is_last { Kind::ParenthesisClose } else { Kind::Comma };
            while *at < self.rest.len() && self.kind(*at)? != end {
                *at = at.saturating_add(1);
            }
            *at = at.saturating_add(1);
        }
        Some(arguments)
    }
}

/// `dF("…3")`: the last sign says by how much each byte was raised between two escapes.
fn encoder(pass: &mut Pass) -> Option<Found> {
    let string = pass.rest.get_mut(2).filter(|token| token.kind == Kind::String)?;
    let Payload::Owned(string) = &mut string.payload else { return None };
    let raised = string.pop()?.wrapping_sub(b'0');
    let mut lowered = unescape(string);
    for byte in &mut lowered {
        *byte = byte.wrapping_sub(raised);
    }
    let ended = lowered.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(Found { begin: 0, end: 4, text: unescape(ended), goes_to_end: true })
}

/// `eval("…")`.
fn evaluated(pass: &mut Pass) -> Option<Found> {
    if pass.rest.get(3)?.kind != Kind::ParenthesisClose {
        return None;
    }
    let string = pass.rest.get_mut(2)?;
    let Payload::Owned(_) = string.payload else { return None };
    let Payload::Owned(text) = std::mem::replace(&mut string.payload, Payload::Taken) else {
        return None;
    };
    Some(Found { begin: 0, end: 4, text, goes_to_end: false })
}

/// A digit to base 62.
fn digit(sign: u8) -> u32 {
    u32::from(match sign {
        b'a'.. => sign.wrapping_sub(b'a').wrapping_add(10),
        b'A'.. => sign.wrapping_sub(b'A').wrapping_add(36),
        _ => sign.wrapping_sub(b'0'),
    })
}
