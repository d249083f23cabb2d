//! Where a parser stands.

use super::{Parsed, Parser};
use crate::error::ExpressionError;

/// PCRE2's own bound of a name, in bytes.
const MAX_NAME: usize = 32;

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a [u8] {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Parsed<u8> {
        let byte = self.peek().ok_or_else(|| self.wrong("the pattern ends early"))?;
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }

    pub(super) fn eat(&mut self, text: &[u8]) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at = self.at.saturating_add(text.len());
        }
        there
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let mut value = None;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(10)) {
            value = Some(value.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
            self.at = self.at.saturating_add(1);
        }
        value
    }

    /// A name and the byte that ends it.
    pub(super) fn name(&mut self, end: u8) -> Parsed<&'a [u8]> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| *byte == end).unwrap_or(0);
        let name = rest.get(..length).unwrap_or_default();
        let is_word = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if !is_word || name.len() > MAX_NAME || name.first().is_none_or(u8::is_ascii_digit) {
            return Err(self.wrong("name missing or malformed"));
        }
        self.at = self.at.saturating_add(length).saturating_add(1);
        Ok(name)
    }

    pub(super) fn wrong(&self, wrong: &'static str) -> ExpressionError {
        ExpressionError::Syntax { at: self.at, wrong }
    }

    pub(super) fn unsupported(&self, what: &'static str) -> ExpressionError {
        ExpressionError::Unsupported { at: self.at, what }
    }
}
