//! Objects as they are written, ISO 32000-2 section 7.3, in the reading of those who forgive.

use std::borrow::Cow;

/// An object. Numbers that are no integers, null and `true`, which is the default wherever it
/// matters, are nothing that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Integer(i64),
    Name(Cow<'a, [u8]>),
    Text(Text<'a>),
    Array(Vec<Value<'a>>),
    Dictionary(Dictionary<'a>),
    /// The number of the object; which generation is meant, readers guess as well.
    Reference(u32),
    False,
    Other,
}

/// A string, as it stands between its brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    Literal(&'a [u8]),
    Hexadecimal(&'a [u8]),
}

/// Keys and values in the order of the file, keys that come twice included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dictionary<'a>(pub(super) Vec<(Cow<'a, [u8]>, Value<'a>)>);

impl<'a> Dictionary<'a> {
    /// Every value of a key. Readers take the first or the last.
    pub(super) fn all(&self, key: &[u8]) -> impl DoubleEndedIterator<Item = &Value<'a>> {
        self.0.iter().filter(move |(name, _)| **name == *key).map(|(_, value)| value)
    }

    /// The last value of a key, which most readers take.
    pub(super) fn last(&self, key: &[u8]) -> Option<&Value<'a>> {
        self.all(key).next_back()
    }

    /// Whether any value of `key` is this name.
    pub(super) fn says(&self, key: &[u8], name: &[u8]) -> bool {
        self.all(key).any(|value| matches!(value, Value::Name(found) if **found == *name))
    }

    pub(super) fn integer(&self, key: &[u8]) -> Option<i64> {
        self.last(key).and_then(Value::integer)
    }
}

impl<'a> Value<'a> {
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<Text<'a>> {
        match self {
            Self::Text(text) => Some(*text),
            _ => None,
        }
    }

    pub(super) fn dictionary(&self) -> Option<&Dictionary<'a>> {
        match self {
            Self::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }

    /// Calls `found` with every dictionary in this value, itself included. As deep as it was parsed.
    pub(super) fn each_dictionary(&self, found: &mut impl FnMut(&Dictionary<'a>)) {
        match self {
            Self::Dictionary(dictionary) => {
                found(dictionary);
                dictionary.0.iter().for_each(|(_, value)| value.each_dictionary(found));
            }
            Self::Array(values) => values.iter().for_each(|value| value.each_dictionary(found)),
            _ => {}
        }
    }
}

impl Text<'_> {
    /// The bytes of the string, 7.3.4.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Literal(raw) => literal(raw),
            Self::Hexadecimal(raw) => hexadecimal(raw),
        }
    }
}

fn literal(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\r' => {
                rest.next_if_eq(&b'\n');
                bytes.push(b'\n');
            }
            b'\\' => match rest.next() {
                Some(b'n') => bytes.push(b'\n'),
                Some(b'r') => bytes.push(b'\r'),
                Some(b't') => bytes.push(b'\t'),
                Some(b'b') => bytes.push(8),
                Some(b'f') => bytes.push(12),
                Some(b'\r') => drop(rest.next_if_eq(&b'\n')),
                Some(b'\n') | None => {}
                Some(digit @ b'0'..=b'7') => {
                    let mut code = digit & 7;
                    for _ in 0..2 {
                        let Some(next) = rest.next_if(|next| matches!(next, b'0'..=b'7')) else {
                            break;
                        };
                        code = code.wrapping_shl(3) | next & 7; // high bits overflow, 7.3.4.2
                    }
                    bytes.push(code);
                }
                Some(other) => bytes.push(other),
            },
            _ => bytes.push(byte),
        }
    }
    bytes
}

fn hexadecimal(raw: &[u8]) -> Vec<u8> {
    let mut digits = raw.iter().filter_map(|&byte| digit(byte));
    let mut bytes = Vec::with_capacity(raw.len() / 2);
    while let Some(high) = digits.next() {
        bytes.push(high.wrapping_shl(4) | digits.next().unwrap_or(0));
    }
    bytes
}

/// The value of a hexadecimal digit.
pub(super) fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Names that say what an object does, written with escapes that they do not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Escapes {
    /// Where the first stands, in the bytes that were parsed.
    pub(super) first: Option<usize>,
    pub(super) count: u64,
}

/// Reads objects from bytes.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    items_left: usize,
    entries_left: usize,
    /// Brackets that opened below [`MAX_DEPTH`] and did not close yet.
    too_deep: usize,
    /// Whether something was read and not kept, because there was too much of it.
    pub(super) too_large: bool,
    pub(super) escapes: Escapes,
}

/// The smallest parts of the language.
#[derive(Debug)]
enum Token<'a> {
    Integer(i64),
    Name(Cow<'a, [u8]>),
    Text(Text<'a>),
    Open(Bracket),
    Close(Bracket),
    /// Anything else, numbers that are no integers included.
    Word(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Array,
    Dictionary,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            items_left: MAX_VALUES,
            entries_left: MAX_VALUES,
            too_deep: 0,
            too_large: false,
            escapes: Escapes::default(),
        }
    }

    /// How far it has read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next object; None at the end of the bytes, or before what no object begins with.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        self.value_at(0)
    }

    /// The next object if it is an integer without a sign.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        self.skip_space();
        if !self.rest().first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        match self.token()? {
            Token::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// Steps over `word`, if it comes next.
    pub(super) fn word(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(word);
        if is_next {
            self.step(word.len());
        }
        is_next
    }

    /// Steps over white space and comments, 7.2.
    pub(super) fn skip_space(&mut self) {
        loop {
            let spaces = self.rest().iter().take_while(|&&byte| is_space(byte)).count();
            self.step(spaces);
            if self.rest().first() != Some(&b'%') {
                return;
            }
            let comment = memchr::memchr2(b'\r', b'\n', self.rest()).unwrap_or(self.rest().len());
            self.step(comment);
        }
    }

    fn value_at(&mut self, depth: usize) -> Option<Value<'a>> {
        self.skip_space();
        let start = self.at;
        match self.token()? {
            Token::Integer(number) => Some(self.reference(number)),
            Token::Name(name) => Some(Value::Name(name)),
            Token::Text(text) => Some(Value::Text(text)),
            Token::Open(_) if depth >= MAX_DEPTH => {
                self.too_deep = self.too_deep.saturating_add(1);
                self.too_large = true;
                Some(Value::Other)
            }
            Token::Open(Bracket::Array) => Some(self.array(depth)),
            Token::Open(Bracket::Dictionary) => Some(self.dictionary(depth)),
            Token::Close(_) if self.too_deep > 0 => {
                self.too_deep = self.too_deep.saturating_sub(1);
                Some(Value::Other)
            }
            Token::Close(_) => {
                self.at = start;
                None
            }
            Token::Word(word) if ends_object(word) => {
                self.at = start;
                None
            }
            Token::Word(b"false") => Some(Value::False),
            Token::Word(_) => Some(Value::Other),
        }
    }

    fn array(&mut self, depth: usize) -> Value<'a> {
        let mut values = Vec::new();
        loop {
            if let Some(value) = self.value_at(depth.saturating_add(1)) {
                match self.items_left.checked_sub(1) {
                    Some(left) => {
                        self.items_left = left;
                        values.push(value);
                    }
                    // Long arrays are tables of numbers, which nobody asks for.
                    None => self.too_large |= !matches!(value, Value::Integer(_) | Value::Other),
                }
                continue;
            }
            // An array that nobody closed ends with what is around it.
            if self.rest().first() == Some(&b']') {
                self.step(1);
            }
            return Value::Array(values);
        }
    }

    fn dictionary(&mut self, depth: usize) -> Value<'a> {
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            let start = self.at;
            match self.token() {
                Some(Token::Name(key)) => {
                    let value = self.value_at(depth.saturating_add(1)).unwrap_or(Value::Other);
                    match self.entries_left.checked_sub(1) {
                        Some(left) => {
                            self.entries_left = left;
                            entries.push((key, value));
                        }
                        None => self.too_large = true,
                    }
                }
                Some(Token::Close(_)) if self.too_deep > 0 => {
                    self.too_deep = self.too_deep.saturating_sub(1);
                }
                Some(Token::Open(_)) if depth >= MAX_DEPTH => {
                    self.too_deep = self.too_deep.saturating_add(1);
                    self.too_large = true;
                }
                None | Some(Token::Close(Bracket::Dictionary)) => break,
                Some(Token::Word(word)) if ends_object(word) => {
                    self.at = start;
                    break;
                }
                // What stands where a key should is stepped over.
                Some(_) => {}
            }
        }
        Value::Dictionary(Dictionary(entries))
    }

    /// `12 0 R`, of which `12` was read.
    fn reference(&mut self, number: i64) -> Value<'a> {
        let start = self.at;
        if let Ok(object) = u32::try_from(number)
            && self.unsigned().is_some()
        {
            self.skip_space();
            let ends = |byte: &u8| !is_regular(*byte);
            let (letter, after) = (self.rest().first(), self.rest().get(1));
            if letter == Some(&b'R') && after.is_none_or(ends) {
                self.step(1);
                return Value::Reference(object);
            }
        }
        self.at = start;
        Value::Integer(number)
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let two = rest.get(..2).unwrap_or_default();
        let (length, token) = match *rest.first()? {
            b'/' => return Some(self.name()),
            b'(' => return Some(self.literal()),
            b'[' => (1, Token::Open(Bracket::Array)),
            b']' => (1, Token::Close(Bracket::Array)),
            b'<' if two == b"<<" => (2, Token::Open(Bracket::Dictionary)),
            b'>' if two == b">>" => (2, Token::Close(Bracket::Dictionary)),
            b'<' => return Some(self.hexadecimal()),
            byte if is_regular(byte) => {
                let word = regular(rest);
                (word.len(), integer(word).map_or(Token::Word(word), Token::Integer))
            }
            _ => (1, Token::Word(rest.get(..1).unwrap_or_default())),
        };
        self.step(length);
        Some(token)
    }

    fn name(&mut self) -> Token<'a> {
        let start = self.at;
        self.step(1);
        let raw = regular(self.rest());
        self.step(raw.len());
        if !raw.contains(&b'#') {
            return Token::Name(Cow::Borrowed(raw));
        }
        let (name, is_needless) = unescape(raw);
        if is_needless && COMMON_NAMES.contains(&&*name) {
            self.escapes.first = self.escapes.first.or(Some(start));
            self.escapes.count = self.escapes.count.saturating_add(1);
        }
        Token::Name(Cow::Owned(name))
    }

    fn literal(&mut self) -> Token<'a> {
        self.step(1);
        let (mut depth, mut length) = (1_usize, 0_usize);
        let raw = self.rest();
        loop {
            let rest = raw.get(length..).unwrap_or_default();
            let Some(found) = memchr::memchr3(b'(', b')', b'\\', rest) else {
                self.step(raw.len());
                return Token::Text(Text::Literal(raw));
            };
            match rest.get(found) {
                Some(b'(') => depth = depth.saturating_add(1),
                Some(b')') => depth = depth.saturating_sub(1),
                _ => length = length.saturating_add(1),
            }
            if depth == 0 {
                let end = length.saturating_add(found);
                self.step(end.saturating_add(1));
                return Token::Text(Text::Literal(raw.get(..end).unwrap_or_default()));
            }
            length = length.saturating_add(found).saturating_add(1);
        }
    }

    fn hexadecimal(&mut self) -> Token<'a> {
        self.step(1);
        let rest = self.rest();
        let length = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        self.step(length.saturating_add(1));
        Token::Text(Text::Hexadecimal(rest.get(..length).unwrap_or_default()))
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.bytes.len());
    }
}

/// The characters at the start that belong to one word.
fn regular(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| !is_regular(byte)).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default()
}

fn integer(word: &[u8]) -> Option<i64> {
    let (sign, digits) = match word.split_first()? {
        (b'-', digits) => (-1, digits),
        (b'+', digits) => (1, digits),
        _ => (1, word),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: i64, digit: &u8| {
        sum.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
    };
    Some(digits.iter().fold(0, add).saturating_mul(sign))
}

/// A name without its escapes, 7.3.5, and whether one of them stood for what needs none.
fn unescape(raw: &[u8]) -> (Vec<u8>, bool) {
    let (mut name, mut rest, mut is_needless) = (Vec::with_capacity(raw.len()), raw, false);
    while let Some((&byte, after)) = rest.split_first() {
        let escape = after.split_first_chunk::<2>().filter(|_| byte == b'#');
        let code = escape.and_then(|(&[high, low], after)| {
            Some((digit(high)?.wrapping_shl(4) | digit(low)?, after))
        });
        let (byte, after) = code.unwrap_or((byte, after));
        is_needless |= code.is_some() && byte.is_ascii_alphanumeric();
        name.push(byte);
        rest = after;
    }
    (name, is_needless)
}

/// Words that no object holds: one that has not been closed ends before them.
fn ends_object(word: &[u8]) -> bool {
    let begins = [&b"stream"[..], b"endstream", b"endobj", b"startxref"];
    let is = [&b"obj"[..], b"xref", b"trailer"];
    begins.iter().any(|begin| word.starts_with(begin)) || is.contains(&word)
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_regular(byte: u8) -> bool {
    let is_delimiter =
        matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%');
    !is_space(byte) && !is_delimiter
}

/// Brackets inside of brackets. Writers make some ten.
const MAX_DEPTH: usize = 64;
/// Items of arrays, and entries of dictionaries, that are kept of one object. Page trees and name
/// trees are cut into small nodes by their writers; 65,536 values are some 4 MiB of memory.
const MAX_VALUES: usize = 1 << 16;

/// Names that tell a reader what to do. ClamAV's Heuristics.PDF.ObfuscatedNameObject asks for an
/// escape in one of these.
const COMMON_NAMES: &[&[u8]] = &[
    b"A85",
    b"AA",
    b"AHx",
    b"ASCII85Decode",
    b"ASCIIHexDecode",
    b"CCF",
    b"CCITTFaxDecode",
    b"Contents",
    b"Crypt",
    b"DCT",
    b"DCTDecode",
    b"EmbeddedFile",
    b"Encrypt",
    b"Filter",
    b"Fl",
    b"FlateDecode",
    b"Image",
    b"JBIG2Decode",
    b"JPXDecode",
    b"JS",
    b"JavaScript",
    b"LZW",
    b"LZWDecode",
    b"Launch",
    b"Length",
    b"Linearized",
    b"ObjStm",
    b"OpenAction",
    b"Page",
    b"RL",
    b"RichMedia",
    b"RunLengthDecode",
    b"Standard",
    b"SubmitForm",
    b"Type",
    b"URI",
    b"XFA",
    b"XRef",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Value<'_> {
        Parser::new(bytes, 0).value().unwrap()
    }

    fn name(text: &str) -> Value<'_> {
        Value::Name(Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn an_object_of_every_kind() {
        let value = parse(b"<</A#42 [1 -2 3 0 R(a(b)\\)c)<4 1>%]\n4.5 true]/C/D>>");
        let array = Value::Array(vec![
            Value::Integer(1),
            Value::Integer(-2),
            Value::Reference(3),
            Value::Text(Text::Literal(b"a(b)\\)c")),
            Value::Text(Text::Hexadecimal(b"4 1")),
            Value::Other,
            Value::Other,
        ]);
        let dictionary = value.dictionary().unwrap();
        assert_eq!(
            (dictionary.last(b"AB"), dictionary.last(b"C")),
            (Some(&array), Some(&name("D")))
        );
        assert_eq!(Text::Literal(b"a\\\n\\101\\(\\5x\r\n").bytes(), b"aA(\x05x\n");
        assert_eq!(Text::Hexadecimal(b"41 4").bytes(), b"A@");
    }

    #[test]
    fn both_values_of_a_key_are_kept() {
        let value = parse(b"<</F 1/F 2");
        let found: Vec<_> = value.dictionary().unwrap().all(b"F").collect();
        assert_eq!(found, [&Value::Integer(1), &Value::Integer(2)]);
    }

    #[test]
    fn what_nobody_closed_ends_before_its_stream() {
        for text in
            ["<</A 1 stream", "<</B[1 2 /A 1 endobj", "<</B[1>>/A 1 stream", "<</B<</A 1>>stream"]
        {
            let mut parser = Parser::new(text.as_bytes(), 0);
            assert!(parser.value().is_some(), "{text}");
            assert!(parser.rest().ends_with(b"stream") || parser.rest() == b"endobj", "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded_and_told() {
        let deep = [&[b'['; 70][..], &[b']'; 70]].concat();
        let text = [b"<</A ", &deep[..], b"/F 1>>"].concat();
        let mut parser = Parser::new(&text, 0);
        let value = parser.value().unwrap();
        assert_eq!((value.dictionary().unwrap().integer(b"F"), parser.too_large), (Some(1), true));
        let wide = [b"<</A[", &b"/B ".repeat(100_000)[..], b"]/F 1>>"].concat();
        let mut parser = Parser::new(&wide, 0);
        let value = parser.value().unwrap();
        assert_eq!((value.dictionary().unwrap().integer(b"F"), parser.too_large), (Some(1), true));
    }

    #[test]
    fn needless_escapes_of_common_names_are_counted() {
        for (text, count) in
            [("/J#53", 1), ("/Fl#61teDecode", 1), ("/Helvetica#20Neue", 0), ("/Own#4eame", 0)]
        {
            let mut parser = Parser::new(text.as_bytes(), 0);
            parser.value();
            assert_eq!(parser.escapes.count, count, "{text}");
        }
    }
}
