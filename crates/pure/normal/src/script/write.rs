//! Tokens to the form of a script.

use super::Script;
use super::number;
use super::token::{Kind, Payload, Token};

const BEGIN: &[u8] = b"<script>";
const END: &[u8] = b"</script>";
/// ClamAV looks for an end tag in its buffer of this size alone.
const BUFFER: usize = 65_536;
/// Scopes asked per token for the numbers of names.
const STEPS_PER_TOKEN: usize = 32;

impl Script {
    /// Writes the form behind what `out` holds, on a line of its own.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        if start > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(BEGIN);
        self.scopes.set_current(0);
        let mut steps = self.tokens.len().saturating_mul(STEPS_PER_TOKEN).saturating_add(BUFFER);
        let mut last = 0;
        for token in std::mem::take(&mut self.tokens) {
            match token.payload {
                Payload::Scope(Some(scope)) => self.scopes.set_current(scope),
                Payload::Scope(None) => {
                    self.scopes.leave();
                    continue;
                }
                _ => (),
            }
            last = self.write_token(&token, last, &mut steps, out);
        }
        if steps == 0 {
            self.report.unnumbered = 1;
        }
        let buffered = out.len().saturating_sub(start) % BUFFER;
        if buffered < END.len() || !out.ends_with(END) {
            out.extend_from_slice(END);
        }
    }

    /// Writes one token and gives its last sign, or one of its kind.
    fn write_token(&self, token: &Token, last: u8, steps: &mut usize, out: &mut Vec<u8>) -> u8 {
        let mut put = |first: u8, text: &[u8]| {
            if last.is_ascii_alphanumeric() && first.is_ascii_alphanumeric() {
                out.push(b' ');
            }
            out.extend(text.iter().map(|byte| small(*byte)));
        };
        match (token.kind, &token.payload) {
            (Kind::String, payload) => {
                put(b'"', b"\"");
                if let Payload::Owned(string) = payload {
                    out.extend(string.iter().map(|byte| small(*byte)));
                }
                out.push(b'"');
                b'"'
            }
            (_, Payload::Integer(value)) => {
                put(b'0', value.to_string().as_bytes());
                b'0'
            }
            (_, Payload::Float(value)) => {
                put(b'0', number::general(*value).as_bytes());
                b'0'
            }
            (_, Payload::Symbol(symbol)) => {
                match self.scopes.number(self.scopes.current(), *symbol, steps) {
                    Some(number) => put(b'a', format!("n{number:03}").as_bytes()),
                    None => put(b'a', self.scopes.name(*symbol)),
                }
                b'a'
            }
            (_, Payload::Scope(_)) => {
                put(b'a', b"function");
                b'a'
            }
            (_, Payload::Static(text)) => {
                put(text.first().copied().unwrap_or(0), text);
                text.last().copied().unwrap_or(0)
            }
            (_, Payload::Owned(text)) => {
                put(text.first().copied().unwrap_or(0), text);
                text.last().copied().unwrap_or(0)
            }
            (_, Payload::Taken) => 0,
        }
    }
}

fn small(byte: u8) -> u8 {
    if matches!(byte, b'\t'..=b'\r') { b' ' } else { byte.to_ascii_lowercase() }
}
