//! Tags and their arguments.

use super::arguments::c_string;
use super::chunk::is_space;
use super::data_url::DataUrl;
use super::machine::{Inside, MAX_NAME, Machine, Quoted, State, is_full_stop};
use crate::script::Script;

impl Machine<'_> {
    pub(super) fn tag(&mut self, byte: u8) {
        let is_first = self.tag.is_empty();
        let in_element = self.inside != Inside::Nothing;
        match byte {
            b'!' if is_first => {
                if in_element {
                    self.write(b'!');
                } else {
                    // The `<` of a comment is taken back.
                    self.pages.no_comment.pop();
                }
                (self.state, self.next) = (State::Comment, State::Bad);
                self.forward();
            }
            b'>' => {
                self.write(b'>');
                self.forward();
                (self.state, self.next) = (State::SkipSpace, State::ProcessTag);
            }
            _ if is_space(byte) => {
                self.name.clear();
                self.state = State::SkipSpace;
                self.next = if in_element { State::ProcessTag } else { State::Argument };
            }
            _ => {
                self.write(byte.to_ascii_lowercase());
                // Within a script nothing but its end is a tag.
                if in_element && is_first && byte != b'/' {
                    self.state = State::Text;
                }
                keep(&mut self.tag, byte.to_ascii_lowercase());
                self.forward();
            }
        }
    }

    pub(super) fn argument(&mut self, byte: u8) {
        match byte {
            b'=' => self.begin_value(),
            b'>' => {
                self.write(b'>');
                self.add_bare_argument();
                self.forward();
                (self.state, self.next) = (State::ProcessTag, State::Bad);
            }
            _ if is_space(byte) => {
                self.forward();
                (self.state, self.next) = (State::SkipSpace, State::Equal);
            }
            _ => {
                if self.name.is_empty() {
                    self.write(b' ');
                }
                self.write(byte.to_ascii_lowercase());
                keep(&mut self.name, byte.to_ascii_lowercase());
                self.forward();
            }
        }
    }

    pub(super) fn equal(&mut self, byte: u8) {
        if byte == b'=' {
            self.begin_value();
        } else {
            self.add_bare_argument();
            self.name.clear();
            (self.state, self.next) = (State::Argument, State::Bad);
        }
    }

    fn begin_value(&mut self) {
        self.write(b'=');
        self.forward();
        self.is_escaped = false;
        self.quoted = Quoted::Not;
        self.value.clear();
        (self.state, self.next) = (State::SkipSpace, State::Value);
    }

    fn add_bare_argument(&mut self) {
        if !self.name.is_empty() {
            self.add_argument(false);
        }
    }

    fn add_argument(&mut self, has_value: bool) {
        let is_asked = matches!(self.tag.as_slice(), b"script" | b"%@" | b"a" | b"img");
        // What is left over when a decoded script tears a tag goes to the next one.
        if is_asked || self.looks_for_screnc {
            self.arguments.add(&self.name, has_value.then_some(&self.value));
        }
    }

    pub(super) fn value(&mut self, byte: u8) {
        match byte {
            _ if self.value == b"data:" || self.value == b"\"data:" => self.begin_data(),
            b'&' => {
                (self.state, self.next) = (State::Reference, State::Value);
                self.forward();
            }
            b'\'' => self.quote(Quoted::Single),
            b'"' => self.quote(Quoted::Double),
            b'>' => self.end_of_word(byte),
            _ if is_space(byte) => self.end_of_word(byte),
            _ => self.value_byte(byte),
        }
        self.is_escaped = self.here() == b'\\';
    }

    fn begin_data(&mut self) {
        self.pages.no_comment.pop();
        if self.quoted != Quoted::Not {
            self.write(b'"');
        }
        self.value.clear();
        (self.state, self.next) = (State::Data(DataUrl::Type), State::Argument);
    }

    /// A quote of kind `kind`: the first, the last, or one of the value.
    fn quote(&mut self, kind: Quoted) {
        self.write(b'"');
        let is_first = self.value.is_empty();
        keep(&mut self.value, b'"');
        self.forward();
        if is_first {
            self.quoted = kind;
        } else if !self.is_escaped && self.quoted == kind {
            self.end_of_value();
        }
    }

    fn end_of_value(&mut self) {
        self.add_argument(true);
        self.name.clear();
        (self.state, self.next) = (State::SkipSpace, State::Argument);
    }

    /// White space or `>`: ends a bare value; in a quoted one it stays, and the quote is forgotten.
    fn end_of_word(&mut self, byte: u8) {
        if self.quoted == Quoted::Not {
            self.end_of_value();
            return;
        }
        self.write(byte);
        keep(&mut self.value, if byte == b'>' { b'>' } else { b' ' });
        self.quoted = Quoted::Not;
        (self.state, self.next) = (State::SkipSpace, State::Value);
        self.forward();
    }

    fn value_byte(&mut self, byte: u8) {
        let held = self.held_in_value;
        if held != 0 && (byte < 0x80 || held >= 0x1_0000) {
            self.held_in_value = 0;
            if is_full_stop(held, byte) {
                self.write(b'.');
                keep(&mut self.value, b'.');
                if held == super::machine::FULL_STOP_BIG5 {
                    self.forward();
                    return;
                }
            } else {
                self.write_held(held);
                self.keep_held(held);
            }
        }
        if byte >= 0x80 {
            self.held_in_value = (self.held_in_value << 8) | u32::from(byte);
            self.forward();
        } else if self.value.len() > b"\"data:".len() {
            self.plain_value();
        } else {
            self.write(byte.to_ascii_lowercase());
            keep(&mut self.value, byte);
            self.forward();
        }
    }

    /// A stretch of a value without anything special; the byte at hand is one.
    fn plain_value(&mut self) {
        let rest = self.portion.get(self.at..).unwrap_or_default();
        let length = rest.iter().skip(1).take_while(|byte| is_plain(**byte)).count();
        let length = length.saturating_add(1);
        let stretch = rest.get(..length).unwrap_or(rest);
        self.pages.no_comment.extend(stretch.iter().map(u8::to_ascii_lowercase));
        let room = MAX_NAME.saturating_sub(self.value.len());
        self.value.extend_from_slice(stretch.get(..room).unwrap_or(stretch));
        self.at = self.at.saturating_add(stretch.len());
    }

    fn keep_held(&mut self, held: u32) {
        let [_, first, second, third] = held.to_be_bytes();
        if first != 0 {
            keep(&mut self.value, first);
        }
        if first != 0 || second != 0 {
            keep(&mut self.value, second);
        }
        keep(&mut self.value, third);
    }

    pub(super) fn process_tag(&mut self) {
        (self.state, self.next) = (State::SkipSpace, State::Text);
        match self.tag.as_slice() {
            b"/script" => {
                self.inside = Inside::Nothing;
                if self.script.is_some() {
                    self.feed_script(self.at);
                }
            }
            b"/style" if self.inside == Inside::Style => self.end_style(),
            [b'/', ..] => (),
            b"script" => self.begin_script(),
            b"style" => {
                self.inside = Inside::Style;
                self.style_begin = self.at;
            }
            b"%@" if self.encoded_language().is_some() => self.begin_look_for_screnc(),
            b"a" => self.show_address(b"href"),
            b"img" => self.show_address(b"src"),
            _ => (),
        }
        self.arguments.clear();
    }

    fn end_style(&mut self) {
        self.inside = Inside::Nothing;
        // ClamAV takes the end tag's length from the portion's and gives up if a border lies between.
        if self.at < self.style_begin.saturating_add(b"</style>".len()) {
            self.report.resumed = self.report.resumed.saturating_add(1);
        }
    }

    fn begin_script(&mut self) {
        if let Some(plain) = self.encoded_language() {
            self.write_tag_again(plain);
            (self.state, self.next) = (State::SkipSpace, State::ScrencStart);
        }
        self.inside = Inside::Script;
        if self.script.is_none() {
            self.script = Some(Box::new(Script::new()));
            self.script_begin = Some(self.at);
        }
    }

    /// The language that is encoded, if the tag says that one is.
    fn encoded_language(&self) -> Option<&'static [u8]> {
        let language = self.arguments.value(b"language")?;
        if language.eq_ignore_ascii_case(b"jscript.encode") {
            Some(b"javascript")
        } else if language.eq_ignore_ascii_case(b"vbscript.encode") {
            Some(b"vbscript")
        } else {
            None
        }
    }

    /// Writes the tag a second time, as if `plain` were its language.
    fn write_tag_again(&mut self, plain: &[u8]) {
        let out = &mut self.pages.no_comment;
        let mut is_set = false;
        out.push(b'<');
        out.extend_from_slice(c_string(&self.tag));
        for (name, value) in self.arguments.iter() {
            out.push(b' ');
            out.extend_from_slice(name);
            let is_language = name == b"language" && !is_set;
            is_set |= is_language;
            if let Some(value) = if is_language { Some(plain) } else { value } {
                out.extend_from_slice(b"=\"");
                out.extend(value.iter().map(u8::to_ascii_lowercase));
                out.push(b'"');
            }
        }
        out.push(b'>');
    }

    fn show_address(&mut self, argument: &[u8]) {
        if let Some(address) = self.arguments.value(argument).filter(|address| !address.is_empty())
        {
            self.pages.no_tags.extend_from_slice(address);
            self.pages.no_tags.push(b' ');
            self.has_space = true;
        }
    }
}

/// Keeps a byte of what is no longer than ClamAV's buffers.
pub(super) fn keep(kept: &mut Vec<u8>, byte: u8) {
    if kept.len() < MAX_NAME {
        kept.push(byte);
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7F) && !matches!(byte, b'&' | b'\'' | b'"' | b'>')
}
