//! Data within addresses (RFC 2397), kept as messages.

use super::MAX_DATA;
use super::arguments::c_string;
use super::chunk::is_space;
use super::machine::{Machine, Quoted, State};
use super::tag::keep;

/// The part of the address that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataUrl {
    /// Up to the comma.
    Type,
    /// Between the comma and the first byte.
    Begin,
    Content,
    /// Behind the last byte.
    Finish,
    /// Behind `%`.
    Escape,
    /// The escape is read.
    Escaped,
}

impl Machine<'_> {
    pub(super) fn data(&mut self, part: DataUrl, byte: u8) {
        match part {
            DataUrl::Type => self.data_type(byte),
            DataUrl::Begin => self.begin_content(),
            DataUrl::Content => self.content(byte),
            DataUrl::Finish => {
                self.has_data = false;
                self.is_escaped = false;
                self.quoted = Quoted::Not;
                self.is_binary = false;
                (self.state, self.next) = (State::SkipSpace, State::Argument);
            }
            DataUrl::Escape => self.escape(byte),
            DataUrl::Escaped => self.escaped(),
        }
    }

    fn data_type(&mut self, byte: u8) {
        let is_end = match byte {
            b'\'' => !self.is_escaped && self.quoted == Quoted::Single,
            b'"' => !self.is_escaped && self.quoted == Quoted::Double,
            _ => false,
        };
        let is_gap = is_space(byte) || byte == b'>';
        if is_end || (is_gap && self.quoted == Quoted::Not) {
            // An address without data.
            if is_end {
                self.forward();
            }
            self.name.clear();
            (self.state, self.next) = (State::SkipSpace, State::Argument);
        } else if byte == b',' {
            self.forward();
            (self.state, self.next) = (State::Data(DataUrl::Begin), State::Bad);
        } else {
            let kept = match byte {
                b'\'' => b'"',
                _ if is_space(byte) => b' ',
                _ => byte.to_ascii_lowercase(),
            };
            keep(&mut self.value, kept);
            if is_gap {
                self.quoted = Quoted::Not;
                (self.state, self.next) = (State::SkipSpace, State::Data(DataUrl::Type));
            }
            self.forward();
        }
        self.is_escaped = self.here() == b'\\';
    }

    fn begin_content(&mut self) {
        self.state = State::Data(DataUrl::Content);
        self.is_binary = true;
        self.has_data = self.pages.data.len() < MAX_DATA;
        if !self.has_data {
            self.report.data_left_out = self.report.data_left_out.saturating_add(1);
            return;
        }
        let mut message = b"From html-normalise\nContent-type: ".to_vec();
        message.extend_from_slice(&self.value);
        message.push(b'\n');
        if memchr::memmem::find(c_string(&self.value), b";base64").is_some() {
            message.extend_from_slice(b"Content-transfer-encoding: base64\n");
        }
        message.push(b'\n');
        self.pages.data.push(message);
    }

    fn content(&mut self, byte: u8) {
        let is_end = match byte {
            b'&' => {
                (self.state, self.next) = (State::Reference, State::Data(DataUrl::Content));
                self.forward();
                self.is_escaped = self.here() == b'\\';
                return;
            }
            b'%' => {
                self.digits = 0;
                self.number = 0;
                self.state = State::Data(DataUrl::Escape);
                self.forward();
                self.is_escaped = self.here() == b'\\';
                return;
            }
            b'\'' => !self.is_escaped && self.quoted == Quoted::Single,
            b'"' => !self.is_escaped && self.quoted == Quoted::Double,
            _ => (is_space(byte) || byte == b'>') && self.quoted == Quoted::Not,
        };
        if is_end {
            self.state = State::Data(DataUrl::Finish);
            self.forward();
        } else {
            self.plain_content();
        }
        self.is_escaped = self.here() == b'\\';
    }

    /// The byte at hand, and those behind it that are nothing special.
    fn plain_content(&mut self) {
        let rest = self.portion.get(self.at..).unwrap_or_default();
        let length = rest.iter().skip(1).take_while(|byte| is_plain(**byte)).count();
        let length = length.saturating_add(1);
        if self.has_data
            && let (Some(data), Some(stretch)) = (self.pages.data.last_mut(), rest.get(..length))
        {
            data.extend_from_slice(stretch);
        }
        self.at = self.at.saturating_add(length);
    }

    fn escape(&mut self, byte: u8) {
        let digit = (byte as char).to_digit(16);
        self.number = self.number.wrapping_mul(16).wrapping_add(i64::from(digit.unwrap_or(0)));
        self.digits = self.digits.saturating_add(1);
        if digit.is_none() || self.digits == 2 {
            self.state = State::Data(DataUrl::Escaped);
        }
        self.forward();
    }

    fn escaped(&mut self) {
        let [value, ..] = self.number.to_le_bytes();
        if self.has_data
            && let Some(data) = self.pages.data.last_mut()
        {
            match self.digits {
                2 => data.push(value),
                1 => data.extend([b'%', value.wrapping_add(b'0')]),
                _ => data.push(b'%'),
            }
        }
        self.state = State::Data(DataUrl::Content);
    }
}

fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'\'' | b'"' | b'>' | b'&' | b'%') && !is_space(byte)
}
