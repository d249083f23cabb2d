//! JavaScript as signatures see it: strings joined and decoded, variables numbered.
//!
//! What ClamAV 1.4 does in `libclamav/jsparse/js-norm.c`, asked by experiment: a tokeniser and a guess
//! at scopes, no parser. Every script of a page becomes `<script>…</script>` on a line of its own.

mod decoders;
mod escapes;
mod lexer;
mod number;
mod scopes;
mod token;
mod words;
mod write;

use lexer::Lexer;
use scopes::Scopes;
use token::{Kind, Payload, Token};

/// What of a page's scripts is not in their form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Scripts of more than [`MAX_TOKENS`] tokens, whose form ends there.
    pub cut: u32,
    /// Scripts whose hidden parts were not all decoded, because that took more than a bounded number
    /// of steps or gave more than a bounded number of bytes.
    pub undecoded: u32,
    /// Scripts some of whose variables kept their names, because finding the scope of each took more
    /// than a bounded number of steps.
    pub unnumbered: u32,
}

impl Report {
    pub(crate) fn add(&mut self, other: Self) {
        self.cut = self.cut.saturating_add(other.cut);
        self.undecoded = self.undecoded.saturating_add(other.undecoded);
        self.unnumbered = self.unnumbered.saturating_add(other.unnumbered);
    }
}

/// Most tokens of one script: 32 bytes each, so 64 MiB, and twenty times the longest script that the
/// web's frameworks ship.
pub const MAX_TOKENS: usize = 1 << 21;

/// One script that is being read.
#[derive(Debug, Default)]
pub(crate) struct Script {
    lexer: Lexer,
    tokens: Vec<Token>,
    scopes: Scopes,
    /// Bytes read from the page, which bound what decoding may give.
    length: usize,
    report: Report,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads the next part. Tokens other than strings end with it.
    pub(crate) fn read(&mut self, part: &[u8]) {
        self.length = self.length.saturating_add(part.len());
        self.tokenise(part);
    }

    /// Closes what is open, decodes what is hidden, writes the form behind what `out` holds.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Report {
        if let Some(quote) = self.lexer.open_quote() {
            self.tokenise(&[quote]);
        }
        self.close_parentheses();
        self.run_folders();
        self.run_decoders();
        self.write(out);
        self.report
    }

    fn tokenise(&mut self, part: &[u8]) {
        self.lexer.begin_part();
        while let Some(token) = self.lexer.next_token(part) {
            if self.tokens.len() >= MAX_TOKENS {
                self.report.cut = 1;
                return;
            }
            self.token(token);
        }
    }

    fn token(&mut self, mut token: Token) {
        let kind = token.kind;
        match kind {
            Kind::Identifier => token = self.identifier(),
            Kind::CurlyClose if self.scopes.curly_close() => {
                self.tokens.push(token);
                token = Token { kind: Kind::Function, payload: Payload::Scope(None) };
                self.scopes.leave();
            }
            Kind::Function => {
                let scope = self.scopes.enter();
                token.payload = Payload::Scope(Some(scope));
            }
            Kind::String if self.joins(&token) => return,
            _ => self.scopes.see(kind),
        }
        self.tokens.push(token);
        self.scopes.set_last(kind);
    }

    fn identifier(&mut self) -> Token {
        let name = self.lexer.text();
        if self.scopes.is_member() {
            return Token { kind: Kind::Member, payload: Payload::Owned(name.into()) };
        }
        let symbol = self.scopes.symbol(name);
        self.scopes.identifier(symbol);
        Token { kind: Kind::Identifier, payload: Payload::Symbol(symbol) }
    }

    /// Joins a string to the one before it, if a plus stands between.
    fn joins(&mut self, token: &Token) -> bool {
        let Payload::Owned(more) = &token.payload else { return false };
        let [.., Token { kind: Kind::String, payload: Payload::Owned(before) }, plus] =
            self.tokens.as_mut_slice()
        else {
            return false;
        };
        if plus.kind != Kind::Plus {
            return false;
        }
        before.extend_from_slice(more);
        self.tokens.pop();
        true
    }

    fn close_parentheses(&mut self) {
        let mut open = 0_usize;
        for token in &self.tokens {
            match token.kind {
                Kind::ParenthesisOpen => open = open.saturating_add(1),
                Kind::ParenthesisClose => open = open.saturating_sub(1),
                _ => (),
            }
        }
        let close = Token { kind: Kind::ParenthesisClose, payload: Payload::Static(b")") };
        self.tokens.extend(std::iter::repeat_n(close, open));
    }
}
