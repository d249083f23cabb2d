//! The state machine through which a page passes.
//!
//! States and transitions are those of ClamAV's `cli_html_normalise`, oddities included; the states of
//! one subject stand together in a module (`tag`, `reference`, `data_url`). A portion ends like a C
//! string: reading at its end gives zero.

use super::arguments::Arguments;
use super::chunk::{Portions, is_space};
use super::data_url::DataUrl;
use super::screnc::{self, Screnc};
use super::{Pages, Report};
use crate::script::Script;

/// Longest tag, argument, value or reference that is kept, in bytes.
pub(super) const MAX_NAME: usize = 1024;
/// The forms together may be this many times the page …
const MAX_GROWTH: usize = 8;
/// … and this many bytes more, so that short pages are free to use it.
const FREE_GROWTH: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing leads here on purpose: ClamAV gives up.
    Bad,
    Text,
    EightBit,
    Comment,
    Reference,
    EntityName,
    Number,
    SkipSpace,
    TrimSpace,
    Tag,
    Argument,
    Equal,
    Value,
    ProcessTag,
    LookForScrenc,
    ScrencStart,
    ScrencLength,
    ScrencDecode,
    Data(DataUrl),
}

/// The element whose content is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    Script,
    Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoted {
    Single,
    Double,
    Not,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about the place in the page")]
pub(super) struct Machine<'p> {
    pub(super) pages: &'p mut Pages,
    pub(super) report: Report,
    /// Bytes that the forms may still grow by.
    growth_left: usize,

    pub(super) portion: Vec<u8>,
    pub(super) at: usize,
    pub(super) state: State,
    pub(super) next: State,
    saved_next: State,
    pub(super) inside: Inside,
    /// A space was the last that the text got.
    pub(super) has_space: bool,
    /// Lines are not joined: within data.
    pub(super) is_binary: bool,

    pub(super) tag: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) arguments: Arguments,
    pub(super) quoted: Quoted,
    pub(super) is_escaped: bool,
    /// Bytes from 0x80 that are held back because they may be a full stop of another script.
    pub(super) held: u32,
    pub(super) held_in_value: u32,

    pub(super) entity: Vec<u8>,
    pub(super) number: i64,
    pub(super) is_hex: bool,
    pub(super) digits: u32,
    /// The address whose data is being written.
    pub(super) has_data: bool,

    screnc: Screnc,
    pub(super) in_screnc: bool,
    pub(super) looks_for_screnc: bool,
    screnc_at: Option<usize>,

    pub(super) script: Option<Box<Script>>,
    pub(super) script_begin: Option<usize>,
    /// Where the content of a style began, in this portion.
    pub(super) style_begin: usize,
}

impl<'p> Machine<'p> {
    pub(super) fn new(page: usize, pages: &'p mut Pages) -> Self {
        Self {
            pages,
            report: Report::default(),
            growth_left: page.saturating_mul(MAX_GROWTH).saturating_add(FREE_GROWTH),
            portion: Vec::with_capacity(8192),
            at: 0,
            state: State::Text,
            next: State::Bad,
            saved_next: State::Bad,
            inside: Inside::Nothing,
            has_space: false,
            is_binary: false,
            tag: Vec::new(),
            name: Vec::new(),
            value: Vec::new(),
            arguments: Arguments::default(),
            quoted: Quoted::Not,
            is_escaped: false,
            held: 0,
            held_in_value: 0,
            entity: Vec::new(),
            number: 0,
            is_hex: false,
            digits: 0,
            has_data: false,
            screnc: Screnc::default(),
            in_screnc: false,
            looks_for_screnc: false,
            screnc_at: None,
            script: None,
            script_begin: None,
            style_begin: 0,
        }
    }

    pub(super) fn run(mut self, page: &[u8]) -> Report {
        let mut portions = Portions::new(page);
        let mut is_again = false;
        while is_again || self.next_portion(&mut portions) {
            let written = self.written();
            self.pass();
            self.growth_left = self.growth_left.saturating_sub(self.written().abs_diff(written));
            if self.growth_left == 0 {
                self.report.is_cut = true;
                break;
            }
            is_again = self.end_of_portion();
        }
        self.finish();
        self.report
    }

    fn written(&self) -> usize {
        let Pages { no_comment, no_tags, .. } = &*self.pages;
        no_comment.len().saturating_add(no_tags.len())
    }

    fn next_portion(&mut self, portions: &mut Portions<'_>) -> bool {
        self.at = 0;
        portions.next_into(&mut self.portion)
    }

    /// Goes once through the portion, from `at`.
    fn pass(&mut self) {
        while is_space(self.here()) {
            self.forward();
        }
        loop {
            match self.here() {
                0 => return,
                // Lines are joined, in the portion itself: a second look at it sees spaces.
                b'\n' if !self.is_binary => {
                    if let Some(byte) = self.portion.get_mut(self.at) {
                        *byte = b' ';
                    }
                    self.step(b' ');
                }
                b'\r' if !self.is_binary => self.forward(),
                byte => self.step(byte),
            }
        }
    }

    fn step(&mut self, byte: u8) {
        match self.state {
            State::Bad => self.resume(),
            State::Text => self.text(byte),
            State::EightBit => self.eight_bit(byte),
            State::Comment => self.comment(byte),
            State::Reference => self.reference(byte),
            State::EntityName => self.entity_name(byte),
            State::Number => self.number(byte),
            State::SkipSpace | State::TrimSpace if is_space(byte) => self.forward(),
            State::SkipSpace => self.go_on(),
            State::TrimSpace => {
                if self.inside == Inside::Nothing {
                    self.write(b' ');
                }
                self.go_on();
            }
            State::Tag => self.tag(byte),
            State::Argument => self.argument(byte),
            State::Equal => self.equal(byte),
            State::Value => self.value(byte),
            State::ProcessTag => self.process_tag(),
            State::LookForScrenc => self.look_for_screnc(),
            State::ScrencStart => self.screnc_start(byte),
            State::ScrencLength => self.screnc_length(),
            State::ScrencDecode => self.screnc_decode(),
            State::Data(part) => self.data(part, byte),
        }
    }

    /// ClamAV stops here; what follows would be hidden from every signature.
    pub(super) fn resume(&mut self) {
        self.report.resumed = self.report.resumed.saturating_add(1);
        (self.state, self.next) = (State::Text, State::Bad);
    }

    /// After the last byte of a portion. True if it is to be passed again, from an encoded script on.
    fn end_of_portion(&mut self) -> bool {
        self.feed_script(self.at);
        if self.looks_for_screnc
            && let Some(at) = self.screnc_at.take()
        {
            self.at = at;
            (self.state, self.next) = (State::ScrencLength, State::Bad);
            return true;
        }
        self.style_begin = 0;
        if self.in_screnc {
            (self.state, self.next) = (State::ScrencDecode, State::Bad);
        } else if self.looks_for_screnc && self.state != State::LookForScrenc {
            self.saved_next = self.next;
            self.next = self.state;
            self.state = State::LookForScrenc;
        }
        if self.next == self.state {
            self.next = State::Bad;
        }
        false
    }

    fn finish(&mut self) {
        self.unfinished_entity();
        if let Some(script) = self.script.take() {
            self.report.script.add(script.finish(&mut self.pages.script));
        }
    }

    fn text(&mut self, byte: u8) {
        match byte {
            b'<' => {
                self.write(b'<');
                self.write_space_to_text();
                self.forward();
                self.tag.clear();
                (self.state, self.next) = (State::SkipSpace, State::Tag);
            }
            _ if is_space(byte) => {
                self.write_space_to_text();
                (self.state, self.next) = (State::TrimSpace, State::Text);
            }
            b'&' => {
                self.write_space_to_text();
                (self.state, self.next) = (State::Reference, State::Text);
                self.forward();
            }
            0x80.. => {
                self.held = u32::from(byte);
                (self.state, self.next) = (State::EightBit, State::Text);
                self.forward();
            }
            ..0x20 => {
                self.write(byte);
                self.write_space_to_text();
                self.forward();
            }
            _ => self.plain_text(),
        }
    }

    /// A stretch of text without anything special.
    fn plain_text(&mut self) {
        let rest = self.portion.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
        let stretch = rest.get(..length).unwrap_or_default();
        if self.inside == Inside::Nothing {
            self.pages.no_comment.extend(stretch.iter().map(u8::to_ascii_lowercase));
            self.pages.no_tags.extend(stretch.iter().map(u8::to_ascii_lowercase));
            self.has_space = false;
        } else {
            self.pages.no_comment.extend(stretch.iter().map(|byte| in_script(*byte)));
        }
        self.at = self.at.saturating_add(length);
    }

    fn eight_bit(&mut self, byte: u8) {
        if byte >= 0x80 && self.held < 0x1_0000 {
            self.held = (self.held << 8) | u32::from(byte);
            self.forward();
            return;
        }
        let held = std::mem::take(&mut self.held);
        if is_full_stop(held, byte) {
            self.write(b'.');
            self.pages.no_tags.push(b'.');
            if held == FULL_STOP_BIG5 {
                self.forward();
                return;
            }
        } else {
            let [_, first, second, third] = held.to_be_bytes();
            self.write_held(held);
            if first != 0 {
                self.pages.no_tags.push(first);
            }
            if first != 0 || second != 0 {
                self.pages.no_tags.push(second);
            }
            // ClamAV writes the last but one twice, and so do its signatures expect it.
            let _ = third;
            self.pages.no_tags.push(second);
        }
        (self.state, self.next) = (self.next, State::Text);
    }

    fn comment(&mut self, byte: u8) {
        let is_silent = self.inside == Inside::Nothing;
        if is_silent && self.script.is_none() && !self.looks_for_screnc {
            let rest = self.portion.get(self.at..).unwrap_or_default();
            let Some(length) = memchr::memchr(b'>', rest) else {
                self.at = self.portion.len();
                return;
            };
            self.at = self.at.saturating_add(length);
        } else if !is_silent && !is_space(byte) {
            self.write(in_script(byte));
        }
        if self.here() == b'>' {
            (self.state, self.next) = (State::SkipSpace, State::Text);
        }
        self.forward();
    }

    fn look_for_screnc(&mut self) {
        self.looks_for_screnc = true;
        let rest = self.portion.get_mut(self.at..).unwrap_or_default();
        let found = memchr::memmem::find(rest, screnc::MARKER);
        if let Some(marker) = found.and_then(|at| rest.get_mut(at..)?.first_chunk_mut::<2>()) {
            *marker = *b"//";
        }
        self.screnc_at = found.map(|at| self.at.saturating_add(at).saturating_add(4));
        (self.state, self.next) = (self.next, self.saved_next);
    }

    /// Leads to [`Self::look_for_screnc`] and back.
    pub(super) fn begin_look_for_screnc(&mut self) {
        self.saved_next = self.next;
        self.next = self.state;
        self.looks_for_screnc = false;
        self.state = State::LookForScrenc;
    }

    fn screnc_start(&mut self, byte: u8) {
        let rest = self.portion.get_mut(self.at..).unwrap_or_default();
        match rest.first_chunk_mut::<4>() {
            Some(marker) if marker == screnc::MARKER => {
                *marker = *b"//~^";
                self.at = self.at.saturating_add(4);
                (self.state, self.next) = (State::ScrencLength, State::Bad);
            }
            _ => {
                self.write(byte.to_ascii_lowercase());
                self.forward();
            }
        }
    }

    fn screnc_length(&mut self) {
        let rest = self.portion.get_mut(self.at..).unwrap_or_default();
        let Some([a, b, c, d, e, f, _, last]) = rest.first_chunk_mut::<8>() else {
            (self.state, self.next) = (State::Text, State::Bad);
            return;
        };
        self.screnc = Screnc::new([*a, *b, *c, *d, *e, *f]);
        // Ends the comment that the marker became, for the script.
        *last = b'\n';
        self.in_screnc = true;
        self.at = self.at.saturating_add(8);
        (self.state, self.next) = (State::ScrencDecode, State::Bad);
    }

    fn screnc_decode(&mut self) {
        self.screnc.decode(&mut self.portion, self.at);
        if self.screnc.left == 0 {
            self.in_screnc = false;
        }
        (self.state, self.next) = (State::Text, State::Bad);
    }

    /// Hands the script what of it lies before `end` and was not handed over yet.
    pub(super) fn feed_script(&mut self, end: usize) {
        let begin = self.script_begin.take().unwrap_or(0);
        if let Some(script) = &mut self.script {
            script.read(self.portion.get(begin..end).unwrap_or_default());
            if self.inside == Inside::Nothing {
                self.end_script();
            }
        }
    }

    pub(super) fn end_script(&mut self) {
        if let Some(script) = self.script.take() {
            self.report.script.add(script.finish(&mut self.pages.script));
        }
    }

    /// The byte at hand; zero at the end of the portion.
    pub(super) fn here(&self) -> u8 {
        self.portion.get(self.at).copied().unwrap_or(0)
    }

    pub(super) fn forward(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// From skipped space to the state behind it.
    fn go_on(&mut self) {
        (self.state, self.next) = (self.next, State::Bad);
    }

    pub(super) fn write(&mut self, byte: u8) {
        self.pages.no_comment.push(byte);
    }

    /// Writes held bytes as they came.
    pub(super) fn write_held(&mut self, held: u32) {
        let [_, bytes @ ..] = held.to_be_bytes();
        let zeros = bytes.iter().take(2).take_while(|byte| **byte == 0).count();
        self.pages.no_comment.extend_from_slice(bytes.get(zeros..).unwrap_or_default());
    }

    fn write_space_to_text(&mut self) {
        if self.inside == Inside::Nothing && !self.has_space {
            self.pages.no_tags.push(b' ');
            self.has_space = true;
        }
    }
}

/// Full stops that browsers take for one in host names: U+3002, U+FF0E, U+FE52 in UTF-8.
const FULL_STOPS: [u32; 3] = [0x00E3_8082, 0x00EF_BC8E, 0x00EF_B992];
/// The first byte of the same in Big5, whose second may be `C`, `D` or `O`.
pub(super) const FULL_STOP_BIG5: u32 = 0xA1;

pub(super) fn is_full_stop(held: u32, next: u8) -> bool {
    FULL_STOPS.contains(&held) || (held == FULL_STOP_BIG5 && matches!(next, b'C' | b'D' | b'O'))
}

/// Letters small, one kind of quotes.
pub(super) fn in_script(byte: u8) -> u8 {
    if byte == b'\'' { b'"' } else { byte.to_ascii_lowercase() }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7F) && byte != b'<' && byte != b'&'
}
