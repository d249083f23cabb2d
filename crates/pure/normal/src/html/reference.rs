//! References to characters, by number and by name.

use super::entities;
use super::machine::{Machine, State};
use super::tag::keep;

impl Machine<'_> {
    /// Behind `&`.
    pub(super) fn reference(&mut self, byte: u8) {
        if byte == b'#' {
            self.number = 0;
            self.is_hex = false;
            self.state = State::Number;
            self.forward();
        } else {
            self.state = State::EntityName;
        }
    }

    pub(super) fn entity_name(&mut self, byte: u8) {
        let is_name = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
        if byte == b';' {
            self.named();
            self.forward();
        } else if is_name && self.entity.len() < super::machine::MAX_NAME {
            self.entity.push(byte);
            self.forward();
        } else {
            self.write_entity_back(false);
            self.go_back();
        }
    }

    fn named(&mut self) {
        match entities::character(&self.entity) {
            Some(character) => {
                for byte in Normal::new(character).bytes() {
                    self.write_to_value_too(*byte);
                }
                self.entity.clear();
            }
            None => self.write_entity_back(true),
        }
        self.go_back();
    }

    /// What is no reference stays, with small letters.
    fn write_entity_back(&mut self, has_end: bool) {
        self.write_to_value_too(b'&');
        let entity = std::mem::take(&mut self.entity);
        for byte in &entity {
            self.write_to_value_too(byte.to_ascii_lowercase());
        }
        if has_end {
            self.write_to_value_too(b';');
        }
        self.entity = entity;
        self.entity.clear();
    }

    /// A page that ends within a reference.
    pub(super) fn unfinished_entity(&mut self) {
        if let Some(character) = entities::character(&self.entity) {
            self.pages.no_comment.extend_from_slice(Normal::new(character).bytes());
        } else if !self.entity.is_empty() {
            self.write(b'&');
            self.pages.no_comment.extend(self.entity.iter().map(u8::to_ascii_lowercase));
        }
    }

    pub(super) fn number(&mut self, byte: u8) {
        match byte {
            b'x' | b'X' if self.number == 0 => {
                self.is_hex = true;
                self.forward();
            }
            b';' => {
                let [low, high, ..] = self.number.to_le_bytes();
                self.keep_in_value(low);
                if self.number < 0x80 {
                    self.write(low.to_ascii_lowercase());
                } else {
                    let normal = Normal::new(u16::from_le_bytes([low, high]));
                    self.pages.no_comment.extend_from_slice(normal.bytes());
                }
                self.go_back();
                self.forward();
            }
            _ => match self.with_digit(byte) {
                Digit::Next(number) => {
                    self.number = number;
                    self.forward();
                }
                Digit::TooMany => {
                    self.write_number();
                    self.forward();
                }
                Digit::None => self.write_number(),
            },
        }
    }

    fn with_digit(&mut self, byte: u8) -> Digit {
        let Some(digit) = (byte as char).to_digit(if self.is_hex { 16 } else { 10 }) else {
            return Digit::None;
        };
        // What ClamAV 1.4 does: where sixteen times is too much, ten times may still do.
        let number = if self.is_hex && self.number < i64::MAX / 16 {
            self.number.wrapping_mul(16)
        } else if self.number < i64::MAX / 10 {
            self.number.wrapping_mul(10)
        } else {
            return Digit::TooMany;
        };
        self.number = number;
        number.checked_add(i64::from(digit)).map_or(Digit::TooMany, Digit::Next)
    }

    fn write_number(&mut self) {
        let [low, ..] = self.number.to_le_bytes();
        self.write(low);
        self.go_back();
    }

    fn write_to_value_too(&mut self, byte: u8) {
        self.write(byte);
        self.keep_in_value(byte);
    }

    fn keep_in_value(&mut self, byte: u8) {
        if self.next == State::Value {
            keep(&mut self.value, byte);
        }
    }

    /// To the state that met the reference.
    fn go_back(&mut self) {
        (self.state, self.next) = (self.next, State::Bad);
    }
}

enum Digit {
    None,
    Next(i64),
    TooMany,
}

/// A character as the forms write it: below 255 its byte, otherwise `&#x` and four digits.
struct Normal {
    bytes: [u8; 8],
    length: usize,
}

impl Normal {
    fn new(character: u16) -> Self {
        let [low, ..] = character.to_le_bytes();
        let one = |byte| Self { bytes: [byte, 0, 0, 0, 0, 0, 0, 0], length: 1 };
        match character {
            0 => Self { length: 0, ..one(0) },
            1..0xFF => one(low),
            0x3002 | 0xFF0E | 0xFE52 => one(b'.'),
            _ => {
                let digit = |shift: u16| {
                    let digit = char::from_digit(u32::from(character >> shift & 0xF), 16);
                    digit.map_or(b'0', |digit| digit as u8)
                };
                let digits = [digit(12), digit(8), digit(4), digit(0)];
                let [a, b, c, d] = digits;
                Self { bytes: [b'&', b'#', b'x', a, b, c, d, b';'], length: 8 }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
